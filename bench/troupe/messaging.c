/* Workloads in which a fixed set of actors exchanges messages. */

#include "bench.h"

#include <stdlib.h>

/* Ping-pong: one actor asks, the other answers, n times. */

typedef struct ping_state {
    bench_job *job;
    trp_pid pong;
} ping_state;

static void pong_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    const bench_ping *ping = trp_message_body(message);
    bench_send(ctx, ping->from, &bench_pong_type, ping->value);
}

static const trp_behaviour pong_behaviour = {TRP_BEHAVIOUR("bench.pong"), .handle = pong_handle};

static int ping_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)ctx;
    *(ping_state *)state = *(const ping_state *)arg;
    return 0;
}

static void ping_handle(trp_ctx *ctx, void *state, trp_message *message) {
    ping_state *ping = state;
    int64_t left = bench_value(message) - 1;
    if (left > 0) {
        bench_send_ping(ctx, ping->pong, left);
    } else {
        bench_finish(ping->job);
    }
}

static const trp_behaviour ping_behaviour = {
    TRP_BEHAVIOUR("bench.ping"),
    .state_size = sizeof(ping_state),
    .init = ping_init,
    .handle = ping_handle,
};

void bench_pingpong(trp_ctx *ctx, bench_job *job) {
    ping_state state = {job, bench_spawn(ctx, &pong_behaviour, NULL)};
    trp_pid ping = bench_spawn(ctx, &ping_behaviour, &state);
    bench_send(ctx, ping, &bench_pong_type, (int64_t)job->n + 1);
}

/*
 * Counting and fan-in: producers send n messages in all to one counter. A producer sends a slice, then asks the counter to say when it has got that far:
 * two messages more per slice, and what waits stays bounded, as in a channel of Go.
 */

typedef struct counter_state {
    bench_job *job;
    uint64_t left;
} counter_state;

static int counter_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)ctx;
    *(counter_state *)state = *(const counter_state *)arg;
    return 0;
}

static void counter_handle(trp_ctx *ctx, void *state, trp_message *message) {
    counter_state *counter = state;
    const bench_ping *ping = bench_ping_of(message);
    if (ping != NULL) {
        bench_send(ctx, ping->from, &bench_start_type, 0);
    } else if (--counter->left == 0) {
        bench_finish(counter->job);
    }
}

static const trp_behaviour counter_behaviour = {
    TRP_BEHAVIOUR("bench.counter"),
    .state_size = sizeof(counter_state),
    .init = counter_init,
    .handle = counter_handle,
};

typedef struct producer_state {
    trp_pid counter;
    uint64_t left;
    unsigned slice;
} producer_state;

static int producer_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)ctx;
    *(producer_state *)state = *(const producer_state *)arg;
    return 0;
}

static void producer_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)message;
    producer_state *producer = state;
    for (unsigned k = 0; k < producer->slice && producer->left > 0; k++) {
        bench_send(ctx, producer->counter, &bench_inc_type, (int64_t)producer->left--);
    }
    if (producer->left > 0) {
        bench_send_ping(ctx, producer->counter, 0);
    }
}

static const trp_behaviour producer_behaviour = {
    TRP_BEHAVIOUR("bench.producer"),
    .state_size = sizeof(producer_state),
    .init = producer_init,
    .handle = producer_handle,
};

/* Each producer may be `slices` slices ahead of the counter. */
static void produce(trp_ctx *ctx, bench_job *job, unsigned producers, unsigned slices,
                    unsigned slice) {
    uint64_t each = job->n / producers;
    counter_state counter = {job, each * producers};
    producer_state producer = {bench_spawn(ctx, &counter_behaviour, &counter), each, slice};
    for (unsigned k = 0; k < producers; k++) {
        trp_pid pid = bench_spawn(ctx, &producer_behaviour, &producer);
        for (unsigned ahead = 0; ahead < slices; ahead++) {
            bench_send(ctx, pid, &bench_start_type, 0);
        }
    }
}

