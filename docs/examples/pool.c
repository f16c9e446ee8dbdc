/*
 * A pool of workers that crash. A supervisor starts them again. Each worker has a clerk, who stays with
 * a job until it is done: if the worker crashes, its successor gets the job, and after the third crash
 * the caller is told why. No job is lost, whoever ends: the runtime answers every request for which
 * nobody is left.
 */
#include "pool.h"

enum { WORKERS = 3, TRIES = 3, JOBS_OF_A_LIFE = 5 };
TRP_TYPE_DEFINE(job, "example.Job", JOB_FIELDS)
TRP_TYPE_DEFINE(done, "example.Done", DONE_FIELDS)

/* ---- a worker: it does not look at the divisor, and its fifth job is too much for it ---- */

static void worker_handle(trp_ctx *ctx, void *state, trp_message *message) {
    int *jobs = state;
    const job *todo = job_of(message);
    if (++*jobs == JOBS_OF_A_LIFE) {
        trp_fail_code(ctx, TRP_EFAILED, "worn out");
    } else if (todo->divisor == 0) {
        trp_fail_code(ctx, TRP_EINVAL, "division by zero");
    } else {
        trp_reply(ctx, message, trp_new(ctx, done, .quotient = todo->dividend / todo->divisor));
    }
}

static const trp_behaviour worker = {
    TRP_BEHAVIOUR("example.worker"),
    .state_size = sizeof(int),
    .handle = worker_handle,
};

#define WORKER(its_name)                                                                           \
    { .size = sizeof(trp_child_spec), .id = its_name, .name = its_name, .behaviour = &worker }

static const trp_child_spec workers[WORKERS] = {WORKER("worker 1"), WORKER("worker 2"),
                                                WORKER("worker 3")};

/* ---- a clerk ---- */

/* Gives the job to the worker and waits for the outcome: a reply, or a trp_request_error. */
static int try_job(trp_ctx *ctx, const char *name, trp_message *request, trp_message **outcome) {
    trp_pid its_worker;
    trp_filter filter = {.size = sizeof filter};
    int error = 0;
    while (error == 0 && trp_whereis(ctx, name, &its_worker) != 0) {
        error = trp_sleep(ctx, TRP_NS_PER_MS); /* it is being started again */
    }
    trp_message *copy = trp_message_copy(ctx, request);
    error = error ? error : trp_request(ctx, its_worker, copy, TRP_NEVER, &filter.ref);
    return error ? error : trp_receive(ctx, &filter, TRP_NEVER, outcome);
}

static int do_job(trp_ctx *ctx, const char *name, trp_message *request) {
    trp_message *outcome;
    const trp_request_error *crash;
    int error, tries = 0;
    do {
        error = try_job(ctx, name, request, &outcome);
        crash = error == 0 ? trp_message_as(outcome, &trp_request_error_type) : NULL;
    } while (crash != NULL && ++tries < TRIES);
    if (crash != NULL) {
        trp_reply_error(ctx, request, crash->reason.code, crash->reason.text);
    } else if (error == 0) {
        trp_reply(ctx, request, outcome);
    }
    return error;
}

static int clerk(trp_ctx *ctx, void *arg) {
    const char *name = *(const char **)arg;
    trp_message *request;
    int error = trp_receive(ctx, NULL, TRP_NEVER, &request);
    while (error == 0) {
        request = trp_message_take(ctx, request); /* it was lent only until we wait again */
        error = request == NULL ? TRP_ENOMEM : do_job(ctx, name, request);
        trp_message_drop(ctx, request);
        error = error ? error : trp_receive(ctx, NULL, TRP_NEVER, &request);
    }
    return error;
}

static const trp_routine clerk_routine = {TRP_ROUTINE("example.clerk", clerk, sizeof(char *))};

/* ---- the pool ---- */

typedef struct office {
    trp_pid clerks[WORKERS];
    uint32_t next;
} office;

static int pool_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)arg;
    office *self = state;
    const trp_spawn_options linked = {.size = sizeof linked, .link = true};
    const trp_supervisor_config config = {
        .size = sizeof config, .children = workers, .children_len = WORKERS, .intensity = 1000};
    int error = trp_supervisor_spawn(ctx, &config, &linked, NULL);
    for (int i = 0; i < WORKERS && error == 0; i++) {
        error = trp_spawn_opt(ctx, &clerk_routine.behaviour, &workers[i].name, &linked,
                              &self->clerks[i], NULL);
    }
    return error;
}

static void pool_handle(trp_ctx *ctx, void *state, trp_message *message) {
    office *self = state;
    if (job_of(message) != NULL) {
        trp_request_delegate(ctx, message, self->clerks[self->next++ % WORKERS]);
    }
}

static const trp_type *const pool_types[] = {&job_type, &done_type, NULL};

const trp_behaviour pool = {
    TRP_BEHAVIOUR("example.pool"), .state_size = sizeof(office),
    .types = pool_types,           .init = pool_init,
    .handle = pool_handle,
};
