/*
 * The test vectors of docs/protocol.md: made here by the code that sends, and compared with the text.
 * With TRP_PRINT_VECTORS in the environment the blocks are printed as the page has them.
 */
#include "cmocka_all.h"
#include "engine_fixture.h"
#include "node/encode.h"
#include "troupe/codec.h"

#include <stdio.h>
#include <stdlib.h>

#define CARD_FIELDS(F)                                                                             \
    F(pid, who, 1)                                                                                 \
    F(u64, number, 2)                                                                              \
    F(string, text, 3)
TRP_TYPE_DECLARE(card, CARD_FIELDS)
TRP_TYPE_DEFINE(card, "test.Card", CARD_FIELDS)

enum { WHOLE = 1 << 30, PAGE_MAX = 256 * 1024, BLOCK_MAX = 4096, A_LINE = 32 };

static char page[PAGE_MAX];

static int read_page(void **state) {
    (void)state;
    FILE *file = fopen(TRP_PROTOCOL_PAGE, "rb");
    assert_non_null(file);
    size_t length = fread(page, 1, sizeof page - 1, file);
    assert_true(length > 1000 && length < sizeof page - 1);
    page[length] = '\0';
    return fclose(file);
}

/* Asserts that the page has exactly these bytes under this name. */
static void check(const char *name, const uint8_t *bytes, size_t length) {
    char block[BLOCK_MAX];
    size_t at = (size_t)snprintf(block, sizeof block, "```hex %s\n", name);
    for (size_t i = 0; i < length; i++) {
        assert_true(at + 16 < sizeof block);
        at += (size_t)snprintf(block + at, 4, "%02x", bytes[i]);
        block[at++] = i % A_LINE == A_LINE - 1 || i == length - 1 ? '\n' : ' ';
    }
    memcpy(block + at, "```\n", 5);
    if (getenv("TRP_PRINT_VECTORS") != NULL) {
        printf("%s", block);
    } else if (strstr(page, block) == NULL) {
        fail_msg("docs/protocol.md does not have this block:\n%s", block);
    }
}

static void check_output(const char *name, end *e) {
    check(name, e->out.bytes, e->out.length);
}

static void pass_on(end *from, end *to) {
    (void)carry(from, to, WHOLE);
}

/* The cookie of the page, and the two nodes. */
static void test_handshake(void **state) {
    (void)state;
    fake_host *host = calloc(1, sizeof *host);
    end *a = calloc(1, sizeof *a);
    end *b = calloc(1, sizeof *b);
    assert_true(host != NULL && a != NULL && b != NULL);
    fake_init(host);
    end_init(a, host, "alpha", 0x0a0a0a0a0a0a0a0a, "correct horse battery");
    end_init(b, host, "beta", 0x0b0b0b0b0b0b0b0b, "correct horse battery");
    assert_int_equal(end_open(a, true, TRP_AUTH_COOKIE, TRP_RIGHTS_PEER, NULL), 0);
    assert_int_equal(end_open(b, false, TRP_AUTH_COOKIE, TRP_RIGHTS_PEER, NULL), 0);
    end_run(a);
    check_output("dialler: preamble, HELLO", a);
    pass_on(a, b);
    check_output("acceptor: preamble, HELLO", b);
    pass_on(b, a);
    check_output("dialler: PROOF", a);
    check("dialler's mac is over", a->engine.handshake->transcript, TRPI_AT_DIALLER_MAC);
    pass_on(a, b);
    check_output("acceptor: PROOF, CREDIT", b);
    pass_on(b, a);
    assert_true(a->is_up && b->is_up);
    check_output("dialler: CREDIT", a);
    pass_on(a, b);
    fake_clock_jump(host, engine_times.heartbeat_ns);
    trpi_engine_tick(&a->engine, fake_now(host));
    end_run(a);
    check_output("PING", a);
    pass_on(a, b);
    check_output("PONG", b);
    pass_on(b, a);
    trpi_engine_close(&b->engine, TRP_EEXIST, "the node has been started again");
    end_run(b);
    check_output("CLOSE", b);
    pass_on(b, a);
    assert_true(a->is_down);
    pair_deinit(a, b);
    free(a);
    free(b);
    free(host);
}

/* ---- data frames ---- */

typedef struct writer {
    fake_host *host;
    trpi_way way;
    trpi_encoder encoder;
} writer;

static const trp_pid OWN = {0, 0, 3, 1};
static const trp_pid THEIRS = {9, 2, 258, 5};
static const trp_ref REF = 0x0000010000000001;

