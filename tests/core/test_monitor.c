/*
 * Monitors: each gives exactly one DOWN, whatever order things happen in, and never before the dead
 * actor's messages.
 */
#include "cmocka_all.h"
#include "probe.h"

typedef struct watch {
    trp_pid pid;
    trp_ref ref;
    int result;
} watch;

static void monitor(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    watch *what = arg;
    what->result = trp_monitor(ctx, what->pid, &what->ref);
}

static void demonitor(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    watch *what = arg;
    what->result = trp_demonitor(ctx, what->ref);
}

static trp_ref watch_it(fake_host *fake, probe *watcher, trp_pid pid) {
    watch what = {.pid = pid, .result = 1};
    probe_do(fake, watcher, monitor, &what);
    assert_int_equal(what.result, 0);
    assert_true(what.ref != 0);
    return what.ref;
}

static int unwatch_it(fake_host *fake, probe *watcher, trp_ref ref) {
    watch what = {.ref = ref, .result = 1};
    probe_do(fake, watcher, demonitor, &what);
    return what.result;
}

static void assert_down(const probe *watcher, uint32_t event, trp_ref ref, trp_pid pid,
                        int32_t kind) {
    assert_true(event < watcher->events_len);
    const probe_event *seen = &watcher->events[event];
    assert_ptr_equal(seen->type, &trp_down_type);
    assert_true(seen->body.down.ref == ref);
    assert_true(trp_pid_equal(seen->body.down.pid, pid));
    assert_int_equal(seen->body.down.reason.kind, kind);
}

static void test_monitors_stack_and_each_gives_one_down(void **state) {
    fake_host *fake = *state;
    probe w = {0};
    probe a = {0};
    trp_ref refs[5];
    probe_spawn(fake, &w);
    probe_spawn(fake, &a);
    for (int i = 0; i < 5; i++) {
        refs[i] = watch_it(fake, &w, a.pid);
        for (int j = 0; j < i; j++) {
            assert_true(refs[i] != refs[j]);
        }
    }
    probe_do(fake, &a, probe_call_stop, NULL);
    assert_int_equal(w.events_len, 5);
    for (int i = 0; i < 5; i++) {
        int found = 0;
        for (uint32_t e = 0; e < 5; e++) {
            found += w.events[e].body.down.ref == refs[i];
        }
        assert_int_equal(found, 1);
    }
    fake_advance(fake, TRP_NS_PER_S);
    assert_int_equal(w.events_len, 5);
}

static void test_dead_actor_gives_down_at_once(void **state) {
    fake_host *fake = *state;
    probe w = {0};
    probe a = {0};
    probe_spawn(fake, &w);
    probe_spawn(fake, &a);
    probe_do(fake, &a, probe_call_stop, NULL);
    trp_ref ref = watch_it(fake, &w, a.pid);
    assert_int_equal(w.events_len, 1);
    assert_down(&w, 0, ref, a.pid, TRP_EXIT_NOPROC);
}

static void test_nobody_gives_down_at_once(void **state) {
    fake_host *fake = *state;
    probe w = {0};
    probe_spawn(fake, &w);
    trp_ref ref = watch_it(fake, &w, TRP_PID_NONE);
    assert_int_equal(w.events_len, 1);
    assert_down(&w, 0, ref, TRP_PID_NONE, TRP_EXIT_NOPROC);
}

static void test_unknown_node_gives_noconnection(void **state) {
    fake_host *fake = *state;
    probe w = {0};
    trp_pid far = {5, 1, 1, 1};
    probe_spawn(fake, &w);
    trp_ref ref = watch_it(fake, &w, far);
    assert_int_equal(w.events_len, 1);
    assert_down(&w, 0, ref, far, TRP_EXIT_NOCONNECTION);
}

static void test_root_cannot_monitor(void **state) {
    fake_host *fake = *state;
    trp_ref ref = 0;
    assert_int_equal(trp_monitor(fake_root(fake), TRP_PID_NONE, &ref), TRP_ESTATE);
    assert_true(ref == 0);
}

static void test_demonitor_silences_exactly_one(void **state) {
    fake_host *fake = *state;
    probe w = {0};
    probe a = {0};
    probe_spawn(fake, &w);
    probe_spawn(fake, &a);
    trp_ref first = watch_it(fake, &w, a.pid);
    trp_ref second = watch_it(fake, &w, a.pid);
    assert_int_equal(unwatch_it(fake, &w, first), 0);
    assert_int_equal(unwatch_it(fake, &w, first), TRP_ENOENT);
    probe_do(fake, &a, probe_call_stop, NULL);
    assert_int_equal(w.events_len, 1);
    assert_down(&w, 0, second, a.pid, TRP_EXIT_NORMAL);
    assert_int_equal(unwatch_it(fake, &w, second), TRP_ENOENT); /* delivered */
}

