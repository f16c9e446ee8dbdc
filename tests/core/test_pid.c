/*
 * Pids: comparing, and their text form, which reads back exactly and accepts nothing else.
 */
#include "cmocka_all.h"
#include "fake_host.h"

#include <stdio.h>

static void assert_text(trp_pid pid, const char *expected) {
    char text[TRP_PID_TEXT_MAX];
    assert_int_equal(trp_pid_format(pid, text, sizeof text), strlen(expected));
    assert_string_equal(text, expected);
}

static void test_text_forms_are_as_documented(void **state) {
    (void)state;
    assert_text((trp_pid){0, 0, 12, 3}, "<12.3>");
    assert_text((trp_pid){2, 5, 12, 3}, "<2.5/12.3>");
    assert_text(TRP_PID_NONE, "<none>");
    assert_text((trp_pid){UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
                "<4294967295.4294967295/4294967295.4294967295>");
}

static void test_text_reads_back_for_random_pids(void **state) {
    (void)state;
    uint64_t seed = 7;
    for (int i = 0; i < 20000; i++) {
        uint64_t a = fake_random(&seed) >> fake_random_below(&seed, 60);
        uint64_t b = fake_random(&seed) >> fake_random_below(&seed, 60);
        trp_pid pid = {(uint32_t)a, (uint32_t)(a >> 32), (uint32_t)b, (uint32_t)(b >> 32) | 1u};
        if (pid.node == 0) {
            pid.epoch = 0;
        }
        char text[TRP_PID_TEXT_MAX];
        trp_pid back = TRP_PID_NONE;
        size_t length = trp_pid_format(pid, text, sizeof text);
        assert_true(length < sizeof text);
        assert_int_equal(trp_pid_parse(text, length, &back), 0);
        assert_true(trp_pid_equal(pid, back));
    }
}

static void test_format_truncates_like_snprintf(void **state) {
    (void)state;
    trp_pid pid = {2, 5, 12, 3};
    char text[8] = "#######";
    assert_int_equal(trp_pid_format(pid, NULL, 0), 10);
    assert_int_equal(trp_pid_format(pid, text, 1), 10);
    assert_string_equal(text, "");
    assert_int_equal(trp_pid_format(pid, text, 5), 10);
    assert_string_equal(text, "<2.5");
    assert_int_equal(text[5], '#');
}

static void test_parse_refuses_what_is_no_pid(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",
        "<",
        "<>",
        "1.2",
        "<1.2",
        "1.2>",
        "<1.2> ",
        " <1.2>",
        "<1.2>>",
        "<1>",
        "<.2>",
        "<1.>",
        "<1.2.3>",
        "<-1.2>",
        "<+1.2>",
        "<1.-2>",
        "<1 .2>",
        "<a.2>",
        "<0x1.2>",
        "<1.2/3.4",
        "</1.2>",
        "<1/2.3>",
        "<1.2/>",
        "<1.2/3>",
        "<1.2/3.4/5.6>",
        "<4294967296.1>",
        "<1.4294967296>",
        "<99999999999999999999.1>",
        "<1.0>",
        "<NONE>",
        "<none",
        "<1.2/3.0>",
        "<0.0/1.2/",
        "<n\xc3\xb8ne>",
        "<1,2>",
        "<1.2\n>",
        "<1.2/3.4>x",
    };
    trp_pid untouched = {1, 2, 3, 4};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        trp_pid pid = untouched;
        if (trp_pid_parse(wrong[i], strlen(wrong[i]), &pid) != TRP_EDECODE) {
            fail_msg("\"%s\" was accepted", wrong[i]);
        }
        assert_true(trp_pid_equal(pid, untouched));
    }
}

/*
 * `text` need not end with a zero: every proper prefix is refused, and no byte behind the length is
 * read.
 */
static void test_parse_needs_every_byte_and_no_more(void **state) {
    (void)state;
    static const char text[] = "<21.51/121.31>";
    trp_pid pid;
    for (size_t length = 0; length < sizeof text - 1; length++) {
        assert_int_equal(trp_pid_parse(text, length, &pid), TRP_EDECODE);
    }
    char exact[14];
    memcpy(exact, text, sizeof exact);
    assert_int_equal(trp_pid_parse(exact, sizeof exact, &pid), 0);
    assert_true(trp_pid_equal(pid, (trp_pid){21, 51, 121, 31}));
}

static void test_none_reads_back(void **state) {
    (void)state;
    trp_pid pid = {1, 2, 3, 4};
    assert_int_equal(trp_pid_parse("<none>", 6, &pid), 0);
    assert_true(trp_pid_is_none(pid));
    assert_true(trp_pid_equal(pid, TRP_PID_NONE));
}

static void test_equal_compares_all_four_numbers(void **state) {
    (void)state;
    trp_pid pid = {1, 2, 3, 4};
    assert_true(trp_pid_equal(pid, (trp_pid){1, 2, 3, 4}));
    assert_false(trp_pid_equal(pid, (trp_pid){9, 2, 3, 4}));
    assert_false(trp_pid_equal(pid, (trp_pid){1, 9, 3, 4}));
    assert_false(trp_pid_equal(pid, (trp_pid){1, 2, 9, 4}));
    assert_false(trp_pid_equal(pid, (trp_pid){1, 2, 3, 9}));
    assert_true(trp_pid_is_local((trp_pid){0, 0, 3, 4}));
    assert_false(trp_pid_is_local(pid));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_forms_are_as_documented),
        cmocka_unit_test(test_text_reads_back_for_random_pids),
        cmocka_unit_test(test_format_truncates_like_snprintf),
        cmocka_unit_test(test_parse_refuses_what_is_no_pid),
        cmocka_unit_test(test_parse_needs_every_byte_and_no_more),
        cmocka_unit_test(test_none_reads_back),
        cmocka_unit_test(test_equal_compares_all_four_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
