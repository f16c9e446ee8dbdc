/* The reference model. Signals between actors wait in one queue, so those of each pair keep their
 * order. */
#include "script_model.h"

#include "cmocka_all.h"

#include <string.h>

static const int32_t NOPROC_VALUE = TRP_EXIT_NOPROC * 1000 + TRP_ENOPROC;
static const int32_t KILLED_VALUE = TRP_EXIT_KILLED * 1000;

bool model_is_alive(const script_model *model, uint8_t id) {
    return id != SCRIPT_ROOT && model->actors[id].is_alive;
}

static bool is_normal(int32_t reason) {
    return reason == TRP_EXIT_NORMAL * 1000;
}

static void expect(script_model *model, const model_signal *signal, bool is_optional) {
    assert_true(model->expected_len < SCRIPT_EVENTS);
    model_expected *made = &model->expected[model->expected_len++];
    *made = (model_expected){signal->event, is_optional, signal->arrived};
    made->event.at_ns = signal->due_ns;
}

script_event model_event_of(script_event_kind kind, uint8_t to, uint8_t from, uint32_t number,
                            int32_t value) {
    return (script_event){
        .kind = (uint8_t)kind, .to = to, .from = from, .number = number, .value = value};
}

void model_expect_now(script_model *model, script_event event) {
    model_signal signal = {.event = event, .arrived = model->step};
    expect(model, &signal, false);
}

void model_post(script_model *model, model_signal signal) {
    assert_true(model->signals_len < MODEL_SIGNALS);
    model->signals[model->signals_len++] = signal;
}

void model_post_event(script_model *model, script_event event, uint64_t tag) {
    model_post(model, (model_signal){.event = event, .tag = tag});
}

/* ---- what is open ---- */

static model_open *open_of(script_model *model, uint8_t id, uint32_t number) {
    model_actor *actor = &model->actors[id];
    for (uint32_t i = 0; i < actor->opens_len; i++) {
        if (actor->opens[i].is_open && actor->opens[i].number == number) {
            return &actor->opens[i];
        }
    }
    return NULL;
}

model_open *model_opened(script_model *model, uint8_t id, const script_op *op, uint8_t target) {
    model_actor *actor = &model->actors[id];
    model_open *made = &actor->opens[actor->opens_len++];
    *made = (model_open){
        .kind = op->kind, .is_open = true, .number = op->number, .target = target, .op = *op};
    return made;
}

static bool is_timer(uint8_t kind) {
    return kind == SCRIPT_TIMER || kind == SCRIPT_INTERVAL || kind == SCRIPT_SEND_AFTER ||
           kind == SCRIPT_EXIT_AFTER;
}

static bool is_ended_by(uint8_t kind, script_kind end) {
    return (end == SCRIPT_DEMONITOR && (kind == SCRIPT_MONITOR || kind == SCRIPT_SPAWN)) ||
           (end == SCRIPT_CANCEL && is_timer(kind)) ||
           (end == SCRIPT_CANCEL_REQUEST && kind == SCRIPT_REQUEST) ||
           (end == SCRIPT_UNWATCH && kind == SCRIPT_WATCH) ||
           (end == SCRIPT_FORGET && kind == SCRIPT_NOTIFY);
}

/* What waits behind a filter and comes from the operation `number` will never be seen. */
static void forget_waiting(model_actor *actor, uint32_t number) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < actor->waiting_len; i++) {
        const script_event *event = &actor->waiting[i].event;
        bool is_of_ref = event->kind != EVENT_MESSAGE && event->kind != EVENT_REQUESTED &&
                         event->kind != EVENT_EXITED;
        if (!is_of_ref || event->number != number) {
            actor->waiting[kept++] = actor->waiting[i];
        }
    }
    actor->waiting_len = kept;
}

/* ---- channels ---- */

bool model_is_worth_a_try(const model_channel *channel, unsigned end) {
    if (channel->is_closed) {
        return true;
    }
    return end == TRP_CHANNEL_SEND ? channel->values_len < channel->capacity
                                   : channel->values_len > 0;
}

