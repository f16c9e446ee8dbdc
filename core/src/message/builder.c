/*
 * The builder: a typed message that grows at its end. Offsets in the block are self-relative or
 * known to the caller as numbers, so growing is to take a larger block and copy; nothing has to be
 * adjusted.
 */
#include "message/builder.h"

#include "message/message.h"
#include "message/pool_of.h"
#include "troupe/error.h"

#include <string.h>

void trpi_builder_fail(trp_builder *builder, int error) {
    if (builder->error == 0) {
        builder->error = error;
    }
    if (builder->message != NULL) {
        trpi_message_free(trpi_pool_of(builder->ctx), builder->message);
        builder->message = NULL;
    }
    builder->capacity = 0;
}

/*
 * A block for at least `length` bytes, with room for what its size class has beyond them. NULL
 * after a failure.
 */
static trp_message *allocate(trp_builder *builder, size_t length) {
    trp_message *message = trpi_message_alloc(trpi_pool_of(builder->ctx), length);
    if (message == NULL) {
        trpi_builder_fail(builder, TRP_ENOMEM);
    }
    return message;
}

static size_t room_of(const trp_message *message) {
    return message->capacity - TRPI_MESSAGE_HEADER;
}

void trp_builder_init(trp_builder *builder, trp_ctx *ctx, const trp_type *type, size_t tail_hint) {
    *builder = (trp_builder){.ctx = ctx};
    if (type->size > TRP_MESSAGE_MAX || tail_hint > TRP_MESSAGE_MAX - type->size) {
        trpi_builder_fail(builder, TRP_ETOOBIG);
        return;
    }
    trp_message *message = allocate(builder, type->size + tail_hint);
    if (message == NULL) {
        return;
    }
    message->type = type;
    message->length = type->size;
    memset(trpi_body(message), 0, type->size);
    builder->message = message;
    builder->capacity = room_of(message);
}

/*
 * Makes room for `length` bytes in all, at least doubling, so that many small steps cost linear
 * time.
 */
static bool grow(trp_builder *builder, size_t length) {
    size_t doubled =
        builder->capacity > TRP_MESSAGE_MAX / 2 ? TRP_MESSAGE_MAX : builder->capacity * 2;
    trp_message *old = builder->message;
    trp_message *message = allocate(builder, length > doubled ? length : doubled);
    if (message == NULL) {
        return false;
    }
    message->type = old->type;
    message->tag = old->tag;
    message->length = old->length;
    memcpy(trpi_body(message), trpi_body(old), old->length);
    trpi_message_free(trpi_pool_of(builder->ctx), old);
    builder->message = message;
    builder->capacity = room_of(message);
    return true;
}

size_t trpi_builder_append(trp_builder *builder, size_t length, size_t alignment) {
    if (builder->message == NULL) {
        return 0;
    }
    size_t old_length = builder->message->length;
    size_t offset = (old_length + alignment - 1) & ~(alignment - 1);
    if (offset > TRP_MESSAGE_MAX || length > TRP_MESSAGE_MAX - offset) {
        trpi_builder_fail(builder, TRP_ETOOBIG);
        return 0;
    }
    if (offset + length > builder->capacity && !grow(builder, offset + length)) {
        return 0;
    }
    memset((char *)trpi_body(builder->message) + old_length, 0, offset - old_length);
    builder->message->length = (uint32_t)(offset + length);
    return offset;
}

void trpi_builder_point(trp_builder *builder, size_t field_offset, size_t offset, size_t length) {
    trp_slice slice = {.offset = (uint32_t)(offset - field_offset), .length = (uint32_t)length};
    memcpy((char *)trpi_body(builder->message) + field_offset, &slice, sizeof slice);
}

/* A slice at `field_offset` lies in what is built so far. */
static bool has_slice(trp_builder *builder, size_t field_offset) {
    if (builder->message == NULL) {
        return false;
    }
    size_t length = builder->message->length;
    if (length < sizeof(trp_slice) || field_offset > length - sizeof(trp_slice)) {
        trpi_builder_fail(builder, TRP_EINVAL);
        return false;
    }
    return true;
}

void *trp_builder_body(trp_builder *builder) {
    return builder->message != NULL ? trpi_body(builder->message) : NULL;
}

void trp_builder_set(trp_builder *builder, size_t field_offset, const void *data, size_t length) {
    if (!has_slice(builder, field_offset)) {
        return;
    }
    if (length == 0) {
        memset((char *)trpi_body(builder->message) + field_offset, 0, sizeof(trp_slice));
        return;
    }
    if (length >= TRP_MESSAGE_MAX) {
        trpi_builder_fail(builder, TRP_ETOOBIG);
        return;
    }
    size_t offset = trpi_builder_append(builder, length + 1, 1);
    if (offset > 0) {
        char *at = (char *)trpi_body(builder->message) + offset;
        memcpy(at, data, length);
        at[length] = '\0';
        trpi_builder_point(builder, field_offset, offset, length);
    }
}

void trp_builder_set_text(trp_builder *builder, size_t field_offset, const char *text) {
    trp_builder_set(builder, field_offset, text, text != NULL ? strlen(text) : 0);
}

size_t trp_builder_list(trp_builder *builder, size_t field_offset, size_t count,
                        size_t element_size) {
    if (!has_slice(builder, field_offset)) {
        return 0;
    }
    if (count == 0) {
        memset((char *)trpi_body(builder->message) + field_offset, 0, sizeof(trp_slice));
        return 0;
    }
    if (element_size == 0 || count > TRP_MESSAGE_MAX / element_size) {
        trpi_builder_fail(builder, element_size == 0 ? TRP_EINVAL : TRP_ETOOBIG);
        return 0;
    }
    size_t offset = trpi_builder_append(builder, count * element_size, 8);
    if (offset > 0) {
        memset((char *)trpi_body(builder->message) + offset, 0, count * element_size);
        trpi_builder_point(builder, field_offset, offset, count);
    }
    return offset;
}

void *trp_builder_at(trp_builder *builder, size_t offset) {
    if (builder->message == NULL || offset >= builder->message->length) {
        return NULL;
    }
    return (char *)trpi_body(builder->message) + offset;
}

int trp_builder_finish(trp_builder *builder, trp_message **out) {
    if (builder->message == NULL) {
        return builder->error != 0 ? builder->error : TRP_ESTATE;
    }
    *out = builder->message;
    *builder = (trp_builder){.ctx = builder->ctx};
    return 0;
}
