/*
 * The handshake of two engines: who gets in, who does not, and what a stranger can do.
 */
#include "cmocka_all.h"
#include "engine_fixture.h"

#include <stdlib.h>

enum { WHOLE = 1 << 30 };

typedef struct bench {
    fake_host host;
    end a;
    end b;
} bench;

static int setup(void **state) {
    bench *t = test_calloc(1, sizeof *t);
    fake_init(&t->host);
    pair_init(&t->a, &t->b, &t->host);
    *state = t;
    return 0;
}

static int teardown(void **state) {
    bench *t = *state;
    pair_deinit(&t->a, &t->b);
    assert_int_equal(t->host.memory.live_bytes, 0);
    test_free(t);
    return 0;
}

static void assert_closed(const end *e, int error) {
    assert_true(e->is_down);
    assert_int_equal(e->engine.phase, TRPI_PHASE_CLOSED);
    if (e->engine.error != error) {
        fail_msg("closed with %s (%s), expected %s", trp_error_name(e->engine.error), e->engine.why,
                 trp_error_name(error));
    }
    assert_true(error == 0 || e->engine.why[0] != '\0');
}

static void test_peers_with_one_cookie_meet(void **state) {
    bench *t = *state;
    pair_connect(&t->a, &t->b);
    assert_string_equal(t->a.engine.peer.name, "beta");
    assert_string_equal(t->b.engine.peer.name, "alpha");
    assert_int_equal(t->a.engine.peer.incarnation, 0xb2b2);
    assert_int_equal(t->a.engine.peer.message_max, 1 << 20);
    assert_int_equal(t->a.engine.peer.granted, TRP_RIGHTS_PEER);
    assert_int_equal(t->b.engine.peer.rights, TRP_RIGHTS_PEER);
    assert_null(t->a.engine.handshake);
    assert_null(t->b.engine.handshake);
    assert_int_equal(t->a.engine.out.bytes_max, TRPI_WINDOW_BYTES);
}

static void test_byte_by_byte_gives_the_same(void **state) {
    bench *t = *state;
    pair_open(&t->a, &t->b);
    carry_all(&t->a, &t->b, 1);
    assert_true(t->a.is_up && t->b.is_up);
}

static void test_wrong_cookie_is_told_to_both(void **state) {
    bench *t = *state;
    t->b.identity.cookie = (const uint8_t *)"another cookie, as long";
    pair_open(&t->a, &t->b);
    carry_all(&t->a, &t->b, WHOLE);
    assert_closed(&t->a, TRP_EAUTH);
    assert_closed(&t->b, TRP_EAUTH);
    assert_false(t->a.is_up || t->b.is_up);
    assert_string_equal(t->a.engine.why, t->b.engine.why);
}

static void test_token_is_checked_and_lowers_rights(void **state) {
    bench *t = *state;
    t->b.token_rights = TRP_RIGHT_SEND_NAMES | TRP_RIGHT_SPAWN;
    assert_int_equal(end_open(&t->a, true, TRP_AUTH_TOKEN, TRP_RIGHTS_PEER, "let me in"), 0);
    assert_int_equal(end_open(&t->b, false, TRP_AUTH_TOKEN, TRP_RIGHTS_GUEST, NULL), 0);
    carry_all(&t->a, &t->b, WHOLE);
    assert_true(t->a.is_up && t->b.is_up);
    assert_string_equal(t->b.token, "let me in");
    assert_int_equal(t->b.engine.peer.rights, TRP_RIGHT_SEND_NAMES);
    assert_int_equal(t->a.engine.peer.granted, TRP_RIGHT_SEND_NAMES);
}

static void test_refused_token_closes(void **state) {
    bench *t = *state;
    t->b.check_result = TRP_EAUTH;
    assert_int_equal(end_open(&t->a, true, TRP_AUTH_TOKEN, TRP_RIGHTS_PEER, "guess"), 0);
    assert_int_equal(end_open(&t->b, false, TRP_AUTH_TOKEN, TRP_RIGHTS_GUEST, NULL), 0);
    carry_all(&t->a, &t->b, WHOLE);
    assert_closed(&t->a, TRP_EAUTH);
    assert_closed(&t->b, TRP_EAUTH);
}

