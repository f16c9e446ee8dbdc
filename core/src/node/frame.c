/* The pieces that bodies of frames are made of. */
#include "node/frame.h"

uint8_t *trpi_put(uint8_t *at, uint64_t number, unsigned bytes) {
    for (unsigned i = bytes; i > 0; i--) {
        at[i - 1] = (uint8_t)number;
        number >>= 8;
    }
    return at + bytes;
}

uint8_t *trpi_put_bytes(uint8_t *at, const void *bytes, size_t length) {
    memcpy(at, bytes, length);
    return at + length;
}

uint8_t *trpi_put_head(uint8_t *at, size_t length, unsigned kind, unsigned flags) {
    return trpi_put(at, (uint64_t)length << 16 | kind << 8 | flags, TRPI_FRAME_HEAD);
}

const uint8_t *trpi_get_bytes(trpi_reader *reader, size_t length) {
    if (reader->is_bad || trpi_reader_left(reader) < length) {
        reader->is_bad = true;
        return NULL;
    }
    const uint8_t *bytes = reader->at;
    reader->at += length;
    return bytes;
}

uint64_t trpi_get(trpi_reader *reader, unsigned bytes) {
    const uint8_t *at = trpi_get_bytes(reader, bytes);
    uint64_t number = 0;
    for (unsigned i = 0; at != NULL && i < bytes; i++) {
        number = number << 8 | at[i];
    }
    return number;
}

uint32_t trpi_get_u32(trpi_reader *reader) {
    return (uint32_t)trpi_get(reader, 4);
}
