#include "counter.h"

#include "troupe/native.h"

#include <inttypes.h>
#include <stdio.h>

/* Adds twice, asks, prints the answer and ends. */
static int client_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)state;
    const trp_pid *to = arg;
    for (int64_t by = 20; by <= 22; by += 2) {
        trp_message *add = trp_message_new(ctx, &counter_add_type);
        if (add == NULL) {
            return TRP_ENOMEM;
        }
        counter_add_of(add)->by = by;
        trp_send(ctx, *to, add);
    }
    trp_ref ref;
    return trp_request(ctx, *to, trp_message_new(ctx, &counter_get_type), TRP_NS_PER_S, &ref);
}

static void client_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    const counter_value *answer = counter_value_of(message);
    if (answer != NULL) {
        printf("the counter says %" PRId64 "\n", answer->value);
    } else if (trp_message_is(message, &trp_request_error_type)) {
        const trp_request_error *error = trp_message_body(message);
        fprintf(stderr, "no answer: %s\n", trp_error_text(error->code));
    }
    trp_runtime_stop(trp_ctx_runtime(ctx), TRP_NS_PER_S);
}

static const trp_behaviour client = {
    TRP_BEHAVIOUR("client"),
    .init = client_init,
    .handle = client_handle,
};

static int begin(trp_ctx *ctx, void *arg) {
    (void)arg;
    trp_pid pid;
    int error = trp_spawn(ctx, &counter, NULL, &pid);
    return error ? error : trp_spawn(ctx, &client, &pid, NULL);
}

int main(void) {
    trp_native *native = NULL;
    int error = trp_native_create(NULL, &native);
    error = error ? error : trp_native_call_wait(native, 0, begin, NULL);
    error = error ? error : trp_native_start(native);
    error = error ? error : trp_native_join(native);
    trp_native_destroy(native);
    return error ? fprintf(stderr, "counter: %s\n", trp_error_text(error)), 1 : 0;
}
