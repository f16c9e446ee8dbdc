/*
 * The HTTP and WebSocket server, on libwebsockets and the loop of a scheduler.
 *
 * libwebsockets parses HTTP and WebSocket frames; what is served is decided here. Its own file
 * server is not used, because it follows symbolic links out of the root. Facts about version 4.1
 * that shape this file:
 * - Upgrades to HTTP/2 must be refused: its WebSocket over HTTP/2 writes in front of the buffers it
 * is given.
 * - After an unknown Upgrade header it goes on with headers that may be freed: such a connection is
 * closed.
 * - CONNECT turns a connection into a raw one: closed as well.
 * - A context on a foreign loop is destroyed in two calls: the first closes sockets and then, turns
 * of the loop later, the handles that the context itself has on the loop; the second, allowed only
 * after that, frees it. Nothing tells when that is, so those handles are remembered when the
 * context is made, and looked for in the loop.
 */
#include "http/server.h"

#include "host.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1024
#define HALF_OPEN_MAX 64
#define MESSAGE_MAX (1024u * 1024u)
#define WRITE_DEADLINE_NS (10 * TRP_NS_PER_S)
#define TOKEN_S 60
#define HEADERS_MAX 8192
#define HEADERS_TIMEOUT_S 10
#define KEEPALIVE_S 15
#define WATCHDOG_MS 1000
#define RECEIVE_BUFFER 65536

/* How long sessions may take to say goodbye when the host stops. */
#define GOODBYE_NS (3 * TRP_NS_PER_S)
/* How long libwebsockets may take to close its handles. */
#define REAP_NS (2 * TRP_NS_PER_S)

static const struct lws_protocols protocols[] = {
    [TRPI_PROTOCOL_HTTP] = {"http", trpi_http_callback, sizeof(trpi_http_request), 0, 0, NULL, 0},
    [TRPI_PROTOCOL_SESSION] = {TRP_HTTP_SUBPROTOCOL, trpi_websocket_callback,
                               sizeof(trpi_websocket_slot), RECEIVE_BUFFER, 0, NULL, 0},
    {NULL, NULL, 0, 0, 0, NULL, 0},
};

trp_http_server *trpi_http_server_of(struct lws *wsi) {
    return lws_context_user(lws_get_context(wsi));
}

/* ---- callbacks of plain HTTP ---- */

/* 0 lets libwebsockets go on with a WebSocket handshake; more than 0: answered; less: hang up. */
static int confirm_upgrade(struct lws *wsi) {
    char wanted[16];
    char origin[TRPI_ORIGIN_MAX];
    const char *text = "";
    /* The callback's own pointer to the header may dangle, so it is asked for again. */
    if (lws_hdr_copy(wsi, wanted, sizeof wanted, WSI_TOKEN_UPGRADE) <= 0 ||
        strcasecmp(wanted, "websocket") != 0) {
        return -1;
    }
    unsigned status = trpi_websocket_refusal(wsi, origin, &text);
    if (status != 0) {
        return trpi_http_answer_status(wsi, status, text) < 0 ? -1 : 1;
    }
    return 0;
}

static int on_new_connection(trp_http_server *server, struct lws *wsi) {
    server->connections_len++;
    lws_set_opaque_user_data(wsi, server); /* marks it as counted */
    return 0;
}

static void on_connection_gone(trp_http_server *server, struct lws *wsi) {
    if (lws_get_opaque_user_data(wsi) == server) {
        lws_set_opaque_user_data(wsi, NULL);
        server->connections_len--;
    }
}

int trpi_http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                       size_t length) {
    trpi_http_request *request = user;
    switch (reason) {
    case LWS_CALLBACK_FILTER_NETWORK_CONNECTION: {
        trp_http_server *server = trpi_http_server_of(wsi);
        return server->is_closing || server->connections_len >= server->options.connections_max;
    }
    case LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED:
        return on_new_connection(trpi_http_server_of(wsi), wsi);
    case LWS_CALLBACK_WSI_DESTROY:
        on_connection_gone(trpi_http_server_of(wsi), wsi);
        return 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return confirm_upgrade(wsi);
    case LWS_CALLBACK_HTTP:
        return trpi_http_answer(wsi, request, in, length);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return trpi_http_continue(wsi, request);
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
        if (request != NULL) {
            trpi_http_request_end(request);
        }
        return 0;
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION: /* a session without our sub-protocol */
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_RAW_ADOPT:
    case LWS_CALLBACK_RAW_RX:
        return -1;
    default:
        return 0;
    }
}

