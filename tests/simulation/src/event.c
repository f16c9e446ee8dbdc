/*
 * What happens at a given time: a binary heap.
 */
#include "sim_internal.h"

#include <stdlib.h>

static bool is_before(const trpi_sim_event *a, const trpi_sim_event *b) {
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->sequence < b->sequence;
}

static void swap(trpi_sim_event *a, trpi_sim_event *b) {
    trpi_sim_event old = *a;
    *a = *b;
    *b = old;
}

static int make_room(trpi_sim_events *events) {
    if (events->length < events->capacity) {
        return 0;
    }
    size_t capacity = events->capacity == 0 ? 64 : 2 * events->capacity;
    trpi_sim_event *items = realloc(events->items, capacity * sizeof *items);
    if (items == NULL) {
        return TRP_ENOMEM;
    }
    events->items = items;
    events->capacity = capacity;
    return 0;
}

int trpi_sim_event_push(trp_sim *sim, uint64_t at_ns, trpi_sim_call *call, void *arg) {
    trpi_sim_events *events = &sim->events;
    int error = make_room(events);
    if (error != 0) {
        return error;
    }
    size_t at = events->length++;
    events->items[at] = (trpi_sim_event){at_ns, events->sequence++, call, arg};
    while (at > 0 && is_before(&events->items[at], &events->items[(at - 1) / 2])) {
        swap(&events->items[at], &events->items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    return 0;
}

uint64_t trpi_sim_event_next_ns(const trp_sim *sim) {
    return sim->events.length == 0 ? TRP_NEVER : sim->events.items[0].at_ns;
}

static void sink(trpi_sim_events *events) {
    size_t at = 0;
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < events->length; child++) {
            if (is_before(&events->items[child], &events->items[least])) {
                least = child;
            }
        }
        if (least == at) {
            return;
        }
        swap(&events->items[at], &events->items[least]);
        at = least;
    }
}

void trpi_sim_event_run_next(trp_sim *sim) {
    trpi_sim_events *events = &sim->events;
    trpi_sim_event event = events->items[0];
    events->items[0] = events->items[--events->length];
    sink(events);
    event.call(sim, event.arg);
}
