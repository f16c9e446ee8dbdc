/*
 * The runtime as a whole: making it, stepping it, doors for other threads, stopping with grace, and
 * several in one process.
 */
#include "cmocka_all.h"
#include "probe.h"

#include <stdlib.h>

static int create_without(size_t callback) {
    static fake_host fake;
    fake_init(&fake);
    void *none = NULL;
    memcpy((char *)&fake.table + callback, &none, sizeof none);
    int result = fake_start(&fake, NULL);
    assert_null(fake.runtime);
    fake_stop(&fake);
    return result;
}

static void test_required_callbacks_are_required(void **state) {
    (void)state;
    assert_int_equal(create_without(offsetof(trp_host, realloc)), TRP_EINVAL);
    assert_int_equal(create_without(offsetof(trp_host, now_ns)), TRP_EINVAL);
    assert_int_equal(create_without(offsetof(trp_host, wake)), TRP_EINVAL);
    assert_int_equal(create_without(offsetof(trp_host, entropy)), TRP_EINVAL);
}

static void test_optional_callbacks_are_optional(void **state) {
    (void)state;
    static fake_host fake;
    fake_init(&fake);
    fake.table.log = NULL;
    fake.table.trace = NULL;
    fake.table.fatal = NULL;
    fake.table.hmac_sha256 = NULL;
    fake.table.abandon = NULL;
    assert_int_equal(fake_start(&fake, NULL), 0);
    probe a = {0};
    probe_spawn(&fake, &a);
    probe_send(fake_root(&fake), a.pid, 1);
    trp_log(fake_root(&fake), TRP_LOG_INFO, "nobody listens");
    fake_run(&fake);
    assert_int_equal(a.events_len, 1);
    fake_stop(&fake);
}

/* A host compiled against an older header: its table ends before `abandon`. */
static void test_shorter_table_is_accepted(void **state) {
    (void)state;
    static fake_host fake;
    fake_init(&fake);
    fake.table.size = offsetof(trp_host, abandon);
    assert_int_equal(fake_start(&fake, NULL), 0);
    fake_stop(&fake);
}

static void test_numbers_out_of_range_are_refused(void **state) {
    (void)state;
    static fake_host fake;
    fake_init(&fake);
    trp_runtime_config config = {.size = sizeof config, .schedulers = TRP_SCHEDULERS_MAX + 1};
    assert_int_equal(fake_start(&fake, &config), TRP_EINVAL);
    fake_stop(&fake);
    config.schedulers = TRP_SCHEDULERS_MAX;
    assert_int_equal(fake_start(&fake, &config), 0);
    fake_stop(&fake);
}

static void test_destroy_accepts_null(void **state) {
    (void)state;
    trp_runtime_destroy(NULL);
}

static void test_new_runtime_is_idle(void **state) {
    fake_host *fake = *state;
    assert_int_equal(fake_step(fake, 0, NULL), TRP_STEP_IDLE);
    assert_true(fake_next_deadline(fake) == TRP_NEVER);
    trp_stats stats = fake_stats(fake);
    trp_stats zero = {0};
    assert_memory_equal(&stats, &zero, sizeof stats);
    assert_non_null(trp_version());
    assert_true(strlen(trp_version()) >= 5);
}

/*
 * Everything at once is alive when the runtime goes: messages, requests, timers, names, monitors.
 * Teardown counts the bytes.
 */
