/*
 * Sessions of this node. The connections themselves (WebSocket, MessagePort) live in JavaScript
 * (js/link.mjs): frames leave as SEND_BYTES events, which JavaScript joins into larger ones, and
 * come back as RECEIVE operations.
 */
#include "host.h"

#include <string.h>

static int send_bytes(void *self, const void *bytes, size_t length) {
    trpi_web_record record = {.code = TRPI_WEB_EVENT_SEND_BYTES, .id = (uint32_t)(uintptr_t)self};
    trpi_web_bytes_put(&trpi_web.out, record, bytes, length, NULL, 0);
    return trpi_web.out.failed ? TRP_ENOMEM : TRP_OK;
}

static void closed(uint32_t id, int error, const char *why) {
    trpi_web_record record = {.code = TRPI_WEB_EVENT_CLOSED, .id = id, .value = (uint32_t)error};
    trpi_web_bytes_put(&trpi_web.out, record, why, why == NULL ? 0 : strlen(why), NULL, 0);
}

static void on_close(void *self, int error, const char *why) {
    uint32_t id = (uint32_t)(uintptr_t)self;
    trpi_web_map_take(&trpi_web.sessions, id);
    closed(id, error, why);
}

static void on_state(void *arg, trp_session *session, trp_session_state state, const char *node,
                     int error, const char *why) {
    (void)session;
    trpi_web_record record = {.code = TRPI_WEB_EVENT_STATE,
                              .id = (uint32_t)(uintptr_t)arg,
                              .value = (uint32_t)state,
                              .extra = (uint32_t)error};
    trpi_web_bytes_put(&trpi_web.out, record, node, node == NULL ? 0 : strlen(node), why,
                       why == NULL ? 0 : strlen(why));
}

int trpi_web_session_open(trp_ctx *ctx, const trpi_web_view *op) {
    uint32_t id = op->record.id;
    uint32_t auth = op->record.extra & 255u;
    bool dialler = (op->record.extra & 256u) != 0;
    trp_transport transport = {.size = sizeof transport,
                               .self = (void *)(uintptr_t)id,
                               .send = send_bytes,
                               .close = on_close};
    trp_session_options options = {.size = sizeof options,
                                   .dialler = dialler,
                                   .auths = 1u << auth,
                                   .token = op->a,
                                   .token_length = op->record.a_length,
                                   .rights = op->record.value,
                                   .arg = (void *)(uintptr_t)id,
                                   .on_state = on_state};
    trp_session *session = NULL;
    int error = trp_session_open(ctx, &transport, &options, &session);
    if (error == TRP_OK) {
        error = trpi_web_map_put(&trpi_web.sessions, id, (uintptr_t)session);
        if (error != TRP_OK) {
            trp_session_close(session);
        }
    } else {
        closed(id, error, "the session could not be opened");
    }
    return error;
}

void trpi_web_session_do(const trpi_web_view *op) {
    trp_session *session = (trp_session *)trpi_web_map_get(&trpi_web.sessions, op->record.id);
    if (session == NULL) {
        return; /* it has ended meanwhile, and JavaScript will hear of it */
    }
    switch (op->record.code) {
    case TRPI_WEB_OP_RECEIVE:
        trp_session_receive(session, op->a, op->record.a_length);
        break;
    case TRPI_WEB_OP_LOST:
        trp_session_lost(session, (int)op->record.value);
        break;
    case TRPI_WEB_OP_WRITABLE:
        trp_session_writable(session, op->record.value != 0);
        break;
    case TRPI_WEB_OP_CLOSE:
        trp_session_close(session);
        break;
    default:
        trp_session_probe(session);
        break;
    }
}
