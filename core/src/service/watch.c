/*
 * Watching all actors. Spawn and end look at one pointer of their scheduler (`observe`), which is
 * NULL while nobody watches. That pointer belongs to the scheduler, so the two need no fence; but
 * then it cannot be set from outside at a moment that anybody else could name. Therefore a round of
 * calls, one for each scheduler, run between two actors, where no init is under way:
 *
 *     IDLE      nobody watches, no scheduler tells
 *     JOINING   the round that makes them tell is under way; `known` has who is in init meanwhile
 *     WATCHING  `known` has all that live, and who is in init
 *     ENDING    the last watch has gone, and then perhaps the next come; schedulers may still tell
 *
 * When the last scheduler has joined, every actor is either one that it began to tell of, or was
 * past its init before: so the table of actors, less those in init, is who lives. An end tells
 * after the actor's generation has been moved on, so a slot that the walk finds alive and that ends
 * right then is told of afterwards. All events of one actor come from itself, one after the other,
 * and are sent outside the lock; those of a walk are sent under it and so stand before them.
 *
 * Events are allocated when they are sent: a watcher must not make spawning fail. Without memory a
 * watch breaks, and says so by a message that lay ready.
 */
#include "troupe/watch.h"

#include "actor/actor.h"
#include "actor/entry.h"
#include "base/lock.h"
#include "base/map.h"
#include "troupe/error.h"

#include <string.h>

#define EVENT_FIELDS(F)                                                                            \
    F(ref, ref, 1)                                                                                 \
    F(pid, pid, 2)                                                                                 \
    F(u32, kind, 3)                                                                                \
    F(record(trp_exit), reason, 4)
TRP_TYPE_DEFINE(trp_actor_event, "troupe.ActorEvent", EVENT_FIELDS)

typedef enum phase { IDLE = 0, JOINING, WATCHING, ENDING } phase;

/* Belongs to its actor's entry. */
typedef struct watch {
    trpi_wait wait; /* first */
    struct watch *next;
    struct watch **pprev; /* NULL: broken */
    trp_ref ref;
    trp_message *lost; /* lies ready; NULL when it has been sent */
} watch;

/* Made on first use and kept for the runtime's life; the memory is the pool's, which goes last. */
typedef struct census {
    trpi_atomic_u32 lock; /* guards what follows */
    phase phase;
    bool is_joining; /* what the round under way is for */
    unsigned pending;
    watch *watches;
    trpi_map known; /* by slot: the generation if it lives, one more, which is even, if in init */
    trpi_call calls[]; /* one for each scheduler */
} census;

/* Events to be sent, first first, chained by their links. */
typedef struct outbox {
    trp_message *first;
    trp_message *last;
} outbox;

static void put(outbox *box, trp_message *message) {
    trpi_store(&message->link.next, NULL, TRPI_RELAXED);
    if (box->first == NULL) {
        box->first = message;
    } else {
        trpi_store(&box->last->link.next, &message->link, TRPI_RELAXED);
    }
    box->last = message;
}

static void send_all(trp_ctx *ctx, outbox *box) {
    while (box->first != NULL) {
        trp_message *message = box->first;
        box->first = trpi_load(&message->link.next, TRPI_RELAXED);
        (void)trpi_send_reply(ctx, message);
    }
}

/* ---- telling; the lock is held ---- */

static trp_message *make_event(trp_ctx *ctx, trp_ref ref, trp_pid pid, uint32_t kind,
                               const trp_exit *reason) {
    trp_message *message = trp_message_new(ctx, &trp_actor_event_type);
    if (message != NULL) {
        trp_actor_event *event = trpi_body(message);
        event->ref = ref;
        event->pid = pid;
        event->kind = kind;
        if (reason != NULL) {
            event->reason = *reason;
        }
        message->kind = TRPI_REPLY;
        message->ref = ref;
    }
    return message;
}

static void unlink_watch(watch *by) {
    *by->pprev = by->next;
    if (by->next != NULL) {
        by->next->pprev = by->pprev;
    }
    by->pprev = NULL;
}

static void break_watch(watch *by, outbox *box) {
    unlink_watch(by);
    put(box, by->lost);
    by->lost = NULL;
}

