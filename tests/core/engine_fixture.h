/*
 * Two engines with a wire between them that the test holds in its hands: bytes lie in buffers until
 * they are carried over, in pieces of any size, changed or not.
 */
#ifndef TEST_ENGINE_FIXTURE_H
#define TEST_ENGINE_FIXTURE_H

#include "fake_host.h"
#include "node/engine.h"

enum { WIRE_MAX = 16 << 20, SEEN_MAX = 64 };

/* Bytes on their way from one end. */
typedef struct wire {
    uint8_t *bytes;
    size_t length;
    size_t capacity;
    uint32_t sends;
    int error; /* what send answers */
} wire;

/* An event as it was seen; bodies are kept as length and sum. */
typedef struct seen {
    trpi_event_kind kind;
    unsigned frame;
    unsigned stream;
    size_t length;
    uint32_t sum;
} seen;

typedef struct end {
    fake_host *host;
    trpi_depot depot;
    trpi_pool pool;
    trpi_identity identity;
    trpi_engine engine;
    wire out;
    uint32_t seen_len;
    seen seen[SEEN_MAX];
    bool is_up;
    bool is_down;
    int check_result; /* of check_token */
    uint32_t token_rights;
    char token[TRPI_TOKEN_MAX + 1];
} end;

extern const trpi_times engine_times;

/* Fills in an end that can dial or accept. `cookie` NULL: none. */
void end_init(end *e, fake_host *host, const char *name, uint64_t incarnation, const char *cookie);

/* Starts the engine with one way to authenticate. 0 or the engine's error. */
int end_open(end *e, bool is_dialler, trp_auth auth, uint32_t rights, const char *token);
void end_deinit(end *e);

/* Lets the engine take its input and send, noting events. */
void end_run(end *e);

/* Gives bytes to the engine and runs it. */
void end_take(end *e, const void *bytes, size_t length);

/* Carries everything from `from` to `to`, `step` bytes at a time. True if there was anything. */
bool carry(end *from, end *to, size_t step);

/* Carries both ways until nothing is left. */
void carry_all(end *a, end *b, size_t step);

/* Queues a message of `length` bytes that count up from `first`. 0 or TRP_ENOMEM. */
int end_send(end *e, unsigned stream, unsigned kind, size_t length, uint8_t first);

/* The sum that such a message has. */
uint32_t sum_of(size_t length, uint8_t first);

/* The last event of a kind, NULL if there is none. */
const seen *last_seen(const end *e, trpi_event_kind kind);

/* How many events of a kind were seen. */
uint32_t count_seen(const end *e, trpi_event_kind kind);

/* Two ends, "alpha" dialling "beta", with the cookie; not opened. */
void pair_init(end *a, end *b, fake_host *host);
void pair_open(end *a, end *b);

/* As pair_open, and carried until both are up. */
void pair_connect(end *a, end *b);
void pair_deinit(end *a, end *b);

#endif
