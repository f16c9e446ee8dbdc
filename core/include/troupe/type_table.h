/**
 * @file type_table.h
 * What the macros of type.h are made of: from a list of fields to members and table rows. Nothing
 * here is for use by itself.
 *
 * A list knows its fields and TRP_TYPE_DEFINE the name of their struct, and offsetof wants both. So
 * the fields first become arguments, then as many TRP_TYPE_ROWS_<n>_ as there are give each its
 * row. That is what limits a type to TRP_TYPE_FIELDS_MAX fields.
 */
#ifndef TROUPE_TYPE_TABLE_H
#define TROUPE_TYPE_TABLE_H

#ifdef __cplusplus
#define TRP_TYPE_EXTERN_ extern "C"
#else
#define TRP_TYPE_EXTERN_ extern
#endif

#ifdef __GNUC__
#define TRP_TYPE_UNUSED_ __attribute__((unused))
#else
#define TRP_TYPE_UNUSED_
#endif

/* What goes with every struct. */
#define TRP_TYPE_HELPERS_(type_name)                                                               \
    TRP_TYPE_EXTERN_ const trp_type type_name##_type;                                              \
    TRP_TYPE_UNUSED_ static inline type_name *type_name##_of(trp_message *message) {               \
        return (type_name *)trp_message_as(message, &type_name##_type);                            \
    }

/* The F of a list when it makes members: C type, name, array bounds. */
#define TRP_TYPE_MEMBER_(kind, name, key) TRP_TYPE_C_##kind name TRP_TYPE_BOUNDS_##kind;

/*
 * The F of a list when it makes arguments for TRP_TYPE_ROWS_. `kind` is pasted at once, so a macro
 * of that name does no harm.
 */
#define TRP_TYPE_FIELD_(kind, name, key) (name, #name, key, TRP_TYPE_COLUMNS_##kind),

#define TRP_TYPE_C_boolean bool
#define TRP_TYPE_C_i32 int32_t
#define TRP_TYPE_C_u32 uint32_t
#define TRP_TYPE_C_i64 int64_t
#define TRP_TYPE_C_u64 uint64_t
#define TRP_TYPE_C_f64 double
#define TRP_TYPE_C_pid trp_pid
#define TRP_TYPE_C_ref trp_ref
#define TRP_TYPE_C_string trp_slice
#define TRP_TYPE_C_bytes trp_slice
#define TRP_TYPE_C_value trp_slice
#define TRP_TYPE_C_text(capacity) char
#define TRP_TYPE_C_record(type_name) struct type_name
#define TRP_TYPE_C_list(element) trp_slice

#define TRP_TYPE_BOUNDS_boolean
#define TRP_TYPE_BOUNDS_i32
#define TRP_TYPE_BOUNDS_u32
#define TRP_TYPE_BOUNDS_i64
#define TRP_TYPE_BOUNDS_u64
#define TRP_TYPE_BOUNDS_f64
#define TRP_TYPE_BOUNDS_pid
#define TRP_TYPE_BOUNDS_ref
#define TRP_TYPE_BOUNDS_string
#define TRP_TYPE_BOUNDS_bytes
#define TRP_TYPE_BOUNDS_value
#define TRP_TYPE_BOUNDS_text(capacity) [capacity]
#define TRP_TYPE_BOUNDS_record(type_name)
#define TRP_TYPE_BOUNDS_list(element)

/* Kind, element, capacity and record of a row (trp_field). */
#define TRP_TYPE_COLUMNS_boolean TRP_FIELD_BOOLEAN, 0, 0, NULL
#define TRP_TYPE_COLUMNS_i32 TRP_FIELD_I32, 0, 0, NULL
#define TRP_TYPE_COLUMNS_u32 TRP_FIELD_U32, 0, 0, NULL
#define TRP_TYPE_COLUMNS_i64 TRP_FIELD_I64, 0, 0, NULL
#define TRP_TYPE_COLUMNS_u64 TRP_FIELD_U64, 0, 0, NULL
#define TRP_TYPE_COLUMNS_f64 TRP_FIELD_F64, 0, 0, NULL
#define TRP_TYPE_COLUMNS_pid TRP_FIELD_PID, 0, 0, NULL
#define TRP_TYPE_COLUMNS_ref TRP_FIELD_REF, 0, 0, NULL
#define TRP_TYPE_COLUMNS_string TRP_FIELD_STRING, 0, 0, NULL
#define TRP_TYPE_COLUMNS_bytes TRP_FIELD_BYTES, 0, 0, NULL
#define TRP_TYPE_COLUMNS_value TRP_FIELD_VALUE, 0, 0, NULL
#define TRP_TYPE_COLUMNS_text(capacity) TRP_FIELD_TEXT, 0, capacity, NULL
#define TRP_TYPE_COLUMNS_record(type_name) TRP_FIELD_RECORD, 0, 0, &type_name##_type
#define TRP_TYPE_COLUMNS_list(element) TRP_FIELD_LIST, TRP_TYPE_ELEMENT_##element