static void tell(trp_ctx *ctx, watch *by, trp_pid pid, uint32_t kind, const trp_exit *reason,
                 outbox *box) {
    trp_message *message = make_event(ctx, by->ref, pid, kind, reason);
    if (message == NULL) {
        break_watch(by, box);
    } else {
        put(box, message);
    }
}

static void tell_all(trp_ctx *ctx, census *of, trp_pid pid, uint32_t kind, const trp_exit *reason,
                     outbox *box) {
    watch *by = of->watches;
    while (by != NULL) {
        watch *next = by->next;
        tell(ctx, by, pid, kind, reason, box);
        by = next;
    }
}

static bool note(census *of, uint32_t index, uint32_t value) {
    return trpi_map_set(&of->known, index, (void *)(uintptr_t)value) == 0;
}

/* Somebody could not be noted: nobody can rely on what is known. */
static void break_all(census *of, outbox *box) {
    while (of->watches != NULL) {
        break_watch(of->watches, box);
    }
}

/* ---- rounds ---- */

static void join_here(trpi_scheduler *sched, trpi_call *call);
static void leave_here(trpi_scheduler *sched, trpi_call *call);

/* The runtime ends first; the call's memory is the census's. */
static void drop_call(trpi_scheduler *sched, trpi_call *call) {
    (void)sched;
    (void)call;
}

/* The lock is held; the calls are posted when it is not. */
static void plan_round(trp_runtime *runtime, census *of, bool is_joining) {
    of->is_joining = is_joining;
    of->pending = runtime->group.count;
}

static void post_round(trp_runtime *runtime, census *of) {
    for (unsigned i = 0; i < runtime->group.count; i++) {
        of->calls[i].run = of->is_joining ? join_here : leave_here;
        of->calls[i].drop = drop_call;
        trpi_sched_post(&runtime->group, i, &of->calls[i]);
    }
}

/*
 * If nobody watches any more, begins the round that ends it, when no other is under way. True: it
 * is to be posted. The lock is held.
 */
static bool end_if_unwatched(trp_runtime *runtime, census *of) {
    if (of->watches != NULL || (of->phase != JOINING && of->phase != WATCHING)) {
        return false;
    }
    bool is_free = of->phase == WATCHING && trpi_load(&runtime->stopping, TRPI_ACQUIRE) == 0;
    trpi_map_deinit(&of->known);
    of->phase = ENDING;
    if (is_free) {
        plan_round(runtime, of, false);
    }
    return is_free;
}

/* Everybody tells: whoever lives and is past init is known from here on. */
static void count_the_living(trp_ctx *ctx, census *of, outbox *box) {
    trp_runtime *runtime = ctx->runtime;
    uint32_t used = trpi_table_used(&runtime->actors);
    of->phase = WATCHING;
    for (uint32_t i = 0; i < used && of->watches != NULL; i++) {
        trpi_actor *actor = trpi_table_at(&runtime->actors, i);
        uint32_t generation = trpi_load(&actor->generation, TRPI_ACQUIRE);
        bool is_in_init = trpi_map_get(&of->known, i) != NULL;
        if ((generation & 1) == 0 || is_in_init) {
            continue;
        }
        if (!note(of, i, generation)) {
            break_all(of, box);
        }
        tell_all(ctx, of, (trp_pid){0, 0, i, generation}, TRP_ACTOR_STARTED, NULL, box);
    }
}

/* The last scheduler has run its call. True: another round is to be posted. The lock is held. */
static bool end_round(trp_ctx *ctx, census *of) {
    trp_runtime *runtime = ctx->runtime;
    if (of->is_joining && of->phase == JOINING) {
        outbox box = {NULL, NULL};
        count_the_living(ctx, of, &box);
        send_all(ctx, &box); /* under the lock: nothing that comes later may overtake it */
        return end_if_unwatched(runtime, of);
    }
    if (of->is_joining) {
        plan_round(runtime, of, false);
        return true;
    }
    of->phase = of->watches == NULL ? IDLE : JOINING;
    if (of->phase == JOINING) {
        plan_round(runtime, of, true);
    }
    return of->phase == JOINING;
}

static void run_call(trp_ctx *ctx) {
    census *of = trpi_load(&ctx->runtime->census, TRPI_ACQUIRE);
    trpi_lock(&of->lock);
    bool is_next = --of->pending == 0 && end_round(ctx, of);
    trpi_unlock(&of->lock);
    if (is_next) {
        post_round(ctx->runtime, of);
    }
}

