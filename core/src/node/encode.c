/* The encoder; see encode.h. */
#include "node/encode.h"

#include "message/pool_of.h"
#include "troupe/codec.h"
#include "troupe/error.h"

static void fail(trpi_encoder *encoder, int error) {
    if (encoder->error == 0) {
        encoder->error = error;
    }
}

void trpi_encoder_init(trpi_encoder *encoder, trp_ctx *ctx, const trpi_way *way, size_t hint) {
    memset(encoder, 0, sizeof *encoder);
    encoder->ctx = ctx;
    encoder->way = way;
    encoder->frame = trpi_message_alloc(trpi_pool_of(ctx), hint + 64);
    if (encoder->frame == NULL) {
        fail(encoder, TRP_ENOMEM);
    }
}

static size_t room_of(const trp_message *frame) {
    return frame->capacity - TRPI_MESSAGE_HEADER;
}

static bool grow(trpi_encoder *encoder, size_t needed) {
    trpi_pool *pool = trpi_pool_of(encoder->ctx);
    if (needed > (size_t)encoder->way->message_max + TRPI_ENVELOPE_MAX) {
        fail(encoder, TRP_ETOOBIG);
        return false;
    }
    trp_message *larger = trpi_message_alloc(pool, needed + needed / 2);
    if (larger == NULL) {
        fail(encoder, TRP_ENOMEM);
        return false;
    }
    memcpy(trpi_body(larger), trpi_body(encoder->frame), encoder->length);
    trpi_message_free(pool, encoder->frame);
    encoder->frame = larger;
    return true;
}

/* A sink for trp_codec_encode. */
static int append(void *arg, const void *bytes, size_t length) {
    trpi_encoder *encoder = arg;
    size_t needed = encoder->length + length;
    if (encoder->error == 0 && (needed <= room_of(encoder->frame) || grow(encoder, needed))) {
        memcpy((uint8_t *)trpi_body(encoder->frame) + encoder->length, bytes, length);
        encoder->length = (uint32_t)needed;
    }
    return encoder->error;
}

void trpi_encode_number(trpi_encoder *encoder, uint64_t number, unsigned bytes) {
    uint8_t buffer[8];
    (void)trpi_put(buffer, number, bytes);
    (void)append(encoder, buffer, bytes);
}

void trpi_encode_bytes(trpi_encoder *encoder, const void *bytes, size_t length) {
    (void)append(encoder, bytes, length);
}

void trpi_encode_exit(trpi_encoder *encoder, const trp_exit *reason) {
    size_t length = strlen(reason->text);
    trpi_encode_number(encoder, (uint64_t)(int64_t)reason->kind, 1);
    trpi_encode_number(encoder, (uint64_t)(int64_t)reason->code, 4);
    trpi_encode_number(encoder, length, 1);
    (void)append(encoder, reason->text, length);
}

/* ---- pids ---- */

/* Notes that the peer gets this pid. */
static void hand_over(trpi_encoder *encoder, trp_pid pid) {
    if (!encoder->way->is_limited || encoder->error != 0) {
        return;
    }
    if (encoder->handed_len == encoder->handed_capacity) {
        trpi_pool *pool = trpi_pool_of(encoder->ctx);
        uint32_t capacity = encoder->handed_capacity * 2 + 4;
        trp_pid *larger = trpi_pool_alloc(pool, capacity * sizeof *larger);
        if (larger == NULL) {
            fail(encoder, TRP_ENOMEM);
            return;
        }
        if (encoder->handed != NULL) {
            size_t size = encoder->handed_capacity * sizeof *larger;
            memcpy(larger, encoder->handed, size);
            trpi_pool_free(pool, encoder->handed, size);
        }
        encoder->handed = larger;
        encoder->handed_capacity = capacity;
    }
    encoder->handed[encoder->handed_len++] = pid;
}

