/* What fiber_swap.c wants of the C library, for a machine whose own is not there (native.aarch64). */
#ifndef TEST_FREESTANDING_STRING_H
#define TEST_FREESTANDING_STRING_H

#include <stddef.h>

void *memset(void *to, int byte, size_t length);

#endif
