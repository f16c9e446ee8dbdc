/* Output ports: the subscriber's side. The design is told in output_port.h beside it. */
#include "actor/room.h"
#include "service/output_port.h"
#include "troupe/error.h"

#include <string.h>

#define CLOSED_FIELDS(F)                                                                           \
    F(ref, ref, 1)                                                                                 \
    F(ref, port, 2)                                                                                \
    F(u64, lost, 3)
TRP_TYPE_DEFINE(trp_output_port_closed, "troupe.OutputPortClosed", CLOSED_FIELDS)

static trpi_subscription *subscription_of(trpi_wait *wait) {
    return (trpi_subscription *)(void *)wait;
}

void trpi_subscription_unlink(trpi_subscription *sub) {
    trpi_port *port = sub->port;
    *sub->pprev = sub->next;
    if (sub->next == NULL) {
        port->last = sub->pprev;
    } else {
        sub->next->pprev = sub->pprev;
    }
    sub->pprev = NULL;
    port->stats.subscribers -= !sub->has_gone;
}

void trpi_subscription_free(trp_ctx *ctx, trpi_subscription *sub) {
    if (!sub->is_closing) {
        trpi_message_free(&ctx->sched.pool, sub->closed);
    }
    trpi_port_drop(ctx, sub->port);
    trpi_pool_free(&ctx->sched.pool, sub, sub->size);
}

/* The entry is given up: the subscriber unsubscribes or ends. */
static void end_subscription(trp_ctx *ctx, trpi_wait *wait) {
    trpi_subscription *sub = subscription_of(wait);
    trpi_port *port = sub->port;
    trpi_lock(&port->lock);
    trp_message *question = sub->question;
    sub->question = NULL;
    port->stats.unread += sub->sent - sub->received;
    bool is_left_behind = port->is_publishing && sub->pprev != NULL;
    if (is_left_behind) {
        sub->has_gone = true;
        port->has_gone = true;
        port->stats.subscribers--;
    } else if (sub->pprev != NULL) {
        trpi_subscription_unlink(sub);
    }
    trpi_unlock(&port->lock);
    if (question != NULL) {
        trpi_room_answer(ctx, question);
    }
    if (!is_left_behind) {
        trpi_subscription_free(ctx, sub);
    }
}

/* A message too many: it is the oldest, and becomes a dead letter. */
static void drop(trp_ctx *ctx, trp_message *message) {
    trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, TRP_EFULL, "dropped by a full subscription");
    trpi_leave_mailbox(ctx, ctx->frame.actor, message);
    message->kind = TRPI_PLAIN;
    message->ref = 0;
    trpi_discard(ctx, trp_self(ctx), message, &reason, TRP_EFULL);
}

/* A message has come to the handler's door. */
static bool admits(trp_ctx *ctx, trpi_wait *wait, trp_message *message) {
    trpi_subscription *sub = subscription_of(wait);
    trpi_port *port = sub->port;
    trp_message *question = NULL;
    trpi_lock(&port->lock);
    sub->is_told = sub->is_closing && message == sub->closed;
    sub->received += !sub->is_told;
    uint64_t waiting = sub->sent - sub->received;
    bool is_too_old =
        waiting >= sub->options.limit && sub->options.policy == TRP_MAILBOX_DROP_OLDEST;
    if (is_too_old) {
        sub->lost++;
        port->stats.dropped_oldest++;
    }
    if (waiting <= sub->options.limit / 2) {
        question = sub->question;
        sub->question = NULL;
    }
    trpi_unlock(&port->lock);
    if (question != NULL) {
        trpi_room_answer(ctx, question);
    }
    if (is_too_old) {
        drop(ctx, message);
    }
    return !is_too_old;
}

/* It is handled: the last one ends the subscription. */
static bool told(trp_ctx *ctx, trpi_wait *wait) {
    trpi_subscription *sub = subscription_of(wait);
    bool is_over = sub->is_told;
    if (is_over) {
        trpi_subscription_free(ctx, sub);
    }
    return is_over;
}

static trp_message *make_closed(trp_ctx *ctx, trp_ref ref, trp_ref port) {
    trp_message *closed = trp_message_new(ctx, &trp_output_port_closed_type);
    if (closed != NULL) {
        *(trp_output_port_closed *)trpi_body(closed) = (trp_output_port_closed){ref, port, 0};
        closed->kind = TRPI_REPLY;
        closed->ref = ref;
    }
    return closed;
}

