/*
 * Ending: stop, fail, abort and kill, what terminate may do, what is released, and the reasons as
 * values.
 */
#include "cmocka_all.h"
#include "probe.h"

static void monitor(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    trp_ref ref;
    assert_int_equal(trp_monitor(ctx, ((probe *)arg)->pid, &ref), 0);
}

/* Two probes, where the first watches the second. */
static void spawn_watched(fake_host *fake, probe *watcher, probe *watched) {
    probe_spawn(fake, watcher);
    probe_spawn(fake, watched);
    probe_do(fake, watcher, monitor, watched);
}

static const trp_exit *down_reason(const probe *watcher) {
    assert_int_equal(watcher->events_len, 1);
    assert_ptr_equal(watcher->events[0].type, &trp_down_type);
    return &watcher->events[0].body.down.reason;
}

static void stop_and_go_on(trp_ctx *ctx, probe *self, void *arg) {
    trp_stop_self(ctx);
    assert_true(trp_pid_equal(trp_self(ctx), self->pid)); /* the callback goes on */
    *(bool *)arg = true;
}

static void test_stop_self_ends_normally_after_the_callback(void **state) {
    fake_host *fake = *state;
    probe w = {0};
    probe a = {0};
    bool went_on = false;
    spawn_watched(fake, &w, &a);
    probe_do(fake, &a, stop_and_go_on, &went_on);
    assert_true(went_on);
    assert_int_equal(a.terminates, 1);
    assert_int_equal(a.reason.kind, TRP_EXIT_NORMAL);
    assert_int_equal(down_reason(&w)->kind, TRP_EXIT_NORMAL);
    assert_int_equal(fake_stats(fake).failures, 0);
}

static void fail_twice(trp_ctx *ctx, probe *self, void *arg) {
    probe_call_fail(ctx, self, arg);
    trp_exit second = trp_exit_make(TRP_EXIT_ERROR, 99, "too late");
    trp_fail(ctx, &second);
    trp_stop_self(ctx);
}

static void test_first_failure_is_the_reason(void **state) {
    fake_host *fake = *state;
    probe w = {0};
    probe a = {0};
    spawn_watched(fake, &w, &a);
    probe_do(fake, &a, fail_twice, NULL);
    assert_int_equal(a.terminates, 1);
    assert_int_equal(a.reason.kind, TRP_EXIT_ERROR);
    assert_int_equal(a.reason.code, 7);
    assert_string_equal(a.reason.text, "on purpose");
    assert_int_equal(down_reason(&w)->code, 7);
    assert_string_equal(down_reason(&w)->text, "on purpose");
    assert_int_equal(fake_stats(fake).failures, 1);
}

static void fail_with_code(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    trp_fail_code(ctx, 0, "nothing has failed");
    trp_fail_code(ctx, *(int *)arg, NULL);
    trp_fail_code(ctx, TRP_EIO, "too late");
}

static void test_failure_by_code_has_its_text_and_none_for_zero(void **state) {
    fake_host *fake = *state;
    probe w = {0};
    probe a = {0};
    int code = TRP_EPERM;
    spawn_watched(fake, &w, &a);
    probe_do(fake, &a, fail_with_code, &code);
    assert_int_equal(a.reason.kind, TRP_EXIT_ERROR);
    assert_int_equal(a.reason.code, TRP_EPERM);
    assert_string_equal(a.reason.text, trp_error_text(TRP_EPERM));
    assert_int_equal(down_reason(&w)->code, TRP_EPERM);
}

static void request_nothing(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    trp_ref ref;
    trp_message *message = trp_message_new_bytes(ctx, NULL, 0); /* no room for a text */
    assert_int_equal(trp_request(ctx, *(const trp_pid *)arg, message, TRP_NEVER, &ref), 0);
}

static void fail_at_length(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)self;
    (void)message;
    trp_fail_code(ctx, TRP_EIO, "the disk with the orders is full");
}

