/*
 * Scripts as storms: everything is asked at once, on several schedulers, and only what holds in any
 * order is checked, on the record and on what is left when the storm is over. What comes twice, too
 * early or after it was ended has no number in the record (script_world.c), and that alone is a
 * fault.
 */
#include "script.h"

#include "cmocka_all.h"

#include <stdio.h>
#include <string.h>

static char fault[256];

static const char *say(const char *text, const script_event *event) {
    if (event != NULL) {
        script_event_print("against the rules", event);
    }
    snprintf(fault, sizeof fault, "%s", text);
    return fault;
}

/* Where in the record the result of each operation is; UINT32_MAX if it was not done. */
typedef struct storm {
    script_world *world;
    const script *script;
    uint8_t kinds[SCRIPT_OPS];
    uint32_t results[SCRIPT_OPS];
    bool has_filtered[SCRIPT_ACTORS];
} storm;

static void index_record(storm *self) {
    memset(self->results, 0xff, sizeof self->results);
    for (uint32_t i = 0; i < self->script->ops_len; i++) {
        self->kinds[self->script->ops[i].number] = self->script->ops[i].kind;
    }
    for (uint32_t i = 0; i < self->world->events_len; i++) {
        const script_event *event = &self->world->events[i];
        if (event->kind != EVENT_RESULT || event->to == SCRIPT_ROOT) {
            continue;
        }
        self->results[event->number] = i;
        self->has_filtered[event->to] |= self->kinds[event->number] == SCRIPT_FILTER;
    }
}

/* ---- messages: rules 1, 2, 3, 6, 7 ---- */

static bool is_sent_now(const storm *self, uint32_t number) {
    uint8_t kind = self->kinds[number];
    return kind == SCRIPT_SEND || kind == SCRIPT_BROADCAST || kind == SCRIPT_REQUEST;
}

/* A message that was sent has come to one or is a dead letter, and never both; one not sent is
 * neither. */
static const char *check_fates(const storm *self) {
    uint32_t fates[SCRIPT_OPS] = {0};
    const script_world *world = self->world;
    for (uint32_t i = 0; i < world->events_len; i++) {
        const script_event *event = &world->events[i];
        if (event->kind == EVENT_MESSAGE || event->kind == EVENT_REQUESTED ||
            event->kind == EVENT_DEAD) {
            fates[event->number]++;
        }
    }
    for (uint32_t number = 0; number < SCRIPT_OPS; number++) {
        uint32_t result = self->results[number];
        bool was_done = result != UINT32_MAX;
        uint8_t kind = self->kinds[number];
        const script_event *event = was_done ? &world->events[result] : NULL;
        bool is_refused = kind == SCRIPT_REQUEST && was_done && event->value == TRP_ESELF;
        bool is_one = kind == SCRIPT_SEND || kind == SCRIPT_REQUEST;
        if (is_one && fates[number] != (was_done && !is_refused ? 1U : 0U)) {
            return say("a message has no fate, or two", event);
        }
        if (kind == SCRIPT_BROADCAST && was_done && (int32_t)fates[number] < event->value) {
            return say("a broadcast was counted but did not come", event);
        }
        if (kind == SCRIPT_SEND_AFTER && fates[number] > 1) {
            return say("a message came twice", event);
        }
    }
    return NULL;
}

static bool is_letter(const storm *self, const script_event *event) {
    return (event->kind == EVENT_MESSAGE || event->kind == EVENT_REQUESTED) &&
           is_sent_now(self, event->number);
}

/* What was put into a channel is taken once at most, and nothing else is. Rules 55, 75, 77. */
static const char *check_channels(const storm *self) {
    const script_world *world = self->world;
    bool was_taken[SCRIPT_OPS] = {false};
    for (uint32_t i = 0; i < world->events_len; i++) {
        const script_event *event = &world->events[i];
        uint8_t kind = event->kind == EVENT_RESULT ? self->kinds[event->number] : SCRIPT_KINDS;
        bool is_taken = event->value >= 0 && event->value < SCRIPT_OPS &&
                        (kind == SCRIPT_TAKE || kind == SCRIPT_SELECT);
        if (!is_taken) {
            continue;
        }
        uint32_t result = self->results[event->value];
        int32_t put = result == UINT32_MAX ? TRP_EFAILED : world->events[result].value;
        /* One that was killed in its select may have put it in and not said so. */
        bool was_put = put == 0 || put == SELECT_SENT ||
                       (self->kinds[event->value] == SCRIPT_SELECT && result == UINT32_MAX);
        if (was_taken[event->value] || !was_put) {
            return say("a channel gave something twice, or what it never got", event);
        }
        was_taken[event->value] = true;
    }
    return NULL;
}

