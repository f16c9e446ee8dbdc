/*
 * Messages: blocks from the scheduler's pool, and the accessors of message.h. What a message means
 * is the actor floor's business.
 */
#include "message/message.h"
#include "base/rare.h"

#include "message/pool_of.h"
#include "troupe/error.h"

#include <string.h>

trp_message *trpi_message_alloc(trpi_pool *pool, size_t length) {
    if (length > TRP_MESSAGE_MAX) {
        return NULL;
    }
    size_t capacity = trpi_pool_round(TRPI_MESSAGE_HEADER + length);
    trp_message *message = trpi_pool_take(pool, capacity);
    if (message == NULL) {
        return NULL;
    }
    message->type = NULL;
    message->tag = 0;
    message->ref = 0;
    message->generation = 0;
    message->length = (uint32_t)length;
    message->capacity = (uint32_t)capacity;
    message->kind = TRPI_PLAIN;
    message->flags = 0;
    message->reserved = 0;
    return message;
}

void trpi_message_free(trpi_pool *pool, trp_message *message) {
    if (trpi_message_carries(message)) {
        trpi_message_unload(pool, message);
    }
    trpi_pool_free(pool, message, message->capacity);
}

trp_message *trp_message_new(trp_ctx *ctx, const trp_type *type) {
    trp_message *message = trpi_message_alloc(trpi_pool_of(ctx), type->size);
    if (message != NULL) {
        message->type = type;
        memset(trpi_body(message), 0, type->size);
    }
    return message;
}

trp_message *trp_message_new_with(trp_ctx *ctx, const trp_type *type, const void *body) {
    trp_message *message = trpi_message_alloc(trpi_pool_of(ctx), type->size);
    if (message != NULL) {
        message->type = type;
        memcpy(trpi_body(message), body, type->size);
    }
    return message;
}

trp_message *trp_message_new_bytes(trp_ctx *ctx, const void *data, size_t length) {
    trp_message *message = trpi_message_alloc(trpi_pool_of(ctx), length);
    if (message != NULL && data != NULL && length > 0) {
        memcpy(trpi_body(message), data, length);
    }
    return message;
}

trp_message *trp_message_new_tag(trp_ctx *ctx, uint64_t tag) {
    trp_message *message = trpi_message_alloc(trpi_pool_of(ctx), 0);
    if (message != NULL) {
        message->tag = tag;
    }
    return message;
}

TRPI_RARE trp_message *trp_message_copy(trp_ctx *ctx, const trp_message *message) {
    trp_message *copy = trpi_message_alloc(trpi_pool_of(ctx), message->length);
    if (copy != NULL) {
        copy->type = message->type;
        copy->tag = message->tag;
        memcpy(trpi_body(copy), message + 1, message->length);
    }
    return copy;
}

void trp_message_set_tag(trp_message *message, uint64_t tag) {
    message->tag = tag;
}

uint64_t trp_message_tag(const trp_message *message) {
    return message->tag;
}

const trp_type *trp_message_type(const trp_message *message) {
    return message->type;
}

void *trp_message_body(trp_message *message) {
    return trpi_body(message);
}

size_t trp_message_length(const trp_message *message) {
    return message->length;
}

bool trp_message_is_request(const trp_message *message) {
    return message->kind == TRPI_REQUEST;
}

trp_ref trp_message_ref(const trp_message *message) {
    switch (message->kind) {
    case TRPI_REQUEST:
    case TRPI_REPLY:
    case TRPI_REPLY_ERROR:
        return message->ref;
    default:
        return 0;
    }
}
