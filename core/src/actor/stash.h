/*
 * The stash of an actor with a receive filter: messages that wait until they are asked for, by key
 * or in order of arrival.
 *
 * One list for each key, oldest first, found through a map; a heap of the lists by the age of their
 * first message. So a message is put aside in O(1), found by key in O(1), and the oldest of all is
 * found in O(log keys), whatever waits. Messages without a key, and those for whose list there was
 * no memory, share one list without key that a search by key walks; in an actor that uses tags it
 * is short.
 */
#ifndef TRPI_STASH_H
#define TRPI_STASH_H

#include "actor/actor.h"
#include "base/map.h"
#include "troupe/filter.h"

typedef struct trpi_stash trpi_stash;

/* The key of a message for filters: `is_ref` tells the two kinds apart; value 0: none. */
typedef struct trpi_key {
    uint64_t value;
    bool is_ref;
} trpi_key;

/* What is waited for: messages with one of the tags, or one of the refs. Chained, oldest first. */
typedef struct trpi_wish {
    struct trpi_wish *next;
    const uint64_t *tags;
    size_t tags_len;
    trp_ref refs[3];
} trpi_wish;

/* The stash of an actor, made if need be; NULL when out of memory. */
trpi_stash *trpi_stash_of(trp_ctx *ctx, trpi_actor *actor);

/* Frees an empty stash. */
void trpi_stash_destroy(trp_ctx *ctx, trpi_stash *stash);

/*
 * True if the filter lets a message with that key through now. Without a filter, only `is_event`
 * overtakes what waits.
 */
bool trpi_stash_admits(trpi_stash *stash, trpi_key key, bool is_event);

/* The key of the message that was let through last. */
trpi_key trpi_stash_admitted(const trpi_stash *stash);

/*
 * Lets through only messages with one of the tags, which the filter has checked, or one of the
 * refs.
 */
void trpi_stash_filter(trpi_stash *stash, const trp_filter *filter, trp_ref second_ref,
                       trp_ref third_ref);

/*
 * Lets through what any of the chained wishes asks for; they stay the caller's and must live until
 * the next filter. From now on the stash is asked about every message (trpi_stash_admitted).
 */
void trpi_stash_filter_wishes(trpi_stash *stash, const trpi_wish *wishes);

/* True if a message with that key is one that the wish asks for. */
bool trpi_wish_matches(const trpi_wish *wish, trpi_key key);

/* Lets everything through. */
void trpi_stash_unfilter(trpi_stash *stash);

/* Puts a message aside that has left the mailbox. Cannot fail. */
void trpi_stash_add(trp_ctx *ctx, trpi_stash *stash, trp_message *message, trpi_key key);

/* Puts back a message that was lent and is to be the next of all. */
void trpi_stash_put_back(trp_ctx *ctx, trpi_stash *stash, trp_message *message);

/* Takes the oldest waiting message that the filter lets through, or NULL. */
trp_message *trpi_stash_next(trp_ctx *ctx, trpi_stash *stash);

/* Takes the oldest waiting message whatever the filter says, or NULL. */
trp_message *trpi_stash_oldest(trp_ctx *ctx, trpi_stash *stash);

/*
 * Lets through nothing but the reply with `ref`, until it is called with 0; the filter comes after.
 */
void trpi_stash_mute(trpi_stash *stash, trp_ref ref);

/* The ref of the muting, 0 if there is none. */
trp_ref trpi_stash_muted_by(const trpi_stash *stash);

/* True if a waiting message may be handled now. */
bool trpi_stash_has_next(trpi_stash *stash);

/* True if nothing waits and nothing is filtered: the stash need not be asked. */
bool trpi_stash_is_idle(const trpi_stash *stash);

/* The key of a message as it comes from the mailbox. */
trpi_key trpi_key_of(trp_message *message);

#endif
