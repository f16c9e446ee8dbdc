/* Texts of pids that are valid on every node: `<node-name#incarnation/index.generation>`. */
#include "base/text.h"
#include "node/places.h"
#include "troupe/error.h"
#include "troupe/node.h"

static void put_hex(trpi_text *text, uint64_t number) {
    for (int shift = 60; shift >= 0; shift -= 4) {
        trpi_text_char(text, "0123456789abcdef"[number >> shift & 15]);
    }
}

size_t trp_pid_format_global(trp_runtime *runtime, trp_pid pid, char *text, size_t size) {
    trpi_node *node = runtime->node;
    char name[TRP_NODE_NAME_MAX + 1];
    uint64_t incarnation = 0;
    if (trp_pid_is_none(pid) || node == NULL || pid.epoch == TRPI_ALIAS_EPOCH) {
        return trp_pid_format(pid, text, size);
    }
    if (trp_pid_is_local(pid)) {
        memcpy(name, node->self.name, sizeof name);
        incarnation = node->self.incarnation;
    } else if (!trpi_node_home(node, pid, name, &incarnation)) {
        return trp_pid_format(pid, text, size);
    }
    trpi_text out = {text, size, 0};
    trpi_text_char(&out, '<');
    trpi_text_string(&out, name);
    trpi_text_char(&out, '#');
    put_hex(&out, incarnation);
    trpi_text_char(&out, '/');
    trpi_text_number(&out, pid.index);
    trpi_text_char(&out, '.');
    trpi_text_number(&out, pid.generation);
    trpi_text_char(&out, '>');
    return trpi_text_end(&out);
}

/* ---- and back ---- */

/* Reads digits of `base` up to `end`; false if there is none, or a number above `max`. */
static bool get_number(const char **at, const char *end, unsigned base, uint64_t max,
                       uint64_t *number) {
    const char *start = *at;
    *number = 0;
    for (; *at < end; (*at)++) {
        char c = **at;
        unsigned digit = c >= '0' && c <= '9'                 ? (unsigned)(c - '0')
                         : base == 16 && c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                              : base;
        if (digit == base) {
            break;
        }
        if (*number > (max - digit) / base) {
            return false;
        }
        *number = *number * base + digit;
    }
    return *at > start;
}

static bool get_char(const char **at, const char *end, char c) {
    if (*at == end || **at != c) {
        return false;
    }
    (*at)++;
    return true;
}

/* Reads what follows the name: `#incarnation/index.generation>`. */
static bool get_tail(const char *at, const char *end, uint64_t *incarnation, trp_pid *pid) {
    uint64_t index;
    uint64_t generation;
    bool is_good = get_char(&at, end, '#') && get_number(&at, end, 16, UINT64_MAX, incarnation) &&
                   get_char(&at, end, '/') && get_number(&at, end, 10, UINT32_MAX, &index) &&
                   get_char(&at, end, '.') && get_number(&at, end, 10, UINT32_MAX, &generation) &&
                   get_char(&at, end, '>') && at == end && generation != 0;
    if (is_good) {
        *pid = (trp_pid){0, 0, (uint32_t)index, (uint32_t)generation};
    }
    return is_good;
}

int trp_pid_parse_global(trp_runtime *runtime, const char *text, size_t length, trp_pid *out) {
    trpi_node *node = runtime->node;
    const char *end = text + length;
    const char *name = text + 1;
    size_t name_length = 0;
    /* The last `#` ends the name, which may contain others. */
    for (size_t i = 1; i < length; i++) {
        if (text[i] == '#') {
            name_length = i - 1;
        }
    }
    uint64_t incarnation;
    trp_pid pid;
    if (length == 0 || text[0] != '<' || !trpi_node_name_is_valid(name, name_length) ||
        !get_tail(name + name_length, end, &incarnation, &pid)) {
        return TRP_EDECODE;
    }
    if (node == NULL) {
        return TRP_ENOCONNECTION;
    }
    const trpi_identity *self = &node->self;
    bool is_local = incarnation == self->incarnation && strlen(self->name) == name_length &&
                    memcmp(self->name, name, name_length) == 0;
    if (!is_local && !trpi_node_find(node, name, name_length, incarnation, &pid)) {
        return TRP_ENOCONNECTION;
    }
    *out = pid;
    return 0;
}
