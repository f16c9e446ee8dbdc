/*
 * Requests on several schedulers: handed on, made to many and for others, with deadlines that are
 * looked at and resources that ride along. Each ends once, and each resource is released once.
 */
#include "cmocka_all.h"
#include "probe.h"
#include "thread_runner.h"

#include <stdlib.h>

enum { SERVERS = 8, CLIENTS = 6, ROUNDS = 150, TARGETS = 5, WAIT_S = 60 };

enum { GO_TAG = 1, ASK_TAG = 2, FORWARDED_TAG = 3 };

typedef struct town {
    trp_pid servers[SERVERS];
    _Atomic uint32_t clients_left;
    _Atomic uint32_t odd; /* what must not happen */
    _Atomic uint64_t attached;
    _Atomic uint64_t released;
    _Atomic uint64_t replies;
} town;

static void check(town *all, bool is_good) {
    if (!is_good) {
        atomic_fetch_add(&all->odd, 1);
    }
}

static void release_thing(trp_ctx *ctx, void *resource) {
    (void)ctx;
    atomic_fetch_add(&((town *)resource)->released, 1);
}

static const trp_resource_kind thing_kind = {"thing", release_thing};

static trp_message *with_thing(trp_ctx *ctx, town *all) {
    trp_message *message = trp_message_new_bytes(ctx, NULL, 0);
    trp_message_set_tag(message, ASK_TAG);
    check(all, trp_message_attach(ctx, &message, &thing_kind, all) == 0);
    atomic_fetch_add(&all->attached, 1);
    return message;
}

static trp_pid any_server(town *all, uint64_t *seed) {
    return all->servers[fake_random_below(seed, SERVERS)];
}

/* ---- servers ---- */

typedef struct server {
    town *town;
    uint64_t seed;
    trp_message *kept;
} server;

static int server_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)ctx;
    memcpy(state, arg, sizeof(server));
    return 0;
}

static void server_handle(trp_ctx *ctx, void *state, trp_message *message) {
    server *self = state;
    if (!trp_message_is_request(message)) {
        return;
    }
    uint64_t left = trp_request_time_left(ctx, message);
    check(self->town, left == TRP_NEVER || left <= TRP_NS_PER_S);
    switch (fake_random_below(&self->seed, 6)) {
    case 0:
        trp_message_drop(ctx, self->kept);
        self->kept = trp_message_take(ctx, message);
        break;
    case 1:
        check(self->town, trp_reply_error(ctx, message, -77, "no") == 0);
        break;
    case 2:
        break; /* forgotten */
    case 3:
        check(self->town,
              trp_request_delegate(ctx, message, any_server(self->town, &self->seed)) == 0);
        break;
    default:
        check(self->town, trp_reply(ctx, message, with_thing(ctx, self->town)) == 0);
    }
}

static const trp_behaviour server_behaviour = {
    TRP_BEHAVIOUR("test.server"),
    .state_size = sizeof(server),
    .init = server_init,
    .handle = server_handle,
};

/* ---- clients ---- */

typedef struct client {
    town *town;
    uint64_t seed;
    uint32_t round;
    trp_ref ref; /* what is waited for; 0: a message with FORWARDED_TAG */
} client;

static int go_on(trp_ctx *ctx) {
    trp_message *message = trp_message_new_bytes(ctx, NULL, 0);
    trp_message_set_tag(message, GO_TAG);
    return trp_send(ctx, trp_self(ctx), message);
}

static int client_init(trp_ctx *ctx, void *state, const void *arg) {
    memcpy(state, arg, sizeof(client));
    return go_on(ctx);
}

static void ask_many(trp_ctx *ctx, client *self) {
    trp_pid targets[TARGETS];
    for (int i = 0; i < TARGETS; i++) {
        targets[i] = any_server(self->town, &self->seed);
    }
    trp_message *message = trp_message_new_bytes(ctx, NULL, 0);
    check(self->town,
          trp_request_many(ctx, targets, TARGETS, message, 5 * TRP_NS_PER_MS, &self->ref) == 0);
}

