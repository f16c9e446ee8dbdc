#include "counter.h"

TRP_TYPE_DEFINE(counter_add, "example.Add", COUNTER_ADD_FIELDS)
TRP_TYPE_DEFINE_EMPTY(counter_get, "example.Get")
TRP_TYPE_DEFINE(counter_value, "example.Value", COUNTER_VALUE_FIELDS)

static int counter_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)state;
    (void)arg;
    return trp_register(ctx, "counter");
}

static void counter_answer(trp_ctx *ctx, int64_t value, trp_message *request) {
    trp_message *reply = trp_message_new(ctx, &counter_value_type);
    if (reply == NULL) {
        trp_reply_error(ctx, request, TRP_ENOMEM, NULL);
        return;
    }
    counter_value_of(reply)->value = value;
    trp_reply(ctx, request, reply);
}

static void counter_handle(trp_ctx *ctx, void *state, trp_message *message) {
    int64_t *value = state;
    const counter_add *add = counter_add_of(message);
    if (add != NULL) {
        *value += add->by;
    } else if (trp_message_is(message, &counter_get_type)) {
        counter_answer(ctx, *value, message);
    }
}

static const trp_type *const counter_types[] = {
    &counter_add_type,
    &counter_get_type,
    &counter_value_type,
    NULL,
};

const trp_behaviour counter = {
    TRP_BEHAVIOUR("counter"),      /* by which JavaScript and other nodes spawn it */
    .state_size = sizeof(int64_t), /* begins as zero */
    .init = counter_init,          /* optional, as is .terminate */
    .handle = counter_handle,      /* required */
    .types = counter_types,        /* made known with the behaviour */
};
