/*
 * Sessions over WebSocket. What the session sends in a step is collected in chunks; each chunk
 * becomes one binary message when the socket is writable. What comes in goes to the session piece
 * by piece, so a message is never put together here; its length is limited all the same, because a
 * peer who sends one without end is up to no good.
 */
#include "http/server.h"

#include "host.h"
#include "log.h"
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long a connection may take to say goodbye. */
#define GOODBYE_NS (2 * TRP_NS_PER_S)

/* Longest reason of a close frame (RFC 6455, 5.5). */
#define REASON_MAX 123

typedef struct trpi_websocket {
    trpi_link link; /* in the server's list */
    trpi_deferred flush;
    trp_http_server *server;
    struct lws *wsi;      /* NULL when the connection is gone */
    trp_session *session; /* NULL when the session has ended; freed when both are */
    trpi_output output;
    size_t message_length; /* bytes of the message that is coming in */
    uint64_t progress_ns;  /* when the socket last took something, or closing began */
    bool is_clogged;
    bool is_closing; /* the session has ended; goodbye follows what is in `output` */
    bool has_said_goodbye;
    bool is_half_open;
    bool has_origin;
    int close_error;
    char why[REASON_MAX + 1];
    char origin[TRPI_ORIGIN_MAX];
    char peer[TRPI_ADDRESS_TEXT];
} trpi_websocket;

/* ---- before the session ---- */

/* True if the comma-separated list in the sub-protocol header has ours. */
static bool offers_protocol(struct lws *wsi) {
    char list[128];
    if (lws_hdr_copy(wsi, list, sizeof list, WSI_TOKEN_PROTOCOL) <= 0) {
        return false;
    }
    char *rest = NULL;
    for (char *word = strtok_r(list, ", ", &rest); word != NULL;
         word = strtok_r(NULL, ", ", &rest)) {
        if (strcmp(word, TRP_HTTP_SUBPROTOCOL) == 0) {
            return true;
        }
    }
    return false;
}

unsigned trpi_websocket_refusal(struct lws *wsi, char origin[TRPI_ORIGIN_MAX], const char **text) {
    trp_http_server *server = trpi_http_server_of(wsi);
    char own[TRPI_ORIGIN_MAX];
    char path[sizeof TRP_HTTP_SESSION_PATH + 1];
    unsigned status;
    if (!trpi_http_check_host(wsi, own, &status, text)) {
        return status;
    }
    if (lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI) <= 0 ||
        strcmp(path, TRP_HTTP_SESSION_PATH) != 0) {
        *text = "Sessions are at " TRP_HTTP_SESSION_PATH ".";
        return HTTP_STATUS_NOT_FOUND;
    }
    int length = lws_hdr_copy(wsi, origin, TRPI_ORIGIN_MAX, WSI_TOKEN_ORIGIN);
    if (length < 0 || (length > 0 && !trpi_origin_is_allowed(&server->origins, own, origin))) {
        *text = "Pages of that origin may not open sessions here.";
        return HTTP_STATUS_FORBIDDEN;
    }
    if (length == 0) {
        memcpy(origin, own, TRPI_ORIGIN_MAX); /* no browser: see trp_http_options */
    }
    if (!offers_protocol(wsi)) {
        *text = "The WebSocket sub-protocol is " TRP_HTTP_SUBPROTOCOL ".";
        return HTTP_STATUS_BAD_REQUEST;
    }
    if (server->is_closing || server->half_open_len >= server->options.half_open_max) {
        *text = "Too many sessions are in their handshake; try again.";
        return HTTP_STATUS_SERVICE_UNAVAILABLE;
    }
    return 0;
}

/* ---- the end ---- */

static void leave_half_open(trpi_websocket *websocket) {
    if (websocket->is_half_open) {
        websocket->is_half_open = false;
        websocket->server->half_open_len--;
    }
}

static void free_if_gone(trpi_websocket *websocket) {
    if (websocket->wsi != NULL || websocket->session != NULL) {
        return;
    }
    leave_half_open(websocket);
    trpi_list_remove(&websocket->link);
    trpi_list_remove(&websocket->flush.link);
    trpi_output_clear(&websocket->output);
    free(websocket);
}

