#ifndef LIMITER_H
#define LIMITER_H

#include "troupe/troupe.h"

TRP_BEGIN_DECLS

#define RATE_FIELDS(F)                                                                             \
    F(u32, per_second, 1)                                                                          \
    F(u32, burst, 2)

TRP_TYPE_DECLARE(rate, RATE_FIELDS)
TRP_TYPE_DECLARE_EMPTY(permit)    /* a request */
TRP_TYPE_DECLARE_EMPTY(permitted) /* its reply, as soon as the rate allows it */

/** Its argument is a rate. */
extern const trp_behaviour limiter;

TRP_END_DECLS

#endif
