/*
 * Spawning: init runs in the spawner's flow, its error undoes everything, limits are errors and
 * slots are reused under new pids.
 */
#include "cmocka_all.h"
#include "probe.h"

#include <stdlib.h>

static void test_init_has_run_when_spawn_returns(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe *self = &a;
    trp_pid pid = TRP_PID_NONE;
    assert_int_equal(trp_spawn(fake_root(fake), &probe_behaviour, &self, &pid), 0);
    assert_int_equal(a.inits, 1);
    assert_true(trp_pid_equal(pid, a.pid));
    assert_false(trp_pid_is_none(pid));
    assert_true(trp_pid_is_local(pid));
    assert_true(trp_is_alive(fake_root(fake), pid));
    assert_int_equal(fake_stats(fake).actors, 1);
    assert_int_equal(fake_stats(fake).spawned, 1);
}

static void test_init_error_undoes_the_spawn(void **state) {
    fake_host *fake = *state;
    probe a = {.init_result = TRP_EIO};
    probe *self = &a;
    trp_pid pid = {9, 9, 9, 9};
    assert_int_equal(trp_spawn(fake_root(fake), &probe_behaviour, &self, &pid), TRP_EIO);
    fake_run(fake);
    assert_int_equal(a.terminates, 0);
    assert_true(trp_pid_equal(pid, (trp_pid){9, 9, 9, 9}));
    assert_false(trp_is_alive(fake_root(fake), a.pid));
    assert_int_equal(trp_send(fake_root(fake), a.pid, probe_value(fake_root(fake), 1)),
                     TRP_ENOPROC);
    assert_int_equal(fake_stats(fake).actors, 0);
}

/* A number that is no TRP_E* reaches the spawner as well. */
static void test_init_error_may_be_the_applications_own(void **state) {
    fake_host *fake = *state;
    probe a = {.init_result = -12345};
    probe *self = &a;
    assert_int_equal(trp_spawn(fake_root(fake), &probe_behaviour, &self, NULL), -12345);
}

static void register_and_allocate(trp_ctx *ctx, probe *self) {
    (void)self;
    assert_int_equal(trp_register(ctx, "half-born"), 0);
    assert_non_null(trp_alloc(ctx, 100000));
    assert_int_equal(trp_timer(ctx, TRP_NS_PER_S, 1, NULL), 0);
}

static void test_failed_init_leaves_no_name_timer_or_memory(void **state) {
    fake_host *fake = *state;
    probe a = {.on_init = register_and_allocate, .init_result = TRP_EIO};
    probe *self = &a;
    trp_pid pid;
    uint64_t before = 0;
    for (int i = 0; i < 3; i++) { /* the first round fills the pools */
        assert_int_equal(trp_spawn(fake_root(fake), &probe_behaviour, &self, NULL), TRP_EIO);
        fake_advance(fake, 2 * TRP_NS_PER_S);
        uint64_t live = atomic_load(&fake->memory.live_bytes);
        assert_true(i == 0 || live == before);
        before = live;
    }
    assert_int_equal(trp_whereis(fake_root(fake), "half-born", &pid), TRP_ENOENT);
    assert_int_equal(fake_stats(fake).timers, 0);
    assert_int_equal(a.events_len, 0);
}

static void test_name_option_registers_at_once(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {0};
    probe *self = &a;
    trp_spawn_options options = {.size = sizeof options, .name = "door"};
    trp_pid pid;
    assert_int_equal(trp_spawn_opt(fake_root(fake), &probe_behaviour, &self, &options, NULL, NULL),
                     0);
    assert_int_equal(trp_whereis(fake_root(fake), "door", &pid), 0);
    assert_true(trp_pid_equal(pid, a.pid));

    self = &b;
    pid = TRP_PID_NONE;
    assert_int_equal(trp_spawn_opt(fake_root(fake), &probe_behaviour, &self, &options, &pid, NULL),
                     TRP_EEXIST);
    assert_true(trp_pid_is_none(pid));
    assert_int_equal(b.terminates, 0);
    assert_int_equal(fake_stats(fake).actors, 1);
}

static void test_bad_name_option_is_refused(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe *self = &a;
    char name[TRP_NAME_MAX + 2];
    memset(name, 'x', sizeof name);
    name[TRP_NAME_MAX + 1] = '\0';
    trp_spawn_options options = {.size = sizeof options, .name = name};
    assert_int_equal(trp_spawn_opt(fake_root(fake), &probe_behaviour, &self, &options, NULL, NULL),
                     TRP_EINVAL);
    assert_int_equal(fake_stats(fake).actors, 0);
}

typedef struct child {
    probe *child;
    trp_ref monitor;
    trp_pid pid;
    int result;
} child;

static void spawn_monitored(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    child *what = arg;
    trp_spawn_options options = {.size = sizeof options, .monitor = true};
    what->result =
        trp_spawn_opt(ctx, &probe_behaviour, &what->child, &options, &what->pid, &what->monitor);
}

