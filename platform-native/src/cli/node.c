/*
 * `troupe node`: a node with an echo relay, an HTTP and WebSocket server for pages, and TCP for
 * other nodes.
 */
#include "commands.h"
#include "identity.h"
#include "options.h"

#include "echo.h"
#include "troupe/native_http.h"
#include "troupe/native_tcp.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GRACE_NS (5 * TRP_NS_PER_S)
#define STOP_NS (1 * TRP_NS_PER_S)

static struct {
    const char *name;
    const char *listen_http;
    const char *listen_tcp;
    const char *serve;
    const char *cookie_file;
    const char *log_format;
    const char *schedulers;
    cli_list connect;
    cli_list origins;
    bool create_cookie;
    bool isolate;
    bool no_http;
    bool no_tcp;
    bool verbose;
} options = {
    .listen_http = "127.0.0.1:8080",
    .listen_tcp = "127.0.0.1:0",
    .log_format = "text",
};

static const cli_option option_table[] = {
    {"--name", "NAME", "name of this node; default: one made of the machine's", NULL, &options.name,
     NULL},
    {"--listen-http", "HOST:PORT",
     "where to serve pages; port 0 takes a free one;\ndefault 127.0.0.1:8080", NULL,
     &options.listen_http, NULL},
    {"--listen", "HOST:PORT", NULL, NULL, &options.listen_http, NULL},
    {"--listen-tcp", "HOST:PORT", "where to accept other nodes; default 127.0.0.1:0", NULL,
     &options.listen_tcp, NULL},
    {"--no-http", NULL, "serve no pages", &options.no_http, NULL, NULL},
    {"--no-tcp", NULL, "accept no other nodes over TCP", &options.no_tcp, NULL, NULL},
    {"--serve", "DIR", "folder of the site; without it only sessions are served", NULL,
     &options.serve, NULL},
    {"--origin", "URL",
     "a further origin of this server, such as\nhttps://example.org behind a proxy; may be "
     "repeated",
     NULL, NULL, &options.origins},
    {"--isolate", NULL, "send COOP and COEP, so that pages may share memory", &options.isolate,
     NULL, NULL},
    {"--connect", "HOST:PORT", "another node to keep a session with; may be repeated", NULL, NULL,
     &options.connect},
    {"--cookie-file", "FILE",
     "the secret that peers share, at least 16 bytes;\notherwise TROUPE_COOKIE", NULL,
     &options.cookie_file, NULL},
    {"--create-cookie", NULL, "make the cookie file if it is missing", &options.create_cookie, NULL,
     NULL},
    {"--schedulers", "N", "threads for actors; default: one per processor", NULL,
     &options.schedulers, NULL},
    {"--log-format", "text|json", "how log lines on standard error look", NULL, &options.log_format,
     NULL},
    {"--verbose", NULL, "log more", &options.verbose, NULL, NULL},
};

static const cli_command command = {
    .name = "troupe node",
    .summary = "Runs a node: an echo relay, a web site whose pages can talk to it, and a\n"
               "TCP port for other nodes.",
    .notes = "Ctrl-C ends it in good order, a second one at once.",
    .options = option_table,
    .options_len = sizeof option_table / sizeof option_table[0],
};

typedef struct node_run {
    trp_native *native;
    cli_identity identity;
    atomic_int exit_code;
} node_run;

/* A node we dial has refused us for good: there is nothing to wait for. */
static void on_dialled(void *arg, const trp_session_event *event) {
    node_run *run = arg;
    if (event->state == TRP_SESSION_DOWN && event->retry_ns == TRP_NEVER &&
        (event->error == TRP_EAUTH || event->error == TRP_EVERSION)) {
        cli_fail(&command, "%s refused the session: %s", event->address,
                 trp_error_text(event->error));
        atomic_store(&run->exit_code, CLI_FAILED);
        trp_native_stop(run->native, STOP_NS);
    }
}

static int spawn_relay(trp_ctx *ctx, void *arg) {
    (void)arg;
    return trp_spawn(ctx, &echo_relay, NULL, NULL);
}

static int start_relay(node_run *run) {
    trp_runtime *runtime = trp_native_runtime(run->native);
    int error = echo_register(runtime);
    if (error == TRP_OK) {
        error = trp_node_expose(runtime, ECHO_RELAY_NAME);
    }
    if (error == TRP_OK) {
        error = trp_native_call_wait(run->native, 0, spawn_relay, NULL);
    }
    return error == TRP_OK
               ? CLI_OK
               : cli_fail(&command, "cannot start the relay: %s", trp_error_text(error));
}

static int listen_http(node_run *run, trp_http_server **server) {
    char why[128] = "";
    const trp_http_options http = {
        .size = sizeof http,
        .address = options.listen_http,
        .root = options.serve,
        .origins = options.origins.items,
        .node = run->identity.name,
        .isolate = options.isolate,
        .no_peers = run->identity.cookie_length == 0,
        .why = why,
        .why_size = sizeof why,
    };
    int error = trp_http_listen(run->native, &http, server);
    if (error == TRP_ENOENT) {
        return cli_fail(&command, "cannot serve %s: %s", options.serve, why);
    }
    if (error != TRP_OK) {
        return cli_fail(&command, "cannot listen on %s for pages: %s", options.listen_http,
                        why[0] != '\0' ? why : trp_error_text(error));
    }
    return CLI_OK;
}

