/*
 * Monitors. The MONITOR message travels to the target, stays in its list of watchers and comes back
 * as the DOWN message, one block all the way. The watcher keeps an entry; its signal is the
 * DEMONITOR message. A target that is gone sends the block back at once.
 */
#include "troupe/monitor.h"

#include "actor/actor.h"
#include "actor/entry.h"
#include "troupe/error.h"

#include <string.h>

_Static_assert(offsetof(trpi_bond, peer) == offsetof(trp_down, pid), "a bond begins as a trp_down");
_Static_assert(sizeof(trpi_bond) <= sizeof(trp_down), "a bond fits into a trp_down");

#define DOWN_FIELDS(F)                                                                             \
    F(ref, ref, 1)                                                                                 \
    F(pid, pid, 2)                                                                                 \
    F(record(trp_exit), reason, 3)
TRP_TYPE_DEFINE(trp_down, "troupe.Down", DOWN_FIELDS)

int trp_monitor(trp_ctx *ctx, trp_pid pid, trp_ref *ref) {
    if (ctx->frame.actor == NULL) {
        return TRP_ESTATE;
    }
    trp_message *monitor = trpi_message_alloc(&ctx->sched.pool, sizeof(trp_down));
    trpi_entry *entry = monitor == NULL ? NULL : trpi_entry_new(ctx, TRPI_ENTRY_MONITOR);
    if (entry == NULL) {
        if (monitor != NULL) {
            trpi_message_free(&ctx->sched.pool, monitor);
        }
        return TRP_ENOMEM;
    }
    trp_ref made = trpi_load(&entry->ref, TRPI_RELAXED);
    trpi_entry_set_peer(entry, pid);
    entry->u.message = monitor;
    trp_down *down = trpi_body(monitor);
    memset(down, 0, sizeof *down);
    down->ref = made;
    down->pid = trp_self(ctx);
    monitor->kind = TRPI_MONITOR;
    monitor->ref = made;
    /* A target that is gone is no error: the DOWN message is on its way. */
    int error = trpi_deliver(ctx, pid, monitor);
    (void)error;
    if (ref != NULL) {
        *ref = made;
    }
    return 0;
}

int trp_monitor_living(trp_ctx *ctx, trp_pid pid, trp_ref *ref) {
    if (!trp_is_alive(ctx, pid)) {
        return trp_pid_is_local(pid) ? TRP_ENOPROC : TRP_ENOCONNECTION;
    }
    return trp_monitor(ctx, pid, ref);
}

int trp_demonitor(trp_ctx *ctx, trp_ref ref) {
    trpi_actor *actor = ctx->frame.actor;
    trpi_entry *entry = actor == NULL ? NULL : trpi_entry_of(ctx, actor, ref);
    if (entry == NULL || entry->kind != TRPI_ENTRY_MONITOR) {
        return TRP_ENOENT;
    }
    trpi_entry_give_up(ctx, entry);
    return 0;
}
