/*
 * A crowd: a million behaviours and a hundred thousand routines alive at once, on two schedulers.
 * Each gets a message while all are there, and when all have ended nothing is left. Builds without
 * optimisation or with a sanitizer make a tenth or less of it, and say so.
 */
#include "cmocka_all.h"
#include "probe.h"
#include "thread_runner.h"
#include "troupe/routine.h"
#include "troupe/timer.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { BEHAVIOURS = 20000, ROUTINES = 1000, HAS_ROOM = true }; /* the sanitizers take their share */
#elif !defined(__OPTIMIZE__)
enum { BEHAVIOURS = 100000, ROUTINES = 10000, HAS_ROOM = false };
#else
enum { BEHAVIOURS = 1000000, ROUTINES = 100000, HAS_ROOM = false };
#endif

enum { SCHEDULERS = 2, ALL = BEHAVIOURS + ROUTINES, SLICE = 1000, WAIT_S = 120 };

/* Most resident memory, in bytes: what a behaviour takes with its message, and a routine's stack.
 */
static const uint64_t BEHAVIOUR_MAX = 512;
static const uint64_t ROUTINE_MAX = 16 * 1024;

typedef struct crowd {
    trp_pid *pids;
    _Atomic uint32_t next; /* who is spawned next */
    _Atomic uint32_t spawned;
    _Atomic uint32_t begun; /* routines that have their stack */
    _Atomic uint32_t ended;
    _Atomic uint32_t spawners_left;
    _Atomic uint32_t odd;
    uint64_t alive_at_once;
    uint64_t resident_bytes;
} crowd;

static uint64_t resident_bytes(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*u %lu", &pages) != 1) {
        pages = 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- the crowd ---- */

static int citizen_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)ctx;
    memcpy(state, arg, sizeof(crowd *));
    return 0;
}

static void citizen_handle(trp_ctx *ctx, void *state, trp_message *message) {
    crowd *all;
    (void)message;
    memcpy(&all, state, sizeof all);
    atomic_fetch_add(&all->ended, 1);
    trp_stop_self(ctx);
}

static const trp_behaviour citizen = {
    TRP_BEHAVIOUR("test.citizen"),
    .state_size = sizeof(crowd *),
    .init = citizen_init,
    .handle = citizen_handle,
};

static int wait_once(trp_ctx *ctx, void *arg) {
    crowd *all;
    trp_message *message;
    memcpy(&all, arg, sizeof all);
    atomic_fetch_add(&all->begun, 1);
    int error = trp_receive(ctx, NULL, TRP_NEVER, &message);
    atomic_fetch_add(error == 0 ? &all->ended : &all->odd, 1);
    return 0;
}

static const trp_routine waiter = {
    TRP_ROUTINE("test.waiter", wait_once, sizeof(crowd *)),
    .stack_size = 16 * 1024,
};

/* ---- who makes it, one on each scheduler ---- */

static void spawn_slice(trp_ctx *ctx, crowd *all) {
    for (int i = 0; i < SLICE; i++) {
        uint32_t at = atomic_fetch_add(&all->next, 1);
        if (at >= ALL) {
            return;
        }
        const trp_behaviour *what = at < ROUTINES ? &waiter.behaviour : &citizen;
        if (trp_spawn(ctx, what, &all, &all->pids[at]) != 0) {
            atomic_fetch_add(&all->odd, 1);
        }
        atomic_fetch_add(&all->spawned, 1);
    }
}

/* All are spawned, and every routine has its stack and waits on it. */
static bool is_complete(const crowd *all) {
    return atomic_load(&all->spawned) == ALL && atomic_load(&all->begun) == ROUTINES;
}

static void end_all(trp_ctx *ctx, crowd *all) {
    trp_stats stats;
    trp_runtime_stats(trp_ctx_runtime(ctx), &stats);
    all->alive_at_once = stats.actors;
    all->resident_bytes = resident_bytes();
    for (uint32_t i = 0; i < ALL; i++) {
        if (trp_send(ctx, all->pids[i], trp_message_new_bytes(ctx, NULL, 0)) != 0) {
            atomic_fetch_add(&all->odd, 1);
        }
    }
}

static void spawner_handle(trp_ctx *ctx, void *state, trp_message *message) {
    crowd *all;
    (void)message;
    memcpy(&all, state, sizeof all);
    if (atomic_load(&all->next) < ALL) {
        spawn_slice(ctx, all);
    } else if (is_complete(all) && atomic_fetch_sub(&all->spawners_left, 1) == 1) {
        end_all(ctx, all);
        trp_exit shutdown = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, NULL);
        trp_fail(ctx, &shutdown);
        return;
    } else if (is_complete(all)) {
        trp_stop_self(ctx);
        return;
    }
    (void)trp_send(ctx, trp_self(ctx), trp_message_new_bytes(ctx, NULL, 0));
}

static const trp_behaviour spawner = {
    TRP_BEHAVIOUR("test.spawner"),
    .state_size = sizeof(crowd *),
    .init = citizen_init,
    .handle = spawner_handle,
};

/* Stops the runtime when nobody is left but itself. */
static void undertaker_handle(trp_ctx *ctx, void *state, trp_message *message) {
    crowd *all;
    (void)message;
    memcpy(&all, state, sizeof all);
    if (atomic_load(&all->ended) + atomic_load(&all->odd) >= ALL) {
        trp_runtime_stop(trp_ctx_runtime(ctx), TRP_NS_PER_S);
    } else {
        (void)trp_timer(ctx, TRP_NS_PER_MS, 0, NULL);
    }
}

static const trp_behaviour undertaker = {
    TRP_BEHAVIOUR("test.undertaker"),
    .state_size = sizeof(crowd *),
    .init = citizen_init,
    .handle = undertaker_handle,
};

static void start(fake_host *fake, unsigned scheduler, const trp_behaviour *what, crowd *all) {
    trp_ctx *root = trp_runtime_enter(fake->runtime, scheduler);
    trp_pid pid;
    assert_int_equal(trp_spawn(root, what, &all, &pid), 0);
    assert_int_equal(trp_send(root, pid, trp_message_new_bytes(root, NULL, 0)), 0);
}

static void test_million_behaviours_and_100_000_routines(void **state) {
    (void)state;
    crowd all = {.spawners_left = SCHEDULERS};
    all.pids = calloc(ALL, sizeof *all.pids);
    assert_non_null(all.pids);
    uint64_t before = resident_bytes();
    double began = seconds();
    fake_host *fake = fake_create(SCHEDULERS);
    for (unsigned i = 0; i < SCHEDULERS; i++) {
        start(fake, i, &spawner, &all);
    }
    start(fake, 0, &undertaker, &all);
    thread_runner_join(thread_runner_start(fake, 0), WAIT_S);
    assert_int_equal(fake_stats(fake).actors, 0);
    fake_destroy(fake);
    free(all.pids);
    uint64_t used = all.resident_bytes - before;
    printf("%d behaviours and %d routines at once: %.0f MB resident, %.1f s from the first to the "
           "last\n",
           BEHAVIOURS, ROUTINES, (double)used / 1e6, seconds() - began);
    assert_int_equal(all.odd, 0);
    assert_int_equal(all.ended, ALL);
    assert_true(all.alive_at_once >= ALL);
    assert_true(HAS_ROOM || used < BEHAVIOURS * BEHAVIOUR_MAX + ROUTINES * ROUTINE_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_million_behaviours_and_100_000_routines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
