/*
 * Writing and reading batches of records. Writing never leaves half a record behind: a batch that
 * ran out of memory is shorter by whole records and says so (`failed`).
 */
#include "record.h"

#include <stdlib.h>
#include <string.h>

#define HEADER sizeof(trpi_web_record)

static size_t padded(size_t length) {
    return (length + 7u) & ~(size_t)7u;
}

void trpi_web_bytes_deinit(trpi_web_bytes *bytes) {
    free(bytes->data);
    memset(bytes, 0, sizeof *bytes);
}

int trpi_web_bytes_reserve(trpi_web_bytes *bytes, size_t length) {
    if (length > SIZE_MAX / 4 - bytes->length) {
        bytes->failed = 1;
        return 0;
    }
    size_t wanted = bytes->length + length;
    if (wanted <= bytes->capacity) {
        return 1;
    }
    size_t capacity = bytes->capacity < 512 ? 1024 : bytes->capacity * 2;
    if (capacity < wanted) {
        capacity = wanted;
    }
    uint8_t *data = realloc(bytes->data, capacity);
    if (data == NULL) {
        bytes->failed = 1;
        return 0;
    }
    bytes->data = data;
    bytes->capacity = capacity;
    return 1;
}

void trpi_web_bytes_append(trpi_web_bytes *bytes, const void *data, size_t length) {
    if (length > 0 && trpi_web_bytes_reserve(bytes, length)) {
        memcpy(bytes->data + bytes->length, data, length);
        bytes->length += length;
    }
}

static void pad(trpi_web_bytes *bytes, size_t place) {
    size_t end = place + padded(bytes->length - place);
    memset(bytes->data + bytes->length, 0, end - bytes->length);
    bytes->length = end;
}

void trpi_web_bytes_put(trpi_web_bytes *bytes, trpi_web_record record, const void *a,
                        size_t a_length, const void *b, size_t b_length) {
    if (!trpi_web_bytes_reserve(bytes, HEADER + padded(a_length + b_length))) {
        return;
    }
    size_t place = bytes->length;
    record.a_length = (uint32_t)a_length;
    record.b_length = (uint32_t)b_length;
    trpi_web_bytes_append(bytes, &record, HEADER);
    trpi_web_bytes_append(bytes, a, a_length);
    trpi_web_bytes_append(bytes, b, b_length);
    pad(bytes, place);
}

size_t trpi_web_bytes_begin(trpi_web_bytes *bytes) {
    static const trpi_web_record blank;
    size_t place = bytes->length;
    trpi_web_bytes_append(bytes, &blank, HEADER);
    return place;
}

int trpi_web_bytes_finish(trpi_web_bytes *bytes, size_t place, trpi_web_record record,
                          const void *b, size_t b_length) {
    size_t a_length = bytes->length - place - HEADER;
    if (bytes->failed || !trpi_web_bytes_reserve(bytes, b_length + 8)) {
        trpi_web_bytes_cancel(bytes, place);
        return 0;
    }
    record.a_length = (uint32_t)a_length;
    record.b_length = (uint32_t)b_length;
    trpi_web_bytes_append(bytes, b, b_length);
    pad(bytes, place);
    memcpy(bytes->data + place, &record, HEADER);
    return 1;
}

void trpi_web_bytes_cancel(trpi_web_bytes *bytes, size_t place) {
    bytes->length = place;
}

int trpi_web_record_next(const uint8_t *data, size_t length, size_t *place, trpi_web_view *view) {
    size_t rest = length - *place;
    if (rest < HEADER) {
        return 0;
    }
    memcpy(&view->record, data + *place, HEADER);
    rest -= HEADER;
    size_t a_length = view->record.a_length;
    size_t b_length = view->record.b_length;
    if (a_length > rest || b_length > rest - a_length || padded(a_length + b_length) > rest) {
        return 0;
    }
    view->a = data + *place + HEADER;
    view->b = view->a + a_length;
    *place += HEADER + padded(a_length + b_length);
    return 1;
}
