/* Groups: joining and leaving, by calls and by ending, and asking and sending. */
#include "service/group.h"

#include "base/lock.h"
#include "troupe/error.h"

#include <string.h>

/* What an actor's side block points to. */
typedef struct memberships {
    trpi_kept kept; /* first */
    trpi_group_member *first;
} memberships;

/* ---- joining and leaving ---- */

static void add_member(trpi_group_member *who, trpi_group_place *group) {
    who->group = group;
    who->next = NULL;
    who->pprev = group->members_last;
    *group->members_last = who;
    group->members_last = &who->next;
    group->members_len++;
}

static void remove_member(trp_ctx *ctx, trpi_groups *groups, trpi_group_member *who) {
    trpi_group_place *group = who->group;
    *who->pprev = who->next;
    if (who->next == NULL) {
        group->members_last = who->pprev;
    } else {
        who->next->pprev = who->pprev;
    }
    group->members_len--;
    trpi_group_prune(ctx, groups, group);
}

/* Adds the member for everyone who watches; all or nothing. The lock is held. */
static int join(trp_ctx *ctx, trpi_groups *groups, trpi_group_member *who, const char *scope,
                const char *group, trpi_group_outbox *box) {
    trpi_group_place *at = trpi_group_obtain(ctx, groups, scope, group);
    if (at == NULL) {
        return TRP_ENOMEM;
    }
    add_member(who, at);
    int error = 0;
    for (; at != NULL && error == 0; at = at->parent) {
        for (trpi_group_watch *by = at->watches; by != NULL && error == 0; by = by->next) {
            error = trpi_group_see(ctx, by, who, box);
        }
    }
    if (error != 0) {
        trpi_group_end_leaves(ctx, who, NULL);
        trpi_group_free_all(ctx, box);
        remove_member(ctx, groups, who);
    }
    return error;
}

static void release(trp_ctx *ctx, trpi_actor *actor);

/* The running actor's memberships, made if need be; NULL when out of memory. */
static memberships *memberships_of(trp_ctx *ctx) {
    trpi_side *side = trpi_actor_side(ctx, ctx->frame.actor);
    if (side != NULL && side->groups == NULL) {
        memberships *made = trpi_pool_alloc(&ctx->sched.pool, sizeof *made);
        if (made != NULL) {
            made->kept.release = release;
            made->first = NULL;
            side->groups = &made->kept;
        }
    }
    return side == NULL ? NULL : (memberships *)(void *)side->groups;
}

/* Where the chain of memberships points to the one in that group, or to its end. */
static trpi_group_member **find_membership(memberships *of, const char *scope, const char *group) {
    trpi_group_member **at = &of->first;
    while (*at != NULL && !(trpi_group_is_called((*at)->group, group) &&
                            trpi_group_is_called((*at)->group->parent, scope))) {
        at = &(*at)->next_of_actor;
    }
    return at;
}

int trp_group_join(trp_ctx *ctx, const char *scope, const char *group) {
    if (!trpi_group_is_name(scope) || !trpi_group_is_name(group)) {
        return TRP_EINVAL;
    }
    if (ctx->frame.actor == NULL) {
        return TRP_ESTATE;
    }
    trpi_groups *groups = trpi_groups_of(ctx);
    memberships *mine = groups == NULL ? NULL : memberships_of(ctx);
    if (mine == NULL) {
        return TRP_ENOMEM;
    }
    if (*find_membership(mine, scope, group) != NULL) {
        return 0;
    }
    trpi_group_member *who = trpi_pool_alloc(&ctx->sched.pool, sizeof *who);
    if (who == NULL) {
        return TRP_ENOMEM;
    }
    memset(who, 0, sizeof *who);
    who->pid = trp_self(ctx);
    trpi_group_outbox box = {NULL, NULL};
    trpi_lock(&groups->lock);
    int error = join(ctx, groups, who, scope, group, &box);
    trpi_unlock(&groups->lock);
    if (error != 0) {
        trpi_pool_free(&ctx->sched.pool, who, sizeof *who);
        return error;
    }
    who->next_of_actor = mine->first;
    mine->first = who;
    trpi_group_send_all(ctx, &box);
    return 0;
}

