/*
 * What the core knows about field kinds, and the check that a type must pass before it is used.
 */
#ifndef TRPI_TYPE_H
#define TRPI_TYPE_H

#include "troupe/type.h"

/*
 * What trpi_type_check found: which field (NULL: the type itself) of which type, and what to do
 * about it. All static or the type's.
 */
typedef struct trpi_type_fault {
    const char *type;
    const char *field;
    const char *text;
} trpi_type_fault;

/*
 * Checks a type and the types of its records: names, ascending keys > 0, known kinds, fields inside
 * the struct and aligned, and no nesting beyond TRP_TYPE_DEPTH_MAX, which excludes types that
 * contain themselves. Everything that reads field tables relies on it. 0 or TRP_EINVAL with `fault`
 * (may be NULL) filled in.
 */
int trpi_type_check(const trp_type *type, trpi_type_fault *fault);

/*
 * Bytes of a value of a scalar, slice or pid kind; 0 for TRP_FIELD_RECORD and TRP_FIELD_TEXT, whose
 * size is their own, and unknown kinds.
 */
size_t trpi_kind_size(unsigned kind);

/* Bytes of an element of a list field. */
static inline size_t trpi_element_size(const trp_field *field) {
    return field->element == TRP_FIELD_RECORD ? field->record->size
                                              : trpi_kind_size(field->element);
}

#endif
