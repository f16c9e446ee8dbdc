/*
 * The native host: its life with own threads and in a caller's loop, calls from other threads,
 * abandoned steps, memory.
 */
#include "troupe/native.h"
#include "troupe/monitor.h"
#include "troupe/request.h"
#include "troupe/timer.h"
#include "cmocka_all.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#define GRACE_NS (2 * TRP_NS_PER_S)

static trp_native *make_native(unsigned schedulers) {
    trp_native *native = NULL;
    const trp_native_config config = {
        .size = sizeof config,
        .schedulers = schedulers,
        .log_format = TRP_LOG_FORMAT_NONE,
        .count_memory = true,
    };
    assert_int_equal(trp_native_create(&config, &native), TRP_OK);
    return native;
}

static void stop_and_destroy(trp_native *native) {
    trp_native_stop(native, GRACE_NS);
    assert_int_equal(trp_native_join(native), TRP_OK);
    trp_native_destroy(native);
}

/* ---- actors ---- */

/* Counts what it gets, and ends the host at `goal`. */
typedef struct counter {
    trp_native *native;
    uint64_t goal;
    uint64_t count;
} counter;

static int counter_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)ctx;
    memcpy(state, arg, sizeof(counter));
    return TRP_OK;
}

static void counter_handle(trp_ctx *ctx, void *state, trp_message *message) {
    counter *self = state;
    (void)ctx;
    (void)message;
    if (++self->count == self->goal) {
        trp_native_stop(self->native, GRACE_NS);
    }
}

static const trp_behaviour counter_behaviour = {
    TRP_BEHAVIOUR("counter"),
    .state_size = sizeof(counter),
    .init = counter_init,
    .handle = counter_handle,
};

typedef struct spawn_request {
    const trp_behaviour *behaviour;
    const void *arg;
    trp_pid pid;
} spawn_request;

static int spawn_here(trp_ctx *ctx, void *arg) {
    spawn_request *request = arg;
    return trp_spawn(ctx, request->behaviour, request->arg, &request->pid);
}

static trp_pid spawn_on(trp_native *native, unsigned scheduler, const trp_behaviour *behaviour,
                        const void *arg) {
    spawn_request request = {behaviour, arg, TRP_PID_NONE};
    assert_int_equal(trp_native_call_wait(native, scheduler, spawn_here, &request), TRP_OK);
    return request.pid;
}

/* ---- life ---- */

static void test_create_and_destroy_without_start(void **state) {
    (void)state;
    trp_native *native = make_native(2);
    assert_int_equal(trp_native_schedulers(native), 2);
    assert_non_null(trp_native_runtime(native));
    assert_non_null(trp_native_loop(native, 1));
    assert_null(trp_native_loop(native, 2));
    assert_int_equal(trp_native_join(native), TRP_ESTATE);
    trp_native_destroy(native);
    trp_native_destroy(NULL);
}

static void test_wrong_config_is_refused(void **state) {
    (void)state;
    trp_native *native = NULL;
    trp_native_config config = {.size = sizeof config, .schedulers = TRP_SCHEDULERS_MAX + 1};
    assert_int_equal(trp_native_create(&config, &native), TRP_EINVAL);
    config = (trp_native_config){.size = 1};
    assert_int_equal(trp_native_create(&config, &native), TRP_EINVAL);
    assert_null(native);
}

static void test_start_and_stop_without_actors(void **state) {
    (void)state;
    trp_native *native = make_native(3);
    assert_int_equal(trp_native_start(native), TRP_OK);
    assert_int_equal(trp_native_start(native), TRP_ESTATE);
    stop_and_destroy(native);
}

static void test_stop_before_start_ends_at_once(void **state) {
    (void)state;
    trp_native *native = make_native(2);
    trp_native_stop(native, GRACE_NS);
    assert_int_equal(trp_native_start(native), TRP_OK);
    assert_int_equal(trp_native_join(native), TRP_OK);
    trp_native_destroy(native);
}

static void test_destroy_stops_what_was_left_running(void **state) {
    (void)state;
    trp_native *native = make_native(2);
    const counter never = {native, 0, 0};
    assert_int_equal(trp_native_start(native), TRP_OK);
    spawn_on(native, 1, &counter_behaviour, &never);
    trp_native_destroy(native);
}

/* ---- messages and calls from other threads ---- */

