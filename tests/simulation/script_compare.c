/*
 * A step of the world against the same step of the model. Who survives the step has seen exactly
 * what was expected, and what came from one sender in its order; who dies in it may have seen less.
 */
#include "script_model.h"

#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LATE_NS = 4 * 1000 * 1000 };

static char fault[256];

/* ---- each event has its counterpart ---- */

static bool is_same(const script_event *a, const script_event *b) {
    return a->kind == b->kind && a->to == b->to && a->from == b->from && a->number == b->number &&
           a->value == b->value;
}

/* The first expected event that is not matched yet; `matches` says with which real one each is. */
static uint32_t find_expected(const script_model *model, const script_event *event,
                              const uint32_t *matches) {
    for (uint32_t i = 0; i < model->expected_len; i++) {
        if (matches[i] == UINT32_MAX && is_same(&model->expected[i].event, event)) {
            return i;
        }
    }
    return UINT32_MAX;
}

static bool is_of_group(const script_event *event) {
    return event->kind == EVENT_JOINED || event->kind == EVENT_LEFT;
}

static bool is_sent(const script_event *event) {
    return event->kind == EVENT_MESSAGE || event->kind == EVENT_REQUESTED || is_of_group(event);
}

/* True if their order is promised: from one sender to one receiver, and the news of an end comes
 * last. */
static bool is_ordered(const script_event *a, const script_event *b) {
    if (a->to != b->to || a->from != b->from || a->from == SCRIPT_ROOT || !is_sent(a)) {
        return false;
    }
    if (is_of_group(a) && is_of_group(b)) {
        /* Two watches, or two groups, have nothing to do with each other. */
        return a->number == b->number && a->value == b->value;
    }
    return is_sent(b) || b->kind == EVENT_DOWN || b->kind == EVENT_EXITED;
}

static const char *check_order(const script_model *model, const uint32_t *matches) {
    for (uint32_t i = 0; i < model->expected_len; i++) {
        for (uint32_t j = i + 1; j < model->expected_len; j++) {
            const model_expected *first = &model->expected[i];
            const model_expected *second = &model->expected[j];
            if (matches[i] == UINT32_MAX || matches[j] == UINT32_MAX || matches[i] < matches[j]) {
                continue;
            }
            bool has_waited = first->event.to == second->event.to &&
                              first->event.kind != EVENT_RESULT &&
                              first->event.kind != EVENT_DEAD && first->arrived < second->arrived;
            if (has_waited || is_ordered(&first->event, &second->event)) {
                script_event_print("came late", &first->event);
                return "events came in the wrong order";
            }
        }
    }
    return NULL;
}

static const char *check_time(const script_event *seen, const model_expected *expected,
                              uint32_t step) {
    uint64_t due = expected->event.at_ns;
    if (due != 0 && seen->at_ns < due) {
        return "a timer fired early";
    }
    if (due != 0 && expected->arrived == step && seen->at_ns > due + LATE_NS) {
        return "a timer fired late";
    }
    return NULL;
}

static const char *check_events(script_world *world, const script_model *model, uint32_t from,
                                uint32_t *matches) {
    for (uint32_t i = from; i < world->events_len; i++) {
        const script_event *seen = &world->events[i];
        uint32_t at = find_expected(model, seen, matches);
        if (at == UINT32_MAX) {
            script_event_print("seen, but not expected", seen);
            return "something was seen that the model does not know";
        }
        matches[at] = i;
        const char *wrong = check_time(seen, &model->expected[at], model->step);
        if (wrong != NULL) {
            script_event_print("at the wrong time", seen);
            return wrong;
        }
    }
    for (uint32_t i = 0; i < model->expected_len; i++) {
        if (matches[i] == UINT32_MAX && !model->expected[i].is_optional) {
            const script_event *missing = &model->expected[i].event;
            bool may_have_died = missing->to != SCRIPT_ROOT && model->actors[missing->to].has_died;
            bool is_certain = missing->kind == EVENT_RESULT || missing->kind == EVENT_ENDED ||
                              missing->kind == EVENT_DEAD;
            if (is_certain || !may_have_died) {
                script_event_print("expected, but not seen", missing);
                return "something was not seen that the model expects";
            }
        }
    }
    return NULL;
}

