/*
 * Keeping a session to one address. An attempt resolves the name, tries its addresses in order and
 * opens a session; when that ends, for whatever reason but a refused cookie or version, the next
 * attempt follows after a pause that doubles with every failure. The pause is drawn from its upper
 * half, so that nodes which lost the same peer do not return in step.
 */
#include "troupe/native_tcp.h"

#include "crypto.h"
#include "host.h"
#include "report.h"
#include "tcp/connection.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_DEADLINE_NS (10 * TRP_NS_PER_S)
#define WRITE_DEADLINE_NS (10 * TRP_NS_PER_S)
#define BACKOFF_MIN_NS (250 * TRP_NS_PER_MS)
#define BACKOFF_MAX_NS (30 * TRP_NS_PER_S)

/* A session that lasted so long was a success: the pauses begin anew. */
#define STABLE_NS (10 * TRP_NS_PER_S)

struct trp_tcp_dialler {
    trpi_service service;
    trpi_driver *driver;
    trp_tcp_dial_options options; /* its address is not used after trp_tcp_dial */
    trpi_connection_config connections;
    trpi_address address;
    char address_text[sizeof(trpi_address) + 3];
    uv_timer_t timer; /* the pause, or the deadline of a connect */
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    struct addrinfo *found; /* owned; what the name resolved to */
    struct addrinfo *next;  /* the address to try when this one fails */
    trpi_connection *connection;
    uint32_t failures;    /* since the last success */
    uint64_t up_since_ns; /* 0 if the session is not up */
    uint64_t retry_ns;    /* pause before the next attempt, TRP_NEVER for none */
    bool is_resolving;
    bool is_connecting; /* `connection` has no session yet */
    bool is_closing;
    bool timer_closed;
};

static void attempt(trp_tcp_dialler *dialler);
static void connect_next(trp_tcp_dialler *dialler);

/* Frees the dialler when its timer, its resolving and its connection have ended. */
static void finish(trp_tcp_dialler *dialler) {
    if (!dialler->timer_closed || dialler->is_resolving || dialler->connection != NULL) {
        return;
    }
    trpi_service_remove(&dialler->service);
    uv_freeaddrinfo(dialler->found);
    free(dialler);
}

/* ---- pauses ---- */

/* Decides on the pause that follows a failure with `error`. */
static uint64_t choose_pause(trp_tcp_dialler *dialler, int error) {
    if (dialler->options.once || dialler->is_closing || error == TRP_EAUTH ||
        error == TRP_EVERSION || trpi_native_is_stopping(dialler->driver->native)) {
        return TRP_NEVER;
    }
    uint64_t pause = dialler->options.backoff_min_ns;
    for (uint32_t i = 0; i < dialler->failures && pause < dialler->options.backoff_max_ns; i++) {
        pause *= 2;
    }
    if (pause > dialler->options.backoff_max_ns) {
        pause = dialler->options.backoff_max_ns;
    }
    uint32_t random = 0;
    trpi_entropy(&random, sizeof random); /* without entropy: no jitter */
    dialler->failures++;
    return pause / 2 + (uint64_t)((double)(pause / 2) * ((double)random / UINT32_MAX));
}

static void on_pause_over(uv_timer_t *timer) {
    trp_tcp_dialler *dialler = timer->data;
    trpi_driver_enter(dialler->driver);
    attempt(dialler);
}

static void pause_then_attempt(trp_tcp_dialler *dialler) {
    if (dialler->retry_ns != TRP_NEVER && !dialler->is_closing) {
        uv_timer_start(&dialler->timer, on_pause_over, dialler->retry_ns / TRP_NS_PER_MS + 1, 0);
    }
}

static void report(trp_tcp_dialler *dialler, trp_session_state state, const char *node, int error,
                   const char *why) {
    trp_session_event event = {
        .session = dialler->is_connecting || dialler->connection == NULL
                       ? NULL
                       : dialler->connection->session,
        .state = state,
        .node = node,
        .address = dialler->address_text,
        .error = error,
        .why = why,
        .retry_ns = state == TRP_SESSION_DOWN ? dialler->retry_ns : TRP_NEVER,
    };
    trpi_report(dialler->driver, "tcp", dialler->options.on_event, dialler->options.arg, &event);
}

/* An attempt failed before there was a session. */
static void give_up_attempt(trp_tcp_dialler *dialler, const char *why) {
    if (dialler->is_closing) {
        return;
    }
    dialler->retry_ns = choose_pause(dialler, TRP_ENOCONNECTION);
    report(dialler, TRP_SESSION_DOWN, "", TRP_ENOCONNECTION, why);
    pause_then_attempt(dialler);
}