enum { POSTERS = 3, POSTS = 2000 };

typedef struct poster {
    trp_native *native;
    trp_pid to;
} poster;

static void *post_many(void *arg) {
    poster *self = arg;
    for (int i = 0; i < POSTS; i++) {
        if (trp_post_bytes(trp_native_runtime(self->native), self->to, "x", 1, 0) != TRP_OK) {
            return self;
        }
    }
    return NULL;
}

static void test_posts_of_many_threads_all_arrive(void **state) {
    (void)state;
    trp_native *native = make_native(2);
    const counter all = {native, POSTERS * POSTS, 0};
    assert_int_equal(trp_native_start(native), TRP_OK);
    poster shared = {native, spawn_on(native, 1, &counter_behaviour, &all)};
    pthread_t threads[POSTERS];
    for (int i = 0; i < POSTERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &shared), 0);
    }
    for (int i = 0; i < POSTERS; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(trp_native_join(native), TRP_OK); /* the counter stops the host */
    trp_native_destroy(native);
}

static int tell_scheduler(trp_ctx *ctx, void *arg) {
    *(unsigned *)arg = trp_ctx_scheduler(ctx);
    return TRP_ETYPE; /* any value comes back as it is */
}

static void test_call_wait_runs_on_the_scheduler_and_returns_its_result(void **state) {
    (void)state;
    unsigned scheduler = 99;
    trp_native *native = make_native(2);
    assert_int_equal(trp_native_call_wait(native, 1, tell_scheduler, &scheduler), TRP_ETYPE);
    assert_int_equal(scheduler, 1);
    assert_int_equal(trp_native_start(native), TRP_OK);
    scheduler = 99;
    assert_int_equal(trp_native_call_wait(native, 1, tell_scheduler, &scheduler), TRP_ETYPE);
    assert_int_equal(scheduler, 1);
    assert_int_equal(trp_native_call_wait(native, 2, tell_scheduler, &scheduler), TRP_EINVAL);
    trp_native_stop(native, GRACE_NS);
    assert_int_equal(trp_native_join(native), TRP_OK);
    assert_int_equal(trp_native_call_wait(native, 1, tell_scheduler, &scheduler), TRP_ECLOSED);
    trp_native_destroy(native);
}

typedef struct nested_call {
    trp_native *native;
    int same;
    int other;
    int join;
} nested_call;

static int call_from_inside(trp_ctx *ctx, void *arg) {
    nested_call *nested = arg;
    unsigned scheduler;
    (void)ctx;
    nested->same = trp_native_call_wait(nested->native, 0, tell_scheduler, &scheduler);
    nested->other = trp_native_call_wait(nested->native, 1, tell_scheduler, &scheduler);
    nested->join = trp_native_join(nested->native);
    return TRP_OK;
}

static void test_call_wait_between_schedulers_is_refused(void **state) {
    (void)state;
    trp_native *native = make_native(2);
    nested_call nested = {native, 0, 0, 0};
    assert_int_equal(trp_native_start(native), TRP_OK);
    assert_int_equal(trp_native_call_wait(native, 0, call_from_inside, &nested), TRP_OK);
    assert_int_equal(nested.same, TRP_ETYPE);
    assert_int_equal(nested.other, TRP_EDEADLOCK);
    assert_int_equal(nested.join, TRP_EDEADLOCK);
    stop_and_destroy(native);
}

