/**
 * @file runtime.h
 * The runtime: everything hangs on this handle, several can live in one process. A host drives it
 * with trp_runtime_step.
 */
#ifndef TROUPE_RUNTIME_H
#define TROUPE_RUNTIME_H

#include "troupe/actor.h"
#include "troupe/host.h"

TRP_BEGIN_DECLS

/** A runtime. Opaque. */
typedef struct trp_runtime trp_runtime;

/** Most schedulers a runtime can have. */
#define TRP_SCHEDULERS_MAX 64

/** What a runtime is made with. Zero is the default for each. */
typedef struct trp_runtime_config {
    size_t size;               /**< sizeof(trp_runtime_config) */
    unsigned schedulers;       /**< 1 … TRP_SCHEDULERS_MAX, default 1 */
    uint32_t actors_max;       /**< most actors alive at once, default 4,194,304 */
    uint32_t mailbox_messages; /**< default mailbox limit, default 1,048,576 messages */
    uint32_t
        batch; /**< most messages an actor handles in one turn, default 64; fewer if they take long */
} trp_runtime_config;

/** What trp_runtime_step answers. */
typedef enum trp_step {
    TRP_STEP_MORE = 1, /**< more work is ready: step again soon */
    TRP_STEP_IDLE = 2, /**< nothing to do until a wake or the deadline */
    TRP_STEP_DONE = 3  /**< the runtime has stopped: this scheduler will never have work again */
} trp_step;

/** How much one step may do. Zero means no limit of that kind. */
typedef struct trp_budget {
    uint32_t messages;    /**< stop after about so many messages */
    uint64_t deadline_ns; /**< stop when the host's clock has passed this */
} trp_budget;

/** Counters of a runtime, summed over its schedulers; a snapshot that may be torn between them. */
typedef struct trp_stats {
    uint64_t actors;       /**< alive now */
    uint64_t spawned;      /**< ever */
    uint64_t delivered;    /**< messages handed to handlers */
    uint64_t dead_letters; /**< messages to nobody */
    uint64_t late_replies; /**< replies that came after their request had ended */
    uint64_t timers;       /**< armed now */
    uint64_t failures;     /**< actors that ended with an abnormal reason */
} trp_stats;

/**
 * Creates a runtime on `host` (copied; its callbacks must stay valid). `config` may be NULL.
 * Returns owned in `out`. Errors: TRP_EINVAL (a required callback is missing, a number out of
 * range), TRP_ENOMEM.
 */
TRP_API int trp_runtime_create(const trp_host *host, const trp_runtime_config *config,
                               trp_runtime **out);

/**
 * Frees the runtime and everything in it; actors still alive end without terminate. No scheduler
 * may be stepped during or after the call. Accepts NULL.
 */
TRP_API void trp_runtime_destroy(trp_runtime *runtime);

/**
 * Runs ready actors of `scheduler` until nothing is ready or the budget (may be NULL) is used up.
 * One thread at a time per scheduler, different schedulers concurrently. Writes to
 * `next_deadline_ns` when the scheduler wants to be stepped again without a wake, TRP_NEVER if it
 * does not. If the host has `abandon`, a step may be left by it; then call it again. Calls from
 * inside a step return TRP_STEP_MORE and do nothing.
 */
TRP_API trp_step trp_runtime_step(trp_runtime *runtime, unsigned scheduler,
                                  const trp_budget *budget, uint64_t *next_deadline_ns);

/**
 * The root ctx of `scheduler`: lets its thread use the functions of actor.h and its fellows between
 * steps, as nobody. Messages sent this way are handled by later steps. Not concurrently with a step
 * of the same scheduler. Borrowed.
 */
TRP_API trp_ctx *trp_runtime_enter(trp_runtime *runtime, unsigned scheduler);

/** The runtime of a ctx. Borrowed. */
TRP_API trp_runtime *trp_ctx_runtime(trp_ctx *ctx);

/** The scheduler of a ctx. */
TRP_API unsigned trp_ctx_scheduler(const trp_ctx *ctx);

/**
 * Asks all actors to stop with TRP_EXIT_SHUTDOWN; those that are still there after `grace_ns` are
 * killed. Spawning fails with TRP_ESTATE from here on. Steps answer TRP_STEP_DONE when no actor is
 * left, and no work of trp_offload is running. Any thread; the first call counts.
 */
TRP_API void trp_runtime_stop(trp_runtime *runtime, uint64_t grace_ns);

/**
 * Runs `call(ctx, arg)` on `scheduler`, between actors, with its root ctx: the door for foreign
 * threads. Copies nothing; `arg` must live until then. If the runtime is destroyed first, `call` is
 * never run. TRP_ENOMEM.
 */
TRP_API int trp_post_call(trp_runtime *runtime, unsigned scheduler,
                          void (*call)(trp_ctx *ctx, void *arg), void *arg);

/**
 * From any thread: sends a copy of `length` bytes (borrowed) as an untyped message with `tag` to
 * `to`. TRP_ENOMEM, TRP_ETOOBIG. Of what happens later nobody is told: a dead addressee, or no memory
 * when its scheduler delivers, makes a dead letter.
 */
TRP_API int trp_post_bytes(trp_runtime *runtime, trp_pid to, const void *data, size_t length,
                           uint64_t tag);

/**
 * Makes a behaviour and its message types known for spawning by name and for decoding. Call before
 * other threads step the runtime, or any time with one scheduler. TRP_EEXIST if another behaviour
 * has that name or two types share a hash, TRP_ENOMEM.
 */
TRP_API int trp_register_behaviour(trp_runtime *runtime, const trp_behaviour *behaviour);

/**
 * Makes a message type known for decoding. As trp_register_behaviour. Registering the same type
 * again is fine.
 */
TRP_API int trp_register_type(trp_runtime *runtime, const trp_type *type);

/** The registered behaviour called `name`, or NULL. Borrowed. */
TRP_API const trp_behaviour *trp_find_behaviour(trp_runtime *runtime, const char *name);

/** The registered type called `name`, or NULL. Borrowed. */
TRP_API const trp_type *trp_find_type(trp_runtime *runtime, const char *name);

/** The registered type with that trp_type_hash, or NULL. Borrowed. */
TRP_API const trp_type *trp_find_type_hash(trp_runtime *runtime, uint64_t hash);

/**
 * Calls `each` with every registered type, in no order, until it returns something other than 0,
 * which is then the result. It may not register. As trp_register_behaviour in threads.
 */
TRP_API int trp_each_type(trp_runtime *runtime, int (*each)(void *arg, const trp_type *type),
                          void *arg);

/** The same for every registered behaviour. */
TRP_API int trp_each_behaviour(trp_runtime *runtime,
                               int (*each)(void *arg, const trp_behaviour *behaviour), void *arg);

/**
 * Hook for messages that reach nobody: called with the message borrowed (it is freed afterwards),
 * the addressee and the error. On the scheduler that found out, between or inside actors; it may
 * log but not call back. Set before the first step; NULL to remove.
 */
typedef void trp_dead_letter_fn(void *arg, trp_ctx *ctx, trp_pid to, const trp_message *message,
                                int error);

/** Sets the hook for dead letters, with an argument of yours; see trp_dead_letter_fn. */
TRP_API void trp_runtime_on_dead_letter(trp_runtime *runtime, trp_dead_letter_fn *hook, void *arg);

/** Sums the counters. Any thread. */
TRP_API void trp_runtime_stats(trp_runtime *runtime, trp_stats *stats);

/** "major.minor.patch". Static. */
TRP_API const char *trp_version(void);

TRP_END_DECLS

#endif