void model_tell(script_model *model, uint8_t id, uint32_t number) {
    open_of(model, id, number)->is_told = true;
    model_post_event(model, model_event_of(EVENT_READY, id, SCRIPT_ROOT, number, 0), 0);
}

/* Rule 60: each change tells one more waiter, the one that has waited longest. */
void model_wake(script_model *model, model_channel *channel, unsigned end) {
    if (channel->waiters_len[end] == 0) {
        return;
    }
    uint8_t id = channel->waiters[end][0].actor;
    uint32_t number = channel->waiters[end][0].number;
    channel->waiters_len[end]--;
    memmove(channel->waiters[end], channel->waiters[end] + 1,
            channel->waiters_len[end] * sizeof **channel->waiters);
    model_tell(model, id, number);
}

unsigned model_end_of(const script_op *op) {
    return op->delay % 2 != 0 ? TRP_CHANNEL_RECEIVE : TRP_CHANNEL_SEND;
}

static void leave_channel(model_channel *channel, unsigned end, uint8_t id, uint32_t number) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < channel->waiters_len[end]; i++) {
        if (channel->waiters[end][i].actor != id || channel->waiters[end][i].number != number) {
            channel->waiters[end][kept++] = channel->waiters[end][i];
        }
    }
    channel->waiters_len[end] = kept;
}

model_channel *model_channel_of(script_model *model, const script_op *op) {
    return &model->channels[script_below(op, SCRIPT_CHANNELS)];
}

/* ---- ending what is open ---- */

/* Gives up what the operation opened. A wake that it has not used goes to the next. */
static void give_up(script_model *model, uint8_t id, model_open *open) {
    open->is_open = false;
    forget_waiting(&model->actors[id], open->number);
    if (open->kind != SCRIPT_NOTIFY) {
        return;
    }
    model_channel *channel = model_channel_of(model, &open->op);
    leave_channel(channel, model_end_of(&open->op), id, open->number);
    if (open->is_told) {
        model_wake(model, channel, model_end_of(&open->op));
    }
}

int model_end_oldest(script_model *model, uint8_t id, script_kind end) {
    model_actor *actor = &model->actors[id];
    for (uint32_t i = 0; i < actor->opens_len; i++) {
        model_open *open = &actor->opens[i];
        if (open->is_open && is_ended_by(open->kind, end)) {
            bool is_too_late = end == SCRIPT_CANCEL && open->is_told;
            give_up(model, id, open);
            return is_too_late ? TRP_ENOENT : 0;
        }
    }
    return TRP_ENOENT;
}

/* ---- groups ---- */

bool model_is_member(const script_model *model, unsigned group, uint8_t id) {
    for (uint32_t i = 0; i < model->members_len[group]; i++) {
        if (model->members[group][i] == id) {
            return true;
        }
    }
    return false;
}

void model_tell_watchers(script_model *model, unsigned group, uint8_t who, script_event_kind kind) {
    for (uint32_t id = 0; id < model->actors_len; id++) {
        model_actor *actor = &model->actors[id];
        for (uint32_t i = 0; actor->is_alive && i < actor->opens_len; i++) {
            const model_open *open = &actor->opens[i];
            unsigned watched = script_below(&open->op, SCRIPT_GROUPS + 1);
            if (open->is_open && open->kind == SCRIPT_WATCH &&
                (watched == SCRIPT_GROUPS || watched == group)) {
                model_post_event(
                    model, model_event_of(kind, (uint8_t)id, who, open->number, (int32_t)group), 0);
            }
        }
    }
}

void model_remove_member(script_model *model, unsigned group, uint8_t id) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < model->members_len[group]; i++) {
        if (model->members[group][i] != id) {
            model->members[group][kept++] = model->members[group][i];
        }
    }
    model->members_len[group] = kept;
    model_tell_watchers(model, group, id, EVENT_LEFT);
}

/* ---- the end of an actor, in the order of semantics.md ---- */

void model_reply_to(script_model *model, uint8_t caller, uint32_t number, int code) {
    if (model_is_alive(model, caller)) {
        script_event_kind kind = code == 0 ? EVENT_REPLY : EVENT_ERROR;
        model_post_event(model, model_event_of(kind, caller, SCRIPT_ROOT, number, code), 0);
    }
}