static void test_monitor_option_reports_the_end(void **state) {
    fake_host *fake = *state;
    probe parent = {0};
    probe kid = {0};
    child what = {.child = &kid};
    probe_spawn(fake, &parent);
    probe_do(fake, &parent, spawn_monitored, &what);
    assert_int_equal(what.result, 0);
    assert_true(trp_pid_equal(what.pid, kid.pid));
    assert_int_equal(parent.events_len, 0);
    probe_do(fake, &kid, probe_call_fail, NULL);
    assert_int_equal(parent.events_len, 1);
    assert_ptr_equal(parent.events[0].type, &trp_down_type);
    assert_true(parent.events[0].body.down.ref == what.monitor);
    assert_true(trp_pid_equal(parent.events[0].body.down.pid, kid.pid));
    assert_int_equal(parent.events[0].body.down.reason.code, 7);
}

static void test_monitor_option_needs_an_actor(void **state) {
    fake_host *fake = *state;
    probe kid = {0};
    probe *self = &kid;
    trp_ref monitor = 0;
    trp_spawn_options options = {.size = sizeof options, .monitor = true};
    assert_int_equal(
        trp_spawn_opt(fake_root(fake), &probe_behaviour, &self, &options, NULL, &monitor),
        TRP_ESTATE);
    assert_int_equal(fake_stats(fake).actors, 0);
}

static void test_failed_init_reports_to_no_monitor(void **state) {
    fake_host *fake = *state;
    probe parent = {0};
    probe kid = {.init_result = TRP_EIO};
    child what = {.child = &kid};
    probe_spawn(fake, &parent);
    probe_do(fake, &parent, spawn_monitored, &what);
    assert_int_equal(what.result, TRP_EIO);
    assert_int_equal(parent.events_len, 0);
}

/* State: zeroed, as large as asked, aligned; none at all is allowed. */

enum { LARGE_STATE = 1 << 20 };

static bool state_was_zero;

static int look_at_state(trp_ctx *ctx, void *block, const void *arg) {
    (void)arg;
    const unsigned char *bytes = block;
    state_was_zero = (uintptr_t)block % 8 == 0 && block == trp_state(ctx);
    for (size_t i = 0; i < LARGE_STATE; i++) {
        state_was_zero = state_was_zero && bytes[i] == 0;
    }
    memset(block, 0xff, LARGE_STATE);
    return 0;
}

static void ignore(trp_ctx *ctx, void *block, trp_message *message) {
    (void)ctx;
    (void)block;
    (void)message;
}

static void test_state_is_zeroed_each_time(void **state) {
    fake_host *fake = *state;
    static const trp_behaviour large = {
        TRP_BEHAVIOUR("test.large"),
        .state_size = LARGE_STATE,
        .init = look_at_state,
        .handle = ignore,
    };
    for (int i = 0; i < 3; i++) {
        trp_pid pid;
        state_was_zero = false;
        assert_int_equal(trp_spawn(fake_root(fake), &large, NULL, &pid), 0);
        assert_true(state_was_zero);
        assert_int_equal(trp_kill(fake_root(fake), pid), 0);
        fake_run(fake);
    }
}

static void test_no_state_and_no_init_is_fine(void **state) {
    fake_host *fake = *state;
    static const trp_behaviour bare = {TRP_BEHAVIOUR("test.bare"), .handle = ignore};
    trp_pid pid;
    assert_int_equal(trp_spawn(fake_root(fake), &bare, NULL, &pid), 0);
    assert_int_equal(probe_send(fake_root(fake), pid, 1), 0);
    fake_run(fake);
    assert_int_equal(fake_stats(fake).delivered, 1);
}

static void test_root_is_nobody(void **state) {
    fake_host *fake = *state;
    assert_true(trp_pid_is_none(trp_self(fake_root(fake))));
    assert_null(trp_state(fake_root(fake)));
    assert_null(trp_alloc(fake_root(fake), 10));
    assert_ptr_equal(trp_ctx_runtime(fake_root(fake)), fake->runtime);
    assert_int_equal(trp_ctx_scheduler(fake_root(fake)), 0);
}

static void test_actor_limit_is_an_error_until_one_ends(void **state) {
    (void)state;
    static fake_host fake;
    fake_init(&fake);
    trp_runtime_config config = {.size = sizeof config, .actors_max = 10};
    assert_int_equal(fake_start(&fake, &config), 0);
    probe actors[11] = {{0}};
    for (int i = 0; i < 10; i++) {
        probe_spawn(&fake, &actors[i]);
    }
    probe *last = &actors[10];
    assert_int_equal(trp_spawn(fake_root(&fake), &probe_behaviour, &last, NULL), TRP_ELIMIT);
    assert_int_equal(last->inits, 0);
    probe_do(&fake, &actors[3], probe_call_stop, NULL);
    assert_int_equal(trp_spawn(fake_root(&fake), &probe_behaviour, &last, NULL), 0);
    assert_int_equal(fake_stats(&fake).actors, 10);
    fake_stop(&fake);
}

