/*
 * Timers: in order, never early, hardly late, cancelled for sure, and gone with their actor.
 */
#include "cmocka_all.h"
#include "probe.h"

#include <stdlib.h>

/* How late a timer may be: the wheel's coarseness. */
#define LATE_NS (2 * TRP_NS_PER_MS)

typedef struct alarm {
    uint64_t delay_ns;
    uint64_t tag;
    trp_pid to;
    trp_ref ref;
    int result;
} alarm;

static void set(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    alarm *what = arg;
    what->result = trp_timer(ctx, what->delay_ns, what->tag, &what->ref);
}

static void set_interval(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    alarm *what = arg;
    what->result = trp_interval(ctx, what->delay_ns, what->tag, &what->ref);
}

static void set_send_after(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    alarm *what = arg;
    what->result =
        trp_send_after(ctx, what->delay_ns, what->to, probe_value(ctx, what->tag), &what->ref);
}

static void cancel(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    alarm *what = arg;
    what->result = trp_timer_cancel(ctx, what->ref);
}

static alarm arm(fake_host *fake, probe *self, probe_call *how, uint64_t delay_ns, uint64_t tag) {
    alarm what = {.delay_ns = delay_ns, .tag = tag, .to = self->pid, .result = 1};
    probe_do(fake, self, how, &what);
    assert_int_equal(what.result, 0);
    assert_true(what.ref != 0);
    return what;
}

static int disarm(fake_host *fake, probe *self, trp_ref ref) {
    alarm what = {.ref = ref, .result = 1};
    probe_do(fake, self, cancel, &what);
    return what.result;
}

static void test_timer_comes_once_and_on_time(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    uint64_t begin = fake_now(fake);
    alarm what = arm(fake, &a, set, 10 * TRP_NS_PER_MS, 77);
    assert_int_equal(fake_stats(fake).timers, 1);
    assert_true(fake_next_deadline(fake) > begin); /* it may look in on the way */
    assert_true(fake_next_deadline(fake) <= begin + 10 * TRP_NS_PER_MS + LATE_NS);
    fake_advance(fake, 9 * TRP_NS_PER_MS);
    assert_int_equal(a.events_len, 0);
    fake_advance(fake, LATE_NS);
    assert_int_equal(a.events_len, 1);
    assert_ptr_equal(a.events[0].type, &trp_timeout_type);
    assert_true(a.events[0].body.timeout.ref == what.ref);
    assert_int_equal(a.events[0].body.timeout.tag, 77);
    assert_int_equal(fake_stats(fake).timers, 0);
    assert_true(fake_next_deadline(fake) == TRP_NEVER);
    fake_advance(fake, 100 * TRP_NS_PER_S);
    assert_int_equal(a.events_len, 1);
}

static void test_zero_delay_comes_at_once_but_not_inside(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    arm(fake, &a, set, 0, 1);
    fake_advance(fake, LATE_NS);
    assert_int_equal(a.events_len, 1);
}

static void test_timers_come_in_order_of_their_deadlines(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    static const uint64_t delays_ms[] = {50, 5, 500, 20, 5000, 10, 70000, 1, 300, 1000};
    enum { N = sizeof delays_ms / sizeof delays_ms[0] };
    probe_spawn(fake, &a);
    for (size_t i = 0; i < N; i++) {
        arm(fake, &a, set, delays_ms[i] * TRP_NS_PER_MS, delays_ms[i]);
    }
    assert_int_equal(fake_stats(fake).timers, N);
    fake_advance(fake, 100 * TRP_NS_PER_S);
    assert_int_equal(a.events_len, N);
    for (size_t i = 1; i < N; i++) {
        assert_true(a.events[i - 1].body.timeout.tag < a.events[i].body.timeout.tag);
    }
}

static void test_equal_deadlines_come_in_the_order_of_arming(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe *self = &a;
    alarm alarms[20];
    /* Each scheduler has a clock of its own: the order holds for who stays on one. */
    trp_spawn_options options = {.size = sizeof options, .pinned = true};
    assert_int_equal(
        trp_spawn_opt(fake_root(fake), &probe_behaviour, &self, &options, &a.pid, NULL), 0);
    for (uint64_t i = 0; i < 20; i++) {
        alarms[i] = (alarm){.delay_ns = 30 * TRP_NS_PER_MS, .tag = i};
        probe_ask(fake_root(fake), a.pid, set, &alarms[i]);
    }
    fake_advance(fake, 40 * TRP_NS_PER_MS);
    assert_int_equal(a.events_len, 20);
    for (uint64_t i = 0; i < 20; i++) {
        assert_int_equal(a.events[i].body.timeout.tag, i);
    }
}

