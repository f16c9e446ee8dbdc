/*
 * A hierarchical timer wheel: O(1) to arm and to cancel, whatever waits. Level 0 has a slot for
 * each tick of 2^20 ns (about 1 ms), each higher level one for a whole turn of the level below;
 * timers trickle down as time comes near. Bitmaps find the next used slot, so empty time costs
 * nothing. A timer never fires early, and at most one tick late.
 */
#ifndef TRPI_WHEEL_H
#define TRPI_WHEEL_H

#include "troupe/base.h"

enum {
    TRPI_WHEEL_TICK_BITS = 20,
    TRPI_WHEEL_BITS = 6,  /* 64 slots a level: one word of bitmap */
    TRPI_WHEEL_LEVELS = 7 /* 2^42 ticks: 146 years */
};

/* Embedded in what wants to be told. `pprev` NULL: not armed. */
typedef struct trpi_timer {
    struct trpi_timer *next;
    struct trpi_timer **pprev;
    uint64_t deadline_ns;
} trpi_timer;

typedef struct trpi_wheel {
    uint64_t now; /* the last tick that has been processed */
    uint64_t count;
    uint64_t used[TRPI_WHEEL_LEVELS]; /* a bit for each slot that is not empty */
    trpi_timer *slots[TRPI_WHEEL_LEVELS][1 << TRPI_WHEEL_BITS];
} trpi_wheel;

void trpi_wheel_init(trpi_wheel *wheel, uint64_t now_ns);

/*
 * Arms a timer that is not armed for `deadline_ns`, which may have passed: it then fires with the
 * next advance.
 */
void trpi_wheel_arm(trpi_wheel *wheel, trpi_timer *timer, uint64_t deadline_ns);

/* Disarms an armed timer. */
void trpi_wheel_cancel(trpi_wheel *wheel, trpi_timer *timer);

/*
 * Moves time on to `now_ns` and returns a chain of the timers that are due, disarmed, through
 * `next`, earlier ticks first.
 */
trpi_timer *trpi_wheel_advance(trpi_wheel *wheel, uint64_t now_ns);

/*
 * When the wheel wants to be advanced next: the earliest deadline, or earlier if many timers are
 * near it. TRP_NEVER if empty.
 */
uint64_t trpi_wheel_next_ns(const trpi_wheel *wheel);

#endif
