/*
 * How a scheduler and a uv_loop share a thread.
 *
 * A turn (one step and what belongs to it) runs in a prepare callback, that is, before every poll.
 * If there is more to do an idle handle keeps poll from blocking; otherwise the timer stands for
 * the next deadline. So timers, sockets and actors alternate, each step bounded by its time budget.
 *
 * Waking. A wake must be cheap, because a busy system wakes often: a uv_async_send costs a system
 * call, so it is only made for a scheduler that blocks or is about to. `wake_state` says where the
 * scheduler is:
 *
 *     AWAKE    it will run a turn before it polls
 *     WOKEN    the same, and it must not go to POLLING without one more turn
 *     POLLING  it blocks, or is on its way there: only uv_async_send reaches it
 *
 * A waker exchanges in WOKEN and makes the system call if it found POLLING. The scheduler goes to
 * POLLING by a compare-and-swap from AWAKE, which fails if a wake came after its last step began. A
 * wake therefore either is seen by that swap, or sees POLLING: none is lost. The exchange releases
 * what the waker has queued; the scheduler's exchange at the start of a turn acquires it.
 *
 * Abandoning a step. trp_abort must leave a handler without returning. The options were a separate
 * dispatch stack that is dropped, and _setjmp around the step. The latter is used: it costs a few
 * nanoseconds per step (not per message), needs no memory, no assembly and no help for sanitizers,
 * debuggers and shadow stacks, and the frames it skips are the same ones that a dropped stack would
 * skip.
 */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

enum { WAKE_AWAKE, WAKE_WOKEN, WAKE_POLLING };

/*
 * A scheduler that looked in vain many times still looks so long: long enough to notice that times
 * have changed.
 */
#define SPIN_MIN_NS 2000

/* One waiting trpi_driver_call_wait; lives on the waiter's stack. */
typedef struct pending_call {
    trpi_link link;
    int (*call)(trp_ctx *ctx, void *arg);
    void *arg;
    int result;
    uv_sem_t done;
} pending_call;

trp_ctx *trpi_driver_ctx(trpi_driver *driver) {
    return trp_runtime_enter(driver->runtime, driver->index);
}

char *trpi_driver_read_buffer(trpi_driver *driver) {
    if (driver->read_buffer == NULL) {
        driver->read_buffer = malloc(TRPI_READ_BUFFER);
    }
    return driver->read_buffer;
}

/* ---- waking ---- */

void trpi_driver_wake(trpi_driver *driver) {
    /*
     * acq_rel: releases the waker's work to the exchange in `turn`; acquire orders it after the
     * state it saw.
     */
    int before = atomic_exchange_explicit(&driver->wake_state, WAKE_WOKEN, memory_order_acq_rel);
    if (before == WAKE_POLLING) {
        uv_async_send(&driver->async);
    }
}

void trpi_driver_enter(trpi_driver *driver) {
    /*
     * Relaxed is enough: the turn that follows acquires. WOKEN must stay, so this is a swap and no
     * store.
     */
    int expected = WAKE_POLLING;
    atomic_compare_exchange_strong_explicit(&driver->wake_state, &expected, WAKE_AWAKE,
                                            memory_order_relaxed, memory_order_relaxed);
}

/* True if the loop may block in poll now, false if a wake came since the turn began. */
static bool may_block(trpi_driver *driver) {
    /* acq_rel pairs with the exchange in trpi_driver_wake. */
    int expected = WAKE_AWAKE;
    return atomic_compare_exchange_strong_explicit(&driver->wake_state, &expected, WAKE_POLLING,
                                                   memory_order_acq_rel, memory_order_acquire);
}

/* Tells the processor that this is a waiting loop. */
static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void adapt_spin(trpi_driver *driver, bool pays) {
    uint64_t next = pays ? driver->spin_now_ns * 2 : driver->spin_now_ns / 2;
    next = next < SPIN_MIN_NS ? SPIN_MIN_NS : next;
    driver->spin_now_ns = next > driver->spin_ns ? driver->spin_ns : next;
}

