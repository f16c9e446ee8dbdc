/*
 * Requests that go further: handed to another actor with the caller's ref and deadline, and the
 * time that is left for them.
 */
#include "cmocka_all.h"
#include "probe.h"

typedef struct call {
    trp_pid to;
    uint64_t timeout_ns;
    trp_ref ref;
    int result;
} call;

static void request(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    call *what = arg;
    what->result = trp_request(ctx, what->to, probe_value(ctx, 5), what->timeout_ns, &what->ref);
}

static trp_ref ask(fake_host *fake, probe *caller, trp_pid to, uint64_t timeout_ns) {
    call what = {to, timeout_ns, 0, 1};
    probe_do(fake, caller, request, &what);
    assert_int_equal(what.result, 0);
    return what.ref;
}

static void assert_failed(const probe *caller, uint32_t event, trp_ref ref, int code) {
    assert_true(event < caller->events_len);
    assert_ptr_equal(caller->events[event].type, &trp_request_error_type);
    assert_true(caller->events[event].ref == ref);
    assert_int_equal(caller->events[event].body.error.code, code);
}

/* For on_message: the request goes on to the probe in arg, still borrowed. */
static void delegate(trp_ctx *ctx, probe *self, trp_message *message) {
    if (trp_message_is_request(message)) {
        trp_pid to = ((probe *)self->arg)->pid;
        assert_int_equal(trp_request_delegate(ctx, message, to), 0);
    }
}

static void keep(trp_ctx *ctx, probe *self, trp_message *message) {
    if (trp_message_is_request(message)) {
        self->kept = trp_message_take(ctx, message);
    }
}

static void delegate_kept(trp_ctx *ctx, probe *self, void *arg) {
    assert_int_equal(trp_request_delegate(ctx, self->kept, ((probe *)arg)->pid), 0);
    self->kept = NULL;
}

static void test_delegated_request_keeps_ref_and_caller(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe worker = {.on_message = probe_reply_next};
    probe relay = {.on_message = delegate, .arg = &worker};
    probe_spawn(fake, &a);
    probe_spawn(fake, &relay);
    probe_spawn(fake, &worker);
    trp_ref ref = ask(fake, &a, relay.pid, TRP_NS_PER_S);
    assert_int_equal(a.events_len, 1);
    assert_int_equal(a.events[0].value, 6);
    assert_true(a.events[0].ref == ref);
    assert_true(trp_pid_equal(worker.events[0].from, a.pid));
    assert_true(worker.events[0].ref == ref);
}

static void test_delegated_request_keeps_its_deadline(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe worker = {.on_message = keep};
    probe relay = {.on_message = keep};
    probe_spawn(fake, &a);
    probe_spawn(fake, &relay);
    probe_spawn(fake, &worker);
    trp_ref ref = ask(fake, &a, relay.pid, 50 * TRP_NS_PER_MS);
    fake_advance(fake, 40 * TRP_NS_PER_MS);
    probe_do(fake, &relay, delegate_kept, &worker);
    assert_non_null(worker.kept);
    fake_advance(fake, 9 * TRP_NS_PER_MS);
    assert_int_equal(a.events_len, 0);
    fake_advance(fake, 5 * TRP_NS_PER_MS);
    assert_int_equal(a.events_len, 1);
    assert_failed(&a, 0, ref, TRP_ETIMEOUT);
}

/* Whoever has it last answers for it, also by ending. */
static void test_delegate_that_ends_answers(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe worker = {.on_message = keep};
    probe relay = {.on_message = delegate, .arg = &worker};
    probe_spawn(fake, &a);
    probe_spawn(fake, &relay);
    probe_spawn(fake, &worker);
    trp_ref ref = ask(fake, &a, relay.pid, TRP_NEVER);
    probe_do(fake, &relay, probe_call_fail, NULL);
    assert_int_equal(a.events_len, 0); /* it has nothing to do with it any more */
    probe_do(fake, &worker, probe_call_fail, NULL);
    assert_int_equal(a.events_len, 1);
    assert_failed(&a, 0, ref, TRP_EFAILED);
}

static void test_delegate_that_is_gone_is_the_callers_news(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe nobody = {.pid = TRP_PID_NONE};
    probe relay = {.on_message = delegate, .arg = &nobody};
    probe_spawn(fake, &a);
    probe_spawn(fake, &relay);
    trp_ref ref = ask(fake, &a, relay.pid, TRP_NEVER);
    assert_int_equal(a.events_len, 1);
    assert_failed(&a, 0, ref, TRP_ENOPROC);
}

/* A chain of delegations back to the caller itself: it may answer its own request. */
static void answer_own(trp_ctx *ctx, probe *self, trp_message *message) {
    if (trp_message_is_request(message)) {
        assert_true(trp_pid_equal(trp_message_from(ctx, message), self->pid));
        probe_reply_next(ctx, self, message);
    }
}

static void test_request_may_come_back_to_its_caller(void **state) {
    fake_host *fake = *state;
    probe a = {.on_message = answer_own};
    probe second = {.on_message = delegate, .arg = &a};
    probe first = {.on_message = delegate, .arg = &second};
    probe_spawn(fake, &a);
    probe_spawn(fake, &first);
    probe_spawn(fake, &second);
    trp_ref ref = ask(fake, &a, first.pid, TRP_NS_PER_S);
    assert_int_equal(a.events_len, 2);
    assert_true(a.events[0].is_request);
    assert_int_equal(a.events[1].value, 6);
    assert_true(a.events[1].ref == ref);
}

