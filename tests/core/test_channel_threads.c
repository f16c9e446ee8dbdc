/*
 * Channels between routines on several schedulers. Producers and consumers use every way there is
 * to put in and to take out: blocking, with deadlines, by select, in batches and by force, while
 * consumers are killed and channels are closed. Whatever happens, what was sent is received exactly
 * once, and each consumer gets what one producer put into one channel in its order.
 *
 *     TRP_SEED=42 test_channel_threads    only this seed
 *     TRP_SEEDS=1000 test_channel_threads so many seeds
 */
#include "cmocka_all.h"
#include "probe.h"
#include "thread_runner.h"
#include "troupe/channel.h"
#include "troupe/routine.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    WAIT_S = 60,
    CHANNELS = 2,
    PEOPLE = 5, /* most producers, and most consumers */
    VALUES = 120,
    MS = 1000 * 1000
};

enum { SEEDS_DEFAULT = 60 };

/* What a message carries. */
typedef struct value {
    uint32_t producer;
    uint32_t sequence;
    uint32_t channel;
} value;

typedef struct market {
    trp_channel *channels[CHANNELS];
    uint32_t capacities[CHANNELS];
    uint32_t producers;
    uint32_t consumers;
    bool has_kills;
    bool has_close; /* somebody closes a channel while others use it */
    _Atomic uint32_t sent[PEOPLE][VALUES];
    _Atomic uint32_t taken[PEOPLE][VALUES];
    _Atomic uint32_t kills;
    _Atomic uint32_t odd; /* what must not happen */
    _Atomic uint32_t people_left;
} market;

typedef struct person {
    market *market;
    uint64_t seed;
    uint32_t index;
} person;

static void leave_market(trp_ctx *ctx, market *all) {
    if (atomic_fetch_sub(&all->people_left, 1) == 1) {
        trp_runtime_stop(trp_ctx_runtime(ctx), 0);
    }
}

/* ---- producers ---- */

static trp_message *new_value(trp_ctx *ctx, const person *self, uint32_t sequence,
                              uint32_t channel) {
    value carried = {self->index, sequence, channel};
    return trp_message_new_bytes(ctx, &carried, sizeof carried);
}

static void note_taken(market *all, trp_message *message) {
    value carried;
    memcpy(&carried, trp_message_body(message), sizeof carried);
    atomic_fetch_add(&all->taken[carried.producer][carried.sequence], 1);
}

/* With short deadlines, until it is in. */
static int send_patiently(trp_ctx *ctx, trp_channel *channel, trp_message *message) {
    int error;
    do {
        error = trp_channel_send(ctx, channel, message, MS);
    } while (error == TRP_ETIMEOUT);
    return error;
}

/* Tries, and lets others run in between. */
static int send_eagerly(trp_ctx *ctx, trp_channel *channel, trp_message *message) {
    int error;
    while ((error = trp_channel_try_send(ctx, channel, message)) == TRP_EFULL) {
        (void)trp_yield(ctx);
    }
    return error;
}

/* What it pushes out counts as taken: it has come back to somebody. */
static int send_by_force(trp_ctx *ctx, market *all, trp_channel *channel, trp_message *message) {
    trp_message *oldest = NULL;
    int error = trp_channel_force_send(ctx, channel, message, &oldest);
    if (oldest != NULL) {
        note_taken(all, oldest);
        trp_message_drop(ctx, oldest);
    }
    return error;
}

/* Into whichever channel has room first; the message of the other case stays ours. */
static int send_by_select(trp_ctx *ctx, const person *self, uint32_t sequence) {
    market *all = self->market;
    trp_case cases[CHANNELS];
    for (uint32_t i = 0; i < CHANNELS; i++) {
        cases[i] =
            (trp_case){all->channels[i], TRP_CHANNEL_SEND, new_value(ctx, self, sequence, i)};
    }
    trp_select_options options = {.size = sizeof options, .timeout_ns = TRP_NEVER};
    options.is_ordered = sequence % 2 == 0;
    size_t chosen = CHANNELS;
    int error = trp_select(ctx, cases, CHANNELS, &options, &chosen, NULL);
    for (uint32_t i = 0; i < CHANNELS; i++) {
        if (error != 0 || i != chosen) {
            trp_message_drop(ctx, cases[i].message);
        }
    }
    return error;
}

