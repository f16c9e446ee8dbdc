/*
 * Routines: what each blocking call waits for and gives back. How routines end is in test_routine_end.c.
 */
#include "cmocka_all.h"
#include "routine_fixture.h"
#include "troupe/link.h"

#include <stdlib.h>

enum { MS = 1000 * 1000 };

/* ---- receive ---- */

static int receive_three(trp_ctx *ctx, script *self) {
    for (int i = 0; i < 3; i++) {
        (void)script_receive(ctx, self, 0, TRP_NEVER);
    }
    return 0;
}

static void test_receive_takes_messages_in_order(void **state) {
    fake_host *fake = *state;
    script a = {.body = receive_three};
    script_start(fake, &a);
    script_lives(&a);
    SCRIPT_SEND(fake, a.pid, 7, 8);
    SCRIPT_ASSERT(&a, 7, 8);
    script_lives(&a);
    SCRIPT_SEND(fake, a.pid, 9);
    SCRIPT_ASSERT(&a, 7, 8, 9);
    (void)script_ended(&a, TRP_EXIT_NORMAL, 0);
}

static void test_messages_before_the_first_receive_wait(void **state) {
    fake_host *fake = *state;
    script a = {.body = receive_three};
    assert_int_equal(script_spawn(fake, &a), 0);
    SCRIPT_SEND(fake, a.pid, 1, 2, 3);
    SCRIPT_ASSERT(&a, 1, 2, 3);
    assert_true(a.has_returned);
}

static int receive_by_tag(trp_ctx *ctx, script *self) {
    (void)script_receive(ctx, self, 5, TRP_NEVER);
    (void)script_receive(ctx, self, 3, TRP_NEVER);
    (void)script_receive(ctx, self, 0, TRP_NEVER);
    (void)script_receive(ctx, self, 5, TRP_NEVER);
    (void)script_receive(ctx, self, 0, TRP_NEVER);
    return 0;
}

static void test_receive_by_tag_leaves_the_rest_in_order(void **state) {
    fake_host *fake = *state;
    script a = {.body = receive_by_tag};
    script_start(fake, &a);
    SCRIPT_SEND(fake, a.pid, 1, 2, 5, 5, 3);
    SCRIPT_ASSERT(&a, 5, 3, 1, 5, 2);
    assert_true(a.has_returned);
}

static int receive_one_of_three(trp_ctx *ctx, script *self) {
    static const uint64_t tags[] = {4, 6, 8};
    trp_filter filter = {sizeof filter, tags, 3, 0};
    for (int i = 0; i < 3; i++) {
        trp_message *message = NULL;
        script_note(self, trp_receive(ctx, &filter, TRP_NEVER, &message));
        script_note(self, (int64_t)probe_value_of(message));
    }
    return 0;
}

static void test_receive_by_several_tags_takes_the_oldest(void **state) {
    fake_host *fake = *state;
    script a = {.body = receive_one_of_three};
    script_start(fake, &a);
    SCRIPT_SEND(fake, a.pid, 9, 8, 7, 4, 6);
    SCRIPT_ASSERT(&a, 0, 8, 0, 4, 0, 6);
}

static int receive_impossible(trp_ctx *ctx, script *self) {
    static const uint64_t tags[TRP_FILTER_TAGS_MAX + 1];
    trp_message *message = NULL;
    trp_filter nothing = {sizeof nothing, NULL, 0, 0};
    trp_filter much = {sizeof much, tags, TRP_FILTER_TAGS_MAX + 1, 0};
    script_note(self, trp_receive(ctx, &nothing, TRP_NEVER, &message));
    script_note(self, trp_receive(ctx, &much, TRP_NEVER, &message));
    script_note(self, message == NULL);
    return 0;
}

static void test_receive_refuses_a_filter_that_cannot_match(void **state) {
    fake_host *fake = *state;
    script a = {.body = receive_impossible};
    script_start(fake, &a);
    SCRIPT_ASSERT(&a, TRP_EINVAL, TRP_EINVAL, 1);
}

