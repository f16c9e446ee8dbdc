/*
 * A libuv program that has a loop already and lets a runtime live in it. docs/native.md quotes this file.
 */
#include "troupe/native.h"
#include "troupe/timer.h"

#include <stdio.h>
#include <uv.h>

/* An actor that counts down and then stops the runtime. */
static int countdown_init(trp_ctx *ctx, void *state, const void *arg) {
    *(int *)state = *(const int *)arg;
    return trp_interval(ctx, 10 * TRP_NS_PER_MS, 0, NULL);
}

static void countdown_handle(trp_ctx *ctx, void *state, trp_message *message) {
    int *left = state;
    if (trp_message_is(message, &trp_timeout_type) && --*left == 0) {
        puts("the actor is done");
        trp_runtime_stop(trp_ctx_runtime(ctx), TRP_NS_PER_S);
    }
}

static const trp_behaviour countdown = {
    TRP_BEHAVIOUR("countdown"),
    .state_size = sizeof(int),
    .init = countdown_init,
    .handle = countdown_handle,
};

static int spawn_countdown(trp_ctx *ctx, void *arg) {
    return trp_spawn(ctx, &countdown, arg, NULL);
}

static void on_own_timer(uv_timer_t *timer) {
    puts("the program's own timer");
    uv_close((uv_handle_t *)timer, NULL);
}

int main(void) {
    uv_loop_t loop;
    uv_timer_t timer;
    uv_loop_init(&loop);
    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, on_own_timer, 5, 0);

    trp_native *native;
    const trp_native_config config = {.size = sizeof config, .loop = &loop};
    int error = trp_native_create(&config, &native);
    if (error != TRP_OK) {
        fprintf(stderr, "no host: %s\n", trp_error_text(error));
        return 1;
    }
    int from = 3;
    trp_native_start(native);
    error = trp_native_call_wait(native, 0, spawn_countdown, &from); /* runs right here */

    uv_run(&loop, UV_RUN_DEFAULT); /* yours and the runtime's, until both are done */
    trp_native_destroy(native);
    uv_run(&loop, UV_RUN_DEFAULT); /* closes the host's last handles */
    return error != TRP_OK || uv_loop_close(&loop) != 0;
}
