/*
 * One message to many, one outcome for each; and requests for the sake of another.
 */
#include "cmocka_all.h"
#include "probe.h"

#include <stdlib.h>

enum { MANY = 1000, SEEN = MANY + 8 };

/* What the end said, written down by the caller. */
typedef struct end {
    uint32_t ends;
    trp_ref ref;
    uint32_t len;
    struct {
        trp_pid target;
        int32_t code;
        uint64_t value; /* of the reply */
    } outcomes[SEEN];
} end;

typedef struct order {
    trp_pid targets[SEEN];
    size_t len;
    uint64_t timeout_ns;
    trp_ref ref;
    int result;
    end seen;
} order;

static void write_end(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)ctx;
    end *seen = self->arg;
    if (!trp_message_is(message, &trp_outcomes_type)) {
        return;
    }
    seen->ends++;
    seen->ref = trp_message_ref(message);
    seen->len = 0;
    const trp_outcome *outcome = trp_outcome_at(message, 0);
    for (uint32_t i = 0; outcome != NULL; outcome = trp_outcome_at(message, ++i)) {
        trp_message *reply = trp_outcome_reply(message, i);
        assert_true((outcome->code == 0) == (reply != NULL));
        seen->outcomes[i].target = outcome->target;
        seen->outcomes[i].code = outcome->code;
        seen->outcomes[i].value = reply == NULL ? 0 : probe_value_of(reply);
        seen->len++;
    }
}

static void request_many(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    order *what = arg;
    what->result = trp_request_many(ctx, what->targets, what->len, probe_value(ctx, 41),
                                    what->timeout_ns, &what->ref);
}

static void cancel(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    order *what = arg;
    what->result = trp_request_cancel(ctx, what->ref);
}

/* A caller whose end is written to `what`, and a fresh order. */
static void prepare(fake_host *fake, probe *caller, order *what) {
    memset(what, 0, sizeof *what);
    what->timeout_ns = TRP_NEVER;
    *caller = (probe){.on_message = write_end, .arg = &what->seen};
    probe_spawn(fake, caller);
}

static void give(fake_host *fake, probe *caller, order *what) {
    what->result = 1;
    probe_do(fake, caller, request_many, what);
    assert_int_equal(what->result, 0);
    assert_true(what->ref != 0);
}

static void assert_outcome(const order *what, uint32_t index, int code, uint64_t value) {
    assert_true(index < what->seen.len);
    assert_true(trp_pid_equal(what->seen.outcomes[index].target, what->targets[index]));
    assert_int_equal(what->seen.outcomes[index].code, code);
    assert_int_equal(what->seen.outcomes[index].value, value);
}

static void keep(trp_ctx *ctx, probe *self, trp_message *message) {
    if (trp_message_is_request(message)) {
        self->kept = trp_message_take(ctx, message);
    }
}

static void refuse(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)self;
    assert_int_equal(trp_reply_error(ctx, message, -77, "no"), 0);
}

static void fail_now(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)message;
    probe_call_fail(ctx, self, NULL);
}

static void test_each_target_has_its_outcome_in_order(void **state) {
    fake_host *fake = *state;
    static order what;
    probe a;
    probe answers = {.on_message = probe_reply_next};
    probe refuses = {.on_message = refuse};
    probe fails = {.on_message = fail_now};
    prepare(fake, &a, &what);
    probe_spawn(fake, &answers);
    probe_spawn(fake, &refuses);
    probe_spawn(fake, &fails);
    trp_pid targets[] = {fails.pid,   answers.pid,           TRP_PID_NONE, refuses.pid,
                         answers.pid, (trp_pid){4, 1, 1, 1}, a.pid};
    what.len = sizeof targets / sizeof *targets;
    memcpy(what.targets, targets, sizeof targets);
    give(fake, &a, &what);
    assert_int_equal(what.seen.ends, 1);
    assert_int_equal(what.seen.len, what.len);
    assert_true(what.seen.ref == what.ref);
    assert_outcome(&what, 0, TRP_EFAILED, 0);
    assert_outcome(&what, 1, 0, 42);
    assert_outcome(&what, 2, TRP_ENOPROC, 0);
    assert_outcome(&what, 3, -77, 0);
    assert_outcome(&what, 4, 0, 42); /* asked twice, answers twice */
    assert_outcome(&what, 5, TRP_ENOCONNECTION, 0);
    assert_outcome(&what, 6, TRP_ESELF, 0);
    assert_int_equal(a.events_len, 1);
    assert_int_equal(answers.events_len, 2);
    assert_true(trp_pid_equal(answers.events[0].from, a.pid));
    assert_int_equal(fake_stats(fake).actors, 3); /* nobody is left behind */
}

