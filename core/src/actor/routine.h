/* Routines, as the rest of the actor floor sees them. */
#ifndef TRPI_ROUTINE_H
#define TRPI_ROUTINE_H

#include "actor/actor.h"
#include "troupe/routine.h"

/* A routine's state, in front of the copy of its argument. */
typedef struct trpi_routine_state {
    trp_ctx *ctx;          /* of the scheduler it has begun on */
    trp_message *message;  /* what it was resumed with; NULL: with room for what it sends */
    trp_message *borrowed; /* while it is paused: what it had borrowed */
    int32_t result;
    bool is_done;
    bool is_in_body;
    bool is_paused; /* by a full mailbox, in the middle of a send */
} trpi_routine_state;

/* What a routine with coroutines does otherwise; a table, so that others need not contain it. */
typedef struct trpi_crew_calls {
    /* The fiber that the routine's resumption is for. */
    void *(*pick)(trpi_actor *actor, trpi_routine_state *state);
    /* After that one has left: runs whoever is ready, until all wait. 0, or why the actor ends. */
    int (*run)(trp_ctx *ctx, trpi_actor *actor, trpi_routine_state *state);
    /* As trpi_routine_wait. */
    int (*wait)(trp_ctx *ctx, const trp_filter *filter, trp_ref second_ref, trp_ref third_ref,
                trp_message **message);
    /* The actor ends. */
    trpi_release_fn *release;
} trpi_crew_calls;

typedef struct trpi_crew {
    const trpi_crew_calls *calls;
} trpi_crew;

/* The running actor's state if it is a routine in its body, else NULL. */
trpi_routine_state *trpi_routine_in_body(trp_ctx *ctx);

/* Ends what the running fiber has borrowed: nobody looks at it any more. */
void trpi_routine_end_borrow(trp_ctx *ctx);

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
