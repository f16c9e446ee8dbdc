/*
 * Sanitizers end the program when memory of an absurd size is asked for, where a host must answer
 * NULL.
 */
#ifndef TEST_SANITIZERS_H
#define TEST_SANITIZERS_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZER_ENDS_ON_HUGE_SIZES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZER_ENDS_ON_HUGE_SIZES 1
#else
#define SANITIZER_ENDS_ON_HUGE_SIZES 0
#endif
#else
#define SANITIZER_ENDS_ON_HUGE_SIZES 0
#endif

#endif
