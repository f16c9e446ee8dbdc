/*
 * The smallest host: the core alone, stepped by main. One actor counts down by sending to itself.
 */
#include <troupe/troupe.h>
#include <troupe/version.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void *host_realloc(void *self, void *block, size_t old_size, size_t new_size) {
    (void)self;
    (void)old_size;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, new_size);
}

static uint64_t host_now_ns(void *self) {
    (void)self;
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (uint64_t)now.tv_sec * TRP_NS_PER_S + (uint64_t)now.tv_nsec;
}

static void host_wake(void *self, unsigned scheduler) {
    (void)self;
    (void)scheduler;
}

static int host_entropy(void *self, void *bytes, size_t length) {
    (void)self;
    memset(bytes, 42, length);
    return 0;
}

static void count_down(trp_ctx *ctx, void *state, trp_message *message) {
    int *seen = state;
    int left = 0;
    memcpy(&left, trp_message_body(message), sizeof left);
    (*seen)++;
    if (left == 0) {
        printf("embed: %d messages, troupe %s\n", *seen, trp_version());
        trp_stop_self(ctx);
        return;
    }
    left--;
    trp_send(ctx, trp_self(ctx), trp_message_new_bytes(ctx, &left, sizeof left));
}

static const trp_behaviour counter = {
    TRP_BEHAVIOUR("counter"),
    .state_size = sizeof(int),
    .handle = count_down,
};

int main(void) {
    const trp_host host = {
        .size = sizeof host,
        .realloc = host_realloc,
        .now_ns = host_now_ns,
        .wake = host_wake,
        .entropy = host_entropy,
    };
    trp_runtime *runtime = NULL;
    int error = trp_runtime_create(&host, NULL, &runtime);
    if (error) {
        fprintf(stderr, "create: %s\n", trp_error_text(error));
        return 1;
    }
    trp_ctx *ctx = trp_runtime_enter(runtime, 0);
    const int from = 9;
    trp_pid pid;
    error = trp_spawn(ctx, &counter, NULL, &pid);
    if (!error) {
        error = trp_send(ctx, pid, trp_message_new_bytes(ctx, &from, sizeof from));
    }
    uint64_t deadline = 0;
    while (!error && trp_runtime_step(runtime, 0, NULL, &deadline) == TRP_STEP_MORE) {
    }
    trp_stats stats;
    trp_runtime_stats(runtime, &stats);
    trp_runtime_destroy(runtime);
    return !error && stats.delivered == 10 && strcmp(trp_version(), TRP_VERSION_TEXT) == 0 ? 0 : 1;
}
