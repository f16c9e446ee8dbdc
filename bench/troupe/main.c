/*
 * The workloads of bench/README.md on Troupe.
 *
 * Usage: troupe_bench WORKLOAD[:PARAMETER] N SCHEDULERS
 *
 * Prints one line, `workload peer schedulers n wall_ns_per_op cpu_ns_per_op extra=...`, as the peers' programs do. Exit code 3: no such workload here.
 */

#include "bench.h"
#include "host.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#if defined(__EMSCRIPTEN__)
#include <emscripten.h>

EM_JS(double, node_cpu_us, (void), {
    const usage = process.cpuUsage();
    return usage.user + usage.system;
})

static const char peer_name[] = "wasm";
static const unsigned schedulers_max = 1;
#else
static const char peer_name[] = "troupe";
static const unsigned schedulers_max = TRP_SCHEDULERS_MAX;
#endif

static const struct {
    const char *name;
    bench_workload *run;
} workloads[] = {
    {"pingpong", bench_pingpong},
    {"routines", bench_pingpong_routines},
    {"switch", bench_switch},
    {"counting", bench_counting},
    {"threadring", bench_threadring},
    {"forkjoin", bench_forkjoin},
    {"big", bench_big},
    {"fanin", bench_fanin},
    {"idle", bench_idle},
    {"timers", bench_timers},
    {"request", bench_request},
    {"request10k", bench_request_10k},
    {"request1m", bench_request_1m},
    {"skynet", bench_skynet},
    {"openloop", bench_openloop},
    {"monitors", bench_monitors},
    {"names", bench_names},
    {"groups", bench_groups},
    {"mpsc", bench_mpsc},
    {"spsc", bench_spsc},
    {"unbounded", bench_unbounded},
};

TRP_TYPE_DEFINE(bench_ping, "bench.Ping", BENCH_PING_FIELDS)
TRP_TYPE_DEFINE(bench_pong, "bench.Pong", BENCH_NUMBER_FIELDS)
TRP_TYPE_DEFINE(bench_inc, "bench.Inc", BENCH_NUMBER_FIELDS)
TRP_TYPE_DEFINE(bench_start, "bench.Start", BENCH_NUMBER_FIELDS)

void bench_require(bool good, const char *text) {
    if (!good) {
        fprintf(stderr, "troupe-bench: %s\n", text);
        exit(1);
    }
}

void bench_send(trp_ctx *ctx, trp_pid to, const trp_type *type, int64_t value) {
    trp_message *message = trp_message_new(ctx, type);
    bench_require(message != NULL, "out of memory");
    *(int64_t *)trp_message_body(message) = value;
    bench_require(trp_send(ctx, to, message) == 0, "a message was refused");
}

void bench_send_ping(trp_ctx *ctx, trp_pid to, int64_t value) {
    trp_message *message = trp_message_new(ctx, &bench_ping_type);
    bench_require(message != NULL, "out of memory");
    bench_ping *ping = trp_message_body(message);
    ping->value = value;
    ping->from = trp_self(ctx);
    bench_require(trp_send(ctx, to, message) == 0, "a message was refused");
}

int64_t bench_value(trp_message *message) {
    return *(const int64_t *)trp_message_body(message);
}

trp_pid bench_spawn(trp_ctx *ctx, const trp_behaviour *behaviour, const void *arg) {
    trp_pid pid = TRP_PID_NONE;
    bench_require(trp_spawn(ctx, behaviour, arg, &pid) == 0, "an actor could not be spawned");
    return pid;
}

uint64_t bench_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * TRP_NS_PER_S + (uint64_t)now.tv_nsec;
}

void bench_sleep_ms(unsigned ms) {
    const struct timespec span = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&span, NULL);
}

static uint64_t cpu_ns(void) {
#if defined(__EMSCRIPTEN__)
    return (uint64_t)(node_cpu_us() * 1e3);
#else
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    uint64_t micros = (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * TRP_NS_PER_S + micros * 1000;
#endif
}

uint64_t bench_resident_bytes(void) {
#if defined(__EMSCRIPTEN__)
    return bench_host_bytes();
#else
    unsigned long long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL) {
        return 0;
    }
    if (fscanf(file, "%llu %llu", &size, &resident) != 2) {
        resident = 0;
    }
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
#endif
}

void bench_clock_start(bench_job *job) {
    job->wall_ns = 0;
    job->started_cpu_ns = cpu_ns();
    job->started_ns = bench_now_ns();
}

void bench_clock_stop(bench_job *job) {
    if (job->wall_ns == 0) {
        job->wall_ns = bench_now_ns() - job->started_ns;
        job->cpu_ns = cpu_ns() - job->started_cpu_ns;
    }
}

void bench_finish(bench_job *job) {
    bench_clock_stop(job);
    bench_host_finish();
}

/* The name may be followed by a colon and the parameter. */
static bench_workload *find_workload(const char *name) {
    size_t length = strcspn(name, ":");
    for (size_t k = 0; k < sizeof workloads / sizeof *workloads; k++) {
        if (strlen(workloads[k].name) == length && memcmp(workloads[k].name, name, length) == 0) {
            return workloads[k].run;
        }
    }
    return NULL;
}

static uint64_t parameter_of(const char *name) {
    const char *colon = strchr(name, ':');
    return colon != NULL ? strtoull(colon + 1, NULL, 10) : 0;
}

typedef struct bench_start_arg {
    bench_job *job;
    bench_workload *run;
} bench_start_arg;

static void start_workload(trp_ctx *ctx, void *arg) {
    bench_start_arg *start = arg;
    bench_clock_start(start->job);
    start->run(ctx, start->job);
}

static void print_line(const bench_job *job) {
    double n = (double)job->n;
    printf("%s %s %u %llu %.2f %.2f extra=%s\n", job->workload, peer_name, job->schedulers,
           (unsigned long long)job->n, (double)job->wall_ns / n, (double)job->cpu_ns / n,
           job->extra);
}

int main(int argc, char **argv) {
    bench_job job = {
        .workload = argc == 4 ? argv[1] : "",
        .n = argc == 4 ? strtoull(argv[2], NULL, 10) : 0,
        .parameter = argc == 4 ? parameter_of(argv[1]) : 0,
        .schedulers = argc == 4 ? (unsigned)atoi(argv[3]) : 0,
    };
    if (job.n == 0 || job.schedulers == 0) {
        fprintf(stderr, "usage: troupe_bench WORKLOAD[:PARAMETER] N SCHEDULERS\n");
        return 2;
    }
    bench_workload *workload = find_workload(job.workload);
    if (workload == NULL || job.schedulers > schedulers_max) {
        fprintf(stderr, "troupe_bench: no %s with %u schedulers\n", job.workload, job.schedulers);
        return 3;
    }
    const trp_runtime_config config = {
        .size = sizeof config,
        .schedulers = job.schedulers,
        .actors_max = strcmp(job.workload, "idle") == 0 ? (uint32_t)job.n + 16 : 0,
        .mailbox_messages = strcmp(job.workload, "request1m") == 0 ? 2000000 : 0,
    };
    bench_start_arg start = {&job, workload};
    bench_host_create(&config);
    bench_host_run(start_workload, &start);
    print_line(&job);
    fflush(stdout);
    /* Taking a million actors down one by one is not part of any workload. */
    _Exit(0);
}
