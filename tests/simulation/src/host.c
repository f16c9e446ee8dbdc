/*
 * The host table of a node: memory is counted, time is the simulation's, entropy comes from the
 * seed, traces go into the hash.
 */
#include "sim_internal.h"

#include "hmac_sha256.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Work takes up to so long: enough for much to happen meanwhile. */
#define WORK_MAX_NS (20 * TRP_NS_PER_MS)

/* Memory comes with room in front for its size, so that a wrong size is seen where it happens. */
enum { HEADER = 16 };

static _Noreturn void die(const trp_sim_node *node, const char *what) {
    fprintf(stderr, "simulation, seed %" PRIu64 ", node %s, time %" PRIu64 " ns: %s\n",
            node->sim->seed, node->config.name, node->sim->now_ns, what);
    abort();
}

static void *on_realloc(void *self, void *block, size_t old_size, size_t new_size) {
    trp_sim_node *node = self;
    char *raw = block == NULL ? NULL : (char *)block - HEADER;
    size_t known = 0;
    if (raw != NULL) {
        memcpy(&known, raw, sizeof known);
    }
    if (known != old_size) {
        die(node, "a block is freed with another size than it was allocated with");
    }
    if (new_size == 0) {
        free(raw);
        node->live_bytes -= old_size;
        return NULL;
    }
    raw = realloc(raw, HEADER + new_size);
    if (raw == NULL) {
        return NULL;
    }
    memcpy(raw, &new_size, sizeof new_size);
    node->live_bytes += new_size;
    node->live_bytes -= old_size;
    return raw + HEADER;
}

static uint64_t on_now(void *self) {
    const trp_sim_node *node = self;
    return node->sim->now_ns;
}

static void on_wake(void *self, unsigned scheduler) {
    trp_sim_node *node = self;
    node->schedulers[scheduler].is_woken = true;
}

static int on_entropy(void *self, void *bytes, size_t length) {
    trp_sim_node *node = self;
    uint8_t *out = bytes;
    for (size_t i = 0; i < length; i++) {
        node->entropy =
            node->entropy * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        out[i] = (uint8_t)(node->entropy >> 56);
    }
    return 0;
}

static void on_log(void *self, int level, const char *who, const char *text, size_t length) {
    trp_sim_node *node = self;
    char line[512];
    if (node->sim->log != NULL) {
        snprintf(line, sizeof line, "%.*s", (int)(length < sizeof line ? length : sizeof line),
                 text);
        node->sim->log(node->sim->log_arg, node->sim->now_ns, node, level, who, line);
    }
}

static void on_trace(void *self, const trp_trace *record) {
    trp_sim_node *node = self;
    trpi_sim_mix(node->sim, (uint64_t)node->index << 32 | node->starts);
    trpi_sim_mix(node->sim, node->sim->now_ns);
    trpi_sim_mix(node->sim, (uint64_t)record->kind << 32 | record->scheduler);
    trpi_sim_mix(node->sim, record->a);
    trpi_sim_mix(node->sim, record->b);
    trpi_sim_mix(node->sim, record->value);
}

static void on_fatal(void *self, const char *text) {
    die(self, text);
}

static void on_abandon(void *self, unsigned scheduler) {
    trp_sim_node *node = self;
    trpi_leave_now(&node->schedulers[scheduler].leave);
}

static void give_back(trpi_sim_job *job, bool is_canceled) {
    *job->pprev = job->next;
    if (job->next != NULL) {
        job->next->pprev = job->pprev;
    }
    job->pprev = NULL;
    job->run(job->job, is_canceled);
}

/* The work of a job is done, all at this moment. */
static void on_job(trp_sim *sim, void *arg) {
    trpi_sim_job *job = arg;
    (void)sim;
    if (job->pprev != NULL) {
        give_back(job, false);
    }
    free(job);
}

void trpi_sim_jobs_cancel(trp_sim_node *node) {
    while (node->jobs != NULL) {
        give_back(node->jobs, true);
    }
}

void trpi_sim_jobs_free(trp_sim *sim) {
    for (size_t i = 0; i < sim->events.length; i++) {
        if (sim->events.items[i].call == on_job) {
            free(sim->events.items[i].arg);
        }
    }
}

static int on_offload(void *self, unsigned scheduler, void (*run)(void *job, bool is_canceled),
                      void *job) {
    trp_sim_node *node = self;
    (void)scheduler;
    trpi_sim_job *made = malloc(sizeof *made);
    if (made == NULL) {
        return TRP_ENOMEM;
    }
    uint64_t at_ns = node->sim->now_ns + trpi_sim_between(node->sim, 0, WORK_MAX_NS);
    int error = trpi_sim_event_push(node->sim, at_ns, on_job, made);
    if (error != 0) {
        free(made);
        return error;
    }
    *made = (trpi_sim_job){node->jobs, &node->jobs, run, job};
    if (made->next != NULL) {
        made->next->pprev = &made->next;
    }
    node->jobs = made;
    return 0;
}

void trpi_sim_host_fill(trp_sim_node *node, trp_host *host) {
    *host = (trp_host){
        .size = sizeof *host,
        .self = node,
        .realloc = on_realloc,
        .now_ns = on_now,
        .wake = on_wake,
        .entropy = on_entropy,
        .log = on_log,
        .trace = on_trace,
        .fatal = on_fatal,
        .hmac_sha256 = trpi_hmac_sha256,
        .abandon = on_abandon,
        .offload = on_offload,
    };
    trpi_sim_fibers_fill(host);
}