static int receive_with_timeouts(trp_ctx *ctx, script *self) {
    (void)script_receive(ctx, self, 0, 0);      /* 1 has come already */
    (void)script_receive(ctx, self, 0, 0);      /* nothing has */
    (void)script_receive(ctx, self, 0, 5 * MS); /* nothing comes */
    script_note(self, (int64_t)(trp_now_ns(ctx) / MS));
    (void)script_receive(ctx, self, 0, 100 * MS); /* 2 comes in time */
    script_note(self, (int64_t)(trp_now_ns(ctx) / MS));
    (void)script_receive(ctx, self, 9, 10 * MS); /* only 3 comes */
    (void)script_receive(ctx, self, 9, 0);
    (void)script_receive(ctx, self, 0, 0); /* here it is */
    (void)script_receive(ctx, self, 0, TRP_NEVER);
    return 0;
}

static void test_receive_with_timeout(void **state) {
    fake_host *fake = *state;
    script a = {.body = receive_with_timeouts};
    assert_int_equal(script_spawn(fake, &a), 0);
    assert_int_equal(probe_send(fake_root(fake), a.pid, 1), 0);
    fake_advance(fake, 20 * MS); /* from 1000 ms on */
    SCRIPT_ASSERT(&a, 1, TRP_ETIMEOUT, TRP_ETIMEOUT, 1005);
    SCRIPT_SEND(fake, a.pid, 2);
    SCRIPT_SEND(fake, a.pid, 3);
    fake_advance(fake, 20 * MS);
    SCRIPT_ASSERT(&a, 1, TRP_ETIMEOUT, TRP_ETIMEOUT, 1005, 2, 1020, TRP_ETIMEOUT, TRP_ETIMEOUT, 3);
    fake_advance(fake, TRP_NS_PER_S); /* a timer that was not needed any more says nothing */
    assert_false(a.has_returned);
    trp_stats stats = fake_stats(fake);
    assert_int_equal(stats.timers, 0);
}

static int receive_many_with_timeout(trp_ctx *ctx, script *self) {
    for (int i = 0; i < 1000; i++) {
        trp_message *message;
        self->values[0] += trp_receive(ctx, NULL, TRP_NS_PER_S, &message) == 0;
    }
    return 0;
}

static void test_timeouts_that_were_not_needed_leave_nothing(void **state) {
    fake_host *fake = *state;
    script a = {.body = receive_many_with_timeout};
    script_start(fake, &a);
    for (int i = 0; i < 1000; i++) {
        SCRIPT_SEND(fake, a.pid, 1);
    }
    assert_true(a.has_returned);
    assert_int_equal(a.values[0], 1000);
}

/* ---- borrowed messages ---- */

static int keep_messages(trp_ctx *ctx, script *self) {
    trp_message *lent = NULL, *kept = NULL;
    (void)trp_receive(ctx, NULL, TRP_NEVER, &lent);
    kept = trp_message_take(ctx, lent);
    (void)trp_receive(ctx, NULL, TRP_NEVER, &lent);
    script_note(self, (int64_t)probe_value_of(lent));
    script_note(self, (int64_t)probe_value_of(kept)); /* still there */
    script_note(self, trp_send(ctx, self->other, kept));
    (void)trp_receive(ctx, NULL, TRP_NEVER, &lent);
    script_note(self, trp_send(ctx, self->other, trp_message_take(ctx, lent)));
    (void)trp_receive(ctx, NULL, TRP_NEVER, &lent);
    (void)trp_message_take(ctx, lent); /* kept, and dies with it */
    return 0;
}

static void test_taken_message_outlives_the_next_receive(void **state) {
    fake_host *fake = *state;
    probe receiver = {0};
    probe_spawn(fake, &receiver);
    script a = {.body = keep_messages, .other = receiver.pid};
    script_start(fake, &a);
    SCRIPT_SEND(fake, a.pid, 1, 2, 3, 4);
    SCRIPT_ASSERT(&a, 2, 1, 0, 0);
    assert_int_equal(receiver.events_len, 2);
    assert_int_equal(receiver.events[0].value, 1);
    assert_int_equal(receiver.events[1].value, 3);
    assert_true(a.has_returned);
}

static int keep_what_waited(trp_ctx *ctx, script *self) {
    static const uint64_t tag = 9;
    trp_filter filter = {sizeof filter, &tag, 1, 0};
    trp_message *lent = NULL;
    (void)trp_receive(ctx, &filter, TRP_NEVER, &lent);
    for (int i = 0; i < 3; i++) {
        (void)trp_receive(ctx, NULL, TRP_NEVER, &lent); /* these come from the stash */
        script_note(self, trp_send(ctx, self->other, trp_message_take(ctx, lent)));
    }
    (void)script_receive(ctx, self, 0, TRP_NEVER);
    return 0;
}

