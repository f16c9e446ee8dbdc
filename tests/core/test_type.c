/*
 * Types: the layout that native and wasm code share, the tables that the macros make, and the check
 * that refuses unsound ones.
 */
#include "message/message.h"
#include "message/type.h"
#include "message_fixture.h"
#include "troupe/error.h"

#include "cmocka_all.h"

/* The same numbers on every machine: this file is compiled for x86-64, aarch64 and wasm32. */
_Static_assert(sizeof(scalars) == 64, "scalars");
_Static_assert(offsetof(scalars, flag) == 0, "flag");
_Static_assert(offsetof(scalars, small) == 4, "small");
_Static_assert(offsetof(scalars, count) == 8, "count");
_Static_assert(offsetof(scalars, large) == 16, "large");
_Static_assert(offsetof(scalars, total) == 24, "total");
_Static_assert(offsetof(scalars, ratio) == 32, "ratio");
_Static_assert(offsetof(scalars, who) == 40, "who");
_Static_assert(offsetof(scalars, request) == 56 && sizeof(trp_ref) == 8, "request");
_Static_assert(sizeof(greeting) == 32, "greeting");
_Static_assert(offsetof(greeting, reply_to) == 8 && offsetof(greeting, numbers) == 24, "greeting");
_Static_assert(sizeof(blobs) == 28, "blobs");
_Static_assert(offsetof(blobs, note) == 16 && offsetof(blobs, last) == 24, "blobs");
_Static_assert(sizeof(point) == 24, "point");
_Static_assert(sizeof(route) == 96, "route");
_Static_assert(offsetof(route, at) == 8 && offsetof(route, path) == 32, "route");
_Static_assert(sizeof(atlas) == 104 && offsetof(atlas, best) == 8, "atlas");
_Static_assert(sizeof(nudge) == 1, "nudge");

static void assert_field(const trp_field *field, const char *name, uint32_t key, int kind,
                         size_t offset) {
    assert_string_equal(field->name, name);
    assert_int_equal(field->key, key);
    assert_int_equal(field->kind, kind);
    assert_int_equal(field->offset, offset);
}

static void test_define_makes_the_field_table(void **state) {
    (void)state;
    assert_string_equal(route_type.name, "test.Route");
    assert_int_equal(route_type.size, sizeof(route));
    assert_int_equal(route_type.fields_len, 10);
    assert_field(&route_type.fields[0], "closed", 1, TRP_FIELD_BOOLEAN, 0);
    assert_field(&route_type.fields[1], "at", 2, TRP_FIELD_RECORD, offsetof(route, at));
    assert_ptr_equal(route_type.fields[1].record, &point_type);
    assert_field(&route_type.fields[2], "path", 3, TRP_FIELD_LIST, offsetof(route, path));
    assert_int_equal(route_type.fields[2].element, TRP_FIELD_RECORD);
    assert_ptr_equal(route_type.fields[2].record, &point_type);
    assert_field(&route_type.fields[9], "times", 10, TRP_FIELD_LIST, offsetof(route, times));
    assert_int_equal(route_type.fields[9].element, TRP_FIELD_I64);
    assert_null(route_type.fields[9].record);
    assert_field(&blobs_type.fields[2], "note", 65535, TRP_FIELD_TEXT, offsetof(blobs, note));
    assert_int_equal(blobs_type.fields[2].capacity, 8);
    assert_int_equal(nudge_type.fields_len, 0);
}

