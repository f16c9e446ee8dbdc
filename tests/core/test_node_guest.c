/*
 * Guests: strangers with a token. What they may do, what they may not, and what they may try.
 */
#include "cmocka_all.h"
#include "node_fixture.h"
#include "troupe/codec.h"

#define CARD_FIELDS(F)                                                                             \
    F(pid, who, 1)                                                                                 \
    F(u64, number, 2)
TRP_TYPE_DECLARE(card, CARD_FIELDS)
TRP_TYPE_DEFINE(card, "test.Card", CARD_FIELDS)

enum { SERVER, TAB, OTHER };

static unsigned add(net *n, const char *name, bool has_cookie) {
    static const char cookie[] = "a cookie for the server";
    trp_node_config config = {.cookie = has_cookie ? cookie : NULL,
                              .cookie_length = has_cookie ? sizeof cookie : 0};
    unsigned node = net_node_with(n, name, &config);
    assert_int_equal(trp_register_type(n->hosts[node]->runtime, &card_type), 0);
    return node;
}

static int setup(void **state) {
    net *n = test_calloc(1, sizeof *n);
    n->token = "open sesame";
    assert_int_equal(add(n, "server", true), SERVER);
    assert_int_equal(add(n, "tab-1", false), TAB);
    assert_int_equal(add(n, "tab-2", false), OTHER);
    *state = n;
    return 0;
}

static int teardown(void **state) {
    net_destroy(*state);
    test_free(*state);
    return 0;
}

static void register_as(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    assert_int_equal(trp_register(ctx, arg), 0);
}

static void start(net *n, unsigned node, probe *who, char *name) {
    probe_spawn(n->hosts[node], who);
    if (name != NULL) {
        probe_do(n->hosts[node], who, register_as, name);
    }
}

typedef struct deed {
    trp_pid to;
    trp_pid about; /* in the card */
    uint64_t value;
    trp_ref ref;
    int result;
} deed;

static trp_message *new_card(trp_ctx *ctx, const deed *d) {
    trp_message *message = trp_message_new(ctx, &card_type);
    card_of(message)->who = d->about;
    card_of(message)->number = d->value;
    return message;
}

static void do_send(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *d = arg;
    d->result = probe_send(ctx, d->to, d->value);
}

static void do_send_card(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *d = arg;
    d->result = trp_send(ctx, d->to, new_card(ctx, d));
}

static void do_request(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *d = arg;
    d->result = trp_request(ctx, d->to, new_card(ctx, d), TRP_NEVER, &d->ref);
}

static void do_monitor(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *d = arg;
    d->result = trp_monitor(ctx, d->to, &d->ref);
}

static void do_kill(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *d = arg;
    d->result = trp_kill(ctx, d->to);
}

static deed perform(net *n, unsigned node, probe *who, probe_call *call, deed d) {
    d.result = 1;
    probe_do(n->hosts[node], who, call, &d);
    net_run(n);
    return d;
}

static void keep_card(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)ctx;
    const card *c = card_of(message);
    if (c != NULL && self->arg != NULL) {
        *(trp_pid *)self->arg = c->who;
    }
}

/* For on_message: answers with a card that shows `arg`. */
static void reply_card(trp_ctx *ctx, probe *self, trp_message *message) {
    deed d = {.about = *(trp_pid *)self->arg, .value = 1};
    if (trp_message_is_request(message)) {
        assert_int_equal(trp_reply(ctx, message, new_card(ctx, &d)), 0);
    }
}

static int error_of(const probe *who, uint32_t at) {
    assert_true(at < who->events_len);
    assert_ptr_equal(who->events[at].type, &trp_request_error_type);
    return who->events[at].body.error.code;
}

static void expose(net *n, const char *name) {
    assert_int_equal(trp_node_expose(n->hosts[SERVER]->runtime, name), 0);
}

