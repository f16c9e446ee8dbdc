/*
 * Arbitrary bytes against the typed codec. The first byte chooses the type, the rest is decoded.
 * What is accepted must be well-formed, encode, and come back as the same message and the same
 * bytes; nothing may read or write outside of its block, whatever is refused.
 */
#include "../core/message_fixture.h"
#include "../core/random_message.h"
#include "message/message.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ENCODED_MAX = 1 << 21 };

static const trp_type *const types[] = {&scalars_type, &greeting_type, &blobs_type, &point_type,
                                        &route_type,   &atlas_type,    &nudge_type};

static void require(bool condition) {
    if (!condition) {
        abort();
    }
}

static size_t encode(trp_message *message, uint8_t *bytes) {
    byte_sink sink = {.bytes = bytes, .capacity = ENCODED_MAX};
    require(trp_codec_encode(trp_message_type(message), trp_message_body(message),
                             trp_message_length(message), NULL, byte_sink_put, &sink) == 0);
    return sink.length;
}

/*
 * The encoded form is never much longer than what was decoded: only floats and unused capacity can
 * grow.
 */
static void check_accepted(pool_ctx *ctx, trp_message *message) {
    static uint8_t first[ENCODED_MAX];
    static uint8_t second[ENCODED_MAX];
    const trp_type *type = trp_message_type(message);
    trp_message *back = NULL;
    size_t length = encode(message, first);
    require(trp_codec_decode(pool_ctx_of(ctx), type, first, length, NULL, &back) == 0);
    require(same_record(type, trp_message_body(message), trp_message_body(back)));
    require(encode(back, second) == length && memcmp(first, second, length) == 0);
    pool_ctx_drop(ctx, back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    pool_ctx ctx;
    trp_message *message = NULL;
    const trp_type *type = types[data[0] % (sizeof types / sizeof types[0])];
    pool_ctx_init(&ctx);
    if (trp_codec_decode(pool_ctx_of(&ctx), type, data + 1, size - 1, NULL, &message) == 0) {
        require(trp_codec_check(data + 1, size - 1) == 0);
        check_accepted(&ctx, message);
        pool_ctx_drop(&ctx, message);
    }
    require(pool_ctx_deinit(&ctx) == 0);
    return 0;
}
