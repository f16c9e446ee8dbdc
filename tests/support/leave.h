/*
 * Leaving a call without returning through its frames, as a host's `abandon` must. Natively this is setjmp; Emscripten's setjmp
 * leaks when it is used in a loop, so wasm throws a JavaScript exception, as the web host does.
 */
#ifndef TEST_LEAVE_H
#define TEST_LEAVE_H

#include <setjmp.h>
#include <stdbool.h>

/* A place to come back to. Zero it once; leave_run sets it. */
typedef struct leave_point {
    bool armed;
#ifndef __EMSCRIPTEN__
    jmp_buf frame;
#endif
} leave_point;

/* Runs call(arg). True if it returned, false if leave_now(point) cut it short. */
bool leave_run(leave_point *point, void (*call)(void *arg), void *arg);

/* Goes back to the leave_run of `point` that is running on this thread. */
_Noreturn void leave_now(leave_point *point);

#endif
