/* The stage in front of a sink. */
#include "message/codec_output.h"

#include <string.h>

int trpi_output_flush(trpi_output *output) {
    size_t length = output->staged;
    output->staged = 0;
    return length > 0 ? output->sink(output->arg, output->stage, length) : 0;
}

int trpi_output_raw(trpi_output *output, const void *bytes, size_t length) {
    if (length > TRPI_OUTPUT_STAGE - output->staged) {
        int error = trpi_output_flush(output);
        if (error != 0) {
            return error;
        }
        if (length > TRPI_OUTPUT_STAGE / 2) {
            return output->sink(output->arg, bytes, length);
        }
    }
    if (length > 0) {
        memcpy(output->stage + output->staged, bytes, length);
        output->staged += length;
    }
    return 0;
}

int trpi_output_string(trpi_output *output, trp_cbor_major major, const void *bytes,
                       size_t length) {
    int error = trpi_output_head(output, major, length);
    return error != 0 ? error : trpi_output_raw(output, bytes, length);
}
