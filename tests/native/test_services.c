/*
 * Services on real threads: work on libuv's pool while actors come and go, and names that many
 * schedulers want at once. What is asserted is counted by the actors and looked at when all is over.
 */
#include "cmocka_all.h"
#include "troupe/native.h"
#include "troupe/troupe.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WAIT_MS = 60 * 1000, SCHEDULERS = 3 };

static trp_native *start_host(unsigned schedulers) {
    trp_native_config config = {
        .size = sizeof config, .schedulers = schedulers, .log_format = TRP_LOG_FORMAT_NONE};
    trp_native *native = NULL;
    assert_int_equal(trp_native_create(&config, &native), 0);
    assert_int_equal(trp_native_start(native), 0);
    return native;
}

static void end_host(trp_native *native) {
    trp_native_stop(native, TRP_NS_PER_S);
    assert_int_equal(trp_native_join(native), 0);
    trp_native_destroy(native);
}

static void wait_for(atomic_uint *counter, unsigned value) {
    for (int ms = 0; atomic_load(counter) < value; ms++) {
        assert_true(ms < WAIT_MS);
        usleep(1000);
    }
    assert_int_equal(atomic_load(counter), value);
}

/* ---- work ---- */

typedef struct tally {
    atomic_uint given;
    atomic_uint begun;
    atomic_uint done;
    atomic_uint told;
    atomic_uint discarded;
    atomic_uint ended;
    atomic_uint odd;  /* what must not happen */
    atomic_bool gate; /* work waits until it is open */
} tally;

typedef struct job {
    tally *tally;
    uint64_t square; /* written by the work */
    uint64_t number;
} job;

static job *new_job(tally *of, uint64_t number) {
    job *made = malloc(sizeof *made);
    if (made != NULL) {
        *made = (job){of, 0, number};
    }
    return made;
}

static int square_it(void *arg) {
    job *mine = arg;
    atomic_fetch_add(&mine->tally->begun, 1);
    while (!atomic_load(&mine->tally->gate)) {
        usleep(200);
    }
    mine->square = mine->number * mine->number;
    atomic_fetch_add(&mine->tally->done, 1);
    return (int)mine->number;
}

static void discard_job(void *arg) {
    atomic_fetch_add(&((job *)arg)->tally->discarded, 1);
    free(arg);
}

static void check(job *mine, int result) {
    if (mine->square != mine->number * mine->number || result != (int)mine->number) {
        atomic_fetch_add(&mine->tally->odd, 1);
    }
    atomic_fetch_add(&mine->tally->told, 1);
    free(mine);
}

enum { JOBS = 20, ACTORS = 30 };

/* A behaviour that gives work away and takes what comes back; some end in the middle of it. */
typedef struct worker {
    tally *tally;
    uint32_t number;
    uint32_t back;
} worker;

static int worker_init(trp_ctx *ctx, void *state, const void *arg) {
    worker *self = state;
    *self = *(const worker *)arg;
    return trp_send(ctx, trp_self(ctx), trp_message_new_bytes(ctx, NULL, 0));
}

static void give_away(trp_ctx *ctx, worker *self) {
    for (uint64_t i = 0; i < JOBS; i++) {
        job *mine = new_job(self->tally, i);
        trp_work work = {sizeof work, square_it, mine, discard_job};
        trp_ref ref;
        int error = trp_offload(ctx, &work, &ref);
        if (error != 0) {
            atomic_fetch_add(&self->tally->odd, error == TRP_ESTATE ? 0 : 1); /* the host stops */
            free(mine);
            continue;
        }
        atomic_fetch_add(&self->tally->given, 1);
        if (i % 7 == 3) {
            (void)trp_offload_cancel(ctx, ref);
        }
    }
}

static void worker_handle(trp_ctx *ctx, void *state, trp_message *message) {
    worker *self = state;
    const trp_offloaded *offloaded = trp_message_as(message, &trp_offloaded_type);
    if (offloaded == NULL) {
        give_away(ctx, self);
        return;
    }
    check((job *)(uintptr_t)offloaded->arg, offloaded->result);
    if (++self->back == self->number) {
        trp_stop_self(ctx);
    }
}

