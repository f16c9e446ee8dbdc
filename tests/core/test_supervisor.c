/*
 * Supervisors: who is started again, in which order, how often, and how all ends. The children write
 * what happens to them into a journal of the test.
 */
#include "cmocka_all.h"
#include "probe.h"
#include "troupe/ending.h"
#include "troupe/link.h"
#include "troupe/supervisor.h"

enum { JOURNAL = 256, CHILDREN = 4 };

typedef struct journal {
    char text[JOURNAL]; /* "+a" started, "-a" terminated */
    size_t length;
    trp_pid pids[CHILDREN];
    int failing_starts[CHILDREN]; /* so many next starts fail */
    bool is_deaf[CHILDREN];       /* ignores a stop */
} journal;

typedef struct child_arg {
    journal *journal;
    uint32_t index;
} child_arg;

static void note(journal *to, char what, uint32_t index) {
    assert_true(to->length + 2 < JOURNAL);
    to->text[to->length++] = what;
    to->text[to->length++] = (char)('a' + index);
    to->text[to->length] = '\0';
}

static void forget(journal *what) {
    what->length = 0;
    what->text[0] = '\0';
}

static int child_init(trp_ctx *ctx, void *state, const void *arg) {
    child_arg *self = state;
    *self = *(const child_arg *)arg;
    if (self->journal->failing_starts[self->index] > 0) {
        self->journal->failing_starts[self->index]--;
        note(self->journal, '!', self->index);
        return TRP_EFAILED;
    }
    self->journal->pids[self->index] = trp_self(ctx);
    note(self->journal, '+', self->index);
    return 0;
}

/* 1: fail, 2: end normally, 3: end with shutdown. */
static void child_handle(trp_ctx *ctx, void *state, trp_message *message) {
    const child_arg *self = state;
    if (trp_message_is(message, &trp_exit_type)) {
        if (!self->journal->is_deaf[self->index]) {
            trp_fail(ctx, trp_message_body(message));
        }
        return;
    }
    uint64_t order = probe_value_of(message);
    trp_exit reason = trp_exit_make(order == 1 ? TRP_EXIT_ERROR : TRP_EXIT_SHUTDOWN, 0, "on order");
    if (order == 2) {
        trp_stop_self(ctx);
    } else {
        trp_fail(ctx, &reason);
    }
}

static void child_terminate(trp_ctx *ctx, void *state, const trp_exit *reason) {
    (void)ctx;
    (void)reason;
    const child_arg *self = state;
    note(self->journal, '-', self->index);
}

static const trp_behaviour child_behaviour = {
    TRP_BEHAVIOUR("child"), .state_size = sizeof(child_arg), .flags = TRP_BEHAVIOUR_DEFERS_STOP,
    .init = child_init,     .handle = child_handle,          .terminate = child_terminate,
};

/* A supervisor with children a, b, c, ... and a probe that has spawned and monitors it. */
typedef struct scene {
    journal journal;
    probe owner;
    trp_pid supervisor;
    trp_ref monitor;
    int result;
    trp_supervisor_config config;
    child_arg args[CHILDREN];
    trp_child_spec specs[CHILDREN];
} scene;

static const char *const ids[CHILDREN] = {"a", "b", "c", "d"};

static void prepare(scene *s, size_t children, trp_strategy strategy) {
    memset(s, 0, sizeof *s);
    for (uint32_t i = 0; i < CHILDREN; i++) {
        s->args[i] = (child_arg){&s->journal, i};
        s->specs[i] = (trp_child_spec){.size = sizeof(trp_child_spec),
                                       .id = ids[i],
                                       .behaviour = &child_behaviour,
                                       .arg = &s->args[i],
                                       .arg_size = sizeof s->args[i]};
    }
    s->config = (trp_supervisor_config){.size = sizeof s->config,
                                        .children = s->specs,
                                        .children_len = children,
                                        .strategy = strategy,
                                        .intensity = 3};
}

static void spawn_supervisor(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    scene *s = arg;
    s->result = trp_supervisor_spawn(ctx, &s->config, NULL, &s->supervisor);
    if (s->result == 0) {
        assert_int_equal(trp_monitor(ctx, s->supervisor, &s->monitor), 0);
    }
}

static void start(fake_host *fake, scene *s) {
    probe_spawn(fake, &s->owner);
    probe_do(fake, &s->owner, spawn_supervisor, s);
    assert_int_equal(s->result, 0);
}

