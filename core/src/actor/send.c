/* Sending: from a message and a pid to a mailbox, or to the consequences of not getting there. */
#include "actor/actor.h"
#include "actor/entry.h"
#include "actor/room.h"
#include "base/rare.h"
#include "troupe/error.h"

#include <string.h>

/*
 * In mailboxes with the default limit only every 16th message is counted, as 16: the bound is a
 * guard, not a quota.
 */
enum { SAMPLE = 16 };

trpi_side *trpi_actor_side(trp_ctx *ctx, trpi_actor *actor) {
    if (actor->side == NULL) {
        trpi_side *side = trpi_pool_alloc(&ctx->sched.pool, sizeof *side);
        if (side != NULL) {
            memset(side, 0, sizeof *side);
        }
        actor->side = side;
    }
    return actor->side;
}

void trpi_actor_schedule(trp_ctx *ctx, trpi_actor *actor) {
    if (actor->pin != TRPI_NOT_PINNED && actor->pin != ctx->sched.index) {
        trpi_sched_inject(&ctx->runtime->group, actor->pin, &actor->task);
    } else if (ctx->frame.actor != NULL) {
        trpi_sched_ready_next(&ctx->sched, &actor->task);
    } else {
        trpi_sched_ready(&ctx->sched, &actor->task);
    }
}

void trpi_actor_push(trp_ctx *ctx, trpi_actor *actor, uint32_t generation, trp_message *message) {
    message->generation = generation;
    if (trpi_mailbox_push(&actor->mailbox, &message->link, trpi_is_shared(ctx))) {
        trpi_actor_schedule(ctx, actor);
    }
}

/* What to do with a message at the door of a mailbox. */
typedef enum entrance { ENTER, ENTER_AND_MUTE, DROP, REFUSE } entrance;

static entrance entrance_when_full(uint32_t limit) {
    switch (trpi_policy_of(limit)) {
    case TRP_MAILBOX_DROP_NEWEST:
        return DROP;
    case TRP_MAILBOX_DROP_OLDEST:
        return ENTER; /* the receiver trims */
    case TRP_MAILBOX_SUSPEND:
        return ENTER_AND_MUTE;
    case TRP_MAILBOX_REJECT:
        break;
    }
    return REFUSE;
}

/* Takes what a message counts for, by its flags, out of the mailbox it was counted in. */
static void give_back(trpi_actor *actor, uint8_t counted) {
    if (counted != 0) {
        uint32_t weight = (counted & TRPI_FLAG_COUNTED_ONE) != 0 ? 1 : SAMPLE;
        trpi_add_u32(&actor->waiting, (uint32_t) - (int32_t)weight, TRPI_RELAXED);
    }
}

/*
 * Counts one message in, if there is room or the mailbox's policy finds some; `*counted`: the flag
 * for it.
 */
static entrance count_in(trp_ctx *ctx, trpi_actor *actor, uint8_t *counted) {
    uint32_t limit = trpi_load(&actor->limit, TRPI_RELAXED);
    uint32_t weight = 1;
    entrance decision = ENTER;
    *counted = 0;
    if ((limit & TRPI_LIMIT_EXACT) == 0) {
        if (ctx->sample_left-- != 0) {
            return ENTER;
        }
        ctx->sample_left = SAMPLE - 1;
        weight = SAMPLE;
    }
    /* Relaxed: a number and nothing else. */
    if (trpi_add_u32(&actor->waiting, weight, TRPI_RELAXED) >= trpi_limit_of(limit)) {
        decision = entrance_when_full(limit);
    }
    if (decision == REFUSE || decision == DROP) {
        trpi_add_u32(&actor->waiting, (uint32_t) - (int32_t)weight, TRPI_RELAXED);
        return decision;
    }
    *counted = weight == 1 ? TRPI_FLAG_COUNTED_ONE : TRPI_FLAG_COUNTED;
    return decision;
}

/*
 * Gives a borrowed or held message up to whoever gets it next. False if it is the runtime's own and
 * no memory for a copy is there.
 */
static bool release_from_sender(trp_ctx *ctx, trp_message **message) {
    if (*message == ctx->frame.message) {
        trp_message *taken = trpi_take(ctx, *message, false);
        if (taken == NULL) {
            return false;
        }
        *message = taken;
    }
    trpi_unhold(ctx, *message);
    return true;
}