static const trp_behaviour worker_behaviour = {
    TRP_BEHAVIOUR("test.worker"),
    .state_size = sizeof(worker),
    .init = worker_init,
    .handle = worker_handle,
};

static int spawn_workers(trp_ctx *ctx, void *arg) {
    int error = 0;
    for (uint32_t i = 0; i < ACTORS && error == 0; i++) {
        worker made = {arg, i, 0};
        error = trp_spawn(ctx, &worker_behaviour, &made, NULL);
    }
    return error;
}

static void test_work_of_many_actors_ends_in_one_place_each(void **state) {
    (void)state;
    static tally of;
    atomic_store(&of.gate, true);
    trp_native *native = start_host(SCHEDULERS);
    for (unsigned i = 0; i < SCHEDULERS; i++) {
        assert_int_equal(trp_native_call_wait(native, i, spawn_workers, &of), 0);
    }
    usleep(20 * 1000);
    end_host(native); /* in the middle of it, or afterwards */
    assert_int_equal(of.odd, 0);
    assert_true(of.told > 0);
    assert_int_equal(of.told + of.discarded, of.given);
    assert_true(of.given > JOBS);
    assert_int_equal(of.begun, of.done);
}

/* ---- routines ---- */

static int use_work(trp_ctx *ctx, void *arg) {
    tally *of = *(tally **)arg;
    for (uint64_t i = 0; i < JOBS; i++) {
        job *mine = new_job(of, i);
        trp_work work = {sizeof work, square_it, mine, discard_job};
        int result = -1;
        if (trp_offload_wait(ctx, &work, TRP_NEVER, &result) == 0) {
            check(mine, result);
        } else {
            atomic_fetch_add(&of->odd, 1);
        }
    }
    atomic_fetch_add(&of->ended, 1);
    return 0;
}

static const trp_routine user = {TRP_ROUTINE("test.user", use_work, sizeof(tally *))};

static int spawn_users(trp_ctx *ctx, void *arg) {
    int error = 0;
    for (int i = 0; i < 5 && error == 0; i++) {
        error = trp_spawn(ctx, &user.behaviour, &arg, NULL);
    }
    return error;
}

static void test_routines_wait_for_their_work(void **state) {
    (void)state;
    static tally of;
    atomic_store(&of.gate, true);
    trp_native *native = start_host(2);
    assert_int_equal(trp_native_call_wait(native, 0, spawn_users, &of), 0);
    assert_int_equal(trp_native_call_wait(native, 1, spawn_users, &of), 0);
    wait_for(&of.ended, 10);
    end_host(native);
    assert_int_equal(of.odd, 0);
    assert_int_equal(of.told, 10 * JOBS);
    assert_int_equal(of.discarded, 0);
}

/* The work waits for the gate, the routine does not wait for ever. */
static int wait_shortly(trp_ctx *ctx, void *arg) {
    tally *of = *(tally **)arg;
    job *mine = new_job(of, 3);
    trp_work work = {sizeof work, square_it, mine, discard_job};
    int result = -1;
    if (trp_offload_wait(ctx, &work, 5 * TRP_NS_PER_MS, &result) != TRP_ETIMEOUT || result != -1) {
        atomic_fetch_add(&of->odd, 1);
    }
    atomic_fetch_add(&of->ended, 1);
    return 0;
}

static const trp_routine hasty = {TRP_ROUTINE("test.hasty", wait_shortly, sizeof(tally *))};

static int spawn_hasty(trp_ctx *ctx, void *arg) {
    return trp_spawn(ctx, &hasty.behaviour, &arg, NULL);
}

static void test_routine_times_out_and_the_stop_waits_for_the_work(void **state) {
    (void)state;
    static tally of;
    trp_native *native = start_host(1);
    assert_int_equal(trp_native_call_wait(native, 0, spawn_hasty, &of), 0);
    wait_for(&of.ended, 1);
    wait_for(&of.begun, 1);
    trp_native_stop(native, 0);
    usleep(20 * 1000);
    assert_int_equal(of.done, 0);
    assert_int_equal(of.discarded, 0);
    atomic_store(&of.gate, true);
    assert_int_equal(trp_native_join(native), 0);
    assert_int_equal(of.done, 1);
    assert_int_equal(of.discarded, 1);
    assert_int_equal(of.odd, 0);
    trp_native_destroy(native);
}