static void test_demonitor_of_what_never_was(void **state) {
    fake_host *fake = *state;
    probe w = {0};
    probe v = {0};
    probe a = {0};
    probe_spawn(fake, &w);
    probe_spawn(fake, &v);
    probe_spawn(fake, &a);
    trp_ref ref = watch_it(fake, &w, a.pid);
    assert_int_equal(unwatch_it(fake, &w, 0), TRP_ENOENT);
    assert_int_equal(unwatch_it(fake, &w, UINT64_MAX), TRP_ENOENT);
    assert_int_equal(unwatch_it(fake, &w, ref ^ 1), TRP_ENOENT);
    assert_int_equal(unwatch_it(fake, &v, ref), TRP_ENOENT); /* another actor's */
    probe_do(fake, &a, probe_call_stop, NULL);
    assert_int_equal(w.events_len, 1);
    assert_int_equal(v.events_len, 0);
}

/* The DOWN is already in the mailbox when the watcher changes its mind. */
static void test_demonitor_takes_back_a_down_that_waits(void **state) {
    fake_host *fake = *state;
    probe w = {0};
    probe a = {0};
    probe_spawn(fake, &w);
    probe_spawn(fake, &a);
    watch what = {.ref = watch_it(fake, &w, a.pid), .result = 1};
    assert_int_equal(probe_ask(fake_root(fake), a.pid, probe_call_stop, NULL), 0);
    trp_budget one = {.messages = 1};
    fake_step(fake, 0, &one); /* a ends; its DOWN waits in w's mailbox */
    assert_int_equal(fake_stats(fake).actors, 1);
    if (w.events_len == 0) {
        probe_do(fake, &w, demonitor, &what);
        fake_run(fake);
        /* The demonitor came behind the DOWN, so either it was handled before or taken back. */
        assert_true(w.events_len == (what.result == 0 ? 0u : 1u));
    }
}

static void monitor_end_demonitor(trp_ctx *ctx, probe *self, void *arg) {
    watch *what = arg;
    monitor(ctx, self, what);
    assert_int_equal(what->result, 0);
    assert_int_equal(trp_kill(ctx, what->pid), 0);
    assert_int_equal(trp_demonitor(ctx, what->ref), 0);
}

static void test_demonitor_in_the_same_activation(void **state) {
    fake_host *fake = *state;
    probe w = {0};
    probe a = {0};
    probe_spawn(fake, &w);
    probe_spawn(fake, &a);
    watch what = {.pid = a.pid};
    probe_do(fake, &w, monitor_end_demonitor, &what);
    assert_int_equal(fake_stats(fake).actors, 1);
    assert_int_equal(w.events_len, 0);
}

static void test_watcher_may_die_first(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    for (int i = 0; i < 50; i++) {
        probe w = {0};
        probe_spawn(fake, &w);
        watch_it(fake, &w, a.pid);
        watch_it(fake, &w, a.pid);
        probe_do(fake, &w, probe_call_stop, NULL);
    }
    probe_do(fake, &a, probe_call_stop, NULL);
    assert_int_equal(fake_stats(fake).dead_letters, 0); /* DOWN for the dead is no letter */
}

static void talk_and_stop(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    for (uint64_t i = 1; i <= 10; i++) {
        assert_int_equal(probe_send(ctx, ((probe *)arg)->pid, i), 0);
    }
    trp_stop_self(ctx);
}

static void test_down_never_overtakes(void **state) {
    fake_host *fake = *state;
    probe w = {0};
    probe a = {0};
    probe_spawn(fake, &w);
    probe_spawn(fake, &a);
    trp_ref ref = watch_it(fake, &w, a.pid);
    probe_do(fake, &a, talk_and_stop, &w);
    assert_int_equal(w.events_len, 11);
    for (uint64_t i = 0; i < 10; i++) {
        assert_int_equal(w.events[i].value, i + 1);
    }
    assert_down(&w, 10, ref, a.pid, TRP_EXIT_NORMAL);
}

static void test_down_carries_a_long_reason(void **state) {
    fake_host *fake = *state;
    probe w = {0};
    probe a = {0};
    probe_spawn(fake, &w);
    probe_spawn(fake, &a);
    watch_it(fake, &w, a.pid);
    trp_exit reason =
        trp_exit_make(TRP_EXIT_ERROR, -7, "a reason with exactly forty-seven bytes of text");
    assert_int_equal(trp_stop(fake_root(fake), a.pid, &reason), 0);
    fake_run(fake);
    assert_int_equal(w.events_len, 1);
    assert_string_equal(w.events[0].body.down.reason.text, reason.text);
    assert_int_equal(w.events[0].body.down.reason.code, -7);
}