/* The last three of these for a list. Texts and lists are no elements: wrap them in a record. */
#define TRP_TYPE_ELEMENT_boolean TRP_FIELD_BOOLEAN, 0, NULL
#define TRP_TYPE_ELEMENT_i32 TRP_FIELD_I32, 0, NULL
#define TRP_TYPE_ELEMENT_u32 TRP_FIELD_U32, 0, NULL
#define TRP_TYPE_ELEMENT_i64 TRP_FIELD_I64, 0, NULL
#define TRP_TYPE_ELEMENT_u64 TRP_FIELD_U64, 0, NULL
#define TRP_TYPE_ELEMENT_f64 TRP_FIELD_F64, 0, NULL
#define TRP_TYPE_ELEMENT_pid TRP_FIELD_PID, 0, NULL
#define TRP_TYPE_ELEMENT_ref TRP_FIELD_REF, 0, NULL
#define TRP_TYPE_ELEMENT_string TRP_FIELD_STRING, 0, NULL
#define TRP_TYPE_ELEMENT_bytes TRP_FIELD_BYTES, 0, NULL
#define TRP_TYPE_ELEMENT_value TRP_FIELD_VALUE, 0, NULL
#define TRP_TYPE_ELEMENT_record(type_name) TRP_FIELD_RECORD, 0, &type_name##_type

/* All rows of the list: TRP_TYPE_ROWS_(greeting, (field), (field), ~). */
#define TRP_TYPE_ROWS_(type, ...) TRP_TYPE_CHOOSE_(__VA_ARGS__)(type, __VA_ARGS__)

/* One row: `row` is in parentheses, as TRP_TYPE_FIELD_ (type.h) made it. */
#define TRP_TYPE_ROW_(type, row) TRP_TYPE_ROW_UNPACK_(type, TRP_TYPE_ROW_BARE_ row)
#define TRP_TYPE_ROW_BARE_(...) __VA_ARGS__
#define TRP_TYPE_ROW_UNPACK_(...) TRP_TYPE_ROW_OF_(__VA_ARGS__)
#define TRP_TYPE_ROW_OF_(type, name, text, key, kind, element, capacity, record)                   \
    {text, (key), (kind), (element), (capacity), (uint32_t)offsetof(struct type, name), (record)},

