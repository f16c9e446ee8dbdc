/*
 * One message to many targets, one outcome for each, as one message.
 *
 * A small actor of its own, the collector, asks and gathers, so that the caller's mailbox and
 * filters see nothing but the end. The message for that end exists from the beginning: it is held
 * by the collector as a request of the caller, with room for all outcomes and replies, and becomes
 * the reply when the last one is in. So the end needs no memory, and a collector that is killed
 * answers like any callee.
 *
 * The caller waits with a WAIT entry: giving it up (a cancel, the caller's end) stops the collector,
 * which gives up what is still open.
 */
#include "actor/actor.h"
#include "actor/entry.h"
#include "actor/request.h"
#include "actor/routine.h"
#include "message/cargo.h"
#include "troupe/error.h"
#include "troupe/routine.h"

#include <string.h>

#define OUTCOME_FIELDS(F)                                                                          \
    F(pid, target, 1)                                                                              \
    F(i32, code, 2)                                                                                \
    F(record(trp_exit), reason, 3)
TRP_TYPE_DEFINE(trp_outcome, "troupe.Outcome", OUTCOME_FIELDS)

#define OUTCOMES_FIELDS(F) F(list(record(trp_outcome)), list, 1)
TRP_TYPE_DEFINE(trp_outcomes, "troupe.Outcomes", OUTCOMES_FIELDS)

static void drop_reply(trp_ctx *ctx, void *reply) {
    trp_message_drop(ctx, reply);
}

static const trp_resource_kind reply_kind = {"reply", drop_reply};

/* Finds the target's index by the ref of its request. */
typedef struct ref_slot {
    trp_ref ref; /* 0: free */
    uint32_t index;
} ref_slot;

typedef struct collector {
    trp_message *end; /* the caller's message; NULL once it is sent */
    uint32_t open;
    uint32_t mask;   /* of the slots, which are a power of two and half empty */
    ref_slot *slots; /* on the collector's heap */
} collector;

/* What the collector is born with. */
typedef struct order {
    trp_pid from;
    const trp_message *message;
    uint64_t timeout_ns;
    trp_message *end;
} order;

/* The caller's wait. */
typedef struct many_wait {
    trpi_wait base;
    trp_pid collector;
} many_wait;

static uint32_t count_of(const trp_message *end) {
    return ((const trp_outcomes *)(const void *)(end + 1))->list.length;
}

static trp_outcome *outcome_of(const trp_message *end, uint32_t index) {
    const trp_outcomes *all = (const trp_outcomes *)(const void *)(end + 1);
    return (trp_outcome *)(uintptr_t)trp_slice_at(&all->list, sizeof(trp_outcome), index);
}

static void set_failure(trp_outcome *outcome, int code, const trp_exit *reason) {
    outcome->code = code == 0 ? TRP_EFAILED : code;
    outcome->reason = *reason;
}

/* ---- the collector ---- */

