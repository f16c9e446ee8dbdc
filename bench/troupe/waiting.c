/* Workloads in which an actor waits: for timers, and for the reply to a request. */

#include "bench.h"

#include <stdio.h>

/*
 * Timers: one actor arms n timers between 0 and 1,000 ms and notes how late the latest came, and how long it took to arm one. It arms them in
 * slices, between which it gets those that have fired: an actor that is busy arming hears nothing.
 */

enum { SLICE = 1000 };

typedef struct timers_state {
    bench_job *job;
    uint64_t to_arm;
    uint64_t left;
    uint64_t latest_ns;
    uint64_t arming_ns;
    uint32_t seed;
} timers_state;

static int timers_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)ctx;
    timers_state *timers = state;
    timers->job = *(bench_job *const *)arg;
    timers->to_arm = timers->job->n;
    timers->left = timers->job->n;
    timers->seed = 12345;
    return 0;
}

static void arm_slice(trp_ctx *ctx, timers_state *timers) {
    uint64_t began_ns = bench_now_ns();
    for (int k = 0; k < SLICE && timers->to_arm > 0; k++) {
        timers->to_arm--;
        timers->seed = timers->seed * 1103515245u + 12345u;
        uint64_t delay = (timers->seed >> 8) % 1001u * TRP_NS_PER_MS;
        /* The tag says when the timer is due. */
        int error = trp_timer(ctx, delay, trp_now_ns(ctx) + delay, NULL);
        bench_require(error == 0, "a timer was refused");
    }
    timers->arming_ns += bench_now_ns() - began_ns;
    if (timers->to_arm > 0) {
        bench_send(ctx, trp_self(ctx), &bench_start_type, 0);
    }
}

static void timers_handle(trp_ctx *ctx, void *state, trp_message *message) {
    timers_state *timers = state;
    if (trp_message_is(message, &bench_start_type)) {
        arm_slice(ctx, timers);
        return;
    }
    const trp_timeout *timeout = trp_message_body(message);
    uint64_t now = bench_now_ns();
    bench_require(now >= timeout->tag, "a timer came too early");
    if (now - timeout->tag > timers->latest_ns) {
        timers->latest_ns = now - timeout->tag;
    }
    if (--timers->left == 0) {
        snprintf(timers->job->extra, sizeof timers->job->extra, "late_ms:%.1f,arm_ns:%.0f",
                 (double)timers->latest_ns / 1e6,
                 (double)timers->arming_ns / (double)timers->job->n);
        bench_finish(timers->job);
    }
}

static const trp_behaviour timers_behaviour = {
    TRP_BEHAVIOUR("bench.timers"),
    .state_size = sizeof(timers_state),
    .init = timers_init,
    .handle = timers_handle,
};

void bench_timers(trp_ctx *ctx, bench_job *job) {
    bench_send(ctx, bench_spawn(ctx, &timers_behaviour, &job), &bench_start_type, 0);
}

/*
 * Request and reply: n requests one after the other. If other messages wait meanwhile, the requester lets nothing through but the reply that it
 * asked for last, so those stay in its mailbox to the end.
 */

typedef struct request_state {
    bench_job *job;
    trp_pid server;
    uint64_t left;
    bool is_filtering;
    bool has_begun;
    trp_ref ref;
} request_state;

static void server_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    trp_message *reply = trp_message_new(ctx, &bench_pong_type);
    bench_require(reply != NULL, "out of memory");
    ((bench_pong *)trp_message_body(reply))->value = bench_value(message);
    bench_require(trp_reply(ctx, message, reply) == 0, "a reply was refused");
}

static const trp_behaviour server_behaviour = {TRP_BEHAVIOUR("bench.server"),
                                               .handle = server_handle};

static int request_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)ctx;
    *(request_state *)state = *(const request_state *)arg;
    return 0;
}

static void next_request(trp_ctx *ctx, request_state *requester) {
    trp_message *message = trp_message_new(ctx, &bench_inc_type);
    bench_require(message != NULL, "out of memory");
    ((bench_inc *)trp_message_body(message))->value = (int64_t)requester->left;
    int error = trp_request(ctx, requester->server, message, TRP_NEVER, &requester->ref);
    bench_require(error == 0, "a request was refused");
    if (requester->is_filtering) {
        const trp_filter filter = {.size = sizeof filter, .ref = requester->ref};
        bench_require(trp_filter_set(ctx, &filter) == 0, "a filter was refused");
    }
}

static void request_handle(trp_ctx *ctx, void *state, trp_message *message) {
    request_state *requester = state;
    if (!trp_message_is(message, &bench_start_type)) {
        bench_require(trp_message_ref(message) == requester->ref, "a message came out of turn");
        bench_require(bench_value(message) == (int64_t)requester->left, "a wrong reply");
        if (!requester->has_begun) { /* what waits has been put aside for this first reply */
            requester->has_begun = true;
            bench_clock_start(requester->job);
        } else if (--requester->left == 0) {
            bench_finish(requester->job);
            return;
        }
    }
    next_request(ctx, requester);
}

static const trp_behaviour request_behaviour = {
    TRP_BEHAVIOUR("bench.requester"),
    .state_size = sizeof(request_state),
    .init = request_init,
    .handle = request_handle,
};

static void request(trp_ctx *ctx, bench_job *job, uint64_t waiting) {
    request_state state = {.job = job, .left = job->n, .is_filtering = waiting > 0};
    state.server = bench_spawn(ctx, &server_behaviour, NULL);
    trp_pid requester = bench_spawn(ctx, &request_behaviour, &state);
    bench_send(ctx, requester, &bench_start_type, 0);
    for (uint64_t k = 0; k < waiting; k++) {
        bench_send(ctx, requester, &bench_inc_type, (int64_t)k);
    }
}

void bench_request(trp_ctx *ctx, bench_job *job) {
    request(ctx, job, 0);
}

void bench_request_10k(trp_ctx *ctx, bench_job *job) {
    request(ctx, job, 10000);
}

void bench_request_1m(trp_ctx *ctx, bench_job *job) {
    request(ctx, job, 1000000);
}
