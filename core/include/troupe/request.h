/**
 * @file request.h
 * Requests and replies. Every request ends exactly once: with a reply, or with an error that says
 * why there is none.
 *
 * No path forgets the caller: a request that is dropped, that lies in the mailbox of an actor that
 * ends, that an ended actor still held, whose session breaks or whose deadline passes is answered
 * by the runtime. A reply that comes after the deadline is dropped and counted.
 */
#ifndef TROUPE_REQUEST_H
#define TROUPE_REQUEST_H

#include "troupe/actor.h"
#include "troupe/type.h"

TRP_BEGIN_DECLS

/** Body of the message that ends a request without a reply; trp_message_ref says which request. */
typedef struct trp_request_error {
    int32_t
        code; /**< TRP_E* of the runtime (ETIMEOUT, ENOPROC, ENOCONNECTION, ECANCELED, ...) or the callee's own */
    trp_exit reason; /**< with the exit reason if the callee ended, else kind ERROR with a text */
} trp_request_error;

/** Type of trp_request_error messages. */
TRP_API extern const trp_type trp_request_error_type;

/**
 * Sends `message`, which it always takes, as a request and writes its ref. The reply, or a
 * trp_request_error, comes to the calling actor as a message with that trp_message_ref.
 * `timeout_ns` may be TRP_NEVER. Errors, after which nothing comes: TRP_ENOMEM, TRP_ESELF,
 * TRP_EFULL, TRP_ESTATE (root ctx), TRP_ETOOBIG. An unreachable callee is not an error here but
 * comes as a message.
 */
TRP_API int trp_request(trp_ctx *ctx, trp_pid to, trp_message *message, uint64_t timeout_ns,
                        trp_ref *ref);

/**
 * Gives up a request of the calling actor: nothing comes for it any more. TRP_ENOENT if it has
 * ended.
 */
TRP_API int trp_request_cancel(trp_ctx *ctx, trp_ref ref);

/**
 * Hands `request` (borrowed or owned), which it takes, to another actor, here or on another node,
 * which answers it from now on: the caller's ref and deadline stay, and trp_message_from still says
 * who that is. That `to` cannot be reached is no error here: the caller is told. TRP_ESTATE, and
 * nothing is taken, if `request` is none or has been answered.
 */
TRP_API int trp_request_delegate(trp_ctx *ctx, trp_message *request, trp_pid to);

/**
 * Time in ns that is left for `request`: 0 if nobody waits any more, TRP_NEVER if the caller waits
 * without limit or `request` is none. As the timeout of requests that the callee makes on the way to
 * its reply it hands the caller's deadline down. Callers on other nodes do not tell theirs; there it
 * is TRP_NEVER until they have given up.
 */
TRP_API uint64_t trp_request_time_left(trp_ctx *ctx, const trp_message *request);

/**
 * Answers `request` (borrowed or owned; it stays so, but counts as answered) with `reply`, which is
 * taken in any case. TRP_ESTATE if `request` is none or has been answered. It is no error if the
 * caller is gone.
 */
TRP_API int trp_reply(trp_ctx *ctx, trp_message *request, trp_message *reply);

/**
 * Answers `request` with a trp_request_error of `code` and `text` (borrowed, may be NULL). Needs no
 * memory.
 */
TRP_API int trp_reply_error(trp_ctx *ctx, trp_message *request, int code, const char *text);

TRP_END_DECLS

#endif
