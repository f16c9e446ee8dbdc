/*
 * The loop of a simulation. In each turn it counts what could happen now (schedulers with a reason
 * to run, and the next event if it is due), picks one by chance, and lets a few microseconds pass.
 * When nothing can happen, the clock jumps to what comes next.
 */
#include "sim_internal.h"

#include <stdlib.h>
#include <string.h>

enum { STEP_COST_NS = 20000 /* most time that one turn takes */ };

/* splitmix64, by Sebastiano Vigna: every seed is good. */
static uint64_t next_random(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

trp_sim *trp_sim_create(uint64_t seed) {
    trp_sim *sim = calloc(1, sizeof *sim);
    if (sim != NULL) {
        sim->seed = seed;
        sim->random = seed;
        sim->now_ns = TRP_NS_PER_S;
        sim->hash = seed;
    }
    return sim;
}

uint64_t trp_sim_destroy(trp_sim *sim) {
    if (sim == NULL) {
        return 0;
    }
    for (trp_sim_node *node = sim->nodes; node != NULL; node = node->next) {
        trpi_sim_node_down(node); /* while all wires are there */
    }
    uint64_t leaked = sim->leaked_bytes;
    trpi_sim_wires_free(sim);
    while (sim->links != NULL) {
        trp_sim_link *link = sim->links;
        sim->links = link->next;
        trpi_sim_link_free(link);
    }
    while (sim->nodes != NULL) {
        trp_sim_node *node = sim->nodes;
        sim->nodes = node->next;
        trpi_sim_node_free(node);
    }
    trpi_sim_jobs_free(sim);
    free(sim->events.items);
    free(sim);
    return leaked;
}

uint64_t trp_sim_seed(const trp_sim *sim) {
    return sim->seed;
}

uint64_t trp_sim_now(const trp_sim *sim) {
    return sim->now_ns;
}

uint64_t trp_sim_random(trp_sim *sim) {
    return next_random(&sim->random);
}

uint64_t trp_sim_random_below(trp_sim *sim, uint64_t limit) {
    return limit == 0 ? 0 : trp_sim_random(sim) % limit;
}

uint64_t trpi_sim_between(trp_sim *sim, uint64_t min, uint64_t max) {
    return max <= min ? min : min + trp_sim_random_below(sim, max - min + 1);
}

bool trpi_sim_chance(trp_sim *sim, uint32_t ppm) {
    return ppm > 0 && trp_sim_random_below(sim, 1000000) < ppm;
}

uint64_t trp_sim_trace_hash(const trp_sim *sim) {
    return sim->hash;
}

void trpi_sim_mix(trp_sim *sim, uint64_t number) {
    uint64_t state = sim->hash ^ number;
    sim->hash = next_random(&state);
}

void trp_sim_on_log(trp_sim *sim, trp_sim_log_fn *hook, void *arg) {
    sim->log = hook;
    sim->log_arg = arg;
}

void trpi_sim_note(trp_sim *sim, const trp_sim_node *node, const char *text) {
    trpi_sim_mix(sim, sim->now_ns);
    for (const char *at = text; *at != '\0'; at++) {
        trpi_sim_mix(sim, (uint8_t)*at);
    }
    if (sim->log != NULL) {
        sim->log(sim->log_arg, sim->now_ns, node, TRP_LOG_DEBUG, "", text);
    }
}

int trp_sim_at(trp_sim *sim, uint64_t time_ns, void (*call)(trp_sim *sim, void *arg), void *arg) {
    return trpi_sim_event_push(sim, time_ns, call, arg);
}

/*
 * Steps the n-th scheduler that has a reason to run. If there are not so many, says how many there
 * are.
 */
static uint64_t step_nth(trp_sim *sim, uint64_t n) {
    uint64_t count = 0;
    for (trp_sim_node *node = sim->nodes; node != NULL; node = node->next) {
        for (unsigned i = 0; i < node->config.schedulers; i++) {
            if (trpi_sim_node_has_reason(node, i) && count++ == n) {
                trpi_sim_node_step(node, i);
                return count;
            }
        }
    }
    return count;
}

static uint64_t next_ns(const trp_sim *sim) {
    uint64_t next = trpi_sim_event_next_ns(sim);
    for (const trp_sim_node *node = sim->nodes; node != NULL; node = node->next) {
        uint64_t mine = trpi_sim_node_next_ns(node);
        next = mine < next ? mine : next;
    }
    return next;
}

static void settle(trp_sim *sim) {
    for (trp_sim_node *node = sim->nodes; node != NULL; node = node->next) {
        trpi_sim_node_settle(node);
    }
    trpi_sim_wires_settle(sim);
}

/* One turn. False if nothing can happen before `until_ns`, which the clock then shows. */
static bool turn(trp_sim *sim, uint64_t until_ns) {
    uint64_t ready = step_nth(sim, UINT64_MAX);
    bool is_event_due = trpi_sim_event_next_ns(sim) <= sim->now_ns;
    if (ready == 0 && !is_event_due) {
        uint64_t next = next_ns(sim);
        if (next > sim->now_ns) {
            sim->now_ns = next < until_ns ? next : until_ns;
        }
        return sim->now_ns < until_ns;
    }
    uint64_t pick = trp_sim_random_below(sim, ready + is_event_due);
    if (pick < ready) {
        (void)step_nth(sim, pick);
    } else {
        trpi_sim_event_run_next(sim);
    }
    settle(sim);
    sim->now_ns += 1 + trp_sim_random_below(sim, STEP_COST_NS);
    return sim->now_ns < until_ns;
}

void trp_sim_run_until(trp_sim *sim, uint64_t time_ns) {
    while (sim->now_ns < time_ns) {
        (void)turn(sim, time_ns);
    }
}

void trp_sim_run_for(trp_sim *sim, uint64_t ns) {
    trp_sim_run_until(sim, sim->now_ns + ns);
}

bool trp_sim_run_while_false(trp_sim *sim, bool (*is_true)(void *arg), void *arg, uint64_t ns) {
    uint64_t until = sim->now_ns + ns;
    while (!is_true(arg)) {
        if (sim->now_ns >= until) {
            return false;
        }
        (void)turn(sim, until);
    }
    return true;
}
