/*
 * The switcher. Asyncify (a pass of wasm-opt, run by troupe_add_web_module) resolves the four imports itself and rewrites
 * every function that may be on a fiber's stack when it yields: a call that comes back while frames are unwound saves the
 * function's locals and returns at once, and when they are wound up again the function restores them and repeats the call.
 * The two functions that call the imports are left as they are.
 *
 * The pass does not know of __stack_pointer, the pointer to the C stack in linear memory: it is switched here.
 */
#include "fiber.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ASYNCIFY(name) __attribute__((import_module("asyncify"), import_name(name)))

/* What the pass keeps about unwound frames; the layout is its own. */
typedef struct frames {
    char *next;
    char *end;
} frames;

ASYNCIFY("start_unwind") void trpi_asyncify_start_unwind(frames *unwound);
ASYNCIFY("stop_unwind") void trpi_asyncify_stop_unwind(void);
ASYNCIFY("start_rewind") void trpi_asyncify_start_rewind(frames *unwound);
ASYNCIFY("stop_rewind") void trpi_asyncify_stop_rewind(void);

/* Part of the compiler's runtime: reads and sets the stack pointer. */
extern void *stackSave(void);
extern void stackRestore(void *stack);

enum {
    STACK_SHARE = 8, /* parts of the native size */
    FRAMES_SHARE = 16,
    STACK_MIN = 2048,
    FRAMES_MIN = 1024,
    CANARY_WORDS = 4
};
#define STACK_SIZE_MAX ((size_t)1 << 28)
#define CANARY UINT64_C(0x5ca1ab1e0ddba115)

struct trpi_fiber {
    frames unwound;
    char *stack_pointer;
    trpi_fiber *outer;
    char *base; /* all three are 16-aligned; the block begins with this record */
    char *low;
    char *high;
    void (*entry)(void *arg);
    void *arg;
    bool has_begun;
    bool has_spilled; /* its unwound frames reach beyond `low` */
    trpi_fiber_state state;
};

/* The module is one thread. */
static trpi_fiber *current;
static bool is_rewinding;

static size_t share(size_t stack_size, size_t parts, size_t least) {
    size_t size = stack_size / parts;
    return (size < least ? least : size) & ~(size_t)15;
}

static void put_canary(char *at) {
    uint64_t *words = (uint64_t *)(void *)at;
    for (int i = 0; i < CANARY_WORDS; i++) {
        words[i] = CANARY;
    }
}

static bool lives(const char *at) {
    const uint64_t *words = (const uint64_t *)(const void *)at;
    bool is_whole = true;
    for (int i = 0; i < CANARY_WORDS; i++) {
        is_whole = is_whole && words[i] == CANARY;
    }
    return is_whole;
}

trpi_fiber *trpi_fiber_create(size_t stack_size, void (*entry)(void *arg), void *arg) {
    size_t canary = CANARY_WORDS * sizeof(uint64_t);
    if (stack_size > STACK_SIZE_MAX) {
        return NULL;
    }
    size_t frames_size = share(stack_size, FRAMES_SHARE, FRAMES_MIN);
    size_t c_size = share(stack_size, STACK_SHARE, STACK_MIN);
    size_t head = (sizeof(trpi_fiber) + 15) & ~(size_t)15;
    trpi_fiber *fiber = malloc(head + frames_size + c_size + 2 * canary + 16);
    if (fiber == NULL) {
        return NULL;
    }
    char *base = (char *)(((uintptr_t)fiber + head + 15) & ~(uintptr_t)15);
    char *low = base + canary + frames_size;
    char *high = low + canary + c_size;
    *fiber = (trpi_fiber){.base = base, .low = low, .high = high, .entry = entry, .arg = arg};
    fiber->unwound.end = (char *)UINTPTR_MAX; /* the pass would trap; look_at_frames knows better */
    fiber->stack_pointer = high;
    put_canary(base);
    put_canary(low);
    return fiber;
}

void trpi_fiber_destroy(trpi_fiber *fiber) {
    free(fiber);
}

/* Before frames are unwound over what an overflow of the C stack has left below `low`. */
static void look_at_stack(trpi_fiber *fiber) {
    if (lives(fiber->low) && fiber->stack_pointer >= fiber->low) {
        return;
    }
    bool is_inside = lives(fiber->base) && fiber->stack_pointer >= fiber->base;
    fiber->state = is_inside ? TRPI_FIBER_OVERFLOWN : TRPI_FIBER_LOST;
}

/* Frames that do not fit below `low` may use what the C stack leaves free of its lower half. */
static void look_at_frames(trpi_fiber *fiber) {
    const char *middle = fiber->low + (fiber->high - fiber->low) / 2;
    const char *end = fiber->stack_pointer < middle ? fiber->stack_pointer : middle;
    fiber->has_spilled = fiber->unwound.next > fiber->low;
    if (fiber->unwound.next > fiber->high) {
        fiber->state = TRPI_FIBER_LOST;
    } else if (fiber->unwound.next > end && fiber->state == TRPI_FIBER_YIELDED) {
        fiber->state = TRPI_FIBER_OVERFLOWN;
    }
}

/* Not inlined: the pass leaves the whole function alone. */
__attribute__((noinline)) trpi_fiber_state trpi_fiber_switch(trpi_fiber *fiber) {
    void *runner = stackSave();
    fiber->outer = current;
    current = fiber;
    if (fiber->has_begun) {
        is_rewinding = true;
        trpi_asyncify_start_rewind(&fiber->unwound);
    }
    fiber->has_begun = true;
    stackRestore(fiber->stack_pointer);
    fiber->entry(fiber->arg);
    trpi_asyncify_stop_unwind();
    stackRestore(runner);
    current = fiber->outer;
    look_at_frames(fiber);
    return fiber->state;
}

/* Exported only so that wasm-opt, which ignores `noinline`, cannot inline it into an instrumented function. */
__attribute__((noinline, export_name("fiber_yield"))) void trpi_fiber_yield(void) {
    trpi_fiber *fiber = current;
    if (is_rewinding) {
        is_rewinding = false;
        trpi_asyncify_stop_rewind();
        if (fiber->has_spilled) {
            put_canary(fiber->low);
        }
        return;
    }
    fiber->stack_pointer = (char *)stackSave();
    look_at_stack(fiber);
    fiber->unwound.next = fiber->base + CANARY_WORDS * sizeof(uint64_t);
    trpi_asyncify_start_unwind(&fiber->unwound);
}
