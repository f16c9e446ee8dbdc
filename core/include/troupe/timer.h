/**
 * @file timer.h
 * Timers: messages that come later. They belong to the actor that made them and die with it.
 */
#ifndef TROUPE_TIMER_H
#define TROUPE_TIMER_H

#include "troupe/actor.h"

TRP_BEGIN_DECLS

/** The message of trp_timer. */
typedef struct trp_timeout {
    trp_ref ref;  /**< the timer */
    uint64_t tag; /**< as given */
} trp_timeout;

/** Type of trp_timeout messages. */
TRP_API extern const trp_type trp_timeout_type;

/**
 * After `delay_ns` the calling actor gets a trp_timeout with `tag`. Writes the timer's ref to `ref`
 * (may be NULL). Nothing is allocated when it fires. Errors: TRP_ENOMEM; TRP_ESTATE for the root
 * ctx.
 */
TRP_API int trp_timer(trp_ctx *ctx, uint64_t delay_ns, uint64_t tag, trp_ref *ref);

/**
 * After `delay_ns`, and then every `delay_ns`, like trp_timer, until cancelled. A late interval
 * does not fire twice in a row.
 */
TRP_API int trp_interval(trp_ctx *ctx, uint64_t delay_ns, uint64_t tag, trp_ref *ref);

/**
 * After `delay_ns` sends `message`, taken in any case, to `to`, as trp_send would. Writes the
 * timer's ref to `ref` (may be NULL).
 */
TRP_API int trp_send_after(trp_ctx *ctx, uint64_t delay_ns, trp_pid to, trp_message *message,
                           trp_ref *ref);

/**
 * After `delay_ns` asks `pid` to end with `reason` (borrowed), as trp_stop would; with a reason of
 * kind KILLED kills it, as trp_kill would. Writes the timer's ref to `ref` (may be NULL).
 */
TRP_API int trp_exit_after(trp_ctx *ctx, uint64_t delay_ns, trp_pid pid, const trp_exit *reason,
                           trp_ref *ref);

/**
 * Cancels a timer of the calling actor: 0 if it will not be delivered any more, TRP_ENOENT if it
 * was delivered or never was.
 */
TRP_API int trp_timer_cancel(trp_ctx *ctx, trp_ref ref);

TRP_END_DECLS

#endif