static void everything(trp_ctx *ctx, probe *self, void *arg) {
    probe *other = arg;
    trp_ref ref;
    assert_int_equal(trp_register(ctx, "one"), 0);
    assert_int_equal(trp_monitor(ctx, other->pid, &ref), 0);
    assert_int_equal(trp_monitor(ctx, TRP_PID_NONE, &ref), 0);
    assert_int_equal(trp_timer(ctx, TRP_NS_PER_S, 1, NULL), 0);
    assert_int_equal(trp_interval(ctx, TRP_NS_PER_S, 1, NULL), 0);
    assert_int_equal(trp_send_after(ctx, TRP_NS_PER_S, other->pid, probe_value(ctx, 1), NULL), 0);
    assert_int_equal(trp_request(ctx, other->pid, probe_value(ctx, 1), TRP_NS_PER_S, &ref), 0);
    assert_int_equal(trp_request(ctx, other->pid, probe_value(ctx, 1), TRP_NEVER, &ref), 0);
    assert_non_null(trp_alloc(ctx, 100));
    assert_non_null(trp_alloc(ctx, 100000));
    probe_send(ctx, other->pid, 1);
    probe_send(ctx, self->pid, 1);
    trp_message *large = trp_message_new_bytes(ctx, NULL, 100000);
    assert_int_equal(trp_send(ctx, other->pid, large), 0);
}

static void test_destroy_frees_everything_that_is_alive(void **state) {
    (void)state;
    for (unsigned schedulers = 1; schedulers <= 3; schedulers++) {
        for (uint32_t steps = 0; steps < 6; steps++) {
            fake_host *fake = fake_create(schedulers);
            probe a = {0};
            probe b = {0};
            probe_spawn(fake, &a);
            probe_spawn(fake, &b);
            probe_ask(fake_root(fake), a.pid, everything, &b);
            trp_budget one = {.messages = 1};
            for (uint32_t i = 0; i < steps; i++) {
                fake_step(fake, i % schedulers, &one);
            }
            fake_destroy(fake);
            assert_int_equal(a.terminates + b.terminates, 0);
        }
    }
}

/* Calls from inside a step. */

typedef struct inner {
    fake_host *fake;
    trp_step answer;
    uint32_t others_events;
    probe *other;
} inner;

static void step_inside(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)message;
    inner *what = self->arg;
    probe_send(ctx, what->other->pid, 1);
    uint64_t deadline = 0;
    what->answer = trp_runtime_step(what->fake->runtime, 0, NULL, &deadline);
    what->others_events = what->other->events_len;
}

static void test_step_inside_a_step_does_nothing(void **state) {
    fake_host *fake = *state;
    probe other = {0};
    inner what = {.fake = fake, .other = &other};
    probe a = {.on_message = step_inside, .arg = &what};
    probe_spawn(fake, &other);
    probe_spawn(fake, &a);
    probe_send(fake_root(fake), a.pid, 1);
    fake_run(fake);
    assert_int_equal(what.answer, TRP_STEP_MORE);
    assert_int_equal(what.others_events, 0);
    assert_int_equal(other.events_len, 1);
}

/* Posting. */

typedef struct posted {
    uint32_t calls;
    unsigned scheduler;
    trp_pid self;
    probe *target;
} posted;

static void on_post(trp_ctx *ctx, void *arg) {
    posted *what = arg;
    what->calls++;
    what->scheduler = trp_ctx_scheduler(ctx);
    what->self = trp_self(ctx);
    if (what->target != NULL) {
        probe_send(ctx, what->target->pid, what->calls);
    }
}

static void test_posted_call_runs_once_on_its_scheduler(void **state) {
    (void)state;
    fake_host *fake = fake_create(3);
    fake_run(fake);
    for (unsigned i = 0; i < 3; i++) {
        posted what = {.self = {1, 1, 1, 1}};
        assert_int_equal(trp_post_call(fake->runtime, i, on_post, &what), 0);
        assert_int_equal(what.calls, 0);
        fake_run_if_woken(fake); /* the post itself must wake the scheduler */
        assert_int_equal(what.calls, 1);
        assert_int_equal(what.scheduler, i);
        assert_true(trp_pid_is_none(what.self));
    }
    fake_destroy(fake);
}

