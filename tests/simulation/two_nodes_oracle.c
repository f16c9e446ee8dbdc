/*
 * The oracle of two_nodes.h. It lives outside of all nodes and is only told what actors see.
 */
#include "two_nodes.h"

#include "cmocka_all.h"

#include <inttypes.h>
#include <stdio.h>

void tn_violation(tn_world *world, const char *what, uint64_t number) {
    if (world->violations++ == 0) {
        snprintf(world->violation, sizeof world->violation,
                 "seed %" PRIu64 ", at %" PRIu64 " us: %s (%" PRIu64 ")", trp_sim_seed(world->sim),
                 trp_sim_now(world->sim) / 1000, what, number);
    }
}

void tn_create(tn_world *world, uint64_t seed, tn_canary canary) {
    static const char *const names[] = {"north", "south"};
    memset(world, 0, sizeof *world);
    world->canary = canary;
    world->sim = trp_sim_create(seed);
    assert_non_null(world->sim);
    for (unsigned i = 0; i < 2; i++) {
        tn_node *mine = &world->nodes[i];
        mine->world = world;
        mine->index = i;
        trp_sim_node_config config = {
            .size = sizeof config,
            .name = names[i],
            .schedulers = 1 + (unsigned)trp_sim_random_below(world->sim, 2),
            .boot = tn_boot,
            .arg = mine,
        };
        assert_int_equal(trp_sim_node_create(world->sim, &config, &mine->node), 0);
    }
    assert_int_equal(
        trp_sim_connect(world->sim, world->nodes[0].node, world->nodes[1].node, NULL, &world->link),
        0);
}

uint64_t tn_destroy(tn_world *world) {
    uint64_t leaked = trp_sim_destroy(world->sim);
    world->sim = NULL;
    return leaked;
}

/* Requests. */

uint32_t tn_will_ask(tn_node *at, bool is_remote, uint64_t timeout_ns) {
    tn_world *world = at->world;
    assert_true(world->requests_len < TN_REQUESTS);
    uint32_t id = world->requests_len++;
    world->requests[id] = (tn_request){
        .from = (uint8_t)at->index,
        .caller_start = trp_sim_node_starts(at->node),
        .is_remote = is_remote,
        .is_sent = true,
        .asked_ns = trp_sim_now(world->sim),
        .timeout_ns = timeout_ns,
    };
    return id;
}

void tn_was_refused(tn_node *at, uint32_t id) {
    at->world->requests[id].is_sent = false;
}

void tn_is_handled(tn_world *world, uint32_t id) {
    if (id >= world->requests_len) {
        tn_violation(world, "a request arrived that nobody sent", id);
    } else if (++world->requests[id].handled > 1) {
        tn_violation(world, "a request was handled twice", id);
    }
}

void tn_is_replied(tn_world *world, uint32_t id) {
    if (id < world->requests_len) {
        world->requests[id].replied++;
    }
}

void tn_has_ended(tn_node *at, uint32_t id, int error) {
    tn_world *world = at->world;
    if (id >= world->requests_len) {
        tn_violation(world, "a reply came to what nobody asked", id);
        return;
    }
    tn_request *request = &world->requests[id];
    request->error = error;
    request->ended_ns = trp_sim_now(world->sim);
    world->outcomes[-error & 31]++;
    if (++request->ended > 1) {
        tn_violation(world, "a request ended twice", id);
    }
    if (request->from != at->index || request->caller_start != trp_sim_node_starts(at->node)) {
        tn_violation(world, "a reply came to another life of its caller", id);
    }
    if (error == 0 && request->replied == 0) {
        tn_violation(world, "a reply came that nobody gave", id);
    }
    bool may_lose_a_reply =
        error == TRP_ETIMEOUT || (error == TRP_ENOCONNECTION && request->is_remote);
    if (error != 0 && request->replied > 0 && !may_lose_a_reply) {
        tn_violation(world, "a reply was lost without timeout or noconnection", id);
    }
    if (error == TRP_ETIMEOUT && request->ended_ns < request->asked_ns + request->timeout_ns) {
        tn_violation(world, "a timeout came too early", id);
    }
}