static void test_message_that_had_waited_is_taken(void **state) {
    fake_host *fake = *state;
    probe receiver = {0};
    probe_spawn(fake, &receiver);
    script a = {.body = keep_what_waited, .other = receiver.pid};
    script_start(fake, &a);
    SCRIPT_SEND(fake, a.pid, 1, 2, 3, 9, 4);
    SCRIPT_ASSERT(&a, 0, 0, 0, 4);
    assert_int_equal(receiver.events_len, 3);
    assert_int_equal(receiver.events[2].value, 3);
}

static int answer_requests(trp_ctx *ctx, script *self) {
    trp_message *first = NULL, *message = NULL;
    (void)trp_receive(ctx, NULL, TRP_NEVER, &message);
    first = trp_message_take(ctx, message);
    (void)trp_receive(ctx, NULL, TRP_NEVER, &message);
    script_note(self, trp_reply(ctx, message, probe_value(ctx, 20)));
    script_note(self, trp_reply(ctx, first, probe_value(ctx, 10)));
    trp_message_drop(ctx, first);
    (void)trp_receive(ctx, NULL, TRP_NEVER, &message); /* is not answered */
    (void)trp_receive(ctx, NULL, TRP_NEVER, &message); /* is not answered either */
    return 0;
}

typedef struct asking {
    trp_pid to;
    trp_ref ref;
} asking;

static void ask(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    asking *what = arg;
    assert_int_equal(trp_request(ctx, what->to, probe_value(ctx, 1), TRP_NEVER, &what->ref), 0);
}

static void test_lent_request_ends_when_the_routine_waits_again(void **state) {
    fake_host *fake = *state;
    script a = {.body = answer_requests};
    script_start(fake, &a);
    probe b = {0};
    probe_spawn(fake, &b);
    asking what[4];
    for (int i = 0; i < 4; i++) {
        what[i].to = a.pid;
        probe_do(fake, &b, ask, &what[i]);
    }
    SCRIPT_ASSERT(&a, 0, 0);
    assert_int_equal(b.events_len, 4);
    assert_int_equal(b.events[0].ref, what[1].ref);
    assert_int_equal(b.events[0].value, 20);
    assert_int_equal(b.events[1].ref, what[0].ref);
    assert_int_equal(b.events[1].value, 10);
    assert_int_equal(b.events[2].ref, what[2].ref);
    assert_int_equal(b.events[2].body.error.code, TRP_ECANCELED);
    assert_int_equal(b.events[3].ref, what[3].ref);
    assert_int_equal(b.events[3].body.error.code, TRP_EFAILED); /* lent to the end of the body */
}

/* ---- call ---- */

static int call_once(trp_ctx *ctx, script *self) {
    trp_message *reply = NULL;
    int error = trp_call(ctx, self->other, probe_value(ctx, 41), 50 * MS, &reply);
    script_note(self, error);
    if (error == 0) {
        script_note(self, (int64_t)probe_value_of(reply));
    }
    (void)script_receive(ctx, self, 0, 0); /* what came meanwhile has waited */
    return 0;
}

static void test_call_gives_the_reply(void **state) {
    fake_host *fake = *state;
    probe server = {.on_message = probe_reply_next};
    probe_spawn(fake, &server);
    script a = {.body = call_once, .other = server.pid};
    assert_int_equal(script_spawn(fake, &a), 0);
    SCRIPT_SEND(fake, a.pid, 7);
    SCRIPT_ASSERT(&a, 0, 42, 7);
    assert_true(a.has_returned);
}

static void refuse(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)self;
    assert_int_equal(trp_reply_error(ctx, message, TRP_EPERM, "no"), 0);
}

static void test_call_gives_the_error_of_the_callee(void **state) {
    fake_host *fake = *state;
    probe server = {.on_message = refuse};
    probe_spawn(fake, &server);
    script a = {.body = call_once, .other = server.pid};
    script_start(fake, &a);
    SCRIPT_ASSERT(&a, TRP_EPERM, TRP_ETIMEOUT);
}

static void keep_request(trp_ctx *ctx, probe *self, trp_message *message) {
    self->kept = trp_message_take(ctx, message);
}