/* ---- what schedulers tell ---- */

static void born(census *of, trp_pid pid, outbox *box) {
    if (!note(of, pid.index, pid.generation + 1)) {
        break_all(of, box);
    }
}

static void started(trp_ctx *ctx, census *of, trp_pid pid, outbox *box) {
    if (of->phase == JOINING) {
        (void)trpi_map_remove(&of->known, pid.index); /* the walk will find it */
    } else if (note(of, pid.index, pid.generation)) {
        tell_all(ctx, of, pid, TRP_ACTOR_STARTED, NULL, box);
    } else {
        break_all(of, box);
    }
}

static void ended(trp_ctx *ctx, census *of, trp_pid pid, const trp_exit *reason, outbox *box) {
    void *value = trpi_map_remove(&of->known, pid.index);
    if (value == (void *)(uintptr_t)pid.generation) {
        tell_all(ctx, of, pid, TRP_ACTOR_ENDED, reason, box);
    }
}

/* The pid that is meant: the generation moves on after a birth is told, and before an end is. */
static trp_pid pid_of(const trpi_actor *actor, trpi_life life) {
    trp_pid pid = trpi_actor_pid(actor);
    pid.generation += life == TRPI_BORN ? 1 : 0;
    pid.generation -= life == TRPI_ENDED ? 1 : 0;
    return pid;
}

static void observe(trp_ctx *ctx, trpi_actor *actor, trpi_life life, const trp_exit *reason) {
    trp_pid pid = pid_of(actor, life);
    census *of = trpi_load(&ctx->runtime->census, TRPI_ACQUIRE);
    outbox box = {NULL, NULL};
    bool is_over = false;
    trpi_lock(&of->lock);
    if (of->phase == JOINING || of->phase == WATCHING) {
        switch (life) {
        case TRPI_BORN:
            born(of, pid, &box);
            break;
        case TRPI_STARTED:
            started(ctx, of, pid, &box);
            break;
        case TRPI_ENDED:
            ended(ctx, of, pid, reason, &box);
            break;
        }
        is_over = end_if_unwatched(ctx->runtime, of);
    }
    trpi_unlock(&of->lock);
    send_all(ctx, &box);
    if (is_over) {
        post_round(ctx->runtime, of);
    }
}

static void join_here(trpi_scheduler *sched, trpi_call *call) {
    trp_ctx *ctx = (trp_ctx *)(void *)sched;
    (void)call;
    ctx->observe = observe;
    run_call(ctx);
}

static void leave_here(trpi_scheduler *sched, trpi_call *call) {
    trp_ctx *ctx = (trp_ctx *)(void *)sched;
    (void)call;
    ctx->observe = NULL;
    run_call(ctx);
}

/* ---- watches ---- */

/* The census, or NULL when out of memory. */
static census *census_of(trp_ctx *ctx) {
    trp_runtime *runtime = ctx->runtime;
    /* Acquire pairs with the release of whoever made it. */
    census *of = trpi_load(&runtime->census, TRPI_ACQUIRE);
    if (of != NULL) {
        return of;
    }
    size_t size = sizeof *of + runtime->group.count * sizeof of->calls[0];
    of = trpi_pool_alloc(&ctx->sched.pool, size);
    if (of == NULL) {
        return NULL;
    }
    memset(of, 0, size);
    trpi_map_init(&of->known, &runtime->host);
    void *expected = NULL;
    if (!trpi_cas_ptr(&runtime->census, &expected, of, TRPI_ACQ_REL)) {
        trpi_pool_free(&ctx->sched.pool, of, size);
        return trpi_load(&runtime->census, TRPI_ACQUIRE); /* another scheduler was faster */
    }
    return of;
}

/* The entry is given up: by unwatch, or because the watcher ends. */
static void end_watch(trp_ctx *ctx, trpi_wait *wait) {
    watch *by = (watch *)(void *)wait;
    census *of = trpi_load(&ctx->runtime->census, TRPI_ACQUIRE);
    bool is_over = false;
    trpi_lock(&of->lock);
    if (by->pprev != NULL) {
        unlink_watch(by);
        is_over = end_if_unwatched(ctx->runtime, of);
    }
    trpi_unlock(&of->lock);
    if (is_over) {
        post_round(ctx->runtime, of);
    }
    if (by->lost != NULL) {
        trpi_message_free(&ctx->sched.pool, by->lost);
    }
    trpi_pool_free(&ctx->sched.pool, by, sizeof *by);
}

