/* Workloads in which actors come and go, or come and stay. */

#include "bench.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Fork-join: one actor spawns n others and sends each a message, upon which it ends. After every slice the parent lets them run, as Erlang
 * does to a process that has used up its share.
 */

enum { SLICE = 100 };

typedef struct fork_state {
    bench_job *job;
    uint64_t left;
} fork_state;

static atomic_uint_least64_t live;

static int copy_pointer_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)ctx;
    *(void **)state = *(void *const *)arg;
    return 0;
}

static void child_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)message;
    if (atomic_fetch_sub_explicit(&live, 1, memory_order_acq_rel) == 1) {
        bench_finish(*(bench_job **)state);
    }
    trp_stop_self(ctx);
}

static const trp_behaviour child_behaviour = {
    TRP_BEHAVIOUR("bench.child"),
    .state_size = sizeof(bench_job *),
    .init = copy_pointer_init,
    .handle = child_handle,
};

static int fork_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)ctx;
    *(fork_state *)state = *(const fork_state *)arg;
    return 0;
}

static void fork_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)message;
    fork_state *parent = state;
    for (int k = 0; k < SLICE && parent->left > 0; k++) {
        trp_pid child = bench_spawn(ctx, &child_behaviour, &parent->job);
        bench_send(ctx, child, &bench_inc_type, (int64_t)parent->left--);
    }
    if (parent->left > 0) {
        bench_send(ctx, trp_self(ctx), &bench_start_type, 0);
    }
}

static const trp_behaviour fork_behaviour = {
    TRP_BEHAVIOUR("bench.fork"),
    .state_size = sizeof(fork_state),
    .init = fork_init,
    .handle = fork_handle,
};

void bench_forkjoin(trp_ctx *ctx, bench_job *job) {
    fork_state state = {job, job->n};
    atomic_store(&live, job->n);
    bench_send(ctx, bench_spawn(ctx, &fork_behaviour, &state), &bench_start_type, 0);
}

/* Idle: n actors are spawned and stay; the last one is asked whether it lives. */

static void idle_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)ctx;
    (void)message;
    bench_finish(*(bench_job **)state);
}

static const trp_behaviour idle_behaviour = {
    TRP_BEHAVIOUR("bench.idle"),
    .state_size = sizeof(bench_job *),
    .init = copy_pointer_init,
    .handle = idle_handle,
};

void bench_idle(trp_ctx *ctx, bench_job *job) {
    uint64_t before = bench_resident_bytes();
    trp_pid last = TRP_PID_NONE;
    bench_clock_start(job);
    for (uint64_t k = 0; k < job->n; k++) {
        last = bench_spawn(ctx, &idle_behaviour, &job);
    }
    bench_clock_stop(job);
    bench_sleep_ms(500);
    uint64_t after = bench_resident_bytes();
    if (after > before) {
        snprintf(job->extra, sizeof job->extra, "bytes:%llu",
                 (unsigned long long)((after - before) / job->n));
    }
    bench_send(ctx, last, &bench_inc_type, 1);
}

/* Skynet: a tree in which every actor has ten children; the leaves say their number, all others the sum. */

typedef struct skynet_state {
    bench_job *job; /* of the root only, else NULL */
    trp_pid parent;
    uint64_t number;
    uint64_t size;
    uint64_t sum;
    unsigned left;
} skynet_state;

static int skynet_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)ctx;
    *(skynet_state *)state = *(const skynet_state *)arg;
    return 0;
}

static void skynet_handle(trp_ctx *ctx, void *state, trp_message *message);

static const trp_behaviour skynet_behaviour = {
    TRP_BEHAVIOUR("bench.skynet"),
    .state_size = sizeof(skynet_state),
    .init = skynet_init,
    .handle = skynet_handle,
};

static void skynet_answer(trp_ctx *ctx, skynet_state *node) {
    if (node->job != NULL) {
        uint64_t n = node->size;
        bench_require(node->sum == n * (n - 1) / 2, "skynet: wrong sum");
        bench_finish(node->job);
    } else {
        bench_send(ctx, node->parent, &bench_inc_type, (int64_t)node->sum);
    }
    trp_stop_self(ctx);
}

static void skynet_start(trp_ctx *ctx, skynet_state *node) {
    if (node->size == 1) {
        node->sum = node->number;
        skynet_answer(ctx, node);
        return;
    }
    node->left = 10;
    for (uint64_t k = 0; k < 10; k++) {
        skynet_state child = {
            .parent = trp_self(ctx),
            .number = node->number + k * node->size / 10,
            .size = node->size / 10,
        };
        bench_send(ctx, bench_spawn(ctx, &skynet_behaviour, &child), &bench_start_type, 0);
    }
}

static void skynet_handle(trp_ctx *ctx, void *state, trp_message *message) {
    skynet_state *node = state;
    if (trp_message_is(message, &bench_start_type)) {
        skynet_start(ctx, node);
        return;
    }
    node->sum += (uint64_t)bench_value(message);
    if (--node->left == 0) {
        skynet_answer(ctx, node);
    }
}

void bench_skynet(trp_ctx *ctx, bench_job *job) {
    uint64_t size = job->n;
    while (size % 10 == 0) {
        size /= 10;
    }
    bench_require(size == 1, "skynet needs a power of ten");
    skynet_state root = {.job = job, .size = job->n};
    bench_send(ctx, bench_spawn(ctx, &skynet_behaviour, &root), &bench_start_type, 0);
}
