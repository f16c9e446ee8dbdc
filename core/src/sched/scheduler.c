/* The scheduler; its design is told in scheduler.h. */
#include "sched/scheduler.h"

#include <string.h>

enum {
    POLL_EVERY_MAX = 1024,
    POLL_NS_MIN = 50 * 1000,  /* polls closer than this get rarer, */
    POLL_NS_MAX = 400 * 1000, /* polls further apart than this more frequent */
    SEARCH_ROUNDS = 32,
    SEARCH_SPINS = 64,
    WAKE_EVERY_MAX = 1024,
    FIRED_AT_ONCE =
        512 /* timers, before those who wait for them run: while they are in the cache */
};

void trpi_sched_init(trpi_scheduler *sched, trpi_group *group, unsigned index, const trp_host *host,
                     const trpi_sched_ops *ops, uint32_t batch_max) {
    sched->host = host;
    sched->ops = ops;
    sched->group = group;
    sched->index = index;
    sched->is_shared = group->count > 1;
    sched->poll_every = 1;
    sched->batch = 1;
    sched->batch_max = batch_max;
    sched->now_ns = host->now_ns(host->self);
    sched->last_poll_ns = sched->now_ns;
    trpi_wheel_init(&sched->wheel, sched->now_ns);
    trpi_store(&sched->sleeping, 1, TRPI_RELAXED);
    trpi_add_u32(&group->sleepers, 1, TRPI_RELAXED);
}

/*
 * Wakes `sched` if it sleeps. Sequentially consistent with fall_asleep: either it sees what was
 * made ready, or we see it asleep.
 */
static bool wake(trpi_scheduler *sched) {
    if (trpi_exchange_u32(&sched->sleeping, 0, TRPI_SEQ_CST) == 0) {
        return false;
    }
    trpi_add_u32(&sched->group->sleepers, UINT32_MAX, TRPI_RELAXED);
    sched->host->wake(sched->host->self, sched->index);
    return true;
}

void trpi_sched_wake(trpi_group *group, unsigned index) {
    (void)wake(group->schedulers[index]);
}

/*
 * There is work left over: wakes one sleeper, if the last such wakes were of use or enough has been
 * left over since.
 */
static void offer_surplus(trpi_scheduler *sched) {
    trpi_group *group = sched->group;
    if (++sched->surplus_seen < trpi_load(&group->wake_every, TRPI_RELAXED)) {
        return;
    }
    sched->surplus_seen = 0;
    for (unsigned i = 1; i < group->count; i++) {
        trpi_scheduler *other = group->schedulers[(sched->index + i) % group->count];
        if (trpi_load(&other->sleeping, TRPI_RELAXED) != 0 && wake(other)) {
            return;
        }
    }
}

static inline void check_surplus(trpi_scheduler *sched) {
    if (sched->is_shared && trpi_load(&sched->group->sleepers, TRPI_RELAXED) != 0 &&
        trpi_queue_length(&sched->queue) > 0) {
        offer_surplus(sched);
    }
}

void trpi_sched_ready(trpi_scheduler *sched, trpi_task *task) {
    trpi_queue_push(&sched->queue, task);
}

void trpi_sched_displace(trpi_scheduler *sched, trpi_task *displaced) {
    trpi_queue_push(&sched->queue, displaced);
    check_surplus(sched);
}

void trpi_sched_inject(trpi_group *group, unsigned index, trpi_task *task) {
    trpi_scheduler *sched = group->schedulers[index];
    void *top = trpi_load(&sched->injected_tasks, TRPI_RELAXED);
    do {
        task->next = top;
        /* Release pairs with the acquire in take_tasks. */
    } while (!trpi_cas_ptr(&sched->injected_tasks, &top, task, TRPI_SEQ_CST));
    (void)wake(sched);
}

void trpi_sched_post(trpi_group *group, unsigned index, trpi_call *call) {
    trpi_scheduler *sched = group->schedulers[index];
    void *top = trpi_load(&sched->injected_calls, TRPI_RELAXED);
    do {
        call->next = top;
        /* Release pairs with the acquire in run_calls. */
    } while (!trpi_cas_ptr(&sched->injected_calls, &top, call, TRPI_SEQ_CST));
    (void)wake(sched);
}

