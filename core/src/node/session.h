/*
 * The session actor: it drives the engine of one connection, and stands for the other node's actors
 * here. Pinned to the scheduler on which it was opened. Everything reaches it through its mailbox,
 * so order between two actors is what it is locally.
 *
 * - The host's calls (bytes have come, the transport is writable) only note what happened and poke
 *   the actor with a message that exists for that purpose; the work is done when it runs, and what
 *   was sent meanwhile leaves in the same batch.
 * - Messages to the other node come from trpi_node_route, encoded already. A request or monitor comes
 *   as well, as it is, and is kept in `waiting` under its ref until the other node answers or the
 *   session ends: so its end needs no memory and cannot be forgotten.
 * - Requests and monitors of the other node become the session actor's own; what comes of them is
 *   looked up in `incoming` and sent back.
 */
#ifndef TRPI_SESSION_H
#define TRPI_SESSION_H

#include "actor/actor.h"
#include "node/pids.h"
#include "node/places.h"
#include "troupe/monitor.h"

/*
 * `tag` of messages to the session actor that are for itself. Those that go out have a frame kind.
 */
typedef enum trpi_order {
    TRPI_ORDER_POKE = 1,
    TRPI_ORDER_CLOSE_DUPLICATE,
    TRPI_ORDER_CLOSE_STALE,
    TRPI_ORDER_ANSWER /* body: trp_pid of a session to close if the peer answers a probe */
} trpi_order;

enum {
    TRPI_OUTBOX_MAX = 8 << 20,    /* bytes that may wait for one session */
    TRPI_OUTBOX_MESSAGE = 64,     /* what a message counts there besides its bytes */
    TRPI_INCOMING_MAX = 64 * 1024 /* requests and monitors of the other node at once */
};

/* A request or monitor that the other node has here. */
typedef struct trpi_incoming {
    trp_ref theirs;
    trp_ref ours;
    uint32_t stream;
    bool is_monitor;
} trpi_incoming;

struct trp_session {
    trp_session *next; /* in the node's list, under its lock */
    trp_session **pprev;
    trpi_node *node;
    trp_ctx *ctx;
    trp_pid pid;
    trpi_engine engine;
    trpi_place *place; /* once it is up */
    uint32_t serial;
    uint32_t places_len; /* nodes behind it that only it knows */
    void *arg;
    void (*on_state)(void *arg, trp_session *session, trp_session_state state, const char *node,
                     int error, const char *why);
    trp_message *poke; /* NULL while it is under way */
    trp_ref timer;
    uint64_t timer_ns; /* when the timer fires, TRP_NEVER if it is not armed */
    uint64_t sweep_ns; /* when `waiting` is looked through next */
    uint32_t counted;  /* bytes in the engine that were counted in place->waiting */
    bool wants_close;
    trp_pid rival; /* a newer session that is closed when the peer answers on this one */
    uint32_t pongs;
    trpi_map waiting;  /* ref: our request or monitor, the message itself */
    trpi_map incoming; /* our ref: trpi_incoming */
    trpi_map incoming_by_theirs;
    trpi_handed handed;
};

static inline bool trpi_session_is_guest(const trp_session *session) {
    return session->engine.peer.auth == TRP_AUTH_TOKEN && !session->engine.is_dialler;
}

/* True if the peer may use pids without having been given them. */
static inline bool trpi_session_has(const trp_session *session, uint32_t right) {
    return (session->engine.peer.rights & right) != 0;
}

/* Describes the session as a way. Any thread, under the node's lock or in the session actor. */
void trpi_session_way(const trp_session *session, trpi_way *way);

/*
 * Puts a message for the session actor into its mailbox, flagged as a proxy's. False: it has ended;
 * the message is still the caller's.
 */
bool trpi_session_push(trp_ctx *ctx, trp_pid session, trp_message *message);

/*
 * Queues a frame that the encoder made, remembering the pids that it hands over. NULL: out of
 * memory, ends the session.
 */
void trpi_session_emit(trp_session *session, unsigned stream, unsigned kind, trp_message *frame);

/* Ends a session whose actor is gone, as the runtime is destroyed. */
void trpi_session_destroy(trp_session *session);

/* ---- inbound.c: what the other node sends ---- */

/* One message of the engine. */
void trpi_inbound(trp_session *session, const trpi_event *event);

/* The reply, error or DOWN message of an incoming request or monitor. */
void trpi_inbound_answer(trp_session *session, trp_message *message);

/* Forgets everything incoming; the actor's end gives up what it stands for. */
void trpi_inbound_forget(trp_session *session);

/* ---- waiting.c: what this node waits for ---- */

/* Keeps a request or monitor until it is answered. Takes it. */
void trpi_waiting_add(trp_session *session, trp_message *message);

/* Takes what waits under `ref`, NULL if nothing does (any more). */
trp_message *trpi_waiting_take(trp_session *session, trp_ref ref);

/* Looks for requests whose callers have given up, and tells the other node. */
void trpi_waiting_sweep(trp_session *session);

/* Ends everything with `noconnection`. */
void trpi_waiting_end(trp_session *session);

/* Frees everything without a word: the runtime is being destroyed. */
void trpi_waiting_free(trp_session *session);

/* Where the pid that a MONITOR block watches is kept while the session holds the block. */
static inline trp_pid *trpi_watched(trp_message *monitor) {
    trp_down *down = trpi_body(monitor);
    return (trp_pid *)(void *)down->reason.text;
}

#endif
