/*
 * Coroutines. Each has a fiber, and so has the routine's body; a fiber that blocks always leaves to
 * the dispatcher's stack, never to another fiber. So a crew is two queues: those that wait, the
 * longest first, and those that are ready. When the actor is handed a message, it goes to one of the
 * waiting, which runs until it blocks; then the ready run, one after another; then all wait, and what
 * they wait for together is the filter of the actor (stash.h). The cost of a message grows with the
 * number of those that wait, and not with what waits for them.
 *
 * A send that is suspended by a full mailbox suspends the whole actor, whose mailbox is muted.
 */
#include "troupe/coroutine.h"

#include "actor/routine.h"
#include "actor/stash.h"
#include "troupe/error.h"
#include "troupe/timer.h"

#include <string.h>

typedef struct coroutine coroutine;
struct coroutine {
    trpi_wish wish; /* first: what it waits for; its `next` chains the queue it is in */
    coroutine *next;
    trp_coroutine id; /* 0: the routine's body */
    void *fiber;
    trp_ctx *ctx;
    int (*body)(trp_ctx *ctx, void *arg);
    void *arg;
    coroutine *joiner;
    trp_message *message; /* what it was resumed with; NULL: with the end of a join */
    int result;
    bool takes_any;
    bool is_done;
    bool is_joinable;
};

typedef struct queue {
    trpi_wish *first;
    trpi_wish **last;
} queue;

typedef struct crew {
    trpi_crew base;
    coroutine main;
    coroutine *all; /* without main, the youngest first */
    coroutine *running;
    trp_coroutine last_id;
    queue waiting;
    queue ready;
} crew;

static crew *crew_of(const trpi_actor *actor) {
    return actor->side == NULL ? NULL : (crew *)(void *)actor->side->crew;
}

/* ---- queues ---- */

static void queue_init(queue *line) {
    line->first = NULL;
    line->last = &line->first;
}

static void queue_push(queue *line, coroutine *one) {
    one->wish.next = NULL;
    *line->last = &one->wish;
    line->last = &one->wish.next;
}

/* Takes out what `at`, a link of the queue, points to. */
static coroutine *queue_take(queue *line, trpi_wish **at) {
    trpi_wish *taken = *at;
    *at = taken->next;
    if (taken->next == NULL) {
        line->last = at;
    }
    return (coroutine *)(void *)taken;
}

static bool takes(const trpi_wish *wish, trpi_key key) {
    return ((const coroutine *)(const void *)wish)->takes_any || trpi_wish_matches(wish, key);
}

/* The one that gets a message with that key; NULL if nobody waits for it. */
static coroutine *take_waiting(crew *all, trpi_key key) {
    trpi_wish **found = NULL;
    for (trpi_wish **at = &all->waiting.first; *at != NULL; at = &(*at)->next) {
        if (key.is_ref && trpi_wish_matches(*at, key)) {
            return queue_take(&all->waiting, at);
        }
        if (found == NULL && takes(*at, key)) {
            found = at;
        }
    }
    return found == NULL ? NULL : queue_take(&all->waiting, found);
}

static void make_ready(crew *all, coroutine *waiting) {
    trpi_wish **at = &all->waiting.first;
    while (*at != &waiting->wish) {
        at = &(*at)->next;
    }
    queue_push(&all->ready, queue_take(&all->waiting, at));
}

/* ---- taking turns; all but the wait runs on the dispatcher's stack ---- */

static void *pick(trpi_actor *actor, trpi_routine_state *state) {
    crew *all = crew_of(actor);
    if (state->message != NULL) {
        all->running = take_waiting(all, trpi_stash_admitted(actor->side->stash));
        if (all->running == NULL) {
            trpi_fatal(state->ctx->runtime, "a message has come that no coroutine waits for");
        }
        all->running->message = state->message;
    }
    return all->running->fiber;
}

static void forget(trp_ctx *ctx, crew *all, coroutine *one) {
    coroutine **at = &all->all;
    while (*at != one) {
        at = &(*at)->next;
    }
    *at = one->next;
    trpi_pool_free(&ctx->sched.pool, one, sizeof *one);
}

/* Its body has returned. */
static void finish(trp_ctx *ctx, crew *all, coroutine *one) {
    ctx->runtime->host.fiber_destroy(ctx->runtime->host.self, one->fiber);
    one->fiber = NULL;
    if (one->joiner != NULL) {
        one->joiner->message = NULL;
        make_ready(all, one->joiner);
    } else if (!one->is_joinable) {
        forget(ctx, all, one);
    }
}

/* Everybody waits: for all that together. */
static void set_filter(trpi_actor *actor, const crew *all) {
    trpi_stash *stash = actor->side->stash;
    trpi_stash_filter_wishes(stash, all->waiting.first);
    for (const trpi_wish *wish = all->waiting.first; wish != NULL; wish = wish->next) {
        if (((const coroutine *)(const void *)wish)->takes_any) {
            trpi_stash_unfilter(stash);
            return;
        }
    }
}

static int run(trp_ctx *ctx, trpi_actor *actor, trpi_routine_state *state) {
    crew *all = crew_of(actor);
    const trp_host *host = &ctx->runtime->host;
    int error = 0;
    while (error == 0 && !state->is_done && !state->is_paused && !ctx->frame.is_ending) {
        if (all->running->is_done) {
            finish(ctx, all, all->running);
        }
        if (all->ready.first == NULL) {
            break;
        }
        all->running = queue_take(&all->ready, &all->ready.first);
        trpi_routine_end_borrow(ctx);
        error = host->fiber_switch(host->self, all->running->fiber);
    }
    set_filter(actor, all);
    return error;
}

