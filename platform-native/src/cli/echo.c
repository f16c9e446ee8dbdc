/*
 * `troupe echo`: a prompt in front of an echo relay. An actor of its own asks the terminal for a
 * line, the relay for an answer, prints it and asks for the next line; what it waits for is always
 * one of the two.
 */
#include "commands.h"
#include "identity.h"
#include "options.h"

#include "echo.h"
#include "troupe/monitor.h"
#include "troupe/native_tcp.h"
#include "troupe/native_terminal.h"
#include "troupe/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_NS (2 * TRP_NS_PER_S)
#define GRACE_NS (1 * TRP_NS_PER_S)

static struct {
    const char *connect;
    const char *cookie_file;
    const char *name;
    const char *log_format;
} options;

static const cli_option option_table[] = {
    {"--connect", "HOST:PORT", "use the relay of the node at this address", NULL, &options.connect,
     NULL},
    {"--cookie-file", "FILE", "the secret shared with that node; otherwise TROUPE_COOKIE", NULL,
     &options.cookie_file, NULL},
    {"--name", "NAME", "name of this node; default: one made of the machine's", NULL, &options.name,
     NULL},
    {"--log-format", "text|json", "log to standard error; default: no log", NULL,
     &options.log_format, NULL},
};

static const cli_command command = {
    .name = "troupe echo",
    .summary = "Sends each line to an echo relay and prints the answer, and the pid of the\n"
               "worker that gave it. Without --connect the relay runs in this process.",
    .notes = "An empty line or the end of input ends it. No answer for 2 s prints `timeout`.",
    .options = option_table,
    .options_len = sizeof option_table / sizeof option_table[0],
};

typedef struct echo_run {
    trp_native *native;
    cli_identity identity;
    int exit_code; /* written on the scheduler's thread, read when it has ended */
    bool has_client;
    trp_pid relay;
} echo_run;

typedef struct client {
    echo_run *run;
    trp_pid terminal;
    trp_ref awaited; /* the request that is under way */
} client;

static void end(echo_run *run, int exit_code) {
    run->exit_code = exit_code;
    trp_native_stop(run->native, GRACE_NS);
}

static void end_out_of_memory(echo_run *run) {
    cli_fail(&command, "out of memory");
    end(run, CLI_FAILED);
}

/* ---- the client actor ---- */

static void print(trp_ctx *ctx, client *self, const char *text, size_t length) {
    trp_builder builder;
    trp_message *message = NULL;
    trp_builder_init(&builder, ctx, &trp_terminal_write_type, length + 1);
    trp_builder_set_field(&builder, trp_terminal_write, text, text, length);
    trp_builder_finish(&builder, &message);
    trp_send(ctx, self->terminal, message); /* a terminal that is gone is reported by its monitor */
}

static void print_text(trp_ctx *ctx, client *self, const char *text) {
    print(ctx, self, text, strlen(text));
}

static void ask_terminal(trp_ctx *ctx, client *self) {
    trp_builder builder;
    trp_message *message = NULL;
    trp_builder_init(&builder, ctx, &trp_terminal_read_type, 8);
    trp_set_text(&builder, trp_terminal_read, prompt, "> ");
    if (trp_builder_finish(&builder, &message) != TRP_OK ||
        trp_request(ctx, self->terminal, message, TRP_NEVER, &self->awaited) != TRP_OK) {
        end_out_of_memory(self->run);
    }
}

static void ask_relay(trp_ctx *ctx, client *self, const trp_slice *line) {
    trp_builder builder;
    trp_message *message = NULL;
    trp_builder_init(&builder, ctx, &echo_request_type, line->length + 1);
    trp_builder_set_field(&builder, echo_request, text, trp_slice_data(line), line->length);
    int error = trp_builder_finish(&builder, &message);
    if (error == TRP_OK) {
        error = trp_request(ctx, self->run->relay, message, ANSWER_NS, &self->awaited);
    }
    if (error != TRP_OK) {
        print_text(ctx, self, trp_error_text(error));
        print_text(ctx, self, "\n");
        ask_terminal(ctx, self);
    }
}

