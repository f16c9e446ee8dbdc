/* Type-stable slots; the design is told in table.h. */
#include "base/table.h"

#include "base/lock.h"
#include "base/rare.h"

#include <string.h>

enum { CHUNK_ALIGN = 64 };

static size_t slots_bytes(const trpi_table *table) {
    return (size_t)table->slot_size * TRPI_TABLE_CHUNK;
}

static size_t chunk_bytes(const trpi_table *table) {
    return slots_bytes(table) + table->skew + CHUNK_ALIGN;
}

static size_t chunk_count(const trpi_table *table) {
    return ((size_t)table->slots_max + TRPI_TABLE_CHUNK - 1) / TRPI_TABLE_CHUNK;
}

static size_t directory_bytes(const trpi_table *table) {
    return chunk_count(table) * (sizeof *table->chunks + sizeof *table->blocks);
}

TRPI_RARE int trpi_table_init(trpi_table *table, const trp_host *host, uint32_t slot_size,
                              uint32_t slots_max, uint32_t skew) {
    memset(table, 0, sizeof *table);
    table->host = host;
    table->slot_size = slot_size;
    table->skew = skew;
    table->slots_max = slots_max;
    size_t bytes = directory_bytes(table);
    table->chunks = host->realloc(host->self, NULL, 0, bytes);
    if (table->chunks == NULL) {
        return TRP_ENOMEM;
    }
    memset(table->chunks, 0, bytes);
    table->blocks = (void **)(void *)(table->chunks + chunk_count(table));
    return 0;
}

TRPI_RARE void trpi_table_deinit(trpi_table *table) {
    if (table->chunks == NULL) {
        return;
    }
    const trp_host *host = table->host;
    for (size_t i = 0; i < chunk_count(table) && table->blocks[i] != NULL; i++) {
        host->realloc(host->self, table->blocks[i], chunk_bytes(table), 0);
    }
    host->realloc(host->self, table->chunks, directory_bytes(table), 0);
    table->chunks = NULL;
}

/*
 * Adds the next chunk. The lock is held; two schedulers growing at once must not both ask the host,
 * and this happens once in 512.
 */
static bool grow(trpi_table *table) {
    const trp_host *host = table->host;
    char *block = host->realloc(host->self, NULL, 0, chunk_bytes(table));
    if (block == NULL) {
        return false;
    }
    uint32_t chunk = table->used / TRPI_TABLE_CHUNK;
    uintptr_t begin = (uintptr_t)block + CHUNK_ALIGN - 1;
    char *slots = (char *)(begin & ~(uintptr_t)(CHUNK_ALIGN - 1)) + table->skew;
    /* All of it, used or not: a forged index must find a slot that says "never lived". */
    memset(slots, 0, slots_bytes(table));
    table->blocks[chunk] = block;
    trpi_store(&table->chunks[chunk], slots, TRPI_RELEASE); /* pairs with trpi_table_at */
    return true;
}

static trpi_slot *fresh_slot(trpi_table *table) {
    uint32_t index = table->used;
    trpi_slot *slot = trpi_table_at(table, index);
    slot->index = index;
    table->used = index + 1;
    return slot;
}

static void take_batch(trpi_table *table, trpi_table_cache *cache, bool *full) {
    for (int i = 0; i < TRPI_TABLE_BATCH; i++) {
        trpi_slot *slot = table->free;
        if (slot != NULL) {
            table->free = slot->next_free;
        } else if (table->used == table->slots_max) {
            *full = true;
            break;
        } else {
            if (table->used % TRPI_TABLE_CHUNK == 0 && !grow(table)) {
                break;
            }
            slot = fresh_slot(table);
        }
        slot->next_free = cache->free;
        cache->free = slot;
        cache->count++;
    }
    trpi_store(&table->used_shown, table->used, TRPI_RELEASE); /* pairs with trpi_table_used */
}

void *trpi_table_take(trpi_table *table, trpi_table_cache *cache, bool *full) {
    *full = false;
    if (cache->free == NULL) {
        trpi_lock(&table->lock);
        take_batch(table, cache, full);
        trpi_unlock(&table->lock);
        if (cache->free == NULL) {
            return NULL;
        }
        *full = false;
    }
    trpi_slot *slot = cache->free;
    cache->free = slot->next_free;
    cache->count--;
    return slot;
}

void trpi_table_give(trpi_table *table, trpi_table_cache *cache, void *memory) {
    trpi_slot *slot = memory;
    slot->next_free = cache->free;
    cache->free = slot;
    if (++cache->count < 4 * TRPI_TABLE_BATCH) {
        return;
    }
    trpi_slot *last = slot;
    for (int i = 1; i < 2 * TRPI_TABLE_BATCH; i++) {
        last = last->next_free;
    }
    cache->free = last->next_free;
    cache->count -= 2 * TRPI_TABLE_BATCH;
    trpi_lock(&table->lock);
    last->next_free = table->free;
    table->free = slot;
    trpi_unlock(&table->lock);
}
