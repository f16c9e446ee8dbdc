/*
 * The log sink: one write per line, as text or as JSON.
 */
#ifndef TRPI_LOG_H
#define TRPI_LOG_H

#include "troupe/native.h"

#include <uv.h>

typedef struct trpi_log {
    int fd;
    trp_log_format format;
    bool colours;
    bool debug;
    uv_mutex_t lock; /* keeps lines whole when a write is cut short */
} trpi_log;

/* TRP_ENOMEM if there is no mutex. */
int trpi_log_init(trpi_log *log, int fd, trp_log_format format, bool debug);
void trpi_log_deinit(trpi_log *log);

/*
 * Writes one line. `text` may hold any bytes: control characters and invalid UTF-8 come out
 * harmless. Any thread.
 */
void trpi_log_write(trpi_log *log, int level, const char *who, const char *text, size_t length);

/* Formats like printf (cut at 511 bytes) and writes to the host's log. Any thread. */
void trpi_native_logf(trp_native *native, trp_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
