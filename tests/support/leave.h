/*
 * Leaving a call without returning through its frames, as a host's `abandon` must. Natively this is
 * setjmp; Emscripten's setjmp leaks when it is used in a loop, so wasm throws a JavaScript
 * exception, as the web host does.
 */
#ifndef TEST_LEAVE_H
#define TEST_LEAVE_H

#include <setjmp.h>
#include <stdbool.h>

/* A place to come back to. Zero it once; trpi_leave_run sets it. */
typedef struct trpi_leave_point {
    bool armed;
#ifndef __EMSCRIPTEN__
    jmp_buf frame;
#endif
} trpi_leave_point;

/* Runs call(arg). True if it returned, false if trpi_leave_now(point) cut it short. */
bool trpi_leave_run(trpi_leave_point *point, void (*call)(void *arg), void *arg);

/* Goes back to the trpi_leave_run of `point` that is running on this thread. */
_Noreturn void trpi_leave_now(trpi_leave_point *point);

#endif
