/**
 * @file resource.h
 * Messages that carry things which can be moved but not copied: an end of a channel, a file, a
 * socket.
 *
 * What a message carries belongs to it. It moves when the message moves, and is the receiver's once
 * that takes it out. What nobody has taken when the message is freed is released: after its
 * handler, as a dead letter, by a full mailbox, with an actor that ends, with a request that is
 * answered by an error. A copy of a message carries nothing. Things belong to this runtime, so a
 * message that carries any cannot be sent to another node (TRP_ENOTSUP); what may be copied and
 * sent anywhere (pids, refs, values) stands in the message's fields instead.
 *
 *     trp_message_attach(ctx, &message, &trp_channel_end_kinds[TRP_CHANNEL_SEND], channel);
 *     trp_send(ctx, to, message);
 *     ...
 *     trp_channel *mine = trp_message_detach(message, 0, &trp_channel_end_kinds[TRP_CHANNEL_SEND]);
 *
 * Do not let a thing hold the message that carries it (a channel that holds one of its own ends):
 * neither would ever be released.
 */
#ifndef TROUPE_RESOURCE_H
#define TROUPE_RESOURCE_H

#include "troupe/message.h"

TRP_BEGIN_DECLS

/** A kind of things. Static and constant; its address is its identity. */
typedef struct trp_resource_kind {
    const char *name; /**< for people */
    /**
     * Releases a thing that nobody has taken. May run on any scheduler's thread, in the middle of a
     * send: it frees, closes and drops, and does nothing else.
     */
    void (*release)(trp_ctx *ctx, void *resource);
} trp_resource_kind;

/**
 * Lets `*message`, which is the caller's own, carry `resource` of `kind` besides what it carries
 * already. On 0 the resource is the message's, and `*message` may be another block. TRP_ENOMEM,
 * TRP_EINVAL (no kind, no resource), TRP_ESTATE (the message is only borrowed): then all is as it
 * was.
 */
TRP_API int trp_message_attach(trp_ctx *ctx, trp_message **message, const trp_resource_kind *kind,
                               void *resource);

/** How many things were attached to the message, in order; those taken out since are counted too. */
TRP_API uint32_t trp_message_resources_len(const trp_message *message);

/**
 * The thing with that index if it is of `kind`; it stays the message's. NULL if there is none, if
 * it has been taken, or if it is of another kind.
 */
TRP_API void *trp_message_resource(const trp_message *message, uint32_t index,
                                   const trp_resource_kind *kind);

/** The same, but takes it out: it is the caller's from here on. Borrowed messages too. */
TRP_API void *trp_message_detach(trp_message *message, uint32_t index,
                                 const trp_resource_kind *kind);

TRP_END_DECLS

#endif
