/*
 * Spawning: a block from the table, its mailbox claimed, init in the flow of the spawner, then the
 * mailbox let go.
 */
#include "actor/actor.h"

#include "actor/entry.h"
#include "actor/stash.h"
#include "troupe/error.h"
#include "troupe/monitor.h"

#include <string.h>

enum { SPAWN_DEPTH_MAX = 64, CLAIM_TRIES = 8 };

_Static_assert(sizeof(void *) != 8 || sizeof(trpi_actor) == 128, "an actor is two cache lines");

/* A block with a claimed mailbox. Blocks whose last tenant still gets late mail are put back. */
static trpi_actor *claim_block(trp_ctx *ctx, int *error) {
    trp_runtime *runtime = ctx->runtime;
    trpi_actor *busy[CLAIM_TRIES];
    trpi_actor *actor = NULL;
    int tries = 0;
    *error = TRP_ENOMEM;
    while (actor == NULL && tries < CLAIM_TRIES) {
        bool is_full;
        trpi_actor *block = trpi_table_take(&runtime->actors, &ctx->actors, &is_full);
        if (block == NULL) {
            *error = is_full ? TRP_ELIMIT : TRP_ENOMEM;
            break;
        }
        if (trpi_mailbox_claim(&block->mailbox, trpi_is_shared(ctx))) {
            actor = block;
        } else {
            busy[tries++] = block;
        }
    }
    while (tries > 0) {
        trpi_table_give(&runtime->actors, &ctx->actors, busy[--tries]);
    }
    return actor;
}

static bool init_state(trp_ctx *ctx, trpi_actor *actor, const trp_behaviour *behaviour) {
    memset(&actor->room, 0, sizeof actor->room);
    if (behaviour->state_size > TRPI_INLINE_STATE) {
        actor->room.state = trpi_pool_alloc(&ctx->sched.pool, behaviour->state_size);
        if (actor->room.state == NULL) {
            return false;
        }
        memset(actor->room.state, 0, behaviour->state_size);
    }
    return true;
}

static void init_limit(trp_ctx *ctx, trpi_actor *actor, const trp_spawn_options *options) {
    uint32_t limit = ctx->runtime->config.mailbox_messages;
    if (options != NULL && options->mailbox_messages != 0) {
        limit =
            options->mailbox_messages | (uint32_t)options->mailbox_policy << 29 | TRPI_LIMIT_EXACT;
        if (options->mailbox_policy == TRP_MAILBOX_DROP_OLDEST) {
            actor->flags |= TRPI_ACTOR_DROPS_OLDEST;
        }
    }
    if (options != NULL && options->supervised) {
        limit |= TRPI_LIMIT_SUPERVISED;
    }
    trpi_store(&actor->limit, limit, TRPI_RELAXED);
}

static int prepare(trp_ctx *ctx, const trp_behaviour *behaviour, const trp_spawn_options *options,
                   trpi_actor **out) {
    int error;
    trpi_actor *actor = claim_block(ctx, &error);
    if (actor == NULL) {
        return error;
    }
    actor->behaviour = behaviour;
    actor->flags = 0;
    actor->events = 0;
    actor->pin = TRPI_NOT_PINNED;
    actor->side = NULL;
    actor->entries = NULL;
    actor->bonds = NULL;
    init_limit(ctx, actor, options);
    if (options != NULL && options->pinned) {
        actor->pin = (uint8_t)ctx->sched.index;
    }
    uint32_t generation = trpi_load(&actor->generation, TRPI_RELAXED) + 1;
    if (ctx->observe != NULL) {
        ctx->observe(ctx, actor, TRPI_BORN, NULL);
    }
    trpi_store(&actor->generation, generation, TRPI_RELEASE); /* pairs with trpi_actor_find */
    trpi_count(&ctx->spawned, 1);
    bool has_memory = init_state(ctx, actor, behaviour);
    if (!has_memory) {
        actor->behaviour = NULL; /* so that nobody looks for its state */
    }
    if (has_memory && options != NULL && options->events_first) {
        actor->flags |= TRPI_ACTOR_EVENTS_FIRST;
        has_memory = trpi_stash_of(ctx, actor) != NULL;
    }
    if (!has_memory) {
        trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, TRP_ENOMEM, NULL);
        trpi_actor_finish(ctx, actor, &reason);
        return TRP_ENOMEM;
    }
    *out = actor;
    return 0;
}

/*
 * Runs init as the new actor. Returns its error; `ended` gets the frame, in which the actor may
 * have asked to end.
 */
static int run_init(trp_ctx *ctx, trpi_actor *actor, const void *arg,
                    const trp_spawn_options *options, trpi_frame *ended) {
    trpi_frame outer;
    trpi_frame_copy(&outer, &ctx->frame);
    trpi_frame_begin(&ctx->frame, actor);
    ctx->spawn_depth++;
    int error = 0;
    if (options != NULL && options->name != NULL) {
        error = ctx->runtime->claim_name(ctx, options->name);
    }
    if (error == 0 && actor->behaviour->init != NULL) {
        error = actor->behaviour->init(ctx, trpi_actor_state(actor), arg);
    }
    if (error == 0 && options != NULL && options->name != NULL) {
        ctx->runtime->publish_names(ctx, actor);
    }
    ctx->spawn_depth--;
    trpi_frame_copy(ended, &ctx->frame);
    trpi_frame_copy(&ctx->frame, &outer);
    return error;
}

