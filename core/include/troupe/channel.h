/**
 * @file channel.h
 * Channels: queues of messages between any number of senders and receivers, on any schedulers.
 *
 * A channel is bounded (any capacity), a rendezvous (capacity 0: a send is over when somebody has
 * taken the message) or, if asked for, unbounded. Messages come out in the order they went in; each
 * goes to one receiver. A closed channel takes nothing more and is empty only when everything in it
 * was received.
 *
 * Ends are counted: whoever creates a channel has one sending and one receiving end, and when the
 * last end of either side is released the channel closes. A weak hold keeps the memory but not the
 * channel open. Ends are not tied to actors: release what you hold in `terminate`, or let the
 * runtime's end do it.
 *
 * A message that was received is the receiver's, and not tied to it as one from the mailbox is:
 * should the actor end without having sent or dropped it, nobody frees it, nor answers it if it is a
 * request. Hand requests on with trp_request_delegate instead.
 *
 * Routines block; behaviours try, and ask for a trp_channel_ready when it is worth to try again.
 * Semantics of async-channel and of Go's channels; where they differ, docs/semantics.md says which.
 */
#ifndef TROUPE_CHANNEL_H
#define TROUPE_CHANNEL_H

#include "troupe/actor.h"
#include "troupe/filter.h"
#include "troupe/resource.h"
#include "troupe/type.h"

TRP_BEGIN_DECLS

/** A channel. Opaque; any thread that runs actors of its runtime may use it. */
typedef struct trp_channel trp_channel;

/** Capacity of a channel without bound. */
#define TRP_CHANNEL_UNBOUNDED UINT32_MAX

/** Largest bounded capacity. */
#define TRP_CHANNEL_CAPACITY_MAX (UINT32_C(1) << 24)

/** The two sides. */
typedef enum trp_channel_end { TRP_CHANNEL_SEND = 0, TRP_CHANNEL_RECEIVE = 1 } trp_channel_end;

/** Makes a channel; the caller has one end of each side. TRP_ENOMEM, TRP_EINVAL (capacity). */
TRP_API int trp_channel_create(trp_ctx *ctx, uint32_t capacity, trp_channel **out);

/**
 * One more end of that side, for somebody who will release it. `channel` must have one that is not
 * released.
 */
TRP_API void trp_channel_clone(trp_channel *channel, trp_channel_end end);

/** Gives an end up; the last of a side closes the channel. Accepts NULL. */
TRP_API void trp_channel_release(trp_ctx *ctx, trp_channel *channel, trp_channel_end end);

/**
 * By trp_channel_end: the kinds under which ends travel in messages (resource.h). The resource is
 * the trp_channel; a message that carries an end and is freed releases it.
 */
TRP_API extern const trp_resource_kind trp_channel_end_kinds[2];

/** Holds the memory of a channel without keeping it open. */
TRP_API void trp_channel_hold(trp_channel *channel);

/** Ends a hold. Accepts NULL. */
TRP_API void trp_channel_drop(trp_ctx *ctx, trp_channel *channel);

/**
 * Makes an end out of a hold, which stays. TRP_ECLOSED if the channel is closed or that side has no
 * end left.
 */
TRP_API int trp_channel_upgrade(trp_channel *channel, trp_channel_end end);

/**
 * Closes the channel: 0, or TRP_ECLOSED if it was closed already. Everybody who waits is told; what
 * is in it can be received.
 */
TRP_API int trp_channel_close(trp_ctx *ctx, trp_channel *channel);

/** True if it is closed; there may still be something in it. A snapshot, as the next two. */
TRP_API bool trp_channel_is_closed(trp_channel *channel);

/** Messages in it. */
TRP_API uint32_t trp_channel_length(trp_channel *channel);

/** Its capacity, TRP_CHANNEL_UNBOUNDED if it has none. */
TRP_API uint32_t trp_channel_capacity(const trp_channel *channel);

/**
 * Puts `message` in without waiting, and takes it on success. TRP_ECLOSED, TRP_EFULL, TRP_ENOMEM
 * (NULL message).
 */
TRP_API int trp_channel_try_send(trp_ctx *ctx, trp_channel *channel, trp_message *message);

/**
 * Takes the oldest message without waiting; it is the caller's. TRP_EEMPTY, or TRP_ECLOSED when
 * closed and empty.
 */
