/*
 * Stacks. Memory is mapped in slabs of some stacks each, without reserving swap: a page costs memory once it is touched.
 *
 * Guards. A mapping without access splits its slab, two mappings for each stack, and Linux allows a process some 65,000 of
 * them in all (vm.max_map_count); malloc and threads need some too. So mapped guards are used for half of that number at
 * most, counted over all pools of the process. Since 6.13 Linux can mark pages of a mapping as a guard without splitting
 * it; then there is no such limit.
 *
 * A stack without guard is checked by reading: untouched memory reads zero and, while it is only read, costs no memory of
 * its own. An overflow that leaves zeros where we look is not seen.
 */
#include "fiber_stack.h"

#include "fiber_sanitize.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Of linux/mman.h; older headers do not have them. */
#define ADVICE_GUARD_INSTALL 102
#define ADVICE_GUARD_REMOVE 103

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

#define SLAB_BYTES ((size_t)4 * 1024 * 1024) /* about; at least one stack, at most SLAB_STACKS */
#define STACK_MAX ((size_t)1 << 30)
enum {
    SLAB_STACKS = 64,
    BELOW = TRPI_STACK_GUARD + TRPI_STACK_RESERVE,
    LOOK = 64, /* bytes of an unguarded stack that are looked at */
    DEFAULT_MAPPINGS_MAX = 65530
};

typedef struct slab {
    struct slab *next;
    char *base;
    size_t length;
    unsigned mappings; /* that its guards cost */
} slab;

/* A stack on the shelf. */
typedef struct place {
    char *base;
    trpi_guard guard;
} place;

struct trpi_shelf {
    size_t size; /* of a stack, without what is below it */
    slab *slabs;
    place *free; /* with room for all of its stacks */
    size_t free_len;
    size_t stacks;
};

/* Mappings made for guards in this process. Relaxed everywhere: a number that orders nothing. */
static atomic_uint mappings_used;

static size_t page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

size_t trpi_shelf_round(size_t size) {
    size_t page = page_size();
    size_t least = size < 2 * page ? 2 * page : size;
    return (least + page - 1) / page * page;
}

size_t trpi_shelf_size(const trpi_shelf *shelf) {
    return shelf->size;
}

trpi_shelf *trpi_shelf_create(size_t size) {
    if (size > STACK_MAX) {
        return NULL;
    }
    trpi_shelf *shelf = calloc(1, sizeof *shelf);
    if (shelf != NULL) {
        shelf->size = trpi_shelf_round(size);
    }
    return shelf;
}

void trpi_shelf_destroy(trpi_shelf *shelf) {
    while (shelf->slabs != NULL) {
        slab *first = shelf->slabs;
        shelf->slabs = first->next;
        trpi_sanitize_clear(first->base, first->length);
        munmap(first->base, first->length);
        atomic_fetch_sub_explicit(&mappings_used, first->mappings, memory_order_relaxed);
        free(first);
    }
    free(shelf->free);
    free(shelf);
}

/* ---- guards ---- */

/* Half of the mappings that a process may have. */
static unsigned mappings_max(void) {
    static atomic_uint known;
    unsigned max = atomic_load_explicit(&known, memory_order_relaxed);
    if (max != 0) {
        return max;
    }
    unsigned long limit = DEFAULT_MAPPINGS_MAX;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
    if (file != NULL) {
        if (fscanf(file, "%lu", &limit) != 1 || limit > INT32_MAX) {
            limit = DEFAULT_MAPPINGS_MAX;
        }
        fclose(file);
    }
    max = limit < 2 ? 1 : (unsigned)(limit / 2);
    atomic_store_explicit(&known, max, memory_order_relaxed);
    return max;
}

