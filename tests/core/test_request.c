/*
 * Requests: every one ends exactly once, with a reply or with the reason why there is none.
 */
#include "cmocka_all.h"
#include "probe.h"

enum { NO_TIMEOUT = 0 };

typedef struct call {
    trp_pid to;
    uint64_t value;
    uint64_t timeout_ns; /* NO_TIMEOUT: for ever */
    trp_ref ref;
    int result;
} call;

static void request(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    call *what = arg;
    uint64_t timeout = what->timeout_ns == NO_TIMEOUT ? TRP_NEVER : what->timeout_ns;
    what->result = trp_request(ctx, what->to, probe_value(ctx, what->value), timeout, &what->ref);
}

static void cancel(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    call *what = arg;
    what->result = trp_request_cancel(ctx, what->ref);
}

static call ask(fake_host *fake, probe *caller, trp_pid to, uint64_t value, uint64_t timeout_ns) {
    call what = {.to = to, .value = value, .timeout_ns = timeout_ns, .result = 1};
    probe_do(fake, caller, request, &what);
    assert_int_equal(what.result, 0);
    assert_true(what.ref != 0);
    return what;
}

static void assert_failed(const probe *caller, uint32_t event, trp_ref ref, int code) {
    assert_true(event < caller->events_len);
    const probe_event *seen = &caller->events[event];
    assert_ptr_equal(seen->type, &trp_request_error_type);
    assert_true(seen->ref == ref);
    assert_false(seen->is_request);
    assert_int_equal(seen->body.error.code, code);
}

/* For on_message: keeps the first request. */
static void keep(trp_ctx *ctx, probe *self, trp_message *message) {
    if (self->kept == NULL && trp_message_is_request(message)) {
        self->kept = trp_message_take(ctx, message);
    }
}

static void reply_kept(trp_ctx *ctx, probe *self, void *arg) {
    *(int *)arg = trp_reply(ctx, self->kept, probe_value(ctx, 1000));
    trp_message_drop(ctx, self->kept);
    self->kept = NULL;
}

static void drop_kept(trp_ctx *ctx, probe *self, void *arg) {
    (void)arg;
    trp_message_drop(ctx, self->kept);
    self->kept = NULL;
}

static void test_reply_comes_with_the_ref(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = probe_reply_next};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    call what = ask(fake, &a, b.pid, 41, TRP_NS_PER_S);
    assert_int_equal(b.events_len, 1);
    assert_true(b.events[0].is_request);
    assert_true(b.events[0].ref != 0);
    assert_true(trp_pid_equal(b.events[0].from, a.pid));
    assert_int_equal(b.events[0].tag, 41);
    assert_int_equal(a.events_len, 1);
    assert_true(a.events[0].ref == what.ref);
    assert_int_equal(a.events[0].value, 42);
    assert_null(a.events[0].type);
    fake_advance(fake, 10 * TRP_NS_PER_S); /* and no timeout later */
    assert_int_equal(a.events_len, 1);
    assert_int_equal(fake_stats(fake).timers, 0);
}

static void test_many_requests_at_once_keep_their_refs(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = probe_reply_next};
    call calls[30];
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    for (uint64_t i = 0; i < 30; i++) {
        calls[i] = (call){.to = b.pid, .value = 100 + i, .timeout_ns = TRP_NS_PER_S};
        probe_ask(fake_root(fake), a.pid, request, &calls[i]);
    }
    fake_run(fake);
    assert_int_equal(a.events_len, 30);
    for (uint64_t i = 0; i < 30; i++) {
        assert_true(a.events[i].ref == calls[i].ref);
        assert_int_equal(a.events[i].value, 101 + i);
    }
}

static void test_kept_request_is_answered_later(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = keep};
    int result = 1;
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    call what = ask(fake, &a, b.pid, 1, NO_TIMEOUT);
    fake_advance(fake, TRP_NS_PER_S);
    assert_int_equal(a.events_len, 0);
    probe_do(fake, &b, reply_kept, &result);
    assert_int_equal(result, 0);
    assert_int_equal(a.events_len, 1);
    assert_int_equal(a.events[0].value, 1000);
    assert_true(a.events[0].ref == what.ref);
}

