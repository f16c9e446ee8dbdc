/*
 * The actors of two_nodes.h. They are ordinary ones; only the worker leaves its life to chance.
 *
 *     keeper    starts the relay, monitors it, and starts another when it ends
 *     relay     registered; hands each request to a new, monitored worker
 *     worker    waits a little, then replies, fails, aborts, forgets or is slow
 *     caller    asks both relays
 *     talker    sends numbered notes to the other node's listener
 *     listener  registered; hears them
 *     watcher   monitors the workers it is told of, and the other node's relay
 */
#include "two_nodes.h"

#include <string.h>

static const uint64_t MS = TRP_NS_PER_MS;

#define WORK_FIELDS(F)                                                                             \
    F(u32, id, 1)                                                                                  \
    F(u32, delay_ms, 2)                                                                            \
    F(u32, fate, 3)                                                                                \
    F(string, text, 4)
TRP_TYPE_DECLARE(sim_work, WORK_FIELDS)
TRP_TYPE_DEFINE(sim_work, "sim.Work", WORK_FIELDS)

#define DONE_FIELDS(F)                                                                             \
    F(u32, id, 1)                                                                                  \
    F(pid, worker, 2)                                                                              \
    F(string, text, 3)
TRP_TYPE_DECLARE(sim_done, DONE_FIELDS)
TRP_TYPE_DEFINE(sim_done, "sim.Done", DONE_FIELDS)

#define NOTE_FIELDS(F)                                                                             \
    F(u32, number, 1)                                                                              \
    F(bytes, filling, 2)
TRP_TYPE_DECLARE(sim_note, NOTE_FIELDS)
TRP_TYPE_DEFINE(sim_note, "sim.Note", NOTE_FIELDS)

static const trp_type *const all_types[] = {&sim_work_type, &sim_done_type, &sim_note_type, NULL};

/* What a worker does with its request, by chance of the caller. */
enum { FATE_REPLY_BELOW = 80, FATE_FAIL = 85, FATE_ABORT = 90, FATE_FORGET = 95, FATE_KEEP = 100 };

static const char *other_name(const tn_node *at) {
    return at->index == 0 ? "south" : "north";
}

static uint64_t chance(const tn_node *at, uint64_t limit) {
    return trp_sim_random_below(at->world->sim, limit);
}

/* ---- worker ---- */

typedef struct worker {
    tn_node *at;
    trp_message *request;
    uint32_t id;
} worker;

static int worker_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)ctx;
    ((worker *)state)->at = (tn_node *)(uintptr_t)arg;
    return 0;
}

static void answer(trp_ctx *ctx, worker *self) {
    trp_builder builder;
    trp_message *reply = NULL;
    const sim_work *work = trp_message_body(self->request);
    trp_builder_init(&builder, ctx, &sim_done_type, 64);
    sim_done *done = trp_builder_body(&builder);
    if (done != NULL) {
        done->id = self->id;
        done->worker = trp_self(ctx);
    }
    trp_builder_set(&builder, offsetof(sim_done, text), trp_slice_data(&work->text),
                    work->text.length);
    (void)trp_builder_finish(&builder, &reply);
    tn_is_replied(self->at->world, self->id);
    bool is_canary = self->at->world->canary == TN_CANARY_REPLY_LOST && self->id % 16 == 3;
    if (is_canary) {
        trp_message_drop(ctx, reply);
        trp_message_drop(ctx, self->request);
    } else {
        (void)trp_reply(ctx, self->request, reply);
        trp_message_drop(ctx, self->request);
    }
    self->request = NULL;
    trp_stop_self(ctx);
}

static void worker_handle(trp_ctx *ctx, void *state, trp_message *message) {
    worker *self = state;
    const sim_work *work = sim_work_of(message);
    if (work == NULL) {
        answer(ctx, self);
        return;
    }
    trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, 1, "by chance");
    self->id = work->id;
    if (work->fate >= FATE_FORGET) { /* keeps the request until it is killed or the node ends */
        self->request = trp_message_take(ctx, message);
        (void)trp_send_after(ctx, 300 * MS, trp_self(ctx), trp_message_new(ctx, &sim_note_type),
                             NULL);
    } else if (work->fate >= FATE_ABORT) {
        trp_stop_self(ctx); /* without a reply: the runtime answers */
    } else if (work->fate >= FATE_FAIL) {
        trp_abort(ctx, &reason);
    } else if (work->fate >= FATE_REPLY_BELOW) {
        trp_fail(ctx, &reason);
    } else {
        uint64_t delay = work->delay_ms * MS;
        self->request = trp_message_take(ctx, message);
        (void)trp_timer(ctx, delay, 1, NULL);
    }
}

