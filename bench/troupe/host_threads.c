/*
 * One thread per scheduler. A thread without work sleeps on a condition variable; a wake takes the lock only when the thread
 * has said that it is about to sleep.
 */

#include "host.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum { AWAKE, ASLEEP, WOKEN };

typedef struct seat {
    _Alignas(128) atomic_int state;
    pthread_mutex_t lock;
    pthread_cond_t wakened;
    unsigned scheduler;
} seat;

static seat seats[TRP_SCHEDULERS_MAX];
static unsigned seats_len;
static atomic_bool finished;
static trp_runtime *runtime;

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
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * TRP_NS_PER_S + (uint64_t)now.tv_nsec;
}

static void host_wake(void *self, unsigned scheduler) {
    (void)self;
    seat *target = &seats[scheduler];
    if (atomic_exchange_explicit(&target->state, WOKEN, memory_order_seq_cst) == ASLEEP) {
        pthread_mutex_lock(&target->lock);
        pthread_cond_signal(&target->wakened);
        pthread_mutex_unlock(&target->lock);
    }
}

static int host_entropy(void *self, void *bytes, size_t length) {
    (void)self;
    return getrandom(bytes, length, 0) == (ssize_t)length ? 0 : TRP_EIO;
}

static void host_fatal(void *self, const char *text) {
    (void)self;
    fprintf(stderr, "troupe-bench: %s\n", text);
    abort();
}

static void sleep_until(seat *own, uint64_t deadline_ns) {
    int awake = AWAKE;
    if (atomic_compare_exchange_strong(&own->state, &awake, ASLEEP)) {
        struct timespec when = {(time_t)(deadline_ns / TRP_NS_PER_S),
                                (long)(deadline_ns % TRP_NS_PER_S)};
        int timed_out = 0;
        pthread_mutex_lock(&own->lock);
        while (atomic_load(&own->state) == ASLEEP && timed_out == 0) {
            if (deadline_ns == TRP_NEVER) {
                pthread_cond_wait(&own->wakened, &own->lock);
            } else {
                timed_out = pthread_cond_timedwait(&own->wakened, &own->lock, &when);
            }
        }
        pthread_mutex_unlock(&own->lock);
    }
    atomic_store(&own->state, AWAKE);
}

static void *step_until_finished(void *argument) {
    seat *own = argument;
    while (!atomic_load_explicit(&finished, memory_order_acquire)) {
        const trp_budget budget = {.messages = 100000};
        uint64_t deadline_ns = TRP_NEVER;
        if (trp_runtime_step(runtime, own->scheduler, &budget, &deadline_ns) == TRP_STEP_IDLE) {
            sleep_until(own, deadline_ns);
        }
    }
    return NULL;
}

void bench_host_create(const trp_runtime_config *config) {
    const trp_host host = {
        .size = sizeof host,
        .realloc = host_realloc,
        .now_ns = host_now_ns,
        .wake = host_wake,
        .entropy = host_entropy,
        .fatal = host_fatal,
    };
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    seats_len = config->schedulers;
    for (unsigned k = 0; k < seats_len; k++) {
        seats[k].scheduler = k;
        pthread_mutex_init(&seats[k].lock, NULL);
        pthread_cond_init(&seats[k].wakened, &monotonic);
    }
    int error = trp_runtime_create(&host, config, &runtime);
    if (error != 0) {
        host_fatal(NULL, trp_error_text(error));
    }
}

void bench_host_run(bench_start_fn *start, void *arg) {
    pthread_t threads[TRP_SCHEDULERS_MAX];
    start(trp_runtime_enter(runtime, 0), arg);
    for (unsigned k = 1; k < seats_len; k++) {
        pthread_create(&threads[k], NULL, step_until_finished, &seats[k]);
    }
    step_until_finished(&seats[0]);
    for (unsigned k = 1; k < seats_len; k++) {
        pthread_join(threads[k], NULL);
    }
}

void bench_host_finish(void) {
    atomic_store_explicit(&finished, true, memory_order_release);
    for (unsigned k = 0; k < seats_len; k++) {
        host_wake(NULL, k);
    }
}
