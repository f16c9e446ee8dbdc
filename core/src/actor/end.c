/*
 * Ending an actor. The order is what others rely on: terminate; then its names and groups are
 * released; then no new message finds it; what it waited for is given up; what it held is answered;
 * only then its monitors and links are told; then its backlog is answered and its memory freed.
 */
#include "actor/actor.h"
#include "actor/entry.h"
#include "actor/room.h"
#include "actor/routine.h"
#include "actor/stash.h"
#include "troupe/error.h"

#include <string.h>

static void free_heap(trp_ctx *ctx, trpi_side *side) {
    while (side->heap != NULL) {
        trpi_heap_block *block = side->heap;
        side->heap = block->next;
        trpi_pool_free(&ctx->sched.pool, block, sizeof *block + block->size);
    }
}

static void answer_held(trp_ctx *ctx, trpi_side *side, const trp_exit *reason) {
    while (side->held != NULL) {
        trp_message *message = side->held->message;
        trpi_unhold(ctx, message);
        if (message->kind == TRPI_REQUEST) {
            trpi_settle(ctx, message, TRP_EFAILED, reason);
        } else {
            trpi_message_free(&ctx->sched.pool, message);
        }
    }
}

/* Gives up a monitor of the ending actor: the target is told, by the signal in the entry. */
static void give_up_monitor(trp_ctx *ctx, trpi_entry *entry) {
    trp_pid target = trpi_entry_peer(entry);
    trp_message *signal = trpi_entry_signal(entry, TRPI_DEMONITOR);
    trpi_entry_detach(ctx, entry);
    (void)trpi_deliver(ctx, target, signal);
}

void trpi_entry_give_up(trp_ctx *ctx, trpi_entry *entry) {
    if (entry->kind == TRPI_ENTRY_MONITOR) {
        give_up_monitor(ctx, entry);
        return;
    }
    if (entry->kind == TRPI_ENTRY_WAIT) {
        trpi_wait *wait = entry->u.wait;
        trpi_entry_release(ctx, entry);
        wait->end(ctx, wait);
        return;
    }
    trp_message *kept = entry->kind == TRPI_ENTRY_SEND_AFTER ? entry->u.message : NULL;
    trpi_entry_release(ctx, entry);
    trp_message_drop(ctx, kept);
}

static void give_up_entries(trp_ctx *ctx, trpi_actor *actor) {
    while (actor->entries != NULL) {
        trpi_entry_give_up(ctx, trpi_entry_of_slot(actor->entries));
    }
}

static void tell_bonds(trp_ctx *ctx, trpi_actor *actor, trp_pid pid, const trp_exit *reason) {
    trp_message *block = actor->bonds;
    actor->bonds = NULL;
    while (block != NULL) {
        trpi_bond *bond = trpi_body(block);
        trp_message *next = bond->next;
        if (block->kind == TRPI_LINK && bond->is_over) {
            trpi_message_free(&ctx->sched.pool, block);
        } else {
            trpi_discard(ctx, pid, block, reason, TRP_ENOPROC);
        }
        block = next;
    }
}

static void discard_stash(trp_ctx *ctx, trpi_actor *actor, trp_pid pid, const trp_exit *reason) {
    trpi_stash *stash = actor->side == NULL ? NULL : actor->side->stash;
    if (stash == NULL) {
        return;
    }
    trp_message *message = trpi_stash_oldest(ctx, stash);
    while (message != NULL) {
        trpi_give_back_count(actor, message);
        trpi_discard(ctx, pid, message, reason, TRP_ENOPROC);
        message = trpi_stash_oldest(ctx, stash);
    }
    trpi_stash_destroy(ctx, stash);
    actor->side->stash = NULL;
}

static void free_state(trp_ctx *ctx, trpi_actor *actor) {
    const trp_behaviour *behaviour = actor->behaviour;
    if (behaviour != NULL && behaviour->state_size > TRPI_INLINE_STATE) {
        trpi_pool_free(&ctx->sched.pool, actor->room.state, behaviour->state_size);
    }
    if (actor->side != NULL) {
        free_heap(ctx, actor->side);
        trpi_pool_free(&ctx->sched.pool, actor->side, sizeof *actor->side);
        actor->side = NULL;
    }
    actor->behaviour = NULL;
}

static void count_end(trp_ctx *ctx, trp_pid pid, const trp_exit *reason) {
    trpi_count(&ctx->exited, 1);
    if (reason->kind != TRP_EXIT_NORMAL && reason->kind != TRP_EXIT_SHUTDOWN) {
        trpi_count(&ctx->failures, 1);
    }
    if (ctx->runtime->host.trace != NULL) {
        trp_trace record = {TRP_TRACE_EXIT, ctx->sched.index,
                            (uint64_t)pid.index << 32 | pid.generation, 0, (uint64_t)reason->kind};
        ctx->runtime->host.trace(ctx->runtime->host.self, &record);
    }
}

