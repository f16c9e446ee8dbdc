/*
 * The simulation host itself: time, chance, connections and their faults, nodes that come and go,
 * and the proof that its checks can fail.
 */
#include "cmocka_all.h"
#include "sim_internal.h"
#include "troupe/troupe.h"

#include <stdlib.h>

static const uint64_t MS = TRP_NS_PER_MS;
static const uint64_t S = TRP_NS_PER_S;

/* A world of two nodes with a server on one and a client on the other. */
typedef struct world {
    trp_sim *sim;
    trp_sim_node *server;
    trp_sim_node *client;
    trp_sim_link *link;
    trp_pid asker;
    uint32_t replies;
    uint32_t errors;
    int last_error;
    uint32_t ticks;
    uint64_t last_tick_ns;
    uint32_t states[5];
    uint32_t logs;
} world;

static void serve(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    if (trp_message_is_request(message)) {
        trp_message *copy = trp_message_copy(ctx, message);
        (void)trp_reply(ctx, message, copy);
    }
}

static const trp_behaviour server_behaviour = {TRP_BEHAVIOUR("sim.server"), .handle = serve};

static int boot_server(trp_sim_node *node, trp_ctx *root, void *arg) {
    (void)node;
    (void)arg;
    trp_spawn_options options = {.size = sizeof options, .name = "echo"};
    return trp_spawn_opt(root, &server_behaviour, NULL, &options, NULL, NULL);
}

/* Asks the server every 20 ms. */
static int ask_init(trp_ctx *ctx, void *state, const void *arg) {
    memcpy(state, arg, sizeof(world *));
    return trp_interval(ctx, 20 * MS, 1, NULL);
}

static void ask(trp_ctx *ctx, void *state, trp_message *message) {
    world *all;
    memcpy(&all, state, sizeof all);
    if (trp_message_is(message, &trp_timeout_type)) {
        trp_pid echo;
        trp_ref ref;
        all->ticks++;
        all->last_tick_ns = trp_now_ns(ctx);
        assert_int_equal(trp_remote_name(ctx, "server", "echo", &echo), 0);
        assert_int_equal(trp_request(ctx, echo, trp_message_new_bytes(ctx, "hello", 5), S, &ref),
                         0);
    } else if (trp_message_is(message, &trp_request_error_type)) {
        const trp_request_error *error = trp_message_body(message);
        all->errors++;
        all->last_error = error->code;
    } else {
        assert_memory_equal(trp_message_body(message), "hello", 5);
        all->replies++;
    }
}

static const trp_behaviour ask_behaviour = {
    TRP_BEHAVIOUR("sim.client"),
    .state_size = sizeof(world *),
    .init = ask_init,
    .handle = ask,
};

static int boot_client(trp_sim_node *node, trp_ctx *root, void *arg) {
    (void)node;
    world *all = arg;
    return trp_spawn(root, &ask_behaviour, &all, &all->asker);
}

static void note_state(void *arg, trp_sim_node *end, trp_session *session, trp_session_state state,
                       int error, const char *why) {
    world *all = arg;
    (void)end;
    (void)session;
    (void)error;
    (void)why;
    all->states[state]++;
}

static void print_log(void *arg, uint64_t now_ns, const trp_sim_node *node, int level,
                      const char *who, const char *text) {
    world *all = arg;
    (void)level;
    (void)now_ns;
    (void)node;
    (void)who;
    (void)text;
    all->logs++;
}

static void make_world(world *all, uint64_t seed, unsigned schedulers) {
    memset(all, 0, sizeof *all);
    all->sim = trp_sim_create(seed);
    assert_non_null(all->sim);
    trp_sim_on_log(all->sim, print_log, all);
    trp_sim_node_config config = {
        .size = sizeof config,
        .name = "server",
        .schedulers = schedulers,
        .boot = boot_server,
        .arg = all,
    };
    assert_int_equal(trp_sim_node_create(all->sim, &config, &all->server), 0);
    config.name = "client";
    config.boot = boot_client;
    assert_int_equal(trp_sim_node_create(all->sim, &config, &all->client), 0);
    trp_sim_link_options options = {.size = sizeof options, .on_state = note_state, .arg = all};
    assert_int_equal(trp_sim_connect(all->sim, all->client, all->server, &options, &all->link), 0);
}