static void take_tasks(trpi_scheduler *sched) {
    trpi_task *task = trpi_exchange_ptr(&sched->injected_tasks, NULL, TRPI_ACQUIRE);
    trpi_task *oldest = NULL;
    while (task != NULL) { /* the stack has the newest on top */
        trpi_task *next = task->next;
        task->next = oldest;
        oldest = task;
        task = next;
    }
    while (oldest != NULL) {
        task = oldest;
        oldest = task->next;
        trpi_queue_push(&sched->queue, task);
    }
}

static void run_calls(trpi_scheduler *sched) {
    trpi_call *call = trpi_exchange_ptr(&sched->injected_calls, NULL, TRPI_ACQUIRE);
    trpi_call *oldest = NULL;
    while (call != NULL) {
        trpi_call *next = call->next;
        call->next = oldest;
        oldest = call;
        call = next;
    }
    while (oldest != NULL) {
        call = oldest;
        oldest = call->next;
        call->run(sched, call);
    }
}

static bool has_injected(trpi_scheduler *sched) {
    return trpi_load(&sched->injected_tasks, TRPI_SEQ_CST) != NULL ||
           trpi_load(&sched->injected_calls, TRPI_SEQ_CST) != NULL;
}

static void fire_timers(trpi_scheduler *sched) {
    if (sched->wheel.count == 0) {
        sched->wheel.now = sched->now_ns >> TRPI_WHEEL_TICK_BITS;
        return;
    }
    trpi_timer *timer = trpi_wheel_advance(&sched->wheel, sched->now_ns, FIRED_AT_ONCE);
    while (timer != NULL) {
        trpi_timer *next = timer->next;
        sched->ops->due(sched, timer);
        timer = next;
    }
}

/* Looks at the clock and at what came from outside; adapts how often that is worth it. */
static void poll(trpi_scheduler *sched) {
    sched->is_now_stale = true;
    uint64_t now = trpi_sched_now(sched);
    uint64_t elapsed = now - sched->last_poll_ns;
    sched->last_poll_ns = now;
    if (elapsed > POLL_NS_MAX && sched->poll_every > 1) {
        sched->poll_every /= 2;
    } else if (elapsed < POLL_NS_MIN && sched->poll_every < POLL_EVERY_MAX) {
        sched->poll_every *= 2;
    }
    sched->batch = sched->poll_every < sched->batch_max ? sched->poll_every : sched->batch_max;
    if (has_injected(sched)) {
        take_tasks(sched);
        run_calls(sched);
    }
    fire_timers(sched);
}

static trpi_task *next_task(trpi_scheduler *sched) {
    trpi_task *task = sched->run_next;
    if (task != NULL) {
        sched->run_next = NULL;
        return task;
    }
    task = trpi_queue_pop(&sched->queue, sched->is_shared);
    if (task != NULL) {
        check_surplus(sched);
    }
    return task;
}

/*
 * One look at every other scheduler. A lone task is taken only from one whose `activations` is
 * still what it was at `seen`.
 */
static trpi_task *search_once(trpi_scheduler *sched, uint64_t seen[], bool may_take_lone) {
    trpi_group *group = sched->group;
    for (unsigned i = 1; i < group->count; i++) {
        unsigned index = (sched->index + i) % group->count;
        trpi_scheduler *other = group->schedulers[index];
        uint32_t length = trpi_queue_length(&other->queue);
        uint64_t activations = trpi_load(&other->activations, TRPI_RELAXED);
        bool is_stuck = may_take_lone && seen[index] == activations;
        seen[index] = activations;
        if (length > 1 || (length == 1 && is_stuck)) {
            trpi_task *task = trpi_queue_steal(&other->queue, &sched->queue);
            if (task != NULL) {
                return task;
            }
        }
    }
    return NULL;
}

static bool is_anyone_awake(const trpi_scheduler *sched) {
    return trpi_load(&sched->group->sleepers, TRPI_RELAXED) + 1 < sched->group->count;
}

static void note_search(trpi_group *group, bool has_found) {
    uint32_t every = trpi_load(&group->wake_every, TRPI_RELAXED);
    uint32_t next = has_found ? 1 : every * 2;
    if (next <= WAKE_EVERY_MAX && next != every) {
        trpi_store(&group->wake_every, next, TRPI_RELAXED);
    }
}

