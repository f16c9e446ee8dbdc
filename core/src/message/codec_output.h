/*
 * Where encoders put their bytes: a small stage in front of the caller's sink, so that a small
 * message is one call of it.
 */
#ifndef TRPI_CODEC_OUTPUT_H
#define TRPI_CODEC_OUTPUT_H

#include "message/cbor.h"
#include "troupe/codec.h"

enum { TRPI_OUTPUT_STAGE = 512 };

typedef struct trpi_output {
    trp_codec_sink *sink;
    void *arg;
    size_t staged;
    uint8_t stage[TRPI_OUTPUT_STAGE];
} trpi_output;

static inline void trpi_output_init(trpi_output *output, trp_codec_sink *sink, void *arg) {
    output->sink = sink;
    output->arg = arg;
    output->staged = 0;
}

/*
 * Hands what is staged to the sink; the last step of an encoder. All of these return 0 or what the
 * sink returned.
 */
int trpi_output_flush(trpi_output *output);

/* Makes sure that `length` bytes, at most TRPI_OUTPUT_STAGE, can be written at stage + staged. */
static inline int trpi_output_reserve(trpi_output *output, size_t length) {
    return length <= TRPI_OUTPUT_STAGE - output->staged ? 0 : trpi_output_flush(output);
}

static inline int trpi_output_head(trpi_output *output, trp_cbor_major major, uint64_t argument) {
    int error = trpi_output_reserve(output, TRPI_CBOR_HEAD_MAX);
    if (error == 0) {
        output->staged += trpi_cbor_head(output->stage + output->staged, major, argument);
    }
    return error;
}

int trpi_output_raw(trpi_output *output, const void *bytes, size_t length);

/* A header of a string and its content. */
int trpi_output_string(trpi_output *output, trp_cbor_major major, const void *bytes, size_t length);

#endif
