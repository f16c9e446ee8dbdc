/**
 * @file base.h
 * Linkage, visibility and the fixed-width types that every other header needs.
 */
#ifndef TROUPE_BASE_H
#define TROUPE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Marks a function that the library exports. Everything else is hidden. */
#if defined(TRP_API_OVERRIDE)
#define TRP_API TRP_API_OVERRIDE
#elif defined(__GNUC__)
#define TRP_API __attribute__((visibility("default")))
#else
#define TRP_API
#endif

/** Marks a function that never returns, in C and in C++. */
#if defined(__GNUC__)
#define TRP_NORETURN __attribute__((noreturn))
#elif defined(__cplusplus)
#define TRP_NORETURN [[noreturn]]
#else
#define TRP_NORETURN _Noreturn
#endif

/** Lets the compiler check the arguments of a function that formats like printf; both count from 1. */
#if defined(__GNUC__)
#define TRP_PRINTF(format_index, first_argument)                                                   \
    __attribute__((format(printf, format_index, first_argument)))
#else
#define TRP_PRINTF(format_index, first_argument)
#endif

/** Around the declarations of a header: C linkage in C++. */
#ifdef __cplusplus
#define TRP_BEGIN_DECLS extern "C" {
#define TRP_END_DECLS }
#else
#define TRP_BEGIN_DECLS
#define TRP_END_DECLS
#endif

/** A point in time or a span of it that never comes: the longest deadline. */
#define TRP_NEVER UINT64_MAX

/** Nanoseconds in a millisecond and in a second, for deadlines and timeouts. */
#define TRP_NS_PER_MS UINT64_C(1000000)
#define TRP_NS_PER_S UINT64_C(1000000000)

#endif
