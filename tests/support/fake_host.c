/*
 * The fake host. Every callback may be called from any thread; a CMocka assertion off the main
 * thread would end the program without a word, so callbacks print and abort instead.
 */
#include "fake_host.h"

#include "cmocka_all.h"
#include "hmac_sha256.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    HEADER = 16,                 /* keeps the size in front of each block, and the alignment */
    STEPS_MAX = 50 * 1000 * 1000 /* a run that takes more never ends */
};

static _Noreturn void die(const char *what) {
    fprintf(stderr, "fake host: %s\n", what);
    fflush(stderr);
    abort();
}

uint64_t fake_random(uint64_t *seed) {
    uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t fake_random_below(uint64_t *seed, uint64_t limit) {
    return fake_random(seed) % limit;
}

/* Memory. */

bool fake_may_allocate(fake_memory *memory) {
    uint64_t number = 1 + atomic_fetch_add(&memory->allocations, 1);
    bool refuse = memory->fail_all || (memory->fail_at != 0 && number == memory->fail_at) ||
                  (memory->fail_rest && memory->fail_at != 0 && number > memory->fail_at);
    if (refuse) {
        atomic_fetch_add(&memory->failures, 1);
    }
    return !refuse;
}

static void count_change(fake_memory *memory, size_t old_size, size_t new_size) {
    atomic_fetch_sub(&memory->live_bytes, old_size);
    uint64_t live = new_size + atomic_fetch_add(&memory->live_bytes, new_size);
    uint64_t peak = atomic_load(&memory->peak_bytes);
    while (live > peak && !atomic_compare_exchange_weak(&memory->peak_bytes, &peak, live)) {
    }
    if (old_size == 0) {
        atomic_fetch_add(&memory->live_blocks, 1);
    } else if (new_size == 0) {
        atomic_fetch_sub(&memory->live_blocks, 1);
    }
}

static size_t *header_of(void *block) {
    return (size_t *)(void *)((char *)block - HEADER);
}

static void *on_realloc(void *self, void *block, size_t old_size, size_t new_size) {
    fake_host *fake = self;
    if ((block == NULL) != (old_size == 0)) {
        die("realloc: a block without a size, or a size without a block");
    }
    if (block != NULL && *header_of(block) != old_size) {
        die("realloc: old_size is not the size that the block was allocated with");
    }
    if (block == NULL && new_size == 0) {
        return NULL;
    }
    if (new_size > old_size && !fake_may_allocate(&fake->memory)) {
        return NULL;
    }
    if (new_size == 0) {
        count_change(&fake->memory, old_size, 0);
        memset(block, 0xdd, old_size);
        free(header_of(block));
        return NULL;
    }
    char *raw = realloc(block == NULL ? NULL : (void *)header_of(block), HEADER + new_size);
    if (raw == NULL) {
        return NULL;
    }
    count_change(&fake->memory, old_size, new_size);
    *(size_t *)(void *)raw = new_size;
    if (new_size > old_size) {
        memset(raw + HEADER + old_size, 0xa5, new_size - old_size);
    }
    return raw + HEADER;
}

/* The other callbacks. */

static uint64_t on_now(void *self) {
    const fake_host *fake = self;
    return atomic_load(fake->clock_ns);
}

static void on_wake(void *self, unsigned scheduler) {
    fake_host *fake = self;
    if (scheduler >= TRP_SCHEDULERS_MAX) {
        die("wake: no such scheduler");
    }
    atomic_fetch_add(&fake->scheduler[scheduler].wakes, 1);
    if (fake->on_wake != NULL) {
        fake->on_wake(fake->on_wake_arg, scheduler);
    }
}

static int on_entropy(void *self, void *bytes, size_t length) {
    fake_host *fake = self;
    uint8_t *out = bytes;
    if (fake->entropy_error != 0) {
        return fake->entropy_error;
    }
    for (size_t i = 0; i < length; i++) {
        uint64_t seed = atomic_fetch_add(&fake->entropy, UINT64_C(0x9e3779b97f4a7c15));
        out[i] = (uint8_t)fake_random(&seed);
    }
    return 0;
}

static void on_log(void *self, int level, const char *who, const char *text, size_t length) {
    fake_host *fake = self;
    while (atomic_flag_test_and_set(&fake->log_lock)) {
    }
    fake_log_line *line = &fake->logs[fake->logs_len++ % FAKE_LOG_LINES];
    line->level = level;
    snprintf(line->who, sizeof line->who, "%s", who);
    snprintf(line->text, sizeof line->text, "%.*s", (int)length, text);
    if (fake->print_logs) {
        fprintf(stderr, "[%d] %s %s\n", level, line->who, line->text);
    }
    atomic_flag_clear(&fake->log_lock);
}

static void on_trace(void *self, const trp_trace *record) {
    fake_host *fake = self;
    if (fake->on_trace != NULL) {
        fake->on_trace(fake->on_trace_arg, record);
    }
}

static void on_abandon(void *self, unsigned scheduler) {
    fake_host *fake = self;
    fake->scheduler[scheduler].abandons++;
    trpi_leave_now(&fake->scheduler[scheduler].leave);
}

static void lock_jobs(fake_host *fake) {
    while (atomic_flag_test_and_set(&fake->jobs_lock)) {
    }
}

static int on_offload(void *self, unsigned scheduler, void (*run)(void *job, bool is_canceled),
                      void *job) {
    fake_host *fake = self;
    (void)scheduler;
    fake_job *made = fake_may_allocate(&fake->memory) ? malloc(sizeof *made) : NULL;
    if (made == NULL) {
        return TRP_ENOMEM;
    }
    *made = (fake_job){NULL, run, job};
    lock_jobs(fake);
    *fake->jobs_end = made;
    fake->jobs_end = &made->next;
    atomic_flag_clear(&fake->jobs_lock);
    return 0;
}

bool fake_run_job(fake_host *fake, bool is_canceled) {
    lock_jobs(fake);
    fake_job *job = fake->jobs;
    if (job != NULL) {
        fake->jobs = job->next;
    }
    if (fake->jobs == NULL) {
        fake->jobs_end = &fake->jobs;
    }
    atomic_flag_clear(&fake->jobs_lock);
    if (job == NULL) {
        return false;
    }
    job->run(job->job, is_canceled);
    free(job);
    return true;
}

/* An expected fatal leaves whichever step runs; tests that expect one have one scheduler. */
static void on_fatal(void *self, const char *text) {
    fake_host *fake = self;
    if (!fake->fatal_expected || !fake->scheduler[0].leave.armed) {
        fprintf(stderr, "fake host: fatal: %s\n", text);
        abort();
    }
    snprintf(fake->fatal_text, sizeof fake->fatal_text, "%s", text);
    trpi_leave_now(&fake->scheduler[0].leave);
}

/* Life. */

static uint64_t number_of(const char *variable) {
    const char *text = getenv(variable);
    return text == NULL ? 0 : strtoull(text, NULL, 10);
}

void fake_init(fake_host *fake) {
    memset(fake, 0, sizeof *fake);
    fake->table = (trp_host){
        .size = sizeof(trp_host),
        .self = fake,
        .realloc = on_realloc,
        .now_ns = on_now,
        .wake = on_wake,
        .entropy = on_entropy,
        .log = on_log,
        .fatal = on_fatal,
        .hmac_sha256 = trpi_hmac_sha256,
        .abandon = on_abandon,
        .offload = on_offload,
    };
    atomic_flag_clear(&fake->log_lock);
    atomic_flag_clear(&fake->jobs_lock);
    fake->jobs_end = &fake->jobs;
    atomic_init(&fake->own_clock_ns, TRP_NS_PER_S);
    atomic_init(&fake->entropy, 1);
    fake->clock_ns = &fake->own_clock_ns;
    fake->print_logs = getenv("TRP_TEST_LOGS") != NULL;
    fake->seed = number_of("TRP_TEST_SEED");
    fake->is_seeded = fake->seed != 0;
}

void fake_share_clock(fake_host *fake, fake_host *other) {
    fake->clock_ns = other->clock_ns;
}

#ifdef __EMSCRIPTEN__
/* A wasm program without routines is not built for fibers. */
__attribute__((weak)) void fake_fibers_start(fake_host *fake) {
    (void)fake;
}

__attribute__((weak)) void fake_fibers_stop(fake_host *fake) {
    (void)fake;
}
#endif

int fake_start(fake_host *fake, const trp_runtime_config *config) {
    assert_null(fake->runtime);
    if (fake->on_trace != NULL) {
        fake->table.trace = on_trace;
    }
    fake->schedulers = config != NULL && config->schedulers != 0 ? config->schedulers : 1;
    trp_runtime_config wider = {.size = sizeof wider};
    if (fake->schedulers == 1 && number_of("TRP_TEST_SCHEDULERS") > 1) {
        wider = config != NULL ? *config : wider;
        wider.schedulers = (unsigned)number_of("TRP_TEST_SCHEDULERS");
        fake->schedulers = wider.schedulers;
        config = &wider;
    }
    for (unsigned i = 0; i < fake->schedulers && i < TRP_SCHEDULERS_MAX; i++) {
        fake->scheduler[i].last = TRP_STEP_MORE;
        fake->scheduler[i].deadline_ns = TRP_NEVER;
    }
    if (!fake->without_fibers) {
        fake_fibers_start(fake);
    }
    return trp_runtime_create(&fake->table, config, &fake->runtime);
}

fake_host *fake_create(unsigned schedulers) {
    trp_runtime_config config = {.size = sizeof config, .schedulers = schedulers};
    fake_host *fake = malloc(sizeof *fake);
    assert_non_null(fake);
    fake_init(fake);
    assert_int_equal(fake_start(fake, &config), 0);
    return fake;
}

void fake_stop(fake_host *fake) {
    while (fake_run_job(fake, true)) {
    }
    trp_runtime_destroy(fake->runtime);
    fake->runtime = NULL;
    fake_fibers_stop(fake);
    assert_int_equal(atomic_load(&fake->fibers_live), 0);
    assert_int_equal(atomic_load(&fake->memory.live_bytes), 0);
    assert_int_equal(atomic_load(&fake->memory.live_blocks), 0);
}

void fake_destroy(fake_host *fake) {
    fake_stop(fake);
    free(fake);
}

int fake_setup(void **state) {
    *state = fake_create(1);
    return 0;
}

int fake_setup_two(void **state) {
    *state = fake_create(2);
    return 0;
}

int fake_teardown(void **state) {
    fake_destroy(*state);
    *state = NULL;
    return 0;
}

/* Running. */

trp_ctx *fake_root(fake_host *fake) {
    return trp_runtime_enter(fake->runtime, 0);
}

typedef struct step_call {
    fake_host *fake;
    unsigned scheduler;
    const trp_budget *budget;
    trp_step answer;
} step_call;

static void step_now(void *arg) {
    step_call *call = arg;
    uint64_t deadline = TRP_NEVER;
    call->answer = trp_runtime_step(call->fake->runtime, call->scheduler, call->budget, &deadline);
    call->fake->scheduler[call->scheduler].deadline_ns = deadline;
}

trp_step fake_step(fake_host *fake, unsigned scheduler, const trp_budget *budget) {
    fake_scheduler *mine = &fake->scheduler[scheduler];
    step_call call = {.fake = fake, .scheduler = scheduler, .budget = budget};
    mine->wakes_seen = atomic_load(&mine->wakes);
    mine->steps++;
    bool returned = trpi_leave_run(&mine->leave, step_now, &call);
    if (returned) {
        mine->last = call.answer;
    } else {
        mine->last = fake->fatal_text[0] != '\0' ? TRP_STEP_DONE : TRP_STEP_MORE;
    }
    return mine->last;
}

bool fake_has_reason(const fake_host *fake, unsigned scheduler) {
    const fake_scheduler *mine = &fake->scheduler[scheduler];
    return mine->last == TRP_STEP_MORE || mine->wakes_seen != atomic_load(&mine->wakes) ||
           mine->deadline_ns <= fake_now(fake);
}

/* Steps everybody who has a reason, in turn. False if nobody has. */
static bool step_in_turn(fake_host *fake) {
    bool has_stepped = false;
    for (unsigned i = 0; i < fake->schedulers; i++) {
        if (fake_has_reason(fake, i)) {
            fake_step(fake, i, NULL);
            has_stepped = true;
        }
    }
    return has_stepped;
}

/* Steps one of those who have a reason, for a few messages or many: all of it drawn. */
static bool step_by_chance(fake_host *fake) {
    unsigned ready[TRP_SCHEDULERS_MAX];
    unsigned ready_len = 0;
    for (unsigned i = 0; i < fake->schedulers; i++) {
        if (fake_has_reason(fake, i)) {
            ready[ready_len++] = i;
        }
    }
    if (ready_len > 0) {
        uint64_t most = UINT64_C(1) << fake_random_below(&fake->seed, 8);
        trp_budget budget = {.messages = 1 + (uint32_t)fake_random_below(&fake->seed, most)};
        fake_step(fake, ready[fake_random_below(&fake->seed, ready_len)], &budget);
    }
    return ready_len > 0;
}

bool fake_run_if_woken(fake_host *fake) {
    bool again = true;
    for (uint64_t steps = 0; again; steps++) {
        again = fake->is_seeded ? step_by_chance(fake) : step_in_turn(fake);
        if (!again && !fake->holds_jobs) {
            again = fake_run_job(fake, false);
        }
        if (steps > STEPS_MAX) {
            fail_msg("the runtime never gets idle");
        }
        if (fake->fatal_text[0] != '\0') {
            return true;
        }
    }
    return fake_is_done(fake);
}

bool fake_is_done(const fake_host *fake) {
    for (unsigned i = 0; i < fake->schedulers; i++) {
        if (fake->scheduler[i].last != TRP_STEP_DONE) {
            return false;
        }
    }
    return true;
}

bool fake_run(fake_host *fake) {
    for (unsigned i = 0; i < fake->schedulers; i++) {
        if (fake->is_seeded) {
            fake->scheduler[i].last = TRP_STEP_MORE;
        } else {
            fake_step(fake, i, NULL);
        }
    }
    return fake_run_if_woken(fake);
}

uint64_t fake_next_deadline(const fake_host *fake) {
    uint64_t earliest = TRP_NEVER;
    for (unsigned i = 0; i < fake->schedulers; i++) {
        if (fake->scheduler[i].deadline_ns < earliest) {
            earliest = fake->scheduler[i].deadline_ns;
        }
    }
    return earliest;
}

/* Runs every host until none has a reason: what one did may have woken another. */
static void run_all_if_woken(fake_host *const *fakes, size_t fakes_len) {
    bool again = true;
    while (again) {
        again = false;
        for (size_t i = 0; i < fakes_len; i++) {
            for (unsigned s = 0; s < fakes[i]->schedulers; s++) {
                again = again || fake_has_reason(fakes[i], s);
            }
            fake_run_if_woken(fakes[i]);
        }
    }
}

void fake_advance_all(fake_host *const *fakes, size_t fakes_len, uint64_t ns) {
    uint64_t target = fake_now(fakes[0]) + ns;
    for (size_t i = 0; i < fakes_len; i++) {
        fake_run(fakes[i]);
    }
    for (;;) {
        run_all_if_woken(fakes, fakes_len);
        if (fake_now(fakes[0]) == target) {
            return;
        }
        uint64_t next = target;
        for (size_t i = 0; i < fakes_len; i++) {
            uint64_t mine = fake_next_deadline(fakes[i]);
            next = mine < next ? mine : next;
        }
        atomic_store(fakes[0]->clock_ns, next);
    }
}

void fake_advance(fake_host *fake, uint64_t ns) {
    fake_advance_all(&fake, 1, ns);
}

bool fake_shut_down(fake_host *fake) {
    trp_runtime_stop(fake->runtime, TRP_NS_PER_S);
    fake_advance(fake, TRP_NS_PER_S);
    return fake_is_done(fake);
}

void fake_clock_jump(fake_host *fake, uint64_t ns) {
    atomic_fetch_add(fake->clock_ns, ns);
}

uint64_t fake_now(const fake_host *fake) {
    return atomic_load(fake->clock_ns);
}

bool fake_logged(const fake_host *fake, const char *text) {
    for (uint32_t i = 0; i < FAKE_LOG_LINES && i < fake->logs_len; i++) {
        if (strstr(fake->logs[i].text, text) != NULL) {
            return true;
        }
    }
    return false;
}

trp_stats fake_stats(fake_host *fake) {
    trp_stats stats = {0};
    trp_runtime_stats(fake->runtime, &stats);
    return stats;
}

uint64_t fake_every_allocation_fails(fake_scenario *scenario, void *arg) {
    fake_host *fake = malloc(sizeof *fake);
    assert_non_null(fake);
    uint64_t failed = 0;
    for (;;) {
        fake_init(fake);
        fake->memory.fail_at = failed + 1;
        scenario(fake, arg);
        bool refused = atomic_load(&fake->memory.failures) > 0;
        fake_stop(fake);
        if (!refused) {
            break;
        }
        failed++;
    }
    free(fake);
    assert_true(failed > 0);
    return failed;
}