void model_dead_letter(script_model *model, const model_signal *signal, int error) {
    script_event event = signal->event;
    model_expect_now(model, model_event_of(EVENT_DEAD, event.to, event.from, event.number, error));
}

static void release_names_and_groups(script_model *model, uint8_t id) {
    for (int i = 0; i < SCRIPT_NAMES; i++) {
        model->owners[i] = model->owners[i] == id ? SCRIPT_ROOT : model->owners[i];
    }
    for (unsigned group = 0; group < SCRIPT_GROUPS; group++) {
        if (model_is_member(model, group, id)) {
            model_remove_member(model, group, id);
        }
    }
}

static void tell_linked(script_model *model, uint8_t id, int32_t reason) {
    for (uint32_t other = 0; other < model->actors_len; other++) {
        if (model->is_linked[id][other]) {
            uint64_t tag = model->link_tags[other][id];
            model->is_linked[id][other] = false;
            model->is_linked[other][id] = false;
            model_post(model, (model_signal){.event = model_event_of(EVENT_EXITED, (uint8_t)other,
                                                                     id, (uint32_t)tag, reason),
                                             .kind = SIGNAL_EXIT,
                                             .tag = tag});
        }
    }
}

static void tell_monitors(script_model *model, uint8_t id, int32_t reason) {
    for (uint32_t other = 0; other < model->actors_len; other++) {
        model_actor *actor = &model->actors[other];
        for (uint32_t i = 0; i < actor->opens_len; i++) {
            const model_open *open = &actor->opens[i];
            bool is_monitor = open->kind == SCRIPT_MONITOR || open->kind == SCRIPT_SPAWN;
            if (open->is_open && is_monitor && open->target == id && !open->is_told) {
                actor->opens[i].is_told = true;
                model_post_event(
                    model, model_event_of(EVENT_DOWN, (uint8_t)other, id, open->number, reason), 0);
            }
        }
    }
}

static void discard_waiting(script_model *model, const model_signal *signal, int32_t reason) {
    if (signal->event.kind == EVENT_MESSAGE || signal->event.kind == EVENT_REQUESTED) {
        model_dead_letter(model, signal, TRP_ENOPROC);
    }
    if (signal->event.kind == EVENT_REQUESTED) {
        model_reply_to(model, signal->event.from, signal->event.number,
                       reason / 1000 == TRP_EXIT_NOPROC || reason == NOPROC_VALUE ? TRP_ENOPROC
                                                                                  : TRP_EFAILED);
    }
}

void model_die(script_model *model, uint8_t id, int32_t reason) {
    model_actor *actor = &model->actors[id];
    if (!actor->is_alive) {
        return;
    }
    if (reason != KILLED_VALUE && !actor->is_routine) {
        model_expect_now(model, model_event_of(EVENT_ENDED, id, id, 0, reason));
    }
    actor->is_alive = false;
    actor->has_died = true;
    release_names_and_groups(model, id);
    for (uint32_t i = 0; i < actor->waiting_len; i++) {
        discard_waiting(model, &actor->waiting[i], reason);
    }
    actor->waiting_len = 0;
    for (uint32_t i = 0; i < actor->opens_len; i++) {
        if (actor->opens[i].is_open) {
            give_up(model, id, &actor->opens[i]);
        }
    }
    for (uint32_t i = 0; i < actor->kept_len; i++) {
        model_reply_to(model, actor->kept[i].caller, actor->kept[i].number, TRP_EFAILED);
    }
    tell_linked(model, id, reason);
    tell_monitors(model, id, reason);
}

/* ---- arriving ---- */

static bool is_let_through(const model_actor *actor, const model_signal *signal) {
    if (!actor->is_filtering) {
        return true;
    }
    switch ((script_event_kind)signal->event.kind) {
    case EVENT_MESSAGE:
    case EVENT_REQUESTED:
    case EVENT_EXITED:
    case EVENT_TIMEOUT:
        return signal->tag == actor->filter_tag;
    default:
        return signal->event.number == actor->filter_number;
    }
}