static void test_guest_reaches_exposed_names_only(void **state) {
    net *n = *state;
    probe guest = {0}, relay = {0}, secret = {0};
    expose(n, "relay");
    expose(n, "relay");
    start(n, SERVER, &relay, "relay");
    start(n, SERVER, &secret, "secret");
    start(n, TAB, &guest, NULL);
    net_link *link = net_join(n, TAB, SERVER, TRP_AUTH_TOKEN);
    deed d = perform(n, TAB, &guest, do_send,
                     (deed){.to = net_name(n, TAB, SERVER, "relay"), .value = 5});
    assert_int_equal(d.result, 0);
    assert_int_equal(relay.events_len, 1);
    trp_pid hidden = net_name(n, TAB, SERVER, "secret");
    (void)perform(n, TAB, &guest, do_send, (deed){.to = hidden});
    assert_int_equal(secret.events_len, 0);
    assert_int_equal(fake_stats(n->hosts[SERVER]).dead_letters, 1);
    (void)perform(n, TAB, &guest, do_request, (deed){.to = hidden});
    assert_int_equal(error_of(&guest, 0), TRP_EPERM);
    (void)perform(n, TAB, &guest, do_request,
                  (deed){.to = net_name(n, TAB, SERVER, "nobody at all")});
    assert_int_equal(error_of(&guest, 1), TRP_EPERM); /* no way to learn who is there */
    assert_true(net_is_up(link));
}

static void test_guest_may_not_monitor_or_kill(void **state) {
    net *n = *state;
    probe guest = {0}, relay = {0};
    expose(n, "relay");
    start(n, SERVER, &relay, "relay");
    start(n, TAB, &guest, NULL);
    net_join(n, TAB, SERVER, TRP_AUTH_TOKEN);
    trp_pid to = net_name(n, TAB, SERVER, "relay");
    (void)perform(n, TAB, &guest, do_monitor, (deed){.to = to});
    assert_int_equal(guest.events[0].body.down.reason.code, TRP_EPERM);
    deed d = perform(n, TAB, &guest, do_kill, (deed){.to = to});
    assert_int_equal(d.result, TRP_EPERM);
    d = perform(n, SERVER, &relay, do_send, (deed){.to = relay.pid, .value = 1});
    assert_int_equal(relay.events_len, 1);
}

static void test_pids_are_capabilities(void **state) {
    net *n = *state;
    probe guest = {.on_message = keep_card}, relay = {.on_message = reply_card};
    probe shown = {0}, hidden = {0};
    trp_pid seen = TRP_PID_NONE;
    guest.arg = &seen;
    expose(n, "relay");
    start(n, SERVER, &relay, "relay");
    start(n, SERVER, &shown, NULL);
    start(n, SERVER, &hidden, NULL);
    start(n, TAB, &guest, NULL);
    relay.arg = &shown.pid;
    net_link *link = net_join(n, TAB, SERVER, TRP_AUTH_TOKEN);
    (void)perform(n, TAB, &guest, do_request,
                  (deed){.to = net_name(n, TAB, SERVER, "relay"), .about = guest.pid});
    assert_int_equal(seen.index, shown.pid.index);
    deed d = perform(n, TAB, &guest, do_send, (deed){.to = seen, .value = 8});
    assert_int_equal(d.result, 0);
    assert_int_equal(shown.events_len, 1);
    /* A pid made up from one that was given. */
    trp_pid forged = seen;
    forged.index = hidden.pid.index;
    forged.generation = hidden.pid.generation;
    (void)perform(n, TAB, &guest, do_send, (deed){.to = forged, .value = 8});
    assert_int_equal(hidden.events_len, 0);
    (void)perform(n, TAB, &guest, do_request, (deed){.to = forged, .about = guest.pid});
    assert_int_equal(error_of(&guest, 1), TRP_EPERM);
    /* Nor may it be put into a message for somebody else to use. */
    (void)perform(n, TAB, &guest, do_request, (deed){.to = seen, .about = forged});
    assert_int_equal(error_of(&guest, 2), TRP_EPERM);
    assert_int_equal(shown.events_len, 1);
    /* A stale one of an actor that is gone. */
    probe_do(n->hosts[SERVER], &shown, probe_call_stop, NULL);
    (void)perform(n, TAB, &guest, do_request, (deed){.to = seen, .about = guest.pid});
    assert_int_equal(error_of(&guest, 3), TRP_ENOPROC);
    /* In the next session it is worth nothing. */
    net_break(n, link);
    net_join(n, TAB, SERVER, TRP_AUTH_TOKEN);
    (void)perform(n, TAB, &guest, do_request, (deed){.to = seen, .about = guest.pid});
    assert_int_equal(error_of(&guest, 4), TRP_EPERM);
}

