/*
 * Supervisors. Stopping takes time, so whatever needs it is a plan in three phases: the children
 * that must stop are stopped one after the other, last first; then there may be a delay; then those
 * that must start are started, first first. While a plan waits, a receive filter lets only what it
 * waits for through, so requests and further exits wait their turn in order.
 */
#include "troupe/supervisor.h"

#include "message/message.h"
#include "service/children.h"
#include "troupe/error.h"
#include "troupe/filter.h"
#include "troupe/link.h"
#include "troupe/message.h"
#include "troupe/request.h"
#include "troupe/timer.h"

#include <string.h>

/* Tags of the supervisor's own timers; children's tags count up from 1. */
#define TAG_KILL (UINT64_C(1) << 63)
#define TAG_START (TAG_KILL | 1)

enum {
    RETRY_NS = 1000 * 1000, /* before a start that has failed is tried again, without back-off */
    INTENSITY_MAX = 4096
};

typedef struct supervisor {
    trp_supervisor_config config;
    trpi_children children;
    uint64_t *restarts; /* when the last `intensity` restarts were, in a ring */
    uint64_t restarts_count;
    trpi_child *waits_for; /* to stop */
    trp_ref kill_timer;
    uint64_t start_delay_ns; /* between stopping and starting */
    trp_message *asked;      /* a request that is answered when the plan is done */
    bool is_forgetting;      /* the child of that request */
    bool is_ending;
    trp_exit ending;
} supervisor;

#define STARTED_FIELDS(F) F(pid, pid, 1)
TRP_TYPE_DEFINE(trp_child_started, "troupe.ChildStarted", STARTED_FIELDS)

#define INFO_FIELDS(F)                                                                             \
    F(text(TRP_CHILD_ID_MAX + 1), id, 1)                                                           \
    F(pid, pid, 2)                                                                                 \
    F(u32, restarts, 3)                                                                            \
    F(u32, restart, 4)
TRP_TYPE_DEFINE(trp_child_info, "troupe.ChildInfo", INFO_FIELDS)

#define LIST_FIELDS(F) F(list(record(trp_child_info)), children, 1)
TRP_TYPE_DEFINE(trp_child_list, "troupe.ChildList", LIST_FIELDS)

/* ---- starting ---- */

static int start_child(trp_ctx *ctx, supervisor *self, trpi_child *child) {
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

/* Another restart. True if it is one too many. */
static bool count_restart(trp_ctx *ctx, supervisor *self) {
    uint32_t intensity = self->config.intensity;
    uint64_t now = trp_now_ns(ctx);
    if (intensity == 0) {
        return true;
    }
    uint64_t *oldest = &self->restarts[self->restarts_count % intensity];
    bool is_too_many = self->restarts_count >= intensity && now - *oldest <= self->config.period_ns;
    *oldest = now;
    self->restarts_count++;
    return is_too_many;
}

/* A number that differs from call to call, for jitter: up to a quarter of `delay_ns`. */
static uint64_t jitter(const supervisor *self, const trpi_child *child, uint64_t delay_ns) {
    uint64_t mixed =
        (child->started_ns ^ (self->restarts_count << 32)) * UINT64_C(0x9e3779b97f4a7c15);
    return delay_ns / 4 == 0 ? 0 : (mixed >> 16) % (delay_ns / 4);
}

/*
 * The delay before `child`, which has lived for `lived_ns`, is started again: doubles each time,
 * until one lives long.
 */
static uint64_t next_delay(const supervisor *self, trpi_child *child, uint64_t lived_ns) {
    uint64_t least = self->config.backoff_min_ns;
    uint64_t most = self->config.backoff_max_ns < least ? least : self->config.backoff_max_ns;
    if (least == 0) {
        return 0;
    }
    if (child->delay_ns == 0 || lived_ns >= most) {
        child->delay_ns = least;
    } else {
        child->delay_ns = child->delay_ns > most / 2 ? most : child->delay_ns * 2;
    }
    return child->delay_ns + jitter(self, child, child->delay_ns);
}

static void go_on(trp_ctx *ctx, supervisor *self);
static void begin_ending(trp_ctx *ctx, supervisor *self, const trp_exit *reason);

static void end_too_many(trp_ctx *ctx, supervisor *self) {
    trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, "too many restarts");
    begin_ending(ctx, self, &reason);
}