/* A sent message is plain, or a request that is passed on unanswered. */
static void normalise(trp_message *message) {
    if (!trpi_is_open_request(message)) {
        message->kind = TRPI_PLAIN;
        message->ref = 0;
    }
    message->flags = 0;
}

/* 0 if `actor` takes messages for that generation, else why not. */
static int check_open(trpi_actor *actor, uint32_t generation) {
    if (actor == NULL) {
        return TRP_ENOPROC;
    }
    return trpi_load(&actor->closed, TRPI_RELAXED) == generation ? TRP_ECLOSED : 0;
}

/* Lets a message in, or drops it, as was decided when it was counted. */
static inline void enter(trp_ctx *ctx, trpi_actor *actor, trp_pid to, trp_message *message,
                         entrance decision, uint8_t counted) {
    if (decision == DROP) {
        trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, TRP_EFULL, "dropped by a full mailbox");
        trpi_discard(ctx, to, message, &reason, TRP_EFULL);
        return;
    }
    message->flags |= counted;
    trpi_actor_push(ctx, actor, to.generation, message);
    if (decision == ENTER_AND_MUTE) {
        trpi_room_ask(ctx, to);
    }
}

static int try_local(trp_ctx *ctx, trp_pid to, trp_message *message) {
    trpi_actor *actor = trpi_actor_find(ctx->runtime, to.index, to.generation);
    int error = check_open(actor, to.generation);
    if (error != 0) {
        return error;
    }
    uint8_t counted;
    entrance decision = count_in(ctx, actor, &counted);
    if (decision == REFUSE) {
        return TRP_EFULL;
    }
    enter(ctx, actor, to, message, decision, counted);
    return 0;
}

static int route(trp_ctx *ctx, trp_pid to, trp_message *message) {
    if (ctx->runtime->route != NULL) {
        return ctx->runtime->route(ctx, to, message);
    }
    trp_exit reason = trp_exit_make(TRP_EXIT_NOCONNECTION, TRP_ENOCONNECTION, NULL);
    trpi_discard(ctx, to, message, &reason, TRP_ENOCONNECTION);
    return TRP_ENOCONNECTION;
}

static trp_exit reason_of(int error) {
    return trp_exit_make(error == TRP_ENOPROC ? TRP_EXIT_NOPROC : TRP_EXIT_ERROR, error, NULL);
}

int trpi_deliver(trp_ctx *ctx, trp_pid to, trp_message *message) {
    if (!trp_pid_is_local(to)) {
        return route(ctx, to, message);
    }
    int error = TRP_ENOPROC;
    if (message->kind == TRPI_PLAIN || message->kind == TRPI_REQUEST) {
        error = try_local(ctx, to, message);
    } else {
        trpi_actor *actor = trpi_actor_find(ctx->runtime, to.index, to.generation);
        if (actor != NULL) {
            trpi_actor_push(ctx, actor, to.generation, message);
            return 0;
        }
    }
    if (error != 0) {
        trp_exit reason = reason_of(error);
        trpi_discard(ctx, to, message, &reason, error);
    }
    return error;
}

static TRPI_RARE int send_any(trp_ctx *ctx, trp_pid to, trp_message *message) {
    if (message == NULL || !release_from_sender(ctx, &message)) {
        return TRP_ENOMEM;
    }
    normalise(message);
    return trpi_deliver(ctx, to, message);
}

/* True if an actor takes a plain message of the running one, and nobody has to count it. */
static inline bool is_open(trp_ctx *ctx, trpi_actor *actor, uint32_t generation) {
    return actor != NULL && trpi_load(&actor->closed, TRPI_RELAXED) != generation &&
           (trpi_load(&actor->limit, TRPI_RELAXED) & TRPI_LIMIT_EXACT) == 0 &&
           ctx->sample_left != 0 && ctx->frame.actor != NULL;
}

/* The straight path: a message of the sender's own to an actor here. */
int trp_send(trp_ctx *ctx, trp_pid to, trp_message *message) {
    if (!TRPI_USUALLY(message != NULL && message != ctx->frame.message && trp_pid_is_local(to) &&
                      message->kind == TRPI_PLAIN && message->flags == 0)) {
        return send_any(ctx, to, message);
    }
    trpi_actor *actor = trpi_actor_find(ctx->runtime, to.index, to.generation);
    if (!TRPI_USUALLY(is_open(ctx, actor, to.generation))) {
        return send_any(ctx, to, message);
    }
    ctx->sample_left--;
    message->generation = to.generation;
    if (trpi_mailbox_push(&actor->mailbox, &message->link, trpi_is_shared(ctx))) {
        if (!TRPI_USUALLY(actor->pin == TRPI_NOT_PINNED)) {
            trpi_actor_schedule(ctx, actor);
        } else {
            trpi_sched_ready_next(&ctx->sched, &actor->task);
        }
    }
    return 0;
}

