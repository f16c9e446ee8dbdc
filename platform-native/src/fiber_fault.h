/*
 * Faults in the guard of a stack. One handler for SIGSEGV and SIGBUS for the whole process, on a signal stack of each
 * thread that runs fibers; whatever it does not know goes to the handler that was there before.
 */
#ifndef TRPI_FIBER_FAULT_H
#define TRPI_FIBER_FAULT_H

#include <stdbool.h>

/* Installs the handler, once for as many calls, and takes it away after as many removes. */
void trpi_fault_install(void);
void trpi_fault_remove(void);

/* Gives the calling thread a signal stack if it has none; the thread's end frees it. False when out of memory. */
bool trpi_fault_prepare_thread(void);

typedef enum trpi_fault {
    TRPI_FAULT_FOREIGN, /* none of ours */
    TRPI_FAULT_RETRY,   /* the instruction may be tried again */
    TRPI_FAULT_LEAVE    /* the fiber is lost: trpi_fiber_leave */
} trpi_fault;

/* fiber.c: what to do about a fault of the calling thread. */
trpi_fault trpi_fiber_on_fault(const char *address);

/* fiber.c: goes back to whoever runs the fiber, out of the handler. */
_Noreturn void trpi_fiber_leave(void);

#endif
