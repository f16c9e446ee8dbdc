/*
 * The operations that JavaScript asks for, each run in the handler of the port in whose name it was
 * asked.
 */
#include "port.h"

#include <string.h>

static void result_of(uint32_t id, int error, const void *data, size_t length) {
    trpi_web_record record = {.code = TRPI_WEB_EVENT_RESULT, .id = id, .value = (uint32_t)error};
    trpi_web_bytes_put(&trpi_web.out, record, data, length, NULL, 0);
}

static void result_pid(uint32_t id, int error, trp_pid pid) {
    char text[TRPI_WEB_REF_MAX];
    size_t length = error == TRP_OK ? trpi_web_ref_write(pid, text) : 0;
    result_of(id, error, text, length);
}

/* Copies bytes to a zero-terminated string. NULL if they are none or too many. */
static const char *name_of(const uint8_t *bytes, size_t length, char name[TRP_NAME_MAX + 1]) {
    if (length == 0 || length > TRP_NAME_MAX) {
        return NULL;
    }
    memcpy(name, bytes, length);
    name[length] = 0;
    return name;
}

static trp_exit reason_of(uint32_t kind, double code, const uint8_t *text, size_t length) {
    char short_text[TRP_EXIT_TEXT_MAX];
    size_t kept = length < sizeof short_text ? length : sizeof short_text - 1;
    memcpy(short_text, text, kept);
    short_text[kept] = 0;
    return trp_exit_make((trp_exit_kind)kind, (int32_t)code, short_text);
}

static uint64_t ms_to_ns(double ms) {
    return ms < 1e15 ? (uint64_t)(ms * 1e6) : TRP_NEVER;
}

static int target_of(trp_ctx *ctx, const trpi_web_view *op, trp_pid *pid) {
    if ((op->record.code & TRPI_WEB_OP_SAME) == 0) {
        trpi_web.addressee_error =
            trpi_web_ref_read(ctx, op->a, op->record.a_length, &trpi_web.addressee);
    }
    *pid = trpi_web.addressee;
    return trpi_web.addressee_error;
}

/*
 * --- spawning
 * ------------------------------------------------------------------------------------------
 */

static void op_spawn(trp_ctx *ctx, trpi_web_port *port, const trpi_web_view *op) {
    (void)port;
    char behaviour_name[TRP_NAME_MAX + 1];
    char name[TRP_NAME_MAX + 1];
    const uint8_t *zero = memchr(op->a, 0, op->record.a_length);
    size_t first = zero == NULL ? op->record.a_length : (size_t)(zero - op->a);
    size_t rest = zero == NULL ? 0 : op->record.a_length - first - 1;
    const trp_behaviour *behaviour = NULL;
    if (name_of(op->a, first, behaviour_name) != NULL) {
        behaviour = trp_find_behaviour(trpi_web.runtime, behaviour_name);
    }
    if (behaviour == NULL) {
        result_of(op->record.id, TRP_ENOENT, NULL, 0);
        return;
    }
    trp_message *argument = NULL;
    trp_pid pid = TRP_PID_NONE;
    int error = trpi_web_argument_read(ctx, behaviour, op->b, op->record.b_length, &argument);
    if (error == TRP_OK) {
        trp_spawn_options options = {.size = sizeof options, .name = name_of(zero + 1, rest, name)};
        const void *arg = argument == NULL ? NULL : trp_message_body(argument);
        error = trp_spawn_opt(ctx, behaviour, arg, &options, &pid, NULL);
    }
    trp_message_drop(ctx, argument);
    result_pid(op->record.id, error, pid);
}

static void op_spawn_port(trp_ctx *ctx, trpi_web_port *port, const trpi_web_view *op) {
    char name[TRP_NAME_MAX + 1];
    trp_pid pid = TRP_PID_NONE;
    int error = TRP_EPERM;
    if (port->key == 0) {
        error = trpi_web_port_spawn(ctx, op->record.id, name_of(op->a, op->record.a_length, name),
                                    &pid);
    }
    result_pid(op->record.id, error, pid);
}

/*
 * --- sending
 * -------------------------------------------------------------------------------------------
 */

static void op_send(trp_ctx *ctx, trpi_web_port *port, const trpi_web_view *op) {
    (void)port;
    trp_pid pid;
    trp_message *message = NULL;
    int unknown = target_of(ctx, op, &pid);
    int error = trpi_web_body_read(ctx, op->record.value, op->b, op->record.b_length, &message);
    if (error != TRP_OK) {
        trp_log(ctx, TRP_LOG_ERROR, trp_error_text(error));
        return;
    }
    trp_message_set_tag(message, (uint64_t)op->record.number);
    if (unknown != TRP_OK) {
        pid = (trp_pid){0, 0, UINT32_MAX,
                        UINT32_MAX}; /* nobody: it becomes a dead letter and is counted */
    }
    trp_send(ctx, pid, message);
}

