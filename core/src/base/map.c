/* The hash map of map.h. */
#include "base/map.h"

#include "troupe/error.h"

#include <string.h>

enum { FIRST_CAPACITY = 16 };

uint64_t trpi_hash(const void *bytes, size_t length) {
    const unsigned char *at = bytes;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

void trpi_map_init(trpi_map *map, const trp_host *host) {
    memset(map, 0, sizeof *map);
    map->host = host;
}

void trpi_map_deinit(trpi_map *map) {
    if (map->cells != NULL) {
        map->host->realloc(map->host->self, map->cells, map->capacity * sizeof *map->cells, 0);
    }
    trpi_map_init(map, map->host);
}

/* Where `key` would like to be: the high bits of a multiplicative mix. */
static uint32_t home_of(const trpi_map *map, uint64_t key) {
    uint64_t mixed = key * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(mixed >> 32) & (map->capacity - 1);
}

static trpi_map_cell *find(const trpi_map *map, uint64_t key) {
    uint32_t at = home_of(map, key);
    while (map->cells[at].value != NULL && map->cells[at].key != key) {
        at = (at + 1) & (map->capacity - 1);
    }
    return &map->cells[at];
}

void *trpi_map_get(const trpi_map *map, uint64_t key) {
    return map->capacity == 0 ? NULL : find(map, key)->value;
}

static int grow(trpi_map *map) {
    trpi_map bigger = *map;
    bigger.capacity = map->capacity == 0 ? FIRST_CAPACITY : map->capacity * 2;
    size_t bytes = bigger.capacity * sizeof *bigger.cells;
    bigger.cells = map->host->realloc(map->host->self, NULL, 0, bytes);
    if (bigger.cells == NULL) {
        return TRP_ENOMEM;
    }
    memset(bigger.cells, 0, bytes);
    for (uint32_t i = 0; i < map->capacity; i++) {
        if (map->cells[i].value != NULL) {
            *find(&bigger, map->cells[i].key) = map->cells[i];
        }
    }
    uint32_t count = map->count;
    trpi_map_deinit(map);
    *map = bigger;
    map->count = count;
    return 0;
}

int trpi_map_set(trpi_map *map, uint64_t key, void *value) {
    if (map->capacity != 0) {
        trpi_map_cell *cell = find(map, key);
        if (cell->value != NULL) {
            cell->value = value;
            return 0;
        }
    }
    if ((map->count + 1) * 4 > map->capacity * 3) {
        int error = grow(map);
        if (error != 0) {
            return error;
        }
    }
    *find(map, key) = (trpi_map_cell){key, value};
    map->count++;
    return 0;
}

void *trpi_map_remove(trpi_map *map, uint64_t key) {
    if (map->capacity == 0) {
        return NULL;
    }
    trpi_map_cell *hole = find(map, key);
    void *value = hole->value;
    if (value == NULL) {
        return NULL;
    }
    map->count--;
    uint32_t mask = map->capacity - 1;
    uint32_t empty = (uint32_t)(hole - map->cells);
    /*
     * Close the gap: pull back each follower that may live in the empty cell without passing its
     * home.
     */
    for (uint32_t at = (empty + 1) & mask; map->cells[at].value != NULL; at = (at + 1) & mask) {
        uint32_t home = home_of(map, map->cells[at].key);
        if (((at - home) & mask) >= ((at - empty) & mask)) {
            map->cells[empty] = map->cells[at];
            empty = at;
        }
    }
    map->cells[empty] = (trpi_map_cell){0, NULL};
    return value;
}
