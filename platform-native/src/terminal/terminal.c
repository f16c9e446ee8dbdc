/*
 * The terminal actor. It is a port: what it does with libuv is in port.c, what it says to other
 * actors is here, written against the public API. The port gives its lines as messages to the
 * actor, which passes them on to whoever has asked.
 */
#include "troupe/native_terminal.h"

#include "host.h"
#include "terminal/port.h"

#include "troupe/request.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

TRP_TYPE_DEFINE(trp_terminal_read, "troupe.TerminalRead", TRP_TERMINAL_READ_FIELDS)
TRP_TYPE_DEFINE(trp_terminal_line, "troupe.TerminalLine", TRP_TERMINAL_LINE_FIELDS)
TRP_TYPE_DEFINE(trp_terminal_write, "troupe.TerminalWrite", TRP_TERMINAL_WRITE_FIELDS)

typedef struct terminal {
    trpi_port *port;
    trp_message *asked; /* owned; the read that waits for a line */
    int out_fd;
    bool has_reader; /* a person reads the output and types the input */
} terminal;

typedef struct terminal_arg {
    trp_native *native;
    trp_terminal_options options;
} terminal_arg;

/* Writes all of it, waiting for a slow reader. 0 or an errno. */
static int write_all(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);
        if (written >= 0) {
            bytes += written;
            length -= (size_t)written;
        } else if (errno == EAGAIN) {
            struct pollfd waiting = {.fd = fd, .events = POLLOUT};
            poll(&waiting, 1, -1);
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

static void print(trp_ctx *ctx, const terminal *self, const trp_slice *text) {
    int failure = write_all(self->out_fd, trp_slice_data(text), text->length);
    if (failure != 0) {
        trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, TRP_EIO, strerror(failure));
        trp_fail(ctx, &reason);
    }
}

/* The port has a line: it becomes a message to the terminal, which knows who asked. */
static void on_line(trpi_driver *driver, trp_pid owner, const char *line, size_t length) {
    trp_ctx *ctx = trpi_driver_ctx(driver);
    trp_builder builder;
    trp_message *message = NULL;
    trp_builder_init(&builder, ctx, &trp_terminal_line_type, length + 1);
    trp_set(&builder, trp_terminal_line, is_end, line == NULL);
    if (line != NULL) {
        trp_builder_set_field(&builder, trp_terminal_line, text, line, length);
    }
    if (trp_builder_finish(&builder, &message) == TRP_OK) {
        trp_send(ctx, owner, message);
        return;
    }
    trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, TRP_ENOMEM, "no memory for a line");
    trp_stop(ctx, owner, &reason); /* ends the read with an error, so nobody waits in vain */
}

static void begin_read(trp_ctx *ctx, terminal *self, trp_message *request) {
    if (!trp_message_is_request(request)) {
        trp_log(ctx, TRP_LOG_WARN, "a terminal is read by a request; this was a plain message");
        return;
    }
    if (self->asked != NULL) {
        trp_reply_error(ctx, request, TRP_ESTATE, "somebody is reading this terminal already");
        return;
    }
    if (self->has_reader) {
        print(ctx, self, &trp_terminal_read_of(request)->prompt);
    }
    self->asked = trp_message_take(ctx, request);
    trpi_port_want(self->port);
}

static void pass_on(trp_ctx *ctx, terminal *self, trp_message *line) {
    if (self->asked != NULL) {
        trp_reply(ctx, self->asked, trp_message_take(ctx, line));
        trp_message_drop(ctx, self->asked);
        self->asked = NULL;
    }
}

static int terminal_init(trp_ctx *ctx, void *state, const void *arg) {
    terminal *self = state;
    const terminal_arg *given = arg;
    self->out_fd = given->options.out_fd != 0 ? given->options.out_fd : STDOUT_FILENO;
    self->has_reader = isatty(given->options.in_fd) == 1 && isatty(self->out_fd) == 1;
    trpi_driver *driver = trpi_native_driver(given->native, trp_ctx_scheduler(ctx));
    return trpi_port_open(driver, given->options.in_fd, on_line, trp_self(ctx), &self->port);
}

static void terminal_handle(trp_ctx *ctx, void *state, trp_message *message) {
    terminal *self = state;
    if (trp_message_is(message, &trp_terminal_read_type)) {
        begin_read(ctx, self, message);
    } else if (trp_message_is(message, &trp_terminal_line_type)) {
        pass_on(ctx, self, message);
    } else if (trp_message_is(message, &trp_terminal_write_type)) {
        print(ctx, self, &trp_terminal_write_of(message)->text);
    }
}

static void terminal_terminate(trp_ctx *ctx, void *state, const trp_exit *reason) {
    terminal *self = state;
    (void)ctx;
    (void)reason;
    trpi_port_close(self->port);
}

static const trp_type *const terminal_types[] = {
    &trp_terminal_read_type,
    &trp_terminal_line_type,
    &trp_terminal_write_type,
    NULL,
};

static const trp_behaviour terminal_behaviour = {
    TRP_BEHAVIOUR("terminal"),
    .state_size = sizeof(terminal),
    .types = terminal_types,
    .init = terminal_init,
    .handle = terminal_handle,
    .terminate = terminal_terminate, /* after a kill the port stays until the host stops */
};

int trp_terminal_spawn(trp_ctx *ctx, trp_native *native, const trp_terminal_options *given,
                       trp_pid *pid) {
    terminal_arg arg = {.native = native, .options = {.size = sizeof arg.options}};
    if (trpi_config_copy(&arg.options, sizeof arg.options, given) != TRP_OK) {
        return TRP_EINVAL;
    }
    const trp_spawn_options options = {.size = sizeof options, .pinned = true};
    return trp_spawn_opt(ctx, &terminal_behaviour, &arg, &options, pid, NULL);
}
