/*
 * The native host: the host table over libc, libuv and OpenSSL, and the life of the scheduler
 * threads.
 *
 * The asyncs that wake the schedulers stay open until trp_native_destroy, so a late wake from a
 * foreign thread never meets a closed handle. A stopped scheduler therefore leaves its loop with
 * open, unreferenced handles; destroy closes them and runs the loop once more.
 */
#include "host.h"

#include "crypto.h"
#include "fiber.h"
#include "log.h"
#include "work.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_STEP_NS TRP_NS_PER_MS
#define DEFAULT_SPIN_NS 50000

struct trp_native {
    trp_runtime *runtime;
    trp_native_config config;
    trpi_log log;
    trpi_fiber_pool *fibers; /* of all schedulers */
    trpi_work_gate work;
    bool is_attached;
    bool is_started;
    bool is_joined;
    bool counts_memory;
    atomic_bool is_stopping;
    atomic_uint running; /* drivers that have not ended */
    atomic_uint_fast64_t live_bytes;
    uv_sem_t go;          /* threads begin when all of them exist and their ids are known */
    unsigned threads_len; /* threads to be joined */
    unsigned drivers_len;
    trpi_driver drivers[];
};

/* ---- the host table ---- */

static void *host_realloc(void *self, void *block, size_t old_size, size_t new_size) {
    trp_native *native = self;
    void *result = NULL;
    if (new_size == 0) {
        free(block);
    } else {
        result = realloc(block, new_size);
        if (result == NULL) {
            return NULL;
        }
    }
    if (native->counts_memory) {
        /* Relaxed: a counter that orders nothing. Wraps through zero where a block shrinks. */
        atomic_fetch_add_explicit(&native->live_bytes, (uint64_t)new_size - (uint64_t)old_size,
                                  memory_order_relaxed);
    }
    return result;
}

static uint64_t host_now(void *self) {
    (void)self;
    return uv_hrtime();
}

static void host_wake(void *self, unsigned scheduler) {
    trp_native *native = self;
    trpi_driver_wake(&native->drivers[scheduler]);
}

static int host_entropy(void *self, void *bytes, size_t length) {
    (void)self;
    return trpi_entropy(bytes, length);
}

static void host_log(void *self, int level, const char *who, const char *text, size_t length) {
    trp_native *native = self;
    if (native->config.log != NULL) {
        native->config.log(native->config.arg, level, who, text, length);
    } else {
        trpi_log_write(&native->log, level, who, text, length);
    }
}

static void host_trace(void *self, const trp_trace *record) {
    trp_native *native = self;
    native->config.trace(native->config.arg, record);
}

static void host_fatal(void *self, const char *text) {
    (void)self;
    fprintf(stderr, "troupe: fatal: %s\n", text);
    abort();
}

static int host_hmac(void *self, const void *key, size_t key_length, const void *data,
                     size_t data_length, uint8_t mac[32]) {
    (void)self;
    return trpi_hmac_sha256(key, key_length, data, data_length, mac);
}

static void host_abandon(void *self, unsigned scheduler) {
    trp_native *native = self;
    trpi_driver *driver = &native->drivers[scheduler];
    if (!driver->is_stepping) {
        host_fatal(self, "trp_abort was called outside of a step");
    }
    trpi_driver_abandon(driver);
}

static void *host_fiber_create(void *self, size_t stack_size, void (*entry)(void *arg), void *arg) {
    trp_native *native = self;
    return trpi_fiber_create(native->fibers, stack_size, entry, arg);
}

static int host_fiber_switch(void *self, void *fiber) {
    (void)self;
    return trpi_fiber_switch(fiber) ? TRP_OK : TRP_EFAILED;
}

static void host_fiber_yield(void *self) {
    (void)self;
    trpi_fiber_yield();
}

static void host_fiber_destroy(void *self, void *fiber) {
    (void)self;
    trpi_fiber_destroy(fiber);
}

static int host_offload(void *self, unsigned scheduler, void (*run)(void *job, bool is_canceled),
                        void *job) {
    trp_native *native = self;
    return trpi_work_start(&native->work, native->drivers[scheduler].loop, run, job);
}