static void test_guests_of_one_name_do_not_disturb_each_other(void **state) {
    net *n = *state;
    unsigned twin = add(n, "tab-1", false);
    probe one = {0}, two = {0}, relay = {.on_message = keep_card};
    trp_pid seen = TRP_PID_NONE;
    relay.arg = &seen;
    expose(n, "relay");
    start(n, SERVER, &relay, "relay");
    start(n, TAB, &one, NULL);
    start(n, twin, &two, NULL);
    net_link *first = net_join(n, TAB, SERVER, TRP_AUTH_TOKEN);
    (void)perform(n, TAB, &one, do_send_card,
                  (deed){.to = net_name(n, TAB, SERVER, "relay"), .about = one.pid});
    trp_pid first_guest = seen;
    net_link *second = net_join(n, twin, SERVER, TRP_AUTH_TOKEN);
    (void)perform(n, twin, &two, do_send_card,
                  (deed){.to = net_name(n, twin, SERVER, "relay"), .about = two.pid});
    assert_true(net_is_up(first) && net_is_up(second));
    assert_false(trp_pid_equal(first_guest, seen));
    deed d = perform(n, SERVER, &relay, do_send, (deed){.to = first_guest, .value = 1});
    assert_int_equal(d.result, 0);
    assert_int_equal(one.events_len, 1);
    assert_int_equal(two.events_len, 0);
}

static void test_guest_cannot_take_the_name_of_a_peer(void **state) {
    net *n = *state;
    unsigned peer = add(n, "peer", true);
    unsigned impostor = add(n, "peer", false);
    probe good = {0}, bad = {0}, asking = {0};
    start(n, peer, &good, "desk");
    start(n, impostor, &bad, "desk");
    start(n, SERVER, &asking, NULL);
    net_link *link = net_join(n, peer, SERVER, TRP_AUTH_COOKIE);
    net_join(n, impostor, SERVER, TRP_AUTH_TOKEN);
    assert_true(net_is_up(link));
    (void)perform(n, SERVER, &asking, do_send,
                  (deed){.to = net_name(n, SERVER, peer, "desk"), .value = 1});
    assert_int_equal(good.events_len, 1);
    assert_int_equal(bad.events_len, 0);
}

/* ---- the hub ---- */