/*
 * Looks for a wake for a short while, which is cheaper than to block if one comes: on the machine
 * of the first measurements a message between two schedulers took 30 us and more when both block,
 * and less than 1 us when both look. How long it looks adapts: twice as long after a success, and
 * after blocking for so short a time that looking would have paid; half as long in vain. A
 * scheduler with nothing to do soon blocks at once.
 */
static bool spin_for_wake(trpi_driver *driver) {
    uint64_t now = uv_hrtime();
    uint64_t end = now + driver->spin_now_ns;
    bool found = false;
    do {
        for (int i = 0; i < 32 && !found; i++) {
            relax();
            found = atomic_load_explicit(&driver->wake_state, memory_order_relaxed) == WAKE_WOKEN;
        }
        now = uv_hrtime();
    } while (!found && now < end);
    adapt_spin(driver, found);
    driver->blocked_ns = now;
    return found;
}

/* Poll has returned for a wake: blocking that short was not worth it. */
static void note_woken(trpi_driver *driver) {
    if (driver->spin_ns != 0 && uv_hrtime() - driver->blocked_ns < 2 * driver->spin_ns) {
        adapt_spin(driver, true);
    }
}

static void on_async(uv_async_t *async) {
    /* That poll has returned is all that was wanted: the next turn does the work. */
    note_woken(async->data);
}

static void on_idle(uv_idle_t *idle) {
    (void)idle; /* being active is its whole effect: poll does not block */
}

/* ---- stepping ---- */

void trpi_driver_abandon(trpi_driver *driver) {
    _longjmp(driver->abandon, 1);
}

/*
 * A step that trp_abort can leave. Nothing here is changed between _setjmp and _longjmp but through
 * `driver`.
 */
static trp_step protected_step(trpi_driver *driver, const trp_budget *budget,
                               uint64_t *deadline_ns) {
    if (_setjmp(driver->abandon) != 0) {
        driver->is_stepping = false;
        return TRP_STEP_MORE;
    }
    driver->is_stepping = true;
    trp_step answer = trp_runtime_step(driver->runtime, driver->index, budget, deadline_ns);
    driver->is_stepping = false;
    return answer;
}

static void run_calls(trpi_driver *driver) {
    trpi_link calls;
    uv_mutex_lock(&driver->calls_lock);
    trpi_list_take(&driver->calls, &calls);
    uv_mutex_unlock(&driver->calls_lock);
    while (!trpi_list_is_empty(&calls)) {
        pending_call *pending = TRPI_CONTAINER(calls.next, pending_call, link);
        trpi_list_remove(&pending->link);
        pending->result = pending->call(trpi_driver_ctx(driver), pending->arg);
        uv_sem_post(&pending->done);
    }
}

static void run_deferred(trpi_driver *driver) {
    trpi_link ready;
    trpi_list_take(&driver->deferred, &ready);
    while (!trpi_list_is_empty(&ready)) {
        trpi_deferred *deferred = TRPI_CONTAINER(ready.next, trpi_deferred, link);
        trpi_list_remove(&deferred->link);
        deferred->run(deferred);
    }
}

static void close_services(trpi_driver *driver, trpi_closing how) {
    /*
     * A service may remove itself, and closing one may remove others: start over from a private
     * list.
     */
    trpi_link rest;
    trpi_list_take(&driver->services, &rest);
    while (!trpi_list_is_empty(&rest)) {
        trpi_link *link = rest.next;
        trpi_list_remove(link);
        trpi_list_push(&driver->services, link);
        trpi_service *service = TRPI_CONTAINER(link, trpi_service, link);
        service->close(service, how);
    }
}

static void end(trpi_driver *driver) {
    uv_mutex_lock(&driver->calls_lock);
    driver->calls_closed = true;
    uv_mutex_unlock(&driver->calls_lock);
    run_calls(driver);
    driver->phase = TRPI_PHASE_ENDED;
    uv_prepare_stop(&driver->prepare);
    uv_idle_stop(&driver->idle);
    uv_timer_stop(&driver->timer);
    uv_unref((uv_handle_t *)&driver->async);
    driver->on_ended(driver);
}