static void fail_call(uint32_t id, int error) {
    trpi_web_record record = {.code = TRPI_WEB_EVENT_FAILURE,
                              .id = id,
                              .value = (uint32_t)error,
                              .extra = TRP_EXIT_ERROR};
    trpi_web_bytes_put(&trpi_web.out, record, NULL, 0, NULL, 0);
}

static void op_call(trp_ctx *ctx, trpi_web_port *port, const trpi_web_view *op) {
    trp_pid pid;
    trp_ref ref = 0;
    trp_message *message = NULL;
    int error = target_of(ctx, op, &pid);
    if (error == TRP_ENOENT) {
        error = TRP_ENOPROC;
    }
    if (error == TRP_OK) {
        error = trpi_web_body_read(ctx, op->record.value, op->b, op->record.b_length, &message);
    }
    if (error == TRP_OK) {
        error = trp_request(ctx, pid, message, ms_to_ns(op->record.number), &ref);
    }
    if (error == TRP_OK) {
        error = trpi_web_port_bind(port, ref, op->record.id);
        if (error != TRP_OK) {
            trp_request_cancel(ctx, ref);
        }
    }
    if (error != TRP_OK) {
        fail_call(op->record.id, error);
    }
}

static void op_cancel(trp_ctx *ctx, trpi_web_port *port, const trpi_web_view *op) {
    trp_ref ref = trpi_web_port_unbind(port, op->record.id);
    if (ref != 0) {
        trp_request_cancel(ctx, ref);
    }
}

static void op_reply(trp_ctx *ctx, trpi_web_port *port, const trpi_web_view *op) {
    trp_message *request = trpi_web_port_request(port, op->record.id);
    if (request == NULL) {
        return;
    }
    trp_message *reply = NULL;
    int error = trpi_web_body_read(ctx, op->record.value, op->b, op->record.b_length, &reply);
    if (error == TRP_OK) {
        trp_reply(ctx, request, reply);
    } else {
        trp_reply_error(ctx, request, error, trp_error_text(error));
    }
    trp_message_drop(ctx, request);
}

static void op_reply_error(trp_ctx *ctx, trpi_web_port *port, const trpi_web_view *op) {
    trp_message *request = trpi_web_port_request(port, op->record.id);
    if (request == NULL) {
        return;
    }
    trp_exit reason = reason_of(TRP_EXIT_ERROR, 0, op->a, op->record.a_length);
    trp_reply_error(ctx, request, (int)op->record.value, reason.text);
    trp_message_drop(ctx, request);
}

/*
 * --- names, monitors, ends
 * -----------------------------------------------------------------------------
 */

static void op_whereis(trp_ctx *ctx, trpi_web_port *port, const trpi_web_view *op) {
    (void)port;
    char name[TRP_NAME_MAX + 1];
    trp_pid pid = TRP_PID_NONE;
    const char *wanted = name_of(op->a, op->record.a_length, name);
    int error = wanted == NULL ? TRP_ENOENT : trp_whereis(ctx, wanted, &pid);
    result_pid(op->record.id, error, pid);
}

static void op_monitor(trp_ctx *ctx, trpi_web_port *port, const trpi_web_view *op) {
    trp_pid pid;
    trp_ref ref = 0;
    int error = target_of(ctx, op, &pid);
    if (error == TRP_OK) {
        error = trp_monitor(ctx, pid, &ref);
    }
    if (error == TRP_OK && trpi_web_port_bind(port, ref, op->record.id) != TRP_OK) {
        trp_demonitor(ctx, ref);
        error = TRP_ENOMEM;
    }
    if (error != TRP_OK) {
        bool unreachable = error == TRP_ENOCONNECTION;
        bool gone = error == TRP_ENOENT;
        trpi_web_record record = {.code = TRPI_WEB_EVENT_DOWN,
                                  .id = op->record.id,
                                  .value = unreachable ? TRP_EXIT_NOCONNECTION
                                           : gone      ? TRP_EXIT_NOPROC
                                                       : TRP_EXIT_ERROR,
                                  .number = error};
        const char *text = trp_error_text(error);
        trpi_web_bytes_put(&trpi_web.out, record, text, strlen(text), NULL, 0);
    }
}

static void op_demonitor(trp_ctx *ctx, trpi_web_port *port, const trpi_web_view *op) {
    trp_ref ref = trpi_web_port_unbind(port, op->record.id);
    if (ref != 0) {
        trp_demonitor(ctx, ref);
    }
}

/*
 * A JavaScript actor that JavaScript stops finishes what it got before and hears of it; see
 * "port_handle".
 */
static int ask_port(trp_ctx *ctx, trp_pid pid, const trp_exit *reason) {
    trp_message *message = trp_message_new(ctx, &trpi_web_asked_type);
    if (message == NULL) {
        return TRP_ENOMEM;
    }
    memcpy(trp_message_body(message), reason, sizeof *reason);
    return trp_send(ctx, pid, message);
}