static void test_cancelled_timer_never_comes(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    alarm first = arm(fake, &a, set, 10 * TRP_NS_PER_MS, 1);
    arm(fake, &a, set, 10 * TRP_NS_PER_MS, 2);
    assert_int_equal(disarm(fake, &a, first.ref), 0);
    assert_int_equal(disarm(fake, &a, first.ref), TRP_ENOENT);
    assert_int_equal(fake_stats(fake).timers, 1);
    fake_advance(fake, TRP_NS_PER_S);
    assert_int_equal(a.events_len, 1);
    assert_int_equal(a.events[0].body.timeout.tag, 2);
    assert_int_equal(disarm(fake, &a, a.events[0].body.timeout.ref), TRP_ENOENT);
}

static void test_cancel_of_what_never_was(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {0};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    alarm what = arm(fake, &a, set, 10 * TRP_NS_PER_MS, 1);
    assert_int_equal(disarm(fake, &a, 0), TRP_ENOENT);
    assert_int_equal(disarm(fake, &a, UINT64_MAX), TRP_ENOENT);
    assert_int_equal(disarm(fake, &b, what.ref), TRP_ENOENT);
    fake_advance(fake, TRP_NS_PER_S);
    assert_int_equal(a.events_len, 1);
}

/*
 * Both are due in the same step; the first handler cancels the second, whose message may already
 * wait in the mailbox.
 */
static void cancel_the_other(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)message;
    if (self->events_len == 1) {
        alarm *other = self->arg;
        other->result = trp_timer_cancel(ctx, other->ref);
    }
}

static void test_cancel_takes_back_a_timer_that_has_fired_but_waits(void **state) {
    fake_host *fake = *state;
    alarm other = {0};
    probe a = {.on_message = cancel_the_other, .arg = &other};
    probe_spawn(fake, &a);
    arm(fake, &a, set, 10 * TRP_NS_PER_MS, 1);
    other = arm(fake, &a, set, 10 * TRP_NS_PER_MS, 2);
    fake_clock_jump(fake, TRP_NS_PER_S);
    fake_run(fake);
    assert_int_equal(other.result, 0);
    assert_int_equal(a.events_len, 1);
    assert_int_equal(a.events[0].body.timeout.tag, 1);
}

static void test_interval_repeats_until_cancelled(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    uint64_t begin = fake_now(fake);
    alarm what = arm(fake, &a, set_interval, 10 * TRP_NS_PER_MS, 3);
    fake_advance(fake, 105 * TRP_NS_PER_MS);
    assert_in_range(a.events_len, 9, 10); /* the wheel's coarseness may add up */
    for (uint32_t i = 0; i < a.events_len; i++) {
        assert_true(a.events[i].body.timeout.ref == what.ref);
        assert_true(a.events[i].at_ns >= begin + (i + 1) * 10 * TRP_NS_PER_MS);
    }
    uint32_t seen = a.events_len;
    assert_int_equal(disarm(fake, &a, what.ref), 0);
    fake_advance(fake, TRP_NS_PER_S);
    assert_int_equal(a.events_len, seen);
    assert_int_equal(fake_stats(fake).timers, 0);
}

/* An interval that was late does not make up for it. */
static void test_late_interval_does_not_come_twice_in_a_row(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    arm(fake, &a, set_interval, 10 * TRP_NS_PER_MS, 3);
    fake_clock_jump(fake, 1005 * TRP_NS_PER_MS);
    fake_run(fake);
    assert_int_equal(a.events_len, 1);
    fake_advance(fake, 10 * TRP_NS_PER_MS + LATE_NS);
    assert_in_range(a.events_len, 2, 3);
}

static void cancel_my_interval(trp_ctx *ctx, probe *self, trp_message *message) {
    const trp_timeout *timeout = trp_message_body(message);
    if (self->events_len == 3) {
        assert_int_equal(trp_timer_cancel(ctx, timeout->ref), 0);
    }
}

