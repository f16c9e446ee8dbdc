/* The reference model: what each operation does at once, and what it sends on its way. */
#include "script_model.h"

#include <string.h>

static const int32_t NOPROC_VALUE = TRP_EXIT_NOPROC * 1000 + TRP_ENOPROC;
static const int32_t KILLED_VALUE = TRP_EXIT_KILLED * 1000;

static uint8_t target_of(const script_model *model, const script_op *op) {
    return model->tenants[op->other];
}

uint64_t model_tag_of(const script_op *op) {
    return 1 + script_below(op, SCRIPT_TAGS);
}

int model_do_spawn(script_model *model, uint8_t id, const script_op *op) {
    unsigned flags = script_spawn_flags(op);
    unsigned name = script_below(op, SCRIPT_NAMES);
    if (model_is_alive(model, target_of(model, op))) {
        return TRP_EEXIST;
    }
    uint8_t child = (uint8_t)model->actors_len++;
    if ((flags & SPAWN_NAMED) != 0 && model->owners[name] != SCRIPT_ROOT) {
        return TRP_EEXIST;
    }
    if ((flags & SPAWN_FAILS) != 0) {
        return TRP_EFAILED;
    }
    model->actors[child].is_alive = true;
    model->actors[child].is_routine = (flags & SPAWN_ROUTINE) != 0;
    model->actors[child].is_trapping = (flags & SPAWN_TRAPPING) != 0;
    model->tenants[op->other] = child;
    if ((flags & SPAWN_NAMED) != 0) {
        model->owners[name] = child;
    }
    if (id != SCRIPT_ROOT && (flags & SPAWN_LINKED) != 0) {
        model->is_linked[id][child] = true;
        model->is_linked[child][id] = true;
        model->link_tags[id][child] = model_tag_of(op);
    }
    if (id != SCRIPT_ROOT && (flags & SPAWN_MONITORED) != 0) {
        (void)model_opened(model, id, op, child);
    }
    return 0;
}

static int do_link(script_model *model, uint8_t id, const script_op *op) {
    uint8_t other = target_of(model, op);
    if (other == id) {
        return TRP_ESELF;
    }
    if (!model_is_alive(model, other)) {
        model_post(model,
                   (model_signal){.event = model_event_of(EVENT_EXITED, id, other,
                                                          (uint32_t)model_tag_of(op), NOPROC_VALUE),
                                  .kind = SIGNAL_EXIT,
                                  .tag = model_tag_of(op)});
    } else if (!model->is_linked[id][other]) {
        model->is_linked[id][other] = true;
        model->is_linked[other][id] = true;
        model->link_tags[id][other] = model_tag_of(op);
        model->link_tags[other][id] = model_tag_of(op);
    }
    return 0;
}

static int do_unlink(script_model *model, uint8_t id, const script_op *op) {
    uint8_t other = target_of(model, op);
    if (other == SCRIPT_ROOT || !model->is_linked[id][other]) {
        return TRP_ENOENT;
    }
    model->is_linked[id][other] = false;
    model->is_linked[other][id] = false;
    return 0;
}

static int do_monitor(script_model *model, uint8_t id, const script_op *op) {
    uint8_t other = target_of(model, op);
    model_open *open = model_opened(model, id, op, other);
    if (!model_is_alive(model, other)) {
        open->is_told = true;
        model_post_event(model, model_event_of(EVENT_DOWN, id, other, op->number, NOPROC_VALUE), 0);
    }
    return 0;
}

int model_end_other(script_model *model, uint8_t other, int32_t reason) {
    if (!model_is_alive(model, other)) {
        return TRP_ENOPROC;
    }
    model_post(model, (model_signal){.event = {.to = other, .value = reason}, .kind = SIGNAL_STOP});
    return 0;
}

static int do_name(script_model *model, uint8_t id, const script_op *op) {
    uint8_t *owner = &model->owners[script_below(op, SCRIPT_NAMES)];
    switch ((script_kind)op->kind) {
    case SCRIPT_REGISTER:
        if (*owner != SCRIPT_ROOT) {
            return TRP_EEXIST;
        }
        *owner = id;
        return 0;
    case SCRIPT_UNREGISTER:
        if (*owner != id) {
            return TRP_ENOENT;
        }
        *owner = SCRIPT_ROOT;
        return 0;
    default:
        return *owner == SCRIPT_ROOT ? TRP_ENOENT : *owner;
    }
}

static int do_join(script_model *model, uint8_t id, unsigned group) {
    if (!model_is_member(model, group, id)) {
        model->members[group][model->members_len[group]++] = id;
        model_tell_watchers(model, group, id, EVENT_JOINED);
    }
    return 0;
}