/* Looks for work elsewhere for a few microseconds, while somebody else is awake. */
static trpi_task *search(trpi_scheduler *sched) {
    trpi_group *group = sched->group;
    if (!sched->is_shared || !is_anyone_awake(sched) ||
        trpi_exchange_u32(&group->searching, 1, TRPI_ACQUIRE) != 0) {
        return NULL;
    }
    uint64_t seen[TRP_SCHEDULERS_MAX];
    trpi_task *task = search_once(sched, seen, false);
    for (int round = 1; task == NULL && round < SEARCH_ROUNDS && !has_injected(sched); round++) {
        for (int spin = 0; spin < SEARCH_SPINS; spin++) {
            (void)trpi_load(&group->sleepers, TRPI_ACQUIRE);
        }
        task = search_once(sched, seen, round == SEARCH_ROUNDS - 1);
    }
    note_search(group, task != NULL);
    trpi_store(&group->searching, 0, TRPI_RELEASE);
    return task;
}

/* Returns false if something came in the last moment. */
static bool fall_asleep(trpi_scheduler *sched) {
    trpi_add_u32(&sched->group->sleepers, 1, TRPI_RELAXED);
    trpi_store(&sched->sleeping, 1, TRPI_SEQ_CST); /* before the look at the doors; see wake */
    if (!has_injected(sched)) {
        return true;
    }
    if (trpi_exchange_u32(&sched->sleeping, 0, TRPI_SEQ_CST) != 0) {
        trpi_add_u32(&sched->group->sleepers, UINT32_MAX, TRPI_RELAXED);
    }
    return false;
}

static void note_awake(trpi_scheduler *sched) {
    if (trpi_load(&sched->sleeping, TRPI_RELAXED) != 0 &&
        trpi_exchange_u32(&sched->sleeping, 0, TRPI_SEQ_CST) != 0) {
        trpi_add_u32(&sched->group->sleepers, UINT32_MAX, TRPI_RELAXED);
    }
}

/*
 * How many messages may still be handled before the next look at the clock or the end of the
 * budget.
 */
static uint32_t slice_of(const trpi_scheduler *sched, const trp_budget *budget, uint32_t done) {
    uint32_t slice = sched->poll_every;
    if (budget != NULL && budget->messages != 0 && budget->messages - done < slice) {
        slice = budget->messages - done;
    }
    return slice;
}

static bool is_used_up(trpi_scheduler *sched, const trp_budget *budget, uint32_t done) {
    return budget != NULL && ((budget->messages != 0 && done >= budget->messages) ||
                              (budget->deadline_ns != 0 && sched->now_ns >= budget->deadline_ns));
}

/*
 * Runs ready tasks for about `slice` messages. Returns how many it were; fewer only if nothing is
 * ready.
 */
static uint32_t run_slice(trpi_scheduler *sched, uint32_t slice) {
    uint32_t done = 0;
    while (done < slice) {
        trpi_task *task = next_task(sched);
        if (task == NULL) {
            break;
        }
        sched->is_now_stale = true;
        uint64_t activations = trpi_load(&sched->activations, TRPI_RELAXED);
        trpi_store(&sched->activations, activations + 1, TRPI_RELAXED);
        done += 1 + sched->ops->run(sched, task);
    }
    return done;
}

/* Nothing is ready here. Finds something elsewhere, or falls asleep (false). */
static bool find_work(trpi_scheduler *sched) {
    trpi_task *task = search(sched);
    if (task != NULL) {
        trpi_sched_ready_next(sched, task);
        return true;
    }
    return !fall_asleep(sched);
}

trp_step trpi_sched_step(trpi_scheduler *sched, const trp_budget *budget,
                         uint64_t *next_deadline_ns) {
    uint32_t done = 0;
    note_awake(sched);
    for (;;) {
        poll(sched);
        if (done > 0 && is_used_up(sched, budget, done)) {
            *next_deadline_ns = sched->now_ns;
            return TRP_STEP_MORE;
        }
        uint32_t slice = slice_of(sched, budget, done);
        uint32_t ran = run_slice(sched, slice);
        done += ran;
        bool is_behind = trpi_wheel_is_behind(&sched->wheel, sched->now_ns);
        if (ran < slice && !is_behind && !find_work(sched)) {
            *next_deadline_ns = trpi_wheel_next_ns(&sched->wheel);
            return TRP_STEP_IDLE;
        }
    }
}