/*
 * The node floor takes what it is given, so it is given a copy; an open request cannot be copied
 * and is only tried when a session is up.
 */
static int try_remote(trp_ctx *ctx, trp_pid to, trp_message *message) {
    if (!trp_is_alive(ctx, to)) {
        return TRP_ENOCONNECTION;
    }
    if (trpi_message_carries(message)) {
        return TRP_ENOTSUP;
    }
    trp_message *copy = trp_message_copy(ctx, message);
    if (copy == NULL) {
        return TRP_ENOMEM;
    }
    int error = route(ctx, to, copy);
    if (error == 0) {
        trp_message_drop(ctx, message);
    }
    return error;
}

/* A plain message stays as it was when it is refused. */
static int try_plain(trp_ctx *ctx, trp_pid to, trp_message *message) {
    trpi_actor *actor = trpi_actor_find(ctx->runtime, to.index, to.generation);
    int error = check_open(actor, to.generation);
    if (error != 0) {
        return error;
    }
    /* Its place is taken before it leaves its owner, so a refusal finds it as it was. */
    uint8_t counted;
    entrance decision = count_in(ctx, actor, &counted);
    if (decision == REFUSE) {
        return TRP_EFULL;
    }
    if (!release_from_sender(ctx, &message)) {
        give_back(actor, counted);
        return TRP_ENOMEM;
    }
    normalise(message);
    enter(ctx, actor, to, message, decision, counted);
    return 0;
}

TRPI_RARE int trp_try_send(trp_ctx *ctx, trp_pid to, trp_message *message) {
    if (message == NULL) {
        return TRP_ENOMEM;
    }
    if (!trpi_is_open_request(message)) {
        return trp_pid_is_local(to) ? try_plain(ctx, to, message) : try_remote(ctx, to, message);
    }
    if (!trp_is_alive(ctx, to)) {
        return trp_pid_is_local(to) ? TRP_ENOPROC : TRP_ENOCONNECTION;
    }
    trpi_actor *actor =
        trp_pid_is_local(to) ? trpi_actor_find(ctx->runtime, to.index, to.generation) : NULL;
    if (actor != NULL && trpi_load(&actor->waiting, TRPI_RELAXED) >=
                             trpi_limit_of(trpi_load(&actor->limit, TRPI_RELAXED))) {
        return TRP_EFULL;
    }
    return trp_send(ctx, to, message);
}

TRPI_RARE bool trp_is_alive(trp_ctx *ctx, trp_pid pid) {
    if (trp_pid_is_local(pid)) {
        return trpi_actor_find(ctx->runtime, pid.index, pid.generation) != NULL;
    }
    return ctx->runtime->node_is_alive != NULL && ctx->runtime->node_is_alive(ctx, pid);
}

bool trpi_send_reply(trp_ctx *ctx, trp_message *reply) {
    trpi_entry *entry = trpi_entry_find(ctx->runtime, reply->ref);
    uint64_t owner = entry == NULL ? 0 : trpi_load(&entry->owner, TRPI_RELAXED);
    if (entry == NULL || trpi_load(&entry->ref, TRPI_ACQUIRE) != reply->ref) {
        trpi_message_free(&ctx->sched.pool, reply);
        return false;
    }
    const trpi_actor *replier = ctx->frame.actor;
    reply->reserved = replier == NULL ? 0 : (uint16_t)(replier->slot.index | TRPI_SIGNED);
    trpi_actor *caller = trpi_table_at(&ctx->runtime->actors, (uint32_t)(owner >> 32));
    trpi_actor_push(ctx, caller, (uint32_t)owner, reply);
    return true;
}

void trpi_give_back_count(trpi_actor *actor, trp_message *message) {
    give_back(actor, message->flags & TRPI_FLAGS_COUNTED);
    message->flags &= (uint8_t)~TRPI_FLAGS_COUNTED;
}

void trpi_uncount(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    if ((message->flags & TRPI_FLAGS_COUNTED) != 0) {
        trpi_give_back_count(actor, message);
        trpi_room_check(ctx, actor);
    }
}
