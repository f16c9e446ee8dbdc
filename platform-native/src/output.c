/*
 * Bytes on their way out. See output.h.
 */
#include "output.h"

#include <stdlib.h>
#include <string.h>

/*
 * Small writes share a chunk; a chunk never exceeds one frame much, so that it makes one WebSocket
 * message.
 */
#define CHUNK_MIN ((size_t)4096 - 64)
#define CHUNK_BIG ((size_t)65536)

static trpi_chunk *add_chunk(trpi_output *output, size_t length) {
    /* The second chunk in a row shows that much is to come. */
    size_t least = output->tail == NULL ? CHUNK_MIN : CHUNK_BIG;
    size_t capacity = TRPI_OUTPUT_HEADROOM + (length > least ? length : least);
    trpi_chunk *chunk = malloc(sizeof *chunk + capacity);
    if (chunk == NULL) {
        return NULL;
    }
    chunk->next = NULL;
    chunk->start = chunk->end = TRPI_OUTPUT_HEADROOM;
    chunk->capacity = capacity;
    if (output->tail == NULL) {
        output->head = chunk;
    } else {
        output->tail->next = chunk;
    }
    output->tail = chunk;
    return chunk;
}

bool trpi_output_append(trpi_output *output, const void *bytes, size_t length) {
    trpi_chunk *chunk = output->tail;
    if (chunk == NULL || chunk->capacity - chunk->end < length) {
        chunk = add_chunk(output, length);
        if (chunk == NULL) {
            return false;
        }
    }
    memcpy(chunk->bytes + chunk->end, bytes, length);
    chunk->end += length;
    output->length += length;
    return true;
}

void trpi_output_consume(trpi_output *output, size_t length) {
    output->length -= length;
    while (output->head != NULL) {
        trpi_chunk *chunk = output->head;
        size_t there = chunk->end - chunk->start;
        if (length < there) {
            chunk->start += length;
            return;
        }
        length -= there;
        output->head = chunk->next;
        if (output->head == NULL) {
            output->tail = NULL;
        }
        free(chunk);
    }
}

void trpi_output_clear(trpi_output *output) {
    trpi_output_consume(output, output->length);
}
