/*
 * Routines. To the dispatcher a routine is a behaviour: each message that its filter lets through
 * is handed to trp_routine_handle, which runs the fiber until it waits again. So waiting is nothing
 * but setting a filter (stash.h) and leaving the fiber, and a message is lent to the body exactly
 * as to a handler. The body begins with a message the routine sends itself.
 */
#include "actor/routine.h"

#include "actor/entry.h"
#include "actor/stash.h"
#include "troupe/error.h"
#include "troupe/monitor.h"
#include "troupe/request.h"
#include "troupe/timer.h"

#include <string.h>

_Static_assert(sizeof(trpi_routine_state) <= TRP_ROUTINE_STATE, "the header says how much it is");

static const trp_routine *routine_of(const trpi_actor *actor) {
    return (const trp_routine *)(const void *)((const char *)actor->behaviour -
                                               offsetof(trp_routine, behaviour));
}

trpi_routine_state *trpi_routine_in_body(trp_ctx *ctx) {
    trpi_actor *actor = ctx->frame.actor;
    if (actor == NULL || (actor->behaviour->flags & TRP_BEHAVIOUR_ROUTINE) == 0) {
        return NULL;
    }
    trpi_routine_state *state = trpi_actor_state(actor);
    return state->is_in_body ? state : NULL;
}

int trp_routine_init(trp_ctx *ctx, void *memory, const void *arg) {
    const trp_routine *routine = routine_of(ctx->frame.actor);
    if (ctx->runtime->host.fiber_create == NULL) {
        return TRP_ENOTSUP;
    }
    if (routine->arg_size > 0 && arg == NULL) {
        return TRP_EINVAL;
    }
    if (routine->arg_size > 0) {
        memcpy((char *)memory + TRP_ROUTINE_STATE, arg, routine->arg_size);
    }
    /* What makes it begin is no message of anybody: no limit counts it, and it is no dead letter. */
    trp_message *start = trp_message_new_bytes(ctx, NULL, 0);
    if (start == NULL) {
        return TRP_ENOMEM;
    }
    start->kind = TRPI_REPLY;
    start->flags = TRPI_FLAG_RETURNED;
    return trpi_deliver(ctx, trp_self(ctx), start);
}

void trpi_routine_main(void *arg) {
    trpi_actor *actor = arg;
    trpi_routine_state *state = trpi_actor_state(actor);
    const trp_routine *routine = routine_of(actor);
    void *body_arg = routine->arg_size == 0 ? NULL : (char *)state + TRP_ROUTINE_STATE;
    state->result = routine->body(state->ctx, body_arg);
    state->is_done = true;
    trpi_routine_yield(state->ctx);
}

/* Gives the routine its fiber and ties it to this scheduler. */
static bool begin(trp_ctx *ctx, trpi_actor *actor, trpi_routine_state *state) {
    const trp_routine *routine = routine_of(actor);
    const trp_host *host = &ctx->runtime->host;
    size_t stack_size = routine->stack_size == 0 ? TRP_ROUTINE_STACK : routine->stack_size;
    trpi_side *side = trpi_actor_side(ctx, actor);
    if (side == NULL) {
        return false;
    }
    side->fiber = host->fiber_create(host->self, stack_size, trpi_routine_main, actor);
    actor->pin = (uint8_t)ctx->sched.index;
    state->ctx = ctx;
    return side->fiber != NULL;
}

static void end_with(trp_ctx *ctx, int code, const char *text) {
    trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, code, text);
    trp_fail(ctx, &reason);
}

/* Runs the body until it waits again. */
static void run(trp_ctx *ctx, trpi_actor *actor, trpi_routine_state *state) {
    trpi_side *side = actor->side;
    void *fiber = side->crew == NULL ? side->fiber : side->crew->calls->pick(actor, state);
    state->is_in_body = true;
    int error = ctx->runtime->host.fiber_switch(ctx->runtime->host.self, fiber);
    if (error == 0 && side->crew != NULL) {
        error = side->crew->calls->run(ctx, actor, state);
    }
    state->is_in_body = false;
    if (error != 0) {
        end_with(ctx, error, "stack overflow");
    } else if (state->is_done && state->result == 0) {
        trp_stop_self(ctx);
    } else if (state->is_done) {
        end_with(ctx, state->result, "the routine failed");
    }
}

