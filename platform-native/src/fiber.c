/*
 * Fibers: their life and the switch. A fiber's own record is on top of its stack, so that one that waits with little on its
 * stack costs one page. Records of different fibers are shifted against each other by some cache lines; otherwise all of
 * them, being at the same place of a page, would compete for the same few lines of the processor's cache.
 *
 * A pool keeps the last stacks that were given back as they are, with the memory that they have touched; beyond that
 * memory goes back to the system. The lock of a pool is held for a few instructions.
 */
#include "fiber.h"

#include "fiber_fault.h"
#include "fiber_sanitize.h"
#include "fiber_stack.h"
#include "fiber_swap.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { WARM_MAX = 128, COLOURS = 8, COLOUR_BYTES = 192 };

typedef struct size_class size_class;

struct trpi_fiber {
    trpi_context context; /* while it does not run */
    trpi_context runner;  /* who called trpi_fiber_switch, while it runs */
    trpi_fiber *outer;    /* the fiber that called it, NULL: the thread */
    trpi_stack stack;
    bool is_overflown;
    void (*entry)(void *arg);
    void *arg;
    size_class *home;
    trpi_fiber *next_warm;
    trpi_sanitize self_side;
    trpi_sanitize runner_side;
};

/* Fibers with stacks of one size. */
struct size_class {
    size_class *next;
    trpi_fiber_pool *pool;
    trpi_shelf *shelf;
    trpi_fiber *warm; /* stacks that keep their memory */
    unsigned warm_len;
};

struct trpi_fiber_pool {
    pthread_mutex_t lock;
    trpi_guard best;
    bool has_handler;
    unsigned created; /* chooses the colour */
    size_class *classes;
};

/* The thread's, in memory that a signal handler can read without the loader's help. */
#if defined(__linux__)
#define LOCAL static _Thread_local __attribute__((tls_model("initial-exec")))
#else
#define LOCAL static _Thread_local
#endif
LOCAL trpi_fiber *current;
LOCAL bool is_prepared;

static _Noreturn void die(const char *text) {
    fprintf(stderr, "troupe: fatal: %s\n", text);
    abort();
}

/* ---- the pool ---- */

trpi_fiber_pool *trpi_fiber_pool_create(trpi_guard best) {
    trpi_fiber_pool *pool = calloc(1, sizeof *pool);
    if (pool != NULL && pthread_mutex_init(&pool->lock, NULL) != 0) {
        free(pool);
        return NULL;
    }
    if (pool != NULL) {
        pool->best = best;
    }
    return pool;
}

