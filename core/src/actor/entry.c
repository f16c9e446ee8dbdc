/* Entries; the design is told in entry.h. */
#include "actor/entry.h"

#include <string.h>

#define TIMEOUT_FIELDS(F)                                                                          \
    F(ref, ref, 1)                                                                                 \
    F(u64, tag, 2)
TRP_TYPE_DEFINE(trp_timeout, "troupe.Timeout", TIMEOUT_FIELDS)

enum { GENERATION_BITS = 40 };

static const uint64_t GENERATION_MASK = (UINT64_C(1) << GENERATION_BITS) - 1;

_Static_assert(sizeof(trpi_entry) % 16 == 0, "slots are multiples of 16");
_Static_assert(sizeof(void *) < 8 ||
                   (sizeof(trpi_entry) == 128 && offsetof(trpi_entry, timer) == 64),
               "two cache lines, and the timer begins the second");

trp_message *trpi_entry_signal(trpi_entry *entry, trpi_kind kind) {
    trp_message *signal = &entry->signal;
    memset(signal, 0, sizeof *signal);
    signal->kind = (uint8_t)kind;
    signal->ref = trpi_load(&entry->ref, TRPI_RELAXED);
    signal->capacity = sizeof *signal;
    return signal;
}

static void chain(trpi_actor *actor, trpi_entry *entry) {
    entry->slot.next_free = actor->entries;
    entry->pprev = &actor->entries;
    if (actor->entries != NULL) {
        trpi_entry_of_slot(actor->entries)->pprev = &entry->slot.next_free;
    }
    actor->entries = &entry->slot;
}

trpi_entry *trpi_entry_new(trp_ctx *ctx, trpi_entry_kind kind) {
    trpi_actor *actor = ctx->frame.actor;
    bool is_full;
    trpi_entry *entry = trpi_table_take(&ctx->runtime->entries, &ctx->entries, &is_full);
    if (entry == NULL) {
        return NULL;
    }
    uint64_t generation = trpi_load(&entry->deadline_ns, TRPI_RELAXED) + 1;
    trp_ref ref = (uint64_t)entry->slot.index << GENERATION_BITS | generation;
    entry->kind = (uint8_t)kind;
    entry->u.period_ns = 0;
    trpi_store(&entry->timer_state, TRPI_TIMER_IDLE, TRPI_RELAXED);
    trp_pid owner = trpi_actor_pid(actor);
    trpi_store(&entry->owner, (uint64_t)owner.index << 32 | owner.generation, TRPI_RELAXED);
    trpi_entry_set_peer(entry, TRP_PID_NONE);
    chain(actor, entry);
    /*
     * Release pairs with the acquire in trpi_entry_find: a ref that is found is found with its
     * owner and peer.
     */
    trpi_store(&entry->ref, ref, TRPI_RELEASE);
    return entry;
}

trpi_entry *trpi_entry_find(trp_runtime *runtime, trp_ref ref) {
    trpi_entry *entry = trpi_table_at(&runtime->entries, (uint32_t)(ref >> GENERATION_BITS));
    bool is_live = ref != 0 && entry != NULL && trpi_load(&entry->ref, TRPI_ACQUIRE) == ref;
    return is_live ? entry : NULL;
}

trpi_entry *trpi_entry_of(trp_ctx *ctx, trpi_actor *actor, trp_ref ref) {
    trpi_entry *entry = trpi_entry_find(ctx->runtime, ref);
    if (entry == NULL) {
        return NULL;
    }
    trp_pid pid = trpi_actor_pid(actor);
    uint64_t owner = trpi_load(&entry->owner, TRPI_RELAXED);
    return owner == ((uint64_t)pid.index << 32 | pid.generation) ? entry : NULL;
}

void trpi_entry_free(trp_ctx *ctx, trpi_entry *entry) {
    if (trpi_load(&entry->deadline_ns, TRPI_RELAXED) == GENERATION_MASK) {
        return; /* its refs are used up: the slot retires, so that none is ever given twice */
    }
    trpi_table_give(&ctx->runtime->entries, &ctx->entries, entry);
}

