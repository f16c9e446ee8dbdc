/**
 * @file bytes.h
 * Messages of plain bytes, written and read in pieces.
 *
 * A writer appends to a message that grows; a cursor reads one from its beginning. Both remember
 * their first failure, so single steps need no checks of their own. Numbers are little-endian
 * whatever the machine. Example:
 *
 *     trp_writer writer;
 *     trp_writer_init(&writer, ctx, 64);
 *     trp_writer_put_u32(&writer, 3);
 *     trp_writer_put(&writer, "abc", 3);
 *     int error = trp_writer_finish(&writer, &message);
 *
 *     trp_cursor cursor;
 *     trp_cursor_init(&cursor, message);
 *     uint32_t length = trp_cursor_get_u32(&cursor);
 *     const uint8_t *text = trp_cursor_get(&cursor, length);   // NULL if there is not so much
 */
#ifndef TROUPE_BYTES_H
#define TROUPE_BYTES_H

#include "troupe/message.h"

TRP_BEGIN_DECLS

/** Builds one untyped message. Init it, append, then finish it. */
typedef struct trp_writer {
    trp_builder builder; /**< of a message without type */
} trp_writer;

/** Starts an untyped message with room for `hint` bytes; it grows when that is too little. */
TRP_API void trp_writer_init(trp_writer *writer, trp_ctx *ctx, size_t hint);

/**
 * Appends `length` bytes (borrowed). A failure (out of memory, beyond TRP_MESSAGE_MAX) is reported
 * by finish.
 */
TRP_API void trp_writer_put(trp_writer *writer, const void *data, size_t length);

/** Bytes written so far; 0 after a failure. */
TRP_API size_t trp_writer_length(const trp_writer *writer);

/**
 * Ends the construction. Writes the message, now yours, to `out` and returns 0, or returns the
 * first failure and frees what was written. The writer may be initialised again afterwards.
 */
static inline int trp_writer_finish(trp_writer *writer, trp_message **out) {
    return trp_builder_finish(&writer->builder, out);
}

/** Appends the `bytes` (1 to 8) low bytes of `number`. */
static inline void trp_writer_put_number(trp_writer *writer, uint64_t number, unsigned bytes) {
    uint8_t buffer[8];
    for (unsigned i = 0; i < bytes; i++) {
        buffer[i] = (uint8_t)(number >> (8 * i));
    }
    trp_writer_put(writer, buffer, bytes);
}

/** Appends one byte. */
static inline void trp_writer_put_u8(trp_writer *writer, uint8_t number) {
    trp_writer_put_number(writer, number, 1);
}

/** Appends a number of 4 bytes. */
static inline void trp_writer_put_u32(trp_writer *writer, uint32_t number) {
    trp_writer_put_number(writer, number, 4);
}

/** Appends a number of 8 bytes. */
static inline void trp_writer_put_u64(trp_writer *writer, uint64_t number) {
    trp_writer_put_number(writer, number, 8);
}

/** Reads the payload of a message piece by piece. Copy it to come back to a place. */
typedef struct trp_cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool has_failed; /**< somebody asked for more than there was; the cursor stands still since */
} trp_cursor;

/** Puts the cursor on the first byte of `message` (borrowed as long as the cursor is used). */
static inline void trp_cursor_init(trp_cursor *cursor, trp_message *message) {
    cursor->at = (const uint8_t *)trp_message_body(message);
    cursor->end = cursor->at + trp_message_length(message);
    cursor->has_failed = false;
}

/** Bytes that are left. */
static inline size_t trp_cursor_left(const trp_cursor *cursor) {
    return (size_t)(cursor->end - cursor->at);
}

/**
 * Passes over the next `length` bytes and returns where they begin in the message. NULL if there
 * are not so many: then nothing is passed over, now or later.
 */
static inline const uint8_t *trp_cursor_get(trp_cursor *cursor, size_t length) {
    if (cursor->has_failed || length > trp_cursor_left(cursor)) {
        cursor->has_failed = true;
        return NULL;
    }
    const uint8_t *bytes = cursor->at;
    cursor->at += length;
    return bytes;
}

/** The next number of `bytes` (1 to 8) bytes; 0 if there are not so many. */
static inline uint64_t trp_cursor_get_number(trp_cursor *cursor, unsigned bytes) {
    const uint8_t *from = trp_cursor_get(cursor, bytes);
    uint64_t number = 0;
    for (unsigned i = 0; from != NULL && i < bytes; i++) {
        number |= (uint64_t)from[i] << (8 * i);
    }
    return number;
}

/** The next byte. */
static inline uint8_t trp_cursor_get_u8(trp_cursor *cursor) {
    return (uint8_t)trp_cursor_get_number(cursor, 1);
}

/** The next number of 4 bytes. */
static inline uint32_t trp_cursor_get_u32(trp_cursor *cursor) {
    return (uint32_t)trp_cursor_get_number(cursor, 4);
}

/** The next number of 8 bytes. */
static inline uint64_t trp_cursor_get_u64(trp_cursor *cursor) {
    return trp_cursor_get_number(cursor, 8);
}

TRP_END_DECLS

#endif
