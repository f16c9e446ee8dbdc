/**
 * @file monitor.h
 * Monitors: be told when an actor ends. Rules of Erlang/OTP's monitor/2.
 */
#ifndef TROUPE_MONITOR_H
#define TROUPE_MONITOR_H

#include "troupe/actor.h"
#include "troupe/type.h"

TRP_BEGIN_DECLS

/**
 * The message a monitor ends with, exactly once. It never overtakes a message that the dead actor
 * sent.
 */
typedef struct trp_down {
    trp_ref ref; /**< the monitor, as returned by trp_monitor */
    trp_pid pid; /**< who ended */
    trp_exit
        reason; /**< why; kind NOPROC if it was gone before, NOCONNECTION if its node was lost */
} trp_down;

/** Type of trp_down messages. */
TRP_API extern const trp_type trp_down_type;

/**
 * Monitors `pid` for the calling actor and writes the ref (`ref` may be NULL). Monitors stack: each
 * call gives one DOWN message. An actor that is gone already gives it at once. Everything the DOWN
 * message needs is allocated here, so it cannot get lost. Errors: TRP_ENOMEM; TRP_ESTATE for the
 * root ctx; TRP_EPERM if the session forbids it.
 */
TRP_API int trp_monitor(trp_ctx *ctx, trp_pid pid, trp_ref *ref);

/**
 * As trp_monitor, but there must be somebody to monitor: TRP_ENOPROC if the local actor is gone,
 * TRP_ENOCONNECTION if the remote one's node is not connected, and then no DOWN comes. The rule of
 * Wippy. One that ends at this very moment, or is gone on another node, still gives its DOWN.
 */
TRP_API int trp_monitor_living(trp_ctx *ctx, trp_pid pid, trp_ref *ref);

/**
 * Ends a monitor of the calling actor: after the call no DOWN message for it is delivered.
 * TRP_ENOENT if there is none.
 */
TRP_API int trp_demonitor(trp_ctx *ctx, trp_ref ref);

TRP_END_DECLS

#endif
