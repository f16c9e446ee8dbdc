/*
 * Running an actor: its messages one by one, each by what it is, until the mailbox is empty, the
 * batch is used up or the actor ends.
 *
 * A message is handled while it is still first in the mailbox (mailbox.h) and disposed of when the
 * mailbox has left it behind. If the handler takes it, it leaves the mailbox at once and
 * frame.message is NULL.
 *
 * Nearly every message goes the straight path (run_one): it is for the handler, and its actor is
 * in no special state. Everything else is out of line, so that it costs that path nothing.
 */
#include "actor/actor.h"
#include "actor/entry.h"
#include "actor/stash.h"
#include "base/rare.h"
#include "troupe/error.h"
#include "troupe/link.h"

/* An actor that handles events first handles so many before it looks at a message again. */
enum { EVENTS_IN_A_ROW = 16 };

static trp_message *message_of(trpi_link *link) {
    return (trp_message *)(void *)link;
}

/* A message meant for an earlier tenant of this block. */
static void on_stale(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    trp_exit reason = trp_exit_make(TRP_EXIT_NOPROC, TRP_ENOPROC, NULL);
    trp_pid to = {0, 0, actor->slot.index, message->generation};
    trpi_give_back_count(actor, message);
    trpi_mailbox_detach(&actor->mailbox, &message->link, trpi_is_shared(ctx));
    trpi_discard(ctx, to, message, &reason, TRP_ENOPROC);
}

/* What becomes of a turn of an actor after one message. */
typedef enum outcome {
    GOES_ON,  /* there is another one */
    HAS_LEFT, /* the mailbox is empty, and the actor no longer the caller's */
    STAYS,    /* comes back later: a producer is busy, or a routine has given way */
    HAS_ENDED /* so is the actor */
} outcome;

/* Leaves `link` behind and pays what is owed to it. */
static outcome leave(trp_ctx *ctx, trpi_actor *actor, trpi_link *link, trpi_owes owes) {
    trp_message *message = link == &actor->mailbox.stub ? NULL : message_of(link);
    if (message != NULL && (message->flags & TRPI_FLAGS_COUNTED) != 0) {
        trpi_uncount(ctx, actor, message);
    }
    trpi_advance advance = trpi_mailbox_advance(&actor->mailbox, link, trpi_is_shared(ctx));
    if (advance == TRPI_BUSY) {
        actor->flags |= TRPI_ACTOR_CONSUMED;
        if (message != NULL) {
            message->reserved = (uint16_t)owes;
        }
        return STAYS;
    }
    if (message != NULL) {
        trpi_actor_dispose(ctx, message, owes);
    }
    return advance == TRPI_PARKED ? HAS_LEFT : GOES_ON;
}

/* Behind a message that has left the mailbox: on with the batch, unless a routine has given way. */
static outcome go_on(trp_ctx *ctx) {
    bool is_yielding = ctx->frame.is_yielding;
    ctx->frame.is_yielding = false;
    return is_yielding ? STAYS : GOES_ON;
}

/* The actor ends for the reason in the frame, which is over with it. */
static void end_now(trp_ctx *ctx, trpi_actor *actor) {
    trp_exit reason = ctx->frame.ending;
    ctx->frame.is_ending = false;
    trpi_actor_end(ctx, actor, &reason, reason.kind != TRP_EXIT_KILLED);
}

/* Handles a message of the stash, which is in no mailbox. False: the actor has ended. */
static bool run_loose(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    ctx->frame.message = NULL;
    ctx->frame.first = NULL;
    ctx->frame.loose = message;
    trpi_uncount(ctx, actor, message);
    trpi_owes owes = trpi_actor_dispatch(ctx, actor, message);
    message = ctx->frame.loose; /* NULL if it was taken */
    ctx->frame.loose = NULL;
    if (!ctx->frame.is_ending) {
        if (message != NULL) {
            trpi_actor_dispose(ctx, message, owes);
        }
        return true;
    }
    if (message != NULL) {
        message->reserved = (uint16_t)owes;
        trpi_actor_dispose_last(ctx, message, &ctx->frame.ending);
    }
    ctx->frame.message = NULL;
    end_now(ctx, actor);
    return false;
}

