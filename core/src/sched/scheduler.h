/*
 * A scheduler: runs opaque tasks on one thread and owns their timers. It knows nothing of actors.
 *
 * Design. A task made ready by the running one goes to a run-next slot: the pair of a ping-pong
 * stays on one core with hot caches. Whatever it displaces goes to the queue (queue.h).
 *
 * Sharing. Moving a task between cores costs some 100 ns for it, as much again for each message
 * between it and those it left behind, and 25-50 us if the other core sleeps. So what waits is
 * weighed in time and not in tasks: each poll measures what a turn of a task takes here and
 * publishes how long the queue would keep this scheduler busy (`backlog_ns`). Only from SHARE_NS on
 * is a sleeper woken, and only then does an idle scheduler take the older half. 120 actors that
 * exchange short messages are a few microseconds of work and stay where they are; ten handlers of
 * 50 us each do not.
 *
 * The measure knows the past. For the task that waits behind a turn that takes much longer than
 * those before, one idle scheduler keeps watch: while anything waits anywhere it looks again after
 * 1 ms, then 2, up to 8, and takes a task, even a lone one, from whoever has been in one and the
 * same turn since it last looked.
 *
 * The doors from other threads are the two injection stacks (pinned tasks, calls); all else is the
 * owner's.
 */
#ifndef TRPI_SCHEDULER_H
#define TRPI_SCHEDULER_H

#include "base/atomic.h"
#include "base/pool.h"
#include "base/wheel.h"
#include "sched/queue.h"
#include "troupe/runtime.h"

typedef struct trpi_scheduler trpi_scheduler;

/* What a scheduler runs; given by the floor above. */
typedef struct trpi_sched_ops {
    uint32_t (*run)(trpi_scheduler *sched, trpi_task *task); /* returns messages handled */
    void (*due)(trpi_scheduler *sched, trpi_timer *timer);   /* a timer has fired */
} trpi_sched_ops;

/* Something to run between tasks, posted from anywhere. Embedded in the poster's memory. */
typedef struct trpi_call {
    struct trpi_call *next;
    void (*run)(trpi_scheduler *sched, struct trpi_call *call);
    void (*drop)(trpi_scheduler *sched, struct trpi_call *call); /* instead: the runtime ends */
} trpi_call;

/* What the schedulers of one runtime share. */
typedef struct trpi_group {
    trpi_scheduler *schedulers[TRP_SCHEDULERS_MAX];
    unsigned count;
    trpi_atomic_u32 sleepers;  /* how many wait for a wake */
    trpi_atomic_u32 searching; /* 1 while somebody looks for work to steal */
    trpi_atomic_u32 watching;  /* 1 while an idle scheduler looks again by itself */
    trpi_atomic_u64 watch_ns;  /* until its next look: doubles when it was for nothing */
} trpi_group;

struct trpi_scheduler {
    trpi_pool pool; /* first: see message/pool_of.h */
    const trp_host *host;
    const trpi_sched_ops *ops;
    trpi_group *group;
    unsigned index;
    bool is_shared; /* more than one scheduler */
    bool is_now_stale;
    uint32_t poll_every; /* messages between looks at the clock and the doors */
    uint32_t batch;      /* messages that a task may handle in a row: the less of batch_max and
                            poll_every, so that they too are some 100 us of work at most */
    uint32_t batch_max;
    uint64_t now_ns;
    uint64_t last_poll_ns;
    trpi_task *run_next;
    trpi_atomic_u64 activations; /* written by the owner only: a thief sees whether it moves on */
    trpi_atomic_u64 backlog_ns;  /* what was in the queue at the last poll; written by the owner */
    uint64_t turn_ns;            /* what one activation takes: the less of the last two measures, */
    uint64_t last_turn_ns;       /* so that one turn under a busy machine does not count */
    uint64_t measured_from_ns;
    uint64_t measured_from;            /* `activations` then */
    uint64_t seen[TRP_SCHEDULERS_MAX]; /* `activations` of all when this one last looked */
    uint64_t looked_ns;
    uint64_t watch_at_ns;     /* when it looks again by itself; TRP_NEVER: it does not keep watch */
    bool has_watched;         /* and not given it up since */
    trpi_atomic_u32 sleeping; /* 1: waits for a wake; whoever clears it must wake */
    trpi_atomic_ptr injected_tasks;
    trpi_atomic_ptr injected_calls;
    trpi_wheel wheel;
    trpi_queue queue;
};

/* Before the first trpi_sched_init; `count` is set. */
void trpi_group_init(trpi_group *group);

void trpi_sched_init(trpi_scheduler *sched, trpi_group *group, unsigned index, const trp_host *host,
                     const trpi_sched_ops *ops, uint32_t batch_max);

/* Owner: makes a task ready, behind all others. */
void trpi_sched_ready(trpi_scheduler *sched, trpi_task *task);

/* Owner: puts a task that was to run next behind all others, because another one is. */
void trpi_sched_displace(trpi_scheduler *sched, trpi_task *displaced);

/* Owner: makes a task ready to run next. */
static inline void trpi_sched_ready_next(trpi_scheduler *sched, trpi_task *task) {
    trpi_task *displaced = sched->run_next;
    sched->run_next = task;
    if (displaced != NULL) {
        trpi_sched_displace(sched, displaced);
    }
}

/* Any thread: makes a task ready on scheduler `index`. */
void trpi_sched_inject(trpi_group *group, unsigned index, trpi_task *task);

/* Any thread: runs a call on scheduler `index`. */
void trpi_sched_post(trpi_group *group, unsigned index, trpi_call *call);

/* Any thread: makes sure that scheduler `index` steps again. False: it was awake. */
bool trpi_sched_wake(trpi_group *group, unsigned index);

/* As trp_runtime_step, without DONE. */
trp_step trpi_sched_step(trpi_scheduler *sched, const trp_budget *budget,
                         uint64_t *next_deadline_ns);

/* The clock, read at most once per task. */
static inline uint64_t trpi_sched_now(trpi_scheduler *sched) {
    if (sched->is_now_stale) {
        sched->now_ns = sched->host->now_ns(sched->host->self);
        sched->is_now_stale = false;
    }
    return sched->now_ns;
}

#endif
