/*
 * The system that the acceptance test watches: two nodes, each with a relay, workers, a caller, a
 * talker and a watcher, and an oracle beside them that outlives every crash and knows what was
 * promised.
 *
 * What the oracle holds against them:
 * - a request is handled at most once, and its caller, while it lives, hears of it exactly once;
 * - if a worker has replied, the caller gets that reply, or `timeout`, or `noconnection`;
 * - a note arrives at most once and behind the earlier ones of its sender; none is missing between
 * two that the same connection carried;
 * - a monitor gives one DOWN and no more;
 * - the relay's name is free when its DOWN is heard.
 */
#ifndef TEST_TWO_NODES_H
#define TEST_TWO_NODES_H

#include "troupe/sim.h"
#include "troupe/troupe.h"

enum { TN_REQUESTS = 8192, TN_NOTES = 16384, TN_MONITORS = 8192, TN_TEXT = 200 };

/* Deliberate faults of the system, which the oracle must find. */
typedef enum tn_canary {
    TN_CANARY_NONE = 0,
    TN_CANARY_NOTE_TWICE,  /* a talker sends a note again */
    TN_CANARY_REPLY_LOST,  /* a worker claims to have replied and drops the request */
    TN_CANARY_DOWN_MISSED, /* a watcher forgets to count a DOWN */
} tn_canary;

typedef struct tn_request {
    uint8_t from; /* node of the caller */
    uint32_t caller_start;
    bool is_remote;
    bool is_sent;
    uint8_t handled;
    uint8_t replied;
    uint8_t ended;
    int error; /* 0: a reply came */
    uint64_t asked_ns;
    uint64_t timeout_ns;
    uint64_t ended_ns;
} tn_request;

typedef struct tn_note {
    uint8_t from;
    uint32_t start;  /* of the sender's node */
    uint32_t dials;  /* connections made so far, when it was sent */
    bool is_refused; /* trp_send said why it would not arrive */
    uint8_t arrived;
} tn_note;

typedef struct tn_monitor {
    uint8_t from;
    uint32_t start;
    trp_ref ref;
    uint8_t downs;
} tn_monitor;

typedef struct tn_node {
    struct tn_world *world;
    unsigned index;
    trp_sim_node *node;
    uint32_t last_note;  /* newest note that this node's listener has seen from the other */
    uint32_t last_start; /* and of which start of this listener */
} tn_node;

typedef struct tn_world {
    trp_sim *sim;
    trp_sim_link *link;
    tn_node nodes[2];
    tn_canary canary;
    bool is_quiet; /* no new requests, notes and monitors: what is open must end */

    tn_request requests[TN_REQUESTS];
    uint32_t requests_len;
    tn_note notes[TN_NOTES];
    uint32_t notes_len;
    tn_monitor monitors[TN_MONITORS];
    uint32_t monitors_len;
    uint32_t outcomes[32]; /* by -error */
    uint32_t notes_arrived;
    uint32_t takeovers;

    uint32_t violations;
    char violation[TN_TEXT]; /* the first */
} tn_world;

/* Makes the world. Asserts that it works. */
void tn_create(tn_world *world, uint64_t seed, tn_canary canary);

/* What can only be said at the end, when all is healed and quiet. */
void tn_check_end(tn_world *world);

/* Ends the world; returns the bytes leaked. */
uint64_t tn_destroy(tn_world *world);

/* Notes a violation. */
void tn_violation(tn_world *world, const char *what, uint64_t number);

/* The actors' start, for trp_sim_node_config.boot; `arg` is a tn_node. */
int tn_boot(trp_sim_node *node, trp_ctx *root, void *arg);

/* The oracle: told by the actors what they see. */
uint32_t tn_will_ask(tn_node *at, bool is_remote, uint64_t timeout_ns);
void tn_was_refused(tn_node *at, uint32_t id);
void tn_is_handled(tn_world *world, uint32_t id);
void tn_is_replied(tn_world *world, uint32_t id);
void tn_has_ended(tn_node *at, uint32_t id, int error);
uint32_t tn_will_note(tn_node *at);
void tn_note_arrived(tn_node *at, uint32_t number);
void tn_monitors(tn_node *at, trp_ref ref);
void tn_down(tn_node *at, trp_ref ref);

#endif