static void test_caller_of_a_failed_actor_gets_its_reason_whole(void **state) {
    fake_host *fake = *state;
    probe caller = {0};
    probe a = {.on_message = fail_at_length};
    probe_spawn(fake, &caller);
    probe_spawn(fake, &a);
    probe_do(fake, &caller, request_nothing, &a.pid);
    const trp_request_error *error = &caller.events[0].body.error;
    assert_ptr_equal(caller.events[0].type, &trp_request_error_type);
    assert_int_equal(error->code, TRP_EFAILED);
    assert_int_equal(error->reason.code, TRP_EIO);
    assert_string_equal(error->reason.text, "the disk with the orders is full");
}

/* Abort. */

static void abort_now(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    (void)arg;
    trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, 13, "aborted");
    assert_non_null(trp_alloc(ctx, 100000));
    trp_abort(ctx, &reason);
}

static void test_abort_does_not_return_and_skips_terminate(void **state) {
    fake_host *fake = *state;
    probe w = {0};
    probe a = {0};
    spawn_watched(fake, &w, &a);
    probe_do(fake, &a, abort_now, NULL);
    assert_int_equal(fake->scheduler[0].abandons, 1);
    assert_int_equal(a.terminates, 0);
    assert_int_equal(down_reason(&w)->code, 13);
    assert_string_equal(down_reason(&w)->text, "aborted");
    assert_false(trp_is_alive(fake_root(fake), a.pid));
    assert_int_equal(fake_stats(fake).failures, 1);
    assert_int_equal(fake_stats(fake).actors, 1);
}

static void test_abort_leaves_the_other_actors_alone(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {0};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    probe_send(fake_root(fake), b.pid, 1);
    probe_ask(fake_root(fake), a.pid, abort_now, NULL);
    probe_send(fake_root(fake), a.pid, 2); /* becomes a dead letter */
    probe_send(fake_root(fake), b.pid, 3);
    fake_run(fake);
    assert_int_equal(a.events_len, 0);
    assert_int_equal(b.events_len, 2);
    assert_int_equal(fake_stats(fake).dead_letters, 1);
}

static void test_memory_is_flat_over_many_aborts(void **state) {
    fake_host *fake = *state;
    uint64_t live = 0;
    for (int i = 0; i < 200; i++) {
        probe a = {0};
        probe_spawn(fake, &a);
        probe_do(fake, &a, abort_now, NULL);
        uint64_t now = atomic_load(&fake->memory.live_bytes);
        assert_true(i < 2 || now == live);
        live = now;
    }
}

static void test_abort_without_the_hosts_help_is_fatal(void **state) {
    (void)state;
    static fake_host fake;
    fake_init(&fake);
    fake.table.abandon = NULL;
    fake.fatal_expected = true;
    assert_int_equal(fake_start(&fake, NULL), 0);
    probe a = {0};
    probe_spawn(&fake, &a);
    probe_do(&fake, &a, abort_now, NULL);
    assert_string_not_equal(fake.fatal_text, "");
    fake_stop(&fake);
}

/* Stop. */

static void test_stop_handles_what_was_sent_before(void **state) {
    fake_host *fake = *state;
    probe w = {0};
    probe a = {0};
    spawn_watched(fake, &w, &a);
    trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 3, "please");
    probe_send(fake_root(fake), a.pid, 1);
    probe_send(fake_root(fake), a.pid, 2);
    assert_int_equal(trp_stop(fake_root(fake), a.pid, &reason), 0);
    probe_send(fake_root(fake), a.pid, 3);
    fake_run(fake);
    assert_int_equal(a.events_len, 2);
    assert_int_equal(a.terminates, 1);
    assert_int_equal(a.reason.kind, TRP_EXIT_SHUTDOWN);
    assert_int_equal(a.reason.code, 3);
    assert_string_equal(down_reason(&w)->text, "please");
    assert_int_equal(fake_stats(fake).dead_letters, 1);
}