/* The callee forwards the request; whoever ends up with it answers the first caller. */
static void forward(trp_ctx *ctx, probe *self, trp_message *message) {
    trp_send(ctx, ((probe *)self->arg)->pid, trp_message_take(ctx, message));
}

static void test_forwarded_request_is_answered_by_the_other(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe worker = {.on_message = probe_reply_next};
    probe relay = {.on_message = forward, .arg = &worker};
    probe_spawn(fake, &a);
    probe_spawn(fake, &relay);
    probe_spawn(fake, &worker);
    call what = ask(fake, &a, relay.pid, 5, TRP_NS_PER_S);
    assert_int_equal(a.events_len, 1);
    assert_int_equal(a.events[0].value, 6);
    assert_true(a.events[0].ref == what.ref);
    assert_true(trp_pid_equal(worker.events[0].from, a.pid));
}

/* Timeouts. */

static void test_silence_ends_with_timeout_on_time(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = keep};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    uint64_t begin = fake_now(fake);
    call what = ask(fake, &a, b.pid, 1, 50 * TRP_NS_PER_MS);
    fake_advance(fake, 49 * TRP_NS_PER_MS);
    assert_int_equal(a.events_len, 0);
    fake_advance(fake, 5 * TRP_NS_PER_MS);
    assert_int_equal(a.events_len, 1);
    assert_failed(&a, 0, what.ref, TRP_ETIMEOUT);
    assert_true(a.events[0].at_ns >= begin + 50 * TRP_NS_PER_MS);
    probe_do(fake, &b, drop_kept, NULL);
    assert_int_equal(a.events_len, 1);
}

static void test_late_reply_is_dropped_and_counted(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = keep};
    int result = 1;
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    ask(fake, &a, b.pid, 1, TRP_NS_PER_MS);
    fake_advance(fake, 10 * TRP_NS_PER_MS);
    assert_int_equal(a.events_len, 1);
    probe_do(fake, &b, reply_kept, &result);
    assert_int_equal(result, 0); /* it is no error that nobody waits */
    assert_int_equal(a.events_len, 1);
    assert_int_equal(fake_stats(fake).late_replies, 1);
    assert_int_equal(fake_stats(fake).dead_letters, 0);
}

static void test_zero_timeout_is_a_timeout(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = keep};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    call what = {.to = b.pid, .value = 1, .timeout_ns = 1, .result = 1};
    probe_do(fake, &a, request, &what);
    fake_advance(fake, 5 * TRP_NS_PER_MS);
    assert_int_equal(a.events_len, 1);
    assert_failed(&a, 0, what.ref, TRP_ETIMEOUT);
}

static void test_endless_timeout_never_comes(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = keep};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    ask(fake, &a, b.pid, 1, NO_TIMEOUT);
    assert_true(fake_next_deadline(fake) == TRP_NEVER);
    fake_advance(fake, UINT64_C(1000000) * TRP_NS_PER_S);
    assert_int_equal(a.events_len, 0);
}

/* The callee forgets, dies or was never there. */

static void test_unanswered_request_is_canceled_when_the_handler_returns(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {0};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    call what = ask(fake, &a, b.pid, 1, NO_TIMEOUT);
    assert_int_equal(a.events_len, 1);
    assert_failed(&a, 0, what.ref, TRP_ECANCELED);
}

static void test_dropped_request_is_canceled(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = keep};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    call what = ask(fake, &a, b.pid, 1, NO_TIMEOUT);
    assert_int_equal(a.events_len, 0);
    probe_do(fake, &b, drop_kept, NULL);
    assert_int_equal(a.events_len, 1);
    assert_failed(&a, 0, what.ref, TRP_ECANCELED);
}

static void test_request_to_nobody_comes_back_as_a_message(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    call what = ask(fake, &a, TRP_PID_NONE, 1, TRP_NS_PER_S);
    assert_int_equal(a.events_len, 1);
    assert_failed(&a, 0, what.ref, TRP_ENOPROC);
    assert_int_equal(a.events[0].body.error.reason.kind, TRP_EXIT_NOPROC);
    fake_advance(fake, 5 * TRP_NS_PER_S);
    assert_int_equal(a.events_len, 1);
}

