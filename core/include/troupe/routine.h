/**
 * @file routine.h
 * Routines: actors whose body is one function that may block.
 *
 * A routine is a behaviour with a stack of its own: it is spawned, linked, monitored and sent to
 * like any other actor, and everything that actors can do it can do. What it can do besides is to
 * wait in the middle of its body; its scheduler runs others meanwhile. A routine that has begun
 * stays on its scheduler. Where the host has no fibers (host.h), which in wasm is a module that was
 * not built with ROUTINES (docs/web.md), trp_spawn refuses it with TRP_ENOTSUP.
 *
 *     static int greet(trp_ctx *ctx, void *arg) {
 *         trp_message *message;
 *         while (trp_receive(ctx, NULL, TRP_NEVER, &message) == 0) { ... }
 *         return 0;
 *     }
 *     static const trp_routine greeter = {TRP_ROUTINE("greeter", greet, 0)};
 *     trp_spawn(ctx, &greeter.behaviour, NULL, &pid);
 */
#ifndef TROUPE_ROUTINE_H
#define TROUPE_ROUTINE_H

#include "troupe/actor.h"
#include "troupe/filter.h"

TRP_BEGIN_DECLS

/** Bytes of a routine's state that are the runtime's own; its copy of the argument follows. */
#define TRP_ROUTINE_STATE 32

/** Stack of a routine that does not ask for a size, in bytes. */
#define TRP_ROUTINE_STACK ((size_t)64 * 1024)

/** A routine. Static and constant, made with TRP_ROUTINE. */
typedef struct trp_routine {
    trp_behaviour behaviour; /**< what to spawn */
    /** The body. 0 ends the actor normally, anything else with that error code. `arg` is a copy. */
    int (*body)(trp_ctx *ctx, void *arg);
    size_t arg_size;   /**< bytes copied from the argument of the spawn; 0: the body gets NULL */
    size_t stack_size; /**< bytes; 0: TRP_ROUTINE_STACK */
} trp_routine;

/** Initialises a trp_routine; further members (`.stack_size = ...`) may follow. */
#define TRP_ROUTINE(routine_name, routine_body, routine_arg_size)                                  \
    .behaviour = {TRP_BEHAVIOUR(routine_name), .flags = TRP_BEHAVIOUR_ROUTINE,                     \
                  .state_size = TRP_ROUTINE_STATE + (uint32_t)(routine_arg_size),                  \
                  .init = trp_routine_init, .handle = trp_routine_handle},                         \
    .body = (routine_body), .arg_size = (routine_arg_size)

/** The callbacks behind TRP_ROUTINE; not for use by themselves. */
TRP_API int trp_routine_init(trp_ctx *ctx, void *state, const void *arg);
/** See trp_routine_init. */
TRP_API void trp_routine_handle(trp_ctx *ctx, void *state, trp_message *message);

/**
 * Waits for the next message that matches `filter` (borrowed; NULL: any) and lends it in `message`
 * until the routine waits again, unless trp_message_take makes it the routine's own. `timeout_ns` 0
 * looks only at what has come already; TRP_NEVER waits for ever. Errors: TRP_ETIMEOUT, TRP_ENOMEM,
 * TRP_EINVAL, TRP_ESTATE (the caller is no routine).
 */
TRP_API int trp_receive(trp_ctx *ctx, const trp_filter *filter, uint64_t timeout_ns,
                        trp_message **message);

/**
 * Sends `message`, taken in any case, as a request and waits for the end of it, whatever else comes
 * meanwhile. On 0 the reply is lent as by trp_receive; a request that ended without one gives its
 * error code (request.h): TRP_EFAILED if the callee has failed. For its reason use trp_request, and
 * trp_receive with the ref. Other errors are those of trp_request, and TRP_ESTATE (no routine).
 */
TRP_API int trp_call(trp_ctx *ctx, trp_pid to, trp_message *message, uint64_t timeout_ns,
                     trp_message **reply);

/** Waits for `duration_ns` and nothing else. TRP_ENOMEM, TRP_ESTATE. */
TRP_API int trp_sleep(trp_ctx *ctx, uint64_t duration_ns);

/** Lets others run, then goes on. TRP_ENOMEM, TRP_ESTATE. */
TRP_API int trp_yield(trp_ctx *ctx);

/**
 * Waits until `pid` has ended, or `timeout_ns` have passed (TRP_ETIMEOUT), and writes why it ended
 * (`reason` may be NULL). TRP_ENOMEM, TRP_ESTATE (the caller is no routine).
 */
TRP_API int trp_join(trp_ctx *ctx, trp_pid pid, uint64_t timeout_ns, trp_exit *reason);

TRP_END_DECLS

#endif
