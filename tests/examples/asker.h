/*
 * An actor that makes requests when the test tells it to, and writes down how each one ended, and when.
 */
#ifndef TEST_ASKER_H
#define TEST_ASKER_H

#include "probe.h"

enum { ASKER_MAX = 4096 };

typedef struct asker_request {
    trp_ref ref;
    uint32_t ends; /* more than one would be a fault of the runtime */
    int error;     /* of the end: 0 for a reply */
    char text[TRP_EXIT_TEXT_MAX];
    int64_t value; /* of a reply: its first 8 bytes */
    uint64_t at_ns;
    uint32_t order; /* it was so many-eth to end */
} asker_request;

typedef struct asker {
    probe probe; /* first */
    uint32_t requests_len;
    uint32_t ended;
    asker_request requests[ASKER_MAX];
} asker;

void asker_spawn(fake_host *fake, asker *self);

/*
 * Sends a request of `type` with a copy of `body` (NULL: zeros) to `to`, and runs until all is idle. Its
 * index in `requests`.
 */
uint32_t asker_ask(fake_host *fake, asker *self, trp_pid to, const trp_type *type, const void *body,
                   uint64_t timeout_ns);

#endif
