#ifndef POOL_H
#define POOL_H

#include "troupe/troupe.h"

TRP_BEGIN_DECLS

/* A request: what is dividend / divisor? */
#define JOB_FIELDS(F)                                                                              \
    F(i64, dividend, 1)                                                                            \
    F(i64, divisor, 2)

/* Its reply. A job that cannot be done is answered with an error that says why. */
#define DONE_FIELDS(F) F(i64, quotient, 1)

TRP_TYPE_DECLARE(job, JOB_FIELDS)
TRP_TYPE_DECLARE(done, DONE_FIELDS)

/** Does jobs with workers that may crash. */
extern const trp_behaviour pool;

TRP_END_DECLS

#endif
