/* Routines on the native host: 100,000 alive at once, and an overflow on a scheduler's own thread. */
#include "fiber_sanitize.h"

#include "cmocka_all.h"
#include "troupe/native.h"
#include "troupe/routine.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(TRPI_FIBER_ASAN) || defined(TRPI_FIBER_TSAN)
enum { MANY = 500 }; /* TSan has room for some thousand fibers, ASan wants a megabyte for each */
#else
enum { MANY = 100000 };
#endif

static atomic_uint waiting;
static atomic_uint ended;

static trp_native *start_host(unsigned schedulers) {
    trp_runtime_config runtime = {.size = sizeof runtime, .actors_max = MANY + 100};
    trp_native_config config = {.size = sizeof config,
                                .schedulers = schedulers,
                                .runtime = &runtime,
                                .log_format = TRP_LOG_FORMAT_NONE};
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

static void wait_until(atomic_uint *counter, unsigned value) {
    for (int ms = 0; atomic_load(counter) != value; ms++) {
        assert_true(ms < 60 * 1000);
        usleep(1000);
    }
}

static uint64_t resident_bytes(void) {
    unsigned long long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%llu %llu", &size, &resident) != 2) {
        resident = 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int wait_for_one(trp_ctx *ctx, void *arg) {
    (void)arg;
    trp_message *message;
    atomic_fetch_add(&waiting, 1);
    int error = trp_receive(ctx, NULL, TRP_NEVER, &message);
    atomic_fetch_add(&ended, 1);
    return error;
}

static const trp_routine waiter = {TRP_ROUTINE("test.waiter", wait_for_one, 0)};

static int spawn_many(trp_ctx *ctx, void *arg) {
    trp_pid *pids = arg;
    int error = 0;
    for (int i = 0; i < MANY && error == 0; i++) {
        error = trp_spawn(ctx, &waiter.behaviour, NULL, &pids[i]);
    }
    return error;
}

static int wake_many(trp_ctx *ctx, void *arg) {
    const trp_pid *pids = arg;
    int error = 0;
    for (int i = 0; i < MANY && error == 0; i++) {
        error = trp_send(ctx, pids[i], trp_message_new_bytes(ctx, NULL, 0));
    }
    return error;
}

static void test_many_routines_live_at_once(void **state) {
    (void)state;
    atomic_store(&waiting, 0);
    atomic_store(&ended, 0);
    trp_pid *pids = calloc(MANY, sizeof *pids);
    assert_non_null(pids);
    trp_native *native = start_host(2);
    uint64_t before = resident_bytes();
    assert_int_equal(trp_native_call_wait(native, 0, spawn_many, pids), 0);
    wait_until(&waiting, MANY);
    print_message("%d routines alive, %llu bytes resident each\n", (int)MANY,
                  (unsigned long long)(resident_bytes() - before) / MANY);
    assert_int_equal(trp_native_call_wait(native, 0, wake_many, pids), 0);
    wait_until(&ended, MANY);
    end_host(native);
    free(pids);
}

static void test_many_routines_end_with_the_host(void **state) {
    (void)state;
    atomic_store(&waiting, 0);
    trp_pid *pids = calloc(MANY, sizeof *pids);
    assert_non_null(pids);
    trp_native *native = start_host(2);
    assert_int_equal(trp_native_call_wait(native, 0, spawn_many, pids), 0);
    wait_until(&waiting, MANY);
    end_host(native);
    free(pids);
}

static int dig(int depth);
static int (*volatile dig_again)(int depth) = dig;

static int dig(int depth) {
    volatile char room[512];
    for (size_t i = 0; i < sizeof room; i += 64) {
        room[i] = (char)depth;
    }
    return depth == 0 ? room[0] : dig_again(depth - 1) + room[64];
}

static int overflow(trp_ctx *ctx, void *arg) {
    (void)ctx;
    (void)arg;
    return dig_again(1000 * 1000);
}

static const trp_routine overflowing = {TRP_ROUTINE("test.overflowing", overflow, 0)};

static int watch(trp_ctx *ctx, void *arg) {
    (void)arg;
    for (int i = 0; i < 10; i++) {
        trp_pid pid;
        trp_exit reason;
        int error = trp_spawn(ctx, &overflowing.behaviour, NULL, &pid);
        if (error != 0) {
            return error;
        }
        error = trp_join(ctx, pid, TRP_NEVER, &reason);
        if (error == 0 && reason.kind == TRP_EXIT_ERROR && reason.code == TRP_EFAILED) {
            atomic_fetch_add(&ended, 1);
        }
    }
    atomic_fetch_add(&waiting, 1);
    return 0;
}

static const trp_routine watcher = {TRP_ROUTINE("test.watcher", watch, 0)};

static int spawn_watcher(trp_ctx *ctx, void *arg) {
    (void)arg;
    return trp_spawn(ctx, &watcher.behaviour, NULL, NULL);
}

static void test_overflow_on_each_scheduler_ends_the_routine_alone(void **state) {
    (void)state;
    atomic_store(&waiting, 0);
    atomic_store(&ended, 0);
    trp_native *native = start_host(2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(trp_native_call_wait(native, i, spawn_watcher, NULL), 0);
    }
    wait_until(&waiting, 2);
    assert_int_equal(atomic_load(&ended), 20);
    end_host(native);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_routines_live_at_once),
        cmocka_unit_test(test_many_routines_end_with_the_host),
        cmocka_unit_test(test_overflow_on_each_scheduler_ends_the_routine_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
