/*
 * What schedulers of one runtime do about each other's work: weigh, offer, take over, keep watch.
 * The design is told in scheduler.h. All of it is rare: once a poll, or when a scheduler is idle.
 */
#ifndef TRPI_SHARE_H
#define TRPI_SHARE_H

#include "sched/scheduler.h"

/* Begins to measure what turns cost: nothing has run since the last poll. */
void trpi_share_begin(trpi_scheduler *sched);

/* At a poll: measures, publishes what the queue adds up to, and wakes a sleeper for much of it. */
void trpi_share_weigh(trpi_scheduler *sched);

/* Wakes one of the others, if one sleeps. */
void trpi_sched_wake_one(trpi_scheduler *sched);

/* Looks for work elsewhere while somebody else is awake; one scheduler at a time. NULL: none. */
trpi_task *trpi_share_search(trpi_scheduler *sched);

/*
 * Before this scheduler sleeps: keeps watch if nobody does and something waits, or waited not long
 * ago. It shows in `watch_at_ns`.
 */
void trpi_share_keep_watch(trpi_scheduler *sched);

void trpi_share_end_watch(trpi_scheduler *sched);

#endif
