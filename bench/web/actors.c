/* The C side of boundary.mjs: an actor that counts what it is sent and says how much it was when it is asked. */

#include "troupe/troupe.h"
#include "troupe/web.h"

#define BENCH_ITEM_FIELDS(F)                                                                       \
    F(i64, value, 1)                                                                               \
    F(bytes, payload, 2)
TRP_TYPE_DECLARE(bench_item, BENCH_ITEM_FIELDS)
TRP_TYPE_DEFINE(bench_item, "bench.Item", BENCH_ITEM_FIELDS)

static void counter_handle(trp_ctx *ctx, void *state, trp_message *message) {
    int64_t *count = state;
    if (!trp_message_is_request(message)) {
        ++*count;
        return;
    }
    trp_message *reply = trp_message_new(ctx, &bench_item_type);
    if (reply != NULL) {
        bench_item_of(reply)->value = *count;
    }
    trp_reply(ctx, message, reply);
}

static const trp_type *const counter_types[] = {&bench_item_type, NULL};

static const trp_behaviour counter = {
    TRP_BEHAVIOUR("bench.counter"),
    .state_size = sizeof(int64_t),
    .types = counter_types,
    .handle = counter_handle,
};

int trp_web_setup(trp_runtime *runtime) {
    return trp_register_behaviour(runtime, &counter);
}
