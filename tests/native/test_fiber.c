/*
 * Fibers by themselves: what a switch keeps, what an overflow does for each kind of guard, and that stacks are used again.
 */
#include "fiber.h"
#include "fiber_sanitize.h"
#include "fiber_stack.h"

#include "cmocka_all.h"

#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(TRPI_FIBER_ASAN) || defined(TRPI_FIBER_TSAN)
enum { MANY = 1000, IS_SANITIZED = 1 };
#else
enum { MANY = 100000, IS_SANITIZED = 0 };
#endif
enum { STACK = 64 * 1024 };

static trpi_fiber_pool *make_pool(trpi_guard best) {
    trpi_fiber_pool *pool = trpi_fiber_pool_create(best);
    assert_non_null(pool);
    return pool;
}

static trpi_fiber *make_fiber(trpi_fiber_pool *pool, void (*entry)(void *arg), void *arg) {
    trpi_fiber *fiber = trpi_fiber_create(pool, STACK, entry, arg);
    assert_non_null(fiber);
    return fiber;
}

static void count_up(void *arg) {
    int *count = arg;
    for (;;) {
        (*count)++;
        trpi_fiber_yield();
    }
}

static void test_switch_goes_on_where_it_stopped(void **state) {
    (void)state;
    trpi_fiber_pool *pool = make_pool(TRPI_GUARD_MARKED);
    int count = 0;
    trpi_fiber *fiber = make_fiber(pool, count_up, &count);
    assert_int_equal(count, 0);
    for (int i = 1; i <= 3; i++) {
        assert_true(trpi_fiber_switch(fiber));
        assert_int_equal(count, i);
    }
    trpi_fiber_destroy(fiber);
    trpi_fiber_pool_destroy(pool);
}

static void test_fiber_never_run_is_destroyed(void **state) {
    (void)state;
    trpi_fiber_pool *pool = make_pool(TRPI_GUARD_MARKED);
    trpi_fiber_destroy(make_fiber(pool, count_up, NULL));
    trpi_fiber_pool_destroy(pool);
}

/* Values that a compiler keeps in registers across the yield, integers and floating point. */
static void keep_values(void *arg) {
    volatile int64_t *result = arg;
    int64_t a = result[0], b = result[1], c = result[2], d = result[3], e = result[4];
    double x = (double)a / 3, y = (double)b / 7;
    trpi_fiber_yield();
    result[5] = a + 10 * b + 100 * c + 1000 * d + 10000 * e;
    result[6] = (int64_t)(x * 3 + y * 7 + 0.5);
    trpi_fiber_yield();
}

static void test_switch_keeps_registers(void **state) {
    (void)state;
    trpi_fiber_pool *pool = make_pool(TRPI_GUARD_MARKED);
    volatile int64_t values[2][7] = {{1, 2, 3, 4, 5, 0, 0}, {6, 7, 8, 9, 1, 0, 0}};
    trpi_fiber *fibers[2];
    for (int i = 0; i < 2; i++) {
        fibers[i] = make_fiber(pool, keep_values, (void *)(uintptr_t)values[i]);
        assert_true(trpi_fiber_switch(fibers[i]));
    }
    for (int i = 0; i < 2; i++) {
        assert_true(trpi_fiber_switch(fibers[i]));
        trpi_fiber_destroy(fibers[i]);
    }
    assert_int_equal(values[0][5], 54321);
    assert_int_equal(values[0][6], 3);
    assert_int_equal(values[1][5], 19876);
    assert_int_equal(values[1][6], 13);
    trpi_fiber_pool_destroy(pool);
}

static void round_upward(void *arg) {
    int *rounding = arg;
    rounding[0] = fegetround();
    fesetround(FE_UPWARD);
    trpi_fiber_yield();
    rounding[1] = fegetround();
    trpi_fiber_yield();
}

static void test_switch_keeps_rounding_of_each_side(void **state) {
    (void)state;
    trpi_fiber_pool *pool = make_pool(TRPI_GUARD_MARKED);
    int rounding[2] = {-1, -1};
    int before = fegetround();
    trpi_fiber *fiber = make_fiber(pool, round_upward, rounding);
    assert_true(trpi_fiber_switch(fiber));
    assert_int_equal(fegetround(), before);
    assert_true(trpi_fiber_switch(fiber));
    assert_int_equal(fegetround(), before);
    assert_int_equal(rounding[0], before);
    assert_int_equal(rounding[1], FE_UPWARD);
    trpi_fiber_destroy(fiber);
    trpi_fiber_pool_destroy(pool);
}

