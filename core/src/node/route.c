/*
 * The way out: what an actor sends to a pid of another node, on the sender's scheduler. The message
 * is encoded here and goes to the mailbox of the session actor; see session.h.
 */
#include "node/encode.h"
#include "node/session.h"
#include "troupe/codec.h"
#include "troupe/error.h"
#include "troupe/name.h"

/* Nothing can be sent: the message's end is what its kind demands. */
static int refuse(trp_ctx *ctx, trp_pid to, trp_message *message, int error) {
    trp_exit_kind kind = error == TRP_ENOCONNECTION ? TRP_EXIT_NOCONNECTION
                         : error == TRP_ENOPROC     ? TRP_EXIT_NOPROC
                                                    : TRP_EXIT_ERROR;
    trp_exit reason = trp_exit_make(kind, error, NULL);
    trpi_discard(ctx, to, message, &reason, error);
    return error;
}

/* The right that the other node must have granted for this kind of message, besides sending. */
static uint32_t right_for(unsigned kind) {
    switch (kind) {
    case TRPI_MONITOR:
        return TRP_RIGHT_MONITOR;
    case TRPI_STOP:
    case TRPI_KILL:
        return TRP_RIGHT_EXIT;
    default:
        return 0;
    }
}

static bool is_granted(const trpi_way *way, trp_pid to, unsigned kind) {
    uint32_t needed = right_for(kind);
    uint32_t either = to.epoch == TRPI_ALIAS_EPOCH ? TRP_RIGHT_SEND_NAMES | TRP_RIGHT_NAMES
                                                   : TRP_RIGHT_SEND_PIDS | TRP_RIGHT_ANY_PID;
    return (way->granted & needed) == needed && (way->granted & either) != 0;
}

/* The addressee as the other node knows it. */
static void encode_target(trpi_encoder *encoder, trp_pid to) {
    if (to.epoch != TRPI_ALIAS_EPOCH) {
        trpi_encode_pid(encoder, to);
        return;
    }
    const trpi_word *alias = trpi_node_alias(trpi_node_of(encoder->ctx), to);
    const char *name = alias->bytes + strlen(alias->bytes) + 1;
    size_t length = strlen(name);
    trpi_encode_number(encoder, TRPI_PID_NAMED, 1);
    trpi_encode_number(encoder, length, 1);
    trpi_encode_bytes(encoder, name, length);
}

static int encode(trp_ctx *ctx, const trpi_way *way, trp_pid to, const trp_message *message,
                  trp_message **frame) {
    bool has_payload = message->kind == TRPI_PLAIN || message->kind == TRPI_REQUEST;
    size_t hint = has_payload ? message->length + TRPI_ENVELOPE_MAX / 2 : TRPI_ENVELOPE_MAX;
    unsigned kind = TRPI_FRAME_SEND;
    if (has_payload && message->length > way->message_max && message->type == NULL) {
        return TRP_ETOOBIG;
    }
    trpi_encoder encoder;
    trpi_encoder_init(&encoder, ctx, way, hint);
    encode_target(&encoder, to);
    switch ((trpi_kind)message->kind) {
    case TRPI_REQUEST:
        kind = TRPI_FRAME_CALL;
        trpi_encode_pid(&encoder, trp_message_from(ctx, message));
        trpi_encode_number(&encoder, message->ref, 8);
        break;
    case TRPI_MONITOR:
        kind = TRPI_FRAME_MONITOR;
        trpi_encode_number(&encoder, message->ref, 8);
        break;
    case TRPI_STOP:
        kind = TRPI_FRAME_STOP;
        trpi_encode_exit(&encoder, (const trp_exit *)(const void *)(message + 1));
        break;
    case TRPI_KILL:
        kind = TRPI_FRAME_KILL;
        break;
    default:
        break;
    }
    if (has_payload) {
        trpi_encode_payload(&encoder, message);
    }
    int error = trpi_encoder_finish(&encoder, frame);
    if (error == 0) {
        (*frame)->tag = kind;
    }
    return error;
}