static void test_call_ends_at_its_deadline(void **state) {
    fake_host *fake = *state;
    probe server = {.on_message = keep_request};
    probe_spawn(fake, &server);
    script a = {.body = call_once, .other = server.pid};
    script_start(fake, &a);
    fake_advance(fake, 49 * MS);
    SCRIPT_SEND(fake, a.pid, 8); /* is not what it waits for */
    assert_int_equal(a.values_len, 0);
    fake_advance(fake, 2 * MS);
    SCRIPT_ASSERT(&a, TRP_ETIMEOUT, 8);
}

static void fail_now(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)message;
    probe_call_fail(ctx, self, NULL);
}

static void test_call_ends_with_the_callee(void **state) {
    fake_host *fake = *state;
    probe server = {.on_message = fail_now};
    probe_spawn(fake, &server);
    script a = {.body = call_once, .other = server.pid};
    script_start(fake, &a);
    SCRIPT_ASSERT(&a, TRP_EFAILED, TRP_ETIMEOUT);
    script b = {.body = call_once, .other = server.pid}; /* gone before */
    script_start(fake, &b);
    SCRIPT_ASSERT(&b, TRP_ENOPROC, TRP_ETIMEOUT);
}

static int call_itself(trp_ctx *ctx, script *self) {
    trp_message *reply = NULL;
    script_note(self, trp_call(ctx, trp_self(ctx), probe_value(ctx, 1), TRP_NEVER, &reply));
    script_note(self, trp_call(ctx, TRP_PID_NONE, NULL, TRP_NEVER, &reply));
    return 0;
}

static void test_call_of_itself_is_refused(void **state) {
    fake_host *fake = *state;
    script a = {.body = call_itself};
    script_start(fake, &a);
    SCRIPT_ASSERT(&a, TRP_ESELF, TRP_ENOMEM);
}

static int call_twice(trp_ctx *ctx, script *self) {
    trp_message *reply = NULL;
    script_note(self, trp_call(ctx, self->other, probe_value(ctx, 1), 10 * MS, &reply));
    script_note(self, trp_call(ctx, self->other, probe_value(ctx, 2), 10 * MS, &reply));
    script_note(self, (int64_t)probe_value_of(reply));
    return 0;
}

/* Keeps the first request and answers it together with the second: too late. */
static void answer_both(trp_ctx *ctx, probe *self, trp_message *message) {
    if (self->kept == NULL) {
        self->kept = trp_message_take(ctx, message);
        return;
    }
    assert_int_equal(trp_reply(ctx, self->kept, probe_value(ctx, 100)), 0);
    assert_int_equal(trp_reply(ctx, message, probe_value(ctx, 200)), 0);
    trp_message_drop(ctx, self->kept);
}

static void test_late_reply_is_not_taken_for_the_next(void **state) {
    fake_host *fake = *state;
    probe server = {.on_message = answer_both};
    probe_spawn(fake, &server);
    script a = {.body = call_twice, .other = server.pid};
    script_start(fake, &a);
    fake_advance(fake, 20 * MS);
    SCRIPT_ASSERT(&a, TRP_ETIMEOUT, 0, 200);
    assert_int_equal(fake_stats(fake).late_replies, 1);
}

/* ---- sleep, yield, join ---- */

static int sleep_and_tell(trp_ctx *ctx, script *self) {
    script_note(self, trp_sleep(ctx, 30 * MS));
    script_note(self, (int64_t)(trp_now_ns(ctx) / MS));
    (void)script_receive(ctx, self, 0, 0);
    return 0;
}

static void test_sleep_takes_its_time_whatever_comes(void **state) {
    fake_host *fake = *state;
    script a = {.body = sleep_and_tell};
    script_start(fake, &a);
    SCRIPT_SEND(fake, a.pid, 6);
    fake_advance(fake, 29 * MS);
    assert_int_equal(a.values_len, 0);
    fake_advance(fake, 2 * MS);
    SCRIPT_ASSERT(&a, 0, 1030, 6);
}

static int take_turns(trp_ctx *ctx, script *self) {
    script *log = self->arg;
    for (int i = 0; i < 3; i++) {
        script_note(log, (int64_t)self->pid.index);
        script_note(self, trp_yield(ctx));
    }
    return 0;
}

