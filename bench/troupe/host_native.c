/* The native host, as any program would use it. */

#include "host.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "fiber.h"
#include "troupe/native.h"

static trp_native *native;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t has_finished = PTHREAD_COND_INITIALIZER;
static bool finished;

static void require(int error, const char *what) {
    if (error != 0) {
        fprintf(stderr, "troupe-bench: %s: %s\n", what, trp_error_text(error));
        exit(1);
    }
}

void bench_host_create(const trp_runtime_config *config) {
    const trp_native_config native_config = {
        .size = sizeof native_config,
        .schedulers = config->schedulers,
        .runtime = config,
        .log_format = TRP_LOG_FORMAT_NONE,
    };
    require(trp_native_create(&native_config, &native), "cannot create the host");
}

void bench_host_run(bench_start_fn *start, void *arg) {
    require(trp_native_start(native), "cannot start the host");
    require(trp_native_call(native, 0, start, arg), "cannot start the workload");
    pthread_mutex_lock(&lock);
    while (!finished) {
        pthread_cond_wait(&has_finished, &lock);
    }
    pthread_mutex_unlock(&lock);
}

void bench_host_finish(void) {
    pthread_mutex_lock(&lock);
    finished = true;
    pthread_cond_signal(&has_finished);
    pthread_mutex_unlock(&lock);
}

static void yield_for_ever(void *arg) {
    (void)arg;
    for (;;) {
        trpi_fiber_yield();
    }
}

bool bench_host_switch(uint64_t n) {
    trpi_fiber_pool *pool = trpi_fiber_pool_create(TRPI_GUARD_MARKED);
    trpi_fiber *fiber =
        pool == NULL ? NULL : trpi_fiber_create(pool, TRP_ROUTINE_STACK, yield_for_ever, NULL);
    require(fiber == NULL ? TRP_ENOMEM : 0, "cannot make a fiber");
    for (uint64_t k = 0; k < n; k++) {
        (void)trpi_fiber_switch(fiber);
    }
    trpi_fiber_destroy(fiber);
    trpi_fiber_pool_destroy(pool);
    return true;
}