/* Moves on through the phases of the end. */
static void advance_phase(trpi_driver *driver, trp_step answer) {
    if (driver->phase == TRPI_PHASE_RUNNING && answer == TRP_STEP_DONE) {
        driver->phase = TRPI_PHASE_STOPPING; /* stopped through trp_runtime_stop itself */
    }
    if (driver->phase == TRPI_PHASE_STOPPING && answer == TRP_STEP_DONE) {
        driver->phase = TRPI_PHASE_CLOSING;
        close_services(driver, TRPI_CLOSING_FLUSH);
    }
    if (driver->phase == TRPI_PHASE_CLOSING && trpi_list_is_empty(&driver->services)) {
        end(driver);
    }
}

static void on_timer(uv_timer_t *timer) {
    trpi_driver *driver = timer->data;
    driver->armed_ns = TRP_NEVER; /* the next turn does the work */
}

static void arm_timer(trpi_driver *driver, uint64_t deadline_ns) {
    if (deadline_ns == driver->armed_ns) {
        return;
    }
    driver->armed_ns = deadline_ns;
    if (deadline_ns == TRP_NEVER) {
        uv_timer_stop(&driver->timer);
        return;
    }
    uint64_t now = uv_hrtime();
    uint64_t delay_ms = 0;
    if (deadline_ns > now) {
        delay_ms = (deadline_ns - now + TRP_NS_PER_MS - 1) / TRP_NS_PER_MS;
    }
    uv_update_time(driver->loop);
    uv_timer_start(&driver->timer, on_timer, delay_ms, 0);
    uv_unref((uv_handle_t *)&driver->timer);
}

/* Decides whether the coming poll may block. */
static void prepare_poll(trpi_driver *driver, trp_step answer, uint64_t deadline_ns) {
    bool more = answer == TRP_STEP_MORE || !trpi_list_is_empty(&driver->deferred);
    if (!more && driver->spin_ns != 0) {
        more = spin_for_wake(driver);
    }
    if (!more) {
        arm_timer(driver, deadline_ns);
        more = !may_block(driver);
    }
    if (more) {
        uv_idle_start(&driver->idle, on_idle);
    } else {
        uv_idle_stop(&driver->idle);
    }
}

static void turn(uv_prepare_t *prepare) {
    trpi_driver *driver = prepare->data;
    /*
     * acq_rel pairs with the exchange in trpi_driver_wake: what was queued before a wake is seen
     * below.
     */
    atomic_exchange_explicit(&driver->wake_state, WAKE_AWAKE, memory_order_acq_rel);
    run_calls(driver);
    run_deferred(driver);
    if (driver->phase == TRPI_PHASE_RUNNING &&
        atomic_load_explicit(&driver->stop_requested, memory_order_acquire)) {
        driver->phase = TRPI_PHASE_STOPPING;
        close_services(driver, TRPI_CLOSING_STOP);
    }
    trp_budget budget = {.messages = 0, .deadline_ns = uv_hrtime() + driver->step_ns};
    uint64_t deadline_ns = TRP_NEVER;
    trp_step answer = protected_step(driver, &budget, &deadline_ns);
    run_deferred(driver);
    advance_phase(driver, answer);
    if (driver->phase != TRPI_PHASE_ENDED) {
        prepare_poll(driver, answer, deadline_ns);
    }
}

/* ---- calls from other threads ---- */

int trpi_driver_call_wait(trpi_driver *driver, int (*call)(trp_ctx *ctx, void *arg), void *arg) {
    pending_call pending = {.call = call, .arg = arg};
    trpi_link_init(&pending.link);
    if (uv_sem_init(&pending.done, 0) != 0) {
        return TRP_EIO;
    }
    uv_mutex_lock(&driver->calls_lock);
    bool accepted = !driver->calls_closed;
    if (accepted) {
        trpi_list_push(&driver->calls, &pending.link);
    }
    uv_mutex_unlock(&driver->calls_lock);
    if (accepted) {
        trpi_driver_wake(driver);
        uv_sem_wait(&pending.done);
    }
    uv_sem_destroy(&pending.done);
    return accepted ? pending.result : TRP_ECLOSED;
}

void trpi_driver_defer(trpi_driver *driver, trpi_deferred *deferred) {
    if (trpi_list_is_empty(&deferred->link)) {
        trpi_list_push(&driver->deferred, &deferred->link);
        trpi_driver_wake(driver);
    }
}

