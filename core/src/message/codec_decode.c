/*
 * CBOR to typed message, in one pass. Maps that become records and arrays that become lists of
 * records stand on a stack of frames; the message grows at its end through the builder, so places
 * in it are kept as offsets.
 *
 * Work is linear in the input: each step consumes bytes, and only arrays of indefinite length are
 * looked at twice (per level of nesting). Memory is bounded by it too: an array claims at most as
 * many elements as it has bytes left, or it is refused before anything is allocated.
 */
#include "troupe/codec.h"

#include "message/builder.h"
#include "message/codec_frames.h"
#include "message/message.h"
#include "message/type.h"
#include "message/cbor.h"
#include "troupe/error.h"

#include <string.h>

typedef struct frame {
    const trp_type *type;
    size_t offset; /* in the block: of the record, or of the list's next one */
    uint64_t left; /* items to come; means nothing for a record of indefinite length */
    uint64_t seen; /* a record: fields that have come, as bits */
    uint32_t next; /* a record: the field that comes next if they come in order */
    bool is_list;
    bool indefinite; /* ended by a break */
} frame;

typedef struct decoder {
    trp_cbor_reader reader;
    const trp_codec_pids *pids;
    trp_builder builder;
    unsigned depth; /* frames in use */
    frame frames[TRPI_CODEC_FRAMES];
} decoder;

enum { CBOR_BREAK = 0xff };

static void store(decoder *d, size_t offset, const void *value, size_t size) {
    memcpy((char *)trpi_body(d->builder.message) + offset, value, size);
}

static int push(decoder *d, const trp_type *type, size_t offset, const trp_cbor_item *item) {
    if (d->depth == TRPI_CODEC_FRAMES || type->fields_len > TRP_TYPE_FIELDS_MAX) {
        return TRP_EINVAL;
    }
    d->frames[d->depth++] = (frame){.type = type,
                                    .offset = offset,
                                    .left = item->argument,
                                    .is_list = item->major == TRP_CBOR_ARRAY,
                                    .indefinite = item->info == TRP_CBOR_INFO_INDEFINITE};
    return 0;
}

static int open_record(decoder *d, const trp_type *type, size_t offset) {
    trp_cbor_item item;
    if (trp_cbor_next(&d->reader, &item) != 0 || item.major != TRP_CBOR_MAP) {
        return TRP_EDECODE;
    }
    return push(d, type, offset, &item);
}

/* Takes one whole item of any kind. `depth`: arrays and maps around it. */
static int take_item(decoder *d, unsigned depth, const uint8_t **bytes, size_t *length) {
    *bytes = d->reader.at;
    int error = trpi_cbor_skip(&d->reader, TRP_CODEC_DEPTH_MAX - depth);
    *length = (size_t)(d->reader.at - *bytes);
    return error;
}

static int decode_plain_pid(const uint8_t *bytes, size_t length, trp_pid *pid) {
    trp_cbor_reader reader;
    uint64_t count = 0;
    uint64_t numbers[4];
    trp_cbor_reader_init(&reader, bytes, length);
    if (trp_cbor_get_array(&reader, &count) != 0 || count != 4) {
        return TRP_EDECODE;
    }
    for (int i = 0; i < 4; i++) {
        if (trpi_cbor_get_uint(&reader, &numbers[i]) != 0 || numbers[i] > UINT32_MAX) {
            return TRP_EDECODE;
        }
    }
    if (numbers[3] == 0) { /* nobody is null, and is not spelt in many ways */
        return TRP_EDECODE;
    }
    *pid = (trp_pid){.node = (uint32_t)numbers[0],
                     .epoch = (uint32_t)numbers[1],
                     .index = (uint32_t)numbers[2],
                     .generation = (uint32_t)numbers[3]};
    return 0;
}

static bool is_simple(const uint8_t *bytes, size_t length, unsigned value) {
    return length == 1 && bytes[0] == ((TRP_CBOR_SIMPLE << 5) | value);
}

static int decode_pid(decoder *d, size_t offset, unsigned depth) {
    const uint8_t *bytes;
    size_t length;
    trp_pid pid = TRP_PID_NONE;
    int error = take_item(d, depth, &bytes, &length);
    if (error != 0 || is_simple(bytes, length, TRP_CBOR_NULL)) {
        return error;
    }
    error = d->pids != NULL ? d->pids->decode(d->pids->arg, bytes, length, &pid)
                            : decode_plain_pid(bytes, length, &pid);
    if (error == 0) {
        store(d, offset, &pid, sizeof pid);
    }
    return error;
}

static int decode_value(decoder *d, size_t offset, unsigned depth) {
    const uint8_t *bytes;
    size_t length;
    int error = take_item(d, depth, &bytes, &length);
    if (error != 0 || is_simple(bytes, length, TRP_CBOR_UNDEFINED)) {
        return error;
    }
    trp_builder_set(&d->builder, offset, bytes, length);
    return d->builder.error;
}

