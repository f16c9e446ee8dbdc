#include "counter.h"

TRP_TYPE_DEFINE(counter_add, "example.Add", COUNTER_ADD_FIELDS)
TRP_TYPE_DEFINE_EMPTY(counter_get, "example.Get")
TRP_TYPE_DEFINE(counter_value, "example.Value", COUNTER_VALUE_FIELDS)

static int counter_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)state;
    (void)arg;
    return trp_register(ctx, "counter");
}

static void counter_handle(trp_ctx *ctx, void *state, trp_message *message) {
    int64_t *value = state;
    const counter_add *add = counter_add_of(message);
    if (add != NULL) {
        *value += add->by;
    } else if (trp_message_is(message, &counter_get_type)) {
        trp_reply(ctx, message, trp_new(ctx, counter_value, .value = *value));
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
