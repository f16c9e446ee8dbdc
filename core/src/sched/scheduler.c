/* The scheduler; its design is told in scheduler.h. */
#include "sched/scheduler.h"
#include "base/rare.h"

#include <string.h>

enum {
    POLL_EVERY_MAX = 1024,
    POLL_NS_MIN = 50 * 1000,    /* polls closer than this get rarer, */
    POLL_NS_MAX = 400 * 1000,   /* polls further apart than this more frequent */
    MEASURE_NS_MIN = 20 * 1000, /* less says nothing about the cost of a turn */
    SHARE_NS = 200 * 1000,      /* a backlog from here on is worth another core */
    WATCH_NS_MIN = 1000 * 1000, /* between the looks of the one that keeps watch */
    WATCH_NS_MAX = 8 * 1000 * 1000,
    FIRED_AT_ONCE =
        512 /* timers, before those who wait for them run: while they are in the cache */
};

void trpi_group_init(trpi_group *group) {
    trpi_store(&group->watch_ns, WATCH_NS_MIN, TRPI_RELAXED);
}

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
    sched->watch_at_ns = TRP_NEVER;
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

static void wake_one(trpi_scheduler *sched) {
    trpi_group *group = sched->group;
    for (unsigned i = 1; i < group->count; i++) {
        trpi_scheduler *other = group->schedulers[(sched->index + i) % group->count];
        if (trpi_load(&other->sleeping, TRPI_RELAXED) != 0 && wake(other)) {
            return;
        }
    }
}

/* Something waits while a task runs: somebody should keep watch. */
static inline void check_surplus(trpi_scheduler *sched) {
    trpi_group *group = sched->group;
    if (sched->is_shared && trpi_load(&group->watching, TRPI_RELAXED) == 0 &&
        trpi_load(&group->sleepers, TRPI_RELAXED) != 0 && trpi_queue_length(&sched->queue) > 0) {
        wake_one(sched);
    }
}

void trpi_sched_ready(trpi_scheduler *sched, trpi_task *task) {
    trpi_queue_push(&sched->queue, task, false);
}

void trpi_sched_displace(trpi_scheduler *sched, trpi_task *displaced) {
    trpi_queue_push(&sched->queue, displaced, true);
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

static TRPI_RARE void take_tasks(trpi_scheduler *sched) {
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
        trpi_queue_push(&sched->queue, task, false);
    }
}

