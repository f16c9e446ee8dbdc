/*
 * Listening for other nodes over TCP. Whoever connects costs a socket, a session and some kilobytes
 * until he has proved himself, so the number of connections is limited, and that of unproved ones
 * more tightly. What is above a limit is accepted and closed: left in the backlog it would keep out
 * those that come after it.
 */
#include "troupe/native_tcp.h"

#include "host.h"
#include "log.h"
#include "report.h"
#include "tcp/connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKLOG 128
#define CONNECTIONS_MAX 1024
#define HALF_OPEN_MAX 64
#define WRITE_DEADLINE_NS (10 * TRP_NS_PER_S)

struct trp_tcp_listener {
    trpi_service service;
    trpi_driver *driver;
    trp_tcp_listen_options options; /* its pointers to texts are not used after trp_tcp_listen */
    trpi_connection_config connections;
    uv_tcp_t handle;
    unsigned references; /* the open handle, and every connection */
    uint32_t connections_len;
    uint32_t half_open_len;
    bool is_refusing; /* a limit was reached and logged */
    bool is_closing;
    uint16_t port;
    char address[TRPI_ADDRESS_TEXT];
};

static void release(trp_tcp_listener *listener) {
    if (--listener->references == 0) {
        free(listener);
    }
}

/* ---- connections ---- */

static void leave_half_open(trp_tcp_listener *listener, trpi_connection *connection) {
    if (connection->is_half_open) {
        connection->is_half_open = false;
        listener->half_open_len--;
    }
}

static void on_state(trpi_connection *connection, trp_session_state state, const char *node,
                     int error, const char *why) {
    trp_tcp_listener *listener = connection->owner;
    if (state != TRP_SESSION_HANDSHAKE) {
        leave_half_open(listener, connection);
    }
    trp_session_event event = {
        .session = connection->session,
        .state = state,
        .node = node,
        .address = connection->peer,
        .error = error,
        .why = why,
        .retry_ns = TRP_NEVER,
    };
    trpi_report(listener->driver, "tcp", listener->options.on_event, listener->options.arg, &event);
}

static void on_gone(trpi_connection *connection) {
    trp_tcp_listener *listener = connection->owner;
    leave_half_open(listener, connection);
    listener->connections_len--;
    release(listener);
}

/*
 * True if one more connection is within the limits. Says so in the log when a limit is reached,
 * once.
 */
static bool has_room(trp_tcp_listener *listener) {
    bool has = listener->connections_len < listener->options.connections_max &&
               listener->half_open_len < listener->options.half_open_max;
    if (!has && !listener->is_refusing) {
        trpi_native_logf(listener->driver->native, TRP_LOG_WARN,
                         "tcp %s refuses connections: %u are open, %u of them unproved",
                         listener->address, listener->connections_len, listener->half_open_len);
    }
    listener->is_refusing = !has;
    return has;
}

static void on_connection(uv_stream_t *stream, int status) {
    trp_tcp_listener *listener = stream->data;
    trpi_driver_enter(listener->driver);
    if (status < 0) {
        return;
    }
    bool has = has_room(listener);
    trpi_connection *connection =
        trpi_connection_new(listener->driver, listener, &listener->connections);
    if (connection == NULL) {
        return; /* libuv keeps the socket and asks again */
    }
    connection->is_half_open = true;
    listener->connections_len++;
    listener->half_open_len++;
    listener->references++;
    if (uv_accept(stream, (uv_stream_t *)&connection->stream) != 0 || !has) {
        trpi_connection_close(connection, TRPI_CLOSING_NOW);
        return;
    }
    int error = trpi_connection_open(connection);
    if (error != TRP_OK) {
        trpi_native_logf(listener->driver->native, TRP_LOG_WARN, "tcp %s: no session for %s: %s",
                         listener->address, connection->peer, trp_error_text(error));
    }
}

/* ---- life ---- */

static void on_closed(uv_handle_t *handle) {
    trp_tcp_listener *listener = handle->data;
    trpi_service_remove(&listener->service);
    release(listener);
}

/* A listener has nothing to flush: every kind of end closes the socket at once. */
static void close_service(trpi_service *service, trpi_closing how) {
    trp_tcp_listener *listener = TRPI_CONTAINER(service, trp_tcp_listener, service);
    (void)how;
    if (!listener->is_closing) {
        listener->is_closing = true;
        uv_close((uv_handle_t *)&listener->handle, on_closed);
    }
}

