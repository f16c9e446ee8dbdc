/*
 * The receiving half of the engine, its control frames and its time. The sending half is in
 * engine_out.c; the design is told in engine.h.
 */
#include "node/engine.h"

#include "troupe/error.h"

enum {
    INPUT_FIRST = 512,
    PARTIAL_FIRST = 32 * 1024,
    LATE_SHARE =
        4 /* a tick later than this share of patience says that it was we who stood still */
};

int trpi_engine_init(trpi_engine *engine, trpi_pool *pool, const trpi_identity *self,
                     const trp_transport *transport, const trpi_times *times,
                     const trpi_terms *terms, uint64_t now_ns) {
    memset(engine, 0, sizeof *engine);
    engine->pool = pool;
    engine->self = self;
    engine->transport = *transport;
    engine->times = *times;
    engine->is_dialler = terms->is_dialler;
    engine->is_writable = true;
    engine->opened_ns = now_ns;
    engine->heard_ns = now_ns;
    engine->blocked_ns = TRP_NEVER;
    engine->probed_ns = TRP_NEVER;
    engine->handshake = trpi_pool_alloc(pool, sizeof *engine->handshake);
    if (engine->handshake == NULL) {
        return TRP_ENOMEM;
    }
    trpi_fault bad = trpi_handshake_start(engine->handshake, pool->host, self, terms);
    if (bad.error != 0) {
        trpi_engine_deinit(engine);
    }
    return bad.error;
}

static void free_partial(trpi_engine *engine, trpi_partial *partial) {
    if (partial->bytes != NULL) {
        trpi_pool_free(engine->pool, partial->bytes, partial->capacity);
    }
    memset(partial, 0, sizeof *partial);
}

static void free_handshake(trpi_engine *engine) {
    if (engine->handshake != NULL) {
        /* It holds the token. */
        memset(engine->handshake, 0, sizeof *engine->handshake);
        trpi_pool_free(engine->pool, engine->handshake, sizeof *engine->handshake);
        engine->handshake = NULL;
    }
}

static void free_input(trpi_engine *engine) {
    if (engine->input != NULL) {
        trpi_pool_free(engine->pool, engine->input, engine->input_capacity);
    }
    engine->input = NULL;
    engine->input_at = 0;
    engine->input_length = 0;
    engine->input_capacity = 0;
}

void trpi_engine_deinit(trpi_engine *engine) {
    free_handshake(engine);
    free_input(engine);
    free_partial(engine, &engine->spent);
    for (unsigned i = 0; i < TRPI_STREAMS; i++) {
        free_partial(engine, &engine->partials[i]);
    }
    for (unsigned i = 0; i <= TRPI_STREAMS; i++) {
        trp_message *message = engine->queues[i].first;
        while (message != NULL) {
            trp_message *next = trpi_load(&message->link.next, TRPI_RELAXED);
            trpi_message_free(engine->pool, message);
            message = next;
        }
        engine->queues[i].first = NULL;
    }
}

static void end(trpi_engine *engine, int error, const char *why, size_t length, bool tell) {
    if (engine->phase == TRPI_PHASE_CLOSED) {
        return;
    }
    engine->phase = TRPI_PHASE_CLOSED;
    engine->error = error;
    engine->close_due = tell;
    length = length < TRPI_CLOSE_TEXT_MAX ? length : TRPI_CLOSE_TEXT_MAX;
    for (size_t i = 0; i < length; i++) {
        /* A stranger may have written this; it goes into logs and onto terminals. */
        engine->why[i] = why[i] >= ' ' && why[i] <= '~' ? why[i] : '?';
    }
    engine->why[length] = '\0';
}

void trpi_engine_close(trpi_engine *engine, int error, const char *why) {
    end(engine, error, why, strlen(why), true);
}

void trpi_engine_lost(trpi_engine *engine, int error, const char *why) {
    end(engine, error, why, strlen(why), false);
}

static void broken(trpi_engine *engine, const char *why) {
    trpi_engine_close(engine, TRP_EPROTO, why);
}

/* ---- input ---- */

