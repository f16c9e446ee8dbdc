/*
 * A mailbox: a queue with many producers and one consumer, chained through the messages themselves.
 *
 * Design. `tail` is the newest message, NULL when the queue is empty. To push, a producer exchanges
 * itself into `tail` and links the message it got back to its own; one exchange, no retry. Whoever
 * got NULL back found the queue empty: it stores `first` and must schedule the owner. So "not
 * empty" and "scheduled or running" are the same state, and a lost wake-up is impossible by
 * construction.
 *
 * The consumer handles a message while it is still in the queue and only then advances. If there is
 * no successor it tries to swing `tail` from the message back to NULL; success means empty and
 * gives up the right to touch the queue. Failure means that a producer is between its two steps,
 * and the link will appear.
 *
 * When nobody else can push (one scheduler), the same steps are done without atomic
 * read-modify-writes; `is_shared` says which.
 *
 * Rejected: a queue with a permanent stub node (it keeps the last message of every idle actor
 * alive), and a stack that the consumer reverses (pushes retry under contention).
 */
#ifndef TRPI_MAILBOX_H
#define TRPI_MAILBOX_H

#include "base/atomic.h"
#include "message/message.h"

typedef struct trpi_mailbox {
    trpi_atomic_ptr tail; /* trpi_link: newest, NULL = empty */
    trpi_link
        *first;     /* oldest; written by the producer that found it empty, else by the consumer */
    trpi_link stub; /* filler for when a queue must not be empty without a message */
} trpi_mailbox;

/* Links `newest` behind `previous`. */
static inline void trpi_mailbox_link(trpi_link *previous, trpi_link *newest) {
    /*
     * Release pairs with the acquire in trpi_mailbox_next: whoever sees the link sees the message.
     */
    trpi_store(&previous->next, newest, TRPI_RELEASE);
}

/* Adds `link`. Returns true if the queue was empty: then the caller must schedule the owner. */
static inline bool trpi_mailbox_push(trpi_mailbox *mailbox, trpi_link *link, bool is_shared) {
    trpi_store(&link->next, NULL, TRPI_RELAXED);
    trpi_link *previous;
    if (is_shared) {
        /*
         * Release publishes the message to the next producer and to the consumer's
         * compare-and-swap; acquire orders the store of `first` behind the consumer's last look at
         * the queue (trpi_mailbox_park).
         */
        previous = trpi_exchange_ptr(&mailbox->tail, link, TRPI_ACQ_REL);
    } else {
        previous = trpi_load(&mailbox->tail, TRPI_RELAXED);
        trpi_store(&mailbox->tail, link, TRPI_RELAXED);
    }
    if (previous == NULL) {
        mailbox->first = link;
        return true;
    }
    trpi_mailbox_link(previous, link);
    return false;
}

/*
 * Consumer: swings `tail` from `last`, which has no visible successor, to `replacement` (NULL or
 * the stub). False: a producer came.
 */
static inline bool trpi_mailbox_park(trpi_mailbox *mailbox, trpi_link *last, trpi_link *replacement,
                                     bool is_shared) {
    if (is_shared) {
        void *expected = last;
        /* Release pairs with the acquire of the exchange in trpi_mailbox_push. */
        return trpi_cas_ptr(&mailbox->tail, &expected, replacement, TRPI_ACQ_REL);
    }
    if (trpi_load(&mailbox->tail, TRPI_RELAXED) != last) {
        return false;
    }
    trpi_store(&mailbox->tail, replacement, TRPI_RELAXED);
    return true;
}

/* Consumer: the successor of `link`, NULL if it is not linked (yet). */
static inline trpi_link *trpi_mailbox_next(trpi_link *link) {
    return trpi_load(&link->next, TRPI_ACQUIRE); /* pairs with trpi_mailbox_link */
}

/* What became of an advance. */
typedef enum trpi_advance {
    TRPI_ADVANCED, /* `first` is the next message */
    TRPI_PARKED,   /* the queue is empty and no longer the caller's */
    TRPI_BUSY      /* a producer is about to link the next message: come back later */
} trpi_advance;

/* Consumer: leaves `link` (the current first) behind. On TRPI_BUSY it still is the first. */
static inline trpi_advance trpi_mailbox_advance(trpi_mailbox *mailbox, trpi_link *link,
                                                bool is_shared) {
    trpi_link *next = trpi_mailbox_next(link);
    if (next == NULL) {
        if (trpi_mailbox_park(mailbox, link, NULL, is_shared)) {
            return TRPI_PARKED;
        }
        next = trpi_mailbox_next(link);
        if (next == NULL) {
            return TRPI_BUSY;
        }
    }
    mailbox->first = next;
    return TRPI_ADVANCED;
}

/*
 * Consumer: takes `link`, the current first, out of the queue without letting the queue become
 * empty; the stub fills in if needed. The stub cannot be in use: it could only stand behind `link`.
 */
void trpi_mailbox_detach(trpi_mailbox *mailbox, trpi_link *link, bool is_shared);

/*
 * Claims an empty mailbox for a new owner: fills it with the stub, so that nobody else schedules
 * it. False if it is not empty (somebody pushed to the previous owner; whoever runs it will drain
 * it).
 */
bool trpi_mailbox_claim(trpi_mailbox *mailbox, bool is_shared);

#endif