static void test_inherited_channel_is_enough_only_where_it_is_taken(void **state) {
    bench *t = *state;
    assert_int_equal(end_open(&t->a, true, TRP_AUTH_INHERITED, TRP_RIGHTS_PEER, NULL), 0);
    assert_int_equal(end_open(&t->b, false, TRP_AUTH_INHERITED, TRP_RIGHTS_PEER, NULL), 0);
    carry_all(&t->a, &t->b, WHOLE);
    assert_true(t->a.is_up && t->b.is_up);
    trpi_engine_deinit(&t->a.engine);
    trpi_engine_deinit(&t->b.engine);
    t->a.is_up = t->b.is_up = t->a.is_down = t->b.is_down = false;
    assert_int_equal(end_open(&t->a, true, TRP_AUTH_INHERITED, TRP_RIGHTS_PEER, NULL), 0);
    assert_int_equal(end_open(&t->b, false, TRP_AUTH_COOKIE, TRP_RIGHTS_PEER, NULL), 0);
    carry_all(&t->a, &t->b, WHOLE);
    assert_closed(&t->b, TRP_EAUTH);
    assert_false(t->a.is_up || t->b.is_up);
}

static void test_node_does_not_connect_to_itself(void **state) {
    bench *t = *state;
    memcpy(t->b.identity.name, "alpha", 6);
    t->b.identity.incarnation = t->a.identity.incarnation;
    pair_open(&t->a, &t->b);
    carry_all(&t->a, &t->b, WHOLE);
    assert_closed(&t->b, TRP_ESELF);
    assert_closed(&t->a, TRP_ESELF);
}

static void test_two_nodes_of_one_name_are_refused(void **state) {
    bench *t = *state;
    memcpy(t->b.identity.name, "alpha", 6);
    pair_open(&t->a, &t->b);
    carry_all(&t->a, &t->b, WHOLE);
    assert_closed(&t->a, TRP_EEXIST);
    assert_closed(&t->b, TRP_EEXIST);
}

/* Whatever the dialler says comes back to it: it must not accept itself. */
static void test_reflected_handshake_is_refused(void **state) {
    bench *t = *state;
    pair_open(&t->a, &t->b);
    end_run(&t->a);
    wire own = t->a.out;
    memset(&t->a.out, 0, sizeof t->a.out);
    end_take(&t->a, own.bytes, own.length);
    free(own.bytes);
    assert_false(t->a.is_up);
    assert_closed(&t->a, TRP_EPROTO);
}

/* An attacker without the cookie answers with the dialler's own proof, turned round. */
static void test_reflected_proof_is_refused(void **state) {
    bench *t = *state;
    pair_open(&t->a, &t->b);
    end_run(&t->a);
    (void)carry(&t->a, &t->b, WHOLE); /* hello */
    (void)carry(&t->b, &t->a, WHOLE); /* hello of the acceptor; the dialler proves */
    wire proof = t->a.out;
    memset(&t->a.out, 0, sizeof t->a.out);
    assert_int_equal(proof.bytes[2], TRPI_FRAME_PROOF);
    end_take(&t->a, proof.bytes, proof.length);
    free(proof.bytes);
    assert_false(t->a.is_up);
    assert_closed(&t->a, TRP_EAUTH);
}

/* Everything a dialler said in a good session is said again to another acceptor. */
static void test_replayed_handshake_is_refused(void **state) {
    bench *t = *state;
    pair_open(&t->a, &t->b);
    end_run(&t->a);
    uint8_t spoken[2048];
    size_t length = 0;
    for (int i = 0; i < 4; i++) {
        if (t->a.out.length > 0) {
            memcpy(spoken + length, t->a.out.bytes, t->a.out.length);
            length += t->a.out.length;
        }
        (void)carry(&t->a, &t->b, WHOLE);
        (void)carry(&t->b, &t->a, WHOLE);
    }
    assert_true(t->b.is_up);
    trpi_engine_deinit(&t->b.engine);
    t->b.is_up = t->b.is_down = false;
    assert_int_equal(end_open(&t->b, false, TRP_AUTH_COOKIE, TRP_RIGHTS_PEER, NULL), 0);
    end_take(&t->b, spoken, length);
    assert_false(t->b.is_up);
    assert_closed(&t->b, TRP_EAUTH);
}

