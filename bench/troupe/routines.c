/* Ping-pong between two routines, each of which blocks in receive on a stack of its own; and what such a switch costs by itself. */

#include "bench.h"
#include "host.h"

#include <stdio.h>
#include <stdlib.h>

#include "troupe/routine.h"

typedef struct ping_arg {
    bench_job *job;
    trp_pid pong;
} ping_arg;

static int pong_body(trp_ctx *ctx, void *arg) {
    (void)arg;
    trp_message *message;
    while (trp_receive(ctx, NULL, TRP_NEVER, &message) == 0) {
        const bench_ping *ping = trp_message_body(message);
        bench_send(ctx, ping->from, &bench_pong_type, ping->value);
    }
    return 0;
}

static int ping_body(trp_ctx *ctx, void *arg) {
    const ping_arg *ping = arg;
    for (int64_t left = (int64_t)ping->job->n; left > 0; left--) {
        trp_message *message;
        bench_send_ping(ctx, ping->pong, left);
        bench_require(trp_receive(ctx, NULL, TRP_NEVER, &message) == 0, "receive failed");
        bench_require(bench_value(message) == left, "a wrong pong");
    }
    bench_finish(ping->job);
    return 0;
}

static const trp_routine pong_routine = {TRP_ROUTINE("bench.pong-routine", pong_body, 0)};
static const trp_routine ping_routine = {
    TRP_ROUTINE("bench.ping-routine", ping_body, sizeof(ping_arg))};

static void require_fibers(bool has_fibers) {
    if (!has_fibers) {
        fprintf(stderr, "troupe-bench: this host has no fibers\n");
        exit(3);
    }
}

void bench_switch(trp_ctx *ctx, bench_job *job) {
    (void)ctx;
    require_fibers(bench_host_switch(job->n));
    bench_finish(job);
}

void bench_pingpong_routines(trp_ctx *ctx, bench_job *job) {
    ping_arg arg = {.job = job};
    int error = trp_spawn(ctx, &pong_routine.behaviour, NULL, &arg.pong);
    require_fibers(error != TRP_ENOTSUP);
    bench_require(error == 0, "a routine could not be spawned");
    bench_spawn(ctx, &ping_routine.behaviour, &arg);
}
