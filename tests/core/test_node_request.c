/*
 * Requests that are handed on across nodes, and the order of their replies.
 */
#include "cmocka_all.h"
#include "node_fixture.h"

#include <stdlib.h>

enum { A = 0, B = 1, C = 2, LONG = 100000 };

static int setup(void **state) {
    net *n = calloc(1, sizeof *n);
    assert_non_null(n);
    net_node(n, "alpha");
    net_node(n, "beta");
    net_node(n, "gamma");
    net_join(n, A, B, TRP_AUTH_COOKIE);
    net_join(n, C, B, TRP_AUTH_COOKIE);
    *state = n;
    return 0;
}

static int teardown(void **state) {
    net_destroy(*state);
    free(*state);
    return 0;
}

static void register_as(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    assert_int_equal(trp_register(ctx, arg), 0);
}

static void start(net *n, unsigned node, probe *who, char *name) {
    probe_spawn(n->hosts[node], who);
    probe_do(n->hosts[node], who, register_as, name);
}

typedef struct call {
    trp_pid to;
    trp_ref ref;
} call;

static void request(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    call *what = arg;
    assert_int_equal(trp_request(ctx, what->to, probe_value(ctx, 5), TRP_NEVER, &what->ref), 0);
}

static trp_ref ask(net *n, probe *caller, trp_pid to) {
    call what = {to, 0};
    probe_do(n->hosts[A], caller, request, &what);
    net_run(n);
    return what.ref;
}

/* For on_message: hands a request on to the name in arg, on the node where that is. */
typedef struct way_on {
    const char *node;
    const char *name;
} way_on;

static void delegate(trp_ctx *ctx, probe *self, trp_message *message) {
    const way_on *way = self->arg;
    trp_pid to;
    assert_int_equal(trp_remote_name(ctx, way->node, way->name, &to), 0);
    assert_int_equal(trp_request_delegate(ctx, message, to), 0);
}

static void assert_answered(const probe *caller, uint32_t at, trp_ref ref) {
    assert_true(at < caller->events_len);
    assert_null(caller->events[at].type);
    assert_true(caller->events[at].ref == ref);
    assert_int_equal(caller->events[at].value, 6);
}

/* alpha asks beta, which hands the request to gamma; then to an actor on alpha itself. */
static void test_delegated_request_crosses_nodes(void **state) {
    net *n = *state;
    way_on to_gamma = {"gamma", "worker"};
    way_on to_alpha = {"alpha", "worker"};
    probe a = {0};
    probe far = {.on_message = probe_reply_next};
    probe near = {.on_message = probe_reply_next};
    probe relay = {.on_message = delegate, .arg = &to_gamma};
    start(n, A, &a, "caller");
    start(n, A, &near, "worker");
    start(n, B, &relay, "relay");
    start(n, C, &far, "worker");
    trp_ref ref = ask(n, &a, net_name(n, A, B, "relay"));
    assert_answered(&a, 0, ref);
    assert_string_equal(trp_node_name(n->hosts[C]->runtime, far.events[0].from), "alpha");
    assert_int_equal(far.events[0].from.index, a.pid.index);
    relay.arg = &to_alpha;
    ref = ask(n, &a, net_name(n, A, B, "relay"));
    assert_answered(&a, 1, ref);
    assert_int_equal(near.events_len, 1);
    assert_int_equal(a.events_len, 2);
}

/* ---- order ---- */

/* For on_message: tells the caller something long, then ends the request. */
static void tell(trp_ctx *ctx, trp_message *message) {
    trp_message *word = trp_message_new_bytes(ctx, NULL, LONG);
    memset(trp_message_body(word), 0, LONG);
    assert_int_equal(trp_send(ctx, trp_message_from(ctx, message), word), 0);
}

static void tell_and_reply(trp_ctx *ctx, probe *self, trp_message *message) {
    tell(ctx, message);
    probe_reply_next(ctx, self, message);
}

static void tell_and_refuse(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)self;
    tell(ctx, message);
    assert_int_equal(trp_reply_error(ctx, message, -77, "not today"), 0);
}

