/*
 * The tree in which groups hang: everything, scopes, groups. A place is made when something is hung on
 * it and pruned when nothing hangs on it any more. One map finds a place by its parent and its text.
 */
#include "service/group.h"

#include "base/lock.h"

#include <string.h>

trpi_groups *trpi_groups_of(trp_ctx *ctx) {
    /* Acquire pairs with the release of whoever made it. */
    trpi_groups *groups = trpi_load(&ctx->runtime->groups, TRPI_ACQUIRE);
    if (groups != NULL) {
        return groups;
    }
    groups = trpi_pool_alloc(&ctx->sched.pool, sizeof *groups);
    if (groups == NULL) {
        return NULL;
    }
    memset(groups, 0, sizeof *groups);
    trpi_map_init(&groups->by_hash, &ctx->runtime->host);
    void *expected = NULL;
    if (!trpi_cas_ptr(&ctx->runtime->groups, &expected, groups, TRPI_ACQ_REL)) {
        trpi_pool_free(&ctx->sched.pool, groups, sizeof *groups);
        return expected; /* another scheduler was faster */
    }
    return groups;
}

bool trpi_group_is_name(const char *name) {
    return name != NULL && name[0] != '\0' && strlen(name) <= TRP_GROUP_NAME_MAX;
}

bool trpi_group_is_called(const trpi_group_place *at, const char *text) {
    return at->length == strlen(text) && memcmp(at->text, text, at->length) == 0;
}

static uint64_t hash_of(const trpi_group_place *parent, const char *text) {
    return trpi_hash(text, strlen(text)) ^ (parent->hash * UINT64_C(0x9e3779b97f4a7c15) + 1);
}

static size_t place_size(size_t length) {
    return sizeof(trpi_group_place) + length + 1;
}

static trpi_group_place *find_place(trpi_groups *groups, const trpi_group_place *parent,
                                    const char *text) {
    trpi_group_place *at = trpi_map_get(&groups->by_hash, hash_of(parent, text));
    while (at != NULL && (at->parent != parent || !trpi_group_is_called(at, text))) {
        at = at->next_of_hash;
    }
    return at;
}

trpi_group_place *trpi_group_find(trpi_groups *groups, const char *scope, const char *group) {
    const trpi_group_place *parent = find_place(groups, &groups->root, scope);
    return parent == NULL ? NULL : find_place(groups, parent, group);
}

static trp_message *make_event(trp_ctx *ctx, const trpi_group_place *scope, const char *group) {
    size_t length = strlen(group);
    trp_message *event = NULL;
    trp_builder builder;
    trp_builder_init(&builder, ctx, &trp_group_event_type, scope->length + length + 2);
    trp_builder_set(&builder, offsetof(trp_group_event, scope), scope->text, scope->length);
    trp_builder_set(&builder, offsetof(trp_group_event, group), group, length);
    return trp_builder_finish(&builder, &event) == 0 ? event : NULL;
}

static void free_place(trp_ctx *ctx, trpi_group_place *at) {
    trp_message_drop(ctx, at->event);
    trpi_pool_free(&ctx->sched.pool, at, place_size(at->length));
}

static trpi_group_place *add_place(trp_ctx *ctx, trpi_groups *groups, trpi_group_place *parent,
                                   const char *text) {
    size_t length = strlen(text);
    trpi_group_place *at = trpi_pool_alloc(&ctx->sched.pool, place_size(length));
    if (at == NULL) {
        return NULL;
    }
    memset(at, 0, sizeof *at);
    at->parent = parent;
    at->members_last = &at->members;
    at->hash = hash_of(parent, text);
    at->length = length;
    at->text = (char *)(at + 1);
    memcpy(at->text, text, length + 1);
    at->next_of_hash = trpi_map_get(&groups->by_hash, at->hash);
    bool is_group = parent->parent != NULL;
    at->event = is_group ? make_event(ctx, parent, text) : NULL;
    if ((is_group && at->event == NULL) || trpi_map_set(&groups->by_hash, at->hash, at) != 0) {
        free_place(ctx, at);
        return NULL;
    }
    at->next = parent->children;
    at->pprev = &parent->children;
    if (at->next != NULL) {
        at->next->pprev = &at->next;
    }
    parent->children = at;
    return at;
}

static void unmap(trpi_groups *groups, trpi_group_place *at) {
    trpi_group_place *first = trpi_map_get(&groups->by_hash, at->hash);
    if (first != at) {
        while (first->next_of_hash != at) {
            first = first->next_of_hash;
        }
        first->next_of_hash = at->next_of_hash;
    } else if (at->next_of_hash != NULL) {
        (void)trpi_map_set(&groups->by_hash, at->hash, at->next_of_hash);
    } else {
        (void)trpi_map_remove(&groups->by_hash, at->hash);
    }
}

void trpi_group_prune(trp_ctx *ctx, trpi_groups *groups, trpi_group_place *at) {
    while (at->parent != NULL && at->children == NULL && at->members == NULL &&
           at->watches == NULL) {
        trpi_group_place *parent = at->parent;
        unmap(groups, at);
        *at->pprev = at->next;
        if (at->next != NULL) {
            at->next->pprev = at->pprev;
        }
        free_place(ctx, at);
        at = parent;
    }
    if (groups->root.children == NULL) {
        trpi_map_deinit(&groups->by_hash);
    }
}

trpi_group_place *trpi_group_obtain(trp_ctx *ctx, trpi_groups *groups, const char *scope,
                                    const char *group) {
    const char *texts[] = {scope, group};
    trpi_group_place *at = &groups->root;
    for (int i = 0; i < 2 && texts[i] != NULL; i++) {
        trpi_group_place *below = find_place(groups, at, texts[i]);
        if (below == NULL) {
            below = add_place(ctx, groups, at, texts[i]);
        }
        if (below == NULL) {
            trpi_group_prune(ctx, groups, at);
            return NULL;
        }
        at = below;
    }
    return at;
}