static void end_world(world *all) {
    assert_int_equal(trp_sim_destroy(all->sim), 0);
}

static void test_nodes_connect_and_talk(void **state) {
    (void)state;
    for (unsigned schedulers = 1; schedulers <= 3; schedulers++) {
        world all;
        make_world(&all, 7, schedulers);
        trp_sim_run_for(all.sim, 2 * S);
        assert_true(trp_sim_link_is_up(all.link));
        assert_int_equal(trp_sim_link_dials(all.link), 1);
        assert_int_equal(all.states[TRP_SESSION_UP], 2);
        assert_in_range(all.replies, 80, 100);
        assert_true(all.errors < 5); /* before the connection stood */
        end_world(&all);
    }
}

static uint64_t hash_of(uint64_t seed, unsigned schedulers) {
    world all;
    make_world(&all, seed, schedulers);
    trp_sim_faults faults = trp_sim_faults_draw(all.sim);
    trp_sim_set_faults(all.sim, &faults);
    trp_sim_run_for(all.sim, 10 * S);
    uint64_t hash = trp_sim_trace_hash(all.sim);
    end_world(&all);
    return hash;
}

static void test_same_seed_gives_the_same_hash(void **state) {
    (void)state;
    uint64_t last = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t hash = hash_of(seed, 1 + (unsigned)(seed % 3));
        assert_true(hash == hash_of(seed, 1 + (unsigned)(seed % 3)));
        assert_true(hash != last);
        last = hash;
    }
}

static void test_time_is_virtual_and_exact(void **state) {
    (void)state;
    world all;
    make_world(&all, 1, 1);
    assert_true(trp_sim_now(all.sim) == S);
    trp_sim_run_until(all.sim, 1001 * S);
    assert_true(trp_sim_now(all.sim) >= 1001 * S);
    assert_true(trp_sim_now(all.sim) < 1001 * S + MS);
    assert_in_range(all.ticks, 45000, 50000); /* one every 20 ms, on a wheel of 1 ms */
    end_world(&all);
}

static void test_cut_connection_is_dialled_again(void **state) {
    (void)state;
    world all;
    make_world(&all, 3, 1);
    trp_sim_run_for(all.sim, S);
    trp_sim_link_cut(all.link);
    trp_sim_run_for(all.sim, 50 * MS);
    assert_false(trp_sim_link_is_up(all.link));
    assert_int_equal(all.states[TRP_SESSION_DOWN], 2);
    trp_sim_run_for(all.sim, S);
    assert_true(trp_sim_link_is_up(all.link));
    assert_int_equal(trp_sim_link_dials(all.link), 2);
    assert_true(all.errors > 0);
    assert_int_equal(all.last_error, TRP_ENOCONNECTION);
    uint32_t before = all.replies;
    trp_sim_run_for(all.sim, S);
    assert_true(all.replies > before + 40);
    end_world(&all);
}

static void test_redial_can_be_switched_off(void **state) {
    (void)state;
    world all;
    make_world(&all, 3, 1);
    trp_sim_run_for(all.sim, S);
    trp_sim_link_set_redial(all.link, false);
    trp_sim_link_cut(all.link);
    trp_sim_run_for(all.sim, 5 * S);
    assert_false(trp_sim_link_is_up(all.link));
    assert_int_equal(trp_sim_link_dials(all.link), 1);
    trp_sim_link_set_redial(all.link, true);
    trp_sim_run_for(all.sim, S);
    assert_true(trp_sim_link_is_up(all.link));
    end_world(&all);
}