static int spawn_worker(trp_ctx *ctx, void *arg) {
    worker made = {arg, 0, 0};
    return trp_spawn(ctx, &worker_behaviour, &made, NULL);
}

/* Init gives work away before there is a thread for its scheduler. */
static int eager_init(trp_ctx *ctx, void *state, const void *arg) {
    worker *self = state;
    *self = *(const worker *)arg;
    give_away(ctx, self);
    return 0;
}

static const trp_behaviour eager_behaviour = {
    TRP_BEHAVIOUR("test.eager"),
    .state_size = sizeof(worker),
    .init = eager_init,
    .handle = worker_handle,
};

static void test_host_that_never_started_waits_for_its_work(void **state) {
    (void)state;
    static tally of;
    atomic_store(&of.gate, true);
    trp_native_config config = {
        .size = sizeof config, .schedulers = 1, .log_format = TRP_LOG_FORMAT_NONE};
    trp_native *native = NULL;
    assert_int_equal(trp_native_create(&config, &native), 0);
    assert_int_equal(spawn_worker(trp_runtime_enter(trp_native_runtime(native), 0), &of), 0);
    worker made = {&of, 0, 0};
    assert_int_equal(
        trp_spawn(trp_runtime_enter(trp_native_runtime(native), 0), &eager_behaviour, &made, NULL),
        0);
    trp_native_destroy(native);
    assert_int_equal(of.discarded, JOBS);
    assert_int_equal(of.begun, of.done);
    assert_int_equal(of.odd, 0);
}

/* ---- names ---- */

enum { NAMES = 4, ROUNDS = 60, SEEKERS = 6 };

static const char *const NAME[NAMES] = {"a", "b", "c", "d"};

static struct {
    atomic_uint alive[NAMES]; /* actors that have the name, or are in init for it */
    atomic_uint spawned;
    atomic_uint found;
    atomic_uint refused;
    atomic_uint ended;
    atomic_uint odd;
} names;

typedef struct holder {
    uint32_t name;
} holder;

static int holder_init(trp_ctx *ctx, void *state, const void *arg) {
    holder *self = state;
    *self = *(const holder *)arg;
    trp_pid pid;
    if (atomic_fetch_add(&names.alive[self->name], 1) != 0 ||
        trp_whereis(ctx, NAME[self->name], &pid) == 0) {
        atomic_fetch_add(&names.odd, 1);
    }
    if (atomic_fetch_add(&names.spawned, 1) % 5 == 4) {
        atomic_fetch_sub(&names.alive[self->name], 1);
        return TRP_EIO;
    }
    return 0;
}

static void holder_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    (void)message;
    trp_stop_self(ctx);
}

/* The name is released after this: nobody can be in init for it yet. */
static void holder_terminate(trp_ctx *ctx, void *state, const trp_exit *reason) {
    (void)ctx;
    (void)reason;
    atomic_fetch_sub(&names.alive[((holder *)state)->name], 1);
}

static const trp_behaviour holder_behaviour = {
    TRP_BEHAVIOUR("test.holder"), .state_size = sizeof(holder),  .init = holder_init,
    .handle = holder_handle,      .terminate = holder_terminate,
};

/* Wants each name again and again, and tells some who have it to go. */
static int seek(trp_ctx *ctx, void *arg) {
    uint32_t number = *(uint32_t *)arg;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        holder made = {(number + i) % NAMES};
        trp_spawn_options options = {.size = sizeof options, .name = NAME[made.name]};
        trp_pid pid;
        bool is_new;
        int error = trp_get_or_spawn(ctx, &holder_behaviour, &made, &options, &pid, &is_new);
        if (error == 0) {
            atomic_fetch_add(&names.found, 1);
        } else if (error == TRP_EIO || error == TRP_EEXIST) {
            atomic_fetch_add(&names.refused, 1);
        } else {
            atomic_fetch_add(&names.odd, 1);
        }
        if (error == 0 && (number + i) % 3 == 0) {
            (void)trp_send(ctx, pid, trp_message_new_bytes(ctx, NULL, 0));
        }
        if (i % 4 == 0) {
            (void)trp_yield(ctx);
        }
    }
    atomic_fetch_add(&names.ended, 1);
    return 0;
}