static int bind_and_listen(trp_tcp_listener *listener, const struct sockaddr *address) {
    struct sockaddr_storage bound;
    int length = sizeof bound;
    int error = uv_tcp_bind(&listener->handle, address, 0);
    if (error == 0) {
        /* libuv reports an address in use only here. */
        error = uv_listen((uv_stream_t *)&listener->handle, BACKLOG, on_connection);
    }
    if (error == 0) {
        error = uv_tcp_getsockname(&listener->handle, (struct sockaddr *)&bound, &length);
    }
    if (error == 0) {
        trpi_address_format((struct sockaddr *)&bound, listener->address);
        listener->port = trpi_address_port((struct sockaddr *)&bound);
    }
    return error;
}

/* What trp_tcp_listen does on the scheduler's thread. */
typedef struct listen_call {
    trp_native *native;
    const trp_tcp_listen_options *options;
    const struct sockaddr *address;
    trp_tcp_listener *listener;
} listen_call;

static int listen_here(trp_ctx *ctx, void *arg) {
    listen_call *call = arg;
    (void)ctx;
    trpi_driver *driver = trpi_native_driver(call->native, call->options->scheduler);
    if (trpi_native_is_stopping(call->native)) {
        return TRP_ECLOSED;
    }
    trp_tcp_listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL) {
        return TRP_ENOMEM;
    }
    listener->driver = driver;
    listener->options = *call->options;
    listener->connections = (trpi_connection_config){
        .dialler = false,
        .rights = call->options->rights,
        .write_deadline_ns = call->options->write_deadline_ns,
        .socket_bytes = call->options->socket_bytes & INT32_MAX,
        .on_state = on_state,
        .on_gone = on_gone,
    };
    listener->references = 1;
    listener->service.close = close_service;
    uv_tcp_init(driver->loop, &listener->handle);
    listener->handle.data = listener;
    trpi_service_add(driver, &listener->service);
    int error = bind_and_listen(listener, call->address);
    if (error != 0) {
        trpi_explain(call->options->why, call->options->why_size, uv_strerror(error));
        close_service(&listener->service, TRPI_CLOSING_NOW);
        return trpi_error_from_uv(error);
    }
    call->listener = listener;
    return TRP_OK;
}

int trp_tcp_listen(trp_native *native, const trp_tcp_listen_options *given,
                   trp_tcp_listener **out) {
    trp_tcp_listen_options options = {.size = sizeof options};
    if (given == NULL || trpi_config_copy(&options, sizeof options, given) != TRP_OK) {
        return TRP_EINVAL;
    }
    options.rights = options.rights != 0 ? options.rights : TRP_RIGHTS_PEER;
    options.connections_max =
        options.connections_max != 0 ? options.connections_max : CONNECTIONS_MAX;
    options.half_open_max = options.half_open_max != 0 ? options.half_open_max : HALF_OPEN_MAX;
    options.write_deadline_ns =
        options.write_deadline_ns != 0 ? options.write_deadline_ns : WRITE_DEADLINE_NS;
    trpi_address address;
    struct sockaddr_storage resolved;
    if (trpi_address_parse(options.address, "tcp://", &address) != TRP_OK) {
        trpi_explain(options.why, options.why_size, "an address is host:port or [ipv6]:port");
        return TRP_EINVAL;
    }
    if (trpi_address_resolve(&address, &resolved) != TRP_OK) {
        trpi_explain(options.why, options.why_size, "no such host");
        return TRP_EINVAL;
    }
    listen_call call = {native, &options, (const struct sockaddr *)&resolved, NULL};
    int error = trp_native_call_wait(native, options.scheduler, listen_here, &call);
    if (error == TRP_OK) {
        *out = call.listener;
    }
    return error;
}

uint16_t trp_tcp_listener_port(const trp_tcp_listener *listener) {
    return listener->port;
}

const char *trp_tcp_listener_address(const trp_tcp_listener *listener) {
    return listener->address;
}

static int close_here(trp_ctx *ctx, void *arg) {
    trp_tcp_listener *listener = arg;
    (void)ctx;
    listener->options.on_event = NULL;
    close_service(&listener->service, TRPI_CLOSING_FLUSH);
    return TRP_OK;
}

int trp_tcp_listener_close(trp_native *native, trp_tcp_listener *listener) {
    return trp_native_call_wait(native, listener->options.scheduler, close_here, listener);
}