static void test_second_stop_changes_nothing(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    trp_exit first = trp_exit_make(TRP_EXIT_SHUTDOWN, 1, "");
    trp_exit second = trp_exit_make(TRP_EXIT_ERROR, 2, "");
    assert_int_equal(trp_stop(fake_root(fake), a.pid, &first), 0);
    trp_stop(fake_root(fake), a.pid, &second);
    fake_run(fake);
    assert_int_equal(a.terminates, 1);
    assert_int_equal(a.reason.code, 1);
}

static void stop_self_by_pid(trp_ctx *ctx, probe *self, void *arg) {
    (void)arg;
    trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 5, "");
    assert_int_equal(trp_stop(ctx, self->pid, &reason), 0);
}

static void test_actor_can_stop_itself_by_pid(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    probe_do(fake, &a, stop_self_by_pid, NULL);
    assert_int_equal(a.terminates, 1);
    assert_int_equal(a.reason.code, 5);
}

/* Kill. */

static void test_kill_skips_terminate(void **state) {
    fake_host *fake = *state;
    probe w = {0};
    probe a = {0};
    spawn_watched(fake, &w, &a);
    assert_int_equal(trp_kill(fake_root(fake), a.pid), 0);
    fake_run(fake);
    assert_int_equal(a.terminates, 0);
    assert_int_equal(down_reason(&w)->kind, TRP_EXIT_KILLED);
    assert_false(trp_is_alive(fake_root(fake), a.pid));
    assert_int_equal(fake_stats(fake).failures, 1);
}

/* Three messages wait: a kill does not, whether it comes from outside or from another actor. */
static void kill_other(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    assert_int_equal(trp_kill(ctx, *(trp_pid *)arg), 0);
}

static void test_kill_overtakes_what_waits(void **state) {
    fake_host *fake = *state;
    for (int from_actor = 0; from_actor < 2; from_actor++) {
        probe a = {0};
        probe b = {0};
        probe_spawn(fake, &a);
        probe_spawn(fake, &b);
        if (from_actor != 0) {
            probe_ask(fake_root(fake), b.pid, kill_other, &a.pid);
        }
        for (uint64_t i = 1; i <= 3; i++) {
            probe_send(fake_root(fake), a.pid, i);
        }
        if (from_actor == 0) {
            assert_int_equal(trp_kill(fake_root(fake), a.pid), 0);
        }
        uint64_t letters = fake_stats(fake).dead_letters;
        fake_run(fake);
        assert_false(trp_is_alive(fake_root(fake), a.pid));
        /* With other schedulers some may have been handled before the other actor came to it. */
        if (from_actor == 0 || fake->schedulers == 1) {
            assert_int_equal(a.events_len, 0);
        }
        assert_int_equal(a.events_len + fake_stats(fake).dead_letters - letters, 3);
    }
}

static void kill_self_and_go_on(trp_ctx *ctx, probe *self, void *arg) {
    assert_int_equal(trp_kill(ctx, self->pid), 0);
    *(bool *)arg = true;
}

static void test_kill_of_itself_takes_effect_after_the_callback(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    bool went_on = false;
    probe_spawn(fake, &a);
    probe_ask(fake_root(fake), a.pid, kill_self_and_go_on, &went_on);
    fake_run(fake);
    assert_true(went_on);
    assert_int_equal(a.terminates, 0);
    assert_false(trp_is_alive(fake_root(fake), a.pid));
}

static void test_dead_actors_cannot_be_stopped_or_killed(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    probe_do(fake, &a, probe_call_stop, NULL);
    trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, "");
    assert_int_equal(trp_stop(fake_root(fake), a.pid, &reason), TRP_ENOPROC);
    assert_int_equal(trp_kill(fake_root(fake), a.pid), TRP_ENOPROC);
    assert_int_equal(trp_stop(fake_root(fake), TRP_PID_NONE, &reason), TRP_ENOPROC);
    assert_int_equal(trp_kill(fake_root(fake), TRP_PID_NONE), TRP_ENOPROC);
}

