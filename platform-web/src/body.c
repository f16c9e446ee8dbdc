/*
 * Bodies of messages as JavaScript sees them: one CBOR item each. Typed messages go through the
 * codec and their field tables; an untyped message from JavaScript is a CBOR item as it stands.
 * Bytes that are no CBOR, which a C actor may send, arrive as a byte string.
 */
#include "host.h"

#include <string.h>

/* RFC 8949 section 3.4: tag 39 marks an identifier. The item inside is the text of a ref. */
enum { TAG_REF_0 = 0xd8, TAG_REF_1 = 39, CBOR_NULL = 0xf6, TEXT_8 = 0x78, BYTES_32 = 0x5a };

static int encode_pid(void *arg, trp_pid pid, uint8_t *bytes, size_t *length) {
    (void)arg;
    if (trp_pid_is_none(pid)) {
        bytes[0] = CBOR_NULL;
        *length = 1;
        return TRP_OK;
    }
    size_t text_length = trpi_web_ref_write(pid, (char *)bytes + 4);
    bytes[0] = TAG_REF_0;
    bytes[1] = TAG_REF_1;
    bytes[2] = TEXT_8;
    bytes[3] = (uint8_t)text_length;
    *length = 4 + text_length;
    return TRP_OK;
}

static int decode_pid(void *arg, const uint8_t *bytes, size_t length, trp_pid *pid) {
    if (length == 1 && bytes[0] == CBOR_NULL) {
        *pid = TRP_PID_NONE;
        return TRP_OK;
    }
    if (length < 3 || bytes[0] != TAG_REF_0 || bytes[1] != TAG_REF_1) {
        return TRP_EDECODE;
    }
    bytes += 2;
    length -= 2;
    size_t head = bytes[0] == TEXT_8 ? 2 : 1;
    size_t text_length = head == 2 ? bytes[1] : bytes[0] - 0x60u;
    if (text_length != length - head) {
        return TRP_EDECODE;
    }
    return trpi_web_ref_read(arg, bytes + head, text_length, pid);
}

static int sink(void *arg, const void *bytes, size_t length) {
    trpi_web_bytes *out = arg;
    trpi_web_bytes_append(out, bytes, length);
    return out->failed ? TRP_ENOMEM : TRP_OK;
}

int trpi_web_body_write(trpi_web_bytes *bytes, const trp_message *message) {
    const trp_type *type = trp_message_type(message);
    size_t length = trp_message_length(message);
    const void *body = trp_message_body((trp_message *)(uintptr_t)message);
    if (type != NULL) {
        static const trp_codec_pids pids = {NULL, encode_pid, decode_pid};
        return trp_codec_encode(type, body, length, &pids, sink, bytes);
    }
    if (trp_codec_check(body, length) != TRP_OK) {
        uint8_t head[5] = {BYTES_32, (uint8_t)(length >> 24), (uint8_t)(length >> 16),
                           (uint8_t)(length >> 8), (uint8_t)length};
        trpi_web_bytes_append(bytes, head, sizeof head);
    }
    return sink(bytes, body, length);
}

static int read_typed(trp_ctx *ctx, const trp_type *type, const uint8_t *bytes, size_t length,
                      trp_message **out) {
    trp_codec_pids pids = {ctx, encode_pid, decode_pid};
    return trp_codec_decode(ctx, type, bytes, length, &pids, out);
}

int trpi_web_body_read(trp_ctx *ctx, uint32_t type, const uint8_t *bytes, size_t length,
                       trp_message **out) {
    if (type != 0) {
        const trp_type *known = trpi_web_type_at(type);
        return known == NULL ? TRP_ETYPE : read_typed(ctx, known, bytes, length, out);
    }
    int error = trp_codec_check(bytes, length);
    if (error != TRP_OK) {
        return error;
    }
    if (length > TRP_MESSAGE_MAX) {
        return TRP_ETOOBIG;
    }
    *out = trp_message_new_bytes(ctx, bytes, length);
    return *out == NULL ? TRP_ENOMEM : TRP_OK;
}

int trpi_web_argument_read(trp_ctx *ctx, const trp_behaviour *behaviour, const uint8_t *bytes,
                           size_t length, trp_message **out) {
    *out = NULL;
    if (behaviour->arg_type == NULL) {
        return length == 0 ? TRP_OK : TRP_ETYPE;
    }
    static const uint8_t empty_map[1] = {0xa0};
    if (length == 0) {
        bytes = empty_map;
        length = sizeof empty_map;
    }
    return read_typed(ctx, behaviour->arg_type, bytes, length, out);
}
