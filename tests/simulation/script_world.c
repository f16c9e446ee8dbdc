/* The actors of a script. Whatever they do and see goes into the world's record, in the order of
 * the simulation. */
#include "script.h"

#include "cmocka_all.h"
#include "fake_host.h"
#include "sim_internal.h"
#include "troupe/routine.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const names[SCRIPT_NAMES] = {"ann", "bob"};
static const char *const groups[SCRIPT_GROUPS] = {"red", "blue"};
static const char scope[] = "script";

/* Tag of the messages that carry operations: every filter lets them through. */
enum { DO_TAG = 99 };

/* What travels in messages and requests. */
typedef struct letter {
    uint32_t number;
    uint8_t from;
    uint8_t mode;
} letter;

/* ---- the record ---- */

static void record(script_world *world, script_event event) {
    assert_true(world->events_len < SCRIPT_EVENTS);
    event.at_ns = trp_sim_now(world->sim);
    world->events[world->events_len++] = event;
}

static void see(script_person *self, script_event_kind kind, uint8_t from, uint32_t number,
                int32_t value) {
    record(
        self->world,
        (script_event){
            .kind = (uint8_t)kind, .to = self->id, .from = from, .number = number, .value = value});
}

static uint8_t id_of(const script_world *world, trp_pid pid) {
    for (uint32_t i = 0; !trp_pid_is_none(pid) && i < world->persons_len; i++) {
        if (trp_pid_equal(world->persons[i]->pid, pid)) {
            return (uint8_t)i;
        }
    }
    return SCRIPT_ROOT;
}

static trp_pid pid_of(const script_world *world, uint8_t slot) {
    uint8_t id = world->tenants[slot];
    return id == SCRIPT_ROOT ? TRP_PID_NONE : world->persons[id]->pid;
}

static const trp_exit *none(void) {
    static const trp_exit normal = {TRP_EXIT_NORMAL, 0, ""};
    return &normal;
}

/* ---- what is open ---- */

static void opened(script_person *self, const script_op *op, trp_ref ref) {
    assert_true(self->opens_len < SCRIPT_OPENS);
    script_world *world = self->world;
    uint64_t due =
        op->kind == SCRIPT_TIMER || op->kind == SCRIPT_INTERVAL ? script_due(world, op) : 0;
    self->opens[self->opens_len++] =
        (script_open){op->kind, true, world->tenants[op->other], op->number, ref, due};
}

static script_open *by_ref(script_person *self, trp_ref ref) {
    for (uint32_t i = 0; i < self->opens_len; i++) {
        if (self->opens[i].ref == ref && ref != 0) {
            return &self->opens[i];
        }
    }
    return NULL;
}

/* Which operations one that ends something is about. */
static bool is_about(script_kind ends, script_kind kind) {
    switch (ends) {
    case SCRIPT_DEMONITOR:
        return kind == SCRIPT_MONITOR || kind == SCRIPT_SPAWN;
    case SCRIPT_CANCEL:
        return kind == SCRIPT_TIMER || kind == SCRIPT_INTERVAL || kind == SCRIPT_SEND_AFTER ||
               kind == SCRIPT_EXIT_AFTER;
    case SCRIPT_CANCEL_REQUEST:
        return kind == SCRIPT_REQUEST;
    case SCRIPT_UNWATCH:
        return kind == SCRIPT_WATCH;
    case SCRIPT_FORGET:
        return kind == SCRIPT_NOTIFY;
    default:
        return false;
    }
}

static script_open *oldest(script_person *self, script_kind ends) {
    for (uint32_t i = 0; i < self->opens_len; i++) {
        if (self->opens[i].is_open && is_about(ends, (script_kind)self->opens[i].kind)) {
            return &self->opens[i];
        }
    }
    return NULL;
}

/* Ends the oldest of a kind with the runtime's function for it; TRP_ENOENT if there is none. */
static int end_oldest(trp_ctx *ctx, script_person *self, script_kind ends,
                      int (*end)(trp_ctx *, trp_ref)) {
    script_open *open = oldest(self, ends);
    if (open == NULL) {
        return TRP_ENOENT;
    }
    open->is_open = false;
    return end(ctx, open->ref);
}

