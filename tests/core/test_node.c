/*
 * Nodes with actors: what crosses a session and what becomes of it when the session breaks.
 */
#include "cmocka_all.h"
#include "node_fixture.h"
#include "troupe/codec.h"

#define CARD_FIELDS(F)                                                                             \
    F(pid, who, 1)                                                                                 \
    F(u64, number, 2)                                                                              \
    F(string, text, 3)
TRP_TYPE_DECLARE(card, CARD_FIELDS)
TRP_TYPE_DEFINE(card, "test.Card", CARD_FIELDS)

enum { A, B, C };

static int setup(void **state) {
    net *n = test_calloc(1, sizeof *n);
    assert_int_equal(net_node(n, "alpha"), A);
    assert_int_equal(net_node(n, "beta"), B);
    assert_int_equal(trp_register_type(n->hosts[A]->runtime, &card_type), 0);
    assert_int_equal(trp_register_type(n->hosts[B]->runtime, &card_type), 0);
    *state = n;
    return 0;
}

static int teardown(void **state) {
    net_destroy(*state);
    test_free(*state);
    return 0;
}

static trp_message *new_card(trp_ctx *ctx, trp_pid who, uint64_t number, const char *text) {
    trp_builder builder;
    trp_message *message;
    trp_builder_init(&builder, ctx, &card_type, 32);
    trp_set(&builder, card, who, who);
    trp_set(&builder, card, number, number);
    trp_set_text(&builder, card, text, text);
    return trp_builder_finish(&builder, &message) == 0 ? message : NULL;
}

static void register_as(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    assert_int_equal(trp_register(ctx, arg), 0);
}

/* A probe called `name` on a node. */
static void start(net *n, unsigned node, probe *who, char *name) {
    probe_spawn(n->hosts[node], who);
    if (name != NULL) {
        probe_do(n->hosts[node], who, register_as, name);
    }
}

/* What a probe is told to do, with the result. */
typedef struct deed {
    trp_pid to;
    uint64_t value;
    size_t length; /* of a long message */
    uint64_t timeout_ns;
    trp_ref ref;
    int result;
} deed;

static void do_send(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *d = arg;
    d->result = probe_send(ctx, d->to, d->value);
}

static void do_send_long(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *d = arg;
    trp_message *message = trp_message_new_bytes(ctx, NULL, d->length);
    memset(trp_message_body(message), 0, d->length);
    memcpy(trp_message_body(message), &d->value, sizeof d->value);
    d->result = trp_send(ctx, d->to, message);
}

static void do_request(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *d = arg;
    d->result = trp_request(ctx, d->to, probe_value(ctx, d->value),
                            d->timeout_ns == 0 ? TRP_NEVER : d->timeout_ns, &d->ref);
}

static void do_monitor(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *d = arg;
    d->result = trp_monitor(ctx, d->to, &d->ref);
}

static void do_demonitor(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *d = arg;
    d->result = trp_demonitor(ctx, d->ref);
}

static void do_stop(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *d = arg;
    trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 9, "please");
    d->result = trp_stop(ctx, d->to, &reason);
}

static void do_kill(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *d = arg;
    d->result = trp_kill(ctx, d->to);
}

static void do_send_self(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *d = arg;
    d->result = trp_send(ctx, d->to, new_card(ctx, trp_self(ctx), d->value, "me"));
}

static deed perform(net *n, unsigned node, probe *who, probe_call *call, deed d) {
    d.result = 1;
    probe_do(n->hosts[node], who, call, &d);
    net_run(n);
    return d;
}

static void assert_value(const probe *who, uint32_t at, uint64_t value) {
    assert_true(at < who->events_len);
    assert_int_equal(who->events[at].value, value);
}

static void assert_error(const probe *who, uint32_t at, trp_ref ref, int code) {
    assert_true(at < who->events_len);
    assert_ptr_equal(who->events[at].type, &trp_request_error_type);
    assert_int_equal(who->events[at].ref, ref);
    assert_int_equal(who->events[at].body.error.code, code);
}