void trpi_actor_finish(trp_ctx *ctx, trpi_actor *actor, const trp_exit *reason) {
    trp_pid pid = trpi_actor_pid(actor);
    trpi_frame outer;
    trpi_frame_copy(&outer, &ctx->frame);
    ctx->frame.actor = actor; /* whose entries and held requests are given up below */
    ctx->frame.message = NULL;
    trp_runtime *runtime = ctx->runtime;
    if (runtime->release != NULL && actor->side != NULL && actor->side->names != NULL) {
        runtime->release(ctx, actor);
    }
    if (actor->side != NULL && actor->side->groups != NULL) {
        actor->side->groups->release(ctx, actor);
    }
    trpi_store(&actor->generation, pid.generation + 1, TRPI_RELEASE);
    if (ctx->observe != NULL) {
        ctx->observe(ctx, actor, TRPI_ENDED, reason);
    }
    give_up_entries(ctx, actor);
    if (actor->side != NULL) {
        answer_held(ctx, actor->side, reason);
    }
    tell_bonds(ctx, actor, pid, reason);
    discard_stash(ctx, actor, pid, reason);
    if (actor->side != NULL) {
        trpi_room_end(ctx, actor->side);
    }
    if (actor->side != NULL && actor->side->fiber != NULL) {
        trpi_routine_forget(ctx, actor, reason);
        if (actor->side->crew != NULL) {
            actor->side->crew->calls->release(ctx, actor);
        }
        runtime->host.fiber_destroy(runtime->host.self, actor->side->fiber);
    }
    free_state(ctx, actor);
    count_end(ctx, pid, reason);
    actor->flags |= TRPI_ACTOR_ZOMBIE;
    trpi_frame_copy(&ctx->frame, &outer);
    trpi_actor_drain(ctx, actor, reason);
}

void trpi_actor_dispose_last(trp_ctx *ctx, trp_message *message, const trp_exit *reason) {
    if (message->kind == TRPI_REQUEST) {
        trpi_settle(ctx, message, TRP_EFAILED, reason);
    } else {
        trpi_actor_dispose(ctx, message, (trpi_owes)message->reserved);
    }
}

void trpi_actor_drain(trp_ctx *ctx, trpi_actor *actor, const trp_exit *reason) {
    uint32_t index = actor->slot.index;
    for (;;) {
        trpi_link *link = actor->mailbox.first;
        trp_message *message = link == &actor->mailbox.stub ? NULL : (trp_message *)(void *)link;
        bool is_consumed = (actor->flags & TRPI_ACTOR_CONSUMED) != 0;
        bool is_zombie = (actor->flags & TRPI_ACTOR_ZOMBIE) != 0;
        /* From the moment the mailbox is left, the block may be anybody's: all flags go first. */
        actor->flags = 0;
        trpi_advance advance = trpi_mailbox_advance(&actor->mailbox, link, trpi_is_shared(ctx));
        if (advance == TRPI_BUSY) {
            actor->flags = (uint8_t)((is_consumed ? TRPI_ACTOR_CONSUMED : 0) |
                                     (is_zombie ? TRPI_ACTOR_ZOMBIE : 0));
            trpi_sched_ready(&ctx->sched, &actor->task);
            return;
        }
        if (message != NULL) {
            trpi_give_back_count(actor, message);
        }
        if (message != NULL && is_consumed) {
            trpi_actor_dispose_last(ctx, message, reason);
        } else if (message != NULL) {
            trp_pid to = {0, 0, index, message->generation};
            trpi_discard(ctx, to, message, reason, TRP_ENOPROC);
        }
        if (advance == TRPI_PARKED) {
            bool is_worn_out = trpi_load(&actor->generation, TRPI_RELAXED) >= UINT32_MAX - 1;
            if (is_zombie && !is_worn_out) {
                trpi_table_give(&ctx->runtime->actors, &ctx->actors, actor);
            }
            return;
        }
        actor->flags = is_zombie ? TRPI_ACTOR_ZOMBIE : 0;
    }
}

void trpi_actor_end(trp_ctx *ctx, trpi_actor *actor, const trp_exit *reason, bool is_graceful) {
    actor->flags |= TRPI_ACTOR_ENDING;
    if (is_graceful && actor->behaviour->terminate != NULL) {
        trpi_frame outer;
        trpi_frame_copy(&outer, &ctx->frame);
        ctx->frame.actor = actor;
        ctx->frame.ending = *reason;
        ctx->frame.is_ending = true;
        actor->behaviour->terminate(ctx, trpi_actor_state(actor), reason);
        trpi_frame_copy(&ctx->frame, &outer);
    }
    trpi_actor_finish(ctx, actor, reason);
}

void trpi_actor_recover(trp_ctx *ctx) {
    trpi_actor *actor = ctx->frame.actor;
    trp_exit reason = ctx->frame.ending;
    trpi_link *first = actor->mailbox.first;
    bool is_in_terminate = (actor->flags & TRPI_ACTOR_ENDING) != 0;
    if (!is_in_terminate && first == ctx->frame.first && first != &actor->mailbox.stub) {
        ((trp_message *)(void *)first)->reserved = TRPI_OWES_FREE;
        actor->flags |= TRPI_ACTOR_CONSUMED;
    }
    trp_message *loose = ctx->frame.loose;
    ctx->frame.loose = NULL;
    if (loose != NULL) {
        trpi_actor_dispose_last(ctx, loose, &reason);
    }
    ctx->is_aborted = false;
    trpi_actor_finish(ctx, actor, &reason);
    memset(&ctx->frame, 0, sizeof ctx->frame);
}
