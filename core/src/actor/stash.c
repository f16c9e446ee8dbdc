/* The stash; its design is told in stash.h. */
#include "actor/stash.h"

#include "actor/entry.h"
#include "troupe/error.h"
#include "troupe/link.h"
#include "troupe/monitor.h"

#include <string.h>

/*
 * Messages with one key, oldest first, chained by their links. Their age is in the fields that name
 * the addressee in the mailbox.
 */
typedef struct stash_list {
    trp_message *first;
    trp_message *last;
    trpi_key key;
    uint32_t heap_at;
} stash_list;

struct trpi_stash {
    trpi_pool *pool; /* of the scheduler that runs the actor now */
    trpi_map by_tag;
    trpi_map by_ref;
    stash_list keyless;
    bool has_strays;   /* some in the list without key have one: there was no memory for theirs */
    stash_list **heap; /* lists with messages, the one with the oldest first message on top */
    uint32_t heap_len;
    uint32_t heap_capacity;
    uint64_t age;       /* given to the next message */
    uint64_t front_age; /* given to the next one that is put back */
    trp_ref muted_by;
    bool is_filtering;
    bool has_none;           /* nothing that waits is asked for: known until one of both changes */
    bool is_shared;          /* several wait in the actor: every message goes past here */
    trpi_key admitted;       /* of the message that was let through last */
    const trpi_wish *wishes; /* chained */
    trpi_wish own;           /* the only one, unless the stash is shared */
    uint64_t tags[TRP_FILTER_TAGS_MAX];
};

enum { FIRST_HEAP = 8 };

/* Ages have 48 bits; what is put back counts down from here. */
#define FIRST_AGE (UINT64_C(1) << 40)

/* ---- age ---- */

static void set_age(trp_message *message, uint64_t age) {
    message->generation = (uint32_t)age;
    message->reserved = (uint16_t)(age >> 32);
}

static uint64_t age_of(const trp_message *message) {
    return (uint64_t)message->reserved << 32 | message->generation;
}

/* ---- the heap of lists ---- */

static bool is_older(const stash_list *a, const stash_list *b) {
    return age_of(a->first) < age_of(b->first);
}

static void place(trpi_stash *stash, stash_list *list, uint32_t at) {
    stash->heap[at] = list;
    list->heap_at = at;
}

