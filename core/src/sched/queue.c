/* The run queue; its design is told in queue.h. */
#include "sched/queue.h"

enum {
    MASK = TRPI_QUEUE_RING - 1,
    REFILL = 64 /* tasks that move to the ring at once; newer ones overtake the rest */
};

/* Owner: adds to the ring. False if it is full. */
static bool push_ring(trpi_queue *queue, trpi_task *task) {
    uint64_t tail = trpi_load(&queue->tail, TRPI_RELAXED);
    /*
     * Acquire pairs with the thief's move of head: its reads of the slot come before this
     * overwrite.
     */
    uint64_t head = trpi_load(&queue->head, TRPI_ACQUIRE);
    if (tail - head >= TRPI_QUEUE_RING) {
        return false;
    }
    trpi_store(&queue->ring[tail & MASK], task, TRPI_RELAXED);
    /*
     * Release pairs with the acquire of tail in trpi_queue_steal: the thief sees the slot and the
     * task.
     */
    trpi_store(&queue->tail, tail + 1, TRPI_RELEASE);
    return true;
}

void trpi_queue_push(trpi_queue *queue, trpi_task *task, bool is_fresh) {
    if (!trpi_overflow_is_empty(&queue->overflow) || !push_ring(queue, task)) {
        uint64_t now = trpi_load(&queue->tail, TRPI_RELAXED);
        trpi_overflow_add(&queue->overflow, task, is_fresh, now);
    }
}

/* Fills the empty ring from the overflow, where others can steal from it. */
static void refill(trpi_queue *queue) {
    for (int i = 0; i < REFILL; i++) {
        uint64_t now = trpi_load(&queue->tail, TRPI_RELAXED);
        trpi_task *task = trpi_overflow_take(&queue->overflow, now);
        if (task == NULL) {
            break;
        }
        (void)push_ring(queue, task);
    }
}

trpi_task *trpi_queue_pop(trpi_queue *queue, bool is_shared) {
    uint64_t head = trpi_load(&queue->head, TRPI_RELAXED);
    for (;;) {
        uint64_t tail = trpi_load(&queue->tail, TRPI_RELAXED);
        if (head == tail) {
            if (trpi_overflow_is_empty(&queue->overflow)) {
                return NULL;
            }
            refill(queue);
            head = trpi_load(&queue->head, TRPI_RELAXED);
            continue;
        }
        trpi_task *task = trpi_load(&queue->ring[head & MASK], TRPI_RELAXED);
        if (!is_shared) {
            trpi_store(&queue->head, head + 1, TRPI_RELAXED);
            return task;
        }
        /*
         * Relaxed would do for the owner; acquire and release keep the thieves' view of one order.
         * On failure `head` is the value a thief has left.
         */
        if (trpi_cas_u64(&queue->head, &head, head + 1, TRPI_ACQ_REL)) {
            return task;
        }
    }
}

trpi_task *trpi_queue_steal(trpi_queue *from, trpi_queue *mine) {
    uint64_t head = trpi_load(&from->head, TRPI_ACQUIRE);
    uint64_t tail = trpi_load(&from->tail, TRPI_ACQUIRE); /* pairs with push_ring */
    if (tail <= head) {
        return NULL;
    }
    uint64_t count = (tail - head + 1) / 2;
    if (count > TRPI_QUEUE_RING / 2) {
        count = TRPI_QUEUE_RING / 2;
    }
    trpi_task *first = trpi_load(&from->ring[head & MASK], TRPI_RELAXED);
    uint64_t my_tail = trpi_load(&mine->tail, TRPI_RELAXED);
    for (uint64_t i = 1; i < count; i++) {
        void *task = trpi_load(&from->ring[(head + i) & MASK], TRPI_RELAXED);
        trpi_store(&mine->ring[(my_tail + i - 1) & MASK], task, TRPI_RELAXED);
    }
    /*
     * Release pairs with the acquire of head in push_ring, acquire with the victim's earlier takes.
     */
    if (!trpi_cas_u64(&from->head, &head, head + count, TRPI_ACQ_REL)) {
        return NULL;
    }
    trpi_store(&mine->tail, my_tail + count - 1, TRPI_RELEASE);
    return first;
}
