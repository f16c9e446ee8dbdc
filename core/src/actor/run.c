/*
 * Running an actor: its messages one by one, each by what it is, until the mailbox is empty, the
 * batch is used up or the actor ends.
 *
 * A message is handled while it is still first in the mailbox (mailbox.h) and disposed of when the
 * mailbox has left it behind. If the handler takes it, it leaves the mailbox at once and
 * frame.message is NULL.
 *
 * Nearly every message goes the straight path (run_plain): it is for the handler, and its actor is
 * in no special state. Everything else is out of line, so that it costs that path nothing.
 */
#include "actor/actor.h"
#include "actor/entry.h"
#include "actor/room.h"
#include "actor/stash.h"
#include "base/rare.h"
#include "troupe/error.h"
#include "troupe/link.h"
#include "troupe/monitor.h"

#include <string.h>

/* An actor that handles events first handles so many before it looks at a message again. */
enum { EVENTS_IN_A_ROW = 16 };

static trp_message *message_of(trpi_link *link) {
    return (trp_message *)(void *)link;
}

static void trace_deliver(trp_ctx *ctx, trpi_actor *actor, const trp_message *message) {
    trp_pid pid = trpi_actor_pid(actor);
    trp_trace record = {TRP_TRACE_DELIVER, ctx->sched.index,
                        (uint64_t)pid.index << 32 | pid.generation, 0,
                        message->type != NULL ? trp_type_hash(message->type) : message->tag};
    ctx->runtime->host.trace(ctx->runtime->host.self, &record);
}

/* Lends a message to the handler. What is lent must be what ctx->frame.message says. */
static inline void lend(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    ctx->frame.message = message;
    if (ctx->runtime->host.trace != NULL) {
        trace_deliver(ctx, actor, message);
    }
    actor->behaviour->handle(ctx, trpi_actor_state(actor), message);
}

/* Makes the scratch message: `size` bytes of body, which the caller has written. */
static trp_message *scratch(trp_ctx *ctx, trpi_kind kind, const trp_type *type, trp_ref ref) {
    trp_message *message = &ctx->scratch.message;
    memset(message, 0, sizeof *message);
    message->kind = (uint8_t)kind;
    message->flags = TRPI_FLAG_STATIC;
    message->type = type;
    message->ref = ref;
    message->length = type->size;
    message->capacity = sizeof ctx->scratch;
    return message;
}

static void lend_error(trp_ctx *ctx, trpi_actor *actor, trp_ref ref, int code,
                       const trp_exit *reason) {
    trp_request_error *error = &ctx->scratch.body.error;
    memset(error, 0, sizeof *error);
    error->code = code;
    error->reason = *reason;
    lend(ctx, actor, scratch(ctx, TRPI_REPLY_ERROR, &trp_request_error_type, ref));
}

/* ---- one function for each kind of message; each returns what is owed to its block ---- */

static trpi_owes on_reply(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    if ((message->flags & TRPI_FLAG_RETURNED) != 0) {
        lend(ctx, actor, message);
        return TRPI_OWES_FREE;
    }
    if (trpi_room_granted(ctx, actor, message->ref)) {
        return TRPI_OWES_FREE;
    }
    trpi_entry *entry = trpi_entry_of(ctx, actor, message->ref);
    if (entry == NULL) {
        trpi_count(&ctx->late_replies, 1);
        return TRPI_OWES_FREE;
    }
    trpi_wait *wait = entry->kind == TRPI_ENTRY_WAIT ? entry->u.wait : NULL;
    if (wait == NULL || wait->woken(ctx, wait)) {
        trpi_entry_release(ctx, entry);
    }
    lend(ctx, actor, message);
    return TRPI_OWES_FREE;
}

static trpi_owes on_reply_error(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    if (trpi_room_granted(ctx, actor, message->ref)) {
        return TRPI_OWES_FREE;
    }
    if ((message->flags & TRPI_FLAG_RETURNED) != 0) {
        lend(ctx, actor, message);
        return TRPI_OWES_FREE;
    }
    trpi_entry *entry = trpi_entry_of(ctx, actor, message->ref);
    if (entry == NULL) {
        return TRPI_OWES_FREE;
    }
    trpi_entry_release(ctx, entry);
    const trpi_failure *failure = trpi_body(message);
    trp_exit reason =
        trp_exit_make((trp_exit_kind)failure->exit_kind, failure->exit_code, failure->text);
    lend_error(ctx, actor, message->ref, failure->code, &reason);
    return TRPI_OWES_FREE;
}

