/*
 * Random message types and random messages of a type, driven by field tables only: what the
 * property tests of the codec feed on.
 */
#ifndef TEST_RANDOM_MESSAGE_H
#define TEST_RANDOM_MESSAGE_H

#include "troupe/message.h"

/* splitmix64: the next number, and one below `limit`. */
uint64_t random_next(uint64_t *seed);
uint64_t random_below(uint64_t *seed, uint64_t limit);

enum { RANDOM_TYPES_MAX = 24, RANDOM_FIELDS_MAX = 12 };

/* A root type and the records below it. */
typedef struct random_types {
    trp_type types[RANDOM_TYPES_MAX];
    trp_field fields[RANDOM_TYPES_MAX][RANDOM_FIELDS_MAX];
    unsigned types_len;
} random_types;

/*
 * Makes a type with up to `depth` levels of records and lays out its structs as C would. Valid
 * while `types` is.
 */
const trp_type *random_type(random_types *types, uint64_t *seed, unsigned depth);

/* Fills the record of `type` at `offset` of the block. Failures stay in the builder. */
void random_fill(trp_builder *builder, const trp_type *type, size_t offset, uint64_t *seed);

/* True if two records hold the same, wherever their tails lie. */
bool same_record(const trp_type *type, const void *a, const void *b);

#endif
