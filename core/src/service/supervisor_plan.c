/*
 * What a supervisor does step by step. Stopping takes time, so whatever needs it is a plan in three
 * phases: the children that must stop are stopped one after the other, last first; then there may be
 * a delay; then those that must start are started, first first. While a plan waits, a receive filter
 * lets only what it waits for through, so requests and further exits wait their turn in order.
 */
#include "service/supervisor.h"

#include "troupe/error.h"
#include "troupe/filter.h"
#include "troupe/message.h"
#include "troupe/request.h"
#include "troupe/timer.h"

#include <string.h>

enum {
    RETRY_NS = 1000 * 1000 /* before a start that has failed is tried again, without back-off */
};

/* ---- starting ---- */

int trpi_supervisor_start_child(trp_ctx *ctx, trpi_supervisor *self, trpi_child *child) {
    int error = trpi_children_tag(&self->children, child);
    if (error != 0) {
        return error;
    }
    trp_spawn_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.name = child->spec.name;
    options.link = true;
    options.link_tag = child->tag;
    options.supervised = true;
    error = trp_spawn_opt(ctx, child->spec.behaviour, child->spec.arg, &options, &child->pid, NULL);
    if (error != 0) {
        child->pid = TRP_PID_NONE;
        trpi_children_untag(&self->children, child);
        return error;
    }
    child->must_start = false;
    child->is_asked = false;
    child->started_ns = trp_now_ns(ctx);
    return 0;
}

/* A start of a child that had run before has failed: that is a restart more. */
static void start_failed(trp_ctx *ctx, trpi_supervisor *self, trpi_child *child) {
    if (trpi_supervisor_count_restart(ctx, self)) {
        trpi_supervisor_end_too_many(ctx, self);
        return;
    }
    uint64_t delay_ns = trpi_supervisor_next_delay(self, child, 0);
    self->start_delay_ns = delay_ns == 0 ? RETRY_NS : delay_ns;
    trpi_supervisor_go_on(ctx, self);
}

/* ---- stopping and going on ---- */

static void wait_for(trp_ctx *ctx, trpi_supervisor *self, uint64_t tag, uint64_t other_tag) {
    uint64_t tags[2] = {tag, other_tag};
    trp_filter filter = {sizeof filter, tags, other_tag == 0 ? 1 : 2, 0};
    if (trp_filter_set(ctx, &filter) != 0) {
        /*
         * Without the filter its order cannot be kept: it ends, and its children with it, by their
         * links.
         */
        trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, TRP_ENOMEM, "no memory to wait");
        self->is_ending = true;
        trp_fail(ctx, &reason);
    }
}

static void ask_to_stop(trp_ctx *ctx, trpi_child *child) {
    trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, NULL);
    if (!child->is_asked) {
        child->is_asked = true;
        if (child->spec.is_brutal || trp_stop(ctx, child->pid, &reason) == TRP_ENOMEM) {
            (void)trp_kill(ctx, child->pid);
        }
    }
}

static void stop_child(trp_ctx *ctx, trpi_supervisor *self, trpi_child *child) {
    uint64_t time_ns = child->spec.shutdown_ns;
    self->waits_for = child;
    ask_to_stop(ctx, child);
    bool has_limit = !child->spec.is_brutal && time_ns != TRP_NEVER;
    if (has_limit && trp_timer(ctx, time_ns == 0 ? TRP_CHILD_SHUTDOWN_NS : time_ns, TRPI_TAG_KILL,
                               &self->kill_timer) != 0) {
        has_limit = false; /* without memory for a deadline there is no waiting */
        (void)trp_kill(ctx, child->pid);
    }
    wait_for(ctx, self, child->tag, has_limit ? TRPI_TAG_KILL : 0);
}

/* The last child that must stop, NULL if none is left. */
static trpi_child *next_to_stop(const trpi_supervisor *self) {
    trpi_child *child = self->children.last;
    while (child != NULL && !child->must_stop) {
        child = child->previous;
    }
    return child;
}

static trpi_child *next_to_start(const trpi_supervisor *self) {
    trpi_child *child = self->children.first;
    while (child != NULL && !child->must_start) {
        child = child->next;
    }
    return child;
}

/* Starts what must be started. False: one has failed, and the plan goes on from there. */
static bool start_all(trp_ctx *ctx, trpi_supervisor *self) {
    trpi_child *child = next_to_start(self);
    while (child != NULL) {
        if (trpi_supervisor_start_child(ctx, self, child) != 0) {
            start_failed(ctx, self, child);
            return false;
        }
        child = next_to_start(self);
    }
    return true;
}

static void answer_asked(trp_ctx *ctx, trpi_supervisor *self) {
    if (self->asked != NULL) {
        (void)trp_reply(ctx, self->asked, trp_message_new_bytes(ctx, NULL, 0));
        trp_message_drop(ctx, self->asked);
        self->asked = NULL;
    }
}

void trpi_supervisor_go_on(trp_ctx *ctx, trpi_supervisor *self) {
    trpi_child *child = next_to_stop(self);
    if (child != NULL) {
        stop_child(ctx, self, child);
        return;
    }
    self->waits_for = NULL;
    if (self->is_ending) {
        answer_asked(ctx, self);
        trp_fail(ctx, &self->ending);
        return;
    }
    if (self->start_delay_ns != 0 && next_to_start(self) != NULL) {
        uint64_t delay_ns = self->start_delay_ns;
        self->start_delay_ns = 0;
        if (trp_timer(ctx, delay_ns, TRPI_TAG_START, NULL) == 0) {
            wait_for(ctx, self, TRPI_TAG_START, 0);
            return;
        }
        /* Without memory for a delay the start comes at once, and fails or not. */
    }
    self->start_delay_ns = 0;
    if (start_all(ctx, self)) {
        answer_asked(ctx, self);
        trp_filter_clear(ctx);
    }
}

void trpi_supervisor_end(trp_ctx *ctx, trpi_supervisor *self, const trp_exit *reason) {
    if (self->is_ending) {
        return;
    }
    self->is_ending = true;
    self->ending = *reason;
    for (trpi_child *child = self->children.first; child != NULL; child = child->next) {
        child->must_start = false;
        child->must_stop = !trp_pid_is_none(child->pid);
        if (child->must_stop && self->config.strategy == TRP_DYNAMIC) {
            ask_to_stop(ctx, child); /* all at once; then they are waited for one by one */
        }
    }
    if (self->waits_for == NULL) {
        trpi_supervisor_go_on(ctx, self);
    }
}

void trpi_supervisor_end_too_many(trp_ctx *ctx, trpi_supervisor *self) {
    trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, "too many restarts");
    trpi_supervisor_end(ctx, self, &reason);
}
