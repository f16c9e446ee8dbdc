/*
 * What the core needs of CBOR beyond the public writer and reader.
 */
#ifndef TRPI_CBOR_H
#define TRPI_CBOR_H

#include "troupe/cbor.h"

/* Most bytes that a header takes. */
#define TRPI_CBOR_HEAD_MAX 9

/*
 * Big-endian numbers at any address. Written out, because compilers make one instruction of each.
 */
static inline void trpi_put_u16(uint8_t *at, uint64_t n) {
    at[0] = (uint8_t)(n >> 8);
    at[1] = (uint8_t)n;
}

static inline void trpi_put_u32(uint8_t *at, uint64_t n) {
    at[0] = (uint8_t)(n >> 24);
    at[1] = (uint8_t)(n >> 16);
    at[2] = (uint8_t)(n >> 8);
    at[3] = (uint8_t)n;
}

static inline void trpi_put_u64(uint8_t *at, uint64_t n) {
    trpi_put_u32(at, n >> 32);
    trpi_put_u32(at + 4, n);
}

static inline uint32_t trpi_get_u16(const uint8_t *at) {
    return (uint32_t)at[0] << 8 | at[1];
}

static inline uint32_t trpi_get_u32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint64_t trpi_get_u64(const uint8_t *at) {
    return (uint64_t)trpi_get_u32(at) << 32 | trpi_get_u32(at + 4);
}

/*
 * Writes the shortest header at `at`, which has room for TRPI_CBOR_HEAD_MAX bytes, and returns its
 * length.
 */
static inline size_t trpi_cbor_head(uint8_t *at, trp_cbor_major major, uint64_t argument) {
    uint8_t type = (uint8_t)((unsigned)major << 5);
    if (argument < 24) {
        at[0] = (uint8_t)(type | argument);
        return 1;
    }
    if (argument <= UINT8_MAX) {
        at[0] = (uint8_t)(type | 24);
        at[1] = (uint8_t)argument;
        return 2;
    }
    if (argument <= UINT16_MAX) {
        at[0] = (uint8_t)(type | 25);
        trpi_put_u16(at + 1, argument);
        return 3;
    }
    if (argument <= UINT32_MAX) {
        at[0] = (uint8_t)(type | 26);
        trpi_put_u32(at + 1, argument);
        return 5;
    }
    at[0] = (uint8_t)(type | 27);
    trpi_put_u64(at + 1, argument);
    return 9;
}

/* trp_cbor_get_uint with a short way for numbers of one byte, which keys and most counts are. */
static inline int trpi_cbor_get_uint(trp_cbor_reader *reader, uint64_t *number) {
    if (reader->at != reader->end && *reader->at < 24) {
        *number = *reader->at++;
        return 0;
    }
    return trp_cbor_get_uint(reader, number);
}

/* Writes a 64-bit float at `at`, TRPI_CBOR_HEAD_MAX bytes. */
size_t trpi_cbor_double(uint8_t *at, double number);

/* The value of a number item (integer or float of any width); TRP_EDECODE for other items. */
int trpi_cbor_to_double(const trp_cbor_item *item, double *number);

/* The value of an integer item; TRP_EDECODE for other items and for what int64_t cannot hold. */
int trpi_cbor_to_int(const trp_cbor_item *item, int64_t *number);

/* As trp_cbor_skip, with `depth` levels of arrays, maps and tags allowed. */
int trpi_cbor_skip(trp_cbor_reader *reader, unsigned depth);

/*
 * True if the bytes are UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, nothing above
 * U+10FFFF.
 */
bool trpi_utf8_check(const uint8_t *bytes, size_t length);

#endif
