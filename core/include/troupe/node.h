/**
 * @file node.h
 * Nodes: runtimes that talk to each other over sessions.
 *
 * A session is one authenticated connection to another runtime over some transport (TCP, TLS,
 * WebSocket, MessagePort, memory). The protocol (docs/protocol.md) is a state machine without I/O:
 * the host feeds it bytes and gets bytes. A session lives on one scheduler; every function here
 * that takes a session is called on that scheduler's thread, outside of a step or from an actor on
 * it.
 */
#ifndef TROUPE_NODE_H
#define TROUPE_NODE_H

#include "troupe/actor.h"
#include "troupe/runtime.h"

TRP_BEGIN_DECLS

/** Longest name of a node in bytes. */
#define TRP_NODE_NAME_MAX 63

/** Largest frame on the wire, header included. */
#define TRP_FRAME_MAX 65536

/** X(NAME, bit): what the other side of a session may do here. */
#define TRP_RIGHT_LIST(X)                                                                          \
    X(SEND_NAMES, 1u) /* send to names that were exposed (trp_node_expose) */                      \
    X(SEND_PIDS, 2u)  /* send to pids handed over in this session */                               \
    X(MONITOR, 4u)    /* monitor what it may send to */                                            \
    X(LINK, 8u)       /* link to it */                                                             \
    X(SPAWN, 16u)     /* spawn registered behaviours */                                            \
    X(EXIT, 32u)      /* stop and kill */                                                          \
    X(NAMES, 64u)     /* see and use all names, not only exposed ones */                           \
    X(GROUPS, 128u)   /* see and join groups */                                                    \
    X(OBSERVE, 256u)  /* read statistics and traces */                                             \
    X(ANY_PID, 512u)  /* send to any pid, handed over or not */

/** The rights as constants: TRP_RIGHT_SEND_NAMES, TRP_RIGHT_SEND_PIDS, ... */
typedef enum trp_right {
#define TRP_RIGHT_ENUM_(name, bit) TRP_RIGHT_##name = (bit),
    TRP_RIGHT_LIST(TRP_RIGHT_ENUM_)
#undef TRP_RIGHT_ENUM_
} trp_right;

/** What a guest may do, and what a peer may do. */
#define TRP_RIGHTS_GUEST ((uint32_t)(TRP_RIGHT_SEND_NAMES | TRP_RIGHT_SEND_PIDS))
#define TRP_RIGHTS_PEER UINT32_C(1023)

/** How this runtime appears to others. */
typedef struct trp_node_config {
    size_t size; /**< sizeof(trp_node_config) */
    /**
     * Required, unique among the nodes it meets: 1 to 63 printable ASCII characters, no blanks.
     * Copied.
     */
    const char *name;
    const void *cookie;    /**< secret of the peers (copied); NULL: nobody connects by cookie */
    size_t cookie_length;  /**< 16 to 4096 bytes */
    uint64_t heartbeat_ns; /**< silence after which the peer is probed; default 15 s */
    uint64_t patience_ns;  /**< silence after the probe until it is given up; default 45 s */
    uint64_t handshake_ns; /**< longest handshake; default 10 s */
    uint32_t message_max;  /**< largest message accepted from others in bytes; default 1 MiB */
    uint32_t sessions_max; /**< most sessions at once; default 1024 */
} trp_node_config;

/**
 * Gives the runtime a node identity. Once per runtime, before the first session, and before other
 * threads step it. TRP_EINVAL, TRP_ESTATE (it has one), TRP_ENOMEM, or the host's entropy error.
 */
TRP_API int trp_node_start(trp_runtime *runtime, const trp_node_config *config);

/**
 * Lets guests reach the local name `name` (copied), now or whenever somebody registers it.
 * TRP_EINVAL, TRP_ESTATE (no trp_node_start), TRP_ENOMEM. Any thread.
 */
TRP_API int trp_node_expose(trp_runtime *runtime, const char *name);

/** The way out, given by the host for each session. Copied. */
typedef struct trp_transport {
    size_t size; /**< sizeof(trp_transport) */
    void *self;
    /**
     * Sends `length` bytes (borrowed, at most TRP_FRAME_MAX), one or more whole frames. 0, or a
     * TRP_E* that ends the session. Called from steps only, once or a few times per activation, and
     * not while trp_session_writable says false, but for the last frame. Must not call back.
     */
    int (*send)(void *self, const void *bytes, size_t length);
    /**
     * The session has ended, with `error` (0 = in good order) and a text that says why (borrowed,
     * ASCII): close the connection when what was sent is out. Last call; the session is freed
     * afterwards. From a step, or from trp_runtime_destroy. Must not call back.
     */
    void (*close)(void *self, int error, const char *why);
} trp_transport;

/** How the two sides know each other. */
typedef enum trp_auth {
    TRP_AUTH_COOKIE = 1,   /**< both prove that they know the cookie; peers */
    TRP_AUTH_TOKEN = 2,    /**< the dialler shows a token that the acceptor's application checks */
    TRP_AUTH_INHERITED = 3 /**< the channel itself is the proof: a worker that this page started */
} trp_auth;