/* Notes. */

uint32_t tn_will_note(tn_node *at) {
    tn_world *world = at->world;
    assert_true(world->notes_len < TN_NOTES);
    uint32_t number = world->notes_len++;
    world->notes[number] = (tn_note){
        .from = (uint8_t)at->index,
        .start = trp_sim_node_starts(at->node),
        .dials = trp_sim_link_dials(world->link),
    };
    return number;
}

/* The notes of one sender are in one array with the other's, so their numbers ascend too. */
static void check_gap(tn_node *at, uint32_t from, uint32_t to) {
    const tn_world *world = at->world;
    const tn_note *first = &world->notes[from];
    const tn_note *last = &world->notes[to];
    for (uint32_t i = from + 1; i < to; i++) {
        const tn_note *note = &world->notes[i];
        bool is_same_flow = note->from == last->from && note->start == last->start &&
                            first->start == last->start && first->dials == note->dials &&
                            last->dials == note->dials;
        if (is_same_flow && !note->is_refused && note->arrived == 0) {
            tn_violation(at->world, "a note was lost within one connection", i);
        }
    }
}

void tn_note_arrived(tn_node *at, uint32_t number) {
    tn_world *world = at->world;
    if (number >= world->notes_len || world->notes[number].from == at->index) {
        tn_violation(world, "a note arrived that the other side never sent", number);
        return;
    }
    tn_note *note = &world->notes[number];
    world->notes_arrived++;
    if (++note->arrived > 1) {
        tn_violation(world, "a note arrived twice", number);
    } else if (note->is_refused) {
        tn_violation(world, "a note arrived that was refused", number);
    }
    uint32_t start = trp_sim_node_starts(at->node);
    if (at->last_start == start) {
        if (number < at->last_note) {
            tn_violation(world, "a note was overtaken", number);
        } else {
            check_gap(at, at->last_note, number);
        }
    }
    at->last_start = start;
    at->last_note = number;
}

/* Monitors. */

void tn_monitors(tn_node *at, trp_ref ref) {
    tn_world *world = at->world;
    assert_true(world->monitors_len < TN_MONITORS);
    world->monitors[world->monitors_len++] = (tn_monitor){
        .from = (uint8_t)at->index,
        .start = trp_sim_node_starts(at->node),
        .ref = ref,
    };
}

void tn_down(tn_node *at, trp_ref ref) {
    tn_world *world = at->world;
    uint32_t start = trp_sim_node_starts(at->node);
    for (uint32_t i = world->monitors_len; i-- > 0;) {
        tn_monitor *monitor = &world->monitors[i];
        if (monitor->ref == ref && monitor->from == at->index && monitor->start == start) {
            if (++monitor->downs > 1) {
                tn_violation(world, "a monitor gave two DOWNs", ref);
            }
            return;
        }
    }
    tn_violation(world, "a DOWN came for no monitor", ref);
}

/* The end. */

static bool still_lives(const tn_world *world, unsigned index, uint32_t start) {
    const trp_sim_node *node = world->nodes[index].node;
    return trp_sim_node_is_up(node) && trp_sim_node_starts(node) == start;
}

void tn_check_end(tn_world *world) {
    if (!trp_sim_link_is_up(world->link)) {
        tn_violation(world, "the nodes are not connected in the end", 0);
    }
    for (uint32_t i = 0; i < world->requests_len; i++) {
        const tn_request *request = &world->requests[i];
        if (request->is_sent && request->ended == 0 &&
            still_lives(world, request->from, request->caller_start)) {
            tn_violation(world, "a request never ended", i);
        }
    }
    for (uint32_t i = 0; i < world->monitors_len; i++) {
        const tn_monitor *monitor = &world->monitors[i];
        if (monitor->downs == 0 && still_lives(world, monitor->from, monitor->start)) {
            tn_violation(world, "a monitor never gave its DOWN", i);
        }
    }
}