/* Strings of indefinite length have no `bytes` and are refused; a `value` may contain them. */
static int decode_string(decoder *d, trp_cbor_major major, size_t offset) {
    trp_cbor_item item;
    if (trp_cbor_next(&d->reader, &item) != 0 || item.major != major || item.bytes == NULL) {
        return TRP_EDECODE;
    }
    if (major == TRP_CBOR_TEXT && !trpi_utf8_check(item.bytes, (size_t)item.argument)) {
        return TRP_EDECODE;
    }
    trp_builder_set(&d->builder, offset, item.bytes, (size_t)item.argument);
    return d->builder.error;
}

/* A text in the struct must be shorter than its array, and cannot hold a zero byte. */
static int decode_text(decoder *d, const trp_field *field, size_t offset) {
    const char *text;
    size_t length;
    if (trp_cbor_get_text(&d->reader, &text, &length) != 0 || length >= field->capacity ||
        memchr(text, 0, length) != NULL) {
        return TRP_EDECODE;
    }
    store(d, offset, text, length);
    return 0;
}

static int decode_boolean(decoder *d, size_t offset) {
    bool value;
    int error = trp_cbor_get_bool(&d->reader, &value);
    if (error == 0) {
        store(d, offset, &value, sizeof value);
    }
    return error;
}

static int decode_double(decoder *d, size_t offset) {
    double number;
    int error = trp_cbor_get_double(&d->reader, &number);
    if (error == 0) {
        store(d, offset, &number, sizeof number);
    }
    return error;
}

static int decode_signed(decoder *d, size_t offset, bool is_64) {
    int64_t number;
    if (trp_cbor_get_int(&d->reader, &number) != 0 ||
        (!is_64 && (number < INT32_MIN || number > INT32_MAX))) {
        return TRP_EDECODE;
    }
    int32_t narrow = (int32_t)number;
    store(d, offset, is_64 ? (const void *)&number : &narrow,
          is_64 ? sizeof number : sizeof narrow);
    return 0;
}

static int decode_unsigned(decoder *d, size_t offset, bool is_64) {
    uint64_t number;
    if (trpi_cbor_get_uint(&d->reader, &number) != 0 || (!is_64 && number > UINT32_MAX)) {
        return TRP_EDECODE;
    }
    uint32_t narrow = (uint32_t)number;
    store(d, offset, is_64 ? (const void *)&number : &narrow,
          is_64 ? sizeof number : sizeof narrow);
    return 0;
}

/*
 * Reads a value of any kind that opens no frame, of a field or a list. `depth`: arrays and maps
 * around it.
 */
static int decode_simple(decoder *d, unsigned kind, size_t offset, unsigned depth) {
    switch (kind) {
    case TRP_FIELD_BOOLEAN:
        return decode_boolean(d, offset);
    case TRP_FIELD_I32:
    case TRP_FIELD_I64:
        return decode_signed(d, offset, kind == TRP_FIELD_I64);
    case TRP_FIELD_U32:
    case TRP_FIELD_U64:
    case TRP_FIELD_REF:
        return decode_unsigned(d, offset, kind != TRP_FIELD_U32);
    case TRP_FIELD_F64:
        return decode_double(d, offset);
    case TRP_FIELD_PID:
        return decode_pid(d, offset, depth);
    case TRP_FIELD_STRING:
        return decode_string(d, TRP_CBOR_TEXT, offset);
    case TRP_FIELD_BYTES:
        return decode_string(d, TRP_CBOR_BYTES, offset);
    case TRP_FIELD_VALUE:
        return decode_value(d, offset, depth);
    default:
        return TRP_EINVAL;
    }
}

/* True if a break comes next, which is then consumed. */
static bool take_break(decoder *d) {
    bool is_break = !trp_cbor_reader_at_end(&d->reader) && *d->reader.at == CBOR_BREAK;
    d->reader.at += is_break;
    return is_break;
}

/*
 * Counts the elements of an array of indefinite length, up to its break, without taking them.
 * `depth`: arrays and maps around an element.
 */
static int count_elements(const decoder *d, unsigned depth, uint64_t *count) {
    trp_cbor_reader ahead = d->reader;
    uint64_t seen = 0;
    for (;; seen++) {
        if (trp_cbor_reader_at_end(&ahead)) {
            return TRP_EDECODE;
        }
        if (*ahead.at == CBOR_BREAK) {
            *count = seen;
            return 0;
        }
        if (trpi_cbor_skip(&ahead, TRP_CODEC_DEPTH_MAX - depth) != 0) {
            return TRP_EDECODE;
        }
    }
}