TRP_API int trp_channel_try_receive(trp_ctx *ctx, trp_channel *channel, trp_message **message);

/**
 * Puts `message` in; if it is full, takes the oldest out for it and gives that to the caller in
 * `oldest` (NULL if there was room; it may be given with TRP_ECLOSED too, when the channel is closed
 * in between). If others send at the same moment, more may have to go: those are dead letters.
 * TRP_ECLOSED, TRP_ENOTSUP for a rendezvous.
 */
TRP_API int trp_channel_force_send(trp_ctx *ctx, trp_channel *channel, trp_message *message,
                                   trp_message **oldest);

/**
 * Puts in as many of `count` messages as there is room for, in order and at once, and writes how
 * many were taken. 0 if all were; else TRP_EFULL or TRP_ECLOSED, and the rest stays the caller's.
 */
TRP_API int trp_channel_try_send_many(trp_ctx *ctx, trp_channel *channel,
                                      trp_message *const *messages, size_t count, size_t *sent);

/**
 * Takes up to `count` messages and writes how many. 0 if at least one; else TRP_EEMPTY or
 * TRP_ECLOSED.
 */
TRP_API int trp_channel_try_receive_many(trp_ctx *ctx, trp_channel *channel, trp_message **messages,
                                         size_t count, size_t *received);

/**
 * Routines: as trp_channel_try_send, but waits for room up to `timeout_ns` (TRP_ETIMEOUT; the
 * message stays). TRP_ESTATE, TRP_ENOMEM.
 */
TRP_API int trp_channel_send(trp_ctx *ctx, trp_channel *channel, trp_message *message,
                             uint64_t timeout_ns);

/** Routines: as trp_channel_try_receive, but waits for a message up to `timeout_ns`. */
TRP_API int trp_channel_receive(trp_ctx *ctx, trp_channel *channel, uint64_t timeout_ns,
                                trp_message **message);

/** The message that trp_channel_notify asks for; trp_message_ref says which one. */
typedef struct trp_channel_ready {
    uint64_t channel; /**< the channel's address, to tell several apart */
} trp_channel_ready;

/** Type of trp_channel_ready messages. */
TRP_API extern const trp_type trp_channel_ready_type;

/**
 * Asks for one trp_channel_ready when `end` of the channel is worth a try: at once if it is
 * already, or when something changes. Not for a rendezvous to send (TRP_ENOTSUP). `ref` cancels it
 * (trp_channel_forget). TRP_ENOMEM, TRP_ESTATE.
 */
TRP_API int trp_channel_notify(trp_ctx *ctx, trp_channel *channel, trp_channel_end end,
                               trp_ref *ref);

/** Ends a trp_channel_notify of the calling actor. TRP_ENOENT. */
TRP_API int trp_channel_forget(trp_ctx *ctx, trp_ref ref);

/** One thing that trp_select may do. */
typedef struct trp_case {
    trp_channel *channel; /**< NULL: never ready */
    trp_channel_end end;
    trp_message *message; /**< to send, taken if this case is chosen; or what was received */
} trp_case;

/** Most cases of one select. */
#define TRP_CASES_MAX 16

/** How to select. */
typedef struct trp_select_options {
    size_t size;              /**< sizeof(trp_select_options) */
    uint64_t timeout_ns;      /**< 0: do not wait, TRP_NEVER: without limit */
    bool is_ordered;          /**< the first case that is ready wins; else the choice is fair */
    bool has_inbox;           /**< a message to the routine itself ends the select too */
    const trp_filter *filter; /**< which messages; NULL: any */
} trp_select_options;

/** Index that trp_select gives when a message to the routine itself ended it. */
#define TRP_SELECT_INBOX SIZE_MAX

/**
 * Routines: does exactly one of the cases, waiting until one is possible, and writes its index to
 * `chosen`. The others are left as they were: no message is lost. Result 0; TRP_ECLOSED if the
 * chosen case's channel is closed (and empty); TRP_ETIMEOUT; TRP_EINVAL (too many cases or tags),
 * TRP_ESTATE, TRP_ENOMEM. With TRP_SELECT_INBOX the message is lent in `inbox` as by trp_receive.
 */
TRP_API int trp_select(trp_ctx *ctx, trp_case *cases, size_t cases_len,
                       const trp_select_options *options, size_t *chosen, trp_message **inbox);

TRP_END_DECLS

#endif
