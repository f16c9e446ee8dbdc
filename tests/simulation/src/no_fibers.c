/* A simulation that runs as wasm has no routines: it would have to be built with Asyncify. */
#include "sim_internal.h"

void trpi_sim_fibers_fill(trp_host *host) {
    (void)host;
}

void trpi_sim_fibers_free(trp_sim_node *node) {
    (void)node;
}
