/*
 * Log lines of actors. The core has no stdio, so formatting is done here, as little of it as lines for
 * people need.
 */
#include "actor/actor.h"

#include <stdarg.h>
#include <string.h>

void trp_log(trp_ctx *ctx, trp_log_level level, const char *text) {
    const trp_host *host = &ctx->runtime->host;
    if (host->log == NULL) {
        return;
    }
    char who[TRP_PID_TEXT_MAX] = "";
    if (ctx->frame.actor != NULL) {
        trp_pid_format(trp_self(ctx), who, sizeof who);
    }
    host->log(host->self, (int)level, who, text, strlen(text));
}

/* ---- trp_logf ---- */

typedef struct line {
    char text[TRP_LOG_LINE_MAX];
    size_t length;
} line;

/* What stands between the per cent and the letter. */
typedef enum width { WIDTH_INT, WIDTH_LONG, WIDTH_LONG_LONG, WIDTH_SIZE } width;

static void put(line *to, const char *bytes, size_t length) {
    size_t room = TRP_LOG_LINE_MAX - 1 - to->length;
    if (length > room) {
        length = room;
        while (length > 0 && ((unsigned char)bytes[length] & 0xc0) == 0x80) {
            length--; /* not through the middle of a character */
        }
    }
    memcpy(to->text + to->length, bytes, length);
    to->length += length;
}

static void put_number(line *to, uint64_t number, unsigned base) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number != 0);
    put(to, digits + at, sizeof digits - at);
}

static void put_signed(line *to, int64_t number) {
    if (number < 0) {
        put(to, "-", 1);
    }
    put_number(to, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, 10);
}

static int64_t next_signed(va_list *values, width of) {
    switch (of) {
    case WIDTH_LONG:
        return va_arg(*values, long);
    case WIDTH_LONG_LONG:
        return va_arg(*values, long long);
    case WIDTH_SIZE:
        return va_arg(*values, ptrdiff_t);
    case WIDTH_INT:
        break;
    }
    return va_arg(*values, int);
}

static uint64_t next_unsigned(va_list *values, width of) {
    switch (of) {
    case WIDTH_LONG:
        return va_arg(*values, unsigned long);
    case WIDTH_LONG_LONG:
        return va_arg(*values, unsigned long long);
    case WIDTH_SIZE:
        return va_arg(*values, size_t);
    case WIDTH_INT:
        break;
    }
    return va_arg(*values, unsigned);
}

static width read_width(const char **at) {
    if (**at == 'z') {
        *at += 1;
        return WIDTH_SIZE;
    }
    if (**at != 'l') {
        return WIDTH_INT;
    }
    bool is_double = (*at)[1] == 'l';
    *at += is_double ? 2 : 1;
    return is_double ? WIDTH_LONG_LONG : WIDTH_LONG;
}

/* Writes what the directive at `at`, behind its per cent, stands for. Its end; NULL if unknown. */
static const char *put_directive(line *to, const char *at, va_list *values) {
    width of = read_width(&at);
    const char *text = NULL;
    char letter = 0;
    switch (*at) {
    case '%':
        put(to, "%", 1);
        break;
    case 's':
        text = va_arg(*values, const char *);
        text = text == NULL ? "(null)" : text;
        put(to, text, strlen(text));
        break;
    case 'c':
        letter = (char)va_arg(*values, int);
        put(to, &letter, 1);
        break;
    case 'd':
    case 'i':
        put_signed(to, next_signed(values, of));
        break;
    case 'u':
    case 'x':
        put_number(to, next_unsigned(values, of), *at == 'x' ? 16 : 10);
        break;
    default:
        return NULL;
    }
    return at + 1;
}

void trp_logf(trp_ctx *ctx, trp_log_level level, const char *format, ...) {
    line to = {.length = 0};
    va_list values;
    va_start(values, format);
    const char *at = format;
    const char *mark = strchr(at, '%');
    while (mark != NULL) {
        put(&to, at, (size_t)(mark - at));
        at = mark;
        const char *end = put_directive(&to, mark + 1, &values);
        if (end == NULL) {
            break;
        }
        at = end;
        mark = strchr(at, '%');
    }
    put(&to, at, strlen(at));
    va_end(values);
    to.text[to.length] = '\0';
    trp_log(ctx, level, to.text);
}
