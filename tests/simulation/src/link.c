/*
 * A link: the wish of two nodes to be connected. It dials, and dials again when the dialler's end
 * of the connection is gone; the acceptor's end of an old connection may live on until a heartbeat
 * finds out.
 */
#include "sim_internal.h"

#include <stdlib.h>
#include <string.h>

enum { TOKEN_MAX = 512 };

static void fill_options(trp_sim_link_options *options, const trp_sim_link_options *given) {
    if (given != NULL) {
        memcpy(options, given, given->size < sizeof *options ? given->size : sizeof *options);
    }
    options->auth = options->auth == 0 ? TRP_AUTH_COOKIE : options->auth;
    if (options->dialler_rights == 0) {
        options->dialler_rights = TRP_RIGHTS_PEER;
    }
    if (options->acceptor_rights == 0) {
        options->acceptor_rights = TRP_RIGHTS_PEER;
    }
    if (options->delay_max_ns == 0) {
        options->delay_min_ns = options->delay_min_ns == 0 ? 50000 : options->delay_min_ns;
        options->delay_max_ns = options->delay_min_ns + 5 * TRP_NS_PER_MS;
    }
    options->redial_ns = options->redial_ns == 0 ? 100 * TRP_NS_PER_MS : options->redial_ns;
    options->capacity = options->capacity == 0 ? 256 * 1024 : options->capacity;
}

static int copy_token(trp_sim_link_options *options) {
    if (options->token == NULL) {
        return 0;
    }
    if (options->token_length > TOKEN_MAX) {
        options->token = NULL;
        return TRP_EINVAL;
    }
    void *copy = malloc(options->token_length + 1);
    if (copy != NULL) {
        memcpy(copy, options->token, options->token_length);
    }
    options->token = copy;
    return copy == NULL ? TRP_ENOMEM : 0;
}

static void plan_dial(trp_sim_link *link);

static bool can_dial(const trp_sim_link *link) {
    uint64_t now = link->sim->now_ns;
    return link->dialler->runtime != NULL && link->acceptor->runtime != NULL &&
           link->dialler->paused_until_ns <= now && link->acceptor->paused_until_ns <= now &&
           link->stalled_until_ns <= now;
}

static void dial(trp_sim *sim, void *arg) {
    trp_sim_link *link = arg;
    link->is_dial_planned = false;
    if (!link->redial || link->wire != NULL) {
        return;
    }
    if (!can_dial(link)) {
        plan_dial(link);
        return;
    }
    trpi_sim_note(sim, link->dialler, "dials");
    link->dials++;
    if (trpi_sim_wire_create(link, &link->wire) != 0) {
        link->wire = NULL;
        plan_dial(link);
    }
}

static void plan_dial(trp_sim_link *link) {
    trp_sim *sim = link->sim;
    uint64_t pause = trpi_sim_between(sim, link->options.redial_ns / 2, link->options.redial_ns);
    if (!link->is_dial_planned && trpi_sim_event_push(sim, sim->now_ns + pause, dial, link) == 0) {
        link->is_dial_planned = true;
    }
}

void trpi_sim_link_lost(trp_sim_link *link) {
    link->wire = NULL;
    if (link->redial) {
        plan_dial(link);
    }
}

int trp_sim_connect(trp_sim *sim, trp_sim_node *dialler, trp_sim_node *acceptor,
                    const trp_sim_link_options *options, trp_sim_link **out) {
    trp_sim_link *link = calloc(1, sizeof *link);
    if (link == NULL) {
        return TRP_ENOMEM;
    }
    link->sim = sim;
    link->dialler = dialler;
    link->acceptor = acceptor;
    link->redial = true;
    fill_options(&link->options, options);
    int error = copy_token(&link->options);
    if (error == 0) {
        error = trpi_sim_event_push(sim, sim->now_ns, dial, link);
    }
    if (error != 0) {
        trpi_sim_link_free(link);
        return error;
    }
    link->is_dial_planned = true;
    trp_sim_link **tail = &sim->links;
    while (*tail != NULL) {
        tail = &(*tail)->next;
    }
    *tail = link;
    if (out != NULL) {
        *out = link;
    }
    return 0;
}

void trpi_sim_link_free(trp_sim_link *link) {
    free((void *)(uintptr_t)link->options.token);
    free(link);
}

uint64_t trpi_sim_link_delay(trp_sim_link *link) {
    return trpi_sim_between(link->sim, link->options.delay_min_ns, link->options.delay_max_ns);
}

bool trp_sim_link_is_up(const trp_sim_link *link) {
    return link->wire != NULL && trpi_sim_wire_is_up(link->wire);
}

uint32_t trp_sim_link_dials(const trp_sim_link *link) {
    return link->dials;
}

void trp_sim_link_set_redial(trp_sim_link *link, bool redial) {
    link->redial = redial;
    if (redial && link->wire == NULL) {
        plan_dial(link);
    }
}

void trp_sim_link_set_delay(trp_sim_link *link, uint64_t min_ns, uint64_t max_ns) {
    link->options.delay_min_ns = min_ns;
    link->options.delay_max_ns = max_ns < min_ns ? min_ns : max_ns;
}

void trp_sim_link_cut(trp_sim_link *link) {
    trpi_sim_note(link->sim, link->dialler, "connection is cut");
    if (link->wire != NULL) {
        trpi_sim_wire_cut(link->wire);
    }
}

void trp_sim_link_stall(trp_sim_link *link, uint64_t ns) {
    trpi_sim_note(link->sim, link->dialler, "connection stalls");
    link->stalled_until_ns = link->sim->now_ns + ns;
}

void trp_sim_link_half_open(trp_sim_link *link, bool from_dialler) {
    trpi_sim_note(link->sim, link->dialler, "connection is half-open");
    if (link->wire != NULL) {
        trpi_sim_wire_half_open(link->wire, from_dialler ? 0 : 1);
    }
}