static void count_call(trp_ctx *ctx, void *arg) {
    (void)ctx;
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void test_call_wakes_an_idle_scheduler(void **state) {
    (void)state;
    atomic_int calls;
    atomic_init(&calls, 0);
    trp_native *native = make_native(1);
    assert_int_equal(trp_native_start(native), TRP_OK);
    uint64_t deadline = uv_hrtime() + 10 * TRP_NS_PER_S;
    for (int i = 1; i <= 50; i++) {
        assert_int_equal(trp_native_call(native, 0, count_call, &calls), TRP_OK);
        while (atomic_load(&calls) < i && uv_hrtime() < deadline) {
            uv_sleep(0);
        }
        assert_int_equal(atomic_load(&calls), i);
    }
    stop_and_destroy(native);
}

/* ---- two schedulers ---- */

/* Plays ping-pong and stops the host after `left` messages. */
typedef struct player {
    trp_native *native;
    trp_pid partner;
    uint64_t left;
} player;

static int player_init(trp_ctx *ctx, void *state, const void *arg) {
    player *self = state;
    memcpy(self, arg, sizeof *self);
    if (!trp_pid_is_none(self->partner)) {
        trp_pid me = trp_self(ctx);
        return trp_send(ctx, self->partner, trp_message_new_bytes(ctx, &me, sizeof me));
    }
    return TRP_OK;
}

static void player_handle(trp_ctx *ctx, void *state, trp_message *message) {
    player *self = state;
    trp_pid from;
    trp_pid me = trp_self(ctx);
    memcpy(&from, trp_message_body(message), sizeof from);
    if (--self->left == 0) {
        trp_native_stop(self->native, GRACE_NS);
        return;
    }
    trp_send(ctx, from, trp_message_new_bytes(ctx, &me, sizeof me));
}

static const trp_behaviour player_behaviour = {
    TRP_BEHAVIOUR("player"),
    .state_size = sizeof(player),
    .init = player_init,
    .handle = player_handle,
};

static void test_ping_pong_between_schedulers_ends(void **state) {
    (void)state;
    trp_native *native = make_native(2);
    player first = {native, TRP_PID_NONE, 5000};
    assert_int_equal(trp_native_start(native), TRP_OK);
    player second = {native, spawn_on(native, 0, &player_behaviour, &first), 5000};
    spawn_on(native, 1, &player_behaviour, &second);
    assert_int_equal(trp_native_join(native), TRP_OK);
    trp_native_destroy(native);
}

/* ---- time ---- */

typedef struct sleeper {
    trp_native *native;
    uint64_t delay_ns;
    uint64_t *late_ns;
    uint64_t due_ns;
} sleeper;

/* The timer is armed in the first activation: a root ctx may know an older time. */
static int sleeper_init(trp_ctx *ctx, void *state, const void *arg) {
    memcpy(state, arg, sizeof(sleeper));
    return trp_send(ctx, trp_self(ctx), trp_message_new_bytes(ctx, NULL, 0));
}

static void sleeper_handle(trp_ctx *ctx, void *state, trp_message *message) {
    sleeper *self = state;
    if (!trp_message_is(message, &trp_timeout_type)) {
        self->due_ns = trp_now_ns(ctx) + self->delay_ns;
        trp_timer(ctx, self->delay_ns, 0, NULL);
        return;
    }
    *self->late_ns = uv_hrtime() - self->due_ns; /* huge if it was early */
    trp_native_stop(self->native, GRACE_NS);
}

static const trp_behaviour sleeper_behaviour = {
    TRP_BEHAVIOUR("sleeper"),
    .state_size = sizeof(sleeper),
    .init = sleeper_init,
    .handle = sleeper_handle,
};

static void test_timer_fires_not_early_and_not_much_later(void **state) {
    (void)state;
    uint64_t late_ns = TRP_NEVER;
    trp_native *native = make_native(1);
    const sleeper waits = {native, 30 * TRP_NS_PER_MS, &late_ns, 0};
    assert_int_equal(trp_native_start(native), TRP_OK);
    spawn_on(native, 0, &sleeper_behaviour, &waits);
    assert_int_equal(trp_native_join(native), TRP_OK);
    trp_native_destroy(native);
    assert_true(late_ns < 5 * TRP_NS_PER_S);
}

/* ---- abort ---- */

static void aborter_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    (void)message;
    trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, 42, "aborted");
    trp_abort(ctx, &reason);
}

static const trp_behaviour aborter_behaviour = {
    TRP_BEHAVIOUR("aborter"),
    .handle = aborter_handle,
};

typedef struct watcher {
    trp_native *native;
    trp_exit *seen;
} watcher;

static int watcher_init(trp_ctx *ctx, void *state, const void *arg) {
    trp_pid victim;
    trp_ref monitor;
    memcpy(state, arg, sizeof(watcher));
    int error = trp_spawn(ctx, &aborter_behaviour, NULL, &victim);
    if (error == TRP_OK) {
        error = trp_monitor(ctx, victim, &monitor);
    }
    return error == TRP_OK ? trp_send(ctx, victim, trp_message_new_bytes(ctx, "", 0)) : error;
}

static void watcher_handle(trp_ctx *ctx, void *state, trp_message *message) {
    watcher *self = state;
    (void)ctx;
    if (trp_message_is(message, &trp_down_type)) {
        *self->seen = ((const trp_down *)trp_message_body(message))->reason;
        trp_native_stop(self->native, GRACE_NS);
    }
}