static ref_slot *slot_of(const collector *self, trp_ref ref) {
    uint32_t at = (uint32_t)((ref * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & self->mask;
    while (self->slots[at].ref != 0 && self->slots[at].ref != ref) {
        at = (at + 1) & self->mask;
    }
    return &self->slots[at];
}

static bool make_slots(trp_ctx *ctx, collector *self, uint32_t count) {
    uint32_t slots = 2;
    while (slots / 2 < count) {
        slots *= 2;
    }
    self->mask = slots - 1;
    self->slots = trp_alloc(ctx, slots * sizeof *self->slots);
    return self->slots != NULL;
}

/* Asks one target. What prevents it is the outcome. */
static void ask(trp_ctx *ctx, collector *self, const order *what, uint32_t index) {
    trp_outcome *outcome = outcome_of(self->end, index);
    trp_ref ref;
    int error = TRP_ESELF;
    if (!trp_pid_equal(outcome->target, what->from)) {
        trp_message *copy = trp_message_copy(ctx, what->message);
        error = copy == NULL ? TRP_ENOMEM
                             : trpi_request_for(ctx, outcome->target, what->from, copy,
                                                what->timeout_ns, &ref);
    }
    if (error != 0) {
        trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, error, NULL);
        set_failure(outcome, error, &reason);
        return;
    }
    *slot_of(self, ref) = (ref_slot){ref, index};
    self->open++;
}

/* Turns the caller's request into the reply to it. */
static void finish(trp_ctx *ctx, collector *self) {
    trp_message *end = self->end;
    self->end = NULL;
    trpi_unhold(ctx, end);
    end->kind = TRPI_REPLY;
    end->flags = 0;
    (void)trpi_send_reply(ctx, end);
    trp_stop_self(ctx);
}

static int collector_init(trp_ctx *ctx, void *state, const void *arg) {
    collector *self = state;
    const order *what = arg;
    uint32_t count = count_of(what->end);
    memset(self, 0, sizeof *self);
    if (!make_slots(ctx, self, count) || !trpi_hold(ctx, what->end)) {
        return TRP_ENOMEM;
    }
    self->end = what->end;
    for (uint32_t i = 0; i < count; i++) {
        ask(ctx, self, what, i);
    }
    if (self->open == 0) {
        finish(ctx, self);
    }
    return 0;
}

static void keep_reply(trp_ctx *ctx, collector *self, uint32_t index, trp_message *message) {
    trp_message *reply = trpi_take(ctx, message, false);
    reply->kind = TRPI_PLAIN;
    reply->flags = 0;
    reply->ref = 0;
    trpi_cargo_of(self->end)->carried[index] = (trpi_carried){&reply_kind, reply};
    outcome_of(self->end, index)->code = 0;
}

static void collector_handle(trp_ctx *ctx, void *state, trp_message *message) {
    collector *self = state;
    trp_ref ref = trp_message_ref(message);
    const ref_slot *slot = slot_of(self, ref);
    if (ref == 0 || slot->ref != ref || self->end == NULL) {
        return; /* nobody knows this actor, but a pid can be guessed */
    }
    if (message->kind == TRPI_REPLY) {
        keep_reply(ctx, self, slot->index, message);
    } else {
        const trp_request_error *error = trpi_body(message);
        set_failure(outcome_of(self->end, slot->index), error->code, &error->reason);
    }
    if (--self->open == 0) {
        finish(ctx, self);
    }
}

/* Given up, or the runtime stops: what is not in is canceled, as it says already. */
static void collector_terminate(trp_ctx *ctx, void *state, const trp_exit *reason) {
    collector *self = state;
    (void)reason;
    if (self->end != NULL) {
        finish(ctx, self);
    }
}

static const trp_behaviour collector_behaviour = {
    TRP_BEHAVIOUR("troupe.collector"), .state_size = sizeof(collector),  .init = collector_init,
    .handle = collector_handle,        .terminate = collector_terminate,
};

/* ---- the caller ---- */

static void give_up(trp_ctx *ctx, trpi_wait *base) {
    many_wait *wait = (many_wait *)(void *)base;
    trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, TRP_ECANCELED, "given up");
    (void)trp_stop(ctx, wait->collector, &reason); /* without memory it goes on, to no effect */
    trpi_pool_free(&ctx->sched.pool, wait, sizeof *wait);
}

static bool woken(trp_ctx *ctx, trpi_wait *base) {
    trpi_pool_free(&ctx->sched.pool, base, sizeof(many_wait));
    return true;
}

/* The message of the end: all outcomes canceled, and room for the replies. */
static int make_end(trp_ctx *ctx, const trp_pid *targets, size_t count, trp_message **end) {
    trp_builder builder;
    trp_builder_init(&builder, ctx, &trp_outcomes_type, 0);
    size_t at = trp_set_list(&builder, trp_outcomes, list, trp_outcome, count);
    trp_outcome *outcomes = at == 0 ? NULL : trp_builder_at(&builder, at);
    for (size_t i = 0; outcomes != NULL && i < count; i++) {
        outcomes[i].target = targets[i];
        outcomes[i].code = TRP_ECANCELED;
        outcomes[i].reason = trp_exit_make(TRP_EXIT_ERROR, TRP_ECANCELED, NULL);
    }
    int error = trp_builder_finish(&builder, end);
    if (error != 0 || count == 0) {
        return error;
    }
    error = trpi_cargo_reserve(ctx, end, (uint32_t)count);
    if (error != 0) {
        trp_message_drop(ctx, *end);
        return error;
    }
    trpi_cargo *cargo = trpi_cargo_of(*end);
    memset(cargo->carried, 0, count * sizeof *cargo->carried);
    cargo->len = (uint32_t)count;
    return 0;
}

