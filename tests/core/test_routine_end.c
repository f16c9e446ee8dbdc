/*
 * How routines end: by themselves, by others while they wait, by an overflow of their stack, and with the runtime.
 */
#include "cmocka_all.h"
#include "routine_fixture.h"
#include "troupe/ending.h"
#include "troupe/link.h"
#include "troupe/name.h"

#include <stdlib.h>

enum { MS = 1000 * 1000 };

static int wait_for_ever(trp_ctx *ctx, script *self) {
    while (script_receive(ctx, self, 5, TRP_NEVER) == 0) { /* there is no such message */
    }
    return 0;
}

/* ---- by itself ---- */

static int fail_with_42(trp_ctx *ctx, script *self) {
    (void)ctx;
    (void)self;
    return 42;
}

static void test_result_of_the_body_is_the_reason(void **state) {
    fake_host *fake = *state;
    script a = {.body = fail_with_42};
    script_start(fake, &a);
    (void)script_ended(&a, TRP_EXIT_ERROR, 42);
    assert_int_equal(fake_stats(fake).failures, 1);
}

static int fail_in_the_middle(trp_ctx *ctx, script *self) {
    trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, 3, "half way");
    trp_exit later = trp_exit_make(TRP_EXIT_ERROR, 4, "too late");
    trp_fail(ctx, &reason);
    script_note(self, 1); /* trp_fail returns */
    trp_fail(ctx, &later);
    (void)trp_sleep(ctx, 1);
    script_note(self, 2);
    return 0;
}

static void test_fail_ends_it_when_it_waits(void **state) {
    fake_host *fake = *state;
    script a = {.body = fail_in_the_middle};
    script_start(fake, &a);
    assert_string_equal(script_ended(&a, TRP_EXIT_ERROR, 3)->text, "half way");
    SCRIPT_ASSERT(&a, 1);
    assert_int_equal(fake_stats(fake).timers, 0);
}

static void abort_below(trp_ctx *ctx, int depth);
static void (*volatile abort_deeper)(trp_ctx *ctx, int depth) = abort_below;

static void abort_below(trp_ctx *ctx, int depth) {
    volatile char room[128] = {0};
    if (depth > 0) {
        abort_deeper(ctx, depth - 1);
    } else {
        trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, room[5] + 9, "no further");
        trp_abort(ctx, &reason);
    }
}

static int abort_deep(trp_ctx *ctx, script *self) {
    void *memory = trp_alloc(ctx, 1000); /* is freed with it */
    trp_message *lent = NULL;
    script_note(self, memory != NULL);
    (void)trp_receive(ctx, NULL, TRP_NEVER, &lent);
    (void)trp_message_take(ctx, lent);
    (void)trp_receive(ctx, NULL, TRP_NEVER, &lent);
    abort_below(ctx, 20);
    script_note(self, 2);
    return 0;
}

static void test_abort_ends_it_where_it_is(void **state) {
    fake_host *fake = *state;
    script a = {.body = abort_deep};
    script_start(fake, &a);
    SCRIPT_SEND(fake, a.pid, 1, 2, 3);
    assert_string_equal(script_ended(&a, TRP_EXIT_ERROR, 9)->text, "no further");
    SCRIPT_ASSERT(&a, 1);
    assert_int_equal(fake->scheduler[0].abandons, 0); /* its stack is dropped, no step is left */
    assert_int_equal(fake_stats(fake).dead_letters, 1);
}

/* ---- by others, while it waits ---- */

static int wait_in_call(trp_ctx *ctx, script *self) {
    trp_message *reply = NULL;
    script_note(self, trp_call(ctx, self->other, probe_value(ctx, 1), TRP_NEVER, &reply));
    return 0;
}

static int wait_in_sleep(trp_ctx *ctx, script *self) {
    script_note(self, trp_sleep(ctx, TRP_NS_PER_S));
    return 0;
}

static int wait_in_join(trp_ctx *ctx, script *self) {
    script_note(self, trp_join(ctx, self->other, TRP_NEVER, NULL));
    return 0;
}

static void never_answer(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)self;
    (void)trp_message_take(ctx, message);
}

