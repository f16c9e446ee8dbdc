/**
 * @file watch.h
 * Who lives: a list of the actors of this runtime, and news of those that start and end.
 *
 * While nobody watches, this costs the actors nothing.
 */
#ifndef TROUPE_WATCH_H
#define TROUPE_WATCH_H

#include "troupe/actor.h"
#include "troupe/type.h"

TRP_BEGIN_DECLS

/** What a watch tells. */
typedef enum trp_actor_event_kind {
    TRP_ACTOR_STARTED = 1,    /**< its init has succeeded; or it was there when the watch began */
    TRP_ACTOR_ENDED = 2,      /**< it has ended; its names are free */
    TRP_ACTOR_EVENTS_LOST = 3 /**< memory was short: the watch is blind from here on */
} trp_actor_event_kind;

/** The message that a watch gives for each change; trp_message_ref is its ref, too. */
typedef struct trp_actor_event {
    trp_ref ref;     /**< the watch */
    trp_pid pid;     /**< who; none if events are lost */
    uint32_t kind;   /**< a trp_actor_event_kind */
    trp_exit reason; /**< of an end; else all zero */
} trp_actor_event;

/** Type of trp_actor_event messages. */
TRP_API extern const trp_type trp_actor_event_type;

/**
 * Writes the first `capacity` actors that live now, in no particular order, to `pids` (may be NULL
 * if `capacity` is 0), and to `count` how many there are in all. The runtime's own helpers are
 * among them, and actors that are still in init, which may yet fail. A snapshot: with several
 * schedulers it may be old when it is read. Looks at every slot for an actor that was ever used.
 */
TRP_API void trp_actor_list(trp_ctx *ctx, trp_pid *pids, size_t capacity, size_t *count);

/**
 * Watches all actors of the runtime for the calling one and writes the ref (`ref` may be NULL).
 * STARTED comes for each that lives, and from then on for each that starts; ENDED for each of
 * those when it ends. So who listens knows at each moment who is there: none twice, none missing,
 * none whose init failed, and the watcher itself is among them. What comes first is not at once:
 * every scheduler is asked to tell, between two actors, before the living are counted.
 *
 * Mailbox limits do not hold for events. If there is no memory for one, EVENTS_LOST comes, which
 * needs none, and nothing more: end the watch and begin another. Watches stack, and end with their
 * actor. Errors: TRP_ENOMEM, TRP_ESTATE (root ctx, or the runtime stops).
 */
TRP_API int trp_actor_watch(trp_ctx *ctx, trp_ref *ref);

/**
 * Ends a watch of the calling actor: after the call no event of it is delivered, not even one that
 * waits in the mailbox. TRP_ENOENT if there is none.
 */
TRP_API int trp_actor_unwatch(trp_ctx *ctx, trp_ref ref);

TRP_END_DECLS

#endif
