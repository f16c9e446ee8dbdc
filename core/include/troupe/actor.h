/**
 * @file actor.h
 * Actors: behaviours, spawning, sending, ending.
 *
 * A behaviour is a set of callbacks that run to completion, one at a time per actor, on whatever
 * scheduler runs the actor. All functions here that take a `trp_ctx` are called from such a
 * callback, with the ctx it received; or from outside any actor with the root ctx of
 * trp_runtime_enter (runtime.h).
 */
#ifndef TROUPE_ACTOR_H
#define TROUPE_ACTOR_H

#include "troupe/base.h"
#include "troupe/error.h"
#include "troupe/exit.h"
#include "troupe/host.h"
#include "troupe/message.h"
#include "troupe/pid.h"

TRP_BEGIN_DECLS

/** Flags of a behaviour. */
enum {
    TRP_BEHAVIOUR_ROUTINE = 1, /**< it is the first member of a trp_routine (routine.h) */
    /**
     * A stop does not end the actor: handle gets the reason as a message of trp_exit_type (exit.h),
     * puts its things in order, and ends the actor with trp_fail when it is done.
     */
    TRP_BEHAVIOUR_DEFERS_STOP = 2
};

/**
 * What an actor does. Static and constant, shared by all its actors. Fill by designated
 * initialisers; absent callbacks are NULL.
 */
typedef struct trp_behaviour {
    size_t size; /**< sizeof(trp_behaviour) */
    const char *
        name; /**< name for spawning from JavaScript and from other nodes, and for logs; required */
    uint32_t state_size; /**< bytes of state per actor, zeroed before init; 0 allowed */
    uint32_t flags;      /**< TRP_BEHAVIOUR_* */

    /**
     * Type of `arg` when the actor is spawned by name from JavaScript or another node; NULL if it
     * takes none.
     */
    const trp_type *arg_type;

    /**
     * The message types that the actor understands, NULL-terminated; registered with the behaviour.
     * May be NULL.
     */
    const trp_type *const *types;

    /**
     * Optional. Runs in the flow of the spawner, before trp_spawn returns. A result other than 0
     * undoes the spawn: the spawner gets that error, nobody else hears of the actor and terminate
     * does not run. Borrows `arg`.
     */
    int (*init)(trp_ctx *ctx, void *state, const void *arg);

    /** Required. One message, borrowed until the callback returns. */
    void (*handle)(trp_ctx *ctx, void *state, trp_message *message);

    /**
     * Optional. Last callback, with the reason; not run after a kill or an abort. Sending is still
     * possible.
     */
    void (*terminate)(trp_ctx *ctx, void *state, const trp_exit *reason);
} trp_behaviour;

/**
 * Initialises the first members of a behaviour: `static const trp_behaviour echo =
 * {TRP_BEHAVIOUR("echo"), .handle = ...};`
 */
#define TRP_BEHAVIOUR(behaviour_name) .size = sizeof(trp_behaviour), .name = (behaviour_name)

/** What happens to a message that comes to a full mailbox. */
typedef enum trp_mailbox_policy {
    TRP_MAILBOX_REJECT = 0,      /**< the sender gets TRP_EFULL */
    TRP_MAILBOX_DROP_NEWEST = 1, /**< it becomes a dead letter; the sender gets 0 */
    TRP_MAILBOX_DROP_OLDEST = 2, /**< it is accepted; the oldest ones become dead letters */
    TRP_MAILBOX_SUSPEND = 3 /**< it is accepted; the sender waits until there is room: a routine at
                                      once, a behaviour after its callback */
} trp_mailbox_policy;

/** What a spawner can choose. Zero is the default for each. */
typedef struct trp_spawn_options {
    size_t size; /**< sizeof(trp_spawn_options) */
    const char
        *name; /**< also registers this name (name.h), reserved until init has succeeded; TRP_EEXIST
                     undoes the spawn */
    bool monitor;                      /**< also monitors the new actor (monitor.h) */
    bool link;                         /**< also links to the new actor (link.h) */
    bool pinned;                       /**< the actor never leaves the scheduler it is spawned on */
    bool supervised;                   /**< somebody else ends it in time when the runtime stops */
    uint32_t mailbox_messages;         /**< mailbox limit in messages, 0 = the runtime's default */
    trp_mailbox_policy mailbox_policy; /**< what happens beyond mailbox_messages */
    bool events_first; /**< exits, downs and timeouts overtake messages, at most 16 in a row */
    uint64_t link_tag; /**< tag of that link on the spawner's side; the new actor's has 0 */
} trp_spawn_options;

/**
 * Spawns an actor on this scheduler: allocates it, runs init, and writes its pid to `pid` (may be
 * NULL). `arg` goes to init, borrowed. `options` may be NULL. With options->monitor the monitor's
 * ref is written to `monitor`, which may be NULL only without. Errors: TRP_ENOMEM; TRP_ELIMIT (too
 * many actors, or init functions that spawn nested too deep); TRP_EEXIST (the name); TRP_EINVAL (a
 * behaviour without name or `handle`, an option out of range, no `monitor`); TRP_ESTATE (the root ctx
 * wants a link or a monitor, or the runtime stops); TRP_ENOTSUP (a routine where the host has no
 * fibers); or what init returned.
 */
