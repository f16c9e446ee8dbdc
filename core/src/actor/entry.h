/*
 * Entries: what an actor waits for. One for each timer, pending request and monitor of an actor,
 * named by a ref, chained to the actor so that all die with it. Type-stable, so that a callee on
 * another scheduler may look up who asked; refs are never reused.
 *
 * An entry contains the message (`signal`) that its timer or its end needs, so neither can fail for
 * lack of memory. While the timer is armed it lies where the message will be. An entry is two cache
 * lines; a million timers are touched at random.
 *
 * The wheel belongs to the scheduler on which the timer was armed, the entry to the actor, and the
 * actor may have moved since. So an armed timer is given up by two parties: `timer_state` is
 * exchanged by whoever comes first, and the second frees the entry.
 */
#ifndef TRPI_ENTRY_H
#define TRPI_ENTRY_H

#include "actor/actor.h"

typedef enum trpi_entry_kind {
    TRPI_ENTRY_TIMER = 1,
    TRPI_ENTRY_SEND_AFTER,
    TRPI_ENTRY_REQUEST,
    TRPI_ENTRY_MONITOR,
    TRPI_ENTRY_WAIT /* for something that answers like a request: a channel */
} trpi_entry_kind;

/* What a WAIT entry stands for; embedded in it. */
typedef struct trpi_wait {
    void (*end)(trp_ctx *ctx, struct trpi_wait *wait); /* the entry is given up: frees it */
    bool (*woken)(trp_ctx *ctx,
                  struct trpi_wait *wait); /* the answer has come: true if that ends it */
    /* Optional, asked before: false if nobody is to see the answer, which has been disposed of. */
    bool (*admits)(trp_ctx *ctx, struct trpi_wait *wait, trp_message *answer);
} trpi_wait;

enum {
    TRPI_TIMER_IDLE = 0,
    TRPI_TIMER_ARMED,    /* in the wheel of `wheel` */
    TRPI_TIMER_FIRED,    /* the signal is on its way to the owner */
    TRPI_TIMER_ABANDONED /* the owner has given the entry up while it was armed or under way */
};

struct trpi_entry {
    trpi_slot slot;            /* `next_free` chains the owner's entries while this one is in use */
    trpi_atomic_u64 ref;       /* 0: free or given up. Read by anyone, as the next three */
    trpi_atomic_u64 owner;     /* index << 32 | generation */
    trpi_atomic_u64 peer_node; /* node << 32 | epoch of the peer; see trpi_entry_peer */
    trpi_atomic_u64 peer_id;   /* index << 32 | generation of it; TIMER: the tag */
    /*
     * Of a request, for its callee; TRP_NEVER: none. Read by anyone. Without a ref: the generation
     * of the last one, for the next to differ.
     */
    trpi_atomic_u64 deadline_ns;
    trpi_slot **pprev; /* in the chain */
    union {
        trpi_timer timer; /* armed */
        trp_message signal;
    };
    union {
        trpi_wait *wait;    /* WAIT */
        uint64_t period_ns; /* TIMER: 0 = once */
        trp_message *
            message; /* SEND_AFTER: to be sent; MONITOR: the MONITOR block as long as the target has it */
    } u;
    trpi_atomic_u32 timer_state;
    uint8_t kind;
    uint8_t wheel;
};

/*
 * Set in peer_node if the peer is not who is asked but who asks: a session's request on behalf of a
 * remote actor.
 */
#define TRPI_PEER_IS_CALLER (UINT64_C(1) << 63)

/*
 * Makes an entry for the running actor, with a fresh ref. NULL when out of memory or out of refs.
 */
trpi_entry *trpi_entry_new(trp_ctx *ctx, trpi_entry_kind kind);

/* The running actor's live entry with that ref, or NULL. */
trpi_entry *trpi_entry_of(trp_ctx *ctx, trpi_actor *actor, trp_ref ref);

/*
 * Whoever's live entry with that ref, or NULL. Only its atomics may be read, and `ref` again
 * afterwards. Any thread.
 */
trpi_entry *trpi_entry_find(trp_runtime *runtime, trp_ref ref);

/*
 * Unchains an entry from its owner, makes its ref void, disarms its timer and frees it (or leaves
 * that to whoever holds its signal).
 */
void trpi_entry_release(trp_ctx *ctx, trpi_entry *entry);

/*
 * The same, but does not free it: its signal is needed for one more message, whose receiver frees
 * the entry. The timer must be idle.
 */
void trpi_entry_detach(trp_ctx *ctx, trpi_entry *entry);

/* Frees an entry that nothing refers to. */
void trpi_entry_free(trp_ctx *ctx, trpi_entry *entry);

/* The entry's message, to be sent as a signal of that kind. Its timer is not armed. */
trp_message *trpi_entry_signal(trpi_entry *entry, trpi_kind kind);

/* Arms the entry's timer on this scheduler. */
void trpi_entry_arm(trp_ctx *ctx, trpi_entry *entry, uint64_t delay_ns);

/* The scheduler's `due`: sends the signal to the owner, or frees an abandoned entry. */
void trpi_entry_due(trpi_scheduler *sched, trpi_timer *timer);

/*
 * The owner has received the signal of a timer. Returns the entry if it still counts; NULL if it
 * was given up: then the caller frees it.
 */
trpi_entry *trpi_entry_signalled(trp_ctx *ctx, trp_message *signal);

static inline trpi_entry *trpi_entry_of_signal(trp_message *signal) {
    return (trpi_entry *)(void *)((char *)signal - offsetof(trpi_entry, signal));
}

static inline trpi_entry *trpi_entry_of_slot(trpi_slot *slot) {
    return (trpi_entry *)(void *)slot;
}

static inline uint64_t trpi_entry_tag(trpi_entry *entry) {
    return trpi_load(&entry->peer_id, TRPI_RELAXED);
}

static inline void trpi_entry_set_tag(trpi_entry *entry, uint64_t tag) {
    trpi_store(&entry->peer_id, tag, TRPI_RELAXED);
}

static inline void trpi_entry_set_peer(trpi_entry *entry, trp_pid peer) {
    trpi_store(&entry->peer_node, (uint64_t)peer.node << 32 | peer.epoch, TRPI_RELAXED);
    trpi_store(&entry->peer_id, (uint64_t)peer.index << 32 | peer.generation, TRPI_RELAXED);
}

static inline trp_pid trpi_entry_peer(trpi_entry *entry) {
    uint64_t node = trpi_load(&entry->peer_node, TRPI_RELAXED);
    uint64_t id = trpi_load(&entry->peer_id, TRPI_RELAXED);
    node &= ~TRPI_PEER_IS_CALLER;
    return (trp_pid){(uint32_t)(node >> 32), (uint32_t)node, (uint32_t)(id >> 32), (uint32_t)id};
}

#endif
