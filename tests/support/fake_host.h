/*
 * The fake host: everything a test wants to control about a runtime, and nothing that it does not.
 * Copy it to begin a new platform.
 *
 * - Time stands still until the test moves it (fake_advance).
 * - A scheduler is stepped only when it has a reason: it was woken, its last step said MORE, or its
 * deadline has come. A core that forgets to wake a scheduler makes a test stand still and fail.
 * - Memory is counted; both sizes of every realloc are checked; the n-th allocation can fail, or
 * all can.
 * - Entropy comes from a seed, log lines are kept, `abandon` and `fatal` leave the step.
 * - Work that is given to the host waits until nothing else runs, or until the test says so.
 *
 * - With TRP_TEST_SCHEDULERS=2 in the environment, runtimes of one scheduler get two; with
 * TRP_TEST_SEED=7, chance decides, as in the simulation, who is stepped next and for how many
 * messages. What a suite asserts should not depend on either.
 *
 * One fake host serves one runtime. Tests with several nodes make several and share a clock. All
 * callbacks may be used from any thread; the functions below belong to the test's main thread.
 */
#ifndef TEST_FAKE_HOST_H
#define TEST_FAKE_HOST_H

#include "leave.h"
#include "troupe/troupe.h"

#include <stdatomic.h>

enum { FAKE_LOG_LINES = 64, FAKE_LOG_LINE = 256 };

typedef struct fake_log_line {
    int level;
    char who[TRP_PID_TEXT_MAX];
    char text[FAKE_LOG_LINE];
} fake_log_line;

typedef struct fake_memory {
    _Atomic uint64_t live_bytes;
    _Atomic uint64_t live_blocks;
    _Atomic uint64_t peak_bytes;
    _Atomic uint64_t allocations; /* ever asked for, failed ones included; resizing up counts */
    _Atomic uint64_t failures;    /* refused on purpose */
    uint64_t fail_at;             /* refuse this allocation, counted from 1; 0 = none */
    bool fail_rest;               /* and all that follow */
    bool fail_all;
} fake_memory;

/* What the test knows of a scheduler. */
typedef struct fake_scheduler {
    _Atomic uint32_t wakes; /* ever */
    uint32_t wakes_seen;    /* when it was last stepped */
    trp_step last;          /* answer of the last step, 0 before the first */
    uint64_t deadline_ns;
    uint32_t steps;
    uint32_t abandons;
    trpi_leave_point leave;
} fake_scheduler;

/* Work that the runtime has given away. */
typedef struct fake_job {
    struct fake_job *next;
    void (*run)(void *job, bool is_canceled);
    void *job;
} fake_job;

typedef struct fake_host {
    trp_host table; /* for trp_runtime_create; a test may change it before */
    trp_runtime *runtime;
    unsigned schedulers;
    fake_memory memory;
    fake_scheduler scheduler[TRP_SCHEDULERS_MAX];
    _Atomic uint64_t own_clock_ns;
    _Atomic uint64_t *clock_ns; /* own_clock_ns, or another fake host's */
    _Atomic uint64_t entropy;   /* state of the generator */
    int entropy_error;          /* if not 0, what entropy answers */
    atomic_flag log_lock;
    uint32_t logs_len; /* ever; the last FAKE_LOG_LINES are kept */
    fake_log_line logs[FAKE_LOG_LINES];
    struct trpi_fiber_pool *fibers;
    bool without_fibers; /* a test may want a host that has none */
    _Atomic uint64_t fibers_live;
    bool is_seeded; /* TRP_TEST_SEED is set: chance decides who is stepped, and for how long */
    uint64_t seed;
    bool print_logs;
    bool fatal_expected; /* else a fatal ends the test program */
    char fatal_text[FAKE_LOG_LINE];
    atomic_flag jobs_lock;
    fake_job *jobs;      /* given away and not done yet, oldest first */
    fake_job **jobs_end; /* where the next one goes */
    bool holds_jobs;     /* only fake_run_job does them */
    /* Called by wake, on its thread, when set: for thread_runner. */
    void (*on_wake)(void *arg, unsigned scheduler);
    void *on_wake_arg;
    /* Called for each trace record when set before fake_start, on any thread. */
    void (*on_trace)(void *arg, const trp_trace *record);
    void *on_trace_arg;
} fake_host;