static trpi_encoder *begin(writer *w) {
    w->way = (trpi_way){.slot = THEIRS.node, .epoch = THEIRS.epoch, .message_max = 1 << 20};
    trpi_encoder_init(&w->encoder, fake_root(w->host), &w->way, 64);
    return &w->encoder;
}

static void name_relay(trpi_encoder *encoder) {
    trpi_encode_number(encoder, TRPI_PID_NAMED, 1);
    trpi_encode_number(encoder, 5, 1);
    trpi_encode_bytes(encoder, "relay", 5);
}

static void finish(writer *w, const char *name, unsigned kind) {
    trp_message *frame;
    uint8_t bytes[512];
    assert_int_equal(trpi_encoder_finish(&w->encoder, &frame), 0);
    uint8_t *at = trpi_put_head(bytes, frame->length, kind, 3);
    at = trpi_put_bytes(at, trpi_body(frame), frame->length);
    check(name, bytes, (size_t)(at - bytes));
    trp_message_drop(fake_root(w->host), frame);
}

static trp_message *hello(trp_ctx *ctx) {
    trp_message *message = trp_message_new_bytes(ctx, "hello", 5);
    trp_message_set_tag(message, 7);
    return message;
}

static trp_message *new_card(trp_ctx *ctx) {
    trp_builder builder;
    trp_message *message;
    trp_builder_init(&builder, ctx, &card_type, 16);
    trp_set(&builder, card, who, OWN);
    trp_set(&builder, card, number, 1000);
    trp_set_text(&builder, card, text, "hi");
    assert_int_equal(trp_builder_finish(&builder, &message), 0);
    return message;
}

static void test_data_frames(void **state) {
    (void)state;
    writer w = {.host = fake_create(1)};
    trp_ctx *ctx = fake_root(w.host);
    trp_node_config config = {.size = sizeof config, .name = "alpha"};
    assert_int_equal(trp_node_start(w.host->runtime, &config), 0);
    trp_message *bytes = hello(ctx);
    trp_message *typed = new_card(ctx);
    trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, 7, "on purpose");

    name_relay(begin(&w));
    trpi_encode_payload(&w.encoder, bytes);
    finish(&w, "SEND, bytes to a name", TRPI_FRAME_SEND);

    trpi_encode_pid(begin(&w), THEIRS);
    trpi_encode_payload(&w.encoder, typed);
    finish(&w, "SEND, a typed message to a pid", TRPI_FRAME_SEND);

    name_relay(begin(&w));
    trpi_encode_pid(&w.encoder, OWN);
    trpi_encode_number(&w.encoder, REF, 8);
    trpi_encode_payload(&w.encoder, bytes);
    finish(&w, "CALL", TRPI_FRAME_CALL);

    trpi_encode_number(begin(&w), REF, 8);
    trpi_encode_payload(&w.encoder, bytes);
    finish(&w, "REPLY", TRPI_FRAME_REPLY);

    trpi_encode_number(begin(&w), REF, 8);
    trpi_encode_number(&w.encoder, (uint64_t)(int64_t)TRP_EFAILED, 4);
    trpi_encode_exit(&w.encoder, &reason);
    finish(&w, "ERROR", TRPI_FRAME_ERROR);

    trpi_encode_number(begin(&w), REF, 8);
    finish(&w, "CANCEL", TRPI_FRAME_CANCEL);

    trpi_encode_pid(begin(&w), THEIRS);
    trpi_encode_number(&w.encoder, REF, 8);
    finish(&w, "MONITOR", TRPI_FRAME_MONITOR);

    trpi_encode_number(begin(&w), REF, 8);
    finish(&w, "DEMONITOR", TRPI_FRAME_DEMONITOR);

    trpi_encode_number(begin(&w), REF, 8);
    trpi_encode_exit(&w.encoder, &reason);
    finish(&w, "DOWN", TRPI_FRAME_DOWN);

    reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, "");
    trpi_encode_pid(begin(&w), THEIRS);
    trpi_encode_exit(&w.encoder, &reason);
    finish(&w, "STOP", TRPI_FRAME_STOP);

    trpi_encode_pid(begin(&w), THEIRS);
    finish(&w, "KILL", TRPI_FRAME_KILL);

    trp_message_drop(ctx, bytes);
    trp_message_drop(ctx, typed);
    fake_destroy(w.host);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake),
        cmocka_unit_test(test_data_frames),
    };
    return cmocka_run_group_tests(tests, read_page, NULL);
}