/* Starts one child again later; until then its tag is that of a timer. */
static void start_later(trp_ctx *ctx, supervisor *self, trpi_child *child, uint64_t delay_ns) {
    if (trpi_children_tag(&self->children, child) != 0 ||
        trp_timer(ctx, delay_ns, child->tag, NULL) != 0) {
        trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, TRP_ENOMEM, "no memory to restart");
        begin_ending(ctx, self, &reason);
    }
}

/* A start of a child that had run before has failed: that is a restart more. */
static void start_failed(trp_ctx *ctx, supervisor *self, trpi_child *child) {
    if (count_restart(ctx, self)) {
        end_too_many(ctx, self);
        return;
    }
    uint64_t delay_ns = next_delay(self, child, 0);
    self->start_delay_ns = delay_ns == 0 ? RETRY_NS : delay_ns;
    go_on(ctx, self);
}

/* ---- the plan ---- */

static void wait_for(trp_ctx *ctx, supervisor *self, uint64_t tag, uint64_t other_tag) {
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

static void stop_child(trp_ctx *ctx, supervisor *self, trpi_child *child) {
    uint64_t time_ns = child->spec.shutdown_ns;
    self->waits_for = child;
    ask_to_stop(ctx, child);
    bool has_limit = !child->spec.is_brutal && time_ns != TRP_NEVER;
    if (has_limit && trp_timer(ctx, time_ns == 0 ? TRP_CHILD_SHUTDOWN_NS : time_ns, TAG_KILL,
                               &self->kill_timer) != 0) {
        has_limit = false; /* without memory for a deadline there is no waiting */
        (void)trp_kill(ctx, child->pid);
    }
    wait_for(ctx, self, child->tag, has_limit ? TAG_KILL : 0);
}

/* The last child that must stop, NULL if none is left. */
static trpi_child *next_to_stop(const supervisor *self) {
    trpi_child *child = self->children.last;
    while (child != NULL && !child->must_stop) {
        child = child->previous;
    }
    return child;
}

static trpi_child *next_to_start(const supervisor *self) {
    trpi_child *child = self->children.first;
    while (child != NULL && !child->must_start) {
        child = child->next;
    }
    return child;
}

/* Starts what must be started. False: one has failed, and the plan goes on from there. */
static bool start_all(trp_ctx *ctx, supervisor *self) {
    trpi_child *child = next_to_start(self);
    while (child != NULL) {
        if (start_child(ctx, self, child) != 0) {
            start_failed(ctx, self, child);
            return false;
        }
        child = next_to_start(self);
    }
    return true;
}

static void answer_asked(trp_ctx *ctx, supervisor *self) {
    if (self->asked != NULL) {
        (void)trp_reply(ctx, self->asked, trp_message_new_bytes(ctx, NULL, 0));
        trp_message_drop(ctx, self->asked);
        self->asked = NULL;
    }
}

/* The next step of the plan. */
static void go_on(trp_ctx *ctx, supervisor *self) {
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
        if (trp_timer(ctx, delay_ns, TAG_START, NULL) == 0) {
            wait_for(ctx, self, TAG_START, 0);
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

static void begin_ending(trp_ctx *ctx, supervisor *self, const trp_exit *reason) {
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
        go_on(ctx, self);
    }
}

/* ---- exits of children ---- */

static bool is_restarted(const trpi_child *child, const trp_exit *reason) {
    bool is_abnormal = reason->kind != TRP_EXIT_NORMAL && reason->kind != TRP_EXIT_SHUTDOWN;
    return child->spec.restart == TRP_PERMANENT ||
           (child->spec.restart == TRP_TRANSIENT && is_abnormal);
}

static bool is_kept(const supervisor *self, const trpi_child *child) {
    return child->spec.restart != TRP_TEMPORARY && self->config.strategy != TRP_DYNAMIC;
}

static bool runs_significant(const supervisor *self) {
    const trpi_child *child = self->children.first;
    while (child != NULL && !(child->spec.is_significant && !trp_pid_is_none(child->pid))) {
        child = child->next;
    }
    return child != NULL;
}

/* A child has ended for good, by itself. */
static void lose_child(trp_ctx *ctx, supervisor *self, trpi_child *child) {
    bool is_significant = child->spec.is_significant;
    if (!is_kept(self, child)) {
        trpi_children_remove(&self->children, ctx, child);
    }
    trp_auto_shutdown rule = self->config.auto_shutdown;
    if (is_significant && (rule == TRP_AUTO_SHUTDOWN_ANY ||
                           (rule == TRP_AUTO_SHUTDOWN_ALL && !runs_significant(self)))) {
        trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, "significant child ended");
        begin_ending(ctx, self, &reason);
    }
}

/* Marks `child` and what follows it to be stopped and started again. */
static void mark_group(supervisor *self, trpi_child *child) {
    for (; child != NULL; child = child->next) {
        child->must_stop = !trp_pid_is_none(child->pid);
        child->must_start = child->spec.restart != TRP_TEMPORARY;
        if (!child->must_stop) {
            trpi_children_untag(&self->children, child); /* of a start that was due later */
        }
    }
}

static void restart_child(trp_ctx *ctx, supervisor *self, trpi_child *child) {
    child->restarts++;
    if (count_restart(ctx, self)) {
        end_too_many(ctx, self);
        return;
    }
    uint64_t delay_ns = next_delay(self, child, trp_now_ns(ctx) - child->started_ns);
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
    go_on(ctx, self);
}

static void on_exited(trp_ctx *ctx, supervisor *self, const trp_exited *exited) {
    trpi_child *child = trpi_children_by_tag(&self->children, exited->tag);
    if (child == NULL) {
        /* Not a child: whoever it is linked to, its own supervisor most likely, takes it along. */
        if (exited->tag == 0) {
            begin_ending(ctx, self, &exited->reason);
        }
        return;
    }
    child->pid = TRP_PID_NONE;
    trpi_children_untag(&self->children, child);
    bool was_asked = child->must_stop;
    child->must_stop = false;
    if (self->waits_for == child) {
        (void)trp_timer_cancel(ctx, self->kill_timer);
        bool is_over = !child->must_start && (!is_kept(self, child) || self->is_forgetting);
        if (is_over) {
            trpi_children_remove(&self->children, ctx, child);
        }
        self->waits_for = NULL;
        self->is_forgetting = false;
        go_on(ctx, self);
    } else if (was_asked || self->is_ending) {
        return; /* stopped by the plan before its turn */
    } else if (is_restarted(child, &exited->reason)) {
        restart_child(ctx, self, child);
    } else {
        lose_child(ctx, self, child);
    }
}

static void on_timeout(trp_ctx *ctx, supervisor *self, uint64_t tag) {
    if (tag == TAG_KILL) {
        if (self->waits_for != NULL) {
            (void)trp_kill(ctx, self->waits_for->pid);
        }
        return;
    }
    if (tag == TAG_START) {
        go_on(ctx, self);
        return;
    }
    trpi_child *child = trpi_children_by_tag(&self->children, tag);
    if (child != NULL && trp_pid_is_none(child->pid)) {
        trpi_children_untag(&self->children, child);
        child->must_start = true;
        go_on(ctx, self);
    }
}

/* ---- requests ---- */

typedef enum command { START, STOP, RESTART, FORGET, LIST } command;

/* What the functions of the header send: only to local supervisors, so pointers are fine. */
typedef struct order {
    uint32_t command;
    trp_pid pid;
    char id[TRP_CHILD_ID_MAX + 1];
} order;

static const trp_type order_type = {"troupe.SupervisorOrder", sizeof(order), 0, NULL};

static void reply_started(trp_ctx *ctx, trp_message *request, const trpi_child *child) {
    trp_message *reply = trp_message_new(ctx, &trp_child_started_type);
    if (reply != NULL) {
        ((trp_child_started *)trp_message_body(reply))->pid = child->pid;
    }
    (void)trp_reply(ctx, request, reply);
}

/* The spec that came with an order: its fixed part, then argument, id and name. */
static trp_child_spec unpack_spec(trp_message *message) {
    const char *at = (const char *)trp_message_body(message) + sizeof(order);
    trp_child_spec spec;
    memcpy(&spec, at, sizeof spec);
    at += sizeof spec;
    if (spec.arg != NULL) {
        spec.arg = at;
        at += spec.arg_size;
    }
    if (spec.id != NULL) {
        spec.id = at;
        at += strlen(at) + 1;
    }
    spec.name = spec.name == NULL ? NULL : at;
    return spec;
}

static void do_start(trp_ctx *ctx, supervisor *self, trp_message *request) {
    trp_child_spec spec = unpack_spec(request);
    int error = trpi_children_check(&self->children, &spec, self->config.strategy);
    trpi_child *child = error == 0 ? trpi_children_add(&self->children, ctx, &spec) : NULL;
    if (error == 0) {
        error = child == NULL ? TRP_ENOMEM : start_child(ctx, self, child);
    }
    if (error == 0) {
        reply_started(ctx, request, child);
        return;
    }
    if (child != NULL) {
        trpi_children_remove(&self->children, ctx, child);
    }
    (void)trp_reply_error(ctx, request, error, "the child was not started");
}

static void do_stop(trp_ctx *ctx, supervisor *self, trp_message *request, trpi_child *child) {
    bool is_forgotten = !is_kept(self, child);
    if (trp_pid_is_none(child->pid)) { /* it waits to be started again: not any more */
        trpi_children_untag(&self->children, child);
        child->must_start = false;
        if (is_forgotten) {
            trpi_children_remove(&self->children, ctx, child);
        }
        (void)trp_reply(ctx, request, trp_message_new_bytes(ctx, NULL, 0));
        return;
    }
    trp_message *kept = trp_message_take(ctx, request);
    if (kept == NULL) {
        (void)trp_reply_error(ctx, request, TRP_ENOMEM, NULL);
        return;
    }
    self->asked = kept;
    self->is_forgetting = is_forgotten;
    child->must_stop = true;
    go_on(ctx, self);
}

static void do_restart(trp_ctx *ctx, supervisor *self, trp_message *request, trpi_child *child) {
    int error = trp_pid_is_none(child->pid) ? start_child(ctx, self, child) : TRP_EEXIST;
    if (error == 0) {
        reply_started(ctx, request, child);
    } else {
        (void)trp_reply_error(ctx, request, error, "the child was not started");
    }
}

static void do_forget(trp_ctx *ctx, supervisor *self, trp_message *request, trpi_child *child) {
    if (!trp_pid_is_none(child->pid)) {
        (void)trp_reply_error(ctx, request, TRP_EEXIST, "the child runs");
        return;
    }
    trpi_children_remove(&self->children, ctx, child);
    (void)trp_reply(ctx, request, trp_message_new_bytes(ctx, NULL, 0));
}

static void do_list(trp_ctx *ctx, supervisor *self, trp_message *request) {
    trp_builder builder;
    size_t count = self->children.count;
    trp_builder_init(&builder, ctx, &trp_child_list_type, count * sizeof(trp_child_info));
    size_t at = trp_builder_list(&builder, offsetof(trp_child_list, children), count,
                                 sizeof(trp_child_info));
    trp_child_info *info = trp_builder_at(&builder, at);
    const trpi_child *child = info == NULL ? NULL : self->children.first;
    for (; child != NULL; child = child->next, info++) {
        if (child->spec.id != NULL) {
            memcpy(info->id, child->spec.id, strlen(child->spec.id));
        }
        info->pid = child->pid;
        info->restarts = child->restarts;
        info->restart = (uint32_t)child->spec.restart;
    }
    trp_message *reply = NULL;
    (void)trp_builder_finish(&builder, &reply);
    (void)trp_reply(ctx, request, reply);
}

static void on_order(trp_ctx *ctx, supervisor *self, trp_message *request) {
    const order *given = trp_message_body(request);
    if (given->command == START) {
        do_start(ctx, self, request);
        return;
    }
    if (given->command == LIST) {
        do_list(ctx, self, request);
        return;
    }
    trpi_child *child = given->id[0] != '\0' ? trpi_children_by_id(&self->children, given->id)
                                             : trpi_children_by_pid(&self->children, given->pid);
    if (child == NULL) {
        (void)trp_reply_error(ctx, request, TRP_ENOENT, "no such child");
    } else if (given->command == STOP) {
        do_stop(ctx, self, request, child);
    } else if (given->command == RESTART) {
        do_restart(ctx, self, request, child);
    } else {
        do_forget(ctx, self, request, child);
    }
}

/* ---- the actor ---- */

static void handle(trp_ctx *ctx, void *state, trp_message *message) {
    supervisor *self = state;
    trpi_children_enter(&self->children, ctx);
    const trp_type *type = trp_message_type(message);
    if (type == &trp_exited_type) {
        on_exited(ctx, self, trp_message_body(message));
    } else if (type == &trp_timeout_type) {
        on_timeout(ctx, self, ((const trp_timeout *)trp_message_body(message))->tag);
    } else if (type == &order_type) {
        on_order(ctx, self, message);
    } else if (type == &trp_exit_type) {
        begin_ending(ctx, self, trp_message_body(message));
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
    supervisor *self = state;
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
            error = child == NULL ? TRP_ENOMEM : start_child(ctx, self, child);
        }
    }
    self->config.children = NULL; /* they were borrowed */
    return error == TRP_EEXIST ? TRP_EINVAL : error;
}

