/*
 * Random scripts: lists of operations that actors do to each other in the simulation, and what must
 * come of it.
 *
 *     script_ops.c      the operations: drawing, printing and shrinking a list of them
 *     script_world.c    the actors that do them, and the record of everything they see
 *     script_model.c    the reference model: docs/semantics.md as plain C, step after step;
 *                       script_model_ops.c has the operations
 *     script_compare.c  the record of a step against the model's
 *     script_storm.c    what holds when nobody waits for anybody
 *     test_scripts.c    many seeds of both kinds, and shrinking when one fails
 *
 * A script is run in one of two ways. *Step by step*: the world comes to rest after each operation,
 * so the model knows exactly what everybody has seen. *As a storm*: all at once on two schedulers;
 * then only the rules that hold in any order are checked. Operations name actors by the slot they
 * were spawned in and mean nothing when nobody is there, so that any part of a script is a script:
 * that is what makes shrinking easy.
 */
#ifndef TEST_SCRIPT_H
#define TEST_SCRIPT_H

#include "troupe/channel.h"
#include "troupe/group.h"
#include "troupe/sim.h"
#include "troupe/troupe.h"

enum {
    SCRIPT_SLOTS = 4,
    SCRIPT_OPS = 100, /* one more than the longest script has */
    SCRIPT_ACTORS = SCRIPT_OPS,
    SCRIPT_NAMES = 2,
    SCRIPT_GROUPS = 2,
    SCRIPT_CHANNELS = 3,
    SCRIPT_TAGS = 3,
    SCRIPT_EVENTS = 4096,
    SCRIPT_OPENS = 128,
    SCRIPT_ROOT = 255 /* as an actor: nobody */
};

/* X(NAME, text, how often): what an operation is, in the words of its printed form. */
#define SCRIPT_KIND_LIST(X)                                                                        \
    X(SPAWN, "spawns into slot", 30)                                                               \
    X(LINK, "links", 6)                                                                            \
    X(UNLINK, "unlinks", 4)                                                                        \
    X(MONITOR, "monitors", 8)                                                                      \
    X(DEMONITOR, "ends its oldest monitor", 3)                                                     \
    X(END, "ends itself", 2)                                                                       \
    X(STOP, "stops", 2)                                                                            \
    X(KILL, "kills", 1)                                                                            \
    X(DRAIN, "drains", 1)                                                                          \
    X(TRAP, "traps exits", 6)                                                                      \
    X(REGISTER, "registers", 4)                                                                    \
    X(UNREGISTER, "unregisters", 2)                                                                \
    X(WHEREIS, "looks up", 2)                                                                      \
    X(JOIN, "joins", 5)                                                                            \
    X(LEAVE, "leaves", 5)                                                                          \
    X(MEMBERS, "lists", 2)                                                                         \
    X(BROADCAST, "broadcasts", 3)                                                                  \
    X(WATCH, "watches", 3)                                                                         \
    X(UNWATCH, "ends its oldest watch", 2)                                                         \
    X(TIMER, "sets a timer", 3)                                                                    \
    X(INTERVAL, "sets an interval", 2)                                                             \
    X(SEND_AFTER, "sends later to", 3)                                                             \
    X(EXIT_AFTER, "ends later", 2)                                                                 \
    X(CANCEL, "cancels its oldest timer", 3)                                                       \
    X(SEND, "sends to", 12)                                                                        \
    X(FILTER, "filters", 3)                                                                        \
    X(CLEAR, "clears its filter", 4)                                                               \
    X(REQUEST, "asks", 8)                                                                          \
    X(ANSWER, "answers what it has kept", 4)                                                       \
    X(CANCEL_REQUEST, "cancels its oldest request", 3)                                             \
    X(PUT, "puts into", 5)                                                                         \
    X(TAKE, "takes from", 5)                                                                       \
    X(NOTIFY, "waits for", 4)                                                                      \
    X(FORGET, "ends its oldest wait", 2)                                                           \
    X(CLOSE, "closes", 1)                                                                          \
    X(SELECT, "selects between", 6)                                                                \
    X(ADVANCE, "time passes", 8)

typedef enum script_kind {
#define SCRIPT_KIND_ENUM_(name, text, weight) SCRIPT_##name,
    SCRIPT_KIND_LIST(SCRIPT_KIND_ENUM_)
#undef SCRIPT_KIND_ENUM_
        SCRIPT_KINDS
} script_kind;

/* One operation. What `which` and `delay` mean depends on the kind. */
typedef struct script_op {
    uint8_t kind;
    uint8_t actor;   /* slot of who does it */
    uint8_t other;   /* slot of who it is done to */
    uint8_t which;   /* a tag, name, group, channel, reason or mode, by script_below */
    uint8_t delay;   /* 1 ... 3 rounds of time */
    uint32_t number; /* its name, kept when the script shrinks; below SCRIPT_OPS */
} script_op;

typedef struct script {
    uint64_t seed;
    unsigned schedulers;
    uint32_t ops_len;
    script_op ops[SCRIPT_OPS];
} script;

void script_draw(script *out, uint64_t seed, unsigned schedulers);
void script_print(const script *self);

/* True if this host has stacks for routines; without, select is never done. */
bool script_has_routines(void);

/* `which`, reduced to 0 ... limit - 1. */
unsigned script_below(const script_op *op, unsigned limit);

