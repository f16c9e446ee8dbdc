/*
 * Numbers for message types. JavaScript needs a type's field table before it can write or read a
 * body, so each type is described to it once, in a TYPE event that precedes the first use of its
 * number: registered types when the runtime is made, others when the first message of them comes
 * along.
 *
 * A description is an array with one array per field: [name, key, kind, element kind, number of the
 * nested type].
 */
#include "host.h"

#include <stdlib.h>
#include <string.h>

enum { CBOR_UINT = 0x00, CBOR_TEXT = 0x60, CBOR_ARRAY = 0x80 };

static void write_head(trpi_web_bytes *bytes, unsigned major, uint32_t value) {
    uint8_t head[5] = {(uint8_t)(major | 26u), (uint8_t)(value >> 24), (uint8_t)(value >> 16),
                       (uint8_t)(value >> 8), (uint8_t)value};
    if (value < 24) {
        head[0] = (uint8_t)(major | value);
        trpi_web_bytes_append(bytes, head, 1);
    } else {
        trpi_web_bytes_append(bytes, head, sizeof head);
    }
}

static void write_field(trpi_web_bytes *bytes, const trp_field *field) {
    write_head(bytes, CBOR_ARRAY, 5);
    write_head(bytes, CBOR_TEXT, (uint32_t)strlen(field->name));
    trpi_web_bytes_append(bytes, field->name, strlen(field->name));
    write_head(bytes, CBOR_UINT, field->key);
    write_head(bytes, CBOR_UINT, field->kind);
    write_head(bytes, CBOR_UINT, field->element);
    write_head(bytes, CBOR_UINT, field->record == NULL ? 0 : trpi_web_type_number(field->record));
}

static void announce(const trp_type *type, uint32_t number) {
    trpi_web_bytes *out = &trpi_web.out;
    size_t place = trpi_web_bytes_begin(out);
    write_head(out, CBOR_ARRAY, type->fields_len);
    for (uint32_t i = 0; i < type->fields_len; i++) {
        write_field(out, &type->fields[i]);
    }
    trpi_web_record record = {.code = TRPI_WEB_EVENT_TYPE, .id = number};
    trpi_web_bytes_finish(out, place, record, type->name, strlen(type->name));
}

static int add_to_list(const trp_type *type) {
    if (trpi_web.types_len == trpi_web.types_capacity) {
        uint32_t capacity = trpi_web.types_capacity == 0 ? 32 : trpi_web.types_capacity * 2;
        const trp_type **list = realloc(trpi_web.type_list, capacity * sizeof *list);
        if (list == NULL) {
            return TRP_ENOMEM;
        }
        trpi_web.type_list = list;
        trpi_web.types_capacity = capacity;
    }
    trpi_web.type_list[trpi_web.types_len++] = type;
    return TRP_OK;
}

uint32_t trpi_web_type_number(const trp_type *type) {
    uint64_t key = (uint64_t)(uintptr_t)type;
    uintptr_t number = trpi_web_map_get(&trpi_web.types, key);
    if (number != 0) {
        return (uint32_t)number;
    }
    /* Nested types first, so that their events precede this one; a type cannot contain itself. */
    for (uint32_t i = 0; i < type->fields_len; i++) {
        if (type->fields[i].record != NULL && trpi_web_type_number(type->fields[i].record) == 0) {
            return 0;
        }
    }
    if (add_to_list(type) != TRP_OK) {
        return 0;
    }
    if (trpi_web_map_put(&trpi_web.types, key, trpi_web.types_len) != TRP_OK) {
        trpi_web.types_len--;
        return 0;
    }
    announce(type, trpi_web.types_len);
    return trpi_web.types_len;
}

const trp_type *trpi_web_type_at(uint32_t number) {
    return number == 0 || number > trpi_web.types_len ? NULL : trpi_web.type_list[number - 1];
}

static int announce_type(void *arg, const trp_type *type) {
    (void)arg;
    return trpi_web_type_number(type) == 0 ? TRP_ENOMEM : TRP_OK;
}

static int announce_behaviour(void *arg, const trp_behaviour *behaviour) {
    (void)arg;
    uint32_t argument = 0;
    if (behaviour->arg_type != NULL) {
        argument = trpi_web_type_number(behaviour->arg_type);
        if (argument == 0) {
            return TRP_ENOMEM;
        }
    }
    trpi_web_record record = {.code = TRPI_WEB_EVENT_BEHAVIOUR, .value = argument};
    trpi_web_bytes_put(&trpi_web.out, record, behaviour->name, strlen(behaviour->name), NULL, 0);
    return TRP_OK;
}

int trpi_web_types_announce(void) {
    int error = trp_each_type(trpi_web.runtime, announce_type, NULL);
    if (error == TRP_OK) {
        error = trp_each_behaviour(trpi_web.runtime, announce_behaviour, NULL);
    }
    return error != TRP_OK ? error : trpi_web.out.failed ? TRP_ENOMEM : TRP_OK;
}
