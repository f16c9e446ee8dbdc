/*
 * The calls of node.h themselves: what they refuse, what they bound, and what they do without memory.
 */
#include "cmocka_all.h"
#include "node_fixture.h"

#include <stdio.h>
#include <stdlib.h>

enum { A, B };

static const char LONG_NAME[] = "0123456789012345678901234567890123456789012345678901234567890123";

static int send_nowhere(void *self, const void *bytes, size_t length) {
    (void)self;
    (void)bytes;
    (void)length;
    return 0;
}

static void close_nowhere(void *self, int error, const char *why) {
    (void)error;
    (void)why;
    ++*(unsigned *)self;
}

static void test_bad_configs_are_refused(void **state) {
    (void)state;
    fake_host *host = fake_create(1);
    static const char cookie[] = "0123456789abcdef";
    trp_node_config bad[] = {
        {.name = NULL},
        {.name = ""},
        {.name = "two words"},
        {.name = LONG_NAME},
        {.name = "n\xc3\xa4me"},
        {.name = "ok", .cookie = cookie, .cookie_length = 15},
        {.name = "ok", .cookie = cookie, .cookie_length = 0},
        {.name = "ok", .message_max = UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bad[i].size = sizeof bad[i];
        assert_int_equal(trp_node_start(host->runtime, &bad[i]), TRP_EINVAL);
    }
    trp_node_config good = {.size = sizeof good, .name = LONG_NAME + 1};
    host->entropy_error = TRP_EIO;
    assert_int_equal(trp_node_start(host->runtime, &good), TRP_EIO);
    host->entropy_error = 0;
    assert_int_equal(trp_node_start(host->runtime, &good), 0);
    assert_int_equal(trp_node_start(host->runtime, &good), TRP_ESTATE);
    fake_destroy(host);
}

static int parse(fake_host *host, const char *text, trp_pid *pid) {
    return trp_pid_parse_global(host->runtime, text, strlen(text), pid);
}

static void test_nothing_works_before_the_start(void **state) {
    (void)state;
    fake_host *host = fake_create(1);
    trp_transport transport = {sizeof transport, NULL, send_nowhere, close_nowhere};
    trp_session_options options = {.size = sizeof options, .auths = 1u << TRP_AUTH_INHERITED};
    trp_session *session;
    trp_pid pid;
    trp_ctx *ctx = fake_root(host);
    assert_int_equal(trp_session_open(ctx, &transport, &options, &session), TRP_ESTATE);
    assert_int_equal(trp_node_expose(host->runtime, "x"), TRP_ESTATE);
    assert_int_equal(trp_remote_name(ctx, "n", "x", &pid), TRP_ESTATE);
    assert_null(trp_node_name(host->runtime, (trp_pid){0, 0, 0, 1}));
    assert_int_equal(parse(host, "<n#0000000000000001/2.3>", &pid), TRP_ENOCONNECTION);
    assert_int_equal(probe_send(ctx, (trp_pid){1, 1, 1, 1}, 0), TRP_ENOCONNECTION);
    fake_destroy(host);
}

static void test_bad_names_are_refused(void **state) {
    (void)state;
    net n = {0};
    net_node(&n, "alpha");
    trp_ctx *ctx = fake_root(n.hosts[A]);
    char name[200];
    trp_pid pid;
    memset(name, 'x', sizeof name);
    name[128] = '\0';
    assert_int_equal(trp_remote_name(ctx, "", "x", &pid), TRP_EINVAL);
    assert_int_equal(trp_remote_name(ctx, "n", "", &pid), TRP_EINVAL);
    assert_int_equal(trp_remote_name(ctx, "n", name, &pid), TRP_EINVAL);
    assert_int_equal(trp_remote_name(ctx, LONG_NAME, "x", &pid), TRP_EINVAL);
    assert_int_equal(trp_node_expose(n.hosts[A]->runtime, ""), TRP_EINVAL);
    assert_int_equal(trp_node_expose(n.hosts[A]->runtime, NULL), TRP_EINVAL);
    assert_int_equal(trp_node_expose(n.hosts[A]->runtime, name), TRP_EINVAL);
    name[127] = '\0';
    assert_int_equal(trp_remote_name(ctx, LONG_NAME + 1, name, &pid), 0);
    assert_string_equal(trp_node_name(n.hosts[A]->runtime, pid), LONG_NAME + 1);
    assert_int_equal(trp_node_expose(n.hosts[A]->runtime, name), 0);
    pid.index++;
    assert_null(trp_node_name(n.hosts[A]->runtime, pid));
    assert_int_equal(probe_send(ctx, pid, 0), TRP_ENOCONNECTION);
    assert_null(trp_node_name(n.hosts[A]->runtime, (trp_pid){7, 7, 7, 7}));
    net_destroy(&n);
}

static void test_texts_that_are_no_pid_are_refused(void **state) {
    static const char *const bad[] = {
        "",
        "<",
        "<n#0000000000000001/2.3",
        "<n#0000000000000001/2.3>>",
        "<n#0000000000000001/2.0>",
        "<n#0000000000000001/2/2.3>",
        "<n#000000000000001/2.3>",
        "<n#00000000000000001/2.3>",
        "<n#000000000000000G/2.3>",
        "<#0000000000000001/2.3>",
        "<a b#0000000000000001/2.3>",
        "<n#0000000000000001/02.3>",
        "<n#0000000000000001/2.99999999999>",
        "<n#0000000000000001/none>",
        "<2.3>",
    };
    (void)state;
    net n = {0};
    net_node(&n, "alpha");
    trp_pid pid;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (parse(n.hosts[A], bad[i], &pid) != TRP_EDECODE) {
            fail_msg("`%s` was taken for a pid", bad[i]);
        }
    }
    assert_int_equal(parse(n.hosts[A], "<n##0000000000000001/2.3>", &pid), TRP_ENOCONNECTION);
    net_destroy(&n);
}