static void test_interval_can_be_cancelled_in_its_own_handler(void **state) {
    fake_host *fake = *state;
    probe a = {.on_message = cancel_my_interval};
    probe_spawn(fake, &a);
    arm(fake, &a, set_interval, TRP_NS_PER_MS, 3);
    fake_advance(fake, TRP_NS_PER_S);
    assert_int_equal(a.events_len, 3);
    assert_int_equal(fake_stats(fake).timers, 0);
}

static void test_send_after_sends_to_another(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {0};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    alarm what = {.delay_ns = 10 * TRP_NS_PER_MS, .tag = 5, .to = b.pid};
    probe_do(fake, &a, set_send_after, &what);
    assert_int_equal(what.result, 0);
    fake_advance(fake, 9 * TRP_NS_PER_MS);
    assert_int_equal(b.events_len, 0);
    fake_advance(fake, LATE_NS);
    assert_int_equal(b.events_len, 1);
    assert_int_equal(b.events[0].value, 5);
    assert_int_equal(a.events_len, 0);
}

static void test_send_after_can_be_cancelled(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    alarm what = arm(fake, &a, set_send_after, 10 * TRP_NS_PER_MS, 5);
    assert_int_equal(disarm(fake, &a, what.ref), 0);
    fake_advance(fake, TRP_NS_PER_S);
    assert_int_equal(a.events_len, 0);
    assert_int_equal(fake_stats(fake).dead_letters, 0);
}

static void test_send_after_to_the_dead_is_a_dead_letter(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {0};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    alarm what = {.delay_ns = 10 * TRP_NS_PER_MS, .tag = 5, .to = b.pid};
    probe_do(fake, &a, set_send_after, &what);
    probe_do(fake, &b, probe_call_stop, NULL);
    fake_advance(fake, TRP_NS_PER_S);
    assert_int_equal(fake_stats(fake).dead_letters, 1);
}

/* ---- exit after a time ---- */

typedef struct exit_alarm {
    uint64_t delay_ns;
    trp_pid pid;
    trp_exit reason;
    trp_ref ref;
    int result;
} exit_alarm;

static void set_exit_after(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    exit_alarm *what = arg;
    what->result = trp_exit_after(ctx, what->delay_ns, what->pid, &what->reason, &what->ref);
}

static exit_alarm arm_exit(fake_host *fake, probe *owner, trp_pid pid, trp_exit_kind kind) {
    exit_alarm what = {.delay_ns = 10 * TRP_NS_PER_MS, .pid = pid, .result = 1};
    what.reason = trp_exit_make(kind, 9, "its time is over");
    probe_do(fake, owner, set_exit_after, &what);
    assert_int_equal(what.result, 0);
    return what;
}

static void test_exit_after_ends_with_its_reason(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {0};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    (void)arm_exit(fake, &a, b.pid, TRP_EXIT_ERROR);
    fake_advance(fake, 9 * TRP_NS_PER_MS);
    assert_true(trp_is_alive(fake_root(fake), b.pid));
    fake_advance(fake, LATE_NS);
    assert_false(trp_is_alive(fake_root(fake), b.pid));
    assert_int_equal(b.terminates, 1);
    assert_int_equal(b.reason.kind, TRP_EXIT_ERROR);
    assert_int_equal(b.reason.code, 9);
    assert_string_equal(b.reason.text, "its time is over");
    assert_true(trp_is_alive(fake_root(fake), a.pid));
}

static void test_exit_after_is_cancelled_or_goes_with_its_owner(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {0};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    exit_alarm what = arm_exit(fake, &a, b.pid, TRP_EXIT_ERROR);
    assert_int_equal(disarm(fake, &a, what.ref), 0);
    (void)arm_exit(fake, &a, b.pid, TRP_EXIT_KILLED);
    probe_do(fake, &a, probe_call_stop, NULL);
    fake_advance(fake, TRP_NS_PER_S);
    assert_true(trp_is_alive(fake_root(fake), b.pid));
    assert_int_equal(b.terminates, 0);
}

/* Sends to another just before the kill that is due at the same instant. */
static void send_three(trp_ctx *ctx, probe *self) {
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(probe_send(ctx, *(trp_pid *)self->arg, i), 0);
    }
}

static void send_three_at_a_timeout(trp_ctx *ctx, probe *self, trp_message *message) {
    if (trp_message_is(message, &trp_timeout_type)) {
        send_three(ctx, self);
    }
}

