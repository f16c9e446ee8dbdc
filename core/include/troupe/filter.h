/**
 * @file filter.h
 * Receive filters: an actor chooses which messages it wants next; the others wait, in order.
 *
 * The cost of a choice depends on how much is asked for, not on how much waits. Whatever `handle`
 * can get is subject to the filter, and each message has one key:
 *
 *     plain messages, requests    their tag
 *     trp_timeout                 the timer's tag, or its ref if that is 0
 *     trp_exited                  the link's tag
 *     replies, trp_request_error  the request's ref
 *     trp_down                    the monitor's ref
 *
 * Stop and kill are no messages: they act when they are reached, whatever waits.
 */
#ifndef TROUPE_FILTER_H
#define TROUPE_FILTER_H

#include "troupe/actor.h"

TRP_BEGIN_DECLS

/** Most tags that one filter can ask for. */
#define TRP_FILTER_TAGS_MAX 32

/** What to let through: messages with one of the tags, or with the ref. */
typedef struct trp_filter {
    size_t size;          /**< sizeof(trp_filter) */
    const uint64_t *tags; /**< copied; tag 0 (untagged) never matches */
    size_t tags_len;      /**< at most TRP_FILTER_TAGS_MAX */
    trp_ref ref;          /**< 0: none */
} trp_filter;

/**
 * From the end of the running callback on, the calling actor gets only messages that match `filter`
 * (borrowed), those that wait already first, oldest first. Replaces an earlier filter. Errors:
 * TRP_ENOMEM, TRP_EINVAL (asks for nothing or for too much), TRP_ESTATE for the root ctx.
 */
TRP_API int trp_filter_set(trp_ctx *ctx, const trp_filter *filter);

/** The calling actor gets all messages again, those that have waited first, in their order. */
TRP_API void trp_filter_clear(trp_ctx *ctx);

TRP_END_DECLS

#endif
