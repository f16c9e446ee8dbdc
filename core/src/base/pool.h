/*
 * Memory of one scheduler. Small blocks come from free lists by size class, cut from slabs that are
 * only returned at the end; large ones from the host. A block may be freed on another scheduler
 * than it came from: it joins the free list there, and lists that grow too long give whole
 * magazines to a depot that all schedulers share, from which empty ones refill. So the hot path is
 * a push or pop on a private list, and the shared lock is taken once in TRPI_MAGAZINE blocks.
 */
#ifndef TRPI_POOL_H
#define TRPI_POOL_H

#include "base/atomic.h"
#include "troupe/host.h"

#include <stddef.h>

enum {
    TRPI_POOL_STEP = 32,    /* bytes between the classes */
    TRPI_POOL_CLASSES = 32, /* so the largest pooled block has 1024 bytes */
    TRPI_MAGAZINE = 64,     /* blocks that move to or from the depot at once */
    TRPI_SLAB = 64 * 1024   /* bytes asked from the host at a time */
};

typedef struct trpi_block {
    struct trpi_block *next;
    struct trpi_block *next_magazine; /* in the depot, of the first block of a magazine */
} trpi_block;

typedef struct trpi_slab {
    struct trpi_slab *next;
    size_t size;
} trpi_slab;

/* Stands before a block that is too large for the classes. Keeps it aligned to 16. */
typedef struct trpi_large {
    struct trpi_large *next;
    struct trpi_large **pprev;
    size_t size; /* with this header */
    size_t reserved;
} trpi_large;

/* What the schedulers of one runtime share. */
typedef struct trpi_depot {
    trpi_atomic_u32 lock;
    trpi_block *magazines[TRPI_POOL_CLASSES];
    trpi_large *large; /* all blocks that came from the host by themselves, for the end */
} trpi_depot;

typedef struct trpi_shelf {
    trpi_block *first;
    uint32_t count; /* blocks in `first` */
    trpi_block *
        spare; /* one full magazine kept back, so a list at the edge does not visit the depot each time */
} trpi_shelf;

typedef struct trpi_pool {
    trpi_shelf shelves[TRPI_POOL_CLASSES];
    const trp_host *host;
    trpi_depot *depot;
    char *cut; /* rest of the newest slab */
    size_t cut_size;
    trpi_slab *slabs; /* all slabs of this pool, for the end */
} trpi_pool;

void trpi_depot_init(trpi_depot *depot);

/* Frees every large block that is left: what a user has made and neither sent nor dropped. */
void trpi_depot_deinit(trpi_depot *depot, const trp_host *host);

void trpi_pool_init(trpi_pool *pool, const trp_host *host, trpi_depot *depot);

/* Returns all slabs to the host. */
void trpi_pool_deinit(trpi_pool *pool);

/* A block of at least `size` bytes, not cleared; NULL when out of memory. */
void *trpi_pool_alloc(trpi_pool *pool, size_t size);

/* Frees a block; `size` as it was allocated with. */
void trpi_pool_free(trpi_pool *pool, void *block, size_t size);

/*
 * TRP_POOL_DIRECT sends every block to the host, for builds that look for mistakes: a sanitizer
 * then sees the end of each block, and a test can make each allocation fail, not only one in a
 * slab.
 */
#ifdef TRP_POOL_DIRECT
enum { TRPI_POOL_IS_DIRECT = 1 };
#else
enum { TRPI_POOL_IS_DIRECT = 0 };
#endif

/* As trpi_pool_alloc, in line where the block is on the shelf: for what is made per message. */
static inline void *trpi_pool_take(trpi_pool *pool, size_t size) {
    size_t class = (size - 1) / TRPI_POOL_STEP;
    if (TRPI_POOL_IS_DIRECT || class >= TRPI_POOL_CLASSES || pool->shelves[class].first == NULL) {
        return trpi_pool_alloc(pool, size);
    }
    trpi_shelf *shelf = &pool->shelves[class];
    trpi_block *block = shelf->first;
    shelf->first = block->next;
    shelf->count--;
    return block;
}

/* As trpi_pool_free, in line where the shelf has room. */
static inline void trpi_pool_put(trpi_pool *pool, void *memory, size_t size) {
    size_t class = (size - 1) / TRPI_POOL_STEP;
    if (TRPI_POOL_IS_DIRECT || class >= TRPI_POOL_CLASSES ||
        pool->shelves[class].count == TRPI_MAGAZINE - 1) {
        trpi_pool_free(pool, memory, size);
        return;
    }
    trpi_shelf *shelf = &pool->shelves[class];
    trpi_block *block = memory;
    block->next = shelf->first;
    shelf->first = block;
    shelf->count++;
}

/*
 * What a request for `size` bytes is rounded up to: a multiple of TRPI_POOL_STEP, also for large
 * blocks.
 */
size_t trpi_pool_round(size_t size);

#endif