/*
 * Lets go of the mailbox: the new actor now runs like any other, at once if something came
 * meanwhile.
 */
static void let_go(trp_ctx *ctx, trpi_actor *actor) {
    trpi_link *stub = &actor->mailbox.stub;
    switch (trpi_mailbox_advance(&actor->mailbox, stub, trpi_is_shared(ctx))) {
    case TRPI_PARKED:
        break;
    case TRPI_ADVANCED:
    case TRPI_BUSY:
        trpi_actor_schedule(ctx, actor);
        break;
    }
}

static void trace_spawn(trp_ctx *ctx, trp_pid pid) {
    if (ctx->runtime->host.trace != NULL) {
        trp_pid spawner = trp_self(ctx);
        trp_trace record = {TRP_TRACE_SPAWN, ctx->sched.index,
                            (uint64_t)pid.index << 32 | pid.generation,
                            (uint64_t)spawner.index << 32 | spawner.generation, 0};
        ctx->runtime->host.trace(ctx->runtime->host.self, &record);
    }
}

static int check(trp_ctx *ctx, const trp_behaviour *behaviour, const trp_spawn_options *options,
                 const trp_ref *monitor) {
    if (behaviour == NULL || behaviour->handle == NULL || behaviour->name == NULL) {
        return TRP_EINVAL;
    }
    if (options != NULL && (options->mailbox_messages > TRPI_LIMIT_MAX ||
                            (unsigned)options->mailbox_policy > TRP_MAILBOX_SUSPEND)) {
        return TRP_EINVAL;
    }
    if (options != NULL && options->monitor && monitor == NULL) {
        return TRP_EINVAL;
    }
    if (options != NULL && (options->monitor || options->link) && ctx->frame.actor == NULL) {
        return TRP_ESTATE;
    }
    if (trpi_load(&ctx->runtime->stopping, TRPI_ACQUIRE) != 0) {
        return TRP_ESTATE;
    }
    return ctx->spawn_depth >= SPAWN_DEPTH_MAX ? TRP_ELIMIT : 0;
}

/*
 * The ties of a new actor to its spawner, made before init so that their failure can still undo the
 * spawn.
 */
typedef struct ties {
    trp_ref monitor;
    trpi_bond *link;
} ties;

/*
 * The monitor's message waits in the new mailbox behind the stub. If init fails, neither tie is
 * heard of: the DOWN finds no entry, the exit signal a link that is over.
 */
static int tie(trp_ctx *ctx, trpi_actor *actor, const trp_spawn_options *options, ties *made) {
    int error = 0;
    if (options != NULL && options->monitor) {
        error = trp_monitor(ctx, trpi_actor_pid(actor), &made->monitor);
    }
    if (error == 0 && options != NULL && options->link) {
        made->link = trpi_link_spawned(ctx, actor, options->link_tag);
        error = made->link == NULL ? TRP_ENOMEM : 0;
    }
    return error;
}

static void untie(trp_ctx *ctx, const ties *made) {
    if (made->monitor != 0) {
        (void)trp_demonitor(ctx, made->monitor);
    }
    if (made->link != NULL) {
        made->link->is_over = true;
    }
}

int trp_spawn_opt(trp_ctx *ctx, const trp_behaviour *behaviour, const void *arg,
                  const trp_spawn_options *options, trp_pid *pid, trp_ref *monitor) {
    trp_spawn_options known;
    if (options != NULL && options->size < sizeof known) {
        memset(&known, 0, sizeof known); /* of a caller built with an older header */
        memcpy(&known, options, options->size);
        options = &known;
    }
    trpi_actor *actor;
    int error = check(ctx, behaviour, options, monitor);
    if (error == 0) {
        error = prepare(ctx, behaviour, options, &actor);
    }
    if (error != 0) {
        return error;
    }
    ties made = {0, NULL};
    trpi_frame ended;
    ended.is_ending = false;
    error = tie(ctx, actor, options, &made);
    if (error == 0) {
        error = run_init(ctx, actor, arg, options, &ended);
    }
    if (error != 0) {
        untie(ctx, &made);
        trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, error, "init failed");
        trpi_actor_finish(ctx, actor, &reason);
        return error;
    }
    trp_pid spawned = trpi_actor_pid(actor);
    trace_spawn(ctx, spawned);
    if (ctx->observe != NULL) {
        ctx->observe(ctx, actor, TRPI_STARTED, NULL);
    }
    if (ended.is_ending) {
        ctx->spawn_depth++; /* terminate runs inside the spawner's callback: no place for an abort */
        trpi_actor_end(ctx, actor, &ended.ending, ended.ending.kind != TRP_EXIT_KILLED);
        ctx->spawn_depth--;
    } else {
        let_go(ctx, actor);
    }
    if (pid != NULL) {
        *pid = spawned;
    }
    if (monitor != NULL) {
        *monitor = made.monitor;
    }
    return 0;
}

int trp_spawn(trp_ctx *ctx, const trp_behaviour *behaviour, const void *arg, trp_pid *pid) {
    return trp_spawn_opt(ctx, behaviour, arg, NULL, pid, NULL);
}