/** States a session reports. */
typedef enum trp_session_state {
    TRP_SESSION_HANDSHAKE = 1, /**< from the beginning; not reported */
    TRP_SESSION_UP = 2,        /**< authenticated, or heard again after SUSPECT */
    TRP_SESSION_SUSPECT = 3,   /**< a probe is unanswered for a quarter of the patience */
    TRP_SESSION_DOWN = 4       /**< over; trp_transport.close follows at once */
} trp_session_state;

/** A session. Opaque. */
typedef struct trp_session trp_session;

/** What a session is opened with. */
typedef struct trp_session_options {
    size_t size;  /**< sizeof(trp_session_options) */
    bool dialler; /**< true on the side that made the connection */
    /** Acceptor: the trp_auth kinds it takes, as bits `1u << kind`; dialler: exactly one. */
    uint32_t auths;
    const void *token;   /**< dialler with TRP_AUTH_TOKEN: copied */
    size_t token_length; /**< at most 512 */
    /** What the other side may do here; for an acceptor the ceiling that check_token may lower. */
    uint32_t rights;
    void *arg; /**< for the callbacks */
    /**
     * Acceptor with TRP_AUTH_TOKEN, required: 0 if the token (borrowed) is good. `*rights` holds
     * the ceiling and may be lowered. Must not call back.
     */
    int (*check_token)(void *arg, const void *token, size_t length, uint32_t *rights);
    /**
     * Optional. The session changed its state, in a step. `node` is the peer's name, "" before it
     * is known; `error` and `why` say why it went down. May use the root ctx, for example to send,
     * and the functions below but with DOWN. Not after trp_transport.close.
     */
    void (*on_state)(void *arg, trp_session *session, trp_session_state state, const char *node,
                     int error, const char *why);
} trp_session_options;

/**
 * Opens a session on the ctx's scheduler over `transport`; the next step begins the handshake. The
 * session ends by itself (transport->close), or with trp_session_close. TRP_EINVAL (also a cookie
 * kind on a node without cookie), TRP_ESTATE (no trp_node_start, or the runtime stops), TRP_ELIMIT,
 * TRP_ENOMEM, TRP_ENOTSUP (cookie without hmac), or the host's entropy error; then nothing is
 * called.
 */
TRP_API int trp_session_open(trp_ctx *ctx, const trp_transport *transport,
                             const trp_session_options *options, trp_session **out);

/**
 * Bytes have come: any number, cut anywhere. Borrowed. They are handled in the next step, as are
 * the calls below: none of these ends the session before it returns.
 */
TRP_API void trp_session_receive(trp_session *session, const void *bytes, size_t length);

/** The connection is gone (`error` a TRP_E* or 0). The session ends; transport->close is called. */
TRP_API void trp_session_lost(trp_session *session, int error);

/**
 * Flow control of the transport: false when it cannot take more for now, true when it can again.
 */
TRP_API void trp_session_writable(trp_session *session, bool writable);

/**
 * Ends a session in good order: what may be sent is sent, the peer is told, then transport->close.
 */
TRP_API void trp_session_close(trp_session *session);

/** Probes the peer now, for example when a page has become visible again. */
TRP_API void trp_session_probe(trp_session *session);

/**
 * A pid for "whoever is called `name` on the node called `node`", usable for sending, requests and
 * monitors while a session to that node is up, across its restarts. It cannot be put into a message
 * to another node (TRP_ETYPE). Interned for ever: the same names give the same pid. TRP_EINVAL,
 * TRP_ENOMEM, TRP_ESTATE.
 */
TRP_API int trp_remote_name(trp_ctx *ctx, const char *node, const char *name, trp_pid *pid);

/**
 * Name of the node that `pid` lives on (this node's own for a local pid), NULL if unknown.
 * Borrowed; it stays until a thousand nodes have come and gone since the last session to that one.
 */
TRP_API const char *trp_node_name(trp_runtime *runtime, trp_pid pid);

/**
 * Text of `pid` that is valid on every node: `<node-name#incarnation/index.generation>`, with the
 * incarnation in 16 hexadecimal digits. Pids of trp_remote_name, of forgotten nodes and of a
 * runtime without node have the text of trp_pid_format. Like snprintf in truncation and result.
 */
TRP_API size_t trp_pid_format_global(trp_runtime *runtime, trp_pid pid, char *text, size_t size);

/**
 * Reads the text of trp_pid_format_global (borrowed, not terminated) back. A node that this runtime
 * has not met in that incarnation is TRP_ENOCONNECTION; text that is not exactly one pid is
 * TRP_EDECODE. Writes `out` only on success.
 */
TRP_API int trp_pid_parse_global(trp_runtime *runtime, const char *text, size_t length,
                                 trp_pid *out);

TRP_END_DECLS

#endif
