/*
 * The timing wheel by itself, against a model: nothing early, nothing late, nothing lost, in the order
 * of ticks and within a tick in that of arming, whatever level a timer has come through.
 */
#include "base/wheel.h"
#include "cmocka_all.h"
#include "fake_host.h"

#include <stdlib.h>

enum { TIMERS = 2000, STEPS = 20000 };

typedef struct item {
    trpi_timer timer; /* first */
    uint64_t tick;    /* with which it is due */
    uint64_t number;  /* in the order of arming */
    bool is_armed;
} item;

typedef struct model {
    trpi_wheel wheel;
    item items[TIMERS];
    uint64_t now_ns;
    uint64_t armed;
    uint64_t random;
    uint64_t last_tick; /* of what has fired last, as the next */
    uint64_t last_number;
} model;

static uint64_t ceil_tick(uint64_t ns) {
    uint64_t mask = (UINT64_C(1) << TRPI_WHEEL_TICK_BITS) - 1;
    return (ns >> TRPI_WHEEL_TICK_BITS) + ((ns & mask) != 0);
}

/* Spans of all sizes, most of them short. */
static uint64_t random_span(uint64_t *random, unsigned bits) {
    unsigned shift = 64 - (unsigned)fake_random_below(random, bits + 1);
    return shift == 64 ? 0 : fake_random(random) >> shift;
}

static model *new_model(uint64_t seed) {
    model *all = calloc(1, sizeof *all);
    assert_non_null(all);
    all->random = seed;
    all->now_ns = random_span(&all->random, 50);
    trpi_wheel_init(&all->wheel, all->now_ns);
    return all;
}

static void arm(model *all, item *one, uint64_t deadline_ns) {
    uint64_t tick = ceil_tick(deadline_ns);
    one->tick = tick > all->wheel.now ? tick : all->wheel.now + 1;
    one->number = all->armed++;
    one->is_armed = true;
    trpi_wheel_arm(&all->wheel, &one->timer, deadline_ns);
}

/* The earliest tick with which something is due; TRP_NEVER if nothing is armed. */
static uint64_t earliest(const model *all) {
    uint64_t tick = TRP_NEVER;
    for (size_t i = 0; i < TIMERS; i++) {
        tick = all->items[i].is_armed && all->items[i].tick < tick ? all->items[i].tick : tick;
    }
    return tick;
}

static void check_fired(model *all, item *one) {
    assert_true(one->is_armed);
    assert_true(one->tick <= all->wheel.now);
    assert_true(one->timer.deadline_ns <= all->wheel.now << TRPI_WHEEL_TICK_BITS);
    assert_true(one->tick > all->last_tick ||
                (one->tick == all->last_tick && one->number > all->last_number));
    all->last_tick = one->tick;
    all->last_number = one->number;
    one->is_armed = false;
}

/* Advances by a random span, at most to the end of the tick with which `most` are due. */
static void advance(model *all, unsigned bits, uint64_t most) {
    all->now_ns += random_span(&all->random, bits);
    uint64_t fired = 0;
    trpi_timer *timer = trpi_wheel_advance(&all->wheel, all->now_ns, most);
    while (timer != NULL) {
        trpi_timer *next = timer->next;
        check_fired(all, (item *)(void *)timer);
        timer = next;
        fired++;
    }
    assert_true(!trpi_wheel_is_behind(&all->wheel, all->now_ns) || fired >= most);
    assert_true(earliest(all) > all->wheel.now);
}

static void random_step(model *all) {
    item *one = &all->items[fake_random_below(&all->random, TIMERS)];
    uint64_t choice = fake_random_below(&all->random, 16);
    if (choice == 0) {
        advance(all, 42, 1 + random_span(&all->random, 8));
    } else if (one->is_armed && choice < 6) {
        trpi_wheel_cancel(&all->wheel, &one->timer);
        one->is_armed = false;
    } else if (!one->is_armed && choice == 6) {
        arm(all, one, all->now_ns - random_span(&all->random, 20) % (all->now_ns + 1));
    } else if (!one->is_armed) {
        /* Whole ticks, so that many are due with one of them, through various levels. */
        uint64_t ticks = random_span(&all->random, 24);
        arm(all, one, ((all->now_ns >> TRPI_WHEEL_TICK_BITS) + ticks) << TRPI_WHEEL_TICK_BITS);
    }
}

