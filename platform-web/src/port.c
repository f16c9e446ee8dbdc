/* Ports: see port.h. */
#include "port.h"

#include <stdlib.h>
#include <string.h>

const trp_type trpi_web_ops_type = {.name = "troupe.web.Ops", .size = sizeof(trp_slice)};
const trp_type trpi_web_asked_type = {.name = "troupe.web.Asked", .size = sizeof(trp_exit)};

static uint64_t pid_key(trp_pid pid) {
    return (uint64_t)pid.index << 32 | pid.generation;
}

/*
 * --- what waits for JavaScript
 * -------------------------------------------------------------------------
 */

static void make_ready(trpi_web_port *port) {
    if (!port->active && !port->queued && port->waiting_len > 0) {
        port->queued = true;
        port->next = trpi_web.ready;
        trpi_web.ready = port;
    }
}

static void activate(trpi_web_port *port) {
    if (port->waiting_len == 0) {
        return;
    }
    trpi_web_record record = {
        .code = TRPI_WEB_EVENT_ACTIVATE, .id = port->key, .value = port->waiting_len};
    trpi_web_bytes_put(&trpi_web.out, record, port->waiting.data, port->waiting.length, NULL, 0);
    port->active = true;
    port->waiting.length = 0;
    port->waiting_len = 0;
    if (port->refused > 0) {
        port->refused = 0;
        trp_log(trp_runtime_enter(trpi_web.runtime, 0), TRP_LOG_WARN,
                "a JavaScript actor was busy for so long that messages to it were refused");
    }
}

void trpi_web_ports_flush(void) {
    while (trpi_web.ready != NULL) {
        trpi_web_port *port = trpi_web.ready;
        trpi_web.ready = port->next;
        port->queued = false;
        activate(port);
    }
}

void trpi_web_port_done(trpi_web_port *port) {
    port->active = false;
    make_ready(port);
}

static bool has_room(const trpi_web_port *port) {
    return port->waiting_len < TRPI_WEB_WAITING_MESSAGES &&
           port->waiting.length < TRPI_WEB_WAITING_BYTES;
}

/*
 * --- requests that JavaScript holds
 * --------------------------------------------------------------------
 */

/* Finds a free handle, growing the table when all are in use. 0 when out of memory. */
static uint32_t request_handle(trpi_web_port *port) {
    for (uint32_t i = port->requests_free; i < port->requests_len; i++) {
        if (port->requests[i] == NULL) {
            port->requests_free = i + 1;
            return i + 1;
        }
    }
    uint32_t len = port->requests_len == 0 ? 4 : port->requests_len * 2;
    trp_message **requests = realloc(port->requests, len * sizeof(trp_message *));
    if (requests == NULL) {
        return 0;
    }
    memset(requests + port->requests_len, 0, (len - port->requests_len) * sizeof *requests);
    uint32_t handle = port->requests_len + 1;
    port->requests = requests;
    port->requests_len = len;
    port->requests_free = handle;
    return handle;
}

trp_message *trpi_web_port_request(trpi_web_port *port, uint32_t handle) {
    if (handle == 0 || handle > port->requests_len) {
        return NULL;
    }
    trp_message *request = port->requests[handle - 1];
    port->requests[handle - 1] = NULL;
    if (handle - 1 < port->requests_free) {
        port->requests_free = handle - 1;
    }
    return request;
}

/*
 * --- requests and monitors of JavaScript
 * ---------------------------------------------------------------
 */

int trpi_web_port_bind(trpi_web_port *port, trp_ref ref, uint32_t id) {
    int error = trpi_web_map_put(&port->refs, ref, id);
    if (error != TRP_OK) {
        return error;
    }
    trp_ref *back = malloc(sizeof *back);
    error = back == NULL ? TRP_ENOMEM : trpi_web_map_put(&port->ids, id, (uintptr_t)back);
    if (error != TRP_OK) {
        free(back);
        trpi_web_map_take(&port->refs, ref);
        return error;
    }
    *back = ref;
    return TRP_OK;
}

trp_ref trpi_web_port_unbind(trpi_web_port *port, uint32_t id) {
    trp_ref *back = (trp_ref *)trpi_web_map_take(&port->ids, id);
    if (back == NULL) {
        return 0;
    }
    trp_ref ref = *back;
    free(back);
    trpi_web_map_take(&port->refs, ref);
    return ref;
}

static uint32_t end_ref(trpi_web_port *port, trp_ref ref) {
    uint32_t id = (uint32_t)trpi_web_map_get(&port->refs, ref);
    if (id != 0) {
        trpi_web_port_unbind(port, id);
    }
    return id;
}

/*
 * --- messages
 * ------------------------------------------------------------------------------------------
 */

static trpi_web_record reason_record(uint32_t code, uint32_t id, const trp_exit *reason) {
    return (trpi_web_record){
        .code = code, .id = id, .value = (uint32_t)reason->kind, .number = reason->code};
}

