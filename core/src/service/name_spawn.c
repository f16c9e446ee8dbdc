/*
 * Get-or-spawn. Spawning with a name is what decides who makes the actor, because it reserves the
 * name before init runs; all that is left to do is to look before and after.
 *
 * Nobody waits for a reservation inside a scheduler: it lasts as long as somebody's init, which may
 * itself want a name that we are reserving. A routine can wait, because others run meanwhile; it
 * is never inside an init, so no reservation waits for it.
 */
#include "troupe/name.h"

#include "actor/routine.h"
#include "service/name.h"
#include "troupe/error.h"

#include <string.h>

/* One try. `*is_reserved`: it failed because somebody else's init is under way. */
static int try_once(trp_ctx *ctx, const trp_behaviour *behaviour, const void *arg,
                    const trp_spawn_options *options, trp_pid *pid, bool *is_new,
                    bool *is_reserved) {
    *is_new = false;
    int error = trpi_name_find(ctx, options->name, pid);
    if (error == TRP_ENOENT) {
        error = trp_spawn_opt(ctx, behaviour, arg, options, pid, NULL);
        *is_new = error == 0;
        if (error != TRP_EEXIST) {
            *is_reserved = false;
            return error;
        }
        /* Taken since, or reserved; if it is free again, EEXIST is still the answer. */
        int found = trpi_name_find(ctx, options->name, pid);
        *is_reserved = found == TRP_EEXIST;
        return found == 0 ? 0 : TRP_EEXIST;
    }
    *is_reserved = error == TRP_EEXIST;
    return error;
}

int trp_get_or_spawn(trp_ctx *ctx, const trp_behaviour *behaviour, const void *arg,
                     const trp_spawn_options *options, trp_pid *pid, bool *is_new) {
    trp_spawn_options known;
    if (options == NULL) {
        return TRP_EINVAL; /* the name is in them */
    }
    memset(&known, 0, sizeof known);
    memcpy(&known, options, options->size < sizeof known ? options->size : sizeof known);
    known.size = sizeof known;
    if (known.name == NULL || known.monitor) {
        return TRP_EINVAL;
    }
    bool is_spawned = false;
    bool is_reserved = false;
    trp_pid found = TRP_PID_NONE;
    int error = try_once(ctx, behaviour, arg, &known, &found, &is_spawned, &is_reserved);
    while (error == TRP_EEXIST && is_reserved && trpi_routine_is_running(ctx)) {
        int yielded = trp_yield(ctx);
        if (yielded != 0) {
            return yielded;
        }
        error = try_once(ctx, behaviour, arg, &known, &found, &is_spawned, &is_reserved);
    }
    if (error != 0) {
        return error;
    }
    *pid = found;
    if (is_new != NULL) {
        *is_new = is_spawned;
    }
    return 0;
}