static const trp_routine seeker = {TRP_ROUTINE("test.seeker", seek, sizeof(uint32_t))};

static int spawn_seekers(trp_ctx *ctx, void *arg) {
    (void)arg;
    int error = 0;
    for (uint32_t i = 0; i < SEEKERS && error == 0; i++) {
        error = trp_spawn(ctx, &seeker.behaviour, &i, NULL);
    }
    return error;
}

static void test_name_has_one_actor_however_many_want_it(void **state) {
    (void)state;
    trp_native *native = start_host(SCHEDULERS);
    for (unsigned i = 0; i < SCHEDULERS; i++) {
        assert_int_equal(trp_native_call_wait(native, i, spawn_seekers, NULL), 0);
    }
    wait_for(&names.ended, SCHEDULERS * SEEKERS);
    end_host(native);
    assert_int_equal(names.odd, 0);
    assert_int_equal(names.found + names.refused, SCHEDULERS * SEEKERS * ROUNDS);
    assert_true(names.found > SEEKERS * ROUNDS);
    assert_true(names.spawned > NAMES);
}

/* ---- output ports ---- */

enum { MESSAGES = 3000, READERS = 8, PASSERS = 40 };

static struct {
    trp_ref port;
    atomic_uint joined;
    atomic_uint got;
    atomic_uint closed;
    atomic_uint passed;
    atomic_uint odd; /* out of order, or lost */
    trp_output_port_stats stats;
} ports;

typedef struct port_reader {
    uint64_t last;
    bool is_passing; /* leaves after some messages, by ending or unsubscribing */
    trp_ref ref;
} port_reader;

static int reader_init(trp_ctx *ctx, void *state, const void *arg) {
    port_reader *self = state;
    self->is_passing = *(const bool *)arg;
    trp_subscription options = {.size = sizeof options, .limit = 16, .policy = TRP_MAILBOX_SUSPEND};
    int error = trp_output_port_subscribe(ctx, ports.port, &options, &self->ref);
    atomic_fetch_add(&ports.joined, error == 0);
    return error;
}

static void reader_handle(trp_ctx *ctx, void *state, trp_message *message) {
    port_reader *self = state;
    if (trp_message_is(message, &trp_output_port_closed_type)) {
        const trp_output_port_closed *closed = trp_message_body(message);
        bool is_whole = self->last == MESSAGES && closed->lost == 0;
        if (!self->is_passing) {
            atomic_fetch_add(&ports.odd, is_whole ? 0 : 1);
            atomic_fetch_add(&ports.closed, 1);
        }
        trp_stop_self(ctx);
        return;
    }
    uint64_t value;
    memcpy(&value, trp_message_body(message), sizeof value);
    atomic_fetch_add(&ports.odd, self->last == 0 || value == self->last + 1 ? 0 : 1);
    self->last = value;
    atomic_fetch_add(&ports.got, 1);
    if (self->is_passing && value % 5 == 0) {
        (void)trp_output_port_unsubscribe(ctx, self->ref);
        atomic_fetch_add(&ports.passed, 1);
        trp_stop_self(ctx);
    } else if (self->is_passing && value % 7 == 0) {
        atomic_fetch_add(&ports.passed, 1);
        (void)trp_kill(ctx, trp_self(ctx));
    }
}

static const trp_behaviour reader_behaviour = {
    TRP_BEHAVIOUR("test.reader"),
    .state_size = sizeof(port_reader),
    .init = reader_init,
    .handle = reader_handle,
};

static int spawn_readers(trp_ctx *ctx, void *arg) {
    const bool *is_passing = arg;
    int error = 0;
    for (int i = 0; i < (*is_passing ? PASSERS : READERS) && error == 0; i++) {
        error = trp_spawn(ctx, &reader_behaviour, arg, NULL);
    }
    return error;
}