static void on_timer(trp_ctx *ctx, trpi_actor *actor, trpi_entry *entry) {
    trp_ref ref = trpi_load(&entry->ref, TRPI_RELAXED);
    ctx->scratch.body.timeout = (trp_timeout){ref, entry->timeout.tag};
    if (entry->u.period_ns == 0) {
        trpi_entry_release(ctx, entry);
    } else {
        trpi_entry_arm(ctx, entry, entry->u.period_ns);
    }
    lend(ctx, actor, scratch(ctx, TRPI_PLAIN, &trp_timeout_type, 0));
}

static void on_deadline(trp_ctx *ctx, trpi_actor *actor, trpi_entry *entry) {
    trp_ref ref = trpi_load(&entry->ref, TRPI_RELAXED);
    trpi_entry_release(ctx, entry);
    trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, TRP_ETIMEOUT, "no reply in time");
    lend_error(ctx, actor, ref, TRP_ETIMEOUT, &reason);
}

/*
 * The signal of a timer. The entry lives in the block of this very message, which is still in the
 * mailbox: a timer that is armed again must not be pushed before the mailbox has left it, so the
 * signal is detached first.
 */
static void on_signal(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    trpi_leave_mailbox(ctx, actor, message);
    trpi_entry *entry = trpi_entry_signalled(ctx, message);
    if (entry == NULL) {
        trpi_entry_free(ctx, trpi_entry_of_signal(message));
        return;
    }
    if (ctx->runtime->host.trace != NULL) {
        trp_pid pid = trpi_actor_pid(actor);
        trp_trace record = {TRP_TRACE_TIMER, ctx->sched.index,
                            (uint64_t)pid.index << 32 | pid.generation, 0,
                            trpi_load(&entry->ref, TRPI_RELAXED)};
        ctx->runtime->host.trace(ctx->runtime->host.self, &record);
    }
    switch ((trpi_entry_kind)entry->kind) {
    case TRPI_ENTRY_TIMER:
        on_timer(ctx, actor, entry);
        break;
    case TRPI_ENTRY_REQUEST:
        on_deadline(ctx, actor, entry);
        break;
    case TRPI_ENTRY_SEND_AFTER: {
        trp_message *kept = entry->u.message;
        trp_pid to = trpi_entry_peer(entry);
        entry->u.message = NULL;
        trpi_entry_release(ctx, entry);
        if (kept->kind == TRPI_STOP || kept->kind == TRPI_KILL) {
            (void)trpi_deliver(ctx, to, kept);
        } else {
            (void)trp_send(ctx, to, kept);
        }
        break;
    }
    case TRPI_ENTRY_WAIT:
    case TRPI_ENTRY_MONITOR:
        trpi_fatal(ctx->runtime, "a monitor or a wait has no timer");
    }
}

static trpi_owes on_down(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    trp_down *down = trpi_body(message);
    trpi_entry *entry = trpi_entry_of(ctx, actor, down->ref);
    if (entry == NULL) {
        return TRPI_OWES_FREE;
    }
    trpi_entry_release(ctx, entry);
    message->kind = TRPI_PLAIN;
    message->type = &trp_down_type;
    lend(ctx, actor, message);
    return TRPI_OWES_FREE;
}

static trpi_owes on_demonitor(trp_ctx *ctx, trp_message *message) {
    trp_message *monitor = trpi_entry_of_signal(message)->u.message;
    trpi_bond_remove(monitor);
    trpi_message_free(&ctx->sched.pool, monitor);
    return TRPI_OWES_ENTRY;
}

static void ask_to_end(trp_ctx *ctx, const trp_exit *reason) {
    if (!ctx->frame.is_ending) {
        ctx->frame.is_ending = true;
        ctx->frame.ending = *reason;
    }
}

static void on_stop(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    if ((actor->behaviour->flags & TRP_BEHAVIOUR_DEFERS_STOP) == 0) {
        ask_to_end(ctx, trpi_body(message));
        return;
    }
    message->kind = TRPI_PLAIN;
    message->type = &trp_exit_type;
    lend(ctx, actor, message);
}

static trpi_owes on_exit(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    /* One that is trapped has become a plain message before it came here. */
    if (trpi_on_exit(ctx, actor, message) && trpi_exit_ends(message)) {
        const trp_exited *exited = trpi_body(message);
        ask_to_end(ctx, &exited->reason);
    }
    return TRPI_OWES_FREE;
}