/* SSE instructions fault on a stack that is not aligned; printf with a double uses them too. */
static void need_alignment(void *arg) {
    _Alignas(16) char block[16];
    volatile uintptr_t address = (uintptr_t)block;
    snprintf(arg, 16, "%.3f %d", 1.5, (int)(address % 16));
    trpi_fiber_yield();
}

static void test_stack_is_aligned(void **state) {
    (void)state;
    trpi_fiber_pool *pool = make_pool(TRPI_GUARD_MARKED);
    char text[16] = "";
    trpi_fiber *fiber = make_fiber(pool, need_alignment, text);
    assert_true(trpi_fiber_switch(fiber));
    assert_string_equal(text, "1.500 0");
    trpi_fiber_destroy(fiber);
    trpi_fiber_pool_destroy(pool);
}

typedef struct nest {
    trpi_fiber_pool *pool;
    int count;
    int outer_yields;
} nest;

static void run_inner(void *arg) {
    nest *shared = arg;
    trpi_fiber *inner = make_fiber(shared->pool, count_up, &shared->count);
    for (int i = 0; i < 3; i++) {
        (void)trpi_fiber_switch(inner);
        shared->outer_yields++;
        trpi_fiber_yield();
    }
    trpi_fiber_destroy(inner);
    trpi_fiber_yield();
}

static void test_fiber_runs_another(void **state) {
    (void)state;
    nest shared = {make_pool(TRPI_GUARD_MARKED), 0, 0};
    trpi_fiber *outer = make_fiber(shared.pool, run_inner, &shared);
    for (int i = 1; i <= 3; i++) {
        assert_true(trpi_fiber_switch(outer));
        assert_int_equal(shared.count, i);
        assert_int_equal(shared.outer_yields, i);
    }
    assert_true(trpi_fiber_switch(outer));
    trpi_fiber_destroy(outer);
    trpi_fiber_pool_destroy(shared.pool);
}

/* ---- overflow ---- */

static int dig(int depth);
static int (*volatile dig_again)(int depth) = dig; /* so that no compiler unrolls it */

static TRPI_NO_SANITIZE int dig(int depth) {
    volatile char room[1024];
    for (size_t i = 0; i < sizeof room; i += 16) {
        room[i + 7] = (char)depth;
    }
    int below = depth == 0 ? 0 : dig_again(depth - 1);
    return below + room[7];
}

static void dig_down(void *arg) {
    *(int *)arg = dig(*(int *)arg);
    trpi_fiber_yield();
}

/* Digs `depth` KiB; true if the fiber was told to have kept within its stack. */
static bool digs(trpi_fiber_pool *pool, int depth, int *result) {
    *result = depth;
    trpi_fiber *fiber = make_fiber(pool, dig_down, result);
    bool good = trpi_fiber_switch(fiber);
    trpi_fiber_destroy(fiber);
    return good;
}

static void overflow_with(trpi_guard guard) {
    trpi_fiber_pool *pool = make_pool(guard);
    int count = 0;
    int result = 0;
    trpi_fiber *other = make_fiber(pool, count_up, &count);
    assert_true(trpi_fiber_guard(other) >= guard);
    assert_true(trpi_fiber_switch(other));
    for (int round = 0; round < 3; round++) {
        assert_true(digs(pool, 40, &result));
        assert_int_not_equal(result, 40); /* it came back from the depth */
        assert_false(digs(pool, 1000000, &result));
        assert_int_equal(result, 1000000); /* it never did */
        assert_true(trpi_fiber_switch(other));
    }
    assert_int_equal(count, 4);
    trpi_fiber_destroy(other);
    trpi_fiber_pool_destroy(pool);
}

static void test_overflow_into_marked_guard_leaves_the_fiber(void **state) {
    (void)state;
    overflow_with(TRPI_GUARD_MARKED);
}

static void test_overflow_into_mapped_guard_leaves_the_fiber(void **state) {
    (void)state;
    overflow_with(TRPI_GUARD_MAPPED);
}

static void slight_overflow_with(trpi_guard guard) {
    trpi_fiber_pool *pool = make_pool(guard);
    int result = 0;
    for (int round = 0; round < 3; round++) {
        assert_false(digs(pool, IS_SANITIZED ? 50 : 66, &result));
        assert_int_not_equal(result, 66); /* the reserve was enough to come back */
        assert_true(digs(pool, 30, &result));
    }
    trpi_fiber_pool_destroy(pool);
}