/* ---- the end ---- */

static void on_timer_closed(uv_handle_t *handle) {
    trp_http_server *server = handle->data;
    trpi_service_remove(&server->service);
    trpi_origins_deinit(&server->origins);
    trpi_token_key_deinit(&server->token_key);
    if (server->root_fd >= 0) {
        close(server->root_fd);
    }
    if (server->context == NULL) { /* a context that was given up may still call back */
        free(server);
    }
}

/* Handles of libwebsockets itself: the idle handles and timers of the loop but ours. */
typedef struct handle_search {
    trp_http_server *server;
    unsigned found;
} handle_search;

static bool is_kept(const trp_http_server *server, const uv_handle_t *handle) {
    for (unsigned i = 0; i < server->lws_handles_len; i++) {
        if (server->lws_handles[i] == handle) {
            return true;
        }
    }
    return false;
}

static void count_kept(uv_handle_t *handle, void *arg) {
    handle_search *search = arg;
    search->found += is_kept(search->server, handle);
}

static void count_candidates(uv_handle_t *handle, void *arg) {
    uv_handle_type type = uv_handle_get_type(handle);
    *(unsigned *)arg += type == UV_IDLE || type == UV_TIMER;
}

static void keep_candidates(uv_handle_t *handle, void *arg) {
    trp_http_server *server = arg;
    uv_handle_type type = uv_handle_get_type(handle);
    if (type == UV_IDLE || type == UV_TIMER) {
        memmove(server->lws_handles + 1, server->lws_handles,
                (TRPI_LWS_HANDLES_MAX - 1) * sizeof server->lws_handles[0]);
        server->lws_handles[0] = handle;
    }
}

/*
 * uv_walk goes from the oldest handle to the youngest, so the last ones kept are those that came
 * since `before`.
 */
static void remember_handles(trp_http_server *server, unsigned before) {
    unsigned after = 0;
    uv_walk(server->driver->loop, count_candidates, &after);
    uv_walk(server->driver->loop, keep_candidates, server);
    server->lws_handles_len =
        after - before < TRPI_LWS_HANDLES_MAX ? after - before : TRPI_LWS_HANDLES_MAX;
}

/*
 * The second destroy frees the context, but only when libwebsockets' own handles are gone. Should
 * they stay (their addresses are all we know of them, and another handle may have got one since),
 * then the context is given up rather than the end of the loop held up.
 */
static void on_reap(uv_timer_t *timer) {
    trp_http_server *server = timer->data;
    handle_search search = {server, 0};
    bool is_given_up = uv_hrtime() - server->closing_ns > REAP_NS;
    if (server->context != NULL) {
        uv_walk(server->driver->loop, count_kept, &search);
        if (search.found == 0) {
            lws_context_destroy(server->context); /* sets it to NULL */
        }
    }
    if (server->context == NULL || is_given_up) {
        uv_close((uv_handle_t *)timer, on_timer_closed);
    }
}

static void destroy_context(trp_http_server *server) {
    if (server->is_destroying) {
        return;
    }
    server->is_destroying = true;
    server->closing_ns = uv_hrtime();
    uv_ref((uv_handle_t *)&server->watchdog);
    uv_timer_start(&server->watchdog, on_reap, 0, 1);
    if (server->context != NULL) {
        lws_context_destroy(server->context);
    }
}

static void on_watchdog(uv_timer_t *timer) {
    trp_http_server *server = timer->data;
    uint64_t now = uv_hrtime();
    trpi_driver_enter(server->driver);
    trpi_websocket_watch_all(server, now);
    if (server->closing_ns != 0 &&
        (trpi_list_is_empty(&server->sessions) || now - server->closing_ns > GOODBYE_NS)) {
        destroy_context(server);
    }
}