static void on_line(trp_ctx *ctx, client *self, const trp_terminal_line *line) {
    if (line->is_end || line->text.length == 0) {
        end(self->run, CLI_OK);
        return;
    }
    ask_relay(ctx, self, &line->text);
}

static void on_reply(trp_ctx *ctx, client *self, const echo_reply *reply) {
    char text[TRP_NODE_NAME_MAX + TRP_PID_TEXT_MAX + 64] = "\nfrom worker: ";
    size_t used = strlen(text);
    if (trp_pid_is_local(reply->worker)) {
        trp_pid_format(reply->worker, text + used, sizeof text - used - 1);
    } else {
        trp_pid_format_global(trp_ctx_runtime(ctx), reply->worker, text + used,
                              sizeof text - used - 1);
    }
    print(ctx, self, trp_slice_data(&reply->text), reply->text.length);
    strcat(text, "\n");
    print_text(ctx, self, text);
    ask_terminal(ctx, self);
}

static void on_error(trp_ctx *ctx, client *self, const trp_request_error *error) {
    print_text(ctx, self, error->code == TRP_ETIMEOUT ? "timeout" : trp_error_text(error->code));
    print_text(ctx, self, "\n");
    ask_terminal(ctx, self);
}

static int client_init(trp_ctx *ctx, void *state, const void *arg) {
    client *self = state;
    trp_ref monitor;
    memcpy(&self->run, arg, sizeof(echo_run *));
    int error = trp_terminal_spawn(ctx, self->run->native, NULL, &self->terminal);
    if (error == TRP_OK) {
        error = trp_monitor(ctx, self->terminal, &monitor);
    }
    if (error == TRP_OK) {
        ask_terminal(ctx, self);
    }
    return error;
}

static void client_handle(trp_ctx *ctx, void *state, trp_message *message) {
    client *self = state;
    if (trp_message_is(message, &trp_down_type)) {
        const trp_down *down = trp_message_body(message);
        if (trp_exit_is_abnormal(&down->reason) && down->reason.kind == TRP_EXIT_ERROR) {
            cli_fail(&command, "the terminal failed: %s", down->reason.text);
            end(self->run, CLI_FAILED);
        }
    } else if (trp_message_ref(message) != self->awaited) {
        return; /* an answer that came too late to be waited for */
    } else if (trp_message_is(message, &trp_terminal_line_type)) {
        on_line(ctx, self, trp_terminal_line_of(message));
    } else if (trp_message_is(message, &echo_reply_type)) {
        on_reply(ctx, self, echo_reply_of(message));
    } else if (trp_message_is(message, &trp_request_error_type)) {
        on_error(ctx, self, trp_message_body(message));
    }
}

static const trp_behaviour client_behaviour = {
    TRP_BEHAVIOUR("echo_client"),
    .state_size = sizeof(client),
    .init = client_init,
    .handle = client_handle,
};

/* ---- here or there ---- */

static int spawn_client(trp_ctx *ctx, echo_run *run) {
    run->has_client = true;
    return trp_spawn(ctx, &client_behaviour, &run, NULL);
}

static int start_here(trp_ctx *ctx, void *arg) {
    echo_run *run = arg;
    int error = trp_spawn(ctx, &echo_relay, NULL, &run->relay);
    return error == TRP_OK ? spawn_client(ctx, run) : error;
}

/* A node that comes back may have another name, so each session says anew where the relay is. */
static int use_relay_of(trp_ctx *ctx, echo_run *run, const char *node) {
    int error = trp_remote_name(ctx, node, ECHO_RELAY_NAME, &run->relay);
    return error == TRP_OK && !run->has_client ? spawn_client(ctx, run) : error;
}

/*
 * The first session brings the client; later ones are for its next lines. Failing before the first
 * is the end.
 */