static void test_yield_lets_others_run(void **state) {
    fake_host *fake = *state;
    script log = {.body = NULL};
    script a = {.body = take_turns, .arg = &log}, b = {.body = take_turns, .arg = &log};
    assert_int_equal(script_spawn(fake, &a), 0);
    assert_int_equal(script_spawn(fake, &b), 0);
    fake_run(fake);
    assert_int_equal(log.values_len, 6);
    for (int i = 0; i < 6 && fake->schedulers == 1; i += 2) {
        assert_int_not_equal(log.values[i], log.values[i + 1]);
    }
    SCRIPT_ASSERT(&a, 0, 0, 0);
}

static int join_other(trp_ctx *ctx, script *self) {
    trp_exit reason = {0};
    script_note(self, trp_join(ctx, self->other, 10 * MS, &reason));
    script_note(self, trp_join(ctx, self->other, TRP_NEVER, &reason));
    script_note(self, reason.kind);
    script_note(self, reason.code);
    script_note(self, trp_join(ctx, self->other, TRP_NEVER, NULL)); /* gone long ago */
    return 0;
}

static void test_join_waits_for_the_end(void **state) {
    fake_host *fake = *state;
    probe b = {0};
    probe_spawn(fake, &b);
    script a = {.body = join_other, .other = b.pid};
    script_start(fake, &a);
    fake_advance(fake, 20 * MS);
    SCRIPT_ASSERT(&a, TRP_ETIMEOUT);
    probe_do(fake, &b, probe_call_fail, NULL);
    SCRIPT_ASSERT(&a, TRP_ETIMEOUT, 0, TRP_EXIT_ERROR, 7, 0);
}

/* ---- arguments, state, callers ---- */

typedef struct big_argument {
    uint64_t numbers[100];
} big_argument;

static int64_t argument_sum;

static int sum_argument(trp_ctx *ctx, void *arg) {
    big_argument *mine = arg;
    trp_message *message;
    (void)trp_receive(ctx, NULL, TRP_NEVER, &message);
    for (int i = 0; i < 100; i++) {
        argument_sum += (int64_t)mine->numbers[i];
    }
    mine->numbers[0] = 0; /* it is the routine's own copy */
    return 0;
}

static int need_no_argument(trp_ctx *ctx, void *arg) {
    (void)ctx;
    argument_sum = arg == NULL ? -1 : -2;
    return 0;
}

static const trp_routine summing = {
    TRP_ROUTINE("test.summing", sum_argument, sizeof(big_argument))};
static const trp_routine plain = {TRP_ROUTINE("test.plain", need_no_argument, 0)};

static void test_argument_is_copied(void **state) {
    fake_host *fake = *state;
    big_argument given;
    for (uint64_t i = 0; i < 100; i++) {
        given.numbers[i] = i;
    }
    argument_sum = 0;
    trp_pid pid;
    assert_int_equal(trp_spawn(fake_root(fake), &summing.behaviour, &given, &pid), 0);
    memset(&given, 0xff, sizeof given);
    SCRIPT_SEND(fake, pid, 1);
    assert_int_equal(argument_sum, 4950);
    assert_int_equal(trp_spawn(fake_root(fake), &summing.behaviour, NULL, &pid), TRP_EINVAL);
    assert_int_equal(trp_spawn(fake_root(fake), &plain.behaviour, &given, NULL), 0);
    fake_run(fake);
    assert_int_equal(argument_sum, -1);
}

static void block_in_behaviour(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    int *errors = arg;
    trp_message *message = NULL;
    errors[0] = trp_receive(ctx, NULL, 0, &message);
    errors[1] = trp_call(ctx, trp_self(ctx), probe_value(ctx, 1), 0, &message);
    errors[2] = trp_sleep(ctx, 1);
    errors[3] = trp_yield(ctx);
    errors[4] = trp_join(ctx, trp_self(ctx), 0, NULL);
}

static void test_blocking_calls_are_for_routines_only(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    int errors[5] = {0};
    probe_do(fake, &a, block_in_behaviour, errors);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(errors[i], TRP_ESTATE);
    }
    assert_int_equal(trp_yield(fake_root(fake)), TRP_ESTATE);
}

