/*
 * Inside a channel.
 *
 * Bounded: a ring of slots with 64-bit sequence numbers (Vyukov). A sender claims a position by
 * moving `tail`, writes its slot and publishes it by the slot's sequence; a receiver does the same
 * with `head`. Positions never wrap, so nothing is mistaken for what it was a lap ago. The capacity
 * may be any number: the ring is the next power of two, and a position is only claimed if it is
 * less than the capacity ahead of `head`. The top bit of `tail` says closed, so closing and sending
 * are ordered by one word.
 *
 * Unbounded and rendezvous: a list, and the list of waiters, under the lock.
 *
 * Waiting. Who must wait puts a node into the list of its side, under the lock, raises the side's
 * count of waiters, and looks again: at `tail` or `head`, which the other side moves before it
 * looks at the count. All four accesses are sequentially consistent, so either the waiter sees the
 * change or the other sees the waiter. A wake claims the wait, which may have nodes in several
 * channels, by exchange: it is used exactly once.
 */
#ifndef TRPI_CHANNEL_H
#define TRPI_CHANNEL_H

#include "actor/actor.h"
#include "actor/entry.h"
#include "base/lock.h"
#include "troupe/channel.h"

typedef struct trpi_channel_slot {
    trpi_atomic_u64 sequence;
    trp_message *message;
} trpi_channel_slot;

typedef struct trpi_channel_wait trpi_channel_wait;

/* A wait's place in one channel. */
typedef struct trpi_channel_node {
    struct trpi_channel_node *next;
    struct trpi_channel_node **pprev; /* NULL: in no list */
    trpi_channel_wait *wait;
    trp_channel *channel;
    trp_message *message; /* rendezvous: what is sent */
    uint8_t end;
} trpi_channel_node;

/* Somebody who waits for one of several channels. Owned by its actor's entry. */
struct trpi_channel_wait {
    trpi_wait base;
    trpi_atomic_u32 is_claimed;
    trp_message *wake; /* the reply that ends the wait; taken by who claims */
    size_t done;       /* rendezvous: which node was served */
    trp_message *got;  /* and what it has received */
    size_t nodes_len;
    trpi_channel_node nodes[];
};

enum { TRPI_NOT_DONE = -1 };

struct trp_channel {
    uint32_t capacity;
    uint32_t mask;           /* slots - 1 */
    trpi_atomic_u32 holds;   /* ends and weak holds */
    trpi_atomic_u32 ends[2]; /* by trp_channel_end */
    trpi_atomic_u32 waiting[2];
    char apart_tail[64];
    trpi_atomic_u64 tail; /* next position to fill; TRPI_CHANNEL_CLOSED */
    char apart_head[64];
    trpi_atomic_u64 head; /* next position to take */
    char apart_lock[64];
    trpi_atomic_u32 lock; /* guards what follows */
    trpi_channel_node *waiters[2];
    trpi_channel_node **waiters_last[2];
    trp_message *first; /* unbounded: chained by their links */
    trp_message *last;
    trpi_channel_slot slots[];
};

#define TRPI_CHANNEL_CLOSED (UINT64_C(1) << 63)

static inline bool trpi_channel_is_ring(const trp_channel *channel) {
    return channel->capacity != 0 && channel->capacity != TRP_CHANNEL_UNBOUNDED;
}

/*
 * The ring: up to `count` at once. Return how many; `*error` says why not all. `is_shared`: other
 * threads may use the channel at the same time.
 */
size_t trpi_ring_push(trp_channel *channel, trp_message *const *messages, size_t count,
                      bool is_shared, int *error);
size_t trpi_ring_pop(trp_channel *channel, trp_message **messages, size_t count, bool is_shared,
                     int *error);

/* Puts in a message that is nobody's, as trp_channel_try_send. */
int trpi_channel_push(trp_ctx *ctx, trp_channel *channel, trp_message *message);

/* Wakes up to `count` waiters of a side. */
void trpi_channel_wake(trp_ctx *ctx, trp_channel *channel, trp_channel_end end, size_t count);

/*
 * Takes the first waiter of a side that can still be claimed out of its list and claims it, or
 * returns NULL. The lock is held.
 */
trpi_channel_node *trpi_channel_claim(trp_channel *channel, trp_channel_end end);

/* Sends the wake of a wait that the caller has claimed. */
void trpi_channel_rouse(trp_ctx *ctx, trp_message *wake);

/* Takes a node out of its channel's list. The lock is held. */
void trpi_channel_unlink(trpi_channel_node *node);

#endif
