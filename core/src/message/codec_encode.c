/*
 * Typed body to CBOR. Records and lists of records that are being written stand on a stack of
 * frames; everything else is written where it is met. A frame of a record keeps the fields still to
 * come as bits, found by one look at each field, because CBOR wants their number first.
 *
 * The body may come from a careless actor, so slices are checked and nothing is read through a
 * typed pointer: a boolean of 7 or a misaligned list must not become undefined behaviour here.
 */
#include "troupe/codec.h"

#include "message/codec_frames.h"
#include "message/codec_output.h"
#include "message/type.h"
#include "troupe/error.h"

#include <string.h>

typedef struct frame {
    const trp_type *type;
    const uint8_t *at; /* the struct of a record, or the next one of a list */
    uint64_t left; /* a record: fields still to write, as bits; a list: elements still to write */
    bool is_list;
} frame;

typedef struct encoder {
    const uint8_t *end; /* of the block */
    const trp_codec_pids *pids;
    unsigned depth; /* frames in use */
    frame frames[TRPI_CODEC_FRAMES];
    trpi_output output;
} encoder;

static uint32_t load_u32(const uint8_t *at) {
    uint32_t number;
    memcpy(&number, at, sizeof number);
    return number;
}

static uint64_t load_u64(const uint8_t *at) {
    uint64_t number;
    memcpy(&number, at, sizeof number);
    return number;
}

static trp_slice load_slice(const uint8_t *at) {
    trp_slice slice;
    memcpy(&slice, at, sizeof slice);
    return slice;
}

/*
 * Finds the data of a slice that is not empty; NULL if it lies outside of the block or on the slice
 * itself.
 */
static const uint8_t *find_data(const encoder *e, const uint8_t *at, trp_slice slice,
                                size_t element_size) {
    uint64_t room = (uint64_t)(e->end - at);
    uint64_t reach = slice.offset + (uint64_t)slice.length * element_size;
    return slice.offset >= sizeof slice && reach <= room ? at + slice.offset : NULL;
}

static bool is_zero(const uint8_t *at, size_t length) {
    uint8_t bits = 0;
    for (size_t i = 0; i < length; i++) {
        bits |= at[i];
    }
    return bits == 0;
}

/* True if the field is to be written: missing ones read as zero or empty. */
static bool is_present(const trp_field *field, const uint8_t *at) {
    switch (field->kind) {
    case TRP_FIELD_BOOLEAN:
    case TRP_FIELD_TEXT:
        return at[0] != 0;
    case TRP_FIELD_I32:
    case TRP_FIELD_U32:
        return load_u32(at) != 0;
    case TRP_FIELD_I64:
    case TRP_FIELD_U64:
    case TRP_FIELD_F64: /* as bits: -0.0 is not missing */
    case TRP_FIELD_REF:
        return load_u64(at) != 0;
    case TRP_FIELD_PID:
        return load_u32(at + offsetof(trp_pid, generation)) != 0;
    case TRP_FIELD_RECORD:
        return !is_zero(at, field->record->size);
    default:
        return load_slice(at).length != 0;
    }
}

static int put_int(encoder *e, int64_t number) {
    return number < 0 ? trpi_output_head(&e->output, TRP_CBOR_NEGATIVE, ~(uint64_t)number)
                      : trpi_output_head(&e->output, TRP_CBOR_UINT, (uint64_t)number);
}

static int put_double(encoder *e, const uint8_t *at) {
    double number;
    int error = trpi_output_reserve(&e->output, TRPI_CBOR_HEAD_MAX);
    if (error == 0) {
        memcpy(&number, at, sizeof number);
        e->output.staged += trpi_cbor_double(e->output.stage + e->output.staged, number);
    }
    return error;
}

static int put_pid(encoder *e, const uint8_t *at) {
    trp_pid pid;
    memcpy(&pid, at, sizeof pid);
    if (trp_pid_is_none(pid)) {
        return trpi_output_head(&e->output, TRP_CBOR_SIMPLE, TRP_CBOR_NULL);
    }
    int error = trpi_output_reserve(&e->output, TRP_CODEC_PID_MAX);
    if (error != 0) {
        return error;
    }
    uint8_t *bytes = e->output.stage + e->output.staged;
    size_t length = TRP_CODEC_PID_MAX;
    if (e->pids != NULL) {
        error = e->pids->encode(e->pids->arg, pid, bytes, &length);
    } else {
        trp_cbor_writer writer;
        trp_cbor_writer_init(&writer, bytes, length);
        trp_cbor_put_array(&writer, 4);
        trp_cbor_put_uint(&writer, pid.node);
        trp_cbor_put_uint(&writer, pid.epoch);
        trp_cbor_put_uint(&writer, pid.index);
        trp_cbor_put_uint(&writer, pid.generation);
        length = writer.length;
    }
    e->output.staged += error == 0 ? length : 0;
    return error;
}

static int put_text(encoder *e, const uint8_t *text, size_t length) {
    if (!trpi_utf8_check(text, length)) {
        return TRP_EDECODE;
    }
    return trpi_output_string(&e->output, TRP_CBOR_TEXT, text, length);
}

/*
 * `depth`: arrays and maps around the value. An empty value can only be met in a list, where it
 * holds its place as undefined.
 */
static int put_value(encoder *e, const uint8_t *bytes, size_t length, unsigned depth) {
    trp_cbor_reader reader;
    if (length == 0) {
        return trpi_output_head(&e->output, TRP_CBOR_SIMPLE, TRP_CBOR_UNDEFINED);
    }
    trp_cbor_reader_init(&reader, bytes, length);
    if (trpi_cbor_skip(&reader, TRP_CODEC_DEPTH_MAX - depth) != 0 ||
        !trp_cbor_reader_at_end(&reader)) {
        return TRP_EDECODE;
    }
    return trpi_output_raw(&e->output, bytes, length);
}