static bool reserve_input(trpi_engine *engine, uint32_t needed) {
    uint32_t capacity = engine->input_capacity == 0 ? INPUT_FIRST : engine->input_capacity;
    while (capacity < needed) {
        capacity *= 2;
    }
    if (capacity == engine->input_capacity) {
        return true;
    }
    uint8_t *bytes = trpi_pool_alloc(engine->pool, capacity);
    if (bytes == NULL) {
        return false;
    }
    uint32_t length = engine->input_length;
    if (length > 0) {
        memcpy(bytes, engine->input, length);
    }
    free_input(engine);
    engine->input = bytes;
    engine->input_length = length;
    engine->input_capacity = capacity;
    return true;
}

/* How many bytes may wait: what was granted and not yet come, and some for control frames. */
static uint64_t input_max(const trpi_engine *engine) {
    return engine->phase < TRPI_PHASE_UP
               ? TRPI_INPUT_EARLY
               : engine->in.bytes_max - engine->in.bytes + TRPI_INPUT_SLACK;
}

void trpi_engine_input(trpi_engine *engine, const void *bytes, size_t length, uint64_t now_ns) {
    if (engine->phase == TRPI_PHASE_CLOSED || length == 0) {
        return;
    }
    engine->heard_ns = now_ns;
    engine->probed_ns = TRP_NEVER;
    engine->owes_heard = engine->is_suspect;
    if (engine->input_at > 0) {
        engine->input_length -= engine->input_at;
        memmove(engine->input, engine->input + engine->input_at, engine->input_length);
        engine->input_at = 0;
    }
    if (length > input_max(engine) - engine->input_length) {
        broken(engine, "the peer sent more than it was granted");
        return;
    }
    if (!reserve_input(engine, engine->input_length + (uint32_t)length)) {
        trpi_engine_close(engine, TRP_ENOMEM, "out of memory for input");
        return;
    }
    memcpy(engine->input + engine->input_length, bytes, length);
    engine->input_length += (uint32_t)length;
}

/* ---- frames ---- */

static void authenticated(trpi_engine *engine) {
    engine->phase = TRPI_PHASE_UP;
    engine->owes_up = true;
    engine->in.messages_max = TRPI_WINDOW_MESSAGES;
    engine->in.bytes_max = TRPI_WINDOW_BYTES;
    engine->credit_due = true;
}

static void on_close(trpi_engine *engine, const uint8_t *body, size_t length) {
    trpi_reader reader = {body, body + length, false};
    int32_t error = (int32_t)trpi_get_u32(&reader);
    if (reader.is_bad || length > 4 + TRPI_CLOSE_TEXT_MAX) {
        broken(engine, "malformed close");
        return;
    }
    if (error > 0) {
        error = TRP_EPROTO; /* not one of ours: codes are negative */
    }
    end(engine, error, (const char *)reader.at, trpi_reader_left(&reader), false);
    if (engine->why[0] == '\0') {
        const char *text = trp_error_text(error);
        memcpy(engine->why, text, strlen(text) + 1);
    }
}

static void on_credit(trpi_engine *engine, const uint8_t *body, size_t length) {
    trpi_reader reader = {body, body + length, false};
    uint64_t messages = trpi_get(&reader, 8);
    uint64_t bytes = trpi_get(&reader, 8);
    if (length != 16) {
        broken(engine, "malformed credit");
        return;
    }
    trpi_credit *out = &engine->out;
    out->messages_max = messages > out->messages_max ? messages : out->messages_max;
    out->bytes_max = bytes > out->bytes_max ? bytes : out->bytes_max;
}

static void on_ping(trpi_engine *engine, unsigned kind, const uint8_t *body, size_t length) {
    trpi_reader reader = {body, body + length, false};
    uint64_t content = trpi_get(&reader, 8);
    if (length != 8) {
        broken(engine, "malformed ping");
    } else if (kind == TRPI_FRAME_PING) {
        engine->pong = content;
        engine->pong_due = true;
    } else {
        engine->pongs++;
    }
}

