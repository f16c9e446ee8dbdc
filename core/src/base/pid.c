/* The text form of pids. */
#include "troupe/pid.h"

#include "base/text.h"
#include "troupe/error.h"

#include <string.h>

size_t trp_pid_format(trp_pid pid, char *text, size_t size) {
    trpi_text out = {text, size, 0};
    if (trp_pid_is_none(pid)) {
        trpi_text_string(&out, "<none>");
        return trpi_text_end(&out);
    }
    trpi_text_char(&out, '<');
    if (!trp_pid_is_local(pid)) {
        trpi_text_number(&out, pid.node);
        trpi_text_char(&out, '.');
        trpi_text_number(&out, pid.epoch);
        trpi_text_char(&out, '/');
    }
    trpi_text_number(&out, pid.index);
    trpi_text_char(&out, '.');
    trpi_text_number(&out, pid.generation);
    trpi_text_char(&out, '>');
    return trpi_text_end(&out);
}

typedef struct scan {
    const char *at;
    const char *end;
} scan;

static bool scan_char(scan *in, char c) {
    if (in->at == in->end || *in->at != c) {
        return false;
    }
    in->at++;
    return true;
}

/*
 * Reads a decimal number without sign or superfluous zeros, so that each pid has exactly one text.
 */
static bool scan_number(scan *in, uint32_t *out) {
    const char *begin = in->at;
    uint64_t number = 0;
    while (in->at < in->end && *in->at >= '0' && *in->at <= '9' && in->at - begin < 10) {
        number = number * 10 + (uint64_t)(*in->at++ - '0');
    }
    bool is_canonical = in->at > begin && (*begin != '0' || in->at - begin == 1);
    if (!is_canonical || number > UINT32_MAX) {
        return false;
    }
    *out = (uint32_t)number;
    return true;
}

static bool scan_pair(scan *in, uint32_t *a, uint32_t *b) {
    return scan_number(in, a) && scan_char(in, '.') && scan_number(in, b);
}

int trp_pid_parse(const char *text, size_t length, trp_pid *out) {
    if (length == 6 && memcmp(text, "<none>", 6) == 0) {
        *out = TRP_PID_NONE;
        return 0;
    }
    scan in = {text, text + length};
    trp_pid pid = {0, 0, 0, 0};
    if (!scan_char(&in, '<') || !scan_pair(&in, &pid.index, &pid.generation)) {
        return TRP_EDECODE;
    }
    if (scan_char(&in, '/')) {
        pid.node = pid.index;
        pid.epoch = pid.generation;
        if (pid.node == 0 || !scan_pair(&in, &pid.index, &pid.generation)) {
            return TRP_EDECODE;
        }
    }
    if (!scan_char(&in, '>') || in.at != in.end || pid.generation == 0) {
        return TRP_EDECODE;
    }
    *out = pid;
    return 0;
}