/* Tells the host when trpi_driver_close has been completed by the last handle. */
static void note_closed(trpi_driver *driver) {
    if (driver->is_closing && driver->handles_open == 0) {
        driver->on_closed(driver);
    }
}

void trpi_service_add(trpi_driver *driver, trpi_service *service) {
    service->driver = driver;
    trpi_list_push(&driver->services, &service->link);
    driver->handles_open++;
}

void trpi_service_remove(trpi_service *service) {
    trpi_driver *driver = service->driver;
    trpi_list_remove(&service->link);
    driver->handles_open--;
    trpi_driver_wake(driver); /* it may have been the last one that `end` waits for */
    note_closed(driver);
}

/* ---- life ---- */

static int init_handles(trpi_driver *driver) {
    /* uv_async_init is the only one of the four that can fail. */
    if (uv_async_init(driver->loop, &driver->async, on_async) != 0) {
        return TRP_EIO;
    }
    uv_prepare_init(driver->loop, &driver->prepare);
    uv_idle_init(driver->loop, &driver->idle);
    uv_timer_init(driver->loop, &driver->timer);
    driver->async.data = driver->prepare.data = driver->idle.data = driver->timer.data = driver;
    uv_unref((uv_handle_t *)&driver->async); /* until the start */
    uv_unref((uv_handle_t *)&driver->prepare);
    driver->handles_open = 4;
    return TRP_OK;
}

int trpi_driver_init(trpi_driver *driver, uv_loop_t *loop) {
    trpi_link_init(&driver->services);
    trpi_link_init(&driver->deferred);
    trpi_link_init(&driver->calls);
    driver->armed_ns = TRP_NEVER;
    /* AWAKE until the first turn: wakes before the start cost nothing and are seen by it. */
    atomic_init(&driver->wake_state, WAKE_AWAKE);
    atomic_init(&driver->stop_requested, false);
    driver->loop = loop;
    if (uv_mutex_init(&driver->calls_lock) != 0) {
        return TRP_ENOMEM;
    }
    if (loop == NULL) {
        if (uv_loop_init(&driver->own_loop) != 0) {
            uv_mutex_destroy(&driver->calls_lock);
            return TRP_EIO;
        }
        driver->loop = &driver->own_loop;
        driver->has_own_loop = true;
    }
    int error = init_handles(driver);
    if (error != TRP_OK) {
        if (driver->has_own_loop) {
            uv_loop_close(&driver->own_loop);
        }
        uv_mutex_destroy(&driver->calls_lock);
    }
    return error;
}

void trpi_driver_start(trpi_driver *driver) {
    driver->phase = TRPI_PHASE_RUNNING;
    uv_ref((uv_handle_t *)&driver->async);
    uv_prepare_start(&driver->prepare, turn);
    uv_idle_start(&driver->idle, on_idle); /* the first poll must not block before a turn */
}

void trpi_driver_stop(trpi_driver *driver) {
    /* Release pairs with the acquire in `turn`: the stop of the runtime is seen with it. */
    atomic_store_explicit(&driver->stop_requested, true, memory_order_release);
    trpi_driver_wake(driver);
}

static void on_handle_closed(uv_handle_t *handle) {
    trpi_driver *driver = handle->data;
    driver->handles_open--;
    note_closed(driver);
}

void trpi_driver_close(trpi_driver *driver) {
    uv_mutex_lock(&driver->calls_lock);
    driver->calls_closed = true;
    uv_mutex_unlock(&driver->calls_lock);
    driver->phase = TRPI_PHASE_ENDED;
    driver->is_closing = true;
    close_services(driver, TRPI_CLOSING_NOW);
    uv_close((uv_handle_t *)&driver->async, on_handle_closed);
    uv_close((uv_handle_t *)&driver->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&driver->idle, on_handle_closed);
    uv_close((uv_handle_t *)&driver->timer, on_handle_closed);
}

void trpi_driver_deinit(trpi_driver *driver) {
    if (driver->has_own_loop && uv_loop_close(&driver->own_loop) != 0) {
        abort(); /* trp_native_join promised that nothing is left on the loop */
    }
    uv_mutex_destroy(&driver->calls_lock);
    free(driver->read_buffer);
}
