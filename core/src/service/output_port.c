/* Output ports: the owner's side. The design is told in output_port.h beside it. */
#include "service/output_port.h"

#include "actor/room.h"
#include "actor/routine.h"
#include "base/map.h"
#include "troupe/error.h"

#include <string.h>

/*
 * The open ports of a runtime by their refs. Made on first use and kept for the runtime's life; the
 * memory is the pool's, which goes last.
 */
typedef struct registry {
    trpi_atomic_u32 lock;
    trpi_map by_ref; /* empty, and without memory, when no port is open */
} registry;

/* The registry, or NULL when out of memory. */
static registry *registry_of(trp_ctx *ctx) {
    /* Acquire pairs with the release of whoever made it. */
    registry *ports = trpi_load(&ctx->runtime->ports, TRPI_ACQUIRE);
    if (ports != NULL) {
        return ports;
    }
    ports = trpi_pool_alloc(&ctx->sched.pool, sizeof *ports);
    if (ports == NULL) {
        return NULL;
    }
    memset(ports, 0, sizeof *ports);
    trpi_map_init(&ports->by_ref, &ctx->runtime->host);
    void *expected = NULL;
    if (!trpi_cas_ptr(&ctx->runtime->ports, &expected, ports, TRPI_ACQ_REL)) {
        trpi_pool_free(&ctx->sched.pool, ports, sizeof *ports);
        return trpi_load(&ctx->runtime->ports, TRPI_ACQUIRE); /* another scheduler was faster */
    }
    return ports;
}

trpi_port *trpi_port_hold(trp_ctx *ctx, trp_ref ref) {
    registry *ports = trpi_load(&ctx->runtime->ports, TRPI_ACQUIRE); /* as in registry_of */
    if (ports == NULL) {
        return NULL;
    }
    trpi_lock(&ports->lock);
    trpi_port *port = trpi_map_get(&ports->by_ref, ref);
    if (port != NULL) {
        trpi_add_u32(&port->holds, 1, TRPI_RELAXED); /* somebody holds it already */
    }
    trpi_unlock(&ports->lock);
    return port;
}

void trpi_port_drop(trp_ctx *ctx, trpi_port *port) {
    /* acq_rel: the last sees what the others have written. */
    if (trpi_add_u32(&port->holds, UINT32_MAX, TRPI_ACQ_REL) == 1) {
        trpi_pool_free(&ctx->sched.pool, port, sizeof *port);
    }
}

static void forget(trp_ctx *ctx, const trpi_port *port) {
    registry *ports = trpi_load(&ctx->runtime->ports, TRPI_ACQUIRE);
    trpi_lock(&ports->lock);
    (void)trpi_map_remove(&ports->by_ref, port->ref);
    if (ports->by_ref.count == 0) {
        trpi_map_deinit(&ports->by_ref);
    }
    trpi_unlock(&ports->lock);
}

/* ---- closing ---- */

/* Takes the next subscription out of a port that is closed; its closing message is to be sent. */
static trp_message *part(trpi_port *port, trp_message **question) {
    trpi_lock(&port->lock);
    trpi_subscription *sub = port->first;
    trp_message *closed = NULL;
    if (sub != NULL) {
        trpi_subscription_unlink(sub);
        closed = sub->closed;
        sub->is_closing = true;
        *question = sub->question;
        sub->question = NULL;
        ((trp_output_port_closed *)trpi_body(closed))->lost = sub->lost;
    }
    trpi_unlock(&port->lock);
    return closed;
}

/* The owner's entry is given up: it closes the port, or ends. */
static void close_port(trp_ctx *ctx, trpi_wait *wait) {
    trpi_port *port = (trpi_port *)(void *)wait;
    forget(ctx, port);
    trpi_lock(&port->lock);
    port->is_closed = true;
    trpi_unlock(&port->lock);
    trp_message *question = NULL;
    trp_message *closed = part(port, &question);
    while (closed != NULL) {
        (void)trpi_send_reply(ctx, closed);
        if (question != NULL) {
            trpi_room_answer(ctx, question);
        }
        closed = part(port, &question);
    }
    trpi_port_drop(ctx, port);
}

