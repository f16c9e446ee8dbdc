/*
 * Two engines that are connected: fragments, order, credit, batches, heartbeats.
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
    pair_connect(&t->a, &t->b);
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

static void assert_message(const end *e, uint32_t at, size_t length, uint8_t first) {
    assert_true(at < e->seen_len);
    assert_int_equal(e->seen[at].kind, TRPI_EVENT_MESSAGE);
    assert_int_equal(e->seen[at].length, length);
    assert_int_equal(e->seen[at].sum, sum_of(length, first));
}

/* Forgets what was seen so far. */
static void clear(bench *t) {
    t->a.seen_len = 0;
    t->b.seen_len = 0;
}

static void test_messages_of_every_size_arrive_whole(void **state) {
    static const size_t sizes[] = {
        1,      100,    TRPI_FRAGMENT, TRPI_BODY_MAX, TRPI_BODY_MAX + 1, 2 * TRPI_FRAGMENT,
        200000, 1 << 20};
    bench *t = *state;
    for (size_t step = 1; step <= 100000; step = step * 100 - 1 + (step == 1)) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            if (step == 1 && sizes[i] > 200000) {
                continue;
            }
            clear(t);
            assert_int_equal(end_send(&t->a, 3, TRPI_FRAME_SEND, sizes[i], (uint8_t)i), 0);
            carry_all(&t->a, &t->b, step);
            assert_int_equal(t->b.seen_len, 1);
            assert_message(&t->b, 0, sizes[i], (uint8_t)i);
            assert_int_equal(t->b.seen[0].stream, 3);
            assert_int_equal(t->b.seen[0].frame, TRPI_FRAME_SEND);
        }
    }
}

static void test_one_activation_is_one_send(void **state) {
    bench *t = *state;
    t->a.out.sends = 0;
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(end_send(&t->a, i, TRPI_FRAME_SEND, 50, 0), 0);
    }
    end_run(&t->a);
    assert_int_equal(t->a.out.sends, 1);
}

static void test_short_message_passes_a_long_one_of_another_stream(void **state) {
    bench *t = *state;
    clear(t);
    assert_int_equal(end_send(&t->a, 1, TRPI_FRAME_SEND, 500000, 1), 0);
    assert_int_equal(end_send(&t->a, 2, TRPI_FRAME_SEND, 10, 2), 0);
    assert_int_equal(end_send(&t->a, 1, TRPI_FRAME_DOWN, 10, 3), 0);
    carry_all(&t->a, &t->b, WHOLE);
    assert_int_equal(t->b.seen_len, 3);
    assert_message(&t->b, 0, 10, 2);
    assert_message(&t->b, 1, 500000, 1);
    assert_message(&t->b, 2, 10, 3); /* the same stream: behind */
    assert_int_equal(t->b.seen[2].frame, TRPI_FRAME_DOWN);
}

static void test_short_messages_keep_their_order_across_streams(void **state) {
    bench *t = *state;
    clear(t);
    for (uint8_t i = 0; i < 40; i++) {
        assert_int_equal(end_send(&t->a, i * 7u, TRPI_FRAME_SEND, 100, i), 0);
    }
    carry_all(&t->a, &t->b, WHOLE);
    for (uint8_t i = 0; i < 40; i++) {
        assert_message(&t->b, i, 100, i);
    }
}

static void test_long_messages_of_all_streams_interleave(void **state) {
    bench *t = *state;
    clear(t);
    for (uint8_t i = 0; i < TRPI_STREAMS; i++) {
        assert_int_equal(end_send(&t->a, i, TRPI_FRAME_SEND, 1 << 20, i), 0);
    }
    carry_all(&t->a, &t->b, 50000);
    assert_int_equal(t->b.seen_len, TRPI_STREAMS);
    for (uint32_t i = 0; i < TRPI_STREAMS; i++) {
        assert_message(&t->b, i, 1 << 20, (uint8_t)t->b.seen[i].stream);
    }
}

/* Nobody reads at b: a sends what it may and keeps the rest. */
static void test_sender_stops_at_the_window(void **state) {
    bench *t = *state;
    for (int i = 0; i < 40; i++) {
        assert_int_equal(end_send(&t->a, 0, TRPI_FRAME_SEND, 60000, 0), 0);
    }
    end_run(&t->a);
    assert_true(t->a.out.length <= TRPI_WINDOW_BYTES + 40 * TRPI_FRAME_HEAD);
    assert_true(t->a.out.length > TRPI_WINDOW_BYTES - 60000);
    assert_true(t->a.engine.queued_messages > 0);
    clear(t);
    carry_all(&t->a, &t->b, WHOLE);
    assert_int_equal(t->b.seen_len, 40);
    assert_int_equal(t->a.engine.queued_messages, 0);
    assert_int_equal(t->a.engine.queued_bytes, 0);
}

