/**
 * @file message.h
 * Messages: made, filled, sent once, borrowed by the receiver's handler, then freed by the runtime.
 *
 * A message has exactly one owner. Making one gives it to you; trp_send and the like (actor.h) take
 * it; in `handle` it is borrowed and freed when the handler returns, unless trp_message_take makes
 * it yours again. The payload lies behind the header in the same block: a local send moves a
 * pointer and copies nothing.
 */
#ifndef TROUPE_MESSAGE_H
#define TROUPE_MESSAGE_H

#include "troupe/base.h"
#include "troupe/pid.h"
#include "troupe/type.h"

TRP_BEGIN_DECLS

/**
 * The running scheduler as an actor sees it. Valid during the callback that received it, on that
 * thread only.
 */
typedef struct trp_ctx trp_ctx;

/** A message. Opaque. */
typedef struct trp_message trp_message;

/** Largest payload of one message, in bytes. */
#define TRP_MESSAGE_MAX ((size_t)64 << 20)

/**
 * Makes a message of `type` with a body of zeros and an empty tail. Returns owned, or NULL when out
 * of memory. For types with strings, bytes or lists use a builder.
 */
TRP_API trp_message *trp_message_new(trp_ctx *ctx, const trp_type *type);

/**
 * Makes a message of `type` whose struct is a copy of `body` (borrowed). Strings, bytes, lists and
 * values in it must be empty. Returns owned, or NULL when out of memory.
 */
TRP_API trp_message *trp_message_new_with(trp_ctx *ctx, const trp_type *type, const void *body);

/**
 * trp_message_new_with, by the fields' names; C only: `trp_send(ctx, to, trp_new(ctx, counter_add,
 * .by = 20))`. Fields that are left out are zero.
 */
#define trp_new(ctx, type_name, ...)                                                               \
    trp_message_new_with((ctx), &type_name##_type, &(struct type_name){__VA_ARGS__})

/**
 * Makes an untyped message with `length` bytes copied from `data` (borrowed; if NULL the bytes are
 * left for you to write through trp_message_body). Returns owned, or NULL when out of memory or
 * `length` > TRP_MESSAGE_MAX.
 */
TRP_API trp_message *trp_message_new_bytes(trp_ctx *ctx, const void *data, size_t length);

/**
 * Makes an empty untyped message with `tag`, for what needs one word. Returns owned, or NULL when
 * out of memory.
 */
TRP_API trp_message *trp_message_new_tag(trp_ctx *ctx, uint64_t tag);

/**
 * Sets the tag by which a receiver selects messages. 0, the default, means untagged. Owner only.
 */
TRP_API void trp_message_set_tag(trp_message *message, uint64_t tag);

/** The tag, 0 if untagged. */
TRP_API uint64_t trp_message_tag(const trp_message *message);

/** The type, or NULL for untyped bytes. */
TRP_API const trp_type *trp_message_type(const trp_message *message);

/** True if the message is of `type`. */
static inline bool trp_message_is(const trp_message *message, const trp_type *type) {
    return trp_message_type(message) == type;
}

/**
 * The payload: the struct of a typed message, or the bytes. Aligned to 8. Borrowed; write only what
 * you own.
 */
TRP_API void *trp_message_body(trp_message *message);

/** Bytes of the payload, the tail included. */
TRP_API size_t trp_message_length(const trp_message *message);

/** True if the message is a request, that is, if somebody waits for a reply to it (request.h). */
TRP_API bool trp_message_is_request(const trp_message *message);

/** The ref of the request that this message answers, or that it is; 0 if neither. */
TRP_API trp_ref trp_message_ref(const trp_message *message);

/**
 * Who waits for the reply to a request; TRP_PID_NONE if nobody does any more, and for other
 * messages: those carry no sender.
 */
TRP_API trp_pid trp_message_from(trp_ctx *ctx, const trp_message *message);

/**
 * Makes the message that the running handler borrowed its own: keep it, forward it with trp_send,
 * reply to it later, or drop it. If the actor ends first, a request that it still holds is answered
 * with an error. Returns the message to use from here on: `message` itself, or a copy of one that
 * the runtime made for the occasion (timeouts, request errors). NULL when out of memory: then it
 * stays borrowed.
 */
TRP_API trp_message *trp_message_take(trp_ctx *ctx, trp_message *message);

/**
 * Copies a message: same type, tag and payload, but not a request, and without what it carries
 * (resource.h). Returns owned, or NULL when out
 * of memory.
 */
TRP_API trp_message *trp_message_copy(trp_ctx *ctx, const trp_message *message);

/** Frees a message you own. A request is answered with TRP_ECANCELED. Accepts NULL. */
TRP_API void trp_message_drop(trp_ctx *ctx, trp_message *message);

/**
 * Builds one typed message with a tail. Init it, set the fields through the functions below, then
 * finish it. A failed step (out of memory, too big) is remembered and reported by finish, so steps
 * need no checks of their own.
 */
typedef struct trp_builder {
    trp_ctx *ctx;
    trp_message *message; /**< owned by the builder; NULL after a failure */
    size_t capacity;      /**< bytes the block can hold */
    int error;            /**< first failure, 0 if none */
} trp_builder;

/**
 * Starts a message of `type` with room for `tail_hint` bytes behind the struct (it grows when that
 * is too little).
 */
TRP_API void trp_builder_init(trp_builder *builder, trp_ctx *ctx, const trp_type *type,
                              size_t tail_hint);

/**
 * The struct under construction, for scalar fields. NULL after a failure. Not valid across the
 * calls below.
 */
TRP_API void *trp_builder_body(trp_builder *builder);

/**
 * Stores `length` bytes at the end of the tail and points the slice at byte `field_offset` of the
 * block to them. A zero byte is added behind, not counted. Use offsetof for fields of the struct
 * itself. Borrows `data`.
 */
TRP_API void trp_builder_set(trp_builder *builder, size_t field_offset, const void *data,
                             size_t length);

/**
 * Reserves `count` elements of `element_size` bytes, zeroed and aligned to 8, points the slice at
 * `field_offset` to them and returns their offset in the block (0 after a failure or for none), at
 * which nested slices can be set in turn.
 */
TRP_API size_t trp_builder_list(trp_builder *builder, size_t field_offset, size_t count,
                                size_t element_size);

/** Address of byte `offset` of the block, valid until the next step; NULL after a failure. */
TRP_API void *trp_builder_at(trp_builder *builder, size_t offset);

/**
 * Ends the construction. Writes the message, now yours, to `out` and returns 0, or returns the
 * first failure and frees what was built. The builder may be initialised again afterwards.
 */
TRP_API int trp_builder_finish(trp_builder *builder, trp_message **out);

TRP_END_DECLS

#endif
