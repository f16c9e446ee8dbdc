/* Routines, as the rest of the actor floor sees them. */
#ifndef TRPI_ROUTINE_H
#define TRPI_ROUTINE_H

#include "actor/actor.h"
#include "troupe/routine.h"

/* True if the running actor is a routine in its body: it may block. */
bool trpi_routine_is_running(trp_ctx *ctx);

/* A timer whose timeout ends a wait. With no delay it fires behind what has come already. */
int trpi_routine_arm(trp_ctx *ctx, uint64_t delay_ns, trp_ref *ref);

/* What a routine's fiber runs: the body, once. Not static, so that tools can be told of it by name. */
void trpi_routine_main(void *arg);

/* Leaves the running routine's fiber; returns when it is switched to again. */
void trpi_routine_yield(trp_ctx *ctx);

/*
 * If the running actor is a routine in its body: ends it for `reason` and never comes back. False:
 * it is none.
 */
bool trpi_routine_abort(trp_ctx *ctx, const trp_exit *reason);

/*
 * Blocks the running routine until it is resumed with whatever its stash lets through; does nothing
 * for a behaviour.
 */
void trpi_routine_pause(trp_ctx *ctx);

/*
 * Room has been granted: goes on with a routine that was paused for it; does nothing for a
 * behaviour.
 */
void trpi_routine_resume(trp_ctx *ctx, trpi_actor *actor);

/*
 * The routine ends: what it had borrowed when it was paused goes the way of a message in a handler
 * that failed.
 */
void trpi_routine_forget(trp_ctx *ctx, trpi_actor *actor, const trp_exit *reason);

/*
 * Blocks the running routine until a message that the filter lets through or with one of the two
 * refs comes (0: none), or any if `filter` is NULL. Lends it. For channels and whatever else routines can wait for.
 * TRP_ESTATE, TRP_ENOMEM.
 */
int trpi_routine_wait(trp_ctx *ctx, const trp_filter *filter, trp_ref second_ref, trp_ref third_ref,
                      trp_message **message);

#endif
