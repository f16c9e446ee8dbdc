/*
 * Ending others by stages. A small actor of its own goes through the stages with a timer and leaves
 * when the target has ended, so it makes no difference to anyone if whoever asked ends first.
 */
#include "troupe/ending.h"

#include "actor/actor.h"
#include "troupe/error.h"
#include "troupe/monitor.h"
#include "troupe/timer.h"

#include <string.h>

int trp_drain(trp_ctx *ctx, trp_pid pid) {
    if (!trp_pid_is_local(pid)) {
        return TRP_ENOTSUP;
    }
    trpi_actor *actor = trpi_actor_find(ctx->runtime, pid.index, pid.generation);
    if (actor == NULL) {
        return TRP_ENOPROC;
    }
    /* Relaxed: a sender that does not see it yet is one that sent before. */
    trpi_store(&actor->closed, pid.generation, TRPI_RELAXED);
    trp_exit drained = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, "drained");
    return trp_stop(ctx, pid, &drained);
}

typedef enum end_stage { DRAIN, STOP, KILL } end_stage;

typedef struct ender {
    trp_pid target;
    trp_end_plan plan;
    end_stage stage;
} ender;

static uint64_t time_of(const ender *self, end_stage stage) {
    switch (stage) {
    case DRAIN:
        return self->plan.drain_ns;
    case STOP:
        return self->plan.stop_ns;
    case KILL:
        break;
    }
    return TRP_NEVER;
}

static int act(trp_ctx *ctx, const ender *self) {
    switch (self->stage) {
    case DRAIN:
        return trp_drain(ctx, self->target);
    case STOP:
        return trp_stop(ctx, self->target, &self->plan.reason);
    case KILL:
        break;
    }
    return trp_kill(ctx, self->target);
}

/*
 * Goes to the first stage from the current one on that has time. Without memory for it, straight to
 * the next.
 */
static int enter_stage(trp_ctx *ctx, ender *self) {
    while (time_of(self, self->stage) == 0) {
        self->stage++;
    }
    int error = act(ctx, self);
    uint64_t time_ns = time_of(self, self->stage);
    if (error == TRP_ENOMEM || error == TRP_ENOTSUP) {
        time_ns =
            TRP_NS_PER_MS; /* the next stage is tried soon, and the last one again and again */
    }
    return time_ns == TRP_NEVER ? 0 : trp_timer(ctx, time_ns, 0, NULL);
}

static int ender_init(trp_ctx *ctx, void *state, const void *arg) {
    ender *self = state;
    *self = *(const ender *)arg;
    trp_ref monitor;
    int error = trp_monitor(ctx, self->target, &monitor);
    return error == 0 ? enter_stage(ctx, self) : error;
}

static void ender_handle(trp_ctx *ctx, void *state, trp_message *message) {
    ender *self = state;
    if (trp_message_is(message, &trp_down_type)) {
        trp_stop_self(ctx);
        return;
    }
    if (self->stage < KILL) {
        self->stage++;
    }
    if (enter_stage(ctx, self) != 0) {
        (void)trp_kill(ctx, self->target);
    }
}

static const trp_behaviour ender_behaviour = {
    TRP_BEHAVIOUR("troupe.ender"),
    .state_size = sizeof(ender),
    .init = ender_init,
    .handle = ender_handle,
};

static ender make_ender(trp_pid target, const trp_end_plan *plan) {
    ender made;
    memset(&made, 0, sizeof made);
    made.target = target;
    memcpy(&made.plan, plan, plan->size < sizeof *plan ? plan->size : sizeof *plan);
    if (made.plan.reason.kind == TRP_EXIT_NORMAL || made.plan.reason.kind == TRP_EXIT_KILLED) {
        made.plan.reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, NULL);
    }
    return made;
}

int trp_end(trp_ctx *ctx, trp_pid pid, const trp_end_plan *plan, trp_ref *ref) {
    if (ctx->frame.actor != NULL && trp_pid_equal(pid, trp_self(ctx))) {
        return TRP_ESELF;
    }
    int error = trp_monitor(ctx, pid, ref);
    if (error != 0) {
        return error;
    }
    ender made = make_ender(pid, plan);
    error = trp_spawn(ctx, &ender_behaviour, &made, NULL);
    if (error != 0) {
        (void)trp_demonitor(ctx, *ref);
    }
    return error;
}
