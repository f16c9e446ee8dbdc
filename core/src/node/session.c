/* The session actor; its design is told in session.h. */
#include "node/session.h"

#include "base/lock.h"
#include "message/pool_of.h"
#include "node/encode.h"
#include "troupe/error.h"
#include "troupe/monitor.h"
#include "troupe/timer.h"

static const uint64_t SWEEP_NS = UINT64_C(5) * TRP_NS_PER_S;

void trpi_session_way(const trp_session *session, trpi_way *way) {
    const trpi_peer *peer = &session->engine.peer;
    way->session = session->pid;
    way->place = session->place;
    way->serial = session->serial;
    way->slot = session->place->slot;
    way->epoch = session->place->epoch;
    way->granted = peer->granted;
    way->message_max = peer->message_max;
    way->is_limited = !trpi_session_has(session, TRP_RIGHT_ANY_PID);
}

bool trpi_session_push(trp_ctx *ctx, trp_pid session, trp_message *message) {
    trpi_actor *actor = trpi_actor_find(ctx->runtime, session.index, session.generation);
    if (actor == NULL) {
        return false;
    }
    message->flags = TRPI_FLAG_PROXY;
    trpi_actor_push(ctx, actor, session.generation, message);
    return true;
}

void trpi_session_emit(trp_session *session, unsigned stream, unsigned kind, trp_message *frame) {
    size_t at = (frame->length + 7u) / 8 * 8;
    const trp_pid *handed = (const trp_pid *)(void *)((char *)trpi_body(frame) + at);
    for (uint64_t i = 0; i < frame->ref; i++) {
        if (trpi_handed_add(&session->handed, handed[i]) != 0) {
            trpi_engine_close(&session->engine, TRP_ENOMEM, "out of memory for pids");
            break;
        }
    }
    trpi_engine_queue(&session->engine, stream, kind, frame);
}

/* ---- orders ---- */

/* Makes the actor run soon. Needs no memory: the message exists, or is on its way already. */
static void poke(trp_session *session) {
    trp_message *message = session->poke;
    if (message != NULL && trpi_session_push(session->ctx, session->pid, message)) {
        session->poke = NULL;
    }
}

/*
 * Tells another session, on whatever scheduler it is. Without memory nothing happens: two sessions
 * to one node do no harm.
 */
static void give_order(trp_ctx *ctx, trp_pid session, trpi_order order, trp_pid about) {
    if (trp_pid_is_none(session)) {
        return;
    }
    trp_message *message = trp_message_new_bytes(ctx, &about, sizeof about);
    if (message != NULL) {
        message->tag = order;
        if (!trpi_session_push(ctx, session, message)) {
            trp_message_drop(ctx, message);
        }
    }
}

static void tell_state(trp_session *session, trp_session_state state) {
    trp_ctx *ctx = session->ctx;
    const trpi_engine *engine = &session->engine;
    const trp_host *host = &ctx->runtime->host;
    if (host->trace != NULL) {
        trp_trace record = {TRP_TRACE_SESSION, ctx->sched.index,
                            (uint64_t)session->pid.index << 32 | session->pid.generation, 0, state};
        host->trace(host->self, &record);
    }
    if (session->on_state != NULL) {
        trpi_frame frame = ctx->frame; /* the callback is nobody's: it gets the root ctx */
        memset(&ctx->frame, 0, sizeof ctx->frame);
        session->on_state(session->arg, session, state, engine->peer.name,
                          state == TRP_SESSION_DOWN ? engine->error : 0,
                          state == TRP_SESSION_DOWN ? engine->why : "");
        ctx->frame = frame;
    }
}

static void go_up(trp_session *session) {
    trp_ctx *ctx = session->ctx;
    trpi_entrance entrance = trpi_node_enter(session->node, session);
    if (entrance.error != 0) {
        trpi_engine_close(&session->engine, entrance.error, "out of memory for the peer");
        return;
    }
    give_order(ctx, entrance.loser,
               entrance.is_stale ? TRPI_ORDER_CLOSE_STALE : TRPI_ORDER_CLOSE_DUPLICATE,
               TRP_PID_NONE);
    give_order(ctx, entrance.incumbent, TRPI_ORDER_ANSWER, session->pid);
    tell_state(session, TRP_SESSION_UP);
}

static void obey(trp_session *session, const trp_message *message) {
    trp_pid about;
    memcpy(&about, message + 1, sizeof about);
    switch ((trpi_order)message->tag) {
    case TRPI_ORDER_CLOSE_DUPLICATE:
        trpi_engine_close(&session->engine, TRP_EEXIST, "another session to the same node stays");
        break;
    case TRPI_ORDER_CLOSE_STALE:
        trpi_engine_close(&session->engine, TRP_EEXIST, "the node has been started again");
        break;
    case TRPI_ORDER_ANSWER:
        session->rival = about;
        session->pongs = session->engine.pongs;
        trpi_engine_probe(&session->engine, TRPI_RIVAL_PATIENCE_NS, trp_now_ns(session->ctx));
        break;
    case TRPI_ORDER_POKE:
        break;
    }
}