/* Every way to wait, ended by `end`. */
static void end_while_waiting(fake_host *fake, void (*end)(fake_host *fake, trp_pid pid),
                              trp_exit_kind kind) {
    static int (*const bodies[])(trp_ctx * ctx, script * self) = {wait_for_ever, wait_in_call,
                                                                  wait_in_sleep, wait_in_join};
    probe other = {.on_message = never_answer};
    probe_spawn(fake, &other);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        script a = {.body = bodies[i], .other = other.pid};
        script_start(fake, &a);
        SCRIPT_SEND(fake, a.pid, 1, 2);
        script_lives(&a);
        end(fake, a.pid);
        fake_run(fake);
        (void)script_ended(&a, kind, 0);
        assert_int_equal(a.values_len, 0);
        assert_false(a.has_returned);
    }
    assert_int_equal(fake_stats(fake).timers, 0);
    assert_int_equal(atomic_load(&fake->fibers_live), 0);
    assert_int_equal(fake_stats(fake).dead_letters, 8);
}

static void kill_it(fake_host *fake, trp_pid pid) {
    assert_int_equal(trp_kill(fake_root(fake), pid), 0);
}

static void test_kill_ends_it_in_any_wait(void **state) {
    end_while_waiting(*state, kill_it, TRP_EXIT_KILLED);
}

static void test_routine_killed_before_it_begins_leaves_no_letter(void **state) {
    fake_host *fake = *state;
    script a = {.body = NULL}; /* is never called */
    assert_int_equal(script_spawn(fake, &a), 0);
    assert_int_equal(trp_kill(fake_root(fake), a.pid), 0);
    fake_run(fake);
    assert_false(a.has_begun);
    assert_false(trp_is_alive(fake_root(fake), a.pid));
    assert_int_equal(fake_stats(fake).dead_letters, 0);
    assert_int_equal(fake_stats(fake).late_replies, 0);
}

static void stop_it(fake_host *fake, trp_pid pid) {
    trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, "enough");
    assert_int_equal(trp_stop(fake_root(fake), pid, &reason), 0);
}

static void test_stop_ends_it_in_any_wait(void **state) {
    end_while_waiting(*state, stop_it, TRP_EXIT_SHUTDOWN);
}

static int link_and_wait(trp_ctx *ctx, script *self) {
    trp_message *message = NULL;
    trp_trap_exit(ctx, self->arg != NULL);
    script_note(self, trp_link(ctx, self->other, 77));
    script_note(self, trp_receive(ctx, &(trp_filter){sizeof(trp_filter), &(uint64_t){77}, 1, 0},
                                  TRP_NEVER, &message));
    const trp_exited *exited = trp_message_as(message, &trp_exited_type);
    script_note(self, exited == NULL ? -1 : exited->reason.code);
    return 0;
}

static void test_link_ends_it_while_it_waits(void **state) {
    fake_host *fake = *state;
    probe b = {0};
    probe_spawn(fake, &b);
    script a = {.body = link_and_wait, .other = b.pid};
    script_start(fake, &a);
    probe_do(fake, &b, probe_call_fail, NULL);
    (void)script_ended(&a, TRP_EXIT_ERROR, 7);
    SCRIPT_ASSERT(&a, 0);
}

static void test_trapped_exit_comes_as_a_message(void **state) {
    fake_host *fake = *state;
    probe b = {0};
    probe_spawn(fake, &b);
    script a = {.body = link_and_wait, .other = b.pid, .arg = &b};
    script_start(fake, &a);
    probe_do(fake, &b, probe_call_fail, NULL);
    SCRIPT_ASSERT(&a, 0, 0, 7);
    (void)script_ended(&a, TRP_EXIT_NORMAL, 0);
}

static int link_child_and_fail(trp_ctx *ctx, script *self) {
    script *child = self->arg;
    trp_spawn_options options = {.size = sizeof options, .link = true};
    script_note(self,
                trp_spawn_opt(ctx, &script_routine.behaviour, &child, &options, &child->pid, NULL));
    (void)trp_yield(ctx);
    return 11;
}

static void test_failing_routine_takes_its_linked_child_along(void **state) {
    fake_host *fake = *state;
    script child = {.body = wait_for_ever};
    script a = {.body = link_child_and_fail, .arg = &child};
    script_start(fake, &a);
    fake_run(fake);
    SCRIPT_ASSERT(&a, 0);
    assert_true(child.has_begun);
    assert_false(trp_is_alive(fake_root(fake), child.pid));
    assert_int_equal(fake_stats(fake).failures, 2);
}

static int drain_and_stop(trp_ctx *ctx, script *self) {
    for (int i = 0; i < 3; i++) {
        (void)script_receive(ctx, self, 0, TRP_NEVER);
    }
    return 0;
}

