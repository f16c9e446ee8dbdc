/*
 * An application's actors for the page: a behaviour answers a request with what it was asked, and a
 * routine does the same by asking the behaviour.
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

static int ask_mirror(trp_ctx *ctx, void *arg) {
    (void)arg;
    trp_pid pid;
    trp_message *request;
    int error = trp_spawn(ctx, &mirror, NULL, &pid);
    while (error == 0 && (error = trp_receive(ctx, NULL, TRP_NEVER, &request)) == 0) {
        trp_message *kept = trp_message_take(ctx, request);
        trp_message *answer;
        error = trp_call(ctx, pid, trp_message_copy(ctx, kept), TRP_NS_PER_S, &answer);
        if (error == 0) {
            error = trp_reply(ctx, kept, trp_message_copy(ctx, answer));
        }
        trp_message_drop(ctx, kept);
    }
    return error;
}

static const trp_routine asker = {TRP_ROUTINE("asker", ask_mirror, 0)};

int trp_web_setup(trp_runtime *runtime) {
    int error = trp_register_behaviour(runtime, &mirror);
    return error != 0 ? error : trp_register_behaviour(runtime, &asker.behaviour);
}