static void order(fake_host *fake, scene *s, uint32_t child, uint64_t what) {
    assert_int_equal(probe_send(fake_root(fake), s->journal.pids[child], what), 0);
    fake_run(fake);
}

static void assert_journal(const scene *s, const char *expected) {
    assert_string_equal(s->journal.text, expected);
}

/* The supervisor has ended with that kind. */
static void assert_ended(const scene *s, int32_t kind) {
    assert_int_equal(s->owner.events_len, 1);
    assert_true(s->owner.events[0].body.down.ref == s->monitor);
    assert_int_equal(s->owner.events[0].body.down.reason.kind, kind);
}

static void test_children_start_in_order_and_stop_in_reverse(void **state) {
    fake_host *fake = *state;
    scene s;
    prepare(&s, 3, TRP_ONE_FOR_ONE);
    start(fake, &s);
    assert_journal(&s, "+a+b+c");
    trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, "enough");
    assert_int_equal(trp_stop(fake_root(fake), s.supervisor, &reason), 0);
    fake_run(fake);
    assert_journal(&s, "+a+b+c-c-b-a");
    assert_ended(&s, TRP_EXIT_SHUTDOWN);
    assert_string_equal(s.owner.events[0].body.down.reason.text, "enough");
}

static void test_failed_init_of_a_child_undoes_the_supervisor(void **state) {
    fake_host *fake = *state;
    scene s;
    prepare(&s, 3, TRP_ONE_FOR_ONE);
    s.journal.failing_starts[2] = 1;
    probe_spawn(fake, &s.owner);
    probe_do(fake, &s.owner, spawn_supervisor, &s);
    assert_int_equal(s.result, TRP_EFAILED);
    fake_run(fake);
    assert_int_equal(fake_stats(fake).actors, 1);
    assert_int_equal(s.owner.events_len, 0);
}

static void test_one_for_one_restarts_only_the_failed(void **state) {
    fake_host *fake = *state;
    scene s;
    prepare(&s, 3, TRP_ONE_FOR_ONE);
    start(fake, &s);
    forget(&s.journal);
    order(fake, &s, 1, 1);
    assert_journal(&s, "-b+b");
}

static void test_one_for_all_restarts_all_in_order(void **state) {
    fake_host *fake = *state;
    scene s;
    prepare(&s, 3, TRP_ONE_FOR_ALL);
    start(fake, &s);
    forget(&s.journal);
    order(fake, &s, 1, 1);
    assert_journal(&s, "-b-c-a+a+b+c");
}

static void test_rest_for_one_restarts_it_and_those_after(void **state) {
    fake_host *fake = *state;
    scene s;
    prepare(&s, 4, TRP_REST_FOR_ONE);
    start(fake, &s);
    forget(&s.journal);
    order(fake, &s, 1, 1);
    assert_journal(&s, "-b-d-c+b+c+d");
}

static void test_permanent_is_restarted_after_a_normal_end(void **state) {
    fake_host *fake = *state;
    scene s;
    prepare(&s, 1, TRP_ONE_FOR_ONE);
    start(fake, &s);
    forget(&s.journal);
    order(fake, &s, 0, 2);
    assert_journal(&s, "-a+a");
}

static void test_transient_is_restarted_only_after_a_failure(void **state) {
    fake_host *fake = *state;
    scene s;
    prepare(&s, 2, TRP_ONE_FOR_ONE);
    s.specs[0].restart = TRP_TRANSIENT;
    s.specs[1].restart = TRP_TRANSIENT;
    start(fake, &s);
    forget(&s.journal);
    order(fake, &s, 0, 2);
    order(fake, &s, 1, 3);
    assert_journal(&s, "-a-b");
    prepare(&s, 1, TRP_ONE_FOR_ONE);
    s.specs[0].restart = TRP_TRANSIENT;
    start(fake, &s);
    forget(&s.journal);
    order(fake, &s, 0, 1);
    assert_journal(&s, "-a+a");
}

static void test_temporary_is_never_restarted_not_even_for_a_sibling(void **state) {
    fake_host *fake = *state;
    scene s;
    prepare(&s, 3, TRP_ONE_FOR_ALL);
    s.specs[1].restart = TRP_TEMPORARY;
    start(fake, &s);
    forget(&s.journal);
    order(fake, &s, 0, 1);
    assert_journal(&s, "-a-c-b+a+c");
}