/*
 * The connection is of no more use, or must not be. The session hears of it; libwebsockets closes
 * it soon.
 */
static void cut(trpi_websocket *websocket, int error) {
    if (websocket->wsi != NULL) {
        lws_set_timeout(websocket->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_ASYNC);
        /* Timeouts that are set outside of its callbacks are only seen when something happens. */
        lws_cancel_service(websocket->server->context);
    }
    if (websocket->session != NULL) {
        trp_session_lost(websocket->session, error);
    }
}

/* Status codes of close frames (RFC 6455, 7.4.1) for the ends that sessions have. */
static enum lws_close_status close_status(int error) {
    switch (error) {
    case TRP_OK:
        return LWS_CLOSE_STATUS_NORMAL;
    case TRP_ECLOSED:
        return LWS_CLOSE_STATUS_GOINGAWAY;
    case TRP_EPROTO:
    case TRP_EDECODE:
    case TRP_EVERSION:
        return LWS_CLOSE_STATUS_PROTOCOL_ERR;
    case TRP_ETOOBIG:
        return LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE;
    case TRP_EAUTH:
    case TRP_EPERM:
    case TRP_ELIMIT:
    case TRP_ETIMEOUT:
        return LWS_CLOSE_STATUS_POLICY_VIOLATION;
    default:
        return LWS_CLOSE_STATUS_UNEXPECTED_CONDITION;
    }
}

/*
 * Sets the close frame that libwebsockets will send when a callback asks it to close. An error from
 * the callback for writing counts as a broken socket and sends none, so a timer that is due at once
 * does the asking.
 */
static void say_goodbye(trpi_websocket *websocket) {
    websocket->has_said_goodbye = true;
    lws_close_reason(websocket->wsi, close_status(websocket->close_error),
                     (unsigned char *)websocket->why, strlen(websocket->why));
    lws_set_timer_usecs(websocket->wsi, 1);
}

/* ---- writing ---- */

static void check_marks(trpi_websocket *websocket) {
    if (websocket->session == NULL) {
        return;
    }
    if (!websocket->is_clogged && websocket->output.length > TRPI_OUTPUT_HIGH) {
        websocket->is_clogged = true;
        trp_session_writable(websocket->session, false);
    } else if (websocket->is_clogged && websocket->output.length < TRPI_OUTPUT_LOW) {
        websocket->is_clogged = false;
        trp_session_writable(websocket->session, true);
    }
}

static void run_flush(trpi_deferred *deferred) {
    trpi_websocket *websocket = TRPI_CONTAINER(deferred, trpi_websocket, flush);
    if (websocket->wsi != NULL) {
        lws_callback_on_writable(websocket->wsi);
        check_marks(websocket);
    } else {
        free_if_gone(websocket);
    }
}

static int on_writable(trpi_websocket *websocket) {
    trpi_chunk *chunk = websocket->output.head;
    websocket->progress_ns = websocket->is_closing ? websocket->progress_ns : uv_hrtime();
    if (chunk != NULL) {
        size_t length = chunk->end - chunk->start;
        if (lws_write(websocket->wsi, chunk->bytes + chunk->start, length, LWS_WRITE_BINARY) < 0) {
            return -1;
        }
        trpi_output_consume(&websocket->output, length);
        check_marks(websocket);
    }
    if (websocket->output.length > 0 || (chunk != NULL && websocket->is_closing)) {
        lws_callback_on_writable(websocket->wsi);
    } else if (websocket->is_closing && !websocket->has_said_goodbye) {
        say_goodbye(websocket);
    }
    return 0;
}

/* ---- the session's side ---- */

static int transport_send(void *self, const void *bytes, size_t length) {
    trpi_websocket *websocket = self;
    if (websocket->wsi == NULL) {
        return TRP_ECLOSED;
    }
    if (websocket->output.length + length > TRPI_OUTPUT_MAX) {
        return TRP_EFULL;
    }
    if (websocket->output.length == 0) {
        websocket->progress_ns = uv_hrtime();
    }
    if (!trpi_output_append(&websocket->output, bytes, length)) {
        return TRP_ENOMEM;
    }
    trpi_driver_defer(websocket->server->driver, &websocket->flush);
    return TRP_OK;
}

