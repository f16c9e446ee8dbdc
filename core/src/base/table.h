/*
 * A type-stable table: slots of one size, found by index, that never move and are never returned
 * before the end. So a thread may look at a slot whose life has ended since; generations kept
 * inside the slot tell. Slots are claimed through a cache per scheduler; the shared part is locked
 * once per batch.
 */
#ifndef TRPI_TABLE_H
#define TRPI_TABLE_H

#include "base/atomic.h"
#include "troupe/error.h"
#include "troupe/host.h"

#include <stddef.h>

enum {
    TRPI_TABLE_CHUNK = 512, /* slots allocated at once */
    TRPI_TABLE_BATCH = 64   /* slots that move between a cache and the table at once */
};

/* Stands first in every slot: chains the free ones and knows the slot's index for ever. */
typedef struct trpi_slot {
    struct trpi_slot *next_free;
    uint32_t index;
} trpi_slot;

typedef struct trpi_table {
    const trp_host *host;
    uint32_t slot_size;
    uint32_t slots_max;
    uint32_t skew;
    trpi_atomic_ptr *chunks; /* slots_max / TRPI_TABLE_CHUNK addresses of slot arrays */
    void **blocks;           /* what the host gave for each, before alignment */
    trpi_atomic_u32 lock;    /* guards what follows */
    trpi_slot *free;         /* returned by caches */
    uint32_t used; /* slots handed out at least once; read by anyone through trpi_table_used */
    trpi_atomic_u32 used_shown;
} trpi_table;

typedef struct trpi_table_cache {
    trpi_slot *free;
    uint32_t count;
} trpi_table_cache;

/*
 * TRP_ENOMEM. `slot_size` is a multiple of 16. A chunk begins `skew` bytes, a multiple of 64, behind
 * its alignment: hosts give large blocks at the same offset in a page, and a processor takes a load
 * from one offset for dependent on a store to the same offset of another page.
 */
int trpi_table_init(trpi_table *table, const trp_host *host, uint32_t slot_size, uint32_t slots_max,
                    uint32_t skew);
void trpi_table_deinit(trpi_table *table);

/* The slot with `index`, or NULL if there never was one. Any thread. */
static inline void *trpi_table_at(const trpi_table *table, uint32_t index) {
    uint32_t chunk = index / TRPI_TABLE_CHUNK;
    if (index >= table->slots_max) {
        return NULL;
    }
    /* Acquire pairs with the release in grow: whoever sees the chunk sees its slots initialised. */
    char *slots = trpi_load(&table->chunks[chunk], TRPI_ACQUIRE);
    return slots == NULL ? NULL : slots + (size_t)(index % TRPI_TABLE_CHUNK) * table->slot_size;
}

/* The same, for who knows the slot's size and compiles it in. */
static inline void *trpi_table_at_sized(const trpi_table *table, uint32_t index, size_t slot_size) {
    if (index >= table->slots_max) {
        return NULL;
    }
    char *slots = trpi_load(&table->chunks[index / TRPI_TABLE_CHUNK], TRPI_ACQUIRE);
    return slots == NULL ? NULL : slots + index % TRPI_TABLE_CHUNK * slot_size;
}

/*
 * Takes a free slot: zeroed if it is new, as its last user left it otherwise. NULL: out of memory,
 * or `*full` if the table is.
 */
void *trpi_table_take(trpi_table *table, trpi_table_cache *cache, bool *full);

/* Gives a slot back. */
void trpi_table_give(trpi_table *table, trpi_table_cache *cache, void *slot);

/* Slots that were ever in use; all have smaller indexes. Any thread. */
static inline uint32_t trpi_table_used(trpi_table *table) {
    return trpi_load(&table->used_shown, TRPI_ACQUIRE);
}

#endif
