/*
 * The run queue of one scheduler: a ring that its owner fills and empties and from which idle
 * schedulers steal, and an overflow behind it that only the owner sees.
 *
 * Order is first in, first out as long as the ring holds everything. Once the overflow is in use,
 * new tasks go there and the ring is refilled from it; overflow.h tells in what order.
 *
 * The owner adds with plain stores; taking needs a compare-and-swap on `head`, because a thief may take at the same moment. A thief copies the tasks it wants and then
 * moves `head` over them; the owner cannot overwrite them before, since they count as used until
 * `head` has passed.
 */
#ifndef TRPI_QUEUE_H
#define TRPI_QUEUE_H

#include "base/atomic.h"
#include "sched/overflow.h"

#include <stddef.h>

enum { TRPI_QUEUE_RING = 256 };

typedef struct trpi_queue {
    trpi_atomic_u64 head; /* next to take; moved by owner and thieves */
    char apart[56];
    trpi_atomic_u64 tail; /* next to fill; moved by the owner */
    trpi_overflow overflow;
    trpi_atomic_ptr ring[TRPI_QUEUE_RING];
} trpi_queue;

/* Owner: adds at the back. `is_fresh`: the running task made it ready; it may overtake others. */
void trpi_queue_push(trpi_queue *queue, trpi_task *task, bool is_fresh);

/* Owner: takes from the front; NULL if empty. `is_shared`: somebody else may steal. */
trpi_task *trpi_queue_pop(trpi_queue *queue, bool is_shared);

/*
 * Tasks in the ring. Exact for the owner of a queue nobody steals from, else a snapshot. Any
 * thread.
 */
static inline uint32_t trpi_queue_length(const trpi_queue *queue) {
    uint64_t head = trpi_load(&queue->head, TRPI_RELAXED);
    uint64_t tail = trpi_load(&queue->tail, TRPI_RELAXED);
    return tail > head ? (uint32_t)(tail - head) : 0;
}

/*
 * Thief: takes the older half of another's ring, at least one and at most TRPI_QUEUE_RING / 2,
 * returns the first and adds the others to `mine`, the thief's own empty queue. NULL if there was
 * nothing, or somebody else was quicker.
 */
trpi_task *trpi_queue_steal(trpi_queue *from, trpi_queue *mine);

#endif
