/*
 * Fibers: stacks that a thread can switch to and come back from. Routines run on them.
 *
 * A fiber is switched to and yields on one thread; any thread may create and destroy one that does not run. A fiber may
 * itself switch to another one. A pool keeps the stacks of ended fibers for the next ones.
 *
 * What happens when a stack is too small (fiber_stack.h has the layout, fiber_fault.c the handler): a guarded stack
 * first grows by a reserve, so that a callee like the core can finish what it began, and the fiber is left when it
 * yields next; if the reserve does not suffice either, it is left at once. A stack without guard, of which there is one
 * only where the kernel refuses more mappings, is checked at each switch.
 */
#ifndef TRPI_FIBER_H
#define TRPI_FIBER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct trpi_fiber trpi_fiber;
typedef struct trpi_fiber_pool trpi_fiber_pool;

/* How stacks are guarded; a later one is what a pool falls back to. */
typedef enum trpi_guard {
    TRPI_GUARD_MARKED = 0, /* by marks in the page table, without a mapping: Linux 6.13 and later */
    TRPI_GUARD_MAPPED,     /* by mappings without access, for as many stacks as the kernel allows */
    TRPI_GUARD_NONE        /* not at all; seen at the next switch */
} trpi_guard;

/* Makes an empty pool whose stacks are guarded by `best` or what comes after it; NULL when out of memory. */
trpi_fiber_pool *trpi_fiber_pool_create(trpi_guard best);

/* Frees a pool without fibers. NULL is fine. */
void trpi_fiber_pool_destroy(trpi_fiber_pool *pool);

/* Makes a fiber that will call entry(arg), which must end with a yield, on `stack_size` bytes. NULL when out of memory. */
trpi_fiber *trpi_fiber_create(trpi_fiber_pool *pool, size_t stack_size, void (*entry)(void *arg),
                              void *arg);

/* How its stack is guarded. */
trpi_guard trpi_fiber_guard(const trpi_fiber *fiber);

/* Runs a fiber until it yields. False: it has overflowed its stack and may only be destroyed. */
bool trpi_fiber_switch(trpi_fiber *fiber);

/* Goes back to the trpi_fiber_switch that runs the calling fiber. */
void trpi_fiber_yield(void);

/* Frees a fiber that does not run, wherever it stopped. */
void trpi_fiber_destroy(trpi_fiber *fiber);

#endif
