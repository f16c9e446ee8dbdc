/*
 * What an actor does with a message, by its kind: some are for the handler as they are, others are
 * made into something for it, many it never sees.
 */
#include "actor/actor.h"
#include "actor/entry.h"
#include "actor/room.h"
#include "troupe/error.h"
#include "troupe/link.h"
#include "troupe/monitor.h"

#include <string.h>

static void trace_deliver(trp_ctx *ctx, trpi_actor *actor, const trp_message *message) {
    trp_pid pid = trpi_actor_pid(actor);
    trp_trace record = {TRP_TRACE_DELIVER, ctx->sched.index,
                        (uint64_t)pid.index << 32 | pid.generation, 0,
                        message->type != NULL ? trp_type_hash(message->type) : message->tag};
    ctx->runtime->host.trace(ctx->runtime->host.self, &record);
}

/* Lends a message to the handler. What is lent must be what ctx->frame.message says. */
static inline void lend(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    ctx->frame.message = message;
    if (ctx->is_traced) {
        trace_deliver(ctx, actor, message);
    }
    actor->behaviour->handle(ctx, trpi_actor_state(actor), message);
}

/* Makes the scratch message: `size` bytes of body, which the caller has written. */
static trp_message *scratch(trp_ctx *ctx, trpi_kind kind, const trp_type *type, trp_ref ref) {
    trp_message *message = &ctx->scratch.message;
    memset(message, 0, sizeof *message);
    message->kind = (uint8_t)kind;
    message->flags = TRPI_FLAG_STATIC;
    message->type = type;
    message->ref = ref;
    message->length = type->size;
    message->capacity = sizeof ctx->scratch;
    return message;
}

static void lend_error(trp_ctx *ctx, trpi_actor *actor, trp_ref ref, int code,
                       const trp_exit *reason) {
    trp_request_error *error = &ctx->scratch.body.error;
    memset(error, 0, sizeof *error);
    error->code = code;
    error->reason = *reason;
    lend(ctx, actor, scratch(ctx, TRPI_REPLY_ERROR, &trp_request_error_type, ref));
}

/* ---- one function for each kind of message; each returns what is owed to its block ---- */

/* What an entry waits for has come, which ends it, unless the wait itself does that. */
static void end_entry(trp_ctx *ctx, trpi_entry *entry) {
    trpi_wait *wait = entry->kind == TRPI_ENTRY_WAIT ? entry->u.wait : NULL;
    if (wait == NULL || wait->woken(ctx, wait)) {
        trpi_entry_release(ctx, entry);
    }
}

static trpi_owes on_reply(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    if ((message->flags & TRPI_FLAG_RETURNED) != 0) {
        lend(ctx, actor, message);
        return TRPI_OWES_FREE;
    }
    if (trpi_room_granted(ctx, actor, message->ref)) {
        return TRPI_OWES_FREE;
    }
    trpi_entry *entry = trpi_entry_of(ctx, actor, message->ref);
    if (entry == NULL) {
        trpi_count(&ctx->late_replies, 1);
        return TRPI_OWES_FREE;
    }
    trpi_wait *wait = entry->kind == TRPI_ENTRY_WAIT ? entry->u.wait : NULL;
    if (wait != NULL && wait->admits != NULL && !wait->admits(ctx, wait, message)) {
        return TRPI_OWES_NOTHING;
    }
    end_entry(ctx, entry);
    lend(ctx, actor, message);
    return TRPI_OWES_FREE;
}

static trpi_owes on_reply_error(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    if (trpi_room_granted(ctx, actor, message->ref)) {
        return TRPI_OWES_FREE;
    }
    if ((message->flags & TRPI_FLAG_RETURNED) != 0) {
        lend(ctx, actor, message);
        return TRPI_OWES_FREE;
    }
    trpi_entry *entry = trpi_entry_of(ctx, actor, message->ref);
    if (entry == NULL) {
        return TRPI_OWES_FREE;
    }
    end_entry(ctx, entry);
    const trpi_failure *failure = trpi_body(message);
    trp_exit reason =
        trp_exit_make((trp_exit_kind)failure->exit_kind, failure->exit_code, failure->text);
    lend_error(ctx, actor, message->ref, failure->code, &reason);
    return TRPI_OWES_FREE;
}

