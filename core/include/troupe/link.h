/**
 * @file link.h
 * Links: actors that share their fate. Rules of Erlang/OTP's link/1, unlink/1 and trap_exit.
 *
 * A link is mutual and exists at most once between two actors. When one of them ends, the other
 * gets an exit signal: if it traps exits, as a trp_exited message whatever the reason; else an
 * abnormal reason ends it with that same reason and a normal one is ignored. Signals keep the order
 * of messages: an exit signal never overtakes what the dead actor sent before.
 */
#ifndef TROUPE_LINK_H
#define TROUPE_LINK_H

#include "troupe/actor.h"
#include "troupe/type.h"

TRP_BEGIN_DECLS

/** The message that tells an actor that traps exits of the end of one it is linked to. */
typedef struct trp_exited {
    trp_pid pid;     /**< who ended */
    uint64_t tag;    /**< the tag of the link on this side */
    trp_exit reason; /**< why; kind NOPROC if it was gone before the link was made */
} trp_exited;

/** Type of trp_exited messages. */
TRP_API extern const trp_type trp_exited_type;

/**
 * Links the calling actor and `pid`, with `tag` on both sides. If they are linked already, nothing
 * happens; if `pid` is gone, its exit signal comes at once, with kind NOPROC. Everything that the
 * end of either side needs is allocated here. Errors: TRP_ENOMEM; TRP_ESTATE for the root ctx;
 * TRP_ESELF; TRP_EEXIST if they are linked by trp_link_fate. There are no links between nodes: the
 * exit signal of such a one comes at once, with kind ERROR and code TRP_ENOTSUP, or NOCONNECTION if
 * that node is not connected.
 */
TRP_API int trp_link(trp_ctx *ctx, trp_pid pid, uint64_t tag);

/**
 * As trp_link, but any end of one side ends the other, also a normal one, with the same reason: for
 * actors that are nothing without each other. A side that traps exits still gets a message. Lunatic
 * has this as a setting of the process. TRP_EEXIST if they are linked by trp_link.
 */
TRP_API int trp_link_fate(trp_ctx *ctx, trp_pid pid, uint64_t tag);

/**
 * Ends the link between the calling actor and `pid`: after the call no exit signal of it has any
 * effect, even one that is on its way. TRP_ENOENT if there is no link, TRP_ENOMEM.
 */
TRP_API int trp_unlink(trp_ctx *ctx, trp_pid pid);

/** Whether exit signals come to the calling actor as messages from here on. Default: no. */
TRP_API void trp_trap_exit(trp_ctx *ctx, bool is_trapping);

TRP_END_DECLS

#endif
