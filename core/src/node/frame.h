/*
 * The wire in numbers: preamble, frame header, kinds of frames, and the big-endian pieces that
 * bodies are made of. docs/protocol.md is the full description; what stands here and what stands
 * there must agree.
 */
#ifndef TRPI_FRAME_H
#define TRPI_FRAME_H

#include "troupe/base.h"
#include "troupe/node.h"

#include <string.h>

enum {
    TRPI_VERSION_MIN = 1,
    TRPI_VERSION_MAX = 1,
    TRPI_PREAMBLE = 8,   /* "TROUPE", then the lowest and the highest version spoken */
    TRPI_FRAME_HEAD = 4, /* body length (2), kind (1), stream and flags (1) */
    TRPI_BODY_MAX = TRP_FRAME_MAX - TRPI_FRAME_HEAD,
    TRPI_STREAMS = 8 /* frames of one stream are in order, those of different streams interleave */
};

/* The header's last byte: stream in the low bits, and these. */
enum {
    TRPI_FRAME_STREAM = 0x07,
    TRPI_FRAME_CONTINUES = 0x40, /* not the first fragment of its message */
    TRPI_FRAME_MORE = 0x80       /* not the last fragment of its message */
};

typedef enum trpi_frame_kind {
    TRPI_FRAME_HELLO =
        1, /* this and the next two are all that is understood before authentication */
    TRPI_FRAME_PROOF = 2,
    TRPI_FRAME_CLOSE = 3,
    TRPI_FRAME_PING = 4,
    TRPI_FRAME_PONG = 5,
    TRPI_FRAME_CREDIT = 6,
    TRPI_FRAME_SEND = 16, /* from here on: data, under credit, may be fragmented */
    TRPI_FRAME_CALL = 17,
    TRPI_FRAME_REPLY = 18,
    TRPI_FRAME_ERROR = 19,
    TRPI_FRAME_CANCEL = 20,
    TRPI_FRAME_MONITOR = 21,
    TRPI_FRAME_DEMONITOR = 22,
    TRPI_FRAME_DOWN = 23,
    TRPI_FRAME_STOP = 24,
    TRPI_FRAME_KILL = 25
} trpi_frame_kind;

enum {
    TRPI_CLOSE_TEXT_MAX = 96,
    /*
     * Room that the fields before a message's own body need at most: two pids, ref, tag and type.
     */
    TRPI_ENVELOPE_MAX = 256
};

/*
 * Writes the low `bytes` bytes of `number`, most significant first, and returns what lies behind
 * them.
 */
uint8_t *trpi_put(uint8_t *at, uint64_t number, unsigned bytes);

uint8_t *trpi_put_bytes(uint8_t *at, const void *bytes, size_t length);

/* The header of a frame. */
uint8_t *trpi_put_head(uint8_t *at, size_t length, unsigned kind, unsigned flags);

/*
 * Reads fields one behind the other. What lies beyond the end reads as zero and is remembered, so
 * one check at the end is enough.
 */
typedef struct trpi_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool is_bad;
} trpi_reader;

static inline size_t trpi_reader_left(const trpi_reader *reader) {
    return (size_t)(reader->end - reader->at);
}

/* The next `length` bytes, or NULL if there are fewer. */
const uint8_t *trpi_get_bytes(trpi_reader *reader, size_t length);

/* The next number of `bytes` bytes. */
uint64_t trpi_get(trpi_reader *reader, unsigned bytes);

/* The next number of 4 bytes: most fields are. */
uint32_t trpi_get_u32(trpi_reader *reader);

#endif