static void test_slight_overflow_uses_the_reserve_and_is_told(void **state) {
    (void)state;
    if (IS_SANITIZED) {
        skip(); /* frames have other sizes */
    }
    slight_overflow_with(TRPI_GUARD_MARKED);
    slight_overflow_with(TRPI_GUARD_MAPPED);
}

static void test_slight_overflow_without_guard_is_told(void **state) {
    (void)state;
    if (IS_SANITIZED) {
        skip();
    }
    slight_overflow_with(TRPI_GUARD_NONE);
}

static void dig_deep_without_guard(void) {
    trpi_fiber_pool *pool = trpi_fiber_pool_create(TRPI_GUARD_NONE);
    int depth = 100;
    for (int i = 0; i < 4; i++) { /* the one that overflows must have a neighbour below */
        depth = 10;
        (void)trpi_fiber_switch(trpi_fiber_create(pool, STACK, dig_down, &depth));
    }
    depth = 100;
    (void)trpi_fiber_switch(trpi_fiber_create(pool, STACK, dig_down, &depth));
}

/* Runs `act` in a child process and returns its wait status. */
static int status_of_child(void (*act)(void)) {
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)freopen("/dev/null", "w", stderr);
        act();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void test_overflow_into_a_neighbour_is_fatal(void **state) {
    (void)state;
    if (IS_SANITIZED) {
        skip();
    }
    int status = status_of_child(dig_deep_without_guard);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* ---- other faults ---- */

static void say_seven(int number) {
    (void)number;
    _exit(7);
}

static void touch_nothing(void *arg) {
    **(char *volatile *)arg = 1;
    trpi_fiber_yield();
}

static void fault_in_fiber(void) {
    trpi_fiber_pool *pool = trpi_fiber_pool_create(TRPI_GUARD_MARKED);
    char *nowhere = (char *)(uintptr_t)16;
    (void)trpi_fiber_switch(trpi_fiber_create(pool, STACK, touch_nothing, &nowhere));
}

static void fault_with_own_handler(void) {
    signal(SIGSEGV, say_seven);
    fault_in_fiber();
}

static void fault_without_handler(void) {
    signal(SIGSEGV, SIG_DFL);
    fault_in_fiber();
}

static void test_another_fault_goes_to_the_previous_handler(void **state) {
    (void)state;
    int status = status_of_child(fault_with_own_handler);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

static void test_another_fault_without_handler_ends_the_process(void **state) {
    (void)state;
    int status = status_of_child(fault_without_handler);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static void test_handler_goes_with_the_last_pool(void **state) {
    (void)state;
    struct sigaction before, during, after;
    sigaction(SIGSEGV, NULL, &before);
    trpi_fiber_pool *pool = make_pool(TRPI_GUARD_MARKED);
    trpi_fiber *fiber = make_fiber(pool, count_up, NULL);
    sigaction(SIGSEGV, NULL, &during);
    trpi_fiber_destroy(fiber);
    trpi_fiber_pool_destroy(pool);
    sigaction(SIGSEGV, NULL, &after);
    assert_true(before.sa_handler == after.sa_handler);
    assert_true(before.sa_handler != during.sa_handler);
}

/* ---- many ---- */

static void many_with(trpi_guard guard, int many) {
    trpi_fiber_pool *pool = make_pool(guard);
    trpi_fiber **fibers = calloc((size_t)many, sizeof(trpi_fiber *));
    int *counts = calloc((size_t)many, sizeof *counts);
    assert_non_null(fibers);
    assert_non_null(counts);
    for (int i = 0; i < many; i++) {
        fibers[i] = make_fiber(pool, count_up, &counts[i]);
    }
    for (int i = 0; i < 2 * many; i++) {
        assert_true(trpi_fiber_switch(fibers[i % many]));
    }
    int wrong = 0;
    for (int i = 0; i < many; i++) {
        wrong += counts[i] != 2;
        trpi_fiber_destroy(fibers[i]);
    }
    assert_int_equal(wrong, 0);
    free(counts);
    free(fibers);
    trpi_fiber_pool_destroy(pool);
}

static void test_many_live_at_once(void **state) {
    (void)state;
    many_with(TRPI_GUARD_MARKED, MANY);
}

static void test_beyond_the_mapping_limit_stacks_have_no_guard(void **state) {
    (void)state;
    if (IS_SANITIZED) {
        skip(); /* too few fit */
    }
    trpi_fiber_pool *pool = make_pool(TRPI_GUARD_MAPPED);
    int unguarded = 0;
    trpi_fiber **fibers = calloc(MANY, sizeof(trpi_fiber *));
    assert_non_null(fibers);
    for (int i = 0; i < MANY; i++) {
        fibers[i] = make_fiber(pool, count_up, NULL);
        unguarded += trpi_fiber_guard(fibers[i]) == TRPI_GUARD_NONE;
    }
    assert_int_equal(trpi_fiber_guard(fibers[0]), TRPI_GUARD_MAPPED);
    assert_true(unguarded > 0);
    for (int i = 0; i < MANY; i++) {
        trpi_fiber_destroy(fibers[i]);
    }
    trpi_fiber_pool_destroy(pool);
    free(fibers);
    many_with(TRPI_GUARD_MAPPED, 100); /* what was used of the limit is free again */
}

static void test_sizes_live_side_by_side(void **state) {
    (void)state;
    trpi_fiber_pool *pool = make_pool(TRPI_GUARD_MARKED);
    int results[3] = {4, 100, 1000};
    size_t sizes[3] = {1, 256 * 1024, (size_t)4 * 1024 * 1024};
    for (int i = 0; i < 3; i++) {
        trpi_fiber *fiber = trpi_fiber_create(pool, sizes[i], dig_down, &results[i]);
        assert_non_null(fiber);
        assert_true(trpi_fiber_switch(fiber));
        trpi_fiber_destroy(fiber);
    }
    assert_null(trpi_fiber_create(pool, SIZE_MAX / 2, dig_down, results));
    trpi_fiber_pool_destroy(pool);
}

static void *run_on_thread(void *arg) {
    trpi_fiber_pool *pool = arg;
    int count = 0;
    int result = 0;
    for (int i = 0; i < 200; i++) {
        trpi_fiber *fiber = trpi_fiber_create(pool, STACK, count_up, &count);
        if (fiber == NULL || !trpi_fiber_switch(fiber)) {
            return NULL;
        }
        trpi_fiber_destroy(fiber);
    }
    bool good = count == 200;
    result = 1000000;
    trpi_fiber *fiber = trpi_fiber_create(pool, STACK, dig_down, &result);
    good = good && fiber != NULL && !trpi_fiber_switch(fiber);
    /* One that is destroyed by another thread. */
    trpi_fiber *left = trpi_fiber_create(pool, STACK, count_up, &count);
    good = good && left != NULL && trpi_fiber_switch(left);
    trpi_fiber_destroy(fiber);
    return good ? left : NULL;
}

static void test_threads_share_a_pool(void **state) {
    (void)state;
    trpi_fiber_pool *pool = make_pool(TRPI_GUARD_MARKED);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run_on_thread, pool), 0);
    }
    for (int i = 0; i < 2; i++) {
        void *left = NULL;
        assert_int_equal(pthread_join(threads[i], &left), 0);
        assert_non_null(left);
        trpi_fiber_destroy(left);
    }
    trpi_fiber_pool_destroy(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_switch_goes_on_where_it_stopped),
        cmocka_unit_test(test_fiber_never_run_is_destroyed),
        cmocka_unit_test(test_switch_keeps_registers),
        cmocka_unit_test(test_switch_keeps_rounding_of_each_side),
        cmocka_unit_test(test_stack_is_aligned),
        cmocka_unit_test(test_fiber_runs_another),
        cmocka_unit_test(test_overflow_into_marked_guard_leaves_the_fiber),
        cmocka_unit_test(test_overflow_into_mapped_guard_leaves_the_fiber),
        cmocka_unit_test(test_slight_overflow_uses_the_reserve_and_is_told),
        cmocka_unit_test(test_slight_overflow_without_guard_is_told),
        cmocka_unit_test(test_overflow_into_a_neighbour_is_fatal),
        cmocka_unit_test(test_another_fault_goes_to_the_previous_handler),
        cmocka_unit_test(test_another_fault_without_handler_ends_the_process),
        cmocka_unit_test(test_handler_goes_with_the_last_pool),
        cmocka_unit_test(test_many_live_at_once),
        cmocka_unit_test(test_beyond_the_mapping_limit_stacks_have_no_guard),
        cmocka_unit_test(test_sizes_live_side_by_side),
        cmocka_unit_test(test_threads_share_a_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
