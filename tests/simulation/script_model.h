/*
 * The reference model of docs/semantics.md: what a world must look like after each operation, when
 * everything has come to rest in between. It is written to be read, not to be fast, and shares
 * nothing with the runtime but its numbers.
 */
#ifndef TEST_SCRIPT_MODEL_H
#define TEST_SCRIPT_MODEL_H

#include "script.h"

enum { MODEL_SIGNALS = 4096, MODEL_WAITING = 256 };

/* What travels from one actor to another. Its event is what the addressee will see. */
typedef struct model_signal {
    script_event event;
    enum { SIGNAL_EVENT, SIGNAL_EXIT, SIGNAL_STOP } kind;
    uint64_t tag;     /* what a filter goes by, 0: the number */
    uint8_t mode;     /* of a request */
    uint32_t arrived; /* in which step */
    uint64_t due_ns;  /* of a timeout */
} model_signal;

typedef struct model_open {
    uint8_t kind;
    bool is_open;
    bool is_told; /* fired, or a wait that somebody has claimed */
    uint32_t number;
    uint8_t target;
    uint64_t due_ns; /* 0: none */
    script_op op;
} model_open;

typedef struct model_actor {
    bool is_alive;
    bool is_routine;
    bool has_died; /* in this step */
    bool is_trapping;
    bool is_filtering;
    uint64_t filter_tag;
    uint32_t filter_number; /* UINT32_MAX: none */
    uint32_t opens_len;
    model_open opens[SCRIPT_OPENS];
    uint32_t waiting_len;
    model_signal waiting[MODEL_WAITING];
    uint32_t kept_len;
    struct {
        uint8_t caller;
        uint32_t number;
    } kept[SCRIPT_OPS];
} model_actor;

typedef struct model_channel {
    bool is_closed;
    uint32_t capacity;
    uint32_t values_len;
    uint32_t values[SCRIPT_OPS];
    uint32_t waiters_len[2];
    struct {
        uint8_t actor;
        uint32_t number;
    } waiters[2][SCRIPT_OPS];
} model_channel;

/* What the model expects to be seen in this step. */
typedef struct model_expected {
    script_event event;
    bool is_optional; /* its addressee dies in this step, perhaps before it gets there */
    uint32_t arrived;
} model_expected;

typedef struct script_model {
    const script_world *world; /* for the times at which intervals have really fired */
    uint32_t step;
    uint32_t actors_len;
    model_actor actors[SCRIPT_ACTORS];
    uint8_t tenants[SCRIPT_SLOTS];
    uint8_t owners[SCRIPT_NAMES]; /* of names; SCRIPT_ROOT: nobody */
    bool is_linked[SCRIPT_ACTORS][SCRIPT_ACTORS];
    uint64_t link_tags[SCRIPT_ACTORS][SCRIPT_ACTORS]; /* on the side of the first */
    uint32_t members_len[SCRIPT_GROUPS];
    uint8_t members[SCRIPT_GROUPS][SCRIPT_ACTORS];
    model_channel channels[SCRIPT_CHANNELS];
    uint32_t signals_first;
    uint32_t signals_len;
    model_signal signals[MODEL_SIGNALS];
    uint32_t expected_len;
    model_expected expected[SCRIPT_EVENTS];
} script_model;

void model_init(script_model *model, const script_world *world);

/* One operation, and everything that comes of it. Forgets what was expected before. */
void model_do(script_model *model, const script_op *op);

/* Fires all timers that are due by `now_ns`. */
void model_advance(script_model *model, uint64_t now_ns);

/* When the next timer is due, TRP_NEVER if none is; and the first within a time. */
uint64_t model_next_due(const script_model *model);
uint64_t model_due_between(const script_model *model, uint64_t from_ns, uint64_t until_ns);

/* ---- inside the model: script_model.c for its operations, and the other way round ---- */

bool model_is_alive(const script_model *model, uint8_t id);
script_event model_event_of(script_event_kind kind, uint8_t to, uint8_t from, uint32_t number,
                            int32_t value);
void model_expect_now(script_model *model, script_event event);
void model_post(script_model *model, model_signal signal);
void model_post_event(script_model *model, script_event event, uint64_t tag);
model_open *model_opened(script_model *model, uint8_t id, const script_op *op, uint8_t target);
int model_end_oldest(script_model *model, uint8_t id, script_kind end);
model_channel *model_channel_of(script_model *model, const script_op *op);
unsigned model_end_of(const script_op *op);
bool model_is_worth_a_try(const model_channel *channel, unsigned end);
void model_tell(script_model *model, uint8_t id, uint32_t number);
void model_wake(script_model *model, model_channel *channel, unsigned end);
bool model_is_member(const script_model *model, unsigned group, uint8_t id);
void model_tell_watchers(script_model *model, unsigned group, uint8_t who, script_event_kind kind);
void model_remove_member(script_model *model, unsigned group, uint8_t id);
void model_reply_to(script_model *model, uint8_t caller, uint32_t number, int code);
void model_dead_letter(script_model *model, const model_signal *signal, int error);
uint64_t model_tag_of(const script_op *op);
int model_end_other(script_model *model, uint8_t other, int32_t reason);
int model_send_to(script_model *model, uint8_t id, uint8_t other, const script_op *op);
int model_do_spawn(script_model *model, uint8_t id, const script_op *op);
int model_perform(script_model *model, uint8_t id, const script_op *op);
void model_die(script_model *model, uint8_t id, int32_t reason);

/* script_compare.c: NULL, or how the world differs from the model since the event `from`. */
const char *script_compare(script_world *world, const script_model *model, uint32_t from);

#endif