void bench_counting(trp_ctx *ctx, bench_job *job) {
    produce(ctx, job, 1, 2, 500);
}

void bench_fanin(trp_ctx *ctx, bench_job *job) {
    produce(ctx, job, 100, 1, 100);
}

/* Thread ring: a token goes round 503 actors, or as many as the parameter says, until it has made n hops. */

typedef struct ring_state {
    bench_job *job;
    trp_pid next;
} ring_state;

static int ring_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)ctx;
    *(ring_state *)state = *(const ring_state *)arg;
    return 0;
}

static void ring_handle(trp_ctx *ctx, void *state, trp_message *message) {
    ring_state *ring = state;
    const bench_ping *ping = bench_ping_of(message);
    if (ping != NULL) {
        ring->next = ping->from;
        return;
    }
    int64_t hops = bench_value(message);
    if (hops == 0) {
        bench_finish(ring->job);
    } else {
        bench_send(ctx, ring->next, &bench_inc_type, hops - 1);
    }
}

static const trp_behaviour ring_behaviour = {
    TRP_BEHAVIOUR("bench.ring"),
    .state_size = sizeof(ring_state),
    .init = ring_init,
    .handle = ring_handle,
};

void bench_threadring(trp_ctx *ctx, bench_job *job) {
    ring_state state = {job, TRP_PID_NONE};
    trp_pid last = bench_spawn(ctx, &ring_behaviour, &state);
    state.next = last;
    for (uint64_t k = 1; k < (job->parameter > 0 ? job->parameter : 503); k++) {
        state.next = bench_spawn(ctx, &ring_behaviour, &state);
    }
    trp_message *close = trp_message_new(ctx, &bench_ping_type);
    bench_require(close != NULL, "out of memory");
    ((bench_ping *)trp_message_body(close))->from = state.next;
    bench_require(trp_send(ctx, last, close) == 0, "the ring does not close");
    bench_send(ctx, state.next, &bench_inc_type, (int64_t)job->n);
}

/* Big: each of 120 actors pings random others n / 120 times and waits for each pong. */

enum { BIG_ACTORS = 120 };

typedef struct big_world {
    bench_job *job;
    trp_pid actors[BIG_ACTORS];
    trp_pid referee;
} big_world;

typedef struct big_state {
    const big_world *world;
    uint32_t seed;
    uint64_t left;
} big_state;

static int big_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)ctx;
    *(big_state *)state = *(const big_state *)arg;
    return 0;
}

static void big_send_ping(trp_ctx *ctx, big_state *big) {
    big->seed = big->seed * 1103515245u + 12345u;
    bench_send_ping(ctx, big->world->actors[(big->seed >> 8) % BIG_ACTORS], (int64_t)big->left);
}

static void big_handle(trp_ctx *ctx, void *state, trp_message *message) {
    big_state *big = state;
    const bench_ping *ping = bench_ping_of(message);
    if (ping != NULL) {
        bench_send(ctx, ping->from, &bench_pong_type, ping->value);
    } else if (trp_message_is(message, &bench_start_type) || --big->left > 0) {
        big_send_ping(ctx, big);
    } else {
        bench_send(ctx, big->world->referee, &bench_inc_type, 1);
    }
}

static const trp_behaviour big_behaviour = {
    TRP_BEHAVIOUR("bench.big"),
    .state_size = sizeof(big_state),
    .init = big_init,
    .handle = big_handle,
};

void bench_big(trp_ctx *ctx, bench_job *job) {
    static big_world world;
    counter_state referee = {job, BIG_ACTORS};
    world.job = job;
    world.referee = bench_spawn(ctx, &counter_behaviour, &referee);
    for (unsigned k = 0; k < BIG_ACTORS; k++) {
        big_state state = {&world, k * 7919u + 1u, job->n / BIG_ACTORS};
        world.actors[k] = bench_spawn(ctx, &big_behaviour, &state);
    }
    for (unsigned k = 0; k < BIG_ACTORS; k++) {
        bench_send(ctx, world.actors[k], &bench_start_type, 0);
    }
}
