/*
 * A bounded text under construction: what snprintf would be used for, without stdio. Overflow only
 * counts.
 */
#ifndef TRPI_TEXT_H
#define TRPI_TEXT_H

#include "troupe/base.h"

typedef struct trpi_text {
    char *at;
    size_t size;   /* room in `at`, the final zero included */
    size_t length; /* what the full text has */
} trpi_text;

static inline void trpi_text_char(trpi_text *text, char c) {
    if (text->length + 1 < text->size) {
        text->at[text->length] = c;
    }
    text->length++;
}

static inline void trpi_text_string(trpi_text *text, const char *string) {
    while (*string != '\0') {
        trpi_text_char(text, *string++);
    }
}

static inline void trpi_text_number(trpi_text *text, uint64_t number) {
    char digits[20];
    int count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    while (count > 0) {
        trpi_text_char(text, digits[--count]);
    }
}

/* Ends the text with a zero and returns its full length. */
static inline size_t trpi_text_end(trpi_text *text) {
    if (text->size > 0) {
        text->at[text->length < text->size ? text->length : text->size - 1] = '\0';
    }
    return text->length;
}

#endif