/* ---- the state at rest ---- */

static const char *check_state(script_world *world, const script_model *model) {
    for (uint32_t id = 0; id < world->persons_len; id++) {
        if (script_world_is_alive(world, (uint8_t)id) != model->actors[id].is_alive) {
            printf("      actor %u should be %s\n", (unsigned)id,
                   model->actors[id].is_alive ? "alive" : "gone");
            return "somebody lives or is gone against the rules";
        }
    }
    for (int i = 0; i < SCRIPT_CHANNELS; i++) {
        if (trp_channel_length(world->channels[i]) != model->channels[i].values_len ||
            trp_channel_is_closed(world->channels[i]) != model->channels[i].is_closed) {
            return "a channel holds something else";
        }
    }
    if (world->persons_len != model->actors_len) {
        return "there are more or fewer actors than expected";
    }
    return NULL;
}

const char *script_compare(script_world *world, const script_model *model, uint32_t from) {
    static uint32_t matches[SCRIPT_EVENTS];
    memset(matches, 0xff, model->expected_len * sizeof *matches);
    const char *wrong = check_events(world, model, from, matches);
    if (wrong == NULL) {
        wrong = check_order(model, matches);
    }
    return wrong != NULL ? wrong : check_state(world, model);
}

/* ---- running a script step by step ---- */

/* The clock is not near any timer when a step begins or ends, so it is clear which have fired. */
enum { CLEAR_NS = 2 * 1000 * 1000, AHEAD_NS = 5 * 1000 * 1000 };

/* Lets time pass until `due_ns` has come and every timer has either fired or is well ahead. */
static void pass_time(script_world *world, const script_model *model, uint64_t due_ns) {
    while (due_ns != TRP_NEVER) {
        trp_sim_run_until(world->sim, due_ns + CLEAR_NS);
        script_world_settle(world);
        due_ns = model_due_between(model, due_ns + 1, trp_sim_now(world->sim) + CLEAR_NS / 2);
    }
}

static const char *run_timers(script_world *world, script_model *model) {
    uint32_t from = world->events_len;
    pass_time(world, model, model_next_due(model));
    model_advance(model, trp_sim_now(world->sim));
    return script_compare(world, model, from);
}

static const char *run_op(script_world *world, script_model *model, const script_op *op) {
    uint32_t from = world->events_len;
    (void)script_world_do(world, op);
    script_world_settle(world);
    model_do(model, op);
    return script_compare(world, model, from);
}

static const char *run_step(script_world *world, script_model *model, const script_op *op) {
    const char *wrong = NULL;
    bool has_passed = false;
    while (wrong == NULL && model_next_due(model) < trp_sim_now(world->sim) + AHEAD_NS) {
        wrong = run_timers(world, model);
        has_passed = true;
    }
    if (wrong == NULL && op->kind == SCRIPT_ADVANCE) {
        return has_passed || model_next_due(model) == TRP_NEVER ? NULL : run_timers(world, model);
    }
    return wrong != NULL ? wrong : run_op(world, model, op);
}

const char *script_run_steps(const script *self, script_totals *totals) {
    static script_world world;
    static script_model model;
    const char *wrong = NULL;
    script_world_create(&world, self, false);
    model_init(&model, &world);
    for (uint32_t i = 0; i < self->ops_len && wrong == NULL; i++) {
        wrong = run_step(&world, &model, &self->ops[i]);
        if (wrong != NULL) {
            snprintf(fault, sizeof fault, "operation %u: %s", (unsigned)self->ops[i].number, wrong);
            wrong = fault;
        }
    }
    script_add_up(totals, self, &world);
    const char *left = script_world_destroy(&world);
    return wrong != NULL ? wrong : left;
}
