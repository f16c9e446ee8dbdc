/*
 * What the other node sends. Every frame here comes from somebody authenticated and nobody trusted:
 * rights are checked before anything is done, addressees before bodies are decoded. A frame that
 * cannot be read at all ends the session; one that may not or cannot be obeyed is answered if
 * somebody waits for an answer, and counted as a dead letter if not.
 */
#include "node/encode.h"
#include "node/session.h"
#include "actor/request.h"
#include "troupe/codec.h"
#include "troupe/error.h"
#include "troupe/link.h"
#include "troupe/monitor.h"
#include "troupe/name.h"
#include "troupe/timer.h"

/* ---- pids ---- */

static bool is_same_node(const char *a, const uint8_t *name, size_t length) {
    return strlen(a) == length && memcmp(a, name, length) == 0;
}

/* A pid of a third node that was handed over to this peer; NONE if it was not. */
static trp_pid find_handed(trp_session *session, const uint8_t *name, size_t length,
                           uint64_t incarnation, uint32_t index, uint32_t generation) {
    for (unsigned half = 0; half < 2; half++) {
        const trpi_handed_row *row = trpi_handed_rows(&session->handed, half, index, generation);
        for (; row != NULL; row = row->next) {
            char home[TRP_NODE_NAME_MAX + 1];
            uint64_t its;
            if (trpi_node_home(session->node, row->pid, home, &its) && its == incarnation &&
                is_same_node(home, name, length)) {
                return row->pid;
            }
        }
    }
    return TRP_PID_NONE;
}

static trp_pid pid_of_peer(const trp_session *session, uint32_t index, uint32_t generation) {
    return (trp_pid){session->place->slot, session->place->epoch, index, generation};
}

/* A pid of this node: any may be used with the right to, else those that were handed over. */
static int own_pid(const trp_session *session, uint32_t index, uint32_t generation, trp_pid *pid) {
    if (!trpi_session_has(session, TRP_RIGHT_ANY_PID) &&
        !trpi_handed_has(&session->handed, index, generation)) {
        return TRP_EPERM;
    }
    *pid = (trp_pid){0, 0, index, generation};
    return 0;
}

static int read_other(trp_session *session, trpi_reader *reader, trp_pid *pid) {
    size_t length = (size_t)trpi_get(reader, 1);
    const uint8_t *name = trpi_get_bytes(reader, length);
    uint64_t incarnation = trpi_get(reader, 8);
    uint32_t index = trpi_get_u32(reader);
    uint32_t generation = trpi_get_u32(reader);
    const trpi_identity *self = &session->node->self;
    const trpi_peer *peer = &session->engine.peer;
    if (reader->is_bad || generation == 0 || !trpi_node_name_is_valid((const char *)name, length)) {
        return TRP_EDECODE;
    }
    if (incarnation == self->incarnation && is_same_node(self->name, name, length)) {
        return own_pid(session, index, generation, pid);
    }
    if (incarnation == peer->incarnation && is_same_node(peer->name, name, length)) {
        *pid = pid_of_peer(session, index, generation);
        return 0;
    }
    if (!trpi_session_has(session, TRP_RIGHT_ANY_PID)) {
        *pid = find_handed(session, name, length, incarnation, index, generation);
        if (!trp_pid_is_none(*pid)) {
            return 0;
        }
    }
    int error =
        trpi_node_meet(session->node, session, (const char *)name, length, incarnation, pid);
    pid->index = index;
    pid->generation = generation;
    return error;
}

/* Reads a pid in any form but a name. */
static int read_pid(trp_session *session, trpi_reader *reader, trp_pid *pid) {
    uint64_t form = trpi_get(reader, 1);
    *pid = TRP_PID_NONE;
    if (form == TRPI_PID_NONE) {
        return reader->is_bad ? TRP_EDECODE : 0;
    }
    if (form == TRPI_PID_OTHER) {
        return read_other(session, reader, pid);
    }
    uint32_t index = trpi_get_u32(reader);
    uint32_t generation = trpi_get_u32(reader);
    if (reader->is_bad || generation == 0 || form > TRPI_PID_RECEIVER) {
        return TRP_EDECODE;
    }
    if (form == TRPI_PID_RECEIVER) {
        return own_pid(session, index, generation, pid);
    }
    *pid = pid_of_peer(session, index, generation);
    return 0;
}