static void test_message_window_counts_messages(void **state) {
    bench *t = *state;
    clear(t);
    for (int i = 0; i < TRPI_WINDOW_MESSAGES + 100; i++) {
        assert_int_equal(end_send(&t->a, 0, TRPI_FRAME_SEND, 1, 0), 0);
    }
    end_run(&t->a);
    assert_int_equal(t->a.engine.queued_messages, 100);
    carry_all(&t->a, &t->b, WHOLE);
    assert_int_equal(t->b.seen_len, TRPI_WINDOW_MESSAGES + 100);
}

static void test_sending_more_than_granted_closes(void **state) {
    bench *t = *state;
    t->a.engine.out.bytes_max = UINT64_MAX;
    t->b.engine.in.bytes_max = t->b.engine.in.bytes + 1000;
    assert_int_equal(end_send(&t->a, 0, TRPI_FRAME_SEND, 1001, 0), 0);
    carry_all(&t->a, &t->b, WHOLE);
    assert_true(t->a.is_down && t->b.is_down);
    assert_int_equal(t->b.engine.error, TRP_EPROTO);
    assert_int_equal(t->a.engine.error, TRP_EPROTO);
}

static void test_flood_is_refused_before_it_is_stored(void **state) {
    bench *t = *state;
    static uint8_t flood[TRPI_WINDOW_BYTES + TRPI_INPUT_SLACK + 1];
    trpi_engine_input(&t->b.engine, flood, sizeof flood, fake_now(&t->host));
    end_run(&t->b);
    assert_true(t->b.is_down);
    assert_int_equal(t->b.engine.error, TRP_EPROTO);
    assert_true(t->host.memory.peak_bytes < sizeof flood);
}

static void test_message_beyond_the_limit_closes(void **state) {
    bench *t = *state;
    assert_int_equal(end_send(&t->a, 0, TRPI_FRAME_SEND, (1 << 20) + TRPI_ENVELOPE_MAX + 1, 0), 0);
    carry_all(&t->a, &t->b, WHOLE);
    assert_true(t->a.is_down && t->b.is_down);
    assert_int_equal(t->b.engine.error, TRP_ETOOBIG);
}

static void take_frame(end *e, unsigned kind, unsigned flags, const void *body, size_t length) {
    uint8_t frame[TRPI_FRAME_HEAD + 64];
    assert_true(length <= 64);
    (void)trpi_put_bytes(trpi_put_head(frame, length, kind, flags), body, length);
    end_take(e, frame, TRPI_FRAME_HEAD + length);
}

static void test_fragments_out_of_order_close(void **state) {
    static const unsigned first[][2] = {
        {TRPI_FRAME_SEND, TRPI_FRAME_CONTINUES}, /* nothing begun */
        {TRPI_FRAME_CALL, TRPI_FRAME_CONTINUES}, /* another kind than begun */
        {TRPI_FRAME_SEND, TRPI_FRAME_MORE},      /* begun twice */
        {TRPI_FRAME_SEND, 0},                    /* a whole one in between */
    };
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
        bench *t = *state;
        if (i > 0) {
            take_frame(&t->b, TRPI_FRAME_SEND, TRPI_FRAME_MORE, "begin", 5);
            assert_false(t->b.is_down);
        }
        take_frame(&t->b, first[i][0], first[i][1], "next", 4);
        assert_true(t->b.is_down);
        assert_int_equal(t->b.engine.error, TRP_EPROTO);
        (void)teardown(state);
        (void)setup(state);
    }
}

static void test_malformed_control_frames_close(void **state) {
    static const unsigned kinds[] = {TRPI_FRAME_HELLO, TRPI_FRAME_PROOF, TRPI_FRAME_PING,
                                     TRPI_FRAME_PONG,  TRPI_FRAME_CLOSE, TRPI_FRAME_CREDIT};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        bench *t = *state;
        take_frame(&t->b, kinds[i], 0, "abc", 3);
        assert_true(t->b.is_down);
        assert_int_equal(t->b.engine.error, TRP_EPROTO);
        (void)teardown(state);
        (void)setup(state);
    }
}

static void test_credit_never_shrinks(void **state) {
    bench *t = *state;
    uint8_t credit[16] = {0};
    uint64_t before = t->a.engine.out.bytes_max;
    take_frame(&t->a, TRPI_FRAME_CREDIT, 0, credit, sizeof credit);
    assert_int_equal(t->a.engine.out.bytes_max, before);
    assert_false(t->a.is_down);
}

