/*
 * A type's field table as CBOR, for JavaScript and for generators. Descriptions of nested records
 * stand inside those of their fields; the way down is kept on a stack.
 */
#include "troupe/codec.h"

#include "message/codec_output.h"
#include "message/type.h"
#include "troupe/error.h"

#include <string.h>

typedef struct level {
    const trp_type *type;
    uint32_t next; /* field */
} level;

static int put_type(trpi_output *output, const trp_type *type) {
    int error = trpi_output_head(output, TRP_CBOR_ARRAY, 2);
    if (error == 0) {
        error = trpi_output_string(output, TRP_CBOR_TEXT, type->name, strlen(type->name));
    }
    return error != 0 ? error : trpi_output_head(output, TRP_CBOR_ARRAY, type->fields_len);
}

/* All of a field but the description of its record, which comes last. */
static int put_field(trpi_output *output, const trp_field *field) {
    const uint32_t numbers[] = {field->key, field->kind, field->element, field->capacity};
    int error = trpi_output_head(output, TRP_CBOR_ARRAY, 6);
    if (error == 0) {
        error = trpi_output_string(output, TRP_CBOR_TEXT, field->name, strlen(field->name));
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && error == 0; i++) {
        error = trpi_output_head(output, TRP_CBOR_UINT, numbers[i]);
    }
    if (error == 0 && field->record == NULL) {
        error = trpi_output_head(output, TRP_CBOR_SIMPLE, TRP_CBOR_NULL);
    }
    return error;
}

int trp_type_describe(const trp_type *type, trp_codec_sink *sink, void *arg) {
    level levels[TRP_TYPE_DEPTH_MAX + 1];
    unsigned depth = 0;
    trpi_output output;
    int error = trpi_type_check(type, NULL);
    if (error != 0) {
        return error;
    }
    trpi_output_init(&output, sink, arg);
    levels[0] = (level){.type = type};
    error = put_type(&output, type);
    while (error == 0) {
        level *top = &levels[depth];
        if (top->next == top->type->fields_len) {
            if (depth == 0) {
                return trpi_output_flush(&output);
            }
            depth--;
            continue;
        }
        const trp_field *field = &top->type->fields[top->next++];
        error = put_field(&output, field);
        if (error == 0 && field->record != NULL) {
            levels[++depth] = (level){.type = field->record};
            error = put_type(&output, field->record);
        }
    }
    return error;
}
