/*
 * The program that docs/messages.md shows, piece by piece, and a test that runs it.
 */
#include "message_fixture.h"
#include "troupe/error.h"

#include "cmocka_all.h"

#define STOP_FIELDS(F)                                                                             \
    F(string, name, 1)                                                                             \
    F(f64, latitude, 2)                                                                            \
    F(f64, longitude, 3)

#define TRIP_FIELDS(F)                                                                             \
    F(string, title, 1)                                                                            \
    F(pid, owner, 2)                                                                               \
    F(u32, seats, 3)                                                                               \
    F(list(record(stop)), stops, 4)                                                                \
    F(list(u32), prices, 5)                                                                        \
    F(value, extra, 6)

TRP_TYPE_DECLARE(stop, STOP_FIELDS)
TRP_TYPE_DECLARE(trip, TRIP_FIELDS)

TRP_TYPE_DEFINE(stop, "example.Stop", STOP_FIELDS)
TRP_TYPE_DEFINE(trip, "example.Trip", TRIP_FIELDS)

static int make_trip(trp_ctx *ctx, trp_pid owner, trp_message **out) {
    static const char *const names[] = {"Lindau", "Bregenz"};
    trp_builder builder;
    trp_builder_init(&builder, ctx, &trip_type, 128);
    trp_set_text(&builder, trip, title, "Along the lake");
    trp_set(&builder, trip, owner, owner);
    trp_set(&builder, trip, seats, 4);
    size_t stops = trp_set_list(&builder, trip, stops, stop, 2);
    for (size_t i = 0; i < 2; i++) {
        size_t at = stops + i * sizeof(stop);
        trp_builder_set_text(&builder, at + TRP_SLICE_OFFSET(stop, name), names[i]);
    }
    return trp_builder_finish(&builder, out);
}

static void put_extra(trp_builder *builder) {
    uint8_t bytes[32];
    trp_cbor_writer writer;
    trp_cbor_writer_init(&writer, bytes, sizeof bytes);
    trp_cbor_put_map(&writer, 1);
    trp_cbor_put_text(&writer, "dogs", 4);
    trp_cbor_put_bool(&writer, true);
    if (trp_cbor_writer_fits(&writer)) {
        trp_builder_set_field(builder, trip, extra, bytes, writer.length);
    }
}

static size_t count_letters(trp_message *message) {
    const trip *body = trip_of(message);
    size_t letters = 0;
    if (body == NULL) {
        return 0; /* a message of another type */
    }
    TRP_LIST_FOR_EACH (stop, at, &body->stops) {
        letters += strlen(trp_slice_text(&at->name));
    }
    const stop *last = TRP_LIST_AT(stop, &body->stops, 1);
    assert_true(last == NULL || last->latitude == 0);
    return letters;
}

/* A stop is scalars and an empty name. */
static trp_message *make_stop(trp_ctx *ctx) {
    return trp_new(ctx, stop, .latitude = 47.5, .longitude = 9.7);
}

static void test_message_has_the_named_fields_and_zeros(void **state) {
    (void)state;
    pool_ctx ctx;
    pool_ctx_init(&ctx);
    trp_message *message = make_stop(pool_ctx_of(&ctx));
    assert_true(stop_of(message)->latitude == 47.5);
    assert_true(stop_of(message)->longitude == 9.7);
    assert_string_equal(trp_slice_text(&stop_of(message)->name), "");
    assert_int_equal(trp_message_length(message), sizeof(stop));
    pool_ctx_drop(&ctx, message);
    assert_int_equal(pool_ctx_deinit(&ctx), 0);
    pool_ctx_init(&ctx);
    ctx.fail_at = 1;
    assert_null(make_stop(pool_ctx_of(&ctx)));
    assert_int_equal(pool_ctx_deinit(&ctx), 0);
}

static void test_the_guide_does_what_it_says(void **state) {
    (void)state;
    pool_ctx ctx;
    trp_message *message = NULL;
    trp_pid owner = {.index = 7, .generation = 1};
    pool_ctx_init(&ctx);
    assert_int_equal(make_trip(pool_ctx_of(&ctx), owner, &message), 0);
    assert_int_equal(count_letters(message), strlen("LindauBregenz"));
    assert_string_equal(trp_slice_text(&trip_of(message)->title), "Along the lake");
    assert_true(trp_pid_equal(trip_of(message)->owner, owner));
    pool_ctx_drop(&ctx, message);

    trp_builder builder;
    trp_builder_init(&builder, pool_ctx_of(&ctx), &trip_type, 0);
    put_extra(&builder);
    assert_int_equal(trp_builder_finish(&builder, &message), 0);
    const trip *body = trip_of(message);
    assert_int_equal(trp_codec_check(trp_slice_data(&body->extra), body->extra.length), 0);
    assert_int_equal(body->extra.length, 7);
    pool_ctx_drop(&ctx, message);

    uint8_t bytes[64];
    byte_sink sink = {.bytes = bytes, .capacity = sizeof bytes};
    trp_builder_init(&builder, pool_ctx_of(&ctx), &trip_type, 0);
    trp_set_text(&builder, trip, title, "Along the lake");
    trp_set(&builder, trip, seats, 2);
    assert_int_equal(trp_builder_finish(&builder, &message), 0);
    assert_int_equal(trp_codec_encode(&trip_type, trp_message_body(message),
                                      trp_message_length(message), NULL, byte_sink_put, &sink),
                     0);
    assert_int_equal(sink.length, 19);
    assert_memory_equal(bytes,
                        "\xa2\x01\x6e"
                        "Along the lake"
                        "\x03\x02",
                        19);
    pool_ctx_drop(&ctx, message);
    assert_int_equal(pool_ctx_deinit(&ctx), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message_has_the_named_fields_and_zeros),
        cmocka_unit_test(test_the_guide_does_what_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