static void on_handshake(trpi_engine *engine, unsigned kind, const uint8_t *body, size_t length) {
    trpi_fault bad;
    if (kind == TRPI_FRAME_HELLO && engine->phase == TRPI_PHASE_HELLO) {
        bad = trpi_handshake_hello(engine->handshake, body, length, &engine->peer);
        engine->phase = TRPI_PHASE_PROOF;
    } else if (kind == TRPI_FRAME_PROOF && engine->phase == TRPI_PHASE_PROOF) {
        bad = trpi_handshake_proof(engine->handshake, body, length, &engine->peer);
        if (bad.error == 0) {
            authenticated(engine);
        }
    } else {
        bad = (trpi_fault){TRP_EPROTO, "a frame came out of order"};
    }
    if (bad.error != 0) {
        trpi_engine_close(engine, bad.error, bad.why);
    }
}

static void on_control(trpi_engine *engine, unsigned kind, const uint8_t *body, size_t length) {
    if (kind == TRPI_FRAME_CLOSE) {
        on_close(engine, body, length);
    } else if (kind <= TRPI_FRAME_PROOF || engine->phase != TRPI_PHASE_UP) {
        on_handshake(engine, kind, body, length);
    } else if (kind == TRPI_FRAME_CREDIT) {
        on_credit(engine, body, length);
    } else {
        on_ping(engine, kind, body, length);
    }
}

/* Uses credit for a data frame; half-used windows are renewed. */
static bool charge(trpi_engine *engine, size_t length, bool is_first) {
    trpi_credit *in = &engine->in;
    in->messages += is_first;
    in->bytes += length;
    if (in->messages > in->messages_max || in->bytes > in->bytes_max) {
        broken(engine, "the peer sent more than it was granted");
        return false;
    }
    if (in->messages_max - in->messages < TRPI_WINDOW_MESSAGES / 2 ||
        in->bytes_max - in->bytes < TRPI_WINDOW_BYTES / 2) {
        in->messages_max = in->messages + TRPI_WINDOW_MESSAGES;
        in->bytes_max = in->bytes + TRPI_WINDOW_BYTES;
        engine->credit_due = true;
    }
    return true;
}

/* Adds a fragment; memory grows with what has come, not with what is announced. */
static bool add_fragment(trpi_engine *engine, trpi_partial *partial, const uint8_t *body,
                         size_t length) {
    size_t needed = partial->length + length;
    if (needed > (size_t)engine->self->message_max + TRPI_ENVELOPE_MAX) {
        trpi_engine_close(engine, TRP_ETOOBIG, "the peer sent a message larger than the limit");
        return false;
    }
    if (needed > partial->capacity) {
        size_t capacity = partial->capacity == 0 ? PARTIAL_FIRST : partial->capacity;
        while (capacity < needed) {
            capacity *= 2;
        }
        uint8_t *bytes = trpi_pool_alloc(engine->pool, capacity);
        if (bytes == NULL) {
            trpi_engine_close(engine, TRP_ENOMEM, "out of memory for a message");
            return false;
        }
        if (partial->length > 0) {
            memcpy(bytes, partial->bytes, partial->length);
            trpi_pool_free(engine->pool, partial->bytes, partial->capacity);
        }
        partial->bytes = bytes;
        partial->capacity = (uint32_t)capacity;
    }
    memcpy(partial->bytes + partial->length, body, length);
    partial->length = (uint32_t)needed;
    return true;
}

/* A data frame: becomes an event if it completes a message. */
static trpi_event on_data(trpi_engine *engine, unsigned kind, unsigned flags, const uint8_t *body,
                          size_t length) {
    trpi_event none = {TRPI_EVENT_NONE, 0, 0, NULL, 0};
    unsigned stream = flags & TRPI_FRAME_STREAM;
    bool continues = (flags & TRPI_FRAME_CONTINUES) != 0;
    trpi_partial *partial = &engine->partials[stream];
    if (engine->phase != TRPI_PHASE_UP) {
        broken(engine, "data before authentication");
        return none;
    }
    if (partial->kind != (continues ? kind : 0)) {
        broken(engine, "a fragment came out of order");
        return none;
    }
    if (!charge(engine, length, !continues)) {
        return none;
    }
    if (flags & TRPI_FRAME_MORE) {
        partial->kind = (uint8_t)kind;
        (void)add_fragment(engine, partial, body, length);
        return none;
    }
    if (!continues) {
        return (trpi_event){TRPI_EVENT_MESSAGE, kind, stream, body, length};
    }
    if (!add_fragment(engine, partial, body, length)) {
        return none;
    }
    engine->spent = *partial;
    memset(partial, 0, sizeof *partial);
    return (trpi_event){TRPI_EVENT_MESSAGE, kind, stream, engine->spent.bytes,
                        engine->spent.length};
}

