/*
 * The terminal actor, on pipes and files in place of a terminal.
 */
#include "troupe/native_terminal.h"
#include "troupe/troupe.h"
#include "cmocka_all.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define GRACE_NS (2 * TRP_NS_PER_S)

enum { LINES_MAX = 32, DEADLINE_S = 20 };

/* What a reader has been told, and how it behaves. */
typedef struct script {
    trp_native *native;
    trp_terminal_options options;
    int reads_at_once;  /* reads that are asked for without waiting for the last one */
    const char *prints; /* written before the first read */
    bool kills;         /* kills the terminal when the first line has come */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char *lines[LINES_MAX]; /* owned */
    size_t lengths[LINES_MAX];
    int lines_len;
    int errors[LINES_MAX];
    int errors_len;
    bool has_ended;
    trp_exit down;
    bool is_down;
} script;

typedef struct reader {
    script *shared;
    trp_pid terminal;
} reader;

/* ---- the actor that reads ---- */

static void ask(trp_ctx *ctx, reader *self) {
    trp_ref ref;
    trp_message *message = trp_message_new(ctx, &trp_terminal_read_type);
    trp_request(ctx, self->terminal, message, TRP_NEVER, &ref);
}

static void print(trp_ctx *ctx, reader *self, const char *text) {
    trp_builder builder;
    trp_message *message = NULL;
    trp_builder_init(&builder, ctx, &trp_terminal_write_type, 16);
    trp_set_text(&builder, trp_terminal_write, text, text);
    trp_builder_finish(&builder, &message);
    trp_send(ctx, self->terminal, message);
}

static int reader_init(trp_ctx *ctx, void *state, const void *arg) {
    reader *self = state;
    trp_ref monitor;
    memcpy(&self->shared, arg, sizeof self->shared);
    script *shared = self->shared;
    int error = trp_terminal_spawn(ctx, shared->native, &shared->options, &self->terminal);
    if (error != TRP_OK) {
        return error;
    }
    trp_monitor(ctx, self->terminal, &monitor);
    if (shared->prints != NULL) {
        print(ctx, self, shared->prints);
    }
    for (int i = 0; i < shared->reads_at_once; i++) {
        ask(ctx, self);
    }
    return TRP_OK;
}

static void keep_line(script *shared, const trp_terminal_line *line) {
    if (line->is_end) {
        shared->has_ended = true;
    } else if (shared->lines_len < LINES_MAX) {
        char *copy = malloc(line->text.length + 1u);
        if (copy != NULL) {
            memcpy(copy, trp_slice_data(&line->text), line->text.length);
            copy[line->text.length] = '\0';
        }
        shared->lengths[shared->lines_len] = line->text.length;
        shared->lines[shared->lines_len++] = copy;
    }
}

static void reader_handle(trp_ctx *ctx, void *state, trp_message *message) {
    reader *self = state;
    script *shared = self->shared;
    bool reads_on = false;
    pthread_mutex_lock(&shared->lock);
    if (trp_message_is(message, &trp_terminal_line_type)) {
        const trp_terminal_line *line = trp_terminal_line_of(message);
        keep_line(shared, line);
        reads_on = !line->is_end && !shared->kills;
    } else if (trp_message_is(message, &trp_request_error_type)) {
        const trp_request_error *error = trp_message_body(message);
        shared->errors[shared->errors_len++] = error->code;
    } else if (trp_message_is(message, &trp_down_type)) {
        shared->down = ((const trp_down *)trp_message_body(message))->reason;
        shared->is_down = true;
    }
    pthread_cond_broadcast(&shared->changed);
    pthread_mutex_unlock(&shared->lock);
    if (reads_on) {
        ask(ctx, self);
    } else if (shared->kills && trp_message_is(message, &trp_terminal_line_type)) {
        trp_kill(ctx, self->terminal);
    }
}

static const trp_behaviour reader_behaviour = {
    TRP_BEHAVIOUR("reader"),
    .state_size = sizeof(reader),
    .init = reader_init,
    .handle = reader_handle,
};

