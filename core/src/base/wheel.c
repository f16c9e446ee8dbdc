/*
 * The wheel of wheel.h. A timer for tick T is on the lowest level whose slots reach T from `now`. Of
 * two timers for one tick, the one on the higher level was armed before the other: to it T was
 * farther away. What moves down goes one level down, skipping none, and joins its slot at the old
 * end: so all slots keep the order of arming without a look at the clock or a count.
 *
 * The slot of level L that `now` is in was entered with its first tick: what is in it now is for
 * the next turn. So the next event of a level is its first used slot after now's own, all the way
 * round.
 */
#include "base/wheel.h"

#include <string.h>

enum {
    LOOK_MAX = 16, /* timers of a slot that are looked at for the exact deadline */
    CACHE_LINE = 64
};

/* Later deadlines wait at the rim and are placed anew. */
static const uint64_t FARTHEST =
    (UINT64_C(1) << (TRPI_WHEEL_UPPER_BITS + TRPI_WHEEL_WIDTH_BITS * (TRPI_WHEEL_LEVELS - 1))) - 1;

void trpi_wheel_init(trpi_wheel *wheel, uint64_t now_ns) {
    memset(wheel, 0, sizeof *wheel);
    wheel->now = now_ns >> TRPI_WHEEL_TICK_BITS;
    for (unsigned i = 0; i < TRPI_WHEEL_SLOTS; i++) {
        wheel->slots[i].end = &wheel->slots[i].newest;
    }
}

/* The first tick at whose processing the deadline has passed. */
static uint64_t tick_of(uint64_t deadline_ns) {
    uint64_t tick = deadline_ns >> TRPI_WHEEL_TICK_BITS;
    uint64_t rest = deadline_ns & ((UINT64_C(1) << TRPI_WHEEL_TICK_BITS) - 1);
    return rest == 0 ? tick : tick + 1;
}

/* ---- levels ---- */

static unsigned shift_of(unsigned level) {
    return level * TRPI_WHEEL_WIDTH_BITS;
}

static unsigned slots_of(unsigned level) {
    return level == 0 ? TRPI_WHEEL_BASE_SLOTS : TRPI_WHEEL_UPPER_SLOTS;
}

/* The level's first slot among those of all levels. */
static unsigned first_of(unsigned level) {
    return level == 0 ? 0 : TRPI_WHEEL_BASE_SLOTS + (level - 1) * TRPI_WHEEL_UPPER_SLOTS;
}

/* The lowest level that reaches as far as `distance`, at most FARTHEST. */
static unsigned level_for(uint64_t distance) {
    if (distance < TRPI_WHEEL_BASE_SLOTS) {
        return 0;
    }
    unsigned bits = 64u - (unsigned)__builtin_clzll(distance);
    return (bits - TRPI_WHEEL_UPPER_BITS + TRPI_WHEEL_WIDTH_BITS - 1) / TRPI_WHEEL_WIDTH_BITS;
}

static unsigned slot_of(uint64_t tick, unsigned level) {
    return first_of(level) + ((unsigned)(tick >> shift_of(level)) & (slots_of(level) - 1));
}

/* How far `tick` is away: at least one, at most FARTHEST. */
static uint64_t distance_to(const trpi_wheel *wheel, uint64_t tick) {
    uint64_t distance = tick > wheel->now ? tick - wheel->now : 1;
    return distance > FARTHEST ? FARTHEST : distance;
}

/* ---- slots ---- */

static void mark_used(trpi_wheel *wheel, unsigned slot) {
    wheel->used[slot / 64] |= UINT64_C(1) << (slot % 64);
}