/* What one actor sends to another comes in that order, and nothing comes after the news of its end.
 */
static const char *check_order(const storm *self) {
    const script_world *world = self->world;
    for (uint32_t i = 0; i < world->events_len; i++) {
        const script_event *first = &world->events[i];
        bool is_end = first->kind == EVENT_DOWN || first->kind == EVENT_EXITED;
        if ((!is_end && !is_letter(self, first)) || self->has_filtered[first->to] ||
            first->from == SCRIPT_ROOT) {
            continue;
        }
        for (uint32_t j = i + 1; j < world->events_len; j++) {
            const script_event *second = &world->events[j];
            if (second->to != first->to || second->from != first->from ||
                !is_letter(self, second)) {
                continue;
            }
            if (is_end) {
                return say("something came after the news of its sender's end", second);
            }
            if (self->results[second->number] < self->results[first->number]) {
                return say("a message overtook another", second);
            }
        }
    }
    return NULL;
}

static const char *check_record(const storm *self) {
    const script_world *world = self->world;
    for (uint32_t i = 0; i < world->events_len; i++) {
        if (world->events[i].number == UINT32_MAX) {
            return say("something came twice, too early or after it was ended", &world->events[i]);
        }
    }
    return NULL;
}

/* ---- reasons: rules 9, 10, 12, 18, 19, 25, 26 ---- */

/* Why an actor ended: as terminate was told, else by a kill. */
static int32_t reason_of(const script_world *world, uint8_t id) {
    for (uint32_t i = 0; i < world->events_len; i++) {
        if (world->events[i].kind == EVENT_ENDED && world->events[i].to == id) {
            return world->events[i].value;
        }
    }
    return TRP_EXIT_KILLED * 1000;
}

static const char *check_reasons(const storm *self) {
    script_world *world = self->world;
    for (uint32_t i = 0; i < world->events_len; i++) {
        const script_event *event = &world->events[i];
        if ((event->kind != EVENT_DOWN && event->kind != EVENT_EXITED) ||
            event->value == TRP_EXIT_NOPROC * 1000 + TRP_ENOPROC || event->from == SCRIPT_ROOT) {
            continue;
        }
        if (script_world_is_alive(world, event->from)) {
            return say("somebody was said to have ended who lives", event);
        }
        bool is_told = !world->persons[event->from]->is_routine; /* routines have no terminate */
        if (is_told && event->value != reason_of(world, event->from)) {
            return say("the reason is not the one of the end", event);
        }
    }
    return NULL;
}

/* An actor ends once, and its links with another count as one: it is heard of once. Rule 24. */
static const char *check_ends(const storm *self) {
    const script_world *world = self->world;
    bool has_heard[SCRIPT_ACTORS][SCRIPT_ACTORS] = {{false}};
    for (uint32_t i = 0; i < world->events_len; i++) {
        const script_event *event = &world->events[i];
        bool is_late = event->value == TRP_EXIT_NOPROC * 1000 + TRP_ENOPROC;
        if (event->kind != EVENT_EXITED || event->from == SCRIPT_ROOT || is_late) {
            continue;
        }
        if (has_heard[event->to][event->from]) {
            return say("one end was heard of twice", event);
        }
        has_heard[event->to][event->from] = true;
    }
    return NULL;
}

/* Nothing gets into an actor that is drained. Rule 14. */
static const char *check_drained(const storm *self) {
    const script_world *world = self->world;
    bool is_drained[SCRIPT_ACTORS] = {false};
    for (uint32_t i = 0; i < world->events_len; i++) {
        const script_event *event = &world->events[i];
        if (event->kind != EVENT_RESULT || event->value != 0 || event->from == SCRIPT_ROOT) {
            continue;
        }
        uint8_t kind = self->kinds[event->number];
        if (kind == SCRIPT_SEND && is_drained[event->from]) {
            return say("something got into an actor that is drained", event);
        }
        is_drained[event->from] |= kind == SCRIPT_DRAIN && event->to != SCRIPT_ROOT;
    }
    return NULL;
}

/* ---- what is left open: rules 18, 30, 32, 38, 57 ---- */

