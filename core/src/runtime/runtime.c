/* The runtime: making, stepping and ending the whole. */
#include "troupe/runtime.h"

#include "actor/actor.h"
#include "actor/entry.h"
#include "runtime/stop.h"
#include "service/name.h"
#include "troupe/error.h"
#include "troupe/version.h"

#include <string.h>

enum {
    ACTORS_DEFAULT = 4 * 1024 * 1024,
    ENTRIES_MAX = 16 * 1024 * 1024,
    ENTRIES_SKEW = 29 * 64, /* an entry is as large as an actor, and both are used together */
    MAILBOX_DEFAULT = 1024 * 1024,
    BATCH_DEFAULT = 64
};

_Static_assert(offsetof(struct trp_ctx, sched) == 0, "a ctx is its scheduler");
_Static_assert(offsetof(trpi_scheduler, pool) == 0, "a scheduler is its pool");

static const trpi_sched_ops actor_ops = {trpi_actor_run, trpi_entry_due};

static int check_host(const trp_host *host) {
    bool is_complete = host != NULL && host->size != 0 && host->realloc != NULL &&
                       host->now_ns != NULL && host->wake != NULL && host->entropy != NULL;
    return is_complete ? 0 : TRP_EINVAL;
}

/*
 * Copies as much of a caller's struct as both know; the rest stays zero. Structs begin with their
 * size for this.
 */
static void copy_sized(void *to, size_t to_size, const void *from, size_t from_size) {
    memset(to, 0, to_size);
    memcpy(to, from, from_size < to_size ? from_size : to_size);
}

static int fill_config(trp_runtime_config *config, const trp_runtime_config *given) {
    if (given != NULL) {
        copy_sized(config, sizeof *config, given, given->size);
    }
    if (config->schedulers == 0) {
        config->schedulers = 1;
    }
    if (config->actors_max == 0) {
        config->actors_max = ACTORS_DEFAULT;
    }
    if (config->mailbox_messages == 0) {
        config->mailbox_messages = MAILBOX_DEFAULT;
    }
    if (config->batch == 0) {
        config->batch = BATCH_DEFAULT;
    }
    return config->schedulers > TRP_SCHEDULERS_MAX ? TRP_EINVAL : 0;
}

static int create_context(trp_runtime *runtime, unsigned index) {
    const trp_host *host = &runtime->host;
    trp_ctx *ctx = host->realloc(host->self, NULL, 0, sizeof *ctx);
    if (ctx == NULL) {
        return TRP_ENOMEM;
    }
    memset(ctx, 0, sizeof *ctx);
    ctx->runtime = runtime;
    runtime->contexts[index] = ctx;
    runtime->group.schedulers[index] = &ctx->sched;
    trpi_pool_init(&ctx->sched.pool, host, &runtime->depot);
    trpi_sched_init(&ctx->sched, &runtime->group, index, host, &actor_ops, runtime->config.batch);
    ctx->is_traced = host->trace != NULL;
    return 0;
}

static int create_parts(trp_runtime *runtime) {
    const trp_host *host = &runtime->host;
    int error =
        trpi_table_init(&runtime->actors, host, sizeof(trpi_actor), runtime->config.actors_max, 0);
    if (error == 0) {
        error =
            trpi_table_init(&runtime->entries, host, sizeof(trpi_entry), ENTRIES_MAX, ENTRIES_SKEW);
    }
    if (error == 0) {
        error = trpi_names_create(runtime);
    }
    for (unsigned i = 0; error == 0 && i < runtime->group.count; i++) {
        error = create_context(runtime, i);
    }
    return error;
}

int trp_runtime_create(const trp_host *host, const trp_runtime_config *config, trp_runtime **out) {
    int error = check_host(host);
    if (error != 0) {
        return error;
    }
    trp_runtime *runtime = host->realloc(host->self, NULL, 0, sizeof *runtime);
    if (runtime == NULL) {
        return TRP_ENOMEM;
    }
    memset(runtime, 0, sizeof *runtime);
    copy_sized(&runtime->host, sizeof runtime->host, host, host->size);
    error = fill_config(&runtime->config, config);
    runtime->group.count = runtime->config.schedulers;
    trpi_group_init(&runtime->group);
    trpi_depot_init(&runtime->depot);
    trpi_map_init(&runtime->types, &runtime->host);
    trpi_map_init(&runtime->behaviours, &runtime->host);
    if (error == 0) {
        error = create_parts(runtime);
    }
    if (error != 0) {
        trp_runtime_destroy(runtime);
        return error;
    }
    *out = runtime;
    return 0;
}

/*
 * Ends every actor that is left, on scheduler 0's context: nobody steps any more, so all contexts
 * are the caller's.
 */
static void end_all_actors(trp_runtime *runtime) {
    trp_ctx *ctx = runtime->contexts[0];
    if (ctx == NULL) {
        return;
    }
    memset(&ctx->frame, 0, sizeof ctx->frame);
    trpi_store(&runtime->stopping, 1, TRPI_RELEASE);
    trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, "runtime destroyed");
    uint32_t used = trpi_table_used(&runtime->actors);
    for (uint32_t i = 0; i < used; i++) {
        trpi_actor *actor = trpi_table_at(&runtime->actors, i);
        bool is_alive = (trpi_load(&actor->generation, TRPI_RELAXED) & 1) != 0;
        bool is_idle = trpi_load(&actor->mailbox.tail, TRPI_RELAXED) == NULL;
        if (is_alive && is_idle) {
            (void)trpi_mailbox_claim(&actor->mailbox, false);
        }
        if (is_alive) {
            trpi_actor_finish(ctx, actor, &reason);
        }
    }
}