static int spawn_reader(trp_ctx *ctx, void *arg) {
    script *shared = arg;
    return trp_spawn(ctx, &reader_behaviour, &shared, NULL);
}

/* ---- a test's frame ---- */

static int begin(script *shared, int in_fd, int out_fd) {
    const trp_native_config config = {
        .size = sizeof config,
        .schedulers = 2,
        .log_format = TRP_LOG_FORMAT_NONE,
    };
    pthread_mutex_init(&shared->lock, NULL);
    pthread_cond_init(&shared->changed, NULL);
    shared->options = (trp_terminal_options){sizeof shared->options, in_fd, out_fd};
    shared->reads_at_once = shared->reads_at_once == 0 ? 1 : shared->reads_at_once;
    assert_int_equal(trp_native_create(&config, &shared->native), TRP_OK);
    assert_int_equal(trp_native_start(shared->native), TRP_OK);
    return trp_native_call_wait(shared->native, 1, spawn_reader, shared);
}

static void finish(script *shared) {
    trp_native_stop(shared->native, GRACE_NS);
    assert_int_equal(trp_native_join(shared->native), TRP_OK);
    trp_native_destroy(shared->native);
    for (int i = 0; i < shared->lines_len; i++) {
        free(shared->lines[i]);
    }
    pthread_cond_destroy(&shared->changed);
    pthread_mutex_destroy(&shared->lock);
}

typedef bool condition(const script *shared);

static void wait_until(script *shared, condition *is_met) {
    struct timespec until;
    int timed_out = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += DEADLINE_S;
    pthread_mutex_lock(&shared->lock);
    while (!is_met(shared) && timed_out == 0) {
        timed_out = pthread_cond_timedwait(&shared->changed, &shared->lock, &until);
    }
    pthread_mutex_unlock(&shared->lock);
    assert_int_equal(timed_out, 0);
}

static bool has_ended(const script *shared) {
    return shared->has_ended;
}

static bool has_a_line(const script *shared) {
    return shared->lines_len > 0;
}

static bool has_an_error(const script *shared) {
    return shared->errors_len > 0;
}

static bool is_down(const script *shared) {
    return shared->is_down;
}

static void make_pipe(int fds[2], const char *text) {
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], text, strlen(text)), (ssize_t)strlen(text));
}

/* ---- tests ---- */

static void test_lines_of_a_pipe_come_one_by_one(void **state) {
    int fds[2];
    script shared = {.native = NULL};
    (void)state;
    make_pipe(fds, "first\nsecond\r\n\nlast");
    close(fds[1]);
    assert_int_equal(begin(&shared, fds[0], 2), TRP_OK);
    wait_until(&shared, has_ended);
    assert_int_equal(shared.lines_len, 4);
    assert_string_equal(shared.lines[0], "first");
    assert_string_equal(shared.lines[1], "second");
    assert_string_equal(shared.lines[2], "");
    assert_string_equal(shared.lines[3], "last");
    finish(&shared);
    close(fds[0]);
}

static void test_files_are_read_as_well(void **state) {
    char path[] = "/tmp/troupe-test-XXXXXX";
    script shared = {.native = NULL};
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(write(fd, "a\nb\n", 4), 4);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(begin(&shared, fd, 2), TRP_OK);
    wait_until(&shared, has_ended);
    assert_int_equal(shared.lines_len, 2);
    assert_string_equal(shared.lines[1], "b");
    finish(&shared);
    close(fd);
}

static void test_nothing_is_an_end(void **state) {
    script shared = {.native = NULL};
    (void)state;
    int fd = open("/dev/null", O_RDONLY);
    assert_int_equal(begin(&shared, fd, 2), TRP_OK);
    wait_until(&shared, has_ended);
    assert_int_equal(shared.lines_len, 0);
    finish(&shared);
    close(fd);
}

static void *write_long_line(void *arg) {
    static char line[2 * TRP_TERMINAL_LINE_MAX + 10];
    int fd = *(int *)arg;
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    for (size_t at = 0; at < sizeof line;) {
        ssize_t written = write(fd, line + at, sizeof line - at);
        if (written <= 0) {
            break;
        }
        at += (size_t)written;
    }
    close(fd);
    return NULL;
}

