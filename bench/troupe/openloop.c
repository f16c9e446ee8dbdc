/*
 * Open loop: requests leave at fixed times, 100,000 a second, whether or not earlier ones have been answered, and each latency counts from
 * the time at which the request was meant to leave. So a pause of the runtime shows in every request that it delayed.
 *
 * The parameter is the number of actors that flood themselves meanwhile: each always has another message of its own. What they do to
 * the latencies is what one unfair actor does to all others.
 */

#include "bench.h"

#include <stdio.h>

enum {
    RATE = 100000,
    SUB_BITS = 5,
    SUBS = 1 << SUB_BITS,
    BUCKETS = 64 * SUBS,
    FLOOD_MESSAGES = 1000
};

/* Latencies in buckets that grow with them: 32 to each power of two, so within 3 % of the truth. */
typedef struct histogram {
    uint32_t counts[BUCKETS];
    uint64_t total;
    uint64_t largest;
} histogram;

static unsigned bucket_of(uint64_t ns) {
    if (ns < SUBS) {
        return (unsigned)ns;
    }
    unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - SUB_BITS;
    return (shift << SUB_BITS) + (unsigned)(ns >> shift);
}

static uint64_t bucket_begin(unsigned bucket) {
    if (bucket < 2 * SUBS) {
        return bucket;
    }
    unsigned shift = (bucket >> SUB_BITS) - 1;
    return (uint64_t)(SUBS + bucket % SUBS) << shift;
}

static void record(histogram *all, uint64_t ns) {
    all->counts[bucket_of(ns)]++;
    all->total++;
    all->largest = ns > all->largest ? ns : all->largest;
}

static double percentile_us(const histogram *all, double part) {
    uint64_t wanted = (uint64_t)(part * (double)all->total);
    uint64_t seen = 0;
    for (unsigned k = 0; k < BUCKETS; k++) {
        seen += all->counts[k];
        if (seen > wanted) {
            return (double)bucket_begin(k) / 1e3;
        }
    }
    return (double)all->largest / 1e3;
}

static histogram latencies;

typedef struct driver_state {
    bench_job *job;
    trp_pid server;
    uint64_t began_ns;
    uint64_t sent;
} driver_state;

static void echo_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    trp_message *reply = trp_message_new(ctx, &bench_pong_type);
    bench_require(reply != NULL, "out of memory");
    ((bench_pong *)trp_message_body(reply))->value = bench_value(message);
    bench_require(trp_reply(ctx, message, reply) == 0, "a reply was refused");
}

static const trp_behaviour echo_behaviour = {TRP_BEHAVIOUR("bench.echo"), .handle = echo_handle};

static void flood_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    (void)message;
    bench_send(ctx, trp_self(ctx), &bench_inc_type, 0);
}

static const trp_behaviour flood_behaviour = {TRP_BEHAVIOUR("bench.flood"), .handle = flood_handle};

static int driver_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)ctx;
    *(driver_state *)state = *(const driver_state *)arg;
    return 0;
}

static void send_due(trp_ctx *ctx, driver_state *driver) {
    const uint64_t spacing = TRP_NS_PER_S / RATE;
    uint64_t now = bench_now_ns();
    trp_ref ref;
    while (driver->sent < driver->job->n && driver->began_ns + driver->sent * spacing <= now) {
        trp_message *message = trp_message_new(ctx, &bench_inc_type);
        bench_require(message != NULL, "out of memory");
        ((bench_inc *)trp_message_body(message))->value =
            (int64_t)(driver->began_ns + driver->sent++ * spacing);
        int error = trp_request(ctx, driver->server, message, TRP_NEVER, &ref);
        bench_require(error == 0, "a request was refused");
    }
}

static void finish(driver_state *driver) {
    snprintf(driver->job->extra, sizeof driver->job->extra,
             "p50_us:%.1f,p99_us:%.1f,p999_us:%.1f,max_us:%.1f", percentile_us(&latencies, 0.5),
             percentile_us(&latencies, 0.99), percentile_us(&latencies, 0.999),
             (double)latencies.largest / 1e3);
    bench_finish(driver->job);
}

static void driver_handle(trp_ctx *ctx, void *state, trp_message *message) {
    driver_state *driver = state;
    if (trp_message_is(message, &bench_start_type)) {
        send_due(ctx, driver);
        if (driver->sent < driver->job->n) {
            bench_send(ctx, trp_self(ctx), &bench_start_type, 0);
        }
        return;
    }
    record(&latencies, bench_now_ns() - (uint64_t)bench_value(message));
    if (latencies.total == driver->job->n) {
        finish(driver);
    }
}

static const trp_behaviour driver_behaviour = {
    TRP_BEHAVIOUR("bench.driver"),
    .state_size = sizeof(driver_state),
    .init = driver_init,
    .handle = driver_handle,
};

void bench_openloop(trp_ctx *ctx, bench_job *job) {
    for (uint64_t k = 0; k < job->parameter; k++) {
        trp_pid flooder = bench_spawn(ctx, &flood_behaviour, NULL);
        for (int m = 0; m < FLOOD_MESSAGES; m++) {
            bench_send(ctx, flooder, &bench_inc_type, 0);
        }
    }
    driver_state state = {job, bench_spawn(ctx, &echo_behaviour, NULL), bench_now_ns(), 0};
    bench_send(ctx, bench_spawn(ctx, &driver_behaviour, &state), &bench_start_type, 0);
}
