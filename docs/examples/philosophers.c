/*
 * Dining philosophers. Between each two of them lies one fork, and who eats needs both. A fork is an
 * actor: while it is in use it keeps the request of the neighbour, and answers when it is put back.
 *
 * They never wait for each other in a circle, because each takes the fork with the lower number
 * first; and nobody starves, because a fork that is put back goes to whoever waits for it.
 */
#include "philosophers.h"

enum { TAKE = 1, PUT = 2, GUESTS_MAX = 16 };

TRP_TYPE_DEFINE(dinner, "example.Dinner", DINNER_FIELDS)

/* ---- a fork ---- */

typedef struct dining_fork {
    bool is_taken;
    trp_message *neighbour; /* the request of who waits for it */
} dining_fork;

static void fork_handle(trp_ctx *ctx, void *state, trp_message *message) {
    dining_fork *self = state;
    if (trp_message_tag(message) == TAKE && self->is_taken) {
        self->neighbour = trp_message_take(ctx, message);
    } else if (trp_message_tag(message) == TAKE) {
        self->is_taken = true;
        trp_reply(ctx, message, trp_message_new_tag(ctx, TAKE));
    } else if (self->neighbour != NULL) {
        trp_reply(ctx, self->neighbour, trp_message_new_tag(ctx, TAKE));
        trp_message_drop(ctx, self->neighbour);
        self->neighbour = NULL;
    } else {
        self->is_taken = false;
    }
}

static const trp_behaviour fork_behaviour = {
    TRP_BEHAVIOUR("example.fork"),
    .state_size = sizeof(dining_fork),
    .handle = fork_handle,
};

/* ---- a philosopher ---- */

typedef struct philosopher {
    trp_pid forks[2]; /* in the order of taking */
    uint32_t seat;
    uint32_t meals;
    uint64_t random;
} philosopher;

static int spend_time(trp_ctx *ctx, philosopher *self, const char *doing) {
    trp_logf(ctx, TRP_LOG_DEBUG, "seat %u %s", (unsigned)self->seat, doing);
    self->random = self->random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return trp_sleep(ctx, self->random >> 41); /* up to 8 ms */
}

static int take(trp_ctx *ctx, trp_pid its_fork) {
    trp_message *reply;
    return trp_call(ctx, its_fork, trp_message_new_tag(ctx, TAKE), TRP_NEVER, &reply);
}

static int dine(trp_ctx *ctx, void *arg) {
    philosopher *self = arg;
    int error = 0;
    for (uint32_t i = 0; i < self->meals && error == 0; i++) {
        error = spend_time(ctx, self, "thinks");
        error = error ? error : take(ctx, self->forks[0]);
        error = error ? error : trp_sleep(ctx, TRP_NS_PER_MS); /* a deadlock has its chance */
        error = error ? error : take(ctx, self->forks[1]);
        error = error ? error : spend_time(ctx, self, "eats");
        trp_logf(ctx, TRP_LOG_DEBUG, "seat %u is done", (unsigned)self->seat);
        trp_send(ctx, self->forks[0], trp_message_new_tag(ctx, PUT));
        trp_send(ctx, self->forks[1], trp_message_new_tag(ctx, PUT));
    }
    return error;
}

static const trp_routine philosopher_routine = {
    TRP_ROUTINE("example.philosopher", dine, sizeof(philosopher)),
};

/* ---- the table ---- */

/* All are linked to the table: should one fail, nobody waits for ever for what it held. */
static int seat_all(trp_ctx *ctx, const dinner *given, trp_pid *forks, trp_pid *guests) {
    const trp_spawn_options linked = {.size = sizeof linked, .link = true};
    int error = given->guests < 2 || given->guests > GUESTS_MAX ? TRP_EINVAL : 0;
    for (uint32_t i = 0; i < given->guests && error == 0; i++) {
        error = trp_spawn_opt(ctx, &fork_behaviour, NULL, &linked, &forks[i], NULL);
    }
    for (uint32_t i = 0; i < given->guests && error == 0; i++) {
        uint32_t other = (i + 1) % given->guests;
        philosopher who = {.seat = i, .meals = given->meals, .random = given->seed + i};
        who.forks[0] = forks[i < other ? i : other];
        who.forks[1] = forks[i < other ? other : i];
        error = trp_spawn_opt(ctx, &philosopher_routine.behaviour, &who, &linked, &guests[i], NULL);
    }
    return error;
}

static int host_dinner(trp_ctx *ctx, void *arg) {
    const dinner *given = arg;
    const trp_exit closing = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, "all have eaten");
    trp_pid forks[GUESTS_MAX], guests[GUESTS_MAX];
    int error = seat_all(ctx, given, forks, guests);
    for (uint32_t i = 0; i < given->guests && error == 0; i++) {
        error = trp_join(ctx, guests[i], TRP_NEVER, NULL);
    }
    for (uint32_t i = 0; i < given->guests && error == 0; i++) {
        error = trp_stop(ctx, forks[i], &closing);
    }
    return error;
}

const trp_routine dining_table = {
    TRP_ROUTINE("example.dining_table", host_dinner, sizeof(dinner)),
    .behaviour.arg_type = &dinner_type,
};