static void assert_down(const probe *who, uint32_t at, const deed *d, int kind, int code) {
    assert_true(at < who->events_len);
    const trp_down *down = &who->events[at].body.down;
    assert_ptr_equal(who->events[at].type, &trp_down_type);
    assert_int_equal(down->ref, d->ref);
    assert_true(trp_pid_equal(down->pid, d->to));
    assert_int_equal(down->reason.kind, kind);
    assert_int_equal(down->reason.code, code);
}

/* For on_message: keeps the pid of the last card in arg. */
static void keep_card(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)ctx;
    const card *c = card_of(message);
    if (c != NULL) {
        *(trp_pid *)self->arg = c->who;
    }
}

/* Makes `at` know the pid of `who`, who lives on another node, by a card sent to `teller` there. */
static trp_pid introduce(net *n, unsigned home, probe *who, unsigned at) {
    probe listener = {.on_message = keep_card};
    trp_pid seen = TRP_PID_NONE;
    listener.arg = &seen;
    start(n, at, &listener, "listener");
    deed d = {.to = net_name(n, home, at, "listener")};
    d = perform(n, home, who, do_send_self, d);
    assert_int_equal(d.result, 0);
    assert_false(trp_pid_is_none(seen));
    assert_false(trp_pid_is_local(seen));
    probe_do(n->hosts[at], &listener, probe_call_stop, NULL);
    return seen;
}

/* ---- tests ---- */

static void test_peers_know_each_other_by_name(void **state) {
    net *n = *state;
    net_link *link = net_join(n, A, B, TRP_AUTH_COOKIE);
    assert_string_equal(link->ends[0].peer, "beta");
    assert_string_equal(link->ends[1].peer, "alpha");
    assert_int_equal(link->ends[0].reports, 1);
}

static void test_send_reaches_a_name(void **state) {
    net *n = *state;
    probe a = {0}, b = {0};
    net_join(n, A, B, TRP_AUTH_COOKIE);
    start(n, A, &a, NULL);
    start(n, B, &b, "worker");
    trp_pid to = net_name(n, A, B, "worker");
    assert_true(trp_pid_equal(to, net_name(n, A, B, "worker")));
    assert_string_equal(trp_node_name(n->hosts[A]->runtime, to), "beta");
    assert_true(trp_is_alive(fake_root(n->hosts[A]), to));
    deed d = perform(n, A, &a, do_send, (deed){.to = to, .value = 42});
    assert_int_equal(d.result, 0);
    assert_int_equal(b.events_len, 1);
    assert_value(&b, 0, 42);
    assert_int_equal(b.events[0].tag, 42);
}

static void test_names_work_byte_by_byte_too(void **state) {
    net *n = *state;
    n->step = 1;
    test_send_reaches_a_name(state);
}

static void test_a_name_on_the_own_node_works_as_well(void **state) {
    net *n = *state;
    probe a = {0};
    start(n, A, &a, "self");
    trp_pid to = net_name(n, A, A, "self");
    assert_int_equal(probe_send(fake_root(n->hosts[A]), to, 5), 0);
    net_run(n);
    assert_int_equal(a.events_len, 1);
    to = net_name(n, A, A, "nobody");
    assert_int_equal(probe_send(fake_root(n->hosts[A]), to, 5), TRP_ENOPROC);
}

static void test_without_a_session_there_is_no_connection(void **state) {
    net *n = *state;
    probe a = {0};
    start(n, A, &a, NULL);
    trp_pid to = net_name(n, A, B, "worker");
    assert_false(trp_is_alive(fake_root(n->hosts[A]), to));
    deed d = perform(n, A, &a, do_send, (deed){.to = to});
    assert_int_equal(d.result, TRP_ENOCONNECTION);
    d = perform(n, A, &a, do_request, (deed){.to = to});
    assert_int_equal(d.result, 0);
    assert_error(&a, 0, d.ref, TRP_ENOCONNECTION);
    d = perform(n, A, &a, do_monitor, (deed){.to = to});
    assert_down(&a, 1, &d, TRP_EXIT_NOCONNECTION, TRP_ENOCONNECTION);
    assert_int_equal(a.events_len, 2);
}

