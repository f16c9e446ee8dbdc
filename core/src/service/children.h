/*
 * The children of a supervisor: their specs, copied, in the order of their start, and found by id,
 * tag or pid.
 */
#ifndef TRPI_CHILDREN_H
#define TRPI_CHILDREN_H

#include "base/map.h"
#include "troupe/supervisor.h"

typedef struct trpi_child {
    struct trpi_child *next;
    struct trpi_child *previous;
    trp_child_spec spec; /* id, name and arg point behind the record */
    trp_pid pid;         /* TRP_PID_NONE while it does not run */
    uint64_t tag;        /* of the link while it runs, of the timer while it waits to be started */
    uint64_t started_ns;
    uint64_t delay_ns; /* of its last delayed start; 0: none */
    uint32_t restarts;
    bool must_stop;
    bool must_start; /* when all that must stop has stopped */
    bool is_asked;   /* to stop */
} trpi_child;

typedef struct trpi_children {
    trpi_child *first;
    trpi_child *last;
    trpi_map by_tag;
    trp_host memory; /* lets the map use the actor's heap; `self` is the ctx */
    uint64_t last_tag;
    size_t count;
} trpi_children;

/* All memory is the running actor's, so nothing needs to be freed at its end. */
void trpi_children_init(trpi_children *children, trp_ctx *ctx);

/* To be called at the beginning of each callback: the actor may have moved to another scheduler. */
void trpi_children_enter(trpi_children *children, trp_ctx *ctx);

/* Checks a spec for a supervisor with `strategy`: 0, TRP_EINVAL or TRP_EEXIST. */
int trpi_children_check(const trpi_children *children, const trp_child_spec *spec,
                        trp_strategy strategy);

/* Adds a copy of `spec` at the end, in memory of the running actor. NULL when out of memory. */
trpi_child *trpi_children_add(trpi_children *children, trp_ctx *ctx, const trp_child_spec *spec);

/* Forgets a child. */
void trpi_children_remove(trpi_children *children, trp_ctx *ctx, trpi_child *child);

/* Gives the child a tag that was never used. TRP_ENOMEM. */
int trpi_children_tag(trpi_children *children, trpi_child *child);

/* Takes its tag away. */
void trpi_children_untag(trpi_children *children, trpi_child *child);

trpi_child *trpi_children_by_id(const trpi_children *children, const char *id);
trpi_child *trpi_children_by_pid(const trpi_children *children, trp_pid pid);

static inline trpi_child *trpi_children_by_tag(const trpi_children *children, uint64_t tag) {
    return tag == 0 ? NULL : trpi_map_get(&children->by_tag, tag);
}

#endif