static int publish_all(trp_ctx *ctx, void *arg) {
    (void)arg;
    trp_message *go;
    if (trp_output_port_open(ctx, &ports.port) != 0 ||
        trp_receive(ctx, NULL, TRP_NEVER, &go) != 0) {
        return 1;
    }
    for (uint64_t i = 1; i <= MESSAGES; i++) {
        trp_message *message = trp_message_new_bytes(ctx, &i, sizeof i);
        int error = trp_output_port_publish(ctx, ports.port, message);
        atomic_fetch_add(&ports.odd, error == 0 ? 0 : 1);
        trp_message_drop(ctx, message);
    }
    return trp_output_port_read_stats(ctx, ports.port, &ports.stats);
}

static const trp_routine port_owner = {TRP_ROUTINE("test.owner", publish_all, 0)};

static int spawn_owner(trp_ctx *ctx, void *arg) {
    return trp_spawn(ctx, &port_owner.behaviour, NULL, arg);
}

static int tell_owner(trp_ctx *ctx, void *arg) {
    return trp_send(ctx, *(trp_pid *)arg, trp_message_new_bytes(ctx, NULL, 0));
}

static int look_for_port(trp_ctx *ctx, void *arg) {
    (void)ctx;
    (void)arg;
    return ports.port == 0 ? TRP_ENOENT : 0; /* on the owner's scheduler */
}

static void test_port_keeps_its_order_across_schedulers(void **state) {
    (void)state;
    trp_native *native = start_host(SCHEDULERS);
    trp_pid owner;
    bool stays = false;
    bool passes = true;
    assert_int_equal(trp_native_call_wait(native, 0, spawn_owner, &owner), 0);
    for (int ms = 0; trp_native_call_wait(native, 0, look_for_port, NULL) != 0; ms++) {
        assert_true(ms < WAIT_MS);
        usleep(1000);
    }
    for (unsigned i = 0; i < SCHEDULERS; i++) {
        assert_int_equal(trp_native_call_wait(native, i, spawn_readers, &stays), 0);
    }
    assert_int_equal(trp_native_call_wait(native, 0, tell_owner, &owner), 0);
    for (unsigned i = 0; i < SCHEDULERS; i++) {
        (void)trp_native_call_wait(native, i, spawn_readers, &passes); /* while it publishes */
    }
    wait_for(&ports.closed, SCHEDULERS * READERS);
    end_host(native);
    assert_int_equal(ports.odd, 0);
    assert_in_range(ports.got, SCHEDULERS * READERS * MESSAGES, UINT32_MAX);
    assert_true(ports.stats.accepted >= SCHEDULERS * READERS * MESSAGES);
    assert_int_equal(ports.stats.published, MESSAGES);
}

/* ---- watching all actors ---- */

enum { SLOTS = 1 << 16, WATCHERS = 4, BREEDERS = 4, CHILDREN = 400 };

static struct {
    atomic_uint ended;           /* breeders */
    atomic_uint lives[WATCHERS]; /* as far as the watcher has heard */
    atomic_uint odd;             /* started twice, or ended without a start */
} census;

typedef struct watching {
    uint32_t number;
    uint32_t events;
    trp_ref ref;
    uint32_t *known; /* generation by slot */
} watching;

static int watch_init(trp_ctx *ctx, void *state, const void *arg) {
    watching *self = state;
    self->number = *(const uint32_t *)arg;
    self->known = trp_alloc(ctx, SLOTS * sizeof self->known[0]);
    return self->known == NULL ? TRP_ENOMEM : trp_actor_watch(ctx, &self->ref);
}

/* Odd ones end their watch some times, and begin another. */
static void watch_anew(trp_ctx *ctx, watching *self) {
    if (++self->events % 300 != 0 || self->events > 3000 || self->number % 2 == 0) {
        return;
    }
    (void)trp_actor_unwatch(ctx, self->ref);
    memset(self->known, 0, SLOTS * sizeof self->known[0]);
    atomic_store(&census.lives[self->number], 0);
    atomic_fetch_add(&census.odd, trp_actor_watch(ctx, &self->ref) == 0 ? 0 : 1);
}

