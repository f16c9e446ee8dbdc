#include "pool.h"
#include "troupe/native.h"

#include <inttypes.h>
#include <stdio.h>

/* Twenty jobs, the last of which cannot be done. */
static int ask(trp_ctx *ctx, void *arg) {
    (void)arg;
    trp_pid pid;
    trp_message *reply;
    int64_t sum = 0;
    int error = trp_spawn(ctx, &pool, NULL, &pid);
    for (int64_t i = 19; i >= 0 && error == 0; i--) {
        trp_message *task = trp_new(ctx, job, .dividend = 100, .divisor = i);
        error = trp_call(ctx, pid, task, 10 * TRP_NS_PER_S, &reply);
        sum += error == 0 ? done_of(reply)->quotient : 0;
    }
    printf("19 jobs done, sum %" PRId64 ", job 20: %s\n", sum, trp_error_text(error));
    return 0;
}

static const trp_routine client = {TRP_ROUTINE("client", ask, 0)};

int main(void) {
    int error = trp_native_run(NULL, &client.behaviour, NULL);
    return error ? fprintf(stderr, "pool: %s\n", trp_error_text(error)), 1 : 0;
}
