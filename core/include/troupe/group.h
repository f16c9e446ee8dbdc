/**
 * @file group.h
 * Groups: sets of local actors under a name, to be listed, watched and sent to together. Rules of
 * OTP's pg, but that membership is a set: joining twice is joining once.
 *
 * Each group lies in a scope; the same group name in two scopes names two groups. Groups and scopes
 * need not be created and vanish when nobody uses them. An actor's memberships end with it, before
 * anyone is told of its end.
 */
#ifndef TROUPE_GROUP_H
#define TROUPE_GROUP_H

#include "troupe/actor.h"
#include "troupe/type.h"

TRP_BEGIN_DECLS

/** Longest name of a scope or a group in bytes. */
#define TRP_GROUP_NAME_MAX 127

/** What has happened in a group. */
typedef enum trp_group_event_kind { TRP_GROUP_JOIN = 1, TRP_GROUP_LEAVE = 2 } trp_group_event_kind;

/** The message that a watch gives for each change; trp_message_ref is its ref, too. */
typedef struct trp_group_event {
    trp_ref ref;     /**< the watch */
    trp_pid pid;     /**< who has joined or left */
    uint32_t kind;   /**< a trp_group_event_kind */
    trp_slice scope; /**< texts; trp_slice_text */
    trp_slice group;
} trp_group_event;

/** Type of trp_group_event messages. */
TRP_API extern const trp_type trp_group_event_type;

/**
 * Makes the calling actor a member of `group` in `scope` (both copied). If it is one already,
 * nothing happens. What the events of its leaving need is allocated here, so leaving cannot fail.
 * Errors, after which nothing has changed: TRP_EINVAL (a name is NULL, empty or too long),
 * TRP_ENOMEM, TRP_ESTATE (root ctx).
 */
TRP_API int trp_group_join(trp_ctx *ctx, const char *scope, const char *group);

/**
 * Ends a membership of the calling actor. TRP_ENOENT if there is none, TRP_EINVAL as above.
 */
TRP_API int trp_group_leave(trp_ctx *ctx, const char *scope, const char *group);

/**
 * Writes the first `capacity` members, in the order in which they joined, to `pids` (may be NULL if
 * `capacity` is 0), and to `count` how many there are in all: if that is more than `capacity`, ask
 * again with a larger array. A group without members is no error. TRP_EINVAL as above.
 */
TRP_API int trp_group_members(trp_ctx *ctx, const char *scope, const char *group, trp_pid *pids,
                              size_t capacity, size_t *count);

/**
 * Sends a copy of `message` (borrowed) to each actor that is a member now, the calling one
 * included, and writes how many copies were delivered to `count` (may be NULL); what was not is a
 * dead letter, as with trp_send. Errors, after which nobody gets anything: TRP_EINVAL as above,
 * TRP_ENOMEM (also for a NULL message).
 */
TRP_API int trp_group_broadcast(trp_ctx *ctx, const char *scope, const char *group,
                                const trp_message *message, size_t *count);

/**
 * Watches a group, or with `group` NULL all groups of a scope, or with both NULL everything, for
 * the calling actor, and writes the ref (`ref` may be NULL). The members there are come as JOIN
 * events before any later event, so the watcher knows at each moment exactly who is in: no JOIN of
 * a member, no LEAVE of somebody else, and the events of one member in their order. Watches stack.
 * Mailbox limits do not hold for events, so none is lost. Errors, after which nothing comes:
 * TRP_EINVAL as above, or a group without scope; TRP_ENOMEM; TRP_ESTATE (root ctx).
 */
TRP_API int trp_group_watch(trp_ctx *ctx, const char *scope, const char *group, trp_ref *ref);

/**
 * Ends a watch of the calling actor: after the call no event of it is delivered, not even one that
 * waits in the mailbox. TRP_ENOENT if there is none.
 */
TRP_API int trp_group_unwatch(trp_ctx *ctx, trp_ref ref);

TRP_END_DECLS

#endif
