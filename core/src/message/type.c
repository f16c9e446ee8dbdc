/*
 * Message types: their identity on the wire, and the check of their field tables.
 */
#include "message/type.h"

#include "message/message.h"
#include "troupe/error.h"

#include <string.h>

/*
 * Blocks travel between native and wasm code, so both must place members alike (x86-64, aarch64 and
 * wasm32 do).
 */
_Static_assert(sizeof(trp_slice) == 8, "a slice is two 32-bit numbers");
_Static_assert(sizeof(trp_pid) == 16, "a pid is four 32-bit numbers");
_Static_assert(sizeof(bool) == 1, "a boolean is a byte");
_Static_assert(offsetof(
                   struct {
                       char a;
                       uint64_t b;
                   },
                   b) == 8,
               "64-bit integers are aligned to 8");
_Static_assert(offsetof(
                   struct {
                       char a;
                       double b;
                   },
                   b) == 8,
               "doubles are aligned to 8");

uint64_t trp_type_hash(const trp_type *type) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *at = type->name; *at != '\0'; at++) {
        hash = (hash ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
    }
    return hash;
}

void *trp_message_as(trp_message *message, const trp_type *type) {
    return message != NULL && message->type == type ? trpi_body(message) : NULL;
}

size_t trpi_kind_size(unsigned kind) {
    static const uint8_t sizes[] = {
        [TRP_FIELD_BOOLEAN] = sizeof(bool),     [TRP_FIELD_I32] = sizeof(int32_t),
        [TRP_FIELD_U32] = sizeof(uint32_t),     [TRP_FIELD_I64] = sizeof(int64_t),
        [TRP_FIELD_U64] = sizeof(uint64_t),     [TRP_FIELD_F64] = sizeof(double),
        [TRP_FIELD_PID] = sizeof(trp_pid),      [TRP_FIELD_REF] = sizeof(trp_ref),
        [TRP_FIELD_STRING] = sizeof(trp_slice), [TRP_FIELD_BYTES] = sizeof(trp_slice),
        [TRP_FIELD_VALUE] = sizeof(trp_slice),  [TRP_FIELD_LIST] = sizeof(trp_slice),
    };
    return kind < sizeof sizes ? sizes[kind] : 0;
}

/*
 * A record can hold anything and a table does not tell its alignment, so only the strictest demand
 * of the known kinds is made.
 */
static size_t kind_alignment(unsigned kind) {
    switch (kind) {
    case TRP_FIELD_BOOLEAN:
    case TRP_FIELD_TEXT:
    case TRP_FIELD_RECORD:
        return 1;
    case TRP_FIELD_I64:
    case TRP_FIELD_U64:
    case TRP_FIELD_F64:
    case TRP_FIELD_REF:
        return 8;
    default:
        return 4;
    }
}

static bool is_element(unsigned kind) {
    return kind == TRP_FIELD_RECORD || (trpi_kind_size(kind) > 0 && kind != TRP_FIELD_LIST);
}

static size_t field_size(const trp_field *field) {
    switch (field->kind) {
    case TRP_FIELD_RECORD:
        return field->record->size;
    case TRP_FIELD_TEXT:
        return field->capacity;
    default:
        return trpi_kind_size(field->kind);
    }
}

/* What is wrong with a field by itself, or NULL. */
static const char *field_fault(const trp_type *type, const trp_field *field) {
    bool is_list = field->kind == TRP_FIELD_LIST;
    bool has_record = field->kind == TRP_FIELD_RECORD || field->element == TRP_FIELD_RECORD;
    if (field->name == NULL || field->name[0] == '\0') {
        return "give the field a name";
    }
    if (field->key <= (field == type->fields ? 0 : field[-1].key)) {
        return "keys must be above 0 and ascend from field to field";
    }
    if (is_list ? !is_element(field->element) : field->element != 0) {
        return "lists, and only lists, have an element kind, which is neither text nor list";
    }
    if (has_record != (field->record != NULL)) {
        return "records and lists of records, and only they, name the type of the record";
    }
    if ((field->kind == TRP_FIELD_TEXT) != (field->capacity != 0)) {
        return "texts, and only texts, have a capacity above 0";
    }
    size_t size = field_size(field);
    if (size == 0) {
        return "the kind is none of trp_field_kind, or the record has no size";
    }
    if (field->offset % kind_alignment(field->kind) != 0) {
        return "the offset is not aligned for the kind";
    }
    if (field->offset > type->size || size > type->size - field->offset) {
        return "the field reaches beyond the struct";
    }
    return NULL;
}

/* What is wrong with a type apart from its fields, or NULL. */
static const char *type_fault(const trp_type *type) {
    if (type->name == NULL || type->name[0] == '\0') {
        return "give the type a name";
    }
    if (type->size == 0 || type->size > TRP_MESSAGE_MAX) {
        return "the struct's size must be above 0 and at most TRP_MESSAGE_MAX";
    }
    if (type->fields_len > TRP_TYPE_FIELDS_MAX) {
        return "split the type: it has more than TRP_TYPE_FIELDS_MAX fields";
    }
    if (type->fields_len > 0 && type->fields == NULL) {
        return "the field table is missing";
    }
    return NULL;
}

static int fail(trpi_type_fault *fault, const trp_type *type, const trp_field *field,
                const char *text) {
    if (fault != NULL) {
        fault->type = type->name != NULL ? type->name : "";
        fault->field = field != NULL ? field->name : NULL;
        fault->text = text;
    }
    return TRP_EINVAL;
}

/*
 * Walks the tree of records with a path of its own instead of recursion: path[i] is the type at
 * depth i and its next field.
 */
int trpi_type_check(const trp_type *type, trpi_type_fault *fault) {
    struct {
        const trp_type *type;
        uint32_t next;
    } path[TRP_TYPE_DEPTH_MAX + 1];
    unsigned depth = 0;
    const char *text = type_fault(type);
    if (text != NULL) {
        return fail(fault, type, NULL, text);
    }
    path[0].type = type;
    path[0].next = 0;
    for (;;) {
        const trp_type *at = path[depth].type;
        if (path[depth].next == at->fields_len) {
            if (depth == 0) {
                return 0;
            }
            depth--;
            continue;
        }
        const trp_field *field = &at->fields[path[depth].next++];
        text = field_fault(at, field);
        if (text == NULL && field->record != NULL) {
            text = depth == TRP_TYPE_DEPTH_MAX
                       ? "records nest deeper than TRP_TYPE_DEPTH_MAX or contain themselves"
                       : type_fault(field->record);
            if (text == NULL) {
                path[++depth].type = field->record;
                path[depth].next = 0;
            }
        }
        if (text != NULL) {
            return fail(fault, at, field, text);
        }
    }
}