/* Nothing is ever sent to the ref of a port. */
static bool told(trp_ctx *ctx, trpi_wait *wait) {
    (void)ctx;
    (void)wait;
    return false;
}

/* The entry of a port of the running actor, or NULL. */
static trpi_entry *entry_of(trp_ctx *ctx, trp_ref ref) {
    trpi_actor *actor = ctx->frame.actor;
    trpi_entry *entry = actor == NULL ? NULL : trpi_entry_of(ctx, actor, ref);
    bool is_port =
        entry != NULL && entry->kind == TRPI_ENTRY_WAIT && entry->u.wait->end == close_port;
    return is_port ? entry : NULL;
}

int trp_output_port_close(trp_ctx *ctx, trp_ref ref) {
    trpi_entry *entry = entry_of(ctx, ref);
    if (entry == NULL) {
        return TRP_ENOENT;
    }
    if (((trpi_port *)(void *)entry->u.wait)->is_publishing) {
        return TRP_ESTATE;
    }
    trpi_entry_give_up(ctx, entry);
    return 0;
}

int trp_output_port_open(trp_ctx *ctx, trp_ref *ref) {
    if (ctx->frame.actor == NULL) {
        return TRP_ESTATE;
    }
    registry *ports = registry_of(ctx);
    trpi_port *port = ports == NULL ? NULL : trpi_pool_alloc(&ctx->sched.pool, sizeof *port);
    trpi_entry *entry = port == NULL ? NULL : trpi_entry_new(ctx, TRPI_ENTRY_WAIT);
    if (entry == NULL) {
        if (port != NULL) {
            trpi_pool_free(&ctx->sched.pool, port, sizeof *port);
        }
        return TRP_ENOMEM;
    }
    memset(port, 0, sizeof *port);
    port->wait.end = close_port;
    port->wait.woken = told;
    port->ref = trpi_load(&entry->ref, TRPI_RELAXED);
    port->last = &port->first;
    trpi_store(&port->holds, 1, TRPI_RELAXED);
    entry->u.wait = &port->wait;
    trpi_lock(&ports->lock);
    int error = trpi_map_set(&ports->by_ref, port->ref, port);
    trpi_unlock(&ports->lock);
    if (error != 0) {
        trpi_entry_release(ctx, entry);
        trpi_pool_free(&ctx->sched.pool, port, sizeof *port);
        return error;
    }
    *ref = port->ref;
    return 0;
}

/* ---- publishing ---- */

/* What the subscriber is to get: 0 and NULL if it does not want it. */
static int make_copy(trp_ctx *ctx, const trpi_subscription *sub, const trp_message *message,
                     trp_message **copy) {
    *copy = NULL;
    if (sub->options.filter != NULL && !sub->options.filter(message, sub->arg)) {
        return 0;
    }
    if (sub->options.convert != NULL) {
        return sub->options.convert(ctx, message, sub->arg, copy);
    }
    *copy = trp_message_copy(ctx, message);
    return *copy == NULL ? TRP_ENOMEM : 0;
}

/* Counts a message in for a subscriber, as its limit and policy say. The lock is held. */
static bool admit(trpi_subscription *sub, int *error, bool *is_too_much) {
    trp_output_port_stats *stats = &sub->port->stats;
    bool is_full = sub->sent - sub->received >= sub->options.limit;
    *is_too_much = is_full && sub->options.policy == TRP_MAILBOX_SUSPEND;
    if (is_full && sub->options.policy == TRP_MAILBOX_REJECT) {
        stats->rejected++;
        *error = TRP_EFULL;
    } else if (is_full && sub->options.policy == TRP_MAILBOX_DROP_NEWEST) {
        stats->dropped_newest++;
    } else {
        stats->accepted++;
        sub->sent++;
        return true;
    }
    sub->lost++;
    return false;
}

/* The message stays out. What was dropped and not refused to the publisher is a dead letter. */
static void keep_out(trp_ctx *ctx, const trpi_subscription *sub, trp_message *copy, int error) {
    if (error != 0) {
        trpi_message_free(&ctx->sched.pool, copy);
        return;
    }
    trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, TRP_EFULL, "dropped by a full subscription");
    trpi_discard(ctx, sub->subscriber, copy, &reason, TRP_EFULL);
}

