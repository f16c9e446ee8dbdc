/*
 * Linear probing with backward-shift deletion, so there are no tombstones and a map that is used as
 * a queue of short-lived ids stays as fast as when it was new.
 */
#include "map.h"

#include "troupe/error.h"

#include <stdlib.h>
#include <string.h>

static size_t home_of(const trpi_web_map *map, uint64_t key) {
    return (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (map->capacity - 1);
}

static size_t find(const trpi_web_map *map, uint64_t key) {
    size_t at = home_of(map, key);
    while (map->entries[at].key != 0 && map->entries[at].key != key) {
        at = (at + 1) & (map->capacity - 1);
    }
    return at;
}

static int grow(trpi_web_map *map) {
    trpi_web_map larger = {NULL, map->capacity == 0 ? 16 : map->capacity * 2, map->length};
    larger.entries = calloc(larger.capacity, sizeof *larger.entries);
    if (larger.entries == NULL) {
        return TRP_ENOMEM;
    }
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->entries[i].key != 0) {
            larger.entries[find(&larger, map->entries[i].key)] = map->entries[i];
        }
    }
    free(map->entries);
    *map = larger;
    return TRP_OK;
}

void trpi_web_map_deinit(trpi_web_map *map) {
    free(map->entries);
    memset(map, 0, sizeof *map);
}

int trpi_web_map_put(trpi_web_map *map, uint64_t key, uintptr_t value) {
    if (map->length * 4 >= map->capacity * 3 && grow(map) != TRP_OK) {
        return TRP_ENOMEM;
    }
    size_t at = find(map, key);
    map->length += map->entries[at].key == 0;
    map->entries[at] = (trpi_web_entry){key, value};
    return TRP_OK;
}

uintptr_t trpi_web_map_get(const trpi_web_map *map, uint64_t key) {
    return map->length == 0 ? 0 : map->entries[find(map, key)].value;
}

/*
 * Moves later members of the probe chain into the hole, as long as that brings them nearer to their
 * home.
 */
static void close_hole(trpi_web_map *map, size_t hole) {
    size_t mask = map->capacity - 1;
    for (size_t at = (hole + 1) & mask; map->entries[at].key != 0; at = (at + 1) & mask) {
        size_t home = home_of(map, map->entries[at].key);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->entries[hole] = map->entries[at];
            hole = at;
        }
    }
    map->entries[hole] = (trpi_web_entry){0, 0};
}

uintptr_t trpi_web_map_take(trpi_web_map *map, uint64_t key) {
    if (map->length == 0) {
        return 0;
    }
    size_t at = find(map, key);
    uintptr_t value = map->entries[at].value;
    if (map->entries[at].key != 0) {
        map->length--;
        close_hole(map, at);
    }
    return value;
}