/* The peer has answered on this session: the newer one is not needed. */
static void check_rival(trp_session *session) {
    if (!trp_pid_is_none(session->rival) && session->pongs != session->engine.pongs) {
        give_order(session->ctx, session->rival, TRPI_ORDER_CLOSE_DUPLICATE, TRP_PID_NONE);
        session->rival = TRP_PID_NONE;
    }
}

/* ---- the end ---- */

static void free_session(trp_session *session) {
    trpi_node *node = session->node;
    if (session->poke != NULL) {
        trpi_message_free(&session->ctx->sched.pool, session->poke);
    }
    trpi_waiting_free(session);
    trpi_inbound_forget(session);
    trpi_handed_deinit(&session->handed);
    trpi_engine_deinit(&session->engine);
    trpi_node_free(node, session, sizeof *session);
}

/* The connection is over, whoever ended it. Ends all that depended on it, at once and once. */
static void go_down(trp_session *session) {
    const trp_transport *transport = &session->engine.transport;
    trpi_node_leave(session->node, session);
    trpi_waiting_end(session);
    tell_state(session, TRP_SESSION_DOWN);
    transport->close(transport->self, session->engine.error, session->engine.why);
    free_session(session);
}

void trpi_session_destroy(trp_session *session) {
    const trp_transport *transport = &session->engine.transport;
    trpi_node_leave(session->node, session);
    transport->close(transport->self, TRP_ECLOSED, "the runtime is destroyed");
    free_session(session);
}

/* ---- running ---- */

/* Says what has left the engine to those who ask whether there is room. */
static void settle_account(trp_session *session) {
    const trpi_engine *engine = &session->engine;
    uint32_t left = engine->queued_bytes + engine->queued_messages * TRPI_OUTBOX_MESSAGE;
    if (session->place != NULL && session->counted > left) {
        trpi_place_release(session->place, session->serial, session->counted - left);
        session->counted = left;
    }
}

static void arm(trp_session *session) {
    trp_ctx *ctx = session->ctx;
    uint64_t deadline = trpi_engine_deadline(&session->engine);
    uint64_t now = trp_now_ns(ctx);
    if (session->waiting.count > 0 && session->sweep_ns < deadline) {
        deadline = session->sweep_ns;
    }
    if (deadline >= session->timer_ns || deadline == TRP_NEVER) {
        return; /* one that fires too early arms itself again */
    }
    if (session->timer_ns != TRP_NEVER) {
        (void)trp_timer_cancel(ctx, session->timer);
    }
    session->timer_ns = deadline;
    if (trp_timer(ctx, deadline > now ? deadline - now : 0, 0, &session->timer) != 0) {
        session->timer_ns = TRP_NEVER;
        trpi_engine_close(&session->engine, TRP_ENOMEM, "out of memory for a timer");
    }
}

/* Handles one event. False if it was the last one. */
static bool on_event(trp_session *session, const trpi_event *event) {
    switch (event->kind) {
    case TRPI_EVENT_UP:
        go_up(session);
        return true;
    case TRPI_EVENT_MESSAGE:
        trpi_inbound(session, event);
        return true;
    case TRPI_EVENT_SUSPECT:
        tell_state(session, TRP_SESSION_SUSPECT);
        return true;
    case TRPI_EVENT_HEARD:
        tell_state(session, TRP_SESSION_UP);
        return true;
    case TRPI_EVENT_NONE:
    case TRPI_EVENT_DOWN:
        break;
    }
    return false;
}

/* Takes all input, then sends all output. Returns false if the session has ended. */
static bool run(trp_session *session) {
    trpi_engine *engine = &session->engine;
    trpi_event event;
    if (session->wants_close) {
        trpi_engine_flush(engine);
        trpi_engine_close(engine, 0, "closed");
    }
    do {
        event = trpi_engine_next(engine);
    } while (on_event(session, &event));
    if (event.kind == TRPI_EVENT_NONE) {
        check_rival(session);
        trpi_engine_flush(engine);
        settle_account(session);
        arm(session);
        if (engine->phase != TRPI_PHASE_CLOSED) {
            return true;
        }
    }
    trpi_engine_flush(engine); /* the close */
    go_down(session);
    return false;
}

