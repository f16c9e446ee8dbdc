/*
 * The CBOR writer and pull reader. The reader is the one place where bytes from outside are first
 * looked at: everything above it works with items that are known to lie inside the input.
 */
#include "message/cbor.h"

#include "troupe/error.h"

#include <string.h>

void trp_cbor_writer_init(trp_cbor_writer *writer, void *bytes, size_t capacity) {
    writer->bytes = bytes;
    writer->capacity = capacity;
    writer->length = 0;
}

void trp_cbor_put_raw(trp_cbor_writer *writer, const void *bytes, size_t length) {
    /* Once something did not fit, `length` is past `capacity` and nothing is written any more. */
    if (writer->length <= writer->capacity && length <= writer->capacity - writer->length &&
        length > 0) {
        memcpy(writer->bytes + writer->length, bytes, length);
    }
    writer->length += length;
}

void trp_cbor_put_head(trp_cbor_writer *writer, trp_cbor_major major, uint64_t argument) {
    uint8_t head[TRPI_CBOR_HEAD_MAX];
    trp_cbor_put_raw(writer, head, trpi_cbor_head(head, major, argument));
}

void trp_cbor_put_uint(trp_cbor_writer *writer, uint64_t number) {
    trp_cbor_put_head(writer, TRP_CBOR_UINT, number);
}

void trp_cbor_put_int(trp_cbor_writer *writer, int64_t number) {
    if (number >= 0) {
        trp_cbor_put_head(writer, TRP_CBOR_UINT, (uint64_t)number);
    } else {
        trp_cbor_put_head(writer, TRP_CBOR_NEGATIVE, ~(uint64_t)number);
    }
}

void trp_cbor_put_bytes(trp_cbor_writer *writer, const void *bytes, size_t length) {
    trp_cbor_put_head(writer, TRP_CBOR_BYTES, length);
    trp_cbor_put_raw(writer, bytes, length);
}

void trp_cbor_put_text(trp_cbor_writer *writer, const char *text, size_t length) {
    trp_cbor_put_head(writer, TRP_CBOR_TEXT, length);
    trp_cbor_put_raw(writer, text, length);
}

void trp_cbor_put_array(trp_cbor_writer *writer, uint64_t count) {
    trp_cbor_put_head(writer, TRP_CBOR_ARRAY, count);
}

void trp_cbor_put_map(trp_cbor_writer *writer, uint64_t count) {
    trp_cbor_put_head(writer, TRP_CBOR_MAP, count);
}

void trp_cbor_put_bool(trp_cbor_writer *writer, bool value) {
    trp_cbor_put_head(writer, TRP_CBOR_SIMPLE, value ? TRP_CBOR_TRUE : TRP_CBOR_FALSE);
}

void trp_cbor_put_null(trp_cbor_writer *writer) {
    trp_cbor_put_head(writer, TRP_CBOR_SIMPLE, TRP_CBOR_NULL);
}

size_t trpi_cbor_double(uint8_t *at, double number) {
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    at[0] = (TRP_CBOR_SIMPLE << 5) | TRP_CBOR_INFO_F64;
    trpi_put_u64(at + 1, bits);
    return 9;
}

void trp_cbor_put_double(trp_cbor_writer *writer, double number) {
    uint8_t bytes[TRPI_CBOR_HEAD_MAX];
    trp_cbor_put_raw(writer, bytes, trpi_cbor_double(bytes, number));
}

void trp_cbor_reader_init(trp_cbor_reader *reader, const void *bytes, size_t length) {
    reader->at = bytes;
    reader->end = length > 0 ? reader->at + length : reader->at;
}

/* Reads the argument of a header whose low bits are `info` and returns where it ends, or NULL. */
static const uint8_t *read_argument(const uint8_t *at, const uint8_t *end, unsigned info,
                                    uint64_t *argument) {
    if (info < 24) {
        *argument = info;
        return at;
    }
    if (info > 27 || (size_t)(end - at) < (size_t)1 << (info - 24)) {
        return NULL;
    }
    switch (info) {
    case 24:
        *argument = at[0];
        return at + 1;
    case 25:
        *argument = trpi_get_u16(at);
        return at + 2;
    case 26:
        *argument = trpi_get_u32(at);
        return at + 4;
    default:
        *argument = trpi_get_u64(at);
        return at + 8;
    }
}

static bool may_be_indefinite(unsigned major) {
    return (major >= TRP_CBOR_BYTES && major <= TRP_CBOR_MAP) || major == TRP_CBOR_SIMPLE;
}

/* What must follow a header at least, one byte for an item, is there. */
static bool has_room(unsigned major, unsigned info, uint64_t argument, size_t left) {
    switch (major) {
    case TRP_CBOR_BYTES:
    case TRP_CBOR_TEXT:
    case TRP_CBOR_ARRAY:
        return argument <= left;
    case TRP_CBOR_MAP:
        return argument <= left / 2;
    case TRP_CBOR_SIMPLE:
        /*
         * RFC 8949, 3.3: the two-byte form of the simple values that fit one byte is not
         * well-formed.
         */
        return info != 24 || argument >= 32;
    default:
        return true;
    }
}