static void test_posted_calls_keep_their_order_and_may_send(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    posted what = {.target = &a};
    probe_spawn(fake, &a);
    fake_run(fake);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(trp_post_call(fake->runtime, 0, on_post, &what), 0);
    }
    fake_run_if_woken(fake);
    assert_int_equal(a.events_len, 20);
    for (uint64_t i = 0; i < 20; i++) {
        assert_int_equal(a.events[i].value, i + 1);
    }
}

static void test_posted_call_is_never_run_after_destroy(void **state) {
    (void)state;
    fake_host *fake = fake_create(1);
    posted what = {0};
    assert_int_equal(trp_post_call(fake->runtime, 0, on_post, &what), 0);
    fake_destroy(fake);
    assert_int_equal(what.calls, 0);
}

static void test_posted_bytes_arrive(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    fake_run(fake);
    uint64_t value = 31;
    for (uint64_t i = 1; i <= 10; i++) {
        assert_int_equal(trp_post_bytes(fake->runtime, a.pid, &value, sizeof value, i), 0);
    }
    value = 0; /* it was copied */
    fake_run_if_woken(fake);
    assert_int_equal(a.events_len, 10);
    for (uint64_t i = 0; i < 10; i++) {
        assert_int_equal(a.events[i].value, 31);
        assert_int_equal(a.events[i].tag, i + 1);
    }
    char large[5000];
    memset(large, 7, sizeof large);
    assert_int_equal(trp_post_bytes(fake->runtime, a.pid, large, sizeof large, 1), 0);
    assert_int_equal(trp_post_bytes(fake->runtime, a.pid, NULL, 0, 2), 0);
    fake_run_if_woken(fake);
    assert_int_equal(a.events_len, 12);
}

static void test_posted_bytes_to_nobody_are_a_dead_letter(void **state) {
    fake_host *fake = *state;
    assert_int_equal(trp_post_bytes(fake->runtime, TRP_PID_NONE, "x", 1, 9), 0);
    fake_run(fake);
    assert_int_equal(fake_stats(fake).dead_letters, 1);
}

/* Stopping. */

static void test_stop_ends_all_and_says_done(void **state) {
    (void)state;
    for (unsigned schedulers = 1; schedulers <= 4; schedulers++) {
        fake_host *fake = fake_create(schedulers);
        probe actors[20] = {{0}};
        for (unsigned i = 0; i < 20; i++) {
            probe *self = &actors[i];
            trp_ctx *root = trp_runtime_enter(fake->runtime, i % schedulers);
            assert_int_equal(trp_spawn(root, &probe_behaviour, &self, NULL), 0);
        }
        fake_run(fake);
        trp_runtime_stop(fake->runtime, TRP_NS_PER_S);
        fake_run_if_woken(fake); /* stop itself wakes whoever sleeps */
        assert_int_equal(fake_stats(fake).actors, 0);
        fake_advance(fake, 5 * TRP_NS_PER_MS);
        assert_true(fake_is_done(fake));
        for (int i = 0; i < 20; i++) {
            assert_int_equal(actors[i].terminates, 1);
            assert_int_equal(actors[i].reason.kind, TRP_EXIT_SHUTDOWN);
        }
        assert_int_equal(fake_stats(fake).actors, 0);
        assert_int_equal(fake_step(fake, 0, NULL), TRP_STEP_DONE);
        fake_destroy(fake);
    }
}

/* With several schedulers the end is looked for again a little later. */
static bool runs_to_the_end(fake_host *fake) {
    fake_advance(fake, 10 * TRP_NS_PER_MS);
    return fake_is_done(fake);
}

static void test_stop_of_an_empty_runtime_is_done(void **state) {
    fake_host *fake = *state;
    fake_run(fake);
    trp_runtime_stop(fake->runtime, 0);
    assert_true(fake->schedulers > 1 ? runs_to_the_end(fake) : fake_run_if_woken(fake));
}

static void test_spawning_while_stopping_is_refused(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe *self = &a;
    trp_runtime_stop(fake->runtime, TRP_NS_PER_S);
    assert_int_equal(trp_spawn(fake_root(fake), &probe_behaviour, &self, NULL), TRP_ESTATE);
    assert_true(runs_to_the_end(fake));
}