static void test_request_to_an_unknown_node_comes_back(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    call what = ask(fake, &a, (trp_pid){4, 1, 1, 1}, 1, TRP_NS_PER_S);
    assert_int_equal(a.events_len, 1);
    assert_failed(&a, 0, what.ref, TRP_ENOCONNECTION);
    assert_int_equal(a.events[0].body.error.reason.kind, TRP_EXIT_NOCONNECTION);
}

static void fail_in_handler(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)message;
    probe_call_fail(ctx, self, NULL);
}

static void abort_in_handler(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)self;
    (void)message;
    trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, 13, "aborted");
    trp_abort(ctx, &reason);
}

static void assert_callee_ended(const probe *caller, trp_ref ref) {
    assert_int_equal(caller->events_len, 1);
    const probe_event *seen = &caller->events[0];
    assert_ptr_equal(seen->type, &trp_request_error_type);
    assert_true(seen->ref == ref);
    assert_true(seen->body.error.code == TRP_EFAILED || seen->body.error.code == TRP_ENOPROC ||
                seen->body.error.code == TRP_ECANCELED);
}

static void test_callee_that_fails_in_the_handler_answers_with_its_reason(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = fail_in_handler};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    call what = ask(fake, &a, b.pid, 1, NO_TIMEOUT);
    assert_callee_ended(&a, what.ref);
    assert_int_equal(a.events[0].body.error.code, TRP_EFAILED);
    assert_int_equal(a.events[0].body.error.reason.kind, TRP_EXIT_ERROR);
    assert_int_equal(a.events[0].body.error.reason.code, 7);
}

static void test_callee_that_aborts_in_the_handler_answers_with_its_reason(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = abort_in_handler};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    call what = ask(fake, &a, b.pid, 1, NO_TIMEOUT);
    assert_callee_ended(&a, what.ref);
    assert_int_equal(a.events[0].body.error.reason.code, 13);
}

static void test_request_that_waits_for_a_dying_callee_is_answered(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = probe_reply_next};
    call what[3];
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    probe_ask(fake_root(fake), b.pid, probe_call_fail, NULL);
    for (int i = 0; i < 3; i++) {
        what[i] = (call){.to = b.pid, .value = 1, .timeout_ns = NO_TIMEOUT, .result = 1};
        request(fake_root(fake), NULL, &what[i]);
        assert_int_equal(what[i].result, TRP_ESTATE); /* the root cannot ask */
    }
    trp_budget one = {.messages = 1};
    for (int i = 0; i < 3; i++) { /* a asks before b has run */
        probe_ask(fake_root(fake), a.pid, request, &what[i]);
    }
    fake_step(fake, 0, &one);
    fake_run(fake);
    assert_int_equal(a.events_len, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_ptr_equal(a.events[i].type, &trp_request_error_type);
        assert_true(a.events[i].ref == what[i].ref);
    }
}

/* a's requests lie in b's mailbox, behind the message that makes b fail. */
static void ask_after_poison(trp_ctx *ctx, probe *self, void *arg) {
    call *what = arg;
    probe_ask(ctx, what->to, probe_call_fail, NULL);
    request(ctx, self, what);
}

static void test_request_queued_behind_a_failure_is_answered(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = probe_reply_next};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    call what = {.to = b.pid, .value = 1, .timeout_ns = NO_TIMEOUT, .result = 1};
    probe_do(fake, &a, ask_after_poison, &what);
    assert_int_equal(what.result, 0);
    assert_callee_ended(&a, what.ref);
    assert_int_equal(b.events_len, 0);
}

static void end_kept_holder(fake_host *fake, int how) {
    probe a = {0};
    probe b = {.on_message = keep};
    trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, "");
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    call what = ask(fake, &a, b.pid, 1, NO_TIMEOUT);
    assert_int_equal(a.events_len, 0);
    if (how == 0) {
        probe_do(fake, &b, probe_call_fail, NULL);
    } else if (how == 1) {
        assert_int_equal(trp_kill(fake_root(fake), b.pid), 0);
    } else {
        assert_int_equal(trp_stop(fake_root(fake), b.pid, &reason), 0);
    }
    fake_run(fake);
    assert_callee_ended(&a, what.ref);
}