static bool is_kept_by_somebody(script_world *world, uint32_t number) {
    for (uint32_t id = 0; id < world->persons_len; id++) {
        const script_person *person = world->persons[id];
        if (!script_world_is_alive(world, (uint8_t)id)) {
            continue;
        }
        for (uint32_t i = 0; i < person->kept_len; i++) {
            uint32_t kept;
            memcpy(&kept, trp_message_body(person->kept[i]), sizeof kept);
            if (kept == number) {
                return true;
            }
        }
    }
    return false;
}

static const char *check_open(const storm *self, const script_open *open) {
    script_world *world = self->world;
    const script_op *op = NULL;
    for (uint32_t i = 0; i < self->script->ops_len; i++) {
        op = self->script->ops[i].number == open->number ? &self->script->ops[i] : op;
    }
    switch ((script_kind)open->kind) {
    case SCRIPT_MONITOR:
    case SCRIPT_SPAWN:
        return open->kind == SCRIPT_SPAWN || script_world_is_alive(world, open->target)
                   ? NULL
                   : say("a DOWN has not come", NULL);
    case SCRIPT_REQUEST:
        return is_kept_by_somebody(world, open->number) ? NULL
                                                        : say("a request has not ended", NULL);
    case SCRIPT_TIMER:
        return say("a timer has not fired", NULL);
    case SCRIPT_NOTIFY:
        return trp_channel_is_closed(world->channels[script_below(op, SCRIPT_CHANNELS)])
                   ? say("a wait for a closed channel has not ended", NULL)
                   : NULL;
    default:
        return NULL;
    }
}

static const char *check_opens(const storm *self) {
    script_world *world = self->world;
    for (uint32_t id = 0; id < world->persons_len; id++) {
        const script_person *person = world->persons[id];
        for (uint32_t i = 0; i < person->opens_len; i++) {
            const script_open *open = &person->opens[i];
            const char *wrong = NULL;
            if (open->is_open && open->ref != 0 && script_world_is_alive(world, (uint8_t)id)) {
                wrong = check_open(self, open);
            }
            if (wrong != NULL) {
                printf("      operation %u of actor %u\n", (unsigned)open->number, (unsigned)id);
                return wrong;
            }
        }
    }
    return NULL;
}

/* ---- links: rules 23, 24, 27, 28 ---- */

/* True if `id` has linked itself to `other` and taken it back neither it nor, ever, the other. */
static bool is_linked(const storm *self, uint8_t id, uint8_t other, uint32_t *since) {
    bool is_linked = false;
    for (uint32_t i = 0; i < self->world->events_len; i++) {
        const script_event *event = &self->world->events[i];
        if (event->kind == EVENT_EXITED && event->to == id && event->from == other) {
            is_linked = false;
        }
        if (event->kind != EVENT_RESULT || event->value != 0 || event->to == SCRIPT_ROOT) {
            continue;
        }
        uint8_t kind = self->kinds[event->number];
        bool is_mine = event->to == id && event->from == other;
        bool is_theirs = event->to == other && event->from == id;
        if (kind == SCRIPT_UNLINK && is_theirs) {
            return false; /* it may have crossed a link of ours, which was none then: as in Erlang */
        }
        if (kind == SCRIPT_LINK && is_mine) {
            is_linked = true;
            *since = i;
        } else if (kind == SCRIPT_UNLINK && is_mine) {
            is_linked = false;
        }
    }
    return is_linked;
}

/* Nobody lives who is linked to one that failed, unless it was told: it traps exits. */
static const char *check_links(const storm *self) {
    script_world *world = self->world;
    for (uint32_t id = 0; id < world->persons_len; id++) {
        for (uint32_t other = 0; other < world->persons_len; other++) {
            uint32_t since = 0;
            if (!script_world_is_alive(world, (uint8_t)id) || id == other ||
                script_world_is_alive(world, (uint8_t)other) ||
                !is_linked(self, (uint8_t)id, (uint8_t)other, &since)) {
                continue;
            }
            if (!world->persons[other]->is_routine &&
                reason_of(world, (uint8_t)other) != TRP_EXIT_NORMAL * 1000) {
                return say("somebody lives who is linked to the dead", &world->events[since]);
            }
        }
    }
    return NULL;
}

/* ---- groups: members and what watchers know ---- */

static bool is_in(const storm *self, uint8_t id, unsigned group) {
    bool is_in = false;
    for (uint32_t i = 0; i < self->world->events_len; i++) {
        const script_event *event = &self->world->events[i];
        if (event->kind != EVENT_RESULT || event->to != id || event->value != 0) {
            continue;
        }
        for (uint32_t k = 0; k < self->script->ops_len; k++) {
            const script_op *op = &self->script->ops[k];
            if (op->number == event->number && script_below(op, SCRIPT_GROUPS) == group) {
                is_in = op->kind == SCRIPT_JOIN || (is_in && op->kind != SCRIPT_LEAVE);
            }
        }
    }
    return is_in && script_world_is_alive(self->world, id);
}