static void test_too_many_restarts_end_the_supervisor(void **state) {
    fake_host *fake = *state;
    scene s;
    prepare(&s, 2, TRP_ONE_FOR_ONE);
    s.config.intensity = 2;
    start(fake, &s);
    forget(&s.journal);
    order(fake, &s, 0, 1);
    order(fake, &s, 0, 1);
    assert_journal(&s, "-a+a-a+a");
    order(fake, &s, 0, 1);
    assert_journal(&s, "-a+a-a+a-a-b");
    assert_ended(&s, TRP_EXIT_SHUTDOWN);
}

static void test_restarts_outside_of_the_period_do_not_count(void **state) {
    fake_host *fake = *state;
    scene s;
    prepare(&s, 1, TRP_ONE_FOR_ONE);
    s.config.intensity = 1;
    s.config.period_ns = TRP_NS_PER_S;
    start(fake, &s);
    for (int i = 0; i < 5; i++) {
        order(fake, &s, 0, 1);
        fake_advance(fake, 2 * TRP_NS_PER_S);
    }
    assert_int_equal(s.owner.events_len, 0);
}

static void test_backoff_grows_and_resets(void **state) {
    fake_host *fake = *state;
    scene s;
    prepare(&s, 1, TRP_ONE_FOR_ONE);
    s.config.intensity = 100;
    s.config.backoff_min_ns = 100 * TRP_NS_PER_MS;
    s.config.backoff_max_ns = TRP_NS_PER_S;
    start(fake, &s);
    uint64_t expected_ms[] = {100, 200, 400, 800, 1000, 1000};
    for (size_t i = 0; i < sizeof expected_ms / sizeof *expected_ms; i++) {
        forget(&s.journal);
        order(fake, &s, 0, 1);
        fake_advance(fake, (expected_ms[i] - 2) * TRP_NS_PER_MS);
        assert_journal(&s, "-a");
        fake_advance(fake, (expected_ms[i] / 4 + 4) * TRP_NS_PER_MS);
        assert_journal(&s, "-a+a");
    }
    fake_advance(fake, 2 * TRP_NS_PER_S);
    forget(&s.journal);
    order(fake, &s, 0, 1);
    fake_advance(fake, 130 * TRP_NS_PER_MS);
    assert_journal(&s, "-a+a");
}

static void test_failing_restart_counts_as_a_restart(void **state) {
    fake_host *fake = *state;
    scene s;
    prepare(&s, 2, TRP_ONE_FOR_ONE);
    s.config.intensity = 3;
    start(fake, &s);
    forget(&s.journal);
    s.journal.failing_starts[0] = 2;
    order(fake, &s, 0, 1);
    fake_advance(fake, 100 * TRP_NS_PER_MS);
    assert_journal(&s, "-a!a!a+a");
    s.journal.failing_starts[0] = 100;
    forget(&s.journal);
    order(fake, &s, 0, 1);
    fake_advance(fake, 100 * TRP_NS_PER_MS);
    assert_ended(&s, TRP_EXIT_SHUTDOWN);
    assert_int_equal(fake_stats(fake).actors, 1);
}

static void test_deaf_child_is_killed_when_its_time_is_up(void **state) {
    fake_host *fake = *state;
    scene s;
    prepare(&s, 2, TRP_ONE_FOR_ONE);
    s.journal.is_deaf[1] = true;
    s.specs[1].shutdown_ns = TRP_NS_PER_S;
    start(fake, &s);
    forget(&s.journal);
    trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, NULL);
    assert_int_equal(trp_stop(fake_root(fake), s.supervisor, &reason), 0);
    fake_run(fake);
    fake_advance(fake, 900 * TRP_NS_PER_MS);
    assert_journal(&s, "");
    fake_advance(fake, 200 * TRP_NS_PER_MS);
    assert_journal(&s, "-a"); /* b was killed: no terminate */
    assert_ended(&s, TRP_EXIT_SHUTDOWN);
}

static void test_brutal_child_is_killed_at_once(void **state) {
    fake_host *fake = *state;
    scene s;
    prepare(&s, 2, TRP_ONE_FOR_ONE);
    s.specs[1].is_brutal = true;
    start(fake, &s);
    forget(&s.journal);
    trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, NULL);
    assert_int_equal(trp_stop(fake_root(fake), s.supervisor, &reason), 0);
    fake_run(fake);
    assert_journal(&s, "-a");
}