/* For trp_codec_decode: a pid in a byte string. */
static int read_pid_item(void *arg, const uint8_t *bytes, size_t length, trp_pid *pid) {
    trp_cbor_reader item;
    const uint8_t *content;
    size_t content_length;
    trp_cbor_reader_init(&item, bytes, length);
    if (trp_cbor_get_bytes(&item, &content, &content_length) != 0) {
        return TRP_EDECODE;
    }
    trpi_reader reader = {content, content + content_length, false};
    int error = read_pid(arg, &reader, pid);
    return error == 0 && trpi_reader_left(&reader) != 0 ? TRP_EDECODE : error;
}

/* ---- addressees ---- */

static int read_named(trp_session *session, trpi_reader *reader, trp_pid *to) {
    char name[TRP_NAME_MAX + 1];
    size_t length = (size_t)trpi_get(reader, 1);
    const uint8_t *bytes = trpi_get_bytes(reader, length);
    if (bytes == NULL || length == 0 || length > TRP_NAME_MAX) {
        return TRP_EDECODE;
    }
    memcpy(name, bytes, length);
    name[length] = '\0';
    bool is_exposed = trpi_session_has(session, TRP_RIGHT_SEND_NAMES) &&
                      trpi_node_is_exposed(session->node, name, length);
    if (!is_exposed && !trpi_session_has(session, TRP_RIGHT_NAMES)) {
        return TRP_EPERM;
    }
    return trp_whereis(session->ctx, name, to) == 0 ? 0 : TRP_ENOPROC;
}

/* Whom a frame is for, if the peer may reach that one; the rights in `needed` are required too. */
static int read_target(trp_session *session, trpi_reader *reader, uint32_t needed, trp_pid *to) {
    int error;
    *to = TRP_PID_NONE;
    if (trpi_reader_left(reader) > 0 && *reader->at == TRPI_PID_NAMED) {
        reader->at++;
        error = read_named(session, reader, to);
    } else {
        error = read_pid(session, reader, to);
        if (error == 0 && !trpi_session_has(session, TRP_RIGHT_SEND_PIDS | TRP_RIGHT_ANY_PID)) {
            error = TRP_EPERM;
        }
    }
    if (error == 0 && (session->engine.peer.rights & needed) != needed) {
        error = TRP_EPERM;
    }
    trpi_way way;
    if (error == 0 && !trp_pid_is_local(*to) && trpi_node_way(session->node, *to, &way) &&
        trp_pid_equal(way.session, session->pid)) {
        error = TRP_ENOPROC; /* it would go back to where it came from */
    }
    reader->is_bad = reader->is_bad || error == TRP_EDECODE;
    return error == 0 && trp_pid_is_none(*to) ? TRP_ENOPROC : error;
}

/* ---- bodies ---- */

/* What the runtime itself tells an actor must not be said by somebody else. */
static bool is_signal(const trp_type *type) {
    return type == &trp_down_type || type == &trp_exited_type || type == &trp_timeout_type ||
           type == &trp_request_error_type;
}

/* The type with that hash, and whether its messages may come in. */
static int find_type(const trp_session *session, uint64_t hash, const trp_type **type) {
    *type = trpi_map_get(&session->ctx->runtime->types, hash);
    if (*type == NULL) {
        return TRP_ETYPE;
    }
    return is_signal(*type) ? TRP_EPERM : 0;
}

static int read_payload(trp_session *session, trpi_reader *reader, trp_message **out) {
    trp_ctx *ctx = session->ctx;
    uint64_t tag = trpi_get(reader, 8);
    uint64_t hash = trpi_get(reader, 8);
    size_t length = trpi_reader_left(reader);
    if (reader->is_bad) {
        return TRP_EDECODE;
    }
    if (length > session->node->self.message_max) {
        return TRP_ETOOBIG;
    }
    if (hash == 0) {
        *out = trp_message_new_bytes(ctx, reader->at, length);
        if (*out == NULL) {
            return TRP_ENOMEM;
        }
    } else {
        const trp_type *type;
        trp_codec_pids pids = {session, NULL, read_pid_item};
        int error = find_type(session, hash, &type);
        if (error == 0) {
            error = trp_codec_decode(ctx, type, reader->at, length, &pids, out);
        }
        if (error != 0) {
            return error;
        }
    }
    trp_message_set_tag(*out, tag);
    return 0;
}

static trp_exit read_exit(trpi_reader *reader) {
    char text[TRP_EXIT_TEXT_MAX] = "";
    uint64_t kind = trpi_get(reader, 1);
    int32_t code = (int32_t)trpi_get_u32(reader);
    size_t length = (size_t)trpi_get(reader, 1);
    const uint8_t *bytes = trpi_get_bytes(reader, length);
    reader->is_bad = reader->is_bad || length >= sizeof text;
    if (!reader->is_bad) {
        memcpy(text, bytes, length);
    }
    return trp_exit_make(kind <= TRP_EXIT_ERROR ? (trp_exit_kind)kind : TRP_EXIT_ERROR, code, text);
}

