#ifndef PHILOSOPHERS_H
#define PHILOSOPHERS_H

#include "troupe/troupe.h"

TRP_BEGIN_DECLS

#define DINNER_FIELDS(F)                                                                           \
    F(u32, guests, 1)                                                                              \
    F(u32, meals, 2)                                                                               \
    F(u64, seed, 3)

TRP_TYPE_DECLARE(dinner, DINNER_FIELDS)

/** Ends when each guest has eaten so many meals. Its argument is a dinner. */
extern const trp_routine dining_table;

TRP_END_DECLS

#endif
