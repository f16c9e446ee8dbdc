/* Timers: entries with a deadline; firing needs no memory. */
#include "troupe/timer.h"

#include "actor/actor.h"
#include "actor/entry.h"
#include "troupe/error.h"

#include <string.h>

enum { TICK_NS = 1000 * 1000 };

static int start(trp_ctx *ctx, trpi_entry_kind kind, uint64_t delay_ns, trpi_entry **out) {
    if (ctx->frame.actor == NULL) {
        return TRP_ESTATE;
    }
    trpi_entry *entry = trpi_entry_new(ctx, kind);
    if (entry == NULL) {
        return TRP_ENOMEM;
    }
    trpi_entry_arm(ctx, entry, delay_ns);
    *out = entry;
    return 0;
}

static void give_ref(trpi_entry *entry, trp_ref *ref) {
    if (ref != NULL) {
        *ref = trpi_load(&entry->ref, TRPI_RELAXED);
    }
}

int trp_timer(trp_ctx *ctx, uint64_t delay_ns, uint64_t tag, trp_ref *ref) {
    trpi_entry *entry;
    int error = start(ctx, TRPI_ENTRY_TIMER, delay_ns, &entry);
    if (error == 0) {
        trpi_entry_set_tag(entry, tag);
        give_ref(entry, ref);
    }
    return error;
}

int trp_interval(trp_ctx *ctx, uint64_t delay_ns, uint64_t tag, trp_ref *ref) {
    /* Shorter than a tick would fire in every poll and starve the rest. */
    uint64_t period_ns = delay_ns < TICK_NS ? TICK_NS : delay_ns;
    trpi_entry *entry;
    int error = start(ctx, TRPI_ENTRY_TIMER, period_ns, &entry);
    if (error == 0) {
        trpi_entry_set_tag(entry, tag);
        entry->u.period_ns = period_ns;
        give_ref(entry, ref);
    }
    return error;
}

int trp_send_after(trp_ctx *ctx, uint64_t delay_ns, trp_pid to, trp_message *message,
                   trp_ref *ref) {
    if (message == NULL) {
        return TRP_ENOMEM;
    }
    message = trp_message_take(ctx, message);
    trpi_entry *entry = NULL;
    int error = message == NULL ? TRP_ENOMEM : start(ctx, TRPI_ENTRY_SEND_AFTER, delay_ns, &entry);
    if (error != 0) {
        trp_message_drop(ctx, message);
        return error;
    }
    trpi_unhold(ctx, message);
    entry->u.message = message;
    trpi_entry_set_peer(entry, to);
    give_ref(entry, ref);
    return 0;
}

int trp_exit_after(trp_ctx *ctx, uint64_t delay_ns, trp_pid pid, const trp_exit *reason,
                   trp_ref *ref) {
    trp_message *signal = trpi_message_alloc(&ctx->sched.pool, sizeof *reason);
    if (signal == NULL) {
        return TRP_ENOMEM;
    }
    signal->kind = reason->kind == TRP_EXIT_KILLED ? TRPI_KILL : TRPI_STOP;
    memcpy(trpi_body(signal), reason, sizeof *reason);
    return trp_send_after(ctx, delay_ns, pid, signal, ref);
}

int trp_timer_cancel(trp_ctx *ctx, trp_ref ref) {
    trpi_actor *actor = ctx->frame.actor;
    trpi_entry *entry = actor == NULL ? NULL : trpi_entry_of(ctx, actor, ref);
    if (entry == NULL ||
        (entry->kind != TRPI_ENTRY_TIMER && entry->kind != TRPI_ENTRY_SEND_AFTER)) {
        return TRP_ENOENT;
    }
    trpi_entry_give_up(ctx, entry);
    return 0;
}
