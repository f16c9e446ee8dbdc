/*
 * One connection: two ends, each with a session, and a pipe from each end to the other. A pipe
 * keeps bytes whole and in order, or is dead: once one byte is lost none behind it may arrive,
 * because no stream does that.
 *
 * Sessions call transport_send and transport_close from inside the core, so these only write things
 * down; sessions are called from events and from trpi_sim_wires_settle, between steps.
 */
#include "sim_internal.h"

#include <stdlib.h>
#include <string.h>

enum { DIALLER = 0, ACCEPTOR = 1, CUT_IN_PIECES_PPM = 250000 };

/* Bytes on their way; or the news that there will be no more. */
typedef struct segment {
    struct segment *next;
    uint64_t due_ns;
    size_t length;
    bool is_end;
    int error;
    uint8_t bytes[];
} segment;

typedef struct end {
    trpi_sim_wire *wire;
    unsigned side;
    trp_sim_node *node;
    unsigned scheduler;
    trp_session *session;
    bool is_open; /* the session has not been told to close */
    trp_session_state state;

    /* The pipe to the other end. */
    segment *first;
    segment **last;
    size_t bytes; /* not yet arrived */
    uint64_t last_due_ns;
    bool is_dead;    /* nothing more arrives */
    bool is_planned; /* an event will deliver `first` */
    bool is_blocked; /* the session has been told to wait */
} end;

struct trpi_sim_wire {
    trpi_sim_wire *next;
    trp_sim_link *link;
    end ends[2];
    unsigned plans; /* events that will look at it */
};

static void plan(trp_sim *sim, end *from, uint64_t at_ns);

/* ---- pipes ---- */

static void drop_segments(end *from, size_t keep) {
    segment **at = &from->first;
    for (; keep > 0 && *at != NULL; keep--) {
        at = &(*at)->next;
    }
    segment *rest = *at;
    *at = NULL;
    from->last = at;
    while (rest != NULL) {
        segment *next = rest->next;
        free(rest);
        rest = next;
    }
}

static segment *make_segment(const void *bytes, size_t length) {
    segment *made = malloc(sizeof *made + length);
    if (made != NULL) {
        memset(made, 0, sizeof *made);
        made->length = length;
        if (length > 0) {
            memcpy(made->bytes, bytes, length);
        }
    }
    return made;
}

static void append(end *from, segment *what) {
    trp_sim_link *link = from->wire->link;
    uint64_t due = link->sim->now_ns + trpi_sim_link_delay(link);
    due = due > link->stalled_until_ns ? due : link->stalled_until_ns;
    due = due > from->last_due_ns ? due : from->last_due_ns;
    what->due_ns = due;
    from->last_due_ns = due;
    *from->last = what;
    from->last = &what->next;
    if (!from->is_planned) {
        plan(link->sim, from, due);
    }
}

/* The other end will hear that the connection is gone. */
static void append_end(end *from, int error) {
    segment *what = from->is_dead ? NULL : make_segment(NULL, 0);
    if (what != NULL) {
        what->is_end = true;
        what->error = error;
        append(from, what);
    }
    from->is_dead = true;
}

static void mix_bytes(trp_sim *sim, const uint8_t *bytes, size_t length) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    trpi_sim_mix(sim, hash);
    trpi_sim_mix(sim, length);
    trpi_sim_mix(sim, sim->now_ns);
}

/* ---- the transport of a session ---- */

static int transport_send(void *self, const void *bytes, size_t length) {
    end *from = self;
    if (!from->is_open || from->node->is_crashing) {
        return 0;
    }
    mix_bytes(from->node->sim, bytes, length);
    from->bytes += length;
    if (from->is_dead) {
        return 0; /* it waits for an acknowledgement that never comes */
    }
    segment *what = make_segment(bytes, length);
    if (what == NULL) {
        return TRP_ENOMEM;
    }
    append(from, what);
    return 0;
}

static void transport_close(void *self, int error, const char *why) {
    end *mine = self;
    (void)why;
    if (!mine->is_open) {
        return;
    }
    mine->is_open = false;
    mine->session = NULL;
    mine->state = TRP_SESSION_DOWN;
    if (!mine->node->is_crashing) {
        append_end(mine, error == 0 ? 0 : TRP_EIO);
    }
    if (mine->side == DIALLER && mine->wire->link->wire == mine->wire) {
        trpi_sim_link_lost(mine->wire->link);
    }
}