/* Terminate may send, and its messages come before DOWN. */

static void send_a_last_word(trp_ctx *ctx, probe *self, const trp_exit *reason) {
    (void)reason;
    assert_int_equal(probe_send(ctx, ((probe *)self->arg)->pid, 666), 0);
    trp_stop_self(ctx); /* no second end comes of it */
    probe_call_fail(ctx, self, NULL);
}

static void test_last_words_come_before_down(void **state) {
    fake_host *fake = *state;
    probe w = {0};
    probe a = {.on_terminate = send_a_last_word, .arg = &w};
    spawn_watched(fake, &w, &a);
    probe_do(fake, &a, probe_call_stop, NULL);
    assert_int_equal(a.terminates, 1);
    assert_int_equal(w.events_len, 2);
    assert_int_equal(w.events[0].value, 666);
    assert_ptr_equal(w.events[1].type, &trp_down_type);
    assert_int_equal(w.events[1].body.down.reason.kind, TRP_EXIT_NORMAL);
}

/* An abort inside terminate ends it, and nothing else. */
static void abort_in_terminate(trp_ctx *ctx, probe *self, const trp_exit *reason) {
    (void)reason;
    abort_now(ctx, self, NULL);
}

static void test_abort_in_terminate_still_ends_the_actor(void **state) {
    fake_host *fake = *state;
    probe w = {0};
    probe a = {.on_terminate = abort_in_terminate};
    spawn_watched(fake, &w, &a);
    probe_do(fake, &a, probe_call_stop, NULL);
    assert_int_equal(a.terminates, 1);
    assert_int_equal(w.events_len, 1);
    assert_false(trp_is_alive(fake_root(fake), a.pid));
}

/* Memory of the actor. */

static void allocate(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    for (size_t size = 1; size < 200000; size = size * 3 + 1) {
        unsigned char *block = trp_alloc(ctx, size);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 8, 0);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(block[i], 0);
        }
        memset(block, 0xee, size);
        if (arg != NULL) {
            trp_free(ctx, block);
        }
    }
    trp_free(ctx, NULL);
}

static void test_memory_goes_with_its_actor(void **state) {
    fake_host *fake = *state;
    uint64_t live = 0;
    for (int i = 0; i < 5; i++) {
        probe a = {0};
        probe_spawn(fake, &a);
        probe_do(fake, &a, allocate, NULL);
        assert_true(atomic_load(&fake->memory.live_bytes) > 200000);
        probe_do(fake, &a, probe_call_stop, NULL);
        uint64_t now = atomic_load(&fake->memory.live_bytes);
        assert_true(i == 0 || now == live);
        live = now;
    }
}

static void test_memory_can_be_freed_early_and_is_zeroed_again(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    uint64_t before = atomic_load(&fake->memory.live_bytes);
    for (int i = 0; i < 50; i++) {
        probe_do(fake, &a, allocate, &a);
    }
    assert_true(atomic_load(&fake->memory.live_bytes) < before + 1000000);
}

static void allocate_and_free_in_any_order(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    void *blocks[32] = {0};
    uint64_t seed = *(uint64_t *)arg;
    for (int i = 0; i < 2000; i++) {
        size_t slot = (size_t)fake_random_below(&seed, 32);
        trp_free(ctx, blocks[slot]);
        blocks[slot] = NULL;
        if (fake_random_below(&seed, 3) > 0) {
            blocks[slot] = trp_alloc(ctx, 1 + (size_t)fake_random_below(&seed, 5000));
            assert_non_null(blocks[slot]);
        }
    }
}

static void test_memory_survives_random_use(void **state) {
    fake_host *fake = *state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        probe a = {0};
        probe_spawn(fake, &a);
        probe_do(fake, &a, allocate_and_free_in_any_order, &seed);
        assert_int_equal(trp_kill(fake_root(fake), a.pid), 0);
        fake_run(fake);
    }
}

