#ifndef COUNTER_H
#define COUNTER_H

#include "troupe/troupe.h"

TRP_BEGIN_DECLS

#define COUNTER_ADD_FIELDS(F) F(i64, by, 1)
#define COUNTER_VALUE_FIELDS(F) F(i64, value, 1)

TRP_TYPE_DECLARE(counter_add, COUNTER_ADD_FIELDS)
TRP_TYPE_DECLARE_EMPTY(counter_get)
TRP_TYPE_DECLARE(counter_value, COUNTER_VALUE_FIELDS)

extern const trp_behaviour counter;

TRP_END_DECLS

#endif