static const trp_behaviour supervisor_behaviour = {
    TRP_BEHAVIOUR("troupe.supervisor"),
    .state_size = sizeof(supervisor),
    .flags = TRP_BEHAVIOUR_DEFERS_STOP,
    .init = init,
    .handle = handle,
};

int trp_supervisor_spawn(trp_ctx *ctx, const trp_supervisor_config *config,
                         const trp_spawn_options *options, trp_pid *pid) {
    return trp_spawn_opt(ctx, &supervisor_behaviour, config, options, pid, NULL);
}

/* ---- the calls ---- */

static int send_order(trp_ctx *ctx, trp_pid supervisor_pid, const order *given, uint64_t timeout_ns,
                      trp_ref *ref) {
    trp_message *message = trp_message_new(ctx, &order_type);
    if (message == NULL) {
        return TRP_ENOMEM;
    }
    memcpy(trp_message_body(message), given, sizeof *given);
    return trp_request(ctx, supervisor_pid, message, timeout_ns, ref);
}

static int order_child(trp_ctx *ctx, trp_pid supervisor_pid, command what, const char *id,
                       trp_pid pid, uint64_t timeout_ns, trp_ref *ref) {
    order given;
    memset(&given, 0, sizeof given);
    given.command = (uint32_t)what;
    given.pid = pid;
    if (id != NULL && (id[0] == '\0' || strlen(id) > TRP_CHILD_ID_MAX)) {
        return TRP_EINVAL;
    }
    if (id != NULL) {
        memcpy(given.id, id, strlen(id));
    }
    return send_order(ctx, supervisor_pid, &given, timeout_ns, ref);
}