static void mark_empty(trpi_wheel *wheel, unsigned slot) {
    wheel->used[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

static bool is_used(const trpi_wheel *wheel, unsigned slot) {
    return (wheel->used[slot / 64] >> (slot % 64) & 1) != 0;
}

/* The timer that was armed for this slot some places before comes as many after this one. */
static void look_ahead(trpi_wheel *wheel, trpi_timer *timer, unsigned slot) {
    const trpi_timer **place =
        &wheel->recent[slot][wheel->recent_at[slot]++ % TRPI_WHEEL_LOOK_AHEAD];
    timer->ahead = *place;
    *place = timer;
}

void trpi_wheel_arm(trpi_wheel *wheel, trpi_timer *timer, uint64_t deadline_ns) {
    uint64_t distance = distance_to(wheel, tick_of(deadline_ns));
    unsigned slot = slot_of(wheel->now + distance, level_for(distance));
    trpi_wheel_slot *in = &wheel->slots[slot];
    timer->deadline_ns = deadline_ns;
    timer->slot = slot;
    timer->ahead = NULL;
    if (slot < TRPI_WHEEL_BASE_SLOTS) {
        look_ahead(wheel, timer, slot);
    }
    timer->next = in->newest;
    timer->pprev = &in->newest;
    if (timer->next != NULL) {
        timer->next->pprev = &timer->next;
    } else {
        in->end = &timer->next;
        mark_used(wheel, slot);
    }
    in->newest = timer;
    wheel->count++;
}

/* Places a timer of a slot of `level` that time has entered. Only at the rim it stays there. */
static void move_down(trpi_wheel *wheel, trpi_timer *timer, unsigned level) {
    uint64_t tick = tick_of(timer->deadline_ns);
    uint64_t distance = distance_to(wheel, tick);
    bool is_near = level_for(distance) < level;
    unsigned slot = is_near ? slot_of(tick, level - 1) : slot_of(wheel->now + distance, level);
    trpi_wheel_slot *in = &wheel->slots[slot];
    timer->slot = slot;
    timer->next = NULL;
    timer->pprev = in->end;
    *in->end = timer;
    in->end = &timer->next;
    mark_used(wheel, slot);
}

void trpi_wheel_cancel(trpi_wheel *wheel, trpi_timer *timer) {
    trpi_wheel_slot *in = &wheel->slots[timer->slot];
    *timer->pprev = timer->next;
    if (timer->next != NULL) {
        timer->next->pprev = timer->pprev;
    } else {
        in->end = timer->pprev;
        if (in->newest == NULL) {
            mark_empty(wheel, timer->slot);
        }
    }
    wheel->count--;
}

static trpi_timer *empty_slot(trpi_wheel *wheel, unsigned slot) {
    trpi_timer *timers = wheel->slots[slot].newest;
    wheel->slots[slot] = (trpi_wheel_slot){NULL, &wheel->slots[slot].newest};
    mark_empty(wheel, slot);
    return timers;
}

/* ---- time ---- */

/*
 * The level's first used slot at `from` or after it, all the way round, as the distance from there;
 * TRP_NEVER if there is none.
 */
static uint64_t distance_to_used(const trpi_wheel *wheel, unsigned level, unsigned from) {
    const uint64_t *used = &wheel->used[first_of(level) / 64];
    unsigned words = slots_of(level) / 64;
    uint64_t later = UINT64_MAX << (from % 64); /* in the word of `from`, which comes twice */
    for (unsigned i = 0; i <= words; i++) {
        unsigned at = (from / 64 + i) % words;
        uint64_t bits = used[at] & (i == 0 ? later : i == words ? ~later : UINT64_MAX);
        if (bits != 0) {
            unsigned slot = at * 64 + (unsigned)__builtin_ctzll(bits);
            return (slot - from) & (slots_of(level) - 1);
        }
    }
    return TRP_NEVER;
}

/* When time enters the next used slot of a level; TRP_NEVER if it has none. */
static uint64_t next_entry(const trpi_wheel *wheel, unsigned level) {
    uint64_t next = (wheel->now >> shift_of(level)) + 1;
    unsigned from = (unsigned)next & (slots_of(level) - 1);
    uint64_t distance = distance_to_used(wheel, level, from);
    return distance == TRP_NEVER ? TRP_NEVER : (next + distance) << shift_of(level);
}

static uint64_t next_tick(const trpi_wheel *wheel) {
    uint64_t earliest = TRP_NEVER;
    for (unsigned level = 0; level < TRPI_WHEEL_LEVELS; level++) {
        uint64_t tick = next_entry(wheel, level);
        earliest = tick < earliest ? tick : earliest;
    }
    return earliest;
}

/* Has a timer that may be gone fetched, and what it is embedded in, which begins a line before. */
static void fetch(const trpi_timer *timer) {
    __builtin_prefetch((const void *)((uintptr_t)timer - CACHE_LINE), 1);
    __builtin_prefetch(timer, 1);
}

/* Moves what is in a slot that `now` has entered one level down. */
static void enter(trpi_wheel *wheel, unsigned level, unsigned slot) {
    trpi_timer *timer = empty_slot(wheel, slot);
    while (timer != NULL) {
        trpi_timer *next = timer->next;
        move_down(wheel, timer, level);
        timer = next;
    }
}

/* Takes the timers of a slot of level 0, chained the other way round: oldest first. */
static trpi_timer *take_due(trpi_wheel *wheel, unsigned slot, uint64_t *count) {
    trpi_timer *due = NULL;
    trpi_timer *timer = empty_slot(wheel, slot);
    while (timer != NULL) {
        trpi_timer *next = timer->next;
        fetch(timer->ahead);
        timer->next = due;
        due = timer;
        timer = next;
        ++*count;
    }
    return due;
}

/* Enters the slots that begin with `now`, the widest first, and takes what is due. */
static trpi_timer *enter_tick(trpi_wheel *wheel, uint64_t *count) {
    for (unsigned level = TRPI_WHEEL_LEVELS - 1; level > 0; level--) {
        uint64_t rest = wheel->now & ((UINT64_C(1) << shift_of(level)) - 1);
        unsigned slot = slot_of(wheel->now, level);
        if (rest == 0 && is_used(wheel, slot)) {
            enter(wheel, level, slot);
        }
    }
    unsigned slot = slot_of(wheel->now, 0);
    return is_used(wheel, slot) ? take_due(wheel, slot, count) : NULL;
}

trpi_timer *trpi_wheel_advance(trpi_wheel *wheel, uint64_t now_ns, uint64_t most) {
    uint64_t target = now_ns >> TRPI_WHEEL_TICK_BITS;
    uint64_t count = 0;
    trpi_timer *due = NULL;
    trpi_timer **tail = &due;
    while (wheel->now < target && count < most) {
        uint64_t tick = next_tick(wheel);
        wheel->now = tick < target ? tick : target;
        if (tick <= target) {
            *tail = enter_tick(wheel, &count);
            while (*tail != NULL) {
                tail = &(*tail)->next;
            }
        }
    }
    wheel->count -= count;
    return due;
}

/* The earliest deadline in a slot; the slot's own beginning if too many are in it to look. */
static uint64_t earliest_of(const trpi_timer *timer, uint64_t slot_tick) {
    uint64_t earliest = TRP_NEVER;
    for (int looked = 0; timer != NULL; timer = timer->next, looked++) {
        if (looked == LOOK_MAX) {
            return slot_tick;
        }
        uint64_t tick = tick_of(timer->deadline_ns);
        earliest = tick < earliest ? tick : earliest;
    }
    return earliest > slot_tick ? earliest : slot_tick;
}

uint64_t trpi_wheel_next_ns(const trpi_wheel *wheel) {
    uint64_t earliest = TRP_NEVER;
    for (unsigned level = 0; level < TRPI_WHEEL_LEVELS; level++) {
        uint64_t tick = next_entry(wheel, level);
        if (tick < earliest) {
            uint64_t due = earliest_of(wheel->slots[slot_of(tick, level)].newest, tick);
            earliest = due < earliest ? due : earliest;
        }
    }
    if (earliest == TRP_NEVER) {
        return TRP_NEVER;
    }
    return earliest > UINT64_MAX >> TRPI_WHEEL_TICK_BITS ? TRP_NEVER - 1
                                                         : earliest << TRPI_WHEEL_TICK_BITS;
}
