/*
 * Inside the groups. Places form a tree of three levels: everything, scopes, groups. Members hang on
 * groups, watches on any place, and a place vanishes when nothing hangs on it. All of it is under one
 * lock that the schedulers share.
 *
 * Exact events. Who changes something collects the events under the lock and sends them when it has
 * let go, because a send may wake a scheduler. That keeps them in order all the same: all events of
 * one member are sent by that member itself, one after the other; and a new watch's snapshot is
 * pushed under the lock, which is safe because the watcher is running: its mailbox schedules
 * nothing. So the snapshot stands before whatever happens next.
 *
 * An event travels as a reply to the watch's ref. So it finds the watcher by the ref alone, is
 * exempt from mailbox limits, and is dropped at the door of the handler if the watch is over.
 *
 * Memory. For each member that a watch sees, the LEAVE event lies ready: made when the later of the
 * two came. It hangs on both, by a struct in its body, and goes with whichever ends first. A change
 * therefore costs the lock for a time that grows with those who watch; blocks come from the
 * scheduler's pool, which seldom asks the host.
 */
#ifndef TRPI_GROUP_H
#define TRPI_GROUP_H

#include "actor/actor.h"
#include "actor/entry.h"
#include "troupe/group.h"

typedef struct trpi_group_member trpi_group_member;
typedef struct trpi_group_watch trpi_group_watch;

typedef struct trpi_group_place {
    struct trpi_group_place *parent; /* NULL: this is everything */
    struct trpi_group_place *children;
    struct trpi_group_place *next; /* of the parent's children */
    struct trpi_group_place **pprev;
    struct trpi_group_place *next_of_hash;
    trpi_group_watch *watches;
    trpi_group_member *members;
    trpi_group_member **members_last;
    size_t members_len;
    trp_message *event; /* of a group: what its events are copied from */
    uint64_t hash;
    size_t length;
    char *text; /* lies behind the struct */
} trpi_group_place;

/* One actor in one group. */
struct trpi_group_member {
    trpi_group_member *next; /* of the group */
    trpi_group_member **pprev;
    trpi_group_member *next_of_actor;
    trpi_group_place *group;
    trp_pid pid;
    trp_message *leaves; /* LEAVE events that lie ready, one for each watch that sees it */
};

/* Belongs to its actor's entry. */
struct trpi_group_watch {
    trpi_wait wait;         /* first */
    trpi_group_watch *next; /* of the place */
    trpi_group_watch **pprev;
    trpi_group_place *place;
    trp_ref ref;
    trp_message *leaves; /* LEAVE events that lie ready, one for each member it sees */
};

/* All groups of a runtime. Made on first use and kept; the memory is the pool's, which goes last. */
typedef struct trpi_groups {
    trpi_atomic_u32 lock;
    trpi_map by_hash; /* places; empty, and without memory, when there are none */
    trpi_group_place root;
} trpi_groups;

/* ---- the tree; but for the first three, the lock must be held ---- */

/* The runtime's groups, made if need be; NULL when out of memory. */
trpi_groups *trpi_groups_of(trp_ctx *ctx);

/* Is this text a name for a scope or a group? */
bool trpi_group_is_name(const char *text);

/* Is this the place's own text? */
bool trpi_group_is_called(const trpi_group_place *at, const char *text);

/* The group of these names, or NULL. */
trpi_group_place *trpi_group_find(trpi_groups *groups, const char *scope, const char *group);

/* The place of these names, made if need be; the root if both are NULL. NULL: out of memory. */
trpi_group_place *trpi_group_obtain(trp_ctx *ctx, trpi_groups *groups, const char *scope,
                                    const char *group);

/* Removes a place on which nothing hangs any more, and those above it. */
void trpi_group_prune(trp_ctx *ctx, trpi_groups *groups, trpi_group_place *at);

/* ---- messages to be sent once the lock is released, first first ---- */

typedef struct trpi_group_outbox {
    trp_message *first;
    trp_message *last;
} trpi_group_outbox;

void trpi_group_put(trpi_group_outbox *box, trp_message *message);

/* Takes the first one out; NULL if none is left. */
trp_message *trpi_group_pick(trpi_group_outbox *box);

/* Sends the events in the box to their watchers. */
void trpi_group_send_all(trp_ctx *ctx, trpi_group_outbox *box);

void trpi_group_free_all(trp_ctx *ctx, trpi_group_outbox *box);

/* ---- events; the lock must be held ---- */

/*
 * `by` sees `who` from now on: the JOIN event goes to the box, the LEAVE event lies ready. TRP_ENOMEM.
 */
int trpi_group_see(trp_ctx *ctx, trpi_group_watch *by, trpi_group_member *who,
                   trpi_group_outbox *box);

/* Takes what lies ready for a member away: to the box, or if that is NULL back to the pool. */
void trpi_group_end_leaves(trp_ctx *ctx, trpi_group_member *who, trpi_group_outbox *box);

/* Frees what lies ready for a watch. */
void trpi_group_free_leaves(trp_ctx *ctx, trpi_group_watch *by);

#endif
