/*
 * The actor: one block of two cache lines, the first for those who send, the second for the
 * scheduler that runs it. What few actors have (heap, names, requests held) is in a side block made
 * on first use.
 *
 * Blocks are type-stable (base/table.h): whoever holds an old pid may look at the block and push to
 * its mailbox at any time. The generation tells: odd while an actor lives there, even while none
 * does; each message carries the one it is meant for.
 *
 * Right to touch. Everything but the mailbox's tail and the atomics belongs to whoever holds the
 * mailbox (mailbox.h): the spawner until init has returned, then the scheduler that runs it. A
 * block goes back to the table when its mailbox is left, but a late sender may still push: so it
 * may be taken while a late message still makes it run somewhere; claiming the mailbox decides.
 */
#ifndef TRPI_ACTOR_H
#define TRPI_ACTOR_H

#include "actor/context.h"
#include "mailbox/mailbox.h"
#include "troupe/actor.h"

enum {
    TRPI_INLINE_STATE = 24, /* state up to this size lives in the block */
    TRPI_NOT_PINNED = 255
};

enum {
    TRPI_ACTOR_CONSUMED = 1,     /* the first message is done with; a producer was busy behind it */
    TRPI_ACTOR_EVENTS_FIRST = 2, /* exits, downs and timeouts overtake messages */
    TRPI_ACTOR_ENDING = 4,       /* terminate has begun */
    TRPI_ACTOR_ZOMBIE = 8,       /* ended, but the mailbox is not left yet */
    TRPI_ACTOR_TRAPS = 16,       /* exit signals come as messages */
    TRPI_ACTOR_STASHES =
        64, /* has or had a receive filter: the stash is asked before the mailbox */
    TRPI_ACTOR_LINKED_LATE = 32,  /* has links that were not made by spawning: some may be double */
    TRPI_ACTOR_DROPS_OLDEST = 128 /* its mailbox has the policy DROP_OLDEST */
};

/*
 * A limit is a number of messages, what happens beyond it (a trp_mailbox_policy), and whether the
 * actor has asked for it, so that each of its messages is counted. With it goes whether somebody
 * ends the actor when the runtime stops: what other threads may read is set once, by spawn.
 */
#define TRPI_LIMIT_EXACT (UINT32_C(1) << 31)
#define TRPI_LIMIT_SUPERVISED (UINT32_C(1) << 28)
#define TRPI_LIMIT_MAX ((UINT32_C(1) << 28) - 1)

static inline uint32_t trpi_limit_of(uint32_t limit) {
    return limit & TRPI_LIMIT_MAX;
}

static inline trp_mailbox_policy trpi_policy_of(uint32_t limit) {
    return (trp_mailbox_policy)(limit >> 29 & 3);
}

/* A block of the actor's own heap (trp_alloc); the memory follows. */
typedef struct trpi_heap_block {
    struct trpi_heap_block *next;
    struct trpi_heap_block **pprev;
    size_t size;
    size_t reserved; /* keeps the memory aligned to 16 */
} trpi_heap_block;

/* A message that the actor has taken and not yet passed on. */
typedef struct trpi_held {
    struct trpi_held *next;
    struct trpi_held **pprev;
    trp_message *message;
} trpi_held;

/*
 * The body of a MONITOR or LINK message while the actor keeps it: somebody to be told of its end. A
 * MONITOR's is a trp_down whose `pid` is the watcher and whose reason is not known yet.
 */
typedef struct trpi_bond {
    uint64_t ref; /* the monitor's ref; the link's tag on this side */
    trp_pid peer;
    trp_message *next;
    trp_message **pprev;
    trp_message *other; /* LINK: the block on the other side */
    bool is_over;       /* LINK: without effect, kept until nothing refers to it */
    bool is_fateful;    /* LINK: a normal end of the peer counts, too */
} trpi_bond;

/*
 * What a service that few programs use keeps for an actor: begins with how to release it, so that
 * the runtime need not know the service, nor a program without it contain it.
 */
typedef struct trpi_kept {
    trpi_release_fn *release;
} trpi_kept;

typedef struct trpi_side {
    trpi_heap_block *heap;
    trpi_held *held;
    void *names;       /* the registry's */
    trpi_kept *groups; /* of a member of groups */
    struct trpi_stash *stash;
    trp_message *room_asked; /* questions of muted senders, chained by their links */
    void *fiber;             /* of a routine that has begun; the host's */
    struct trpi_crew *crew;  /* of a routine with coroutines */
} trpi_side;