/* Reserves room for the frame in the session's outbox. Signals always get it. */
static int reserve(const trpi_way *way, const trp_message *message, const trp_message *frame) {
    bool is_limited = message->kind == TRPI_PLAIN || message->kind == TRPI_REQUEST;
    return trpi_place_reserve(way, frame->length + TRPI_OUTBOX_MESSAGE,
                              is_limited ? TRPI_OUTBOX_MAX : UINT32_MAX);
}

/* Hands the block itself to the session, which keeps it until the other node answers. */
static bool hand_block(trp_ctx *ctx, const trpi_way *way, trp_pid to, trp_message *message) {
    if (message->kind == TRPI_MONITOR) {
        *trpi_watched(message) = to;
    }
    return trpi_session_push(ctx, way->session, message);
}

static int send_frame(trp_ctx *ctx, const trpi_way *way, trp_pid to, trp_message *message,
                      trp_message *frame) {
    bool is_kept = message->kind == TRPI_REQUEST || message->kind == TRPI_MONITOR;
    frame->reserved = (uint16_t)(trp_self(ctx).index % TRPI_STREAMS);
    if (is_kept && !hand_block(ctx, way, to, message)) {
        trpi_message_free(&ctx->sched.pool, frame);
        return refuse(ctx, to, message, TRP_ENOCONNECTION);
    }
    if (!trpi_session_push(ctx, way->session, frame)) {
        trpi_message_free(&ctx->sched.pool, frame);
        /* A block that was handed over is answered by the session's end. */
        return is_kept ? TRP_ENOCONNECTION : refuse(ctx, to, message, TRP_ENOCONNECTION);
    }
    if (!is_kept) {
        trpi_message_free(&ctx->sched.pool, message);
    }
    return 0;
}

static int send_encoded(trp_ctx *ctx, const trpi_way *way, trp_pid to, trp_message *message) {
    trp_message *frame = NULL;
    int error =
        is_granted(way, to, message->kind) ? encode(ctx, way, to, message, &frame) : TRP_EPERM;
    if (error == 0) {
        error = reserve(way, message, frame);
        if (error != 0) {
            trpi_message_free(&ctx->sched.pool, frame);
        }
    }
    return error == 0 ? send_frame(ctx, way, to, message, frame) : refuse(ctx, to, message, error);
}

/* A name on this very node, reached through trp_remote_name all the same. */
static int route_home(trp_ctx *ctx, const char *name, trp_pid to, trp_message *message) {
    trp_pid pid;
    if (trp_whereis(ctx, name, &pid) != 0) {
        return refuse(ctx, to, message, TRP_ENOPROC);
    }
    return trpi_deliver(ctx, pid, message);
}

int trpi_node_route(trp_ctx *ctx, trp_pid to, trp_message *message) {
    trpi_node *node = trpi_node_of(ctx);
    trpi_way way;
    if (to.epoch == TRPI_ALIAS_EPOCH) {
        const trpi_word *alias = trpi_node_alias(node, to);
        if (alias != NULL && strlen(alias->bytes) == strlen(node->self.name) &&
            memcmp(alias->bytes, node->self.name, strlen(alias->bytes)) == 0) {
            return route_home(ctx, alias->bytes + strlen(alias->bytes) + 1, to, message);
        }
    }
    if (!trpi_node_way(node, to, &way)) {
        return refuse(ctx, to, message, TRP_ENOCONNECTION);
    }
    switch ((trpi_kind)message->kind) {
    case TRPI_PLAIN:
    case TRPI_REQUEST:
    case TRPI_MONITOR:
    case TRPI_STOP:
    case TRPI_KILL:
        return send_encoded(ctx, &way, to, message);
    case TRPI_DEMONITOR:
        return trpi_session_push(ctx, way.session, message)
                   ? 0
                   : refuse(ctx, to, message, TRP_ENOCONNECTION);
    case TRPI_LINK:
        return refuse(ctx, to, message, TRP_ENOTSUP);
    default:
        /* Answers go to session actors and never come here. */
        return refuse(ctx, to, message, TRP_ENOPROC);
    }
}
