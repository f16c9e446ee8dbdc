/*
 * The engine of one session: bytes in, events out; messages in, bytes out; time as an argument. It
 * does no I/O, keeps no clock and knows nothing of actors: a connection is a function of what it
 * was fed. The session actor (session.h) drives it on one thread.
 *
 * In. trpi_engine_input collects bytes, trpi_engine_next takes frames off them and answers with
 * events. What arrives is bounded before it is stored: by a few hundred bytes until the peer is
 * authenticated, by the credit granted to it afterwards.
 *
 * Out. A message belongs to one of TRPI_STREAMS streams, chosen by its sender. All go in the order
 * in which they came, except that a message of several frames lets those of other streams pass.
 * trpi_engine_flush gathers frames into batches and sends as much as credit and transport allow.
 * Ping, pong, credit and close are flags, not queue entries: they go first, cost no memory, and
 * repeating one changes nothing.
 *
 * Credit. Each side says up to which total of messages and body bytes it is willing to receive;
 * totals only grow, so a grant can be repeated or overtaken without harm. Sending more ends the
 * session.
 */
#ifndef TRPI_ENGINE_H
#define TRPI_ENGINE_H

#include "message/message.h"
#include "node/handshake.h"

enum {
    TRPI_WINDOW_MESSAGES = 16384,
    TRPI_WINDOW_BYTES = 1 << 20,
    TRPI_INPUT_SLACK =
        128 * 1024,          /* control frames and headers that may wait besides what was granted */
    TRPI_INPUT_EARLY = 2048, /* most bytes that may wait before authentication */
    TRPI_CONTROL_MAX = 192,  /* room for all control frames together */
    TRPI_FRAGMENT = 16 * 1024 - TRPI_FRAME_HEAD
};

typedef enum trpi_phase {
    TRPI_PHASE_PREAMBLE = 0,
    TRPI_PHASE_HELLO,
    TRPI_PHASE_PROOF,
    TRPI_PHASE_UP,
    TRPI_PHASE_CLOSED
} trpi_phase;

typedef enum trpi_event_kind {
    TRPI_EVENT_NONE = 0, /* nothing more until there is more input or time */
    TRPI_EVENT_UP,       /* the peer is authenticated; `peer` is known */
    TRPI_EVENT_MESSAGE,  /* one message, whole */
    TRPI_EVENT_SUSPECT,  /* silent although probed */
    TRPI_EVENT_HEARD,    /* no longer suspect */
    TRPI_EVENT_DOWN      /* the end: `error` and `why` tell; reported once */
} trpi_event_kind;

/* An event. `bytes` are borrowed until the next call to the engine. */
typedef struct trpi_event {
    trpi_event_kind kind;
    unsigned frame; /* MESSAGE: a data kind of trpi_frame_kind */
    unsigned stream;
    const uint8_t *bytes;
    size_t length;
} trpi_event;

/* A message that arrives in fragments. */
typedef struct trpi_partial {
    uint8_t *bytes;
    uint32_t length;
    uint32_t capacity;
    uint8_t kind; /* 0: none */
} trpi_partial;

/* Messages that wait to be sent; chained through their link. */
typedef struct trpi_queue_out {
    trp_message *first;
    trp_message *last;
} trpi_queue_out;

/* Totals of one direction: used by whoever sends, allowed by whoever receives. */
typedef struct trpi_credit {
    uint64_t messages;
    uint64_t bytes;
    uint64_t messages_max;
    uint64_t bytes_max;
} trpi_credit;

typedef struct trpi_times {
    uint64_t heartbeat_ns;
    uint64_t patience_ns;
    uint64_t handshake_ns;
} trpi_times;

typedef struct trpi_engine {
    trpi_pool *pool;
    const trpi_identity *self;
    trp_transport transport;
    trpi_times times;
    trpi_handshake *handshake; /* until the peer is authenticated */
    trpi_peer peer;
    uint8_t phase;
    bool is_dialler;
    bool is_writable;
    bool is_suspect;
    bool ping_due;
    bool pong_due;
    bool credit_due;
    bool close_due; /* a CLOSE frame is to be sent before the end */
    bool owes_up;   /* events to be reported */
    bool owes_suspect;
    bool owes_heard;
    bool has_told_down;
    int error; /* once CLOSED */
    char why[TRPI_CLOSE_TEXT_MAX + 1];
    /* In. */
    uint8_t *input;
    uint32_t input_at;
    uint32_t input_length;
    uint32_t input_capacity;
    trpi_partial partials[TRPI_STREAMS];
    trpi_partial spent; /* of the last event */
    trpi_credit in;
    uint64_t pong;  /* what the last ping carried */
    uint32_t pongs; /* that have come */
    /* Out. */
    trpi_queue_out queues[TRPI_STREAMS + 1]; /* one for each stream, and one for all */
    uint32_t turn;
    uint32_t turn_bytes;
    uint32_t queued_messages;
    uint32_t queued_bytes;
    trpi_credit out;
    /* Time. */
    uint64_t opened_ns;
    uint64_t heard_ns;
    uint64_t blocked_ns; /* since when the transport takes nothing, TRP_NEVER if it does */
    uint64_t probed_ns;  /* when the unanswered ping was sent, TRP_NEVER if there is none */
    uint64_t probe_patience_ns;
} trpi_engine;

/*
 * Starts a session. Copies transport and times, borrows `self` and `pool` for its life. TRP_ENOMEM,
 * or an error of the host's entropy; then nothing needs to be undone.
 */
int trpi_engine_init(trpi_engine *engine, trpi_pool *pool, const trpi_identity *self,
                     const trp_transport *transport, const trpi_times *times,
                     const trpi_terms *terms, uint64_t now_ns);

/* Frees everything; the transport is not called. */
void trpi_engine_deinit(trpi_engine *engine);

/* Adds bytes that have come. Faults become the session's end. */
void trpi_engine_input(trpi_engine *engine, const void *bytes, size_t length, uint64_t now_ns);

/* The next event. */
trpi_event trpi_engine_next(trpi_engine *engine);

/*
 * Takes a message whose body is the body of a `kind` frame and queues it. Always works; the caller
 * bounds the queues.
 */
void trpi_engine_queue(trpi_engine *engine, unsigned stream, unsigned kind, trp_message *message);

/* Sends what can be sent. */
void trpi_engine_flush(trpi_engine *engine);

/* The transport takes bytes again, or does not. */
void trpi_engine_writable(trpi_engine *engine, bool is_writable, uint64_t now_ns);

/* Time has come to trpi_engine_deadline or later. */
void trpi_engine_tick(trpi_engine *engine, uint64_t now_ns);

/* When trpi_engine_tick wants to be called. TRP_NEVER once closed. */
uint64_t trpi_engine_deadline(const trpi_engine *engine);

/*
 * Pings the peer, and gives the session up if nothing is heard for `patience_ns`. Has no effect
 * while a probe that is as strict is out.
 */
void trpi_engine_probe(trpi_engine *engine, uint64_t patience_ns, uint64_t now_ns);

/*
 * Ends the session: the peer is told, then comes TRPI_EVENT_DOWN. The first call counts. `why` is
 * copied.
 */
void trpi_engine_close(trpi_engine *engine, int error, const char *why);

/* Ends the session without telling the peer: the connection is gone. */
void trpi_engine_lost(trpi_engine *engine, int error, const char *why);

#endif
