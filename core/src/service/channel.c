/*
 * Channels: making, ends, and everything that does not wait. Waiting is in channel_wait.c, the ring
 * in channel_ring.c.
 */
#include "service/channel.h"

#include "troupe/error.h"

#include <string.h>

/* ---- making, ends ---- */

/* Two at least: the sequence of a lone slot that is full is that of a free one a lap later. */
static uint32_t slots_for(uint32_t capacity) {
    uint32_t slots = 2;
    while (slots < capacity) {
        slots *= 2;
    }
    return slots;
}

static size_t size_of(const trp_channel *channel) {
    size_t slots = trpi_channel_is_ring(channel) ? (size_t)channel->mask + 1 : 0;
    return sizeof *channel + slots * sizeof *channel->slots;
}

int trp_channel_create(trp_ctx *ctx, uint32_t capacity, trp_channel **out) {
    if (capacity > TRP_CHANNEL_CAPACITY_MAX && capacity != TRP_CHANNEL_UNBOUNDED) {
        return TRP_EINVAL;
    }
    bool is_ring = capacity != 0 && capacity != TRP_CHANNEL_UNBOUNDED;
    uint32_t slots = is_ring ? slots_for(capacity) : 0;
    size_t size = sizeof(trp_channel) + slots * sizeof(trpi_channel_slot);
    trp_channel *channel = trpi_pool_alloc(&ctx->sched.pool, size);
    if (channel == NULL) {
        return TRP_ENOMEM;
    }
    memset(channel, 0, sizeof *channel);
    channel->capacity = capacity;
    channel->mask = is_ring ? slots - 1 : 0;
    for (uint32_t i = 0; i < slots; i++) {
        trpi_store(&channel->slots[i].sequence, i, TRPI_RELAXED);
    }
    trpi_store(&channel->holds, 2, TRPI_RELAXED);
    for (int end = 0; end < 2; end++) {
        trpi_store(&channel->ends[end], 1, TRPI_RELAXED);
        channel->waiters_last[end] = &channel->waiters[end];
    }
    *out = channel;
    return 0;
}

void trp_channel_hold(trp_channel *channel) {
    trpi_add_u32(&channel->holds, 1, TRPI_RELAXED);
}

void trp_channel_clone(trp_channel *channel, trp_channel_end end) {
    trp_channel_hold(channel);
    trpi_add_u32(&channel->ends[end], 1, TRPI_RELAXED);
}

void trp_channel_drop(trp_ctx *ctx, trp_channel *channel) {
    /* Release and acquire: whoever frees it sees what all others did to it. */
    if (channel == NULL || trpi_add_u32(&channel->holds, UINT32_MAX, TRPI_ACQ_REL) != 1) {
        return;
    }
    trp_message *message;
    while (trp_channel_try_receive(ctx, channel, &message) == 0) {
        trp_message_drop(ctx, message);
    }
    trpi_pool_free(&ctx->sched.pool, channel, size_of(channel));
}

void trp_channel_release(trp_ctx *ctx, trp_channel *channel, trp_channel_end end) {
    if (channel == NULL) {
        return;
    }
    if (trpi_add_u32(&channel->ends[end], UINT32_MAX, TRPI_ACQ_REL) == 1) {
        (void)trp_channel_close(ctx, channel);
    }
    trp_channel_drop(ctx, channel);
}

int trp_channel_upgrade(trp_channel *channel, trp_channel_end end) {
    uint32_t count = trpi_load(&channel->ends[end], TRPI_RELAXED);
    do {
        if (count == 0 || trp_channel_is_closed(channel)) {
            return TRP_ECLOSED;
        }
    } while (!trpi_cas_u32(&channel->ends[end], &count, count + 1, TRPI_ACQ_REL));
    trp_channel_hold(channel);
    return 0;
}

int trp_channel_close(trp_ctx *ctx, trp_channel *channel) {
    uint64_t tail = trpi_load(&channel->tail, TRPI_RELAXED);
    do {
        if ((tail & TRPI_CHANNEL_CLOSED) != 0) {
            return TRP_ECLOSED;
        }
    } while (!trpi_cas_u64(&channel->tail, &tail, tail | TRPI_CHANNEL_CLOSED, TRPI_SEQ_CST));
    trpi_channel_wake(ctx, channel, TRP_CHANNEL_SEND, SIZE_MAX);
    trpi_channel_wake(ctx, channel, TRP_CHANNEL_RECEIVE, SIZE_MAX);
    return 0;
}

