/* Supervisors: the actor, and what it makes of the exits of its children. */
#include "service/supervisor.h"

#include "troupe/error.h"
#include "troupe/link.h"
#include "troupe/message.h"
#include "troupe/timer.h"

#include <string.h>

enum { INTENSITY_MAX = 4096 };

/* ---- exits of children ---- */

static bool is_restarted(const trpi_child *child, const trp_exit *reason) {
    bool is_abnormal = reason->kind != TRP_EXIT_NORMAL && reason->kind != TRP_EXIT_SHUTDOWN;
    return child->spec.restart == TRP_PERMANENT ||
           (child->spec.restart == TRP_TRANSIENT && is_abnormal);
}

static bool runs_significant(const trpi_supervisor *self) {
    const trpi_child *child = self->children.first;
    while (child != NULL && !(child->spec.is_significant && !trp_pid_is_none(child->pid))) {
        child = child->next;
    }
    return child != NULL;
}

/* A child has ended for good, by itself. */
static void lose_child(trp_ctx *ctx, trpi_supervisor *self, trpi_child *child) {
    bool is_significant = child->spec.is_significant;
    if (!trpi_supervisor_keeps(self, child)) {
        trpi_children_remove(&self->children, ctx, child);
    }
    trp_auto_shutdown rule = self->config.auto_shutdown;
    if (is_significant && (rule == TRP_AUTO_SHUTDOWN_ANY ||
                           (rule == TRP_AUTO_SHUTDOWN_ALL && !runs_significant(self)))) {
        trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, "significant child ended");
        trpi_supervisor_end(ctx, self, &reason);
    }
}

/* Marks `child` and what follows it to be stopped and started again. */
static void mark_group(trpi_supervisor *self, trpi_child *child) {
    for (; child != NULL; child = child->next) {
        child->must_stop = !trp_pid_is_none(child->pid);
        child->must_start = child->spec.restart != TRP_TEMPORARY;
        if (!child->must_stop) {
            trpi_children_untag(&self->children, child); /* of a start that was due later */
        }
    }
}

/* Starts one child again later; until then its tag is that of a timer. */
static void start_later(trp_ctx *ctx, trpi_supervisor *self, trpi_child *child, uint64_t delay_ns) {
    if (trpi_children_tag(&self->children, child) != 0 ||
        trp_timer(ctx, delay_ns, child->tag, NULL) != 0) {
        trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, TRP_ENOMEM, "no memory to restart");
        trpi_supervisor_end(ctx, self, &reason);
    }
}

static void restart_child(trp_ctx *ctx, trpi_supervisor *self, trpi_child *child) {
    child->restarts++;
    if (trpi_supervisor_count_restart(ctx, self)) {
        trpi_supervisor_end_too_many(ctx, self);
        return;
    }
    uint64_t delay_ns =
        trpi_supervisor_next_delay(self, child, trp_now_ns(ctx) - child->started_ns);
    switch (self->config.strategy) {
    case TRP_ONE_FOR_ALL:
        mark_group(self, self->children.first);
        break;
    case TRP_REST_FOR_ONE:
        mark_group(self, child);
        break;
    case TRP_ONE_FOR_ONE:
    case TRP_DYNAMIC:
        if (delay_ns != 0) {
            start_later(ctx, self, child, delay_ns);
            return;
        }
        child->must_start = true;
        break;
    }
    self->start_delay_ns = delay_ns;
    trpi_supervisor_go_on(ctx, self);
}

static void on_exited(trp_ctx *ctx, trpi_supervisor *self, const trp_exited *exited) {
    trpi_child *child = trpi_children_by_tag(&self->children, exited->tag);
    if (child == NULL) {
        /* Not a child: whoever it is linked to, its own supervisor most likely, takes it along. */
        if (exited->tag == 0) {
            trpi_supervisor_end(ctx, self, &exited->reason);
        }
        return;
    }
    child->pid = TRP_PID_NONE;
    trpi_children_untag(&self->children, child);
    bool was_asked = child->must_stop;
    child->must_stop = false;
    if (self->waits_for == child) {
        (void)trp_timer_cancel(ctx, self->kill_timer);
        bool is_over =
            !child->must_start && (!trpi_supervisor_keeps(self, child) || self->is_forgetting);
        if (is_over) {
            trpi_children_remove(&self->children, ctx, child);
        }
        self->waits_for = NULL;
        self->is_forgetting = false;
        trpi_supervisor_go_on(ctx, self);
    } else if (was_asked || self->is_ending) {
        return; /* stopped by the plan before its turn */
    } else if (is_restarted(child, &exited->reason)) {
        restart_child(ctx, self, child);
    } else {
        lose_child(ctx, self, child);
    }
}

