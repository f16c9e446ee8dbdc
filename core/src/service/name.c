/*
 * The registry of names: a map under one lock, shared by all schedulers, and a chain from each
 * actor to its names, so that its end frees them before anyone is told of it. A name whose record
 * has no pid is reserved: its actor is still in init.
 */
#include "troupe/name.h"

#include "actor/actor.h"
#include "base/lock.h"
#include "service/name.h"
#include "troupe/error.h"

#include <string.h>

typedef struct name_record {
    struct name_record *next_of_hash;  /* other names with the same hash */
    struct name_record *next_of_actor; /* other names of the same actor */
    trp_pid pid;
    uint64_t hash;
    size_t length;
    char text[];
} name_record;

typedef struct name_registry {
    trpi_atomic_u32 lock; /* guards all of it; what it allocates are map cells, rarely */
    trpi_map by_hash;
} name_registry;

static void release(trp_ctx *ctx, trpi_actor *actor);
static int claim(trp_ctx *ctx, const char *name);
static void publish(trp_ctx *ctx, trpi_actor *actor);

int trpi_names_create(trp_runtime *runtime) {
    const trp_host *host = &runtime->host;
    name_registry *names = host->realloc(host->self, NULL, 0, sizeof *names);
    if (names == NULL) {
        return TRP_ENOMEM;
    }
    memset(names, 0, sizeof *names);
    trpi_map_init(&names->by_hash, host);
    runtime->names = names;
    runtime->release = release;
    runtime->claim_name = claim;
    runtime->publish_names = publish;
    return 0;
}

void trpi_names_destroy(trp_runtime *runtime) {
    name_registry *names = runtime->names;
    if (names != NULL) {
        trpi_map_deinit(&names->by_hash);
        runtime->host.realloc(runtime->host.self, names, sizeof *names, 0);
        runtime->names = NULL;
    }
}

static name_record *find(name_registry *names, uint64_t hash, const char *name, size_t length) {
    name_record *record = trpi_map_get(&names->by_hash, hash);
    while (record != NULL &&
           (record->length != length || memcmp(record->text, name, length) != 0)) {
        record = record->next_of_hash;
    }
    return record;
}

static size_t record_size(size_t length) {
    return sizeof(name_record) + length;
}

static name_record *make_record(trp_ctx *ctx, const char *name, size_t length, trp_pid pid) {
    name_record *record = trpi_pool_alloc(&ctx->sched.pool, record_size(length));
    if (record != NULL) {
        record->pid = pid;
        record->hash = trpi_hash(name, length);
        record->length = length;
        memcpy(record->text, name, length);
    }
    return record;
}

static int add(name_registry *names, name_record *record) {
    trpi_lock(&names->lock);
    int error = TRP_EEXIST;
    if (find(names, record->hash, record->text, record->length) == NULL) {
        record->next_of_hash = trpi_map_get(&names->by_hash, record->hash);
        error = trpi_map_set(&names->by_hash, record->hash, record);
    }
    trpi_unlock(&names->lock);
    return error;
}

static void remove_record(name_registry *names, name_record *record) {
    trpi_lock(&names->lock);
    name_record *first = trpi_map_get(&names->by_hash, record->hash);
    if (first != record) {
        name_record *before = first;
        while (before->next_of_hash != record) {
            before = before->next_of_hash;
        }
        before->next_of_hash = record->next_of_hash;
    } else if (record->next_of_hash != NULL) {
        (void)trpi_map_set(&names->by_hash, record->hash, record->next_of_hash);
    } else {
        (void)trpi_map_remove(&names->by_hash, record->hash);
    }
    trpi_unlock(&names->lock);
}

static bool is_valid(const char *name) {
    return name != NULL && name[0] != '\0' && strlen(name) <= TRP_NAME_MAX;
}

/* Gives the running actor a name under which `pid` is found. */
static int give(trp_ctx *ctx, const char *name, trp_pid pid) {
    trpi_actor *actor = ctx->frame.actor;
    if (!is_valid(name)) {
        return TRP_EINVAL;
    }
    if (actor == NULL) {
        return TRP_ESTATE;
    }
    size_t length = strlen(name);
    trpi_side *side = trpi_actor_side(ctx, actor);
    name_record *record = side == NULL ? NULL : make_record(ctx, name, length, pid);
    if (record == NULL) {
        return TRP_ENOMEM;
    }
    int error = add(ctx->runtime->names, record);
    if (error != 0) {
        trpi_pool_free(&ctx->sched.pool, record, record_size(length));
        return error;
    }
    record->next_of_actor = side->names;
    side->names = record;
    return 0;
}

int trp_register(trp_ctx *ctx, const char *name) {
    return give(ctx, name, trp_self(ctx));
}

/* The name that an actor is spawned with is reserved while it is in init ... */
static int claim(trp_ctx *ctx, const char *name) {
    return give(ctx, name, TRP_PID_NONE);
}

/* ... and can be found from then on. */
static void publish(trp_ctx *ctx, trpi_actor *actor) {
    name_registry *names = ctx->runtime->names;
    trpi_lock(&names->lock);
    for (name_record *record = actor->side->names; record != NULL; record = record->next_of_actor) {
        record->pid = trpi_actor_pid(actor);
    }
    trpi_unlock(&names->lock);
}

int trp_unregister(trp_ctx *ctx, const char *name) {
    trpi_actor *actor = ctx->frame.actor;
    if (!is_valid(name)) {
        return TRP_EINVAL;
    }
    if (actor == NULL || actor->side == NULL) {
        return TRP_ENOENT;
    }
    size_t length = strlen(name);
    name_record *before = NULL;
    name_record *record = actor->side->names;
    while (record != NULL &&
           (record->length != length || memcmp(record->text, name, length) != 0)) {
        before = record;
        record = record->next_of_actor;
    }
    if (record == NULL) {
        return TRP_ENOENT;
    }
    if (before == NULL) {
        actor->side->names = record->next_of_actor;
    } else {
        before->next_of_actor = record->next_of_actor;
    }
    remove_record(ctx->runtime->names, record);
    trpi_pool_free(&ctx->sched.pool, record, record_size(length));
    return 0;
}

int trpi_name_find(trp_ctx *ctx, const char *name, trp_pid *pid) {
    if (!is_valid(name)) {
        return TRP_EINVAL;
    }
    name_registry *names = ctx->runtime->names;
    size_t length = strlen(name);
    uint64_t hash = trpi_hash(name, length);
    int error = TRP_ENOENT;
    trpi_lock(&names->lock);
    const name_record *record = find(names, hash, name, length);
    if (record != NULL && trp_pid_is_none(record->pid)) {
        error = TRP_EEXIST;
    } else if (record != NULL) {
        *pid = record->pid;
        error = 0;
    }
    trpi_unlock(&names->lock);
    return error;
}

int trp_whereis(trp_ctx *ctx, const char *name, trp_pid *pid) {
    int error = trpi_name_find(ctx, name, pid);
    return error == TRP_EEXIST ? TRP_ENOENT : error;
}

static void release(trp_ctx *ctx, trpi_actor *actor) {
    while (actor->side->names != NULL) {
        name_record *record = actor->side->names;
        actor->side->names = record->next_of_actor;
        remove_record(ctx->runtime->names, record);
        trpi_pool_free(&ctx->sched.pool, record, record_size(record->length));
    }
}