static int send_one(trp_ctx *ctx, person *self, uint32_t sequence) {
    market *all = self->market;
    uint32_t at = (uint32_t)fake_random_below(&self->seed, CHANNELS);
    uint64_t way = fake_random_below(&self->seed, 5);
    if (way == 4) {
        return send_by_select(ctx, self, sequence);
    }
    trp_channel *channel = all->channels[at];
    trp_message *message = new_value(ctx, self, sequence, at);
    int error;
    if (way == 0) {
        error = send_patiently(ctx, channel, message);
    } else if (way == 1) {
        error = send_eagerly(ctx, channel, message);
    } else if (way == 2 && all->capacities[at] != 0) {
        error = send_by_force(ctx, all, channel, message);
    } else {
        error = trp_channel_send(ctx, channel, message, TRP_NEVER);
    }
    if (error != 0) {
        trp_message_drop(ctx, message);
    }
    return error;
}

static int produce(trp_ctx *ctx, void *arg) {
    person *self = arg;
    market *all = self->market;
    for (uint32_t i = 0; i < VALUES; i++) {
        int error = send_one(ctx, self, i);
        if (error == 0) {
            atomic_fetch_add(&all->sent[self->index][i], 1);
        } else if (error != TRP_ECLOSED || !all->has_close) {
            atomic_fetch_add(&all->odd, 1);
        }
        if (all->has_close && i == VALUES / 2 && self->index == 0) {
            (void)trp_channel_close(ctx, all->channels[0]);
        }
        if (fake_random_below(&self->seed, 40) == 0) {
            (void)trp_sleep(ctx, MS);
        }
    }
    for (int i = 0; i < CHANNELS; i++) {
        trp_channel_release(ctx, all->channels[i], TRP_CHANNEL_SEND);
    }
    leave_market(ctx, all);
    return 0;
}

static const trp_routine producer = {TRP_ROUTINE("test.producer", produce, sizeof(person))};

/* ---- consumers ---- */

typedef struct consumption {
    person *self;
    bool is_closed[CHANNELS];
    int64_t last[CHANNELS][PEOPLE]; /* sequence per channel and producer */
} consumption;

static void take_in(trp_ctx *ctx, consumption *c, uint32_t at, trp_message *message) {
    market *all = c->self->market;
    value carried;
    memcpy(&carried, trp_message_body(message), sizeof carried);
    if (carried.channel != at || (int64_t)carried.sequence <= c->last[at][carried.producer]) {
        atomic_fetch_add(&all->odd, 1);
    }
    c->last[at][carried.producer] = carried.sequence;
    note_taken(all, message);
    trp_message_drop(ctx, message);
}

static void note_end(consumption *c, uint32_t at, int error) {
    c->is_closed[at] |= error == TRP_ECLOSED;
    if (error != TRP_ECLOSED && error != TRP_ETIMEOUT && error != TRP_EEMPTY) {
        atomic_fetch_add(&c->self->market->odd, 1);
    }
}

static void receive_one(trp_ctx *ctx, consumption *c, uint32_t at, uint64_t timeout_ns) {
    trp_message *message = NULL;
    int error = trp_channel_receive(ctx, c->self->market->channels[at], timeout_ns, &message);
    if (error == 0) {
        take_in(ctx, c, at, message);
    } else {
        note_end(c, at, error);
    }
}

static void receive_many(trp_ctx *ctx, consumption *c, uint32_t at) {
    trp_message *messages[5];
    size_t count = 0;
    int error =
        trp_channel_try_receive_many(ctx, c->self->market->channels[at], messages, 5, &count);
    for (size_t i = 0; i < count; i++) {
        take_in(ctx, c, at, messages[i]);
    }
    if (error != 0) {
        note_end(c, at, error);
    }
    (void)trp_yield(ctx);
}

