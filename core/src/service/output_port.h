/*
 * Inside an output port.
 *
 * Two actors, perhaps on two schedulers, share a subscription: the owner of the port, who publishes,
 * and the subscriber. The port's lock guards what both change. Filters and converts are callbacks
 * of users and run without it; so while the owner publishes (`is_publishing`) the list only grows,
 * and a subscriber that goes leaves its block behind for the owner to free.
 *
 * A published message travels as a reply to the subscription's ref: it finds the subscriber by the
 * ref alone, is exempt from the mailbox's limit and is dropped at the door when the subscription is
 * over. What waits is what was sent and has not passed that door (`admits` in entry.h), so limits
 * hold per subscription. Only the owner publishes, one message after the other: that is the order.
 *
 * Memory. A port is freed by the last who holds it: its owner's entry, or a subscription. The closing
 * message lies ready in each subscription.
 */
#ifndef TRPI_OUTPUT_PORT_H
#define TRPI_OUTPUT_PORT_H

#include "actor/actor.h"
#include "actor/entry.h"
#include "base/lock.h"
#include "troupe/output_port.h"

typedef struct trpi_subscription trpi_subscription;

typedef struct trpi_port {
    trpi_wait wait; /* first: of the owner's entry */
    trp_ref ref;
    trpi_atomic_u32 holds;
    trpi_atomic_u32 lock; /* guards what follows, and the subscriptions */
    trpi_subscription *first;
    trpi_subscription **last;
    bool is_closed;
    bool is_publishing;
    bool has_gone; /* somebody has gone meanwhile */
    trp_output_port_stats stats;
} trpi_port;

struct trpi_subscription {
    trpi_wait wait; /* first: of the subscriber's entry */
    trpi_port *port;
    trpi_subscription *next;
    trpi_subscription **pprev; /* NULL: in no list, the port is closed */
    trp_pid subscriber;
    trp_ref ref;
    uint64_t sent;
    uint64_t received;
    uint64_t lost;
    trp_message *closed;   /* the last message */
    trp_message *question; /* of the owner, who waits for room */
    bool is_closing;       /* `closed` is on its way and no more ours */
    bool is_told;          /* and has come */
    bool has_gone;         /* the owner frees it */
    size_t size;           /* of this block */
    trp_subscription options;
    _Alignas(16) char arg[];
};

/* The port called `ref`, held for the caller; NULL if there is none. Any thread. */
trpi_port *trpi_port_hold(trp_ctx *ctx, trp_ref ref);
void trpi_port_drop(trp_ctx *ctx, trpi_port *port);

/* Takes a subscription out of its list. The lock is held. */
void trpi_subscription_unlink(trpi_subscription *sub);

/* Frees one that is in no list and of which nobody will hear, and what it has ready. */
void trpi_subscription_free(trp_ctx *ctx, trpi_subscription *sub);

#endif
