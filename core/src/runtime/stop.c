/*
 * Stopping. Every scheduler first acknowledges the stop, after which it cannot spawn any more.
 * Scheduler 0 walks the table of actors, some at a time, and asks each to end; when the grace is
 * over it walks again and kills. When all have acknowledged and no actor is left, nor any work that
 * was given to the host, the runtime is done.
 */
#include "runtime/stop.h"

#include "actor/actor.h"
#include "troupe/error.h"

#include <string.h>

enum {
    SWEEP_AT_ONCE = 256,
    LOOK_AGAIN_NS = 1000 * 1000 /* between looks at what other schedulers still have to end */
};

void trp_runtime_stop(trp_runtime *runtime, uint64_t grace_ns) {
    if (trpi_exchange_u32(&runtime->stop_asked, 1, TRPI_RELAXED) != 0) {
        return;
    }
    runtime->grace_ns = grace_ns;
    trpi_store(&runtime->stopping, 1,
               TRPI_RELEASE); /* pairs with the acquire in trp_runtime_step */
    for (unsigned i = 0; i < runtime->group.count; i++) {
        trpi_sched_wake(&runtime->group, i);
        /* One that is awake may be about to sleep: its host is asked in any case. */
        runtime->host.wake(runtime->host.self, i);
    }
}

static uint64_t actors_left(const trp_runtime *runtime) {
    uint64_t left = 0;
    for (unsigned i = 0; i < runtime->group.count; i++) {
        left += trpi_load(&runtime->contexts[i]->spawned, TRPI_RELAXED);
        left -= trpi_load(&runtime->contexts[i]->exited, TRPI_RELAXED);
    }
    return left;
}

static int end_actor(trp_ctx *ctx, trp_pid pid, bool is_killing) {
    if (is_killing) {
        return trp_kill(ctx, pid);
    }
    trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, "runtime stops");
    return trp_stop(ctx, pid, &reason);
}

/*
 * Asks the next actors to end. True if the walk is over. Out of memory: the rest is asked in a
 * later step.
 */
static bool sweep(trp_ctx *ctx) {
    trp_runtime *runtime = ctx->runtime;
    uint32_t used = trpi_table_used(&runtime->actors);
    uint32_t until =
        used - runtime->sweep_at > SWEEP_AT_ONCE ? runtime->sweep_at + SWEEP_AT_ONCE : used;
    for (; runtime->sweep_at < until; runtime->sweep_at++) {
        trpi_actor *actor = trpi_table_at(&runtime->actors, runtime->sweep_at);
        uint32_t generation = trpi_load(&actor->generation, TRPI_ACQUIRE);
        trp_pid pid = {0, 0, runtime->sweep_at, generation};
        uint32_t limit = trpi_load(&actor->limit, TRPI_RELAXED);
        bool is_others_duty = !runtime->is_killing && (limit & TRPI_LIMIT_SUPERVISED) != 0;
        if ((generation & 1) != 0 && !is_others_duty &&
            end_actor(ctx, pid, runtime->is_killing) == TRP_ENOMEM) {
            return false;
        }
    }
    return runtime->sweep_at == used;
}

/* Scheduler 0: begins a walk, goes on with it, or begins the killing one. */
static void conduct(trp_ctx *ctx) {
    trp_runtime *runtime = ctx->runtime;
    uint64_t now = trpi_sched_now(&ctx->sched);
    if (runtime->kill_at_ns == 0) {
        bool is_endless = runtime->grace_ns > TRP_NEVER - 1 - now;
        runtime->kill_at_ns = is_endless ? TRP_NEVER : now + runtime->grace_ns;
        runtime->is_sweeping = true;
    } else if (now >= runtime->kill_at_ns && !runtime->is_killing) {
        runtime->is_killing = true;
        runtime->is_sweeping = true;
        runtime->sweep_at = 0;
    }
    if (runtime->is_sweeping) {
        uint32_t from = runtime->sweep_at;
        runtime->is_sweeping = !sweep(ctx);
        runtime->is_short_of_memory = runtime->is_sweeping && runtime->sweep_at == from;
    }
}

static void acknowledge(trp_ctx *ctx) {
    if (!ctx->has_acked_stop) {
        ctx->has_acked_stop = true;
        /* Release pairs with the acquire in is_over: no spawn of this scheduler comes after it. */
        trpi_add_u32(&ctx->runtime->stop_acks, 1, TRPI_RELEASE);
    }
}

static bool is_over(trp_runtime *runtime) {
    return trpi_load(&runtime->stop_acks, TRPI_ACQUIRE) == runtime->group.count &&
           actors_left(runtime) == 0 && trpi_load(&runtime->jobs, TRPI_ACQUIRE) == 0;
}

static void finish(trp_runtime *runtime) {
    trpi_store(&runtime->done, 1, TRPI_RELEASE);
    for (unsigned i = 1; i < runtime->group.count; i++) {
        trpi_sched_wake(&runtime->group, i);
        runtime->host.wake(runtime->host.self, i);
    }
}

trp_step trpi_stop_step(trp_ctx *ctx, const trp_budget *budget, uint64_t *next_deadline_ns) {
    trp_runtime *runtime = ctx->runtime;
    acknowledge(ctx);
    if (ctx->sched.index == 0) {
        ctx->sched.is_now_stale = true;
        conduct(ctx);
    }
    trp_step step = trpi_sched_step(&ctx->sched, budget, next_deadline_ns);
    if (ctx->sched.index == 0 && is_over(runtime)) {
        finish(runtime);
    }
    if (trpi_load(&runtime->done, TRPI_ACQUIRE) != 0) {
        *next_deadline_ns = TRP_NEVER;
        return TRP_STEP_DONE;
    }
    if (ctx->sched.index == 0 && step == TRP_STEP_IDLE) {
        if (runtime->is_sweeping && !runtime->is_short_of_memory) {
            return TRP_STEP_MORE;
        }
        uint64_t again = ctx->sched.now_ns + LOOK_AGAIN_NS;
        uint64_t limit =
            runtime->is_killing || again < runtime->kill_at_ns ? again : runtime->kill_at_ns;
        /* With one scheduler nobody else can end the last actor behind our back. */
        if (runtime->group.count == 1 && !runtime->is_killing && !runtime->is_sweeping) {
            limit = runtime->kill_at_ns;
        }
        *next_deadline_ns = limit < *next_deadline_ns ? limit : *next_deadline_ns;
    }
    return step;
}
