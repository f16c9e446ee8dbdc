/*
 * A hash map from 64-bit keys to pointers: open addressing, linear probing, deletion by back-shift,
 * so it never degrades. Keys are taken as well mixed already (hashes) or get mixed here.
 */
#ifndef TRPI_MAP_H
#define TRPI_MAP_H

#include "troupe/host.h"

#include <stddef.h>

typedef struct trpi_map_cell {
    uint64_t key;
    void *value; /* NULL: the cell is empty */
} trpi_map_cell;

typedef struct trpi_map {
    const trp_host *host;
    trpi_map_cell *cells;
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t count;
} trpi_map;

void trpi_map_init(trpi_map *map, const trp_host *host);
void trpi_map_deinit(trpi_map *map);

/* The value of `key`, or NULL. */
void *trpi_map_get(const trpi_map *map, uint64_t key);

/*
 * Sets the value (not NULL) of `key`. TRP_ENOMEM leaves the map as it was; replacing an existing
 * value cannot fail.
 */
int trpi_map_set(trpi_map *map, uint64_t key, void *value);

/* Removes `key` and returns its value, or NULL. */
void *trpi_map_remove(trpi_map *map, uint64_t key);

/* FNV-1a over `length` bytes. */
uint64_t trpi_hash(const void *bytes, size_t length);

#endif