static void on_frame(trp_session *session, trp_message *message) {
    session->counted += message->length + TRPI_OUTBOX_MESSAGE;
    trpi_session_emit(session, message->reserved, (unsigned)message->tag, message);
    poke(session);
}

static void on_demonitor(trp_session *session, trp_message *signal) {
    trp_message *monitor = trpi_map_get(&session->waiting, signal->ref);
    trpi_way way;
    trpi_encoder encoder;
    trp_message *frame;
    if (monitor != NULL && monitor->kind == TRPI_MONITOR) {
        trpi_message_free(&session->ctx->sched.pool, trpi_waiting_take(session, signal->ref));
        trpi_session_way(session, &way);
        trpi_encoder_init(&encoder, session->ctx, &way, 8);
        trpi_encode_number(&encoder, signal->ref, 8);
        if (trpi_encoder_finish(&encoder, &frame) == 0) {
            trpi_session_emit(session, 0, TRPI_FRAME_DEMONITOR, frame);
            poke(session);
        }
    }
    trpi_discard(session->ctx, TRP_PID_NONE, signal, NULL, 0); /* frees the monitor's entry */
}

/* What has the proxy flag is ours to keep or free. Returns false if the session has ended. */
static bool on_proxy(trp_session *session, trp_message *message) {
    if (message->kind == TRPI_REQUEST || message->kind == TRPI_MONITOR) {
        trpi_waiting_add(session, message);
    } else if (message->kind == TRPI_DEMONITOR) {
        on_demonitor(session, message);
    } else if (message->tag >= TRPI_FRAME_SEND) {
        on_frame(session, message);
    } else if (message->tag == TRPI_ORDER_POKE) {
        session->poke = message;
        return run(session);
    } else {
        obey(session, message);
        trpi_message_free(&session->ctx->sched.pool, message);
        return run(session);
    }
    return true;
}

static bool on_timer(trp_session *session) {
    uint64_t now = trp_now_ns(session->ctx);
    session->timer_ns = TRP_NEVER;
    if (now >= session->sweep_ns) {
        trpi_waiting_sweep(session);
        session->sweep_ns = now + SWEEP_NS;
    }
    trpi_engine_tick(&session->engine, now);
    return run(session);
}

static void session_handle(trp_ctx *ctx, void *state, trp_message *message) {
    trp_session **session = state;
    bool lives = true;
    if (*session == NULL) {
        trp_message_drop(ctx, message);
        return;
    }
    if ((message->flags & TRPI_FLAG_PROXY) != 0) {
        lives = on_proxy(*session, message);
    } else if (trp_message_is(message, &trp_timeout_type)) {
        lives = on_timer(*session);
    } else {
        trpi_inbound_answer(*session, message);
        poke(*session);
    }
    if (!lives) {
        *session = NULL;
        trp_stop_self(ctx);
    }
}

static int session_init(trp_ctx *ctx, void *state, const void *arg) {
    trp_session *session = *(trp_session *const *)arg;
    *(trp_session **)state = session;
    session->pid = trp_self(ctx);
    return 0;
}

static void session_terminate(trp_ctx *ctx, void *state, const trp_exit *reason) {
    trp_session *session = *(trp_session **)state;
    (void)ctx;
    (void)reason;
    if (session != NULL) {
        trpi_engine_flush(&session->engine);
        trpi_engine_close(&session->engine, 0, "the node stops");
        trpi_engine_flush(&session->engine);
        go_down(session);
    }
}

static const trp_behaviour session_behaviour = {
    TRP_BEHAVIOUR("troupe.Session"), .state_size = sizeof(trp_session *), .init = session_init,
    .handle = session_handle,        .terminate = session_terminate,
};

/* ---- opening ---- */

static int check_options(const trpi_node *node, const trp_transport *transport,
                         const trp_session_options *options) {
    uint32_t cookie = 1u << TRP_AUTH_COOKIE;
    uint32_t known = cookie | 1u << TRP_AUTH_TOKEN | 1u << TRP_AUTH_INHERITED;
    uint32_t auths = options->auths;
    bool is_single = (auths & (auths - 1)) == 0;
    if (transport->send == NULL || transport->close == NULL || auths == 0 ||
        (auths & ~known) != 0 || (options->dialler && !is_single)) {
        return TRP_EINVAL;
    }
    if ((auths & cookie) != 0) {
        if (node->runtime->host.hmac_sha256 == NULL) {
            return TRP_ENOTSUP;
        }
        if (node->self.cookie_length == 0) {
            return TRP_EINVAL;
        }
    }
    bool has_token = (auths & 1u << TRP_AUTH_TOKEN) != 0;
    if (has_token && (options->dialler ? options->token_length > TRPI_TOKEN_MAX ||
                                             (options->token == NULL && options->token_length > 0)
                                       : options->check_token == NULL)) {
        return TRP_EINVAL;
    }
    return 0;
}