static const trp_behaviour worker_behaviour = {
    TRP_BEHAVIOUR("sim.worker"), .state_size = sizeof(worker), .types = all_types,
    .init = worker_init,         .handle = worker_handle,
};

/* ---- relay ---- */

typedef struct relay {
    tn_node *at;
    uint32_t spawned;
    uint32_t exited;
} relay;

static int relay_init(trp_ctx *ctx, void *state, const void *arg) {
    relay *self = state;
    self->at = (tn_node *)(uintptr_t)arg;
    int error = trp_register(ctx, "relay");
    if (error != 0) {
        tn_violation(self->at->world, "the name was not free when DOWN was heard", 0);
    }
    return error;
}

static void relay_handle(trp_ctx *ctx, void *state, trp_message *message) {
    relay *self = state;
    if (trp_message_is(message, &trp_down_type)) {
        self->exited++;
        return;
    }
    const sim_work *work = sim_work_of(message);
    if (work == NULL) {
        return;
    }
    tn_is_handled(self->at->world, work->id);
    trp_pid pid;
    trp_ref ref;
    trp_spawn_options options = {.size = sizeof options, .monitor = true};
    if (trp_spawn_opt(ctx, &worker_behaviour, self->at, &options, &pid, &ref) == 0) {
        self->spawned++;
        (void)trp_send(ctx, pid, trp_message_take(ctx, message));
    }
    if (chance(self->at, 200) == 0) {
        trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, 2, "the relay fails");
        trp_fail(ctx, &reason);
    }
}

static const trp_behaviour relay_behaviour = {
    TRP_BEHAVIOUR("sim.relay"), .state_size = sizeof(relay), .types = all_types,
    .init = relay_init,         .handle = relay_handle,
};

/* ---- keeper ---- */

typedef struct keeper {
    tn_node *at;
    trp_ref monitor;
} keeper;

static int start_relay(trp_ctx *ctx, keeper *self) {
    trp_spawn_options options = {.size = sizeof options, .monitor = true};
    return trp_spawn_opt(ctx, &relay_behaviour, self->at, &options, NULL, &self->monitor);
}

static int keeper_init(trp_ctx *ctx, void *state, const void *arg) {
    keeper *self = state;
    self->at = (tn_node *)(uintptr_t)arg;
    return start_relay(ctx, self);
}

static void keeper_handle(trp_ctx *ctx, void *state, trp_message *message) {
    keeper *self = state;
    if (!trp_message_is(message, &trp_down_type)) {
        return;
    }
    const trp_down *down = trp_message_body(message);
    if (down->ref != self->monitor) {
        tn_violation(self->at->world, "the keeper heard of a monitor it does not have", down->ref);
    }
    self->at->world->takeovers++;
    (void)start_relay(ctx, self);
}

static const trp_behaviour keeper_behaviour = {
    TRP_BEHAVIOUR("sim.keeper"),
    .state_size = sizeof(keeper),
    .init = keeper_init,
    .handle = keeper_handle,
};

/* ---- watcher ---- */

typedef struct watcher {
    tn_node *at;
    trp_ref relay_monitor; /* of the other node's relay, renewed whenever it ends */
} watcher;

static void watch(trp_ctx *ctx, watcher *self, trp_pid pid) {
    trp_ref ref;
    if (trp_monitor(ctx, pid, &ref) == 0) {
        tn_monitors(self->at, ref);
    }
}

static void watch_relay(trp_ctx *ctx, watcher *self) {
    trp_pid pid;
    if (self->at->world->is_quiet || self->relay_monitor != 0 ||
        trp_remote_name(ctx, other_name(self->at), "relay", &pid) != 0) {
        return;
    }
    if (trp_monitor(ctx, pid, &self->relay_monitor) == 0) {
        tn_monitors(self->at, self->relay_monitor);
    }
}

static int watcher_init(trp_ctx *ctx, void *state, const void *arg) {
    ((watcher *)state)->at = (tn_node *)(uintptr_t)arg;
    int error = trp_register(ctx, "watcher");
    return error != 0 ? error : trp_interval(ctx, 50 * MS, 1, NULL);
}

