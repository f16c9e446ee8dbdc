/*
 * A hierarchical timing wheel: O(1) to arm and to cancel, whatever waits. A slot of level 0 is one
 * tick of 2^20 ns (about 1 ms) wide, a slot of each level above 64 times as wide as one below. A
 * timer waits on the lowest level that reaches its tick, and moves down one when time enters its slot.
 * Level 0 reaches a second, so a shorter timer never moves, and what moves down at once is a
 * sixteenth of what level 0 holds. Bitmaps find the next used slot, so empty time costs nothing. A
 * timer never fires early, and at most one tick late.
 *
 * A million timers lie far apart in memory, and to walk a slot is to miss the cache with each. So
 * each timer of level 0 remembers the one that comes some places after it, to be fetched meanwhile.
 * That may be gone since: it is only fetched, never looked at.
 */
#ifndef TRPI_WHEEL_H
#define TRPI_WHEEL_H

#include "troupe/base.h"

enum {
    TRPI_WHEEL_TICK_BITS = 20,
    TRPI_WHEEL_BASE_BITS = 10, /* slots of level 0, */
    TRPI_WHEEL_UPPER_BITS = 7, /* of each other level, */
    TRPI_WHEEL_WIDTH_BITS = 6, /* and how much wider than one below they are */
    TRPI_WHEEL_LEVELS = 7,     /* reach 2^43 ticks: 292 years */
    TRPI_WHEEL_LOOK_AHEAD = 8, /* places */
    TRPI_WHEEL_BASE_SLOTS = 1 << TRPI_WHEEL_BASE_BITS,
    TRPI_WHEEL_UPPER_SLOTS = 1 << TRPI_WHEEL_UPPER_BITS,
    TRPI_WHEEL_SLOTS = TRPI_WHEEL_BASE_SLOTS + (TRPI_WHEEL_LEVELS - 1) * TRPI_WHEEL_UPPER_SLOTS
};

/* Embedded in what wants to be told, where its second cache line begins. */
typedef struct trpi_timer {
    struct trpi_timer *next; /* armed before this one */
    struct trpi_timer **pprev;
    const struct trpi_timer *ahead; /* some places further; maybe gone */
    uint64_t deadline_ns;
    uint32_t slot; /* of all levels */
} trpi_timer;

/* The newest first, except that what moves down goes behind: it was armed before all others. */
typedef struct trpi_wheel_slot {
    trpi_timer *newest;
    trpi_timer **end; /* the link behind the oldest */
} trpi_wheel_slot;

typedef struct trpi_wheel {
    uint64_t now; /* the last tick that has been processed */
    uint64_t count;
    uint64_t used[TRPI_WHEEL_SLOTS / 64]; /* a bit for each slot that is not empty */
    trpi_wheel_slot slots[TRPI_WHEEL_SLOTS];
    const trpi_timer *recent[TRPI_WHEEL_BASE_SLOTS][TRPI_WHEEL_LOOK_AHEAD];
    uint8_t recent_at[TRPI_WHEEL_BASE_SLOTS];
} trpi_wheel;

void trpi_wheel_init(trpi_wheel *wheel, uint64_t now_ns);

/*
 * Arms a timer that is not armed for `deadline_ns`, which may have passed: it then fires with the
 * next advance to a later tick.
 */
void trpi_wheel_arm(trpi_wheel *wheel, trpi_timer *timer, uint64_t deadline_ns);

/* Disarms an armed timer. */
void trpi_wheel_cancel(trpi_wheel *wheel, trpi_timer *timer);

/*
 * Moves time on to `now_ns`, or to the end of the tick with which `most` timers are due, and returns
 * a chain of those, disarmed, through `next`: earlier ticks first, those of a tick as they were
 * armed.
 */
trpi_timer *trpi_wheel_advance(trpi_wheel *wheel, uint64_t now_ns, uint64_t most);

/* True if an advance to `now_ns` has stopped before. */
static inline bool trpi_wheel_is_behind(const trpi_wheel *wheel, uint64_t now_ns) {
    return wheel->count > 0 && wheel->now < now_ns >> TRPI_WHEEL_TICK_BITS;
}

/*
 * When the wheel wants to be advanced next: the earliest deadline, or earlier if many timers are
 * near it. TRP_NEVER if empty.
 */
uint64_t trpi_wheel_next_ns(const trpi_wheel *wheel);

#endif
