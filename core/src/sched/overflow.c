/* The overflow of a run queue; its design is told in overflow.h. */
#include "sched/overflow.h"

enum {
    FRESH_FOR_LEAST = 16384, /* tasks run until what is fresh becomes aged, */
    FRESH_FOR_TIMES = 8      /* or so many times as many as are fresh */
};

static void prepend(trpi_overflow *overflow, trpi_task *task, uint64_t now) {
    trpi_task_list *fresh = &overflow->fresh;
    if (fresh->length++ == 0) {
        fresh->last = task;
        overflow->fresh_since = now;
    }
    task->next = fresh->first;
    fresh->first = task;
}

/* Adds a list that is not empty behind the aged. */
static void append(trpi_overflow *overflow, const trpi_task_list *tasks, uint64_t now) {
    trpi_task_list *aged = &overflow->aged;
    if (aged->length == 0) {
        aged->first = tasks->first;
        overflow->aged_due = now + overflow->fresh.length;
    } else {
        aged->last->next = tasks->first;
    }
    aged->last = tasks->last;
    aged->length += tasks->length;
}

void trpi_overflow_add(trpi_overflow *overflow, trpi_task *task, bool is_fresh, uint64_t now) {
    trpi_task_list one = {task, task, 1};
    if (is_fresh) {
        prepend(overflow, task, now);
    } else {
        append(overflow, &one, now);
    }
}

static bool is_fresh_for_too_long(const trpi_overflow *overflow, uint64_t now) {
    uint64_t ran = now - overflow->fresh_since;
    return ran >= FRESH_FOR_LEAST && ran >= FRESH_FOR_TIMES * overflow->fresh.length;
}

static void make_aged(trpi_overflow *overflow, uint64_t now) {
    trpi_task_list fresh = overflow->fresh;
    overflow->fresh.length = 0;
    append(overflow, &fresh, now);
}

/* Gives the aged their turn if it has come. */
static void begin_turn(trpi_overflow *overflow, uint64_t now) {
    if (overflow->fresh.length != 0 && is_fresh_for_too_long(overflow, now)) {
        make_aged(overflow, now);
    } else if (overflow->fresh.length != 0 && now < overflow->aged_due) {
        return;
    }
    overflow->owed = overflow->aged.length;
}

static trpi_task *take_first(trpi_task_list *list) {
    if (list->length == 0) {
        return NULL;
    }
    trpi_task *task = list->first;
    list->first = task->next;
    list->length--;
    return task;
}

trpi_task *trpi_overflow_take(trpi_overflow *overflow, uint64_t now) {
    if (overflow->owed == 0) {
        begin_turn(overflow, now);
    }
    if (overflow->owed == 0) {
        return take_first(&overflow->fresh);
    }
    if (--overflow->owed == 0) {
        overflow->aged_due = now + overflow->fresh.length;
    }
    return take_first(&overflow->aged);
}