/* ---- answers ---- */

static void begin_answer(trp_session *session, trpi_encoder *encoder, trpi_way *way, trp_ref ref,
                         size_t hint) {
    trpi_session_way(session, way);
    trpi_encoder_init(encoder, session->ctx, way, hint);
    trpi_encode_number(encoder, ref, 8);
}

static int end_answer(trp_session *session, trpi_encoder *encoder, unsigned stream, unsigned kind) {
    trp_message *frame;
    int error = trpi_encoder_finish(encoder, &frame);
    if (error == 0) {
        trpi_session_emit(session, stream, kind, frame);
    }
    return error;
}

/* An answer without which somebody would wait for ever. */
static void must_send(trp_session *session, int error) {
    if (error != 0) {
        trpi_engine_close(&session->engine, error, "out of memory for an answer");
    }
}

static void answer_error(trp_session *session, unsigned stream, trp_ref ref, int code,
                         const trp_exit *reason) {
    trpi_encoder encoder;
    trpi_way way;
    begin_answer(session, &encoder, &way, ref, 32);
    trpi_encode_number(&encoder, (uint64_t)(int64_t)code, 4);
    trpi_encode_exit(&encoder, reason);
    must_send(session, end_answer(session, &encoder, stream, TRPI_FRAME_ERROR));
}

static void answer_down(trp_session *session, unsigned stream, trp_ref ref,
                        const trp_exit *reason) {
    trpi_encoder encoder;
    trpi_way way;
    begin_answer(session, &encoder, &way, ref, 32);
    trpi_encode_exit(&encoder, reason);
    must_send(session, end_answer(session, &encoder, stream, TRPI_FRAME_DOWN));
}

static void answer_reply(trp_session *session, unsigned stream, trp_ref ref,
                         const trp_message *reply) {
    trpi_encoder encoder;
    trpi_way way;
    begin_answer(session, &encoder, &way, ref, reply->length + 64);
    trpi_encode_payload(&encoder, reply);
    int error = end_answer(session, &encoder, stream, TRPI_FRAME_REPLY);
    if (error != 0) {
        trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, error, "the reply cannot be sent");
        answer_error(session, stream, ref, error, &reason);
    }
}

/* Why a request or monitor could not even begin. */
static trp_exit reason_of(int error) {
    return trp_exit_make(error == TRP_ENOPROC ? TRP_EXIT_NOPROC : TRP_EXIT_ERROR, error, NULL);
}

/* ---- what the other node has here ---- */

static void forget(trp_session *session, trpi_incoming *row) {
    (void)trpi_map_remove(&session->incoming, row->ours);
    (void)trpi_map_remove(&session->incoming_by_theirs, row->theirs);
    trpi_pool_free(&session->ctx->sched.pool, row, sizeof *row);
}

void trpi_inbound_forget(trp_session *session) {
    trpi_map *map = &session->incoming;
    for (uint32_t i = 0; i < map->capacity; i++) {
        if (map->cells[i].value != NULL) {
            trpi_pool_free(&session->ctx->sched.pool, map->cells[i].value, sizeof(trpi_incoming));
        }
    }
    trpi_map_deinit(map);
    trpi_map_deinit(&session->incoming_by_theirs);
}

/* Remembers that `ours` stands for `theirs`. */
static int remember(trp_session *session, trp_ref theirs, trp_ref ours, trp_pid target,
                    bool is_monitor) {
    trpi_pool *pool = &session->ctx->sched.pool;
    trpi_incoming *row = trpi_pool_alloc(pool, sizeof *row);
    if (row == NULL) {
        return TRP_ENOMEM;
    }
    *row = (trpi_incoming){theirs, ours, target.index % TRPI_STREAMS, is_monitor};
    int error = trpi_map_set(&session->incoming, ours, row);
    if (error == 0) {
        error = trpi_map_set(&session->incoming_by_theirs, theirs, row);
    }
    if (error != 0) {
        (void)trpi_map_remove(&session->incoming, ours);
        trpi_pool_free(pool, row, sizeof *row);
    }
    return error;
}

/* True if the ref may be used for something new. A second use is a broken peer. */
static bool ref_is_new(trp_session *session, const trpi_reader *reader, trp_ref ref) {
    if (reader->is_bad || ref == 0 || trpi_map_get(&session->incoming_by_theirs, ref) != NULL) {
        trpi_engine_close(&session->engine, TRP_EPROTO, "malformed or repeated ref");
        return false;
    }
    return true;
}

