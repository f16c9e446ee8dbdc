/*
 * Session events. See report.h.
 */
#include "report.h"

#include "log.h"

#include <stdio.h>

static void log_down(trpi_driver *driver, const char *transport, const trp_session_event *event) {
    char retry[48] = "";
    if (event->retry_ns != TRP_NEVER) {
        snprintf(retry, sizeof retry, "; next try in %.1f s", (double)event->retry_ns / 1e9);
    }
    const char *why =
        event->why != NULL && event->why[0] != '\0' ? event->why : trp_error_text(event->error);
    trp_log_level level = event->error == TRP_OK ? TRP_LOG_INFO : TRP_LOG_WARN;
    if (event->node[0] != '\0') {
        trpi_native_logf(driver->native, level, "session with %s (%s %s) is down: %s%s",
                         event->node, transport, event->address, why, retry);
    } else {
        trpi_native_logf(driver->native, level, "no session with %s %s: %s%s", transport,
                         event->address, why, retry);
    }
}

void trpi_report(trpi_driver *driver, const char *transport, trp_session_event_fn *on_event,
                 void *arg, trp_session_event *event) {
    switch (event->state) {
    case TRP_SESSION_UP:
        trpi_native_logf(driver->native, TRP_LOG_INFO, "session with %s (%s %s) is up", event->node,
                         transport, event->address);
        break;
    case TRP_SESSION_SUSPECT:
        trpi_native_logf(driver->native, TRP_LOG_WARN, "session with %s (%s %s) is silent",
                         event->node, transport, event->address);
        break;
    case TRP_SESSION_DOWN:
        log_down(driver, transport, event);
        break;
    case TRP_SESSION_HANDSHAKE:
        break;
    }
    if (on_event != NULL) {
        event->ctx = trpi_driver_ctx(driver);
        on_event(arg, event);
    }
}
