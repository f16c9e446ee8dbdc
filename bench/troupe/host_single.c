/* One scheduler on the only thread, as in wasm: between two timers it spins, for nothing else could run. */

#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static bool finished;
static trp_runtime *runtime;
static uint64_t live_bytes;

static void *host_realloc(void *self, void *block, size_t old_size, size_t new_size) {
    (void)self;
    void *moved = NULL;
    if (new_size == 0) {
        free(block);
    } else if ((moved = realloc(block, new_size)) == NULL) {
        return NULL;
    }
    live_bytes += new_size - old_size;
    return moved;
}

static uint64_t host_now_ns(void *self) {
    (void)self;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * TRP_NS_PER_S + (uint64_t)now.tv_nsec;
}

static void host_wake(void *self, unsigned scheduler) {
    (void)self;
    (void)scheduler;
}

/* Enough for a benchmark, which has no secrets. */
static int host_entropy(void *self, void *bytes, size_t length) {
    uint64_t seed = host_now_ns(self);
    for (size_t k = 0; k < length; k++) {
        seed = seed * UINT64_C(6364136223846793005) + 1;
        ((uint8_t *)bytes)[k] = (uint8_t)(seed >> 56);
    }
    return 0;
}

static void host_fatal(void *self, const char *text) {
    (void)self;
    fprintf(stderr, "troupe-bench: %s\n", text);
    abort();
}

void bench_host_create(const trp_runtime_config *config) {
    trp_host host = {
        .size = sizeof host,
        .realloc = host_realloc,
        .now_ns = host_now_ns,
        .wake = host_wake,
        .entropy = host_entropy,
        .fatal = host_fatal,
    };
    bench_host_fibers(&host);
    int error = trp_runtime_create(&host, config, &runtime);
    if (error != 0) {
        host_fatal(NULL, trp_error_text(error));
    }
}

void bench_host_run(bench_start_fn *start, void *arg) {
    start(trp_runtime_enter(runtime, 0), arg);
    const trp_budget budget = {.messages = 100000};
    while (!finished) {
        uint64_t deadline_ns = TRP_NEVER;
        trp_step answer = trp_runtime_step(runtime, 0, &budget, &deadline_ns);
        if (answer != TRP_STEP_MORE && deadline_ns == TRP_NEVER && !finished) {
            host_fatal(NULL, "nothing left to do, and the workload is not over");
        }
    }
}

void bench_host_finish(void) {
    finished = true;
}

uint64_t bench_host_bytes(void) {
    return live_bytes;
}