static void close_service(trpi_service *service, trpi_closing how) {
    trp_http_server *server = TRPI_CONTAINER(service, trp_http_server, service);
    if (how == TRPI_CLOSING_STOP) {
        server->is_closing = true; /* no new connections; files and sessions go on */
        return;
    }
    server->is_closing = true;
    trpi_websocket_close_all(server, how);
    if (how == TRPI_CLOSING_NOW || trpi_list_is_empty(&server->sessions)) {
        destroy_context(server);
    } else if (server->closing_ns == 0) {
        server->closing_ns = uv_hrtime();
        uv_timer_start(&server->watchdog, on_watchdog, 10, 10); /* soon over: look often */
    }
}

/* ---- listening ---- */

/* libwebsockets does not say why it cannot listen, so the address is tried first. 0 or an errno. */
static int try_address(const struct sockaddr_storage *address) {
    int one = 1;
    socklen_t length =
        address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    int error = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (const struct sockaddr *)address, length) != 0 || listen(fd, 1) != 0) {
        error = errno;
    }
    close(fd);
    return error;
}

static void number_of(const struct sockaddr_storage *address, char text[INET6_ADDRSTRLEN]) {
    const void *generic = address;
    if (address->ss_family == AF_INET6) {
        uv_ip6_name(generic, text, INET6_ADDRSTRLEN);
    } else {
        uv_ip4_name(generic, text, INET6_ADDRSTRLEN);
    }
}

static int start_libwebsockets(trp_http_server *server, const char *host, uint16_t port) {
    void *loops[1] = {server->driver->loop};
    struct lws_context_creation_info info;
    memset(&info, 0, sizeof info);
    lws_set_log_level(0, NULL); /* its messages are for its authors */
    info.port = port;
    info.iface = strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0 ? NULL : host;
    info.protocols = protocols;
    info.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    if (strchr(host, ':') == NULL) {
        info.options |= LWS_SERVER_OPTION_DISABLE_IPV6;
    }
    info.alpn = "http/1.1";
    info.foreign_loops = loops;
    info.user = server;
    info.pcontext = &server->context;
    info.pt_serv_buf_size = RECEIVE_BUFFER + 1024;
    info.max_http_header_data = HEADERS_MAX;
    info.max_http_header_pool = 128;
    info.timeout_secs = HEADERS_TIMEOUT_S;
    info.keepalive_timeout = KEEPALIVE_S;
    unsigned before = 0;
    uv_walk(server->driver->loop, count_candidates, &before);
    server->context = lws_create_context(&info);
    if (server->context == NULL) {
        return TRP_EIO;
    }
    remember_handles(server, before);
    server->vhost = lws_create_vhost(server->context, &info);
    if (server->vhost == NULL) {
        return TRP_EADDRINUSE; /* it was free a moment ago */
    }
    server->port = (uint16_t)lws_get_vhost_listen_port(server->vhost);
    return TRP_OK;
}

typedef struct listen_call {
    trp_native *native;
    trp_http_server *server; /* taken */
    const struct sockaddr_storage *address;
    const char *why;
} listen_call;

static int listen_here(trp_ctx *ctx, void *arg) {
    listen_call *call = arg;
    trp_http_server *server = call->server;
    char host[INET6_ADDRSTRLEN];
    (void)ctx;
    server->driver = trpi_native_driver(call->native, server->options.scheduler);
    uv_timer_init(server->driver->loop, &server->watchdog);
    server->watchdog.data = server;
    server->service.close = close_service;
    trpi_service_add(server->driver, &server->service);
    number_of(call->address, host);
    int error = trpi_native_is_stopping(call->native) ? TRP_ECLOSED : TRP_OK;
    if (error == TRP_OK) {
        uint16_t port = trpi_address_port((const struct sockaddr *)call->address);
        error = start_libwebsockets(server, host, port);
    }
    if (error != TRP_OK) {
        call->why =
            "libwebsockets cannot start; is its libuv plug-in (libwebsockets-evlib-uv) installed?";
        close_service(&server->service, TRPI_CLOSING_NOW);
        return error;
    }
    trpi_origins_bind(&server->origins, host, server->port);
    snprintf(server->address, sizeof server->address,
             strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, (unsigned)server->port);
    uv_timer_start(&server->watchdog, on_watchdog, WATCHDOG_MS, WATCHDOG_MS);
    uv_unref((uv_handle_t *)&server->watchdog);
    return TRP_OK;
}