static void test_pids_travel_and_can_be_answered(void **state) {
    net *n = *state;
    probe a = {0}, b = {0};
    net_join(n, A, B, TRP_AUTH_COOKIE);
    start(n, A, &a, NULL);
    start(n, B, &b, NULL);
    trp_pid a_at_b = introduce(n, A, &a, B);
    assert_string_equal(trp_node_name(n->hosts[B]->runtime, a_at_b), "alpha");
    deed d = perform(n, B, &b, do_send, (deed){.to = a_at_b, .value = 7});
    assert_int_equal(d.result, 0);
    assert_value(&a, 0, 7);
    /* Its global text is the same on both nodes, and can be read back. */
    char here[160];
    char there[160];
    trp_pid_format_global(n->hosts[A]->runtime, a.pid, here, sizeof here);
    size_t length = trp_pid_format_global(n->hosts[B]->runtime, a_at_b, there, sizeof there);
    assert_string_equal(here, there);
    trp_pid read;
    assert_int_equal(trp_pid_parse_global(n->hosts[B]->runtime, there, length, &read), 0);
    assert_true(trp_pid_equal(read, a_at_b));
    assert_int_equal(trp_pid_parse_global(n->hosts[A]->runtime, there, length, &read), 0);
    assert_true(trp_pid_equal(read, a.pid));
    assert_int_equal(trp_pid_parse_global(n->hosts[A]->runtime, there, length - 1, &read),
                     TRP_EDECODE);
    there[1] = 'x';
    assert_int_equal(trp_pid_parse_global(n->hosts[A]->runtime, there, length, &read),
                     TRP_ENOCONNECTION);
}

static void test_request_is_answered_across(void **state) {
    net *n = *state;
    probe a = {0}, b = {.on_message = probe_reply_next};
    net_join(n, A, B, TRP_AUTH_COOKIE);
    start(n, A, &a, NULL);
    start(n, B, &b, "worker");
    deed d = perform(n, A, &a, do_request, (deed){.to = net_name(n, A, B, "worker"), .value = 41});
    assert_int_equal(d.result, 0);
    assert_true(b.events[0].is_request);
    assert_false(trp_pid_is_none(b.events[0].from));
    assert_string_equal(trp_node_name(n->hosts[B]->runtime, b.events[0].from), "alpha");
    assert_int_equal(b.events[0].from.index, a.pid.index);
    assert_int_equal(a.events_len, 1);
    assert_int_equal(a.events[0].ref, d.ref);
    assert_value(&a, 0, 42);
}

static void refuse(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)self;
    assert_int_equal(trp_reply_error(ctx, message, -77, "not today"), 0);
}

static void ignore(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)ctx;
    (void)self;
    (void)message;
}

static void fail_now(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)self;
    (void)message;
    trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, 5, "broke");
    trp_fail(ctx, &reason);
}

static void test_errors_of_the_callee_come_back(void **state) {
    net *n = *state;
    probe a = {0}, b = {.on_message = refuse};
    net_join(n, A, B, TRP_AUTH_COOKIE);
    start(n, A, &a, NULL);
    start(n, B, &b, "worker");
    deed call = {.to = net_name(n, A, B, "worker")};
    deed d = perform(n, A, &a, do_request, call);
    assert_error(&a, 0, d.ref, -77);
    assert_string_equal(a.events[0].body.error.reason.text, "not today");
    b.on_message = ignore;
    d = perform(n, A, &a, do_request, call);
    assert_error(&a, 1, d.ref, TRP_ECANCELED);
    b.on_message = fail_now;
    d = perform(n, A, &a, do_request, call);
    assert_error(&a, 2, d.ref, TRP_EFAILED);
    d = perform(n, A, &a, do_request, call);
    assert_error(&a, 3, d.ref, TRP_ENOPROC);
    assert_int_equal(a.events_len, 4);
}

