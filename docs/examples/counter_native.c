#include "counter.h"
#include "troupe/native.h"

#include <inttypes.h>
#include <stdio.h>

/* Adds twice, asks, and prints the answer. */
static int count(trp_ctx *ctx, void *arg) {
    (void)arg;
    trp_pid pid;
    trp_message *answer;
    int error = trp_spawn(ctx, &counter, NULL, &pid);
    error = error ? error : trp_send(ctx, pid, trp_new(ctx, counter_add, .by = 20));
    error = error ? error : trp_send(ctx, pid, trp_new(ctx, counter_add, .by = 22));
    trp_message *question = trp_message_new(ctx, &counter_get_type);
    error = error ? error : trp_call(ctx, pid, question, TRP_NS_PER_S, &answer);
    if (error == 0) {
        printf("the counter says %" PRId64 "\n", counter_value_of(answer)->value);
    }
    return error;
}

static const trp_routine client = {TRP_ROUTINE("client", count, 0)};

int main(void) {
    int error = trp_native_run(NULL, &client.behaviour, NULL);
    return error ? fprintf(stderr, "counter: %s\n", trp_error_text(error)), 1 : 0;
}