/*
 * Reads one header, and the content of a definite string. Returns where it ends, or NULL without
 * writing `item`.
 */
static const uint8_t *read_item(const uint8_t *at, const uint8_t *end, trp_cbor_item *item) {
    if (at == end) {
        return NULL;
    }
    unsigned major = *at >> 5;
    unsigned info = *at & 31;
    uint64_t argument = 0;
    const uint8_t *bytes = NULL;
    at++;
    if (info == TRP_CBOR_INFO_INDEFINITE) {
        if (!may_be_indefinite(major)) {
            return NULL;
        }
    } else {
        at = read_argument(at, end, info, &argument);
        if (at == NULL || !has_room(major, info, argument, (size_t)(end - at))) {
            return NULL;
        }
        if (major == TRP_CBOR_BYTES || major == TRP_CBOR_TEXT) {
            bytes = at;
            at += argument;
        }
    }
    item->major = (uint8_t)major;
    item->info = (uint8_t)info;
    item->argument = argument;
    item->bytes = bytes;
    return at;
}

int trp_cbor_next(trp_cbor_reader *reader, trp_cbor_item *item) {
    const uint8_t *at = read_item(reader->at, reader->end, item);
    if (at == NULL) {
        return TRP_EDECODE;
    }
    reader->at = at;
    return 0;
}

/* The skipper's stack holds for each open item how many items it still wants, or one of these. */
enum {
    SKIP_CHUNKS_OF_BYTES = TRP_CBOR_BYTES, /* any number of chunks, then a break */
    SKIP_CHUNKS_OF_TEXT = TRP_CBOR_TEXT,
    SKIP_ITEMS = TRP_CBOR_ARRAY, /* any number of items, then a break */
    SKIP_PAIRS = TRP_CBOR_MAP
};

typedef struct skip_level {
    uint64_t left; /* items wanted; when indefinite: items seen */
    uint8_t until; /* 0: definite, else a SKIP_* */
} skip_level;

/* True if a level of indefinite length may contain the item. */
static bool level_accepts(const skip_level *level, const trp_cbor_item *item) {
    bool is_break = item->major == TRP_CBOR_SIMPLE && item->info == TRP_CBOR_INFO_INDEFINITE;
    switch (level->until) {
    case 0:
        return !is_break;
    case SKIP_PAIRS:
        return !is_break || level->left % 2 == 0;
    case SKIP_ITEMS:
        return true;
    default:
        return is_break || (item->major == level->until && item->bytes != NULL);
    }
}

/* What a header opens; false if it is complete by itself. */
static bool opens_level(const trp_cbor_item *item, skip_level *level) {
    *level = (skip_level){0};
    if (item->info == TRP_CBOR_INFO_INDEFINITE) {
        level->until = item->major;
        return item->major != TRP_CBOR_SIMPLE;
    }
    switch (item->major) {
    case TRP_CBOR_ARRAY:
        level->left = item->argument;
        break;
    case TRP_CBOR_MAP:
        level->left = item->argument * 2;
        break;
    case TRP_CBOR_TAG:
        level->left = 1;
        break;
    default:
        return false;
    }
    return true;
}

/*
 * Level 0 stands for the one item asked for. Each turn reads one header, so the work is linear in
 * the bytes skipped. Strings of indefinite length take a level of the stack but, as they cannot
 * nest, none of the caller's depth.
 */
int trpi_cbor_skip(trp_cbor_reader *reader, unsigned depth) {
    skip_level levels[TRP_CBOR_DEPTH_MAX + 2];
    unsigned top = 0;
    const uint8_t *at = reader->at;
    levels[0] = (skip_level){.left = 1};
    for (;;) {
        while (levels[top].until == 0 && levels[top].left == 0) {
            if (top == 0) {
                reader->at = at;
                return 0;
            }
            top--;
        }
        trp_cbor_item item;
        skip_level inner;
        at = read_item(at, reader->end, &item);
        if (at == NULL || !level_accepts(&levels[top], &item)) {
            return TRP_EDECODE;
        }
        if (item.major == TRP_CBOR_SIMPLE && item.info == TRP_CBOR_INFO_INDEFINITE) {
            top--;
            continue;
        }
        if (levels[top].until == 0) {
            levels[top].left--;
        } else {
            levels[top].left++;
        }
        if (opens_level(&item, &inner)) {
            bool is_string = item.major < TRP_CBOR_ARRAY;
            if (top >= depth + (is_string ? 1 : 0) || top > TRP_CBOR_DEPTH_MAX) {
                return TRP_EDECODE;
            }
            levels[++top] = inner;
        }
    }
}

int trp_cbor_skip(trp_cbor_reader *reader) {
    return trpi_cbor_skip(reader, TRP_CBOR_DEPTH_MAX);
}

