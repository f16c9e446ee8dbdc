/*
 * Who owns a message that was sent: the handler borrows it, may take it, and then holds it until it
 * sends, drops or dies with it.
 */
#include "actor/actor.h"
#include "actor/entry.h"

/*
 * Remembers that the running actor holds a message, so that its end frees it and answers a request.
 */
static bool hold(trp_ctx *ctx, trp_message *message) {
    trpi_side *side = trpi_actor_side(ctx, ctx->frame.actor);
    trpi_held *held = side == NULL ? NULL : trpi_pool_alloc(&ctx->sched.pool, sizeof *held);
    if (held == NULL) {
        return false;
    }
    held->message = message;
    held->next = side->held;
    held->pprev = &side->held;
    if (held->next != NULL) {
        held->next->pprev = &held->next;
    }
    side->held = held;
    return true;
}

bool trpi_hold(trp_ctx *ctx, trp_message *message) {
    if (!hold(ctx, message)) {
        return false;
    }
    message->flags |= TRPI_FLAG_TAKEN;
    trpi_store(&message->link.next, ctx->frame.actor->side->held, TRPI_RELAXED);
    return true;
}

void trpi_unhold(trp_ctx *ctx, trp_message *message) {
    if ((message->flags & TRPI_FLAG_TAKEN) == 0) {
        return;
    }
    trpi_held *held = trpi_load(&message->link.next, TRPI_RELAXED);
    *held->pprev = held->next;
    if (held->next != NULL) {
        held->next->pprev = held->pprev;
    }
    message->flags &= (uint8_t)~TRPI_FLAG_TAKEN;
    trpi_pool_free(&ctx->sched.pool, held, sizeof *held);
}

/* The runtime's own message, made for the occasion: what the actor keeps is a copy. */
static trp_message *take_scratch(trp_ctx *ctx, const trp_message *message) {
    trp_message *copy = trp_message_copy(ctx, message);
    if (copy != NULL) {
        copy->kind = message->kind;
        copy->ref = message->ref;
        ctx->frame.message = NULL;
    }
    return copy;
}

void trpi_leave_mailbox(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    if (ctx->frame.loose == message) {
        ctx->frame.loose = NULL;
    } else {
        trpi_mailbox_detach(&actor->mailbox, &message->link, trpi_is_shared(ctx));
    }
}

trp_message *trpi_take(trp_ctx *ctx, trp_message *message, bool is_kept) {
    if ((message->flags & TRPI_FLAG_STATIC) != 0) {
        return take_scratch(ctx, message);
    }
    trpi_actor *actor = ctx->frame.actor;
    trpi_held *newest = NULL;
    if (is_kept) {
        if (!hold(ctx, message)) {
            return NULL;
        }
        newest = actor->side->held;
    }
    trpi_uncount(ctx, actor, message);
    if (ctx->frame.loose != message) {
        /* Set while terminate runs: it is not first any more. */
        actor->flags &= (uint8_t)~TRPI_ACTOR_CONSUMED;
    }
    trpi_leave_mailbox(ctx, actor, message);
    ctx->frame.message = NULL;
    if (newest != NULL) {
        message->flags |= TRPI_FLAG_TAKEN;
        trpi_store(&message->link.next, newest, TRPI_RELAXED);
    }
    return message;
}

trp_message *trp_message_take(trp_ctx *ctx, trp_message *message) {
    return message == ctx->frame.message ? trpi_take(ctx, message, true) : message;
}

void trp_message_drop(trp_ctx *ctx, trp_message *message) {
    if (message == NULL) {
        return;
    }
    if (message == ctx->frame.message) {
        return; /* borrowed: the runtime frees it when the handler returns */
    }
    trpi_unhold(ctx, message);
    if (message->kind == TRPI_REQUEST) {
        trpi_settle(ctx, message, TRP_ECANCELED, NULL);
    } else {
        trpi_message_free(&ctx->sched.pool, message);
    }
}

trp_pid trp_message_from(trp_ctx *ctx, const trp_message *message) {
    if (message->kind != TRPI_REQUEST) {
        return TRP_PID_NONE;
    }
    trpi_entry *entry = trpi_entry_find(ctx->runtime, message->ref);
    if (entry == NULL) {
        return TRP_PID_NONE;
    }
    uint64_t owner = trpi_load(&entry->owner, TRPI_RELAXED);
    trp_pid from = {0, 0, (uint32_t)(owner >> 32), (uint32_t)owner};
    uint64_t peer_node = trpi_load(&entry->peer_node, TRPI_RELAXED);
    if ((peer_node & TRPI_PEER_IS_CALLER) != 0) {
        from = trpi_entry_peer(entry);
    }
    /* The entry may have been freed and used again while it was read: then its ref is another. */
    return trpi_load(&entry->ref, TRPI_ACQUIRE) == message->ref ? from : TRP_PID_NONE;
}
