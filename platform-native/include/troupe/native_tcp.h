/**
 * @file native_tcp.h
 * TCP transport of the native host: listening for other nodes, and dialling them.
 *
 * Both sides of a TCP session are peers: each proves that it knows the cookie given to
 * trp_node_start. Addresses are texts, `host:port` or `[ipv6]:port`, with an optional `tcp://` in
 * front.
 */
#ifndef TROUPE_NATIVE_TCP_H
#define TROUPE_NATIVE_TCP_H

#include "troupe/native.h"

TRP_BEGIN_DECLS

/** A listening TCP socket. Opaque. */
typedef struct trp_tcp_listener trp_tcp_listener;

/** What to listen on. Zero is the default for each. */
typedef struct trp_tcp_listen_options {
    size_t size;                /**< sizeof(trp_tcp_listen_options) */
    const char *address;        /**< required; port 0 takes a free one */
    unsigned scheduler;         /**< where its sessions live */
    uint32_t rights;            /**< of peers; default TRP_RIGHTS_PEER */
    uint32_t connections_max;   /**< most connections at once; default 1024 */
    uint32_t half_open_max;     /**< most of them that have not proved themselves yet; default 64 */
    uint64_t write_deadline_ns; /**< a peer that takes no byte for so long is lost; default 10 s */
    uint32_t socket_bytes; /**< size of each of a socket's two buffers; default: the system's */
    trp_session_event_fn *on_event; /**< optional */
    void *arg;                      /**< for on_event */
    char *why;                      /**< optional: gets a text when listening fails */
    size_t why_size;
} trp_tcp_listen_options;

/**
 * Starts to listen. The listener ends with the host, or with trp_tcp_listener_close. Call after
 * trp_node_start. Borrows `options`. Errors: TRP_EINVAL (no such address), TRP_EADDRINUSE, TRP_EIO,
 * TRP_ENOMEM, or as trp_native_call_wait.
 */
TRP_API int trp_tcp_listen(trp_native *native, const trp_tcp_listen_options *options,
                           trp_tcp_listener **out);

/** The port that is bound. Any thread. */
TRP_API uint16_t trp_tcp_listener_port(const trp_tcp_listener *listener);

/** The address that is bound, as `host:port`. Borrowed until the listener closes. Any thread. */
TRP_API const char *trp_tcp_listener_address(const trp_tcp_listener *listener);

/** Stops listening and forgets the listener; its sessions go on. As trp_native_call_wait. */
TRP_API int trp_tcp_listener_close(trp_native *native, trp_tcp_listener *listener);

/** Keeps a session to one address: dials again whenever it is lost. Opaque. */
typedef struct trp_tcp_dialler trp_tcp_dialler;

/** Whom to dial. Zero is the default for each. */
typedef struct trp_tcp_dial_options {
    size_t size;                  /**< sizeof(trp_tcp_dial_options) */
    const char *address;          /**< required */
    unsigned scheduler;           /**< where its session lives */
    uint32_t rights;              /**< of the peer here; default TRP_RIGHTS_PEER */
    bool once;                    /**< do not dial again */
    uint64_t connect_deadline_ns; /**< longest attempt to connect; default 10 s */
    uint64_t write_deadline_ns;   /**< as in trp_tcp_listen_options */
    uint32_t socket_bytes;        /**< as in trp_tcp_listen_options */
    uint64_t backoff_min_ns; /**< pause after the first failure, doubled by each; default 250 ms */
    uint64_t backoff_max_ns; /**< longest pause; default 30 s */
    trp_session_event_fn *on_event; /**< optional */
    void *arg;                      /**< for on_event */
} trp_tcp_dial_options;

/**
 * Begins to dial. What becomes of it comes as events. A peer that refuses the cookie (TRP_EAUTH) or
 * has no common version (TRP_EVERSION) is not dialled again. The dialler ends with the host, or
 * with trp_tcp_dialler_close. Call after trp_node_start. Borrows `options`. Errors: TRP_EINVAL,
 * TRP_ENOMEM, or as trp_native_call_wait.
 */
TRP_API int trp_tcp_dial(trp_native *native, const trp_tcp_dial_options *options,
                         trp_tcp_dialler **out);

/**
 * Ends the session in good order, if there is one, and forgets the dialler. As
 * trp_native_call_wait.
 */
TRP_API int trp_tcp_dialler_close(trp_native *native, trp_tcp_dialler *dialler);

TRP_END_DECLS

#endif