/* A list of as many fields as there may be. */
#define EIGHT_(F, tens)                                                                            \
    F(u32, a##tens##0, 1##tens##0)                                                                 \
    F(u32, a##tens##1, 1##tens##1)                                                                 \
    F(u32, a##tens##2, 1##tens##2)                                                                 \
    F(u32, a##tens##3, 1##tens##3)                                                                 \
    F(u32, a##tens##4, 1##tens##4)                                                                 \
    F(u32, a##tens##5, 1##tens##5)                                                                 \
    F(u32, a##tens##6, 1##tens##6)                                                                 \
    F(u32, a##tens##7, 1##tens##7)
#define FULL_FIELDS(F)                                                                             \
    EIGHT_(F, 0)                                                                                   \
    EIGHT_(F, 1)                                                                                   \
    EIGHT_(F, 2)                                                                                   \
    EIGHT_(F, 3)                                                                                   \
    EIGHT_(F, 4)                                                                                   \
    EIGHT_(F, 5)                                                                                   \
    EIGHT_(F, 6)                                                                                   \
    EIGHT_(F, 7)
TRP_TYPE_DECLARE(full, FULL_FIELDS)
TRP_TYPE_DEFINE(full, "test.Full", FULL_FIELDS)

static void test_type_may_have_64_fields(void **state) {
    (void)state;
    assert_int_equal(full_type.fields_len, TRP_TYPE_FIELDS_MAX);
    assert_int_equal(trpi_type_check(&full_type, NULL), 0);
    assert_field(&full_type.fields[63], "a77", 177, TRP_FIELD_U32, 63 * sizeof(uint32_t));
}

/* A struct written by hand can have a table too. */
typedef struct by_hand {
    int32_t code;
    char text[12];
} by_hand;
extern const trp_type by_hand_type;
#define BY_HAND_FIELDS(F)                                                                          \
    F(i32, code, 1)                                                                                \
    F(text(sizeof(((by_hand *)0)->text)), text, 2)
TRP_TYPE_DEFINE(by_hand, "test.ByHand", BY_HAND_FIELDS)

static void test_struct_by_hand_gets_a_table(void **state) {
    (void)state;
    assert_int_equal(trpi_type_check(&by_hand_type, NULL), 0);
    assert_int_equal(by_hand_type.fields[1].capacity, 12);
}

static void test_sound_types_pass_the_check(void **state) {
    (void)state;
    const trp_type *const types[] = {&scalars_type, &greeting_type, &blobs_type, &point_type,
                                     &route_type,   &atlas_type,    &nudge_type};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        assert_int_equal(trpi_type_check(types[i], NULL), 0);
    }
}

/* Two fields that are in order; each case below spoils one thing. */
typedef struct spoilt {
    trp_field fields[2];
    trp_type type;
} spoilt;

static spoilt sound_pair(void) {
    return (spoilt){
        .fields = {{.name = "a", .key = 1, .kind = TRP_FIELD_U32, .offset = 0},
                   {.name = "b", .key = 2, .kind = TRP_FIELD_U64, .offset = 8}},
        .type = {.name = "test.Pair", .size = 16, .fields_len = 2},
    };
}

static void assert_fault(spoilt *pair, const char *field, const char *word) {
    trpi_type_fault fault = {0};
    pair->type.fields = pair->fields;
    assert_int_equal(trpi_type_check(&pair->type, &fault), TRP_EINVAL);
    if (field == NULL) {
        assert_null(fault.field);
    } else {
        assert_string_equal(fault.field, field);
    }
    if (strstr(fault.text, word) == NULL) {
        fail_msg("`%s` does not mention `%s`", fault.text, word);
    }
}

static void test_unsound_fields_are_named(void **state) {
    (void)state;
    spoilt pair = sound_pair();
    pair.type.fields = pair.fields;
    assert_int_equal(trpi_type_check(&pair.type, NULL), 0);
    pair.fields[0].key = 0;
    assert_fault(&pair, "a", "keys");
    pair = sound_pair();
    pair.fields[1].key = 1;
    assert_fault(&pair, "b", "keys");
    pair = sound_pair();
    pair.fields[1].kind = 0;
    assert_fault(&pair, "b", "kind");
    pair.fields[1].kind = TRP_FIELD_TEXT + 1;
    assert_fault(&pair, "b", "kind");
    pair = sound_pair();
    pair.fields[1].offset = 12;
    assert_fault(&pair, "b", "aligned");
    pair.fields[1].offset = 16;
    assert_fault(&pair, "b", "beyond");
    pair.fields[1].offset = 24;
    assert_fault(&pair, "b", "beyond");
    pair = sound_pair();
    pair.fields[0].element = TRP_FIELD_U32;
    assert_fault(&pair, "a", "lists");
    pair = sound_pair();
    pair.fields[1].kind = TRP_FIELD_LIST;
    assert_fault(&pair, "b", "lists");
    pair.fields[1].element = TRP_FIELD_LIST;
    assert_fault(&pair, "b", "lists");
    pair.fields[1].element = TRP_FIELD_TEXT;
    assert_fault(&pair, "b", "lists");
    pair.fields[1].element = TRP_FIELD_RECORD;
    assert_fault(&pair, "b", "record");
    pair = sound_pair();
    pair.fields[0].record = &point_type;
    assert_fault(&pair, "a", "record");
    pair = sound_pair();
    pair.fields[0].kind = TRP_FIELD_TEXT;
    assert_fault(&pair, "a", "capacity");
    pair = sound_pair();
    pair.fields[0].capacity = 4;
    assert_fault(&pair, "a", "capacity");
    pair = sound_pair();
    pair.fields[0].name = "";
    trpi_type_fault fault;
    pair.type.fields = pair.fields;
    assert_int_equal(trpi_type_check(&pair.type, &fault), TRP_EINVAL);
    assert_non_null(strstr(fault.text, "name"));
}

static void test_unsound_types_are_refused(void **state) {
    (void)state;
    spoilt pair = sound_pair();
    pair.type.name = NULL;
    assert_fault(&pair, NULL, "name");
    pair = sound_pair();
    pair.type.size = 0;
    assert_fault(&pair, NULL, "size");
    pair = sound_pair();
    pair.type.fields_len = TRP_TYPE_FIELDS_MAX + 1;
    assert_fault(&pair, NULL, "fields");
    pair = sound_pair();
    assert_int_equal(trpi_type_check(&pair.type, NULL), TRP_EINVAL); /* without its table */
    trp_type empty_record = {.name = "test.Nothing", .size = 0};
    pair.fields[0] =
        (trp_field){.name = "a", .key = 1, .kind = TRP_FIELD_RECORD, .record = &empty_record};
    assert_fault(&pair, "a", "size");
}

static void test_records_nest_eight_deep_and_no_deeper(void **state) {
    (void)state;
    trp_type types[TRP_TYPE_DEPTH_MAX + 2];
    trp_field fields[TRP_TYPE_DEPTH_MAX + 2];
    for (size_t i = 0; i < TRP_TYPE_DEPTH_MAX + 2; i++) {
        types[i] =
            (trp_type){.name = "test.Deep", .size = 8, .fields_len = 1, .fields = &fields[i]};
        fields[i] = (trp_field){.name = "inner", .key = 1, .kind = TRP_FIELD_U32};
        if (i > 0) {
            fields[i].kind = TRP_FIELD_LIST;
            fields[i].element = TRP_FIELD_RECORD;
            fields[i].record = &types[i - 1];
        }
    }
    trpi_type_fault fault;
    assert_int_equal(trpi_type_check(&types[TRP_TYPE_DEPTH_MAX], NULL), 0);
    assert_int_equal(trpi_type_check(&types[TRP_TYPE_DEPTH_MAX + 1], &fault), TRP_EINVAL);
    assert_non_null(strstr(fault.text, "deeper"));
    fields[0] = (trp_field){.name = "self",
                            .key = 1,
                            .kind = TRP_FIELD_LIST,
                            .element = TRP_FIELD_RECORD,
                            .record = &types[0]};
    assert_int_equal(trpi_type_check(&types[0], &fault), TRP_EINVAL);
    assert_non_null(strstr(fault.text, "themselves"));
}

/*
 * Vectors of the FNV authors' test suite, and one of our own names, which the protocol depends on.
 */
static void test_hash_is_fnv_1a(void **state) {
    (void)state;
    trp_type type = {.name = ""};
    assert_true(trp_type_hash(&type) == UINT64_C(0xcbf29ce484222325));
    type.name = "a";
    assert_true(trp_type_hash(&type) == UINT64_C(0xaf63dc4c8601ec8c));
    type.name = "foobar";
    assert_true(trp_type_hash(&type) == UINT64_C(0x85944171f73967e8));
}

static void test_of_gives_the_body_of_the_right_type_only(void **state) {
    (void)state;
    pool_ctx ctx;
    pool_ctx_init(&ctx);
    trp_message *message = trp_message_new(pool_ctx_of(&ctx), &greeting_type);
    assert_non_null(message);
    assert_ptr_equal(greeting_of(message), trp_message_body(message));
    assert_null(scalars_of(message));
    assert_null(greeting_of(NULL));
    pool_ctx_drop(&ctx, message);
    assert_int_equal(pool_ctx_deinit(&ctx), 0);
}

static void test_empty_slices_read_as_nothing(void **state) {
    (void)state;
    route body = {0};
    assert_string_equal(trp_slice_text(&body.at.label), "");
    assert_null(TRP_LIST_AT(point, &body.path, 0));
    unsigned count = 0;
    TRP_LIST_FOR_EACH (point, p, &body.path) {
        count += p != NULL;
    }
    assert_int_equal(count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_define_makes_the_field_table),
        cmocka_unit_test(test_type_may_have_64_fields),
        cmocka_unit_test(test_struct_by_hand_gets_a_table),
        cmocka_unit_test(test_sound_types_pass_the_check),
        cmocka_unit_test(test_unsound_fields_are_named),
        cmocka_unit_test(test_unsound_types_are_refused),
        cmocka_unit_test(test_records_nest_eight_deep_and_no_deeper),
        cmocka_unit_test(test_hash_is_fnv_1a),
        cmocka_unit_test(test_of_gives_the_body_of_the_right_type_only),
        cmocka_unit_test(test_empty_slices_read_as_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
