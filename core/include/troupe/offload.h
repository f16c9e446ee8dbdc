/**
 * @file offload.h
 * Work that blocks: a function that runs off the scheduler, so that other actors go on meanwhile.
 *
 * On a server the host runs it on a thread of its own pool. Where there is one thread only, as in a
 * page, it runs on the scheduler between two actors, and everything waits for it: the same source
 * works, but only short work is good manners there.
 *
 *     static int hash_file(void *arg) { ... }                     // on another thread
 *     trp_work work = {sizeof work, hash_file, job, free};
 *     trp_offload(ctx, &work, NULL);                              // a behaviour: gets trp_offloaded
 *     trp_offload_wait(ctx, &work, TRP_NEVER, &result);           // a routine: waits
 */
#ifndef TROUPE_OFFLOAD_H
#define TROUPE_OFFLOAD_H

#include "troupe/actor.h"
#include "troupe/type.h"

TRP_BEGIN_DECLS

/** What is to be done. */
typedef struct trp_work {
    size_t size; /**< sizeof(trp_work) */
    /**
     * Required. Does the work and returns its result, which is 0 or whatever you like. On any
     * thread, without a ctx: of Troupe it may only call what any thread may.
     */
    int (*run)(void *arg);
    void *arg; /**< for `run`: what it reads and where it writes */
    /** Optional. Frees `arg` when nobody will take it back. On any thread. */
    void (*discard)(void *arg);
} trp_work;

/** The message that tells a behaviour that its work is done; trp_message_ref is its ref, too. */
typedef struct trp_offloaded {
    trp_ref ref;    /**< the work */
    int32_t result; /**< what `run` returned; TRP_ECANCELED if the host did not run it */
    uint64_t arg;   /**< the address `arg`, which is the actor's again */
} trp_offloaded;

/** Type of trp_offloaded messages. */
TRP_API extern const trp_type trp_offloaded_type;

/**
 * Has `work` (the struct borrowed, its `arg` taken) done for the calling actor and writes a ref
 * (`ref` may be NULL). When it is done, trp_offloaded comes: a filter finds it by the ref, mailbox
 * limits do not hold for it, and it needs no memory. If the actor ends before it handles that, work
 * that has not begun is left undone, the result is thrown away and `discard` gets `arg`. Errors,
 * after which `arg` is still yours: TRP_EINVAL (no `run`), TRP_ENOMEM, TRP_ESTATE (the root ctx, or
 * the runtime stops), or what the host says.
 */
TRP_API int trp_offload(trp_ctx *ctx, const trp_work *work, trp_ref *ref);

/**
 * Takes back work of the calling actor that has not begun: it will not run, no message comes, and
 * `discard` gets `arg`. TRP_ESTATE if it has begun (its message comes), TRP_ENOENT if there is none.
 */
TRP_API int trp_offload_cancel(trp_ctx *ctx, trp_ref ref);

/**
 * Has `work` done and waits for it, in a routine. Writes what it returned to `result`; `arg` is
 * yours again. On any error `discard` gets `arg`, at once or when the work ends: TRP_ETIMEOUT (it may
 * be going on), or as for trp_offload, and TRP_ESTATE if the caller is no routine.
 */
TRP_API int trp_offload_wait(trp_ctx *ctx, const trp_work *work, uint64_t timeout_ns, int *result);

TRP_END_DECLS

#endif
