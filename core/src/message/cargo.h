/*
 * What a message carries. A table of its own, whose address stands in the last bytes of the block,
 * behind the payload; the lowest bit of `capacity`, which is a multiple of 16, says that it is
 * there. So a message without cargo, which nearly all are, pays one test when it is freed.
 *
 * The table begins with how to release it: whoever frees messages need not know of resources, nor a
 * program without them contain them.
 */
#ifndef TRPI_CARGO_H
#define TRPI_CARGO_H

#include "message/message.h"
#include "troupe/resource.h"

typedef struct trpi_carried {
    const trp_resource_kind *kind;
    void *resource; /* NULL: it has been taken */
} trpi_carried;

struct trpi_cargo {
    void (*release)(trpi_pool *pool, trpi_cargo *cargo); /* all that is left, and the table */
    trpi_cargo *next;                                    /* of those that are being released */
    uint32_t len;
    uint32_t capacity;
    trpi_carried carried[];
};

/* The address in the block of a message that carries something. */
static inline trpi_cargo **trpi_cargo_at(const trp_message *message) {
    size_t size = message->capacity & ~(size_t)TRPI_CARRIES;
    return (trpi_cargo **)((uintptr_t)message + size - sizeof(trpi_cargo *));
}

static inline trpi_cargo *trpi_cargo_of(const trp_message *message) {
    return trpi_message_carries(message) ? *trpi_cargo_at(message) : NULL;
}

/*
 * Lets a message carry nothing yet, with room for `capacity` things. It must be owned, and may
 * become another block. TRP_ENOMEM.
 */
int trpi_cargo_reserve(trp_ctx *ctx, trp_message **message, uint32_t capacity);

#endif