static void test_significant_child_ends_its_supervisor(void **state) {
    fake_host *fake = *state;
    scene s;
    prepare(&s, 3, TRP_ONE_FOR_ONE);
    s.config.auto_shutdown = TRP_AUTO_SHUTDOWN_ALL;
    s.specs[0].restart = TRP_TRANSIENT;
    s.specs[0].is_significant = true;
    s.specs[1].restart = TRP_TEMPORARY;
    s.specs[1].is_significant = true;
    start(fake, &s);
    order(fake, &s, 0, 2);
    assert_int_equal(s.owner.events_len, 0);
    order(fake, &s, 1, 1);
    assert_ended(&s, TRP_EXIT_SHUTDOWN);
}

static void test_bad_specs_are_refused(void **state) {
    fake_host *fake = *state;
    scene s;
    for (int i = 0; i < 3; i++) {
        prepare(&s, 2, TRP_ONE_FOR_ONE);
        if (i == 0) {
            s.specs[1].id = "a";
        } else if (i == 1) {
            s.specs[1].is_significant = true;
        } else {
            s.specs[1].behaviour = NULL;
        }
        probe_spawn(fake, &s.owner);
        probe_do(fake, &s.owner, spawn_supervisor, &s);
        assert_int_equal(s.result, TRP_EINVAL);
    }
}

/* ---- children at run time ---- */

typedef struct ask {
    scene *scene;
    const char *id;
    trp_child_spec *spec;
    int (*call)(trp_ctx *ctx, struct ask *self, trp_ref *ref);
    trp_ref ref;
} ask;

static void do_ask(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    ask *what = arg;
    assert_int_equal(what->call(ctx, what, &what->ref), 0);
}

static int ask_start(trp_ctx *ctx, ask *self, trp_ref *ref) {
    return trp_supervisor_start(ctx, self->scene->supervisor, self->spec, TRP_NEVER, ref);
}

static int ask_stop(trp_ctx *ctx, ask *self, trp_ref *ref) {
    trp_pid pid = self->id == NULL ? self->scene->journal.pids[0] : TRP_PID_NONE;
    return trp_supervisor_stop(ctx, self->scene->supervisor, self->id, pid, TRP_NEVER, ref);
}

static int ask_restart(trp_ctx *ctx, ask *self, trp_ref *ref) {
    return trp_supervisor_restart(ctx, self->scene->supervisor, self->id, TRP_NEVER, ref);
}

static int ask_forget(trp_ctx *ctx, ask *self, trp_ref *ref) {
    return trp_supervisor_forget(ctx, self->scene->supervisor, self->id, TRP_NEVER, ref);
}

static int ask_list(trp_ctx *ctx, ask *self, trp_ref *ref) {
    return trp_supervisor_list(ctx, self->scene->supervisor, TRP_NEVER, ref);
}

/* Asks the supervisor for something; returns 0 or the error of the answer. */
static int asked(fake_host *fake, scene *s, int (*call)(trp_ctx *, ask *, trp_ref *),
                 const char *id, trp_child_spec *spec) {
    ask what = {s, id, spec, call, 0};
    probe_clear(&s->owner);
    probe_do(fake, &s->owner, do_ask, &what);
    assert_int_equal(s->owner.events_len, 1);
    assert_true(s->owner.events[0].ref == what.ref);
    return s->owner.events[0].type == &trp_request_error_type ? s->owner.events[0].body.error.code
                                                              : 0;
}

static void test_children_at_run_time(void **state) {
    fake_host *fake = *state;
    scene s;
    prepare(&s, 1, TRP_ONE_FOR_ONE);
    start(fake, &s);
    assert_int_equal(asked(fake, &s, ask_start, NULL, &s.specs[1]), 0);
    assert_ptr_equal(s.owner.events[0].type, &trp_child_started_type);
    assert_int_equal(asked(fake, &s, ask_start, NULL, &s.specs[1]), TRP_EEXIST);
    assert_int_equal(asked(fake, &s, ask_restart, "b", NULL), TRP_EEXIST);
    assert_int_equal(asked(fake, &s, ask_forget, "b", NULL), TRP_EEXIST);
    assert_int_equal(asked(fake, &s, ask_stop, "b", NULL), 0);
    assert_int_equal(asked(fake, &s, ask_restart, "b", NULL), 0);
    assert_int_equal(asked(fake, &s, ask_stop, "b", NULL), 0);
    assert_int_equal(asked(fake, &s, ask_forget, "b", NULL), 0);
    assert_int_equal(asked(fake, &s, ask_stop, "b", NULL), TRP_ENOENT);
    assert_journal(&s, "+a+b-b+b-b");
    assert_int_equal(asked(fake, &s, ask_list, NULL, NULL), 0);
    assert_ptr_equal(s.owner.events[0].type, &trp_child_list_type);
}