/* Takes `count` mappings out of what is left. */
static bool take_mappings(unsigned count) {
    unsigned used = atomic_load_explicit(&mappings_used, memory_order_relaxed);
    do {
        if (used + count > mappings_max()) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&mappings_used, &used, used + count,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

static bool set_access(char *base, size_t length, trpi_guard guard, bool is_open) {
    if (guard == TRPI_GUARD_MARKED) {
        return madvise(base, length, is_open ? ADVICE_GUARD_REMOVE : ADVICE_GUARD_INSTALL) == 0;
    }
    return mprotect(base, length, is_open ? PROT_READ | PROT_WRITE : PROT_NONE) == 0;
}

static bool guard_all(const slab *made, size_t stride, trpi_guard guard) {
    for (size_t at = 0; at < made->length; at += stride) {
        if (!set_access(made->base + at, BELOW, guard, false)) {
            return false;
        }
    }
    return true;
}

/* Asks the kernel to read: emulators of Linux say yes to advice that they do not know. */
static bool is_unreadable(const char *address) {
    return access(address, F_OK) != 0 && errno == EFAULT;
}

/* Guards a new slab as well as it can be. */
static trpi_guard guard_slab(slab *made, size_t stride, trpi_guard best) {
    if (best == TRPI_GUARD_MARKED && guard_all(made, stride, TRPI_GUARD_MARKED) &&
        is_unreadable(made->base)) {
        return TRPI_GUARD_MARKED;
    }
    (void)madvise(made->base, made->length, ADVICE_GUARD_REMOVE);
    unsigned cost = 2 * (unsigned)(made->length / stride);
    if (best <= TRPI_GUARD_MAPPED && take_mappings(cost)) {
        if (guard_all(made, stride, TRPI_GUARD_MAPPED)) {
            made->mappings = cost;
            return TRPI_GUARD_MAPPED;
        }
        atomic_fetch_sub_explicit(&mappings_used, cost, memory_order_relaxed);
    }
    /* What was guarded before it failed is opened again, or the slab would have two kinds of stacks. */
    (void)mprotect(made->base, made->length, PROT_READ | PROT_WRITE);
    return TRPI_GUARD_NONE;
}

bool trpi_stack_is_guard(const trpi_stack *stack, const char *address) {
    return stack->guard != TRPI_GUARD_NONE && address < stack->low && address >= stack->low - BELOW;
}

bool trpi_stack_open_reserve(trpi_stack *stack, const char *address) {
    char *reserve = stack->low - TRPI_STACK_RESERVE;
    if (stack->is_reserve_open || address < reserve) {
        return false;
    }
    stack->is_reserve_open = set_access(reserve, TRPI_STACK_RESERVE, stack->guard, true);
    return stack->is_reserve_open;
}

static bool is_zero(const char *bytes) {
    static const char zero[LOOK];
    return memcmp(bytes, zero, LOOK) == 0;
}

trpi_stack_state trpi_stack_check(const trpi_stack *stack) {
    if (is_zero(stack->low - LOOK)) {
        return TRPI_STACK_GOOD;
    }
    return is_zero(stack->low - BELOW) ? TRPI_STACK_OVERFLOWN : TRPI_STACK_LOST;
}

/* ---- slabs ---- */

/* Makes room on the shelf for `more` stacks, so that giving one back cannot fail. */
static bool reserve_places(trpi_shelf *shelf, size_t more) {
    place *grown = realloc(shelf->free, (shelf->stacks + more) * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    shelf->free = grown;
    return true;
}

static char *map(size_t length) {
    char *base = mmap(NULL, length, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        return NULL;
    }
#ifdef MADV_NOHUGEPAGE
    /* A huge page would give all of a slab's stacks their memory at once. */
    (void)madvise(base, length, MADV_NOHUGEPAGE);
#endif
    return base;
}

static bool add_slab(trpi_shelf *shelf, trpi_guard best) {
    size_t stride = shelf->size + BELOW;
    size_t count = SLAB_BYTES / stride;
    count = count == 0 ? 1 : count > SLAB_STACKS ? SLAB_STACKS : count;
    slab *made = reserve_places(shelf, count) ? calloc(1, sizeof *made) : NULL;
    if (made == NULL) {
        return false;
    }
    made->length = count * stride;
    made->base = map(made->length);
    if (made->base == NULL) {
        free(made);
        return false;
    }
    trpi_guard guard = guard_slab(made, stride, best);
    made->next = shelf->slabs;
    shelf->slabs = made;
    shelf->stacks += count;
    for (size_t i = count; i > 0; i--) {
        shelf->free[shelf->free_len++] = (place){made->base + (i - 1) * stride, guard};
    }
    return true;
}

bool trpi_shelf_take(trpi_shelf *shelf, trpi_guard best, trpi_stack *stack) {
    if (shelf->free_len == 0 && !add_slab(shelf, best)) {
        return false;
    }
    place taken = shelf->free[--shelf->free_len];
    *stack = (trpi_stack){
        .low = taken.base + BELOW, .high = taken.base + BELOW + shelf->size, .guard = taken.guard};
    return true;
}

void trpi_shelf_give(trpi_shelf *shelf, trpi_stack *stack) {
    char *base = stack->low - BELOW;
    char *from = stack->is_reserve_open ? base + TRPI_STACK_GUARD : stack->low;
    if (stack->guard == TRPI_GUARD_NONE) {
        from = base;
    }
    trpi_sanitize_clear(from, (size_t)(stack->high - from));
    (void)madvise(from, (size_t)(stack->high - from), MADV_DONTNEED);
    if (stack->is_reserve_open && !set_access(from, TRPI_STACK_RESERVE, stack->guard, false)) {
        return; /* never used again: its guard is gone */
    }
    if (stack->guard == TRPI_GUARD_NONE && trpi_stack_check(stack) != TRPI_STACK_GOOD) {
        memset(base, 0, BELOW); /* the system has not taken it */
    }
    shelf->free[shelf->free_len++] = (place){base, stack->guard};
}
