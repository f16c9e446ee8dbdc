/*
 * What one runtime knows of other nodes: its own identity, a place for each node it has met, the
 * sessions, and the names it has exposed or interned. One lock guards all of it; every section
 * under it is short, and no callback runs inside.
 *
 * Places. A pid of another node holds the slot and epoch of a place: one name and incarnation. A
 * place outlives its sessions, so pids work again when the same incarnation comes back; it is given
 * to another node (with the next epoch) only after many others have been idle longer.
 *
 * Guests are strangers: what they say of themselves is believed only within their own session.
 * Their places belong to that session (`owner`), never replace those of peers, and end with it.
 */
#ifndef TRPI_PLACES_H
#define TRPI_PLACES_H

#include "actor/context.h"
#include "node/engine.h"

enum {
    TRPI_ALIAS_SLOT = 1,      /* `node` of pids made by trp_remote_name; any but 0 */
    TRPI_PLACES_IDLE = 1024,  /* places without a session that are kept before one is reused */
    TRPI_PLACES_OF_GUEST = 64 /* nodes behind one guest */
};

/* `epoch` of pids made by trp_remote_name; their index is the alias. */
#define TRPI_ALIAS_EPOCH UINT32_MAX

/* An older session to the same node must answer within this time, or the newer one stays. */
#define TRPI_RIVAL_PATIENCE_NS (UINT64_C(5) * TRP_NS_PER_S)

typedef struct trpi_place {
    char name[TRP_NODE_NAME_MAX + 1];
    uint64_t incarnation;
    uint32_t slot; /* never 0 */
    uint32_t epoch;
    trp_session *route; /* the session by which it is reached, NULL: none */
    trp_session *owner; /* the guest's session that it belongs to, NULL: believed by all */
    bool is_used;
    uint64_t left_at; /* when it was last left, in `node->clock` ticks */
    /* The session's serial << 32 | bytes on their way to the session: see trpi_place_reserve. */
    trpi_atomic_u64 waiting;
} trpi_place;

/* A text that is kept until the end, found by its hash. */
typedef struct trpi_word {
    uint32_t length;
    uint32_t index;
    char bytes[];
} trpi_word;

typedef struct trpi_node {
    trp_runtime *runtime;
    trpi_identity self;
    trpi_times times;
    uint32_t sessions_max;
    trpi_atomic_u32 lock; /* guards what follows */
    trp_session *sessions;
    uint32_t sessions_len;
    trpi_place **places; /* by slot - 1; none ever moves */
    uint32_t places_len;
    uint32_t idle_len;
    uint64_t clock;
    uint32_t serial;
    trpi_map exposed; /* trpi_word */
    trpi_map aliases; /* trpi_word: node, zero, name */
    trpi_word **alias_words;
    uint32_t aliases_len;
} trpi_node;

/* How to reach a pid: a snapshot for one message. */
typedef struct trpi_way {
    trp_pid session;   /* the session's actor */
    trpi_place *place; /* of the session's peer; only its slot, epoch and `waiting` may be used */
    uint32_t serial;
    uint32_t slot;
    uint32_t epoch;
    uint32_t granted;
    uint32_t message_max;
    bool is_limited; /* may only use pids handed over: they must be remembered */
} trpi_way;

static inline trpi_node *trpi_node_of(trp_ctx *ctx) {
    return ctx->runtime->node;
}

/* Memory from the host, for what several threads share. */
void *trpi_node_alloc(trpi_node *node, size_t size);
void trpi_node_free(trpi_node *node, void *block, size_t size);

/* The way to the node of `to`, if there is one. Any thread. */
bool trpi_node_way(trpi_node *node, trp_pid to, trpi_way *way);

/*
 * Counts `bytes` as waiting for the session of `way`. TRP_ENOCONNECTION if that session has ended,
 * TRP_EFULL if more than `max` would wait. Any thread.
 */
int trpi_place_reserve(const trpi_way *way, uint32_t bytes, uint32_t max);

/*
 * The session's own: `bytes` wait no longer. Nothing happens if another session has the place now.
 */
void trpi_place_release(trpi_place *place, uint32_t serial, uint32_t bytes);

/* What became of a session that has been authenticated. */
typedef struct trpi_entrance {
    int error;         /* TRP_ENOMEM: it cannot stay */
    trp_pid loser;     /* a session that must be closed, or none */
    bool is_stale;     /* `loser` is of an earlier incarnation, not a duplicate */
    trp_pid incumbent; /* a session that wins over this one if it answers a probe, or none */
} trpi_entrance;

/* Gives the session its place and decides between it and older ones to the same node. */
trpi_entrance trpi_node_enter(trpi_node *node, trp_session *session);

/* The session has ended: nothing is routed to it any more. */
void trpi_node_leave(trpi_node *node, trp_session *session);

/*
 * The pid's home as the wire needs it. False if it is not known any more. `name` has room for
 * TRP_NODE_NAME_MAX + 1.
 */
bool trpi_node_home(trpi_node *node, trp_pid pid, char *name, uint64_t *incarnation);

/*
 * Slot and epoch for a node that `session` speaks of, which is neither end of it. Guests get a
 * place of their own. TRP_ENOMEM, TRP_ELIMIT.
 */
int trpi_node_meet(trpi_node *node, trp_session *session, const char *name, size_t length,
                   uint64_t incarnation, trp_pid *home);

/* Sets the pid's node and epoch to those of a node that has been met. False if it has not. */
bool trpi_node_find(trpi_node *node, const char *name, size_t length, uint64_t incarnation,
                    trp_pid *pid);

/* The name of the pid's node, NULL if unknown. Borrowed; see TRPI_PLACES_IDLE. */
const char *trpi_node_place_name(trpi_node *node, trp_pid pid);

/* The word with these bytes, or NULL; `*key` is where it is or would be. Under the lock. */
trpi_word *trpi_node_find_word(const trpi_map *map, const char *bytes, size_t length,
                               uint64_t *key);

/* True if the local name is exposed to guests. */
bool trpi_node_is_exposed(trpi_node *node, const char *name, size_t length);

/*
 * The alias that a pid of trp_remote_name stands for: two texts, one behind the other. NULL if
 * none.
 */
const trpi_word *trpi_node_alias(trpi_node *node, trp_pid pid);

#endif
