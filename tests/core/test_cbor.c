/*
 * The CBOR writer and reader against the examples of RFC 8949 (appendix A: well-formed, appendix F:
 * not), and against hostile input.
 */
#include "message/cbor.h"
#include "troupe/codec.h"
#include "troupe/error.h"

#include "cmocka_all.h"

#include <math.h>
#include <stdio.h>

enum { BYTES_MAX = 4096 };

static unsigned nibble(char c) {
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

static size_t from_hex(const char *hex, uint8_t *bytes) {
    size_t length = strlen(hex) / 2;
    assert_true(length <= BYTES_MAX);
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (uint8_t)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
    }
    return length;
}

static const struct {
    uint64_t number;
    const char *hex;
} unsigned_rows[] = {
    {0, "00"},
    {1, "01"},
    {10, "0a"},
    {23, "17"},
    {24, "1818"},
    {25, "1819"},
    {100, "1864"},
    {1000, "1903e8"},
    {1000000, "1a000f4240"},
    {1000000000000, "1b000000e8d4a51000"},
    {UINT64_MAX, "1bffffffffffffffff"},
};

static const struct {
    int64_t number;
    const char *hex;
} signed_rows[] = {
    {-1, "20"},
    {-10, "29"},
    {-100, "3863"},
    {-1000, "3903e7"},
    {INT64_MIN, "3b7fffffffffffffff"},
    {INT64_MAX, "1b7fffffffffffffff"},
};

static const struct {
    double number;
    const char *hex;
} float_rows[] = {
    {0.0, "f90000"},
    {-0.0, "f98000"},
    {1.0, "f93c00"},
    {1.1, "fb3ff199999999999a"},
    {1.5, "f93e00"},
    {65504.0, "f97bff"},
    {100000.0, "fa47c35000"},
    {3.4028234663852886e+38, "fa7f7fffff"},
    {1.0e+300, "fb7e37e43c8800759c"},
    {5.960464477539063e-8, "f90001"},
    {0.00006103515625, "f90400"},
    {-4.0, "f9c400"},
    {-4.1, "fbc010666666666666"},
    {(double)INFINITY, "f97c00"},
    {-(double)INFINITY, "f9fc00"},
    {(double)INFINITY, "fa7f800000"},
    {-(double)INFINITY, "faff800000"},
    {(double)INFINITY, "fb7ff0000000000000"},
    {18446744073709551616.0, "1bffffffffffffffff"},
    {-18446744073709551616.0, "3bffffffffffffffff"},
};

/* The rest of appendix A, the values of which only a skipper sees. */
static const char *const well_formed[] = {
    "c249010000000000000000",
    "c349010000000000000000",
    "f97e00",
    "fa7fc00000",
    "fb7ff8000000000000",
    "f4",
    "f5",
    "f6",
    "f7",
    "f0",
    "f8ff",
    "c074323031332d30332d32315432303a30343a30305a",
    "c11a514b67b0",
    "c1fb41d452d9ec200000",
    "d74401020304",
    "d818456449455446",
    "d82076687474703a2f2f7777772e6578616d706c652e636f6d",
    "40",
    "4401020304",
    "60",
    "6161",
    "6449455446",
    "62225c",
    "62c3bc",
    "63e6b0b4",
    "64f0908591",
    "80",
    "83010203",
    "8301820203820405",
    "98190102030405060708090a0b0c0d0e0f101112131415161718181819",
    "a0",
    "a201020304",
    "a26161016162820203",
    "826161a161626163",
    "a56161614161626142616361436164614461656145",
    "5f42010243030405ff",
    "7f657374726561646d696e67ff",
    "9fff",
    "9f018202039f0405ffff",
    "9f01820203820405ff",
    "83018202039f0405ff",
    "83019f0203ff820405",
    "9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff",
    "bf61610161629f0203ffff",
    "826161bf61626163ff",
    "bf6346756ef563416d7421ff",
    "5fff",
    "7fff",
    "bfff",
};