static void transport_close(void *self, int error, const char *why) {
    trpi_websocket *websocket = self;
    websocket->session = NULL;
    if (websocket->wsi == NULL) {
        free_if_gone(websocket);
        return;
    }
    websocket->is_closing = true;
    websocket->close_error = error;
    websocket->progress_ns = uv_hrtime();
    strncpy(websocket->why, why != NULL ? why : "", REASON_MAX);
    trpi_driver_defer(websocket->server->driver, &websocket->flush);
}

static int check_token(void *arg, const void *token, size_t length, uint32_t *rights) {
    trpi_websocket *websocket = arg;
    trp_http_server *server = websocket->server;
    uint64_t now_s = uv_hrtime() / TRP_NS_PER_S;
    if (!trpi_token_is_good(&server->token_key, websocket->origin, now_s, token, length)) {
        return TRP_EAUTH;
    }
    *rights = server->options.guest_rights;
    return TRP_OK;
}

static void session_state(void *arg, trp_session *session, trp_session_state state,
                          const char *node, int error, const char *why) {
    trpi_websocket *websocket = arg;
    if (state != TRP_SESSION_HANDSHAKE) {
        leave_half_open(websocket);
    }
    trp_session_event event = {
        .session = session,
        .state = state,
        .node = node,
        .address = websocket->peer,
        .error = error,
        .why = why,
        .retry_ns = TRP_NEVER,
    };
    const trp_http_options *options = &websocket->server->options;
    trpi_report(websocket->server->driver, "ws", options->on_event, options->arg, &event);
}

static int open_session(trpi_websocket *websocket, bool takes_peers) {
    const trp_http_options *options = &websocket->server->options;
    const trp_transport transport = {
        .size = sizeof transport,
        .self = websocket,
        .send = transport_send,
        .close = transport_close,
    };
    const trp_session_options session = {
        .size = sizeof session,
        .auths = 1u << TRP_AUTH_TOKEN | (takes_peers ? 1u << TRP_AUTH_COOKIE : 0),
        .rights = options->guest_rights | (takes_peers ? options->peer_rights : 0),
        .arg = websocket,
        .check_token = check_token,
        .on_state = session_state,
    };
    return trp_session_open(trpi_driver_ctx(websocket->server->driver), &transport, &session,
                            &websocket->session);
}

/* ---- what libwebsockets calls ---- */

/*
 * Ends a session whose peer breaks the rules of the transport; the watchdog cuts it off if it goes
 * on talking.
 */
static int refuse(trpi_websocket *websocket, enum lws_close_status status, int error,
                  const char *why) {
    char text[REASON_MAX + 1];
    snprintf(text, sizeof text, "%s", why);
    lws_close_reason(websocket->wsi, status, (unsigned char *)text, strlen(text));
    websocket->has_said_goodbye = true;
    if (websocket->session != NULL) {
        trp_session_lost(websocket->session, error);
    }
    return -1;
}

static int on_established(struct lws *wsi, trpi_websocket_slot *slot) {
    trp_http_server *server = trpi_http_server_of(wsi);
    trpi_websocket *websocket = calloc(1, sizeof *websocket);
    if (websocket == NULL) {
        return -1;
    }
    websocket->server = server;
    websocket->wsi = wsi;
    websocket->flush.run = run_flush;
    trpi_link_init(&websocket->flush.link);
    memcpy(websocket->origin, slot->origin, sizeof websocket->origin);
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    if (getpeername(lws_get_socket_fd(wsi), (struct sockaddr *)&peer, &length) == 0) {
        trpi_address_format((struct sockaddr *)&peer, websocket->peer);
    }
    trpi_list_push(&server->sessions, &websocket->link);
    websocket->is_half_open = true;
    server->half_open_len++;
    slot->websocket = websocket;
    int error = open_session(websocket, !server->options.no_peers);
    if (error == TRP_EINVAL && !server->options.no_peers) {
        error = open_session(websocket, false); /* a node without a cookie has no peers */
    }
    if (error != TRP_OK) {
        trpi_native_logf(server->driver->native, TRP_LOG_WARN, "no session for ws %s: %s",
                         websocket->peer, trp_error_text(error));
        /* CLOSED follows and frees it. */
        return refuse(websocket, LWS_CLOSE_STATUS_GOINGAWAY, error, trp_error_text(error));
    }
    return 0;
}

