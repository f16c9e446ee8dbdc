/*
 * The wheel of wheel.h. A timer for tick T lives on the level of the highest 6-bit group in which T
 * differs from `now`, in the slot that this group of T names. So a slot of level L > 0 is due to
 * trickle down exactly when `now` enters it, and the next event of a level is its lowest used slot
 * above now's own: one bitmap scan.
 */
#include "base/wheel.h"

#include <string.h>

enum {
    SLOTS = 1 << TRPI_WHEEL_BITS,
    SLOT_MASK = SLOTS - 1,
    LOOK_MAX = 16 /* timers of a slot that are looked at for the exact deadline */
};

/*
 * Furthest distance that the levels can tell apart; later deadlines wait at the rim and are placed
 * anew.
 */
static const uint64_t FARTHEST = (UINT64_C(1) << (TRPI_WHEEL_BITS * TRPI_WHEEL_LEVELS)) - 1;

void trpi_wheel_init(trpi_wheel *wheel, uint64_t now_ns) {
    memset(wheel, 0, sizeof *wheel);
    wheel->now = now_ns >> TRPI_WHEEL_TICK_BITS;
}

/* The first tick at whose processing the deadline has passed. */
static uint64_t tick_of(uint64_t deadline_ns) {
    uint64_t tick = deadline_ns >> TRPI_WHEEL_TICK_BITS;
    uint64_t rest = deadline_ns & ((UINT64_C(1) << TRPI_WHEEL_TICK_BITS) - 1);
    return rest == 0 ? tick : tick + 1;
}

static unsigned level_of(uint64_t now, uint64_t tick) {
    unsigned highest = 63u - (unsigned)__builtin_clzll((now ^ tick) | 1);
    return highest / TRPI_WHEEL_BITS;
}

static unsigned slot_of(uint64_t tick, unsigned level) {
    return (unsigned)(tick >> (level * TRPI_WHEEL_BITS)) & SLOT_MASK;
}

static void link_timer(trpi_wheel *wheel, trpi_timer *timer) {
    uint64_t tick = tick_of(timer->deadline_ns);
    if (tick <= wheel->now) {
        tick = wheel->now + 1;
    } else if ((tick ^ wheel->now) > FARTHEST) {
        tick = (wheel->now + 1) | FARTHEST;
    }
    unsigned level = level_of(wheel->now, tick);
    unsigned slot = slot_of(tick, level);
    trpi_timer **head = &wheel->slots[level][slot];
    timer->next = *head;
    timer->pprev = head;
    if (timer->next != NULL) {
        timer->next->pprev = &timer->next;
    }
    *head = timer;
    wheel->used[level] |= UINT64_C(1) << slot;
}

void trpi_wheel_arm(trpi_wheel *wheel, trpi_timer *timer, uint64_t deadline_ns) {
    timer->deadline_ns = deadline_ns;
    link_timer(wheel, timer);
    wheel->count++;
}

/* If `timer` is the last of its slot, the slot's bit must go; its head is then inside the wheel. */
static void clear_bit_of(trpi_wheel *wheel, trpi_timer **head) {
    trpi_timer **first = &wheel->slots[0][0];
    size_t at = (size_t)(head - first);
    wheel->used[at / SLOTS] &= ~(UINT64_C(1) << (at % SLOTS));
}

static bool is_slot_head(const trpi_wheel *wheel, trpi_timer *const *head) {
    uintptr_t at = (uintptr_t)head;
    uintptr_t begin = (uintptr_t)wheel->slots;
    return at >= begin && at < begin + sizeof wheel->slots;
}

void trpi_wheel_cancel(trpi_wheel *wheel, trpi_timer *timer) {
    *timer->pprev = timer->next;
    if (timer->next != NULL) {
        timer->next->pprev = timer->pprev;
    } else if (is_slot_head(wheel, timer->pprev)) {
        clear_bit_of(wheel, timer->pprev);
    }
    timer->pprev = NULL;
    wheel->count--;
}

static trpi_timer *empty_slot(trpi_wheel *wheel, unsigned level, unsigned slot) {
    trpi_timer *timers = wheel->slots[level][slot];
    wheel->slots[level][slot] = NULL;
    wheel->used[level] &= ~(UINT64_C(1) << slot);
    return timers;
}

/*
 * The next tick after `now` at which some slot is due or must trickle down; TRP_NEVER if the wheel
 * is empty.
 */
static uint64_t next_tick(const trpi_wheel *wheel) {
    for (unsigned level = 0; level < TRPI_WHEEL_LEVELS; level++) {
        if (wheel->used[level] != 0) {
            /*
             * All used slots of a level lie ahead of now's own slot in it, and any lower level
             * comes first.
             */
            unsigned slot = (unsigned)__builtin_ctzll(wheel->used[level]);
            unsigned shift = level * TRPI_WHEEL_BITS;
            uint64_t turn = (wheel->now >> shift) & ~(uint64_t)SLOT_MASK;
            return (turn | slot) << shift;
        }
    }
    return TRP_NEVER;
}

/*
 * Puts the timers of the slot that `now` has just entered, on each level, where they belong now.
 * Those due go to the chain.
 */
static trpi_timer **trickle(trpi_wheel *wheel, trpi_timer **tail) {
    for (unsigned level = TRPI_WHEEL_LEVELS; level-- > 0;) {
        unsigned slot = slot_of(wheel->now, level);
        if ((wheel->used[level] >> slot & 1) == 0) {
            continue;
        }
        trpi_timer *timer = empty_slot(wheel, level, slot);
        while (timer != NULL) {
            trpi_timer *next = timer->next;
            if (tick_of(timer->deadline_ns) <= wheel->now) {
                timer->pprev = NULL;
                wheel->count--;
                *tail = timer;
                tail = &timer->next;
            } else {
                link_timer(wheel, timer);
            }
            timer = next;
        }
    }
    return tail;
}

trpi_timer *trpi_wheel_advance(trpi_wheel *wheel, uint64_t now_ns) {
    uint64_t target = now_ns >> TRPI_WHEEL_TICK_BITS;
    trpi_timer *due = NULL;
    trpi_timer **tail = &due;
    while (wheel->now < target) {
        uint64_t tick = next_tick(wheel);
        if (tick > target) {
            wheel->now = target;
            break;
        }
        wheel->now = tick;
        tail = trickle(wheel, tail);
    }
    *tail = NULL;
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
    uint64_t tick = next_tick(wheel);
    if (tick == TRP_NEVER) {
        return TRP_NEVER;
    }
    unsigned level = level_of(wheel->now, tick);
    tick = earliest_of(wheel->slots[level][slot_of(tick, level)], tick);
    return tick > UINT64_MAX >> TRPI_WHEEL_TICK_BITS ? TRP_NEVER - 1 : tick << TRPI_WHEEL_TICK_BITS;
}