/* Any single bit of the handshake changed on the way: nobody gets in. */
static void test_any_changed_byte_is_noticed(void **state) {
    bench *t = *state;
    uint32_t tried = 0;
    for (size_t which = 0; which < 1000; which++) {
        pair_open(&t->a, &t->b);
        t->a.is_up = t->b.is_up = t->a.is_down = t->b.is_down = false;
        end_run(&t->a);
        size_t seen_bytes = 0;
        bool was_changed = false;
        for (int i = 0; i < 4 && !(t->a.is_up && t->b.is_up); i++) {
            end *from = i % 2 == 0 ? &t->a : &t->b;
            end *to = i % 2 == 0 ? &t->b : &t->a;
            if (which >= seen_bytes && which < seen_bytes + from->out.length) {
                from->out.bytes[which - seen_bytes] ^= 0x20;
                was_changed = true;
            }
            seen_bytes += from->out.length;
            (void)carry(from, to, WHOLE);
        }
        bool both = t->a.is_up && t->b.is_up;
        trpi_engine_deinit(&t->a.engine);
        trpi_engine_deinit(&t->b.engine);
        free(t->a.out.bytes);
        free(t->b.out.bytes);
        memset(&t->a.out, 0, sizeof t->a.out);
        memset(&t->b.out, 0, sizeof t->b.out);
        if (!was_changed) {
            break;
        }
        tried++;
        /* Bytes behind the acceptor's proof (its credit) are not part of the handshake. */
        size_t handshake =
            2 * (TRPI_PREAMBLE + TRPI_HELLO) + 2 * (TRPI_FRAME_HEAD + TRPI_PROOF_BODY_MIN);
        if (both && which < handshake) {
            fail_msg("changing byte %zu went unnoticed", which);
        }
    }
    assert_true(tried > 2 * TRPI_HELLO);
}

static void test_truncation_at_every_byte_leaves_nothing_but_a_timeout(void **state) {
    bench *t = *state;
    pair_open(&t->a, &t->b);
    end_run(&t->a);
    uint8_t hello[512];
    size_t length = t->a.out.length;
    memcpy(hello, t->a.out.bytes, length);
    trpi_engine_deinit(&t->b.engine);
    for (size_t cut = 0; cut < length; cut++) {
        t->b.is_down = false;
        assert_int_equal(end_open(&t->b, false, TRP_AUTH_COOKIE, TRP_RIGHTS_PEER, NULL), 0);
        end_take(&t->b, hello, cut);
        assert_false(t->b.is_up || t->b.is_down);
        assert_int_equal(t->b.out.length, 0);
        uint64_t deadline = trpi_engine_deadline(&t->b.engine);
        assert_true(deadline != TRP_NEVER);
        trpi_engine_tick(&t->b.engine, deadline - 1);
        end_run(&t->b);
        assert_false(t->b.is_down);
        trpi_engine_tick(&t->b.engine, deadline);
        end_run(&t->b);
        assert_closed(&t->b, TRP_ETIMEOUT);
        trpi_engine_deinit(&t->b.engine);
        free(t->b.out.bytes);
        memset(&t->b.out, 0, sizeof t->b.out);
    }
    assert_int_equal(end_open(&t->b, false, TRP_AUTH_COOKIE, TRP_RIGHTS_PEER, NULL), 0);
}

/* A byte a second keeps no handshake alive beyond its time. */
static void test_slow_peer_runs_out_of_time(void **state) {
    bench *t = *state;
    pair_open(&t->a, &t->b);
    end_run(&t->a);
    uint32_t sent = 0;
    while (!t->b.is_down && sent < t->a.out.length) {
        end_take(&t->b, t->a.out.bytes + sent++, 1);
        fake_clock_jump(&t->host, TRP_NS_PER_S);
        trpi_engine_tick(&t->b.engine, fake_now(&t->host));
        end_run(&t->b);
    }
    assert_closed(&t->b, TRP_ETIMEOUT);
    assert_int_equal(sent, 10);
}

static void test_other_protocols_get_no_answer(void **state) {
    bench *t = *state;
    pair_open(&t->a, &t->b);
    end_take(&t->b, "G", 1);
    assert_closed(&t->b, TRP_EPROTO);
    assert_int_equal(t->b.out.length, 0);
}

static void test_unknown_version_is_told(void **state) {
    bench *t = *state;
    static const uint8_t future[] = {'T', 'R', 'O', 'U', 'P', 'E', 9, 12};
    pair_open(&t->a, &t->b);
    end_take(&t->b, future, sizeof future);
    assert_closed(&t->b, TRP_EVERSION);
    assert_int_equal(t->b.out.bytes[2 + TRPI_PREAMBLE], TRPI_FRAME_CLOSE);
    (void)carry(&t->b, &t->a, WHOLE);
    assert_closed(&t->a, TRP_EVERSION);
}

typedef struct strange {
    const char *what;
    uint8_t bytes[12];
    size_t length;
} strange;

