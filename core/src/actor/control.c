/*
 * What an actor does to itself and to others besides sending: ending, its heap, its clock.
 */
#include "actor/actor.h"
#include "actor/entry.h"
#include "actor/routine.h"
#include "troupe/error.h"
#include "troupe/monitor.h"

#include <string.h>

void trpi_fatal(trp_runtime *runtime, const char *text) {
    if (runtime->host.fatal != NULL) {
        runtime->host.fatal(runtime->host.self, text);
    }
    __builtin_trap();
}

trp_pid trp_self(const trp_ctx *ctx) {
    return ctx->frame.actor == NULL ? TRP_PID_NONE : trpi_actor_pid(ctx->frame.actor);
}

void *trp_state(const trp_ctx *ctx) {
    return ctx->frame.actor == NULL ? NULL : trpi_actor_state(ctx->frame.actor);
}

uint64_t trp_now_ns(const trp_ctx *ctx) {
    /* The cached time is no state that a caller could see changing: a lazy read is still a read. */
    return trpi_sched_now((trpi_scheduler *)(uintptr_t)&ctx->sched);
}

/* ---- ending ---- */

static void end_self(trp_ctx *ctx, const trp_exit *reason) {
    if (ctx->frame.actor != NULL && !ctx->frame.is_ending) {
        ctx->frame.is_ending = true;
        ctx->frame.ending = *reason;
    }
}

void trp_stop_self(trp_ctx *ctx) {
    static const trp_exit normal = {.kind = TRP_EXIT_NORMAL};
    end_self(ctx, &normal);
}

void trp_fail(trp_ctx *ctx, const trp_exit *reason) {
    end_self(ctx, reason);
}

void trp_fail_code(trp_ctx *ctx, int code, const char *text) {
    if (code != 0) {
        trp_exit reason =
            trp_exit_make(TRP_EXIT_ERROR, code, text != NULL ? text : trp_error_text(code));
        end_self(ctx, &reason);
    }
}

void trp_abort(trp_ctx *ctx, const trp_exit *reason) {
    trp_runtime *runtime = ctx->runtime;
    if (ctx->frame.actor != NULL && trpi_routine_abort(ctx, reason)) {
        trpi_fatal(runtime, "an aborted routine was resumed");
    }
    if (ctx->frame.actor == NULL || ctx->spawn_depth > 0 || !ctx->is_stepping) {
        trpi_fatal(runtime, "trp_abort outside of an actor's own callback");
    }
    if (runtime->host.abandon == NULL) {
        trpi_fatal(runtime, "trp_abort needs a host with `abandon`");
    }
    ctx->frame.ending = *reason;
    ctx->is_aborted = true;
    runtime->host.abandon(runtime->host.self, ctx->sched.index);
    trpi_fatal(runtime, "the host's `abandon` has returned");
}

int trp_stop(trp_ctx *ctx, trp_pid pid, const trp_exit *reason) {
    if (reason->kind == TRP_EXIT_KILLED) {
        return TRP_EINVAL;
    }
    trp_message *stop = trpi_message_alloc(&ctx->sched.pool, sizeof *reason);
    if (stop == NULL) {
        return TRP_ENOMEM;
    }
    stop->kind = TRPI_STOP;
    memcpy(trpi_body(stop), reason, sizeof *reason);
    return trpi_deliver(ctx, pid, stop);
}

int trpi_deliver_kill(trp_ctx *ctx, trp_pid pid, trp_message *kill) {
    if (trp_pid_is_local(pid)) {
        trpi_actor *actor = trpi_actor_find(ctx->runtime, pid.index, pid.generation);
        if (actor != NULL) {
            /*
             * Seen before the next message is handled; the message makes sure that there is a next
             * one. If two kills race for two tenants of the block, the message alone does it, in
             * its turn.
             */
            trpi_store(&actor->kill, pid.generation, TRPI_RELAXED);
        }
    }
    return trpi_deliver(ctx, pid, kill);
}

int trp_kill(trp_ctx *ctx, trp_pid pid) {
    if (ctx->frame.actor != NULL && trp_pid_equal(pid, trp_self(ctx))) {
        trp_exit killed = trp_exit_make(TRP_EXIT_KILLED, 0, NULL);
        ctx->frame.is_ending = true;
        ctx->frame.ending = killed;
        return 0;
    }
    trp_message *kill = trpi_message_alloc(&ctx->sched.pool, 0);
    if (kill == NULL) {
        return TRP_ENOMEM;
    }
    kill->kind = TRPI_KILL;
    return trpi_deliver_kill(ctx, pid, kill);
}

/* ---- the actor's own memory ---- */

void *trp_alloc(trp_ctx *ctx, size_t size) {
    trpi_actor *actor = ctx->frame.actor;
    trpi_side *side = actor == NULL ? NULL : trpi_actor_side(ctx, actor);
    if (side == NULL || size > SIZE_MAX - sizeof(trpi_heap_block)) {
        return NULL;
    }
    trpi_heap_block *block = trpi_pool_alloc(&ctx->sched.pool, sizeof *block + size);
    if (block == NULL) {
        return NULL;
    }
    block->size = size;
    block->next = side->heap;
    block->pprev = &side->heap;
    if (block->next != NULL) {
        block->next->pprev = &block->next;
    }
    side->heap = block;
    memset(block + 1, 0, size);
    return block + 1;
}

void trp_free(trp_ctx *ctx, void *memory) {
    if (memory == NULL) {
        return;
    }
    trpi_heap_block *block = (trpi_heap_block *)memory - 1;
    *block->pprev = block->next;
    if (block->next != NULL) {
        block->next->pprev = block->pprev;
    }
    trpi_pool_free(&ctx->sched.pool, block, sizeof *block + block->size);
}