static void test_drain_lets_it_handle_what_is_there(void **state) {
    fake_host *fake = *state;
    script a = {.body = drain_and_stop};
    script_start(fake, &a);
    trp_ctx *root = fake_root(fake);
    assert_int_equal(probe_send(root, a.pid, 1), 0);
    assert_int_equal(probe_send(root, a.pid, 2), 0);
    assert_int_equal(trp_drain(root, a.pid), 0);
    assert_int_equal(probe_send(root, a.pid, 3), TRP_ECLOSED);
    fake_run(fake);
    SCRIPT_ASSERT(&a, 1, 2);
    (void)script_ended(&a, TRP_EXIT_SHUTDOWN, 0);
}

/* ---- with a full mailbox ---- */

static int send_ten(trp_ctx *ctx, script *self) {
    trp_message *lent = NULL;
    (void)trp_receive(ctx, NULL, TRP_NEVER, &lent);
    for (uint64_t i = 0; i < 10; i++) {
        script_note(self, probe_send(ctx, self->other, 100 + i));
    }
    script_note(self, (int64_t)probe_value_of(lent)); /* was lent all the time */
    return 0;
}

static int read_slowly(trp_ctx *ctx, script *self) {
    for (int i = 0; i < 10; i++) {
        (void)trp_sleep(ctx, 10 * MS);
        (void)script_receive(ctx, self, 0, 0);
    }
    return 0;
}

static void spawn_slow(fake_host *fake, script *slow) {
    trp_spawn_options options = {
        .size = sizeof options, .mailbox_messages = 2, .mailbox_policy = TRP_MAILBOX_SUSPEND};
    assert_int_equal(trp_spawn_opt(fake_root(fake), &script_routine.behaviour, &slow, &options,
                                   &slow->pid, NULL),
                     0);
    fake_run(fake);
}

static void test_full_mailbox_suspends_the_sender_in_its_send(void **state) {
    fake_host *fake = *state;
    script slow = {.body = read_slowly};
    spawn_slow(fake, &slow);
    script a = {.body = send_ten, .other = slow.pid};
    script_start(fake, &a);
    SCRIPT_SEND(fake, a.pid, 55);
    script_lives(&a);
    assert_true(a.values_len < 10);
    fake_advance(fake, 200 * MS);
    SCRIPT_ASSERT(&a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 55);
    SCRIPT_ASSERT(&slow, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109);
    (void)script_ended(&a, TRP_EXIT_NORMAL, 0);
}

static void test_suspended_sender_can_be_killed(void **state) {
    fake_host *fake = *state;
    script slow = {.body = read_slowly};
    spawn_slow(fake, &slow);
    script a = {.body = send_ten, .other = slow.pid};
    script_start(fake, &a);
    SCRIPT_SEND(fake, a.pid, 55);
    kill_it(fake, a.pid);
    fake_run(fake);
    (void)script_ended(&a, TRP_EXIT_KILLED, 0);
    fake_advance(fake, 200 * MS);
    assert_true(slow.has_returned);
}

/* ---- stack overflow ---- */

static int dig(int depth, const char *above);
static int (*volatile dig_again)(int depth, const char *above) = dig;

/* As deep as asked for. Each frame looks at the one above, so that no compiler does without them. */
static int dig(int depth, const char *above) {
    char room[512];
    memset(room, depth, sizeof room);
    return depth == 0 ? above[5] : dig_again(depth - 1, room) + room[64];
}

#if defined(__EMSCRIPTEN__)
/* Beyond the 8 KiB that a routine has there, and not beyond the 4 KiB that an overflow is allowed to spoil. */
enum { TOO_DEEP = 18, IS_LEFT_AT_ONCE = 0 };
#else
enum { TOO_DEEP = 1000 * 1000, IS_LEFT_AT_ONCE = 1 };
#endif

static int overflow(trp_ctx *ctx, script *self) {
    trp_message *message = NULL;
    (void)trp_receive(ctx, NULL, TRP_NEVER, &message);
    (void)trp_message_take(ctx, message);
    script_note(self, dig_again(TOO_DEEP, "the top"));
    (void)trp_yield(ctx);
    script_note(self, 0);
    return 0;
}

static int receive_in_turn(trp_ctx *ctx, script *self) {
    while (script_receive(ctx, self, 0, TRP_NEVER) == 0) {
    }
    return 0;
}

static void test_overflow_ends_the_routine_alone(void **state) {
    fake_host *fake = *state;
    script other = {.body = receive_in_turn};
    script_start(fake, &other);
    for (int i = 0; i < 3; i++) {
        script a = {.body = overflow};
        script_start(fake, &a);
        SCRIPT_SEND(fake, a.pid, 1, 2);
        assert_string_equal(script_ended(&a, TRP_EXIT_ERROR, TRP_EFAILED)->text, "stack overflow");
        assert_int_equal(a.values_len, IS_LEFT_AT_ONCE ? 0 : 1);
        SCRIPT_SEND(fake, other.pid, 8);
    }
    SCRIPT_ASSERT(&other, 8, 8, 8);
    assert_int_equal(fake_stats(fake).failures, 3);
}