static trp_host make_host_table(trp_native *native) {
    return (trp_host){
        .size = sizeof(trp_host),
        .self = native,
        .realloc = host_realloc,
        .now_ns = host_now,
        .wake = host_wake,
        .entropy = host_entropy,
        .log = host_log,
        .trace = native->config.trace != NULL ? host_trace : NULL,
        .fatal = host_fatal,
        .hmac_sha256 = host_hmac,
        .abandon = host_abandon,
        .fiber_create = host_fiber_create,
        .fiber_switch = host_fiber_switch,
        .fiber_yield = host_fiber_yield,
        .fiber_destroy = host_fiber_destroy,
        .offload = host_offload,
    };
}

/* ---- create ---- */

int trpi_config_copy(void *own, size_t own_size, const void *given) {
    size_t size = sizeof size;
    if (given == NULL) {
        memcpy(own, &own_size, sizeof own_size);
        return TRP_OK;
    }
    memcpy(&size, given, sizeof size);
    if (size < sizeof size) {
        return TRP_EINVAL;
    }
    memcpy(own, given, size < own_size ? size : own_size);
    return TRP_OK;
}

static unsigned count_schedulers(const trp_native_config *config) {
    if (config->loop != NULL) {
        return 1;
    }
    unsigned wanted = config->schedulers != 0 ? config->schedulers : uv_available_parallelism();
    return config->schedulers == 0 && wanted > TRP_SCHEDULERS_MAX ? TRP_SCHEDULERS_MAX : wanted;
}

/* Frees a host whose drivers are closed or never were. */
static void free_native(trp_native *native) {
    trpi_fiber_pool_destroy(native->fibers);
    trpi_work_gate_deinit(&native->work);
    trpi_log_deinit(&native->log);
    if (!native->is_attached) {
        uv_sem_destroy(&native->go);
    }
    free(native);
}