/* True for what a filter is about; everything else acts when it is reached. */
static bool is_filterable(const trp_message *message) {
    if ((message->flags & TRPI_FLAG_PROXY) != 0) {
        return false;
    }
    switch ((trpi_kind)message->kind) {
    case TRPI_PLAIN:
    case TRPI_REQUEST:
    case TRPI_REPLY:
    case TRPI_REPLY_ERROR:
    case TRPI_DOWN:
        return true;
    case TRPI_TIMER: {
        const trpi_entry *entry = (const trpi_entry *)(const void *)((const char *)message -
                                                                     offsetof(trpi_entry, signal));
        return entry->kind != TRPI_ENTRY_SEND_AFTER;
    }
    default:
        return false;
    }
}

/* Puts the first message of the mailbox aside if the filter does not let it through. */
static bool put_aside(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    trpi_stash *stash = actor->side->stash;
    trpi_key key = trpi_key_of(message);
    bool must_wait = (actor->flags & TRPI_ACTOR_EVENTS_FIRST) != 0 &&
                     message->kind <= TRPI_REQUEST && message->type != &trp_exited_type;
    if (!is_filterable(message) ||
        (!must_wait &&
         trpi_stash_admits(stash, key, (actor->flags & TRPI_ACTOR_EVENTS_FIRST) != 0))) {
        return false;
    }
    trpi_mailbox_detach(&actor->mailbox, &message->link, trpi_is_shared(ctx));
    trpi_stash_add(ctx, stash, message, key);
    return true;
}

/* A mailbox that drops its oldest is over its limit: this is the oldest. */
static bool is_too_much(const trpi_actor *actor, const trp_message *message) {
    uint32_t limit = trpi_load(&actor->limit, TRPI_RELAXED);
    return (actor->flags & TRPI_ACTOR_DROPS_OLDEST) != 0 && message->kind <= TRPI_REQUEST &&
           trpi_load(&actor->waiting, TRPI_RELAXED) > trpi_limit_of(limit);
}

static void drop_oldest(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, TRP_EFULL, "dropped by a full mailbox");
    trp_pid self = trpi_actor_pid(actor);
    trpi_uncount(ctx, actor, message);
    trpi_mailbox_detach(&actor->mailbox, &message->link, trpi_is_shared(ctx));
    trpi_discard(ctx, self, message, &reason, TRP_EFULL);
}

/* Handles the first message of the mailbox. `*has_left`: it is out of it, handled or put aside. */
static trpi_owes handle_first(trp_ctx *ctx, trpi_actor *actor, trpi_link *link, bool *has_left) {
    trp_message *message = message_of(link);
    *has_left = false;
    if (message->generation != trpi_load(&actor->generation, TRPI_RELAXED)) {
        on_stale(ctx, actor, message);
        *has_left = true;
        return TRPI_OWES_NOTHING;
    }
    if (is_too_much(actor, message)) {
        drop_oldest(ctx, actor, message);
        *has_left = true;
        return TRPI_OWES_NOTHING;
    }
    bool is_trapped = message->kind == TRPI_EXIT && (actor->flags & TRPI_ACTOR_TRAPS) != 0;
    if (is_trapped && !trpi_on_exit(ctx, actor, message)) {
        return TRPI_OWES_FREE;
    }
    if ((actor->flags & TRPI_ACTOR_STASHES) != 0 && put_aside(ctx, actor, message)) {
        *has_left = true;
        return TRPI_OWES_NOTHING;
    }
    return trpi_actor_dispatch(ctx, actor, message);
}

static bool has_more_in_stash(const trpi_actor *actor) {
    return (actor->flags & TRPI_ACTOR_STASHES) != 0 && trpi_stash_has_next(actor->side->stash);
}

/*
 * Leaves the message behind while something of the stash can be handled: the mailbox must not be
 * left then, so the stub takes the message's place.
 */
static TRPI_RARE void leave_for_stash(trp_ctx *ctx, trpi_actor *actor, trp_message *message,
                                      trpi_owes owes) {
    trpi_uncount(ctx, actor, message);
    trpi_mailbox_detach(&actor->mailbox, &message->link, trpi_is_shared(ctx));
    trpi_actor_dispose(ctx, message, owes);
}