static void answer_then_delegate(trp_ctx *ctx, probe *self, trp_message *message) {
    if (!trp_message_is_request(message)) {
        assert_int_equal(trp_request_delegate(ctx, message, self->pid), TRP_ESTATE);
        return;
    }
    assert_int_equal(trp_reply(ctx, message, probe_value(ctx, 1)), 0);
    assert_int_equal(trp_request_delegate(ctx, message, self->pid), TRP_ESTATE);
    assert_int_equal(trp_request_delegate(ctx, NULL, self->pid), TRP_ESTATE);
}

static void test_only_open_requests_can_be_delegated(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = answer_then_delegate};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    ask(fake, &a, b.pid, TRP_NEVER);
    assert_int_equal(probe_send(fake_root(fake), b.pid, 3), 0);
    fake_run(fake);
    assert_int_equal(a.events_len, 1);
    assert_int_equal(b.events_len, 2);
}

/* ---- the time that is left ---- */

static void look(trp_ctx *ctx, probe *self, void *arg) {
    *(uint64_t *)arg = trp_request_time_left(ctx, self->kept);
}

static uint64_t time_left(fake_host *fake, probe *callee) {
    uint64_t left = 1;
    probe_do(fake, callee, look, &left);
    return left;
}

static void test_callee_sees_the_time_that_is_left(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = keep};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    ask(fake, &a, b.pid, 50 * TRP_NS_PER_MS);
    assert_int_equal(time_left(fake, &b), 50 * TRP_NS_PER_MS);
    fake_advance(fake, 20 * TRP_NS_PER_MS);
    assert_int_equal(time_left(fake, &b), 30 * TRP_NS_PER_MS);
    fake_advance(fake, 40 * TRP_NS_PER_MS);
    assert_int_equal(a.events_len, 1);
    assert_int_equal(time_left(fake, &b), 0);
}

static void test_without_a_deadline_there_is_all_the_time(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = keep};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    ask(fake, &a, b.pid, TRP_NEVER);
    assert_true(time_left(fake, &b) == TRP_NEVER);
    probe_do(fake, &a, probe_call_stop, NULL);
    assert_int_equal(time_left(fake, &b), 0); /* nobody waits */
}

/* Entries are used again: a deadline of the last user must not show in the next one. */
static void test_deadline_of_an_earlier_request_is_forgotten(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = keep};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    for (int i = 0; i < 200; i++) {
        ask(fake, &a, b.pid, i % 2 == 0 ? TRP_NS_PER_MS : TRP_NEVER);
        trp_message *request_of_this_round = b.kept;
        assert_non_null(request_of_this_round);
        uint64_t left = time_left(fake, &b);
        assert_true(i % 2 == 0 ? left == TRP_NS_PER_MS : left == TRP_NEVER);
        fake_advance(fake, 5 * TRP_NS_PER_MS);
        probe_do(fake, &b, delegate_kept, &a); /* comes to a, which ignores it */
    }
}

static void pass_down(trp_ctx *ctx, probe *self, trp_message *message) {
    trp_ref ref;
    if (trp_message_is_request(message)) {
        self->kept = trp_message_take(ctx, message);
        assert_int_equal(trp_request(ctx, ((probe *)self->arg)->pid, probe_value(ctx, 1),
                                     trp_request_time_left(ctx, self->kept), &ref),
                         0);
    }
}

static void test_deadline_is_handed_down(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe worker = {.on_message = keep};
    probe middle = {.on_message = pass_down, .arg = &worker};
    probe_spawn(fake, &a);
    probe_spawn(fake, &middle);
    probe_spawn(fake, &worker);
    trp_ref ref = ask(fake, &a, middle.pid, 50 * TRP_NS_PER_MS);
    assert_int_equal(time_left(fake, &worker), 50 * TRP_NS_PER_MS);
    fake_advance(fake, 60 * TRP_NS_PER_MS);
    assert_failed(&a, 0, ref, TRP_ETIMEOUT);
    assert_int_equal(middle.events_len, 2); /* the request and the end of its own */
    assert_int_equal(middle.events[1].body.error.code, TRP_ETIMEOUT);
}

static void look_at_message(trp_ctx *ctx, probe *self, trp_message *message) {
    assert_true(trp_request_time_left(ctx, message) == TRP_NEVER);
    (void)self;
}

static void test_plain_message_has_no_deadline(void **state) {
    fake_host *fake = *state;
    probe a = {.on_message = look_at_message};
    probe_spawn(fake, &a);
    assert_int_equal(probe_send(fake_root(fake), a.pid, 1), 0);
    fake_run(fake);
    assert_int_equal(a.events_len, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_delegated_request_keeps_ref_and_caller),
        FAKE_TEST(test_delegated_request_keeps_its_deadline),
        FAKE_TEST(test_delegate_that_ends_answers),
        FAKE_TEST(test_delegate_that_is_gone_is_the_callers_news),
        FAKE_TEST(test_request_may_come_back_to_its_caller),
        FAKE_TEST(test_only_open_requests_can_be_delegated),
        FAKE_TEST(test_callee_sees_the_time_that_is_left),
        FAKE_TEST(test_without_a_deadline_there_is_all_the_time),
        FAKE_TEST(test_deadline_of_an_earlier_request_is_forgotten),
        FAKE_TEST(test_deadline_is_handed_down),
        FAKE_TEST(test_plain_message_has_no_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
