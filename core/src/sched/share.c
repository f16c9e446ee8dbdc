/* Sharing between schedulers; the design is told in scheduler.h. */
#include "sched/share.h"

enum {
    MEASURE_NS_MIN = 20 * 1000, /* less says nothing about the cost of a turn */
    SHARE_NS = 200 * 1000,      /* a backlog from here on is worth another core */
    WATCH_NS_MIN = 1000 * 1000, /* between the looks of the one that keeps watch */
    WATCH_NS_MAX = 8 * 1000 * 1000
};

void trpi_group_init(trpi_group *group) {
    trpi_store(&group->watch_ns, WATCH_NS_MIN, TRPI_RELAXED);
}

void trpi_sched_wake_one(trpi_scheduler *sched) {
    trpi_group *group = sched->group;
    for (unsigned i = 1; i < group->count; i++) {
        trpi_scheduler *other = group->schedulers[(sched->index + i) % group->count];
        if (trpi_load(&other->sleeping, TRPI_RELAXED) != 0 &&
            trpi_sched_wake(group, other->index)) {
            return;
        }
    }
}

void trpi_share_begin(trpi_scheduler *sched) {
    sched->measured_from_ns = sched->now_ns;
    sched->measured_from = trpi_load(&sched->activations, TRPI_RELAXED);
}

void trpi_share_weigh(trpi_scheduler *sched) {
    uint64_t elapsed = sched->now_ns - sched->measured_from_ns;
    uint64_t turns = trpi_load(&sched->activations, TRPI_RELAXED) - sched->measured_from;
    if (turns > 0 && (elapsed >= MEASURE_NS_MIN || elapsed == 0)) {
        /* A clock that stands still, a test's, says nothing: then any turn may be long. */
        uint64_t turn_ns = elapsed == 0 ? SHARE_NS : elapsed / turns;
        sched->turn_ns = turn_ns < sched->last_turn_ns ? turn_ns : sched->last_turn_ns;
        sched->last_turn_ns = turn_ns;
        trpi_share_begin(sched);
    }
    uint64_t length =
        trpi_queue_length(&sched->queue) + trpi_overflow_length(&sched->queue.overflow);
    uint64_t backlog_ns = length * sched->turn_ns;
    trpi_store(&sched->backlog_ns, backlog_ns, TRPI_RELAXED);
    if (backlog_ns >= SHARE_NS && trpi_load(&sched->group->sleepers, TRPI_RELAXED) != 0) {
        trpi_sched_wake_one(sched);
    }
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

trpi_task *trpi_share_search(trpi_scheduler *sched) {
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

void trpi_share_end_watch(trpi_scheduler *sched) {
    if (sched->watch_at_ns != TRP_NEVER) {
        sched->watch_at_ns = TRP_NEVER;
        trpi_store(&sched->group->watching, 0, TRPI_RELAXED);
    }
}

void trpi_share_keep_watch(trpi_scheduler *sched) {
    trpi_group *group = sched->group;
    uint64_t interval = trpi_load(&group->watch_ns, TRPI_RELAXED);
    trpi_share_end_watch(sched);
    bool is_wanted = sched->is_shared && is_anyone_awake(sched) &&
                     (does_anything_wait(sched) || (sched->has_watched && interval < WATCH_NS_MAX));
    sched->has_watched = is_wanted;
    if (is_wanted && trpi_exchange_u32(&group->watching, 1, TRPI_RELAXED) == 0) {
        sched->watch_at_ns = sched->looked_ns + interval;
    }
}