static void test_one_deadline_is_for_all(void **state) {
    fake_host *fake = *state;
    static order what;
    probe a;
    probe answers = {.on_message = probe_reply_next};
    probe silent = {.on_message = keep};
    prepare(fake, &a, &what);
    probe_spawn(fake, &answers);
    probe_spawn(fake, &silent);
    what.targets[0] = silent.pid;
    what.targets[1] = answers.pid;
    what.len = 2;
    what.timeout_ns = 50 * TRP_NS_PER_MS;
    give(fake, &a, &what);
    fake_advance(fake, 49 * TRP_NS_PER_MS);
    assert_int_equal(what.seen.ends, 0);
    fake_advance(fake, 5 * TRP_NS_PER_MS);
    assert_int_equal(what.seen.ends, 1);
    assert_outcome(&what, 0, TRP_ETIMEOUT, 0);
    assert_outcome(&what, 1, 0, 42);
    fake_advance(fake, TRP_NS_PER_S);
    assert_int_equal(a.events_len, 1);
    assert_int_equal(fake_stats(fake).timers, 0);
}

static void test_nobody_asked_ends_at_once(void **state) {
    fake_host *fake = *state;
    static order what;
    probe a;
    prepare(fake, &a, &what);
    give(fake, &a, &what);
    assert_int_equal(what.seen.ends, 1);
    assert_int_equal(what.seen.len, 0);
    what.targets[0] = a.pid;
    what.len = 1;
    give(fake, &a, &what);
    assert_int_equal(what.seen.ends, 2);
    assert_outcome(&what, 0, TRP_ESELF, 0);
    assert_int_equal(fake_stats(fake).actors, 1);
}

static void test_many_targets_keep_their_places(void **state) {
    fake_host *fake = *state;
    static order what;
    static probe crowd[MANY];
    probe a;
    prepare(fake, &a, &what);
    for (uint32_t i = 0; i < MANY; i++) {
        crowd[i] = (probe){.on_message = i % 3 == 0 ? refuse : probe_reply_next};
        probe_spawn(fake, &crowd[i]);
        what.targets[i] = crowd[i].pid;
    }
    what.len = MANY;
    give(fake, &a, &what);
    assert_int_equal(what.seen.ends, 1);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_outcome(&what, i, i % 3 == 0 ? -77 : 0, i % 3 == 0 ? 0 : 42);
    }
}

static void look(trp_ctx *ctx, probe *self, void *arg) {
    *(uint64_t *)arg = trp_request_time_left(ctx, self->kept);
}

static void test_canceled_many_give_up_every_request(void **state) {
    fake_host *fake = *state;
    static order what;
    uint64_t left = 1;
    probe a;
    probe silent = {.on_message = keep};
    prepare(fake, &a, &what);
    probe_spawn(fake, &silent);
    what.targets[0] = silent.pid;
    what.len = 1;
    give(fake, &a, &what);
    probe_do(fake, &silent, look, &left);
    assert_true(left == TRP_NEVER);
    probe_do(fake, &a, cancel, &what);
    assert_int_equal(what.result, 0);
    probe_do(fake, &silent, look, &left);
    assert_int_equal(left, 0);
    assert_int_equal(a.events_len, 0);
    assert_int_equal(fake_stats(fake).actors, 2);
    probe_do(fake, &a, cancel, &what);
    assert_int_equal(what.result, TRP_ENOENT);
}

static void test_many_of_a_caller_that_ends_are_given_up(void **state) {
    fake_host *fake = *state;
    static order what;
    uint64_t left = 1;
    probe a;
    probe silent = {.on_message = keep};
    prepare(fake, &a, &what);
    probe_spawn(fake, &silent);
    what.targets[0] = silent.pid;
    what.len = 1;
    give(fake, &a, &what);
    assert_int_equal(trp_kill(fake_root(fake), a.pid), 0);
    fake_run(fake);
    probe_do(fake, &silent, look, &left);
    assert_int_equal(left, 0);
    assert_int_equal(fake_stats(fake).actors, 1);
}

