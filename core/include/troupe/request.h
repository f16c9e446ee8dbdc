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
 * Sends `message`, which it always takes, as a request and writes its ref (not NULL). The reply, or a
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

/**
 * Asks `to` for the sake of another: the reply to `message`, which is taken in any case, is sent to
 * `receiver` as a message of its own, and so is a trp_outcome if there is none; exactly one of them
 * comes. `tag` is what they are tagged with; 0: a reply keeps the tag it has. The callee sees the
 * calling actor as who asks, which need not live on for it. TRP_ENOMEM, TRP_ESTATE (`message` is a
 * request itself, or the runtime stops): then nothing comes.
 */
TRP_API int trp_request_forward(trp_ctx *ctx, trp_pid to, trp_message *message, uint64_t timeout_ns,
                                trp_pid receiver, uint64_t tag);

/** What has become of a request to one of several. */
typedef struct trp_outcome {
    trp_pid target;  /**< who was asked; none if that is a name which the receiver cannot know */
    int32_t code;    /**< 0: there is a reply; else why not, as in trp_request_error */
    trp_exit reason; /**< unless code is 0 */
} trp_outcome;

/** Type of trp_outcome messages; a node that is sent one must have registered it. */
TRP_API extern const trp_type trp_outcome_type;

/** Body of the message that ends trp_request_many. It carries the replies. */
typedef struct trp_outcomes {
    trp_slice
        list; /**< of trp_outcome, one for each target, in the order in which they were given */
} trp_outcomes;

/** Type of trp_outcomes messages. */
TRP_API extern const trp_type trp_outcomes_type;

/**
 * Asks all `targets` (borrowed; any number, also twice the same) with copies of `message`, which is
 * taken in any case, and writes a ref. One trp_outcomes message with that trp_message_ref comes to
 * the calling actor when the last one has ended; `timeout_ns` is for all together. What goes wrong
 * with one target (nobody there, TRP_ESELF, out of memory) is its outcome and no error here. Until
 * then trp_request_cancel gives up all of it. Errors, after which nothing comes: TRP_ENOMEM,
 * TRP_ETOOBIG, TRP_ESTATE (root ctx, `message` is a request, the runtime stops), TRP_ENOTSUP
 * (`message` carries something).
 */
TRP_API int trp_request_many(trp_ctx *ctx, const trp_pid *targets, size_t targets_len,
                             trp_message *message, uint64_t timeout_ns, trp_ref *ref);

/**
 * Routines: the same, and waits for the trp_outcomes, which is lent in `outcomes` as by
 * trp_receive.
 */
TRP_API int trp_call_many(trp_ctx *ctx, const trp_pid *targets, size_t targets_len,
                          trp_message *message, uint64_t timeout_ns, trp_message **outcomes);

/** The outcome with that index, or NULL if there is none. Borrowed from the trp_outcomes message. */
TRP_API const trp_outcome *trp_outcome_at(trp_message *outcomes, uint32_t index);

/** The reply of the target with that index, borrowed from `outcomes`; NULL if there is none. */
TRP_API trp_message *trp_outcome_reply(trp_message *outcomes, uint32_t index);

/** The same, but makes it the caller's own. */
TRP_API trp_message *trp_outcome_take(trp_message *outcomes, uint32_t index);

TRP_END_DECLS

#endif