static void test_bad_options_are_refused(void **state) {
    (void)state;
    net n = {0};
    trp_node_config config = {.cookie = NULL};
    net_node_with(&n, "alpha", &config);
    net_node(&n, "beta");
    unsigned closed = 0;
    trp_transport transport = {sizeof transport, &closed, send_nowhere, close_nowhere};
    const struct {
        unsigned node;
        int error;
        trp_session_options options;
    } all[] = {
        {A, TRP_EINVAL, {.auths = 0}},
        {A, TRP_EINVAL, {.auths = 1}},
        {A, TRP_EINVAL, {.auths = 1u << 9}},
        {A, TRP_EINVAL, {.auths = 1u << TRP_AUTH_COOKIE}}, /* this node has none */
        {B, TRP_EINVAL, {.auths = 1u << TRP_AUTH_TOKEN}},  /* nobody to check it */
        {B, TRP_EINVAL, {.auths = 14, .dialler = true}},
        {B,
         TRP_EINVAL,
         {.auths = 1u << TRP_AUTH_TOKEN, .dialler = true, .token = LONG_NAME, .token_length = 513}},
        {B, TRP_EINVAL, {.auths = 1u << TRP_AUTH_TOKEN, .dialler = true, .token_length = 3}},
    };
    trp_session *session;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        trp_session_options options = all[i].options;
        options.size = sizeof options;
        assert_int_equal(
            trp_session_open(fake_root(n.hosts[all[i].node]), &transport, &options, &session),
            all[i].error);
    }
    trp_session_options good = {.size = sizeof good, .auths = 1u << TRP_AUTH_INHERITED};
    trp_transport half = {sizeof half, &closed, send_nowhere, NULL};
    assert_int_equal(trp_session_open(fake_root(n.hosts[A]), &half, &good, &session), TRP_EINVAL);
    assert_int_equal(closed, 0);
    assert_int_equal(trp_session_open(fake_root(n.hosts[A]), &transport, &good, &session), 0);
    net_destroy(&n);
    assert_int_equal(closed, 1);
}

static void test_cookie_needs_a_host_with_hmac(void **state) {
    (void)state;
    fake_host *host = malloc(sizeof *host);
    assert_non_null(host);
    fake_init(host);
    host->table.hmac_sha256 = NULL;
    assert_int_equal(fake_start(host, NULL), 0);
    trp_node_config config = {
        .size = sizeof config, .name = "page", .cookie = LONG_NAME, .cookie_length = 20};
    assert_int_equal(trp_node_start(host->runtime, &config), 0);
    trp_transport transport = {sizeof transport, NULL, send_nowhere, close_nowhere};
    trp_session_options options = {
        .size = sizeof options, .auths = 1u << TRP_AUTH_COOKIE, .dialler = true};
    trp_session *session;
    assert_int_equal(trp_session_open(fake_root(host), &transport, &options, &session),
                     TRP_ENOTSUP);
    fake_destroy(host);
}

static void test_sessions_are_bounded(void **state) {
    (void)state;
    net n = {0};
    trp_node_config config = {.sessions_max = 3};
    net_node_with(&n, "alpha", &config);
    unsigned closed = 0;
    trp_transport transport = {sizeof transport, &closed, send_nowhere, close_nowhere};
    trp_session_options options = {.size = sizeof options, .auths = 1u << TRP_AUTH_INHERITED};
    trp_session *session = NULL;
    trp_ctx *ctx = fake_root(n.hosts[A]);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(trp_session_open(ctx, &transport, &options, &session), 0);
    }
    trp_session *fourth;
    assert_int_equal(trp_session_open(ctx, &transport, &options, &fourth), TRP_ELIMIT);
    trp_session_lost(session, 0);
    net_run(&n);
    assert_int_equal(closed, 1);
    assert_int_equal(trp_session_open(ctx, &transport, &options, &fourth), 0);
    /* Those that never speak are given up. */
    net_advance(&n, 11 * TRP_NS_PER_S);
    assert_int_equal(closed, 4);
    net_destroy(&n);
}

