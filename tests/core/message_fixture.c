/* The pool on a counting host, and the shared types. */
#include "message_fixture.h"

#include "message/message.h"
#include "troupe/error.h"

#include <stdlib.h>
#include <string.h>

TRP_TYPE_DEFINE(scalars, "test.Scalars", SCALARS_FIELDS)
TRP_TYPE_DEFINE(greeting, "test.Greeting", GREETING_FIELDS)
TRP_TYPE_DEFINE(blobs, "test.Blobs", BLOBS_FIELDS)
TRP_TYPE_DEFINE(point, "test.Point", POINT_FIELDS)
TRP_TYPE_DEFINE(route, "test.Route", ROUTE_FIELDS)
TRP_TYPE_DEFINE(atlas, "test.Atlas", ATLAS_FIELDS)
TRP_TYPE_DEFINE_EMPTY(nudge, "test.Nudge")

static void *counted_realloc(void *self, void *block, size_t old_size, size_t new_size) {
    pool_ctx *ctx = self;
    if (new_size == 0) {
        free(block);
        ctx->live_bytes -= old_size;
        return NULL;
    }
    ctx->allocations++;
    if (new_size > ctx->largest) {
        ctx->largest = new_size;
    }
    void *grown = ctx->allocations == ctx->fail_at ? NULL : realloc(block, new_size);
    if (grown != NULL) {
        ctx->live_bytes += new_size - old_size;
    }
    return grown;
}

void pool_ctx_init(pool_ctx *ctx) {
    memset(ctx, 0, sizeof *ctx);
    ctx->host.size = sizeof ctx->host;
    ctx->host.self = ctx;
    ctx->host.realloc = counted_realloc;
    trpi_depot_init(&ctx->depot);
    trpi_pool_init(&ctx->pool, &ctx->host, &ctx->depot);
}

size_t pool_ctx_deinit(pool_ctx *ctx) {
    trpi_pool_deinit(&ctx->pool);
    return ctx->live_bytes;
}

void pool_ctx_drop(pool_ctx *ctx, trp_message *message) {
    trpi_message_free(&ctx->pool, message);
}

int byte_sink_put(void *arg, const void *bytes, size_t length) {
    byte_sink *sink = arg;
    sink->calls++;
    if (sink->calls == sink->fail_at) {
        return TRP_EFULL;
    }
    if (length > sink->capacity - sink->length) {
        return TRP_ETOOBIG;
    }
    memcpy(sink->bytes + sink->length, bytes, length);
    sink->length += length;
    return 0;
}
