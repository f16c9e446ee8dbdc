/*
 * Workloads in which actors are related: n of them are monitored by one, have a name each, or are members of one group. What grows with n is
 * what `node bench/scaling.mjs` wants to know.
 */

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- members: each joins when it begins and ends when it is told ---- */

typedef enum relation { MONITORED, NAMED, GROUPED } relation;

typedef struct member_arg {
    relation relation;
    uint64_t number;
} member_arg;

static void name_of(char *name, size_t size, uint64_t number) {
    snprintf(name, size, "bench.%llu", (unsigned long long)number);
}

static int member_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)state;
    const member_arg *member = arg;
    char name[32];
    switch (member->relation) {
    case NAMED:
        name_of(name, sizeof name, member->number);
        return trp_register(ctx, name);
    case GROUPED:
        return trp_group_join(ctx, "bench", "members");
    case MONITORED:
        break;
    }
    return 0;
}

static void member_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    (void)message;
    trp_stop_self(ctx);
}

static const trp_behaviour member_behaviour = {
    TRP_BEHAVIOUR("bench.member"),
    .init = member_init,
    .handle = member_handle,
};

/* ---- the watcher: makes and monitors all in slices, then tells them to end and waits for each end ---- */

enum { SLICE = 500 };

typedef struct watcher_state {
    bench_job *job;
    relation relation;
    trp_pid *members;
    uint64_t made;
    uint64_t ended;
} watcher_state;

static int watcher_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)ctx;
    *(watcher_state *)state = *(const watcher_state *)arg;
    return 0;
}

static void add_member(trp_ctx *ctx, watcher_state *watcher) {
    member_arg arg = {watcher->relation, watcher->made};
    trp_pid pid = bench_spawn(ctx, &member_behaviour, &arg);
    if (watcher->relation == NAMED) {
        char name[32];
        name_of(name, sizeof name, arg.number);
        trp_pid found = TRP_PID_NONE;
        bench_require(trp_whereis(ctx, name, &found) == 0 && trp_pid_equal(found, pid),
                      "a name is not found");
    }
    bench_require(trp_monitor(ctx, pid, NULL) == 0, "a monitor was refused");
    watcher->members[watcher->made++] = pid;
}

static void watcher_handle(trp_ctx *ctx, void *state, trp_message *message) {
    watcher_state *watcher = state;
    uint64_t n = watcher->job->n;
    if (!trp_message_is(message, &bench_start_type)) {
        if (++watcher->ended == n) {
            free(watcher->members);
            bench_finish(watcher->job);
        }
        return;
    }
    for (int k = 0; k < SLICE && watcher->made < n; k++) {
        add_member(ctx, watcher);
    }
    if (watcher->made < n) {
        bench_send(ctx, trp_self(ctx), &bench_start_type, 0);
        return;
    }
    for (uint64_t k = 0; k < n; k++) {
        bench_send(ctx, watcher->members[k], &bench_inc_type, 0);
    }
}

static const trp_behaviour watcher_behaviour = {
    TRP_BEHAVIOUR("bench.watcher"),
    .state_size = sizeof(watcher_state),
    .init = watcher_init,
    .handle = watcher_handle,
};

static void relate(trp_ctx *ctx, bench_job *job, relation kind) {
    watcher_state state = {.job = job, .relation = kind};
    state.members = calloc((size_t)job->n, sizeof *state.members);
    bench_require(state.members != NULL, "out of memory");
    bench_send(ctx, bench_spawn(ctx, &watcher_behaviour, &state), &bench_start_type, 0);
}

void bench_monitors(trp_ctx *ctx, bench_job *job) {
    relate(ctx, job, MONITORED);
}

void bench_names(trp_ctx *ctx, bench_job *job) {
    relate(ctx, job, NAMED);
}

void bench_groups(trp_ctx *ctx, bench_job *job) {
    relate(ctx, job, GROUPED);
}