static void put_reason(trpi_web_bytes *bytes, uint32_t code, uint32_t id, const trp_exit *reason) {
    trpi_web_bytes_put(bytes, reason_record(code, id, reason), reason->text, strlen(reason->text),
                       NULL, 0);
}

/*
 * The end of a request of this port: goes to JavaScript at once, because a suspended handler may
 * await it.
 */
static void handle_reply(trpi_web_port *port, const trp_message *message) {
    trpi_web_bytes *out = &trpi_web.out;
    uint32_t id = end_ref(port, trp_message_ref(message));
    if (id == 0) {
        return;
    }
    const trp_type *type = trp_message_type(message);
    const void *body = trp_message_body((trp_message *)(uintptr_t)message);
    if (type == &trp_request_error_type) {
        const trp_request_error *failure = body;
        trpi_web_record record = {.code = TRPI_WEB_EVENT_FAILURE,
                                  .id = id,
                                  .value = (uint32_t)failure->code,
                                  .extra = (uint32_t)failure->reason.kind,
                                  .number = failure->reason.code};
        trpi_web_bytes_put(out, record, failure->reason.text, strlen(failure->reason.text), NULL,
                           0);
        return;
    }
    uint32_t number = type == NULL ? 0 : trpi_web_type_number(type);
    size_t place = trpi_web_bytes_begin(out);
    int error = trpi_web_body_write(out, message);
    if (error != TRP_OK) {
        trpi_web_bytes_cancel(out, place);
        trpi_web_record record = {.code = TRPI_WEB_EVENT_FAILURE,
                                  .id = id,
                                  .value = (uint32_t)error,
                                  .extra = TRP_EXIT_ERROR};
        trpi_web_bytes_put(out, record, NULL, 0, NULL, 0);
        return;
    }
    trpi_web_record record = {.code = TRPI_WEB_EVENT_REPLY, .id = id, .value = number};
    trpi_web_bytes_finish(out, place, record, NULL, 0);
}

static void port_free(trpi_web_port *port);

static void handle_down(trpi_web_port *port, const trp_down *down) {
    trpi_web_port *ended =
        port->key == 0 ? (trpi_web_port *)trpi_web_map_take(&trpi_web.port_refs, down->ref) : NULL;
    if (ended != NULL) {
        if (!ended->active) {
            activate(ended);
        }
        put_reason(&trpi_web.out, TRPI_WEB_EVENT_EXIT, ended->key, &down->reason);
        port_free(ended);
        return;
    }
    uint32_t id = end_ref(port, down->ref);
    if (id == 0) {
        return;
    }
    if (port->key == 0) {
        put_reason(&trpi_web.out, TRPI_WEB_EVENT_DOWN, id, &down->reason);
    } else {
        put_reason(&port->waiting, TRPI_WEB_EVENT_DOWN, id, &down->reason);
        port->waiting_len++;
        make_ready(port);
    }
}

static void refuse(trp_ctx *ctx, trpi_web_port *port, trp_message *message, int error) {
    port->refused += error == TRP_EFULL;
    if (trp_message_is_request(message)) {
        trp_reply_error(ctx, message, error, "the JavaScript actor could not take the message");
    }
}

static int write_message(trp_ctx *ctx, trpi_web_port *port, trp_message *message) {
    trpi_web_bytes *waiting = &port->waiting;
    char from[TRPI_WEB_REF_MAX];
    size_t from_length = 0;
    const trp_type *type = trp_message_type(message);
    trpi_web_record record = {.code = TRPI_WEB_EVENT_MESSAGE,
                              .value = type == NULL ? 0 : trpi_web_type_number(type),
                              .number = (double)trp_message_tag(message)};
    if (type != NULL && record.value == 0) {
        return TRP_ENOMEM;
    }
    if (trp_message_is_request(message)) {
        from_length = trpi_web_ref_write(trp_message_from(ctx, message), from);
        record.extra = request_handle(port);
        if (record.extra == 0) {
            return TRP_ENOMEM;
        }
    }
    size_t place = trpi_web_bytes_begin(waiting);
    int error = trpi_web_body_write(waiting, message);
    if (error != TRP_OK || !trpi_web_bytes_finish(waiting, place, record, from, from_length)) {
        trpi_web_bytes_cancel(waiting, place);
        waiting->failed = 0;
        return error != TRP_OK ? error : TRP_ENOMEM;
    }
    if (record.extra != 0) {
        port->requests[record.extra - 1] = trp_message_take(ctx, message);
    }
    port->waiting_len++;
    return TRP_OK;
}