static void on_timer(trp_ctx *ctx, trpi_actor *actor, trpi_entry *entry) {
    trp_ref ref = trpi_load(&entry->ref, TRPI_RELAXED);
    ctx->scratch.body.timeout = (trp_timeout){ref, trpi_entry_tag(entry)};
    if (entry->u.period_ns == 0) {
        trpi_entry_release(ctx, entry);
    } else {
        trpi_entry_arm(ctx, entry, entry->u.period_ns);
    }
    lend(ctx, actor, scratch(ctx, TRPI_PLAIN, &trp_timeout_type, 0));
}

static void on_deadline(trp_ctx *ctx, trpi_actor *actor, trpi_entry *entry) {
    trp_ref ref = trpi_load(&entry->ref, TRPI_RELAXED);
    trpi_entry_release(ctx, entry);
    trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, TRP_ETIMEOUT, "no reply in time");
    lend_error(ctx, actor, ref, TRP_ETIMEOUT, &reason);
}

/*
 * The signal of a timer. The entry lives in the block of this very message, which is still in the
 * mailbox: a timer that is armed again must not be pushed before the mailbox has left it, so the
 * signal is detached first.
 */
static void on_signal(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    trpi_leave_mailbox(ctx, actor, message);
    trpi_entry *entry = trpi_entry_signalled(ctx, message);
    if (entry == NULL) {
        trpi_entry_free(ctx, trpi_entry_of_signal(message));
        return;
    }
    if (ctx->runtime->host.trace != NULL) {
        trp_pid pid = trpi_actor_pid(actor);
        trp_trace record = {TRP_TRACE_TIMER, ctx->sched.index,
                            (uint64_t)pid.index << 32 | pid.generation, 0,
                            trpi_load(&entry->ref, TRPI_RELAXED)};
        ctx->runtime->host.trace(ctx->runtime->host.self, &record);
    }
    switch ((trpi_entry_kind)entry->kind) {
    case TRPI_ENTRY_TIMER:
        on_timer(ctx, actor, entry);
        break;
    case TRPI_ENTRY_REQUEST:
        on_deadline(ctx, actor, entry);
        break;
    case TRPI_ENTRY_SEND_AFTER: {
        trp_message *kept = entry->u.message;
        trp_pid to = trpi_entry_peer(entry);
        entry->u.message = NULL;
        trpi_entry_release(ctx, entry);
        if (kept->kind == TRPI_KILL) {
            (void)trpi_deliver_kill(ctx, to, kept);
        } else if (kept->kind == TRPI_STOP) {
            (void)trpi_deliver(ctx, to, kept);
        } else {
            (void)trp_send(ctx, to, kept);
        }
        break;
    }
    case TRPI_ENTRY_WAIT:
    case TRPI_ENTRY_MONITOR:
        trpi_fatal(ctx->runtime, "a monitor or a wait has no timer");
    }
}

static trpi_owes on_down(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    trp_down *down = trpi_body(message);
    trpi_entry *entry = trpi_entry_of(ctx, actor, down->ref);
    if (entry == NULL) {
        return TRPI_OWES_FREE;
    }
    trpi_entry_release(ctx, entry);
    message->kind = TRPI_PLAIN;
    message->type = &trp_down_type;
    lend(ctx, actor, message);
    return TRPI_OWES_FREE;
}

static trpi_owes on_demonitor(trp_ctx *ctx, trp_message *message) {
    trp_message *monitor = trpi_entry_of_signal(message)->u.message;
    trpi_bond_remove(monitor);
    trpi_message_free(&ctx->sched.pool, monitor);
    return TRPI_OWES_ENTRY;
}

static void ask_to_end(trp_ctx *ctx, const trp_exit *reason) {
    if (!ctx->frame.is_ending) {
        ctx->frame.is_ending = true;
        ctx->frame.ending = *reason;
    }
}

