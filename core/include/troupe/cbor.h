/**
 * @file cbor.h
 * CBOR (RFC 8949) by hand, for untyped payloads and `value` fields: a writer into your buffer and a
 * pull reader.
 *
 * Neither allocates nor calls back; both are plain structs that need no clean-up. Typed messages
 * need none of this: codec.h does the work from their field tables. Example, writing {"x": 1} and
 * reading it:
 *
 *     uint8_t buffer[32];
 *     trp_cbor_writer writer;
 *     trp_cbor_writer_init(&writer, buffer, sizeof buffer);
 *     trp_cbor_put_map(&writer, 1);
 *     trp_cbor_put_text(&writer, "x", 1);
 *     trp_cbor_put_uint(&writer, 1);
 *     // trp_cbor_writer_fits(&writer) is true and writer.length is 4
 */
#ifndef TROUPE_CBOR_H
#define TROUPE_CBOR_H

#include "troupe/base.h"

TRP_BEGIN_DECLS

/** Deepest nesting of arrays, maps and tags that any reader of Troupe accepts. */
#define TRP_CBOR_DEPTH_MAX 32

/** The major types of RFC 8949, section 3.1. */
typedef enum trp_cbor_major {
    TRP_CBOR_UINT = 0,
    TRP_CBOR_NEGATIVE = 1, /**< stands for -1 - argument */
    TRP_CBOR_BYTES = 2,
    TRP_CBOR_TEXT = 3,
    TRP_CBOR_ARRAY = 4,
    TRP_CBOR_MAP = 5,
    TRP_CBOR_TAG = 6,
    TRP_CBOR_SIMPLE =
        7 /**< booleans, null, undefined, floats and the break of an indefinite length */
} trp_cbor_major;

/** Arguments of TRP_CBOR_SIMPLE items. */
enum { TRP_CBOR_FALSE = 20, TRP_CBOR_TRUE = 21, TRP_CBOR_NULL = 22, TRP_CBOR_UNDEFINED = 23 };

/** The low five bits of a header, where they mean more than the length of the argument. */
enum {
    TRP_CBOR_INFO_F16 = 25,
    TRP_CBOR_INFO_F32 = 26,
    TRP_CBOR_INFO_F64 = 27,
    TRP_CBOR_INFO_INDEFINITE =
        31 /**< indefinite length; with TRP_CBOR_SIMPLE the break that ends it */
};

/**
 * Writes items one behind the other into a buffer that it borrows. What does not fit is not written
 * but counted, so `length` is in the end the room that all of it needs, as with snprintf. Integers
 * and lengths take their shortest form.
 */
typedef struct trp_cbor_writer {
    uint8_t *bytes;
    size_t capacity;
    size_t length; /**< bytes that the items put so far need */
} trp_cbor_writer;

/** Starts writing at `bytes`, which has room for `capacity` bytes (NULL and 0 only count). */
TRP_API void trp_cbor_writer_init(trp_cbor_writer *writer, void *bytes, size_t capacity);

/** True if everything put so far is in the buffer. */
static inline bool trp_cbor_writer_fits(const trp_cbor_writer *writer) {
    return writer->length <= writer->capacity;
}

/** Puts a bare header; the caller puts what must follow it. Not for floats. */
TRP_API void trp_cbor_put_head(trp_cbor_writer *writer, trp_cbor_major major, uint64_t argument);

/** Puts `length` bytes (borrowed) that are encoded already. */
TRP_API void trp_cbor_put_raw(trp_cbor_writer *writer, const void *bytes, size_t length);

/** Puts an integer >= 0. */
TRP_API void trp_cbor_put_uint(trp_cbor_writer *writer, uint64_t number);

/** Puts an integer. */
TRP_API void trp_cbor_put_int(trp_cbor_writer *writer, int64_t number);

/** Puts a byte string (borrowed). */
TRP_API void trp_cbor_put_bytes(trp_cbor_writer *writer, const void *bytes, size_t length);

/** Puts a text string (borrowed), which must be UTF-8; it is not checked. */
TRP_API void trp_cbor_put_text(trp_cbor_writer *writer, const char *text, size_t length);

