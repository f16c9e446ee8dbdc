/*
 * Groups. Places form a tree of three levels: everything, scopes, groups. Members hang on groups,
 * watches on any place, and a place vanishes when nothing hangs on it. All of it is under one lock
 * that the schedulers share.
 *
 * Exact events. Who changes something collects the events under the lock and sends them when it has
 * let go, because a send may wake a scheduler. That keeps them in order all the same: all events of
 * one member are sent by that member itself, one after the other; and a new watch's snapshot is
 * pushed under the lock, which is safe because the watcher is running: its mailbox schedules
 * nothing. So the snapshot stands before whatever happens next.
 *
 * An event travels as a reply to the watch's ref. So it finds the watcher by the ref alone, is
 * exempt from mailbox limits, and is dropped at the door of the handler if the watch is over.
 *
 * Memory. For each member that a watch sees, the LEAVE event lies ready: made when the later of the
 * two came. It hangs on both, by a struct in its body, and goes with whichever ends first. A change
 * therefore costs the lock for a time that grows with those who watch; blocks come from the
 * scheduler's pool, which seldom asks the host.
 */
#include "troupe/group.h"

#include "actor/actor.h"
#include "actor/entry.h"
#include "base/lock.h"
#include "troupe/error.h"

#include <string.h>

#define EVENT_FIELDS(F)                                                                            \
    F(ref, ref, 1)                                                                                 \
    F(pid, pid, 2)                                                                                 \
    F(u32, kind, 3)                                                                                \
    F(string, scope, 4)                                                                            \
    F(string, group, 5)
TRP_TYPE_DEFINE(trp_group_event, "troupe.GroupEvent", EVENT_FIELDS)

typedef struct member member;
typedef struct watch watch;

typedef struct place {
    struct place *parent; /* NULL: this is everything */
    struct place *children;
    struct place *next; /* of the parent's children */
    struct place **pprev;
    struct place *next_of_hash;
    watch *watches;
    member *members;
    member **members_last;
    size_t members_len;
    trp_message *event; /* of a group: what its events are copied from */
    uint64_t hash;
    size_t length;
    char *text; /* lies behind the struct */
} place;

/* One actor in one group. */
struct member {
    member *next; /* of the group */
    member **pprev;
    member *next_of_actor;
    place *group;
    trp_pid pid;
    trp_message *leaves; /* LEAVE events that lie ready, one for each watch that sees it */
};

/* What an actor's side block points to. */
typedef struct memberships {
    trpi_kept kept; /* first */
    member *first;
} memberships;

/* Belongs to its actor's entry. */
struct watch {
    trpi_wait wait; /* first */
    watch *next;    /* of the place */
    watch **pprev;
    place *place;
    trp_ref ref;
    trp_message *leaves; /* LEAVE events that lie ready, one for each member it sees */
};

/* The body of a LEAVE event that lies ready. */
typedef struct ready {
    trp_message *next_of_member;
    trp_message **pprev_of_member;
    trp_message *next_of_watch;
    trp_message **pprev_of_watch;
} ready;

_Static_assert(sizeof(ready) <= sizeof(trp_group_event), "the links fit into the event's struct");

/* Events to be sent, first first, chained by their links. */
typedef struct outbox {
    trp_message *first;
    trp_message *last;
} outbox;

/*
 * Made on first use and kept for the runtime's life; the memory is the pool's, which goes last.
 */
typedef struct registry {
    trpi_atomic_u32 lock;
    trpi_map by_hash; /* places; empty, and without memory, when there are none */
    place root;
} registry;

/* ---- places ---- */

