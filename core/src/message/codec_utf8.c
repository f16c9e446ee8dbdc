/*
 * UTF-8 by the table of RFC 3629, section 4. Text is mostly ASCII, so eight bytes at a time are
 * passed over while none has its high bit set.
 */
#include "message/cbor.h"

#include <string.h>

static size_t ascii_prefix(const uint8_t *bytes, size_t length) {
    size_t i = 0;
    for (; i + 8 <= length; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, sizeof word);
        if ((word & UINT64_C(0x8080808080808080)) != 0) {
            break;
        }
    }
    while (i < length && bytes[i] < 0x80) {
        i++;
    }
    return i;
}

/* Length of the sequence of two to four bytes at `at`, 0 if it is none. */
static size_t sequence_length(const uint8_t *at, size_t left) {
    uint8_t first = at[0];
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || left < length) {
        return 0;
    }
    /* The second byte's range excludes overlong forms, surrogates and what lies above U+10FFFF. */
    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

bool trpi_utf8_check(const uint8_t *bytes, size_t length) {
    size_t i = 0;
    for (;;) {
        i += ascii_prefix(bytes + i, length - i);
        if (i == length) {
            return true;
        }
        size_t step = sequence_length(bytes + i, length - i);
        if (step == 0) {
            return false;
        }
        i += step;
    }
}