static void test_close_reaches_the_other_side_behind_what_was_sent(void **state) {
    bench *t = *state;
    clear(t);
    assert_int_equal(end_send(&t->a, 0, TRPI_FRAME_SEND, 100, 0), 0);
    end_run(&t->a);
    trpi_engine_close(&t->a.engine, 0, "good bye");
    carry_all(&t->a, &t->b, WHOLE);
    assert_int_equal(t->b.seen_len, 2);
    assert_message(&t->b, 0, 100, 0);
    assert_true(t->a.is_down && t->b.is_down);
    assert_int_equal(t->b.engine.error, 0);
    assert_string_equal(t->b.engine.why, "good bye");
}

static void test_failing_transport_ends_the_session(void **state) {
    bench *t = *state;
    t->a.out.error = TRP_EIO;
    assert_int_equal(end_send(&t->a, 0, TRPI_FRAME_SEND, 100, 0), 0);
    end_run(&t->a);
    assert_true(t->a.is_down);
    assert_int_equal(t->a.engine.error, TRP_EIO);
}

/* ---- time ---- */

/* Moves time to the engine's next deadline and lets it act. */
static void tick(bench *t, end *e) {
    uint64_t deadline = trpi_engine_deadline(&e->engine);
    assert_true(deadline != TRP_NEVER);
    fake_clock_jump(&t->host, deadline - fake_now(&t->host));
    trpi_engine_tick(&e->engine, fake_now(&t->host));
    end_run(e);
}

static void test_silence_is_probed_and_an_answer_heals(void **state) {
    bench *t = *state;
    clear(t);
    uint64_t start = fake_now(&t->host);
    tick(t, &t->a);
    assert_int_equal(fake_now(&t->host) - start, engine_times.heartbeat_ns);
    assert_int_equal(t->a.out.bytes[2], TRPI_FRAME_PING);
    assert_int_equal(t->a.seen_len, 0);
    carry_all(&t->a, &t->b, WHOLE);
    assert_int_equal(t->a.seen_len, 0); /* answered before anybody became suspicious */
    assert_int_equal(t->a.engine.probed_ns, TRP_NEVER);
    assert_int_equal(t->a.engine.pongs, 1);
}

static void test_silent_peer_becomes_suspect_and_then_down(void **state) {
    bench *t = *state;
    clear(t);
    uint64_t start = fake_now(&t->host);
    tick(t, &t->a);
    tick(t, &t->a);
    assert_int_equal(count_seen(&t->a, TRPI_EVENT_SUSPECT), 1);
    assert_false(t->a.is_down);
    tick(t, &t->a);
    assert_true(t->a.is_down);
    assert_int_equal(t->a.engine.error, TRP_ETIMEOUT);
    assert_int_equal(fake_now(&t->host) - start,
                     engine_times.heartbeat_ns + engine_times.patience_ns);
    assert_int_equal(trpi_engine_deadline(&t->a.engine), TRP_NEVER);
}

static void test_suspect_that_answers_is_up_again(void **state) {
    bench *t = *state;
    clear(t);
    tick(t, &t->a);
    tick(t, &t->a);
    carry_all(&t->a, &t->b, WHOLE);
    assert_int_equal(count_seen(&t->a, TRPI_EVENT_SUSPECT), 1);
    assert_int_equal(count_seen(&t->a, TRPI_EVENT_HEARD), 1);
    assert_false(t->a.is_down || t->a.engine.is_suspect);
}

/* A page that was frozen for an hour finds a deadline long passed: it must ask again, not give up. */
static void test_one_who_slept_asks_again(void **state) {
    bench *t = *state;
    tick(t, &t->a);
    tick(t, &t->a);
    fake_clock_jump(&t->host, 3600 * TRP_NS_PER_S);
    trpi_engine_tick(&t->a.engine, fake_now(&t->host));
    end_run(&t->a);
    assert_false(t->a.is_down);
    carry_all(&t->a, &t->b, WHOLE);
    assert_false(t->a.is_down || t->b.is_down);
    tick(t, &t->a);
    tick(t, &t->a);
    tick(t, &t->a);
    assert_true(t->a.is_down); /* but it does give up */
}