static void on_timeout(trp_ctx *ctx, trpi_supervisor *self, uint64_t tag) {
    if (tag == TRPI_TAG_KILL) {
        if (self->waits_for != NULL) {
            (void)trp_kill(ctx, self->waits_for->pid);
        }
        return;
    }
    if (tag == TRPI_TAG_START) {
        trpi_supervisor_go_on(ctx, self);
        return;
    }
    trpi_child *child = trpi_children_by_tag(&self->children, tag);
    if (child != NULL && trp_pid_is_none(child->pid)) {
        trpi_children_untag(&self->children, child);
        child->must_start = true;
        trpi_supervisor_go_on(ctx, self);
    }
}

/* ---- the actor ---- */

static void handle(trp_ctx *ctx, void *state, trp_message *message) {
    trpi_supervisor *self = state;
    trpi_children_enter(&self->children, ctx);
    const trp_type *type = trp_message_type(message);
    if (type == &trp_exited_type) {
        on_exited(ctx, self, trp_message_body(message));
    } else if (type == &trp_timeout_type) {
        on_timeout(ctx, self, ((const trp_timeout *)trp_message_body(message))->tag);
    } else if (type == &trpi_supervisor_order_type) {
        trpi_supervisor_on_order(ctx, self, message);
    } else if (type == &trp_exit_type) {
        trpi_supervisor_end(ctx, self, trp_message_body(message));
    }
}

static void fill_defaults(trp_supervisor_config *config, const trp_supervisor_config *given) {
    memcpy(config, given, given->size < sizeof *config ? given->size : sizeof *config);
    if (config->intensity == 0) {
        config->intensity = 1;
    } else if (config->intensity == UINT32_MAX) {
        config->intensity = 0;
    }
    if (config->intensity > INTENSITY_MAX) {
        config->intensity = INTENSITY_MAX;
    }
    if (config->period_ns == 0) {
        config->period_ns = 5 * TRP_NS_PER_S;
    }
}

/*
 * The children start in the flow of whoever spawns the supervisor. If one fails, init fails: the
 * links end those before it, which have handled nothing yet.
 */
static int init(trp_ctx *ctx, void *state, const void *arg) {
    trpi_supervisor *self = state;
    fill_defaults(&self->config, arg);
    trpi_children_init(&self->children, ctx);
    trp_trap_exit(ctx, true);
    self->restarts = trp_alloc(ctx, (self->config.intensity + 1) * sizeof *self->restarts);
    int error = self->restarts == NULL ? TRP_ENOMEM : 0;
    for (size_t i = 0; error == 0 && i < self->config.children_len; i++) {
        const trp_child_spec *spec = &self->config.children[i];
        error = trpi_children_check(&self->children, spec, self->config.strategy);
        trpi_child *child = error == 0 ? trpi_children_add(&self->children, ctx, spec) : NULL;
        if (error == 0) {
            error = child == NULL ? TRP_ENOMEM : trpi_supervisor_start_child(ctx, self, child);
        }
    }
    self->config.children = NULL; /* they were borrowed */
    return error == TRP_EEXIST ? TRP_EINVAL : error;
}

static const trp_behaviour supervisor_behaviour = {
    TRP_BEHAVIOUR("troupe.supervisor"),
    .state_size = sizeof(trpi_supervisor),
    .flags = TRP_BEHAVIOUR_DEFERS_STOP,
    .init = init,
    .handle = handle,
};

int trp_supervisor_spawn(trp_ctx *ctx, const trp_supervisor_config *config,
                         const trp_spawn_options *options, trp_pid *pid) {
    return trp_spawn_opt(ctx, &supervisor_behaviour, config, options, pid, NULL);
}
