/*
 * What does not fit into a run queue's ring: two lists that only the owner sees.
 *
 * `fresh` has the tasks that a running one made ready, newest first: who spawns a tree so walks it
 * in depth, few of its actors are alive at once, and their memory is still in the cache. `aged` has
 * those that have used up their batch, oldest first: their turn comes when as many others have run
 * as would have before them in one list, so who spawns does not run again before its children. What
 * is fresh for too long becomes aged: nothing waits for more than eight times what waits with it,
 * and 16,384 tasks.
 *
 * Time, `now`, is the number of tasks that have gone through the ring.
 */
#ifndef TRPI_OVERFLOW_H
#define TRPI_OVERFLOW_H

#include "troupe/base.h"

/* Something that can be scheduled: embedded in it. In at most one queue at a time. */
typedef struct trpi_task {
    struct trpi_task *next;
} trpi_task;

typedef struct trpi_task_list {
    trpi_task *first;
    trpi_task *last;
    uint64_t length;
} trpi_task_list;

typedef struct trpi_overflow {
    trpi_task_list fresh;
    trpi_task_list aged;
    uint64_t fresh_since; /* when the fresh list was begun */
    uint64_t aged_due;    /* when the aged have their turn, */
    uint64_t owed;        /* and how many of them have still to run in it */
} trpi_overflow;

static inline bool trpi_overflow_is_empty(const trpi_overflow *overflow) {
    return (overflow->fresh.length | overflow->aged.length) == 0;
}

static inline uint64_t trpi_overflow_length(const trpi_overflow *overflow) {
    return overflow->fresh.length + overflow->aged.length;
}

void trpi_overflow_add(trpi_overflow *overflow, trpi_task *task, bool is_fresh, uint64_t now);

/* Takes what is to run next; NULL if there is nothing. */
trpi_task *trpi_overflow_take(trpi_overflow *overflow, uint64_t now);

#endif