static void hold(trp_ctx *ctx, probe *self, trp_message *message) {
    self->kept = trp_message_take(ctx, message);
}

static void drop_held(trp_ctx *ctx, probe *self, void *arg) {
    (void)arg;
    trp_message_drop(ctx, self->kept);
    self->kept = NULL;
}

static void reply_held(trp_ctx *ctx, probe *self, void *arg) {
    assert_int_equal(trp_reply(ctx, self->kept, probe_value(ctx, 99)), 0);
    drop_held(ctx, self, arg);
}

static void test_late_reply_is_dropped(void **state) {
    net *n = *state;
    probe a = {0}, b = {.on_message = hold};
    net_join(n, A, B, TRP_AUTH_COOKIE);
    start(n, A, &a, NULL);
    start(n, B, &b, "worker");
    deed d = perform(n, A, &a, do_request,
                     (deed){.to = net_name(n, A, B, "worker"), .timeout_ns = TRP_NS_PER_S});
    net_advance(n, 2 * TRP_NS_PER_S);
    assert_error(&a, 0, d.ref, TRP_ETIMEOUT);
    probe_do(n->hosts[B], &b, reply_held, NULL);
    net_run(n);
    assert_int_equal(a.events_len, 1);
    assert_int_equal(fake_stats(n->hosts[A]).late_replies, 1);
}

/* The caller's patience has ended: the other node is told, and forgets the request. */
static void test_given_up_request_is_cancelled_across(void **state) {
    net *n = *state;
    probe a = {0}, b = {.on_message = hold};
    net_join(n, A, B, TRP_AUTH_COOKIE);
    start(n, A, &a, NULL);
    start(n, B, &b, "worker");
    (void)perform(n, A, &a, do_request,
                  (deed){.to = net_name(n, A, B, "worker"), .timeout_ns = TRP_NS_PER_S});
    net_advance(n, 20 * TRP_NS_PER_S);
    assert_true(trp_pid_is_none(trp_message_from(fake_root(n->hosts[B]), b.kept)));
    probe_do(n->hosts[B], &b, drop_held, NULL);
}

static void test_broken_session_settles_everything_once(void **state) {
    net *n = *state;
    probe a = {0}, b = {.on_message = hold};
    net_link *link = net_join(n, A, B, TRP_AUTH_COOKIE);
    start(n, A, &a, NULL);
    start(n, B, &b, "worker");
    trp_pid to = net_name(n, A, B, "worker");
    deed call = perform(n, A, &a, do_request, (deed){.to = to});
    deed watch = perform(n, A, &a, do_monitor, (deed){.to = to});
    assert_int_equal(a.events_len, 0);
    net_break(n, link);
    assert_int_equal(a.events_len, 2);
    uint32_t error_at = a.events[0].type == &trp_down_type ? 1 : 0;
    assert_error(&a, error_at, call.ref, TRP_ENOCONNECTION);
    assert_down(&a, 1 - error_at, &watch, TRP_EXIT_NOCONNECTION, TRP_ENOCONNECTION);
    assert_int_equal(link->ends[0].state, TRP_SESSION_DOWN);
    assert_int_equal(link->ends[0].error, TRP_EIO);
    /* A new session does not bring the old answers. */
    net_join(n, A, B, TRP_AUTH_COOKIE);
    probe_do(n->hosts[B], &b, reply_held, NULL);
    net_run(n);
    probe_do(n->hosts[B], &b, probe_call_stop, NULL);
    net_run(n);
    assert_int_equal(a.events_len, 2);
}

