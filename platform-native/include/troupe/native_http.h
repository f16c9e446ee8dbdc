/**
 * @file native_http.h
 * HTTP and WebSocket server of the native host: serves a site, and accepts node sessions from its
 * pages on the same port, at TRP_HTTP_SESSION_PATH, under the sub-protocol TRP_HTTP_SUBPROTOCOL.
 *
 * A page is a guest. It fetches a short-lived token from TRP_HTTP_TOKEN_PATH, which only pages of
 * the same origin can read, and shows it in the handshake. Other nodes (no browsers) may open peer
 * sessions with the cookie instead.
 *
 * A request is only served if its Host header names this server: by the address it listens on, by
 * `localhost` on a loopback address, by any numeric address if it listens on all, or as one of the
 * `origins`. This keeps pages out whose host name was made to point here.
 */
#ifndef TROUPE_NATIVE_HTTP_H
#define TROUPE_NATIVE_HTTP_H

#include "troupe/native.h"

TRP_BEGIN_DECLS

/** Where a page gets its token: `{"token":"...","node":"...","expires_in":60}`. */
#define TRP_HTTP_TOKEN_PATH "/troupe/token"

/** Where sessions are accepted. */
#define TRP_HTTP_SESSION_PATH "/troupe"

/** The WebSocket sub-protocol of a session. Messages are binary and carry frames, cut anywhere. */
#define TRP_HTTP_SUBPROTOCOL "troupe.v1"

/** An HTTP server. Opaque. */
typedef struct trp_http_server trp_http_server;

/** What to serve. Zero is the default for each. */
typedef struct trp_http_options {
    size_t size; /**< sizeof(trp_http_options) */
    const char
        *address; /**< required, `host:port`, `http://` in front allowed; port 0 takes a free one */
    unsigned scheduler; /**< where the server and its sessions live */
    const char *root;   /**< folder of the site; NULL serves no files */
    const char *const
        *origins; /**< NULL-terminated: further origins of this server, as `https://example.org` */
    const char *node; /**< name told with the token; NULL leaves it out */
    bool isolate;     /**< send COOP and COEP, so that pages may share memory between threads */
    bool no_peers;    /**< take no sessions by cookie */
    uint32_t guest_rights;      /**< default TRP_RIGHTS_GUEST */
    uint32_t peer_rights;       /**< default TRP_RIGHTS_PEER */
    uint32_t token_s;           /**< how long a token is good for; default 60 s */
    uint32_t connections_max;   /**< most connections at once; default 1024 */
    uint32_t half_open_max;     /**< most sessions in their handshake; default 64 */
    uint32_t message_max;       /**< largest WebSocket message accepted, in bytes; default 1 MiB */
    uint64_t write_deadline_ns; /**< a peer that takes no byte for so long is lost; default 10 s */
    trp_session_event_fn *on_event; /**< optional */
    void *arg;                      /**< for on_event */
    char *why;                      /**< optional: gets a text when listening fails */
    size_t why_size;
} trp_http_options;

/**
 * Starts the server, which ends with the host. Call after trp_node_start. Borrows `options`.
 * Ignores SIGPIPE for the whole process, as libwebsockets does. Errors: TRP_EINVAL (address,
 * origin), TRP_ENOENT (root), TRP_EADDRINUSE, TRP_EIO, TRP_ENOMEM, or as trp_native_call_wait.
 */
TRP_API int trp_http_listen(trp_native *native, const trp_http_options *options,
                            trp_http_server **out);

/** The port that is bound. Any thread. */
TRP_API uint16_t trp_http_server_port(const trp_http_server *server);

/** The address that is bound, as `host:port`. Borrowed until the host ends. Any thread. */
TRP_API const char *trp_http_server_address(const trp_http_server *server);

TRP_END_DECLS

#endif
