/*
 * Work on libuv's pool. The job posts its end to the scheduler itself, so what libuv says on the
 * loop only frees the request: nothing waits for a turn of the loop. The gate is for a host that is
 * destroyed without having been stopped.
 */
#include "work.h"

#include "troupe/error.h"

#include <stdlib.h>

typedef struct work_request {
    uv_work_t request; /* first */
    trpi_work_gate *gate;
    void (*run)(void *job, bool is_canceled);
    void *job;
} work_request;

int trpi_work_gate_init(trpi_work_gate *gate) {
    gate->jobs = 0;
    if (uv_mutex_init(&gate->lock) != 0) {
        return TRP_ENOMEM;
    }
    if (uv_cond_init(&gate->is_empty) != 0) {
        uv_mutex_destroy(&gate->lock);
        return TRP_ENOMEM;
    }
    return TRP_OK;
}

void trpi_work_gate_deinit(trpi_work_gate *gate) {
    uv_cond_destroy(&gate->is_empty);
    uv_mutex_destroy(&gate->lock);
}

void trpi_work_gate_wait(trpi_work_gate *gate) {
    uv_mutex_lock(&gate->lock);
    while (gate->jobs > 0) {
        uv_cond_wait(&gate->is_empty, &gate->lock);
    }
    uv_mutex_unlock(&gate->lock);
}

static void enter(trpi_work_gate *gate) {
    uv_mutex_lock(&gate->lock);
    gate->jobs++;
    uv_mutex_unlock(&gate->lock);
}

static void leave(trpi_work_gate *gate) {
    uv_mutex_lock(&gate->lock);
    if (--gate->jobs == 0) {
        uv_cond_broadcast(&gate->is_empty);
    }
    uv_mutex_unlock(&gate->lock);
}

static void on_work(uv_work_t *request) {
    const work_request *mine = (const work_request *)(const void *)request;
    mine->run(mine->job, false);
    leave(mine->gate);
}

static void on_done(uv_work_t *request, int status) {
    (void)status; /* nobody cancels the request: work that is not wanted any more runs as nothing */
    free(request);
}

int trpi_work_start(trpi_work_gate *gate, uv_loop_t *loop, void (*run)(void *job, bool is_canceled),
                    void *job) {
    work_request *mine = malloc(sizeof *mine);
    if (mine == NULL) {
        return TRP_ENOMEM;
    }
    mine->gate = gate;
    mine->run = run;
    mine->job = job;
    enter(gate);
    if (uv_queue_work(loop, &mine->request, on_work, on_done) != 0) {
        leave(gate);
        free(mine);
        return TRP_EIO;
    }
    return TRP_OK;
}
