#ifndef PIPELINE_H
#define PIPELINE_H

#include "troupe/troupe.h"

TRP_BEGIN_DECLS

/* A request: the squares of 1 to `count`, at most `capacity` numbers waiting between two stages. */
#define SQUARES_FIELDS(F)                                                                          \
    F(u32, count, 1)                                                                               \
    F(u32, capacity, 2)

/* Its reply. */
#define NUMBERS_FIELDS(F) F(list(i64), values, 1)

TRP_TYPE_DECLARE(squares, SQUARES_FIELDS)
TRP_TYPE_DECLARE(numbers, NUMBERS_FIELDS)

/** Answers one request for squares, then ends. */
extern const trp_routine pipeline;

TRP_END_DECLS

#endif