/* From whichever has something first, with the inbox as a third source that is never used. */
static void receive_by_select(trp_ctx *ctx, consumption *c) {
    market *all = c->self->market;
    trp_case cases[CHANNELS];
    for (uint32_t i = 0; i < CHANNELS; i++) {
        trp_channel *channel = c->is_closed[i] ? NULL : all->channels[i];
        cases[i] = (trp_case){channel, TRP_CHANNEL_RECEIVE, NULL};
    }
    trp_select_options options = {.size = sizeof options};
    options.timeout_ns = fake_random_below(&c->self->seed, 2) == 0 ? 2 * MS : TRP_NEVER;
    options.has_inbox = fake_random_below(&c->self->seed, 2) == 0;
    options.is_ordered = fake_random_below(&c->self->seed, 2) == 0;
    size_t chosen = CHANNELS;
    trp_message *inbox = NULL;
    int error = trp_select(ctx, cases, CHANNELS, &options, &chosen, &inbox);
    if (error == TRP_ETIMEOUT) {
        return;
    }
    if (chosen >= CHANNELS) {
        atomic_fetch_add(&all->odd, 1);
    } else if (error == 0) {
        take_in(ctx, c, (uint32_t)chosen, cases[chosen].message);
    } else {
        note_end(c, (uint32_t)chosen, error);
    }
}

static bool is_all_closed(const consumption *c) {
    for (int i = 0; i < CHANNELS; i++) {
        if (!c->is_closed[i]) {
            return false;
        }
    }
    return true;
}

static int consume(trp_ctx *ctx, void *arg) {
    consumption c = {.self = arg};
    memset(c.last, 0xff, sizeof c.last);
    while (!is_all_closed(&c)) {
        uint32_t at = (uint32_t)fake_random_below(&c.self->seed, CHANNELS);
        if (c.is_closed[at]) {
            at = CHANNELS - 1 - at;
        }
        switch (fake_random_below(&c.self->seed, 4)) {
        case 0:
            receive_one(ctx, &c, at, 2 * MS);
            break;
        case 1:
            receive_many(ctx, &c, at);
            break;
        case 2:
            receive_by_select(ctx, &c);
            break;
        default:
            receive_one(ctx, &c, at, fake_random_below(&c.self->seed, 2) * MS);
            break;
        }
        if (fake_random_below(&c.self->seed, 60) == 0) {
            (void)trp_sleep(ctx, MS);
        }
    }
    return 0;
}

static const trp_routine consumer = {TRP_ROUTINE("test.consumer", consume, sizeof(person))};

/* Keeps one consumer going, which is killed now and then, until the channels are closed. */
static int employ(trp_ctx *ctx, void *arg) {
    person *self = arg;
    market *all = self->market;
    for (;;) {
        person hired = {all, fake_random(&self->seed), self->index};
        trp_pid pid;
        trp_exit reason;
        if (trp_spawn(ctx, &consumer.behaviour, &hired, &pid) != 0) {
            atomic_fetch_add(&all->odd, 1);
            break;
        }
        int error = trp_join(ctx, pid, all->has_kills ? 3 * MS : TRP_NEVER, &reason);
        if (error == TRP_ETIMEOUT) {
            atomic_fetch_add(&all->kills, 1);
            (void)trp_kill(ctx, pid);
            error = trp_join(ctx, pid, TRP_NEVER, &reason);
        }
        if (error != 0 || reason.kind != TRP_EXIT_KILLED) {
            break;
        }
    }
    leave_market(ctx, all);
    return 0;
}

static const trp_routine employer = {TRP_ROUTINE("test.employer", employ, sizeof(person))};

/* ---- a market day ---- */

/* Two who push in at once may push out one more, which is a dead letter and not lost. */
static void on_dead_letter(void *arg, trp_ctx *ctx, trp_pid to, const trp_message *message,
                           int error) {
    (void)ctx;
    if (trp_pid_is_none(to) && error == TRP_EFULL) {
        note_taken(arg, (trp_message *)(uintptr_t)message);
    }
}

