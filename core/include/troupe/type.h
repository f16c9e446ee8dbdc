/**
 * @file type.h
 * Typed messages: one macro list gives a struct, its field table and its helpers.
 *
 * A typed message is one relocatable block: the struct, then a tail. Strings, bytes, lists and
 * values are self-relative (offset from the field itself, plus length), so a block may be copied or
 * moved as a whole and nothing dangles. A struct alone must not be copied out of its block if it
 * has such fields. The layout is the same on every machine Troupe runs on. Example:
 *
 *     #define GREETING_FIELDS(F)  \
 *         F(string, text, 1)      \
 *         F(pid, reply_to, 2)     \
 *         F(list(u32), numbers, 3)
 *     TRP_TYPE_DECLARE(greeting, GREETING_FIELDS)                       // in a header, C or C++
 *     TRP_TYPE_DEFINE(greeting, "example.Greeting", GREETING_FIELDS)    // in one .c file
 *
 * declares `struct greeting` (typedef `greeting`), `extern const trp_type greeting_type` and
 * `greeting *greeting_of(trp_message *)` (NULL if the message is of another type). F takes kind,
 * name and key. Kinds: boolean, i32, u32, i64, u64, f64, pid, ref, string, bytes, value (any CBOR
 * item), text(N) (a zero-terminated text of less than N bytes inside the struct), record(TYPE) (a
 * struct declared before, inside the struct) and list(KIND) of any kind but text and list. Keys
 * ascend; a key is never used again for another field. docs/messages.md tells more.
 */
#ifndef TROUPE_TYPE_H
#define TROUPE_TYPE_H

#include "troupe/base.h"
#include "troupe/pid.h"
#include "troupe/type_table.h"

TRP_BEGIN_DECLS

/** What a field holds. The numbers are part of the binary interface with JavaScript. */
typedef enum trp_field_kind {
    TRP_FIELD_BOOLEAN = 1,
    TRP_FIELD_I32 = 2,
    TRP_FIELD_U32 = 3,
    TRP_FIELD_I64 = 4,
    TRP_FIELD_U64 = 5,
    TRP_FIELD_F64 = 6,
    TRP_FIELD_PID = 7,
    TRP_FIELD_REF = 8,
    TRP_FIELD_STRING = 9,
    TRP_FIELD_BYTES = 10,
    TRP_FIELD_VALUE = 11,
    TRP_FIELD_RECORD = 12,
    TRP_FIELD_LIST = 13,
    TRP_FIELD_TEXT = 14
} trp_field_kind;

/** Most fields that one type can have; records nested in it have their own. */
#define TRP_TYPE_FIELDS_MAX 64

/** Deepest nesting of records in a type; a type without records has depth 0. */
#define TRP_TYPE_DEPTH_MAX 8

/**
 * A string, byte string, CBOR value or list in a block: `length` bytes (or elements) that begin
 * `offset` bytes after this very field. All zero means empty. Read it with the functions below;
 * write it with a builder (message.h).
 */
typedef struct trp_slice {
    uint32_t offset;
    uint32_t length;
} trp_slice;

/**
 * Address of the first byte or element of `slice`. Never NULL; not zero-terminated unless `string`
 * (which always is).
 */
static inline const void *trp_slice_data(const trp_slice *slice) {
    return slice->offset == 0 ? (const void *)""
                              : (const void *)((const char *)slice + slice->offset);
}

/** The zero-terminated text of a `string` field; `slice->length` is its length without the zero. */
static inline const char *trp_slice_text(const trp_slice *slice) {
    return (const char *)trp_slice_data(slice);
}

/**
 * Address of element `index` of a list whose elements have `element_size` bytes; NULL if the list
 * is shorter.
 */
static inline const void *trp_slice_at(const trp_slice *slice, size_t element_size,
                                       uint32_t index) {
    return index < slice->length ? (const char *)trp_slice_data(slice) + element_size * index
                                 : NULL;
}

/**
 * Address of element `index` of the list at `slice`, or NULL: `const point *p = TRP_LIST_AT(point,
 * &route->path, 0)`. Elements of lists of strings, bytes and values are trp_slice.
 */
#define TRP_LIST_AT(element_type, slice, index)                                                    \
    ((const element_type *)trp_slice_at((slice), sizeof(element_type), (index)))

/**
 * Loops over a list: `TRP_LIST_FOR_EACH (point, p, &route->path) { use(p->x); }`. `slice` is
 * evaluated twice.
 */
