/*
 * Work of trp_offload on libuv's pool of threads.
 */
#ifndef TRPI_WORK_H
#define TRPI_WORK_H

#include <stdbool.h>
#include <uv.h>

/* How many jobs are with the pool, for who must wait until none is. */
typedef struct trpi_work_gate {
    uv_mutex_t lock;
    uv_cond_t is_empty;
    unsigned jobs;
} trpi_work_gate;

/* TRP_ENOMEM. */
int trpi_work_gate_init(trpi_work_gate *gate);
void trpi_work_gate_deinit(trpi_work_gate *gate);

/* Blocks until no job is with the pool. */
void trpi_work_gate_wait(trpi_work_gate *gate);

/*
 * As the host's `offload`. The request belongs to `loop`, so this is its thread; while there is one
 * the loop stays alive. TRP_ENOMEM, TRP_EIO.
 */
int trpi_work_start(trpi_work_gate *gate, uv_loop_t *loop, void (*run)(void *job, bool is_canceled),
                    void *job);

#endif