/* Checks a header before its body is waited for. Only what the current phase can need passes. */
static bool head_is_good(trpi_engine *engine, size_t length, unsigned kind, unsigned flags) {
    bool is_control = kind >= TRPI_FRAME_HELLO && kind <= TRPI_FRAME_CREDIT;
    bool is_data = kind >= TRPI_FRAME_SEND && kind <= TRPI_FRAME_KILL;
    unsigned known = TRPI_FRAME_STREAM | TRPI_FRAME_CONTINUES | TRPI_FRAME_MORE;
    bool is_empty_data =
        is_data && length == 0; /* would be a fragment that costs us, but no credit */
    if ((!is_control && !is_data) || is_empty_data || (is_control && flags != 0) ||
        (flags & ~known) != 0) {
        broken(engine, "unknown frame");
        return false;
    }
    if (length > (is_control ? (size_t)TRPI_PROOF_BODY_MAX : (size_t)TRPI_BODY_MAX)) {
        broken(engine, "a frame is too long");
        return false;
    }
    if (is_data && engine->phase != TRPI_PHASE_UP) {
        broken(engine, "data before authentication");
        return false;
    }
    return true;
}

static bool take_preamble(trpi_engine *engine, const uint8_t *bytes, size_t length) {
    size_t seen = length < TRPI_PREAMBLE ? length : TRPI_PREAMBLE;
    trpi_fault bad = trpi_handshake_preamble(engine->handshake, bytes, seen);
    if (bad.error == TRP_EPROTO) {
        /* Whoever speaks another protocol would not understand a close. */
        trpi_engine_lost(engine, bad.error, bad.why);
    } else if (bad.error != 0) {
        trpi_engine_close(engine, bad.error, bad.why);
    } else if (seen == TRPI_PREAMBLE) {
        engine->input_at += TRPI_PREAMBLE;
        engine->phase = TRPI_PHASE_HELLO;
        return true;
    }
    return false;
}

/* Handles one piece of the input. False if there is no whole piece; an event if it makes one. */
static bool take_piece(trpi_engine *engine, trpi_event *event) {
    size_t left = engine->input_length - engine->input_at;
    if (left == 0 || engine->phase == TRPI_PHASE_CLOSED) {
        return false;
    }
    const uint8_t *at = engine->input + engine->input_at;
    if (engine->phase == TRPI_PHASE_PREAMBLE) {
        return take_preamble(engine, at, left);
    }
    trpi_reader reader = {at, at + left, false};
    size_t length = (size_t)trpi_get(&reader, 2);
    unsigned kind = (unsigned)trpi_get(&reader, 1);
    unsigned flags = (unsigned)trpi_get(&reader, 1);
    if (reader.is_bad || !head_is_good(engine, length, kind, flags)) {
        return false;
    }
    const uint8_t *body = trpi_get_bytes(&reader, length);
    if (body == NULL) {
        return false;
    }
    engine->input_at += TRPI_FRAME_HEAD + (uint32_t)length;
    if (kind <= TRPI_FRAME_CREDIT) {
        on_control(engine, kind, body, length);
    } else {
        *event = on_data(engine, kind, flags, body, length);
    }
    return true;
}

static bool take_flag(bool *flag) {
    bool was = *flag;
    *flag = false;
    return was;
}