void trpi_fiber_pool_destroy(trpi_fiber_pool *pool) {
    if (pool == NULL) {
        return;
    }
    while (pool->classes != NULL) {
        size_class *first = pool->classes;
        pool->classes = first->next;
        trpi_shelf_destroy(first->shelf);
        free(first);
    }
    if (pool->has_handler) {
        trpi_fault_remove();
    }
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

static size_class *find_class(trpi_fiber_pool *pool, size_t size) {
    size_class *found = pool->classes;
    while (found != NULL && trpi_shelf_size(found->shelf) != size) {
        found = found->next;
    }
    return found;
}

/* The fibers with stacks for `size` bytes; NULL when out of memory. */
static size_class *class_for(trpi_fiber_pool *pool, size_t size) {
    size_class *made = find_class(pool, trpi_shelf_round(size));
    if (made != NULL) {
        return made;
    }
    made = calloc(1, sizeof *made);
    trpi_shelf *shelf = made == NULL ? NULL : trpi_shelf_create(size);
    if (shelf == NULL) {
        free(made);
        return NULL;
    }
    *made = (size_class){.next = pool->classes, .pool = pool, .shelf = shelf};
    pool->classes = made;
    return made;
}

/* A fiber with nothing but a stack; under the lock. */
static trpi_fiber *take(trpi_fiber_pool *pool, size_t stack_size) {
    size_class *home = class_for(pool, stack_size);
    if (home == NULL) {
        return NULL;
    }
    trpi_fiber *fiber = home->warm;
    if (fiber != NULL) {
        home->warm = fiber->next_warm;
        home->warm_len--;
        return fiber;
    }
    trpi_stack stack;
    if (!trpi_shelf_take(home->shelf, pool->best, &stack)) {
        return NULL;
    }
    size_t colour = pool->created++ % COLOURS * COLOUR_BYTES;
    fiber = (trpi_fiber *)(void *)(stack.high - colour - (sizeof *fiber + 63) / 64 * 64);
    fiber->stack = stack;
    fiber->home = home;
    return fiber;
}

static void give(trpi_fiber *fiber) {
    size_class *home = fiber->home;
    if (home->warm_len < WARM_MAX && !fiber->is_overflown) {
        fiber->next_warm = home->warm;
        home->warm = fiber;
        home->warm_len++;
        return;
    }
    trpi_stack stack = fiber->stack; /* the record goes with it */
    trpi_shelf_give(home->shelf, &stack);
}

/* ---- a fiber's own side ---- */

static void begin(void *arg) {
    trpi_fiber *fiber = arg;
    trpi_sanitize_arrive(&fiber->self_side, &fiber->runner_side);
    fiber->entry(fiber->arg);
    die("the entry of a fiber returned");
}

void trpi_fiber_yield(void) {
    trpi_fiber *fiber = current;
    trpi_sanitize_leave(&fiber->self_side, &fiber->runner_side);
    trpi_context_swap(&fiber->context, &fiber->runner);
    trpi_sanitize_arrive(&fiber->self_side, &fiber->runner_side);
}

trpi_fault trpi_fiber_on_fault(const char *address) {
    trpi_fiber *fiber = current;
    if (fiber == NULL || !trpi_stack_is_guard(&fiber->stack, address)) {
        return TRPI_FAULT_FOREIGN;
    }
    fiber->is_overflown = true;
    return trpi_stack_open_reserve(&fiber->stack, address) ? TRPI_FAULT_RETRY : TRPI_FAULT_LEAVE;
}

void trpi_fiber_leave(void) {
    trpi_fiber *fiber = current;
    trpi_sanitize_die(&fiber->self_side);
    trpi_sanitize_leave(&fiber->self_side, &fiber->runner_side);
    trpi_context_jump(&fiber->runner);
}

/* ---- the runner's side ---- */

/* Looks for an overflow that no guard has caught. */
static void check_unguarded(trpi_fiber *fiber) {
    const char *pointer = trpi_context_stack_pointer(&fiber->context);
    trpi_stack_state state = trpi_stack_check(&fiber->stack);
    if (pointer != NULL && pointer < fiber->stack.low && state == TRPI_STACK_GOOD) {
        state = TRPI_STACK_OVERFLOWN;
    }
    if (state == TRPI_STACK_LOST) {
        die("a routine has overflowed a stack without guard, into another one (docs/routines.md)");
    }
    fiber->is_overflown = state != TRPI_STACK_GOOD;
}

static void run(trpi_fiber *fiber) {
    fiber->outer = current;
    current = fiber;
    trpi_sanitize_self(&fiber->runner_side);
    trpi_sanitize_leave(&fiber->runner_side, &fiber->self_side);
    trpi_context_swap(&fiber->runner, &fiber->context);
    trpi_sanitize_arrive(&fiber->runner_side, &fiber->self_side);
    current = fiber->outer;
}

bool trpi_fiber_switch(trpi_fiber *fiber) {
    if (!is_prepared) {
        is_prepared = true;
        (void)trpi_fault_prepare_thread(); /* without memory for it an overflow ends the process */
    }
    run(fiber);
    if (fiber->stack.guard == TRPI_GUARD_NONE) {
        check_unguarded(fiber);
    }
    return !fiber->is_overflown;
}

/* ---- life ---- */

trpi_guard trpi_fiber_guard(const trpi_fiber *fiber) {
    return fiber->stack.guard;
}

trpi_fiber *trpi_fiber_create(trpi_fiber_pool *pool, size_t stack_size, void (*entry)(void *arg),
                              void *arg) {
    pthread_mutex_lock(&pool->lock);
    trpi_fiber *fiber = take(pool, stack_size);
    if (fiber != NULL && !pool->has_handler) {
        trpi_fault_install(); /* under the lock: no other thread's fiber may run before it is there */
        pool->has_handler = true;
    }
    pthread_mutex_unlock(&pool->lock);
    if (fiber == NULL) {
        return NULL;
    }
    fiber->entry = entry;
    fiber->arg = arg;
    fiber->is_overflown = false;
    trpi_sanitize_create(&fiber->self_side, fiber->stack.low, fiber->stack.high);
    trpi_context_make(&fiber->context, fiber->stack.low, (char *)fiber, begin, fiber);
    return fiber;
}

#if defined(TRPI_FIBER_ASAN)
/* A fiber's last breath, in which it gives up what the sanitizer keeps for it. */
static TRPI_NO_SANITIZE void bury(void *arg) {
    trpi_fiber *fiber = arg;
    trpi_sanitize_arrive(&fiber->self_side, &fiber->runner_side);
    trpi_fiber_leave();
}

static void give_up_frames(trpi_fiber *fiber) {
    trpi_sanitize_clear(fiber->stack.low, (size_t)((char *)fiber - fiber->stack.low));
    if (!fiber->self_side.is_dead) {
        trpi_context_make(&fiber->context, fiber->stack.low, (char *)fiber, bury, fiber);
        run(fiber);
    }
}
#else
static void give_up_frames(trpi_fiber *fiber) {
    (void)fiber;
}
#endif

void trpi_fiber_destroy(trpi_fiber *fiber) {
    trpi_fiber_pool *pool = fiber->home->pool;
    give_up_frames(fiber);
    trpi_sanitize_destroy(&fiber->self_side);
    pthread_mutex_lock(&pool->lock);
    give(fiber);
    pthread_mutex_unlock(&pool->lock);
}