static void on_stop(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    if ((actor->behaviour->flags & TRP_BEHAVIOUR_DEFERS_STOP) == 0) {
        ask_to_end(ctx, trpi_body(message));
        return;
    }
    message->kind = TRPI_PLAIN;
    message->type = &trp_exit_type;
    lend(ctx, actor, message);
}

static trpi_owes on_exit(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    /* One that is trapped has become a plain message before it came here. */
    if (trpi_on_exit(ctx, actor, message) && trpi_exit_ends(message)) {
        const trp_exited *exited = trpi_body(message);
        ask_to_end(ctx, &exited->reason);
    }
    return TRPI_OWES_FREE;
}

static trpi_owes on_rare(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    switch ((trpi_kind)message->kind) {
    case TRPI_REPLY:
        return on_reply(ctx, actor, message);
    case TRPI_REPLY_ERROR:
        return on_reply_error(ctx, actor, message);
    case TRPI_TIMER:
        on_signal(ctx, actor, message);
        return TRPI_OWES_NOTHING;
    case TRPI_STOP:
        on_stop(ctx, actor, message);
        return TRPI_OWES_FREE;
    case TRPI_KILL: {
        trp_exit killed = trp_exit_make(TRP_EXIT_KILLED, 0, NULL);
        ask_to_end(ctx, &killed);
        return TRPI_OWES_FREE;
    }
    case TRPI_MONITOR:
        trpi_bond_add(actor, message);
        return TRPI_OWES_NOTHING;
    case TRPI_DEMONITOR:
        return on_demonitor(ctx, message);
    case TRPI_DOWN:
        return on_down(ctx, actor, message);
    case TRPI_EXIT:
        return on_exit(ctx, actor, message);
    case TRPI_LINK:
        trpi_on_link(actor, message);
        return TRPI_OWES_NOTHING;
    case TRPI_UNLINK:
        return trpi_on_unlink(ctx, message) ? TRPI_OWES_FREE : TRPI_OWES_NOTHING;
    case TRPI_UNLINK_ACK:
        trpi_on_unlink_ack(ctx, message);
        return TRPI_OWES_FREE;
    case TRPI_ROOM:
        trpi_leave_mailbox(ctx, actor, message);
        trpi_room_asked(ctx, actor, message);
        return TRPI_OWES_NOTHING;
    case TRPI_PLAIN:
    case TRPI_REQUEST:
    case TRPI_CALL:
    case TRPI_STUB:
        break;
    }
    trpi_fatal(ctx->runtime, "a message of unknown kind is in a mailbox");
}

/* A session gets what is on its way to the other node as it is, and its own. */
static trpi_owes on_proxy(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    trpi_mailbox_detach(&actor->mailbox, &message->link, trpi_is_shared(ctx));
    actor->behaviour->handle(ctx, trpi_actor_state(actor), message);
    return TRPI_OWES_NOTHING;
}

trpi_owes trpi_actor_dispatch(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    if (message->kind <= TRPI_REQUEST && (message->flags & TRPI_FLAG_PROXY) == 0) {
        lend(ctx, actor, message);
        return TRPI_OWES_FREE;
    }
    if ((message->flags & TRPI_FLAG_PROXY) != 0) {
        return on_proxy(ctx, actor, message);
    }
    return on_rare(ctx, actor, message);
}

void trpi_actor_dispose(trp_ctx *ctx, trp_message *message, trpi_owes owes) {
    if (owes == TRPI_OWES_FREE) {
        if (message->kind == TRPI_REQUEST && (message->flags & TRPI_FLAG_SETTLED) == 0) {
            static const trp_exit reason = {TRP_EXIT_ERROR, TRP_ECANCELED,
                                            "the request was not answered"};
            trpi_settle(ctx, message, TRP_ECANCELED, &reason);
        } else {
            trpi_message_free(&ctx->sched.pool, message);
        }
    } else if (owes == TRPI_OWES_ENTRY) {
        trpi_entry_free(ctx, trpi_entry_of_signal(message));
    }
}