static void on_state(void *arg, trp_session *session, trp_session_state state, const char *node,
                     int error, const char *why) {
    end *mine = arg;
    trp_sim_link *link = mine->wire->link;
    (void)node;
    mine->state = state;
    if (link->options.on_state != NULL) {
        link->options.on_state(link->options.arg, mine->node, session, state, error, why);
    }
}

static int check_token(void *arg, const void *token, size_t length, uint32_t *rights) {
    const end *mine = arg;
    const trp_sim_link_options *options = &mine->wire->link->options;
    if (options->check_token != NULL) {
        return options->check_token(options->arg, token, length, rights);
    }
    if (length != options->token_length || memcmp(token, options->token, length) != 0) {
        return TRP_EAUTH;
    }
    *rights = options->dialler_rights;
    return 0;
}

/* ---- arrival ---- */

/* A stream has no borders: what was sent in one piece may come in several. */
static void deliver_bytes(trp_sim *sim, end *to, const uint8_t *bytes, size_t length) {
    while (length > 0 && to->is_open) {
        size_t piece = length;
        if (trpi_sim_chance(sim, CUT_IN_PIECES_PPM)) {
            piece = 1 + (size_t)trp_sim_random_below(sim, length);
        }
        trp_session_receive(to->session, bytes, piece);
        bytes += piece;
        length -= piece;
    }
}

static void deliver(trp_sim *sim, end *to, const segment *what) {
    if (!to->is_open) {
        return;
    }
    trpi_sim_node_touch(to->node, to->scheduler);
    trpi_sim_mix(sim, sim->now_ns);
    sim->is_inside = true;
    if (what->is_end) {
        trp_session_lost(to->session, what->error);
    } else {
        deliver_bytes(sim, to, what->bytes, what->length);
    }
    sim->is_inside = false;
}

static void arrive(trp_sim *sim, void *arg) {
    end *from = arg;
    end *to = &from->wire->ends[1 - from->side];
    uint64_t held_until = from->wire->link->stalled_until_ns;
    held_until = to->node->paused_until_ns > held_until ? to->node->paused_until_ns : held_until;
    from->is_planned = false;
    from->wire->plans--;
    if (from->first == NULL) {
        return; /* lost in the meantime */
    }
    if (held_until > sim->now_ns) {
        plan(sim, from, held_until);
        return;
    }
    segment *what = from->first;
    from->first = what->next;
    if (from->first == NULL) {
        from->last = &from->first;
    }
    from->bytes -= from->is_dead ? 0 : what->length;
    deliver(sim, to, what);
    free(what);
    if (from->first != NULL && !from->is_planned) {
        plan(sim, from, from->first->due_ns);
    }
}

/* Without memory for an event the bytes never arrive: the pipe is dead, and heartbeats find out. */
static void plan(trp_sim *sim, end *from, uint64_t at_ns) {
    if (trpi_sim_event_push(sim, at_ns, arrive, from) != 0) {
        from->is_dead = true;
        return;
    }
    from->is_planned = true;
    from->wire->plans++;
}

/* ---- making and breaking ---- */

static int open_end(trpi_sim_wire *wire, unsigned side) {
    end *mine = &wire->ends[side];
    const trp_sim_link_options *link = &wire->link->options;
    trp_transport transport = {
        .size = sizeof transport,
        .self = mine,
        .send = transport_send,
        .close = transport_close,
    };
    trp_session_options options = {
        .size = sizeof options,
        .dialler = side == DIALLER,
        .auths = 1u << (unsigned)link->auth,
        .token = side == DIALLER ? link->token : NULL,
        .token_length = side == DIALLER ? link->token_length : 0,
        .rights = side == DIALLER ? link->acceptor_rights : link->dialler_rights,
        .arg = mine,
        .check_token = check_token,
        .on_state = on_state,
    };
    trp_ctx *ctx = trp_sim_node_enter(mine->node, mine->scheduler);
    trp_session *session = NULL;
    mine->is_open = true;
    mine->node->sim->is_inside = true;
    int error = trp_session_open(ctx, &transport, &options, &session);
    mine->node->sim->is_inside = false;
    if (error != 0) {
        mine->is_open = false;
    } else if (mine->is_open) {
        mine->session = session;
    }
    return error;
}

static void init_end(trpi_sim_wire *wire, unsigned side, trp_sim_node *node) {
    end *mine = &wire->ends[side];
    mine->wire = wire;
    mine->side = side;
    mine->node = node;
    mine->scheduler = (unsigned)trp_sim_random_below(node->sim, node->config.schedulers);
    mine->last = &mine->first;
    mine->state = TRP_SESSION_HANDSHAKE;
}