/* After a good preamble: each of these ends the session at once. */
static void test_frames_out_of_order_close(void **state) {
    static const strange all[] = {
        {"data before authentication", {0, 4, TRPI_FRAME_SEND, 0}, 4},
        {"credit before authentication", {0, 16, TRPI_FRAME_CREDIT, 0}, 4},
        {"ping before authentication", {0, 8, TRPI_FRAME_PING, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 12},
        {"proof before hello", {0, 36, TRPI_FRAME_PROOF, 0}, 4},
        {"unknown kind", {0, 0, 99, 0}, 4},
        {"kind zero", {0, 0, 0, 0}, 4},
        {"fragmented hello", {0, 112, TRPI_FRAME_HELLO, 0x80}, 4},
        {"oversize hello", {0xff, 0xff, TRPI_FRAME_HELLO, 0}, 4},
        {"unknown flags", {0, 8, TRPI_FRAME_SEND, 0x08}, 4},
        {"short hello", {0, 2, TRPI_FRAME_HELLO, 0, 1, 1}, 6},
    };
    bench *t = *state;
    pair_open(&t->a, &t->b);
    trpi_engine_deinit(&t->b.engine);
    uint8_t preamble[TRPI_PREAMBLE];
    trpi_preamble_write(preamble);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        t->b.is_down = false;
        assert_int_equal(end_open(&t->b, false, TRP_AUTH_COOKIE, TRP_RIGHTS_PEER, NULL), 0);
        end_take(&t->b, preamble, sizeof preamble);
        assert_false(t->b.is_down);
        end_take(&t->b, all[i].bytes, all[i].length);
        static const uint8_t rest[36] = {0};
        if (!t->b.is_down) {
            end_take(&t->b, rest, sizeof rest);
        }
        if (!t->b.is_down || t->b.engine.error != TRP_EPROTO) {
            fail_msg("%s was not refused", all[i].what);
        }
        trpi_engine_deinit(&t->b.engine);
    }
    assert_int_equal(end_open(&t->b, false, TRP_AUTH_COOKIE, TRP_RIGHTS_PEER, NULL), 0);
}

/* A stranger gets no memory beyond the input of one small frame. */
static void test_flood_before_authentication_is_bounded(void **state) {
    bench *t = *state;
    pair_open(&t->a, &t->b);
    uint8_t flood[TRPI_INPUT_EARLY + 1];
    memset(flood, 0, sizeof flood);
    trpi_preamble_write(flood);
    uint64_t before = t->host.memory.live_bytes;
    trpi_engine_input(&t->b.engine, flood, sizeof flood, fake_now(&t->host));
    assert_true(t->host.memory.live_bytes - before <= 128 * 1024); /* a slab of the pool */
    end_run(&t->b);
    assert_closed(&t->b, TRP_EPROTO);
}

/* A close from a stranger is believed, but its text is made harmless. */
static void test_text_of_a_close_is_cleaned(void **state) {
    bench *t = *state;
    uint8_t bytes[TRPI_PREAMBLE + TRPI_FRAME_HEAD + 9];
    trpi_preamble_write(bytes);
    uint8_t *at = trpi_put_head(bytes + TRPI_PREAMBLE, 9, TRPI_FRAME_CLOSE, 0);
    at = trpi_put(at, (uint64_t)(int64_t)TRP_ELIMIT, 4);
    (void)trpi_put_bytes(at, "a\x1b[2J", 5);
    pair_open(&t->a, &t->b);
    end_take(&t->a, bytes, sizeof bytes);
    assert_closed(&t->a, TRP_ELIMIT);
    assert_string_equal(t->a.engine.why, "a?[2J");
}

static void test_failing_mac_and_entropy_are_errors(void **state) {
    bench *t = *state;
    t->host.entropy_error = TRP_EIO;
    assert_int_equal(end_open(&t->a, true, TRP_AUTH_COOKIE, TRP_RIGHTS_PEER, NULL), TRP_EIO);
    t->host.entropy_error = 0;
    pair_open(&t->a, &t->b);
    t->host.entropy_error = TRP_EIO;
    carry_all(&t->a, &t->b, WHOLE);
    assert_closed(&t->b, TRP_EIO);
    assert_closed(&t->a, TRP_EIO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_peers_with_one_cookie_meet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_byte_by_byte_gives_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_cookie_is_told_to_both, setup, teardown),
        cmocka_unit_test_setup_teardown(test_token_is_checked_and_lowers_rights, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_token_closes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inherited_channel_is_enough_only_where_it_is_taken,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_node_does_not_connect_to_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_nodes_of_one_name_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reflected_handshake_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reflected_proof_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replayed_handshake_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_any_changed_byte_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncation_at_every_byte_leaves_nothing_but_a_timeout,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_slow_peer_runs_out_of_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_protocols_get_no_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_version_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_frames_out_of_order_close, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flood_before_authentication_is_bounded, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_text_of_a_close_is_cleaned, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failing_mac_and_entropy_are_errors, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