/* What the watch `number` of `watcher` says of one member; -1: it said something impossible. */
static int known(const storm *self, uint8_t watcher, uint32_t number, uint8_t who, int group) {
    int is_member = 0;
    for (uint32_t i = 0; i < self->world->events_len; i++) {
        const script_event *event = &self->world->events[i];
        bool is_of_group = event->kind == EVENT_JOINED || event->kind == EVENT_LEFT;
        if (!is_of_group || event->to != watcher || event->from != who || event->number != number ||
            event->value != group) {
            continue;
        }
        if (is_member == (event->kind == EVENT_JOINED)) {
            return -1;
        }
        is_member = !is_member;
    }
    return is_member;
}

static const char *check_watch(const storm *self, uint8_t watcher, const script_op *op) {
    unsigned watched = script_below(op, SCRIPT_GROUPS + 1);
    for (uint32_t who = 0; who < self->world->persons_len; who++) {
        for (unsigned group = 0; group < SCRIPT_GROUPS; group++) {
            if (watched != SCRIPT_GROUPS && watched != group) {
                continue;
            }
            int is_known = known(self, watcher, op->number, (uint8_t)who, (int)group);
            if (is_known != (int)is_in(self, (uint8_t)who, group)) {
                return say(is_known < 0 ? "a JOIN of a member, or a LEAVE of another"
                                        : "a watcher does not know who is in",
                           NULL);
            }
        }
    }
    return NULL;
}

static const char *check_groups(const storm *self) {
    script_world *world = self->world;
    for (uint32_t k = 0; k < self->script->ops_len; k++) {
        const script_op *op = &self->script->ops[k];
        uint32_t result = self->results[op->number];
        if (op->kind != SCRIPT_WATCH || result == UINT32_MAX) {
            continue;
        }
        uint8_t watcher = world->events[result].to;
        const script_person *person = world->persons[watcher];
        for (uint32_t i = 0; i < person->opens_len; i++) {
            bool is_it = person->opens[i].number == op->number && person->opens[i].is_open;
            const char *wrong = is_it && script_world_is_alive(world, watcher)
                                    ? check_watch(self, watcher, op)
                                    : NULL;
            if (wrong != NULL) {
                return wrong;
            }
        }
    }
    return NULL;
}

/* ---- the storm ---- */

/* Asks everybody to do something, sometimes with a few steps in between. */
static void rage(script_world *world, const script *self) {
    for (uint32_t i = 0; i < self->ops_len; i++) {
        const script_op *op = &self->ops[i];
        if (op->kind == SCRIPT_ADVANCE) {
            trp_sim_run_for(world->sim, op->delay * 200 * TRP_NS_PER_MS);
            continue;
        }
        (void)script_world_do(world, op);
        if (op->which % 4 == 0) {
            trp_sim_run_for(world->sim, op->delay * 20000);
        }
    }
}

/* Nothing waits behind a filter any more, and all deadlines pass. No script has the number of this
 * operation. */
static void calm_down(script_world *world) {
    script_world_settle(world);
    for (uint8_t slot = 0; slot < SCRIPT_SLOTS; slot++) {
        script_op clear = {.kind = SCRIPT_CLEAR, .actor = slot, .number = SCRIPT_OPS - 1};
        (void)script_world_do(world, &clear);
    }
    trp_sim_run_for(world->sim, 5 * SCRIPT_GRID_MS * TRP_NS_PER_MS);
    script_world_settle(world);
}

const char *script_run_storm(const script *self, script_totals *totals) {
    static script_world world;
    static storm all;
    static const char *(*const checks[])(const storm *) = {
        check_channels, check_record,  check_fates, check_order, check_reasons,
        check_ends,     check_drained, check_opens, check_links, check_groups,
    };
    script_world_create(&world, self, true);
    memset(&all, 0, sizeof all);
    all.world = &world;
    all.script = self;
    rage(&world, self);
    calm_down(&world);
    index_record(&all);
    const char *wrong = NULL;
    for (size_t i = 0; i < sizeof checks / sizeof *checks && wrong == NULL; i++) {
        wrong = checks[i](&all);
    }
    script_add_up(totals, self, &world);
    const char *left = script_world_destroy(&world);
    return wrong != NULL ? wrong : left;
}