typedef struct trpi_entry trpi_entry;

struct trpi_actor {
    trpi_slot slot;
    trpi_mailbox mailbox;
    trpi_atomic_u32 generation;
    trpi_atomic_u32 kill;    /* the generation that is to be killed */
    trpi_atomic_u32 closed;  /* the generation that is draining: nobody may send to it any more */
    trpi_atomic_u32 waiting; /* messages in the mailbox, sampled unless EXACT */
    trpi_atomic_u32
        limit; /* of `waiting`; read by senders, so set by spawn only. See TRPI_LIMIT_EXACT */
    uint8_t flags;
    uint8_t pin;     /* scheduler, or TRPI_NOT_PINNED */
    uint16_t events; /* handled in a row before messages, if EVENTS_FIRST */

    trpi_task task;
    const trp_behaviour *behaviour;
    trpi_side *side;
    trpi_slot *entries; /* timers, requests and monitors of this actor: chained by their slots */
    trp_message *bonds; /* MONITOR and LINK messages of those who are told when it ends */
    union {
        void *state; /* if it is larger than TRPI_INLINE_STATE */
        char inline_state[TRPI_INLINE_STATE];
        uint64_t align;
    } room;
};

static inline void *trpi_actor_state(trpi_actor *actor) {
    return actor->behaviour->state_size <= TRPI_INLINE_STATE ? actor->room.inline_state
                                                             : actor->room.state;
}

static inline trpi_actor *trpi_actor_of_task(trpi_task *task) {
    return (trpi_actor *)(void *)((char *)task - offsetof(trpi_actor, task));
}

/* The block that `pid` names while its actor lives, else NULL. Any thread; a snapshot. */
static inline trpi_actor *trpi_actor_find(trp_runtime *runtime, uint32_t index,
                                          uint32_t generation) {
    trpi_actor *actor = trpi_table_at_sized(&runtime->actors, index, sizeof *actor);
    /*
     * Acquire pairs with the release in spawn and end: a pid that is seen is seen with its actor.
     */
    if (actor == NULL || trpi_load(&actor->generation, TRPI_ACQUIRE) != generation ||
        (generation & 1) == 0) {
        return NULL;
    }
    return actor;
}

static inline trp_pid trpi_actor_pid(const trpi_actor *actor) {
    return (trp_pid){0, 0, actor->slot.index, trpi_load(&actor->generation, TRPI_RELAXED)};
}

/* The side block, made if need be; NULL when out of memory. */
trpi_side *trpi_actor_side(trp_ctx *ctx, trpi_actor *actor);

/* Makes an actor ready whose mailbox the caller found empty when it pushed. */
void trpi_actor_schedule(trp_ctx *ctx, trpi_actor *actor);

/*
 * Pushes to a mailbox, whoever lives there, and schedules its owner. `generation` is the
 * addressee's.
 */
void trpi_actor_push(trp_ctx *ctx, trpi_actor *actor, uint32_t generation, trp_message *message);

/*
 * Sends a message of any kind to a local or remote actor and takes it. Signals are exempt from
 * limits. What cannot be delivered is discarded with the consequences its kind demands
 * (trpi_discard). Returns as trp_send.
 */
int trpi_deliver(trp_ctx *ctx, trp_pid to, trp_message *message);
/* The same for a message of kind KILL, which overtakes what waits. */
int trpi_deliver_kill(trp_ctx *ctx, trp_pid pid, trp_message *kill);

/*
 * Ends a message that will never be handled: a request is answered, a monitor gets its DOWN, a
 * timer's entry is freed, a plain message becomes a dead letter with `error`. `reason` is why the
 * addressee is gone.
 */
void trpi_discard(trp_ctx *ctx, trp_pid to, trp_message *message, const trp_exit *reason,
                  int error);

/*
 * As trp_message_take of the borrowed message; if not `is_kept`, it goes on at once and nobody need
 * remember it.
 */
trp_message *trpi_take(trp_ctx *ctx, trp_message *message, bool is_kept);

/* Takes the message that is being handled out of the mailbox, if it is not out already. */
void trpi_leave_mailbox(trp_ctx *ctx, trpi_actor *actor, trp_message *message);

/*
 * Takes a message that leaves the mailbox out of its count, and nothing else: also for blocks
 * without an actor.
 */
void trpi_give_back_count(trpi_actor *actor, trp_message *message);

/*
 * Takes a message that leaves the mailbox out of its count; senders that wait for room may go on.
 */