/* Appendix F. */
static const char *const malformed[] = {
    "",
    "18",
    "19",
    "1a",
    "1b",
    "1901",
    "1a0102",
    "1b01020304050607",
    "38",
    "58",
    "78",
    "98",
    "9a01ff00",
    "b8",
    "d8",
    "f8",
    "f900",
    "fa0000",
    "fb000000",
    "41",
    "61",
    "5affffffff00",
    "5bffffffffffffffff010203",
    "7affffffff00",
    "7b7fffffffffffffff010203",
    "81",
    "818181818181818181",
    "8200",
    "a1",
    "a20102",
    "a100",
    "a2000000",
    "c0",
    "5f4100",
    "7f6100",
    "9f",
    "9f0102",
    "bf",
    "bf01020102",
    "819f",
    "9f8000",
    "9f9f9f9f9fffffffff",
    "9f819f819f9fffffff",
    "1c",
    "1d",
    "1e",
    "3c",
    "3d",
    "3e",
    "5c",
    "5d",
    "5e",
    "7c",
    "7d",
    "7e",
    "9c",
    "9d",
    "9e",
    "bc",
    "bd",
    "be",
    "dc",
    "dd",
    "de",
    "fc",
    "fd",
    "fe",
    "f800",
    "f801",
    "f818",
    "f81f",
    "5f00ff",
    "5f21ff",
    "5f6100ff",
    "5f80ff",
    "5fa0ff",
    "5fc000ff",
    "5fe0ff",
    "7f4100ff",
    "5f5f4100ffff",
    "7f7f6100ffff",
    "ff",
    "81ff",
    "8200ff",
    "a1ff",
    "a1ff00",
    "a100ff",
    "a20000ff",
    "9f81ff",
    "9f829f819f9fffffffff",
    "bf00ff",
    "bf000000ff",
    "1f",
    "3f",
    "df",
};

static void test_appendix_a_integers_are_written_and_read(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof unsigned_rows / sizeof unsigned_rows[0]; i++) {
        uint8_t expected[BYTES_MAX];
        uint8_t bytes[16];
        uint64_t number = 0;
        size_t length = from_hex(unsigned_rows[i].hex, expected);
        trp_cbor_writer writer;
        trp_cbor_writer_init(&writer, bytes, sizeof bytes);
        trp_cbor_put_uint(&writer, unsigned_rows[i].number);
        assert_int_equal(writer.length, length);
        assert_memory_equal(bytes, expected, length);
        trp_cbor_reader reader;
        trp_cbor_reader_init(&reader, expected, length);
        assert_int_equal(trp_cbor_get_uint(&reader, &number), 0);
        assert_true(number == unsigned_rows[i].number);
        assert_true(trp_cbor_reader_at_end(&reader));
    }
    for (size_t i = 0; i < sizeof signed_rows / sizeof signed_rows[0]; i++) {
        uint8_t expected[BYTES_MAX];
        uint8_t bytes[16];
        int64_t number = 0;
        size_t length = from_hex(signed_rows[i].hex, expected);
        trp_cbor_writer writer;
        trp_cbor_writer_init(&writer, bytes, sizeof bytes);
        trp_cbor_put_int(&writer, signed_rows[i].number);
        assert_int_equal(writer.length, length);
        assert_memory_equal(bytes, expected, length);
        trp_cbor_reader reader;
        trp_cbor_reader_init(&reader, expected, length);
        assert_int_equal(trp_cbor_get_int(&reader, &number), 0);
        assert_true(number == signed_rows[i].number);
    }
}

static void test_integer_beyond_int64_is_refused_as_int(void **state) {
    (void)state;
    static const char *const rows[] = {"1b8000000000000000", "3b8000000000000000",
                                       "3bffffffffffffffff"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[BYTES_MAX];
        trp_cbor_reader reader;
        int64_t number = 7;
        trp_cbor_reader_init(&reader, bytes, from_hex(rows[i], bytes));
        assert_int_equal(trp_cbor_get_int(&reader, &number), TRP_EDECODE);
        assert_int_equal(number, 7);
        assert_ptr_equal(reader.at, bytes);
    }
}

static void test_appendix_a_floats_are_read(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof float_rows / sizeof float_rows[0]; i++) {
        uint8_t bytes[BYTES_MAX];
        trp_cbor_reader reader;
        double number = 0;
        trp_cbor_reader_init(&reader, bytes, from_hex(float_rows[i].hex, bytes));
        assert_int_equal(trp_cbor_get_double(&reader, &number), 0);
        assert_memory_equal(&number, &float_rows[i].number, sizeof number);
    }
    for (int i = 0; i < 3; i++) {
        static const char *const nans[] = {"f97e00", "fa7fc00000", "fb7ff8000000000000"};
        uint8_t bytes[BYTES_MAX];
        trp_cbor_reader reader;
        double number = 0;
        trp_cbor_reader_init(&reader, bytes, from_hex(nans[i], bytes));
        assert_int_equal(trp_cbor_get_double(&reader, &number), 0);
        assert_true(isnan(number));
    }
}