static TRPI_RARE void run_calls(trpi_scheduler *sched) {
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

static TRPI_RARE void fire_timers(trpi_scheduler *sched) {
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

static void begin_measure(trpi_scheduler *sched) {
    sched->measured_from_ns = sched->now_ns;
    sched->measured_from = trpi_load(&sched->activations, TRPI_RELAXED);
}

/* Measures what turns cost, and publishes what the queue adds up to. */
static TRPI_RARE void weigh_backlog(trpi_scheduler *sched) {
    uint64_t elapsed = sched->now_ns - sched->measured_from_ns;
    uint64_t turns = trpi_load(&sched->activations, TRPI_RELAXED) - sched->measured_from;
    if (turns > 0 && (elapsed >= MEASURE_NS_MIN || elapsed == 0)) {
        /* A clock that stands still, a test's, says nothing: then any turn may be long. */
        uint64_t turn_ns = elapsed == 0 ? SHARE_NS : elapsed / turns;
        sched->turn_ns = turn_ns < sched->last_turn_ns ? turn_ns : sched->last_turn_ns;
        sched->last_turn_ns = turn_ns;
        begin_measure(sched);
    }
    uint64_t length =
        trpi_queue_length(&sched->queue) + trpi_overflow_length(&sched->queue.overflow);
    uint64_t backlog_ns = length * sched->turn_ns;
    trpi_store(&sched->backlog_ns, backlog_ns, TRPI_RELAXED);
    if (backlog_ns >= SHARE_NS && trpi_load(&sched->group->sleepers, TRPI_RELAXED) != 0) {
        wake_one(sched);
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
    if (sched->is_shared) {
        weigh_backlog(sched);
    }
}

static trpi_task *next_task(trpi_scheduler *sched) {
    trpi_task *task = sched->run_next;
    if (task != NULL) {
        sched->run_next = NULL;
        return task;
    }
    task = trpi_queue_pop(&sched->queue, TRPI_HAS_THREADS != 0 && sched->is_shared);
    if (task != NULL) {
        check_surplus(sched);
    }
    return task;
}

/*
 * One look at every other scheduler. If it is time for a thorough one, any task that waits is taken
 * from whoever is in the same turn as at the last.
 */
static trpi_task *look_around(trpi_scheduler *sched, bool is_thorough) {
    trpi_group *group = sched->group;
    for (unsigned i = 1; i < group->count; i++) {
        unsigned index = (sched->index + i) % group->count;
        trpi_scheduler *other = group->schedulers[index];
        uint32_t length = trpi_queue_length(&other->queue);
        uint64_t activations = trpi_load(&other->activations, TRPI_RELAXED);
        bool is_stuck = is_thorough && sched->seen[index] == activations;
        bool is_worth = trpi_load(&other->backlog_ns, TRPI_RELAXED) >= SHARE_NS;
        if (is_thorough) {
            sched->seen[index] = activations;
        }
        if ((length > 1 && is_worth) || (length > 0 && is_stuck)) {
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

static void note_look(trpi_group *group, bool has_found) {
    uint64_t interval = trpi_load(&group->watch_ns, TRPI_RELAXED);
    uint64_t next = has_found ? WATCH_NS_MIN : interval * 2;
    trpi_store(&group->watch_ns, next > WATCH_NS_MAX ? WATCH_NS_MAX : next, TRPI_RELAXED);
}

/* Looks for work elsewhere while somebody else is awake; one scheduler at a time. */
static trpi_task *search(trpi_scheduler *sched) {
    trpi_group *group = sched->group;
    if (!sched->is_shared || !is_anyone_awake(sched) ||
        trpi_exchange_u32(&group->searching, 1, TRPI_ACQUIRE) != 0) {
        return NULL;
    }
    sched->is_now_stale = true;
    bool is_thorough = trpi_sched_now(sched) - sched->looked_ns >= WATCH_NS_MIN;
    trpi_task *task = look_around(sched, is_thorough);
    if (is_thorough) {
        sched->looked_ns = sched->now_ns;
        note_look(group, task != NULL);
    }
    trpi_store(&group->searching, 0, TRPI_RELEASE);
    return task;
}

static bool does_anything_wait(const trpi_scheduler *sched) {
    trpi_group *group = sched->group;
    for (unsigned i = 0; i < group->count; i++) {
        if (trpi_queue_length(&group->schedulers[i]->queue) > 0) {
            return true;
        }
    }
    return false;
}

static void end_watch(trpi_scheduler *sched) {
    if (sched->watch_at_ns != TRP_NEVER) {
        sched->watch_at_ns = TRP_NEVER;
        trpi_store(&sched->group->watching, 0, TRPI_RELAXED);
    }
}

/*
 * Before this scheduler sleeps: keeps watch if nobody does and something waits, or waited not long
 * ago.
 */
static void keep_watch(trpi_scheduler *sched) {
    trpi_group *group = sched->group;
    uint64_t interval = trpi_load(&group->watch_ns, TRPI_RELAXED);
    end_watch(sched);
    bool is_wanted = sched->is_shared && is_anyone_awake(sched) &&
                     (does_anything_wait(sched) || (sched->has_watched && interval < WATCH_NS_MAX));
    sched->has_watched = is_wanted;
    if (is_wanted && trpi_exchange_u32(&group->watching, 1, TRPI_RELAXED) == 0) {
        sched->watch_at_ns = sched->looked_ns + interval;
    }
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
    end_watch(sched);
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
static TRPI_RARE bool find_work(trpi_scheduler *sched) {
    trpi_task *task = search(sched);
    if (task != NULL) {
        trpi_sched_ready_next(sched, task);
        return true;
    }
    keep_watch(sched);
    return !fall_asleep(sched);
}

trp_step trpi_sched_step(trpi_scheduler *sched, const trp_budget *budget,
                         uint64_t *next_deadline_ns) {
    uint32_t done = 0;
    note_awake(sched);
    sched->is_now_stale = true;
    (void)trpi_sched_now(sched);
    begin_measure(sched);
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
            uint64_t timer_ns = trpi_wheel_next_ns(&sched->wheel);
            *next_deadline_ns = timer_ns < sched->watch_at_ns ? timer_ns : sched->watch_at_ns;
            return TRP_STEP_IDLE;
        }
    }
}