static void open_market(fake_host *fake, market *all, uint64_t *seed) {
    static const uint32_t capacities[] = {0, 1, 2, 7, 64, TRP_CHANNEL_UNBOUNDED};
    memset(all, 0, sizeof *all);
    trp_runtime_on_dead_letter(fake->runtime, on_dead_letter, all);
    all->producers = 1 + (uint32_t)fake_random_below(seed, PEOPLE);
    all->consumers = 1 + (uint32_t)fake_random_below(seed, PEOPLE);
    all->has_kills = fake_random_below(seed, 3) == 0;
    all->has_close = fake_random_below(seed, 3) == 0;
    all->people_left = all->producers + all->consumers;
    for (int i = 0; i < CHANNELS; i++) {
        all->capacities[i] = capacities[fake_random_below(seed, 6)];
        assert_int_equal(trp_channel_create(fake_root(fake), all->capacities[i], &all->channels[i]),
                         0);
        for (uint32_t p = 1; p < all->producers; p++) {
            trp_channel_clone(all->channels[i], TRP_CHANNEL_SEND);
        }
    }
}

static void start_people(fake_host *fake, market *all, uint64_t *seed) {
    for (uint32_t i = 0; i < all->producers + all->consumers; i++) {
        bool is_producer = i < all->producers;
        person one = {all, fake_random(seed), is_producer ? i : i - all->producers};
        const trp_routine *what = is_producer ? &producer : &employer;
        trp_ctx *root = trp_runtime_enter(fake->runtime, i % fake->schedulers);
        assert_int_equal(trp_spawn(root, &what->behaviour, &one, NULL), 0);
    }
}

/* Each value that was sent has been taken once. */
static void check_books(const market *all, uint64_t seed) {
    uint32_t missing = 0;
    uint32_t doubled = 0;
    for (uint32_t p = 0; p < all->producers; p++) {
        for (uint32_t i = 0; i < VALUES; i++) {
            missing += all->taken[p][i] < all->sent[p][i];
            doubled += all->taken[p][i] > all->sent[p][i];
        }
    }
    /* A rendezvous is over when the value is handed over, even if its receiver is killed then. */
    bool may_miss = all->has_kills && (all->capacities[0] == 0 || all->capacities[1] == 0);
    if (all->odd != 0 || doubled != 0 || (missing != 0 && !(may_miss && missing <= all->kills))) {
        fail_msg(
            "%u odd, %u missing, %u taken twice, %u kills, capacities %u and %u, %u producers, "
            "%u consumers. Repeat with TRP_SEED=%llu",
            all->odd, missing, doubled, all->kills, all->capacities[0], all->capacities[1],
            all->producers, all->consumers, (unsigned long long)seed);
    }
}

static void run_market(uint64_t seed) {
    static market all;
    uint64_t state = seed;
    fake_host *fake = fake_create(1 + (unsigned)fake_random_below(&state, 3));
    open_market(fake, &all, &state);
    start_people(fake, &all, &state);
    uint32_t budget = (uint32_t)fake_random_below(&state, 2) * 3;
    thread_runner_join(thread_runner_start(fake, budget), WAIT_S);
    for (int i = 0; i < CHANNELS; i++) {
        trp_channel_release(fake_root(fake), all.channels[i], TRP_CHANNEL_RECEIVE);
    }
    fake_destroy(fake);
    check_books(&all, seed);
}

static uint64_t number_of(const char *variable, uint64_t otherwise) {
    const char *text = getenv(variable);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void test_each_value_is_received_once_and_in_order(void **state) {
    (void)state;
    uint64_t only = number_of("TRP_SEED", 0);
    uint64_t seeds = only != 0 ? 1 : number_of("TRP_SEEDS", SEEDS_DEFAULT);
    uint64_t first = only != 0 ? only : 1;
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        run_market(seed);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_value_is_received_once_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
