/**
 * @file output_port.h
 * Output ports: an actor publishes messages, and whoever subscribes gets them, each in the form and
 * at the pace that suits it.
 *
 * A port belongs to the actor that opens it and ends with it. It is named by a trp_ref, which may be
 * handed to others in a message; the actors of the same runtime can subscribe to it. Each
 * subscriber gets what is published after it has subscribed, in the order in which it was
 * published. Its messages wait in its mailbox but are counted apart, against the limit of the
 * subscription and not of the mailbox; what a limit costs is counted, too.
 *
 *     trp_output_port_open(ctx, &self->prices);                    // the publisher
 *     trp_output_port_publish(ctx, self->prices, message);
 *     trp_output_port_subscribe(ctx, prices, NULL, &self->feed);   // a subscriber
 */
#ifndef TROUPE_OUTPUT_PORT_H
#define TROUPE_OUTPUT_PORT_H

#include "troupe/actor.h"
#include "troupe/type.h"

TRP_BEGIN_DECLS

/** Messages that may wait for a subscriber that does not ask for a limit. */
#define TRP_OUTPUT_PORT_LIMIT 1024

/** What a subscriber can choose. Zero is the default for each. */
typedef struct trp_subscription {
    size_t size; /**< sizeof(trp_subscription) */
    /**
     * Optional. Whether the subscriber wants `message` (borrowed). Runs in the flow of the
     * publisher, as `convert` does: it should be short, and only look at its arguments.
     */
    bool (*filter)(const trp_message *message, const void *arg);
    /**
     * Optional. Makes what the subscriber gets instead of a copy of `message` (borrowed): writes a
     * new message to `converted`, or leaves it NULL if there is nothing for this subscriber. An
     * error other than 0 is counted and reported to the publisher. `ctx` is the publisher's.
     */
    int (*convert)(trp_ctx *ctx, const trp_message *message, const void *arg,
                   trp_message **converted);
    const void *arg;           /**< copied; the two get the copy */
    size_t arg_size;           /**< bytes of it */
    uint32_t limit;            /**< messages that may wait for it; 0: TRP_OUTPUT_PORT_LIMIT */
    trp_mailbox_policy policy; /**< what happens to more; see trp_output_port_publish */
} trp_subscription;

/** The last message of a subscription: its port is gone. trp_message_ref is its ref, too. */
typedef struct trp_output_port_closed {
    trp_ref ref;   /**< the subscription */
    trp_ref port;  /**< the port */
    uint64_t lost; /**< messages that the limit has cost */
} trp_output_port_closed;

/** Type of trp_output_port_closed messages. */
TRP_API extern const trp_type trp_output_port_closed_type;

/** What has become of the messages of a port. Each that was published to somebody is in one. */
typedef struct trp_output_port_stats {
    uint64_t published;      /**< calls of trp_output_port_publish */
    uint64_t accepted;       /**< let in for a subscriber, those dropped as the oldest included */
    uint64_t filtered;       /**< not wanted, by filter or convert */
    uint64_t failed;         /**< not copied or converted for want of memory, or by its error */
    uint64_t rejected;       /**< beyond a limit: TRP_MAILBOX_REJECT */
    uint64_t dropped_newest; /**< beyond a limit: TRP_MAILBOX_DROP_NEWEST */
    uint64_t dropped_oldest; /**< beyond a limit: TRP_MAILBOX_DROP_OLDEST */
    uint64_t unread;         /**< accepted, and still waiting when the subscriber went */
    uint32_t subscribers;    /**< now */
} trp_output_port_stats;

/**
 * Opens a port of the calling actor and writes its ref. TRP_ENOMEM, TRP_ESTATE (root ctx).
 */
TRP_API int trp_output_port_open(trp_ctx *ctx, trp_ref *port);

/**
 * Closes a port of the calling actor, as its end does: behind what was published, each subscriber
 * gets trp_output_port_closed, which needs no memory. TRP_ENOENT if there is none; TRP_ESTATE inside
 * a filter.
 */
TRP_API int trp_output_port_close(trp_ctx *ctx, trp_ref port);

/**
 * Gives each subscriber of a port of the calling actor a copy of `message` (borrowed), or what its
 * convert makes of it. Where more wait than the limit of the subscription, its policy says:
 *
 *     REJECT       it gets nothing, and the result is TRP_EFULL
 *     DROP_NEWEST  it gets nothing; a dead letter
 *     DROP_OLDEST  it gets this one, and the oldest that waits becomes a dead letter
 *     SUSPEND      it gets this one, and the publisher waits until half of the limit is free: a
 *                  routine at once, a behaviour after its callback
 *
 * A subscriber that gets nothing keeps no other from getting its copy. Errors: TRP_ENOENT, TRP_ESTATE
 * (inside a filter), TRP_ENOMEM (also for a NULL message; some may have got theirs), TRP_EFULL, or
 * what a convert has returned.
 */
TRP_API int trp_output_port_publish(trp_ctx *ctx, trp_ref port, const trp_message *message);

/** Writes the counters of a port of the calling actor. TRP_ENOENT. */
TRP_API int trp_output_port_read_stats(trp_ctx *ctx, trp_ref port, trp_output_port_stats *stats);

/**
 * Subscribes the calling actor to a port of this runtime, with `options` (borrowed, may be NULL),
 * and writes the ref that the messages of the subscription carry: trp_message_ref, and the key for
 * receive filters. Two subscriptions give each message twice. Errors: TRP_ENOENT (no such port, or
 * it is closed), TRP_EINVAL (policy), TRP_ENOMEM, TRP_ESTATE (root ctx).
 */
TRP_API int trp_output_port_subscribe(trp_ctx *ctx, trp_ref port, const trp_subscription *options,
                                      trp_ref *subscription);

/**
 * Ends a subscription of the calling actor: after the call nothing of it comes, not even what
 * waits. Happens by itself when the actor ends. TRP_ENOENT if there is none.
 */
TRP_API int trp_output_port_unsubscribe(trp_ctx *ctx, trp_ref subscription);

/**
 * Writes how many messages the limit of a subscription of the calling actor has cost it.
 * TRP_ENOENT.
 */
TRP_API int trp_output_port_lost(trp_ctx *ctx, trp_ref subscription, uint64_t *lost);

TRP_END_DECLS

#endif