/* Makes a fake host without a runtime: clock at 1 s, seed 1. */
void fake_init(fake_host *fake);

/* Creates the runtime; `config` may be NULL. 0 or a TRP_E*. */
int fake_start(fake_host *fake, const trp_runtime_config *config);

/*
 * Makes a host and a runtime with `schedulers` and defaults, asserting that it works. Freed with
 * fake_destroy.
 */
fake_host *fake_create(unsigned schedulers);

/* fake_fibers.c: puts fibers into the table, and frees them. fake_start and fake_stop do it. */
void fake_fibers_start(fake_host *fake);
void fake_fibers_stop(fake_host *fake);

/* Counts an allocation that is asked for; false if it is to fail. */
bool fake_may_allocate(fake_memory *memory);

/* Destroys the runtime if there is one and asserts that no byte is left. */
void fake_stop(fake_host *fake);

/* fake_stop and free. */
void fake_destroy(fake_host *fake);

/*
 * Group or test setup and teardown for CMocka: *state is a fake_host * with one scheduler (or two).
 */
int fake_setup(void **state);
int fake_setup_two(void **state);
int fake_teardown(void **state);

/* A CMocka test that gets a fake host with one scheduler as *state, and is checked for leaks. */
#define FAKE_TEST(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)

/* Lets `fake` live in the time of `other`. Before fake_start. */
void fake_share_clock(fake_host *fake, fake_host *other);

/* The root ctx of scheduler 0. */
trp_ctx *fake_root(fake_host *fake);

/*
 * One guarded step. A step that is left by `abandon` counts as MORE; one left by an expected
 * `fatal` as DONE.
 */
trp_step fake_step(fake_host *fake, unsigned scheduler, const trp_budget *budget);

/* True if the scheduler has a reason to be stepped now. */
bool fake_has_reason(const fake_host *fake, unsigned scheduler);

/*
 * Steps every scheduler once and then whoever has a reason, in turn, until nobody has one. Asserts
 * that this ends. True if all schedulers answered DONE.
 */
bool fake_run(fake_host *fake);

/* Like fake_run, without the first step for free: nothing runs unless the core asked for it. */
bool fake_run_if_woken(fake_host *fake);

/*
 * Does the oldest piece of work that was given to the host, or gives it back undone. False: there
 * was none. Any thread.
 */
bool fake_run_job(fake_host *fake, bool is_canceled);

/* Earliest deadline that any scheduler has named, TRP_NEVER if none. */
uint64_t fake_next_deadline(const fake_host *fake);

/*
 * Runs, then moves the clock by `ns`, stopping at every deadline on the way to run. Several hosts
 * that share a clock: fake_advance_all.
 */
void fake_advance(fake_host *fake, uint64_t ns);
void fake_advance_all(fake_host *const *fakes, size_t fakes_len, uint64_t ns);

/* True if every scheduler's last answer was DONE. */
bool fake_is_done(const fake_host *fake);

/*
 * Asks the runtime to stop, with a second of grace, and gives it that second. True if it is done
 * then.
 */
bool fake_shut_down(fake_host *fake);

/* Moves the clock without running anything. */
void fake_clock_jump(fake_host *fake, uint64_t ns);
uint64_t fake_now(const fake_host *fake);

/* True if a kept log line contains `text`. */
bool fake_logged(const fake_host *fake, const char *text);

/* The runtime's counters. */
trp_stats fake_stats(fake_host *fake);

/*
 * Runs `scenario` again and again, each time on a new host whose first, second, third ...
 * allocation fails, until a run asks for no allocation that failed. After each run the runtime is
 * destroyed and no byte may be left. Asserts that at least one allocation was failed and returns
 * how many were. The scenario calls fake_start itself, must cope with every error, and may leave
 * the runtime to the driver.
 */
typedef void fake_scenario(fake_host *fake, void *arg);
uint64_t fake_every_allocation_fails(fake_scenario *scenario, void *arg);

/* A deterministic generator for tests (splitmix64): the next number, and one below `limit`. */
uint64_t fake_random(uint64_t *seed);
uint64_t fake_random_below(uint64_t *seed, uint64_t limit);

#endif