/*
 * The operation that opened what `ref` names. What is not open, because it is over, was ended or
 * never was, and what comes too early has the number of none.
 */
static uint32_t number_of(script_person *self, trp_ref ref, bool is_over) {
    script_open *open = by_ref(self, ref);
    if (open == NULL || !open->is_open || trp_sim_now(self->world->sim) < open->due_ns) {
        return UINT32_MAX;
    }
    open->is_open = !is_over;
    return open->number;
}

/* ---- doing ---- */

static trp_message *new_letter(trp_ctx *ctx, const script_person *self, const script_op *op,
                               uint64_t tag, uint8_t mode) {
    letter text = {op->number, self->id, mode};
    trp_message *message = trp_message_new_bytes(ctx, &text, sizeof text);
    trp_message_set_tag(message, tag);
    return message;
}

static uint64_t tag_of(const script_op *op) {
    return 1 + script_below(op, SCRIPT_TAGS);
}

static const trp_behaviour person_behaviour;
static const trp_routine person_routine;

static uint8_t new_person(script_world *world) {
    script_person *made = calloc(1, sizeof *made);
    assert_non_null(made);
    made->world = world;
    made->id = (uint8_t)world->persons_len;
    world->persons[world->persons_len++] = made;
    return made->id;
}

typedef struct spawn_arg {
    script_person *person;
    bool fails;
    bool is_trapping;
} spawn_arg;

static int do_spawn(trp_ctx *ctx, script_person *self, script_world *world, const script_op *op) {
    unsigned flags = script_spawn_flags(op);
    if (trp_is_alive(ctx, pid_of(world, op->other))) {
        return TRP_EEXIST;
    }
    uint8_t id = new_person(world);
    spawn_arg arg = {world->persons[id], (flags & SPAWN_FAILS) != 0, (flags & SPAWN_TRAPPING) != 0};
    trp_spawn_options options = {.size = sizeof options, .link_tag = tag_of(op)};
    options.name = (flags & SPAWN_NAMED) != 0 ? names[script_below(op, SCRIPT_NAMES)] : NULL;
    options.link = self != NULL && (flags & SPAWN_LINKED) != 0;
    options.monitor = self != NULL && (flags & SPAWN_MONITORED) != 0;
    trp_ref monitor = 0;
    arg.person->is_routine = (flags & SPAWN_ROUTINE) != 0;
    const trp_behaviour *what =
        arg.person->is_routine ? &person_routine.behaviour : &person_behaviour;
    int error = trp_spawn_opt(ctx, what, &arg, &options, &arg.person->pid, &monitor);
    if (error == 0) {
        world->tenants[op->other] = id;
        if (options.monitor) {
            opened(self, op, monitor);
        }
    }
    return error;
}

static int do_whereis(trp_ctx *ctx, script_world *world, const script_op *op) {
    trp_pid pid;
    int error = trp_whereis(ctx, names[script_below(op, SCRIPT_NAMES)], &pid);
    return error != 0 ? error : id_of(world, pid);
}

/* The members as one number, in their order. */
static int do_members(trp_ctx *ctx, script_world *world, const script_op *op) {
    trp_pid pids[SCRIPT_SLOTS];
    size_t count;
    int error = trp_group_members(ctx, scope, groups[script_below(op, SCRIPT_GROUPS)], pids,
                                  SCRIPT_SLOTS, &count);
    uint32_t sum = (uint32_t)count;
    for (size_t i = 0; error == 0 && i < count && i < SCRIPT_SLOTS; i++) {
        sum = sum * 64 + id_of(world, pids[i]);
    }
    return error != 0 ? error : (int)(sum & INT32_MAX);
}

static int do_broadcast(trp_ctx *ctx, script_person *self, const script_op *op) {
    trp_message *message = new_letter(ctx, self, op, tag_of(op), 0);
    size_t count = 0;
    int error =
        trp_group_broadcast(ctx, scope, groups[script_below(op, SCRIPT_GROUPS)], message, &count);
    trp_message_drop(ctx, message);
    return error != 0 ? error : (int)count;
}