static int on_receive(trpi_websocket *websocket, const void *bytes, size_t length) {
    struct lws *wsi = websocket->wsi;
    if (websocket->has_said_goodbye) {
        return 0; /* what comes now is of no interest */
    }
    if (lws_frame_is_binary(wsi) == 0) {
        return refuse(websocket, LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE, TRP_EPROTO,
                      "binary messages only");
    }
    if (lws_is_first_fragment(wsi)) {
        websocket->message_length = 0;
    }
    websocket->message_length += length;
    if (websocket->message_length > websocket->server->options.message_max) {
        return refuse(websocket, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, TRP_ETOOBIG,
                      "the message is too large");
    }
    if (websocket->session != NULL && length > 0) {
        trp_session_receive(websocket->session, bytes, length);
    }
    return 0;
}

static int on_closed(trpi_websocket *websocket) {
    websocket->wsi = NULL;
    if (websocket->session != NULL) {
        trp_session_lost(websocket->session, TRP_ECLOSED);
    } else {
        free_if_gone(websocket);
    }
    return 0;
}

int trpi_websocket_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                            size_t length) {
    trpi_websocket_slot *slot = user;
    const char *text;
    switch (reason) {
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        /* Checked before (see server.c); here for the origin, while the headers are still there. */
        return trpi_websocket_refusal(wsi, slot->origin, &text) == 0 ? 0 : -1;
    case LWS_CALLBACK_ESTABLISHED:
        trpi_driver_enter(trpi_http_server_of(wsi)->driver);
        return on_established(wsi, slot);
    case LWS_CALLBACK_RECEIVE:
        trpi_driver_enter(trpi_http_server_of(wsi)->driver);
        return slot->websocket == NULL ? -1 : on_receive(slot->websocket, in, length);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        trpi_driver_enter(trpi_http_server_of(wsi)->driver);
        return slot->websocket == NULL ? -1 : on_writable(slot->websocket);
    case LWS_CALLBACK_TIMER:
        return slot->websocket != NULL && slot->websocket->has_said_goodbye ? -1 : 0;
    case LWS_CALLBACK_CLOSED:
        /* Comes without ESTABLISHED for a connection that was refused late. */
        if (slot != NULL && slot->websocket != NULL) {
            trpi_driver_enter(trpi_http_server_of(wsi)->driver);
            trpi_websocket *websocket = slot->websocket;
            slot->websocket = NULL;
            return on_closed(websocket);
        }
        return 0;
    default:
        return 0;
    }
}

/* ---- all sessions of a server ---- */

void trpi_websocket_close_all(trp_http_server *server, trpi_closing how) {
    trpi_link rest;
    trpi_list_take(&server->sessions, &rest);
    while (!trpi_list_is_empty(&rest)) {
        trpi_websocket *websocket = TRPI_CONTAINER(rest.next, trpi_websocket, link);
        trpi_list_remove(&websocket->link);
        trpi_list_push(&server->sessions, &websocket->link);
        if (how == TRPI_CLOSING_NOW) {
            cut(websocket, TRP_ECLOSED);
        } else if (websocket->session != NULL) {
            trp_session_close(websocket->session);
        }
    }
}

void trpi_websocket_watch_all(trp_http_server *server, uint64_t now_ns) {
    trpi_link *link = server->sessions.next;
    while (link != &server->sessions) {
        trpi_websocket *websocket = TRPI_CONTAINER(link, trpi_websocket, link);
        link = link->next;
        uint64_t waited = now_ns - websocket->progress_ns;
        bool is_late = websocket->is_closing ? waited > GOODBYE_NS
                                             : websocket->output.length > 0 &&
                                                   waited > server->options.write_deadline_ns;
        if (is_late) {
            cut(websocket, TRP_ETIMEOUT);
        }
    }
}
