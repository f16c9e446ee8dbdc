/* Scripts as lists: drawing, printing and shrinking them. */
#include "script.h"

#include "fake_host.h"

#include <stdio.h>
#include <string.h>

/* A simulation that runs as wasm has no stacks for routines. */
#ifdef __EMSCRIPTEN__
enum { HAS_ROUTINES = false };
#else
enum { HAS_ROUTINES = true };
#endif

static const char *const kind_texts[SCRIPT_KINDS] = {
#define SCRIPT_KIND_TEXT_(name, text, weight) text,
    SCRIPT_KIND_LIST(SCRIPT_KIND_TEXT_)
#undef SCRIPT_KIND_TEXT_
};

static const unsigned kind_weights[SCRIPT_KINDS] = {
#define SCRIPT_KIND_WEIGHT_(name, text, weight) weight,
    SCRIPT_KIND_LIST(SCRIPT_KIND_WEIGHT_)
#undef SCRIPT_KIND_WEIGHT_
};

static const char *const event_texts[] = {
#define SCRIPT_EVENT_TEXT_(name, text) text,
    SCRIPT_EVENT_LIST(SCRIPT_EVENT_TEXT_)
#undef SCRIPT_EVENT_TEXT_
};

bool script_has_routines(void) {
    return HAS_ROUTINES;
}

const char *script_kind_text(unsigned kind) {
    return kind_texts[kind];
}

const char *script_event_text(unsigned kind) {
    return event_texts[kind];
}

unsigned script_below(const script_op *op, unsigned limit) {
    return op->which % limit;
}

/* ---- drawing ---- */

static uint8_t draw_kind(uint64_t *seed) {
    unsigned sum = 0;
    for (unsigned i = 0; i < SCRIPT_KINDS; i++) {
        sum += kind_weights[i];
    }
    unsigned at = (unsigned)fake_random_below(seed, sum);
    uint8_t kind = 0;
    while (at >= kind_weights[kind]) {
        at -= kind_weights[kind++];
    }
    return kind;
}

void script_draw(script *out, uint64_t seed, unsigned schedulers) {
    uint64_t state = seed;
    memset(out, 0, sizeof *out);
    out->seed = seed;
    out->schedulers = schedulers;
    out->ops_len = 20 + (uint32_t)fake_random_below(&state, SCRIPT_OPS - 20);
    for (uint32_t i = 0; i < out->ops_len; i++) {
        script_op *op = &out->ops[i];
        op->kind = i < SCRIPT_SLOTS ? SCRIPT_SPAWN : draw_kind(&state);
        op->actor = (uint8_t)fake_random_below(&state, SCRIPT_SLOTS);
        op->other =
            i < SCRIPT_SLOTS ? (uint8_t)i : (uint8_t)fake_random_below(&state, SCRIPT_SLOTS);
        op->which = (uint8_t)fake_random_below(&state, 240);
        op->delay = (uint8_t)(1 + fake_random_below(&state, 3));
        op->number = i;
    }
}

trp_exit script_reason(const script_op *op) {
    static const trp_exit_kind kinds[] = {TRP_EXIT_NORMAL, TRP_EXIT_SHUTDOWN, TRP_EXIT_ERROR};
    trp_exit_kind kind = kinds[script_below(op, 3)];
    return trp_exit_make(kind, kind == TRP_EXIT_ERROR ? (int)op->number : 0, NULL);
}

unsigned script_spawn_flags(const script_op *op) {
    unsigned flags = script_below(op, 8);
    flags |= op->which % 3 == 0 ? SPAWN_TRAPPING : 0;
    /* The body of a routine begins after its spawn, which it cannot undo. */
    flags |= HAS_ROUTINES && op->which % 4 == 1 ? SPAWN_ROUTINE : 0;
    bool fails = op->which % 10 == 9 && (flags & SPAWN_ROUTINE) == 0;
    return fails ? flags | SPAWN_FAILS : flags;
}

unsigned script_select_from(const script_op *op) {
    return op->which % SCRIPT_CHANNELS;
}

unsigned script_select_to(const script_op *op) {
    return op->which / SCRIPT_CHANNELS % SCRIPT_CHANNELS;
}

int32_t script_reason_value(const trp_exit *reason) {
    return reason->kind * 1000 + reason->code;
}

/* ---- printing ---- */

static void print_reason(const script_op *op) {
    trp_exit reason = script_reason(op);
    printf(" with %s", trp_exit_kind_name(reason.kind));
}

