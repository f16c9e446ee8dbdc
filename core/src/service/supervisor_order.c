/*
 * Orders to supervisors: the functions of the header that send them as requests, and what the
 * supervisor does with them.
 */
#include "service/supervisor.h"

#include "message/message.h"
#include "troupe/error.h"
#include "troupe/message.h"
#include "troupe/request.h"

#include <string.h>

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

typedef enum command { START, STOP, RESTART, FORGET, LIST } command;

/* What the functions of the header send: only to local supervisors, so pointers are fine. */
typedef struct order {
    uint32_t command;
    trp_pid pid;
    char id[TRP_CHILD_ID_MAX + 1];
} order;

const trp_type trpi_supervisor_order_type = {"troupe.SupervisorOrder", sizeof(order), 0, NULL};

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

static void do_start(trp_ctx *ctx, trpi_supervisor *self, trp_message *request) {
    trp_child_spec spec = unpack_spec(request);
    int error = trpi_children_check(&self->children, &spec, self->config.strategy);
    trpi_child *child = error == 0 ? trpi_children_add(&self->children, ctx, &spec) : NULL;
    if (error == 0) {
        error = child == NULL ? TRP_ENOMEM : trpi_supervisor_start_child(ctx, self, child);
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

static void do_stop(trp_ctx *ctx, trpi_supervisor *self, trp_message *request, trpi_child *child) {
    bool is_forgotten = !trpi_supervisor_keeps(self, child);
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
    trpi_supervisor_go_on(ctx, self);
}

static void do_restart(trp_ctx *ctx, trpi_supervisor *self, trp_message *request,
                       trpi_child *child) {
    int error =
        trp_pid_is_none(child->pid) ? trpi_supervisor_start_child(ctx, self, child) : TRP_EEXIST;
    if (error == 0) {
        reply_started(ctx, request, child);
    } else {
        (void)trp_reply_error(ctx, request, error, "the child was not started");
    }
}

static void do_forget(trp_ctx *ctx, trpi_supervisor *self, trp_message *request,
                      trpi_child *child) {
    if (!trp_pid_is_none(child->pid)) {
        (void)trp_reply_error(ctx, request, TRP_EEXIST, "the child runs");
        return;
    }
    trpi_children_remove(&self->children, ctx, child);
    (void)trp_reply(ctx, request, trp_message_new_bytes(ctx, NULL, 0));
}

static void do_list(trp_ctx *ctx, trpi_supervisor *self, trp_message *request) {
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

void trpi_supervisor_on_order(trp_ctx *ctx, trpi_supervisor *self, trp_message *request) {
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

/* ---- the calls ---- */

static int send_order(trp_ctx *ctx, trp_pid supervisor_pid, const order *given, uint64_t timeout_ns,
                      trp_ref *ref) {
    trp_message *message = trp_message_new(ctx, &trpi_supervisor_order_type);
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
    message->type = &trpi_supervisor_order_type;
    return trp_request(ctx, supervisor_pid, message, timeout_ns, ref);
}