/*
 * Signals need no memory when they fire: everything is refused from the moment that the monitors
 * stand.
 */
static void test_down_comes_without_memory(void **state) {
    fake_host *fake = *state;
    enum { MANY = 60 };
    probe w = {0};
    probe a = {0};
    probe_spawn(fake, &w);
    probe_spawn(fake, &a);
    for (int i = 0; i < MANY; i++) {
        watch_it(fake, &w, a.pid);
    }
    assert_int_equal(trp_kill(fake_root(fake), a.pid), 0);
    fake->memory.fail_all = true;
    fake_run(fake);
    fake->memory.fail_all = false;
    assert_int_equal(w.events_len, MANY);
}

static void monitor_self(trp_ctx *ctx, probe *self, void *arg) {
    watch *what = arg;
    what->pid = self->pid;
    monitor(ctx, self, what);
    trp_stop_self(ctx);
}

static void test_monitor_of_itself_ends_quietly(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    watch what = {.result = 1};
    probe_spawn(fake, &a);
    probe_do(fake, &a, monitor_self, &what);
    assert_int_equal(what.result, 0);
    assert_int_equal(fake_stats(fake).actors, 0);
    assert_int_equal(a.events_len, 0);
}

/* Many watch many, and all end in random order: each pair gives exactly one DOWN. */
enum { CROWD = 40 };

static void test_crowd_that_watches_itself(void **state) {
    fake_host *fake = *state;
    static probe crowd[CROWD];
    uint64_t seed = 11;
    memset(crowd, 0, sizeof crowd);
    for (int i = 0; i < CROWD; i++) {
        probe_spawn(fake, &crowd[i]);
    }
    for (int i = 0; i < CROWD; i++) {
        for (int j = 0; j < CROWD; j++) {
            if (i != j) {
                watch_it(fake, &crowd[i], crowd[j].pid);
            }
        }
    }
    for (uint32_t left = CROWD; left > 0; left--) {
        uint64_t who = fake_random_below(&seed, CROWD);
        while (!trp_is_alive(fake_root(fake), crowd[who].pid)) {
            who = (who + 1) % CROWD;
        }
        assert_int_equal(crowd[who].events_len, CROWD - left);
        probe_do(fake, &crowd[who], probe_call_fail, NULL);
    }
    assert_int_equal(fake_stats(fake).actors, 0);
}

static void monitor_living(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    watch *what = arg;
    what->result = trp_monitor_living(ctx, what->pid, &what->ref);
}

static void test_living_monitor_of_the_dead_is_an_error(void **state) {
    fake_host *fake = *state;
    probe w = {0};
    probe a = {0};
    probe_spawn(fake, &w);
    probe_spawn(fake, &a);
    watch what = {.pid = a.pid, .result = 1};
    probe_do(fake, &w, monitor_living, &what);
    assert_int_equal(what.result, 0);
    probe_do(fake, &a, probe_call_stop, NULL);
    assert_int_equal(w.events_len, 1);
    assert_down(&w, 0, what.ref, a.pid, TRP_EXIT_NORMAL);
    probe_do(fake, &w, monitor_living, &what);
    assert_int_equal(what.result, TRP_ENOPROC);
    what.pid = (trp_pid){1, 1, 1, 1};
    probe_do(fake, &w, monitor_living, &what);
    assert_int_equal(what.result, TRP_ENOCONNECTION);
    assert_int_equal(w.events_len, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_monitors_stack_and_each_gives_one_down),
        FAKE_TEST(test_dead_actor_gives_down_at_once),
        FAKE_TEST(test_nobody_gives_down_at_once),
        FAKE_TEST(test_unknown_node_gives_noconnection),
        FAKE_TEST(test_root_cannot_monitor),
        FAKE_TEST(test_demonitor_silences_exactly_one),
        FAKE_TEST(test_demonitor_of_what_never_was),
        FAKE_TEST(test_demonitor_takes_back_a_down_that_waits),
        FAKE_TEST(test_demonitor_in_the_same_activation),
        FAKE_TEST(test_watcher_may_die_first),
        FAKE_TEST(test_down_never_overtakes),
        FAKE_TEST(test_down_carries_a_long_reason),
        FAKE_TEST(test_down_comes_without_memory),
        FAKE_TEST(test_monitor_of_itself_ends_quietly),
        FAKE_TEST(test_crowd_that_watches_itself),
        FAKE_TEST(test_living_monitor_of_the_dead_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
