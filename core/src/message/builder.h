/*
 * The builder's one primitive, for the decoder, which also builds tails piece by piece.
 */
#ifndef TRPI_BUILDER_H
#define TRPI_BUILDER_H

#include "troupe/message.h"

/*
 * Appends `length` bytes, not cleared, to the block and returns their offset in it, which is above
 * 0. 0 after a failure, which the builder remembers. Bytes of padding before, up to `alignment` (1
 * or 8), are cleared.
 */
size_t trpi_builder_append(trp_builder *builder, size_t length, size_t alignment);

/*
 * Points the slice at byte `field_offset`, which lies in the block, to `length` bytes or elements
 * at `offset`.
 */
void trpi_builder_point(trp_builder *builder, size_t field_offset, size_t offset, size_t length);

/* Remembers `error`, the first one, and frees what was built. */
void trpi_builder_fail(trp_builder *builder, int error);

#endif