void trpi_entry_detach(trp_ctx *ctx, trpi_entry *entry) {
    (void)ctx;
    uint64_t generation = trpi_load(&entry->ref, TRPI_RELAXED) & GENERATION_MASK;
    trpi_store(&entry->ref, 0, TRPI_RELEASE);
    /* Release: who sees this in place of a deadline sees that the ref is gone. */
    trpi_store(&entry->deadline_ns, generation, TRPI_RELEASE);
    trpi_slot *next = entry->slot.next_free;
    *entry->pprev = next;
    if (next != NULL) {
        trpi_entry_of_slot(next)->pprev = entry->pprev;
    }
}

/* Gives the timer up. False if the entry must stay until its wheel or its signal lets go of it. */
static bool disarm(trp_ctx *ctx, trpi_entry *entry) {
    uint32_t state = trpi_load(&entry->timer_state, TRPI_RELAXED);
    if (state == TRPI_TIMER_IDLE) {
        return true;
    }
    trpi_count(&ctx->timers_ended, 1);
    if (state == TRPI_TIMER_ARMED && entry->wheel == ctx->sched.index) {
        trpi_wheel_cancel(&ctx->sched.wheel, &entry->timer);
        return true;
    }
    /* Release pairs with the acquire in trpi_entry_due: the one who frees sees what we wrote. */
    (void)trpi_exchange_u32(&entry->timer_state, TRPI_TIMER_ABANDONED, TRPI_ACQ_REL);
    return false;
}

void trpi_entry_release(trp_ctx *ctx, trpi_entry *entry) {
    trpi_entry_detach(ctx, entry);
    if (disarm(ctx, entry)) {
        trpi_entry_free(ctx, entry);
    }
}

void trpi_entry_arm(trp_ctx *ctx, trpi_entry *entry, uint64_t delay_ns) {
    uint64_t now = trpi_sched_now(&ctx->sched);
    uint64_t deadline = delay_ns > TRP_NEVER - 1 - now ? TRP_NEVER - 1 : now + delay_ns;
    entry->wheel = (uint8_t)ctx->sched.index;
    trpi_store(&entry->timer_state, TRPI_TIMER_ARMED, TRPI_RELAXED);
    trpi_wheel_arm(&ctx->sched.wheel, &entry->timer, deadline);
    trpi_count(&ctx->timers_armed, 1);
}

/* The timer has left the wheel. Returns what its state was; only other threads can have changed it. */
static uint32_t set_fired(trp_ctx *ctx, trpi_entry *entry) {
    if (trpi_is_shared(ctx)) {
        return trpi_exchange_u32(&entry->timer_state, TRPI_TIMER_FIRED, TRPI_ACQ_REL);
    }
    uint32_t before = trpi_load(&entry->timer_state, TRPI_RELAXED);
    trpi_store(&entry->timer_state, TRPI_TIMER_FIRED, TRPI_RELAXED);
    return before;
}

void trpi_entry_due(trpi_scheduler *sched, trpi_timer *timer) {
    trp_ctx *ctx = (trp_ctx *)(void *)sched;
    trpi_entry *entry = (trpi_entry *)(void *)((char *)timer - offsetof(trpi_entry, timer));
    uint64_t owner = trpi_load(&entry->owner, TRPI_RELAXED);
    if (set_fired(ctx, entry) == TRPI_TIMER_ABANDONED) {
        trpi_entry_free(ctx, entry);
        return;
    }
    if (!trpi_is_shared(ctx)) {
        /*
         * It will leave the chain, between two that come at quite other times. With several
         * schedulers the owner may be at work on the chain.
         */
        __builtin_prefetch(entry->pprev, 1);
        __builtin_prefetch(entry->slot.next_free, 1);
    }
    /*
     * The block stays where it is even if the owner ends now; then the signal is discarded and the
     * entry with it.
     */
    trpi_actor *actor = trpi_table_at(&ctx->runtime->actors, (uint32_t)(owner >> 32));
    trpi_actor_push(ctx, actor, (uint32_t)owner, trpi_entry_signal(entry, TRPI_TIMER));
}

trpi_entry *trpi_entry_signalled(trp_ctx *ctx, trp_message *signal) {
    trpi_entry *entry = trpi_entry_of_signal(signal);
    (void)ctx;
    if (trpi_load(&entry->timer_state, TRPI_ACQUIRE) == TRPI_TIMER_ABANDONED) {
        return NULL;
    }
    trpi_store(&entry->timer_state, TRPI_TIMER_IDLE, TRPI_RELAXED);
    trpi_count(&ctx->timers_ended, 1);
    return entry;
}