static void test_kill_after_overtakes_what_waits(void **state) {
    fake_host *fake = *state;
    probe b = {0};
    probe a = {.on_message = send_three_at_a_timeout, .arg = &b.pid};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    (void)arm(fake, &a, set, 10 * TRP_NS_PER_MS, 1);
    (void)arm_exit(fake, &a, b.pid, TRP_EXIT_KILLED);
    fake_advance(fake, 20 * TRP_NS_PER_MS);
    assert_false(trp_is_alive(fake_root(fake), b.pid));
    assert_int_equal(b.terminates, 0);
    /* With other schedulers some may have been handled before the kill came. */
    if (fake->schedulers == 1) {
        assert_int_equal(b.events_len, 0);
    }
    assert_int_equal(b.events_len + fake_stats(fake).dead_letters, 3);
}

static void test_timers_go_with_their_actor(void **state) {
    fake_host *fake = *state;
    probe b = {0};
    probe_spawn(fake, &b);
    for (int i = 0; i < 20; i++) {
        probe a = {0};
        probe_spawn(fake, &a);
        arm(fake, &a, set, 10 * TRP_NS_PER_MS, 1);
        arm(fake, &a, set_interval, 10 * TRP_NS_PER_MS, 1);
        alarm what = {.delay_ns = 10 * TRP_NS_PER_MS, .tag = 5, .to = b.pid};
        probe_do(fake, &a, set_send_after, &what);
        probe_do(fake, &a, probe_call_stop, NULL);
        assert_int_equal(fake_stats(fake).timers, 0);
        fake_advance(fake, TRP_NS_PER_S);
        assert_int_equal(a.events_len, 0);
    }
    assert_int_equal(b.events_len, 0);
    assert_int_equal(fake_stats(fake).dead_letters, 0);
}

/* The clock of a scheduler that has slept is that of its last step until somebody looks. */
static void arm_in_init(trp_ctx *ctx, probe *self) {
    (void)self;
    assert_int_equal(trp_timer(ctx, 5 * TRP_NS_PER_S, 1, NULL), 0);
}

static void test_timer_armed_between_steps_counts_from_now(void **state) {
    fake_host *fake = *state;
    probe early = {0};
    probe_spawn(fake, &early);
    fake_run(fake);
    fake_clock_jump(fake, 3600 * TRP_NS_PER_S);
    probe a = {.on_init = arm_in_init};
    probe_spawn(fake, &a);
    fake_run(fake);
    fake_advance(fake, 4 * TRP_NS_PER_S);
    assert_int_equal(a.events_len, 0);
    fake_advance(fake, 2 * TRP_NS_PER_S);
    assert_int_equal(a.events_len, 1);
}

static void test_root_has_no_timers(void **state) {
    fake_host *fake = *state;
    assert_int_equal(trp_timer(fake_root(fake), 1, 1, NULL), TRP_ESTATE);
    assert_int_equal(trp_interval(fake_root(fake), 1, 1, NULL), TRP_ESTATE);
    assert_int_equal(trp_timer_cancel(fake_root(fake), 1), TRP_ENOENT);
}

/* Jumps over every level of a wheel, forwards only, up to years; and the longest delay there is. */
static void test_big_jumps_fire_what_is_due_and_nothing_else(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    uint64_t delay = TRP_NS_PER_MS;
    uint32_t expected = 0;
    for (int i = 0; i < 20; i++, delay *= 3) {
        arm(fake, &a, set, delay, (uint64_t)i);
        arm(fake, &a, set, delay * 2, 1000);
        fake_clock_jump(fake, delay + LATE_NS + delay / 256);
        fake_run(fake);
        expected++;
        assert_true(a.events_len >= expected);
        fake_clock_jump(fake, 2 * delay + LATE_NS);
        fake_run(fake);
        expected++;
        assert_int_equal(a.events_len, expected);
    }
    arm(fake, &a, set, TRP_NEVER, 1);
    arm(fake, &a, set, TRP_NEVER - 1, 1);
    fake_clock_jump(fake, UINT64_C(1) << 60);
    fake_run(fake);
    assert_int_equal(a.events_len, expected);
}

/*
 * A hundred thousand timers with random delays and cancels, against the simplest model: an array of
 * deadlines.
 */

enum { MANY = 100000 };

typedef struct model {
    uint64_t seed;
    uint64_t *deadlines; /* by tag; 0 = cancelled or fired */
    trp_ref *refs;
    uint64_t fired;
    uint64_t early;
    uint64_t late;
    uint64_t wrong;
    uint64_t last_deadline;
} model;