/* The same, with a message lent that is in no mailbox (NULL: none). */
static void run_with_loose(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    trp_message *outer = ctx->frame.loose;
    ctx->frame.loose = message;
    ctx->frame.message = message;
    run(ctx, actor, trpi_actor_state(actor));
    message = ctx->frame.loose; /* NULL if it was taken */
    ctx->frame.loose = outer;
    ctx->frame.message = NULL;
    if (message != NULL && ctx->frame.is_ending) {
        message->reserved = TRPI_OWES_FREE;
        trpi_actor_dispose_last(ctx, message, &ctx->frame.ending);
    } else if (message != NULL) {
        trpi_actor_dispose(ctx, message, TRPI_OWES_FREE);
    }
}

void trp_routine_handle(trp_ctx *ctx, void *memory, trp_message *message) {
    trpi_actor *actor = ctx->frame.actor;
    trpi_routine_state *state = memory;
    if (state->ctx == NULL && !begin(ctx, actor, state)) {
        end_with(ctx, TRP_ENOMEM, "no memory for the routine's stack");
        return;
    }
    /*
     * The scheduler's own message is made anew for the next actor: a routine may be looking at its
     * for longer.
     */
    trp_message *copy =
        (message->flags & TRPI_FLAG_STATIC) != 0 ? trpi_take(ctx, message, false) : NULL;
    state->message = copy != NULL ? copy : message;
    if (copy != NULL) {
        run_with_loose(ctx, actor, copy);
    } else {
        run(ctx, actor, state);
    }
}

bool trpi_routine_abort(trp_ctx *ctx, const trp_exit *reason) {
    trpi_routine_state *state = trpi_routine_in_body(ctx);
    if (state == NULL) {
        return false;
    }
    ctx->frame.is_ending = true;
    ctx->frame.ending = *reason;
    trpi_routine_yield(ctx);
    return true;
}

int trpi_routine_wait(trp_ctx *ctx, const trp_filter *filter, trp_ref second_ref, trp_ref third_ref,
                      trp_message **message) {
    trpi_routine_state *state = trpi_routine_in_body(ctx);
    if (state == NULL) {
        return TRP_ESTATE;
    }
    trpi_crew *crew = ctx->frame.actor->side->crew;
    if (crew != NULL) {
        return crew->calls->wait(ctx, filter, second_ref, third_ref, message);
    }
    if (filter != NULL) {
        trpi_stash *stash = trpi_stash_of(ctx, ctx->frame.actor);
        if (stash == NULL) {
            return TRP_ENOMEM;
        }
        trpi_stash_filter(stash, filter, second_ref, third_ref);
    } else if (ctx->frame.actor->side->stash != NULL) {
        trpi_stash_unfilter(ctx->frame.actor->side->stash);
    }
    trpi_routine_yield(ctx);
    *message = state->message;
    return 0;
}

void trpi_routine_end_borrow(trp_ctx *ctx) {
    trp_message *borrowed = ctx->frame.message;
    if (borrowed != NULL && (borrowed->flags & TRPI_FLAG_STATIC) == 0) {
        trpi_actor_dispose(ctx, trpi_take(ctx, borrowed, false), TRPI_OWES_FREE);
    }
}

bool trpi_routine_is_running(trp_ctx *ctx) {
    return trpi_routine_in_body(ctx) != NULL;
}

void trpi_routine_pause(trp_ctx *ctx) {
    trpi_routine_state *state = trpi_routine_in_body(ctx);
    if (state == NULL) {
        return;
    }
    /* It is in the middle of handling what it has borrowed: that stays with it. */
    trp_message *borrowed = ctx->frame.message;
    state->borrowed = borrowed == NULL ? NULL : trpi_take(ctx, borrowed, false);
    state->is_paused = true;
    trpi_routine_yield(ctx);
}

void trpi_routine_resume(trp_ctx *ctx, trpi_actor *actor) {
    if ((actor->behaviour->flags & TRP_BEHAVIOUR_ROUTINE) == 0) {
        return;
    }
    trpi_routine_state *state = trpi_actor_state(actor);
    if (state->is_paused) {
        trp_message *borrowed = state->borrowed;
        state->borrowed = NULL;
        state->message = NULL;
        state->is_paused = false;
        run_with_loose(ctx, actor, borrowed);
    }
}

void trpi_routine_forget(trp_ctx *ctx, trpi_actor *actor, const trp_exit *reason) {
    trpi_routine_state *state = trpi_actor_state(actor);
    if (state->borrowed != NULL) {
        state->borrowed->reserved = TRPI_OWES_FREE;
        trpi_actor_dispose_last(ctx, state->borrowed, reason);
        state->borrowed = NULL;
    }
}

