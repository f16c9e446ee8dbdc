/* The allocator of one scheduler; its design is told in pool.h. */
#include "base/pool.h"

#include "base/lock.h"

#include <string.h>

enum { POOL_MAX = TRPI_POOL_STEP * TRPI_POOL_CLASSES };

/* Slabs and blocks keep to cache lines, so that a block of one line never straddles two. */
enum { SLAB_ALIGN = 64 };

static size_t class_of(size_t size) {
    return size == 0 ? 0 : (size - 1) / TRPI_POOL_STEP;
}

static size_t class_size(size_t class) {
    return (class + 1) * TRPI_POOL_STEP;
}

size_t trpi_pool_round(size_t size) {
    return class_size(class_of(size));
}

void trpi_depot_init(trpi_depot *depot) {
    memset(depot, 0, sizeof *depot);
}

void trpi_pool_init(trpi_pool *pool, const trp_host *host, trpi_depot *depot) {
    memset(pool, 0, sizeof *pool);
    pool->host = host;
    pool->depot = depot;
}

void trpi_pool_deinit(trpi_pool *pool) {
    trpi_slab *slab = pool->slabs;
    while (slab != NULL) {
        trpi_slab *next = slab->next;
        pool->host->realloc(pool->host->self, slab, slab->size, 0);
        slab = next;
    }
    pool->slabs = NULL;
}

static trpi_block *depot_take(trpi_depot *depot, size_t class) {
    trpi_lock(&depot->lock);
    trpi_block *magazine = depot->magazines[class];
    if (magazine != NULL) {
        depot->magazines[class] = magazine->next_magazine;
    }
    trpi_unlock(&depot->lock);
    return magazine;
}

static void depot_give(trpi_depot *depot, size_t class, trpi_block *magazine) {
    trpi_lock(&depot->lock);
    magazine->next_magazine = depot->magazines[class];
    depot->magazines[class] = magazine;
    trpi_unlock(&depot->lock);
}

static bool add_slab(trpi_pool *pool) {
    trpi_slab *slab = pool->host->realloc(pool->host->self, NULL, 0, TRPI_SLAB);
    if (slab == NULL) {
        return false;
    }
    slab->next = pool->slabs;
    slab->size = TRPI_SLAB;
    pool->slabs = slab;
    uintptr_t begin = ((uintptr_t)(slab + 1) + SLAB_ALIGN - 1) & ~(uintptr_t)(SLAB_ALIGN - 1);
    pool->cut = (char *)begin;
    pool->cut_size = TRPI_SLAB - (begin - (uintptr_t)slab);
    return true;
}

/*
 * Takes one block from the uncut rest. What a slab has left when the next begins is given up: less
 * than 1 of 64 KiB.
 */
static void *cut_block(trpi_pool *pool, size_t size) {
    if (pool->cut_size < size && !add_slab(pool)) {
        return NULL;
    }
    void *block = pool->cut;
    pool->cut += size;
    pool->cut_size -= size;
    return block;
}

static void *refill(trpi_pool *pool, size_t class) {
    trpi_shelf *shelf = &pool->shelves[class];
    trpi_block *magazine = shelf->spare;
    shelf->spare = NULL;
    if (magazine == NULL) {
        magazine = depot_take(pool->depot, class);
    }
    if (magazine == NULL) {
        return cut_block(pool, class_size(class));
    }
    shelf->first = magazine->next;
    shelf->count = TRPI_MAGAZINE - 1;
    return magazine;
}

static void *alloc_large(trpi_pool *pool, size_t size) {
    size += sizeof(trpi_large);
    trpi_large *large = pool->host->realloc(pool->host->self, NULL, 0, size);
    if (large == NULL) {
        return NULL;
    }
    trpi_depot *depot = pool->depot;
    large->size = size;
    large->pprev = &depot->large;
    trpi_lock(&depot->lock);
    large->next = depot->large;
    if (large->next != NULL) {
        large->next->pprev = &large->next;
    }
    depot->large = large;
    trpi_unlock(&depot->lock);
    return large + 1;
}

static void free_large(trpi_pool *pool, void *memory) {
    trpi_large *large = (trpi_large *)memory - 1;
    trpi_lock(&pool->depot->lock);
    *large->pprev = large->next;
    if (large->next != NULL) {
        large->next->pprev = large->pprev;
    }
    trpi_unlock(&pool->depot->lock);
    pool->host->realloc(pool->host->self, large, large->size, 0);
}

void trpi_depot_deinit(trpi_depot *depot, const trp_host *host) {
    while (depot->large != NULL) {
        trpi_large *large = depot->large;
        depot->large = large->next;
        host->realloc(host->self, large, large->size, 0);
    }
}

void *trpi_pool_alloc(trpi_pool *pool, size_t size) {
    if (TRPI_POOL_IS_DIRECT || size > POOL_MAX) {
        return alloc_large(pool, size);
    }
    size_t class = class_of(size);
    trpi_shelf *shelf = &pool->shelves[class];
    trpi_block *block = shelf->first;
    if (block == NULL) {
        return refill(pool, class);
    }
    shelf->first = block->next;
    shelf->count--;
    return block;
}

/*
 * The list has grown to a whole magazine: it becomes the spare, and an older spare goes to the
 * depot.
 */
static void put_aside(trpi_pool *pool, size_t class) {
    trpi_shelf *shelf = &pool->shelves[class];
    if (shelf->spare != NULL) {
        depot_give(pool->depot, class, shelf->spare);
    }
    shelf->spare = shelf->first;
    shelf->first = NULL;
    shelf->count = 0;
}

void trpi_pool_free(trpi_pool *pool, void *memory, size_t size) {
    if (TRPI_POOL_IS_DIRECT || size > POOL_MAX) {
        free_large(pool, memory);
        return;
    }
    size_t class = class_of(size);
    trpi_shelf *shelf = &pool->shelves[class];
    trpi_block *block = memory;
    block->next = shelf->first;
    shelf->first = block;
    if (++shelf->count == TRPI_MAGAZINE) {
        put_aside(pool, class);
    }
}