/* The reason of an operation that ends somebody, and how a spawned actor is made. */
trp_exit script_reason(const script_op *op);
enum {
    SPAWN_LINKED = 1,
    SPAWN_MONITORED = 2,
    SPAWN_NAMED = 4,
    SPAWN_FAILS = 8,
    SPAWN_TRAPPING = 16,
    SPAWN_ROUTINE = 32
};
unsigned script_spawn_flags(const script_op *op);

/* A select takes from one channel or puts into another, and says what it did as one number. */
unsigned script_select_from(const script_op *op);
unsigned script_select_to(const script_op *op);
enum { SELECT_SENT = 1000 };

/* What the asked one does with a request. */
typedef enum script_mode { MODE_REPLY, MODE_KEEP, MODE_IGNORE, MODE_REFUSE, MODES } script_mode;

/* Takes operations away as long as `fails` says that what is left still fails. */
typedef bool script_fails(const script *self, void *arg);
void script_shrink(script *self, script_fails *fails, void *arg);

/* ---- what happens ---- */

/* X(NAME, text): what an actor can see. */
#define SCRIPT_EVENT_LIST(X)                                                                       \
    X(RESULT, "result")                                                                            \
    X(MESSAGE, "message")                                                                          \
    X(REQUESTED, "request")                                                                        \
    X(REPLY, "reply")                                                                              \
    X(ERROR, "request error")                                                                      \
    X(DOWN, "DOWN")                                                                                \
    X(EXITED, "EXIT")                                                                              \
    X(TIMEOUT, "timeout")                                                                          \
    X(JOINED, "JOIN")                                                                              \
    X(LEFT, "LEAVE")                                                                               \
    X(READY, "ready")                                                                              \
    X(ENDED, "terminate")                                                                          \
    X(DEAD, "dead letter")

typedef enum script_event_kind {
#define SCRIPT_EVENT_ENUM_(name, text) EVENT_##name,
    SCRIPT_EVENT_LIST(SCRIPT_EVENT_ENUM_)
#undef SCRIPT_EVENT_ENUM_
        SCRIPT_EVENT_KINDS
} script_event_kind;

typedef struct script_event {
    uint8_t kind;
    uint8_t to;      /* who sees it; for a dead letter, whom it should have reached */
    uint8_t from;    /* who caused it, or whom a result is about; SCRIPT_ROOT if nobody */
    uint32_t number; /* the operation that it comes from */
    int32_t value;   /* a result, error, reason or tag */
    uint64_t at_ns;
} script_event;

void script_event_print(const char *side, const script_event *event);

/* A reason as one number: kind * 1000 + code. */
int32_t script_reason_value(const trp_exit *reason);

/* ---- the world ---- */

/* Something that an actor has open under a ref. */
typedef struct script_open {
    uint8_t kind; /* of the operation that opened it */
    bool is_open;
    uint8_t target; /* of a monitor or a request */
    uint32_t number;
    trp_ref ref;
    uint64_t due_ns; /* a timeout is not seen earlier */
} script_open;

typedef struct script_person {
    struct script_world *world;
    uint8_t id;
    bool is_routine;
    trp_pid pid;
    uint32_t opens_len;
    script_open opens[SCRIPT_OPENS];
    uint32_t kept_len;
    trp_message *kept[SCRIPT_OPS];
} script_person;

typedef struct script_world {
    trp_sim *sim;
    trp_sim_node *node;
    bool is_storm; /* selects wait */
    trp_channel *channels[SCRIPT_CHANNELS];
    uint32_t persons_len;
    script_person *persons[SCRIPT_ACTORS];
    uint8_t tenants[SCRIPT_SLOTS]; /* who was last spawned there, SCRIPT_ROOT if nobody yet */
    uint32_t events_len;
    script_event events[SCRIPT_EVENTS];
    uint64_t dead_letters;          /* that the runtime's hook was told of */
    uint64_t asked_ns;              /* when the last operation was */
    uint64_t period_ns[SCRIPT_OPS]; /* of the interval that the operation set */
} script_world;

enum { SCRIPT_GRID_MS = 600, SCRIPT_SPREAD_MS = 6 };

void script_world_create(script_world *world, const script *self, bool is_storm);

/*
 * When the timer of an operation should fire. Each has its own moment within a round of time, so
 * that two of them never fire at once; an interval is half a moment off.
 */
uint64_t script_due(const script_world *world, const script_op *op);

/* Lets `op` be done, by its actor in the next activation or from outside. False if nobody is there
 * to do it. */
bool script_world_do(script_world *world, const script_op *op);
bool script_world_is_alive(script_world *world, uint8_t id);

/* Runs until nothing is ready; the clock moves by what that costs. */
void script_world_settle(script_world *world);

/* Ends everybody. Returns what has leaked, in a text, or NULL. */
const char *script_world_destroy(script_world *world);

/* What all scripts together have seen: one that sees nothing proves nothing. */
typedef struct script_totals {
    uint64_t done[SCRIPT_KINDS]; /* operations that their actor did, without an error */
    uint64_t seen[SCRIPT_EVENT_KINDS];
} script_totals;

const char *script_kind_text(unsigned kind);
const char *script_event_text(unsigned kind);

/* ---- the checks: NULL, or what went wrong in a text that lives until the next run ---- */

const char *script_run_steps(const script *self, script_totals *totals);
const char *script_run_storm(const script *self, script_totals *totals);
void script_add_up(script_totals *totals, const script *self, const script_world *world);

#endif
