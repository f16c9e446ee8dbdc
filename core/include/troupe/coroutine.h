/**
 * @file coroutine.h
 * Coroutines: several bodies that take turns inside one routine and share its memory.
 *
 * They are one actor to everybody else: one pid, one mailbox, one end. Only one of them runs, until
 * it blocks (routine.h, channel.h, offload.h), and then the others go on; what they share needs no
 * lock. A blocking call blocks its caller only. The routine's own body is one of them.
 *
 * A message goes to the one that has waited longest among those it matches. What one of them waits
 * for by its ref (a reply, a timeout, the end of a join) is its own, even if another waits for any
 * message. A message is lent until the one that got it blocks again.
 *
 *     static int count(trp_ctx *ctx, void *arg) {
 *         int *sum = arg;
 *         return trp_sleep(ctx, TRP_NS_PER_S) == 0 ? ++*sum : 0;
 *     }
 *     trp_coroutine one, two;
 *     trp_coroutine_start(ctx, count, &sum, 0, &one);
 *     trp_coroutine_start(ctx, count, &sum, 0, &two);
 *     trp_coroutine_join(ctx, one, TRP_NEVER, &result);
 */
#ifndef TROUPE_COROUTINE_H
#define TROUPE_COROUTINE_H

#include "troupe/routine.h"

TRP_BEGIN_DECLS

/** Names a coroutine inside its actor; never 0, never given twice. */
typedef uint64_t trp_coroutine;

/**
 * Starts a coroutine of the calling routine: `body(ctx, arg)` on `stack_size` bytes (0:
 * TRP_ROUTINE_STACK) begins when the caller blocks next. `arg` is borrowed until the body returns.
 *
 * `out` is for trp_coroutine_join, once; with NULL nobody joins and the result is forgotten. When
 * the routine's own body returns, or the actor ends in any other way, coroutines that still wait are
 * destroyed where they are, as a routine that is killed. A coroutine that aborts, fails or overflows
 * its stack ends the actor. TRP_ENOMEM, TRP_ESTATE (the caller is no routine).
 */
TRP_API int trp_coroutine_start(trp_ctx *ctx, int (*body)(trp_ctx *ctx, void *arg), void *arg,
                                size_t stack_size, trp_coroutine *out);

/**
 * Waits until the body of `coroutine` has returned, or `timeout_ns` have passed (TRP_ETIMEOUT; it
 * can be joined later), and writes what it returned (`result` may be NULL). Other errors:
 * TRP_ENOENT (there is none, or it was joined), TRP_ESELF, TRP_ENOMEM, TRP_ESTATE (the caller is no
 * routine, or another one is joining it).
 */
TRP_API int trp_coroutine_join(trp_ctx *ctx, trp_coroutine coroutine, uint64_t timeout_ns,
                               int *result);

TRP_END_DECLS

#endif