/* Tab 1 shows itself to the relay; the relay shows it to tab 2; tab 2 calls tab 1. */
static void test_hub_forwards_between_its_guests(void **state) {
    net *n = *state;
    probe one = {.on_message = probe_reply_next}, two = {.on_message = keep_card};
    probe relay = {.on_message = keep_card};
    trp_pid at_hub = TRP_PID_NONE;
    trp_pid at_two = TRP_PID_NONE;
    relay.arg = &at_hub;
    two.arg = &at_two;
    expose(n, "relay");
    start(n, SERVER, &relay, "relay");
    start(n, TAB, &one, NULL);
    start(n, OTHER, &two, NULL);
    net_link *link = net_join(n, TAB, SERVER, TRP_AUTH_TOKEN);
    net_join(n, OTHER, SERVER, TRP_AUTH_TOKEN);
    (void)perform(n, TAB, &one, do_send_card,
                  (deed){.to = net_name(n, TAB, SERVER, "relay"), .about = one.pid});
    relay.on_message = reply_card;
    (void)perform(n, OTHER, &two, do_request,
                  (deed){.to = net_name(n, OTHER, SERVER, "relay"), .about = two.pid});
    assert_int_equal(at_two.index, one.pid.index);
    assert_string_equal(trp_node_name(n->hosts[OTHER]->runtime, at_two), "tab-1");
    deed d = perform(n, OTHER, &two, do_send, (deed){.to = at_two, .value = 70});
    assert_int_equal(d.result, 0);
    assert_int_equal(one.events[0].value, 70);
    d = perform(n, OTHER, &two, do_request, (deed){.to = at_two, .about = two.pid, .value = 4});
    assert_int_equal(one.events_len, 2);
    assert_string_equal(trp_node_name(n->hosts[TAB]->runtime, one.events[1].from), "tab-2");
    assert_int_equal(two.events_len, 2);
    assert_int_equal(two.events[1].ref, d.ref);
    assert_ptr_equal(two.events[1].type, NULL);
    /* One that was not shown is not reached, although the hub could. */
    trp_pid forged = at_two;
    forged.index++;
    (void)perform(n, OTHER, &two, do_request, (deed){.to = forged, .about = two.pid});
    assert_int_equal(error_of(&two, 2), TRP_ENOPROC);
    /* When tab 1 is gone the hub says so. */
    net_break(n, link);
    (void)perform(n, OTHER, &two, do_request, (deed){.to = at_two, .about = two.pid});
    assert_int_equal(error_of(&two, 3), TRP_ENOCONNECTION);
}

/* ---- a guest that lies ---- */

/* Says what it likes on a session that was opened properly. */
static void inject(net *n, net_link *link, unsigned kind, const void *body, size_t length) {
    uint8_t frame[256] = {(uint8_t)(length >> 8), (uint8_t)length, (uint8_t)kind, 0};
    memcpy(frame + 4, body, length);
    trp_session_receive(link->ends[1].session, frame, length + 4);
    net_run(n);
}

static void test_malformed_bodies_end_the_session(void **state) {
    static const struct {
        unsigned kind;
        size_t length;
        uint8_t body[24];
    } all[] = {
        {16, 1, {9}},                                     /* unknown form of pid */
        {16, 3, {4, 9, 'x'}},                             /* name longer than the frame */
        {16, 2, {4, 0}},                                  /* empty name */
        {16, 9, {2, 0, 0, 0, 1, 0, 0, 0, 0}},             /* generation 0 */
        {17, 4, {4, 1, 'r', 0}},                          /* call without ref */
        {17, 12, {4, 1, 'r', 0, 0, 0, 0, 0, 0, 0, 0, 0}}, /* call with ref 0 */
        {18, 4, {0, 0, 0, 0}},                            /* reply without ref */
        {21, 5, {4, 1, 'r', 0, 0}},                       /* monitor without ref */
        {24, 4, {4, 1, 'r', 5}},                          /* stop without reason */
        {16, 8, {3, 3, 'a', ' ', 'b', 0, 0, 0}},          /* a node's name with a blank */
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        net *n = *state;
        net_link *link = net_join(n, TAB, SERVER, TRP_AUTH_TOKEN);
        inject(n, link, all[i].kind, all[i].body, all[i].length);
        if (!link->ends[1].is_closed || link->ends[1].error != TRP_EPROTO) {
            fail_msg("body %zu was taken", i);
        }
        assert_true(link->ends[0].is_closed);
        (void)teardown(state);
        (void)setup(state);
    }
}

static void test_answers_nobody_asked_for_are_ignored(void **state) {
    net *n = *state;
    net_link *link = net_join(n, TAB, SERVER, TRP_AUTH_TOKEN);
    uint8_t body[24] = {0, 0, 0, 0, 0, 0, 0, 77};
    inject(n, link, 18, body, 24);
    inject(n, link, 19, body, 18);
    inject(n, link, 20, body, 8);
    inject(n, link, 22, body, 8);
    inject(n, link, 23, body, 14);
    assert_true(net_is_up(link));
}