/*
 * Messages sent before the stop are handled; an actor may answer with a long farewell, that is with
 * work of its own, until the grace ends. Here it sends to itself for ever in handle, so that the
 * stop signal is reached but the queue never ends.
 */
static void never_finish(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)message;
    probe_send(ctx, self->pid, 1);
    fake_clock_jump(self->arg, TRP_NS_PER_MS);
}

static void test_stop_ends_a_busy_actor(void **state) {
    fake_host *fake = *state;
    probe a = {.on_message = never_finish, .arg = fake};
    probe_spawn(fake, &a);
    probe_send(fake_root(fake), a.pid, 1);
    trp_runtime_stop(fake->runtime, 100 * TRP_NS_PER_MS);
    assert_true(runs_to_the_end(fake));
    assert_int_equal(fake_stats(fake).actors, 0);
}

/* The grace of the second call must not cut the first one's short. */
static void test_first_stop_counts(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    for (uint64_t i = 1; i <= 50; i++) {
        probe_send(fake_root(fake), a.pid, i);
    }
    trp_runtime_stop(fake->runtime, TRP_NS_PER_S);
    trp_runtime_stop(fake->runtime, 0);
    trp_budget one = {.messages = 1};
    while (fake_step(fake, 0, &one) == TRP_STEP_MORE) {
        fake_clock_jump(fake, TRP_NS_PER_MS);
    }
    assert_int_equal(a.events_len, 50);
    assert_int_equal(a.terminates, 1);
}

static void stop_from_inside(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    (void)arg;
    trp_runtime_stop(trp_ctx_runtime(ctx), TRP_NS_PER_S);
}

static void test_actor_can_stop_the_runtime(void **state) {
    (void)state;
    fake_host *fake = fake_create(2);
    probe a = {0};
    probe b = {0};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    assert_int_equal(probe_ask(fake_root(fake), a.pid, stop_from_inside, NULL), 0);
    fake_advance(fake, TRP_NS_PER_S);
    assert_true(fake_is_done(fake));
    assert_int_equal(a.terminates, 1);
    assert_int_equal(b.terminates, 1);
    fake_destroy(fake);
}

/* DOWN and request errors still reach those who end later. */
static void hold_for_a_while(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)self;
    trp_message_take(ctx, message);
}

static void request_forever(trp_ctx *ctx, probe *self, void *arg) {
    trp_ref ref;
    (void)self;
    assert_int_equal(trp_request(ctx, *(trp_pid *)arg, probe_value(ctx, 1), TRP_NEVER, &ref), 0);
}

static void test_stop_with_open_requests_is_done(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {.on_message = hold_for_a_while};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    probe_do(fake, &a, request_forever, &b.pid);
    probe_do(fake, &b, request_forever, &a.pid);
    trp_runtime_stop(fake->runtime, TRP_NS_PER_S);
    assert_true(runs_to_the_end(fake));
    assert_int_equal(a.terminates + b.terminates, 2);
}

static void test_destroy_in_the_middle_of_a_stop(void **state) {
    (void)state;
    fake_host *fake = fake_create(2);
    probe actors[10] = {{0}};
    for (int i = 0; i < 10; i++) {
        probe_spawn(fake, &actors[i]);
    }
    trp_runtime_stop(fake->runtime, TRP_NS_PER_S);
    trp_budget one = {.messages = 1};
    fake_step(fake, 0, &one);
    fake_destroy(fake);
}

/* Pinned actors stay, however much work the others have too little of. */

enum { PINNED = 40 };

typedef struct pinned {
    unsigned home;
    uint32_t strayed;
    uint32_t handled;
} pinned;

static void check_home(trp_ctx *ctx, probe *self, trp_message *message) {
    pinned *mine = self->arg;
    (void)message;
    mine->handled++;
    mine->strayed += trp_ctx_scheduler(ctx) != mine->home;
}