/* A pid of a third node. One whose node has been forgotten names nobody any more. */
static uint8_t *put_other(trpi_encoder *encoder, uint8_t *at, trp_pid pid) {
    char name[TRP_NODE_NAME_MAX + 1];
    uint64_t incarnation;
    if (!trpi_node_home(trpi_node_of(encoder->ctx), pid, name, &incarnation)) {
        return trpi_put(at, TRPI_PID_NONE, 1);
    }
    size_t length = strlen(name);
    at = trpi_put(at, TRPI_PID_OTHER, 1);
    at = trpi_put(at, length, 1);
    at = trpi_put_bytes(at, name, length);
    at = trpi_put(at, incarnation, 8);
    return trpi_put(trpi_put(at, pid.index, 4), pid.generation, 4);
}

/* Writes a pid, at most TRPI_PID_BYTES_MAX bytes, and returns what lies behind it. */
static uint8_t *put_pid(trpi_encoder *encoder, uint8_t *at, trp_pid pid) {
    const trpi_way *way = encoder->way;
    if (trp_pid_is_none(pid)) {
        return trpi_put(at, TRPI_PID_NONE, 1);
    }
    if (pid.epoch == TRPI_ALIAS_EPOCH) {
        fail(encoder, TRP_ETYPE);
        return at;
    }
    bool is_theirs = pid.node == way->slot && pid.epoch == way->epoch;
    if (!is_theirs) {
        hand_over(encoder, pid);
    }
    if (!is_theirs && !trp_pid_is_local(pid)) {
        return put_other(encoder, at, pid);
    }
    at = trpi_put(at, is_theirs ? TRPI_PID_RECEIVER : TRPI_PID_SENDER, 1);
    return trpi_put(trpi_put(at, pid.index, 4), pid.generation, 4);
}

void trpi_encode_pid(trpi_encoder *encoder, trp_pid pid) {
    uint8_t buffer[TRPI_PID_BYTES_MAX];
    uint8_t *end = put_pid(encoder, buffer, pid);
    (void)append(encoder, buffer, (size_t)(end - buffer));
}

/* For trp_codec_encode: a pid in a byte string. */
static int encode_pid_item(void *arg, trp_pid pid, uint8_t *bytes, size_t *length) {
    trpi_encoder *encoder = arg;
    uint8_t buffer[TRPI_PID_BYTES_MAX];
    uint8_t *end = put_pid(encoder, buffer, pid);
    trp_cbor_writer writer;
    trp_cbor_writer_init(&writer, bytes, *length);
    trp_cbor_put_bytes(&writer, buffer, (size_t)(end - buffer));
    *length = writer.length;
    return encoder->error;
}

/* ---- payload and end ---- */

void trpi_encode_payload(trpi_encoder *encoder, const trp_message *message) {
    const trp_type *type = message->type;
    if (trpi_message_carries(message)) {
        fail(encoder, TRP_ENOTSUP);
    }
    trpi_encode_number(encoder, message->tag, 8);
    trpi_encode_number(encoder, type == NULL ? 0 : trp_type_hash(type), 8);
    if (type == NULL) {
        (void)append(encoder, message + 1, message->length);
        return;
    }
    trp_codec_pids pids = {encoder, encode_pid_item, NULL};
    int error = trp_codec_encode(type, message + 1, message->length, &pids, append, encoder);
    if (error != 0) {
        fail(encoder, error);
    }
}

/* Puts the collected pids behind the body, where they are aligned. */
static void append_handed(trpi_encoder *encoder) {
    static const uint8_t zeros[8] = {0};
    uint32_t body = encoder->length;
    if (encoder->handed_len > 0) {
        (void)append(encoder, zeros, (8 - body % 8) % 8);
        (void)append(encoder, encoder->handed, encoder->handed_len * sizeof *encoder->handed);
    }
    if (encoder->error == 0) {
        encoder->frame->length = body;
        encoder->frame->ref = encoder->handed_len;
    }
}

int trpi_encoder_finish(trpi_encoder *encoder, trp_message **frame) {
    trpi_pool *pool = trpi_pool_of(encoder->ctx);
    append_handed(encoder);
    if (encoder->handed != NULL) {
        trpi_pool_free(pool, encoder->handed, encoder->handed_capacity * sizeof *encoder->handed);
    }
    if (encoder->error != 0) {
        if (encoder->frame != NULL) {
            trpi_message_free(pool, encoder->frame);
        }
        return encoder->error;
    }
    *frame = encoder->frame;
    return 0;
}