/* Messages to the target before and after keep their places. */
static void send_around(trp_ctx *ctx, probe *self, void *arg) {
    order *what = arg;
    assert_int_equal(probe_send(ctx, what->targets[0], 1), 0);
    request_many(ctx, self, arg);
    assert_int_equal(probe_send(ctx, what->targets[0], 2), 0);
}

static void test_order_to_each_target_is_kept(void **state) {
    fake_host *fake = *state;
    static order what;
    probe a;
    probe b = {.on_message = keep};
    prepare(fake, &a, &what);
    probe_spawn(fake, &b);
    what.targets[0] = b.pid;
    what.len = 1;
    probe_do(fake, &a, send_around, &what);
    assert_int_equal(b.events_len, 3);
    assert_int_equal(b.events[0].value, 1);
    assert_int_equal(b.events[1].value, 41);
    assert_int_equal(b.events[2].value, 2);
}

/* ---- what belongs to the end ---- */

static uint32_t things_released;

static void release_thing(trp_ctx *ctx, void *resource) {
    (void)ctx;
    (void)resource;
    things_released++;
}

static const trp_resource_kind thing_kind = {"thing", release_thing};

static trp_message *with_thing(trp_ctx *ctx) {
    trp_message *message = probe_value(ctx, 8);
    assert_int_equal(trp_message_attach(ctx, &message, &thing_kind, &things_released), 0);
    return message;
}

static void reply_thing(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)self;
    assert_int_equal(trp_reply(ctx, message, with_thing(ctx)), 0);
}

static void take_second(trp_ctx *ctx, probe *self, trp_message *message) {
    if (trp_message_is(message, &trp_outcomes_type)) {
        self->kept = trp_outcome_take(message, 1);
        assert_non_null(self->kept);
        assert_null(trp_outcome_reply(message, 1));
        assert_null(trp_outcome_take(message, 1));
    }
    (void)ctx;
}

static void test_replies_belong_to_the_end_until_they_are_taken(void **state) {
    fake_host *fake = *state;
    static order what;
    probe a;
    probe b = {.on_message = reply_thing};
    prepare(fake, &a, &what);
    a.on_message = take_second;
    probe_spawn(fake, &b);
    for (int i = 0; i < 3; i++) {
        what.targets[i] = b.pid;
    }
    what.len = 3;
    things_released = 0;
    give(fake, &a, &what);
    assert_int_equal(things_released, 2);
    assert_int_equal(probe_value_of(a.kept), 8);
    trp_message_drop(fake_root(fake), a.kept);
    assert_int_equal(things_released, 3);
    probe silent = {.on_message = keep};
    probe_spawn(fake, &silent);
    what.targets[1] = silent.pid;
    give(fake, &a, &what);
    probe_do(fake, &a, cancel, &what); /* with two replies in */
    assert_int_equal(things_released, 5);
}

static void ask_wrongly(trp_ctx *ctx, probe *self, trp_message *message) {
    order *what = self->arg;
    if (trp_message_is(message, &trp_request_error_type)) {
        return;
    }
    assert_int_equal(trp_request_many(ctx, what->targets, 1, NULL, 1, &what->ref), TRP_ENOMEM);
    assert_int_equal(trp_request_many(ctx, what->targets, 1, message, 1, &what->ref), TRP_ESTATE);
    assert_int_equal(trp_request_many(ctx, what->targets, 1, with_thing(ctx), 1, &what->ref),
                     TRP_ENOTSUP);
    assert_int_equal(
        trp_request_many(ctx, what->targets, SIZE_MAX / 64, probe_value(ctx, 1), 1, &what->ref),
        TRP_ETOOBIG);
    assert_int_equal(trp_request_forward(ctx, what->targets[0], NULL, 1, self->pid, 0), TRP_ENOMEM);
    assert_int_equal(trp_request_forward(ctx, what->targets[0], message, 1, self->pid, 0),
                     TRP_ESTATE);
}

static void request_one(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    trp_ref ref;
    assert_int_equal(trp_request(ctx, *(trp_pid *)arg, probe_value(ctx, 1), TRP_NEVER, &ref), 0);
}