static void flood(trp_ctx *ctx, probe *self, void *arg) {
    const trp_pid *pids = arg;
    (void)self;
    for (int i = 0; i < PINNED; i++) {
        probe_send(ctx, pids[i], 1);
    }
}

static void test_pinned_actors_stay_on_their_scheduler(void **state) {
    (void)state;
    for (unsigned schedulers = 2; schedulers <= 4; schedulers++) {
        fake_host *fake = fake_create(schedulers);
        static probe actors[PINNED];
        static pinned homes[PINNED];
        trp_pid pids[PINNED];
        probe sender = {0};
        uint64_t seed = schedulers;
        memset(actors, 0, sizeof actors);
        memset(homes, 0, sizeof homes);
        probe_spawn(fake, &sender);
        for (unsigned i = 0; i < PINNED; i++) {
            probe *self = &actors[i];
            trp_spawn_options options = {.size = sizeof options, .pinned = true};
            homes[i].home = i % schedulers;
            actors[i] = (probe){.on_message = check_home, .arg = &homes[i]};
            trp_ctx *root = trp_runtime_enter(fake->runtime, homes[i].home);
            assert_int_equal(trp_spawn_opt(root, &probe_behaviour, &self, &options, &pids[i], NULL),
                             0);
        }
        for (int round = 0; round < 200; round++) {
            trp_budget budget = {.messages = 1 + (uint32_t)fake_random_below(&seed, 8)};
            probe_ask(fake_root(fake), sender.pid, flood, pids);
            fake_step(fake, (unsigned)fake_random_below(&seed, schedulers), &budget);
        }
        fake_run(fake);
        for (unsigned i = 0; i < PINNED; i++) {
            assert_int_equal(homes[i].handled, 200);
            assert_int_equal(homes[i].strayed, 0);
        }
        fake_destroy(fake);
    }
}

/* Registration. */

static void ignore(trp_ctx *ctx, void *block, trp_message *message) {
    (void)ctx;
    (void)block;
    (void)message;
}

static const trp_behaviour twin = {TRP_BEHAVIOUR("test.probe"), .handle = ignore};

static void test_behaviours_are_found_by_name(void **state) {
    fake_host *fake = *state;
    assert_null(trp_find_behaviour(fake->runtime, "test.probe"));
    assert_int_equal(trp_register_behaviour(fake->runtime, &probe_behaviour), 0);
    assert_ptr_equal(trp_find_behaviour(fake->runtime, "test.probe"), &probe_behaviour);
    assert_null(trp_find_behaviour(fake->runtime, "test.prob"));
    assert_int_equal(trp_register_behaviour(fake->runtime, &twin), TRP_EEXIST);
    assert_ptr_equal(trp_find_behaviour(fake->runtime, "test.probe"), &probe_behaviour);
}

#define GREETING_FIELDS(F) F(u32, count, 1)
TRP_TYPE_DECLARE(greeting, GREETING_FIELDS)
TRP_TYPE_DEFINE(greeting, "test.Greeting", GREETING_FIELDS)

static void test_types_are_found_by_name_and_hash(void **state) {
    fake_host *fake = *state;
    assert_int_equal(trp_register_type(fake->runtime, &greeting_type), 0);
    assert_int_equal(trp_register_type(fake->runtime, &greeting_type), 0);
    assert_ptr_equal(trp_find_type(fake->runtime, "test.Greeting"), &greeting_type);
    assert_ptr_equal(trp_find_type_hash(fake->runtime, trp_type_hash(&greeting_type)),
                     &greeting_type);
    assert_null(trp_find_type(fake->runtime, "test.Nothing"));
    assert_null(trp_find_type_hash(fake->runtime, 1));
}

