/*
 * What the core needs of CBOR beyond the public writer and reader.
 */
#ifndef TRPI_CBOR_H
#define TRPI_CBOR_H

#include "troupe/cbor.h"

/* Most bytes that a header takes. */
#define TRPI_CBOR_HEAD_MAX 9

/* Writes the shortest header at `at`, which has room for TRPI_CBOR_HEAD_MAX bytes, and returns its length. */
static inline size_t trpi_cbor_head(uint8_t *at, trp_cbor_major major, uint64_t argument) {
    uint8_t type = (uint8_t)((unsigned)major << 5);
    if (argument < 24) {
        at[0] = (uint8_t)(type | argument);
        return 1;
    }
    unsigned log2 = argument <= UINT8_MAX    ? 0
                    : argument <= UINT16_MAX ? 1
                    : argument <= UINT32_MAX ? 2
                                             : 3;
    unsigned length = 1u << log2;
    at[0] = (uint8_t)(type | (24 + log2));
    for (unsigned i = length; i > 0; i--) {
        at[i] = (uint8_t)argument;
        argument >>= 8;
    }
    return 1 + length;
}

/* Writes a 64-bit float at `at`, TRPI_CBOR_HEAD_MAX bytes. */
size_t trpi_cbor_double(uint8_t *at, double number);

/* The value of a number item (integer or float of any width); TRP_EDECODE for other items. */
int trpi_cbor_to_double(const trp_cbor_item *item, double *number);

/* The value of an integer item; TRP_EDECODE for other items and for what int64_t cannot hold. */
int trpi_cbor_to_int(const trp_cbor_item *item, int64_t *number);

/* As trp_cbor_skip, with `depth` levels of arrays, maps and tags allowed. */
int trpi_cbor_skip(trp_cbor_reader *reader, unsigned depth);

/* True if the bytes are UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, nothing above U+10FFFF. */
bool trpi_utf8_check(const uint8_t *bytes, size_t length);

#endif
