/*
 * A driver runs one scheduler inside one uv_loop: it steps before the loop polls, wakes the loop,
 * and ends the services that live on the loop when the runtime has stopped. Everything here but
 * trpi_driver_wake and trpi_driver_call_wait belongs to the driver's thread.
 */
#ifndef TRPI_DRIVER_H
#define TRPI_DRIVER_H

#include "list.h"

#include "troupe/native.h"

#include <setjmp.h>
#include <stdatomic.h>
#include <uv.h>

/* How a service has to close. */
typedef enum trpi_closing {
    TRPI_CLOSING_STOP,  /* the runtime stops: take nothing new, serve what there is */
    TRPI_CLOSING_FLUSH, /* no actor is left: say goodbye and close */
    TRPI_CLOSING_NOW    /* close the handles at once; the runtime is about to be destroyed */
} trpi_closing;

typedef struct trpi_driver trpi_driver;

/* Something that keeps handles open on a driver's loop: a listener, a connection, a terminal. */
typedef struct trpi_service {
    trpi_link link;
    trpi_driver *driver;
    void (*close)(struct trpi_service *service, trpi_closing how); /* idempotent */
} trpi_service;

/* Work to be done after the current step, at most once per turn of the loop. */
typedef struct trpi_deferred {
    trpi_link link;
    void (*run)(struct trpi_deferred *deferred);
} trpi_deferred;

/* Where a driver is in its life. */
typedef enum trpi_phase {
    TRPI_PHASE_IDLE, /* not started */
    TRPI_PHASE_RUNNING,
    TRPI_PHASE_STOPPING, /* the runtime was asked to stop */
    TRPI_PHASE_CLOSING,  /* no actor is left, services are closing */
    TRPI_PHASE_ENDED     /* nothing of ours keeps the loop alive */
} trpi_phase;

struct trpi_driver {
    trp_native *native;
    trp_runtime *runtime;
    unsigned index;
    uv_loop_t *loop;
    uv_loop_t own_loop;
    uv_thread_t thread;
    bool has_own_loop;
    bool is_stepping;
    bool is_closing;

    uv_async_t async;      /* the way out of poll; open until the host is destroyed */
    uv_prepare_t prepare;  /* runs a turn before every poll */
    uv_idle_t idle;        /* active while there is more to do: poll does not block */
    uv_timer_t timer;      /* the scheduler's next deadline */
    unsigned handles_open; /* of the four above, plus one for each service */

    atomic_int wake_state; /* see driver.c */
    atomic_bool stop_requested;
    uint64_t step_ns;
    uint64_t spin_ns;     /* longest look for work before blocking; 0 for none */
    uint64_t spin_now_ns; /* how long it looks next time */
    uint64_t blocked_ns;  /* when it last gave up looking */
    uint64_t armed_ns;    /* deadline that `timer` stands for, TRP_NEVER if it is stopped */
    trpi_phase phase;
    void (*on_ended)(trpi_driver *driver);  /* phase ENDED was reached by a stop */
    void (*on_closed)(trpi_driver *driver); /* every handle is closed; the last use of the driver */

    trpi_link services;
    trpi_link deferred;

    uv_mutex_t calls_lock; /* protects the two below */
    trpi_link calls;
    bool calls_closed;

    jmp_buf abandon;
    char *read_buffer; /* shared by all streams of the loop; made on first use */
};

/* Bytes of a driver's read buffer. */
#define TRPI_READ_BUFFER ((size_t)65536)

/* Prepares `driver` (zeroed, with native, index, budgets set). `loop` NULL: a loop of its own. */
int trpi_driver_init(trpi_driver *driver, uv_loop_t *loop);

/* Begins to step. On the loop's thread. */
void trpi_driver_start(trpi_driver *driver);

/* Asks the driver to come to its end after trp_runtime_stop. Any thread. */
void trpi_driver_stop(trpi_driver *driver);

/* Closes the driver's handles and, at once, its services. They are gone when handles_open is 0. */
void trpi_driver_close(trpi_driver *driver);

/* Frees what is left when the handles are closed and the loop has run. Own loop: also closes it. */
void trpi_driver_deinit(trpi_driver *driver);

/* Makes a step happen soon. Any thread. */
void trpi_driver_wake(trpi_driver *driver);

/*
 * To be called first in every loop callback that calls into the core: makes wakes free until the
 * next turn.
 */
void trpi_driver_enter(trpi_driver *driver);

/* Leaves the current step, for trp_abort. Only while is_stepping. */
_Noreturn void trpi_driver_abandon(trpi_driver *driver);

/*
 * Runs `call` on the driver's thread and waits. Must not be called on it. TRP_ECLOSED if it has
 * ended.
 */
int trpi_driver_call_wait(trpi_driver *driver, int (*call)(trp_ctx *ctx, void *arg), void *arg);

/* The root ctx of the driver's scheduler. */
trp_ctx *trpi_driver_ctx(trpi_driver *driver);

/* The shared read buffer, NULL when out of memory. Its contents last until the callback returns. */
char *trpi_driver_read_buffer(trpi_driver *driver);

/* Runs `deferred` after the current step or at the next turn; nothing if it is waiting already. */
void trpi_driver_defer(trpi_driver *driver, trpi_deferred *deferred);

/*
 * Adds a service, which the driver from then on closes at its end, and removes it when its handles
 * are closed.
 */
void trpi_service_add(trpi_driver *driver, trpi_service *service);
void trpi_service_remove(trpi_service *service);

#endif