static int wait(trp_ctx *ctx, const trp_filter *filter, trp_ref second_ref, trp_ref third_ref,
                trp_message **message) {
    crew *all = crew_of(ctx->frame.actor);
    coroutine *self = all->running;
    self->wish = (trpi_wish){.refs = {0, second_ref, third_ref}};
    self->takes_any = filter == NULL;
    if (filter != NULL) {
        self->wish.refs[0] = filter->ref;
        self->wish.tags = filter->tags;
        self->wish.tags_len = filter->tags_len;
    }
    queue_push(&all->waiting, self);
    trpi_routine_yield(ctx);
    *message = self->message;
    return 0;
}

static void release(trp_ctx *ctx, trpi_actor *actor) {
    crew *all = crew_of(actor);
    while (all->all != NULL) {
        coroutine *one = all->all;
        if (one->fiber != NULL) {
            ctx->runtime->host.fiber_destroy(ctx->runtime->host.self, one->fiber);
        }
        forget(ctx, all, one);
    }
    trpi_pool_free(&ctx->sched.pool, all, sizeof *all);
    actor->side->crew = NULL;
}

/* ---- the API ---- */

/* What a coroutine's fiber runs. Not static, so that tools can be told of it by name. */
void trpi_coroutine_main(void *arg);

void trpi_coroutine_main(void *arg) {
    coroutine *self = arg;
    self->result = self->body(self->ctx, self->arg);
    self->is_done = true;
    trpi_routine_yield(self->ctx);
}

/* The crew of the running routine, made if need be; NULL when out of memory. */
static crew *assemble(trp_ctx *ctx) {
    static const trpi_crew_calls calls = {pick, run, wait, release};
    trpi_actor *actor = ctx->frame.actor;
    crew *all = crew_of(actor);
    if (all != NULL) {
        return all;
    }
    trpi_stash *stash = trpi_stash_of(ctx, actor);
    all = stash == NULL ? NULL : trpi_pool_alloc(&ctx->sched.pool, sizeof *all);
    if (all == NULL) {
        return NULL;
    }
    memset(all, 0, sizeof *all);
    all->base.calls = &calls;
    all->main.fiber = actor->side->fiber;
    all->running = &all->main;
    queue_init(&all->waiting);
    queue_init(&all->ready);
    trpi_stash_filter_wishes(stash, NULL);
    actor->side->crew = &all->base;
    return all;
}

int trp_coroutine_start(trp_ctx *ctx, int (*body)(trp_ctx *ctx, void *arg), void *arg,
                        size_t stack_size, trp_coroutine *out) {
    if (!trpi_routine_is_running(ctx)) {
        return TRP_ESTATE;
    }
    const trp_host *host = &ctx->runtime->host;
    crew *all = assemble(ctx);
    coroutine *made = all == NULL ? NULL : trpi_pool_alloc(&ctx->sched.pool, sizeof *made);
    if (made == NULL) {
        return TRP_ENOMEM;
    }
    *made = (coroutine){.ctx = ctx, .body = body, .arg = arg, .is_joinable = out != NULL};
    made->fiber = host->fiber_create(host->self, stack_size == 0 ? TRP_ROUTINE_STACK : stack_size,
                                     trpi_coroutine_main, made);
    if (made->fiber == NULL) {
        trpi_pool_free(&ctx->sched.pool, made, sizeof *made);
        return TRP_ENOMEM;
    }
    made->id = ++all->last_id;
    made->next = all->all;
    all->all = made;
    queue_push(&all->ready, made);
    if (out != NULL) {
        *out = made->id;
    }
    return 0;
}

static coroutine *find(const crew *all, trp_coroutine id) {
    coroutine *one = all == NULL ? NULL : all->all;
    while (one != NULL && one->id != id) {
        one = one->next;
    }
    return one;
}

/* Waits for the end of `target`: the timer's timeout comes as a message, the end without one. */
static int wait_for(trp_ctx *ctx, coroutine *self, coroutine *target, uint64_t timeout_ns) {
    trp_ref timer = 0;
    int error = timeout_ns == TRP_NEVER ? 0 : trpi_routine_arm(ctx, timeout_ns, &timer);
    if (error != 0) {
        return error;
    }
    static const trp_filter nothing = {sizeof nothing, NULL, 0, 0};
    trp_message *message;
    target->joiner = self;
    (void)wait(ctx, &nothing, timer, 0, &message);
    target->joiner = NULL;
    if (timer != 0) {
        (void)trp_timer_cancel(ctx, timer);
    }
    return target->is_done ? 0 : TRP_ETIMEOUT;
}

int trp_coroutine_join(trp_ctx *ctx, trp_coroutine id, uint64_t timeout_ns, int *result) {
    if (!trpi_routine_is_running(ctx)) {
        return TRP_ESTATE;
    }
    crew *all = crew_of(ctx->frame.actor);
    coroutine *target = find(all, id);
    if (target == NULL || !target->is_joinable) {
        return TRP_ENOENT;
    }
    if (target == all->running) {
        return TRP_ESELF;
    }
    if (target->joiner != NULL) {
        return TRP_ESTATE;
    }
    int error = target->is_done ? 0 : wait_for(ctx, all->running, target, timeout_ns);
    if (error != 0) {
        return error;
    }
    if (result != NULL) {
        *result = target->result;
    }
    forget(ctx, all, target);
    return 0;
}