static void test_peer_that_never_reads_is_given_up(void **state) {
    bench *t = *state;
    trpi_engine_writable(&t->a.engine, false, fake_now(&t->host));
    assert_int_equal(end_send(&t->a, 0, TRPI_FRAME_SEND, 100, 0), 0);
    uint64_t start = fake_now(&t->host);
    for (int i = 0; i < 1000 && !t->a.is_down; i++) {
        fake_clock_jump(&t->host, TRP_NS_PER_S);
        take_frame(&t->a, TRPI_FRAME_PING, 0, "12345678", 8); /* it does talk */
        trpi_engine_tick(&t->a.engine, fake_now(&t->host));
        end_run(&t->a);
    }
    assert_true(t->a.is_down);
    assert_int_equal(t->a.engine.error, TRP_ETIMEOUT);
    assert_int_equal(fake_now(&t->host) - start,
                     engine_times.heartbeat_ns + engine_times.patience_ns);
    assert_int_equal(t->a.out.length, 0);
}

static void test_unwritable_transport_gets_nothing_and_then_all(void **state) {
    bench *t = *state;
    clear(t);
    trpi_engine_writable(&t->a.engine, false, fake_now(&t->host));
    assert_int_equal(end_send(&t->a, 0, TRPI_FRAME_SEND, 100, 0), 0);
    end_run(&t->a);
    assert_int_equal(t->a.out.length, 0);
    trpi_engine_writable(&t->a.engine, true, fake_now(&t->host));
    carry_all(&t->a, &t->b, WHOLE);
    assert_int_equal(t->b.seen_len, 1);
}

/* A flood of pings costs one pong for each time we write, not one each. */
static void test_flood_of_pings_is_answered_once(void **state) {
    bench *t = *state;
    trpi_engine_writable(&t->a.engine, false, fake_now(&t->host));
    for (int i = 0; i < 1000; i++) {
        take_frame(&t->a, TRPI_FRAME_PING, 0, "12345678", 8);
    }
    trpi_engine_writable(&t->a.engine, true, fake_now(&t->host));
    end_run(&t->a);
    assert_int_equal(t->a.out.length, TRPI_FRAME_HEAD + 8);
}

/* ---- memory ---- */

static void exchange(fake_host *host, void *arg) {
    (void)arg;
    end *a = test_calloc(1, sizeof *a);
    end *b = test_calloc(1, sizeof *b);
    pair_init(a, b, host);
    bool is_open = end_open(a, true, TRP_AUTH_COOKIE, TRP_RIGHTS_PEER, NULL) == 0;
    bool both = is_open && end_open(b, false, TRP_AUTH_COOKIE, TRP_RIGHTS_PEER, NULL) == 0;
    if (both) {
        carry_all(a, b, 1000);
        for (unsigned i = 0; i < 4; i++) {
            (void)end_send(a, i, TRPI_FRAME_SEND, 1000, 0);
            (void)end_send(b, i, TRPI_FRAME_SEND, 100000, 0);
        }
        carry_all(a, b, 1000);
        /* Either everything went well, or both ends know that it did not. */
        bool is_well = b->engine.phase == TRPI_PHASE_UP && a->engine.phase == TRPI_PHASE_UP;
        assert_true(is_well || (a->is_down && b->is_down));
    }
    if (is_open) {
        trpi_engine_deinit(&a->engine);
    }
    if (both) {
        trpi_engine_deinit(&b->engine);
    }
    trpi_pool_deinit(&a->pool);
    trpi_pool_deinit(&b->pool);
    free(a->out.bytes);
    free(b->out.bytes);
    test_free(a);
    test_free(b);
}

static void test_every_allocation_may_fail(void **state) {
    (void)state;
    assert_true(fake_every_allocation_fails(exchange, NULL) > 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_messages_of_every_size_arrive_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_activation_is_one_send, setup, teardown),
        cmocka_unit_test_setup_teardown(test_short_message_passes_a_long_one_of_another_stream,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_short_messages_keep_their_order_across_streams, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_long_messages_of_all_streams_interleave, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_sender_stops_at_the_window, setup, teardown),
        cmocka_unit_test_setup_teardown(test_message_window_counts_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sending_more_than_granted_closes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flood_is_refused_before_it_is_stored, setup, teardown),
        cmocka_unit_test_setup_teardown(test_message_beyond_the_limit_closes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fragments_out_of_order_close, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed_control_frames_close, setup, teardown),
        cmocka_unit_test_setup_teardown(test_credit_never_shrinks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_reaches_the_other_side_behind_what_was_sent,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_failing_transport_ends_the_session, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silence_is_probed_and_an_answer_heals, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_silent_peer_becomes_suspect_and_then_down, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_suspect_that_answers_is_up_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_who_slept_asks_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_peer_that_never_reads_is_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unwritable_transport_gets_nothing_and_then_all, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_flood_of_pings_is_answered_once, setup, teardown),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