/* What the ends of the last actors have sent to blocks that were empty already. */
static void drain_all_mailboxes(trp_runtime *runtime) {
    trp_ctx *ctx = runtime->contexts[0];
    trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, "runtime destroyed");
    uint32_t used = ctx == NULL ? 0 : trpi_table_used(&runtime->actors);
    for (uint32_t i = 0; i < used; i++) {
        trpi_actor *actor = trpi_table_at(&runtime->actors, i);
        if (trpi_load(&actor->mailbox.tail, TRPI_RELAXED) != NULL) {
            trpi_actor_drain(ctx, actor, &reason);
        }
    }
}

static void destroy_context(trp_runtime *runtime, unsigned index) {
    trp_ctx *ctx = runtime->contexts[index];
    if (ctx != NULL) {
        trpi_pool_deinit(&ctx->sched.pool);
        runtime->host.realloc(runtime->host.self, ctx, sizeof *ctx, 0);
    }
}

void trp_runtime_destroy(trp_runtime *runtime) {
    if (runtime == NULL) {
        return;
    }
    end_all_actors(runtime);
    if (runtime->node_destroy != NULL) {
        runtime->node_destroy(runtime);
    }
    drain_all_mailboxes(runtime);
    trpi_names_destroy(runtime);
    for (unsigned i = 0; i < runtime->group.count && runtime->contexts[i] != NULL; i++) {
        trpi_stop_discard_calls(runtime->contexts[i]); /* which may lie in any of the pools */
    }
    for (unsigned i = 0; i < runtime->group.count && i < TRP_SCHEDULERS_MAX; i++) {
        destroy_context(runtime, i);
    }
    trpi_depot_deinit(&runtime->depot, &runtime->host);
    trpi_table_deinit(&runtime->actors);
    trpi_table_deinit(&runtime->entries);
    trpi_map_deinit(&runtime->types);
    trpi_map_deinit(&runtime->behaviours);
    trp_host host = runtime->host;
    host.realloc(host.self, runtime, sizeof *runtime, 0);
}

trp_step trp_runtime_step(trp_runtime *runtime, unsigned scheduler, const trp_budget *budget,
                          uint64_t *next_deadline_ns) {
    uint64_t ignored;
    if (next_deadline_ns == NULL) {
        next_deadline_ns = &ignored;
    }
    trp_ctx *ctx = scheduler < runtime->group.count ? runtime->contexts[scheduler] : NULL;
    if (ctx == NULL) {
        trpi_fatal(runtime, "trp_runtime_step: there is no such scheduler");
    }
    *next_deadline_ns = TRP_NEVER;
    if (ctx->is_aborted) {
        trpi_actor_recover(ctx);
    } else if (ctx->is_stepping) {
        return TRP_STEP_MORE;
    }
    ctx->is_stepping = true;
    trp_step step = TRP_STEP_MORE;
    if (trpi_load(&runtime->stopping, TRPI_ACQUIRE) == 0) {
        step = trpi_sched_step(&ctx->sched, budget, next_deadline_ns);
    }
    if (trpi_load(&runtime->stopping, TRPI_ACQUIRE) != 0) {
        step = trpi_stop_step(ctx, budget, next_deadline_ns);
    }
    ctx->is_stepping = false;
    ctx->sched.is_now_stale = true;
    return step;
}

trp_ctx *trp_runtime_enter(trp_runtime *runtime, unsigned scheduler) {
    trp_ctx *ctx = scheduler < runtime->group.count ? runtime->contexts[scheduler] : NULL;
    if (ctx != NULL && !ctx->is_stepping) {
        ctx->sched.is_now_stale = true; /* time has passed since the last step */
    }
    return ctx;
}

trp_runtime *trp_ctx_runtime(trp_ctx *ctx) {
    return ctx->runtime;
}

unsigned trp_ctx_scheduler(const trp_ctx *ctx) {
    return ctx->sched.index;
}

void trp_runtime_on_dead_letter(trp_runtime *runtime, trp_dead_letter_fn *hook, void *arg) {
    runtime->dead_letter = hook;
    runtime->dead_letter_arg = arg;
}

void trp_runtime_stats(trp_runtime *runtime, trp_stats *stats) {
    memset(stats, 0, sizeof *stats);
    uint64_t exited = 0;
    uint64_t timers_ended = 0;
    for (unsigned i = 0; i < runtime->group.count; i++) {
        trp_ctx *ctx = runtime->contexts[i];
        exited += trpi_load(&ctx->exited, TRPI_RELAXED);
        stats->spawned += trpi_load(&ctx->spawned, TRPI_RELAXED);
        stats->delivered += trpi_load(&ctx->delivered, TRPI_RELAXED);
        stats->dead_letters += trpi_load(&ctx->dead_letters, TRPI_RELAXED);
        stats->late_replies += trpi_load(&ctx->late_replies, TRPI_RELAXED);
        stats->failures += trpi_load(&ctx->failures, TRPI_RELAXED);
        timers_ended += trpi_load(&ctx->timers_ended, TRPI_RELAXED);
        stats->timers += trpi_load(&ctx->timers_armed, TRPI_RELAXED);
    }
    stats->actors = stats->spawned > exited ? stats->spawned - exited : 0;
    stats->timers = stats->timers > timers_ended ? stats->timers - timers_ended : 0;
}

const char *trp_version(void) {
    return TRP_VERSION_TEXT;
}