TRP_API int trp_spawn_opt(trp_ctx *ctx, const trp_behaviour *behaviour, const void *arg,
                          const trp_spawn_options *options, trp_pid *pid, trp_ref *monitor);

/** trp_spawn_opt without options. */
TRP_API int trp_spawn(trp_ctx *ctx, const trp_behaviour *behaviour, const void *arg, trp_pid *pid);

/** The calling actor. TRP_PID_NONE for the root ctx. */
TRP_API trp_pid trp_self(const trp_ctx *ctx);

/** The calling actor's state block. NULL for the root ctx. */
TRP_API void *trp_state(const trp_ctx *ctx);

/**
 * Sends `message`, which it always takes: it is delivered, or it becomes a dead letter, is counted,
 * and the result says why: TRP_ENOPROC, TRP_EFULL, TRP_ECLOSED (it drains, ending.h),
 * TRP_ENOCONNECTION, TRP_EPERM, TRP_ETOOBIG, TRP_ENOTSUP (what it carries cannot leave the node). 0
 * means it is in the mailbox (or on its way to the other node). Between two actors order is kept.
 * `message` NULL (out of memory when it was made) gives TRP_ENOMEM.
 */
TRP_API int trp_send(trp_ctx *ctx, trp_pid to, trp_message *message);

/**
 * Like trp_send, but takes the message only on success; on error it stays yours and nothing is
 * counted.
 */
TRP_API int trp_try_send(trp_ctx *ctx, trp_pid to, trp_message *message);

/** True if the local actor is alive, or the remote actor's node is connected. A snapshot. */
TRP_API bool trp_is_alive(trp_ctx *ctx, trp_pid pid);

/**
 * Ends the calling actor with TRP_EXIT_NORMAL when the running callback returns; terminate runs.
 */
TRP_API void trp_stop_self(trp_ctx *ctx);

/**
 * Ends the calling actor with `reason` (borrowed) when the running callback returns; terminate
 * runs. The first call counts.
 */
TRP_API void trp_fail(trp_ctx *ctx, const trp_exit *reason);

/**
 * trp_fail with kind ERROR, `code` and `text` (borrowed; NULL: the text of the code). Does nothing
 * if `code` is 0, so the result of a call can be handed on: `trp_fail_code(ctx, trp_timer(...), NULL)`.
 */
TRP_API void trp_fail_code(trp_ctx *ctx, int code, const char *text);

/**
 * Ends the calling actor with `reason` (borrowed) now, without returning. Terminate does not run.
 * Needs the host's `abandon`; without it the program ends through `fatal`. Must not be called
 * inside a callback of the core other than the actor's own.
 */
TRP_API TRP_NORETURN void trp_abort(trp_ctx *ctx, const trp_exit *reason);

/**
 * Asks an actor to end with `reason` (borrowed): it handles what was sent to it before, then
 * terminate runs. The reason's kind must not be KILLED. TRP_ENOPROC if it is gone already, TRP_ENOMEM.
 */
TRP_API int trp_stop(trp_ctx *ctx, trp_pid pid, const trp_exit *reason);

/**
 * Ends an actor as soon as its running callback ends; terminate does not run. TRP_ENOPROC if it is
 * gone already, TRP_ENOMEM.
 */
TRP_API int trp_kill(trp_ctx *ctx, trp_pid pid);

/**
 * Memory that belongs to the calling actor and is freed with it. Zeroed. NULL when out of memory or
 * for the root ctx.
 */
TRP_API void *trp_alloc(trp_ctx *ctx, size_t size);

/** Frees memory of trp_alloc early. Accepts NULL. Same actor only. */
TRP_API void trp_free(trp_ctx *ctx, void *block);

/** Monotonic nanoseconds, read once per activation: cheap and good enough for timeouts. */
TRP_API uint64_t trp_now_ns(const trp_ctx *ctx);

/**
 * Writes a log line through the host, with the calling actor's pid. Borrows `text` (UTF-8,
 * zero-terminated).
 */
TRP_API void trp_log(trp_ctx *ctx, trp_log_level level, const char *text);

/** Longest line of trp_logf in bytes, with the final zero. Longer ones are cut. */
#define TRP_LOG_LINE_MAX 256

/**
 * trp_log with a format as printf has it: %s, %c, %d, %i, %u, %x and %%, the numbers also with l,
 * ll or z. At any other directive the rest of the format is written as it stands.
 */
TRP_API void trp_logf(trp_ctx *ctx, trp_log_level level, const char *format, ...) TRP_PRINTF(3, 4);

TRP_END_DECLS

#endif