static void test_stall_delays_and_loses_nothing(void **state) {
    (void)state;
    world all;
    make_world(&all, 4, 1);
    trp_sim_run_for(all.sim, S);
    uint32_t replies = all.replies;
    trp_sim_link_stall(all.link, 500 * MS);
    trp_sim_run_for(all.sim, 400 * MS);
    assert_true(all.replies <= replies + 1);
    trp_sim_run_for(all.sim, 600 * MS);
    assert_true(all.replies + 3 >= all.ticks - all.errors);
    assert_true(all.replies > replies + 40);
    assert_int_equal(trp_sim_link_dials(all.link), 1);
    end_world(&all);
}

static void half_open_is_found_out(bool from_dialler, bool from_acceptor) {
    world all;
    make_world(&all, 5, 1);
    trp_sim_run_for(all.sim, S);
    if (from_dialler) {
        trp_sim_link_half_open(all.link, true);
    }
    if (from_acceptor) {
        trp_sim_link_half_open(all.link, false);
    }
    assert_true(trp_sim_link_is_up(all.link)); /* nobody is told */
    uint32_t replies = all.replies;
    trp_sim_run_for(all.sim, 500 * MS);
    assert_true(all.replies <= replies + 2);
    trp_sim_run_for(all.sim, 10 * S); /* heartbeat 1 s, patience 2 s */
    assert_true(all.states[TRP_SESSION_SUSPECT] > 0);
    assert_int_equal(trp_sim_link_dials(all.link), 2);
    assert_true(trp_sim_link_is_up(all.link));
    assert_true(all.replies > replies + 200);
    end_world(&all);
}

static void test_half_open_connection_is_found_out(void **state) {
    (void)state;
    half_open_is_found_out(true, false);
    half_open_is_found_out(false, true);
    half_open_is_found_out(true, true);
}

static void test_crashed_node_starts_again_as_another(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) { /* noticed and unnoticed crashes */
        world all;
        make_world(&all, seed, 1);
        trp_sim_run_for(all.sim, S);
        trp_sim_node_crash(all.server);
        assert_false(trp_sim_node_is_up(all.server));
        assert_null(trp_sim_node_runtime(all.server));
        assert_null(trp_sim_node_enter(all.server, 0));
        trp_sim_run_for(all.sim, S);
        uint32_t replies = all.replies;
        trp_sim_run_for(all.sim, S);
        assert_int_equal(all.replies, replies);
        assert_int_equal(trp_sim_node_start(all.server), 0);
        assert_int_equal(trp_sim_node_start(all.server), TRP_ESTATE);
        assert_int_equal(trp_sim_node_starts(all.server), 2);
        trp_sim_run_for(all.sim, 8 * S);
        assert_true(trp_sim_link_is_up(all.link));
        assert_true(all.replies > replies + 100);
        end_world(&all);
    }
}

static void crash_self(trp_ctx *ctx, void *state, trp_message *message) {
    (void)ctx;
    (void)message;
    trp_sim_node *node;
    memcpy(&node, state, sizeof node);
    trp_sim_node_crash(node);
    assert_true(trp_sim_node_is_up(node)); /* takes effect after the step */
}

static int take_node(trp_ctx *ctx, void *state, const void *arg) {
    memcpy(state, arg, sizeof(trp_sim_node *));
    return trp_timer(ctx, 100 * MS, 1, NULL);
}

static const trp_behaviour crash_behaviour = {
    TRP_BEHAVIOUR("sim.crasher"),
    .state_size = sizeof(trp_sim_node *),
    .init = take_node,
    .handle = crash_self,
};

static void test_actor_can_crash_its_node(void **state) {
    (void)state;
    world all;
    make_world(&all, 2, 2);
    trp_ctx *root = trp_sim_node_enter(all.server, 1);
    assert_int_equal(trp_spawn(root, &crash_behaviour, &all.server, NULL), 0);
    trp_sim_run_for(all.sim, S);
    assert_false(trp_sim_node_is_up(all.server));
    end_world(&all);
}