static int do_watch(trp_ctx *ctx, script_person *self, const script_op *op) {
    unsigned group = script_below(op, SCRIPT_GROUPS + 1);
    trp_ref ref;
    int error = trp_group_watch(ctx, scope, group == SCRIPT_GROUPS ? NULL : groups[group], &ref);
    opened(self, op, ref);
    return error;
}

uint64_t script_due(const script_world *world, const script_op *op) {
    uint64_t round = world->asked_ns / TRP_NS_PER_MS / SCRIPT_GRID_MS + 1 + op->delay;
    uint64_t ms = round * SCRIPT_GRID_MS + (uint64_t)op->number * SCRIPT_SPREAD_MS;
    uint64_t due = ms * TRP_NS_PER_MS;
    return op->kind == SCRIPT_INTERVAL ? due + SCRIPT_SPREAD_MS * TRP_NS_PER_MS / 2 : due;
}

static int do_timer(trp_ctx *ctx, script_person *self, const script_op *op) {
    script_world *world = self->world;
    uint64_t due = script_due(world, op);
    uint64_t now = trp_now_ns(ctx);
    uint64_t delay = due > now ? due - now : 0;
    trp_pid to = pid_of(world, op->other);
    trp_exit reason = script_reason(op);
    trp_ref ref = 0;
    int error;
    switch ((script_kind)op->kind) {
    case SCRIPT_TIMER:
        error = trp_timer(ctx, delay, tag_of(op), &ref);
        break;
    case SCRIPT_INTERVAL:
        error = trp_interval(ctx, delay, tag_of(op), &ref);
        world->period_ns[op->number] = delay;
        break;
    case SCRIPT_SEND_AFTER:
        error = trp_send_after(ctx, delay, to, new_letter(ctx, self, op, tag_of(op), 0), &ref);
        break;
    default:
        error = trp_exit_after(ctx, delay, to, &reason, &ref);
        break;
    }
    opened(self, op, ref);
    return error;
}

static int do_filter(trp_ctx *ctx, script_person *self, const script_op *op) {
    uint64_t tags[] = {DO_TAG, tag_of(op)};
    trp_filter filter = {.size = sizeof filter, .tags = tags, .tags_len = 2};
    if (op->which % 2 != 0 && self->opens_len > 0) {
        filter.ref = self->opens[self->opens_len - 1].ref;
    }
    return trp_filter_set(ctx, &filter);
}

static int do_request(trp_ctx *ctx, script_person *self, const script_op *op) {
    script_world *world = self->world;
    trp_ref ref;
    trp_message *message = new_letter(ctx, self, op, tag_of(op), (uint8_t)script_below(op, MODES));
    uint64_t timeout = op->delay == 3 ? TRP_NEVER : script_due(world, op) - trp_now_ns(ctx);
    int error = trp_request(ctx, pid_of(world, op->other), message, timeout, &ref);
    if (error == 0) {
        opened(self, op, ref);
    }
    return error;
}

static int do_answer(trp_ctx *ctx, script_person *self) {
    if (self->kept_len == 0) {
        return TRP_ENOENT;
    }
    trp_message *request = self->kept[0];
    self->kept_len--;
    memmove(self->kept, self->kept + 1, self->kept_len * sizeof *self->kept);
    int error = trp_reply(ctx, request, trp_message_copy(ctx, request));
    trp_message_drop(ctx, request);
    return error;
}

static trp_channel *channel_of(script_world *world, const script_op *op) {
    return world->channels[script_below(op, SCRIPT_CHANNELS)];
}

static int do_put(trp_ctx *ctx, script_person *self, const script_op *op) {
    trp_message *message = new_letter(ctx, self, op, 0, 0);
    int error = trp_channel_try_send(ctx, channel_of(self->world, op), message);
    if (error != 0) {
        trp_message_drop(ctx, message);
    }
    return error;
}

