/*
 * Faults by chance. Every ten milliseconds each link and each node is looked at, and the seed says
 * whether something happens to it.
 */
#include "sim_internal.h"

enum { PPM = 1000000 };

static const uint64_t TICK_NS = 10 * TRP_NS_PER_MS;

static void restart(trp_sim *sim, void *arg) {
    trp_sim_node *node = arg;
    node->is_restart_planned = false;
    if (node->runtime == NULL && trp_sim_node_start(node) != 0) {
        trpi_sim_note(sim, node, "could not start");
    }
}

static void plan_restart(trp_sim_node *node, uint64_t pause_ns) {
    trp_sim *sim = node->sim;
    if (!node->is_restart_planned &&
        trpi_sim_event_push(sim, sim->now_ns + pause_ns, restart, node) == 0) {
        node->is_restart_planned = true;
    }
}

static void trouble_link(trp_sim *sim, trp_sim_link *link) {
    if (trpi_sim_chance(sim, sim->faults.cut_ppm)) {
        trp_sim_link_cut(link);
    }
    if (trpi_sim_chance(sim, sim->faults.stall_ppm)) {
        trp_sim_link_stall(link, trpi_sim_between(sim, 0, sim->faults.stall_max_ns));
    }
    if (trpi_sim_chance(sim, sim->faults.half_open_ppm)) {
        uint64_t which = trp_sim_random_below(sim, 3); /* one way, the other, both */
        if (which != 1) {
            trp_sim_link_half_open(link, true);
        }
        if (which != 0) {
            trp_sim_link_half_open(link, false);
        }
    }
}

static void trouble_node(trp_sim *sim, trp_sim_node *node) {
    if (node->runtime == NULL) {
        plan_restart(node, trpi_sim_between(sim, 0, sim->faults.down_max_ns));
        return;
    }
    if (trpi_sim_chance(sim, sim->faults.crash_ppm)) {
        trp_sim_node_crash(node);
    } else if (trpi_sim_chance(sim, sim->faults.pause_ppm)) {
        trpi_sim_note(sim, node, "pauses");
        trp_sim_node_pause(node, trpi_sim_between(sim, 0, sim->faults.pause_max_ns));
    }
}

static void tick(trp_sim *sim, void *arg) {
    (void)arg;
    sim->is_fault_planned = false;
    if (!sim->has_faults) {
        return;
    }
    for (trp_sim_link *link = sim->links; link != NULL; link = link->next) {
        trouble_link(sim, link);
    }
    for (trp_sim_node *node = sim->nodes; node != NULL; node = node->next) {
        trouble_node(sim, node);
    }
    trpi_sim_faults_plan(sim);
}

void trpi_sim_faults_plan(trp_sim *sim) {
    if (!sim->is_fault_planned &&
        trpi_sim_event_push(sim, sim->now_ns + TICK_NS, tick, NULL) == 0) {
        sim->is_fault_planned = true;
    }
}

/*
 * Never, rarely or often: a seed that has everything at once would hide what one kind alone does.
 */
static uint32_t draw_ppm(trp_sim *sim, uint32_t often_ppm) {
    switch (trp_sim_random_below(sim, 3)) {
    case 0:
        return 0;
    case 1:
        return 1 + (uint32_t)trp_sim_random_below(sim, often_ppm / 10);
    default:
        return 1 + (uint32_t)trp_sim_random_below(sim, often_ppm);
    }
}

trp_sim_faults trp_sim_faults_draw(trp_sim *sim) {
    return (trp_sim_faults){
        .size = sizeof(trp_sim_faults),
        .cut_ppm = draw_ppm(sim, 40000),
        .stall_ppm = draw_ppm(sim, 40000),
        .half_open_ppm = draw_ppm(sim, 20000),
        .crash_ppm = draw_ppm(sim, 10000),
        .pause_ppm = draw_ppm(sim, 10000),
        .stall_max_ns = trpi_sim_between(sim, TRP_NS_PER_MS, 4 * TRP_NS_PER_S),
        .pause_max_ns = trpi_sim_between(sim, TRP_NS_PER_MS, 4 * TRP_NS_PER_S),
        .down_max_ns = trpi_sim_between(sim, TRP_NS_PER_MS, 2 * TRP_NS_PER_S),
    };
}

void trp_sim_set_faults(trp_sim *sim, const trp_sim_faults *faults) {
    sim->has_faults = faults != NULL;
    if (faults != NULL) {
        sim->faults = *faults;
        trpi_sim_faults_plan(sim);
    }
}

void trp_sim_heal(trp_sim *sim) {
    trpi_sim_note(sim, NULL, "all is healed");
    trp_sim_set_faults(sim, NULL);
    for (trp_sim_link *link = sim->links; link != NULL; link = link->next) {
        link->stalled_until_ns = 0;
    }
    for (trp_sim_node *node = sim->nodes; node != NULL; node = node->next) {
        node->paused_until_ns = 0;
        if (node->runtime == NULL) {
            plan_restart(node, 0);
        }
    }
}