static void test_monitor_tells_why(void **state) {
    net *n = *state;
    probe a = {0}, b = {0};
    net_join(n, A, B, TRP_AUTH_COOKIE);
    start(n, A, &a, NULL);
    start(n, B, &b, "worker");
    deed watch = {.to = net_name(n, A, B, "worker")};
    deed first = perform(n, A, &a, do_monitor, watch);
    deed second = perform(n, A, &a, do_monitor, watch);
    deed third = perform(n, A, &a, do_monitor, watch);
    third = perform(n, A, &a, do_demonitor, third);
    assert_int_equal(third.result, 0);
    probe_do(n->hosts[B], &b, probe_call_fail, NULL);
    net_run(n);
    assert_int_equal(a.events_len, 2);
    assert_int_equal(a.events[0].body.down.reason.code, 7);
    assert_string_equal(a.events[0].body.down.reason.text, "on purpose");
    assert_true(a.events[0].body.down.ref == first.ref || a.events[0].body.down.ref == second.ref);
    deed late = perform(n, A, &a, do_monitor, watch);
    assert_down(&a, 2, &late, TRP_EXIT_NOPROC, TRP_ENOPROC);
}

static void test_watcher_that_ends_leaves_no_monitor_behind(void **state) {
    net *n = *state;
    probe a = {0}, b = {0};
    net_join(n, A, B, TRP_AUTH_COOKIE);
    start(n, A, &a, NULL);
    start(n, B, &b, "worker");
    (void)perform(n, A, &a, do_monitor, (deed){.to = net_name(n, A, B, "worker")});
    probe_do(n->hosts[A], &a, probe_call_stop, NULL);
    net_run(n);
    probe_do(n->hosts[B], &b, probe_call_stop, NULL);
    net_run(n);
    assert_int_equal(fake_stats(n->hosts[A]).dead_letters, 0);
}

static void test_stop_and_kill_cross(void **state) {
    net *n = *state;
    probe a = {0}, b = {0}, c = {0};
    net_join(n, A, B, TRP_AUTH_COOKIE);
    start(n, A, &a, NULL);
    start(n, B, &b, "b");
    start(n, B, &c, "c");
    deed d = perform(n, A, &a, do_stop, (deed){.to = net_name(n, A, B, "b")});
    assert_int_equal(d.result, 0);
    assert_int_equal(b.terminates, 1);
    assert_int_equal(b.reason.kind, TRP_EXIT_SHUTDOWN);
    assert_int_equal(b.reason.code, 9);
    assert_string_equal(b.reason.text, "please");
    trp_pid to = net_name(n, A, B, "c");
    deed watch = perform(n, A, &a, do_monitor, (deed){.to = to});
    d = perform(n, A, &a, do_kill, (deed){.to = to});
    assert_int_equal(d.result, 0);
    assert_int_equal(c.terminates, 0);
    assert_down(&a, 0, &watch, TRP_EXIT_KILLED, 0);
}

/* One actor's messages, long and short, to a name and to a pid, and its end: all in order. */
static void test_order_between_two_actors_is_kept(void **state) {
    net *n = *state;
    probe a = {0}, b = {0};
    net_join(n, A, B, TRP_AUTH_COOKIE);
    start(n, A, &a, NULL);
    start(n, B, &b, "worker");
    trp_pid by_name = net_name(n, A, B, "worker");
    trp_pid by_pid = introduce(n, B, &b, A);
    deed watch = perform(n, B, &b, do_monitor, (deed){.to = introduce(n, A, &a, B)});
    n->step = 1000;
    for (uint64_t i = 0; i < 20; i++) {
        deed d = {.to = i % 3 == 0 ? by_name : by_pid, .value = i, .length = 100000};
        probe_ask(fake_root(n->hosts[A]), a.pid, i % 4 == 0 ? do_send_long : do_send, &d);
        (void)fake_run(n->hosts[A]);
        assert_int_equal(d.result, 0);
    }
    probe_do(n->hosts[A], &a, probe_call_stop, NULL);
    net_run(n);
    assert_int_equal(b.events_len, 21);
    for (uint32_t i = 0; i < 20; i++) {
        assert_value(&b, i, i);
    }
    assert_down(&b, 20, &watch, TRP_EXIT_NORMAL, 0);
}

