/* Sending: from a message and a pid to a mailbox, or to the consequences of not getting there. */
#include "actor/actor.h"
#include "actor/entry.h"
#include "actor/room.h"
#include "message/pool_of.h"
#include "troupe/error.h"
#include "troupe/monitor.h"

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

int trp_send(trp_ctx *ctx, trp_pid to, trp_message *message) {
    if (message == NULL || !release_from_sender(ctx, &message)) {
        return TRP_ENOMEM;
    }
    normalise(message);
    return trpi_deliver(ctx, to, message);
}

/*
 * The node floor takes what it is given, so it is given a copy; an open request cannot be copied
 * and is only tried when a session is up.
 */
static int try_remote(trp_ctx *ctx, trp_pid to, trp_message *message) {
    if (!trp_is_alive(ctx, to)) {
        return TRP_ENOCONNECTION;
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

int trp_try_send(trp_ctx *ctx, trp_pid to, trp_message *message) {
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

bool trp_is_alive(trp_ctx *ctx, trp_pid pid) {
    if (trp_pid_is_local(pid)) {
        return trpi_actor_find(ctx->runtime, pid.index, pid.generation) != NULL;
    }
    return ctx->runtime->node_is_alive != NULL && ctx->runtime->node_is_alive(ctx, pid);
}

/* ---- taking and dropping ---- */

/*
 * Remembers that the running actor holds a message, so that its end frees it and answers a request.
 */
static bool hold(trp_ctx *ctx, trp_message *message) {
    trpi_side *side = trpi_actor_side(ctx, ctx->frame.actor);
    trpi_held *held = side == NULL ? NULL : trpi_pool_alloc(&ctx->sched.pool, sizeof *held);
    if (held == NULL) {
        return false;
    }
    held->message = message;
    held->next = side->held;
    held->pprev = &side->held;
    if (held->next != NULL) {
        held->next->pprev = &held->next;
    }
    side->held = held;
    return true;
}

void trpi_unhold(trp_ctx *ctx, trp_message *message) {
    if ((message->flags & TRPI_FLAG_TAKEN) == 0) {
        return;
    }
    trpi_held *held = trpi_load(&message->link.next, TRPI_RELAXED);
    *held->pprev = held->next;
    if (held->next != NULL) {
        held->next->pprev = held->pprev;
    }
    message->flags &= (uint8_t)~TRPI_FLAG_TAKEN;
    trpi_pool_free(&ctx->sched.pool, held, sizeof *held);
}

/* The runtime's own message, made for the occasion: what the actor keeps is a copy. */
static trp_message *take_scratch(trp_ctx *ctx, const trp_message *message) {
    trp_message *copy = trp_message_copy(ctx, message);
    if (copy != NULL) {
        copy->kind = message->kind;
        copy->ref = message->ref;
        ctx->frame.message = NULL;
    }
    return copy;
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

void trpi_leave_mailbox(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    if (ctx->frame.loose == message) {
        ctx->frame.loose = NULL;
    } else {
        trpi_mailbox_detach(&actor->mailbox, &message->link, trpi_is_shared(ctx));
    }
}

trp_message *trpi_take(trp_ctx *ctx, trp_message *message, bool is_kept) {
    if ((message->flags & TRPI_FLAG_STATIC) != 0) {
        return take_scratch(ctx, message);
    }
    trpi_actor *actor = ctx->frame.actor;
    trpi_held *newest = NULL;
    if (is_kept) {
        if (!hold(ctx, message)) {
            return NULL;
        }
        newest = actor->side->held;
    }
    trpi_uncount(ctx, actor, message);
    if (ctx->frame.loose != message) {
        /* Set while terminate runs: it is not first any more. */
        actor->flags &= (uint8_t)~TRPI_ACTOR_CONSUMED;
    }
    trpi_leave_mailbox(ctx, actor, message);
    ctx->frame.message = NULL;
    if (newest != NULL) {
        message->flags |= TRPI_FLAG_TAKEN;
        trpi_store(&message->link.next, newest, TRPI_RELAXED);
    }
    return message;
}

trp_message *trp_message_take(trp_ctx *ctx, trp_message *message) {
    return message == ctx->frame.message ? trpi_take(ctx, message, true) : message;
}

void trp_message_drop(trp_ctx *ctx, trp_message *message) {
    if (message == NULL) {
        return;
    }
    if (message == ctx->frame.message) {
        return; /* borrowed: the runtime frees it when the handler returns */
    }
    trpi_unhold(ctx, message);
    if (message->kind == TRPI_REQUEST) {
        trpi_settle(ctx, message, TRP_ECANCELED, NULL);
    } else {
        trpi_message_free(&ctx->sched.pool, message);
    }
}

trp_pid trp_message_from(trp_ctx *ctx, const trp_message *message) {
    if (message->kind != TRPI_REQUEST) {
        return TRP_PID_NONE;
    }
    trpi_entry *entry = trpi_entry_find(ctx->runtime, message->ref);
    if (entry == NULL) {
        return TRP_PID_NONE;
    }
    uint64_t owner = trpi_load(&entry->owner, TRPI_RELAXED);
    trp_pid from = {0, 0, (uint32_t)(owner >> 32), (uint32_t)owner};
    uint64_t peer_node = trpi_load(&entry->peer_node, TRPI_RELAXED);
    if ((peer_node & TRPI_PEER_IS_CALLER) != 0) {
        from = trpi_entry_peer(entry);
    }
    /* The entry may have been freed and used again while it was read: then its ref is another. */
    return trpi_load(&entry->ref, TRPI_ACQUIRE) == message->ref ? from : TRP_PID_NONE;
}

/* ---- what cannot be delivered ---- */

static void write_failure(trp_message *message, int code, const trp_exit *reason) {
    trpi_failure *failure = trpi_body(message);
    size_t room = message->capacity - TRPI_MESSAGE_HEADER - offsetof(trpi_failure, text);
    size_t length = reason == NULL ? 0 : strlen(reason->text);
    if (length >= room) {
        length = room - 1;
    }
    failure->code = code;
    failure->exit_kind = reason == NULL ? TRP_EXIT_ERROR : reason->kind;
    failure->exit_code = reason == NULL ? code : reason->code;
    if (length > 0) {
        memcpy(failure->text, reason->text, length);
    }
    failure->text[length] = '\0';
    message->length = (uint32_t)(offsetof(trpi_failure, text) + length + 1);
}

bool trpi_send_reply(trp_ctx *ctx, trp_message *reply) {
    trpi_entry *entry = trpi_entry_find(ctx->runtime, reply->ref);
    uint64_t owner = entry == NULL ? 0 : trpi_load(&entry->owner, TRPI_RELAXED);
    if (entry == NULL || trpi_load(&entry->ref, TRPI_ACQUIRE) != reply->ref) {
        trpi_message_free(&ctx->sched.pool, reply);
        return false;
    }
    trpi_actor *caller = trpi_table_at(&ctx->runtime->actors, (uint32_t)(owner >> 32));
    trpi_actor_push(ctx, caller, (uint32_t)owner, reply);
    return true;
}

void trpi_settle(trp_ctx *ctx, trp_message *request, int code, const trp_exit *reason) {
    if ((request->flags & TRPI_FLAG_SETTLED) != 0) {
        trpi_message_free(&ctx->sched.pool, request);
        return;
    }
    if ((request->flags & TRPI_FLAG_FAILED) != 0) {
        code = (int)(int64_t)request->tag;
        reason = NULL;
    }
    request->kind = TRPI_REPLY_ERROR;
    request->flags = 0;
    request->type = NULL;
    trpi_sign(ctx, request);
    write_failure(request, code, reason);
    (void)trpi_send_reply(ctx, request);
}

/* The MONITOR message goes back to its watcher as the DOWN message. */
static void send_down(trp_ctx *ctx, trp_pid target, trp_message *monitor, const trp_exit *reason) {
    trp_down *down = trpi_body(monitor);
    trp_pid watcher = down->pid;
    down->pid = target;
    down->reason = *reason;
    monitor->kind = TRPI_DOWN;
    monitor->flags = 0;
    (void)trpi_deliver(ctx, watcher, monitor);
}

static void dead_letter(trp_ctx *ctx, trp_pid to, const trp_message *message, int error) {
    trp_runtime *runtime = ctx->runtime;
    trpi_count(&ctx->dead_letters, 1);
    if (runtime->dead_letter != NULL) {
        runtime->dead_letter(runtime->dead_letter_arg, ctx, to, message, error);
    }
    if (runtime->host.trace != NULL) {
        trp_trace record = {TRP_TRACE_DEAD_LETTER, ctx->sched.index,
                            (uint64_t)to.index << 32 | to.generation, 0, (uint64_t)(int64_t)error};
        runtime->host.trace(runtime->host.self, &record);
    }
}

static int failure_code(int error, const trp_exit *reason) {
    return error == TRP_ENOPROC && reason->kind != TRP_EXIT_NOPROC ? TRP_EFAILED : error;
}

void trpi_discard(trp_ctx *ctx, trp_pid to, trp_message *message, const trp_exit *reason,
                  int error) {
    trp_exit noconnection;
    if ((message->flags & TRPI_FLAG_PROXY) != 0) { /* it lay in a session that has ended */
        noconnection = trp_exit_make(TRP_EXIT_NOCONNECTION, TRP_ENOCONNECTION, NULL);
        reason = &noconnection;
        error = TRP_ENOCONNECTION;
    }
    switch ((trpi_kind)message->kind) {
    case TRPI_REQUEST:
        if ((message->flags & TRPI_FLAG_SETTLED) == 0) {
            dead_letter(ctx, to, message, error);
        }
        trpi_settle(ctx, message, failure_code(error, reason), reason);
        return;
    case TRPI_MONITOR:
        send_down(ctx, to, message, reason);
        return;
    case TRPI_LINK:
        trpi_send_exit(ctx, message, to, reason);
        return;
    case TRPI_ROOM:
        trpi_settle(ctx, message, error, reason);
        return;
    case TRPI_TIMER:
    case TRPI_DEMONITOR:
        trpi_entry_free(ctx, trpi_entry_of_signal(message));
        return;
    case TRPI_PLAIN:
        dead_letter(ctx, to, message, error);
        break;
    case TRPI_REPLY:
        trpi_count(&ctx->late_replies, 1);
        break;
    case TRPI_REPLY_ERROR:
    case TRPI_STOP:
    case TRPI_KILL:
    case TRPI_DOWN:
    case TRPI_EXIT:
    case TRPI_UNLINK:
    case TRPI_UNLINK_ACK:
    case TRPI_CALL:
    case TRPI_STUB:
        break;
    }
    trpi_message_free(&ctx->sched.pool, message);
}