/* The publisher is muted until the subscriber has caught up. True if it was not before. */
static bool wait_for_room(trp_ctx *ctx, trpi_subscription *sub) {
    trp_message *question = trpi_room_question(ctx, sub->subscriber);
    if (question == NULL) {
        return false;
    }
    trpi_lock(&sub->port->lock);
    bool is_waiting = !sub->has_gone && sub->sent - sub->received > sub->options.limit / 2;
    if (is_waiting) {
        sub->question = question;
    }
    trpi_unlock(&sub->port->lock);
    if (!is_waiting) {
        trpi_room_answer(ctx, question);
    }
    return true;
}

/* One message to one subscriber, who may go meanwhile; the block stays. */
static int offer(trp_ctx *ctx, trpi_subscription *sub, const trp_message *message, bool *is_muted) {
    trpi_port *port = sub->port;
    trp_message *copy;
    int error = make_copy(ctx, sub, message, &copy);
    bool is_too_much = false;
    bool is_in = false;
    trpi_lock(&port->lock);
    bool has_gone = sub->has_gone;
    if (copy == NULL) {
        port->stats.filtered += error == 0;
        port->stats.failed += error != 0;
    } else if (!has_gone) {
        is_in = admit(sub, &error, &is_too_much);
    }
    trpi_unlock(&port->lock);
    if (copy != NULL && has_gone) {
        trp_message_drop(ctx, copy);
    } else if (copy != NULL && !is_in) {
        keep_out(ctx, sub, copy, error);
    } else if (copy != NULL) {
        copy->kind = TRPI_REPLY;
        copy->ref = sub->ref;
        (void)trpi_send_reply(ctx, copy);
    }
    if (is_too_much && wait_for_room(ctx, sub)) {
        *is_muted = true;
    }
    return error;
}

static trpi_subscription *begin_publishing(trpi_port *port) {
    trpi_lock(&port->lock);
    port->is_publishing = true;
    port->stats.published++;
    trpi_subscription *first = port->first;
    trpi_unlock(&port->lock);
    return first;
}

static trpi_subscription *next_of(trpi_port *port, const trpi_subscription *sub) {
    trpi_lock(&port->lock);
    trpi_subscription *next = sub->next;
    trpi_unlock(&port->lock);
    return next;
}

/* Takes one out of the list that has gone meanwhile; NULL, and publishing is over: none is left. */
static trpi_subscription *end_publishing(trpi_port *port) {
    trpi_lock(&port->lock);
    trpi_subscription *sub = port->has_gone ? port->first : NULL;
    while (sub != NULL && !sub->has_gone) {
        sub = sub->next;
    }
    if (sub != NULL) {
        trpi_subscription_unlink(sub);
    } else {
        port->has_gone = false;
        port->is_publishing = false;
    }
    trpi_unlock(&port->lock);
    return sub;
}

int trp_output_port_publish(trp_ctx *ctx, trp_ref ref, const trp_message *message) {
    trpi_entry *entry = entry_of(ctx, ref);
    if (entry == NULL) {
        return TRP_ENOENT;
    }
    trpi_port *port = (trpi_port *)(void *)entry->u.wait;
    if (message == NULL || port->is_publishing) {
        return message == NULL ? TRP_ENOMEM : TRP_ESTATE;
    }
    int result = 0;
    bool is_muted = false;
    trpi_subscription *sub = begin_publishing(port);
    while (sub != NULL) {
        int error = offer(ctx, sub, message, &is_muted);
        result = result == 0 ? error : result;
        sub = next_of(port, sub);
    }
    trpi_subscription *gone = end_publishing(port);
    while (gone != NULL) {
        trpi_subscription_free(ctx, gone);
        gone = end_publishing(port);
    }
    if (is_muted) {
        trpi_routine_pause(ctx);
    }
    return result;
}

int trp_output_port_read_stats(trp_ctx *ctx, trp_ref ref, trp_output_port_stats *stats) {
    trpi_entry *entry = entry_of(ctx, ref);
    if (entry == NULL) {
        return TRP_ENOENT;
    }
    trpi_port *port = (trpi_port *)(void *)entry->u.wait;
    trpi_lock(&port->lock);
    *stats = port->stats;
    trpi_unlock(&port->lock);
    return 0;
}