static void port_handle(trp_ctx *ctx, void *state, trp_message *message) {
    trpi_web_port *port = *(trpi_web_port **)state;
    const trp_type *type = trp_message_type(message);
    void *body = trp_message_body(message);
    if (type == &trpi_web_ops_type) {
        const trp_slice *ops = body;
        trpi_web_ops_run(ctx, port, trp_slice_data(ops), ops->length);
    } else if (trp_message_ref(message) != 0 && !trp_message_is_request(message)) {
        handle_reply(port, message);
    } else if (type == &trp_down_type) {
        handle_down(port, body);
    } else if (type == &trpi_web_asked_type) {
        put_reason(&port->waiting, TRPI_WEB_EVENT_ASKED, 0, body);
        port->waiting_len++;
        make_ready(port);
    } else if (port->key == 0) {
        refuse(ctx, port, message,
               TRP_EPERM); /* nobody hands out main's pid, but requests carry it */
    } else {
        int error = has_room(port) ? write_message(ctx, port, message) : TRP_EFULL;
        if (error == TRP_OK) {
            make_ready(port);
        } else {
            refuse(ctx, port, message, error);
        }
    }
}

static int port_init(trp_ctx *ctx, void *state, const void *arg) {
    trpi_web_port *port = (trpi_web_port *)(uintptr_t)arg;
    *(trpi_web_port **)state = port;
    port->pid = trp_self(ctx);
    return TRP_OK;
}

/*
 * Pinned to the only scheduler there is; no terminate: main's monitor frees the port however its
 * actor ends.
 */
static const trp_behaviour port_behaviour = {
    TRP_BEHAVIOUR("troupe.web.Port"),
    .state_size = sizeof(trpi_web_port *),
    .init = port_init,
    .handle = port_handle,
};

/*
 * --- life
 * ----------------------------------------------------------------------------------------------
 */

static void free_ids(trpi_web_map *ids) {
    for (size_t i = 0; i < ids->capacity; i++) {
        free((void *)ids->entries[i].value);
    }
    trpi_web_map_deinit(ids);
}

static void port_free(trpi_web_port *port) {
    for (trpi_web_port **at = &trpi_web.ready; *at != NULL; at = &(*at)->next) {
        if (*at == port) {
            *at = port->next;
            break;
        }
    }
    trpi_web_map_take(&trpi_web.ports, (uint64_t)port->key + 1);
    trpi_web_map_take(&trpi_web.port_pids, pid_key(port->pid));
    trpi_web_bytes_deinit(&port->waiting);
    trpi_web_map_deinit(&port->refs);
    free_ids(&port->ids);
    free(port->requests); /* the messages in it belonged to the actor and went with it */
    free(port);
}

static trpi_web_port *port_new(uint32_t key) {
    trpi_web_port *port = calloc(1, sizeof *port);
    if (port == NULL) {
        return NULL;
    }
    port->key = key;
    if (trpi_web_map_put(&trpi_web.ports, (uint64_t)key + 1, (uintptr_t)port) != TRP_OK) {
        free(port);
        return NULL;
    }
    return port;
}

int trpi_web_main_create(trp_ctx *ctx) {
    trpi_web.main = port_new(0);
    return trpi_web.main == NULL ? TRP_ENOMEM
                                 : trp_spawn(ctx, &port_behaviour, trpi_web.main, NULL);
}

int trpi_web_port_spawn(trp_ctx *ctx, uint32_t key, const char *name, trp_pid *pid) {
    trpi_web_port *port = port_new(key);
    if (port == NULL) {
        return TRP_ENOMEM;
    }
    port->active = true; /* until JavaScript's init is through */
    trp_spawn_options options = {.size = sizeof options, .name = name, .monitor = true};
    trp_ref monitor = 0;
    int error = trp_spawn_opt(ctx, &port_behaviour, port, &options, pid, &monitor);
    if (error != TRP_OK) {
        port_free(port);
        return error;
    }
    error = trpi_web_map_put(&trpi_web.port_pids, pid_key(port->pid), (uintptr_t)port);
    if (error == TRP_OK) {
        error = trpi_web_map_put(&trpi_web.port_refs, monitor, (uintptr_t)port);
    }
    if (error != TRP_OK) {
        trp_demonitor(ctx, monitor);
        trp_kill(ctx, port->pid);
        port_free(port);
    }
    return error;
}

static void send_segment(trp_ctx *ctx, const trpi_web_view *segment) {
    trpi_web_port *port =
        (trpi_web_port *)trpi_web_map_get(&trpi_web.ports, (uint64_t)segment->record.id + 1);
    if (port == NULL) {
        return; /* it has ended; its EXIT settles what JavaScript still awaits in its name */
    }
    trp_builder builder;
    trp_message *message = NULL;
    trp_builder_init(&builder, ctx, &trpi_web_ops_type, segment->record.a_length);
    trp_builder_set(&builder, 0, segment->a, segment->record.a_length);
    int error = trp_builder_finish(&builder, &message);
    if (error == TRP_OK) {
        error = trp_send(ctx, port->pid, message);
    }
    if (error == TRP_ENOMEM) {
        trpi_web.out.failed = 1;
    }
}

void trpi_web_batch_post(trp_ctx *ctx) {
    trpi_web_view segment;
    size_t place = 0;
    while (trpi_web_record_next(trpi_web.in.data, trpi_web.in.length, &place, &segment)) {
        send_segment(ctx, &segment);
    }
    trpi_web.in.length = 0;
}
