/*
 * The HTTP server's own struct, shared by the files of this folder, and what they do for each
 * other.
 */
#ifndef TRPI_HTTP_SERVER_H
#define TRPI_HTTP_SERVER_H

#include "address.h"
#include "driver.h"
#include "http/files.h"
#include "http/origin.h"
#include "http/token.h"
#include "output.h"

#include "troupe/native_http.h"

#include <libwebsockets.h>

_Static_assert(LWS_PRE <= TRPI_OUTPUT_HEADROOM, "libwebsockets writes its header before a chunk");

/* Bytes of a file that are written at once. */
#define TRPI_HTTP_PIECE 32768

/* libwebsockets has an idle handle and a timer of its own on the loop; room for one more. */
enum { TRPI_LWS_HANDLES_MAX = 3 };

/* Index of a protocol in the server's table. */
enum { TRPI_PROTOCOL_HTTP, TRPI_PROTOCOL_SESSION };

struct trp_http_server {
    trpi_service service;
    trpi_driver *driver;
    trp_http_options options;    /* its texts are not used after trp_http_listen */
    struct lws_context *context; /* set to NULL by libwebsockets when it has gone */
    struct lws_vhost *vhost;
    uv_timer_t watchdog; /* once a second while sessions are open; often while it closes */
    const uv_handle_t *lws_handles[TRPI_LWS_HANDLES_MAX];
    unsigned lws_handles_len;
    trpi_link sessions; /* of trpi_websocket */
    uint32_t connections_len;
    uint32_t half_open_len;
    trpi_origins origins;
    trpi_token_key token_key;
    int root_fd;                          /* -1: no files */
    char node[2 * TRP_NODE_NAME_MAX + 3]; /* as it stands in JSON */
    uint16_t port;
    bool is_closing;
    bool is_destroying;
    uint64_t closing_ns; /* when closing began */
    char address[TRPI_ADDRESS_TEXT];
    unsigned char piece[LWS_PRE + TRPI_HTTP_PIECE];
};

/* What libwebsockets keeps per HTTP connection. */
typedef struct trpi_http_request {
    trpi_file file; /* being sent; fd -1 if none */
    uint64_t left;
    bool is_open;
} trpi_http_request;

/* What libwebsockets keeps per WebSocket connection. */
typedef struct trpi_websocket_slot {
    struct trpi_websocket *websocket;
    char origin[TRPI_ORIGIN_MAX]; /* checked; our own if the client sent none */
} trpi_websocket_slot;

/* The server that a connection belongs to. */
trp_http_server *trpi_http_server_of(struct lws *wsi);

/* The two protocols' callbacks. */
int trpi_http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                       size_t length);
int trpi_websocket_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                            size_t length);

/*
 * Answers a request with a status and a line of text, or nothing but headers. As a callback's
 * result.
 */
int trpi_http_answer_status(struct lws *wsi, unsigned status, const char *text);

/* Answers LWS_CALLBACK_HTTP; `path` is decoded. */
int trpi_http_answer(struct lws *wsi, trpi_http_request *request, const char *path, size_t length);

/* Sends the next piece of a file. */
int trpi_http_continue(struct lws *wsi, trpi_http_request *request);

/* Forgets what is being sent. */
void trpi_http_request_end(trpi_http_request *request);

/* The origin under which the request came; answers 400 or 421 and gives false if it is not ours. */
bool trpi_http_check_host(struct lws *wsi, char own[TRPI_ORIGIN_MAX], unsigned *status,
                          const char **text);

/* Whether a request may become a WebSocket session: 0, or the status to refuse it with and why. */
unsigned trpi_websocket_refusal(struct lws *wsi, char origin[TRPI_ORIGIN_MAX], const char **text);

/* Ends all sessions; deadlines of those that write or close. */
void trpi_websocket_close_all(trp_http_server *server, trpi_closing how);
void trpi_websocket_watch_all(trp_http_server *server, uint64_t now_ns);

#endif
