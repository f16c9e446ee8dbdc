/*
 * A node for tests: a native host with a node, an actor that answers in upper case, and the events
 * of its sessions kept for the test to wait for. All functions fail the test if they cannot do
 * their work.
 */
#ifndef TEST_NATIVE_PEER_H
#define TEST_NATIVE_PEER_H

#include "troupe/native_tcp.h"
#include "troupe/troupe.h"

#include <pthread.h>

#define PEER_COOKIE "a cookie for tests, 32 bytes long"

enum { PEER_EVENTS = 64, PEER_ANSWER = 256 };

typedef struct peer_event {
    trp_session_state state;
    char node[64];
    char why[128];
    int error;
    uint64_t retry_ns;
} peer_event;

typedef struct peer {
    trp_native *native;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    peer_event events[PEER_EVENTS];
    unsigned events_len;
    unsigned events_seen; /* by peer_wait */
} peer;

/*
 * Creates the host with `schedulers` threads and its node; not started. `config` (may be NULL) is
 * completed.
 */
void peer_create(peer *self, const char *name, const char *cookie, unsigned schedulers,
                 const trp_node_config *config);
void peer_start(peer *self);
void peer_stop_and_destroy(peer *self);

/* Listens on 127.0.0.1; `options` (may be NULL) is completed. Returns the port. */
uint16_t peer_listen(peer *self, uint16_t port, const trp_tcp_listen_options *options);

/* Dials 127.0.0.1; `options` (may be NULL) is completed. */
trp_tcp_dialler *peer_dial(peer *self, uint16_t port, const trp_tcp_dial_options *options);

/* Waits for the next event of `state` that was not waited for yet. */
peer_event peer_wait(peer *self, trp_session_state state);

/* How many events of `state` there were so far. */
unsigned peer_count(peer *self, trp_session_state state);

/*
 * Spawns the actor that answers in upper case, under the name "upper". A text that begins with `?`
 * gets no answer.
 */
void peer_spawn_upper(peer *self);

/* What a request ended with. */
typedef struct peer_answer {
    int error; /* 0, or the code of the trp_request_error */
    char text[PEER_ANSWER];
} peer_answer;

/* Sends `text` to `name` on `node` and waits for the end of the request. */
peer_answer peer_ask(peer *self, const char *node, const char *name, const char *text);

/* A request that is under way: begin, then wait. */
typedef struct peer_question peer_question;
peer_question *peer_ask_begin(peer *self, const char *node, const char *name, const char *text);
peer_answer peer_ask_end(peer_question *question);

#endif