#define TRP_LIST_FOR_EACH(element_type, element, slice)                                            \
    for (const element_type *element = (const element_type *)trp_slice_data(slice),                \
                            *const element##_end = element + (slice)->length;                      \
         element != element##_end; element++)

typedef struct trp_type trp_type;
typedef struct trp_message trp_message;

/** One field of a type. */
typedef struct trp_field {
    const char *name;       /**< name in JavaScript and in texts */
    uint32_t key;           /**< integer key on the wire, unique in the type, never reused; > 0 */
    uint8_t kind;           /**< a trp_field_kind */
    uint8_t element;        /**< kind of the elements if this is a list, else 0 */
    uint16_t capacity;      /**< bytes of the array if this is a text, else 0 */
    uint32_t offset;        /**< of the field in the struct */
    const trp_type *record; /**< type of a nested record or of a list's records, else NULL */
} trp_field;

/** A message type. Static and constant; two types never share a name in one runtime. */
struct trp_type {
    const char *name; /**< unique, dotted, for example "troupe.Down" */
    uint32_t size;    /**< sizeof the struct */
    uint32_t fields_len;
    const trp_field *fields; /**< ascending by key */
};

/** 64-bit FNV-1a hash of the type's name: its identity on the wire. Any thread. */
TRP_API uint64_t trp_type_hash(const trp_type *type);

typedef struct trp_builder trp_builder;

/**
 * trp_builder_set (message.h) for a zero-terminated text, borrowed; NULL is empty. trp_set_text
 * below gives it the name of a field.
 */
TRP_API void trp_builder_set_text(trp_builder *builder, size_t field_offset, const char *text);

/** The body of `message` (borrowed, may be NULL) if it is of `type`, else NULL. */
TRP_API void *trp_message_as(trp_message *message, const trp_type *type);

TRP_END_DECLS

/** Declares the struct, its type and its helper; no semicolon behind it. For C and C++. */
#define TRP_TYPE_DECLARE(type_name, LIST)                                                          \
    typedef struct type_name {                                                                     \
        LIST(TRP_TYPE_MEMBER_)                                                                     \
    } type_name;                                                                                   \
    TRP_TYPE_HELPERS_(type_name)

/** Declares a type without fields: its messages say all by being there. */
#define TRP_TYPE_DECLARE_EMPTY(type_name)                                                          \
    typedef struct type_name {                                                                     \
        uint8_t nothing;                                                                           \
    } type_name;                                                                                   \
    TRP_TYPE_HELPERS_(type_name)

/**
 * Defines the field table of a struct that TRP_TYPE_DECLARE made, or of one written by hand with
 * the members that the list names and a declaration of `<name>_type`. No semicolon behind it.
 */
#define TRP_TYPE_DEFINE(type_name, dotted_name, LIST)                                              \
    static const trp_field type_name##_type_fields[] = {                                           \
        TRP_TYPE_ROWS_(type_name, LIST(TRP_TYPE_FIELD_) ~)};                                       \
    const trp_type type_name##_type = {                                                            \
        (dotted_name), (uint32_t)sizeof(struct type_name),                                         \
        (uint32_t)(sizeof type_name##_type_fields / sizeof type_name##_type_fields[0]),            \
        type_name##_type_fields};

/** Defines a type of TRP_TYPE_DECLARE_EMPTY. */
#define TRP_TYPE_DEFINE_EMPTY(type_name, dotted_name)                                              \
    const trp_type type_name##_type = {(dotted_name), (uint32_t)sizeof(struct type_name), 0, NULL};

/**
 * Builder steps (message.h) by field name instead of offset, for fields of the message's own
 * struct:
 *
 *     trp_builder builder;
 *     trp_builder_init(&builder, ctx, &greeting_type, 64);
 *     trp_set(&builder, greeting, reply_to, trp_self(ctx));
 *     trp_set_text(&builder, greeting, text, "hello");
 *     size_t at = trp_set_list(&builder, greeting, numbers, uint32_t, 3);
 *     int error = trp_builder_finish(&builder, &message);
 */

/** Stores a scalar, a pid or a ref. Nothing happens after a failure, which finish reports. */
#define trp_set(builder, type_name, field_name, content)                                           \
    do {                                                                                           \
        struct type_name *trp_set_body = (struct type_name *)trp_builder_body(builder);            \
        if (trp_set_body != NULL) {                                                                \
            trp_set_body->field_name = (content);                                                  \
        }                                                                                          \
    } while (0)

/** Stores `length` bytes at `data` (borrowed) in a string, bytes or value field. */
#define trp_builder_set_field(builder, type_name, field_name, data, length)                        \
    trp_builder_set((builder), TRP_SLICE_OFFSET(type_name, field_name), (data), (length))

/** Stores a zero-terminated text (borrowed, NULL is empty) in a string field. */
#define trp_set_text(builder, type_name, field_name, zero_terminated)                              \
    trp_builder_set_text((builder), TRP_SLICE_OFFSET(type_name, field_name), (zero_terminated))

/**
 * Reserves a list of `count` zeroed elements and returns the offset of the first, for
 * trp_builder_at and nested steps.
 */
#define trp_set_list(builder, type_name, field_name, element_type, count)                          \
    trp_builder_list((builder), TRP_SLICE_OFFSET(type_name, field_name), (count),                  \
                     sizeof(element_type))

/** offsetof for a field that is a trp_slice; other fields are a compile-time complaint. */
#define TRP_SLICE_OFFSET(type_name, field_name)                                                    \
    (offsetof(struct type_name, field_name) +                                                      \
     0 * sizeof(trp_slice_data(&((struct type_name *)0)->field_name)))

#endif
