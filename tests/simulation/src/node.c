/*
 * A node: where a runtime starts, is stepped, stops, crashes and starts again.
 */
#include "sim_internal.h"

#include <stdlib.h>
#include <string.h>

static const char default_cookie[] = "the cookie of all simulated nodes";

static char *copy_bytes(const void *bytes, size_t length) {
    char *copy = malloc(length + 1);
    if (copy != NULL) {
        memcpy(copy, bytes, length);
        copy[length] = '\0';
    }
    return copy;
}

/* Copies what is given and fills in the defaults. What it points to is ours or NULL afterwards. */
static int fill_config(trp_sim_node_config *config, const trp_sim_node_config *given) {
    memcpy(config, given, given->size < sizeof *config ? given->size : sizeof *config);
    const char *name = config->name;
    const void *cookie = config->cookie == NULL ? default_cookie : config->cookie;
    if (config->cookie == NULL) {
        config->cookie_length = sizeof default_cookie - 1;
    }
    config->name = NULL;
    config->cookie = NULL;
    if (name == NULL || config->schedulers > TRP_SCHEDULERS_MAX) {
        return TRP_EINVAL;
    }
    config->schedulers = config->schedulers == 0 ? 1 : config->schedulers;
    config->heartbeat_ns = config->heartbeat_ns == 0 ? TRP_NS_PER_S : config->heartbeat_ns;
    config->patience_ns = config->patience_ns == 0 ? 2 * TRP_NS_PER_S : config->patience_ns;
    config->handshake_ns = config->handshake_ns == 0 ? 2 * TRP_NS_PER_S : config->handshake_ns;
    config->name = copy_bytes(name, strlen(name));
    config->cookie = copy_bytes(cookie, config->cookie_length);
    return config->name == NULL || config->cookie == NULL ? TRP_ENOMEM : 0;
}

static int make_runtime(trp_sim_node *node) {
    trp_host host;
    trpi_sim_host_fill(node, &host);
    trp_runtime_config config = {
        .size = sizeof config,
        .schedulers = node->config.schedulers,
        .actors_max = node->config.actors_max,
    };
    trp_node_config identity = {
        .size = sizeof identity,
        .name = node->config.name,
        .cookie = node->config.cookie,
        .cookie_length = node->config.cookie_length,
        .heartbeat_ns = node->config.heartbeat_ns,
        .patience_ns = node->config.patience_ns,
        .handshake_ns = node->config.handshake_ns,
    };
    int error = trp_runtime_create(&host, &config, &node->runtime);
    return error != 0 ? error : trp_node_start(node->runtime, &identity);
}

int trp_sim_node_start(trp_sim_node *node) {
    if (node->runtime != NULL) {
        return TRP_ESTATE;
    }
    node->starts++;
    node->entropy = trp_sim_random(node->sim);
    node->paused_until_ns = 0;
    node->wants_crash = false;
    for (unsigned i = 0; i < node->config.schedulers; i++) {
        node->schedulers[i].is_woken = true;
        node->schedulers[i].last = TRP_STEP_MORE;
        node->schedulers[i].deadline_ns = TRP_NEVER;
    }
    trpi_sim_note(node->sim, node, "starts");
    int error = make_runtime(node);
    if (error == 0 && node->config.boot != NULL) {
        error = node->config.boot(node, trp_runtime_enter(node->runtime, 0), node->config.arg);
    }
    if (error != 0) {
        trpi_sim_node_down(node);
    }
    return error;
}

int trp_sim_node_create(trp_sim *sim, const trp_sim_node_config *config, trp_sim_node **out) {
    trp_sim_node *node = calloc(1, sizeof *node);
    if (node == NULL) {
        return TRP_ENOMEM;
    }
    node->sim = sim;
    int error = fill_config(&node->config, config);
    if (error == 0) {
        node->schedulers = calloc(node->config.schedulers, sizeof *node->schedulers);
        error = node->schedulers == NULL ? TRP_ENOMEM : 0;
    }
    node->index = sim->nodes_len;
    if (error == 0) {
        error = trp_sim_node_start(node);
    }
    if (error != 0) {
        trpi_sim_node_free(node);
        return error;
    }
    /* At the end: nodes are visited in the order they were made, whatever memory they lie in. */
    trp_sim_node **tail = &sim->nodes;
    while (*tail != NULL) {
        tail = &(*tail)->next;
    }
    *tail = node;
    sim->nodes_len++;
    *out = node;
    return 0;
}

void trpi_sim_node_free(trp_sim_node *node) {
    trpi_sim_node_down(node);
    free((void *)(uintptr_t)node->config.cookie);
    free((void *)(uintptr_t)node->config.name);
    trpi_sim_fibers_free(node);
    free(node->schedulers);
    free(node);
}