static void tell_and_fail(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)self;
    tell(ctx, message);
    trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, 5, "broke");
    trp_fail(ctx, &reason);
}

/* The answer to a delegated request must come second, whatever it is, from wherever. */
static void check_order(net *n, unsigned home,
                        void (*on_message)(trp_ctx *, probe *, trp_message *)) {
    way_on way = {net_name_of(n, home), "worker"};
    probe a = {0};
    probe relay = {.on_message = delegate, .arg = &way};
    probe worker = {.on_message = on_message};
    start(n, A, &a, "caller");
    start(n, B, &relay, "relay");
    start(n, home, &worker, "worker");
    n->step = 1000;
    trp_ref ref = ask(n, &a, net_name(n, A, B, "relay"));
    assert_int_equal(a.events_len, 2);
    assert_true(a.events[0].ref == 0);
    assert_null(a.events[0].type);
    assert_true(a.events[1].ref == ref);
}

static void test_reply_of_a_delegate_does_not_overtake_its_messages(void **state) {
    check_order(*state, B, tell_and_reply);
}

static void test_error_of_a_delegate_does_not_overtake_its_messages(void **state) {
    check_order(*state, B, tell_and_refuse);
}

static void test_end_of_a_delegate_does_not_overtake_its_messages(void **state) {
    check_order(*state, B, tell_and_fail);
}

static void test_reply_from_a_third_node_does_not_overtake(void **state) {
    check_order(*state, C, tell_and_reply);
}

static void test_error_from_a_third_node_does_not_overtake(void **state) {
    check_order(*state, C, tell_and_refuse);
}

/* ---- what cannot leave its node ---- */

static void close_thing(trp_ctx *ctx, void *resource) {
    (void)ctx;
    ++*(uint32_t *)resource;
}

static const trp_resource_kind thing_kind = {"thing", close_thing};

static trp_message *with_thing(trp_ctx *ctx, uint32_t *closed) {
    trp_message *message = probe_value(ctx, 5);
    assert_int_equal(trp_message_attach(ctx, &message, &thing_kind, closed), 0);
    return message;
}

typedef struct errand {
    trp_pid to;
    uint32_t closed;
    trp_ref ref;
} errand;

static void send_things(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    errand *what = arg;
    trp_message *refused = with_thing(ctx, &what->closed);
    assert_int_equal(trp_try_send(ctx, what->to, refused), TRP_ENOTSUP);
    assert_int_equal(what->closed, 0); /* it is still ours, with all that it carries */
    assert_int_equal(trp_send(ctx, what->to, refused), TRP_ENOTSUP);
    assert_int_equal(what->closed, 1);
    trp_message *message = with_thing(ctx, &what->closed);
    assert_int_equal(trp_request(ctx, what->to, message, TRP_NEVER, &what->ref), 0);
    assert_int_equal(what->closed, 2);
}

static void reply_with_thing(trp_ctx *ctx, probe *self, trp_message *message) {
    assert_int_equal(trp_reply(ctx, message, with_thing(ctx, self->arg)), 0);
}

static void assert_unsupported(const probe *who, uint32_t at, trp_ref ref) {
    assert_true(at < who->events_len);
    assert_true(who->events[at].ref == ref);
    assert_ptr_equal(who->events[at].type, &trp_request_error_type);
    assert_int_equal(who->events[at].body.error.code, TRP_ENOTSUP);
}

static void test_what_carries_something_does_not_leave_its_node(void **state) {
    net *n = *state;
    uint32_t closed = 0;
    probe a = {0};
    probe b = {.on_message = reply_with_thing, .arg = &closed};
    start(n, A, &a, "caller");
    start(n, B, &b, "worker");
    errand what = {.to = net_name(n, A, B, "worker")};
    probe_do(n->hosts[A], &a, send_things, &what);
    net_run(n);
    assert_int_equal(b.events_len, 0);
    assert_unsupported(&a, 0, what.ref);
    trp_ref ref = ask(n, &a, what.to); /* and no more does a reply */
    assert_unsupported(&a, 1, ref);
    assert_int_equal(closed, 1);
    assert_true(net_is_up(&n->links[0]));
}

/* ---- for another, and for many ---- */