/* One message of the mailbox, and on to the next. */
static outcome run_first(trp_ctx *ctx, trpi_actor *actor) {
    trpi_link *link = actor->mailbox.first;
    trpi_owes owes = TRPI_OWES_NOTHING;
    bool is_stub = link == &actor->mailbox.stub;
    bool has_left = false;
    ctx->frame.message = NULL;
    ctx->frame.first = link;
    if ((actor->flags & TRPI_ACTOR_CONSUMED) != 0) {
        actor->flags &= (uint8_t)~TRPI_ACTOR_CONSUMED;
        owes = is_stub ? TRPI_OWES_NOTHING : (trpi_owes)message_of(link)->reserved;
    } else if (!is_stub) {
        owes = handle_first(ctx, actor, link, &has_left);
    }
    has_left = has_left || actor->mailbox.first != link; /* taken, or a signal that had to leave */
    if (ctx->frame.is_ending) {
        if (!has_left && !is_stub) {
            message_of(link)->reserved = (uint16_t)owes;
            actor->flags |= TRPI_ACTOR_CONSUMED;
        }
        end_now(ctx, actor);
        return HAS_ENDED;
    }
    if (!has_left && !is_stub && has_more_in_stash(actor)) {
        leave_for_stash(ctx, actor, message_of(link), owes);
        has_left = true;
    }
    return has_left ? go_on(ctx) : leave(ctx, actor, link, owes);
}

/*
 * True if the mailbox is to be looked through for events before a message that waits is handled.
 * Not for ever: a flood of events must not starve the messages.
 */
static bool looks_for_events(trpi_actor *actor) {
    if ((actor->flags & TRPI_ACTOR_EVENTS_FIRST) == 0 || actor->events >= EVENTS_IN_A_ROW) {
        actor->events = 0;
        return false;
    }
    trpi_link *first = actor->mailbox.first;
    actor->events++;
    return first != &actor->mailbox.stub || trpi_mailbox_next(first) != NULL;
}

/* One message of an actor in whatever state, from the stash if that has one that is due. */
static TRPI_RARE outcome run_any(trp_ctx *ctx, trpi_actor *actor) {
    if ((actor->flags & TRPI_ACTOR_STASHES) != 0 && !looks_for_events(actor)) {
        trpi_stash *stash = actor->side->stash;
        trp_message *message = trpi_stash_next(ctx, stash);
        if (message != NULL) {
            return run_loose(ctx, actor, message) ? go_on(ctx) : HAS_ENDED;
        }
        bool is_needed = (actor->flags & TRPI_ACTOR_EVENTS_FIRST) != 0;
        if (!is_needed && trpi_stash_is_idle(stash)) {
            actor->flags &= (uint8_t)~TRPI_ACTOR_STASHES;
        }
    }
    return run_first(ctx, actor);
}

/*
 * True if the first message needs nothing but to be handled and freed. Only then may it be read: a
 * stub is no message.
 */
static inline bool is_plain(const trp_ctx *ctx, const trpi_actor *actor,
                            const trp_message *message) {
    enum { SPECIAL = TRPI_ACTOR_CONSUMED | TRPI_ACTOR_STASHES | TRPI_ACTOR_DROPS_OLDEST };
    return (actor->flags & SPECIAL) == 0 && &message->link != &actor->mailbox.stub &&
           message->kind <= TRPI_REQUEST && (message->flags & TRPI_FLAG_PROXY) == 0 &&
           message->generation == trpi_load(&actor->generation, TRPI_RELAXED) && !ctx->is_traced;
}

/* Behind a plain message whose handler did more than handle it. */
static TRPI_RARE outcome leave_plain(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    bool is_first = actor->mailbox.first == &message->link;
    if (ctx->frame.is_ending) {
        if (is_first) {
            message->reserved = TRPI_OWES_FREE;
            actor->flags |= TRPI_ACTOR_CONSUMED;
        }
        end_now(ctx, actor);
        return HAS_ENDED;
    }
    if (!is_first) { /* it was taken */
        return go_on(ctx);
    }
    if (has_more_in_stash(actor)) {
        leave_for_stash(ctx, actor, message, TRPI_OWES_FREE);
        return go_on(ctx);
    }
    return leave(ctx, actor, &message->link, TRPI_OWES_FREE);
}

