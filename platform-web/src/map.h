/*
 * A map from 64-bit numbers other than 0 to pointer-sized values: refs to call ids, ids to
 * sessions, types to their numbers.
 */
#ifndef TRPI_WEB_MAP_H
#define TRPI_WEB_MAP_H

#include <stddef.h>
#include <stdint.h>

typedef struct trpi_web_entry {
    uint64_t key;
    uintptr_t value;
} trpi_web_entry;

/* Zero is an empty map. Open addressing, at most three quarters full. */
typedef struct trpi_web_map {
    trpi_web_entry *entries;
    size_t capacity; /* a power of two, or 0 */
    size_t length;
} trpi_web_map;

void trpi_web_map_deinit(trpi_web_map *map);

/* Sets the value of `key`. 0 or TRP_ENOMEM. */
int trpi_web_map_put(trpi_web_map *map, uint64_t key, uintptr_t value);

/* The value of `key`, or 0. */
uintptr_t trpi_web_map_get(const trpi_web_map *map, uint64_t key);

/* Removes `key` and returns its value, or 0. */
uintptr_t trpi_web_map_take(trpi_web_map *map, uint64_t key);

#endif
