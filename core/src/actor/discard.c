/*
 * What becomes of messages that will never be handled: each kind has somebody to be told, or is
 * counted.
 */
#include "actor/actor.h"
#include "actor/entry.h"
#include "troupe/error.h"
#include "troupe/monitor.h"

#include <string.h>

static void write_failure(trp_message *message, int code, const trp_exit *reason) {
    trpi_failure *failure = trpi_body(message);
    size_t room = message->capacity - TRPI_MESSAGE_HEADER - offsetof(trpi_failure, text);
    size_t length = reason == NULL ? 0 : strlen(reason->text);
    if (length >= room) {
        length = room - 1;
    }
    failure->code = code;
    failure->exit_kind = reason == NULL ? TRP_EXIT_ERROR : reason->kind;
    failure->exit_code = reason == NULL ? code : reason->code;
    if (length > 0) {
        memcpy(failure->text, reason->text, length);
    }
    failure->text[length] = '\0';
    message->length = (uint32_t)(offsetof(trpi_failure, text) + length + 1);
}

/*
 * The block that tells of the end of `request`: its own if `reason` with its text fits in, or if there is
 * no memory, which cuts the text; else a larger one, made in its place.
 */
static trp_message *widen(trp_ctx *ctx, trp_message *request, const trp_exit *reason) {
    size_t needed = offsetof(trpi_failure, text) + (reason == NULL ? 0 : strlen(reason->text)) + 1;
    if (request->capacity - TRPI_MESSAGE_HEADER >= needed) {
        return request;
    }
    trp_message *wider = trpi_message_alloc(&ctx->sched.pool, needed);
    if (wider == NULL) {
        return request;
    }
    wider->ref = request->ref;
    trpi_message_free(&ctx->sched.pool, request);
    return wider;
}

void trpi_settle(trp_ctx *ctx, trp_message *request, int code, const trp_exit *reason) {
    if ((request->flags & TRPI_FLAG_SETTLED) != 0) {
        trpi_message_free(&ctx->sched.pool, request);
        return;
    }
    if ((request->flags & TRPI_FLAG_FAILED) != 0) {
        code = (int)(int64_t)request->tag;
        reason = NULL;
    }
    trpi_message_unload(&ctx->sched.pool, request);
    request = widen(ctx, request, reason);
    request->kind = TRPI_REPLY_ERROR;
    request->flags = 0;
    request->type = NULL;
    write_failure(request, code, reason);
    (void)trpi_send_reply(ctx, request);
}

/* The MONITOR message goes back to its watcher as the DOWN message. */
static void send_down(trp_ctx *ctx, trp_pid target, trp_message *monitor, const trp_exit *reason) {
    trp_down *down = trpi_body(monitor);
    trp_pid watcher = down->pid;
    down->pid = target;
    down->reason = *reason;
    monitor->kind = TRPI_DOWN;
    monitor->flags = 0;
    (void)trpi_deliver(ctx, watcher, monitor);
}

static void dead_letter(trp_ctx *ctx, trp_pid to, const trp_message *message, int error) {
    trp_runtime *runtime = ctx->runtime;
    trpi_count(&ctx->dead_letters, 1);
    if (runtime->dead_letter != NULL) {
        runtime->dead_letter(runtime->dead_letter_arg, ctx, to, message, error);
    }
    if (runtime->host.trace != NULL) {
        trp_trace record = {TRP_TRACE_DEAD_LETTER, ctx->sched.index,
                            (uint64_t)to.index << 32 | to.generation, 0, (uint64_t)(int64_t)error};
        runtime->host.trace(runtime->host.self, &record);
    }
}

static int failure_code(int error, const trp_exit *reason) {
    return error == TRP_ENOPROC && reason->kind != TRP_EXIT_NOPROC ? TRP_EFAILED : error;
}

void trpi_discard(trp_ctx *ctx, trp_pid to, trp_message *message, const trp_exit *reason,
                  int error) {
    trp_exit noconnection;
    if ((message->flags & TRPI_FLAG_PROXY) != 0) { /* it lay in a session that has ended */
        noconnection = trp_exit_make(TRP_EXIT_NOCONNECTION, TRP_ENOCONNECTION, NULL);
        reason = &noconnection;
        error = TRP_ENOCONNECTION;
    }
    switch ((trpi_kind)message->kind) {
    case TRPI_REQUEST:
        if ((message->flags & TRPI_FLAG_SETTLED) == 0) {
            dead_letter(ctx, to, message, error);
        }
        trpi_settle(ctx, message, failure_code(error, reason), reason);
        return;
    case TRPI_MONITOR:
        send_down(ctx, to, message, reason);
        return;
    case TRPI_LINK:
        trpi_send_exit(ctx, message, to, reason);
        return;
    case TRPI_ROOM:
        trpi_settle(ctx, message, error, reason);
        return;
    case TRPI_TIMER:
    case TRPI_DEMONITOR:
        trpi_entry_free(ctx, trpi_entry_of_signal(message));
        return;
    case TRPI_PLAIN:
        dead_letter(ctx, to, message, error);
        break;
    case TRPI_REPLY:
        if ((message->flags & TRPI_FLAG_RETURNED) == 0) {
            trpi_count(&ctx->late_replies, 1);
        }
        break;
    case TRPI_REPLY_ERROR:
    case TRPI_STOP:
    case TRPI_KILL:
    case TRPI_DOWN:
    case TRPI_EXIT:
    case TRPI_UNLINK:
    case TRPI_UNLINK_ACK:
    case TRPI_CALL:
    case TRPI_STUB:
        break;
    }
    trpi_message_free(&ctx->sched.pool, message);
}
