/* The types of the C actors that the web tests talk to. */
#ifndef TROUPE_TESTS_WEB_ACTORS_H
#define TROUPE_TESTS_WEB_ACTORS_H

#include "troupe/troupe.h"

#define POINT_FIELDS(F)                                                                            \
    F(i32, x, 1)                                                                                   \
    F(i32, y, 2)
TRP_TYPE_DECLARE(point, POINT_FIELDS)

/* One field of each kind. */
#define EVERYTHING_FIELDS(F)                                                                       \
    F(boolean, flag, 1)                                                                            \
    F(i32, small, 2)                                                                               \
    F(u32, natural, 3)                                                                             \
    F(i64, large, 4)                                                                               \
    F(u64, huge, 5)                                                                                \
    F(f64, real, 6)                                                                                \
    F(pid, who, 7)                                                                                 \
    F(string, text, 8)                                                                             \
    F(bytes, blob, 9)                                                                              \
    F(value, any, 10)                                                                              \
    F(record(point), spot, 11)                                                                     \
    F(list(u32), numbers, 12)                                                                      \
    F(list(string), words, 13)                                                                     \
    F(list(record(point)), path, 14)                                                               \
    F(text(16), label, 15)
TRP_TYPE_DECLARE(everything, EVERYTHING_FIELDS)

#define COUNTER_ARGS_FIELDS(F) F(i64, start, 1)
TRP_TYPE_DECLARE(counter_args, COUNTER_ARGS_FIELDS)

#define COUNT_FIELDS(F) F(i64, by, 1)
TRP_TYPE_DECLARE(count, COUNT_FIELDS)

/* Asks the flooder to send `count` bare values to `to`. */
#define FLOOD_FIELDS(F)                                                                            \
    F(pid, to, 1)                                                                                  \
    F(u32, count, 2)
TRP_TYPE_DECLARE(flood, FLOOD_FIELDS)

#endif