/* The number of the operation that put it in. */
static int do_take(trp_ctx *ctx, script_person *self, const script_op *op) {
    trp_message *message;
    int error = trp_channel_try_receive(ctx, channel_of(self->world, op), &message);
    if (error != 0) {
        return error;
    }
    letter text;
    memcpy(&text, trp_message_body(message), sizeof text);
    trp_message_drop(ctx, message);
    return (int)text.number;
}

static int do_notify(trp_ctx *ctx, script_person *self, const script_op *op) {
    trp_channel_end end = op->delay % 2 != 0 ? TRP_CHANNEL_RECEIVE : TRP_CHANNEL_SEND;
    trp_ref ref;
    int error = trp_channel_notify(ctx, channel_of(self->world, op), end, &ref);
    opened(self, op, ref);
    return error;
}

/* Takes from one channel or puts into another: in a storm it waits, else it looks in this order. */
static int do_select(trp_ctx *ctx, script_person *self, const script_op *op) {
    script_world *world = self->world;
    trp_case cases[] = {
        {world->channels[script_select_from(op)], TRP_CHANNEL_RECEIVE, NULL},
        {world->channels[script_select_to(op)], TRP_CHANNEL_SEND, new_letter(ctx, self, op, 0, 0)}};
    trp_select_options options = {.size = sizeof options, .is_ordered = true};
    if (world->is_storm) {
        options.timeout_ns = op->delay * 100 * TRP_NS_PER_MS;
        options.is_ordered = op->which % 2 == 0;
    }
    size_t chosen = 0;
    int error = trp_select(ctx, cases, 2, &options, &chosen, NULL);
    if (error != 0 || chosen == 0) {
        trp_message_drop(ctx, cases[1].message);
    }
    if (error != 0 || chosen == 1) {
        return error != 0 ? error : SELECT_SENT;
    }
    letter text;
    memcpy(&text, trp_message_body(cases[0].message), sizeof text);
    trp_message_drop(ctx, cases[0].message);
    return (int)text.number;
}

static int do_monitor(trp_ctx *ctx, script_person *self, const script_op *op) {
    trp_ref ref;
    int error = trp_monitor(ctx, pid_of(self->world, op->other), &ref);
    opened(self, op, ref);
    return error;
}

