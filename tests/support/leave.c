/*
 * Leaving a call: setjmp natively, an exception of JavaScript on wasm.
 */
#include "leave.h"

#include <stdlib.h>

#ifdef __EMSCRIPTEN__

#include <emscripten.h>

/* Part of Emscripten's runtime (stack_ops.S); its own header declares only some of them. */
void *stackSave(void);
void stackRestore(void *pointer);

typedef void leave_call(void *arg);

/* The bodies are JavaScript, and EM_JS understands no nested parentheses among the parameters. */
/* clang-format off */
EM_JS(int, trpi_leave_run_js, (leave_call * call, void *arg), {
    try {
        wasmTable.get(call)(arg);
        return 1;
    } catch (thrown) {
        if (thrown !== "troupe-test-leave") {
            throw thrown;
        }
        return 0;
    }
})

EM_JS(void, trpi_leave_now_js, (void), {
    throw "troupe-test-leave";
})
/* clang-format on */

bool trpi_leave_run(trpi_leave_point *point, void (*call)(void *arg), void *arg) {
    void *stack = stackSave();
    point->armed = true;
    bool returned = trpi_leave_run_js(call, arg) != 0;
    point->armed = false;
    stackRestore(stack);
    return returned;
}

_Noreturn void trpi_leave_now(trpi_leave_point *point) {
    if (point->armed) {
        trpi_leave_now_js();
    }
    abort();
}

#else

bool trpi_leave_run(trpi_leave_point *point, void (*call)(void *arg), void *arg) {
    point->armed = true;
    bool returned = false;
    if (setjmp(point->frame) == 0) {
        call(arg);
        returned = true;
    }
    point->armed = false;
    return returned;
}

_Noreturn void trpi_leave_now(trpi_leave_point *point) {
    if (point->armed) {
        longjmp(point->frame, 1);
    }
    abort();
}

#endif
