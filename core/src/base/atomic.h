/*
 * The one door to atomics. Every shared variable of the core is a trpi_atomic and is only touched
 * through these functions, each call naming its order. Three builds stand behind it: C11 atomics;
 * plain operations (TRP_SINGLE_THREAD, the wasm build, where one thread runs everything); and the
 * schedule explorer of the tests (TRP_ATOMIC_HEADER), which sees every access.
 */
#ifndef TRPI_ATOMIC_H
#define TRPI_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

/* Whether several threads may be at work: without, no read-modify-write is ever called for. */
#if defined(TRP_SINGLE_THREAD) && !defined(TRP_ATOMIC_HEADER)
enum { TRPI_HAS_THREADS = 0 };
#else
enum { TRPI_HAS_THREADS = 1 };
#endif

#if defined(TRP_ATOMIC_HEADER)
#include TRP_ATOMIC_HEADER
#elif defined(TRP_SINGLE_THREAD)

typedef struct trpi_atomic_ptr {
    void *value;
} trpi_atomic_ptr;
typedef struct trpi_atomic_u32 {
    uint32_t value;
} trpi_atomic_u32;
typedef struct trpi_atomic_u64 {
    uint64_t value;
} trpi_atomic_u64;

#define TRPI_RELAXED 0
#define TRPI_ACQUIRE 0
#define TRPI_RELEASE 0
#define TRPI_ACQ_REL 0
#define TRPI_SEQ_CST 0

#define trpi_load(a, order) ((a)->value)
#define trpi_store(a, v, order) ((void)((a)->value = (v)))
#define trpi_fence(order) ((void)0)

static inline void *trpi_exchange_ptr(trpi_atomic_ptr *a, void *v, int order) {
    (void)order;
    void *old = a->value;
    a->value = v;
    return old;
}

static inline bool trpi_cas_ptr(trpi_atomic_ptr *a, void **expected, void *desired, int order) {
    (void)order;
    if (a->value == *expected) {
        a->value = desired;
        return true;
    }
    *expected = a->value;
    return false;
}

#define TRPI_ATOMIC_PLAIN_(suffix, type)                                                           \
    static inline type trpi_exchange_##suffix(trpi_atomic_##suffix *a, type v, int order) {        \
        (void)order;                                                                               \
        type old = a->value;                                                                       \
        a->value = v;                                                                              \
        return old;                                                                                \
    }                                                                                              \
    static inline type trpi_add_##suffix(trpi_atomic_##suffix *a, type v, int order) {             \
        (void)order;                                                                               \
        type old = a->value;                                                                       \
        a->value = old + v;                                                                        \
        return old;                                                                                \
    }                                                                                              \
    static inline bool trpi_cas_##suffix(trpi_atomic_##suffix *a, type *expected, type desired,    \
                                         int order) {                                              \
        (void)order;                                                                               \
        if (a->value == *expected) {                                                               \
            a->value = desired;                                                                    \
            return true;                                                                           \
        }                                                                                          \
        *expected = a->value;                                                                      \
        return false;                                                                              \
    }

#else

#include <stdatomic.h>

typedef struct trpi_atomic_ptr {
    _Atomic(void *) value;
} trpi_atomic_ptr;
typedef struct trpi_atomic_u32 {
    _Atomic uint32_t value;
} trpi_atomic_u32;
typedef struct trpi_atomic_u64 {
    _Atomic uint64_t value;
} trpi_atomic_u64;

#define TRPI_RELAXED memory_order_relaxed
#define TRPI_ACQUIRE memory_order_acquire
#define TRPI_RELEASE memory_order_release
#define TRPI_ACQ_REL memory_order_acq_rel
#define TRPI_SEQ_CST memory_order_seq_cst

#define trpi_load(a, order) atomic_load_explicit(&(a)->value, (order))
#define trpi_store(a, v, order) atomic_store_explicit(&(a)->value, (v), (order))

static inline void *trpi_exchange_ptr(trpi_atomic_ptr *a, void *v, memory_order order) {
    return atomic_exchange_explicit(&a->value, v, order);
}

static inline bool trpi_cas_ptr(trpi_atomic_ptr *a, void **expected, void *desired,
                                memory_order order) {
    return atomic_compare_exchange_strong_explicit(&a->value, expected, desired, order,
                                                   memory_order_relaxed);
}

#define TRPI_ATOMIC_PLAIN_(suffix, type)                                                           \
    static inline type trpi_exchange_##suffix(trpi_atomic_##suffix *a, type v,                     \
                                              memory_order order) {                                \
        return atomic_exchange_explicit(&a->value, v, order);                                      \
    }                                                                                              \
    static inline type trpi_add_##suffix(trpi_atomic_##suffix *a, type v, memory_order order) {    \
        return atomic_fetch_add_explicit(&a->value, v, order);                                     \
    }                                                                                              \
    static inline bool trpi_cas_##suffix(trpi_atomic_##suffix *a, type *expected, type desired,    \
                                         memory_order order) {                                     \
        return atomic_compare_exchange_strong_explicit(&a->value, expected, desired, order,        \
                                                       memory_order_relaxed);                      \
    }

#endif

#ifdef TRPI_ATOMIC_PLAIN_
TRPI_ATOMIC_PLAIN_(u32, uint32_t)
TRPI_ATOMIC_PLAIN_(u64, uint64_t)
#undef TRPI_ATOMIC_PLAIN_
#endif

#endif
