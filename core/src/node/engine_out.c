/*
 * The sending half of the engine: queues, fragments, credit, batches. The design is told in
 * engine.h.
 */
#include "node/engine.h"

#include "troupe/error.h"

/*
 * Messages wait in one queue for all, in order. Only a message that needs several frames goes to
 * the queue of its stream when its turn comes, and those that follow it in the same stream go there
 * too: so a long message delays its own sender's messages and nobody else's.
 *
 * A queued message keeps in its header what sending needs: `tag` is the frame kind, `ref` the bytes
 * that have been sent, `reserved` the stream.
 */
enum { COMMON = TRPI_STREAMS, QUEUES = TRPI_STREAMS + 1 };

static void append(trpi_queue_out *queue, trp_message *message) {
    trpi_store(&message->link.next, NULL, TRPI_RELAXED);
    if (queue->first == NULL) {
        queue->first = message;
    } else {
        trpi_store(&queue->last->link.next, (void *)message, TRPI_RELAXED);
    }
    queue->last = message;
}

static void remove_first(trpi_queue_out *queue) {
    queue->first = trpi_load(&queue->first->link.next, TRPI_RELAXED);
}

void trpi_engine_queue(trpi_engine *engine, unsigned stream, unsigned kind, trp_message *message) {
    message->tag = kind;
    message->ref = 0;
    message->reserved = (uint16_t)(stream % TRPI_STREAMS);
    append(&engine->queues[COMMON], message);
    engine->queued_messages++;
    engine->queued_bytes += message->length;
}

/* Moves what stands first in the common queue and may not go from there to its stream's queue. */
static void sort_common(trpi_engine *engine) {
    trpi_queue_out *common = &engine->queues[COMMON];
    while (common->first != NULL) {
        trp_message *message = common->first;
        trpi_queue_out *own = &engine->queues[message->reserved];
        if (own->first == NULL && message->length <= TRPI_BODY_MAX) {
            return;
        }
        remove_first(common);
        append(own, message);
    }
}

static size_t fragment_length(const trp_message *message) {
    size_t left = message->length - (size_t)message->ref;
    bool is_whole = message->ref == 0 && left <= TRPI_BODY_MAX;
    return is_whole || left <= TRPI_FRAGMENT ? left : TRPI_FRAGMENT;
}

/* True if the credit suffices for the next fragment of `message`. */
static bool has_credit(const trpi_engine *engine, const trp_message *message) {
    const trpi_credit *out = &engine->out;
    return out->messages_max - out->messages >= (message->ref == 0) &&
           out->bytes_max - out->bytes >= fragment_length(message);
}

/* The next queue in turn that may send, or NULL. */
static trpi_queue_out *next_queue(trpi_engine *engine) {
    sort_common(engine);
    for (unsigned i = 0; i < QUEUES; i++) {
        unsigned turn = (engine->turn + i) % QUEUES;
        trpi_queue_out *queue = &engine->queues[turn];
        if (queue->first != NULL && has_credit(engine, queue->first)) {
            engine->turn = turn;
            return queue;
        }
    }
    return NULL;
}

/* The turn passes on when a queue has sent about as much as one fragment. */
static void end_turn(trpi_engine *engine, size_t length) {
    engine->turn_bytes += (uint32_t)length;
    if (engine->turn_bytes >= TRPI_FRAGMENT) {
        engine->turn_bytes = 0;
        engine->turn = (engine->turn + 1) % QUEUES;
    }
}

/*
 * Writes one frame of the queue in turn if it fits before `end`; returns what lies behind, or NULL.
 */
static uint8_t *put_fragment(trpi_engine *engine, uint8_t *at, const uint8_t *end) {
    trpi_queue_out *queue = next_queue(engine);
    if (queue == NULL) {
        return NULL;
    }
    trp_message *message = queue->first;
    size_t length = fragment_length(message);
    if ((size_t)(end - at) < TRPI_FRAME_HEAD + length) {
        return NULL;
    }
    bool is_first = message->ref == 0;
    bool is_last = message->ref + length == message->length;
    unsigned flags = message->reserved | (is_first ? 0u : (unsigned)TRPI_FRAME_CONTINUES) |
                     (is_last ? 0u : (unsigned)TRPI_FRAME_MORE);
    at = trpi_put_head(at, length, (unsigned)message->tag, flags);
    at = trpi_put_bytes(at, (const uint8_t *)trpi_body(message) + message->ref, length);
    message->ref += length;
    engine->out.messages += is_first;
    engine->out.bytes += length;
    engine->queued_bytes -= (uint32_t)length;
    end_turn(engine, length);
    if (is_last) {
        remove_first(queue);
        engine->queued_messages--;
        trpi_message_free(engine->pool, message);
    }
    return at;
}

