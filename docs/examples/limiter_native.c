#include "limiter.h"
#include "troupe/native.h"

#include <stdio.h>

/* Asks for 20 permits, one after the other. */
static int ask(trp_ctx *ctx, void *arg) {
    (void)arg;
    const rate allowed = {.per_second = 100, .burst = 5};
    uint64_t begin_ns = trp_now_ns(ctx);
    trp_pid pid;
    int error = trp_spawn(ctx, &limiter, &allowed, &pid);
    for (int i = 0; i < 20 && error == 0; i++) {
        trp_message *reply;
        error = trp_call(ctx, pid, trp_message_new(ctx, &permit_type), TRP_NS_PER_S, &reply);
    }
    bool is_too_fast = trp_now_ns(ctx) - begin_ns < 150 * TRP_NS_PER_MS;
    puts(is_too_fast ? "too fast" : "20 permits: 5 at once, 15 at 100 per second");
    return error;
}

static const trp_routine client = {TRP_ROUTINE("client", ask, 0)};

int main(void) {
    int error = trp_native_run(NULL, &client.behaviour, NULL);
    return error ? fprintf(stderr, "limiter: %s\n", trp_error_text(error)), 1 : 0;
}