static void test_node_can_stop_in_good_order(void **state) {
    (void)state;
    world all;
    make_world(&all, 9, 2);
    trp_sim_run_for(all.sim, S);
    trp_sim_node_stop(all.server, S);
    trp_sim_run_for(all.sim, 500 * MS);
    assert_false(trp_sim_node_is_up(all.server));
    assert_true(all.states[TRP_SESSION_DOWN] >= 1);
    end_world(&all);
}

static void test_paused_node_does_nothing_and_catches_up(void **state) {
    (void)state;
    world all;
    make_world(&all, 8, 1);
    trp_sim_run_for(all.sim, S);
    uint32_t ticks = all.ticks;
    trp_sim_node_pause(all.client, 500 * MS);
    trp_sim_run_for(all.sim, 490 * MS);
    assert_int_equal(all.ticks, ticks);
    trp_sim_run_for(all.sim, 500 * MS);
    assert_true(all.ticks > ticks + 20);
    assert_int_equal(trp_sim_link_dials(all.link), 1);
    end_world(&all);
}

static void test_wrong_cookie_never_connects(void **state) {
    (void)state;
    trp_sim *sim = trp_sim_create(1);
    trp_sim_node *a;
    trp_sim_node *b;
    trp_sim_link *link;
    trp_sim_node_config config = {.size = sizeof config, .name = "a"};
    assert_int_equal(trp_sim_node_create(sim, &config, &a), 0);
    config.name = "b";
    config.cookie = "another cookie, sixteen bytes and more";
    config.cookie_length = 30;
    assert_int_equal(trp_sim_node_create(sim, &config, &b), 0);
    assert_int_equal(trp_sim_connect(sim, a, b, NULL, &link), 0);
    for (int i = 0; i < 200; i++) {
        trp_sim_run_for(sim, 10 * MS);
        assert_false(trp_sim_link_is_up(link));
    }
    assert_true(trp_sim_link_dials(link) > 3);
    assert_int_equal(trp_sim_destroy(sim), 0);
}

/* With `is_good` false the acceptor's application refuses the token. */
static int refuse(void *arg, const void *token, size_t length, uint32_t *rights) {
    (void)arg;
    (void)token;
    (void)length;
    (void)rights;
    return TRP_EAUTH;
}

static void connect_with_token(bool is_good) {
    trp_sim *sim = trp_sim_create(1);
    trp_sim_node *a;
    trp_sim_node *b;
    trp_sim_link *link;
    trp_sim_node_config config = {.size = sizeof config, .name = "page"};
    assert_int_equal(trp_sim_node_create(sim, &config, &a), 0);
    config.name = "server";
    assert_int_equal(trp_sim_node_create(sim, &config, &b), 0);
    trp_sim_link_options options = {
        .size = sizeof options,
        .auth = TRP_AUTH_TOKEN,
        .dialler_rights = TRP_RIGHTS_GUEST,
        .token = "let me in",
        .token_length = 9,
        .check_token = is_good ? NULL : refuse,
    };
    assert_int_equal(trp_sim_connect(sim, a, b, &options, &link), 0);
    trp_sim_run_for(sim, S);
    assert_int_equal(trp_sim_link_is_up(link), is_good);
    assert_int_equal(trp_sim_destroy(sim), 0);
}

static void test_token_lets_a_guest_in(void **state) {
    (void)state;
    connect_with_token(true);
}

static void test_refused_token_keeps_a_guest_out(void **state) {
    (void)state;
    connect_with_token(false);
}