static int check_room(const trp_session *session) {
    return session->incoming.count >= TRPI_INCOMING_MAX ? TRP_EFULL : 0;
}

/* ---- one function for each kind of frame ---- */

static void on_send(trp_session *session, trpi_reader *reader) {
    trp_pid to;
    trp_message *message;
    int error = read_target(session, reader, 0, &to);
    if (error == 0) {
        error = read_payload(session, reader, &message);
    }
    if (error == 0) {
        (void)trp_send(session->ctx, to, message);
    } else {
        trpi_count(&session->ctx->dead_letters, 1);
    }
}

/* Who calls. A stranger can only speak for itself and for those behind it. */
static trp_pid read_caller(trp_session *session, trpi_reader *reader) {
    trp_pid from;
    trpi_way way;
    int error = read_pid(session, reader, &from);
    reader->is_bad = reader->is_bad || error == TRP_EDECODE;
    if (error != 0 || trp_pid_is_local(from)) {
        return TRP_PID_NONE;
    }
    bool is_its_own =
        trpi_node_way(session->node, from, &way) && trp_pid_equal(way.session, session->pid);
    return is_its_own || trpi_session_has(session, TRP_RIGHT_ANY_PID) ? from : TRP_PID_NONE;
}

static void on_call(trp_session *session, trpi_reader *reader) {
    trp_ctx *ctx = session->ctx;
    trp_pid to;
    trp_message *message = NULL;
    trp_ref ours;
    int error = read_target(session, reader, 0, &to);
    trp_pid from = read_caller(session, reader);
    trp_ref theirs = trpi_get(reader, 8);
    if (!ref_is_new(session, reader, theirs)) {
        return;
    }
    error = error != 0 ? error : check_room(session);
    error = error != 0 ? error : read_payload(session, reader, &message);
    if (error == 0) {
        error = trpi_request_for(ctx, to, from, message, TRP_NEVER, &ours);
    }
    if (error == 0) {
        error = remember(session, theirs, ours, to, false);
        if (error != 0) {
            (void)trp_request_cancel(ctx, ours);
        }
    }
    if (error != 0) {
        trp_exit reason = reason_of(error);
        answer_error(session, to.index, theirs, error, &reason);
    }
}

static void on_monitor(trp_session *session, trpi_reader *reader) {
    trp_ctx *ctx = session->ctx;
    trp_pid to;
    trp_ref ours;
    int error = read_target(session, reader, TRP_RIGHT_MONITOR, &to);
    trp_ref theirs = trpi_get(reader, 8);
    if (!ref_is_new(session, reader, theirs)) {
        return;
    }
    error = error != 0 ? error : check_room(session);
    error = error != 0 ? error : trp_monitor(ctx, to, &ours);
    if (error == 0) {
        error = remember(session, theirs, ours, to, true);
        if (error != 0) {
            (void)trp_demonitor(ctx, ours);
        }
    }
    if (error != 0) {
        trp_exit reason = reason_of(error);
        answer_down(session, to.index, theirs, &reason);
    }
}

/* CANCEL and DEMONITOR: the other node waits no longer. It may have crossed the answer. */
static void on_give_up(trp_session *session, trpi_reader *reader, bool is_monitor) {
    trpi_incoming *row = trpi_map_get(&session->incoming_by_theirs, trpi_get(reader, 8));
    if (row == NULL || row->is_monitor != is_monitor) {
        return;
    }
    if (is_monitor) {
        (void)trp_demonitor(session->ctx, row->ours);
    } else {
        (void)trp_request_cancel(session->ctx, row->ours);
    }
    forget(session, row);
}

static void on_end(trp_session *session, trpi_reader *reader, bool is_kill) {
    trp_pid to;
    int error = read_target(session, reader, TRP_RIGHT_EXIT, &to);
    if (is_kill) {
        error = error != 0 ? error : trp_kill(session->ctx, to);
    } else {
        trp_exit reason = read_exit(reader);
        error = error != 0 ? error : trp_stop(session->ctx, to, &reason);
    }
    if (error != 0) {
        trpi_count(&session->ctx->dead_letters, 1);
    }
}

/* Takes what waits for an answer of this kind. A ref of another kind is a broken peer. */
static trp_message *take_waiting(trp_session *session, trpi_reader *reader, trpi_kind kind) {
    trp_ref ref = trpi_get(reader, 8);
    trp_message *message = trpi_map_get(&session->waiting, ref);
    if (message == NULL) {
        trpi_count(&session->ctx->late_replies, kind == TRPI_REQUEST);
        return NULL;
    }
    if (message->kind != kind) {
        trpi_engine_close(&session->engine, TRP_EPROTO, "an answer does not fit its ref");
        return NULL;
    }
    message = trpi_waiting_take(session, ref);
    message->flags = 0;
    return message;
}