static void watch_handle(trp_ctx *ctx, void *state, trp_message *message) {
    watching *self = state;
    const trp_actor_event *event = trp_message_as(message, &trp_actor_event_type);
    uint32_t at = event->pid.index % SLOTS;
    if (event->kind == TRP_ACTOR_STARTED && self->known[at] == 0) {
        self->known[at] = event->pid.generation;
        atomic_fetch_add(&census.lives[self->number], 1);
    } else if (event->kind == TRP_ACTOR_ENDED && self->known[at] == event->pid.generation) {
        self->known[at] = 0;
        atomic_fetch_sub(&census.lives[self->number], 1);
    } else {
        atomic_fetch_add(&census.odd, 1);
    }
    watch_anew(ctx, self);
}

static const trp_behaviour watch_behaviour = {
    TRP_BEHAVIOUR("test.watch"),
    .state_size = sizeof(watching),
    .init = watch_init,
    .handle = watch_handle,
};

static int child_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)state;
    uint32_t number = *(const uint32_t *)arg;
    if (number % 11 == 0) {
        trp_stop_self(ctx);
    }
    return number % 7 == 0 ? TRP_EIO : 0;
}

static void child_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    (void)message;
    trp_stop_self(ctx);
}

static const trp_behaviour child_behaviour = {
    TRP_BEHAVIOUR("test.child"),
    .init = child_init,
    .handle = child_handle,
};

static int breed(trp_ctx *ctx, void *arg) {
    (void)arg;
    for (uint32_t i = 0; i < CHILDREN; i++) {
        trp_pid pid;
        if (trp_spawn(ctx, &child_behaviour, &i, &pid) == 0 && i % 3 != 0) {
            (void)trp_send(ctx, pid, trp_message_new_bytes(ctx, NULL, 0));
        }
        if (i % 8 == 0) {
            (void)trp_yield(ctx);
        }
    }
    atomic_fetch_add(&census.ended, 1);
    return 0;
}

static const trp_routine breeder = {TRP_ROUTINE("test.breeder", breed, 0)};

static int spawn_breeders(trp_ctx *ctx, void *arg) {
    (void)arg;
    int error = 0;
    for (int i = 0; i < BREEDERS && error == 0; i++) {
        error = trp_spawn(ctx, &breeder.behaviour, NULL, NULL);
    }
    return error;
}

static int spawn_watch(trp_ctx *ctx, void *arg) {
    return trp_spawn(ctx, &watch_behaviour, arg, NULL);
}

static int count_actors(trp_ctx *ctx, void *arg) {
    size_t count;
    trp_actor_list(ctx, NULL, 0, &count);
    *(size_t *)arg = count;
    return 0;
}

static void test_watchers_agree_on_who_lives(void **state) {
    (void)state;
    trp_native *native = start_host(SCHEDULERS);
    for (unsigned i = 0; i < SCHEDULERS; i++) {
        assert_int_equal(trp_native_call_wait(native, i, spawn_breeders, NULL), 0);
    }
    for (uint32_t i = 0; i < WATCHERS; i++) { /* while they breed */
        assert_int_equal(trp_native_call_wait(native, i % SCHEDULERS, spawn_watch, &i), 0);
    }
    wait_for(&census.ended, SCHEDULERS * BREEDERS);
    for (uint32_t i = 0; i < WATCHERS; i++) {
        size_t count = 0;
        for (int ms = 0; count == 0 || atomic_load(&census.lives[i]) != count; ms++) {
            assert_true(ms < WAIT_MS);
            usleep(1000);
            assert_int_equal(trp_native_call_wait(native, 0, count_actors, &count), 0);
        }
    }
    assert_int_equal(census.odd, 0);
    end_host(native);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_work_of_many_actors_ends_in_one_place_each),
        cmocka_unit_test(test_routines_wait_for_their_work),
        cmocka_unit_test(test_routine_times_out_and_the_stop_waits_for_the_work),
        cmocka_unit_test(test_host_that_never_started_waits_for_its_work),
        cmocka_unit_test(test_name_has_one_actor_however_many_want_it),
        cmocka_unit_test(test_port_keeps_its_order_across_schedulers),
        cmocka_unit_test(test_watchers_agree_on_who_lives),
    };
    return cmocka_run_group_tests_name("services on threads", tests, NULL, NULL);
}
