/* A host for benchmarks only: threads (or one thread, in wasm) that step the schedulers and sleep when there is nothing to do. */
#ifndef BENCH_HOST_H
#define BENCH_HOST_H

#include "troupe/troupe.h"

/** Creates the runtime; ends the program when that fails. Owned by the host. */
trp_runtime *bench_host_create(const trp_runtime_config *config);

/** Steps all schedulers, number 0 on the calling thread, until bench_host_finish is called. */
void bench_host_run(void);

/** Makes bench_host_run return. From any scheduler. */
void bench_host_finish(void);

#endif