static int put_slice(encoder *e, unsigned kind, const uint8_t *at, unsigned depth) {
    trp_slice slice = load_slice(at);
    const uint8_t *data = slice.length > 0 ? find_data(e, at, slice, 1) : at;
    if (data == NULL) {
        return TRP_EDECODE;
    }
    switch (kind) {
    case TRP_FIELD_STRING:
        return put_text(e, data, slice.length);
    case TRP_FIELD_BYTES:
        return trpi_output_string(&e->output, TRP_CBOR_BYTES, data, slice.length);
    default:
        return put_value(e, data, slice.length, depth);
    }
}

/* Writes a value of any kind that opens no frame, in a field or a list. */
static int put_simple(encoder *e, unsigned kind, const uint8_t *at, unsigned depth) {
    switch (kind) {
    case TRP_FIELD_BOOLEAN:
        return trpi_output_head(&e->output, TRP_CBOR_SIMPLE,
                                at[0] ? TRP_CBOR_TRUE : TRP_CBOR_FALSE);
    case TRP_FIELD_I32:
        return put_int(e, (int32_t)load_u32(at));
    case TRP_FIELD_U32:
        return trpi_output_head(&e->output, TRP_CBOR_UINT, load_u32(at));
    case TRP_FIELD_I64:
        return put_int(e, (int64_t)load_u64(at));
    case TRP_FIELD_U64:
    case TRP_FIELD_REF:
        return trpi_output_head(&e->output, TRP_CBOR_UINT, load_u64(at));
    case TRP_FIELD_F64:
        return put_double(e, at);
    case TRP_FIELD_PID:
        return put_pid(e, at);
    default:
        return put_slice(e, kind, at, depth);
    }
}

static int push(encoder *e, const trp_type *type, const uint8_t *at, uint64_t left, bool is_list) {
    if (e->depth == TRPI_CODEC_FRAMES) {
        return TRP_EINVAL;
    }
    e->frames[e->depth++] = (frame){.type = type, .at = at, .left = left, .is_list = is_list};
    return 0;
}

static int open_record(encoder *e, const trp_type *type, const uint8_t *at) {
    uint64_t present = 0;
    unsigned count = 0;
    for (uint32_t i = 0; i < type->fields_len; i++) {
        if (is_present(&type->fields[i], at + type->fields[i].offset)) {
            present |= UINT64_C(1) << i;
            count++;
        }
    }
    int error = trpi_output_head(&e->output, TRP_CBOR_MAP, count);
    return error != 0 ? error : push(e, type, at, present, false);
}

static int put_list(encoder *e, const trp_field *field, const uint8_t *at) {
    size_t element_size = trpi_element_size(field);
    trp_slice slice = load_slice(at);
    const uint8_t *element = find_data(e, at, slice, element_size);
    int error =
        element == NULL ? TRP_EDECODE : trpi_output_head(&e->output, TRP_CBOR_ARRAY, slice.length);
    if (error != 0 || field->element == TRP_FIELD_RECORD) {
        return error != 0 ? error : push(e, field->record, element, slice.length, true);
    }
    for (uint32_t i = 0; i < slice.length && error == 0; i++) {
        error = put_simple(e, field->element, element, e->depth + 1);
        element += element_size;
    }
    return error;
}

static int put_field(encoder *e, const trp_field *field, const uint8_t *at) {
    int error = trpi_output_head(&e->output, TRP_CBOR_UINT, field->key);
    if (error != 0) {
        return error;
    }
    switch (field->kind) {
    case TRP_FIELD_RECORD:
        return open_record(e, field->record, at);
    case TRP_FIELD_LIST:
        return put_list(e, field, at);
    case TRP_FIELD_TEXT: {
        const uint8_t *zero = memchr(at, 0, field->capacity);
        return zero != NULL ? put_text(e, at, (size_t)(zero - at)) : TRP_EDECODE;
    }
    default:
        return put_simple(e, field->kind, at, e->depth);
    }
}

/* Position of the lowest bit; `bits` is not 0. */
static unsigned lowest(uint64_t bits) {
#if defined(__GNUC__)
    return (unsigned)__builtin_ctzll(bits);
#else
    unsigned position = 0;
    while ((bits & 1) == 0) {
        bits >>= 1;
        position++;
    }
    return position;
#endif
}

/* Writes the next element or field of the innermost frame. */
static int put_next(encoder *e) {
    frame *top = &e->frames[e->depth - 1];
    const uint8_t *at = top->at;
    if (top->is_list) {
        top->left--;
        top->at += top->type->size;
        return open_record(e, top->type, at);
    }
    const trp_field *field = &top->type->fields[lowest(top->left)];
    top->left &= top->left - 1;
    return put_field(e, field, at + field->offset);
}

int trp_codec_encode(const trp_type *type, const void *body, size_t length,
                     const trp_codec_pids *pids, trp_codec_sink *sink, void *arg) {
    encoder e;
    if (length < type->size) {
        return TRP_EDECODE;
    }
    e.end = (const uint8_t *)body + length;
    e.pids = pids;
    e.depth = 0;
    trpi_output_init(&e.output, sink, arg);
    int error = open_record(&e, type, body);
    while (error == 0 && e.depth > 0) {
        if (e.frames[e.depth - 1].left == 0) {
            e.depth--;
        } else {
            error = put_next(&e);
        }
    }
    return error != 0 ? error : trpi_output_flush(&e.output);
}