static void test_answer_of_the_wrong_kind_ends_the_session(void **state) {
    net *n = *state;
    probe server = {0};
    probe tab = {0};
    start(n, SERVER, &server, NULL);
    start(n, TAB, &tab, "tab");
    net_link *link = net_join(n, TAB, SERVER, TRP_AUTH_TOKEN);
    deed d = {.to = net_name(n, SERVER, TAB, "tab")};
    d = perform(n, SERVER, &server, do_monitor, d);
    uint8_t body[24] = {0};
    for (int i = 0; i < 8; i++) {
        body[i] = (uint8_t)(d.ref >> (56 - 8 * i));
    }
    inject(n, link, 18, body, 24);
    assert_true(link->ends[1].is_closed);
    assert_int_equal(server.events_len, 1); /* and its monitor has ended with it */
    assert_int_equal(server.events[0].body.down.reason.kind, TRP_EXIT_NOCONNECTION);
}

static void do_forge_down(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *d = arg;
    trp_message *message = trp_message_new(ctx, &trp_down_type);
    ((trp_down *)trp_message_body(message))->ref = 1;
    d->result = trp_send(ctx, d->to, message);
}

static void test_signals_cannot_be_forged(void **state) {
    net *n = *state;
    probe relay = {0};
    probe guest = {0};
    expose(n, "relay");
    start(n, SERVER, &relay, "relay");
    start(n, TAB, &guest, NULL);
    assert_int_equal(trp_register_type(n->hosts[SERVER]->runtime, &trp_down_type), 0);
    net_join(n, TAB, SERVER, TRP_AUTH_TOKEN);
    (void)perform(n, TAB, &guest, do_forge_down, (deed){.to = net_name(n, TAB, SERVER, "relay")});
    assert_int_equal(relay.events_len, 0);
    assert_int_equal(fake_stats(n->hosts[SERVER]).dead_letters, 1);
}

static void test_nodes_behind_a_guest_are_bounded(void **state) {
    net *n = *state;
    probe relay = {0};
    expose(n, "r");
    start(n, SERVER, &relay, "r");
    net_link *link = net_join(n, TAB, SERVER, TRP_AUTH_TOKEN);
    uint64_t hash = trp_type_hash(&card_type);
    for (uint32_t i = 0; i < 200; i++) {
        uint8_t body[64] = {4, 1, 'r'};
        uint8_t *at = body + 3 + 8;
        for (int k = 56; k >= 0; k -= 8) {
            *at++ = (uint8_t)(hash >> k);
        }
        static const uint8_t item[] = {0xa1, 0x01, 0x53, 3, 1, 'n', 0, 0, 0, 0, 0,
                                       0,    0,    0,    0, 0, 0,   1, 0, 0, 0, 1};
        memcpy(at, item, sizeof item);
        at[13] = (uint8_t)(i + 1); /* the incarnation */
        inject(n, link, 16, body, (size_t)(at - body) + sizeof item);
    }
    assert_true(net_is_up(link));
    assert_int_equal(relay.events_len, 64);
    assert_int_equal(fake_stats(n->hosts[SERVER]).dead_letters, 136);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_guest_reaches_exposed_names_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_guest_may_not_monitor_or_kill, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pids_are_capabilities, setup, teardown),
        cmocka_unit_test_setup_teardown(test_guests_of_one_name_do_not_disturb_each_other, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_guest_cannot_take_the_name_of_a_peer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hub_forwards_between_its_guests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed_bodies_end_the_session, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answers_nobody_asked_for_are_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer_of_the_wrong_kind_ends_the_session, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_signals_cannot_be_forged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nodes_behind_a_guest_are_bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