static int perform(trp_ctx *ctx, script_person *self, const script_op *op) {
    script_world *world = self->world;
    trp_pid other = pid_of(world, op->other);
    trp_exit reason = script_reason(op);
    const char *name = names[script_below(op, SCRIPT_NAMES)];
    const char *group = groups[script_below(op, SCRIPT_GROUPS)];
    switch ((script_kind)op->kind) {
    case SCRIPT_SPAWN:
        return do_spawn(ctx, self, world, op);
    case SCRIPT_LINK:
        return trp_link(ctx, other, tag_of(op));
    case SCRIPT_UNLINK:
        return trp_unlink(ctx, other);
    case SCRIPT_MONITOR:
        return do_monitor(ctx, self, op);
    case SCRIPT_DEMONITOR:
        return end_oldest(ctx, self, SCRIPT_DEMONITOR, trp_demonitor);
    case SCRIPT_END:
        trp_fail(ctx, &reason);
        return 0;
    case SCRIPT_STOP:
        return trp_stop(ctx, other, &reason);
    case SCRIPT_KILL:
        return trp_kill(ctx, other);
    case SCRIPT_DRAIN:
        return trp_drain(ctx, other);
    case SCRIPT_TRAP:
        trp_trap_exit(ctx, script_below(op, 2) != 0);
        return 0;
    case SCRIPT_REGISTER:
        return trp_register(ctx, name);
    case SCRIPT_UNREGISTER:
        return trp_unregister(ctx, name);
    case SCRIPT_WHEREIS:
        return do_whereis(ctx, world, op);
    case SCRIPT_JOIN:
        return trp_group_join(ctx, scope, group);
    case SCRIPT_LEAVE:
        return trp_group_leave(ctx, scope, group);
    case SCRIPT_MEMBERS:
        return do_members(ctx, world, op);
    case SCRIPT_BROADCAST:
        return do_broadcast(ctx, self, op);
    case SCRIPT_WATCH:
        return do_watch(ctx, self, op);
    case SCRIPT_UNWATCH:
        return end_oldest(ctx, self, SCRIPT_UNWATCH, trp_group_unwatch);
    case SCRIPT_TIMER:
    case SCRIPT_INTERVAL:
    case SCRIPT_SEND_AFTER:
    case SCRIPT_EXIT_AFTER:
        return do_timer(ctx, self, op);
    case SCRIPT_CANCEL:
        return end_oldest(ctx, self, SCRIPT_CANCEL, trp_timer_cancel);
    case SCRIPT_SEND:
        return trp_send(ctx, other, new_letter(ctx, self, op, tag_of(op), 0));
    case SCRIPT_FILTER: /* a routine chooses in its receive */
        return self->is_routine ? TRP_ENOTSUP : do_filter(ctx, self, op);
    case SCRIPT_CLEAR:
        trp_filter_clear(ctx);
        return 0;
    case SCRIPT_REQUEST:
        return do_request(ctx, self, op);
    case SCRIPT_ANSWER:
        return do_answer(ctx, self);
    case SCRIPT_CANCEL_REQUEST:
        return end_oldest(ctx, self, SCRIPT_CANCEL_REQUEST, trp_request_cancel);
    case SCRIPT_PUT:
        return do_put(ctx, self, op);
    case SCRIPT_TAKE:
        return do_take(ctx, self, op);
    case SCRIPT_NOTIFY:
        return do_notify(ctx, self, op);
    case SCRIPT_FORGET:
        return end_oldest(ctx, self, SCRIPT_FORGET, trp_channel_forget);
    case SCRIPT_CLOSE:
        return trp_channel_close(ctx, channel_of(world, op));
    case SCRIPT_SELECT:
        return do_select(ctx, self, op);
    case SCRIPT_ADVANCE:
    case SCRIPT_KINDS:
        break;
    }
    return 0;
}

/* ---- seeing ---- */

static void on_request(trp_ctx *ctx, script_person *self, trp_message *message,
                       const letter *text) {
    see(self, EVENT_REQUESTED, text->from, text->number, 0);
    switch ((script_mode)text->mode) {
    case MODE_REPLY:
        (void)trp_reply(ctx, message, trp_message_copy(ctx, message));
        break;
    case MODE_KEEP:
        self->kept[self->kept_len++] = trp_message_take(ctx, message);
        break;
    case MODE_REFUSE:
        (void)trp_reply_error(ctx, message, TRP_EPERM, NULL);
        break;
    case MODE_IGNORE:
    case MODES:
        break;
    }
}

static void on_typed(script_person *self, trp_message *message) {
    const trp_type *type = trp_message_type(message);
    const void *body = trp_message_body(message);
    script_world *world = self->world;
    if (type == &trp_down_type) {
        const trp_down *down = body;
        see(self, EVENT_DOWN, id_of(world, down->pid), number_of(self, down->ref, true),
            script_reason_value(&down->reason));
    } else if (type == &trp_exited_type) {
        const trp_exited *exited = body;
        see(self, EVENT_EXITED, id_of(world, exited->pid), (uint32_t)exited->tag,
            script_reason_value(&exited->reason));
    } else if (type == &trp_timeout_type) {
        const trp_timeout *timeout = body;
        const script_open *open = by_ref(self, timeout->ref);
        bool is_interval = open != NULL && open->kind == SCRIPT_INTERVAL;
        see(self, EVENT_TIMEOUT, self->id, number_of(self, timeout->ref, !is_interval),
            (int32_t)timeout->tag);
    } else if (type == &trp_request_error_type) {
        const trp_request_error *error = body;
        see(self, EVENT_ERROR, SCRIPT_ROOT, number_of(self, trp_message_ref(message), true),
            error->code);
    } else if (type == &trp_group_event_type) {
        const trp_group_event *event = body;
        see(self, event->kind == TRP_GROUP_JOIN ? EVENT_JOINED : EVENT_LEFT,
            id_of(world, event->pid), number_of(self, event->ref, false),
            strcmp(trp_slice_text(&event->group), groups[0]) != 0);
    } else {
        see(self, EVENT_READY, SCRIPT_ROOT, number_of(self, trp_message_ref(message), true), 0);
    }
}