static TRPI_RARE trpi_owes on_rare(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    switch ((trpi_kind)message->kind) {
    case TRPI_REPLY:
        return on_reply(ctx, actor, message);
    case TRPI_REPLY_ERROR:
        return on_reply_error(ctx, actor, message);
    case TRPI_TIMER:
        on_signal(ctx, actor, message);
        return TRPI_OWES_NOTHING;
    case TRPI_STOP:
        on_stop(ctx, actor, message);
        return TRPI_OWES_FREE;
    case TRPI_KILL: {
        trp_exit killed = trp_exit_make(TRP_EXIT_KILLED, 0, NULL);
        ask_to_end(ctx, &killed);
        return TRPI_OWES_FREE;
    }
    case TRPI_MONITOR:
        trpi_bond_add(actor, message);
        return TRPI_OWES_NOTHING;
    case TRPI_DEMONITOR:
        return on_demonitor(ctx, message);
    case TRPI_DOWN:
        return on_down(ctx, actor, message);
    case TRPI_EXIT:
        return on_exit(ctx, actor, message);
    case TRPI_LINK:
        trpi_on_link(actor, message);
        return TRPI_OWES_NOTHING;
    case TRPI_UNLINK:
        return trpi_on_unlink(ctx, message) ? TRPI_OWES_FREE : TRPI_OWES_NOTHING;
    case TRPI_UNLINK_ACK:
        trpi_on_unlink_ack(ctx, message);
        return TRPI_OWES_FREE;
    case TRPI_ROOM:
        trpi_leave_mailbox(ctx, actor, message);
        trpi_room_asked(ctx, actor, message);
        return TRPI_OWES_NOTHING;
    case TRPI_PLAIN:
    case TRPI_REQUEST:
    case TRPI_CALL:
    case TRPI_STUB:
        break;
    }
    trpi_fatal(ctx->runtime, "a message of unknown kind is in a mailbox");
}

/* A session gets what is on its way to the other node as it is, and its own. */
static trpi_owes on_proxy(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    trpi_mailbox_detach(&actor->mailbox, &message->link, trpi_is_shared(ctx));
    actor->behaviour->handle(ctx, trpi_actor_state(actor), message);
    return TRPI_OWES_NOTHING;
}

/* A message meant for an earlier tenant of this block. */
static void on_stale(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    trp_exit reason = trp_exit_make(TRP_EXIT_NOPROC, TRP_ENOPROC, NULL);
    trp_pid to = {0, 0, actor->slot.index, message->generation};
    trpi_give_back_count(actor, message);
    trpi_mailbox_detach(&actor->mailbox, &message->link, trpi_is_shared(ctx));
    trpi_discard(ctx, to, message, &reason, TRP_ENOPROC);
}

/* Handles the first message. */
static trpi_owes dispatch(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    if (message->kind <= TRPI_REQUEST && (message->flags & TRPI_FLAG_PROXY) == 0) {
        lend(ctx, actor, message);
        return TRPI_OWES_FREE;
    }
    if ((message->flags & TRPI_FLAG_PROXY) != 0) {
        return on_proxy(ctx, actor, message);
    }
    return on_rare(ctx, actor, message);
}

void trpi_actor_dispose(trp_ctx *ctx, trp_message *message, trpi_owes owes) {
    if (owes == TRPI_OWES_FREE) {
        if (message->kind == TRPI_REQUEST && (message->flags & TRPI_FLAG_SETTLED) == 0) {
            static const trp_exit reason = {TRP_EXIT_ERROR, TRP_ECANCELED,
                                            "the request was not answered"};
            trpi_settle(ctx, message, TRP_ECANCELED, &reason);
        } else {
            trpi_message_free(&ctx->sched.pool, message);
        }
    } else if (owes == TRPI_OWES_ENTRY) {
        trpi_entry_free(ctx, trpi_entry_of_signal(message));
    }
}

/* Leaves `link` behind and pays what is owed to it. */
static trpi_advance leave(trp_ctx *ctx, trpi_actor *actor, trpi_link *link, trpi_owes owes) {
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
    } else if (message != NULL) {
        trpi_actor_dispose(ctx, message, owes);
    }
    return advance;
}