static int decode_list(decoder *d, const trp_field *field, size_t offset) {
    trp_cbor_item item;
    unsigned depth = d->depth + 1;
    if (trp_cbor_next(&d->reader, &item) != 0 || item.major != TRP_CBOR_ARRAY) {
        return TRP_EDECODE;
    }
    bool indefinite = item.info == TRP_CBOR_INFO_INDEFINITE;
    if (indefinite && count_elements(d, depth, &item.argument) != 0) {
        return TRP_EDECODE;
    }
    size_t count = (size_t)item.argument; /* no more than bytes are left */
    size_t element_size = trpi_element_size(field);
    size_t element = trp_builder_list(&d->builder, offset, count, element_size);
    if (d->builder.error != 0) {
        return d->builder.error;
    }
    if (field->element == TRP_FIELD_RECORD) {
        return push(d, field->record, element, &item);
    }
    int error = 0;
    for (size_t i = 0; i < count && error == 0; i++) {
        error = decode_simple(d, field->element, element, depth);
        element += element_size;
    }
    if (error == 0 && indefinite) {
        take_break(d);
    }
    return error;
}

/*
 * Index of the field with `key`, or fields_len. Fields that come in the order of the table are
 * found at once.
 */
static uint32_t find_field(const trp_type *type, uint32_t next, uint64_t key) {
    if (next < type->fields_len && type->fields[next].key == key) {
        return next;
    }
    uint32_t low = 0;
    uint32_t high = type->fields_len;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (type->fields[middle].key < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < type->fields_len && type->fields[low].key == key ? low : type->fields_len;
}

/* Reads one key and its value into the record of the innermost frame. */
static int decode_field(decoder *d) {
    frame *top = &d->frames[d->depth - 1];
    uint64_t key;
    if (trpi_cbor_get_uint(&d->reader, &key) != 0) {
        return TRP_EDECODE;
    }
    uint32_t index = find_field(top->type, top->next, key);
    if (index == top->type->fields_len) {
        return trpi_cbor_skip(&d->reader, TRP_CODEC_DEPTH_MAX - d->depth);
    }
    uint64_t bit = UINT64_C(1) << index;
    if ((top->seen & bit) != 0) {
        return TRP_EDECODE;
    }
    top->seen |= bit;
    top->next = index + 1;
    const trp_field *field = &top->type->fields[index];
    size_t offset = top->offset + field->offset;
    switch (field->kind) {
    case TRP_FIELD_RECORD:
        return open_record(d, field->record, offset);
    case TRP_FIELD_LIST:
        return decode_list(d, field, offset);
    case TRP_FIELD_TEXT:
        return decode_text(d, field, offset);
    default:
        return decode_simple(d, field->kind, offset, d->depth);
    }
}

/*
 * Consumes the break of a frame that has one. Lists go by their count, so that they cannot outgrow
 * what was allocated.
 */
static bool has_ended(decoder *d, const frame *top) {
    if (top->indefinite && (!top->is_list || top->left == 0)) {
        return take_break(d);
    }
    return top->left == 0;
}

/* Reads the next element or field of the innermost frame, or closes it. */
static int decode_next(decoder *d) {
    frame *top = &d->frames[d->depth - 1];
    if (has_ended(d, top)) {
        d->depth--;
        return 0;
    }
    if (!top->is_list) {
        top->left -= !top->indefinite;
        return decode_field(d);
    }
    size_t offset = top->offset;
    top->offset += top->type->size;
    top->left--;
    return open_record(d, top->type, offset);
}

int trp_codec_decode(trp_ctx *ctx, const trp_type *type, const void *bytes, size_t length,
                     const trp_codec_pids *pids, trp_message **out) {
    decoder d;
    d.pids = pids;
    d.depth = 0;
    trp_cbor_reader_init(&d.reader, bytes, length);
    /*
     * Strings and bytes need as much room in the tail as in the input, so without lists this is the
     * only allocation.
     */
    size_t room = type->size < TRP_MESSAGE_MAX ? TRP_MESSAGE_MAX - type->size : 0;
    trp_builder_init(&d.builder, ctx, type, length < room ? length : room);
    int error = d.builder.error;
    if (error == 0) {
        error = open_record(&d, type, 0);
    }
    while (error == 0 && d.depth > 0) {
        error = decode_next(&d);
    }
    if (error == 0 && !trp_cbor_reader_at_end(&d.reader)) {
        error = TRP_EDECODE;
    }
    if (error != 0) {
        trpi_builder_fail(&d.builder, error);
        return error;
    }
    return trp_builder_finish(&d.builder, out);
}

int trp_codec_check(const void *bytes, size_t length) {
    trp_cbor_reader reader;
    trp_cbor_reader_init(&reader, bytes, length);
    int error = trp_cbor_skip(&reader);
    return error == 0 && !trp_cbor_reader_at_end(&reader) ? TRP_EDECODE : error;
}
