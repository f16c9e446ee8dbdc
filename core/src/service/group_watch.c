/* Watching a group, a scope or everything. */
#include "service/group.h"

#include "base/lock.h"
#include "troupe/error.h"

#include <string.h>

/* The place after `at` in the tree below `top`, parents first; NULL at the end. */
static trpi_group_place *next_below(const trpi_group_place *top, trpi_group_place *at) {
    if (at->children != NULL) {
        return at->children;
    }
    while (at != top && at->next == NULL) {
        at = at->parent;
    }
    return at == top ? NULL : at->next;
}

/* Takes a watch out of the tree, and what lies ready for it. The lock is held. */
static void remove_watch(trp_ctx *ctx, trpi_groups *groups, trpi_group_watch *by) {
    trpi_group_free_leaves(ctx, by);
    *by->pprev = by->next;
    if (by->next != NULL) {
        by->next->pprev = by->pprev;
    }
    trpi_group_prune(ctx, groups, by->place);
}

/* The entry is given up: by unwatch, or because the watcher ends. */
static void end_watch(trp_ctx *ctx, trpi_wait *wait) {
    trpi_group_watch *by = (trpi_group_watch *)(void *)wait;
    trpi_groups *groups = trpi_groups_of(ctx);
    if (by->place != NULL) {
        trpi_lock(&groups->lock);
        remove_watch(ctx, groups, by);
        trpi_unlock(&groups->lock);
    }
    trpi_pool_free(&ctx->sched.pool, by, sizeof *by);
}

/* An event has come: others may follow. */
static bool told(trp_ctx *ctx, trpi_wait *wait) {
    (void)ctx;
    (void)wait;
    return false;
}

/* Hangs a watch into the tree and pushes its snapshot; all or nothing. The lock is held. */
static int begin_watch(trp_ctx *ctx, trpi_groups *groups, trpi_group_watch *by, const char *scope,
                       const char *group) {
    trpi_group_place *top = trpi_group_obtain(ctx, groups, scope, group);
    if (top == NULL) {
        return TRP_ENOMEM;
    }
    by->place = top;
    by->next = top->watches;
    by->pprev = &top->watches;
    if (by->next != NULL) {
        by->next->pprev = &by->next;
    }
    top->watches = by;
    trpi_group_outbox box = {NULL, NULL};
    int error = 0;
    for (trpi_group_place *at = top; at != NULL && error == 0; at = next_below(top, at)) {
        for (trpi_group_member *who = at->members; who != NULL && error == 0; who = who->next) {
            error = trpi_group_see(ctx, by, who, &box);
        }
    }
    if (error != 0) {
        trpi_group_free_all(ctx, &box);
        remove_watch(ctx, groups, by);
        by->place = NULL;
    }
    trpi_group_send_all(ctx, &box);
    return error;
}

/* A watch that watches nothing yet, with its entry. NULL when out of memory. */
static trpi_group_watch *new_watch(trp_ctx *ctx) {
    trpi_group_watch *by = trpi_pool_alloc(&ctx->sched.pool, sizeof *by);
    trpi_entry *entry = by == NULL ? NULL : trpi_entry_new(ctx, TRPI_ENTRY_WAIT);
    if (entry == NULL) {
        if (by != NULL) {
            trpi_pool_free(&ctx->sched.pool, by, sizeof *by);
        }
        return NULL;
    }
    memset(by, 0, sizeof *by);
    by->wait.end = end_watch;
    by->wait.woken = told;
    by->ref = trpi_load(&entry->ref, TRPI_RELAXED);
    entry->u.wait = &by->wait;
    return by;
}

int trp_group_watch(trp_ctx *ctx, const char *scope, const char *group, trp_ref *ref) {
    if ((scope != NULL && !trpi_group_is_name(scope)) ||
        (group != NULL && !trpi_group_is_name(group)) || (scope == NULL && group != NULL)) {
        return TRP_EINVAL;
    }
    trpi_actor *actor = ctx->frame.actor;
    if (actor == NULL) {
        return TRP_ESTATE;
    }
    trpi_groups *groups = trpi_groups_of(ctx);
    trpi_group_watch *by = groups == NULL ? NULL : new_watch(ctx);
    if (by == NULL) {
        return TRP_ENOMEM;
    }
    trp_ref made = by->ref;
    trpi_lock(&groups->lock);
    int error = begin_watch(ctx, groups, by, scope, group);
    trpi_unlock(&groups->lock);
    if (error != 0) {
        trpi_entry_give_up(ctx, trpi_entry_of(ctx, actor, made));
        return error;
    }
    if (ref != NULL) {
        *ref = made;
    }
    return 0;
}

int trp_group_unwatch(trp_ctx *ctx, trp_ref ref) {
    trpi_actor *actor = ctx->frame.actor;
    trpi_entry *entry = actor == NULL ? NULL : trpi_entry_of(ctx, actor, ref);
    if (entry == NULL || entry->kind != TRPI_ENTRY_WAIT || entry->u.wait->end != end_watch) {
        return TRP_ENOENT;
    }
    trpi_entry_give_up(ctx, entry);
    return 0;
}