static void on_message(trp_ctx *ctx, script_person *self, trp_message *message) {
    if (trp_message_tag(message) == DO_TAG) {
        script_op op;
        memcpy(&op, trp_message_body(message), sizeof op);
        uint8_t other = self->world->tenants[op.other];
        see(self, EVENT_RESULT, other, op.number, perform(ctx, self, &op));
        return;
    }
    if (trp_message_type(message) != NULL) {
        on_typed(self, message);
        return;
    }
    letter text;
    memcpy(&text, trp_message_body(message), sizeof text);
    if (trp_message_is_request(message)) {
        on_request(ctx, self, message, &text);
    } else if (trp_message_ref(message) != 0) {
        see(self, EVENT_REPLY, SCRIPT_ROOT, number_of(self, trp_message_ref(message), true), 0);
    } else {
        see(self, EVENT_MESSAGE, text.from, text.number, (int32_t)trp_message_tag(message));
    }
}

static void person_handle(trp_ctx *ctx, void *state, trp_message *message) {
    script_person *self;
    memcpy(&self, state, sizeof self);
    on_message(ctx, self, message);
}

static int person_body(trp_ctx *ctx, void *arg) {
    const spawn_arg *given = arg;
    trp_message *message;
    trp_trap_exit(ctx, given->is_trapping);
    while (trp_receive(ctx, NULL, TRP_NEVER, &message) == 0) {
        on_message(ctx, given->person, message);
    }
    return 0;
}

static const trp_routine person_routine = {
    TRP_ROUTINE("script.routine", person_body, sizeof(spawn_arg))};

static int person_init(trp_ctx *ctx, void *state, const void *arg) {
    spawn_arg given;
    memcpy(&given, arg, sizeof given);
    given.person->pid = trp_self(ctx);
    memcpy(state, &given.person, sizeof given.person);
    trp_trap_exit(ctx, given.is_trapping);
    return given.fails ? TRP_EFAILED : 0;
}

static void person_terminate(trp_ctx *ctx, void *state, const trp_exit *reason) {
    (void)ctx;
    script_person *self;
    memcpy(&self, state, sizeof self);
    see(self, EVENT_ENDED, self->id, 0, script_reason_value(reason));
}

static const trp_behaviour person_behaviour = {
    TRP_BEHAVIOUR("script.person"), .state_size = sizeof(script_person *), .init = person_init,
    .handle = person_handle,        .terminate = person_terminate,
};

static void on_dead_letter(void *arg, trp_ctx *ctx, trp_pid to, const trp_message *message,
                           int error) {
    (void)ctx;
    script_world *world = arg;
    world->dead_letters++;
    if (trp_message_tag(message) == DO_TAG || trp_message_type(message) != NULL) {
        return;
    }
    letter text;
    memcpy(&text, trp_message_body((trp_message *)(uintptr_t)message), sizeof text);
    record(world, (script_event){.kind = EVENT_DEAD,
                                 .to = id_of(world, to),
                                 .from = text.from,
                                 .number = text.number,
                                 .value = error});
}

/* ---- the world ---- */

void script_world_create(script_world *world, const script *self, bool is_storm) {
    static const uint32_t capacities[SCRIPT_CHANNELS] = {1, 2, TRP_CHANNEL_UNBOUNDED};
    memset(world, 0, sizeof *world);
    memset(world->tenants, SCRIPT_ROOT, sizeof world->tenants);
    world->is_storm = is_storm;
    world->sim = trp_sim_create(self->seed);
    assert_non_null(world->sim);
    trp_sim_node_config config = {
        .size = sizeof config, .name = "world", .schedulers = self->schedulers};
    assert_int_equal(trp_sim_node_create(world->sim, &config, &world->node), 0);
    trp_ctx *root = trp_sim_node_enter(world->node, 0);
    trp_runtime_on_dead_letter(trp_sim_node_runtime(world->node), on_dead_letter, world);
    for (int i = 0; i < SCRIPT_CHANNELS; i++) {
        assert_int_equal(trp_channel_create(root, capacities[i], &world->channels[i]), 0);
    }
    script_world_settle(world);
}