static const trp_behaviour watcher_behaviour = {
    TRP_BEHAVIOUR("watcher"),
    .state_size = sizeof(watcher),
    .init = watcher_init,
    .handle = watcher_handle,
};

static void test_abort_ends_the_actor_and_nothing_else(void **state) {
    (void)state;
    trp_exit seen = {0, 0, ""};
    trp_native *native = make_native(2);
    const watcher sees = {native, &seen};
    assert_int_equal(trp_native_start(native), TRP_OK);
    spawn_on(native, 1, &watcher_behaviour, &sees);
    assert_int_equal(trp_native_join(native), TRP_OK);
    trp_native_destroy(native);
    assert_int_equal(seen.kind, TRP_EXIT_ERROR);
    assert_int_equal(seen.code, 42);
    assert_string_equal(seen.text, "aborted");
}

/* ---- attached ---- */

static void note_stopped(void *arg) {
    *(bool *)arg = true;
}

static trp_native *make_attached(uv_loop_t *loop, bool *stopped) {
    trp_native *native = NULL;
    const trp_native_config config = {
        .size = sizeof config,
        .loop = loop,
        .log_format = TRP_LOG_FORMAT_NONE,
        .on_stopped = note_stopped,
        .arg = stopped,
    };
    assert_int_equal(trp_native_create(&config, &native), TRP_OK);
    assert_int_equal(trp_native_schedulers(native), 1);
    return native;
}

