/*
 * Fibers in wasm, made with Binaryen's Asyncify: a fiber that yields unwinds its frames into a buffer, and is wound up
 * again when it is switched to. The switcher is C inside the module; JavaScript has no part in it.
 *
 *     base                        low                                     high
 *      | unwound frames, 1/16 >    | < C stack, 1/8 of the native size      |
 *
 * Most locals live in the frames of the wasm engine, so the C stack holds little, and a fiber that
 * waits costs the whole of both. While it runs there are no unwound frames. So a C stack that is too
 * small grows into their room, where the next switch sees it (by canaries at `low` and `base`), and
 * unwound frames may use what the C stack leaves free of its lower half. Beyond that the fiber is
 * over, and nothing else was touched. One that has gone further, by more than 1/16 at once, is lost,
 * and the host must end the module.
 */
#ifndef TRPI_WEB_FIBER_H
#define TRPI_WEB_FIBER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct trpi_fiber trpi_fiber;

/* Makes a fiber that will call entry(arg), which must end with a yield. NULL when out of memory. */
trpi_fiber *trpi_fiber_create(size_t stack_size, void (*entry)(void *arg), void *arg);

/* What a switch has ended with. */
typedef enum trpi_fiber_state {
    TRPI_FIBER_YIELDED,
    TRPI_FIBER_OVERFLOWN, /* may only be destroyed */
    TRPI_FIBER_LOST       /* it has written over memory that is not its own */
} trpi_fiber_state;

/* Runs a fiber until it yields. */
trpi_fiber_state trpi_fiber_switch(trpi_fiber *fiber);

/* Goes back to the trpi_fiber_switch that runs the calling fiber. */
void trpi_fiber_yield(void);

/* Frees a fiber that does not run, wherever it stopped. */
void trpi_fiber_destroy(trpi_fiber *fiber);

#endif