static void test_messages_beyond_the_peers_limit_are_refused_at_once(void **state) {
    net *n = *state;
    probe a = {0}, b = {.on_message = probe_reply_next};
    net_link *link = net_join(n, A, B, TRP_AUTH_COOKIE);
    start(n, A, &a, NULL);
    start(n, B, &b, "worker");
    deed d = {.to = net_name(n, A, B, "worker"), .length = (1 << 20) + 1};
    d = perform(n, A, &a, do_send_long, d);
    assert_int_equal(d.result, TRP_ETOOBIG);
    d.length = 1 << 20;
    d = perform(n, A, &a, do_send_long, d);
    assert_int_equal(d.result, 0);
    assert_int_equal(b.events_len, 1);
    assert_true(net_is_up(link));
}

/* The transport takes nothing: the outbox fills up and then refuses, and takes again afterwards. */
static void test_full_outbox_refuses(void **state) {
    net *n = *state;
    probe a = {0}, b = {0};
    net_link *link = net_join(n, A, B, TRP_AUTH_COOKIE);
    start(n, A, &a, NULL);
    start(n, B, &b, "worker");
    trp_session_writable(link->ends[0].session, false);
    deed d = {.to = net_name(n, A, B, "worker"), .length = 1 << 20};
    uint32_t sent = 0;
    do {
        d = perform(n, A, &a, do_send_long, d);
        sent += d.result == 0;
    } while (d.result == 0 && sent < 100);
    assert_int_equal(d.result, TRP_EFULL);
    assert_int_equal(sent, 7);
    deed call = {.to = d.to, .value = 1, .timeout_ns = 0};
    for (int i = 0; i < 20000 && a.events_len == 0; i++) {
        call = perform(n, A, &a, do_request, call);
    }
    assert_error(&a, 0, call.ref, TRP_EFULL);
    trp_session_writable(link->ends[0].session, true);
    net_run(n);
    assert_true(b.events_len > sent);
    d = perform(n, A, &a, do_send_long, d);
    assert_int_equal(d.result, 0);
}

static void test_unknown_type_is_an_error_for_a_request(void **state) {
    net *n = *state;
    unsigned c = net_node(n, "gamma"); /* does not know cards */
    probe a = {0}, b = {0};
    net_join(n, A, c, TRP_AUTH_COOKIE);
    start(n, A, &a, NULL);
    start(n, c, &b, "worker");
    trp_pid to = net_name(n, A, c, "worker");
    deed d = perform(n, A, &a, do_send_self, (deed){.to = to});
    assert_int_equal(d.result, 0);
    assert_int_equal(b.events_len, 0);
    assert_int_equal(fake_stats(n->hosts[c]).dead_letters, 1);
}

static void test_closing_in_good_order_tells_the_other_side(void **state) {
    net *n = *state;
    net_link *link = net_join(n, A, B, TRP_AUTH_COOKIE);
    trp_session_close(link->ends[0].session);
    net_run(n);
    assert_true(link->ends[0].is_closed && link->ends[1].is_closed);
    assert_int_equal(link->ends[0].error, 0);
    assert_int_equal(link->ends[1].error, 0);
}

static void test_stopping_runtime_closes_its_sessions(void **state) {
    net *n = *state;
    probe b = {0};
    net_link *link = net_join(n, A, B, TRP_AUTH_COOKIE);
    start(n, B, &b, NULL);
    deed watch = perform(n, B, &b, do_monitor, (deed){.to = net_name(n, B, A, "nobody")});
    assert_down(&b, 0, &watch, TRP_EXIT_NOPROC, TRP_ENOPROC);
    trp_runtime_stop(n->hosts[A]->runtime, TRP_NS_PER_S);
    net_run(n);
    assert_true(link->ends[0].is_closed && link->ends[1].is_closed);
    assert_int_equal(link->ends[1].error, 0);
}