/* The registry, or NULL when out of memory. */
static registry *registry_of(trp_ctx *ctx) {
    /* Acquire pairs with the release of whoever made it. */
    registry *groups = trpi_load(&ctx->runtime->groups, TRPI_ACQUIRE);
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

static bool is_valid(const char *name) {
    return name != NULL && name[0] != '\0' && strlen(name) <= TRP_GROUP_NAME_MAX;
}

static bool is_called(const place *at, const char *text) {
    return at->length == strlen(text) && memcmp(at->text, text, at->length) == 0;
}

static uint64_t hash_of(const place *parent, const char *text) {
    return trpi_hash(text, strlen(text)) ^ (parent->hash * UINT64_C(0x9e3779b97f4a7c15) + 1);
}

static size_t place_size(size_t length) {
    return sizeof(place) + length + 1;
}

static place *find_place(registry *groups, const place *parent, const char *text) {
    place *at = trpi_map_get(&groups->by_hash, hash_of(parent, text));
    while (at != NULL && (at->parent != parent || !is_called(at, text))) {
        at = at->next_of_hash;
    }
    return at;
}

static place *find_group(registry *groups, const char *scope, const char *group) {
    const place *parent = find_place(groups, &groups->root, scope);
    return parent == NULL ? NULL : find_place(groups, parent, group);
}

static trp_message *make_event(trp_ctx *ctx, const place *scope, const char *group) {
    size_t length = strlen(group);
    trp_message *event = NULL;
    trp_builder builder;
    trp_builder_init(&builder, ctx, &trp_group_event_type, scope->length + length + 2);
    trp_builder_set(&builder, offsetof(trp_group_event, scope), scope->text, scope->length);
    trp_builder_set(&builder, offsetof(trp_group_event, group), group, length);
    return trp_builder_finish(&builder, &event) == 0 ? event : NULL;
}

static void free_place(trp_ctx *ctx, place *at) {
    trp_message_drop(ctx, at->event);
    trpi_pool_free(&ctx->sched.pool, at, place_size(at->length));
}

static place *add_place(trp_ctx *ctx, registry *groups, place *parent, const char *text) {
    size_t length = strlen(text);
    place *at = trpi_pool_alloc(&ctx->sched.pool, place_size(length));
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

static void unmap(registry *groups, place *at) {
    place *first = trpi_map_get(&groups->by_hash, at->hash);
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

/* Removes a place on which nothing hangs any more, and those above it. */
static void prune(trp_ctx *ctx, registry *groups, place *at) {
    while (at->parent != NULL && at->children == NULL && at->members == NULL &&
           at->watches == NULL) {
        place *parent = at->parent;
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

/*
 * The place of these names, made if need be; the root if both are NULL. NULL when out of memory.
 */
static place *obtain_place(trp_ctx *ctx, registry *groups, const char *scope, const char *group) {
    const char *texts[] = {scope, group};
    place *at = &groups->root;
    for (int i = 0; i < 2 && texts[i] != NULL; i++) {
        place *below = find_place(groups, at, texts[i]);
        if (below == NULL) {
            below = add_place(ctx, groups, at, texts[i]);
        }
        if (below == NULL) {
            prune(ctx, groups, at);
            return NULL;
        }
        at = below;
    }
    return at;
}

/* ---- events ---- */

static void put(outbox *box, trp_message *message) {
    trpi_store(&message->link.next, NULL, TRPI_RELAXED);
    if (box->first == NULL) {
        box->first = message;
    } else {
        trpi_store(&box->last->link.next, &message->link, TRPI_RELAXED);
    }
    box->last = message;
}

static trp_message *pick(outbox *box) {
    trp_message *message = box->first;
    if (message != NULL) {
        box->first = trpi_load(&message->link.next, TRPI_RELAXED);
    }
    return message;
}

static void send_all(trp_ctx *ctx, outbox *box) {
    trp_message *event = pick(box);
    while (event != NULL) {
        (void)trpi_send_reply(ctx, event);
        event = pick(box);
    }
}

static void free_all(trp_ctx *ctx, outbox *box) {
    trp_message *message = pick(box);
    while (message != NULL) {
        trpi_message_free(&ctx->sched.pool, message);
        message = pick(box);
    }
}

/* Makes a copy of a group's event say what has happened. Its texts are in its tail already. */
static void fill_event(trp_message *message, const member *who, trp_ref ref, uint32_t kind) {
    trp_group_event *event = trpi_body(message);
    memcpy(event, trpi_body(who->group->event), sizeof *event);
    event->ref = ref;
    event->pid = who->pid;
    event->kind = kind;
    message->kind = TRPI_REPLY;
    message->ref = ref;
}

static void hang_ready(trp_message *leave, member *who, watch *by) {
    ready *links = trpi_body(leave);
    links->next_of_member = who->leaves;
    links->pprev_of_member = &who->leaves;
    if (who->leaves != NULL) {
        ((ready *)trpi_body(who->leaves))->pprev_of_member = &links->next_of_member;
    }
    who->leaves = leave;
    links->next_of_watch = by->leaves;
    links->pprev_of_watch = &by->leaves;
    if (by->leaves != NULL) {
        ((ready *)trpi_body(by->leaves))->pprev_of_watch = &links->next_of_watch;
    }
    by->leaves = leave;
    leave->ref = by->ref;
}

static void unhang_ready(trp_message *leave) {
    ready *links = trpi_body(leave);
    *links->pprev_of_member = links->next_of_member;
    if (links->next_of_member != NULL) {
        ((ready *)trpi_body(links->next_of_member))->pprev_of_member = links->pprev_of_member;
    }
    *links->pprev_of_watch = links->next_of_watch;
    if (links->next_of_watch != NULL) {
        ((ready *)trpi_body(links->next_of_watch))->pprev_of_watch = links->pprev_of_watch;
    }
}

/* `by` sees `who` from now on: the JOIN event goes to the box, the LEAVE event lies ready. */
static int see(trp_ctx *ctx, watch *by, member *who, outbox *box) {
    trp_message *join = trp_message_copy(ctx, who->group->event);
    trp_message *leave = join == NULL ? NULL : trp_message_copy(ctx, who->group->event);
    if (leave == NULL) {
        trp_message_drop(ctx, join);
        return TRP_ENOMEM;
    }
    fill_event(join, who, by->ref, TRP_GROUP_JOIN);
    put(box, join);
    hang_ready(leave, who, by);
    return 0;
}

/* Takes what lies ready for a member away: to the box, or if that is NULL back to the pool. */
static void end_ready(trp_ctx *ctx, member *who, outbox *box) {
    while (who->leaves != NULL) {
        trp_message *leave = who->leaves;
        unhang_ready(leave);
        if (box == NULL) {
            trpi_message_free(&ctx->sched.pool, leave);
        } else {
            fill_event(leave, who, leave->ref, TRP_GROUP_LEAVE);
            put(box, leave);
        }
    }
}

/* ---- members ---- */

static void add_member(member *who, place *group) {
    who->group = group;
    who->next = NULL;
    who->pprev = group->members_last;
    *group->members_last = who;
    group->members_last = &who->next;
    group->members_len++;
}

static void remove_member(trp_ctx *ctx, registry *groups, member *who) {
    place *group = who->group;
    *who->pprev = who->next;
    if (who->next == NULL) {
        group->members_last = who->pprev;
    } else {
        who->next->pprev = who->pprev;
    }
    group->members_len--;
    prune(ctx, groups, group);
}

/* Adds the member for everyone who watches; all or nothing. The lock is held. */
static int join(trp_ctx *ctx, registry *groups, member *who, const char *scope, const char *group,
                outbox *box) {
    place *at = obtain_place(ctx, groups, scope, group);
    if (at == NULL) {
        return TRP_ENOMEM;
    }
    add_member(who, at);
    int error = 0;
    for (; at != NULL && error == 0; at = at->parent) {
        for (watch *by = at->watches; by != NULL && error == 0; by = by->next) {
            error = see(ctx, by, who, box);
        }
    }
    if (error != 0) {
        end_ready(ctx, who, NULL);
        free_all(ctx, box);
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
static member **find_membership(memberships *of, const char *scope, const char *group) {
    member **at = &of->first;
    while (*at != NULL &&
           !(is_called((*at)->group, group) && is_called((*at)->group->parent, scope))) {
        at = &(*at)->next_of_actor;
    }
    return at;
}

int trp_group_join(trp_ctx *ctx, const char *scope, const char *group) {
    if (!is_valid(scope) || !is_valid(group)) {
        return TRP_EINVAL;
    }
    if (ctx->frame.actor == NULL) {
        return TRP_ESTATE;
    }
    registry *groups = registry_of(ctx);
    memberships *mine = groups == NULL ? NULL : memberships_of(ctx);
    if (mine == NULL) {
        return TRP_ENOMEM;
    }
    if (*find_membership(mine, scope, group) != NULL) {
        return 0;
    }
    member *who = trpi_pool_alloc(&ctx->sched.pool, sizeof *who);
    if (who == NULL) {
        return TRP_ENOMEM;
    }
    memset(who, 0, sizeof *who);
    who->pid = trp_self(ctx);
    outbox box = {NULL, NULL};
    trpi_lock(&groups->lock);
    int error = join(ctx, groups, who, scope, group, &box);
    trpi_unlock(&groups->lock);
    if (error != 0) {
        trpi_pool_free(&ctx->sched.pool, who, sizeof *who);
        return error;
    }
    who->next_of_actor = mine->first;
    mine->first = who;
    send_all(ctx, &box);
    return 0;
}

int trp_group_leave(trp_ctx *ctx, const char *scope, const char *group) {
    if (!is_valid(scope) || !is_valid(group)) {
        return TRP_EINVAL;
    }
    const trpi_actor *actor = ctx->frame.actor;
    if (actor == NULL || actor->side == NULL || actor->side->groups == NULL) {
        return TRP_ENOENT;
    }
    member **at = find_membership((memberships *)(void *)actor->side->groups, scope, group);
    member *who = *at;
    if (who == NULL) {
        return TRP_ENOENT;
    }
    *at = who->next_of_actor;
    registry *groups = registry_of(ctx);
    outbox box = {NULL, NULL};
    trpi_lock(&groups->lock);
    end_ready(ctx, who, &box);
    remove_member(ctx, groups, who);
    trpi_unlock(&groups->lock);
    trpi_pool_free(&ctx->sched.pool, who, sizeof *who);
    send_all(ctx, &box);
    return 0;
}

/* The actor ends. Like so many leaves, but the lock is taken once. */
static void release(trp_ctx *ctx, trpi_actor *actor) {
    memberships *mine = (memberships *)(void *)actor->side->groups;
    registry *groups = registry_of(ctx);
    outbox box = {NULL, NULL};
    actor->side->groups = NULL;
    trpi_lock(&groups->lock);
    for (member *who = mine->first; who != NULL; who = who->next_of_actor) {
        end_ready(ctx, who, &box);
        remove_member(ctx, groups, who);
    }
    trpi_unlock(&groups->lock);
    while (mine->first != NULL) {
        member *who = mine->first;
        mine->first = who->next_of_actor;
        trpi_pool_free(&ctx->sched.pool, who, sizeof *who);
    }
    trpi_pool_free(&ctx->sched.pool, mine, sizeof *mine);
    send_all(ctx, &box);
}

/* ---- asking and sending ---- */

int trp_group_members(trp_ctx *ctx, const char *scope, const char *group, trp_pid *pids,
                      size_t capacity, size_t *count) {
    if (!is_valid(scope) || !is_valid(group)) {
        return TRP_EINVAL;
    }
    /* Acquire as in registry_of. Without a registry there are no members. */
    registry *groups = trpi_load(&ctx->runtime->groups, TRPI_ACQUIRE);
    *count = 0;
    if (groups == NULL) {
        return 0;
    }
    trpi_lock(&groups->lock);
    const place *at = find_group(groups, scope, group);
    const member *who = at == NULL ? NULL : at->members;
    for (size_t i = 0; i < capacity && who != NULL; i++) {
        pids[i] = who->pid;
        who = who->next;
    }
    *count = at == NULL ? 0 : at->members_len;
    trpi_unlock(&groups->lock);
    return 0;
}

/* A copy of `message` for each member, with the addressee in its ref and generation. */
static int copy_for_all(trp_ctx *ctx, const place *at, const trp_message *message, outbox *box) {
    for (const member *who = at->members; who != NULL; who = who->next) {
        trp_message *copy = trp_message_copy(ctx, message);
        if (copy == NULL) {
            free_all(ctx, box);
            return TRP_ENOMEM;
        }
        copy->ref = who->pid.index;
        copy->generation = who->pid.generation;
        put(box, copy);
    }
    return 0;
}

int trp_group_broadcast(trp_ctx *ctx, const char *scope, const char *group,
                        const trp_message *message, size_t *count) {
    if (!is_valid(scope) || !is_valid(group)) {
        return TRP_EINVAL;
    }
    if (message == NULL) {
        return TRP_ENOMEM;
    }
    registry *groups = trpi_load(&ctx->runtime->groups, TRPI_ACQUIRE); /* as in registry_of */
    outbox box = {NULL, NULL};
    size_t delivered = 0;
    int error = 0;
    if (groups != NULL) {
        trpi_lock(&groups->lock);
        const place *at = find_group(groups, scope, group);
        error = at == NULL ? 0 : copy_for_all(ctx, at, message, &box);
        trpi_unlock(&groups->lock);
    }
    trp_message *copy = pick(&box);
    while (copy != NULL) {
        trp_pid to = {0, 0, (uint32_t)copy->ref, copy->generation};
        delivered += trp_send(ctx, to, copy) == 0 ? 1 : 0;
        copy = pick(&box);
    }
    if (error == 0 && count != NULL) {
        *count = delivered;
    }
    return error;
}

/* ---- watching ---- */

/* The place after `at` in the tree below `top`, parents first; NULL at the end. */
static place *next_below(const place *top, place *at) {
    if (at->children != NULL) {
        return at->children;
    }
    while (at != top && at->next == NULL) {
        at = at->parent;
    }
    return at == top ? NULL : at->next;
}

/* Takes a watch out of the tree, and what lies ready for it. The lock is held. */
static void remove_watch(trp_ctx *ctx, registry *groups, watch *by) {
    while (by->leaves != NULL) {
        trp_message *leave = by->leaves;
        unhang_ready(leave);
        trpi_message_free(&ctx->sched.pool, leave);
    }
    *by->pprev = by->next;
    if (by->next != NULL) {
        by->next->pprev = by->pprev;
    }
    prune(ctx, groups, by->place);
}

/* The entry is given up: by unwatch, or because the watcher ends. */
static void end_watch(trp_ctx *ctx, trpi_wait *wait) {
    watch *by = (watch *)(void *)wait;
    registry *groups = registry_of(ctx);
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
static int begin_watch(trp_ctx *ctx, registry *groups, watch *by, const char *scope,
                       const char *group) {
    place *top = obtain_place(ctx, groups, scope, group);
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
    outbox box = {NULL, NULL};
    int error = 0;
    for (place *at = top; at != NULL && error == 0; at = next_below(top, at)) {
        for (member *who = at->members; who != NULL && error == 0; who = who->next) {
            error = see(ctx, by, who, &box);
        }
    }
    if (error != 0) {
        free_all(ctx, &box);
        remove_watch(ctx, groups, by);
        by->place = NULL;
    }
    send_all(ctx, &box);
    return error;
}

/* A watch that watches nothing yet, with its entry. NULL when out of memory. */
static watch *new_watch(trp_ctx *ctx) {
    watch *by = trpi_pool_alloc(&ctx->sched.pool, sizeof *by);
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
    if ((scope != NULL && !is_valid(scope)) || (group != NULL && !is_valid(group)) ||
        (scope == NULL && group != NULL)) {
        return TRP_EINVAL;
    }
    trpi_actor *actor = ctx->frame.actor;
    if (actor == NULL) {
        return TRP_ESTATE;
    }
    registry *groups = registry_of(ctx);
    watch *by = groups == NULL ? NULL : new_watch(ctx);
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