static void test_huge_allocation_is_refused(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    assert_null(trp_alloc(fake_root(fake), SIZE_MAX));
}

/* Reasons are values. */

static void test_reason_text_is_cut_at_a_character(void **state) {
    (void)state;
    char text[100];
    trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, -3, NULL);
    assert_string_equal(reason.text, "");
    assert_int_equal(reason.code, -3);
    for (size_t ascii = 40; ascii < 50; ascii++) { /* then three-byte characters */
        memset(text, 'a', ascii);
        strcpy(text + ascii, "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac");
        reason = trp_exit_make(TRP_EXIT_ERROR, 0, text);
        size_t length = strlen(reason.text);
        assert_true(length < TRP_EXIT_TEXT_MAX);
        assert_memory_equal(reason.text, text, length);
        assert_true(length <= ascii || (length - ascii) % 3 == 0);
        assert_true(length + 3 >= TRP_EXIT_TEXT_MAX || text[length] == '\0' || ascii > 47);
    }
}

static void test_kinds_have_names_and_abnormality(void **state) {
    (void)state;
    assert_string_equal(trp_exit_kind_name(TRP_EXIT_NORMAL), "normal");
    assert_string_equal(trp_exit_kind_name(TRP_EXIT_SHUTDOWN), "shutdown");
    assert_string_equal(trp_exit_kind_name(TRP_EXIT_KILLED), "killed");
    assert_string_equal(trp_exit_kind_name(TRP_EXIT_NOPROC), "noproc");
    assert_string_equal(trp_exit_kind_name(TRP_EXIT_NOCONNECTION), "noconnection");
    assert_string_equal(trp_exit_kind_name(TRP_EXIT_ERROR), "error");
    assert_non_null(trp_exit_kind_name(-1));
    assert_non_null(trp_exit_kind_name(77));
    for (int kind = TRP_EXIT_NORMAL; kind <= TRP_EXIT_ERROR; kind++) {
        trp_exit reason = trp_exit_make((trp_exit_kind)kind, 0, "");
        assert_int_equal(trp_exit_is_abnormal(&reason), kind != TRP_EXIT_NORMAL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_stop_self_ends_normally_after_the_callback),
        FAKE_TEST(test_first_failure_is_the_reason),
        FAKE_TEST(test_failure_by_code_has_its_text_and_none_for_zero),
        FAKE_TEST(test_caller_of_a_failed_actor_gets_its_reason_whole),
        FAKE_TEST(test_abort_does_not_return_and_skips_terminate),
        FAKE_TEST(test_abort_leaves_the_other_actors_alone),
        FAKE_TEST(test_memory_is_flat_over_many_aborts),
        cmocka_unit_test(test_abort_without_the_hosts_help_is_fatal),
        FAKE_TEST(test_stop_handles_what_was_sent_before),
        FAKE_TEST(test_second_stop_changes_nothing),
        FAKE_TEST(test_actor_can_stop_itself_by_pid),
        FAKE_TEST(test_kill_skips_terminate),
        FAKE_TEST(test_kill_overtakes_what_waits),
        FAKE_TEST(test_kill_of_itself_takes_effect_after_the_callback),
        FAKE_TEST(test_dead_actors_cannot_be_stopped_or_killed),
        FAKE_TEST(test_last_words_come_before_down),
        FAKE_TEST(test_abort_in_terminate_still_ends_the_actor),
        FAKE_TEST(test_memory_goes_with_its_actor),
        FAKE_TEST(test_memory_can_be_freed_early_and_is_zeroed_again),
        FAKE_TEST(test_memory_survives_random_use),
        FAKE_TEST(test_huge_allocation_is_refused),
        cmocka_unit_test(test_reason_text_is_cut_at_a_character),
        cmocka_unit_test(test_kinds_have_names_and_abnormality),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