static void test_callee_that_fails_with_a_kept_request_answers(void **state) {
    end_kept_holder(*state, 0);
    fake_host *fake = *state;
    fake_run(fake);
}

static void test_callee_that_is_killed_with_a_kept_request_answers(void **state) {
    end_kept_holder(*state, 1);
    fake_host *fake = *state;
    fake_run(fake);
}

static void test_callee_that_is_stopped_with_a_kept_request_answers(void **state) {
    end_kept_holder(*state, 2);
    fake_host *fake = *state;
    fake_run(fake);
}

/* The reply may still be given in terminate. */
static void reply_in_terminate(trp_ctx *ctx, probe *self, const trp_exit *reason) {
    (void)reason;
    int result;
    reply_kept(ctx, self, &result);
}

static void test_reply_in_terminate_arrives(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = keep, .on_terminate = reply_in_terminate};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    ask(fake, &a, b.pid, 1, NO_TIMEOUT);
    probe_do(fake, &b, probe_call_stop, NULL);
    assert_int_equal(a.events_len, 1);
    assert_int_equal(a.events[0].value, 1000);
}

/* The caller's side. */

static void test_canceled_request_hears_nothing(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = keep};
    int result = 1;
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    call what = ask(fake, &a, b.pid, 1, 50 * TRP_NS_PER_MS);
    probe_do(fake, &a, cancel, &what);
    assert_int_equal(what.result, 0);
    probe_do(fake, &a, cancel, &what);
    assert_int_equal(what.result, TRP_ENOENT);
    probe_do(fake, &b, reply_kept, &result);
    fake_advance(fake, TRP_NS_PER_S);
    assert_int_equal(a.events_len, 0);
    assert_int_equal(fake_stats(fake).late_replies, 1);
}

static void test_cancel_after_the_end_finds_nothing(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = probe_reply_next};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    call what = ask(fake, &a, b.pid, 1, TRP_NS_PER_S);
    assert_int_equal(a.events_len, 1);
    probe_do(fake, &a, cancel, &what);
    assert_int_equal(what.result, TRP_ENOENT);
    what.ref = 0;
    probe_do(fake, &a, cancel, &what);
    assert_int_equal(what.result, TRP_ENOENT);
    what.ref = UINT64_MAX;
    probe_do(fake, &a, cancel, &what);
    assert_int_equal(what.result, TRP_ENOENT);
}

static void test_call_to_itself_is_refused(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    call what = {.to = a.pid, .value = 1, .timeout_ns = TRP_NS_PER_S, .result = 1};
    probe_do(fake, &a, request, &what);
    assert_int_equal(what.result, TRP_ESELF);
    fake_advance(fake, 5 * TRP_NS_PER_S);
    assert_int_equal(a.events_len, 0);
}

static void request_null(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    trp_ref ref = 0;
    *(int *)arg = trp_request(ctx, ((probe *)self->arg)->pid, NULL, TRP_NS_PER_S, &ref);
    assert_true(ref == 0);
}

static void test_request_of_null_is_out_of_memory(void **state) {
    fake_host *fake = *state;
    probe b = {0};
    probe a = {.arg = &b};
    int result = 1;
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    probe_do(fake, &a, request_null, &result);
    assert_int_equal(result, TRP_ENOMEM);
    assert_int_equal(b.events_len, 0);
}

static void test_reply_to_a_dead_caller_is_no_error(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = keep};
    int result = 1;
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    ask(fake, &a, b.pid, 1, NO_TIMEOUT);
    probe_do(fake, &a, probe_call_stop, NULL);
    probe_do(fake, &b, reply_kept, &result);
    assert_int_equal(result, 0);
}

/* Replying. */

typedef struct twice {
    int first;
    int second;
    int error;
} twice;

static void reply_twice(trp_ctx *ctx, probe *self, trp_message *message) {
    twice *results = self->arg;
    results->first = trp_reply(ctx, message, probe_value(ctx, 1));
    results->second = trp_reply(ctx, message, probe_value(ctx, 2));
    results->error = trp_reply_error(ctx, message, TRP_EIO, "no");
}