static void note_outcome(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)ctx;
    const trp_outcome *outcome = trp_message_as(message, &trp_outcome_type);
    *(int *)self->arg = outcome == NULL ? 0 : outcome->code;
}

static void forward(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    errand *what = arg;
    trp_pid receiver;
    assert_int_equal(trp_remote_name(ctx, "gamma", "third", &receiver), 0);
    assert_int_equal(
        trp_request_forward(ctx, what->to, probe_value(ctx, 5), TRP_NEVER, receiver, 9), 0);
}

/* alpha asks beta for gamma: a reply and an error come, and what cannot come is an error. */
static void test_outcome_reaches_a_third_node(void **state) {
    net *n = *state;
    uint32_t closed = 0;
    int code = 1;
    probe a = {0};
    probe b = {.on_message = probe_reply_next};
    probe local = {.on_message = reply_with_thing, .arg = &closed};
    probe third = {.on_message = note_outcome, .arg = &code};
    net_join(n, A, C, TRP_AUTH_COOKIE);
    assert_int_equal(trp_register_type(n->hosts[C]->runtime, &trp_outcome_type), 0);
    start(n, A, &a, "caller");
    start(n, A, &local, "local");
    start(n, B, &b, "worker");
    start(n, C, &third, "third");
    errand what = {.to = net_name(n, A, B, "worker")};
    probe_do(n->hosts[A], &a, forward, &what);
    net_run(n);
    assert_int_equal(third.events_len, 1);
    assert_int_equal(third.events[0].value, 6);
    assert_int_equal(third.events[0].tag, 9);
    what.to = net_name(n, A, B, "nobody");
    probe_do(n->hosts[A], &a, forward, &what);
    net_run(n);
    assert_int_equal(third.events_len, 2);
    assert_int_equal(code, TRP_ENOPROC);
    what.to = local.pid;
    probe_do(n->hosts[A], &a, forward, &what);
    net_run(n);
    assert_int_equal(third.events_len, 3);
    assert_int_equal(code, TRP_ENOTSUP);
    assert_int_equal(closed, 1);
}

static void ask_both(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    const trp_pid *targets = arg;
    trp_ref ref;
    assert_int_equal(trp_request_many(ctx, targets, 2, probe_value(ctx, 5), TRP_NEVER, &ref), 0);
}

static void check_both(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)ctx;
    (void)self;
    assert_int_equal(trp_outcome_at(message, 0)->code, 0);
    assert_int_equal(probe_value_of(trp_outcome_reply(message, 0)), 6);
    assert_int_equal(trp_outcome_at(message, 1)->code, TRP_ENOCONNECTION);
    assert_null(trp_outcome_at(message, 2));
}

/* One of two nodes is lost meanwhile: its target's outcome says so. */
static void test_many_on_several_nodes_end_when_one_is_lost(void **state) {
    net *n = *state;
    probe a = {.on_message = check_both};
    probe b = {.on_message = probe_reply_next};
    probe silent = {.on_message = NULL};
    net_link *direct = net_join(n, A, C, TRP_AUTH_COOKIE);
    start(n, A, &a, "caller");
    start(n, B, &b, "worker");
    start(n, C, &silent, "worker");
    trp_pid targets[] = {net_name(n, A, B, "worker"), net_name(n, A, C, "worker")};
    probe_do(n->hosts[A], &a, ask_both, targets);
    net_break(n, direct);
    net_run(n);
    assert_int_equal(a.events_len, 1);
}

#define NET_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        NET_TEST(test_delegated_request_crosses_nodes),
        NET_TEST(test_reply_of_a_delegate_does_not_overtake_its_messages),
        NET_TEST(test_error_of_a_delegate_does_not_overtake_its_messages),
        NET_TEST(test_end_of_a_delegate_does_not_overtake_its_messages),
        NET_TEST(test_reply_from_a_third_node_does_not_overtake),
        NET_TEST(test_error_from_a_third_node_does_not_overtake),
        NET_TEST(test_what_carries_something_does_not_leave_its_node),
        NET_TEST(test_outcome_reaches_a_third_node),
        NET_TEST(test_many_on_several_nodes_end_when_one_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
