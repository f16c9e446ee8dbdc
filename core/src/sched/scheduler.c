/* The scheduler; its design is told in scheduler.h. */
#include "sched/scheduler.h"

#include "base/rare.h"
#include "sched/share.h"

#include <string.h>

enum {
    POLL_EVERY_MAX = 1024,
    POLL_NS_MIN = 50 * 1000,  /* polls closer than this get rarer, */
    POLL_NS_MAX = 400 * 1000, /* polls further apart than this more frequent */
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

bool trpi_sched_wake(trpi_group *group, unsigned index) {
    return wake(group->schedulers[index]);
}

/* Something waits while a task runs: somebody should keep watch. */
static inline void check_surplus(trpi_scheduler *sched) {
    trpi_group *group = sched->group;
    if (sched->is_shared && trpi_load(&group->watching, TRPI_RELAXED) == 0 &&
        trpi_load(&group->sleepers, TRPI_RELAXED) != 0 && trpi_queue_length(&sched->queue) > 0) {
        trpi_sched_wake_one(sched);
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
        trpi_share_weigh(sched);
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
    trpi_share_end_watch(sched);
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
    trpi_task *task = trpi_share_search(sched);
    if (task != NULL) {
        trpi_sched_ready_next(sched, task);
        return true;
    }
    trpi_share_keep_watch(sched);
    return !fall_asleep(sched);
}

trp_step trpi_sched_step(trpi_scheduler *sched, const trp_budget *budget,
                         uint64_t *next_deadline_ns) {
    uint32_t done = 0;
    note_awake(sched);
    sched->is_now_stale = true;
    (void)trpi_sched_now(sched);
    trpi_share_begin(sched);
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