static void watcher_handle(trp_ctx *ctx, void *state, trp_message *message) {
    watcher *self = state;
    if (trp_message_is(message, &trp_down_type)) {
        const trp_down *down = trp_message_body(message);
        if (self->at->world->canary != TN_CANARY_DOWN_MISSED || down->ref % 8 != 0) {
            tn_down(self->at, down->ref);
        }
        self->relay_monitor = down->ref == self->relay_monitor ? 0 : self->relay_monitor;
        return;
    }
    if (trp_message_is(message, &trp_timeout_type)) {
        watch_relay(ctx, self);
        if (self->at->world->is_quiet && self->relay_monitor != 0) {
            /* The relay lives on, so this one would never end; all others must. */
            if (trp_demonitor(ctx, self->relay_monitor) == 0) {
                tn_down(self->at, self->relay_monitor);
            }
            self->relay_monitor = 0;
        }
        return;
    }
    trp_pid pid;
    memcpy(&pid, trp_message_body(message), sizeof pid);
    watch(ctx, self, pid);
}

static const trp_behaviour watcher_behaviour = {
    TRP_BEHAVIOUR("sim.watcher"),
    .state_size = sizeof(watcher),
    .init = watcher_init,
    .handle = watcher_handle,
};

/* ---- caller ---- */

enum { OPEN_MAX = 64 };

typedef struct caller {
    tn_node *at;
    trp_ref refs[OPEN_MAX];
    uint32_t ids[OPEN_MAX];
} caller;

static trp_message *make_work(trp_ctx *ctx, const tn_node *at, uint32_t id) {
    trp_builder builder;
    trp_message *message = NULL;
    trp_builder_init(&builder, ctx, &sim_work_type, 64);
    sim_work *work = trp_builder_body(&builder);
    if (work != NULL) {
        work->id = id;
        work->delay_ms = (uint32_t)chance(at, 60);
        work->fate = (uint32_t)chance(at, 100);
    }
    trp_builder_set(&builder, offsetof(sim_work, text), "some text to work on", 20);
    (void)trp_builder_finish(&builder, &message);
    return message;
}

static int caller_init(trp_ctx *ctx, void *state, const void *arg) {
    ((caller *)state)->at = (tn_node *)(uintptr_t)arg;
    return trp_interval(ctx, 25 * MS, 1, NULL);
}

static void ask(trp_ctx *ctx, caller *self) {
    tn_node *at = self->at;
    size_t slot = 0;
    while (slot < OPEN_MAX && self->refs[slot] != 0) {
        slot++;
    }
    if (slot == OPEN_MAX || at->world->is_quiet) {
        return;
    }
    bool is_remote = chance(at, 4) != 0;
    uint64_t timeout = chance(at, 5) == 0 ? TRP_NEVER : (1 + chance(at, 400)) * MS;
    trp_pid to = TRP_PID_NONE;
    if (is_remote) {
        (void)trp_remote_name(ctx, other_name(at), "relay", &to);
    } else {
        (void)trp_whereis(ctx, "relay", &to);
    }
    uint32_t id = tn_will_ask(at, is_remote, timeout);
    self->ids[slot] = id;
    if (trp_request(ctx, to, make_work(ctx, at, id), timeout, &self->refs[slot]) != 0) {
        self->refs[slot] = 0;
        tn_was_refused(at, id);
    }
}

static void hear(trp_ctx *ctx, caller *self, trp_message *message) {
    trp_ref ref = trp_message_ref(message);
    for (size_t i = 0; i < OPEN_MAX; i++) {
        if (self->refs[i] != ref) {
            continue;
        }
        const sim_done *done = sim_done_of(message);
        self->refs[i] = 0;
        if (done == NULL) {
            const trp_request_error *error = trp_message_body(message);
            tn_has_ended(self->at, self->ids[i], error->code);
            return;
        }
        tn_has_ended(self->at, self->ids[i], 0);
        if (done->id != self->ids[i] || done->text.length != 20 ||
            memcmp(trp_slice_data(&done->text), "some text to work on", 20) != 0) {
            tn_violation(self->at->world, "a reply was not the one to its request", done->id);
        }
        trp_pid watcher_pid;
        if (chance(self->at, 3) == 0 && trp_whereis(ctx, "watcher", &watcher_pid) == 0) {
            trp_pid worker_pid = done->worker;
            (void)trp_send(ctx, watcher_pid,
                           trp_message_new_bytes(ctx, &worker_pid, sizeof worker_pid));
        }
        return;
    }
    tn_violation(self->at->world, "a reply came for no open request", ref);
}