static void test_silent_peer_is_suspected_and_given_up(void **state) {
    net *n = *state;
    probe a = {0}, b = {.on_message = hold};
    net_link *link = net_join(n, A, B, TRP_AUTH_COOKIE);
    start(n, A, &a, NULL);
    start(n, B, &b, "worker");
    deed call = perform(n, A, &a, do_request, (deed){.to = net_name(n, A, B, "worker")});
    net_advance(n, 3600 * TRP_NS_PER_S); /* an hour of silence among friends */
    assert_true(net_is_up(link));
    assert_int_equal(link->ends[0].reports, 1);
    link->is_cut = true;
    net_advance(n, 40 * TRP_NS_PER_S);
    assert_int_equal(link->ends[0].state, TRP_SESSION_SUSPECT);
    net_advance(n, 40 * TRP_NS_PER_S);
    assert_int_equal(link->ends[0].state, TRP_SESSION_DOWN);
    assert_int_equal(link->ends[0].error, TRP_ETIMEOUT);
    assert_error(&a, 0, call.ref, TRP_ENOCONNECTION);
    probe_do(n->hosts[B], &b, drop_held, NULL);
}

static void test_crashed_node_comes_back_as_another(void **state) {
    net *n = *state;
    probe a = {0}, b = {0}, again = {0};
    net_link *old = net_join(n, A, B, TRP_AUTH_COOKIE);
    start(n, A, &a, NULL);
    start(n, B, &b, "worker");
    trp_pid by_name = net_name(n, A, B, "worker");
    trp_pid by_pid = introduce(n, B, &b, A);
    deed watch = perform(n, A, &a, do_monitor, (deed){.to = by_pid});
    net_crash(n, B);
    unsigned reborn = net_node(n, "beta");
    net_join(n, A, reborn, TRP_AUTH_COOKIE);
    /* The old session is replaced at once, not after its patience. */
    assert_true(old->ends[0].is_closed);
    assert_int_equal(old->ends[0].error, TRP_EEXIST);
    assert_down(&a, 0, &watch, TRP_EXIT_NOCONNECTION, TRP_ENOCONNECTION);
    start(n, reborn, &again, "worker");
    deed d = perform(n, A, &a, do_send, (deed){.to = by_name, .value = 3});
    assert_int_equal(d.result, 0);
    assert_value(&again, 0, 3);
    d = perform(n, A, &a, do_send, (deed){.to = by_pid, .value = 4});
    assert_int_equal(d.result, TRP_ENOCONNECTION);
    assert_int_equal(again.events_len, 1);
}

static void test_same_incarnation_finds_its_pids_again(void **state) {
    net *n = *state;
    probe a = {0}, b = {0};
    net_link *link = net_join(n, A, B, TRP_AUTH_COOKIE);
    start(n, A, &a, NULL);
    start(n, B, &b, NULL);
    trp_pid by_pid = introduce(n, B, &b, A);
    net_break(n, link);
    deed d = perform(n, A, &a, do_send, (deed){.to = by_pid});
    assert_int_equal(d.result, TRP_ENOCONNECTION);
    net_join(n, B, A, TRP_AUTH_COOKIE);
    d = perform(n, A, &a, do_send, (deed){.to = by_pid, .value = 6});
    assert_int_equal(d.result, 0);
    assert_value(&b, 0, 6);
}

/* ---- several sessions to one node ---- */

static unsigned count_up(const net *n) {
    unsigned count = 0;
    for (unsigned i = 0; i < n->links_len; i++) {
        count += net_is_up(&n->links[i]);
    }
    return count;
}