static void test_bad_configurations_are_refused(void **state) {
    (void)state;
    trp_sim *sim = trp_sim_create(1);
    trp_sim_node *node = NULL;
    trp_sim_node_config config = {.size = sizeof config};
    assert_int_equal(trp_sim_node_create(sim, &config, &node), TRP_EINVAL);
    config.name = "a name with blanks";
    assert_int_equal(trp_sim_node_create(sim, &config, &node), TRP_EINVAL);
    config.name = "good";
    config.schedulers = TRP_SCHEDULERS_MAX + 1;
    assert_int_equal(trp_sim_node_create(sim, &config, &node), TRP_EINVAL);
    assert_null(node);
    assert_int_equal(trp_sim_destroy(sim), 0);
    assert_int_equal(trp_sim_destroy(NULL), 0);
}

static int fail_to_boot(trp_sim_node *node, trp_ctx *root, void *arg) {
    (void)node;
    (void)root;
    (void)arg;
    return -77;
}

static void test_failed_boot_fails_the_node(void **state) {
    (void)state;
    trp_sim *sim = trp_sim_create(1);
    trp_sim_node *node = NULL;
    trp_sim_node_config config = {.size = sizeof config, .name = "a", .boot = fail_to_boot};
    assert_int_equal(trp_sim_node_create(sim, &config, &node), -77);
    assert_null(node);
    assert_int_equal(trp_sim_destroy(sim), 0);
}

static bool has_ten_replies(void *arg) {
    const world *all = arg;
    return all->replies >= 10;
}

static bool is_never(void *arg) {
    (void)arg;
    return false;
}

static void test_run_ends_when_the_predicate_is_true(void **state) {
    (void)state;
    world all;
    make_world(&all, 6, 1);
    assert_true(trp_sim_run_while_false(all.sim, has_ten_replies, &all, 10 * S));
    assert_int_equal(all.replies, 10);
    assert_false(trp_sim_run_while_false(all.sim, is_never, &all, S));
    end_world(&all);
}

static void count_call(trp_sim *sim, void *arg) {
    (void)sim;
    ++*(uint32_t *)arg;
}

static void test_calls_happen_at_their_time(void **state) {
    (void)state;
    trp_sim *sim = trp_sim_create(1);
    uint32_t calls = 0;
    for (uint64_t i = 0; i < 100; i++) {
        uint64_t at = 2 * S + trp_sim_random_below(sim, 10 * S);
        assert_int_equal(trp_sim_at(sim, at, count_call, &calls), 0);
    }
    trp_sim_run_until(sim, 2 * S);
    assert_int_equal(calls, 0);
    trp_sim_run_until(sim, 13 * S);
    assert_int_equal(calls, 100);
    assert_int_equal(trp_sim_destroy(sim), 0);
}

/* The checks can fail. */

static void test_leak_is_reported(void **state) {
    (void)state;
    world all;
    make_world(&all, 1, 1);
    trp_host host;
    trpi_sim_host_fill(all.server, &host);
    void *leak = host.realloc(host.self, NULL, 0, 123);
    uint64_t leaked = trp_sim_destroy(all.sim);
    assert_int_equal(leaked, 123);
    free((char *)leak - 16);
}

/* An actor that gives work away every 10 ms, on a node that crashes. */
typedef struct works {
    unsigned given;
    unsigned runs;
    unsigned told;
    unsigned discarded;
} works;

static int run_work(void *arg) {
    ((works *)arg)->runs++;
    return 7;
}

static void discard_work(void *arg) {
    ((works *)arg)->discarded++;
}

static int give_init(trp_ctx *ctx, void *state, const void *arg) {
    memcpy(state, arg, sizeof(works *));
    return trp_interval(ctx, 10 * MS, 1, NULL);
}

static void give(trp_ctx *ctx, void *state, trp_message *message) {
    works *all;
    memcpy(&all, state, sizeof all);
    if (trp_message_is(message, &trp_timeout_type)) {
        trp_work work = {sizeof work, run_work, all, discard_work};
        assert_int_equal(trp_offload(ctx, &work, NULL), 0);
        all->given++;
    } else {
        const trp_offloaded *offloaded = trp_message_as(message, &trp_offloaded_type);
        assert_non_null(offloaded);
        assert_int_equal(offloaded->result, 7);
        all->told++;
    }
}