/* The caller's entry, and `end` as a request under its ref. NULL when out of memory. */
static trpi_entry *begin_wait(trp_ctx *ctx, trp_message *end) {
    many_wait *wait = trpi_pool_alloc(&ctx->sched.pool, sizeof *wait);
    trpi_entry *entry = wait == NULL ? NULL : trpi_entry_new(ctx, TRPI_ENTRY_WAIT);
    if (entry == NULL) {
        if (wait != NULL) {
            trpi_pool_free(&ctx->sched.pool, wait, sizeof *wait);
        }
        return NULL;
    }
    memset(wait, 0, sizeof *wait);
    wait->base.end = give_up;
    wait->base.woken = woken;
    entry->u.wait = &wait->base;
    end->kind = TRPI_REQUEST;
    end->ref = trpi_load(&entry->ref, TRPI_RELAXED);
    return entry;
}

static int ask_all(trp_ctx *ctx, const trp_message *message, uint64_t timeout_ns, trp_message *end,
                   trp_ref *ref) {
    trpi_entry *entry = begin_wait(ctx, end);
    if (entry == NULL) {
        trp_message_drop(ctx, end);
        return TRP_ENOMEM;
    }
    many_wait *wait = (many_wait *)(void *)entry->u.wait;
    trp_ref made = end->ref;
    order what = {trp_self(ctx), message, timeout_ns, end};
    int error = trp_spawn(ctx, &collector_behaviour, &what, &wait->collector);
    if (error != 0) {
        trpi_entry_release(ctx, entry);
        trpi_pool_free(&ctx->sched.pool, wait, sizeof *wait);
        trpi_message_free(&ctx->sched.pool, end);
        return error;
    }
    *ref = made;
    return 0;
}

int trp_request_many(trp_ctx *ctx, const trp_pid *targets, size_t targets_len, trp_message *message,
                     uint64_t timeout_ns, trp_ref *ref) {
    trp_message *end = NULL;
    int error = message == NULL ? TRP_ENOMEM : 0;
    if (error == 0 && (ctx->frame.actor == NULL || trpi_is_open_request(message))) {
        error = TRP_ESTATE;
    } else if (error == 0 && trpi_message_carries(message)) {
        error = TRP_ENOTSUP;
    }
    if (error == 0) {
        error = make_end(ctx, targets, targets_len, &end);
    }
    if (error == 0) {
        error = ask_all(ctx, message, timeout_ns, end, ref);
    }
    trp_message_drop(ctx, message);
    return error;
}

int trp_call_many(trp_ctx *ctx, const trp_pid *targets, size_t targets_len, trp_message *message,
                  uint64_t timeout_ns, trp_message **outcomes) {
    if (!trpi_routine_is_running(ctx)) {
        trp_message_drop(ctx, message);
        return TRP_ESTATE;
    }
    trp_filter filter = {sizeof filter, NULL, 0, 0};
    trp_message *got;
    int error = trp_request_many(ctx, targets, targets_len, message, timeout_ns, &filter.ref);
    if (error != 0) {
        return error;
    }
    error = trp_receive(ctx, &filter, TRP_NEVER, &got);
    if (error != 0) {
        (void)trp_request_cancel(ctx, filter.ref);
        return error;
    }
    const trp_request_error *failure = trp_message_as(got, &trp_request_error_type);
    if (failure != NULL) {
        return failure->code;
    }
    *outcomes = got;
    return 0;
}

const trp_outcome *trp_outcome_at(trp_message *outcomes, uint32_t index) {
    return trp_message_is(outcomes, &trp_outcomes_type) ? outcome_of(outcomes, index) : NULL;
}

trp_message *trp_outcome_reply(trp_message *outcomes, uint32_t index) {
    return trp_message_resource(outcomes, index, &reply_kind);
}

trp_message *trp_outcome_take(trp_message *outcomes, uint32_t index) {
    return trp_message_detach(outcomes, index, &reply_kind);
}