static void test_nodes_that_dial_each_other_keep_one_session(void **state) {
    net *n = *state;
    probe a = {0}, b = {.on_message = probe_reply_next};
    net_dial(n, A, B, TRP_AUTH_COOKIE);
    net_link *winner = net_dial(n, B, A, TRP_AUTH_COOKIE);
    net_run(n);
    assert_int_equal(count_up(n), 1);
    assert_true(net_is_up(winner)); /* "beta" sorts behind "alpha" */
    start(n, A, &a, NULL);
    start(n, B, &b, "worker");
    (void)perform(n, A, &a, do_request, (deed){.to = net_name(n, A, B, "worker"), .value = 1});
    assert_value(&a, 0, 2);
}

static void test_older_winner_stays_if_it_answers(void **state) {
    net *n = *state;
    net_link *older = net_join(n, B, A, TRP_AUTH_COOKIE);
    net_link *newer = net_dial(n, A, B, TRP_AUTH_COOKIE);
    net_run(n);
    assert_true(net_is_up(older));
    assert_true(newer->ends[0].is_closed && newer->ends[1].is_closed);
    assert_int_equal(newer->ends[0].error, TRP_EEXIST);
}

/* The older session would win, but is dead without anybody at A knowing: the newer one stays. */
static void test_dead_winner_gives_way(void **state) {
    net *n = *state;
    probe a = {0}, b = {0};
    net_link *older = net_join(n, B, A, TRP_AUTH_COOKIE);
    older->is_cut = true;
    trp_session_lost(older->ends[0].session, TRP_EIO); /* only B knows */
    net_run(n);
    net_link *newer = net_join(n, A, B, TRP_AUTH_COOKIE);
    net_advance(n, 10 * TRP_NS_PER_S);
    assert_true(older->ends[1].is_closed);
    assert_true(net_is_up(newer));
    start(n, A, &a, NULL);
    start(n, B, &b, "worker");
    deed d = perform(n, A, &a, do_send, (deed){.to = net_name(n, A, B, "worker"), .value = 1});
    assert_int_equal(d.result, 0);
    assert_value(&b, 0, 1);
}

static void test_second_dial_replaces_the_first(void **state) {
    net *n = *state;
    probe a = {0}, b = {0};
    net_link *first = net_join(n, A, B, TRP_AUTH_COOKIE);
    net_link *second = net_dial(n, A, B, TRP_AUTH_COOKIE);
    net_run(n);
    assert_true(net_is_up(second));
    assert_true(first->ends[0].is_closed && first->ends[1].is_closed);
    assert_int_equal(first->ends[0].error, TRP_EEXIST);
    start(n, A, &a, NULL);
    start(n, B, &b, "worker");
    deed d = perform(n, A, &a, do_send, (deed){.to = net_name(n, A, B, "worker"), .value = 1});
    assert_int_equal(d.result, 0);
    assert_value(&b, 0, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_peers_know_each_other_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_send_reaches_a_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_work_byte_by_byte_too, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_name_on_the_own_node_works_as_well, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_a_session_there_is_no_connection, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_pids_travel_and_can_be_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_request_is_answered_across, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors_of_the_callee_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_reply_is_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_given_up_request_is_cancelled_across, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_session_settles_everything_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_monitor_tells_why, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watcher_that_ends_leaves_no_monitor_behind, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_stop_and_kill_cross, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order_between_two_actors_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_messages_beyond_the_peers_limit_are_refused_at_once,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_outbox_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_type_is_an_error_for_a_request, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_closing_in_good_order_tells_the_other_side, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_stopping_runtime_closes_its_sessions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silent_peer_is_suspected_and_given_up, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_crashed_node_comes_back_as_another, setup, teardown),
        cmocka_unit_test_setup_teardown(test_same_incarnation_finds_its_pids_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_nodes_that_dial_each_other_keep_one_session, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_older_winner_stays_if_it_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dead_winner_gives_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_second_dial_replaces_the_first, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