static void on_request(script_model *model, model_actor *actor, const model_signal *signal) {
    uint8_t caller = signal->event.from;
    uint32_t number = signal->event.number;
    switch ((script_mode)signal->mode) {
    case MODE_REPLY:
        model_reply_to(model, caller, number, 0);
        break;
    case MODE_KEEP:
        actor->kept[actor->kept_len].caller = caller;
        actor->kept[actor->kept_len++].number = number;
        break;
    case MODE_REFUSE:
        model_reply_to(model, caller, number, TRP_EPERM);
        break;
    case MODE_IGNORE:
    case MODES:
        model_reply_to(model, caller, number, TRP_ECANCELED);
        break;
    }
}

/* When it has really fired last: an interval goes on from there. */
static uint64_t last_fired(const script_world *world, uint8_t id, uint32_t number) {
    for (uint32_t i = world->events_len; i > 0; i--) {
        const script_event *event = &world->events[i - 1];
        if (event->kind == EVENT_TIMEOUT && event->to == id && event->number == number) {
            return event->at_ns;
        }
    }
    return TRP_NEVER / 2;
}

static void handle(script_model *model, uint8_t id, const model_signal *signal) {
    model_actor *actor = &model->actors[id];
    expect(model, signal, false);
    if (signal->event.kind == EVENT_REQUESTED) {
        on_request(model, actor, signal);
        return;
    }
    model_open *open = open_of(model, id, signal->event.number);
    switch ((script_event_kind)signal->event.kind) {
    case EVENT_TIMEOUT:
        open->is_told = false;
        open->is_open = open->kind == SCRIPT_INTERVAL;
        open->due_ns =
            last_fired(model->world, id, open->number) + model->world->period_ns[open->number];
        break;
    case EVENT_REPLY:
    case EVENT_ERROR:
    case EVENT_DOWN:
    case EVENT_READY:
        open->is_open = false;
        break;
    default:
        break;
    }
}

/* A reply or a deadline that comes when the other one has come already has no effect. */
static bool is_settled(script_model *model, uint8_t id, const script_event *event) {
    model_open *open = open_of(model, id, event->number);
    if (event->kind != EVENT_REPLY && event->kind != EVENT_ERROR) {
        return event->kind != EVENT_MESSAGE && event->kind != EVENT_REQUESTED &&
               event->kind != EVENT_EXITED && open == NULL;
    }
    if (open == NULL || open->is_told) {
        return true;
    }
    open->is_told = true;
    return false;
}

static void on_signal(script_model *model, model_signal *signal) {
    uint8_t id = signal->event.to;
    model_actor *actor = &model->actors[id];
    signal->arrived = model->step;
    if (!actor->is_alive) {
        if (signal->event.kind == EVENT_MESSAGE) {
            model_dead_letter(model, signal, TRP_ENOPROC);
        } else if (actor->has_died) {
            expect(model, signal, true);
        }
        return;
    }
    if (signal->kind == SIGNAL_STOP) {
        model_die(model, id, signal->event.value);
        return;
    }
    if (signal->kind == SIGNAL_EXIT && !actor->is_trapping) {
        if (!is_normal(signal->event.value)) {
            model_die(model, id, signal->event.value);
        }
        return;
    }
    if (is_settled(model, id, &signal->event)) {
        return;
    }
    if (is_let_through(actor, signal)) {
        handle(model, id, signal);
    } else {
        assert_true(actor->waiting_len < MODEL_WAITING);
        actor->waiting[actor->waiting_len++] = *signal;
    }
}

/* What waits and may come now comes, oldest first. */
static void let_through(script_model *model, uint8_t id) {
    model_actor *actor = &model->actors[id];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < actor->waiting_len; i++) {
        if (is_let_through(actor, &actor->waiting[i])) {
            handle(model, id, &actor->waiting[i]);
        } else {
            actor->waiting[kept++] = actor->waiting[i];
        }
    }
    actor->waiting_len = kept;
}

static void run(script_model *model) {
    while (model->signals_first < model->signals_len) {
        model_signal signal = model->signals[model->signals_first++];
        on_signal(model, &signal);
    }
}