/* ---- the session ---- */

static void on_state(trpi_connection *connection, trp_session_state state, const char *node,
                     int error, const char *why) {
    trp_tcp_dialler *dialler = connection->owner;
    if (state == TRP_SESSION_UP && dialler->up_since_ns == 0) {
        dialler->up_since_ns = uv_hrtime();
    }
    if (state == TRP_SESSION_DOWN) {
        bool was_stable =
            dialler->up_since_ns != 0 && uv_hrtime() - dialler->up_since_ns >= STABLE_NS;
        dialler->failures = was_stable ? 0 : dialler->failures;
        dialler->up_since_ns = 0;
        dialler->retry_ns = choose_pause(dialler, error);
    }
    report(dialler, state, node, error, why);
}

static void on_gone(trpi_connection *connection) {
    trp_tcp_dialler *dialler = connection->owner;
    bool was_connecting = dialler->is_connecting;
    dialler->connection = NULL;
    dialler->is_connecting = false;
    if (dialler->is_closing) {
        finish(dialler);
    } else if (was_connecting) {
        connect_next(dialler);
    } else {
        pause_then_attempt(dialler);
    }
}

/* ---- connecting ---- */

static void on_connect_deadline(uv_timer_t *timer) {
    trp_tcp_dialler *dialler = timer->data;
    trpi_driver_enter(dialler->driver);
    if (dialler->is_connecting) {
        trpi_connection_close(dialler->connection, TRPI_CLOSING_NOW); /* on_gone goes on */
    }
}

static void on_connected(uv_connect_t *request, int status) {
    trpi_connection *connection = request->handle->data;
    trp_tcp_dialler *dialler = connection->owner;
    trpi_driver_enter(dialler->driver);
    if (connection->is_closing) {
        return;
    }
    if (status < 0) {
        trpi_connection_close(connection, TRPI_CLOSING_NOW); /* on_gone tries the next address */
        return;
    }
    uv_timer_stop(&dialler->timer);
    dialler->is_connecting = false;
    if (trpi_connection_open(connection) != TRP_OK) {
        dialler->retry_ns = choose_pause(dialler, TRP_ENOCONNECTION); /* for on_gone */
        report(dialler, TRP_SESSION_DOWN, "", TRP_ENOCONNECTION, "no session could be opened");
    }
}

static void connect_next(trp_tcp_dialler *dialler) {
    struct addrinfo *target = dialler->next;
    if (target == NULL) {
        uv_timer_stop(&dialler->timer);
        give_up_attempt(dialler, "cannot connect: nobody answers there");
        return;
    }
    dialler->next = target->ai_next;
    trpi_connection *connection =
        trpi_connection_new(dialler->driver, dialler, &dialler->connections);
    if (connection == NULL) {
        give_up_attempt(dialler, "out of memory");
        return;
    }
    dialler->connection = connection;
    dialler->is_connecting = true;
    uv_timer_start(&dialler->timer, on_connect_deadline,
                   dialler->options.connect_deadline_ns / TRP_NS_PER_MS + 1, 0);
    if (uv_tcp_connect(&dialler->connect, &connection->stream, target->ai_addr, on_connected) !=
        0) {
        trpi_connection_close(connection, TRPI_CLOSING_NOW);
    }
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found) {
    trp_tcp_dialler *dialler = request->data;
    trpi_driver_enter(dialler->driver);
    dialler->is_resolving = false;
    dialler->found = found;
    dialler->next = found;
    if (dialler->is_closing) {
        finish(dialler);
    } else if (status < 0) {
        give_up_attempt(dialler, uv_strerror(status));
    } else {
        connect_next(dialler);
    }
}

static void attempt(trp_tcp_dialler *dialler) {
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICSERV,
    };
    uv_freeaddrinfo(dialler->found);
    dialler->found = NULL;
    dialler->resolve.data = dialler;
    int error = uv_getaddrinfo(dialler->driver->loop, &dialler->resolve, on_resolved,
                               dialler->address.host, dialler->address.port, &hints);
    if (error != 0) {
        give_up_attempt(dialler, uv_strerror(error));
        return;
    }
    dialler->is_resolving = true;
}

/* ---- life ---- */

static void on_timer_closed(uv_handle_t *handle) {
    trp_tcp_dialler *dialler = handle->data;
    dialler->timer_closed = true;
    finish(dialler);
}

