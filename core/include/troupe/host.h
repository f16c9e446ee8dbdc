/**
 * @file host.h
 * The seam: what a host (native, web, simulation, or your own) gives to the core.
 *
 * The core never blocks, sleeps, reads a clock, starts a thread or allocates behind the host's
 * back. It asks for these things through this table and is otherwise driven by trp_runtime_step
 * (runtime.h).
 */
#ifndef TROUPE_HOST_H
#define TROUPE_HOST_H

#include "troupe/base.h"

TRP_BEGIN_DECLS

/** How serious a log line is. */
typedef enum trp_log_level {
    TRP_LOG_DEBUG = 0,
    TRP_LOG_INFO = 1,
    TRP_LOG_WARN = 2,
    TRP_LOG_ERROR = 3
} trp_log_level;

/** X(NAME, value): what a trace record reports. */
#define TRP_TRACE_LIST(X)                                                                          \
    X(SPAWN, 1)       /* a = new actor, b = spawner */                                             \
    X(EXIT, 2)        /* a = actor, value = exit kind */                                           \
    X(DELIVER, 3)     /* a = receiver, value = tag or type hash of the message */                  \
    X(DEAD_LETTER, 4) /* a = addressee, value = error code */                                      \
    X(TIMER, 5)       /* a = owner, value = ref */                                                 \
    X(SESSION, 6)     /* value = session state */

/** The kinds as constants: TRP_TRACE_SPAWN, TRP_TRACE_EXIT, ... */
typedef enum trp_trace_kind {
#define TRP_TRACE_ENUM_(name, value) TRP_TRACE_##name = (value),
    TRP_TRACE_LIST(TRP_TRACE_ENUM_)
#undef TRP_TRACE_ENUM_
} trp_trace_kind;

/** One trace record. Ids are `index << 32 | generation` of local actors, 0 for nobody. */
typedef struct trp_trace {
    uint32_t kind;
    uint32_t scheduler;
    uint64_t a;
    uint64_t b;
    uint64_t value;
} trp_trace;

/**
 * The host table. Fill it with zero, set `size`, then the callbacks. The core copies it at
 * creation.
 *
 * Every callback gets `self`. "Any thread" below means: any thread that may call into the core,
 * concurrently. Callbacks must not call back into the core unless they say so.
 */
typedef struct trp_host {
    size_t size; /**< sizeof(trp_host) of the caller */
    void *self;  /**< handed to every callback */

    /**
     * Required. Allocates (`old_size` 0), resizes or frees (`new_size` 0). Both sizes are exact.
     * Memory is aligned for any type. Returns NULL when it cannot; the old block then stays valid.
     * Shrinking may not fail. Any thread.
     */
    void *(*realloc)(void *self, void *block, size_t old_size, size_t new_size);

    /** Required. Nanoseconds of a clock that never goes back. Any thread. */
    uint64_t (*now_ns)(void *self);

    /**
     * Required. Asks that trp_runtime_step be called soon for `scheduler`, from its thread. Must be
     * cheap, may coalesce, must not call back. Any thread, also the scheduler's own.
     */
    void (*wake)(void *self, unsigned scheduler);

    /** Required. Fills `bytes` with `length` unpredictable bytes; 0 or a TRP_E*. Any thread. */
    int (*entropy)(void *self, void *bytes, size_t length);

    /**
     * Optional. One log line, not terminated, without line end. `who` is the logging actor's text
     * form or "". Any thread.
     */
    void (*log)(void *self, int level, const char *who, const char *text, size_t length);

    /** Optional. One trace record; only called when set. The record is borrowed. Any thread. */
    void (*trace)(void *self, const trp_trace *record);

    /** Optional, default trap. A broken invariant of the core. Must not return. Any thread. */
    void (*fatal)(void *self, const char *text);

    /**
     * Optional. HMAC-SHA-256 (RFC 2104, FIPS 180-4) of `data` under `key` into `mac`; 0 or a
     * TRP_E*. A host without it can only be a guest of other nodes. Any thread.
     */
    int (*hmac_sha256)(void *self, const void *key, size_t key_length, const void *data,
                       size_t data_length, uint8_t mac[32]);

    /**
     * Optional. Leaves the current call of trp_runtime_step (of `scheduler`, on its thread) without
     * returning through the frames in between, and makes the host call trp_runtime_step again.
     * trp_abort needs it. Must not return.
     */
    void (*abandon)(void *self, unsigned scheduler);

    /**
     * Optional, all four or none: stacks for routines. Makes a fiber that will call `entry(arg)` on
     * `stack_size` bytes of its own when it is first switched to; NULL when out of memory. A
     * scheduler's fibers are only used on its thread.
     */
    void *(*fiber_create)(void *self, size_t stack_size, void (*entry)(void *arg), void *arg);
    /**
     * Runs `fiber` until it yields (0), or until it overflows its stack (TRP_EFAILED): then it may
     * only be destroyed.
     */
    int (*fiber_switch)(void *self, void *fiber);
    /**
     * Inside a fiber: goes back to the fiber_switch that runs it. `entry` ends with a yield and
     * never returns.
     */
    void (*fiber_yield)(void *self);
    /** Frees a fiber that does not run, wherever it stopped. */
    void (*fiber_destroy)(void *self, void *fiber);

    /**
     * Optional. Takes a job of trp_offload (offload.h) and calls `run(job, false)` soon, once, on a
     * thread that may block and is no scheduler's; or refuses with a TRP_E* and never runs it. A
     * job that it will not do after all it gives back by `run(job, true)`, on any thread. Each job
     * taken has been run when trp_runtime_destroy is called. Called on the thread of `scheduler`.
     * Without it the work runs on the scheduler itself, between actors.
     */
    int (*offload)(void *self, unsigned scheduler, void (*run)(void *job, bool is_canceled),
                   void *job);
} trp_host;

TRP_END_DECLS

#endif
