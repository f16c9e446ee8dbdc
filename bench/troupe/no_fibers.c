/* A wasm program that is not built with Asyncify, which would make the other workloads slower. */

#include "host.h"

void bench_host_fibers(trp_host *host) {
    (void)host;
}

bool bench_host_switch(uint64_t n) {
    (void)n;
    return false;
}