static void close_dialler(trp_tcp_dialler *dialler, trpi_closing how) {
    if (!dialler->is_closing) {
        dialler->is_closing = true;
        dialler->retry_ns = TRP_NEVER;
        if (dialler->is_resolving) {
            uv_cancel((uv_req_t *)&dialler->resolve);
        }
        uv_close((uv_handle_t *)&dialler->timer, on_timer_closed);
    }
    if (dialler->connection != NULL) {
        trpi_connection_close(dialler->connection, how);
    }
}

static void close_service(trpi_service *service, trpi_closing how) {
    trp_tcp_dialler *dialler = TRPI_CONTAINER(service, trp_tcp_dialler, service);
    if (how == TRPI_CLOSING_STOP) {
        if (dialler->connection == NULL || dialler->is_connecting) {
            close_dialler(dialler, TRPI_CLOSING_NOW); /* actors are stopping: too late to connect */
        }
        return;
    }
    close_dialler(dialler, how);
}

typedef struct dial_call {
    trp_native *native;
    const trp_tcp_dial_options *options;
    const trpi_address *address;
    trp_tcp_dialler *dialler;
} dial_call;

static int dial_here(trp_ctx *ctx, void *arg) {
    dial_call *call = arg;
    (void)ctx;
    if (trpi_native_is_stopping(call->native)) {
        return TRP_ECLOSED;
    }
    trp_tcp_dialler *dialler = calloc(1, sizeof *dialler);
    if (dialler == NULL) {
        return TRP_ENOMEM;
    }
    const trpi_address *address = call->address;
    bool is_ipv6 = strchr(address->host, ':') != NULL;
    snprintf(dialler->address_text, sizeof dialler->address_text, is_ipv6 ? "[%s]:%s" : "%s:%s",
             address->host, address->port);
    dialler->driver = trpi_native_driver(call->native, call->options->scheduler);
    dialler->options = *call->options;
    dialler->address = *address;
    dialler->retry_ns = TRP_NEVER;
    dialler->connections = (trpi_connection_config){
        .dialler = true,
        .rights = call->options->rights,
        .write_deadline_ns = call->options->write_deadline_ns,
        .socket_bytes = call->options->socket_bytes & INT32_MAX,
        .on_state = on_state,
        .on_gone = on_gone,
    };
    dialler->service.close = close_service;
    uv_timer_init(dialler->driver->loop, &dialler->timer);
    dialler->timer.data = dialler;
    trpi_service_add(dialler->driver, &dialler->service);
    /*
     * The first attempt goes through the timer, so that no event comes before the caller has his
     * dialler.
     */
    dialler->retry_ns = 0;
    pause_then_attempt(dialler);
    call->dialler = dialler;
    return TRP_OK;
}

static uint64_t or_default(uint64_t value, uint64_t default_value) {
    return value != 0 ? value : default_value;
}

int trp_tcp_dial(trp_native *native, const trp_tcp_dial_options *given, trp_tcp_dialler **out) {
    trp_tcp_dial_options options = {.size = sizeof options};
    trpi_address address;
    if (given == NULL || trpi_config_copy(&options, sizeof options, given) != TRP_OK ||
        trpi_address_parse(options.address, "tcp://", &address) != TRP_OK) {
        return TRP_EINVAL;
    }
    options.rights = options.rights != 0 ? options.rights : TRP_RIGHTS_PEER;
    options.connect_deadline_ns = or_default(options.connect_deadline_ns, CONNECT_DEADLINE_NS);
    options.write_deadline_ns = or_default(options.write_deadline_ns, WRITE_DEADLINE_NS);
    options.backoff_min_ns = or_default(options.backoff_min_ns, BACKOFF_MIN_NS);
    options.backoff_max_ns = or_default(options.backoff_max_ns, BACKOFF_MAX_NS);
    dial_call call = {native, &options, &address, NULL};
    int error = trp_native_call_wait(native, options.scheduler, dial_here, &call);
    if (error == TRP_OK) {
        *out = call.dialler;
    }
    return error;
}

static int close_here(trp_ctx *ctx, void *arg) {
    trp_tcp_dialler *dialler = arg;
    (void)ctx;
    dialler->options.on_event = NULL;
    close_dialler(dialler, TRPI_CLOSING_FLUSH);
    return TRP_OK;
}

int trp_tcp_dialler_close(trp_native *native, trp_tcp_dialler *dialler) {
    return trp_native_call_wait(native, dialler->options.scheduler, close_here, dialler);
}
