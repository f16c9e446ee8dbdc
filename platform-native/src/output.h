/*
 * Bytes on their way out: a queue of chunks. Each chunk has free room in front of its bytes,
 * because libwebsockets writes its frame header there.
 */
#ifndef TRPI_OUTPUT_H
#define TRPI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

/* Above HIGH the session is told to stop, below LOW to go on; at MAX the connection is given up. */
#define TRPI_OUTPUT_HIGH ((size_t)256 * 1024)
#define TRPI_OUTPUT_LOW ((size_t)64 * 1024)
#define TRPI_OUTPUT_MAX ((size_t)16 * 1024 * 1024)

/* Free room in front of every chunk. */
#define TRPI_OUTPUT_HEADROOM 32

typedef struct trpi_chunk {
    struct trpi_chunk *next;
    size_t start; /* first byte not written yet */
    size_t end;   /* behind the last byte */
    size_t capacity;
    unsigned char bytes[];
} trpi_chunk;

typedef struct trpi_output {
    trpi_chunk *head;
    trpi_chunk *tail;
    size_t length; /* bytes in all chunks */
} trpi_output;

/* Copies `length` bytes to the end. False when out of memory; nothing is added then. */
bool trpi_output_append(trpi_output *output, const void *bytes, size_t length);

/* Removes the first `length` bytes, which must be there. */
void trpi_output_consume(trpi_output *output, size_t length);

/* Frees everything. */
void trpi_output_clear(trpi_output *output);

#endif
