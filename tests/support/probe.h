/*
 * A probe: an actor that writes down what happens to it in a struct that the test owns, and runs
 * functions of the test in its own name. With it a test reads as a story: who did what, then what
 * everybody saw.
 *
 *     probe a = {0}, b = {0};
 *     probe_spawn(fake, &a);
 *     probe_spawn(fake, &b);
 *     probe_do(fake, &a, say_hello, &b);     // say_hello runs inside a
 *     assert_int_equal(b.events_len, 1);
 *
 * A probe must outlive its actor. Single-threaded tests only, unless the test itself takes care.
 */
#ifndef TEST_PROBE_H
#define TEST_PROBE_H

#include "fake_host.h"

enum { PROBE_EVENTS = 64 };

/* A message as the probe saw it. */
typedef struct probe_event {
    const trp_type *type;
    uint64_t tag;
    trp_ref ref;
    trp_pid from;
    bool is_request;
    uint64_t value; /* first 8 bytes of an untyped message */
    uint64_t at_ns; /* trp_now_ns */
    union {
        trp_down down;
        trp_timeout timeout;
        trp_request_error error;
    } body; /* of the runtime's own types */
} probe_event;

typedef struct probe probe;
struct probe {
    /* What the test wants; all optional. */
    int init_result;
    void (*on_init)(trp_ctx *ctx, probe *self);
    void (*on_message)(trp_ctx *ctx, probe *self,
                       trp_message *message); /* after it was written down */
    void (*on_terminate)(trp_ctx *ctx, probe *self, const trp_exit *reason);
    void *arg;
    trp_message *kept;

    /* What happened. */
    trp_pid pid;
    uint32_t inits;
    uint32_t terminates;
    trp_exit reason;     /* of terminate */
    uint32_t events_len; /* ever; the first PROBE_EVENTS are kept */
    probe_event events[PROBE_EVENTS];
};

/* The behaviour. Its argument is the probe. */
extern const trp_behaviour probe_behaviour;

/* Spawns from the root ctx, asserting that it works. */
void probe_spawn(fake_host *fake, probe *self);

/* Runs `call` as the probe, in its next activation, and then the runtime until it is idle. */
typedef void probe_call(trp_ctx *ctx, probe *self, void *arg);
void probe_do(fake_host *fake, probe *self, probe_call *call, void *arg);

/* Only sends the message that makes the probe run `call`. */
int probe_ask(trp_ctx *ctx, trp_pid to, probe_call *call, void *arg);

/* A message of 8 bytes, tagged with `value` too. */
trp_message *probe_value(trp_ctx *ctx, uint64_t value);
int probe_send(trp_ctx *ctx, trp_pid to, uint64_t value);

/* The value of an 8-byte message. */
uint64_t probe_value_of(trp_message *message);

/* Forgets the events. */
void probe_clear(probe *self);

/* For on_message: answers a request with the value plus one. */
void probe_reply_next(trp_ctx *ctx, probe *self, trp_message *message);

/* What the runtime's hook for dead letters has seen since probe_watch_letters. */
typedef struct probe_letters {
    uint32_t count;
    trp_pid to; /* of the last one */
    int error;
    uint64_t tag;
} probe_letters;
void probe_watch_letters(fake_host *fake, probe_letters *letters);

/* Calls for probe_do. */
void probe_call_stop(trp_ctx *ctx, probe *self, void *arg); /* trp_stop_self */
void probe_call_fail(trp_ctx *ctx, probe *self, void *arg); /* trp_fail(ERROR, 7, "on purpose") */

#endif