static void sift_up(trpi_stash *stash, stash_list *list) {
    uint32_t at = list->heap_at;
    while (at > 0 && is_older(list, stash->heap[(at - 1) / 2])) {
        place(stash, stash->heap[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    place(stash, list, at);
}

static void sift_down(trpi_stash *stash, stash_list *list) {
    uint32_t at = list->heap_at;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= stash->heap_len) {
            break;
        }
        if (child + 1 < stash->heap_len && is_older(stash->heap[child + 1], stash->heap[child])) {
            child++;
        }
        if (!is_older(stash->heap[child], list)) {
            break;
        }
        place(stash, stash->heap[child], at);
        at = child;
    }
    place(stash, list, at);
}

/*
 * Room for one list more, and always one for the list without key, which must never fail to get in.
 */
static bool reserve_heap(trpi_stash *stash) {
    if (stash->heap_len + 1 < stash->heap_capacity) {
        return true;
    }
    const trp_host *host = stash->pool->host;
    uint32_t capacity = stash->heap_capacity == 0 ? FIRST_HEAP : stash->heap_capacity * 2;
    stash_list **heap =
        host->realloc(host->self, stash->heap, stash->heap_capacity * sizeof *stash->heap,
                      capacity * sizeof *stash->heap);
    if (heap == NULL) {
        return false;
    }
    stash->heap = heap;
    stash->heap_capacity = capacity;
    return true;
}

static void heap_add(trpi_stash *stash, stash_list *list) {
    list->heap_at = stash->heap_len++;
    sift_up(stash, list);
}

static void heap_remove(trpi_stash *stash, stash_list *list) {
    stash_list *moved = stash->heap[--stash->heap_len];
    if (moved != list) {
        place(stash, moved, list->heap_at);
        sift_up(stash, moved);
        sift_down(stash, moved);
    }
}

/* ---- lists ---- */

static trpi_map *map_of(trpi_stash *stash, trpi_key key) {
    return key.is_ref ? &stash->by_ref : &stash->by_tag;
}

/*
 * The list of `key`, made if need be. The list without key if there is none, or no memory for one.
 */
static stash_list *list_for(trpi_stash *stash, trpi_key key) {
    if (key.value == 0) {
        return &stash->keyless;
    }
    stash_list *list = trpi_map_get(map_of(stash, key), key.value);
    if (list != NULL) {
        return list;
    }
    list = reserve_heap(stash) ? trpi_pool_alloc(stash->pool, sizeof *list) : NULL;
    if (list == NULL) {
        stash->has_strays = true;
        return &stash->keyless;
    }
    *list = (stash_list){NULL, NULL, key, 0};
    if (trpi_map_set(map_of(stash, key), key.value, list) != 0) {
        trpi_pool_free(stash->pool, list, sizeof *list);
        stash->has_strays = true;
        return &stash->keyless;
    }
    return list;
}

static trp_message *next_of(trp_message *message) {
    return trpi_load(&message->link.next, TRPI_RELAXED);
}

/* Takes `message`, which follows `before` (NULL: is first), out of its list. */
static void unchain(trpi_stash *stash, stash_list *list, trp_message *before,
                    trp_message *message) {
    trp_message *after = next_of(message);
    if (before != NULL) {
        trpi_store(&before->link.next, after, TRPI_RELAXED);
    } else {
        list->first = after;
    }
    if (after == NULL) {
        list->last = before;
    }
    if (list->first == NULL) {
        heap_remove(stash, list);
        if (list != &stash->keyless) {
            (void)trpi_map_remove(map_of(stash, list->key), list->key.value);
            trpi_pool_free(stash->pool, list, sizeof *list);
        }
    } else if (before == NULL) {
        sift_down(stash, list);
    }
    message->reserved = 0;
}

void trpi_stash_add(trp_ctx *ctx, trpi_stash *stash, trp_message *message, trpi_key key) {
    stash->pool = &ctx->sched.pool;
    stash->has_none = false;
    stash_list *list = list_for(stash, key);
    set_age(message, stash->age++);
    trpi_store(&message->link.next, NULL, TRPI_RELAXED);
    if (list->first == NULL) {
        list->first = message;
        list->last = message;
        heap_add(stash, list); /* room was reserved: with the list, for the keyless one beyond */
    } else {
        trpi_store(&list->last->link.next, message, TRPI_RELAXED);
        list->last = message;
    }
}

void trpi_stash_put_back(trp_ctx *ctx, trpi_stash *stash, trp_message *message) {
    stash->pool = &ctx->sched.pool;
    stash->has_none = false;
    stash_list *list = list_for(stash, trpi_key_of(message));
    bool is_new = list->first == NULL;
    set_age(message, --stash->front_age);
    trpi_store(&message->link.next, list->first, TRPI_RELAXED);
    list->first = message;
    if (is_new) {
        list->last = message;
        heap_add(stash, list);
    } else {
        sift_up(stash, list);
    }
}

/* ---- what the filter asks for ---- */

bool trpi_wish_matches(const trpi_wish *wish, trpi_key key) {
    if (key.value == 0) {
        return false;
    }
    if (key.is_ref) {
        return key.value == wish->refs[0] || key.value == wish->refs[1] ||
               key.value == wish->refs[2];
    }
    for (size_t i = 0; i < wish->tags_len; i++) {
        if (wish->tags[i] == key.value) {
            return true;
        }
    }
    return false;
}

static bool matches(const trpi_stash *stash, trpi_key key) {
    const trpi_wish *wish = stash->wishes;
    while (wish != NULL && !trpi_wish_matches(wish, key)) {
        wish = wish->next;
    }
    return wish != NULL;
}

bool trpi_stash_admits(trpi_stash *stash, trpi_key key, bool is_event) {
    stash->admitted = key;
    if (stash->muted_by != 0) {
        return key.is_ref && key.value == stash->muted_by;
    }
    return stash->is_filtering ? matches(stash, key) : is_event || stash->heap_len == 0;
}

trpi_key trpi_stash_admitted(const trpi_stash *stash) {
    return stash->admitted;
}

/*
 * The oldest list among those that the filter asks for, and the list without key if one in there
 * matches and is older.
 */
typedef struct candidate {
    stash_list *list;
    trp_message *before;
    trp_message *message;
} candidate;

static void consider(candidate *best, stash_list *list, trp_message *before, trp_message *message) {
    if (best->message == NULL || age_of(message) < age_of(best->message)) {
        *best = (candidate){list, before, message};
    }
}

static void consider_list(candidate *best, const trpi_map *map, uint64_t key) {
    stash_list *list = key == 0 || map->count == 0 ? NULL : trpi_map_get(map, key);
    if (list != NULL) {
        consider(best, list, NULL, list->first);
    }
}

static void consider_keyless(trpi_stash *stash, candidate *best) {
    trp_message *before = NULL;
    trp_message *message = stash->keyless.first;
    while (message != NULL) {
        if (matches(stash, trpi_key_of(message))) {
            consider(best, &stash->keyless, before, message);
            return;
        }
        before = message;
        message = next_of(message);
    }
}

trp_message *trpi_stash_oldest(trp_ctx *ctx, trpi_stash *stash) {
    stash->pool = &ctx->sched.pool;
    if (stash->heap_len == 0) {
        return NULL;
    }
    stash_list *list = stash->heap[0];
    trp_message *message = list->first;
    unchain(stash, list, NULL, message);
    return message;
}

/* Finds the oldest waiting message that the filter lets through. */
static candidate find_next(trpi_stash *stash) {
    candidate best = {NULL, NULL, NULL};
    for (const trpi_wish *wish = stash->wishes; wish != NULL; wish = wish->next) {
        for (size_t i = 0; i < wish->tags_len; i++) {
            consider_list(&best, &stash->by_tag, wish->tags[i]);
        }
        for (size_t i = 0; i < 3; i++) {
            consider_list(&best, &stash->by_ref, wish->refs[i]);
        }
    }
    if (stash->has_strays) {
        consider_keyless(stash, &best);
    }
    stash->has_none = best.message == NULL && !stash->is_shared; /* then wishes come and go */
    return best;
}

bool trpi_stash_has_next(trpi_stash *stash) {
    if (stash->muted_by != 0 || stash->has_none) {
        return false; /* the reply that ends it never waits: it was admitted when it came */
    }
    return stash->is_filtering ? find_next(stash).message != NULL : stash->heap_len > 0;
}

static trp_message *take_next(trp_ctx *ctx, trpi_stash *stash) {
    if (!stash->is_filtering) {
        return trpi_stash_oldest(ctx, stash);
    }
    stash->pool = &ctx->sched.pool;
    candidate best = find_next(stash);
    if (best.message != NULL) {
        unchain(stash, best.list, best.before, best.message);
    }
    return best.message;
}

trp_message *trpi_stash_next(trp_ctx *ctx, trpi_stash *stash) {
    bool has_none = stash->muted_by != 0 || stash->has_none;
    trp_message *message = has_none ? NULL : take_next(ctx, stash);
    if (message != NULL) {
        stash->admitted = trpi_key_of(message);
    }
    return message;
}

/* A signal that was lent has become a plain message; its key is in its body. */
static trpi_key key_of_returned(trp_message *message) {
    if (message->type == &trp_down_type) {
        return (trpi_key){((const trp_down *)trpi_body(message))->ref, true};
    }
    if (message->type == &trp_timeout_type) {
        const trp_timeout *timeout = trpi_body(message);
        return timeout->tag != 0 ? (trpi_key){timeout->tag, false} : (trpi_key){timeout->ref, true};
    }
    return (trpi_key){message->tag, false};
}

trpi_key trpi_key_of(trp_message *message) {
    switch ((trpi_kind)message->kind) {
    case TRPI_REPLY:
    case TRPI_REPLY_ERROR:
    case TRPI_DOWN:
        return (trpi_key){message->ref, true};
    case TRPI_TIMER: {
        trpi_entry *entry = trpi_entry_of_signal(message);
        uint64_t tag = entry->kind == TRPI_ENTRY_TIMER ? trpi_entry_tag(entry) : 0;
        return tag != 0 ? (trpi_key){tag, false} : (trpi_key){message->ref, true};
    }
    default:
        return (message->flags & TRPI_FLAG_RETURNED) != 0 ? key_of_returned(message)
                                                          : (trpi_key){message->tag, false};
    }
}

bool trpi_stash_is_idle(const trpi_stash *stash) {
    return !stash->is_filtering && stash->heap_len == 0 && stash->muted_by == 0 &&
           !stash->is_shared;
}

void trpi_stash_mute(trpi_stash *stash, trp_ref ref) {
    stash->muted_by = ref;
}

trp_ref trpi_stash_muted_by(const trpi_stash *stash) {
    return stash->muted_by;
}

/* ---- the API ---- */

trpi_stash *trpi_stash_of(trp_ctx *ctx, trpi_actor *actor) {
    trpi_side *side = trpi_actor_side(ctx, actor);
    if (side == NULL || side->stash != NULL) {
        actor->flags |= TRPI_ACTOR_STASHES;
        return side == NULL ? NULL : side->stash;
    }
    trpi_stash *stash = trpi_pool_alloc(&ctx->sched.pool, sizeof *stash);
    if (stash == NULL) {
        return NULL;
    }
    memset(stash, 0, sizeof *stash);
    stash->pool = &ctx->sched.pool;
    stash->age = FIRST_AGE;
    stash->front_age = FIRST_AGE;
    trpi_map_init(&stash->by_tag, &ctx->runtime->host);
    trpi_map_init(&stash->by_ref, &ctx->runtime->host);
    if (!reserve_heap(stash)) {
        trpi_pool_free(&ctx->sched.pool, stash, sizeof *stash);
        return NULL;
    }
    side->stash = stash;
    actor->flags |= TRPI_ACTOR_STASHES;
    return stash;
}

void trpi_stash_destroy(trp_ctx *ctx, trpi_stash *stash) {
    const trp_host *host = &ctx->runtime->host;
    trpi_map_deinit(&stash->by_tag);
    trpi_map_deinit(&stash->by_ref);
    host->realloc(host->self, stash->heap, stash->heap_capacity * sizeof *stash->heap, 0);
    trpi_pool_free(&ctx->sched.pool, stash, sizeof *stash);
}

void trpi_stash_filter(trpi_stash *stash, const trp_filter *filter, trp_ref second_ref,
                       trp_ref third_ref) {
    stash->is_filtering = true;
    /* The usual filter, for one reply, needs no search while no reply waits. */
    stash->has_none = filter->tags_len == 0 && stash->by_ref.count == 0 && !stash->has_strays;
    stash->own =
        (trpi_wish){NULL, stash->tags, filter->tags_len, {filter->ref, second_ref, third_ref}};
    stash->wishes = &stash->own;
    if (filter->tags_len > 0) {
        memcpy(stash->tags, filter->tags, filter->tags_len * sizeof *filter->tags);
    }
}

void trpi_stash_filter_wishes(trpi_stash *stash, const trpi_wish *wishes) {
    stash->is_filtering = true;
    stash->has_none = false;
    stash->is_shared = true;
    stash->wishes = wishes;
}

void trpi_stash_unfilter(trpi_stash *stash) {
    stash->is_filtering = false;
    stash->has_none = false;
}

int trp_filter_set(trp_ctx *ctx, const trp_filter *filter) {
    trpi_actor *actor = ctx->frame.actor;
    if (actor == NULL) {
        return TRP_ESTATE;
    }
    bool asks_for_something = filter->tags_len > 0 || filter->ref != 0;
    if (!asks_for_something || filter->tags_len > TRP_FILTER_TAGS_MAX) {
        return TRP_EINVAL;
    }
    trpi_stash *stash = trpi_stash_of(ctx, actor);
    if (stash == NULL) {
        return TRP_ENOMEM;
    }
    trpi_stash_filter(stash, filter, 0, 0);
    return 0;
}

void trp_filter_clear(trp_ctx *ctx) {
    trpi_actor *actor = ctx->frame.actor;
    if (actor != NULL && (actor->flags & TRPI_ACTOR_STASHES) != 0) {
        trpi_stash_unfilter(actor->side->stash);
    }
}
