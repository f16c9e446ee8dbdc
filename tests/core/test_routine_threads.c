/*
 * Routines on several schedulers at once: clients call servers, kill and join each other, and end in every way. Whatever
 * they do, each call ends, each stack is given back, and a routine stays on its scheduler.
 */
#include "cmocka_all.h"
#include "probe.h"
#include "thread_runner.h"
#include "troupe/routine.h"

#include <pthread.h>
#include <stdlib.h>

enum { WAIT_S = 100, CLIENTS = 60, CALLS = 100, SERVERS = 4, MS = 1000 * 1000 };

typedef struct town {
    trp_pid servers[SERVERS];
    _Atomic uint64_t replies;
    _Atomic uint64_t errors;
    _Atomic uint64_t odd; /* what must not happen */
    _Atomic uint64_t clients_left;
} town;

typedef struct citizen {
    town *town;
    uint64_t seed;
} citizen;

static int serve(trp_ctx *ctx, void *arg) {
    const citizen *self = arg;
    pthread_t home = pthread_self();
    trp_message *message;
    while (trp_receive(ctx, NULL, TRP_NEVER, &message) == 0) {
        if (!pthread_equal(home, pthread_self())) {
            atomic_fetch_add(&self->town->odd, 1);
        }
        uint64_t value = probe_value_of(message);
        trp_message *kept = trp_message_take(ctx, message);
        if (value % 50 == 0 && trp_sleep(ctx, MS) != 0) {
            atomic_fetch_add(&self->town->odd, 1);
        }
        if (value % 7 != 0) {
            (void)trp_reply(ctx, kept, probe_value(ctx, value + 1));
        }
        trp_message_drop(ctx, kept);
    }
    return 0;
}

static const trp_routine server = {TRP_ROUTINE("test.server", serve, sizeof(citizen))};

static int live_shortly(trp_ctx *ctx, void *arg) {
    citizen *self = arg;
    switch (fake_random_below(&self->seed, 4)) {
    case 0:
        return 1;
    case 1: {
        trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, 2, NULL);
        trp_abort(ctx, &reason);
    }
    case 2:
        return trp_sleep(ctx, TRP_NEVER / 4);
    default:
        return trp_yield(ctx);
    }
}

static const trp_routine child = {TRP_ROUTINE("test.child", live_shortly, sizeof(citizen))};

/* Starts somebody, perhaps kills him, and waits for his end. */
static void raise_child(trp_ctx *ctx, citizen *self) {
    citizen grown = {self->town, fake_random(&self->seed)};
    trp_pid pid;
    if (trp_spawn(ctx, &child.behaviour, &grown, &pid) != 0) {
        atomic_fetch_add(&self->town->odd, 1);
        return;
    }
    if (trp_join(ctx, pid, 2 * MS, NULL) == TRP_ETIMEOUT) {
        (void)trp_kill(ctx, pid);
        if (trp_join(ctx, pid, TRP_NEVER, NULL) != 0) {
            atomic_fetch_add(&self->town->odd, 1);
        }
    }
}

static void call_somebody(trp_ctx *ctx, citizen *self) {
    uint64_t value = fake_random_below(&self->seed, 1000);
    trp_pid to = self->town->servers[fake_random_below(&self->seed, SERVERS)];
    trp_message *reply = NULL;
    int error = trp_call(ctx, to, probe_value(ctx, value), 500 * MS, &reply);
    bool is_good = error == 0 && probe_value_of(reply) == value + 1;
    atomic_fetch_add(error == 0 ? &self->town->replies : &self->town->errors, 1);
    if (!is_good && error != TRP_ETIMEOUT && error != TRP_ECANCELED) {
        atomic_fetch_add(&self->town->odd, 1);
    }
}

static int live(trp_ctx *ctx, void *arg) {
    citizen *self = arg;
    for (int i = 0; i < CALLS; i++) {
        call_somebody(ctx, self);
        if (i % 25 == 0) {
            raise_child(ctx, self);
        }
    }
    if (atomic_fetch_sub(&self->town->clients_left, 1) == 1) {
        trp_runtime_stop(trp_ctx_runtime(ctx), 0);
    }
    return 0;
}

static const trp_routine client = {TRP_ROUTINE("test.client", live, sizeof(citizen))};

static void test_routines_on_several_schedulers(void **state) {
    (void)state;
    for (unsigned schedulers = 1; schedulers <= 3; schedulers++) {
        town all = {.clients_left = CLIENTS};
        fake_host *fake = fake_create(schedulers);
        for (unsigned i = 0; i < SERVERS + CLIENTS; i++) {
            citizen one = {&all, i + 1};
            trp_ctx *root = trp_runtime_enter(fake->runtime, i % schedulers);
            trp_pid pid;
            const trp_routine *what = i < SERVERS ? &server : &client;
            assert_int_equal(trp_spawn(root, &what->behaviour, &one, &pid), 0);
            if (i < SERVERS) {
                all.servers[i] = pid;
            }
        }
        thread_runner *runner = thread_runner_start(fake, 0);
        thread_runner_join(runner, WAIT_S);
        assert_int_equal(atomic_load(&all.odd), 0);
        assert_int_equal(all.replies + all.errors, CLIENTS * CALLS);
        assert_true(all.replies > CLIENTS * CALLS / 2);
        fake_destroy(fake);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routines_on_several_schedulers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
