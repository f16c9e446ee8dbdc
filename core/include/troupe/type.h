/**
 * @file type.h
 * Typed messages: one macro list gives a struct, its field table and its helpers.
 *
 * A typed message is one relocatable block: the struct, then a tail. Strings, bytes, lists and values are self-relative
 * (offset from the field itself, plus length), so a block may be copied or moved as a whole and nothing dangles. The layout is the same on
 * every machine Troupe runs on. Example:
 *
 *     #define GREETING_FIELDS(F)                                                                   \
 *         F(string, text, 1)                                                                       \
 *         F(pid, reply_to, 2)                                                                      \
 *         F(list(u32), numbers, 3)
 *     TRP_TYPE_DECLARE(greeting, GREETING_FIELDS)                        // in a header
 *     TRP_TYPE_DEFINE(greeting, "example.Greeting", GREETING_FIELDS)     // in one .c file
 *
 * declares `struct greeting` (typedef `greeting`), `extern const trp_type greeting_type`, `greeting *greeting_of(trp_message *)` (NULL if the
 * message is of another type). Kinds: boolean, i32, u32, i64, u64, f64, pid, ref, string, bytes, value (any CBOR item),
 * list(KIND), record(TYPE) for a nested struct declared before.
 */
#ifndef TROUPE_TYPE_H
#define TROUPE_TYPE_H

#include "troupe/base.h"
#include "troupe/pid.h"

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
    TRP_FIELD_LIST = 13
} trp_field_kind;

/**
 * A string, byte string, CBOR value or list in a block: `length` bytes (or elements) that begin `offset` bytes after this very field.
 * All zero means empty. Read it with trp_slice_data; write it with a builder (message.h).
 */
typedef struct trp_slice {
    uint32_t offset;
    uint32_t length;
} trp_slice;

/** Address of the first byte or element of `slice`. Never NULL; not zero-terminated unless `string` (which always is). */
static inline const void *trp_slice_data(const trp_slice *slice) {
    return slice->offset == 0 ? (const void *)"" : (const void *)((const char *)slice + slice->offset);
}

typedef struct trp_type trp_type;

/** One field of a type. */
typedef struct trp_field {
    const char *name;        /**< name in JavaScript and in texts */
    uint32_t key;            /**< integer key on the wire, unique in the type, never reused; > 0 */
    uint8_t kind;            /**< a trp_field_kind */
    uint8_t element;         /**< kind of the elements if this is a list, else 0 */
    uint16_t reserved;
    uint32_t offset;         /**< of the field in the struct */
    const trp_type *record;  /**< type of a nested record or of a list's records, else NULL */
} trp_field;

/** A message type. Static and constant; two types never share a name in one runtime. */
struct trp_type {
    const char *name;        /**< unique, dotted, for example "troupe.Down" */
    uint32_t size;           /**< sizeof the struct */
    uint32_t fields_len;
    const trp_field *fields; /**< ascending by key */
};

/** 64-bit FNV-1a hash of the type's name: its identity on the wire. Any thread. */
TRP_API uint64_t trp_type_hash(const trp_type *type);

TRP_END_DECLS

#endif
