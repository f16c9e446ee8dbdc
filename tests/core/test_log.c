/*
 * Formatted log lines.
 */
#include "cmocka_all.h"
#include "fake_host.h"

#include <inttypes.h>

static const char *last_line(const fake_host *fake) {
    return fake->logs[(fake->logs_len - 1) % FAKE_LOG_LINES].text;
}

static void test_formatted_line_has_its_values(void **state) {
    fake_host *fake = *state;
    trp_ctx *ctx = fake_root(fake);
    trp_logf(ctx, TRP_LOG_INFO, "nothing");
    assert_string_equal(last_line(fake), "nothing");
    trp_logf(ctx, TRP_LOG_INFO, "%s has %d of %u%%, %c", "Ada", -7, 4000000000U, 'x');
    assert_string_equal(last_line(fake), "Ada has -7 of 4000000000%, x");
    trp_logf(ctx, TRP_LOG_INFO, "%" PRId64 " %" PRIu64 " %" PRIx64, INT64_MIN, UINT64_MAX,
             UINT64_C(0xbeef));
    assert_string_equal(last_line(fake), "-9223372036854775808 18446744073709551615 beef");
    trp_logf(ctx, TRP_LOG_INFO, "%ld %lu %zu %i", -1L, 2UL, (size_t)3, 0);
    assert_string_equal(last_line(fake), "-1 2 3 0");
}

static void test_unknown_directive_ends_the_formatting(void **state) {
    fake_host *fake = *state;
    trp_ctx *ctx = fake_root(fake);
    trp_logf(ctx, TRP_LOG_INFO, "%d and %5d and %d", 1, 2, 3);
    assert_string_equal(last_line(fake), "1 and %5d and %d");
}

static void test_long_line_is_cut_between_characters(void **state) {
    fake_host *fake = *state;
    char text[TRP_LOG_LINE_MAX + 8];
    memset(text, 'a', sizeof text);
    memcpy(text + TRP_LOG_LINE_MAX - 2, "\xc3\xa9", 3); /* one byte of it would still fit */
    trp_logf(fake_root(fake), TRP_LOG_INFO, "%s%s", text, "");
    assert_int_equal(strlen(last_line(fake)), TRP_LOG_LINE_MAX - 2);
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    trp_logf(fake_root(fake), TRP_LOG_INFO, "%s", text);
    assert_int_equal(strlen(last_line(fake)), TRP_LOG_LINE_MAX - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_formatted_line_has_its_values),
        FAKE_TEST(test_unknown_directive_ends_the_formatting),
        FAKE_TEST(test_long_line_is_cut_between_characters),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