static const trp_behaviour give_behaviour = {
    TRP_BEHAVIOUR("sim.giver"),
    .state_size = sizeof(works *),
    .init = give_init,
    .handle = give,
};

static int boot_giver(trp_sim_node *node, trp_ctx *root, void *arg) {
    (void)node;
    return trp_spawn(root, &give_behaviour, &arg, NULL);
}

static void test_work_takes_time_and_ends_in_one_place(void **state) {
    (void)state;
    uint64_t hashes[2];
    for (int i = 0; i < 2; i++) {
        works all = {0};
        trp_sim *sim = trp_sim_create(5);
        trp_sim_node_config config = {
            .size = sizeof config, .name = "giver", .boot = boot_giver, .arg = &all};
        trp_sim_node *node;
        assert_int_equal(trp_sim_node_create(sim, &config, &node), 0);
        trp_sim_run_for(sim, S);
        assert_in_range(all.given, 80, 100);
        assert_in_range(all.told, all.given - 5, all.given);
        trp_sim_node_crash(node);
        assert_int_equal(all.told + all.discarded, all.given);
        assert_int_equal(trp_sim_node_start(node), 0);
        trp_sim_run_for(sim, S);
        trp_sim_node_stop(node, S);
        trp_sim_run_for(sim, S);
        assert_false(trp_sim_node_is_up(node));
        assert_int_equal(all.told + all.discarded, all.given);
        assert_in_range(all.runs, all.told, all.given);
        assert_int_equal(trp_sim_node_start(node), 0);
        trp_sim_run_for(sim, 105 * MS);
        hashes[i] = trp_sim_trace_hash(sim);
        assert_int_equal(trp_sim_destroy(sim), 0);
    }
    assert_true(hashes[0] == hashes[1]);
}

static void test_hash_sees_one_byte(void **state) {
    (void)state;
    uint64_t hashes[2];
    for (int i = 0; i < 2; i++) {
        world all;
        make_world(&all, 1, 1);
        trp_sim_run_for(all.sim, S);
        trp_sim_node_crash(i == 0 ? all.server : all.client);
        hashes[i] = trp_sim_trace_hash(all.sim);
        end_world(&all);
    }
    assert_true(hashes[0] != hashes[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nodes_connect_and_talk),
        cmocka_unit_test(test_same_seed_gives_the_same_hash),
        cmocka_unit_test(test_time_is_virtual_and_exact),
        cmocka_unit_test(test_cut_connection_is_dialled_again),
        cmocka_unit_test(test_redial_can_be_switched_off),
        cmocka_unit_test(test_stall_delays_and_loses_nothing),
        cmocka_unit_test(test_half_open_connection_is_found_out),
        cmocka_unit_test(test_crashed_node_starts_again_as_another),
        cmocka_unit_test(test_actor_can_crash_its_node),
        cmocka_unit_test(test_node_can_stop_in_good_order),
        cmocka_unit_test(test_paused_node_does_nothing_and_catches_up),
        cmocka_unit_test(test_wrong_cookie_never_connects),
        cmocka_unit_test(test_token_lets_a_guest_in),
        cmocka_unit_test(test_refused_token_keeps_a_guest_out),
        cmocka_unit_test(test_bad_configurations_are_refused),
        cmocka_unit_test(test_failed_boot_fails_the_node),
        cmocka_unit_test(test_run_ends_when_the_predicate_is_true),
        cmocka_unit_test(test_calls_happen_at_their_time),
        cmocka_unit_test(test_leak_is_reported),
        cmocka_unit_test(test_work_takes_time_and_ends_in_one_place),
        cmocka_unit_test(test_hash_sees_one_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