static void test_host_without_fibers_refuses(void **state) {
    (void)state;
    static fake_host fake;
    fake_init(&fake);
    fake.without_fibers = true;
    assert_int_equal(fake_start(&fake, NULL), 0);
    script a = {.body = receive_three};
    assert_int_equal(script_spawn(&fake, &a), TRP_ENOTSUP);
    assert_false(a.has_begun);
    fake_stop(&fake);
}

/* ---- many ---- */

static int pass_along(trp_ctx *ctx, script *self) {
    trp_message *message = NULL;
    (void)trp_receive(ctx, NULL, TRP_NEVER, &message);
    script_note(self, (int64_t)probe_value_of(message));
    return trp_pid_equal(self->other, TRP_PID_NONE)
               ? 0
               : probe_send(ctx, self->other, probe_value_of(message) + 1);
}

static void test_many_routines_pass_a_message_along(void **state) {
    fake_host *fake = *state;
    enum { LONG = 1000 };
    script *chain = calloc(LONG, sizeof *chain);
    assert_non_null(chain);
    for (int i = 0; i < LONG; i++) {
        chain[i].body = pass_along;
        chain[i].other = i == 0 ? TRP_PID_NONE : chain[i - 1].pid;
        assert_int_equal(script_spawn(fake, &chain[i]), 0);
    }
    SCRIPT_SEND(fake, chain[LONG - 1].pid, 1);
    assert_int_equal(chain[0].values[0], LONG);
    free(chain);
}

static int pick_from_many(trp_ctx *ctx, script *self) {
    for (int i = 0; i < 3; i++) {
        (void)script_receive(ctx, self, 1, TRP_NEVER);
    }
    (void)script_receive(ctx, self, 100, TRP_NEVER); /* one tag in the middle of those that wait */
    (void)script_receive(ctx, self, 2, TRP_NEVER);
    (void)script_receive(ctx, self, 0, TRP_NEVER);
    (void)script_receive(ctx, self, 0, TRP_NEVER);
    return 0;
}

static void test_selective_receive_among_100_000_waiting(void **state) {
    fake_host *fake = *state;
    script a = {.body = pick_from_many};
    trp_spawn_options options = {.size = sizeof options, .mailbox_messages = 200000};
    script *arg = &a;
    trp_ctx *root = fake_root(fake);
    assert_int_equal(trp_spawn_opt(root, &script_routine.behaviour, &arg, &options, &a.pid, NULL),
                     0);
    for (uint64_t i = 0; i < 100000; i++) {
        assert_int_equal(probe_send(root, a.pid, 50 + i % 100), 0);
    }
    fake_run(fake);
    assert_int_equal(a.values_len, 0);
    SCRIPT_SEND(fake, a.pid, 1, 1, 2, 1);
    SCRIPT_ASSERT(&a, 1, 1, 1, 100, 2, 50, 51);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_receive_takes_messages_in_order),
        FAKE_TEST(test_messages_before_the_first_receive_wait),
        FAKE_TEST(test_receive_by_tag_leaves_the_rest_in_order),
        FAKE_TEST(test_receive_by_several_tags_takes_the_oldest),
        FAKE_TEST(test_receive_refuses_a_filter_that_cannot_match),
        FAKE_TEST(test_receive_with_timeout),
        FAKE_TEST(test_timeouts_that_were_not_needed_leave_nothing),
        FAKE_TEST(test_taken_message_outlives_the_next_receive),
        FAKE_TEST(test_message_that_had_waited_is_taken),
        FAKE_TEST(test_lent_request_ends_when_the_routine_waits_again),
        FAKE_TEST(test_call_gives_the_reply),
        FAKE_TEST(test_call_gives_the_error_of_the_callee),
        FAKE_TEST(test_call_ends_at_its_deadline),
        FAKE_TEST(test_call_ends_with_the_callee),
        FAKE_TEST(test_call_of_itself_is_refused),
        FAKE_TEST(test_late_reply_is_not_taken_for_the_next),
        FAKE_TEST(test_sleep_takes_its_time_whatever_comes),
        FAKE_TEST(test_yield_lets_others_run),
        FAKE_TEST(test_join_waits_for_the_end),
        FAKE_TEST(test_argument_is_copied),
        FAKE_TEST(test_blocking_calls_are_for_routines_only),
        cmocka_unit_test(test_host_without_fibers_refuses),
        FAKE_TEST(test_many_routines_pass_a_message_along),
        FAKE_TEST(test_selective_receive_among_100_000_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