static void test_wrong_calls_are_refused(void **state) {
    fake_host *fake = *state;
    static order what;
    probe a;
    probe b = {.on_message = ask_wrongly, .arg = &what};
    prepare(fake, &a, &what);
    probe_spawn(fake, &b);
    probe_do(fake, &a, request_one, &b.pid);
    assert_int_equal(a.events_len, 1);
    assert_int_equal(b.events_len, 1);
    trp_ctx *root = fake_root(fake);
    assert_int_equal(trp_request_many(root, what.targets, 1, probe_value(root, 1), 1, &what.ref),
                     TRP_ESTATE);
}

static void ask_and_stop(trp_ctx *ctx, probe *self, void *arg) {
    order *what = arg;
    request_many(ctx, self, what);
}

/* A stop of the runtime finds both waiting; nothing is left. */
static void test_runtime_may_stop_meanwhile(void **state) {
    fake_host *fake = *state;
    static order what;
    probe a;
    probe silent = {.on_message = keep};
    prepare(fake, &a, &what);
    probe_spawn(fake, &silent);
    what.targets[0] = silent.pid;
    what.len = 1;
    probe_do(fake, &a, ask_and_stop, &what);
    assert_int_equal(trp_request_forward(fake_root(fake), silent.pid,
                                         probe_value(fake_root(fake), 1), TRP_NEVER, a.pid, 0),
                     0);
    fake_run(fake);
    assert_true(fake_shut_down(fake));
}

/* ---- for the sake of another ---- */

typedef struct errand {
    trp_pid to;
    trp_pid receiver;
    uint64_t timeout_ns;
    uint64_t tag;
    int result;
} errand;

static void request_forward(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    errand *what = arg;
    what->result = trp_request_forward(ctx, what->to, probe_value(ctx, 41), what->timeout_ns,
                                       what->receiver, what->tag);
}

static void write_code(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)ctx;
    const trp_outcome *outcome = trp_message_as(message, &trp_outcome_type);
    if (outcome != NULL) {
        *(trp_outcome *)self->arg = *outcome;
    }
}

static void test_outcome_goes_to_the_third(void **state) {
    fake_host *fake = *state;
    trp_outcome outcome = {.code = 1};
    probe a = {0};
    probe third = {.on_message = write_code, .arg = &outcome};
    probe answers = {.on_message = probe_reply_next};
    probe refuses = {.on_message = refuse};
    probe_spawn(fake, &a);
    probe_spawn(fake, &third);
    probe_spawn(fake, &answers);
    probe_spawn(fake, &refuses);
    errand what = {answers.pid, third.pid, TRP_NEVER, 5, 1};
    probe_do(fake, &a, request_forward, &what);
    assert_int_equal(what.result, 0);
    assert_true(trp_pid_equal(answers.events[0].from, a.pid));
    assert_int_equal(third.events_len, 1);
    assert_int_equal(third.events[0].value, 42);
    assert_int_equal(third.events[0].tag, 5);
    assert_int_equal(third.events[0].ref, 0);
    what.tag = 0;
    probe_do(fake, &a, request_forward, &what);
    assert_int_equal(third.events[1].tag, 42); /* the reply's own */
    what = (errand){refuses.pid, third.pid, TRP_NEVER, 6, 1};
    probe_do(fake, &a, request_forward, &what);
    assert_int_equal(third.events_len, 3);
    assert_ptr_equal(third.events[2].type, &trp_outcome_type);
    assert_int_equal(third.events[2].tag, 6);
    assert_int_equal(outcome.code, -77);
    assert_true(trp_pid_equal(outcome.target, refuses.pid));
    assert_string_equal(outcome.reason.text, "no");
    assert_int_equal(a.events_len, 0);
    assert_int_equal(fake_stats(fake).actors, 4);
}

static void test_third_hears_of_dead_and_silent_callees(void **state) {
    fake_host *fake = *state;
    trp_outcome outcome = {.code = 1};
    probe a = {0};
    probe third = {.on_message = write_code, .arg = &outcome};
    probe silent = {.on_message = keep};
    probe_spawn(fake, &a);
    probe_spawn(fake, &third);
    probe_spawn(fake, &silent);
    errand what = {TRP_PID_NONE, third.pid, TRP_NEVER, 0, 1};
    probe_do(fake, &a, request_forward, &what);
    assert_int_equal(outcome.code, TRP_ENOPROC);
    what = (errand){silent.pid, third.pid, 50 * TRP_NS_PER_MS, 0, 1};
    probe_do(fake, &a, request_forward, &what);
    probe_do(fake, &a, probe_call_stop, NULL); /* it need not wait for it */
    assert_int_equal(third.events_len, 1);
    fake_advance(fake, 60 * TRP_NS_PER_MS);
    assert_int_equal(third.events_len, 2);
    assert_int_equal(outcome.code, TRP_ETIMEOUT);
    assert_int_equal(fake_stats(fake).actors, 2);
}