static void test_request_is_answered_once(void **state) {
    fake_host *fake = *state;
    twice results = {1, 1, 1};
    probe a = {0};
    probe b = {.on_message = reply_twice, .arg = &results};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    ask(fake, &a, b.pid, 1, TRP_NS_PER_S);
    assert_int_equal(results.first, 0);
    assert_int_equal(results.second, TRP_ESTATE);
    assert_int_equal(results.error, TRP_ESTATE);
    assert_int_equal(a.events_len, 1);
    assert_int_equal(a.events[0].value, 1);
}

static void test_plain_message_cannot_be_answered(void **state) {
    fake_host *fake = *state;
    twice results = {1, 1, 1};
    probe b = {.on_message = reply_twice, .arg = &results};
    probe_spawn(fake, &b);
    probe_send(fake_root(fake), b.pid, 1);
    fake_run(fake);
    assert_int_equal(results.first, TRP_ESTATE);
    assert_int_equal(results.error, TRP_ESTATE);
}

static void reply_with_error(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)self;
    assert_int_equal(trp_reply_error(ctx, message, -4242, "not today"), 0);
}

static void test_error_reply_carries_code_and_text(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = reply_with_error};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    call what = ask(fake, &a, b.pid, 1, TRP_NS_PER_S);
    assert_int_equal(a.events_len, 1);
    assert_failed(&a, 0, what.ref, -4242);
    assert_int_equal(a.events[0].body.error.reason.kind, TRP_EXIT_ERROR);
    assert_memory_equal(a.events[0].body.error.reason.text, "not", 3);
}

static void reply_error_without_memory(trp_ctx *ctx, probe *self, trp_message *message) {
    fake_host *fake = self->arg;
    fake->memory.fail_all = true;
    assert_int_equal(trp_reply_error(ctx, message, TRP_EIO, NULL), 0);
}

static void test_error_reply_needs_no_memory(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = reply_error_without_memory, .arg = fake};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    call what = ask(fake, &a, b.pid, 1, TRP_NS_PER_S);
    fake->memory.fail_all = false;
    assert_int_equal(a.events_len, 1);
    assert_failed(&a, 0, what.ref, TRP_EIO);
}

static void reply_null(trp_ctx *ctx, probe *self, trp_message *message) {
    *(int *)self->arg = trp_reply(ctx, message, NULL);
}

/* A callee that could not make its reply: the caller must still hear something. */
static void test_reply_of_null_still_settles(void **state) {
    fake_host *fake = *state;
    int result = 1;
    probe a = {0};
    probe b = {.on_message = reply_null, .arg = &result};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    call what = ask(fake, &a, b.pid, 1, NO_TIMEOUT);
    assert_int_equal(result, TRP_ENOMEM);
    assert_int_equal(a.events_len, 1);
    assert_ptr_equal(a.events[0].type, &trp_request_error_type);
    assert_true(a.events[0].ref == what.ref);
}

/* A full mailbox answers too; a caller's own full mailbox keeps room for replies. */
static void test_request_to_a_full_mailbox_is_answered(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {0};
    probe *self = &b;
    trp_spawn_options options = {.size = sizeof options, .mailbox_messages = 100};
    probe_spawn(fake, &a);
    assert_int_equal(trp_spawn_opt(fake_root(fake), &probe_behaviour, &self, &options, NULL, NULL),
                     0);
    call what = {.to = b.pid, .value = 1, .timeout_ns = NO_TIMEOUT, .result = 1};
    probe_ask(fake_root(fake), a.pid, request, &what);
    while (probe_send(fake_root(fake), b.pid, 1) == 0) {
    }
    fake_run(fake); /* b may run before a: then its mailbox has room and the request is canceled */
    if (what.result == 0) {
        assert_int_equal(a.events_len, 1);
        assert_true(a.events[0].body.error.code == TRP_EFULL ||
                    a.events[0].body.error.code == TRP_ECANCELED);
    } else {
        assert_int_equal(what.result, TRP_EFULL);
        assert_int_equal(a.events_len, 0);
    }
}