static void arm_many(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    model *all = arg;
    for (uint64_t i = 0; i < MANY; i++) {
        uint64_t delay = fake_random(&all->seed) >> (20 + fake_random_below(&all->seed, 24));
        assert_int_equal(trp_timer(ctx, delay, i, &all->refs[i]), 0);
        all->deadlines[i] = trp_now_ns(ctx) + delay;
    }
}

static void check_one(trp_ctx *ctx, probe *self, trp_message *message) {
    model *all = self->arg;
    const trp_timeout *timeout = trp_message_body(message);
    uint64_t deadline = all->deadlines[timeout->tag];
    uint64_t now = trp_now_ns(ctx);
    all->fired++;
    all->wrong += deadline == 0;
    all->early += now < deadline;
    all->late += now > deadline + LATE_NS;
    all->deadlines[timeout->tag] = 0;
    uint64_t other = fake_random_below(&all->seed, MANY);
    if (fake_random_below(&all->seed, 4) == 0) {
        int result = trp_timer_cancel(ctx, all->refs[other]);
        all->wrong += (result == 0) != (all->deadlines[other] != 0);
        all->deadlines[other] = 0;
    }
}

static void test_random_timers_agree_with_a_model(void **state) {
    fake_host *fake = *state;
    model all = {.seed = 5};
    all.deadlines = calloc(MANY, sizeof *all.deadlines);
    all.refs = calloc(MANY, sizeof *all.refs);
    assert_non_null(all.deadlines);
    assert_non_null(all.refs);
    probe a = {.on_message = check_one, .arg = &all};
    probe_spawn(fake, &a);
    probe_do(fake, &a, arm_many, &all);
    fake_advance(fake, UINT64_C(1) << 44);
    assert_int_equal(all.early, 0);
    assert_int_equal(all.late, 0);
    assert_int_equal(all.wrong, 0);
    assert_true(all.fired > MANY / 2);
    for (size_t i = 0; i < MANY; i++) {
        assert_true(all.deadlines[i] == 0);
    }
    assert_int_equal(fake_stats(fake).timers, 0);
    free(all.deadlines);
    free(all.refs);
}

/* Nothing is allocated when it fires. */
static void test_timers_fire_without_memory(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    for (uint64_t i = 0; i < 40; i++) {
        arm(fake, &a, set, i * TRP_NS_PER_MS, i);
        arm(fake, &a, set_send_after, i * TRP_NS_PER_MS, i);
    }
    uint32_t before = a.events_len;
    fake->memory.fail_all = true;
    fake_clock_jump(fake, TRP_NS_PER_S);
    fake_step(fake, 0, NULL);
    fake->memory.fail_all = false;
    fake_run(fake);
    assert_true(before < 80);
    assert_int_equal(a.events_len, 80);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_timer_comes_once_and_on_time),
        FAKE_TEST(test_zero_delay_comes_at_once_but_not_inside),
        FAKE_TEST(test_timers_come_in_order_of_their_deadlines),
        FAKE_TEST(test_equal_deadlines_come_in_the_order_of_arming),
        FAKE_TEST(test_cancelled_timer_never_comes),
        FAKE_TEST(test_cancel_of_what_never_was),
        FAKE_TEST(test_cancel_takes_back_a_timer_that_has_fired_but_waits),
        FAKE_TEST(test_interval_repeats_until_cancelled),
        FAKE_TEST(test_late_interval_does_not_come_twice_in_a_row),
        FAKE_TEST(test_interval_can_be_cancelled_in_its_own_handler),
        FAKE_TEST(test_send_after_sends_to_another),
        FAKE_TEST(test_send_after_can_be_cancelled),
        FAKE_TEST(test_send_after_to_the_dead_is_a_dead_letter),
        FAKE_TEST(test_exit_after_ends_with_its_reason),
        FAKE_TEST(test_exit_after_is_cancelled_or_goes_with_its_owner),
        FAKE_TEST(test_kill_after_overtakes_what_waits),
        FAKE_TEST(test_timers_go_with_their_actor),
        FAKE_TEST(test_timer_armed_between_steps_counts_from_now),
        FAKE_TEST(test_root_has_no_timers),
        FAKE_TEST(test_big_jumps_fire_what_is_due_and_nothing_else),
        FAKE_TEST(test_random_timers_agree_with_a_model),
        FAKE_TEST(test_timers_fire_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
