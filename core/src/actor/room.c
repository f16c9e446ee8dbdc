/* Room in mailboxes; the design is told in room.h. */
#include "actor/room.h"

#include "actor/entry.h"
#include "actor/routine.h"
#include "actor/stash.h"

static bool has_room(const trpi_actor *actor) {
    uint32_t limit = trpi_limit_of(trpi_load(&actor->limit, TRPI_RELAXED));
    return trpi_load(&actor->waiting, TRPI_RELAXED) <= limit / 2;
}

void trpi_room_answer(trp_ctx *ctx, trp_message *question) {
    question->kind = TRPI_REPLY;
    (void)trpi_send_reply(ctx, question);
}

/* The entry and the stash that muting needs; false when out of memory. */
static bool prepare(trp_ctx *ctx, trpi_entry **entry, trpi_stash **stash, trp_message **question) {
    *stash = trpi_stash_of(ctx, ctx->frame.actor);
    *question = *stash == NULL ? NULL : trpi_message_alloc(&ctx->sched.pool, 0);
    if (*question == NULL) {
        return false;
    }
    *entry = trpi_entry_new(ctx, TRPI_ENTRY_REQUEST);
    if (*entry == NULL) {
        trpi_message_free(&ctx->sched.pool, *question);
        return false;
    }
    return true;
}

trp_message *trpi_room_question(trp_ctx *ctx, trp_pid to) {
    trpi_actor *actor = ctx->frame.actor;
    bool is_muted = actor != NULL && actor->side != NULL && actor->side->stash != NULL &&
                    trpi_stash_muted_by(actor->side->stash) != 0;
    if (actor == NULL || is_muted || trp_pid_equal(to, trp_self(ctx))) {
        return NULL;
    }
    trpi_entry *entry;
    trpi_stash *stash;
    trp_message *question;
    if (!prepare(ctx, &entry, &stash, &question)) {
        return NULL;
    }
    question->kind = TRPI_ROOM;
    question->ref = trpi_load(&entry->ref, TRPI_RELAXED);
    trpi_stash_mute(stash, question->ref);
    return question;
}

void trpi_room_ask(trp_ctx *ctx, trp_pid to) {
    trp_message *question = trpi_room_question(ctx, to);
    if (question != NULL) {
        (void)trpi_deliver(ctx, to, question);
        trpi_routine_pause(ctx);
    }
}

void trpi_room_asked(trp_ctx *ctx, trpi_actor *actor, trp_message *question) {
    trpi_side *side = has_room(actor) ? NULL : trpi_actor_side(ctx, actor);
    if (side == NULL) {
        trpi_room_answer(ctx, question);
        return;
    }
    trpi_store(&question->link.next, side->room_asked, TRPI_RELAXED);
    side->room_asked = question;
}

void trpi_room_end(trp_ctx *ctx, trpi_side *side) {
    trp_message *question = side->room_asked;
    side->room_asked = NULL;
    while (question != NULL) {
        trp_message *next = trpi_load(&question->link.next, TRPI_RELAXED);
        trpi_room_answer(ctx, question);
        question = next;
    }
}

void trpi_room_check(trp_ctx *ctx, trpi_actor *actor) {
    if (actor->side != NULL && actor->side->room_asked != NULL && has_room(actor)) {
        trpi_room_end(ctx, actor->side);
    }
}

bool trpi_room_granted(trp_ctx *ctx, trpi_actor *actor, trp_ref ref) {
    trpi_stash *stash = actor->side == NULL ? NULL : actor->side->stash;
    if (stash == NULL || trpi_stash_muted_by(stash) != ref) {
        return false;
    }
    trpi_entry *entry = trpi_entry_of(ctx, actor, ref);
    if (entry != NULL) {
        trpi_entry_release(ctx, entry);
    }
    trpi_stash_mute(stash, 0);
    trpi_routine_resume(ctx, actor);
    return true;
}