/*
 * Every init spawns one more, for ever: the depth limit ends it with an error that the deepest
 * sees, and nobody else.
 */

static uint32_t nested_born;
static int nested_error;

static int spawn_the_next(trp_ctx *ctx, void *block, const void *arg);

static const trp_behaviour nested = {
    TRP_BEHAVIOUR("test.nested"),
    .init = spawn_the_next,
    .handle = ignore,
};

static int spawn_the_next(trp_ctx *ctx, void *block, const void *arg) {
    (void)block;
    (void)arg;
    trp_pid before = trp_self(ctx);
    int result = trp_spawn(ctx, &nested, NULL, NULL);
    nested_born++;
    if (result != 0) {
        nested_error = result;
    }
    return trp_pid_equal(before, trp_self(ctx)) ? 0 : TRP_EINVAL;
}

static void test_nesting_of_init_is_limited(void **state) {
    fake_host *fake = *state;
    nested_born = 0;
    nested_error = 0;
    assert_int_equal(trp_spawn(fake_root(fake), &nested, NULL, NULL), 0);
    assert_int_equal(nested_error, TRP_ELIMIT);
    assert_true(nested_born >= 4);
    assert_int_equal(fake_stats(fake).actors, nested_born);
    assert_int_equal(trp_spawn(fake_root(fake), &nested, NULL, NULL),
                     0); /* the depth counts back */
}

static void stop_at_birth(trp_ctx *ctx, probe *self) {
    (void)self;
    trp_stop_self(ctx);
}

static void test_actor_that_stops_in_init_is_born_and_ends(void **state) {
    fake_host *fake = *state;
    probe parent = {0};
    probe kid = {.on_init = stop_at_birth};
    child what = {.child = &kid};
    probe_spawn(fake, &parent);
    probe_do(fake, &parent, spawn_monitored, &what);
    assert_int_equal(what.result, 0);
    assert_int_equal(kid.terminates, 1);
    assert_int_equal(kid.reason.kind, TRP_EXIT_NORMAL);
    assert_int_equal(parent.events_len, 1);
    assert_int_equal(parent.events[0].body.down.reason.kind, TRP_EXIT_NORMAL);
}

static void test_slots_are_reused_under_new_pids(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    trp_pid old = a.pid;
    for (int i = 0; i < 1000; i++) {
        probe_do(fake, &a, probe_call_stop, NULL);
        probe_spawn(fake, &a);
        assert_false(trp_pid_equal(a.pid, old));
        assert_false(trp_is_alive(fake_root(fake), old));
        assert_int_equal(probe_send(fake_root(fake), old, 1), TRP_ENOPROC);
    }
    fake_run(fake);
    assert_int_equal(a.events_len, 0);
    assert_int_equal(fake_stats(fake).actors, 1);
    assert_int_equal(fake_stats(fake).spawned, 1001);
}

static void test_many_actors_come_and_go(void **state) {
    fake_host *fake = *state;
    enum { MANY = 20000 };
    static const trp_behaviour bare = {TRP_BEHAVIOUR("test.bare"), .handle = ignore};
    trp_pid *pids = calloc(MANY, sizeof *pids);
    assert_non_null(pids);
    uint64_t full = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            assert_int_equal(trp_spawn(fake_root(fake), &bare, NULL, &pids[i]), 0);
        }
        assert_int_equal(fake_stats(fake).actors, MANY);
        uint64_t live = atomic_load(&fake->memory.live_bytes);
        assert_true(round < 2 || live == full); /* memory is reused, not piled up */
        full = live;
        for (int i = 0; i < MANY; i++) {
            assert_int_equal(trp_kill(fake_root(fake), pids[i]), 0);
        }
        fake_run(fake);
        assert_int_equal(fake_stats(fake).actors, 0);
    }
    free(pids);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_init_has_run_when_spawn_returns),
        FAKE_TEST(test_init_error_undoes_the_spawn),
        FAKE_TEST(test_init_error_may_be_the_applications_own),
        FAKE_TEST(test_failed_init_leaves_no_name_timer_or_memory),
        FAKE_TEST(test_name_option_registers_at_once),
        FAKE_TEST(test_bad_name_option_is_refused),
        FAKE_TEST(test_monitor_option_reports_the_end),
        FAKE_TEST(test_monitor_option_needs_an_actor),
        FAKE_TEST(test_failed_init_reports_to_no_monitor),
        FAKE_TEST(test_state_is_zeroed_each_time),
        FAKE_TEST(test_no_state_and_no_init_is_fine),
        FAKE_TEST(test_root_is_nobody),
        cmocka_unit_test(test_actor_limit_is_an_error_until_one_ends),
        FAKE_TEST(test_nesting_of_init_is_limited),
        FAKE_TEST(test_actor_that_stops_in_init_is_born_and_ends),
        FAKE_TEST(test_slots_are_reused_under_new_pids),
        FAKE_TEST(test_many_actors_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
