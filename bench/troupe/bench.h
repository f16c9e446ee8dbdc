/* What the workloads of bench/README.md share: the job they were started with, their messages, and the way to say that they are over. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "troupe/troupe.h"

/** One run of one workload. */
typedef struct bench_job {
    const char *workload;
    uint64_t n;
    uint64_t parameter; /**< the number behind the colon in WORKLOAD:NUMBER, 0 if none */
    unsigned schedulers;
    char extra[96];      /**< what else the line reports, "key:value,..." */
    uint64_t started_ns; /**< set by bench_clock_start */
    uint64_t started_cpu_ns;
    uint64_t wall_ns; /**< set by bench_clock_stop */
    uint64_t cpu_ns;
} bench_job;

/** A workload: called with scheduler 0's root ctx; actors end it with bench_finish. */
typedef void bench_workload(trp_ctx *ctx, bench_job *job);

/* Messages: a type and one 64-bit integer; a ping also says who wants the pong. */
#define BENCH_NUMBER_FIELDS(F) F(i64, value, 1)
#define BENCH_PING_FIELDS(F)                                                                       \
    F(i64, value, 1)                                                                               \
    F(pid, from, 2)
TRP_TYPE_DECLARE(bench_ping, BENCH_PING_FIELDS)
TRP_TYPE_DECLARE(bench_pong, BENCH_NUMBER_FIELDS)
TRP_TYPE_DECLARE(bench_inc, BENCH_NUMBER_FIELDS)
TRP_TYPE_DECLARE(bench_start, BENCH_NUMBER_FIELDS)

/** Sends a message of `type`, any but bench_ping, with `value`; ends the program when that fails. */
void bench_send(trp_ctx *ctx, trp_pid to, const trp_type *type, int64_t value);

/** Sends a ping with `value` from the calling actor. */
void bench_send_ping(trp_ctx *ctx, trp_pid to, int64_t value);

/** The integer that begins every message here. */
int64_t bench_value(trp_message *message);

/** Spawns; ends the program when that fails. */
trp_pid bench_spawn(trp_ctx *ctx, const trp_behaviour *behaviour, const void *arg);

/** Ends the program with `text` if `good` is false. */
void bench_require(bool good, const char *text);

/** Starts, or starts again, the clock of `job`. main does it before each workload. */
void bench_clock_start(bench_job *job);

/** Stops the clock. bench_finish does it. */
void bench_clock_stop(bench_job *job);

/** The workload is over: stops the clock unless it has been stopped, and makes bench_host_run return. From any scheduler. */
void bench_finish(bench_job *job);

/** Bytes of the process that are in memory; in wasm, those that the core holds. */
uint64_t bench_resident_bytes(void);

uint64_t bench_now_ns(void);
void bench_sleep_ms(unsigned ms);

/* messaging.c */
bench_workload bench_pingpong, bench_counting, bench_threadring, bench_big, bench_fanin;
/* lifetimes.c */
bench_workload bench_forkjoin, bench_idle, bench_skynet;
/* waiting.c */
bench_workload bench_timers, bench_request, bench_request_10k, bench_request_1m;
/* routines.c */
bench_workload bench_pingpong_routines, bench_switch;
/* channels.c */
bench_workload bench_mpsc, bench_spsc, bench_unbounded;
/* relations.c */
bench_workload bench_monitors, bench_names, bench_groups;
/* openloop.c */
bench_workload bench_openloop;

#endif