static void test_outcome_for_a_dead_third_is_a_dead_letter(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe answers = {.on_message = probe_reply_next};
    probe_spawn(fake, &a);
    probe_spawn(fake, &answers);
    errand what = {answers.pid, TRP_PID_NONE, TRP_NEVER, 0, 1};
    probe_do(fake, &a, request_forward, &what);
    assert_int_equal(what.result, 0);
    assert_int_equal(fake_stats(fake).dead_letters, 1);
    assert_int_equal(fake_stats(fake).actors, 2);
}

/* ---- memory ---- */

typedef struct scene {
    order what;
    errand errand;
    probe a;
    probe b;
    probe third;
    int result;
} scene;

static int spawn_quietly(fake_host *fake, probe *who) {
    return trp_spawn(fake_root(fake), &probe_behaviour, &who, NULL);
}

/* What was accepted ends once, whichever allocation fails. */
static void play(fake_host *fake, void *arg) {
    scene *all = arg;
    memset(all, 0, sizeof *all);
    all->what.timeout_ns = TRP_NS_PER_S;
    all->a = (probe){.on_message = write_end, .arg = &all->what.seen};
    all->b.on_message = probe_reply_next;
    all->result = fake_start(fake, NULL);
    if (all->result != 0) {
        return;
    }
    all->result = spawn_quietly(fake, &all->a);
    all->result = all->result != 0 ? all->result : spawn_quietly(fake, &all->b);
    all->result = all->result != 0 ? all->result : spawn_quietly(fake, &all->third);
    if (all->result != 0) {
        return;
    }
    for (size_t i = 0; i < 4; i++) {
        all->what.targets[i] = i == 2 ? TRP_PID_NONE : all->b.pid;
    }
    all->what.len = 4;
    all->what.result = TRP_ENOMEM;
    all->errand = (errand){all->b.pid, all->third.pid, TRP_NS_PER_S, 3, TRP_ENOMEM};
    (void)probe_ask(fake_root(fake), all->a.pid, request_many, &all->what);
    (void)probe_ask(fake_root(fake), all->a.pid, request_forward, &all->errand);
    fake_run(fake);
    fake_advance(fake, 2 * TRP_NS_PER_S);
    assert_true(all->what.result == 0 || all->what.result == TRP_ENOMEM);
    assert_int_equal(all->what.seen.ends, all->what.result == 0 ? 1 : 0);
    assert_true(all->errand.result == 0 || all->errand.result == TRP_ENOMEM);
    assert_int_equal(all->third.events_len, all->errand.result == 0 ? 1 : 0);
    all->result = all->what.result != 0 ? all->what.result : all->errand.result;
}

static void test_every_failing_allocation_is_told(void **state) {
    (void)state;
    static scene all;
    assert_true(fake_every_allocation_fails(play, &all) > 5);
    assert_int_equal(all.result, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_each_target_has_its_outcome_in_order),
        FAKE_TEST(test_one_deadline_is_for_all),
        FAKE_TEST(test_nobody_asked_ends_at_once),
        FAKE_TEST(test_many_targets_keep_their_places),
        FAKE_TEST(test_canceled_many_give_up_every_request),
        FAKE_TEST(test_many_of_a_caller_that_ends_are_given_up),
        FAKE_TEST(test_order_to_each_target_is_kept),
        FAKE_TEST(test_replies_belong_to_the_end_until_they_are_taken),
        FAKE_TEST(test_wrong_calls_are_refused),
        FAKE_TEST(test_runtime_may_stop_meanwhile),
        FAKE_TEST(test_outcome_goes_to_the_third),
        FAKE_TEST(test_third_hears_of_dead_and_silent_callees),
        FAKE_TEST(test_outcome_for_a_dead_third_is_a_dead_letter),
        cmocka_unit_test(test_every_failing_allocation_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
