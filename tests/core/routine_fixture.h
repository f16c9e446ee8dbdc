/*
 * Routines of tests: a script is a body, what it writes down, and how it ended. Bodies write results down and the test
 * asserts on them: a failed assertion leaves by longjmp, which must not cross from one stack to another.
 */
#ifndef TEST_ROUTINE_FIXTURE_H
#define TEST_ROUTINE_FIXTURE_H

#include "probe.h"

enum { SCRIPT_VALUES = 32 };

typedef struct script script;
struct script {
    int (*body)(trp_ctx *ctx, script *self);
    void *arg;
    trp_pid other;

    /* What happened. */
    trp_pid pid;
    bool has_begun;
    bool has_returned;
    uint32_t values_len; /* ever; the first SCRIPT_VALUES are kept */
    int64_t values[SCRIPT_VALUES];
    probe watcher; /* its first event is the trp_down */
};

/* The routine behind every script. Its argument is the script. */
extern const trp_routine script_routine;

/* Spawns and watches it, asserting that it works, and runs until idle. */
void script_start(fake_host *fake, script *self);

/* Only spawns it, from the root ctx. */
int script_spawn(fake_host *fake, script *self);

/* For bodies: writes down a value. */
void script_note(script *self, int64_t value);

/* Asserts that exactly these were written down. */
void script_assert(const script *self, uint32_t count, const int64_t *values);
#define SCRIPT_ASSERT(self, ...)                                                                   \
    script_assert((self), (uint32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),          \
                  (int64_t[]){__VA_ARGS__})

/* Asserts that it has ended so; returns the reason. */
const trp_exit *script_ended(const script *self, trp_exit_kind kind, int code);

/* Asserts that it has not. */
void script_lives(const script *self);

/* For bodies: the next message with this tag (0: any), its value written down, or the error. */
int script_receive(trp_ctx *ctx, script *self, uint64_t tag, uint64_t timeout_ns);

/* Sends values from the root ctx and runs until idle. */
void script_send(fake_host *fake, trp_pid to, uint32_t count, const uint64_t *values);
#define SCRIPT_SEND(fake, to, ...)                                                                 \
    script_send((fake), (to), (uint32_t)(sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t)),    \
                (uint64_t[]){__VA_ARGS__})

#endif