static void test_attached_runtime_lives_in_the_callers_loop(void **state) {
    (void)state;
    uv_loop_t loop;
    bool stopped = false;
    uint64_t late_ns = TRP_NEVER;
    assert_int_equal(uv_loop_init(&loop), 0);
    trp_native *native = make_attached(&loop, &stopped);
    assert_ptr_equal(trp_native_loop(native, 0), &loop);
    assert_int_equal(trp_native_start(native), TRP_OK);
    assert_int_equal(trp_native_join(native), TRP_ESTATE);
    const sleeper waits = {native, 10 * TRP_NS_PER_MS, &late_ns, 0};
    spawn_on(native, 0, &sleeper_behaviour, &waits);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_true(stopped);
    assert_true(late_ns != TRP_NEVER);
    trp_native_destroy(native);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_attached_destroy_in_the_middle_leaves_a_clean_loop(void **state) {
    (void)state;
    uv_loop_t loop;
    bool stopped = false;
    assert_int_equal(uv_loop_init(&loop), 0);
    trp_native *native = make_attached(&loop, &stopped);
    assert_int_equal(trp_native_start(native), TRP_OK);
    const counter never = {native, 0, 0};
    spawn_on(native, 0, &counter_behaviour, &never);
    uv_run(&loop, UV_RUN_NOWAIT);
    trp_native_destroy(native);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_false(stopped);
}

static void test_two_attached_runtimes_share_a_loop(void **state) {
    (void)state;
    uv_loop_t loop;
    bool stopped[2] = {false, false};
    trp_native *natives[2];
    uint64_t late_ns[2] = {TRP_NEVER, TRP_NEVER};
    assert_int_equal(uv_loop_init(&loop), 0);
    for (int i = 0; i < 2; i++) {
        natives[i] = make_attached(&loop, &stopped[i]);
        assert_int_equal(trp_native_start(natives[i]), TRP_OK);
        const sleeper waits = {natives[i], (10 + 10 * (uint64_t)i) * TRP_NS_PER_MS, &late_ns[i], 0};
        spawn_on(natives[i], 0, &sleeper_behaviour, &waits);
    }
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    for (int i = 0; i < 2; i++) {
        assert_true(stopped[i]);
        assert_true(late_ns[i] != TRP_NEVER);
        trp_native_destroy(natives[i]);
    }
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* ---- memory, log ---- */

static void test_memory_is_counted(void **state) {
    (void)state;
    trp_native *native = make_native(1);
    uint64_t before = trp_native_live_bytes(native);
    assert_true(before > 0);
    const counter never = {native, 0, 0};
    for (int i = 0; i < 1000; i++) {
        spawn_on(native, 0, &counter_behaviour, &never);
    }
    assert_true(trp_native_live_bytes(native) > before);
    trp_native_destroy(native);
}

typedef struct log_seen {
    int lines;
    int level;
    char text[64];
} log_seen;

static void see_log(void *arg, int level, const char *who, const char *text, size_t length) {
    log_seen *seen = arg;
    (void)who;
    seen->lines++;
    seen->level = level;
    snprintf(seen->text, sizeof seen->text, "%.*s", (int)length, text);
}

static void test_log_goes_to_the_callers_sink(void **state) {
    (void)state;
    trp_native *native = NULL;
    log_seen seen = {0, 0, ""};
    const trp_native_config config = {.size = sizeof config, .log = see_log, .arg = &seen};
    assert_int_equal(trp_native_create(&config, &native), TRP_OK);
    trp_native_log(native, TRP_LOG_WARN, "careful");
    assert_int_equal(seen.lines, 1);
    assert_int_equal(seen.level, TRP_LOG_WARN);
    assert_string_equal(seen.text, "careful");
    trp_native_destroy(native);
}

/* One line of the built-in log, read back through a pipe. */
static void read_log_line(trp_log_format format, const char *text, char *line, size_t size) {
    int pipe_fds[2];
    trp_native *native = NULL;
    assert_int_equal(pipe(pipe_fds), 0);
    const trp_native_config config = {
        .size = sizeof config,
        .schedulers = 1,
        .log_format = format,
        .log_fd = pipe_fds[1],
    };
    assert_int_equal(trp_native_create(&config, &native), TRP_OK);
    trp_native_log(native, TRP_LOG_DEBUG, "not written");
    trp_native_log(native, TRP_LOG_ERROR, text);
    trp_native_destroy(native);
    close(pipe_fds[1]);
    ssize_t length = read(pipe_fds[0], line, size - 1);
    assert_true(length > 0);
    line[length] = '\0';
    close(pipe_fds[0]);
}

static void test_log_escapes_what_could_forge_a_line(void **state) {
    (void)state;
    char line[512];
    read_log_line(TRP_LOG_FORMAT_JSON, "a \"b\"\n\x1b[2J \xC3\xA9 \xFF", line, sizeof line);
    assert_non_null(strstr(line, "\"level\":\"error\""));
    assert_non_null(
        strstr(line, "\"text\":\"a \\\"b\\\"\\u000a\\u001b[2J \xC3\xA9 \xEF\xBF\xBD\"}\n"));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    read_log_line(TRP_LOG_FORMAT_TEXT, "a\nb", line, sizeof line);
    assert_non_null(strstr(line, "ERROR a\\x0ab\n"));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void test_log_cuts_a_long_line(void **state) {
    (void)state;
    static char text[10000];
    char line[8192];
    memset(text, 'x', sizeof text - 1);
    read_log_line(TRP_LOG_FORMAT_JSON, text, line, sizeof line);
    size_t length = strlen(line);
    assert_true(length <= 4096);
    assert_string_equal(line + length - 4, "x\"}\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_and_destroy_without_start),
        cmocka_unit_test(test_wrong_config_is_refused),
        cmocka_unit_test(test_start_and_stop_without_actors),
        cmocka_unit_test(test_stop_before_start_ends_at_once),
        cmocka_unit_test(test_destroy_stops_what_was_left_running),
        cmocka_unit_test(test_posts_of_many_threads_all_arrive),
        cmocka_unit_test(test_call_wait_runs_on_the_scheduler_and_returns_its_result),
        cmocka_unit_test(test_call_wait_between_schedulers_is_refused),
        cmocka_unit_test(test_call_wakes_an_idle_scheduler),
        cmocka_unit_test(test_ping_pong_between_schedulers_ends),
        cmocka_unit_test(test_timer_fires_not_early_and_not_much_later),
        cmocka_unit_test(test_abort_ends_the_actor_and_nothing_else),
        cmocka_unit_test(test_attached_runtime_lives_in_the_callers_loop),
        cmocka_unit_test(test_attached_destroy_in_the_middle_leaves_a_clean_loop),
        cmocka_unit_test(test_two_attached_runtimes_share_a_loop),
        cmocka_unit_test(test_memory_is_counted),
        cmocka_unit_test(test_log_goes_to_the_callers_sink),
        cmocka_unit_test(test_log_escapes_what_could_forge_a_line),
        cmocka_unit_test(test_log_cuts_a_long_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