/* The name of the TRP_TYPE_ROWS_<n>_ for the arguments, of which the last is a filler. */
#define TRP_TYPE_CHOOSE_(...)                                                                      \
    TRP_TYPE_PICK_(__VA_ARGS__, TRP_TYPE_ROWS_64_, TRP_TYPE_ROWS_63_, TRP_TYPE_ROWS_62_,           \
                   TRP_TYPE_ROWS_61_, TRP_TYPE_ROWS_60_, TRP_TYPE_ROWS_59_, TRP_TYPE_ROWS_58_,     \
                   TRP_TYPE_ROWS_57_, TRP_TYPE_ROWS_56_, TRP_TYPE_ROWS_55_, TRP_TYPE_ROWS_54_,     \
                   TRP_TYPE_ROWS_53_, TRP_TYPE_ROWS_52_, TRP_TYPE_ROWS_51_, TRP_TYPE_ROWS_50_,     \
                   TRP_TYPE_ROWS_49_, TRP_TYPE_ROWS_48_, TRP_TYPE_ROWS_47_, TRP_TYPE_ROWS_46_,     \
                   TRP_TYPE_ROWS_45_, TRP_TYPE_ROWS_44_, TRP_TYPE_ROWS_43_, TRP_TYPE_ROWS_42_,     \
                   TRP_TYPE_ROWS_41_, TRP_TYPE_ROWS_40_, TRP_TYPE_ROWS_39_, TRP_TYPE_ROWS_38_,     \
                   TRP_TYPE_ROWS_37_, TRP_TYPE_ROWS_36_, TRP_TYPE_ROWS_35_, TRP_TYPE_ROWS_34_,     \
                   TRP_TYPE_ROWS_33_, TRP_TYPE_ROWS_32_, TRP_TYPE_ROWS_31_, TRP_TYPE_ROWS_30_,     \
                   TRP_TYPE_ROWS_29_, TRP_TYPE_ROWS_28_, TRP_TYPE_ROWS_27_, TRP_TYPE_ROWS_26_,     \
                   TRP_TYPE_ROWS_25_, TRP_TYPE_ROWS_24_, TRP_TYPE_ROWS_23_, TRP_TYPE_ROWS_22_,     \
                   TRP_TYPE_ROWS_21_, TRP_TYPE_ROWS_20_, TRP_TYPE_ROWS_19_, TRP_TYPE_ROWS_18_,     \
                   TRP_TYPE_ROWS_17_, TRP_TYPE_ROWS_16_, TRP_TYPE_ROWS_15_, TRP_TYPE_ROWS_14_,     \
                   TRP_TYPE_ROWS_13_, TRP_TYPE_ROWS_12_, TRP_TYPE_ROWS_11_, TRP_TYPE_ROWS_10_,     \
                   TRP_TYPE_ROWS_9_, TRP_TYPE_ROWS_8_, TRP_TYPE_ROWS_7_, TRP_TYPE_ROWS_6_,         \
                   TRP_TYPE_ROWS_5_, TRP_TYPE_ROWS_4_, TRP_TYPE_ROWS_3_, TRP_TYPE_ROWS_2_,         \
                   TRP_TYPE_ROWS_1_, TRP_TYPE_ROWS_0_, ~)
#define TRP_TYPE_PICK_(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16,  \
                       a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31,  \
                       a32, a33, a34, a35, a36, a37, a38, a39, a40, a41, a42, a43, a44, a45, a46,  \
                       a47, a48, a49, a50, a51, a52, a53, a54, a55, a56, a57, a58, a59, a60, a61,  \
                       a62, a63, a64, chosen, ...)                                                 \
    chosen

#define TRP_TYPE_ROWS_0_(type, ...)
#define TRP_TYPE_ROWS_1_(type, row, ...)                                                           \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_0_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_2_(type, row, ...)                                                           \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_1_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_3_(type, row, ...)                                                           \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_2_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_4_(type, row, ...)                                                           \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_3_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_5_(type, row, ...)                                                           \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_4_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_6_(type, row, ...)                                                           \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_5_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_7_(type, row, ...)                                                           \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_6_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_8_(type, row, ...)                                                           \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_7_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_9_(type, row, ...)                                                           \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_8_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_10_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_9_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_11_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_10_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_12_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_11_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_13_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_12_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_14_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_13_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_15_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_14_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_16_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_15_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_17_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_16_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_18_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_17_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_19_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_18_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_20_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_19_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_21_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_20_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_22_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_21_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_23_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_22_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_24_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_23_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_25_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_24_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_26_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_25_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_27_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_26_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_28_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_27_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_29_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_28_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_30_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_29_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_31_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_30_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_32_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_31_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_33_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_32_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_34_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_33_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_35_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_34_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_36_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_35_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_37_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_36_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_38_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_37_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_39_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_38_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_40_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_39_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_41_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_40_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_42_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_41_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_43_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_42_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_44_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_43_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_45_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_44_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_46_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_45_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_47_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_46_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_48_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_47_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_49_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_48_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_50_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_49_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_51_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_50_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_52_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_51_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_53_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_52_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_54_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_53_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_55_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_54_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_56_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_55_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_57_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_56_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_58_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_57_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_59_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_58_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_60_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_59_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_61_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_60_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_62_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_61_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_63_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_62_(type, __VA_ARGS__)
#define TRP_TYPE_ROWS_64_(type, row, ...)                                                          \
    TRP_TYPE_ROW_(type, row) TRP_TYPE_ROWS_63_(type, __VA_ARGS__)

#endif