static void print_details(const script_op *op) {
    switch ((script_kind)op->kind) {
    case SCRIPT_SPAWN: {
        unsigned flags = script_spawn_flags(op);
        printf(" %u%s%s%s%s%s%s", op->other, (flags & SPAWN_LINKED) != 0 ? " linked" : "",
               (flags & SPAWN_MONITORED) != 0 ? " monitored" : "",
               (flags & SPAWN_NAMED) != 0 ? " named" : "",
               (flags & SPAWN_TRAPPING) != 0 ? " trapping" : "",
               (flags & SPAWN_ROUTINE) != 0 ? " as a routine" : "",
               (flags & SPAWN_FAILS) != 0 ? " (init fails)" : "");
        break;
    }
    case SCRIPT_LINK:
    case SCRIPT_SEND:
    case SCRIPT_SEND_AFTER:
        printf(" %u, tag %u", op->other, 1 + script_below(op, SCRIPT_TAGS));
        break;
    case SCRIPT_UNLINK:
    case SCRIPT_MONITOR:
    case SCRIPT_KILL:
    case SCRIPT_DRAIN:
        printf(" %u", op->other);
        break;
    case SCRIPT_END:
        print_reason(op);
        break;
    case SCRIPT_STOP:
    case SCRIPT_EXIT_AFTER:
        printf(" %u", op->other);
        print_reason(op);
        break;
    case SCRIPT_TRAP:
        printf(": %s", script_below(op, 2) != 0 ? "yes" : "no");
        break;
    case SCRIPT_REGISTER:
    case SCRIPT_UNREGISTER:
    case SCRIPT_WHEREIS:
        printf(" name %u", script_below(op, SCRIPT_NAMES));
        break;
    case SCRIPT_JOIN:
    case SCRIPT_LEAVE:
    case SCRIPT_MEMBERS:
    case SCRIPT_BROADCAST:
        printf(" group %u", script_below(op, SCRIPT_GROUPS));
        break;
    case SCRIPT_WATCH:
        printf(script_below(op, SCRIPT_GROUPS + 1) == SCRIPT_GROUPS ? " all groups" : " group %u",
               script_below(op, SCRIPT_GROUPS + 1));
        break;
    case SCRIPT_FILTER:
        printf(" for tag %u%s", 1 + script_below(op, SCRIPT_TAGS),
               op->which % 2 != 0 ? " and its newest ref" : "");
        break;
    case SCRIPT_REQUEST: {
        static const char *const modes[] = {"answers", "keeps it", "ignores it", "refuses"};
        printf(" %u, who %s", op->other, modes[script_below(op, MODES)]);
        break;
    }
    case SCRIPT_PUT:
    case SCRIPT_TAKE:
    case SCRIPT_CLOSE:
        printf(" channel %u", script_below(op, SCRIPT_CHANNELS));
        break;
    case SCRIPT_SELECT:
        printf(" channel %u to take and %u to put", script_select_from(op), script_select_to(op));
        break;
    case SCRIPT_NOTIFY:
        printf(" channel %u to %s", script_below(op, SCRIPT_CHANNELS),
               op->delay % 2 != 0 ? "take" : "put");
        break;
    default:
        break;
    }
}

static void print_op(const script_op *op) {
    printf("  %2u  %u %s", (unsigned)op->number, op->actor, kind_texts[op->kind]);
    print_details(op);
    printf("\n");
}

void script_print(const script *self) {
    printf("seed %llu, %u schedulers, %u operations\n", (unsigned long long)self->seed,
           self->schedulers, (unsigned)self->ops_len);
    for (uint32_t i = 0; i < self->ops_len; i++) {
        print_op(&self->ops[i]);
    }
}

void script_event_print(const char *side, const script_event *event) {
    printf("      %s: actor %u: %s of operation %u from %d, value %d, at %llu us\n", side,
           event->to, event_texts[event->kind], (unsigned)event->number,
           event->from == SCRIPT_ROOT ? -1 : event->from, (int)event->value,
           (unsigned long long)(event->at_ns / 1000));
}

/* ---- shrinking: delta debugging on the list ---- */

static void without(script *out, const script *self, uint32_t from, uint32_t count) {
    *out = *self;
    memmove(&out->ops[from], &self->ops[from + count],
            (self->ops_len - from - count) * sizeof *out->ops);
    out->ops_len = self->ops_len - count;
}

/* Tries to take away each stretch of `length` operations. True if one could go. */
static bool shrink_by(script *self, uint32_t length, script_fails *fails, void *arg) {
    bool has_shrunk = false;
    uint32_t from = 0;
    while (from + length <= self->ops_len) {
        script rest;
        without(&rest, self, from, length);
        if (fails(&rest, arg)) {
            *self = rest;
            has_shrunk = true;
        } else {
            from += length;
        }
    }
    return has_shrunk;
}

void script_shrink(script *self, script_fails *fails, void *arg) {
    uint32_t length = self->ops_len / 2;
    while (length > 0) {
        bool has_shrunk = shrink_by(self, length, fails, arg);
        length = has_shrunk && length == 1 ? 1 : length / 2;
    }
}
