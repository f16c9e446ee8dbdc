/*
 * The parts of a simulation and who may touch what. Everything happens in one thread, in one loop
 * (sim.c): it picks, by chance, either a scheduler that has a reason to run or an event that is
 * due, and when there is neither it moves the clock to whatever comes next.
 *
 *     sim.c    the loop, the clock, chance and the hash
 *     event.c  what happens at a given time
 *     host.c   the host table of a node: memory, wake, entropy, log, trace, abandon, offload
 *     fibers.c stacks for routines
 *     node.c   starting, stepping and ending a node
 *     link.c   wishes to be connected: dialling and the faults of a network
 *     wire.c   one connection: two sessions and a pipe each way
 *     fault.c  faults by chance
 */
#ifndef TRPI_SIM_INTERNAL_H
#define TRPI_SIM_INTERNAL_H

#include "leave.h"
#include "troupe/sim.h"

/* ---- events ---- */

typedef void trpi_sim_call(trp_sim *sim, void *arg);

typedef struct trpi_sim_event {
    uint64_t at_ns;
    uint64_t sequence; /* those of the same time come in the order they were made */
    trpi_sim_call *call;
    void *arg;
} trpi_sim_event;

/* A binary heap, earliest first. */
typedef struct trpi_sim_events {
    trpi_sim_event *items;
    size_t length;
    size_t capacity;
    uint64_t sequence;
} trpi_sim_events;

int trpi_sim_event_push(trp_sim *sim, uint64_t at_ns, trpi_sim_call *call, void *arg);
uint64_t trpi_sim_event_next_ns(const trp_sim *sim);
void trpi_sim_event_run_next(trp_sim *sim);

/* ---- nodes ---- */

typedef struct trpi_sim_scheduler {
    bool is_woken;
    trp_step last;
    uint64_t deadline_ns;
    trpi_leave_point leave;
} trpi_sim_scheduler;

/* Work that a node has given away: an event will do it, unless the node goes down before. */
typedef struct trpi_sim_job {
    struct trpi_sim_job *next;
    struct trpi_sim_job **pprev; /* NULL: given back already */
    void (*run)(void *job, bool is_canceled);
    void *job;
} trpi_sim_job;

struct trp_sim_node {
    trp_sim *sim;
    trp_sim_node *next;
    unsigned index;
    trp_sim_node_config config; /* its pointers are ours */
    trp_runtime *runtime;       /* NULL: down */
    uint32_t starts;
    bool wants_crash;
    bool is_crashing; /* transports say nothing to the peer */
    bool is_restart_planned;
    uint64_t paused_until_ns;
    uint64_t entropy;
    uint64_t live_bytes;
    struct trpi_fiber_pool *fibers; /* NULL until the first routine */
    trpi_sim_scheduler *schedulers;
    trpi_sim_job *jobs;
};

/* Fibers for the node's host table, where this build has any, and their end. */
void trpi_sim_fibers_fill(trp_host *host);
void trpi_sim_fibers_free(trp_sim_node *node);

void trpi_sim_host_fill(trp_sim_node *node, trp_host *host);

/* Gives back all work that the node has given away and that is not done. */
void trpi_sim_jobs_cancel(trp_sim_node *node);

/* The simulation ends: frees what is left of them in its events. */
void trpi_sim_jobs_free(trp_sim *sim);
void trpi_sim_node_down(trp_sim_node *node);
void trpi_sim_node_step(trp_sim_node *node, unsigned scheduler);
bool trpi_sim_node_has_reason(const trp_sim_node *node, unsigned scheduler);
uint64_t trpi_sim_node_next_ns(const trp_sim_node *node);
void trpi_sim_node_free(trp_sim_node *node);

/* Does between steps what a step has asked for. */
void trpi_sim_node_settle(trp_sim_node *node);

/*
 * The host has called into the runtime on this scheduler's thread: a step follows, as in any host.
 */
void trpi_sim_node_touch(trp_sim_node *node, unsigned scheduler);

/* ---- links and wires ---- */

typedef struct trpi_sim_wire trpi_sim_wire;

struct trp_sim_link {
    trp_sim *sim;
    trp_sim_link *next;
    trp_sim_node *dialler;
    trp_sim_node *acceptor;
    trp_sim_link_options options; /* its token is ours */
    trpi_sim_wire
        *wire; /* the newest, NULL if none; older ones may still have an end that does not know */
    uint32_t dials;
    bool redial;
    bool is_dial_planned;
    uint64_t stalled_until_ns;
};

/* The dialler's end of the newest wire is gone: connect again. */
void trpi_sim_link_lost(trp_sim_link *link);
uint64_t trpi_sim_link_delay(trp_sim_link *link);
void trpi_sim_link_free(trp_sim_link *link);

/* Connects the two nodes of `link`, which are both up. */
int trpi_sim_wire_create(trp_sim_link *link, trpi_sim_wire **out);
bool trpi_sim_wire_is_up(const trpi_sim_wire *wire);
void trpi_sim_wire_cut(trpi_sim_wire *wire);
void trpi_sim_wire_half_open(trpi_sim_wire *wire, unsigned from_end);

/* A node goes down: what becomes of its connections. `is_silent`: the peers hear nothing. */
void trpi_sim_wires_node_down(trp_sim_node *node, bool is_silent);

/*
 * Tells sessions that they may send again, or must wait, and frees wires that nobody has any more.
 */
void trpi_sim_wires_settle(trp_sim *sim);
void trpi_sim_wires_free(trp_sim *sim);

/* ---- the simulation ---- */

struct trp_sim {
    uint64_t seed;
    uint64_t random;
    uint64_t now_ns;
    uint64_t hash;
    uint64_t leaked_bytes;
    bool is_inside; /* a runtime is being called: nothing may be ended under it */
    trpi_sim_events events;
    trp_sim_node *nodes;
    unsigned nodes_len;
    trp_sim_link *links;
    trpi_sim_wire *wires;
    trp_sim_faults faults;
    bool has_faults;
    bool is_fault_planned;
    trp_sim_log_fn *log;
    void *log_arg;
};

void trpi_sim_faults_plan(trp_sim *sim);

/* Adds a number to the trace hash. */
void trpi_sim_mix(trp_sim *sim, uint64_t number);
void trpi_sim_note(trp_sim *sim, const trp_sim_node *node, const char *text);
bool trpi_sim_chance(trp_sim *sim, uint32_t ppm);
uint64_t trpi_sim_between(trp_sim *sim, uint64_t min, uint64_t max);

#endif
