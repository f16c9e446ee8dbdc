/*
 * The log sink. A line is put together in a buffer on the stack and written at once, so that lines
 * of several threads and processes do not mix. What comes from other nodes (names, reasons) may end
 * up in a text, so bytes that could move a cursor or forge a line are escaped, and a line has a
 * greatest length.
 */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Longest line; what is longer is cut. */
#define LINE_MAX_BYTES 4096

typedef struct line {
    char bytes[LINE_MAX_BYTES];
    size_t length;
} line;

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *const level_labels[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};
static const char *const level_colours[] = {"\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[31m"};

/* Room for the end of a line is always kept. */
static void put(line *out, const char *bytes, size_t length) {
    size_t room = LINE_MAX_BYTES - 16 - out->length;
    if (length > room) {
        length = room;
    }
    memcpy(out->bytes + out->length, bytes, length);
    out->length += length;
}

static void put_text(line *out, const char *text) {
    put(out, text, strlen(text));
}

/* Length of the UTF-8 character at `text`, 0 if it is none (RFC 3629). */
static size_t utf8_length(const unsigned char *text, size_t length) {
    static const unsigned char least_second[] = {0xA0,
                                                 0x90}; /* after E0 and F0: no overlong forms */
    unsigned char first = text[0];
    size_t need = first < 0x80   ? 1
                  : first < 0xC2 ? 0
                  : first < 0xE0 ? 2
                  : first < 0xF0 ? 3
                  : first < 0xF5 ? 4
                                 : 0;
    if (need == 0 || need > length) {
        return 0;
    }
    for (size_t i = 1; i < need; i++) {
        if ((text[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    bool is_bad = (first == 0xE0 && text[1] < least_second[0]) ||
                  (first == 0xF0 && text[1] < least_second[1]) ||
                  (first == 0xED && text[1] > 0x9F) || (first == 0xF4 && text[1] > 0x8F);
    return is_bad ? 0 : need;
}

/* Copies `text` so that it is valid UTF-8 without control characters; in JSON also without quotes.
 */
static void put_escaped(line *out, const char *text, size_t length, bool json) {
    const unsigned char *bytes = (const unsigned char *)text;
    for (size_t i = 0; i < length;) {
        size_t run = utf8_length(bytes + i, length - i);
        char escape[8];
        if (run == 0) {
            put_text(out, "\xEF\xBF\xBD"); /* U+FFFD */
            run = 1;
        } else if (json && (bytes[i] == '"' || bytes[i] == '\\')) {
            snprintf(escape, sizeof escape, "\\%c", bytes[i]);
            put_text(out, escape);
        } else if (bytes[i] < 0x20 || bytes[i] == 0x7F) {
            snprintf(escape, sizeof escape, json ? "\\u%04x" : "\\x%02x", bytes[i]);
            put_text(out, escape);
        } else if (out->length + run + 16 <= LINE_MAX_BYTES) {
            put(out, text + i, run); /* whole characters only */
        }
        i += run;
    }
}

static void put_json(line *out, const struct timespec *now, int level, const char *who,
                     const char *text, size_t length) {
    struct tm utc;
    char stamp[64];
    gmtime_r(&now->tv_sec, &utc);
    size_t used = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(stamp + used, sizeof stamp - used, ".%03ldZ", now->tv_nsec / 1000000);
    put_text(out, "{\"time\":\"");
    put_text(out, stamp);
    put_text(out, "\",\"level\":\"");
    put_text(out, level_names[level]);
    put_text(out, "\",\"pid\":\"");
    put_escaped(out, who, strlen(who), true);
    put_text(out, "\",\"text\":\"");
    put_escaped(out, text, length, true);
    memcpy(out->bytes + out->length, "\"}\n", 3); /* in the room that `put` keeps */
    out->length += 3;
}

static void put_plain(line *out, const struct timespec *now, bool colours, int level,
                      const char *who, const char *text, size_t length) {
    struct tm local;
    char stamp[64];
    localtime_r(&now->tv_sec, &local);
    size_t used = strftime(stamp, sizeof stamp, "%H:%M:%S", &local);
    snprintf(stamp + used, sizeof stamp - used, ".%03ld ", now->tv_nsec / 1000000);
    put_text(out, stamp);
    put_text(out, colours ? level_colours[level] : "");
    put_text(out, level_labels[level]);
    put_text(out, colours ? "\x1b[0m " : " ");
    if (who[0] != '\0') {
        put_escaped(out, who, strlen(who), false);
        put_text(out, " ");
    }
    put_escaped(out, text, length, false);
    out->bytes[out->length++] = '\n';
}

int trpi_log_init(trpi_log *log, int fd, trp_log_format format, bool debug) {
    log->fd = fd;
    log->format = format;
    log->debug = debug;
    log->colours = format == TRP_LOG_FORMAT_TEXT && isatty(fd) == 1 && getenv("NO_COLOR") == NULL;
    return uv_mutex_init(&log->lock) == 0 ? TRP_OK : TRP_ENOMEM;
}

void trpi_log_deinit(trpi_log *log) {
    uv_mutex_destroy(&log->lock);
}

/* A log that cannot be written is not worth ending for: errors end the line. */
static void write_all(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return;
        }
        bytes += written;
        length -= (size_t)written;
    }
}

void trpi_log_write(trpi_log *log, int level, const char *who, const char *text, size_t length) {
    if (log->format == TRP_LOG_FORMAT_NONE || (level <= TRP_LOG_DEBUG && !log->debug)) {
        return;
    }
    level = level < TRP_LOG_DEBUG ? TRP_LOG_DEBUG : level > TRP_LOG_ERROR ? TRP_LOG_ERROR : level;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    line out;
    out.length = 0;
    if (log->format == TRP_LOG_FORMAT_JSON) {
        put_json(&out, &now, level, who, text, length);
    } else {
        put_plain(&out, &now, log->colours, level, who, text, length);
    }
    uv_mutex_lock(&log->lock);
    write_all(log->fd, out.bytes, out.length);
    uv_mutex_unlock(&log->lock);
}

void trpi_native_logf(trp_native *native, trp_log_level level, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    trp_native_log(native, level, text);
}
