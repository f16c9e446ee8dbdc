#include "pipeline.h"
#include "troupe/native.h"

#include <inttypes.h>
#include <stdio.h>

static int ask(trp_ctx *ctx, void *arg) {
    (void)arg;
    trp_pid pid;
    trp_message *reply;
    int error = trp_spawn(ctx, &pipeline.behaviour, NULL, &pid);
    trp_message *wish = trp_new(ctx, squares, .count = 10, .capacity = 4);
    error = error ? error : trp_call(ctx, pid, wish, TRP_NS_PER_S, &reply);
    if (error != 0) {
        return error;
    }
    fputs("squares:", stdout);
    TRP_LIST_FOR_EACH (int64_t, value, &numbers_of(reply)->values) {
        printf(" %" PRId64, *value);
    }
    puts("");
    return 0;
}

static const trp_routine client = {TRP_ROUTINE("client", ask, 0)};

int main(void) {
    int error = trp_native_run(NULL, &client.behaviour, NULL);
    return error ? fprintf(stderr, "pipeline: %s\n", trp_error_text(error)), 1 : 0;
}