/*
 * The property: callers ask callees that answer, keep, drop, fail, stop or forward by chance; some
 * requests time out, some are canceled; callees are killed and born again. Every request that was
 * not canceled ends exactly once.
 */
enum { CALLERS = 4, CALLEES = 4, ROUNDS = 400, REFS = CALLERS * ROUNDS };

typedef struct storm {
    uint64_t seed;
    probe callees[CALLEES];
    probe callers[CALLERS];
    trp_message *held[CALLEES][8];
    trp_ref refs[CALLERS][ROUNDS];
    uint8_t ends[CALLERS][ROUNDS];
    bool canceled[CALLERS][ROUNDS];
    uint32_t refs_len[CALLERS];
    uint32_t foreign;
} storm;

static void behave_by_chance(trp_ctx *ctx, probe *self, trp_message *message) {
    storm *all = self->arg;
    size_t me = (size_t)(self - all->callees);
    if (!trp_message_is_request(message)) {
        return;
    }
    trp_message **slot = &all->held[me][fake_random_below(&all->seed, 8)];
    switch (fake_random_below(&all->seed, 8)) {
    case 0:
        probe_reply_next(ctx, self, message);
        break;
    case 1:
        trp_reply_error(ctx, message, TRP_EIO, "chance");
        break;
    case 2:
        probe_call_fail(ctx, self, NULL);
        break;
    case 3:
        trp_send(ctx, all->callees[fake_random_below(&all->seed, CALLEES)].pid,
                 trp_message_take(ctx, message));
        break;
    case 4:
        break;
    default: /* keep it, and answer or drop what was kept there before */
        if (*slot != NULL && fake_random_below(&all->seed, 2) == 0) {
            trp_reply(ctx, *slot, probe_value(ctx, 5));
        }
        trp_message_drop(ctx, *slot);
        *slot = trp_message_take(ctx, message);
        break;
    }
}

static void note_the_end(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)ctx;
    storm *all = self->arg;
    size_t me = (size_t)(self - all->callers);
    for (uint32_t i = 0; i < all->refs_len[me]; i++) {
        if (all->refs[me][i] == trp_message_ref(message)) {
            all->ends[me][i]++;
            return;
        }
    }
    all->foreign++;
}

static void ask_by_chance(trp_ctx *ctx, probe *self, void *arg) {
    storm *all = arg;
    size_t me = (size_t)(self - all->callers);
    uint32_t n = all->refs_len[me];
    uint64_t timeout = fake_random_below(&all->seed, 3) == 0
                           ? TRP_NEVER
                           : fake_random_below(&all->seed, 20) * TRP_NS_PER_MS;
    trp_pid to = all->callees[fake_random_below(&all->seed, CALLEES)].pid;
    if (n < ROUNDS && trp_request(ctx, to, probe_value(ctx, 9), timeout, &all->refs[me][n]) == 0) {
        all->refs_len[me]++;
    }
    if (n > 0 && fake_random_below(&all->seed, 10) == 0) {
        uint64_t which = fake_random_below(&all->seed, n);
        int result = trp_request_cancel(ctx, all->refs[me][which]);
        if (result == 0) {
            all->canceled[me][which] = true;
        }
    }
}

static void bear_again(fake_host *fake, storm *all, size_t callee) {
    memset(all->held[callee], 0, sizeof all->held[callee]);
    probe_spawn(fake, &all->callees[callee]);
}