static void test_random_timers_fire_in_order_and_in_time(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        model *all = new_model(seed);
        for (int step = 0; step < STEPS; step++) {
            random_step(all);
            if (step % 64 == 0) {
                uint64_t next_ns = trpi_wheel_next_ns(&all->wheel);
                uint64_t tick = earliest(all);
                assert_true(tick == TRP_NEVER ? next_ns == TRP_NEVER
                                              : next_ns <= tick << TRPI_WHEEL_TICK_BITS);
                assert_true(next_ns > all->wheel.now << TRPI_WHEEL_TICK_BITS);
            }
        }
        free(all);
    }
}

/* One tick, approached from a distance that shrinks: each is armed on the level that is lowest then. */
static void test_timers_of_all_levels_come_in_the_order_of_arming(void **state) {
    (void)state;
    model *all = new_model(3);
    uint64_t deadline_ns = all->now_ns + (UINT64_C(1) << 60);
    size_t count = 0;
    for (unsigned bits = 60; bits > TRPI_WHEEL_TICK_BITS; bits--) {
        all->now_ns = deadline_ns - (UINT64_C(1) << bits);
        assert_null(trpi_wheel_advance(&all->wheel, all->now_ns, UINT64_MAX));
        for (int twice = 0; twice < 2; twice++) {
            arm(all, &all->items[count++], deadline_ns);
        }
    }
    all->now_ns = deadline_ns + (UINT64_C(1) << TRPI_WHEEL_TICK_BITS);
    advance(all, 0, UINT64_MAX);
    for (size_t i = 0; i < count; i++) {
        assert_false(all->items[i].is_armed);
    }
    free(all);
}

static void test_lone_timer_is_waited_for_exactly(void **state) {
    (void)state;
    model *all = new_model(4);
    for (unsigned bits = TRPI_WHEEL_TICK_BITS; bits < 63; bits++) {
        arm(all, &all->items[0], all->now_ns + (UINT64_C(1) << bits));
        assert_int_equal(trpi_wheel_next_ns(&all->wheel),
                         all->items[0].tick << TRPI_WHEEL_TICK_BITS);
        trpi_wheel_cancel(&all->wheel, &all->items[0].timer);
        assert_int_equal(trpi_wheel_next_ns(&all->wheel), TRP_NEVER);
    }
    free(all);
}

/* Many at once: an advance stops behind the tick that has enough, and goes on from there. */
static void test_advance_stops_when_enough_are_due(void **state) {
    (void)state;
    model *all = new_model(5);
    enum { EACH = 10 };
    uint64_t begin = all->wheel.now;
    for (size_t i = 0; i < TIMERS; i++) {
        arm(all, &all->items[i], (begin + 1 + i / EACH) << TRPI_WHEEL_TICK_BITS);
    }
    all->now_ns = (begin + TIMERS) << TRPI_WHEEL_TICK_BITS;
    for (uint64_t fired = 0; fired < TIMERS; fired += 3 * EACH) {
        assert_true(trpi_wheel_is_behind(&all->wheel, all->now_ns));
        advance(all, 0, 2 * EACH + 1);
        uint64_t ticks = (fired + 3 * EACH) / EACH;
        assert_int_equal(all->last_tick, begin + (ticks < TIMERS / EACH ? ticks : TIMERS / EACH));
    }
    assert_false(trpi_wheel_is_behind(&all->wheel, all->now_ns));
    free(all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_timers_fire_in_order_and_in_time),
        cmocka_unit_test(test_timers_of_all_levels_come_in_the_order_of_arming),
        cmocka_unit_test(test_lone_timer_is_waited_for_exactly),
        cmocka_unit_test(test_advance_stops_when_enough_are_due),
    };
    return cmocka_run_group_tests_name("wheel", tests, NULL, NULL);
}
