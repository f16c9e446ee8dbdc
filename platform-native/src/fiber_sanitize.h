/*
 * What AddressSanitizer and ThreadSanitizer must be told about fibers; nothing in other builds. To the first a fiber is
 * another stack with another set of heap frames, to the second it is another thread.
 */
#ifndef TRPI_FIBER_SANITIZE_H
#define TRPI_FIBER_SANITIZE_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define TRPI_FIBER_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define TRPI_FIBER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TRPI_FIBER_ASAN 1
#elif __has_feature(thread_sanitizer)
#define TRPI_FIBER_TSAN 1
#endif
#endif

#if defined(TRPI_FIBER_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define TRPI_NO_SANITIZE __attribute__((no_sanitize_address))
#elif defined(TRPI_FIBER_TSAN)
#include <sanitizer/tsan_interface.h>
#define TRPI_NO_SANITIZE __attribute__((no_sanitize_thread))
#else
#define TRPI_NO_SANITIZE
#endif

/* One side of a switch: a fiber, or whoever switches to it. */
typedef struct trpi_sanitize {
#if defined(TRPI_FIBER_ASAN)
    void *frames; /* while it does not run */
    const void *low;
    size_t size;
    bool is_dead;
#elif defined(TRPI_FIBER_TSAN)
    void *thread;
#else
    char nothing;
#endif
} trpi_sanitize;

/* A new fiber on that memory. */
static inline void trpi_sanitize_create(trpi_sanitize *fiber, const char *low, const char *high) {
#if defined(TRPI_FIBER_ASAN)
    *fiber = (trpi_sanitize){.low = low, .size = (size_t)(high - low)};
#elif defined(TRPI_FIBER_TSAN)
    fiber->thread = __tsan_create_fiber(0);
    (void)low;
    (void)high;
#else
    (void)fiber;
    (void)low;
    (void)high;
#endif
}

static inline void trpi_sanitize_destroy(trpi_sanitize *fiber) {
#if defined(TRPI_FIBER_TSAN)
    __tsan_destroy_fiber(fiber->thread);
#else
    (void)fiber;
#endif
}

/* Just before `from` is put away and `to` goes on. */
static inline void trpi_sanitize_leave(trpi_sanitize *from, trpi_sanitize *to) {
#if defined(TRPI_FIBER_ASAN)
    __sanitizer_start_switch_fiber(from->is_dead ? NULL : &from->frames, to->low, to->size);
#elif defined(TRPI_FIBER_TSAN)
    (void)from;
    __tsan_switch_to_fiber(to->thread, 0);
#else
    (void)from;
    (void)to;
#endif
}

/* First thing of `to` when it goes on after `from`. */
static inline void trpi_sanitize_arrive(trpi_sanitize *to, trpi_sanitize *from) {
#if defined(TRPI_FIBER_ASAN)
    const void *low = NULL;
    size_t size = 0;
    __sanitizer_finish_switch_fiber(to->frames, &low, &size);
    from->low = low;
    from->size = size;
#else
    (void)to;
    (void)from;
#endif
}

/* The calling thread, or fiber, is about to switch to its first fiber. */
static inline void trpi_sanitize_self(trpi_sanitize *self) {
#if defined(TRPI_FIBER_TSAN)
    self->thread = __tsan_get_current_fiber();
#else
    (void)self;
#endif
}

/* From now on, leaving this fiber is for ever. */
static inline void trpi_sanitize_die(trpi_sanitize *fiber) {
#if defined(TRPI_FIBER_ASAN)
    fiber->is_dead = true;
#else
    (void)fiber;
#endif
}

/* Forgets what frames have left behind on a stack. */
static inline void trpi_sanitize_clear(const char *from, size_t size) {
#if defined(TRPI_FIBER_ASAN)
    ASAN_UNPOISON_MEMORY_REGION(from, size);
#else
    (void)from;
    (void)size;
#endif
}

#endif
