/*
 * Telling the program, and the log, what happens to sessions: the same for all transports.
 */
#ifndef TRPI_REPORT_H
#define TRPI_REPORT_H

#include "driver.h"

/*
 * Calls `on_event` (may be NULL) with `event`, whose ctx is filled in, and logs it. `transport` is
 * "tcp" or the like.
 */
void trpi_report(trpi_driver *driver, const char *transport, trp_session_event_fn *on_event,
                 void *arg, trp_session_event *event);

#endif