static void test_failing_start_at_run_time_leaves_nothing(void **state) {
    fake_host *fake = *state;
    scene s;
    prepare(&s, 1, TRP_ONE_FOR_ONE);
    start(fake, &s);
    s.journal.failing_starts[1] = 1;
    assert_int_equal(asked(fake, &s, ask_start, NULL, &s.specs[1]), TRP_EFAILED);
    assert_int_equal(asked(fake, &s, ask_stop, "b", NULL), TRP_ENOENT);
}

static void test_dynamic_children_need_no_id_and_are_forgotten(void **state) {
    fake_host *fake = *state;
    scene s;
    prepare(&s, 0, TRP_DYNAMIC);
    start(fake, &s);
    for (int i = 0; i < 3; i++) {
        s.specs[i].id = NULL;
        assert_int_equal(asked(fake, &s, ask_start, NULL, &s.specs[i]), 0);
    }
    forget(&s.journal);
    assert_int_equal(asked(fake, &s, ask_stop, NULL, NULL), 0); /* a, by its pid */
    assert_journal(&s, "-a");
    order(fake, &s, 1, 1);
    assert_journal(&s, "-a-b+b");
    assert_int_equal(asked(fake, &s, ask_stop, NULL, NULL), TRP_ENOENT);
}

static void test_runtime_stop_goes_through_the_tree(void **state) {
    fake_host *fake = *state;
    scene s;
    prepare(&s, 3, TRP_ONE_FOR_ONE);
    start(fake, &s);
    forget(&s.journal);
    assert_true(fake_shut_down(fake));
    assert_journal(&s, "-c-b-a");
}

static void scene_of_failures(fake_host *fake, void *arg) {
    (void)arg;
    scene s;
    prepare(&s, 3, TRP_REST_FOR_ONE);
    trp_pid pid;
    if (fake_start(fake, NULL) != 0) {
        return;
    }
    trp_ctx *ctx = fake_root(fake);
    if (trp_supervisor_spawn(ctx, &s.config, NULL, &pid) != 0) {
        return;
    }
    for (uint64_t i = 0; i < 3; i++) {
        (void)probe_send(ctx, s.journal.pids[i], 1);
        fake_run(fake);
        fake_advance(fake, 10 * TRP_NS_PER_MS);
    }
    trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, NULL);
    (void)trp_stop(ctx, pid, &reason);
    fake_run(fake);
    fake_advance(fake, 10 * TRP_NS_PER_S);
}

static void test_every_allocation_fails_once(void **state) {
    (void)state;
    assert_true(fake_every_allocation_fails(scene_of_failures, NULL) > 3);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_children_start_in_order_and_stop_in_reverse),
        CASE(test_failed_init_of_a_child_undoes_the_supervisor),
        CASE(test_one_for_one_restarts_only_the_failed),
        CASE(test_one_for_all_restarts_all_in_order),
        CASE(test_rest_for_one_restarts_it_and_those_after),
        CASE(test_permanent_is_restarted_after_a_normal_end),
        CASE(test_transient_is_restarted_only_after_a_failure),
        CASE(test_temporary_is_never_restarted_not_even_for_a_sibling),
        CASE(test_too_many_restarts_end_the_supervisor),
        CASE(test_restarts_outside_of_the_period_do_not_count),
        CASE(test_backoff_grows_and_resets),
        CASE(test_failing_restart_counts_as_a_restart),
        CASE(test_deaf_child_is_killed_when_its_time_is_up),
        CASE(test_brutal_child_is_killed_at_once),
        CASE(test_significant_child_ends_its_supervisor),
        CASE(test_bad_specs_are_refused),
        CASE(test_children_at_run_time),
        CASE(test_failing_start_at_run_time_leaves_nothing),
        CASE(test_dynamic_children_need_no_id_and_are_forgotten),
        CASE(test_runtime_stop_goes_through_the_tree),
        cmocka_unit_test(test_every_allocation_fails_once),
    };
    return cmocka_run_group_tests_name("supervisor", tests, NULL, NULL);
}