static int list_members(const script_model *model, unsigned group) {
    uint32_t sum = model->members_len[group];
    for (uint32_t i = 0; i < model->members_len[group] && i < SCRIPT_SLOTS; i++) {
        sum = sum * 64 + model->members[group][i];
    }
    return (int)(sum & INT32_MAX);
}

static int do_broadcast(script_model *model, uint8_t id, const script_op *op, unsigned group) {
    for (uint32_t i = 0; i < model->members_len[group]; i++) {
        model_post_event(model,
                         model_event_of(EVENT_MESSAGE, model->members[group][i], id, op->number,
                                        (int32_t)model_tag_of(op)),
                         model_tag_of(op));
    }
    return (int)model->members_len[group];
}

static int do_watch(script_model *model, uint8_t id, const script_op *op) {
    unsigned watched = script_below(op, SCRIPT_GROUPS + 1);
    (void)model_opened(model, id, op, SCRIPT_ROOT);
    for (unsigned group = 0; group < SCRIPT_GROUPS; group++) {
        for (uint32_t i = 0; i < model->members_len[group]; i++) {
            if (watched == SCRIPT_GROUPS || watched == group) {
                model_post_event(model,
                                 model_event_of(EVENT_JOINED, id, model->members[group][i],
                                                op->number, (int32_t)group),
                                 0);
            }
        }
    }
    return 0;
}

static int do_group(script_model *model, uint8_t id, const script_op *op) {
    unsigned group = script_below(op, SCRIPT_GROUPS);
    switch ((script_kind)op->kind) {
    case SCRIPT_JOIN:
        return do_join(model, id, group);
    case SCRIPT_LEAVE:
        if (!model_is_member(model, group, id)) {
            return TRP_ENOENT;
        }
        model_remove_member(model, group, id);
        return 0;
    case SCRIPT_MEMBERS:
        return list_members(model, group);
    case SCRIPT_BROADCAST:
        return do_broadcast(model, id, op, group);
    default:
        return do_watch(model, id, op);
    }
}

int model_send_to(script_model *model, uint8_t id, uint8_t other, const script_op *op) {
    model_signal signal = {
        .event = model_event_of(EVENT_MESSAGE, other, id, op->number, (int32_t)model_tag_of(op)),
        .tag = model_tag_of(op)};
    if (!model_is_alive(model, other)) {
        model_dead_letter(model, &signal, TRP_ENOPROC);
        return TRP_ENOPROC;
    }
    model_post(model, signal);
    return 0;
}

static int do_request(script_model *model, uint8_t id, const script_op *op) {
    uint8_t other = target_of(model, op);
    if (other == id) {
        return TRP_ESELF;
    }
    model_open *open = model_opened(model, id, op, other);
    open->due_ns = op->delay == 3 ? 0 : script_due(model->world, op);
    model_signal signal = {.event = model_event_of(EVENT_REQUESTED, other, id, op->number, 0),
                           .tag = model_tag_of(op),
                           .mode = (uint8_t)script_below(op, MODES)};
    if (model_is_alive(model, other)) {
        model_post(model, signal);
    } else {
        model_dead_letter(model, &signal, TRP_ENOPROC);
        model_reply_to(model, id, op->number, TRP_ENOPROC);
    }
    return 0;
}

static int do_answer(script_model *model, uint8_t id) {
    model_actor *actor = &model->actors[id];
    if (actor->kept_len == 0) {
        return TRP_ENOENT;
    }
    model_reply_to(model, actor->kept[0].caller, actor->kept[0].number, 0);
    actor->kept_len--;
    memmove(actor->kept, actor->kept + 1, actor->kept_len * sizeof *actor->kept);
    return 0;
}

static int put_into(script_model *model, model_channel *channel, const script_op *op) {
    if (channel->is_closed) {
        return TRP_ECLOSED;
    }
    if (channel->values_len >= channel->capacity) {
        return TRP_EFULL;
    }
    channel->values[channel->values_len++] = op->number;
    model_wake(model, channel, TRP_CHANNEL_RECEIVE);
    return 0;
}

static int take_from(script_model *model, model_channel *channel) {
    if (channel->values_len == 0) {
        return channel->is_closed ? TRP_ECLOSED : TRP_EEMPTY;
    }
    int value = (int)channel->values[0];
    channel->values_len--;
    memmove(channel->values, channel->values + 1, channel->values_len * sizeof *channel->values);
    model_wake(model, channel, TRP_CHANNEL_SEND);
    return value;
}