static void on_driver_ended(trpi_driver *driver) {
    trp_native *native = driver->native;
    /* acq_rel: the last driver to end has seen what the others did. */
    if (atomic_fetch_sub_explicit(&native->running, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (native->config.on_stopped != NULL) {
        native->config.on_stopped(native->config.arg);
    }
}

/* Attached: the loop has closed the last handle after trp_native_destroy. */
static void on_driver_closed(trpi_driver *driver) {
    trp_native *native = driver->native;
    if (native->is_attached) {
        trpi_driver_deinit(driver);
        free_native(native);
    }
}

/* With one scheduler all wakes come from outside of the runtime, and seldom: nothing to look for.
 */
static uint64_t choose_spin(const trp_native *native) {
    if (native->config.spin_ns != 0) {
        return native->config.spin_ns == TRP_NEVER ? 0 : native->config.spin_ns;
    }
    return native->drivers_len > 1 ? DEFAULT_SPIN_NS : 0;
}

static int init_drivers(trp_native *native) {
    const trp_native_config *config = &native->config;
    for (unsigned i = 0; i < native->drivers_len; i++) {
        trpi_driver *driver = &native->drivers[i];
        driver->native = native;
        driver->runtime = native->runtime;
        driver->index = i;
        driver->step_ns = config->step_ns != 0 ? config->step_ns : DEFAULT_STEP_NS;
        driver->spin_ns = choose_spin(native);
        driver->spin_now_ns = driver->spin_ns;
        driver->on_ended = on_driver_ended;
        driver->on_closed = on_driver_closed;
        int error = trpi_driver_init(driver, config->loop);
        if (error != TRP_OK) {
            native->drivers_len = i; /* only those before this one exist */
            return error;
        }
    }
    return TRP_OK;
}

static int init_runtime(trp_native *native, unsigned schedulers) {
    trp_runtime_config config = {.size = sizeof config};
    int error = trpi_config_copy(&config, sizeof config, native->config.runtime);
    if (error != TRP_OK) {
        return error;
    }
    config.schedulers = schedulers;
    native->config.runtime = NULL; /* borrowed for the call only */
    native->fibers = trpi_fiber_pool_create(TRPI_GUARD_MARKED);
    if (native->fibers == NULL) {
        return TRP_ENOMEM;
    }
    trp_host host = make_host_table(native);
    return trp_runtime_create(&host, &config, &native->runtime);
}

int trp_native_create(const trp_native_config *given, trp_native **out) {
    trp_native_config config = {.size = sizeof config};
    int error = trpi_config_copy(&config, sizeof config, given);
    unsigned schedulers = count_schedulers(&config);
    if (error != TRP_OK || schedulers > TRP_SCHEDULERS_MAX) {
        return TRP_EINVAL;
    }
    trp_native *native = calloc(1, sizeof *native + schedulers * sizeof native->drivers[0]);
    if (native == NULL) {
        return TRP_ENOMEM;
    }
    native->config = config;
    native->is_attached = config.loop != NULL;
    native->drivers_len = schedulers;
    native->counts_memory = config.count_memory;
#ifndef NDEBUG
    native->counts_memory = true;
#endif
    atomic_init(&native->is_stopping, false);
    atomic_init(&native->running, schedulers);
    atomic_init(&native->live_bytes, 0);
    int fd = config.log_fd != 0 ? config.log_fd : 2;
    error = trpi_log_init(&native->log, fd, config.log_format, config.log_debug);
    if (error != TRP_OK) {
        free(native);
        return error;
    }
    if (trpi_work_gate_init(&native->work) != TRP_OK) {
        trpi_log_deinit(&native->log);
        free(native);
        return TRP_ENOMEM;
    }
    if (!native->is_attached && uv_sem_init(&native->go, 0) != 0) {
        trpi_work_gate_deinit(&native->work);
        trpi_log_deinit(&native->log);
        free(native);
        return TRP_ENOMEM;
    }
    error = init_runtime(native, schedulers);
    if (error == TRP_OK) {
        error = init_drivers(native);
    } else {
        native->drivers_len = 0;
    }
    if (error != TRP_OK) {
        trp_native_destroy(native);
        return error;
    }
    *out = native;
    return TRP_OK;
}

trp_runtime *trp_native_runtime(trp_native *native) {
    return native->runtime;
}

unsigned trp_native_schedulers(const trp_native *native) {
    return native->drivers_len;
}

trpi_driver *trpi_native_driver(trp_native *native, unsigned scheduler) {
    return scheduler < native->drivers_len ? &native->drivers[scheduler] : NULL;
}

struct uv_loop_s *trp_native_loop(trp_native *native, unsigned scheduler) {
    trpi_driver *driver = trpi_native_driver(native, scheduler);
    return driver == NULL ? NULL : driver->loop;
}

void trp_native_log(trp_native *native, trp_log_level level, const char *text) {
    host_log(native, (int)level, "", text, strlen(text));
}

uint64_t trp_native_live_bytes(const trp_native *native) {
    return atomic_load_explicit(&native->live_bytes, memory_order_relaxed);
}

bool trpi_native_is_stopping(trp_native *native) {
    return atomic_load_explicit(&native->is_stopping, memory_order_acquire);
}

/* ---- threads ---- */

/*
 * Signals are for the program's own threads; SIGPIPE would end it when a peer closes a socket. What
 * a fault of this very thread raises cannot be blocked sensibly.
 */
static void block_signals(void) {
    static const int open_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGPROF};
    sigset_t set;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof open_signals / sizeof open_signals[0]; i++) {
        sigdelset(&set, open_signals[i]);
    }
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void thread_main(void *arg) {
    trpi_driver *driver = arg;
    block_signals();
    uv_sem_wait(&driver->native->go);
    if (driver->native->is_started) {
        trpi_driver_start(driver);
        uv_run(driver->loop, UV_RUN_DEFAULT);
    }
}

static void join_threads(trp_native *native) {
    for (unsigned i = 0; i < native->threads_len; i++) {
        uv_thread_join(&native->drivers[i].thread);
    }
    native->threads_len = 0;
}

static int start_threads(trp_native *native) {
    unsigned started = 0;
    while (started < native->drivers_len) {
        trpi_driver *driver = &native->drivers[started];
        if (uv_thread_create(&driver->thread, thread_main, driver) != 0) {
            break;
        }
        started++;
    }
    native->threads_len = started;
    native->is_started = started == native->drivers_len;
    for (unsigned i = 0; i < started; i++) {
        uv_sem_post(&native->go);
    }
    return native->is_started ? TRP_OK : TRP_EIO;
}

int trp_native_start(trp_native *native) {
    if (native->is_started || native->is_joined) {
        return TRP_ESTATE;
    }
    if (native->is_attached) {
        native->is_started = true;
        trpi_driver_start(&native->drivers[0]);
        return TRP_OK;
    }
    return start_threads(native);
}

void trp_native_stop(trp_native *native, uint64_t grace_ns) {
    if (atomic_exchange_explicit(&native->is_stopping, true, memory_order_acq_rel)) {
        return;
    }
    trp_runtime_stop(native->runtime, grace_ns);
    for (unsigned i = 0; i < native->drivers_len; i++) {
        trpi_driver_stop(&native->drivers[i]);
    }
}

/* The driver whose thread this is, NULL if it is none of ours. Own threads only, after the start.
 */
static trpi_driver *find_own_thread(trp_native *native) {
    uv_thread_t self = uv_thread_self();
    for (unsigned i = 0; i < native->threads_len; i++) {
        if (uv_thread_equal(&self, &native->drivers[i].thread)) {
            return &native->drivers[i];
        }
    }
    return NULL;
}

int trp_native_join(trp_native *native) {
    if (native->is_attached || !native->is_started) {
        return TRP_ESTATE;
    }
    if (find_own_thread(native) != NULL) {
        return TRP_EDEADLOCK;
    }
    join_threads(native);
    native->is_joined = true;
    return TRP_OK;
}

/* ---- destroy ---- */

static void destroy_own(trp_native *native) {
    for (unsigned i = 0; i < native->drivers_len; i++) {
        trpi_driver_close(&native->drivers[i]);
    }
    trpi_work_gate_wait(&native->work);
    trp_runtime_destroy(native->runtime);
    for (unsigned i = 0; i < native->drivers_len; i++) {
        uv_run(native->drivers[i].loop, UV_RUN_DEFAULT);
        trpi_driver_deinit(&native->drivers[i]);
    }
    free_native(native);
}

void trp_native_destroy(trp_native *native) {
    if (native == NULL) {
        return;
    }
    if (!native->is_attached) {
        if (native->is_started && !native->is_joined) {
            trp_native_stop(native, 0);
        }
        join_threads(native);
        destroy_own(native);
        return;
    }
    bool has_driver = native->drivers_len != 0;
    if (has_driver) {
        trpi_driver_close(&native->drivers[0]);
    }
    trpi_work_gate_wait(&native->work);
    trp_runtime_destroy(native->runtime);
    if (!has_driver) {
        free_native(native);
    }
}

/* ---- calls ---- */

int trp_native_call(trp_native *native, unsigned scheduler, void (*call)(trp_ctx *ctx, void *arg),
                    void *arg) {
    if (scheduler >= native->drivers_len) {
        return TRP_EINVAL;
    }
    return trp_post_call(native->runtime, scheduler, call, arg);
}

int trp_native_call_wait(trp_native *native, unsigned scheduler,
                         int (*call)(trp_ctx *ctx, void *arg), void *arg) {
    trpi_driver *driver = trpi_native_driver(native, scheduler);
    if (driver == NULL) {
        return TRP_EINVAL;
    }
    trpi_driver *here = native->threads_len != 0 ? find_own_thread(native) : NULL;
    if (native->is_attached || native->threads_len == 0 || here == driver) {
        return driver->phase == TRPI_PHASE_ENDED ? TRP_ECLOSED : call(trpi_driver_ctx(driver), arg);
    }
    if (here != NULL) {
        return TRP_EDEADLOCK;
    }
    return trpi_driver_call_wait(driver, call, arg);
}