static void test_appendix_a_is_well_formed_and_its_truncations_are_not(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof well_formed / sizeof well_formed[0]; i++) {
        uint8_t bytes[BYTES_MAX];
        size_t length = from_hex(well_formed[i], bytes);
        if (trp_codec_check(bytes, length) != 0) {
            fail_msg("%s was refused", well_formed[i]);
        }
        for (size_t cut = 0; cut < length; cut++) {
            assert_int_equal(trp_codec_check(bytes, cut), TRP_EDECODE);
        }
        bytes[length] = 0;
        assert_int_equal(trp_codec_check(bytes, length + 1), TRP_EDECODE);
    }
}

static void test_appendix_f_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        uint8_t bytes[BYTES_MAX];
        size_t length = from_hex(malformed[i], bytes);
        if (trp_codec_check(bytes, length) != TRP_EDECODE) {
            fail_msg("%s was accepted", malformed[i]);
        }
    }
}

static void test_every_short_input_is_judged_without_a_crash(void **state) {
    (void)state;
    unsigned accepted = 0;
    for (unsigned i = 0; i < 1u << 24; i += i < 1u << 16 ? 1 : 251) {
        uint8_t bytes[3] = {(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        accepted += trp_codec_check(bytes, sizeof bytes) == 0;
    }
    assert_true(accepted > 0);
}

static void nest(uint8_t opening, size_t count, const char *inner, int expected) {
    uint8_t bytes[BYTES_MAX];
    memset(bytes, opening, count);
    size_t length = count + from_hex(inner, bytes + count);
    assert_int_equal(trp_codec_check(bytes, length), expected);
}

static void test_depth_is_bounded_for_arrays_maps_and_tags(void **state) {
    (void)state;
    nest(0x81, TRP_CODEC_DEPTH_MAX, "00", 0);
    nest(0x81, TRP_CODEC_DEPTH_MAX + 1, "00", TRP_EDECODE);
    nest(0xc1, TRP_CODEC_DEPTH_MAX, "00", 0);
    nest(0xc1, TRP_CODEC_DEPTH_MAX + 1, "00", TRP_EDECODE);
    nest(0x81, TRP_CODEC_DEPTH_MAX, "5f4100ff", 0);
    nest(0x81, TRP_CODEC_DEPTH_MAX, "9fff", TRP_EDECODE);
    nest(0x81, BYTES_MAX - 1, "00", TRP_EDECODE);
    nest(0x9f, BYTES_MAX - 1, "00", TRP_EDECODE);
    nest(0x5f, BYTES_MAX - 1, "00", TRP_EDECODE);
    uint8_t maps[2 * TRP_CODEC_DEPTH_MAX + 3];
    for (size_t i = 0; i < sizeof maps - 1; i += 2) {
        maps[i] = 0xa1;
        maps[i + 1] = 0;
    }
    maps[2 * TRP_CODEC_DEPTH_MAX] = 0;
    assert_int_equal(trp_codec_check(maps, 2 * TRP_CODEC_DEPTH_MAX + 1), 0);
    maps[2 * TRP_CODEC_DEPTH_MAX] = 0xa1;
    maps[2 * TRP_CODEC_DEPTH_MAX + 2] = 0;
    assert_int_equal(trp_codec_check(maps, sizeof maps), TRP_EDECODE);
}

static void test_writer_counts_what_does_not_fit(void **state) {
    (void)state;
    uint8_t bytes[8] = {0};
    for (size_t capacity = 0; capacity <= sizeof bytes; capacity++) {
        trp_cbor_writer writer;
        memset(bytes, 0xee, sizeof bytes);
        trp_cbor_writer_init(&writer, bytes, capacity);
        trp_cbor_put_map(&writer, 1);
        trp_cbor_put_text(&writer, "xy", 2);
        trp_cbor_put_bool(&writer, true);
        assert_int_equal(writer.length, 5);
        assert_int_equal(trp_cbor_writer_fits(&writer), capacity >= 5);
        for (size_t i = capacity; i < sizeof bytes; i++) {
            assert_int_equal(bytes[i], 0xee);
        }
    }
    trp_cbor_writer counter;
    trp_cbor_writer_init(&counter, NULL, 0);
    trp_cbor_put_double(&counter, 1.0);
    trp_cbor_put_null(&counter);
    assert_int_equal(counter.length, 10);
}

static void test_reader_gives_back_what_was_written(void **state) {
    (void)state;
    uint8_t buffer[64];
    trp_cbor_writer writer;
    trp_cbor_writer_init(&writer, buffer, sizeof buffer);
    trp_cbor_put_array(&writer, 2);
    trp_cbor_put_bytes(&writer, "\1\2\3", 3);
    trp_cbor_put_map(&writer, 1);
    trp_cbor_put_text(&writer, "\303\274", 2);
    trp_cbor_put_double(&writer, -2.5);
    trp_cbor_put_bool(&writer, false);
    assert_true(trp_cbor_writer_fits(&writer));

    trp_cbor_reader reader;
    uint64_t count = 0;
    const uint8_t *bytes = NULL;
    const char *text = NULL;
    size_t length = 0;
    double number = 0;
    bool value = true;
    trp_cbor_reader_init(&reader, buffer, writer.length);
    assert_int_equal(trp_cbor_get_map(&reader, &count), TRP_EDECODE);
    assert_int_equal(trp_cbor_get_array(&reader, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(trp_cbor_get_text(&reader, &text, &length), TRP_EDECODE);
    assert_int_equal(trp_cbor_get_bytes(&reader, &bytes, &length), 0);
    assert_int_equal(length, 3);
    assert_memory_equal(bytes, "\1\2\3", 3);
    trp_cbor_reader before = reader;
    assert_int_equal(trp_cbor_get_map(&reader, &count), 0);
    assert_int_equal(trp_cbor_get_text(&reader, &text, &length), 0);
    assert_memory_equal(text, "\303\274", 2);
    assert_int_equal(trp_cbor_get_double(&reader, &number), 0);
    assert_true(number == -2.5);
    assert_int_equal(trp_cbor_skip(&before), 0);
    assert_ptr_equal(before.at, reader.at);
    assert_int_equal(trp_cbor_get_uint(&reader, &count), TRP_EDECODE);
    assert_int_equal(trp_cbor_get_bool(&reader, &value), 0);
    assert_false(value);
    assert_true(trp_cbor_reader_at_end(&reader));
    assert_int_equal(trp_cbor_skip(&reader), TRP_EDECODE);
}

static void test_utf8_is_strict(void **state) {
    (void)state;
    static const char *const good[] = {"",
                                       "plain ASCII of some length",
                                       "\177",
                                       "\302\200",
                                       "\337\277",
                                       "\340\240\200",
                                       "\355\237\277",
                                       "\356\200\200",
                                       "\357\277\277",
                                       "\360\220\200\200",
                                       "\364\217\277\277",
                                       "12345678\303\274 12345678"};
    static const char *const bad[] = {"\200",
                                      "\277",
                                      "\300\200",
                                      "\301\277",
                                      "\302",
                                      "\302\300",
                                      "\340\237\277",
                                      "\340\240",
                                      "\355\240\200",
                                      "\355\277\277",
                                      "\360\217\277\277",
                                      "\364\220\200\200",
                                      "\365\200\200\200",
                                      "\370\210\200\200\200",
                                      "\376",
                                      "\377",
                                      "12345678\377",
                                      "1234567\303",
                                      "\360\220\200"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(trpi_utf8_check((const uint8_t *)good[i], strlen(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(trpi_utf8_check((const uint8_t *)bad[i], strlen(bad[i])));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appendix_a_integers_are_written_and_read),
        cmocka_unit_test(test_integer_beyond_int64_is_refused_as_int),
        cmocka_unit_test(test_appendix_a_floats_are_read),
        cmocka_unit_test(test_appendix_a_is_well_formed_and_its_truncations_are_not),
        cmocka_unit_test(test_appendix_f_is_refused),
        cmocka_unit_test(test_every_short_input_is_judged_without_a_crash),
        cmocka_unit_test(test_depth_is_bounded_for_arrays_maps_and_tags),
        cmocka_unit_test(test_writer_counts_what_does_not_fit),
        cmocka_unit_test(test_reader_gives_back_what_was_written),
        cmocka_unit_test(test_utf8_is_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
