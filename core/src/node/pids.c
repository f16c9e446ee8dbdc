/* The pids that were handed over in a session. */
#include "node/pids.h"

#include "troupe/error.h"

static uint64_t key_of(uint32_t index, uint32_t generation) {
    return (uint64_t)index << 32 | generation;
}

static void init_half(trpi_handed *handed, unsigned half, const trp_host *host) {
    trpi_map_init(&handed->locals[half], host);
    trpi_map_init(&handed->foreign[half], host);
}

static void deinit_half(trpi_handed *handed, unsigned half) {
    trpi_map *foreign = &handed->foreign[half];
    for (uint32_t i = 0; i < foreign->capacity; i++) {
        trpi_handed_row *row = foreign->cells[i].value;
        while (row != NULL) {
            trpi_handed_row *next = row->next;
            (void)foreign->host->realloc(foreign->host->self, row, sizeof *row, 0);
            row = next;
        }
    }
    trpi_map_deinit(foreign);
    trpi_map_deinit(&handed->locals[half]);
}

void trpi_handed_init(trpi_handed *handed, const trp_host *host) {
    init_half(handed, 0, host);
    init_half(handed, 1, host);
}

void trpi_handed_deinit(trpi_handed *handed) {
    deinit_half(handed, 0);
    deinit_half(handed, 1);
}

/* Makes room in the younger half. */
static void rotate_if_full(trpi_handed *handed) {
    if (handed->locals[0].count + handed->foreign[0].count >= TRPI_HANDED_MAX) {
        const trp_host *host = handed->locals[0].host;
        deinit_half(handed, 1);
        handed->locals[1] = handed->locals[0];
        handed->foreign[1] = handed->foreign[0];
        init_half(handed, 0, host);
    }
}

const trpi_handed_row *trpi_handed_rows(const trpi_handed *handed, unsigned half, uint32_t index,
                                        uint32_t generation) {
    return trpi_map_get(&handed->foreign[half], key_of(index, generation));
}

static int add_foreign(trpi_handed *handed, trp_pid pid) {
    trpi_map *map = &handed->foreign[0];
    uint64_t key = key_of(pid.index, pid.generation);
    for (trpi_handed_row *row = trpi_map_get(map, key); row != NULL; row = row->next) {
        if (trp_pid_equal(row->pid, pid)) {
            return 0;
        }
    }
    trpi_handed_row *row = map->host->realloc(map->host->self, NULL, 0, sizeof *row);
    if (row == NULL) {
        return TRP_ENOMEM;
    }
    row->pid = pid;
    row->next = trpi_map_get(map, key);
    int error = trpi_map_set(map, key, row);
    if (error != 0) {
        (void)map->host->realloc(map->host->self, row, sizeof *row, 0);
    }
    return error;
}

int trpi_handed_add(trpi_handed *handed, trp_pid pid) {
    rotate_if_full(handed);
    return trp_pid_is_local(pid)
               ? trpi_map_set(&handed->locals[0], key_of(pid.index, pid.generation), handed)
               : add_foreign(handed, pid);
}

bool trpi_handed_has(const trpi_handed *handed, uint32_t index, uint32_t generation) {
    uint64_t key = key_of(index, generation);
    return trpi_map_get(&handed->locals[0], key) != NULL ||
           trpi_map_get(&handed->locals[1], key) != NULL;
}