bool trp_channel_is_closed(trp_channel *channel) {
    return (trpi_load(&channel->tail, TRPI_SEQ_CST) & TRPI_CHANNEL_CLOSED) != 0;
}

uint32_t trp_channel_length(trp_channel *channel) {
    uint64_t head = trpi_load(&channel->head, TRPI_SEQ_CST);
    uint64_t tail = trpi_load(&channel->tail, TRPI_SEQ_CST) & ~TRPI_CHANNEL_CLOSED;
    return tail > head ? (uint32_t)(tail - head) : 0;
}

uint32_t trp_channel_capacity(const trp_channel *channel) {
    return channel->capacity;
}

/* ---- unbounded: a list under the lock; head and tail count what went in and out ---- */

static int list_push(trp_channel *channel, trp_message *message) {
    trpi_lock(&channel->lock);
    uint64_t tail = trpi_load(&channel->tail, TRPI_RELAXED);
    /* A close may come between: then the exchange fails and the message stays out. */
    bool is_in = (tail & TRPI_CHANNEL_CLOSED) == 0 &&
                 trpi_cas_u64(&channel->tail, &tail, tail + 1, TRPI_SEQ_CST);
    if (is_in) {
        trpi_store(&message->link.next, NULL, TRPI_RELAXED);
        if (channel->first == NULL) {
            channel->first = message;
        } else {
            trpi_store(&channel->last->link.next, message, TRPI_RELAXED);
        }
        channel->last = message;
    }
    trpi_unlock(&channel->lock);
    return is_in ? 0 : TRP_ECLOSED;
}

static int list_pop(trp_channel *channel, trp_message **message) {
    trpi_lock(&channel->lock);
    trp_message *first = channel->first;
    if (first != NULL) {
        channel->first = trpi_load(&first->link.next, TRPI_RELAXED);
        trpi_add_u64(&channel->head, 1, TRPI_SEQ_CST);
    }
    trpi_unlock(&channel->lock);
    if (first == NULL) {
        return trp_channel_is_closed(channel) ? TRP_ECLOSED : TRP_EEMPTY;
    }
    *message = first;
    return 0;
}

/* ---- rendezvous: a message goes from one wait to another, under the lock ---- */

/* Gives `message` to a receiver that waits. */
static int meet_receiver(trp_ctx *ctx, trp_channel *channel, trp_message *message) {
    if (trp_channel_is_closed(channel)) {
        return TRP_ECLOSED;
    }
    trp_message *wake = NULL;
    trpi_lock(&channel->lock);
    trpi_channel_node *node = trpi_channel_claim(channel, TRP_CHANNEL_RECEIVE);
    if (node != NULL) {
        node->wait->done = (size_t)(node - node->wait->nodes);
        node->wait->got = message;
        wake = node->wait->wake;
    }
    trpi_unlock(&channel->lock);
    if (wake == NULL) {
        return TRP_EFULL;
    }
    trpi_channel_rouse(ctx, wake);
    return 0;
}

/* Takes the message of a sender that waits. */
static int meet_sender(trp_ctx *ctx, trp_channel *channel, trp_message **message) {
    trp_message *wake = NULL;
    trpi_lock(&channel->lock);
    trpi_channel_node *node = trpi_channel_claim(channel, TRP_CHANNEL_SEND);
    if (node != NULL) {
        node->wait->done = (size_t)(node - node->wait->nodes);
        *message = node->message;
        wake = node->wait->wake;
    }
    trpi_unlock(&channel->lock);
    if (wake == NULL) {
        return trp_channel_is_closed(channel) ? TRP_ECLOSED : TRP_EEMPTY;
    }
    trpi_channel_rouse(ctx, wake);
    return 0;
}

/* ---- trying ---- */

/*
 * A message that goes into a channel is nobody's: neither borrowed nor held. NULL when that needs
 * memory there is not.
 */
static trp_message *let_go(trp_ctx *ctx, trp_message *message) {
    if (message == ctx->frame.message) {
        message = trpi_take(ctx, message, false);
    }
    if (message != NULL) {
        trpi_unhold(ctx, message);
    }
    return message;
}

