/*
 * An application's actor for the page: it answers a request with what it was asked.
 */
#include <troupe/troupe.h>
#include <troupe/web.h>

static void handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    if (trp_message_is_request(message)) {
        trp_reply(ctx, message, trp_message_copy(ctx, message));
    }
}

static const trp_behaviour mirror = {TRP_BEHAVIOUR("mirror"), .handle = handle};

int trp_web_setup(trp_runtime *runtime) {
    return trp_register_behaviour(runtime, &mirror);
}
