/*
 * What this node waits for from the other one: the blocks of requests and monitors, by their refs.
 */
#include "node/session.h"

#include "actor/entry.h"
#include "node/encode.h"
#include "troupe/error.h"

static trp_exit noconnection(void) {
    return trp_exit_make(TRP_EXIT_NOCONNECTION, TRP_ENOCONNECTION, NULL);
}

/* Ends one of them without an answer from the other node. */
static void settle(trp_session *session, trp_message *message, int code, const trp_exit *reason) {
    message->flags = 0;
    if (message->kind == TRPI_MONITOR) {
        trpi_discard(session->ctx, *trpi_watched(message), message, reason, code);
    } else {
        trpi_settle(session->ctx, message, code, reason);
    }
}

void trpi_waiting_add(trp_session *session, trp_message *message) {
    if (trpi_map_set(&session->waiting, message->ref, message) != 0) {
        trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, TRP_ENOMEM, NULL);
        settle(session, message, TRP_ENOMEM, &reason);
    }
}

trp_message *trpi_waiting_take(trp_session *session, trp_ref ref) {
    return trpi_map_remove(&session->waiting, ref);
}

static void emit_cancel(trp_session *session, trp_ref ref) {
    trpi_way way;
    trpi_session_way(session, &way);
    trpi_encoder encoder;
    trpi_encoder_init(&encoder, session->ctx, &way, 8);
    trpi_encode_number(&encoder, ref, 8);
    trp_message *frame;
    if (trpi_encoder_finish(&encoder, &frame) == 0) {
        trpi_session_emit(session, 0, TRPI_FRAME_CANCEL, frame);
    }
}

/* A removal moves later cells forward, so the same cell is looked at again after one. */
void trpi_waiting_sweep(trp_session *session) {
    trpi_map *map = &session->waiting;
    uint32_t i = 0;
    while (i < map->capacity) {
        trp_message *message = map->cells[i].value;
        if (message != NULL && message->kind == TRPI_REQUEST &&
            trpi_entry_find(session->ctx->runtime, message->ref) == NULL) {
            emit_cancel(session, message->ref);
            (void)trpi_map_remove(map, message->ref);
            trpi_message_free(&session->ctx->sched.pool, message);
        } else {
            i++;
        }
    }
}

void trpi_waiting_end(trp_session *session) {
    trp_exit reason = noconnection();
    trpi_map map = session->waiting;
    trpi_map_init(&session->waiting, map.host);
    for (uint32_t i = 0; i < map.capacity; i++) {
        if (map.cells[i].value != NULL) {
            settle(session, map.cells[i].value, TRP_ENOCONNECTION, &reason);
        }
    }
    trpi_map_deinit(&map);
}

void trpi_waiting_free(trp_session *session) {
    trpi_map *map = &session->waiting;
    for (uint32_t i = 0; i < map->capacity; i++) {
        if (map->cells[i].value != NULL) {
            trpi_message_free(&session->ctx->sched.pool, map->cells[i].value);
        }
    }
    trpi_map_deinit(map);
}
