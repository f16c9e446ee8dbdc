/*
 * Pids on the wire. Every pid is written as seen from the two ends, so neither end's own pids need
 * a name; pids of third nodes carry name and incarnation. In fields of typed messages the same
 * bytes stand in a CBOR byte string.
 */
#ifndef TRPI_PIDS_H
#define TRPI_PIDS_H

#include "base/map.h"
#include "node/frame.h"
#include "troupe/pid.h"

enum {
    TRPI_PID_NONE = 0,
    TRPI_PID_SENDER = 1,   /* index (4), generation (4): of the node that sends this */
    TRPI_PID_RECEIVER = 2, /* index (4), generation (4): of the node that receives this */
    TRPI_PID_OTHER = 3,    /* name length (1), name, incarnation (8), index (4), generation (4) */
    TRPI_PID_NAMED = 4,    /* name length (1), name: whoever has it; only as an addressee */
    TRPI_PID_BYTES_MAX = 1 + 1 + TRP_NODE_NAME_MAX + 16
};

/* A pid of a third node that was handed over. */
typedef struct trpi_handed_row {
    struct trpi_handed_row *next; /* with the same index and generation */
    trp_pid pid;
} trpi_handed_row;

/*
 * The pids that were handed over in a session. Bounded: there are two halves; when the younger one
 * is full the older one is forgotten. So at least the last TRPI_HANDED_MAX pids are known.
 */
enum { TRPI_HANDED_MAX = 8192 };

typedef struct trpi_handed {
    trpi_map locals[2];  /* by index and generation; the value says nothing */
    trpi_map foreign[2]; /* by index and generation: trpi_handed_row */
} trpi_handed;

void trpi_handed_init(trpi_handed *handed, const trp_host *host);
void trpi_handed_deinit(trpi_handed *handed);

/* Remembers a pid. TRP_ENOMEM. */
int trpi_handed_add(trpi_handed *handed, trp_pid pid);

/* True if a pid of this node was handed over and not forgotten. */
bool trpi_handed_has(const trpi_handed *handed, uint32_t index, uint32_t generation);

/* The rows of half `half` (0 or 1) whose pids have this index and generation. */
const trpi_handed_row *trpi_handed_rows(const trpi_handed *handed, unsigned half, uint32_t index,
                                        uint32_t generation);

#endif