static void ask(trp_ctx *ctx, client *self) {
    town *all = self->town;
    trp_pid to = any_server(all, &self->seed);
    switch (fake_random_below(&self->seed, 4)) {
    case 0:
        check(all, trp_request(ctx, to, with_thing(ctx, all), 5 * TRP_NS_PER_MS, &self->ref) == 0);
        break;
    case 1:
        self->ref = 0;
        check(all, trp_request_forward(ctx, to, with_thing(ctx, all), 5 * TRP_NS_PER_MS,
                                       trp_self(ctx), FORWARDED_TAG) == 0);
        break;
    case 2:
        ask_many(ctx, self);
        check(all, trp_request_cancel(ctx, self->ref) == 0);
        check(all, go_on(ctx) == 0);
        break;
    default:
        ask_many(ctx, self);
    }
}

static void check_outcomes(client *self, trp_message *message) {
    for (uint32_t i = 0; i < TARGETS; i++) {
        const trp_outcome *outcome = trp_outcome_at(message, i);
        bool has_reply = trp_outcome_reply(message, i) != NULL;
        check(self->town, (outcome->code == 0) == has_reply);
        atomic_fetch_add(&self->town->replies, has_reply);
    }
}

static void client_handle(trp_ctx *ctx, void *state, trp_message *message) {
    client *self = state;
    if (trp_message_tag(message) != GO_TAG) {
        bool is_forwarded =
            trp_message_ref(message) == 0 && trp_message_tag(message) == FORWARDED_TAG;
        check(self->town, self->ref == 0 ? is_forwarded : trp_message_ref(message) == self->ref);
        if (trp_message_is(message, &trp_outcomes_type)) {
            check_outcomes(self, message);
        }
    }
    if (self->round++ < ROUNDS) {
        ask(ctx, self);
    } else if (atomic_fetch_sub(&self->town->clients_left, 1) == 1) {
        trp_runtime_stop(trp_ctx_runtime(ctx), 100 * TRP_NS_PER_MS);
    }
}

static const trp_behaviour client_behaviour = {
    TRP_BEHAVIOUR("test.client"),
    .state_size = sizeof(client),
    .init = client_init,
    .handle = client_handle,
};

static void run_town(unsigned schedulers, uint64_t seed) {
    town all = {.clients_left = CLIENTS};
    fake_host *fake = fake_create(schedulers);
    for (unsigned i = 0; i < SERVERS; i++) {
        server one = {&all, seed * 100 + i, NULL};
        trp_ctx *root = trp_runtime_enter(fake->runtime, i % schedulers);
        assert_int_equal(trp_spawn(root, &server_behaviour, &one, &all.servers[i]), 0);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        client one = {&all, seed * 100 + SERVERS + i, 0, 0};
        trp_ctx *root = trp_runtime_enter(fake->runtime, i % schedulers);
        assert_int_equal(trp_spawn(root, &client_behaviour, &one, NULL), 0);
    }
    thread_runner_join(thread_runner_start(fake, 3), WAIT_S);
    fake_destroy(fake);
    if (all.odd != 0 || all.attached != all.released) {
        fail_msg("%u odd, %llu attached, %llu released, %u schedulers, seed %llu", all.odd,
                 (unsigned long long)all.attached, (unsigned long long)all.released, schedulers,
                 (unsigned long long)seed);
    }
    assert_true(all.attached > ROUNDS && all.replies > ROUNDS / 2);
}

static void test_requests_of_all_kinds_end_once_on_threads(void **state) {
    (void)state;
    for (unsigned schedulers = 1; schedulers <= 4; schedulers++) {
        for (uint64_t seed = 1; seed <= 4; seed++) {
            run_town(schedulers, seed);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_of_all_kinds_end_once_on_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
