/*
 * The error list: every code has a name, a text and a value of its own.
 */
#include "troupe/error.h"
#include "cmocka_all.h"

#define ERROR_ROW_(name, value, text) {TRP_##name, "TRP_" #name, (text)},

static const struct {
    int code;
    const char *name;
    const char *text;
} rows[] = {TRP_ERROR_LIST(ERROR_ROW_)};

enum { ROWS_LEN = sizeof rows / sizeof rows[0] };

static void test_every_code_has_its_name_and_text(void **state) {
    (void)state;
    for (int i = 0; i < ROWS_LEN; i++) {
        assert_string_equal(trp_error_name(rows[i].code), rows[i].name);
        assert_string_equal(trp_error_text(rows[i].code), rows[i].text);
    }
    assert_string_equal(trp_error_name(TRP_OK), "TRP_OK");
}

static void test_codes_are_negative_and_distinct(void **state) {
    (void)state;
    for (int i = 0; i < ROWS_LEN; i++) {
        assert_true(rows[i].code < 0);
        for (int j = 0; j < i; j++) {
            assert_int_not_equal(rows[i].code, rows[j].code);
        }
    }
}

static void test_foreign_number_is_called_unknown(void **state) {
    (void)state;
    assert_string_equal(trp_error_name(-9999), "TRP_EUNKNOWN");
    assert_string_equal(trp_error_name(1), "TRP_EUNKNOWN");
    assert_non_null(trp_error_text(-9999));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_has_its_name_and_text),
        cmocka_unit_test(test_codes_are_negative_and_distinct),
        cmocka_unit_test(test_foreign_number_is_called_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