int trpi_sim_wire_create(trp_sim_link *link, trpi_sim_wire **out) {
    trpi_sim_wire *wire = calloc(1, sizeof *wire);
    if (wire == NULL) {
        return TRP_ENOMEM;
    }
    wire->link = link;
    wire->next = link->sim->wires;
    link->sim->wires = wire;
    init_end(wire, DIALLER, link->dialler);
    init_end(wire, ACCEPTOR, link->acceptor);
    int error = open_end(wire, ACCEPTOR);
    if (error == 0) {
        error = open_end(wire, DIALLER);
    }
    if (error != 0) {
        append_end(&wire->ends[DIALLER], TRP_EIO);
        return error; /* and is freed when both ends know it */
    }
    *out = wire;
    return 0;
}

bool trpi_sim_wire_is_up(const trpi_sim_wire *wire) {
    for (int side = 0; side < 2; side++) {
        if (!wire->ends[side].is_open || wire->ends[side].state != TRP_SESSION_UP) {
            return false;
        }
    }
    return true;
}

/*
 * Of what is on its way a random part arrives, the last segment of it perhaps cut short; then the
 * other end hears of it.
 */
static void cut_pipe(trp_sim *sim, end *from) {
    size_t count = 0;
    for (const segment *at = from->first; at != NULL; at = at->next) {
        count++;
    }
    drop_segments(from, (size_t)trp_sim_random_below(sim, count + 1));
    segment *last = from->first;
    while (last != NULL && last->next != NULL) {
        last = last->next;
    }
    if (last != NULL && !last->is_end) {
        last->length = (size_t)trp_sim_random_below(sim, last->length + 1);
    }
    append_end(from, TRP_EIO);
}

void trpi_sim_wire_cut(trpi_sim_wire *wire) {
    for (int side = 0; side < 2; side++) {
        cut_pipe(wire->link->sim, &wire->ends[side]);
    }
}

void trpi_sim_wire_half_open(trpi_sim_wire *wire, unsigned from_end) {
    drop_segments(&wire->ends[from_end], 0);
    wire->ends[from_end].is_dead = true;
}

static void node_down(trpi_sim_wire *wire, const trp_sim_node *node, bool is_silent) {
    for (unsigned side = 0; side < 2; side++) {
        end *mine = &wire->ends[side];
        if (mine->node != node || !mine->is_open) {
            continue;
        }
        mine->is_open = false;
        mine->session = NULL;
        mine->state = TRP_SESSION_DOWN;
        if (is_silent) {
            trpi_sim_wire_half_open(wire, side);
            trpi_sim_wire_half_open(wire, 1 - side);
        } else {
            cut_pipe(node->sim, mine);
        }
        if (side == DIALLER && wire->link->wire == wire) {
            trpi_sim_link_lost(wire->link);
        }
    }
}

/* All wires, not only the newest of each link: the old ones have ends too. */
void trpi_sim_wires_node_down(trp_sim_node *node, bool is_silent) {
    for (trpi_sim_wire *wire = node->sim->wires; wire != NULL; wire = wire->next) {
        node_down(wire, node, is_silent);
    }
}

/* ---- housekeeping ---- */

static void settle_end(end *mine) {
    size_t capacity = mine->wire->link->options.capacity;
    bool should_block = mine->is_blocked ? mine->bytes > capacity / 2 : mine->bytes > capacity;
    if (mine->is_open && should_block != mine->is_blocked) {
        mine->is_blocked = should_block;
        trpi_sim_node_touch(mine->node, mine->scheduler);
        mine->node->sim->is_inside = true;
        trp_session_writable(mine->session, !should_block);
        mine->node->sim->is_inside = false;
    }
}

static void free_wire(trpi_sim_wire *wire) {
    drop_segments(&wire->ends[DIALLER], 0);
    drop_segments(&wire->ends[ACCEPTOR], 0);
    free(wire);
}

void trpi_sim_wires_settle(trp_sim *sim) {
    trpi_sim_wire **at = &sim->wires;
    while (*at != NULL) {
        trpi_sim_wire *wire = *at;
        bool is_open = wire->ends[DIALLER].is_open || wire->ends[ACCEPTOR].is_open;
        if (!is_open && wire->plans == 0 && wire->link->wire != wire) {
            *at = wire->next;
            free_wire(wire);
            continue;
        }
        settle_end(&wire->ends[DIALLER]);
        settle_end(&wire->ends[ACCEPTOR]);
        at = &wire->next;
    }
}

void trpi_sim_wires_free(trp_sim *sim) {
    while (sim->wires != NULL) {
        trpi_sim_wire *wire = sim->wires;
        sim->wires = wire->next;
        free_wire(wire);
    }
}