/** Begins an array; put `count` items behind it. */
TRP_API void trp_cbor_put_array(trp_cbor_writer *writer, uint64_t count);

/** Begins a map; put `count` pairs of key and value behind it. */
TRP_API void trp_cbor_put_map(trp_cbor_writer *writer, uint64_t count);

/** Puts a boolean. */
TRP_API void trp_cbor_put_bool(trp_cbor_writer *writer, bool value);

/** Puts null. */
TRP_API void trp_cbor_put_null(trp_cbor_writer *writer);

/** Puts a float, always with 64 bits. */
TRP_API void trp_cbor_put_double(trp_cbor_writer *writer, double number);

/**
 * Reads items one behind the other from bytes that it borrows. A call that fails leaves the reader
 * where it was, so another kind can be tried. It never reads past `end`.
 */
typedef struct trp_cbor_reader {
    const uint8_t *at; /**< the next item */
    const uint8_t *end;
} trp_cbor_reader;

/** One header, and for strings of definite length their content. */
typedef struct trp_cbor_item {
    uint8_t major;        /**< a trp_cbor_major */
    uint8_t info;         /**< the header's low five bits, see TRP_CBOR_INFO_* */
    uint64_t argument;    /**< number, length, count, tag or bits of a float; 0 if indefinite */
    const uint8_t *bytes; /**< content of a string of definite length, `argument` bytes, or NULL */
} trp_cbor_item;

/** Starts reading `length` bytes (borrowed). */
TRP_API void trp_cbor_reader_init(trp_cbor_reader *reader, const void *bytes, size_t length);

/** True if nothing is left. */
static inline bool trp_cbor_reader_at_end(const trp_cbor_reader *reader) {
    return reader->at == reader->end;
}

/**
 * Reads the next header, whatever it is, with the content of a definite string; the items of
 * arrays, maps and tags and the chunks of indefinite strings come with further calls, ended by a
 * break if the length is indefinite. A count that the bytes left cannot hold is an error at once.
 * TRP_EDECODE if the bytes end too early or are not well-formed.
 */
TRP_API int trp_cbor_next(trp_cbor_reader *reader, trp_cbor_item *item);

/**
 * Skips the next item with all that it contains. TRP_EDECODE if it is not well-formed or nests
 * deeper than TRP_CBOR_DEPTH_MAX.
 */
TRP_API int trp_cbor_skip(trp_cbor_reader *reader);

/** Reads an integer >= 0. TRP_EDECODE if the next item is something else. */
TRP_API int trp_cbor_get_uint(trp_cbor_reader *reader, uint64_t *number);

/** Reads an integer. TRP_EDECODE if the next item is something else or does not fit. */
TRP_API int trp_cbor_get_int(trp_cbor_reader *reader, int64_t *number);

/**
 * Reads a byte string of definite length, borrowed from the input. TRP_EDECODE if the next item is
 * something else.
 */
TRP_API int trp_cbor_get_bytes(trp_cbor_reader *reader, const uint8_t **bytes, size_t *length);

/**
 * Reads a text string of definite length, borrowed from the input and not zero-terminated.
 * TRP_EDECODE if the next item is something else or not UTF-8.
 */
TRP_API int trp_cbor_get_text(trp_cbor_reader *reader, const char **text, size_t *length);

/**
 * Reads the header of an array of definite length; `count` items follow. TRP_EDECODE if the next
 * item is something else.
 */
TRP_API int trp_cbor_get_array(trp_cbor_reader *reader, uint64_t *count);

/**
 * Reads the header of a map of definite length; `count` pairs follow. TRP_EDECODE if the next item
 * is something else.
 */
TRP_API int trp_cbor_get_map(trp_cbor_reader *reader, uint64_t *count);

/** Reads a boolean. TRP_EDECODE if the next item is something else. */
TRP_API int trp_cbor_get_bool(trp_cbor_reader *reader, bool *value);

/** Reads a float of any width or an integer. TRP_EDECODE if the next item is something else. */
TRP_API int trp_cbor_get_double(trp_cbor_reader *reader, double *number);

TRP_END_DECLS

#endif