int trp_supervisor_stop(trp_ctx *ctx, trp_pid supervisor_pid, const char *id, trp_pid pid,
                        uint64_t timeout_ns, trp_ref *ref) {
    return order_child(ctx, supervisor_pid, STOP, id, pid, timeout_ns, ref);
}

int trp_supervisor_restart(trp_ctx *ctx, trp_pid supervisor_pid, const char *id,
                           uint64_t timeout_ns, trp_ref *ref) {
    return order_child(ctx, supervisor_pid, RESTART, id, TRP_PID_NONE, timeout_ns, ref);
}

int trp_supervisor_forget(trp_ctx *ctx, trp_pid supervisor_pid, const char *id, uint64_t timeout_ns,
                          trp_ref *ref) {
    return order_child(ctx, supervisor_pid, FORGET, id, TRP_PID_NONE, timeout_ns, ref);
}

int trp_supervisor_list(trp_ctx *ctx, trp_pid supervisor_pid, uint64_t timeout_ns, trp_ref *ref) {
    return order_child(ctx, supervisor_pid, LIST, NULL, TRP_PID_NONE, timeout_ns, ref);
}

static char *append(char *at, const void *bytes, size_t size) {
    if (size > 0) {
        memcpy(at, bytes, size);
    }
    return at + size;
}

int trp_supervisor_start(trp_ctx *ctx, trp_pid supervisor_pid, const trp_child_spec *given,
                         uint64_t timeout_ns, trp_ref *ref) {
    trp_child_spec spec;
    memset(&spec, 0, sizeof spec);
    memcpy(&spec, given, given->size < sizeof spec ? given->size : sizeof spec);
    size_t id_size = spec.id == NULL ? 0 : strlen(spec.id) + 1;
    size_t name_size = spec.name == NULL ? 0 : strlen(spec.name) + 1;
    size_t arg_size = spec.arg == NULL ? 0 : spec.arg_size;
    order head;
    memset(&head, 0, sizeof head);
    head.command = START;
    trp_message *message = trp_message_new_bytes(
        ctx, NULL, sizeof head + sizeof spec + arg_size + id_size + name_size);
    if (message == NULL) {
        return TRP_ENOMEM;
    }
    char *at = append(trp_message_body(message), &head, sizeof head);
    at = append(at, &spec, sizeof spec);
    at = append(at, spec.arg, arg_size);
    at = append(at, spec.id, id_size);
    (void)append(at, spec.name, name_size);
    message->type = &order_type;
    return trp_request(ctx, supervisor_pid, message, timeout_ns, ref);
}
