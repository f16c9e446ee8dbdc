/*
 * Plain bytes in pieces: what a writer appends, whatever the pieces, is what a cursor reads.
 */
#include "message/message.h"
#include "message_fixture.h"
#include "troupe/bytes.h"
#include "troupe/error.h"

#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

static uint64_t next(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

static int setup(void **state) {
    pool_ctx *ctx = malloc(sizeof *ctx);
    assert_non_null(ctx);
    pool_ctx_init(ctx);
    *state = ctx;
    return 0;
}

static int teardown(void **state) {
    size_t live = pool_ctx_deinit(*state);
    free(*state);
    return live == 0 ? 0 : -1;
}

static void test_numbers_come_back_as_they_were_written(void **state) {
    pool_ctx *ctx = *state;
    trp_writer writer;
    trp_message *message;
    trp_writer_init(&writer, pool_ctx_of(ctx), 0);
    trp_writer_put_u8(&writer, 0xfe);
    trp_writer_put_u32(&writer, 0x01020304);
    trp_writer_put_u64(&writer, UINT64_C(0xf0e0d0c0b0a09080));
    trp_writer_put(&writer, "abc", 3);
    assert_int_equal(trp_writer_length(&writer), 16);
    assert_int_equal(trp_writer_finish(&writer, &message), 0);
    assert_int_equal(trp_message_length(message), 16);
    assert_null(trp_message_type(message));
    assert_int_equal(((uint8_t *)trp_message_body(message))[1], 4); /* little end first */
    trp_cursor cursor;
    trp_cursor_init(&cursor, message);
    assert_int_equal(trp_cursor_left(&cursor), 16);
    assert_int_equal(trp_cursor_get_u8(&cursor), 0xfe);
    assert_int_equal(trp_cursor_get_u32(&cursor), 0x01020304);
    trp_cursor here = cursor;
    assert_true(trp_cursor_get_u64(&cursor) == UINT64_C(0xf0e0d0c0b0a09080));
    assert_memory_equal(trp_cursor_get(&cursor, 3), "abc", 3);
    assert_int_equal(trp_cursor_left(&cursor), 0);
    assert_false(cursor.has_failed);
    assert_true(trp_cursor_get_u64(&here) == UINT64_C(0xf0e0d0c0b0a09080)); /* from a copy */
    pool_ctx_drop(ctx, message);
}

static void test_reading_too_far_reads_nothing_from_then_on(void **state) {
    pool_ctx *ctx = *state;
    trp_message *message = trp_message_new_bytes(pool_ctx_of(ctx), "12345", 5);
    trp_cursor cursor;
    trp_cursor_init(&cursor, message);
    assert_int_equal(trp_cursor_get_u8(&cursor), '1');
    assert_null(trp_cursor_get(&cursor, 5));
    assert_true(cursor.has_failed);
    assert_int_equal(trp_cursor_get_u8(&cursor), 0); /* not the second: nothing is out of step */
    assert_null(trp_cursor_get(&cursor, 0));
    trp_cursor_init(&cursor, message);
    assert_null(trp_cursor_get(&cursor, SIZE_MAX));
    pool_ctx_drop(ctx, message);
}

static void test_nothing_written_is_an_empty_message(void **state) {
    pool_ctx *ctx = *state;
    trp_writer writer;
    trp_message *message;
    trp_writer_init(&writer, pool_ctx_of(ctx), 0);
    trp_writer_put(&writer, NULL, 0);
    assert_int_equal(trp_writer_finish(&writer, &message), 0);
    assert_int_equal(trp_message_length(message), 0);
    trp_cursor cursor;
    trp_cursor_init(&cursor, message);
    assert_non_null(trp_cursor_get(&cursor, 0));
    assert_false(cursor.has_failed);
    pool_ctx_drop(ctx, message);
}

static void test_too_much_is_refused(void **state) {
    pool_ctx *ctx = *state;
    trp_writer writer;
    trp_message *message = NULL;
    trp_writer_init(&writer, pool_ctx_of(ctx), TRP_MESSAGE_MAX + 1);
    assert_int_equal(trp_writer_finish(&writer, &message), TRP_ETOOBIG);
    trp_writer_init(&writer, pool_ctx_of(ctx), 0);
    trp_writer_put(&writer, "x", 1);
    trp_writer_put(&writer, "x", TRP_MESSAGE_MAX); /* is refused before it is read */
    assert_int_equal(trp_writer_length(&writer), 0);
    trp_writer_put(&writer, "x", 1);
    assert_int_equal(trp_writer_finish(&writer, &message), TRP_ETOOBIG);
    assert_null(message);
}

/* Random pieces, written through one split of the bytes and read through another. */
static void test_random_pieces_make_the_same_bytes(void **state) {
    enum { MOST = 20000 };
    static uint8_t expected[MOST];
    pool_ctx *ctx = *state;
    for (uint64_t start = 1; start <= 50; start++) {
        uint64_t seed = start;
        size_t length = next(&seed) % MOST;
        for (size_t i = 0; i < length; i++) {
            expected[i] = (uint8_t)next(&seed);
        }
        trp_writer writer;
        trp_message *message;
        trp_writer_init(&writer, pool_ctx_of(ctx), next(&seed) % 100);
        for (size_t at = 0; at < length;) {
            size_t piece = next(&seed) % 700;
            piece = piece < length - at ? piece : length - at;
            trp_writer_put(&writer, expected + at, piece);
            at += piece;
        }
        assert_int_equal(trp_writer_finish(&writer, &message), 0);
        assert_int_equal(trp_message_length(message), length);
        trp_cursor cursor;
        trp_cursor_init(&cursor, message);
        for (size_t at = 0; at < length;) {
            size_t piece = next(&seed) % 700;
            piece = piece < length - at ? piece : length - at;
            const uint8_t *got = trp_cursor_get(&cursor, piece);
            if (got == NULL || memcmp(got, expected + at, piece) != 0) {
                fail_msg("seed %u: other bytes at %u", (unsigned)start, (unsigned)at);
            }
            at += piece;
        }
        assert_int_equal(trp_cursor_left(&cursor), 0);
        pool_ctx_drop(ctx, message);
    }
}

static void test_every_allocation_fails_once(void **state) {
    (void)state;
    unsigned failures = 0;
    for (uint64_t n = 1;; n++) {
        pool_ctx ctx;
        trp_writer writer;
        trp_message *message = NULL;
        pool_ctx_init(&ctx);
        ctx.fail_at = n;
        trp_writer_init(&writer, pool_ctx_of(&ctx), 0);
        for (unsigned i = 0; i < 30000; i++) {
            trp_writer_put_u64(&writer, i);
        }
        int error = trp_writer_finish(&writer, &message);
        if (error == 0) {
            pool_ctx_drop(&ctx, message);
        } else {
            assert_int_equal(error, TRP_ENOMEM);
            assert_null(message);
            failures++;
        }
        assert_int_equal(pool_ctx_deinit(&ctx), 0);
        if (ctx.allocations < n) {
            break;
        }
    }
    assert_true(failures >= 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_numbers_come_back_as_they_were_written, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_reading_too_far_reads_nothing_from_then_on, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_nothing_written_is_an_empty_message, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_much_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random_pieces_make_the_same_bytes, setup, teardown),
        cmocka_unit_test(test_every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