void trpi_uncount(trp_ctx *ctx, trpi_actor *actor, trp_message *message);

/*
 * Lets the running actor hold a message that is in no mailbox and nobody's: its end answers or frees
 * it. False when out of memory.
 */
bool trpi_hold(trp_ctx *ctx, trp_message *message);

/* Forgets that the running actor held this message. */
void trpi_unhold(trp_ctx *ctx, trp_message *message);

/*
 * Answers a request with an error in its own block, and so takes it. If it has been answered
 * already, it is only freed.
 */
void trpi_settle(trp_ctx *ctx, trp_message *request, int code, const trp_exit *reason);

/*
 * Sends a reply, or an error made of a request, to the caller that its ref names, and takes it.
 * False if nobody waits any more. `reserved` then tells a session which actor has given it (the low
 * bits of its index and TRPI_SIGNED, or 0): it must stay behind what else that actor has sent.
 */
#define TRPI_SIGNED 0x8000u
bool trpi_send_reply(trp_ctx *ctx, trp_message *reply);

/* Runs an actor for one batch: the scheduler's `run`. */
uint32_t trpi_actor_run(trpi_scheduler *sched, trpi_task *task);

/* What to do with the memory of a message that was handled. */
typedef enum trpi_owes {
    TRPI_OWES_FREE = 0, /* free the message; an unanswered request is cancelled */
    TRPI_OWES_NOTHING,  /* somebody keeps the block */
    TRPI_OWES_ENTRY     /* it is the signal inside an entry: free that */
} trpi_owes;

/*
 * Handles a message by its kind, on behalf of the actor in the frame: the first of its mailbox, or
 * the frame's `loose` one.
 */
trpi_owes trpi_actor_dispatch(trp_ctx *ctx, trpi_actor *actor, trp_message *message);

/*
 * Ends the actor that holds the mailbox with `reason`, which does not lie in the frame, after
 * terminate if `is_graceful`. Its block is gone afterwards.
 */
void trpi_actor_end(trp_ctx *ctx, trpi_actor *actor, const trp_exit *reason, bool is_graceful);

/* The part of ending behind terminate. */
void trpi_actor_finish(trp_ctx *ctx, trpi_actor *actor, const trp_exit *reason);

/* Throws away what has come to a block without a living actor, and leaves its mailbox. */
void trpi_actor_drain(trp_ctx *ctx, trpi_actor *actor, const trp_exit *reason);

/* Disposes of a message that was handled, now that the mailbox has left it behind. */
void trpi_actor_dispose(trp_ctx *ctx, trp_message *message, trpi_owes owes);

/*
 * Disposes of the message that was being handled when the actor ended: a request dies with the
 * actor, all else is paid as its `reserved` says.
 */
void trpi_actor_dispose_last(trp_ctx *ctx, trp_message *message, const trp_exit *reason);

/* Gives up whatever an entry of the running actor stands for, and the entry. */
void trpi_entry_give_up(trp_ctx *ctx, trpi_entry *entry);

/* Adds a block to the bonds of an actor, and takes it out of them. */
void trpi_bond_add(trpi_actor *actor, trp_message *block);
void trpi_bond_remove(trp_message *block);

/*
 * Links the running actor and one it is spawning; the spawner's side, or NULL when out of memory.
 */
trpi_bond *trpi_link_spawned(trp_ctx *ctx, trpi_actor *child, uint64_t tag);

/* Makes a LINK block the EXIT message of `from` and sends it to the other side. */
void trpi_send_exit(trp_ctx *ctx, trp_message *block, trp_pid from, const trp_exit *reason);

/*
 * What the running actor does with signals of links. on_exit turns the message into a trp_exited;
 * false if the link is over and nobody is to hear of it. on_link keeps the message. on_unlink is
 * true if the message stays with the mailbox; false if it has been sent back.
 */
bool trpi_on_exit(trp_ctx *ctx, trpi_actor *actor, trp_message *message);
/* True if the exit message, which trpi_on_exit let through, ends an actor that does not trap it. */
bool trpi_exit_ends(const trp_message *message);
void trpi_on_link(trpi_actor *actor, trp_message *message);
bool trpi_on_unlink(trp_ctx *ctx, trp_message *message);
void trpi_on_unlink_ack(trp_ctx *ctx, trp_message *message);

/* After trp_abort: ends the actor whose callback was left. */
void trpi_actor_recover(trp_ctx *ctx);

#endif