static int listen_tcp(node_run *run, trp_tcp_listener **listener) {
    char why[128] = "";
    const trp_tcp_listen_options tcp = {
        .size = sizeof tcp,
        .address = options.listen_tcp,
        .why = why,
        .why_size = sizeof why,
    };
    int error = trp_tcp_listen(run->native, &tcp, listener);
    if (error != TRP_OK) {
        return cli_fail(&command, "cannot listen on %s for nodes: %s", options.listen_tcp,
                        why[0] != '\0' ? why : trp_error_text(error));
    }
    return CLI_OK;
}

static int dial_all(node_run *run) {
    for (size_t i = 0; i < options.connect.len; i++) {
        trp_tcp_dialler *dialler;
        const trp_tcp_dial_options dial = {
            .size = sizeof dial,
            .address = options.connect.items[i],
            .on_event = on_dialled,
            .arg = run,
        };
        int error = trp_tcp_dial(run->native, &dial, &dialler);
        if (error == TRP_EINVAL) {
            return cli_fail(&command, "--connect %s: an address is tcp://host:port", dial.address);
        }
        if (error != TRP_OK) {
            return cli_fail(&command, "--connect %s: %s", dial.address, trp_error_text(error));
        }
    }
    return CLI_OK;
}

/* Where the node can be reached, and what to try. */
static void welcome(const node_run *run, bool has_cookie, const trp_http_server *http,
                    const trp_tcp_listener *tcp) {
    printf("Node %s is up.\n", run->identity.name);
    if (http != NULL) {
        printf("  pages:  http://%s/\n", trp_http_server_address(http));
    }
    if (tcp != NULL) {
        printf("  nodes:  tcp://%s\n", trp_tcp_listener_address(tcp));
    }
    puts("Try next:");
    if (http != NULL && options.serve != NULL) {
        printf("  open http://%s/ in a browser\n", trp_http_server_address(http));
    }
    if (tcp != NULL && has_cookie) {
        printf("  troupe echo --connect tcp://%s%s%s\n", trp_tcp_listener_address(tcp),
               options.cookie_file != NULL ? " --cookie-file " : "  (with the same TROUPE_COOKIE)",
               options.cookie_file != NULL ? options.cookie_file : "");
    } else if (tcp != NULL) {
        puts("  start it with --cookie-file FILE --create-cookie: without a cookie no other node "
             "can\n"
             "  join over TCP");
    }
    puts("Ctrl-C ends it.");
    fflush(stdout);
}

static int open_services(node_run *run) {
    bool has_cookie = run->identity.cookie_length != 0;
    trp_http_server *http = NULL;
    trp_tcp_listener *tcp = NULL;
    if (options.connect.len > 0 && !has_cookie) {
        return cli_fail(&command,
                        "--connect needs the other node's cookie: give --cookie-file or set "
                        "TROUPE_COOKIE");
    }
    bool has_peers = has_cookie; /* starting the node wipes the cookie */
    int result = options.no_http ? CLI_OK : listen_http(run, &http);
    if (result == CLI_OK && !options.no_tcp) {
        result = listen_tcp(run, &tcp);
    }
    if (result == CLI_OK) {
        result = dial_all(run);
    }
    if (result == CLI_OK) {
        welcome(run, has_peers, http, tcp);
    }
    return result;
}

static int run_node(node_run *run) {
    int result = cli_identity_start(&run->identity, &command, trp_native_runtime(run->native));
    if (result == CLI_OK) {
        result = start_relay(run);
    }
    if (result == CLI_OK && trp_native_stop_on_signals(run->native, GRACE_NS) != TRP_OK) {
        result = cli_fail(&command, "cannot handle signals");
    }
    if (result == CLI_OK) {
        result = open_services(run);
    }
    if (result != CLI_OK) {
        return result;
    }
    if (trp_native_start(run->native) != TRP_OK) {
        return cli_fail(&command, "cannot start threads");
    }
    trp_native_join(run->native);
    return atomic_load(&run->exit_code);
}

static int read_log_format(trp_log_format *format) {
    if (strcmp(options.log_format, "text") == 0) {
        *format = TRP_LOG_FORMAT_TEXT;
    } else if (strcmp(options.log_format, "json") == 0) {
        *format = TRP_LOG_FORMAT_JSON;
    } else {
        return cli_usage(&command, "--log-format is text or json, not %s", options.log_format);
    }
    return CLI_OK;
}

int cli_node(int argc, char **argv) {
    node_run run;
    trp_native_config config = {.size = sizeof config};
    int result = cli_read_options(&command, argc, argv);
    if (result >= 0) {
        return result;
    }
    result = read_log_format(&config.log_format);
    if (result != CLI_OK) {
        return result;
    }
    if (options.schedulers != NULL &&
        !cli_read_number(options.schedulers, TRP_SCHEDULERS_MAX, &config.schedulers)) {
        return cli_usage(&command, "--schedulers is a number from 1 to %d", TRP_SCHEDULERS_MAX);
    }
    config.log_debug = options.verbose;
    memset(&run, 0, sizeof run);
    atomic_init(&run.exit_code, CLI_OK);
    result = cli_identity_init(&run.identity, &command, "node", options.name, options.cookie_file,
                               options.create_cookie);
    if (result != CLI_OK) {
        return result;
    }
    int error = trp_native_create(&config, &run.native);
    if (error != TRP_OK) {
        return cli_fail(&command, "cannot start: %s", trp_error_text(error));
    }
    result = run_node(&run);
    trp_native_destroy(run.native);
    return result;
}