static void op_stop(trp_ctx *ctx, trpi_web_port *port, const trpi_web_view *op) {
    (void)port;
    trp_pid pid;
    int error = target_of(ctx, op, &pid);
    if (error == TRP_OK) {
        trp_exit reason =
            reason_of(op->record.value, op->record.number, op->b, op->record.b_length);
        uint64_t key = (uint64_t)pid.index << 32 | pid.generation;
        bool is_port = trp_pid_is_local(pid) && trpi_web_map_get(&trpi_web.port_pids, key) != 0;
        error = is_port ? ask_port(ctx, pid, &reason) : trp_stop(ctx, pid, &reason);
    }
    result_of(op->record.id, error, NULL, 0);
}

static void op_kill(trp_ctx *ctx, trpi_web_port *port, const trpi_web_view *op) {
    (void)port;
    trp_pid pid;
    int error = target_of(ctx, op, &pid);
    if (error == TRP_OK) {
        error = trp_kill(ctx, pid);
    }
    result_of(op->record.id, error, NULL, 0);
}

static void op_done(trp_ctx *ctx, trpi_web_port *port, const trpi_web_view *op) {
    if (op->record.value == 0) {
        trpi_web_port_done(port);
        return;
    }
    trp_exit reason = reason_of(op->record.extra, op->record.number, op->a, op->record.a_length);
    if (reason.kind == TRP_EXIT_NORMAL) {
        trp_stop_self(ctx);
    } else {
        trp_fail(ctx, &reason);
    }
}

/*
 * --- the node and the runtime
 * --------------------------------------------------------------------------
 */

static void op_session_open(trp_ctx *ctx, trpi_web_port *port, const trpi_web_view *op) {
    (void)port;
    trpi_web_session_open(ctx, op);
}

static void op_session(trp_ctx *ctx, trpi_web_port *port, const trpi_web_view *op) {
    (void)ctx;
    (void)port;
    trpi_web_session_do(op);
}

static void op_expose(trp_ctx *ctx, trpi_web_port *port, const trpi_web_view *op) {
    (void)port;
    char name[TRP_NAME_MAX + 1];
    if (name_of(op->a, op->record.a_length, name) == NULL ||
        trp_node_expose(trpi_web.runtime, name) != TRP_OK) {
        trp_log(ctx, TRP_LOG_ERROR, "a name could not be exposed");
    }
}

static void op_shutdown(trp_ctx *ctx, trpi_web_port *port, const trpi_web_view *op) {
    (void)ctx;
    (void)port;
    trp_runtime_stop(trpi_web.runtime, ms_to_ns(op->record.number));
}

static void op_stats(trp_ctx *ctx, trpi_web_port *port, const trpi_web_view *op) {
    (void)ctx;
    (void)port;
    trp_stats stats;
    trp_runtime_stats(trpi_web.runtime, &stats);
    double numbers[] = {(double)stats.actors,       (double)stats.spawned,
                        (double)stats.delivered,    (double)stats.dead_letters,
                        (double)stats.late_replies, (double)stats.timers,
                        (double)stats.failures};
    result_of(op->record.id, TRP_OK, numbers, sizeof numbers);
}

typedef void op_function(trp_ctx *ctx, trpi_web_port *port, const trpi_web_view *op);

static op_function *const op_functions[TRPI_WEB_OPS_LEN] = {
    [TRPI_WEB_OP_SPAWN] = op_spawn,
    [TRPI_WEB_OP_SPAWN_PORT] = op_spawn_port,
    [TRPI_WEB_OP_SEND] = op_send,
    [TRPI_WEB_OP_CALL] = op_call,
    [TRPI_WEB_OP_CANCEL] = op_cancel,
    [TRPI_WEB_OP_REPLY] = op_reply,
    [TRPI_WEB_OP_REPLY_ERROR] = op_reply_error,
    [TRPI_WEB_OP_WHEREIS] = op_whereis,
    [TRPI_WEB_OP_MONITOR] = op_monitor,
    [TRPI_WEB_OP_DEMONITOR] = op_demonitor,
    [TRPI_WEB_OP_STOP] = op_stop,
    [TRPI_WEB_OP_KILL] = op_kill,
    [TRPI_WEB_OP_DONE] = op_done,
    [TRPI_WEB_OP_SESSION_OPEN] = op_session_open,
    [TRPI_WEB_OP_RECEIVE] = op_session,
    [TRPI_WEB_OP_LOST] = op_session,
    [TRPI_WEB_OP_WRITABLE] = op_session,
    [TRPI_WEB_OP_CLOSE] = op_session,
    [TRPI_WEB_OP_PROBE] = op_session,
    [TRPI_WEB_OP_EXPOSE] = op_expose,
    [TRPI_WEB_OP_SHUTDOWN] = op_shutdown,
    [TRPI_WEB_OP_STATS] = op_stats,
};

void trpi_web_ops_run(trp_ctx *ctx, trpi_web_port *port, const uint8_t *ops, size_t length) {
    trpi_web_view op;
    size_t place = 0;
    while (trpi_web_record_next(ops, length, &place, &op)) {
        uint32_t code = op.record.code & ~TRPI_WEB_OP_SAME;
        if (code < TRPI_WEB_OPS_LEN && op_functions[code] != NULL) {
            op_functions[code](ctx, port, &op);
        }
    }
}