int trp_group_leave(trp_ctx *ctx, const char *scope, const char *group) {
    if (!trpi_group_is_name(scope) || !trpi_group_is_name(group)) {
        return TRP_EINVAL;
    }
    const trpi_actor *actor = ctx->frame.actor;
    if (actor == NULL || actor->side == NULL || actor->side->groups == NULL) {
        return TRP_ENOENT;
    }
    trpi_group_member **at =
        find_membership((memberships *)(void *)actor->side->groups, scope, group);
    trpi_group_member *who = *at;
    if (who == NULL) {
        return TRP_ENOENT;
    }
    *at = who->next_of_actor;
    trpi_groups *groups = trpi_groups_of(ctx);
    trpi_group_outbox box = {NULL, NULL};
    trpi_lock(&groups->lock);
    trpi_group_end_leaves(ctx, who, &box);
    remove_member(ctx, groups, who);
    trpi_unlock(&groups->lock);
    trpi_pool_free(&ctx->sched.pool, who, sizeof *who);
    trpi_group_send_all(ctx, &box);
    return 0;
}

/* The actor ends. Like so many leaves, but the lock is taken once. */
static void release(trp_ctx *ctx, trpi_actor *actor) {
    memberships *mine = (memberships *)(void *)actor->side->groups;
    trpi_groups *groups = trpi_groups_of(ctx);
    trpi_group_outbox box = {NULL, NULL};
    actor->side->groups = NULL;
    trpi_lock(&groups->lock);
    for (trpi_group_member *who = mine->first; who != NULL; who = who->next_of_actor) {
        trpi_group_end_leaves(ctx, who, &box);
        remove_member(ctx, groups, who);
    }
    trpi_unlock(&groups->lock);
    while (mine->first != NULL) {
        trpi_group_member *who = mine->first;
        mine->first = who->next_of_actor;
        trpi_pool_free(&ctx->sched.pool, who, sizeof *who);
    }
    trpi_pool_free(&ctx->sched.pool, mine, sizeof *mine);
    trpi_group_send_all(ctx, &box);
}

/* ---- asking and sending ---- */

int trp_group_members(trp_ctx *ctx, const char *scope, const char *group, trp_pid *pids,
                      size_t capacity, size_t *count) {
    if (!trpi_group_is_name(scope) || !trpi_group_is_name(group)) {
        return TRP_EINVAL;
    }
    /* Acquire as in trpi_groups_of. Before the first use there are no members. */
    trpi_groups *groups = trpi_load(&ctx->runtime->groups, TRPI_ACQUIRE);
    *count = 0;
    if (groups == NULL) {
        return 0;
    }
    trpi_lock(&groups->lock);
    const trpi_group_place *at = trpi_group_find(groups, scope, group);
    const trpi_group_member *who = at == NULL ? NULL : at->members;
    for (size_t i = 0; i < capacity && who != NULL; i++) {
        pids[i] = who->pid;
        who = who->next;
    }
    *count = at == NULL ? 0 : at->members_len;
    trpi_unlock(&groups->lock);
    return 0;
}

/* A copy of `message` for each member, with the addressee in its ref and generation. */
static int copy_for_all(trp_ctx *ctx, const trpi_group_place *at, const trp_message *message,
                        trpi_group_outbox *box) {
    for (const trpi_group_member *who = at->members; who != NULL; who = who->next) {
        trp_message *copy = trp_message_copy(ctx, message);
        if (copy == NULL) {
            trpi_group_free_all(ctx, box);
            return TRP_ENOMEM;
        }
        copy->ref = who->pid.index;
        copy->generation = who->pid.generation;
        trpi_group_put(box, copy);
    }
    return 0;
}

int trp_group_broadcast(trp_ctx *ctx, const char *scope, const char *group,
                        const trp_message *message, size_t *count) {
    if (!trpi_group_is_name(scope) || !trpi_group_is_name(group)) {
        return TRP_EINVAL;
    }
    if (message == NULL) {
        return TRP_ENOMEM;
    }
    trpi_groups *groups = trpi_load(&ctx->runtime->groups, TRPI_ACQUIRE); /* as above */
    trpi_group_outbox box = {NULL, NULL};
    size_t delivered = 0;
    int error = 0;
    if (groups != NULL) {
        trpi_lock(&groups->lock);
        const trpi_group_place *at = trpi_group_find(groups, scope, group);
        error = at == NULL ? 0 : copy_for_all(ctx, at, message, &box);
        trpi_unlock(&groups->lock);
    }
    trp_message *copy = trpi_group_pick(&box);
    while (copy != NULL) {
        trp_pid to = {0, 0, (uint32_t)copy->ref, copy->generation};
        delivered += trp_send(ctx, to, copy) == 0 ? 1 : 0;
        copy = trpi_group_pick(&box);
    }
    if (error == 0 && count != NULL) {
        *count = delivered;
    }
    return error;
}
