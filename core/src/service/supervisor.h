/*
 * Inside a supervisor: its state, and what its four files give each other. Each function runs in a
 * callback of the supervisor.
 */
#ifndef TRPI_SUPERVISOR_H
#define TRPI_SUPERVISOR_H

#include "service/children.h"
#include "troupe/supervisor.h"

/* Tags of the supervisor's own timers; children's tags count up from 1. */
#define TRPI_TAG_KILL (UINT64_C(1) << 63)
#define TRPI_TAG_START (TRPI_TAG_KILL | 1)

typedef struct trpi_supervisor {
    trp_supervisor_config config;
    trpi_children children;
    uint64_t *restarts; /* when the last `intensity` restarts were, in a ring */
    uint64_t restarts_count;
    trpi_child *waits_for; /* to stop */
    trp_ref kill_timer;
    uint64_t start_delay_ns; /* between stopping and starting */
    trp_message *asked;      /* a request that is answered when the plan is done */
    bool is_forgetting;      /* the child of that request */
    bool is_ending;
    trp_exit ending;
} trpi_supervisor;

/* What the functions of the public header send. */
extern const trp_type trpi_supervisor_order_type;

/* Does what a request with an order asks, and replies. */
void trpi_supervisor_on_order(trp_ctx *ctx, trpi_supervisor *self, trp_message *request);

/* Spawns the child now. Its init's error, or TRP_ENOMEM. */
int trpi_supervisor_start_child(trp_ctx *ctx, trpi_supervisor *self, trpi_child *child);

/* Takes the next step of the plan: the children's must_stop and must_start say what there is to do. */
void trpi_supervisor_go_on(trp_ctx *ctx, trpi_supervisor *self);

/* Plans the end: all children are stopped, then it ends with `reason`. The first reason counts. */
void trpi_supervisor_end(trp_ctx *ctx, trpi_supervisor *self, const trp_exit *reason);

/* The same because of one restart too many. */
void trpi_supervisor_end_too_many(trp_ctx *ctx, trpi_supervisor *self);

/* Counts a restart. True if it is one too many. */
bool trpi_supervisor_count_restart(trp_ctx *ctx, trpi_supervisor *self);

/*
 * The delay before `child`, which has lived for `lived_ns`, is started again: doubles each time,
 * until one lives long.
 */
uint64_t trpi_supervisor_next_delay(const trpi_supervisor *self, trpi_child *child,
                                    uint64_t lived_ns);

/* Does a child that has ended for good stay in the list? */
static inline bool trpi_supervisor_keeps(const trpi_supervisor *self, const trpi_child *child) {
    return child->spec.restart != TRP_TEMPORARY && self->config.strategy != TRP_DYNAMIC;
}

#endif