/* A producer is between its two steps: the message stays until the next one is linked. */
static TRPI_RARE outcome leave_busy(trpi_actor *actor, trp_message *message) {
    message->reserved = TRPI_OWES_FREE;
    actor->flags |= TRPI_ACTOR_CONSUMED;
    return STAYS;
}

/* True if nobody waits for what becomes of a message, nor counts it: only its block is freed. */
static inline bool is_over(const trp_message *message) {
    return ((message->kind == TRPI_PLAIN && message->flags == 0) ||
            (message->kind == TRPI_REQUEST && message->flags == TRPI_FLAG_SETTLED)) &&
           !trpi_message_carries(message);
}

/* One message, by the straight path if it may go there. */
static inline outcome run_one(trp_ctx *ctx, trpi_actor *actor) {
    trpi_link *link = actor->mailbox.first;
    trp_message *message = message_of(link);
    if (!TRPI_USUALLY(is_plain(ctx, actor, message))) {
        return run_any(ctx, actor);
    }
    ctx->frame.first = link;
    ctx->frame.message = message;
    actor->behaviour->handle(ctx, trpi_actor_state(actor), message);
    /* If it is not first any more it was taken, and may be gone: then it is not looked at. */
    if (!TRPI_USUALLY(actor->mailbox.first == link && !ctx->frame.is_ending &&
                      (actor->flags & TRPI_ACTOR_STASHES) == 0 && is_over(message))) {
        return leave_plain(ctx, actor, message);
    }
    trpi_advance advance = trpi_mailbox_advance(&actor->mailbox, link, trpi_is_shared(ctx));
    if (!TRPI_USUALLY(advance != TRPI_BUSY)) {
        return leave_busy(actor, message);
    }
    trpi_pool_put(&ctx->sched.pool, message, message->capacity);
    return advance == TRPI_PARKED ? HAS_LEFT : GOES_ON;
}

static bool is_killed(const trpi_actor *actor) {
    return trpi_load(&actor->kill, TRPI_RELAXED) == trpi_load(&actor->generation, TRPI_RELAXED);
}

static TRPI_RARE outcome end_killed(trp_ctx *ctx, trpi_actor *actor) {
    trp_exit killed = trp_exit_make(TRP_EXIT_KILLED, 0, NULL);
    trpi_actor_end(ctx, actor, &killed, false);
    return HAS_ENDED;
}

/* A block without an actor, or one whose actor lives on another scheduler. */
static TRPI_RARE uint32_t run_stray(trp_ctx *ctx, trpi_actor *actor) {
    if ((trpi_load(&actor->generation, TRPI_RELAXED) & 1) == 0) {
        trp_exit reason = trp_exit_make(TRP_EXIT_NOPROC, TRP_ENOPROC, NULL);
        trpi_actor_drain(ctx, actor, &reason);
        return 1;
    }
    /* Stolen with the rest of a queue: it goes home. */
    trpi_sched_inject(&ctx->runtime->group, actor->pin, &actor->task);
    return 0;
}

uint32_t trpi_actor_run(trpi_scheduler *sched, trpi_task *task) {
    trp_ctx *ctx = (trp_ctx *)(void *)sched;
    trpi_actor *actor = trpi_actor_of_task(task);
    bool is_here = actor->pin == TRPI_NOT_PINNED || actor->pin == ctx->sched.index;
    if (!TRPI_USUALLY((trpi_load(&actor->generation, TRPI_RELAXED) & 1) != 0 && is_here)) {
        return run_stray(ctx, actor);
    }
    ctx->frame.actor = actor;
    ctx->frame.is_ending = false;
    uint32_t count = 0;
    outcome became;
    do {
        if (!TRPI_USUALLY(!is_killed(actor))) {
            became = end_killed(ctx, actor);
            break;
        }
        count++;
        became = run_one(ctx, actor);
    } while (became == GOES_ON && count < sched->batch);
    ctx->frame.actor = NULL;
    ctx->frame.message = NULL;
    if (became == GOES_ON || became == STAYS) {
        trpi_sched_ready(sched, task);
    }
    trpi_count(&ctx->delivered, count);
    return count;
}