/* A subscription in no list yet, with its entry. NULL when out of memory. */
static trpi_subscription *make(trp_ctx *ctx, trpi_port *port, const trp_subscription *options) {
    trpi_pool *pool = &ctx->sched.pool;
    size_t size = sizeof(trpi_subscription) + options->arg_size;
    trpi_subscription *sub = trpi_pool_alloc(pool, size);
    trpi_entry *entry = sub == NULL ? NULL : trpi_entry_new(ctx, TRPI_ENTRY_WAIT);
    trp_ref ref = entry == NULL ? 0 : trpi_load(&entry->ref, TRPI_RELAXED);
    trp_message *closed = entry == NULL ? NULL : make_closed(ctx, ref, port->ref);
    if (closed == NULL) {
        if (entry != NULL) {
            trpi_entry_release(ctx, entry);
        }
        if (sub != NULL) {
            trpi_pool_free(pool, sub, size);
        }
        return NULL;
    }
    memset(sub, 0, sizeof *sub);
    sub->wait = (trpi_wait){end_subscription, told, admits};
    sub->port = port;
    sub->subscriber = trp_self(ctx);
    sub->ref = ref;
    sub->closed = closed;
    sub->size = size;
    sub->options = *options;
    if (options->arg_size > 0) {
        memcpy(sub->arg, options->arg, options->arg_size);
    }
    entry->u.wait = &sub->wait;
    return sub;
}

/* Hangs it into the port's list. False if the port is closed. */
static bool join(trpi_port *port, trpi_subscription *sub) {
    trpi_lock(&port->lock);
    bool is_open = !port->is_closed;
    if (is_open) {
        sub->pprev = port->last;
        *port->last = sub;
        port->last = &sub->next;
        port->stats.subscribers++;
    }
    trpi_unlock(&port->lock);
    return is_open;
}

static int check(const trp_ctx *ctx, const trp_subscription *options) {
    if (ctx->frame.actor == NULL) {
        return TRP_ESTATE;
    }
    bool is_sane = (unsigned)options->policy <= TRP_MAILBOX_SUSPEND &&
                   options->arg_size <= TRP_MESSAGE_MAX &&
                   (options->arg != NULL || options->arg_size == 0);
    return is_sane ? 0 : TRP_EINVAL;
}

int trp_output_port_subscribe(trp_ctx *ctx, trp_ref ref, const trp_subscription *options,
                              trp_ref *subscription) {
    trp_subscription known;
    memset(&known, 0, sizeof known);
    if (options != NULL) {
        memcpy(&known, options, options->size < sizeof known ? options->size : sizeof known);
    }
    known.limit = known.limit == 0 ? TRP_OUTPUT_PORT_LIMIT : known.limit;
    int error = check(ctx, &known);
    trpi_port *port = error == 0 ? trpi_port_hold(ctx, ref) : NULL;
    if (port == NULL) {
        return error == 0 ? TRP_ENOENT : error;
    }
    trpi_subscription *sub = make(ctx, port, &known);
    if (sub == NULL) {
        trpi_port_drop(ctx, port);
        return TRP_ENOMEM;
    }
    trp_ref made = sub->ref;
    if (!join(port, sub)) {
        trpi_entry_give_up(ctx, trpi_entry_of(ctx, ctx->frame.actor, made));
        return TRP_ENOENT;
    }
    if (subscription != NULL) {
        *subscription = made;
    }
    return 0;
}

static trpi_entry *entry_of(trp_ctx *ctx, trp_ref ref) {
    trpi_actor *actor = ctx->frame.actor;
    trpi_entry *entry = actor == NULL ? NULL : trpi_entry_of(ctx, actor, ref);
    bool is_mine =
        entry != NULL && entry->kind == TRPI_ENTRY_WAIT && entry->u.wait->end == end_subscription;
    return is_mine ? entry : NULL;
}

int trp_output_port_unsubscribe(trp_ctx *ctx, trp_ref subscription) {
    trpi_entry *entry = entry_of(ctx, subscription);
    if (entry == NULL) {
        return TRP_ENOENT;
    }
    trpi_entry_give_up(ctx, entry);
    return 0;
}

int trp_output_port_lost(trp_ctx *ctx, trp_ref subscription, uint64_t *lost) {
    trpi_entry *entry = entry_of(ctx, subscription);
    if (entry == NULL) {
        return TRP_ENOENT;
    }
    trpi_subscription *sub = subscription_of(entry->u.wait);
    trpi_lock(&sub->port->lock);
    *lost = sub->lost;
    trpi_unlock(&sub->port->lock);
    return 0;
}
