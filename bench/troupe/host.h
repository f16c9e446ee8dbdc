/* What the benchmarks need of a host: the native one, or in wasm a loop of their own. */
#ifndef BENCH_HOST_H
#define BENCH_HOST_H

#include "troupe/troupe.h"

/** Called on scheduler 0, with its root ctx. */
typedef void bench_start_fn(trp_ctx *ctx, void *arg);

/** Creates a host and its runtime; ends the program when that fails. */
void bench_host_create(const trp_runtime_config *config);

/** Starts all schedulers, then calls `start`, then runs until bench_host_finish is called. */
void bench_host_run(bench_start_fn *start, void *arg);

/** Makes bench_host_run return. From any scheduler. */
void bench_host_finish(void);

/** Switches to a fiber of the host and back n times. False: this host has no fibers. */
bool bench_host_switch(uint64_t n);

/** In wasm: puts fibers into the table, in the program that has any (fibers_wasm.c, no_fibers.c). */
void bench_host_fibers(trp_host *host);

/** Bytes that the core holds, where the system does not tell (wasm). */
uint64_t bench_host_bytes(void);

#endif