static int start_engine(trp_session *session, const trp_transport *transport,
                        const trp_session_options *options) {
    trp_ctx *ctx = session->ctx;
    bool has_token = options->auths == 1u << TRP_AUTH_TOKEN;
    trpi_terms terms = {
        .is_dialler = options->dialler,
        .auths = options->auths,
        .rights = options->rights,
        .token = options->token,
        .token_length = options->dialler && has_token ? options->token_length : 0,
        .arg = options->arg,
        .check_token = options->check_token,
    };
    return trpi_engine_init(&session->engine, trpi_pool_of(ctx), &session->node->self, transport,
                            &session->node->times, &terms, trp_now_ns(ctx));
}

/* Adds the session to the node's list, if there is room. */
static int enlist(trpi_node *node, trp_session *session) {
    trpi_lock(&node->lock);
    int error = node->sessions_len < node->sessions_max ? 0 : TRP_ELIMIT;
    if (error == 0) {
        session->next = node->sessions;
        session->pprev = &node->sessions;
        if (session->next != NULL) {
            session->next->pprev = &session->next;
        }
        node->sessions = session;
        node->sessions_len++;
    }
    trpi_unlock(&node->lock);
    return error;
}

static int spawn(trp_session *session) {
    trp_spawn_options options = {.size = sizeof options, .pinned = true};
    trp_message *message = trp_message_new_bytes(session->ctx, NULL, 0);
    if (message == NULL) {
        return TRP_ENOMEM;
    }
    message->tag = TRPI_ORDER_POKE;
    session->poke = message;
    const trp_session *arg = session;
    return trp_spawn_opt(session->ctx, &session_behaviour, &arg, &options, NULL, NULL);
}

static void init_session(trp_session *session, trpi_node *node, trp_ctx *ctx,
                         const trp_session_options *options) {
    const trp_host *host = &ctx->runtime->host;
    session->node = node;
    session->ctx = ctx;
    session->arg = options->arg;
    session->on_state = options->on_state;
    session->timer_ns = TRP_NEVER;
    session->sweep_ns = trp_now_ns(ctx) + SWEEP_NS;
    trpi_map_init(&session->waiting, host);
    trpi_map_init(&session->incoming, host);
    trpi_map_init(&session->incoming_by_theirs, host);
    trpi_handed_init(&session->handed, host);
}

static int open_session(trp_ctx *ctx, trpi_node *node, const trp_transport *transport,
                        const trp_session_options *options, trp_session **out) {
    trp_session *session = trpi_node_alloc(node, sizeof *session);
    if (session == NULL) {
        return TRP_ENOMEM;
    }
    init_session(session, node, ctx, options);
    int error = start_engine(session, transport, options);
    error = error != 0 ? error : enlist(node, session);
    if (error == 0) {
        error = spawn(session);
        if (error != 0) {
            trpi_node_leave(node, session);
        }
    }
    if (error != 0) {
        free_session(session);
        return error;
    }
    *out = session;
    poke(session);
    return 0;
}

/* The caller's structs may be of an older version, which knew fewer members. */
int trp_session_open(trp_ctx *ctx, const trp_transport *transport,
                     const trp_session_options *options, trp_session **out) {
    trpi_node *node = trpi_node_of(ctx);
    trp_transport way_out = {0};
    trp_session_options chosen = {0};
    if (node == NULL) {
        return TRP_ESTATE;
    }
    memcpy(&way_out, transport,
           transport->size < sizeof way_out ? transport->size : sizeof way_out);
    memcpy(&chosen, options, options->size < sizeof chosen ? options->size : sizeof chosen);
    int error = check_options(node, &way_out, &chosen);
    return error != 0 ? error : open_session(ctx, node, &way_out, &chosen, out);
}

/* ---- the host's calls: note and poke ---- */

void trp_session_receive(trp_session *session, const void *bytes, size_t length) {
    trpi_engine_input(&session->engine, bytes, length, trp_now_ns(session->ctx));
    poke(session);
}

void trp_session_lost(trp_session *session, int error) {
    trpi_engine_lost(&session->engine, error, "the connection is gone");
    poke(session);
}

void trp_session_writable(trp_session *session, bool writable) {
    trpi_engine_writable(&session->engine, writable, trp_now_ns(session->ctx));
    poke(session);
}

void trp_session_close(trp_session *session) {
    session->wants_close = true;
    poke(session);
}

void trp_session_probe(trp_session *session) {
    trpi_engine_probe(&session->engine, session->node->times.patience_ns, trp_now_ns(session->ctx));
    poke(session);
}