trpi_event trpi_engine_next(trpi_engine *engine) {
    trpi_event event = {TRPI_EVENT_NONE, 0, 0, NULL, 0};
    free_partial(engine, &engine->spent);
    do {
        if (take_flag(&engine->owes_up)) {
            event.kind = TRPI_EVENT_UP;
        } else if (take_flag(&engine->owes_suspect)) {
            event.kind = TRPI_EVENT_SUSPECT;
        } else if (take_flag(&engine->owes_heard)) {
            engine->is_suspect = false;
            event.kind = TRPI_EVENT_HEARD;
        }
    } while (event.kind == TRPI_EVENT_NONE && take_piece(engine, &event));
    if (event.kind == TRPI_EVENT_NONE && engine->phase == TRPI_PHASE_CLOSED &&
        !engine->has_told_down) {
        engine->has_told_down = true;
        event.kind = TRPI_EVENT_DOWN;
    } else if (event.kind == TRPI_EVENT_NONE && engine->input_at == engine->input_length) {
        free_input(engine);
    }
    return event;
}

/* ---- time ---- */

void trpi_engine_probe(trpi_engine *engine, uint64_t patience_ns, uint64_t now_ns) {
    bool is_out = engine->probed_ns != TRP_NEVER;
    if (engine->phase != TRPI_PHASE_UP || (is_out && engine->probe_patience_ns <= patience_ns)) {
        return;
    }
    engine->probed_ns = now_ns;
    engine->probe_patience_ns = patience_ns;
    engine->ping_due = true;
}

static uint64_t after(uint64_t since, uint64_t span) {
    return since > TRP_NEVER - span ? TRP_NEVER : since + span;
}

/* When the silence has its next consequence. */
static uint64_t silence_deadline(const trpi_engine *engine) {
    if (engine->probed_ns == TRP_NEVER) {
        return after(engine->heard_ns, engine->times.heartbeat_ns);
    }
    uint64_t patience = engine->probe_patience_ns;
    return after(engine->probed_ns, engine->is_suspect ? patience : patience / LATE_SHARE);
}

static uint64_t blocked_deadline(const trpi_engine *engine) {
    return after(engine->blocked_ns, engine->times.heartbeat_ns + engine->times.patience_ns);
}

uint64_t trpi_engine_deadline(const trpi_engine *engine) {
    if (engine->phase == TRPI_PHASE_CLOSED) {
        return TRP_NEVER;
    }
    if (engine->phase != TRPI_PHASE_UP) {
        return after(engine->opened_ns, engine->times.handshake_ns);
    }
    uint64_t silence = silence_deadline(engine);
    uint64_t blocked = blocked_deadline(engine);
    return silence < blocked ? silence : blocked;
}

/* The peer has been silent up to a deadline that has passed. */
static void on_silence(trpi_engine *engine, uint64_t late_ns, uint64_t now_ns) {
    if (engine->probed_ns == TRP_NEVER) {
        trpi_engine_probe(engine, engine->times.patience_ns, now_ns);
    } else if (late_ns > engine->probe_patience_ns / LATE_SHARE) {
        /*
         * We were not there to listen (a frozen page, a suspended machine): what the peer answered
         * may not have been read yet.
         */
        engine->probed_ns = now_ns;
        engine->ping_due = true;
    } else if (!engine->is_suspect) {
        engine->is_suspect = true;
        engine->owes_suspect = true;
    } else {
        trpi_engine_close(engine, TRP_ETIMEOUT, "the peer is silent");
    }
}

void trpi_engine_tick(trpi_engine *engine, uint64_t now_ns) {
    if (now_ns < trpi_engine_deadline(engine)) {
        return;
    }
    if (engine->phase != TRPI_PHASE_UP) {
        trpi_engine_close(engine, TRP_ETIMEOUT, "the handshake took too long");
    } else if (now_ns >= blocked_deadline(engine)) {
        trpi_engine_lost(engine, TRP_ETIMEOUT, "the peer does not read");
    } else {
        on_silence(engine, now_ns - silence_deadline(engine), now_ns);
    }
}

void trpi_engine_writable(trpi_engine *engine, bool is_writable, uint64_t now_ns) {
    if (engine->is_writable != is_writable) {
        engine->is_writable = is_writable;
        engine->blocked_ns = is_writable ? TRP_NEVER : now_ns;
    }
}
