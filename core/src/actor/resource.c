/*
 * Attaching things to messages and taking them out; the design is told in message/cargo.h.
 *
 * Releasing one thing may free messages that carry others, to any depth. It does not recurse: who
 * comes while another release is under way on this scheduler leaves its cargo to that one.
 */
#include "actor/actor.h"
#include "message/cargo.h"
#include "troupe/error.h"

#include <string.h>

static size_t size_of(uint32_t capacity) {
    return sizeof(trpi_cargo) + capacity * sizeof(trpi_carried);
}

static void release_now(trp_ctx *ctx, trpi_cargo *cargo) {
    for (uint32_t i = 0; i < cargo->len; i++) {
        if (cargo->carried[i].resource != NULL) {
            cargo->carried[i].kind->release(ctx, cargo->carried[i].resource);
        }
    }
    trpi_pool_free(&ctx->sched.pool, cargo, size_of(cargo->capacity));
}

static void release_cargo(trpi_pool *pool, trpi_cargo *cargo) {
    trp_ctx *ctx = (trp_ctx *)(void *)pool; /* see message/pool_of.h */
    cargo->next = ctx->unloading;
    ctx->unloading = cargo;
    if (ctx->is_unloading) {
        return;
    }
    ctx->is_unloading = true;
    while (ctx->unloading != NULL) {
        cargo = ctx->unloading;
        ctx->unloading = cargo->next;
        release_now(ctx, cargo);
    }
    ctx->is_unloading = false;
}

/* The message itself if its block has room for the address of a table, else a larger one. */
static trp_message *with_room(trp_ctx *ctx, trp_message *message) {
    trpi_pool *pool = &ctx->sched.pool;
    if (message->capacity - TRPI_MESSAGE_HEADER - message->length >= sizeof(trpi_cargo *)) {
        return message;
    }
    trp_message *larger = trpi_message_alloc(pool, message->length + sizeof(trpi_cargo *));
    if (larger == NULL) {
        return NULL;
    }
    uint32_t capacity = larger->capacity;
    memcpy(larger, message, TRPI_MESSAGE_HEADER + message->length);
    larger->capacity = capacity;
    if ((message->flags & TRPI_FLAG_TAKEN) != 0) {
        trpi_held *held = trpi_load(&message->link.next, TRPI_RELAXED);
        held->message = larger;
    }
    trpi_message_free(pool, message);
    return larger;
}

/* Gives a message that carries nothing an empty table. */
static int begin(trp_ctx *ctx, trp_message **message, uint32_t capacity) {
    trpi_pool *pool = &ctx->sched.pool;
    trpi_cargo *cargo = trpi_pool_alloc(pool, size_of(capacity));
    trp_message *carrier = cargo == NULL ? NULL : with_room(ctx, *message);
    if (carrier == NULL) {
        if (cargo != NULL) {
            trpi_pool_free(pool, cargo, size_of(capacity));
        }
        return TRP_ENOMEM;
    }
    cargo->release = release_cargo;
    cargo->next = NULL;
    cargo->len = 0;
    cargo->capacity = capacity;
    *trpi_cargo_at(carrier) = cargo;
    carrier->capacity |= TRPI_CARRIES;
    *message = carrier;
    return 0;
}

/* Exchanges the table of a message for a larger one. */
static int grow(trp_ctx *ctx, trp_message *message, uint32_t capacity) {
    trpi_cargo *old = trpi_cargo_of(message);
    trpi_cargo *larger = trpi_pool_alloc(&ctx->sched.pool, size_of(capacity));
    if (larger == NULL) {
        return TRP_ENOMEM;
    }
    memcpy(larger, old, size_of(old->len));
    larger->capacity = capacity;
    trpi_pool_free(&ctx->sched.pool, old, size_of(old->capacity));
    *trpi_cargo_at(message) = larger;
    return 0;
}

int trpi_cargo_reserve(trp_ctx *ctx, trp_message **message, uint32_t capacity) {
    const trpi_cargo *cargo = trpi_cargo_of(*message);
    if (cargo == NULL) {
        return begin(ctx, message, capacity);
    }
    return cargo->capacity >= capacity ? 0 : grow(ctx, *message, capacity);
}

int trp_message_attach(trp_ctx *ctx, trp_message **message, const trp_resource_kind *kind,
                       void *resource) {
    if (*message == NULL) {
        return TRP_ENOMEM;
    }
    if (kind == NULL || kind->release == NULL || resource == NULL) {
        return TRP_EINVAL;
    }
    if (*message == ctx->frame.message || ((*message)->flags & TRPI_FLAG_STATIC) != 0) {
        return TRP_ESTATE;
    }
    const trpi_cargo *cargo = trpi_cargo_of(*message);
    uint32_t capacity = cargo == NULL ? 1 : cargo->capacity;
    if (cargo != NULL && cargo->len == capacity) {
        capacity *= 2;
    }
    int error = trpi_cargo_reserve(ctx, message, capacity);
    if (error == 0) {
        trpi_cargo *into = trpi_cargo_of(*message);
        into->carried[into->len++] = (trpi_carried){kind, resource};
    }
    return error;
}

uint32_t trp_message_resources_len(const trp_message *message) {
    const trpi_cargo *cargo = trpi_cargo_of(message);
    return cargo == NULL ? 0 : cargo->len;
}

static trpi_carried *find(const trp_message *message, uint32_t index,
                          const trp_resource_kind *kind) {
    trpi_cargo *cargo = trpi_cargo_of(message);
    if (cargo == NULL || index >= cargo->len || cargo->carried[index].kind != kind) {
        return NULL;
    }
    return &cargo->carried[index];
}

void *trp_message_resource(const trp_message *message, uint32_t index,
                           const trp_resource_kind *kind) {
    const trpi_carried *found = find(message, index, kind);
    return found == NULL ? NULL : found->resource;
}

void *trp_message_detach(trp_message *message, uint32_t index, const trp_resource_kind *kind) {
    trpi_carried *found = find(message, index, kind);
    void *resource = found == NULL ? NULL : found->resource;
    if (found != NULL) {
        found->resource = NULL;
    }
    return resource;
}