/* Reads one header of definite length if it has that major type. */
static int get(trp_cbor_reader *reader, trp_cbor_major major, trp_cbor_item *item) {
    const uint8_t *at = read_item(reader->at, reader->end, item);
    if (at == NULL || item->major != major || item->info == TRP_CBOR_INFO_INDEFINITE) {
        return TRP_EDECODE;
    }
    reader->at = at;
    return 0;
}

int trp_cbor_get_uint(trp_cbor_reader *reader, uint64_t *number) {
    trp_cbor_item item;
    int error = get(reader, TRP_CBOR_UINT, &item);
    if (error == 0) {
        *number = item.argument;
    }
    return error;
}

int trpi_cbor_to_int(const trp_cbor_item *item, int64_t *number) {
    if (item->major > TRP_CBOR_NEGATIVE || item->argument > INT64_MAX) {
        return TRP_EDECODE;
    }
    int64_t magnitude = (int64_t)item->argument;
    *number = item->major == TRP_CBOR_UINT ? magnitude : -1 - magnitude;
    return 0;
}

int trp_cbor_get_int(trp_cbor_reader *reader, int64_t *number) {
    trp_cbor_item item;
    const uint8_t *at = read_item(reader->at, reader->end, &item);
    if (at == NULL || trpi_cbor_to_int(&item, number) != 0) {
        return TRP_EDECODE;
    }
    reader->at = at;
    return 0;
}

int trp_cbor_get_bytes(trp_cbor_reader *reader, const uint8_t **bytes, size_t *length) {
    trp_cbor_item item;
    int error = get(reader, TRP_CBOR_BYTES, &item);
    if (error == 0) {
        *bytes = item.bytes;
        *length = (size_t)item.argument;
    }
    return error;
}

int trp_cbor_get_text(trp_cbor_reader *reader, const char **text, size_t *length) {
    trp_cbor_reader ahead = *reader;
    trp_cbor_item item;
    if (get(&ahead, TRP_CBOR_TEXT, &item) != 0 ||
        !trpi_utf8_check(item.bytes, (size_t)item.argument)) {
        return TRP_EDECODE;
    }
    *reader = ahead;
    *text = (const char *)item.bytes;
    *length = (size_t)item.argument;
    return 0;
}

int trp_cbor_get_array(trp_cbor_reader *reader, uint64_t *count) {
    trp_cbor_item item;
    int error = get(reader, TRP_CBOR_ARRAY, &item);
    if (error == 0) {
        *count = item.argument;
    }
    return error;
}

int trp_cbor_get_map(trp_cbor_reader *reader, uint64_t *count) {
    trp_cbor_item item;
    int error = get(reader, TRP_CBOR_MAP, &item);
    if (error == 0) {
        *count = item.argument;
    }
    return error;
}

int trp_cbor_get_bool(trp_cbor_reader *reader, bool *value) {
    trp_cbor_reader ahead = *reader;
    trp_cbor_item item;
    if (get(&ahead, TRP_CBOR_SIMPLE, &item) != 0 || item.info < TRP_CBOR_FALSE ||
        item.info > TRP_CBOR_TRUE) {
        return TRP_EDECODE;
    }
    *reader = ahead;
    *value = item.info == TRP_CBOR_TRUE;
    return 0;
}

/* IEEE 754 binary16 to binary64, as RFC 8949 appendix D does it but without ldexp. */
static double half_to_double(uint64_t half) {
    uint64_t sign = half >> 15 << 63;
    uint64_t exponent = half >> 10 & 31;
    uint64_t mantissa = half & 1023;
    double number;
    if (exponent == 0) {
        number = (double)mantissa / 16777216.0; /* subnormal: mantissa * 2^-24, exact */
        return sign != 0 ? -number : number;
    }
    exponent = exponent == 31 ? 2047 : exponent + 1023 - 15;
    uint64_t bits = sign | exponent << 52 | mantissa << 42;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static double single_to_double(uint64_t argument) {
    uint32_t bits = (uint32_t)argument;
    float number;
    memcpy(&number, &bits, sizeof number);
    return (double)number;
}

int trpi_cbor_to_double(const trp_cbor_item *item, double *number) {
    if (item->major == TRP_CBOR_UINT) {
        *number = (double)item->argument;
    } else if (item->major == TRP_CBOR_NEGATIVE) {
        *number = -1.0 - (double)item->argument;
    } else if (item->major != TRP_CBOR_SIMPLE) {
        return TRP_EDECODE;
    } else if (item->info == TRP_CBOR_INFO_F16) {
        *number = half_to_double(item->argument);
    } else if (item->info == TRP_CBOR_INFO_F32) {
        *number = single_to_double(item->argument);
    } else if (item->info == TRP_CBOR_INFO_F64) {
        memcpy(number, &item->argument, sizeof *number);
    } else {
        return TRP_EDECODE;
    }
    return 0;
}

int trp_cbor_get_double(trp_cbor_reader *reader, double *number) {
    trp_cbor_item item;
    const uint8_t *at = read_item(reader->at, reader->end, &item);
    if (at == NULL || trpi_cbor_to_double(&item, number) != 0) {
        return TRP_EDECODE;
    }
    reader->at = at;
    return 0;
}