int trpi_channel_push(trp_ctx *ctx, trp_channel *channel, trp_message *message) {
    if (channel->capacity == 0) {
        return meet_receiver(ctx, channel, message);
    }
    int error = 0;
    if (trpi_channel_is_ring(channel)) {
        (void)trpi_ring_push(channel, &message, 1, trpi_is_shared(ctx), &error);
    } else {
        error = list_push(channel, message);
    }
    if (error == 0) {
        trpi_channel_wake(ctx, channel, TRP_CHANNEL_RECEIVE, 1);
    }
    return error;
}

int trp_channel_try_send(trp_ctx *ctx, trp_channel *channel, trp_message *message) {
    if (message == NULL) {
        return TRP_ENOMEM;
    }
    if (message == ctx->frame.message || (message->flags & TRPI_FLAG_TAKEN) != 0) {
        /* Only given up if it will most likely go in: what is refused must stay what it was. */
        int error = trp_channel_is_closed(channel) ? TRP_ECLOSED : 0;
        bool is_full =
            trpi_channel_is_ring(channel) && trp_channel_length(channel) >= channel->capacity;
        if (error != 0 || is_full) {
            return error != 0 ? error : TRP_EFULL;
        }
        message = let_go(ctx, message);
    }
    return message == NULL ? TRP_ENOMEM : trpi_channel_push(ctx, channel, message);
}

int trp_channel_try_receive(trp_ctx *ctx, trp_channel *channel, trp_message **message) {
    if (channel->capacity == 0) {
        return meet_sender(ctx, channel, message);
    }
    int error = 0;
    if (trpi_channel_is_ring(channel)) {
        (void)trpi_ring_pop(channel, message, 1, trpi_is_shared(ctx), &error);
    } else {
        error = list_pop(channel, message);
    }
    if (error == 0) {
        trpi_channel_wake(ctx, channel, TRP_CHANNEL_SEND, 1);
    }
    return error;
}

int trp_channel_force_send(trp_ctx *ctx, trp_channel *channel, trp_message *message,
                           trp_message **oldest) {
    *oldest = NULL;
    if (channel->capacity == 0) {
        return TRP_ENOTSUP;
    }
    message = message == NULL ? NULL : let_go(ctx, message);
    if (message == NULL) {
        return TRP_ENOMEM;
    }
    int error = trpi_channel_push(ctx, channel, message);
    while (error == TRP_EFULL) {
        /* At most one is taken out for one that goes in: what an earlier round took goes first. */
        trp_message *taken = NULL;
        int pop_error = 0;
        if (*oldest == NULL) {
            (void)trpi_ring_pop(channel, &taken, 1, trpi_is_shared(ctx), &pop_error);
            *oldest = taken;
        }
        error = trpi_channel_push(ctx, channel, message);
        if (error == TRP_EFULL && *oldest != NULL) {
            /* Another sender has taken the place: a second one must go, and only one goes back. */
            trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, TRP_EFULL, "pushed out of a channel");
            trpi_discard(ctx, TRP_PID_NONE, *oldest, &reason, TRP_EFULL);
            *oldest = NULL;
        }
    }
    return error;
}

int trp_channel_try_send_many(trp_ctx *ctx, trp_channel *channel, trp_message *const *messages,
                              size_t count, size_t *sent) {
    int error = 0;
    *sent = 0;
    if (count == 0) {
        return 0;
    }
    if (trpi_channel_is_ring(channel)) {
        *sent = trpi_ring_push(channel, messages, count, trpi_is_shared(ctx), &error);
        if (*sent > 0) {
            trpi_channel_wake(ctx, channel, TRP_CHANNEL_RECEIVE, *sent);
        }
        return error;
    }
    while (error == 0 && *sent < count) {
        error = trpi_channel_push(ctx, channel, messages[*sent]);
        *sent += error == 0 ? 1 : 0;
    }
    return error;
}

int trp_channel_try_receive_many(trp_ctx *ctx, trp_channel *channel, trp_message **messages,
                                 size_t count, size_t *received) {
    int error = 0;
    *received = 0;
    if (trpi_channel_is_ring(channel)) {
        *received = trpi_ring_pop(channel, messages, count, trpi_is_shared(ctx), &error);
        if (*received > 0) {
            trpi_channel_wake(ctx, channel, TRP_CHANNEL_SEND, *received);
        }
        return error;
    }
    while (error == 0 && *received < count) {
        error = trp_channel_try_receive(ctx, channel, &messages[*received]);
        *received += error == 0 ? 1 : 0;
    }
    return *received > 0 ? 0 : error;
}
