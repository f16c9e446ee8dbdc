/* The writer of untyped messages: a builder of a message without struct. */
#include "troupe/bytes.h"

#include "message/builder.h"
#include "message/message.h"

#include <string.h>

void trp_writer_init(trp_writer *writer, trp_ctx *ctx, size_t hint) {
    static const trp_type nothing = {.name = "bytes"};
    trp_builder_init(&writer->builder, ctx, &nothing, hint);
    if (writer->builder.message != NULL) {
        writer->builder.message->type = NULL;
    }
}

void trp_writer_put(trp_writer *writer, const void *data, size_t length) {
    size_t at = trpi_builder_append(&writer->builder, length, 1);
    /* The first piece is at 0, which from the builder means a failure as well. */
    if (length > 0 && writer->builder.message != NULL) {
        memcpy((char *)trpi_body(writer->builder.message) + at, data, length);
    }
}

size_t trp_writer_length(const trp_writer *writer) {
    return writer->builder.message == NULL ? 0 : writer->builder.message->length;
}