static void test_too_long_a_line_comes_in_pieces(void **state) {
    int fds[2];
    size_t total = 0;
    pthread_t writer;
    script shared = {.native = NULL};
    (void)state;
    make_pipe(fds, "");
    assert_int_equal(pthread_create(&writer, NULL, write_long_line, &fds[1]), 0);
    assert_int_equal(begin(&shared, fds[0], 2), TRP_OK);
    wait_until(&shared, has_ended);
    assert_int_equal(shared.lines_len, 3);
    for (int i = 0; i < shared.lines_len; i++) {
        total += shared.lengths[i];
    }
    assert_int_equal(total, 2 * TRP_TERMINAL_LINE_MAX + 9);
    pthread_join(writer, NULL);
    finish(&shared);
    close(fds[0]);
}

static void test_second_read_is_refused_and_the_first_goes_on(void **state) {
    int fds[2];
    script shared = {.reads_at_once = 2};
    (void)state;
    make_pipe(fds, "");
    assert_int_equal(begin(&shared, fds[0], 2), TRP_OK);
    wait_until(&shared, has_an_error);
    assert_int_equal(shared.errors[0], TRP_ESTATE);
    assert_int_equal(write(fds[1], "line\n", 5), 5);
    wait_until(&shared, has_a_line);
    assert_string_equal(shared.lines[0], "line");
    finish(&shared); /* while a read waits */
    close(fds[0]);
    close(fds[1]);
}

static void test_text_is_printed_before_the_read(void **state) {
    int in[2];
    int out[2];
    char text[32];
    script shared = {.prints = "hello\n"};
    (void)state;
    make_pipe(in, "line\n");
    make_pipe(out, "");
    assert_int_equal(begin(&shared, in[0], out[1]), TRP_OK);
    wait_until(&shared, has_a_line);
    ssize_t length = read(out[0], text, sizeof text);
    assert_int_equal(length, 6); /* and no prompt: nobody is there to see it */
    assert_memory_equal(text, "hello\n", 6);
    finish(&shared);
    close(in[0]);
    close(in[1]);
    close(out[0]);
    close(out[1]);
}

static void test_terminal_fails_when_nobody_takes_its_output(void **state) {
    int in[2];
    int out[2];
    script shared = {.prints = "hello\n"};
    (void)state;
    make_pipe(in, "");
    make_pipe(out, "");
    close(out[0]);
    assert_int_equal(begin(&shared, in[0], out[1]), TRP_OK);
    wait_until(&shared, is_down);
    assert_int_equal(shared.down.kind, TRP_EXIT_ERROR);
    assert_int_equal(shared.down.code, TRP_EIO);
    finish(&shared);
    close(in[0]);
    close(in[1]);
    close(out[1]);
}

static void test_killed_terminal_leaves_nothing_behind(void **state) {
    int fds[2];
    script shared = {.kills = true};
    (void)state;
    make_pipe(fds, "line\nanother\n");
    assert_int_equal(begin(&shared, fds[0], 2), TRP_OK);
    wait_until(&shared, is_down);
    assert_int_equal(shared.down.kind, TRP_EXIT_KILLED);
    finish(&shared);
    assert_int_equal(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
    close(fds[0]);
    close(fds[1]);
}

static void test_bad_descriptor_is_an_error(void **state) {
    script shared = {.native = NULL};
    (void)state;
    assert_int_equal(begin(&shared, 999, 2), TRP_EIO);
    finish(&shared);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_of_a_pipe_come_one_by_one),
        cmocka_unit_test(test_files_are_read_as_well),
        cmocka_unit_test(test_nothing_is_an_end),
        cmocka_unit_test(test_too_long_a_line_comes_in_pieces),
        cmocka_unit_test(test_second_read_is_refused_and_the_first_goes_on),
        cmocka_unit_test(test_text_is_printed_before_the_read),
        cmocka_unit_test(test_terminal_fails_when_nobody_takes_its_output),
        cmocka_unit_test(test_killed_terminal_leaves_nothing_behind),
        cmocka_unit_test(test_bad_descriptor_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