/* Behind a message that has left the mailbox: on with the batch, unless a routine has given way. */
static trpi_advance go_on(trp_ctx *ctx) {
    bool is_yielding = ctx->frame.is_yielding;
    ctx->frame.is_yielding = false;
    return is_yielding ? TRPI_BUSY : TRPI_ADVANCED;
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
    trpi_owes owes = dispatch(ctx, actor, message);
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
    return dispatch(ctx, actor, message);
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

/* One message of the mailbox, and on to the next. Sets `*advance`; false: the actor has ended. */
static bool run_first(trp_ctx *ctx, trpi_actor *actor, trpi_advance *advance) {
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
        return false;
    }
    if (!has_left && !is_stub && has_more_in_stash(actor)) {
        leave_for_stash(ctx, actor, message_of(link), owes);
        has_left = true;
    }
    *advance = has_left ? go_on(ctx) : leave(ctx, actor, link, owes);
    return true;
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

/* One message, from the stash if it has one that is due, else from the mailbox. */
static TRPI_RARE bool run_one(trp_ctx *ctx, trpi_actor *actor, trpi_advance *advance) {
    if ((actor->flags & TRPI_ACTOR_STASHES) != 0 && !looks_for_events(actor)) {
        trpi_stash *stash = actor->side->stash;
        trp_message *message = trpi_stash_next(ctx, stash);
        if (message != NULL) {
            bool lives = run_loose(ctx, actor, message);
            *advance = go_on(ctx);
            return lives;
        }
        bool is_needed = (actor->flags & TRPI_ACTOR_EVENTS_FIRST) != 0;
        if (!is_needed && trpi_stash_is_idle(stash)) {
            actor->flags &= (uint8_t)~TRPI_ACTOR_STASHES;
        }
    }
    return run_first(ctx, actor, advance);
}

/* After a handler that ends its actor or took its message. */
static TRPI_RARE bool finish_plain(trp_ctx *ctx, trpi_actor *actor, trpi_link *link,
                                   trpi_advance *advance) {
    *advance = go_on(ctx);
    if (!ctx->frame.is_ending) {
        return true;
    }
    if (actor->mailbox.first == link) {
        message_of(link)->reserved = TRPI_OWES_FREE;
        actor->flags |= TRPI_ACTOR_CONSUMED;
    }
    end_now(ctx, actor);
    return false;
}

/* As run_one; the straight path. */
static inline bool run_plain(trp_ctx *ctx, trpi_actor *actor, trpi_advance *advance) {
    enum { SPECIAL = TRPI_ACTOR_CONSUMED | TRPI_ACTOR_STASHES | TRPI_ACTOR_DROPS_OLDEST };
    trpi_link *link = actor->mailbox.first;
    trp_message *message = message_of(link);
    if ((actor->flags & SPECIAL) != 0 || link == &actor->mailbox.stub ||
        message->kind > TRPI_REQUEST || (message->flags & TRPI_FLAG_PROXY) != 0 ||
        message->generation != trpi_load(&actor->generation, TRPI_RELAXED)) {
        return run_one(ctx, actor, advance);
    }
    ctx->frame.first = link;
    lend(ctx, actor, message);
    if (ctx->frame.is_ending || actor->mailbox.first != link) {
        return finish_plain(ctx, actor, link, advance);
    }
    if (has_more_in_stash(actor)) {
        leave_for_stash(ctx, actor, message, TRPI_OWES_FREE);
        *advance = TRPI_ADVANCED;
        return true;
    }
    *advance = leave(ctx, actor, link, TRPI_OWES_FREE);
    return true;
}

static bool is_killed(const trpi_actor *actor) {
    return trpi_load(&actor->kill, TRPI_RELAXED) == trpi_load(&actor->generation, TRPI_RELAXED);
}

static uint32_t run_batch(trp_ctx *ctx, trpi_actor *actor) {
    /*
     * What the scheduler handles between two looks at the clock is some 100 us of work, whatever
     * the messages cost.
     */
    uint32_t batch = ctx->runtime->config.batch;
    if (ctx->sched.poll_every < batch) {
        batch = ctx->sched.poll_every;
    }
    uint32_t count = 0;
    while (count < batch) {
        if (is_killed(actor)) {
            trp_exit killed = trp_exit_make(TRP_EXIT_KILLED, 0, NULL);
            trpi_actor_end(ctx, actor, &killed, false);
            return count;
        }
        trpi_advance advance;
        count++;
        if (!run_plain(ctx, actor, &advance) || advance == TRPI_PARKED) {
            return count;
        }
        if (advance == TRPI_BUSY) {
            break;
        }
    }
    ctx->frame.actor = NULL;
    trpi_sched_ready(&ctx->sched, &actor->task);
    return count;
}

uint32_t trpi_actor_run(trpi_scheduler *sched, trpi_task *task) {
    trp_ctx *ctx = (trp_ctx *)(void *)sched;
    trpi_actor *actor = trpi_actor_of_task(task);
    if ((trpi_load(&actor->generation, TRPI_RELAXED) & 1) == 0) {
        trp_exit reason = trp_exit_make(TRP_EXIT_NOPROC, TRP_ENOPROC, NULL);
        trpi_actor_drain(ctx, actor, &reason);
        return 1;
    }
    if (actor->pin != TRPI_NOT_PINNED && actor->pin != ctx->sched.index) {
        /* Stolen with the rest of a queue: it goes home. */
        trpi_sched_inject(&ctx->runtime->group, actor->pin, task);
        return 0;
    }
    ctx->frame.actor = actor;
    ctx->frame.is_ending = false;
    uint32_t count = run_batch(ctx, actor);
    ctx->frame.actor = NULL;
    ctx->frame.message = NULL;
    trpi_count(&ctx->delivered, count);
    return count;
}