/* An event has come: others may follow. */
static bool told(trp_ctx *ctx, trpi_wait *wait) {
    (void)ctx;
    (void)wait;
    return false;
}

/* A watch that watches nothing yet, with its entry. NULL when out of memory. */
static watch *make_watch(trp_ctx *ctx) {
    watch *by = trpi_pool_alloc(&ctx->sched.pool, sizeof *by);
    trpi_entry *entry = by == NULL ? NULL : trpi_entry_new(ctx, TRPI_ENTRY_WAIT);
    trp_ref ref = entry == NULL ? 0 : trpi_load(&entry->ref, TRPI_RELAXED);
    trp_message *lost =
        entry == NULL ? NULL : make_event(ctx, ref, TRP_PID_NONE, TRP_ACTOR_EVENTS_LOST, NULL);
    if (lost == NULL) {
        if (entry != NULL) {
            trpi_entry_release(ctx, entry);
        }
        if (by != NULL) {
            trpi_pool_free(&ctx->sched.pool, by, sizeof *by);
        }
        return NULL;
    }
    memset(by, 0, sizeof *by);
    by->wait.end = end_watch;
    by->wait.woken = told;
    by->ref = ref;
    by->lost = lost;
    entry->u.wait = &by->wait;
    return by;
}

/* What is known already, for one more watch: pushed to the running actor, so it wakes nobody. */
static void tell_known(trp_ctx *ctx, census *of, watch *by) {
    outbox box = {NULL, NULL};
    for (uint32_t i = 0; i < of->known.capacity && by->pprev != NULL; i++) {
        const trpi_map_cell *cell = &of->known.cells[i];
        uint32_t generation = (uint32_t)(uintptr_t)cell->value;
        if ((generation & 1) != 0) {
            trp_pid pid = {0, 0, (uint32_t)cell->key, generation};
            tell(ctx, by, pid, TRP_ACTOR_STARTED, NULL, &box);
        }
    }
    send_all(ctx, &box);
}

int trp_actor_watch(trp_ctx *ctx, trp_ref *ref) {
    trp_runtime *runtime = ctx->runtime;
    if (ctx->frame.actor == NULL || trpi_load(&runtime->stopping, TRPI_ACQUIRE) != 0) {
        return TRP_ESTATE;
    }
    census *of = census_of(ctx);
    watch *by = of == NULL ? NULL : make_watch(ctx);
    if (by == NULL) {
        return TRP_ENOMEM;
    }
    trpi_lock(&of->lock);
    by->next = of->watches;
    by->pprev = &of->watches;
    if (by->next != NULL) {
        by->next->pprev = &by->next;
    }
    of->watches = by;
    bool is_first = of->phase == IDLE;
    if (is_first) {
        of->phase = JOINING;
        plan_round(runtime, of, true);
    } else if (of->phase == WATCHING) {
        tell_known(ctx, of, by);
    }
    trpi_unlock(&of->lock);
    if (is_first) {
        post_round(runtime, of);
    }
    if (ref != NULL) {
        *ref = by->ref;
    }
    return 0;
}

int trp_actor_unwatch(trp_ctx *ctx, trp_ref ref) {
    trpi_actor *actor = ctx->frame.actor;
    trpi_entry *entry = actor == NULL ? NULL : trpi_entry_of(ctx, actor, ref);
    if (entry == NULL || entry->kind != TRPI_ENTRY_WAIT || entry->u.wait->end != end_watch) {
        return TRP_ENOENT;
    }
    trpi_entry_give_up(ctx, entry);
    return 0;
}

void trp_actor_list(trp_ctx *ctx, trp_pid *pids, size_t capacity, size_t *count) {
    trp_runtime *runtime = ctx->runtime;
    uint32_t used = trpi_table_used(&runtime->actors);
    size_t found = 0;
    for (uint32_t i = 0; i < used; i++) {
        trpi_actor *actor = trpi_table_at(&runtime->actors, i);
        uint32_t generation = trpi_load(&actor->generation, TRPI_ACQUIRE);
        if ((generation & 1) != 0) {
            if (found < capacity) {
                pids[found] = (trp_pid){0, 0, i, generation};
            }
            found++;
        }
    }
    *count = found;
}
