/**
 * @file name.h
 * The registry: unique names of actors, per runtime. An actor's names are freed before anyone is
 * told that it ended.
 */
#ifndef TROUPE_NAME_H
#define TROUPE_NAME_H

#include "troupe/actor.h"

TRP_BEGIN_DECLS

/** Longest name in bytes. */
#define TRP_NAME_MAX 127

/**
 * Gives the calling actor the name `name` (copied). Errors: TRP_EEXIST, TRP_EINVAL (empty or too
 * long), TRP_ENOMEM, TRP_ESTATE (root ctx).
 */
TRP_API int trp_register(trp_ctx *ctx, const char *name);

/**
 * Takes a name away from the calling actor. TRP_ENOENT if it does not have it, TRP_EINVAL as above.
 */
TRP_API int trp_unregister(trp_ctx *ctx, const char *name);

/**
 * Writes the local actor that has `name`. TRP_ENOENT if nobody has, or an actor that is being
 * spawned with it is still in init; TRP_EINVAL as above.
 */
TRP_API int trp_whereis(trp_ctx *ctx, const char *name, trp_pid *pid);

/**
 * Writes the actor that has the name `options->name`, or if nobody has it spawns one that does, in
 * one step: however many schedulers ask at once, one actor comes of it. `is_new` (may be NULL) says
 * whether this call spawned it; the other arguments are as for trp_spawn_opt and only matter then.
 *
 * While the new actor is in init the name is reserved: trp_whereis does not find it, and who else
 * wants it gets TRP_EEXIST; if init fails the name is free again. A routine that meets a reservation
 * waits until it is decided, as with trp_yield; anybody else gets TRP_EEXIST and may ask again
 * later. To wait there would block a scheduler, and for ever if the other init waits in turn.
 *
 * Errors: TRP_EEXIST as above, or from init; TRP_EINVAL (no valid name, or options->monitor, which
 * has nowhere to put its ref: use trp_monitor); what else trp_spawn_opt returns.
 */
TRP_API int trp_get_or_spawn(trp_ctx *ctx, const trp_behaviour *behaviour, const void *arg,
                             const trp_spawn_options *options, trp_pid *pid, bool *is_new);

TRP_END_DECLS

#endif