static void caller_handle(trp_ctx *ctx, void *state, trp_message *message) {
    if (trp_message_is(message, &trp_timeout_type)) {
        ask(ctx, state);
    } else {
        hear(ctx, state, message);
    }
}

static const trp_behaviour caller_behaviour = {
    TRP_BEHAVIOUR("sim.caller"), .state_size = sizeof(caller), .types = all_types,
    .init = caller_init,         .handle = caller_handle,
};

/* ---- talker and listener ---- */

static int at_init(trp_ctx *ctx, void *state, const void *arg) {
    uintptr_t at = (uintptr_t)arg;
    memcpy(state, &at, sizeof at);
    return trp_interval(ctx, 20 * MS, 1, NULL);
}

static tn_node *at_of(const void *state) {
    uintptr_t at;
    memcpy(&at, state, sizeof at);
    return (tn_node *)at;
}

static trp_message *make_note(trp_ctx *ctx, const tn_node *at, uint32_t number) {
    static const char filling[150000] = {1, 2, 3}; /* more than a frame, so it comes in fragments */
    trp_builder builder;
    trp_message *message = NULL;
    trp_builder_init(&builder, ctx, &sim_note_type, 0);
    sim_note *note = trp_builder_body(&builder);
    if (note != NULL) {
        note->number = number;
    }
    if (chance(at, 20) == 0) {
        size_t length = chance(at, 10) == 0 ? sizeof filling : 3000;
        trp_builder_set(&builder, offsetof(sim_note, filling), filling, length);
    }
    (void)trp_builder_finish(&builder, &message);
    return message;
}

static void talk(trp_ctx *ctx, void *state, trp_message *message) {
    tn_node *at = at_of(state);
    trp_pid listener;
    (void)message;
    if (at->world->is_quiet || trp_remote_name(ctx, other_name(at), "listener", &listener) != 0) {
        return;
    }
    for (uint64_t count = chance(at, 4); count > 0; count--) {
        uint32_t number = tn_will_note(at);
        bool is_refused = trp_send(ctx, listener, make_note(ctx, at, number)) != 0;
        at->world->notes[number].is_refused = is_refused;
        if (at->world->canary == TN_CANARY_NOTE_TWICE && number % 64 == 5) {
            (void)trp_send(ctx, listener, make_note(ctx, at, number));
        }
    }
}

static const trp_behaviour talker_behaviour = {
    TRP_BEHAVIOUR("sim.talker"),
    .state_size = sizeof(tn_node *),
    .types = all_types,
    .init = at_init,
    .handle = talk,
};

static void listen(trp_ctx *ctx, void *state, trp_message *message) {
    const sim_note *note = sim_note_of(message);
    (void)ctx;
    if (note != NULL) {
        tn_note_arrived(at_of(state), note->number);
    }
}

static const trp_behaviour listener_behaviour = {
    TRP_BEHAVIOUR("sim.listener"),
    .state_size = sizeof(tn_node *),
    .types = all_types,
    .init = at_init,
    .handle = listen,
};

/* ---- start ---- */

int tn_boot(trp_sim_node *node, trp_ctx *root, void *arg) {
    trp_runtime *runtime = trp_ctx_runtime(root);
    trp_spawn_options listening = {.size = sizeof listening, .name = "listener"};
    (void)node;
    int error = 0;
    for (size_t i = 0; all_types[i] != NULL && error == 0; i++) {
        error = trp_register_type(runtime, all_types[i]);
    }
    if (error == 0) {
        error = trp_spawn(root, &keeper_behaviour, arg, NULL);
    }
    if (error == 0) {
        error = trp_spawn_opt(root, &listener_behaviour, arg, &listening, NULL, NULL);
    }
    if (error == 0) {
        error = trp_spawn(root, &watcher_behaviour, arg, NULL);
    }
    if (error == 0) {
        error = trp_spawn(root, &caller_behaviour, arg, NULL);
    }
    return error != 0 ? error : trp_spawn(root, &talker_behaviour, arg, NULL);
}
