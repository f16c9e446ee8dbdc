/*
 * Random types and messages. It recurses, as the codec must not: a second way to the same result.
 */
#include "random_message.h"

#include "message/type.h"
#include "troupe/cbor.h"

#include <string.h>

uint64_t random_next(uint64_t *seed) {
    uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t random_below(uint64_t *seed, uint64_t limit) {
    return random_next(seed) % limit;
}

/* A number of random magnitude, so that every length on the wire comes up. */
static uint64_t random_number(uint64_t *seed) {
    return random_next(seed) >> random_below(seed, 64);
}

static const trp_type *random_record(random_types *types, uint64_t *seed, unsigned depth);

static void random_field(random_types *types, uint64_t *seed, unsigned depth, trp_field *field) {
    bool nests = depth > 0 && types->types_len < RANDOM_TYPES_MAX;
    do {
        field->kind = (uint8_t)(1 + random_below(seed, TRP_FIELD_TEXT));
    } while (field->kind == TRP_FIELD_RECORD && !nests);
    if (field->kind == TRP_FIELD_TEXT) {
        field->capacity = (uint16_t)(1 + random_below(seed, 40));
    } else if (field->kind == TRP_FIELD_LIST) {
        field->element =
            (uint8_t)(1 + random_below(seed, nests ? TRP_FIELD_RECORD : TRP_FIELD_VALUE));
    }
    if (field->kind == TRP_FIELD_RECORD || field->element == TRP_FIELD_RECORD) {
        field->record = random_record(types, seed, depth - 1);
    }
}

static size_t up(size_t offset, size_t alignment) {
    return (offset + alignment - 1) & ~(alignment - 1);
}

static size_t size_in_struct(const trp_field *field) {
    return field->kind == TRP_FIELD_RECORD ? field->record->size
           : field->kind == TRP_FIELD_TEXT ? field->capacity
                                           : trpi_kind_size(field->kind);
}

/* Records are given the alignment of 8, which suits whatever they hold. */
static const trp_type *random_record(random_types *types, uint64_t *seed, unsigned depth) {
    unsigned index = types->types_len++;
    trp_type *type = &types->types[index];
    trp_field *fields = types->fields[index];
    uint32_t count = (uint32_t)random_below(seed, RANDOM_FIELDS_MAX + 1);
    uint32_t key = 0;
    size_t end = 0;
    for (uint32_t i = 0; i < count; i++) {
        trp_field *field = &fields[i];
        *field = (trp_field){.name = "field"};
        key += 1 + (uint32_t)random_below(seed, random_below(seed, 4) == 0 ? 70000 : 3);
        field->key = key;
        random_field(types, seed, depth, field);
        end = up(end, field->kind == TRP_FIELD_TEXT || field->kind == TRP_FIELD_BOOLEAN ? 1 : 8);
        field->offset = (uint32_t)end;
        end += size_in_struct(field);
    }
    *type = (trp_type){.name = "test.Random",
                       .size = (uint32_t)up(end > 0 ? end : 1, 8),
                       .fields_len = count,
                       .fields = fields};
    return type;
}

const trp_type *random_type(random_types *types, uint64_t *seed, unsigned depth) {
    types->types_len = 0;
    return random_record(types, seed, depth);
}

/* A length that is mostly small, sometimes past the encoder's stage. */
static size_t random_length(uint64_t *seed, size_t limit) {
    return (size_t)random_below(seed, random_below(seed, 8) == 0 ? limit : 12);
}

static size_t random_text(uint64_t *seed, char *text, size_t limit) {
    static const char *const letters[] = {
        "a", "Z", " ", "\303\274", "\342\202\254", "\360\237\230\200"};
    size_t target = random_length(seed, limit);
    size_t length = 0;
    for (;;) {
        const char *letter = letters[random_below(seed, sizeof letters / sizeof letters[0])];
        if (length + strlen(letter) > target) {
            return length;
        }
        memcpy(text + length, letter, strlen(letter));
        length += strlen(letter);
    }
}

/* One CBOR item. */
static size_t random_value(uint64_t *seed, uint8_t *bytes, size_t capacity) {
    trp_cbor_writer writer;
    trp_cbor_writer_init(&writer, bytes, capacity);
    for (uint64_t nested = random_below(seed, 10); nested > 0; nested--) {
        trp_cbor_put_array(&writer, 1);
    }
    switch (random_below(seed, 5)) {
    case 0:
        trp_cbor_put_text(&writer, "text", 4);
        break;
    case 1:
        trp_cbor_put_double(&writer, (double)random_number(seed));
        break;
    case 2:
        trp_cbor_put_map(&writer, 1);
        trp_cbor_put_uint(&writer, random_number(seed));
        trp_cbor_put_null(&writer);
        break;
    case 3:
        trp_cbor_put_array(&writer, 0);
        break;
    default:
        trp_cbor_put_int(&writer, (int64_t)random_next(seed));
    }
    return writer.length;
}

static void fill_scalar(trp_builder *builder, unsigned kind, size_t offset, uint64_t *seed) {
    void *at = trp_builder_at(builder, offset);
    uint64_t number = random_number(seed);
    bool flag = number & 1;
    double ratio = (double)(int64_t)number / 16;
    uint32_t low = (uint32_t)random_number(seed);
    trp_pid pid = {(uint32_t)number, low & 7, low, (uint32_t)(number >> 32 & 3)};
    if (at == NULL) {
        return;
    }
    switch (kind) {
    case TRP_FIELD_BOOLEAN:
        memcpy(at, &flag, sizeof flag);
        break;
    case TRP_FIELD_F64:
        memcpy(at, &ratio, sizeof ratio);
        break;
    case TRP_FIELD_PID:
        pid = trp_pid_is_none(pid) ? TRP_PID_NONE : pid;
        memcpy(at, &pid, sizeof pid);
        break;
    case TRP_FIELD_I32:
    case TRP_FIELD_U32:
        memcpy(at, &low, sizeof low);
        break;
    default:
        memcpy(at, &number, sizeof number);
    }
}

/* A value of any kind but record, list and text. */
static void fill_simple(trp_builder *builder, unsigned kind, size_t offset, uint64_t *seed) {
    char bytes[1000];
    if (random_below(seed, 6) == 0) {
        return; /* zero or empty */
    }
    switch (kind) {
    case TRP_FIELD_STRING:
        trp_builder_set(builder, offset, bytes, random_text(seed, bytes, sizeof bytes));
        break;
    case TRP_FIELD_BYTES:
        memset(bytes, (int)random_below(seed, 256), sizeof bytes);
        trp_builder_set(builder, offset, bytes, random_length(seed, sizeof bytes));
        break;
    case TRP_FIELD_VALUE:
        trp_builder_set(builder, offset, bytes, random_value(seed, (uint8_t *)bytes, sizeof bytes));
        break;
    default:
        fill_scalar(builder, kind, offset, seed);
    }
}

static void fill_list(trp_builder *builder, const trp_field *field, size_t offset, uint64_t *seed) {
    size_t count = random_length(seed, field->element == TRP_FIELD_RECORD ? 6 : 60);
    size_t size = trpi_element_size(field);
    size_t first = trp_builder_list(builder, offset, count, size);
    for (size_t i = 0; i < count; i++) {
        if (field->element == TRP_FIELD_RECORD) {
            random_fill(builder, field->record, first + i * size, seed);
        } else {
            fill_simple(builder, field->element, first + i * size, seed);
        }
    }
}

static void fill_text(trp_builder *builder, const trp_field *field, size_t offset, uint64_t *seed) {
    char bytes[64];
    size_t length = random_text(seed, bytes, field->capacity);
    char *at = trp_builder_at(builder, offset);
    if (at != NULL && length < field->capacity) {
        memcpy(at, bytes, length);
    }
}

void random_fill(trp_builder *builder, const trp_type *type, size_t offset, uint64_t *seed) {
    for (uint32_t i = 0; i < type->fields_len; i++) {
        const trp_field *field = &type->fields[i];
        size_t at = offset + field->offset;
        switch (field->kind) {
        case TRP_FIELD_RECORD:
            random_fill(builder, field->record, at, seed);
            break;
        case TRP_FIELD_LIST:
            fill_list(builder, field, at, seed);
            break;
        case TRP_FIELD_TEXT:
            fill_text(builder, field, at, seed);
            break;
        default:
            fill_simple(builder, field->kind, at, seed);
        }
    }
}

static bool same_simple(unsigned kind, const void *a, const void *b) {
    if (kind != TRP_FIELD_STRING && kind != TRP_FIELD_BYTES && kind != TRP_FIELD_VALUE) {
        return memcmp(a, b, trpi_kind_size(kind)) == 0;
    }
    const trp_slice *left = a;
    const trp_slice *right = b;
    return left->length == right->length &&
           memcmp(trp_slice_data(left), trp_slice_data(right), left->length) == 0 &&
           trp_slice_text(left)[left->length] == 0 && trp_slice_text(right)[right->length] == 0;
}

static bool same_list(const trp_field *field, const trp_slice *a, const trp_slice *b) {
    size_t size = trpi_element_size(field);
    bool same = a->length == b->length;
    for (uint32_t i = 0; same && i < a->length; i++) {
        const void *left = trp_slice_at(a, size, i);
        const void *right = trp_slice_at(b, size, i);
        same = field->element == TRP_FIELD_RECORD ? same_record(field->record, left, right)
                                                  : same_simple(field->element, left, right);
    }
    return same;
}

bool same_record(const trp_type *type, const void *a, const void *b) {
    bool same = true;
    for (uint32_t i = 0; same && i < type->fields_len; i++) {
        const trp_field *field = &type->fields[i];
        const void *left = (const char *)a + field->offset;
        const void *right = (const char *)b + field->offset;
        switch (field->kind) {
        case TRP_FIELD_RECORD:
            same = same_record(field->record, left, right);
            break;
        case TRP_FIELD_LIST:
            same = same_list(field, left, right);
            break;
        case TRP_FIELD_TEXT:
            same = strcmp(left, right) == 0;
            break;
        default:
            same = same_simple(field->kind, left, right);
        }
    }
    return same;
}