/* Writes all control frames that are due; they always fit into TRPI_CONTROL_MAX. */
static uint8_t *put_control(trpi_engine *engine, uint8_t *at) {
    if (engine->pong_due) {
        at = trpi_put_head(at, 8, TRPI_FRAME_PONG, 0);
        at = trpi_put(at, engine->pong, 8);
    }
    if (engine->ping_due) {
        at = trpi_put_head(at, 8, TRPI_FRAME_PING, 0);
        at = trpi_put(at, engine->probed_ns, 8);
    }
    if (engine->credit_due && engine->phase == TRPI_PHASE_UP) {
        at = trpi_put_head(at, 16, TRPI_FRAME_CREDIT, 0);
        at = trpi_put(at, engine->in.messages_max, 8);
        at = trpi_put(at, engine->in.bytes_max, 8);
    }
    if (engine->close_due) {
        size_t length = strlen(engine->why);
        at = trpi_put_head(at, 4 + length, TRPI_FRAME_CLOSE, 0);
        at = trpi_put(at, (uint64_t)(int64_t)engine->error, 4);
        at = trpi_put_bytes(at, engine->why, length);
    }
    engine->pong_due = false;
    engine->ping_due = false;
    engine->credit_due = false;
    engine->close_due = false;
    return at;
}

static bool has_control(const trpi_engine *engine) {
    return engine->pong_due || engine->ping_due || engine->credit_due || engine->close_due;
}

static void transmit(trpi_engine *engine, const uint8_t *bytes, const uint8_t *end) {
    if (bytes == end) {
        return;
    }
    int error = engine->transport.send(engine->transport.self, bytes, (size_t)(end - bytes));
    if (error != 0) {
        trpi_engine_lost(engine, error, "the transport failed");
    }
}

/*
 * Sends what the handshake has to say. A peer that is turned away before we spoke gets our
 * preamble, so that it can read the close.
 */
static void flush_handshake(trpi_engine *engine) {
    trpi_handshake *handshake = engine->handshake;
    if (engine->close_due && !handshake->has_spoken) {
        trpi_preamble_write(handshake->out);
        handshake->out_length = TRPI_PREAMBLE;
        handshake->has_spoken = true;
    }
    transmit(engine, handshake->out, handshake->out + handshake->out_length);
    handshake->out_length = 0;
    if (engine->phase == TRPI_PHASE_UP) {
        memset(handshake, 0, sizeof *handshake);
        trpi_pool_free(engine->pool, handshake, sizeof *handshake);
        engine->handshake = NULL;
    }
}

/* The room that one batch needs: everything that waits, with headers, up to the largest batch. */
static size_t batch_size(const trpi_engine *engine) {
    size_t fragments = engine->queued_messages + engine->queued_bytes / TRPI_FRAGMENT + 1;
    size_t size = TRPI_CONTROL_MAX + engine->queued_bytes + fragments * TRPI_FRAME_HEAD;
    return size < TRP_FRAME_MAX ? size : TRP_FRAME_MAX;
}

static bool flush_batch(trpi_engine *engine) {
    size_t size = batch_size(engine);
    uint8_t *batch = trpi_pool_alloc(engine->pool, size);
    if (batch == NULL) {
        trpi_engine_close(engine, TRP_ENOMEM, "out of memory for output");
        return false;
    }
    uint8_t *at = put_control(engine, batch);
    uint8_t *behind = at;
    while (behind != NULL && engine->phase == TRPI_PHASE_UP) {
        at = behind;
        behind = put_fragment(engine, at, batch + size);
    }
    transmit(engine, batch, at);
    trpi_pool_free(engine->pool, batch, size);
    return at != batch;
}

void trpi_engine_flush(trpi_engine *engine) {
    if (engine->handshake != NULL) {
        flush_handshake(engine);
    }
    while (engine->phase == TRPI_PHASE_UP && engine->is_writable && next_queue(engine) != NULL &&
           flush_batch(engine)) {
    }
    bool may_send = engine->phase == TRPI_PHASE_CLOSED ? engine->close_due : engine->is_writable;
    if (may_send && has_control(engine)) {
        uint8_t control[TRPI_CONTROL_MAX];
        transmit(engine, control, put_control(engine, control));
    }
}