/* Several in one process know nothing of each other. */
static void test_runtimes_are_independent(void **state) {
    (void)state;
    fake_host *one = fake_create(1);
    fake_host *two = fake_create(2);
    probe a = {0};
    probe b = {0};
    trp_pid pid;
    probe *self = &a;
    trp_spawn_options options = {.size = sizeof options, .name = "same"};
    assert_int_equal(trp_spawn_opt(fake_root(one), &probe_behaviour, &self, &options, NULL, NULL),
                     0);
    self = &b;
    assert_int_equal(trp_whereis(fake_root(two), "same", &pid), TRP_ENOENT);
    assert_int_equal(trp_spawn_opt(fake_root(two), &probe_behaviour, &self, &options, NULL, NULL),
                     0);
    probe_send(fake_root(one), a.pid, 1);
    fake_run(two);
    assert_int_equal(a.events_len, 0);
    fake_run(one);
    assert_int_equal(a.events_len, 1);
    fake_destroy(one);
    probe_send(fake_root(two), b.pid, 2);
    fake_run(two);
    assert_int_equal(b.events_len, 1);
    fake_destroy(two);
}

/* Trace records tell the story of an actor. */
static void collect(void *arg, const trp_trace *record) {
    uint32_t *kinds = arg;
    if (record->kind < 8) {
        kinds[record->kind]++;
    }
}

static void test_trace_tells_of_spawn_delivery_and_end(void **state) {
    (void)state;
    static fake_host fake;
    uint32_t kinds[8] = {0};
    fake_init(&fake);
    fake.on_trace = collect;
    fake.on_trace_arg = kinds;
    assert_int_equal(fake_start(&fake, NULL), 0);
    probe a = {0};
    probe_spawn(&fake, &a);
    probe_send(fake_root(&fake), a.pid, 1);
    probe_do(&fake, &a, probe_call_stop, NULL);
    probe_send(fake_root(&fake), a.pid, 1);
    assert_int_equal(kinds[TRP_TRACE_SPAWN], 1);
    assert_int_equal(kinds[TRP_TRACE_EXIT], 1);
    assert_int_equal(kinds[TRP_TRACE_DELIVER], 2);
    assert_int_equal(kinds[TRP_TRACE_DEAD_LETTER], 1);
    fake_stop(&fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_required_callbacks_are_required),
        cmocka_unit_test(test_optional_callbacks_are_optional),
        cmocka_unit_test(test_shorter_table_is_accepted),
        cmocka_unit_test(test_numbers_out_of_range_are_refused),
        cmocka_unit_test(test_destroy_accepts_null),
        FAKE_TEST(test_new_runtime_is_idle),
        cmocka_unit_test(test_destroy_frees_everything_that_is_alive),
        FAKE_TEST(test_step_inside_a_step_does_nothing),
        cmocka_unit_test(test_posted_call_runs_once_on_its_scheduler),
        FAKE_TEST(test_posted_calls_keep_their_order_and_may_send),
        cmocka_unit_test(test_posted_call_is_never_run_after_destroy),
        FAKE_TEST(test_posted_bytes_arrive),
        FAKE_TEST(test_posted_bytes_to_nobody_are_a_dead_letter),
        cmocka_unit_test(test_stop_ends_all_and_says_done),
        FAKE_TEST(test_stop_of_an_empty_runtime_is_done),
        FAKE_TEST(test_spawning_while_stopping_is_refused),
        FAKE_TEST(test_stop_ends_a_busy_actor),
        FAKE_TEST(test_first_stop_counts),
        cmocka_unit_test(test_actor_can_stop_the_runtime),
        FAKE_TEST(test_stop_with_open_requests_is_done),
        cmocka_unit_test(test_destroy_in_the_middle_of_a_stop),
        cmocka_unit_test(test_pinned_actors_stay_on_their_scheduler),
        FAKE_TEST(test_behaviours_are_found_by_name),
        FAKE_TEST(test_types_are_found_by_name_and_hash),
        cmocka_unit_test(test_runtimes_are_independent),
        cmocka_unit_test(test_trace_tells_of_spawn_delivery_and_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