bool script_world_is_alive(script_world *world, uint8_t id) {
    return id != SCRIPT_ROOT &&
           trp_is_alive(trp_sim_node_enter(world->node, 0), world->persons[id]->pid);
}

bool script_world_do(script_world *world, const script_op *op) {
    world->asked_ns = trp_sim_now(world->sim);
    trp_ctx *root = trp_sim_node_enter(world->node, op->number % world->node->config.schedulers);
    if (!script_world_is_alive(world, world->tenants[op->actor])) {
        if (op->kind != SCRIPT_SPAWN) {
            return false;
        }
        uint8_t other = world->tenants[op->other];
        int error = do_spawn(root, NULL, world, op);
        record(world, (script_event){EVENT_RESULT, SCRIPT_ROOT, other, op->number, error, 0});
        return true;
    }
    trp_message *message = trp_message_new_bytes(root, op, sizeof *op);
    trp_message_set_tag(message, DO_TAG);
    (void)trp_send(root, pid_of(world, op->actor), message);
    return true;
}

static bool is_at_rest(void *arg) {
    const script_world *world = arg;
    for (unsigned i = 0; i < world->node->config.schedulers; i++) {
        if (trpi_sim_node_has_reason(world->node, i)) {
            return false;
        }
    }
    return true;
}

void script_world_settle(script_world *world) {
    assert_true(trp_sim_run_while_false(world->sim, is_at_rest, world, 100 * TRP_NS_PER_MS));
}

const char *script_world_destroy(script_world *world) {
    const char *fault = NULL;
    trp_ctx *root = trp_sim_node_enter(world->node, 0);
    trp_exit shutdown = *none();
    shutdown.kind = TRP_EXIT_SHUTDOWN;
    for (uint32_t i = 0; i < world->persons_len; i++) {
        (void)trp_stop(root, world->persons[i]->pid, &shutdown);
    }
    script_world_settle(world);
    trp_stats stats;
    trp_runtime_stats(trp_sim_node_runtime(world->node), &stats);
    if (stats.actors != 0) {
        fault = "actors are left over";
    } else if (stats.timers != 0) {
        fault = "timers are left over";
    } else if (stats.dead_letters != world->dead_letters) {
        fault = "dead letters are not counted";
    }
    trp_pid pid;
    size_t members = 0;
    for (int i = 0; i < SCRIPT_NAMES; i++) {
        if (trp_whereis(root, names[i], &pid) != TRP_ENOENT) {
            fault = "a name is left over";
        }
    }
    for (int i = 0; i < SCRIPT_GROUPS; i++) {
        (void)trp_group_members(root, scope, groups[i], NULL, 0, &members);
        if (members != 0) {
            fault = "a member is left over";
        }
    }
    for (int i = 0; i < SCRIPT_CHANNELS; i++) {
        trp_channel_release(root, world->channels[i], TRP_CHANNEL_SEND);
        trp_channel_release(root, world->channels[i], TRP_CHANNEL_RECEIVE);
    }
    script_world_settle(world);
    if (trp_sim_destroy(world->sim) != 0) {
        fault = "memory has leaked";
    }
    for (uint32_t i = 0; i < world->persons_len; i++) {
        free(world->persons[i]);
    }
    return fault;
}

void script_add_up(script_totals *totals, const script *self, const script_world *world) {
    uint8_t kinds[SCRIPT_OPS] = {0};
    for (uint32_t i = 0; i < self->ops_len; i++) {
        kinds[self->ops[i].number] = self->ops[i].kind;
    }
    for (uint32_t i = 0; i < world->events_len; i++) {
        const script_event *event = &world->events[i];
        totals->seen[event->kind]++;
        if (event->kind == EVENT_RESULT && event->value >= 0) {
            totals->done[kinds[event->number]]++;
        }
    }
}