static void on_reply(trp_session *session, trpi_reader *reader) {
    trp_ctx *ctx = session->ctx;
    trp_message *request = take_waiting(session, reader, TRPI_REQUEST);
    trp_message *reply;
    if (request == NULL) {
        return;
    }
    int error = read_payload(session, reader, &reply);
    if (error != 0) {
        trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, error, "the reply cannot be read");
        trpi_settle(ctx, request, error, &reason);
        return;
    }
    reply->kind = TRPI_REPLY;
    reply->ref = request->ref;
    if (!trpi_send_reply(ctx, reply)) {
        trpi_count(&ctx->late_replies, 1);
    }
    trpi_message_free(&ctx->sched.pool, request);
}

/* The request's own block may be too small for the text; then another one carries the error. */
static void on_error(trp_session *session, trpi_reader *reader) {
    trpi_pool *pool = &session->ctx->sched.pool;
    trp_message *request = take_waiting(session, reader, TRPI_REQUEST);
    int32_t code = (int32_t)trpi_get_u32(reader);
    trp_exit reason = read_exit(reader);
    if (request == NULL) {
        return;
    }
    trp_message *carrier = trpi_message_alloc(pool, sizeof(trpi_failure) + TRP_EXIT_TEXT_MAX);
    if (carrier != NULL) {
        carrier->ref = request->ref;
        trpi_message_free(pool, request);
        request = carrier;
    }
    trpi_settle(session->ctx, request, code, &reason);
}

static void on_down(trp_session *session, trpi_reader *reader) {
    trp_message *monitor = take_waiting(session, reader, TRPI_MONITOR);
    trp_exit reason = read_exit(reader);
    if (monitor != NULL) {
        trpi_discard(session->ctx, *trpi_watched(monitor), monitor, &reason, TRP_ENOPROC);
    }
}

void trpi_inbound(trp_session *session, const trpi_event *event) {
    trpi_reader reader = {event->bytes, event->bytes + event->length, false};
    switch ((trpi_frame_kind)event->frame) {
    case TRPI_FRAME_SEND:
        on_send(session, &reader);
        break;
    case TRPI_FRAME_CALL:
        on_call(session, &reader);
        break;
    case TRPI_FRAME_REPLY:
        on_reply(session, &reader);
        break;
    case TRPI_FRAME_ERROR:
        on_error(session, &reader);
        break;
    case TRPI_FRAME_MONITOR:
        on_monitor(session, &reader);
        break;
    case TRPI_FRAME_DOWN:
        on_down(session, &reader);
        break;
    case TRPI_FRAME_CANCEL:
    case TRPI_FRAME_DEMONITOR:
        on_give_up(session, &reader, event->frame == TRPI_FRAME_DEMONITOR);
        break;
    case TRPI_FRAME_STOP:
    case TRPI_FRAME_KILL:
        on_end(session, &reader, event->frame == TRPI_FRAME_KILL);
        break;
    default:
        break;
    }
    if (reader.is_bad) {
        trpi_engine_close(&session->engine, TRP_EPROTO, "a frame ends too early");
    }
}

/* ---- what comes of it ---- */

/*
 * The stream for an answer: that of the actor which has given it, who need not be the one that was
 * asked, so that it does not overtake what that actor has sent before. What is first in the mailbox
 * is the answer itself, also when an error has been written out for the handler.
 */
static unsigned stream_of(const trp_session *session, const trpi_incoming *row) {
    const trp_message *answer = session->ctx->frame.first;
    return (answer->reserved & TRPI_SIGNED) != 0 ? answer->reserved % TRPI_STREAMS : row->stream;
}

void trpi_inbound_answer(trp_session *session, trp_message *message) {
    bool is_down = trp_message_is(message, &trp_down_type);
    trp_ref ours = is_down ? ((trp_down *)trpi_body(message))->ref : message->ref;
    trpi_incoming *row = trpi_map_get(&session->incoming, ours);
    if (row == NULL || row->is_monitor != is_down) {
        return;
    }
    unsigned stream = stream_of(session, row);
    if (is_down) {
        answer_down(session, stream, row->theirs, &((trp_down *)trpi_body(message))->reason);
    } else if (message->kind == TRPI_REPLY) {
        answer_reply(session, stream, row->theirs, message);
    } else {
        const trp_request_error *error = trpi_body(message);
        answer_error(session, stream, row->theirs, error->code, &error->reason);
    }
    forget(session, row);
}
