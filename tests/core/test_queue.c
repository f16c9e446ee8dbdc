/*
 * The run queue by itself: nothing is lost or comes twice, what is fresh comes newest first, who has
 * used up a batch comes after what was there before, and nobody waits for ever.
 */
#include "cmocka_all.h"
#include "fake_host.h"
#include "sched/queue.h"

#include <stdlib.h>
#include <string.h>

enum { TASKS = 20000, STEPS = 600000, AT_ONCE = 64, FRESH_LEAST = 16384, FRESH_TIMES = 8 };

typedef struct item {
    trpi_task task; /* first */
    bool is_queued;
    uint64_t since; /* tasks taken when it was added */
} item;

typedef struct model {
    trpi_queue queue;
    item items[TASKS];
    uint64_t taken;
    uint64_t length;
    uint64_t longest;
    uint64_t longest_wait;
} model;

static model *new_model(void) {
    model *all = calloc(1, sizeof *all);
    assert_non_null(all);
    return all;
}

static void push(model *all, size_t index, bool is_fresh) {
    item *one = &all->items[index];
    assert_false(one->is_queued);
    one->is_queued = true;
    one->since = all->taken;
    all->length++;
    all->longest = all->length > all->longest ? all->length : all->longest;
    trpi_queue_push(&all->queue, &one->task, is_fresh);
}

/* The index of what comes next; TASKS if the queue is empty. */
static size_t pop(model *all) {
    item *one = (item *)(void *)trpi_queue_pop(&all->queue, all->taken % 2 == 0);
    if (one == NULL) {
        assert_int_equal(all->length, 0);
        return TASKS;
    }
    assert_true(one->is_queued);
    one->is_queued = false;
    uint64_t wait = all->taken++ - one->since;
    all->longest_wait = wait > all->longest_wait ? wait : all->longest_wait;
    all->length--;
    return (size_t)(one - all->items);
}

static void test_queue_is_first_in_first_out_while_the_ring_holds_it(void **state) {
    (void)state;
    model *all = new_model();
    for (size_t i = 0; i < TRPI_QUEUE_RING; i++) {
        push(all, i, i % 3 == 0);
    }
    for (size_t i = 0; i < TRPI_QUEUE_RING; i++) {
        assert_int_equal(pop(all), i);
    }
    assert_int_equal(pop(all), TASKS);
    free(all);
}

/* A tree of ten children each, 11,111 in all: in depth only a part of its leaves wait at once. */
static void test_tree_is_walked_in_depth(void **state) {
    (void)state;
    model *all = new_model();
    enum { NODES = 11111, LEAVES = 10000 };
    push(all, 0, true);
    for (size_t node = pop(all); node != TASKS; node = pop(all)) {
        for (size_t child = 10 * node + 1; child <= 10 * node + 10 && child < NODES; child++) {
            push(all, child, true);
        }
    }
    assert_int_equal(all->taken, NODES);
    assert_true(all->longest < LEAVES / 2);
    free(all);
}

/* A spawner that makes thousands ready per batch comes again when they have all run. */
static void test_who_used_up_a_batch_comes_after_what_waits(void **state) {
    (void)state;
    model *all = new_model();
    enum { CHILDREN = 6000, SPAWNER = TASKS - 1 };
    for (int batch = 0; batch < 20; batch++) {
        for (size_t i = 0; i < CHILDREN; i++) {
            push(all, i, true);
        }
        push(all, SPAWNER, false);
        for (size_t i = 0; i < CHILDREN; i++) {
            assert_true(pop(all) < CHILDREN);
        }
        assert_int_equal(pop(all), SPAWNER);
    }
    free(all);
}

/* Whatever was taken is made ready again at once, in any way: all others still have their turn. */
static void test_random_tasks_come_once_and_in_their_time(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        model *all = new_model();
        uint64_t random = seed;
        uint64_t fresh_in_8 = fake_random_below(&random, 9);
        size_t tasks = 300 + (size_t)fake_random_below(&random, 3000);
        for (size_t i = 0; i < tasks; i++) {
            push(all, i, fake_random_below(&random, 8) < fresh_in_8);
        }
        for (int step = 0; step < STEPS; step++) {
            push(all, pop(all), fake_random_below(&random, 8) < fresh_in_8);
        }
        while (pop(all) != TASKS) {
        }
        /* As long as its list may stay fresh, and then behind all others. */
        uint64_t bound = FRESH_LEAST + (FRESH_TIMES + 1) * tasks + TRPI_QUEUE_RING + AT_ONCE;
        assert_true(all->longest_wait <= bound);
        free(all);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue_is_first_in_first_out_while_the_ring_holds_it),
        cmocka_unit_test(test_tree_is_walked_in_depth),
        cmocka_unit_test(test_who_used_up_a_batch_comes_after_what_waits),
        cmocka_unit_test(test_random_tasks_come_once_and_in_their_time),
    };
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
