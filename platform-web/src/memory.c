/*
 * The memory functions of the C library, small: three are one instruction of bulk memory, where the
 * library's own are loops for engines without it, linked for the sake of its allocator.
 */
#include <stdint.h>
#include <string.h>

void *memcpy(void *restrict to, const void *restrict from, size_t length) {
    return __builtin_memcpy(to, from, length);
}

void *memmove(void *to, const void *from, size_t length) {
    return __builtin_memmove(to, from, length);
}

void *memset(void *to, int byte, size_t length) {
    return __builtin_memset(to, byte, length);
}

void *memchr(const void *bytes, int wanted, size_t length) {
    const uint8_t *at = bytes;
    for (; length > 0; length--, at++) {
        if (*at == (uint8_t)wanted) {
            return (void *)(uintptr_t)at;
        }
    }
    return NULL;
}