static void set_defaults(trp_http_options *options) {
    options->guest_rights = options->guest_rights != 0 ? options->guest_rights : TRP_RIGHTS_GUEST;
    options->peer_rights = options->peer_rights != 0 ? options->peer_rights : TRP_RIGHTS_PEER;
    options->token_s = options->token_s != 0 ? options->token_s : TOKEN_S;
    options->connections_max =
        options->connections_max != 0 ? options->connections_max : CONNECTIONS_MAX;
    options->half_open_max = options->half_open_max != 0 ? options->half_open_max : HALF_OPEN_MAX;
    options->message_max = options->message_max != 0 ? options->message_max : MESSAGE_MAX;
    options->write_deadline_ns =
        options->write_deadline_ns != 0 ? options->write_deadline_ns : WRITE_DEADLINE_NS;
}

/* A node's name is printable ASCII; two of its characters mean something in JSON. */
static void escape_name(const char *name, char *out, size_t size) {
    size_t at = 0;
    for (; *name != '\0' && at + 3 < size; name++) {
        if (*name == '"' || *name == '\\') {
            out[at++] = '\\';
        }
        out[at++] = *name;
    }
    out[at] = '\0';
}

/* Checks what can be checked without the scheduler's thread, and reads it into `server`. */
static int prepare(trp_http_server *server, struct sockaddr_storage *resolved, char *why,
                   size_t why_size) {
    const trp_http_options *options = &server->options;
    trpi_address address;
    const char *bad = NULL;
    if (trpi_address_parse(options->address, "http://", &address) != TRP_OK) {
        trpi_explain(why, why_size, "an address is host:port or [ipv6]:port");
        return TRP_EINVAL;
    }
    if (trpi_address_resolve(&address, resolved) != TRP_OK) {
        trpi_explain(why, why_size, "no such host");
        return TRP_EINVAL;
    }
    int error = trpi_origins_init(&server->origins, options->origins, &bad);
    if (error != TRP_OK) {
        trpi_explain(why, why_size, "an origin is http://host[:port] or https://host[:port]");
        return error;
    }
    if (options->root != NULL) {
        server->root_fd = open(options->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (server->root_fd < 0) {
            trpi_explain(why, why_size, strerror(errno));
            return TRP_ENOENT;
        }
    }
    int failure = try_address(resolved);
    if (failure != 0) {
        trpi_explain(why, why_size, strerror(failure));
        return failure == EADDRINUSE ? TRP_EADDRINUSE : TRP_EIO;
    }
    escape_name(options->node != NULL ? options->node : "", server->node, sizeof server->node);
    return trpi_token_key_init(&server->token_key);
}

int trp_http_listen(trp_native *native, const trp_http_options *given, trp_http_server **out) {
    struct sockaddr_storage resolved;
    trp_http_options options = {.size = sizeof options};
    if (given == NULL || trpi_config_copy(&options, sizeof options, given) != TRP_OK ||
        trpi_native_driver(native, options.scheduler) == NULL) {
        return TRP_EINVAL;
    }
    trp_http_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        return TRP_ENOMEM;
    }
    set_defaults(&options);
    server->options = options;
    server->root_fd = -1;
    trpi_link_init(&server->sessions);
    int error = prepare(server, &resolved, options.why, options.why_size);
    listen_call call = {native, server, &resolved, NULL};
    if (error == TRP_OK) {
        error = trp_native_call_wait(native, options.scheduler, listen_here, &call);
        if (call.why != NULL) {
            trpi_explain(options.why, options.why_size, call.why);
            return error; /* the driver frees the server */
        }
    }
    if (error != TRP_OK) {
        trpi_origins_deinit(&server->origins);
        if (server->root_fd >= 0) {
            close(server->root_fd);
        }
        free(server);
        return error;
    }
    *out = server;
    return TRP_OK;
}

uint16_t trp_http_server_port(const trp_http_server *server) {
    return server->port;
}

const char *trp_http_server_address(const trp_http_server *server) {
    return server->address;
}