/* The first case that is possible is done. */
static int do_select(script_model *model, uint8_t id, const script_op *op) {
    if (!model->actors[id].is_routine) {
        return TRP_ESTATE;
    }
    int taken = take_from(model, &model->channels[script_select_from(op)]);
    if (taken != TRP_EEMPTY) {
        return taken;
    }
    int put = put_into(model, &model->channels[script_select_to(op)], op);
    if (put == TRP_EFULL) {
        return TRP_ETIMEOUT;
    }
    return put == 0 ? SELECT_SENT : put;
}

static int do_notify(script_model *model, uint8_t id, const script_op *op) {
    model_channel *channel = model_channel_of(model, op);
    unsigned end = model_end_of(op);
    (void)model_opened(model, id, op, SCRIPT_ROOT);
    if (model_is_worth_a_try(channel, end)) {
        model_tell(model, id, op->number);
    } else {
        channel->waiters[end][channel->waiters_len[end]].actor = id;
        channel->waiters[end][channel->waiters_len[end]++].number = op->number;
    }
    return 0;
}

static int do_close(script_model *model, const script_op *op) {
    model_channel *channel = model_channel_of(model, op);
    if (channel->is_closed) {
        return TRP_ECLOSED;
    }
    channel->is_closed = true;
    for (unsigned end = 0; end < 2; end++) {
        while (channel->waiters_len[end] > 0) {
            model_wake(model, channel, end);
        }
    }
    return 0;
}

static int do_filter(script_model *model, uint8_t id, const script_op *op) {
    model_actor *actor = &model->actors[id];
    if (actor->is_routine) {
        return TRP_ENOTSUP;
    }
    actor->is_filtering = true;
    actor->filter_tag = model_tag_of(op);
    actor->filter_number = op->which % 2 != 0 && actor->opens_len > 0
                               ? actor->opens[actor->opens_len - 1].number
                               : UINT32_MAX;
    return 0;
}

int model_perform(script_model *model, uint8_t id, const script_op *op) {
    trp_exit reason = script_reason(op);
    uint8_t other = target_of(model, op);
    switch ((script_kind)op->kind) {
    case SCRIPT_SPAWN:
        return model_do_spawn(model, id, op);
    case SCRIPT_LINK:
        return do_link(model, id, op);
    case SCRIPT_UNLINK:
        return do_unlink(model, id, op);
    case SCRIPT_MONITOR:
        return do_monitor(model, id, op);
    case SCRIPT_STOP:
        return model_end_other(model, other, script_reason_value(&reason));
    case SCRIPT_KILL:
        return model_end_other(model, other, KILLED_VALUE);
    case SCRIPT_DRAIN:
        return model_end_other(model, other, TRP_EXIT_SHUTDOWN * 1000);
    case SCRIPT_TRAP:
        model->actors[id].is_trapping = script_below(op, 2) != 0;
        return 0;
    case SCRIPT_REGISTER:
    case SCRIPT_UNREGISTER:
    case SCRIPT_WHEREIS:
        return do_name(model, id, op);
    case SCRIPT_JOIN:
    case SCRIPT_LEAVE:
    case SCRIPT_MEMBERS:
    case SCRIPT_BROADCAST:
    case SCRIPT_WATCH:
        return do_group(model, id, op);
    case SCRIPT_TIMER:
    case SCRIPT_INTERVAL:
    case SCRIPT_SEND_AFTER:
    case SCRIPT_EXIT_AFTER:
        model_opened(model, id, op, other)->due_ns = script_due(model->world, op);
        return 0;
    case SCRIPT_SEND:
        return model_send_to(model, id, other, op);
    case SCRIPT_FILTER:
        return do_filter(model, id, op);
    case SCRIPT_CLEAR:
        model->actors[id].is_filtering = false;
        return 0;
    case SCRIPT_REQUEST:
        return do_request(model, id, op);
    case SCRIPT_ANSWER:
        return do_answer(model, id);
    case SCRIPT_PUT:
        return put_into(model, model_channel_of(model, op), op);
    case SCRIPT_TAKE:
        return take_from(model, model_channel_of(model, op));
    case SCRIPT_SELECT:
        return do_select(model, id, op);
    case SCRIPT_NOTIFY:
        return do_notify(model, id, op);
    case SCRIPT_CLOSE:
        return do_close(model, op);
    case SCRIPT_DEMONITOR:
    case SCRIPT_CANCEL:
    case SCRIPT_CANCEL_REQUEST:
    case SCRIPT_UNWATCH:
    case SCRIPT_FORGET:
        return model_end_oldest(model, id, (script_kind)op->kind);
    case SCRIPT_END:
    case SCRIPT_ADVANCE:
    case SCRIPT_KINDS:
        break;
    }
    return 0;
}
