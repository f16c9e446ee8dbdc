/* The example of docs/testing.md: a client asks a server over a bad network, whatever happens. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <troupe/sim.h>
#include <troupe/troupe.h>

static uint64_t asked, answered; /* the test's own, outside of all nodes */

static void serve(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    if (trp_message_is_request(message)) {
        trp_reply(ctx, message, trp_message_copy(ctx, message));
    }
}

static const trp_behaviour server = {TRP_BEHAVIOUR("server"), .handle = serve};

static void ask(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    if (!trp_message_is(message, &trp_timeout_type)) {
        answered++; /* with a reply, or with the reason why there is none */
        return;
    }
    trp_pid to;
    trp_ref ref;
    if (trp_remote_name(ctx, "server", "echo", &to) == 0 &&
        trp_request(ctx, to, trp_message_new_bytes(ctx, "hello", 5), TRP_NS_PER_S, &ref) == 0) {
        asked++;
    }
}

static int ask_often(trp_ctx *ctx, void *state, const void *arg) {
    (void)state, (void)arg;
    return trp_interval(ctx, 20 * TRP_NS_PER_MS, 1, NULL);
}

static const trp_behaviour client = {TRP_BEHAVIOUR("client"), .init = ask_often, .handle = ask};

/* Runs whenever a node starts, also after a crash. */
static int boot_server(trp_sim_node *node, trp_ctx *root, void *arg) {
    trp_spawn_options options = {.size = sizeof options, .name = "echo"};
    (void)node, (void)arg;
    return trp_spawn_opt(root, &server, NULL, &options, NULL, NULL);
}

/* 0 if all went well. */
static int try_seed(uint64_t seed) {
    trp_sim *sim = trp_sim_create(seed);
    trp_sim_node *nodes[2] = {NULL, NULL};
    trp_sim_node_config there = {.size = sizeof there, .name = "server", .boot = boot_server};
    trp_sim_node_config here = {.size = sizeof here, .name = "client"};
    int error = sim == NULL ? TRP_ENOMEM : trp_sim_node_create(sim, &there, &nodes[0]);
    error = error ? error : trp_sim_node_create(sim, &here, &nodes[1]);
    error = error ? error : trp_sim_connect(sim, nodes[1], nodes[0], NULL, NULL);
    error = error ? error : trp_spawn(trp_sim_node_enter(nodes[1], 0), &client, NULL, NULL);
    if (error == 0) {
        trp_sim_faults faults = trp_sim_faults_draw(sim);
        faults.crash_ppm = 0; /* what the client counts should survive */
        trp_sim_set_faults(sim, &faults);
        trp_sim_run_for(sim, 20 * TRP_NS_PER_S);
        trp_sim_heal(sim);
        trp_sim_run_for(sim, 10 * TRP_NS_PER_S);
        error = asked - answered > 50 ? TRP_ETIMEOUT : 0; /* those of the last second */
    }
    return trp_sim_destroy(sim) == 0 ? error : TRP_EFAILED; /* a runtime has leaked */
}

int main(int argc, char **argv) {
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t last = argc > 1 ? first : 20;
    for (uint64_t seed = first; seed <= last; seed++) {
        asked = answered = 0;
        int error = try_seed(seed);
        if (error != 0) {
            printf("seed %" PRIu64 ": %s\n", seed, trp_error_text(error));
            return 1;
        }
    }
    printf("%" PRIu64 " seeds, every request ended\n", last - first + 1);
    return 0;
}