int trpi_routine_arm(trp_ctx *ctx, uint64_t delay_ns, trp_ref *ref) {
    trpi_entry *entry = trpi_entry_new(ctx, TRPI_ENTRY_TIMER);
    if (entry == NULL) {
        return TRP_ENOMEM;
    }
    *ref = trpi_load(&entry->ref, TRPI_RELAXED);
    if (delay_ns > 0) {
        trpi_entry_arm(ctx, entry, delay_ns);
        return 0;
    }
    trpi_actor *actor = ctx->frame.actor;
    trpi_store(&entry->timer_state, TRPI_TIMER_FIRED, TRPI_RELAXED);
    trpi_count(&ctx->timers_armed, 1);
    trpi_actor_push(ctx, actor, trpi_load(&actor->generation, TRPI_RELAXED),
                    trpi_entry_signal(entry, TRPI_TIMER));
    return 0;
}

static bool is_timeout_of(trp_message *message, trp_ref ref) {
    const trp_timeout *timeout = trp_message_as(message, &trp_timeout_type);
    return timeout != NULL && timeout->ref == ref;
}

static int check_filter(const trp_filter *filter) {
    bool asks = filter == NULL || filter->tags_len > 0 || filter->ref != 0;
    return asks && (filter == NULL || filter->tags_len <= TRP_FILTER_TAGS_MAX) ? 0 : TRP_EINVAL;
}

int trp_receive(trp_ctx *ctx, const trp_filter *filter, uint64_t timeout_ns,
                trp_message **message) {
    trp_ref timer = 0;
    int error = trpi_routine_in_body(ctx) == NULL ? TRP_ESTATE : check_filter(filter);
    if (error == 0 && timeout_ns != TRP_NEVER) {
        error = trpi_routine_arm(ctx, timeout_ns, &timer);
    }
    if (error == 0) {
        trp_message *got;
        error = trpi_routine_wait(ctx, filter, timer, 0, &got);
        if (error == 0 && timer != 0 && is_timeout_of(got, timer)) {
            return TRP_ETIMEOUT;
        }
        if (error == 0) {
            *message = got;
        }
    }
    if (timer != 0) {
        (void)trp_timer_cancel(ctx, timer);
    }
    return error;
}

int trp_call(trp_ctx *ctx, trp_pid to, trp_message *message, uint64_t timeout_ns,
             trp_message **reply) {
    if (trpi_routine_in_body(ctx) == NULL) {
        trp_message_drop(ctx, message);
        return TRP_ESTATE;
    }
    trp_filter filter = {sizeof filter, NULL, 0, 0};
    int error = trp_request(ctx, to, message, timeout_ns, &filter.ref);
    trp_message *got;
    if (error == 0) {
        error = trpi_routine_wait(ctx, &filter, 0, 0, &got);
        if (error != 0) {
            (void)trp_request_cancel(ctx, filter.ref);
        }
    }
    if (error != 0) {
        return error;
    }
    const trp_request_error *failure = trp_message_as(got, &trp_request_error_type);
    if (failure != NULL) {
        return failure->code;
    }
    *reply = got;
    return 0;
}

int trp_sleep(trp_ctx *ctx, uint64_t duration_ns) {
    trp_filter filter = {sizeof filter, NULL, 0, 0};
    int error = trpi_routine_in_body(ctx) == NULL ? TRP_ESTATE
                                                  : trpi_routine_arm(ctx, duration_ns, &filter.ref);
    if (error != 0) {
        return error;
    }
    trp_message *ignored;
    error = trpi_routine_wait(ctx, &filter, 0, 0, &ignored);
    if (error != 0) {
        (void)trp_timer_cancel(ctx, filter.ref);
    }
    return error;
}

int trp_yield(trp_ctx *ctx) {
    if (trpi_routine_in_body(ctx) == NULL) {
        return TRP_ESTATE;
    }
    trpi_routine_end_borrow(ctx); /* the batch ends behind a message that is gone */
    ctx->frame.is_yielding = true;
    return trp_sleep(ctx, 0);
}

int trp_join(trp_ctx *ctx, trp_pid pid, uint64_t timeout_ns, trp_exit *reason) {
    trp_filter filter = {sizeof filter, NULL, 0, 0};
    int error = trpi_routine_in_body(ctx) == NULL ? TRP_ESTATE : trp_monitor(ctx, pid, &filter.ref);
    if (error != 0) {
        return error;
    }
    trp_message *message;
    error = trp_receive(ctx, &filter, timeout_ns, &message);
    if (error != 0) {
        (void)trp_demonitor(ctx, filter.ref);
        return error;
    }
    const trp_down *down = trp_message_as(message, &trp_down_type);
    if (reason != NULL && down != NULL) {
        *reason = down->reason;
    }
    return 0;
}