/* Hundreds of guests come and go: the table of nodes stays bounded. */
static void test_nodes_that_are_gone_are_forgotten(void **state) {
    (void)state;
    net n = {.token = "t"};
    net_node(&n, "server");
    uint64_t before = 0;
    for (unsigned i = 0; i < 3000; i++) {
        char name[16];
        trp_node_config config = {0};
        snprintf(name, sizeof name, "guest-%u", i);
        unsigned guest = net_node_with(&n, name, &config);
        net_link *link = net_join(&n, guest, A, TRP_AUTH_TOKEN);
        trp_session_close(link->ends[0].session);
        net_run(&n);
        fake_destroy(n.hosts[guest]);
        n.hosts_len--;
        n.links_len--;
        free(link->ends[0].bytes);
        free(link->ends[1].bytes);
        if (i == 1500) {
            before = n.hosts[A]->memory.live_bytes;
        }
    }
    assert_true(n.hosts[A]->memory.live_bytes <= before + 4096);
    net_destroy(&n);
}

/* ---- out of memory ---- */

static void do_all(trp_ctx *ctx, probe *self, void *arg) {
    const trp_pid *to = arg;
    trp_ref ref;
    (void)self;
    (void)probe_send(ctx, *to, 1);
    (void)trp_request(ctx, *to, probe_value(ctx, 2), 30 * TRP_NS_PER_S, &ref);
    (void)trp_monitor(ctx, *to, &ref);
    (void)trp_monitor(ctx, *to, &ref);
    (void)trp_demonitor(ctx, ref);
}

/*
 * A session is opened, used and broken while one allocation of the dialler (or of the acceptor)
 * fails, or all from there on. Nothing may leak.
 */
typedef struct shortage {
    bool accepts; /* the poor node is the acceptor */
    bool lasts;   /* all that follow fail too */
} shortage;

static void scenario(fake_host *host, void *arg) {
    const shortage *how = arg;
    bool failing_accepts = how->accepts;
    host->memory.fail_rest = how->lasts;
    net n = {0};
    unsigned healthy = net_node(&n, "healthy");
    static const char cookie[] = "the cookie of the tests";
    trp_node_config config = {
        .size = sizeof config, .name = "poor", .cookie = cookie, .cookie_length = sizeof cookie};
    if (fake_start(host, NULL) != 0 || trp_node_start(host->runtime, &config) != 0) {
        net_destroy(&n);
        return;
    }
    fake_share_clock(host, n.hosts[0]);
    n.hosts[n.hosts_len] = host;
    unsigned poor = n.hosts_len++;
    probe there = {.on_message = probe_reply_next};
    probe here = {0};
    probe *self = &here;
    probe_spawn(n.hosts[healthy], &there);
    net_link *link = net_try_dial(&n, failing_accepts ? healthy : poor,
                                  failing_accepts ? poor : healthy, TRP_AUTH_COOKIE);
    net_run(&n);
    trp_pid to;
    bool is_ready = link != NULL &&
                    trp_spawn(fake_root(host), &probe_behaviour, &self, &here.pid) == 0 &&
                    trp_remote_name(fake_root(host), "healthy", "nobody", &to) == 0 &&
                    probe_ask(fake_root(host), here.pid, do_all, &to) == 0;
    net_run(&n);
    if (is_ready) {
        net_advance(&n, 31 * TRP_NS_PER_S);
        net_break(&n, link);
    }
    /* The driver destroys the poor one. */
    n.hosts[poor] = NULL;
    trp_runtime_destroy(host->runtime);
    host->runtime = NULL;
    net_destroy(&n);
}

static void test_every_allocation_may_fail(void **state) {
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        shortage how = {i % 2 == 0, i / 2 == 0};
        assert_true(fake_every_allocation_fails(scenario, &how) > 10);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_configs_are_refused),
        cmocka_unit_test(test_nothing_works_before_the_start),
        cmocka_unit_test(test_bad_names_are_refused),
        cmocka_unit_test(test_texts_that_are_no_pid_are_refused),
        cmocka_unit_test(test_bad_options_are_refused),
        cmocka_unit_test(test_cookie_needs_a_host_with_hmac),
        cmocka_unit_test(test_sessions_are_bounded),
        cmocka_unit_test(test_nodes_that_are_gone_are_forgotten),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