static void on_session(void *arg, const trp_session_event *event) {
    echo_run *run = arg;
    if (event->state == TRP_SESSION_UP) {
        int error = use_relay_of(event->ctx, run, event->node);
        if (error != TRP_OK) {
            cli_fail(&command, "cannot start: %s", trp_error_text(error));
            end(run, CLI_FAILED);
        }
    }
    bool is_final =
        event->state == TRP_SESSION_DOWN && (!run->has_client || event->error == TRP_EAUTH);
    if (!is_final || run->exit_code != CLI_OK) {
        return;
    }
    if (event->error == TRP_EAUTH) {
        cli_fail(&command, "%s refused the cookie: both nodes need the same one", event->address);
    } else {
        cli_fail(&command, "no session with %s: %s", event->address,
                 event->why != NULL && event->why[0] != '\0' ? event->why
                                                             : trp_error_text(event->error));
    }
    end(run, CLI_FAILED);
}

static int start_there(echo_run *run) {
    trp_tcp_dialler *dialler;
    const trp_tcp_dial_options dial = {
        .size = sizeof dial,
        .address = options.connect,
        .on_event = on_session,
        .arg = run,
    };
    if (run->identity.cookie_length == 0) {
        return cli_fail(&command,
                        "--connect needs the other node's cookie: give --cookie-file or set "
                        "TROUPE_COOKIE");
    }
    int result = cli_identity_start(&run->identity, &command, trp_native_runtime(run->native));
    if (result != CLI_OK) {
        return result;
    }
    int error = trp_tcp_dial(run->native, &dial, &dialler);
    if (error == TRP_EINVAL) {
        return cli_fail(&command, "--connect %s: an address is tcp://host:port", options.connect);
    }
    return error == TRP_OK ? CLI_OK : cli_fail(&command, "cannot dial: %s", trp_error_text(error));
}

static int run_echo(echo_run *run) {
    int result = CLI_OK;
    int error = echo_register(trp_native_runtime(run->native));
    if (error == TRP_OK) {
        error = trp_native_stop_on_signals(run->native, GRACE_NS);
    }
    if (error == TRP_OK && options.connect == NULL) {
        error = trp_native_call_wait(run->native, 0, start_here, run);
    } else if (error == TRP_OK) {
        result = start_there(run);
    }
    if (error == TRP_OK && result == CLI_OK) {
        error = trp_native_start(run->native);
    }
    if (error != TRP_OK) {
        return cli_fail(&command, "cannot start: %s", trp_error_text(error));
    }
    if (result == CLI_OK) {
        trp_native_join(run->native);
        result = run->exit_code;
    }
    return result;
}

static int read_log_format(trp_log_format *format) {
    const char *text = options.log_format;
    *format = TRP_LOG_FORMAT_NONE;
    if (text == NULL) {
        return CLI_OK;
    }
    if (strcmp(text, "text") != 0 && strcmp(text, "json") != 0) {
        return cli_usage(&command, "--log-format is text or json, not %s", text);
    }
    *format = text[0] == 't' ? TRP_LOG_FORMAT_TEXT : TRP_LOG_FORMAT_JSON;
    return CLI_OK;
}

int cli_echo(int argc, char **argv) {
    echo_run run;
    trp_native_config config = {.size = sizeof config, .schedulers = 1};
    int result = cli_read_options(&command, argc, argv);
    if (result >= 0) {
        return result;
    }
    result = read_log_format(&config.log_format);
    if (result != CLI_OK) {
        return result;
    }
    memset(&run, 0, sizeof run);
    result = cli_identity_init(&run.identity, &command, "echo", options.name, options.cookie_file,
                               false);
    if (result != CLI_OK) {
        return result;
    }
    int error = trp_native_create(&config, &run.native);
    if (error != TRP_OK) {
        return cli_fail(&command, "cannot start: %s", trp_error_text(error));
    }
    result = run_echo(&run);
    trp_native_destroy(run.native);
    return result;
}
