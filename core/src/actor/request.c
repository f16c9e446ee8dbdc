/*
 * Requests. The caller keeps an entry under the ref that travels with the request; the reply finds
 * the way back by the ref alone. Who drops, outlives or fails a request answers it with an error in
 * the request's own block (trpi_settle), so no path forgets the caller and none needs memory.
 */
#include "troupe/request.h"

#include "actor/actor.h"
#include "actor/entry.h"
#include "actor/request.h"
#include "troupe/error.h"

#include <string.h>

#define REQUEST_ERROR_FIELDS(F)                                                                    \
    F(i32, code, 1)                                                                                \
    F(record(trp_exit), reason, 2)
TRP_TYPE_DEFINE(trp_request_error, "troupe.RequestError", REQUEST_ERROR_FIELDS)

/* Sends `message` as the request of `entry`. What prevents its delivery comes back as a reply. */
static void send_request(trp_ctx *ctx, trpi_entry *entry, trp_pid to, trp_message *message,
                         uint64_t timeout_ns) {
    message->kind = TRPI_REQUEST;
    message->flags = 0;
    message->ref = trpi_load(&entry->ref, TRPI_RELAXED);
    uint64_t deadline = TRP_NEVER;
    if (timeout_ns != TRP_NEVER) {
        trpi_entry_arm(ctx, entry, timeout_ns);
        deadline = entry->timer.deadline_ns;
    }
    /* Release pairs with the acquire in trp_request_time_left: it is seen with the entry's ref. */
    trpi_store(&entry->deadline_ns, deadline, TRPI_RELEASE);
    (void)trpi_deliver(ctx, to, message);
}

int trp_request(trp_ctx *ctx, trp_pid to, trp_message *message, uint64_t timeout_ns, trp_ref *ref) {
    if (message == NULL) {
        return TRP_ENOMEM;
    }
    message = trp_message_take(ctx, message);
    int error = 0;
    trpi_entry *entry = NULL;
    if (message == NULL) {
        return TRP_ENOMEM;
    }
    if (ctx->frame.actor == NULL) {
        error = TRP_ESTATE;
    } else if (trp_pid_equal(to, trp_self(ctx))) {
        error = TRP_ESELF;
    } else if (trpi_is_open_request(message)) {
        error =
            TRP_ESTATE; /* somebody else waits for the answer to this one: pass it on with trp_send */
    } else {
        entry = trpi_entry_new(ctx, TRPI_ENTRY_REQUEST);
        error = entry == NULL ? TRP_ENOMEM : 0;
    }
    if (error != 0) {
        trp_message_drop(ctx, message);
        return error;
    }
    trpi_unhold(ctx, message);
    trpi_entry_set_peer(entry, to);
    *ref = trpi_load(&entry->ref, TRPI_RELAXED);
    send_request(ctx, entry, to, message, timeout_ns);
    return 0;
}

int trpi_request_for(trp_ctx *ctx, trp_pid to, trp_pid from, trp_message *message,
                     uint64_t timeout_ns, trp_ref *ref) {
    trpi_entry *entry = trpi_entry_new(ctx, TRPI_ENTRY_REQUEST);
    if (entry == NULL) {
        trp_message_drop(ctx, message);
        return TRP_ENOMEM;
    }
    trpi_entry_set_peer(entry, from);
    uint64_t node = trpi_load(&entry->peer_node, TRPI_RELAXED);
    trpi_store(&entry->peer_node, node | TRPI_PEER_IS_CALLER, TRPI_RELAXED);
    *ref = trpi_load(&entry->ref, TRPI_RELAXED);
    send_request(ctx, entry, to, message, timeout_ns);
    return 0;
}

int trp_request_cancel(trp_ctx *ctx, trp_ref ref) {
    trpi_actor *actor = ctx->frame.actor;
    trpi_entry *entry = actor == NULL ? NULL : trpi_entry_of(ctx, actor, ref);
    bool is_request = entry != NULL && (entry->kind == TRPI_ENTRY_REQUEST ||
                                        entry->kind == TRPI_ENTRY_WAIT); /* of many */
    if (!is_request) {
        return TRP_ENOENT;
    }
    trpi_entry_give_up(ctx, entry);
    return 0;
}

int trp_request_delegate(trp_ctx *ctx, trp_message *request, trp_pid to) {
    if (request == NULL || !trpi_is_open_request(request)) {
        return TRP_ESTATE;
    }
    (void)trp_send(ctx, to, request);
    return 0;
}

uint64_t trp_request_time_left(trp_ctx *ctx, const trp_message *request) {
    if (request->kind != TRPI_REQUEST) {
        return TRP_NEVER;
    }
    trpi_entry *entry = trpi_entry_find(ctx->runtime, request->ref);
    if (entry == NULL) {
        return 0;
    }
    uint64_t deadline = trpi_load(&entry->deadline_ns, TRPI_ACQUIRE);
    if (trpi_load(&entry->ref, TRPI_RELAXED) != request->ref) {
        return 0; /* freed and used again while it was read */
    }
    uint64_t now = trp_now_ns(ctx);
    if (deadline == TRP_NEVER) {
        return TRP_NEVER;
    }
    return deadline > now ? deadline - now : 0;
}

int trp_reply(trp_ctx *ctx, trp_message *request, trp_message *reply) {
    if (reply == request) {
        return TRP_ESTATE;
    }
    if (reply != NULL && reply == ctx->frame.message) {
        reply = trpi_take(ctx, reply, false);
    }
    if (reply == NULL) {
        return TRP_ENOMEM;
    }
    /*
     * A reply for which somebody waits in turn cannot be two things at once; dropping it answers
     * that one.
     */
    if (!trpi_is_open_request(request) || trpi_is_open_request(reply)) {
        trp_message_drop(ctx, reply);
        return TRP_ESTATE;
    }
    request->flags |= TRPI_FLAG_SETTLED; /* from here on an ordinary message to whoever has it */
    trpi_unhold(ctx, reply);
    reply->kind = TRPI_REPLY;
    reply->flags = 0;
    reply->ref = request->ref;
    if (!trpi_send_reply(ctx, reply)) {
        trpi_count(&ctx->late_replies, 1);
    }
    return 0;
}

int trp_reply_error(trp_ctx *ctx, trp_message *request, int code, const char *text) {
    if (!trpi_is_open_request(request)) {
        return TRP_ESTATE;
    }
    trp_message *carrier =
        trpi_message_alloc(&ctx->sched.pool, sizeof(trpi_failure) + TRP_EXIT_TEXT_MAX);
    if (carrier == NULL) {
        /* The request's own block will do, once its owner is done with it; the text is lost. */
        request->tag = (uint64_t)(int64_t)code;
        request->flags |= TRPI_FLAG_FAILED;
        return 0;
    }
    trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, code, text);
    carrier->ref = request->ref;
    request->flags |= TRPI_FLAG_SETTLED;
    trpi_settle(ctx, carrier, code, &reason);
    return 0;
}
