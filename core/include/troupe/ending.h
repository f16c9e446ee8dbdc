/**
 * @file ending.h
 * Ending other actors in good order: drain, then stop, then kill, each with its time.
 *
 *     kill    ends as soon as the running callback ends; terminate does not run (actor.h)
 *     stop    handles what was sent before, then terminate (actor.h)
 *     drain   lets nothing more in, handles what is there, then terminate
 *
 * Whatever an ended actor leaves unhandled becomes a dead letter, and who waited for an answer to
 * it gets an error.
 */
#ifndef TROUPE_ENDING_H
#define TROUPE_ENDING_H

#include "troupe/actor.h"

TRP_BEGIN_DECLS

/**
 * Closes a local actor's mailbox: from now on sending to it fails with TRP_ECLOSED, also from
 * itself. It handles what is there and ends with TRP_EXIT_SHUTDOWN, "drained". TRP_ENOPROC if it is
 * gone, TRP_ENOTSUP for a remote actor, TRP_ENOMEM.
 */
TRP_API int trp_drain(trp_ctx *ctx, trp_pid pid);

/**
 * How trp_end goes about it. A stage with time 0 is left out; the last resort, kill, has no time.
 */
typedef struct trp_end_plan {
    size_t size;       /**< sizeof(trp_end_plan) */
    uint64_t drain_ns; /**< how long it may drain; TRP_NEVER: without limit */
    uint64_t stop_ns;  /**< how long it may stop after that; TRP_NEVER: without limit */
    trp_exit reason;   /**< of the stop; all zero: TRP_EXIT_SHUTDOWN */
} trp_end_plan;

/**
 * Ends `pid` stage by stage as `plan` (borrowed) says, and tells the calling actor when it has
 * ended: by a trp_down (monitor.h) with `ref`. A routine can wait for it with trp_receive. An actor
 * that is gone already is reported at once. Errors, after which nothing has begun: TRP_ENOMEM,
 * TRP_ESTATE (the root ctx, or the runtime stops), TRP_ESELF.
 */
TRP_API int trp_end(trp_ctx *ctx, trp_pid pid, const trp_end_plan *plan, trp_ref *ref);

TRP_END_DECLS

#endif