static void run_a_storm(fake_host *fake, storm *all) {
    for (size_t i = 0; i < CALLEES; i++) {
        all->callees[i] = (probe){.on_message = behave_by_chance, .arg = all};
        bear_again(fake, all, i);
    }
    for (size_t i = 0; i < CALLERS; i++) {
        all->callers[i] = (probe){.on_message = note_the_end, .arg = all};
        probe_spawn(fake, &all->callers[i]);
    }
    for (int round = 0; round < ROUNDS; round++) {
        probe *caller = &all->callers[fake_random_below(&all->seed, CALLERS)];
        probe_ask(fake_root(fake), caller->pid, ask_by_chance, all);
        trp_budget budget = {.messages = 1 + (uint32_t)fake_random_below(&all->seed, 4)};
        fake_step(fake, 0, &budget);
        if (fake_random_below(&all->seed, 4) == 0) {
            fake_clock_jump(fake, fake_random_below(&all->seed, 10) * TRP_NS_PER_MS);
        }
        if (fake_random_below(&all->seed, 20) == 0) {
            trp_kill(fake_root(fake), all->callees[fake_random_below(&all->seed, CALLEES)].pid);
        }
        for (size_t i = 0; i < CALLEES; i++) {
            if (!trp_is_alive(fake_root(fake), all->callees[i].pid)) {
                bear_again(fake, all, i);
            }
        }
    }
    for (size_t i = 0; i < CALLEES; i++) { /* what is still held is settled by the holder's end */
        trp_kill(fake_root(fake), all->callees[i].pid);
    }
    fake_advance(fake, TRP_NS_PER_S);
}

static void test_every_request_ends_exactly_once(void **state) {
    (void)state;
    static storm all;
    uint32_t requests = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        fake_host *fake = fake_create(1);
        memset(&all, 0, sizeof all);
        all.seed = seed;
        run_a_storm(fake, &all);
        assert_int_equal(all.foreign, 0);
        for (size_t c = 0; c < CALLERS; c++) {
            for (uint32_t i = 0; i < all.refs_len[c]; i++) {
                if (all.ends[c][i] != (all.canceled[c][i] ? 0 : 1)) {
                    fail_msg("seed %llu: request %u of caller %u ended %u times",
                             (unsigned long long)seed, i, (unsigned)c, all.ends[c][i]);
                }
                requests++;
            }
        }
        assert_int_equal(fake_stats(fake).timers, 0);
        fake_destroy(fake);
    }
    assert_true(requests > 5000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_reply_comes_with_the_ref),
        FAKE_TEST(test_many_requests_at_once_keep_their_refs),
        FAKE_TEST(test_kept_request_is_answered_later),
        FAKE_TEST(test_forwarded_request_is_answered_by_the_other),
        FAKE_TEST(test_silence_ends_with_timeout_on_time),
        FAKE_TEST(test_late_reply_is_dropped_and_counted),
        FAKE_TEST(test_zero_timeout_is_a_timeout),
        FAKE_TEST(test_endless_timeout_never_comes),
        FAKE_TEST(test_unanswered_request_is_canceled_when_the_handler_returns),
        FAKE_TEST(test_dropped_request_is_canceled),
        FAKE_TEST(test_request_to_nobody_comes_back_as_a_message),
        FAKE_TEST(test_request_to_an_unknown_node_comes_back),
        FAKE_TEST(test_callee_that_fails_in_the_handler_answers_with_its_reason),
        FAKE_TEST(test_callee_that_aborts_in_the_handler_answers_with_its_reason),
        FAKE_TEST(test_request_that_waits_for_a_dying_callee_is_answered),
        FAKE_TEST(test_request_queued_behind_a_failure_is_answered),
        FAKE_TEST(test_callee_that_fails_with_a_kept_request_answers),
        FAKE_TEST(test_callee_that_is_killed_with_a_kept_request_answers),
        FAKE_TEST(test_callee_that_is_stopped_with_a_kept_request_answers),
        FAKE_TEST(test_reply_in_terminate_arrives),
        FAKE_TEST(test_canceled_request_hears_nothing),
        FAKE_TEST(test_cancel_after_the_end_finds_nothing),
        FAKE_TEST(test_call_to_itself_is_refused),
        FAKE_TEST(test_request_of_null_is_out_of_memory),
        FAKE_TEST(test_reply_to_a_dead_caller_is_no_error),
        FAKE_TEST(test_request_is_answered_once),
        FAKE_TEST(test_plain_message_cannot_be_answered),
        FAKE_TEST(test_error_reply_carries_code_and_text),
        FAKE_TEST(test_error_reply_needs_no_memory),
        FAKE_TEST(test_reply_of_null_still_settles),
        FAKE_TEST(test_request_to_a_full_mailbox_is_answered),
        cmocka_unit_test(test_every_request_ends_exactly_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