/* ---- steps ---- */

static void begin_step(script_model *model) {
    model->step++;
    model->expected_len = 0;
    model->signals_first = 0;
    model->signals_len = 0;
    for (uint32_t i = 0; i < model->actors_len; i++) {
        model->actors[i].has_died = false;
    }
}

void model_init(script_model *model, const script_world *world) {
    memset(model, 0, sizeof *model);
    memset(model->tenants, SCRIPT_ROOT, sizeof model->tenants);
    memset(model->owners, SCRIPT_ROOT, sizeof model->owners);
    model->world = world;
    for (int i = 0; i < SCRIPT_CHANNELS; i++) {
        model->channels[i].capacity = trp_channel_capacity(world->channels[i]);
    }
}

void model_do(script_model *model, const script_op *op) {
    begin_step(model);
    uint8_t id = model->tenants[op->actor];
    uint8_t other = model->tenants[op->other];
    if (!model_is_alive(model, id)) {
        if (op->kind == SCRIPT_SPAWN) {
            int error = model_do_spawn(model, SCRIPT_ROOT, op);
            model_expect_now(model,
                             model_event_of(EVENT_RESULT, SCRIPT_ROOT, other, op->number, error));
        }
        return;
    }
    int result = model_perform(model, id, op);
    model_expect_now(model, model_event_of(EVENT_RESULT, id, other, op->number, result));
    if (op->kind == SCRIPT_END) {
        trp_exit reason = script_reason(op);
        model_die(model, id, script_reason_value(&reason));
    }
    let_through(model, id);
    run(model);
}

static void fire(script_model *model, uint8_t id, model_open *open) {
    uint64_t due = open->due_ns;
    uint64_t tag = model_tag_of(&open->op);
    trp_exit reason = script_reason(&open->op);
    open->due_ns = 0;
    switch ((script_kind)open->kind) {
    case SCRIPT_TIMER:
    case SCRIPT_INTERVAL:
        model_post(model, (model_signal){.event = model_event_of(EVENT_TIMEOUT, id, id,
                                                                 open->number, (int32_t)tag),
                                         .tag = tag,
                                         .due_ns = due});
        break;
    case SCRIPT_REQUEST:
        model_post_event(
            model, model_event_of(EVENT_ERROR, id, SCRIPT_ROOT, open->number, TRP_ETIMEOUT), 0);
        break;
    case SCRIPT_SEND_AFTER:
        open->is_told = true;
        (void)model_send_to(model, id, open->target, &open->op);
        break;
    default:
        open->is_told = true;
        (void)model_end_other(model, open->target, script_reason_value(&reason));
        break;
    }
}

/* Of all timers the one that is due first, within a time. */
static model_open *first_due(script_model *model, uint64_t from_ns, uint64_t until_ns,
                             uint8_t *owner) {
    model_open *first = NULL;
    for (uint32_t id = 0; id < model->actors_len; id++) {
        model_actor *actor = &model->actors[id];
        for (uint32_t i = 0; actor->is_alive && i < actor->opens_len; i++) {
            model_open *open = &actor->opens[i];
            if (open->is_open && open->due_ns != 0 && open->due_ns >= from_ns &&
                open->due_ns <= until_ns && (first == NULL || open->due_ns < first->due_ns)) {
                first = open;
                *owner = (uint8_t)id;
            }
        }
    }
    return first;
}

void model_advance(script_model *model, uint64_t now_ns) {
    begin_step(model);
    uint8_t owner;
    model_open *open = first_due(model, 0, now_ns, &owner);
    while (open != NULL) {
        fire(model, owner, open);
        run(model);
        open = first_due(model, 0, now_ns, &owner);
    }
}

uint64_t model_due_between(const script_model *model, uint64_t from_ns, uint64_t until_ns) {
    uint8_t owner;
    const model_open *open = first_due((script_model *)(uintptr_t)model, from_ns, until_ns, &owner);
    return open == NULL ? TRP_NEVER : open->due_ns;
}

uint64_t model_next_due(const script_model *model) {
    return model_due_between(model, 0, TRP_NEVER);
}
