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

/** Writes the local actor that has `name`. TRP_ENOENT if nobody has, TRP_EINVAL as above. */
TRP_API int trp_whereis(trp_ctx *ctx, const char *name, trp_pid *pid);

TRP_END_DECLS

#endif