/* ---- with the runtime ---- */

static void test_runtime_stops_with_routines_waiting(void **state) {
    fake_host *fake = *state;
    script a = {.body = wait_for_ever}, b = {.body = wait_in_sleep};
    script_start(fake, &a);
    script_start(fake, &b);
    assert_true(fake_shut_down(fake));
    assert_false(trp_is_alive(fake_root(fake), a.pid) || trp_is_alive(fake_root(fake), b.pid));
    assert_false(a.has_returned || b.has_returned);
    assert_int_equal(atomic_load(&fake->fibers_live), 0);
}

static void test_runtime_is_destroyed_with_routines_waiting(void **state) {
    fake_host *fake = *state;
    script a = {.body = wait_for_ever}, b = {.body = wait_in_sleep}, c = {.body = wait_for_ever};
    script_start(fake, &a);
    script_start(fake, &b);
    SCRIPT_SEND(fake, a.pid, 1, 2, 3);
    assert_int_equal(script_spawn(fake, &c), 0); /* has not begun; the teardown looks for leaks */
    assert_false(c.has_begun);
}

/* ---- lack of memory ---- */

static int use_everything(trp_ctx *ctx, script *self) {
    trp_message *message = NULL;
    script *child = self->arg;
    if (child != NULL && trp_spawn(ctx, &script_routine.behaviour, &child, &child->pid) == 0) {
        (void)trp_join(ctx, child->pid, 20 * MS, NULL);
    }
    (void)script_receive(ctx, self, 3, 5 * MS);
    (void)script_receive(ctx, self, 0, 0);
    (void)trp_call(ctx, self->other, probe_value(ctx, 1), 5 * MS, &message);
    (void)trp_sleep(ctx, MS);
    (void)trp_yield(ctx);
    if (trp_receive(ctx, NULL, MS, &message) == 0 && trp_message_take(ctx, message) != NULL) {
        script_note(self, 1);
    }
    return 0;
}

static void run_everything(fake_host *fake, void *arg) {
    (void)arg;
    script child = {.body = use_everything}, a = {.body = use_everything, .arg = &child};
    if (fake_start(fake, NULL) != 0) {
        return;
    }
    trp_ctx *root = fake_root(fake);
    script server = {.body = wait_for_ever};
    (void)script_spawn(fake, &server);
    child.other = a.other = server.pid;
    (void)script_spawn(fake, &a);
    for (uint64_t i = 1; i <= 4; i++) {
        (void)probe_send(root, a.pid, i);
    }
    fake_advance(fake, TRP_NS_PER_S);
}

static void test_every_allocation_fails_once(void **state) {
    (void)state;
    assert_true(fake_every_allocation_fails(run_everything, NULL) > 10);
}

static void test_no_memory_for_a_stack_ends_the_routine(void **state) {
    fake_host *fake = *state;
    script a = {.body = wait_for_ever};
    assert_int_equal(script_spawn(fake, &a), 0);
    fake->memory.fail_all = true;
    fake_run(fake);
    fake->memory.fail_all = false;
    assert_false(a.has_begun);
    assert_false(trp_is_alive(fake_root(fake), a.pid));
    assert_int_equal(fake_stats(fake).failures, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_result_of_the_body_is_the_reason),
        FAKE_TEST(test_fail_ends_it_when_it_waits),
        FAKE_TEST(test_abort_ends_it_where_it_is),
        FAKE_TEST(test_kill_ends_it_in_any_wait),
        FAKE_TEST(test_routine_killed_before_it_begins_leaves_no_letter),
        FAKE_TEST(test_stop_ends_it_in_any_wait),
        FAKE_TEST(test_link_ends_it_while_it_waits),
        FAKE_TEST(test_trapped_exit_comes_as_a_message),
        FAKE_TEST(test_failing_routine_takes_its_linked_child_along),
        FAKE_TEST(test_drain_lets_it_handle_what_is_there),
        FAKE_TEST(test_full_mailbox_suspends_the_sender_in_its_send),
        FAKE_TEST(test_suspended_sender_can_be_killed),
        FAKE_TEST(test_overflow_ends_the_routine_alone),
        FAKE_TEST(test_runtime_stops_with_routines_waiting),
        FAKE_TEST(test_runtime_is_destroyed_with_routines_waiting),
        cmocka_unit_test(test_every_allocation_fails_once),
        FAKE_TEST(test_no_memory_for_a_stack_ends_the_routine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