/* Whatever the runtime sends from here on goes nowhere. */
void trpi_sim_node_down(trp_sim_node *node) {
    trp_runtime *runtime = node->runtime;
    node->is_crashing = true;
    node->wants_crash = false;
    trpi_sim_jobs_cancel(node);
    trp_runtime_destroy(runtime);
    node->runtime = NULL;
    node->is_crashing = false;
    node->sim->leaked_bytes += node->live_bytes;
    node->live_bytes = 0;
}

static void crash(trp_sim_node *node) {
    bool is_silent = trp_sim_random_below(node->sim, 2) == 0;
    trpi_sim_note(node->sim, node, is_silent ? "crashes unnoticed" : "crashes");
    trpi_sim_wires_node_down(node, is_silent);
    trpi_sim_node_down(node);
}

void trp_sim_node_crash(trp_sim_node *node) {
    if (node->runtime == NULL) {
        return;
    }
    if (node->sim->is_inside) {
        node->wants_crash = true;
    } else {
        crash(node);
    }
}

void trp_sim_node_stop(trp_sim_node *node, uint64_t grace_ns) {
    if (node->runtime != NULL) {
        trp_runtime_stop(node->runtime, grace_ns);
    }
}

void trp_sim_node_pause(trp_sim_node *node, uint64_t ns) {
    node->paused_until_ns = node->sim->now_ns + ns;
}

static bool is_done(const trp_sim_node *node) {
    for (unsigned i = 0; i < node->config.schedulers; i++) {
        if (node->schedulers[i].last != TRP_STEP_DONE) {
            return false;
        }
    }
    return true;
}

void trpi_sim_node_settle(trp_sim_node *node) {
    if (node->runtime == NULL) {
        return;
    }
    if (node->wants_crash) {
        crash(node);
    } else if (is_done(node)) {
        trpi_sim_note(node->sim, node, "has stopped");
        trpi_sim_wires_node_down(node, false);
        trpi_sim_node_down(node);
    }
}

void trpi_sim_node_touch(trp_sim_node *node, unsigned scheduler) {
    node->schedulers[scheduler].is_woken = true;
}

bool trpi_sim_node_has_reason(const trp_sim_node *node, unsigned scheduler) {
    const trpi_sim_scheduler *mine = &node->schedulers[scheduler];
    if (node->runtime == NULL || node->sim->now_ns < node->paused_until_ns) {
        return false;
    }
    return mine->is_woken || mine->last == TRP_STEP_MORE || mine->deadline_ns <= node->sim->now_ns;
}

uint64_t trpi_sim_node_next_ns(const trp_sim_node *node) {
    uint64_t next = TRP_NEVER;
    if (node->runtime == NULL) {
        return next;
    }
    if (node->sim->now_ns < node->paused_until_ns) {
        return node->paused_until_ns;
    }
    for (unsigned i = 0; i < node->config.schedulers; i++) {
        uint64_t mine = node->schedulers[i].deadline_ns;
        next = mine < next ? mine : next;
    }
    return next;
}

typedef struct step_call {
    trp_sim_node *node;
    unsigned scheduler;
    trp_budget budget;
} step_call;

static void step_now(void *arg) {
    step_call *call = arg;
    trpi_sim_scheduler *mine = &call->node->schedulers[call->scheduler];
    uint64_t deadline = TRP_NEVER;
    mine->last = trp_runtime_step(call->node->runtime, call->scheduler, &call->budget, &deadline);
    mine->deadline_ns = deadline;
}

void trpi_sim_node_step(trp_sim_node *node, unsigned scheduler) {
    trpi_sim_scheduler *mine = &node->schedulers[scheduler];
    step_call call = {node, scheduler, {.messages = 0}};
    /* Short turns more often than long ones, so that much can happen between two messages. */
    call.budget.messages = 1 + (uint32_t)trp_sim_random_below(
                                   node->sim, UINT64_C(1) << trp_sim_random_below(node->sim, 8));
    mine->is_woken = false;
    node->sim->is_inside = true;
    if (!trpi_leave_run(&mine->leave, step_now, &call)) {
        mine->last = TRP_STEP_MORE;
    }
    node->sim->is_inside = false;
}

bool trp_sim_node_is_up(const trp_sim_node *node) {
    return node->runtime != NULL;
}

uint32_t trp_sim_node_starts(const trp_sim_node *node) {
    return node->starts;
}

trp_runtime *trp_sim_node_runtime(const trp_sim_node *node) {
    return node->runtime;
}

trp_ctx *trp_sim_node_enter(trp_sim_node *node, unsigned scheduler) {
    if (node->runtime == NULL || scheduler >= node->config.schedulers) {
        return NULL;
    }
    trpi_sim_node_touch(node, scheduler);
    return trp_runtime_enter(node->runtime, scheduler);
}

const char *trp_sim_node_name(const trp_sim_node *node) {
    return node->config.name;
}
