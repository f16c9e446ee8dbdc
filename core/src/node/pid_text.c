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
    char local[TRP_PID_TEXT_MAX];
    (void)trp_pid_format((trp_pid){0, 0, pid.index, pid.generation}, local, sizeof local);
    trpi_text out = {text, size, 0};
    trpi_text_char(&out, '<');
    trpi_text_string(&out, name);
    trpi_text_char(&out, '#');
    put_hex(&out, incarnation);
    local[0] = '/';
    trpi_text_string(&out, local);
    return trpi_text_end(&out);
}

/* ---- and back ---- */

/* Reads what follows the name: `#`, 16 hexadecimal digits, `/index.generation>`. */
static bool get_tail(const char *at, size_t length, uint64_t *incarnation, trp_pid *pid) {
    enum { DIGITS = 16 };
    char local[TRP_PID_TEXT_MAX];
    if (length < DIGITS + 2 || length - DIGITS - 1 > sizeof local || at[DIGITS + 1] != '/') {
        return false;
    }
    *incarnation = 0;
    for (int i = 1; i <= DIGITS; i++) {
        char c = at[i];
        bool is_letter = c >= 'a' && c <= 'f';
        if (!is_letter && (c < '0' || c > '9')) {
            return false;
        }
        *incarnation = *incarnation << 4 | (unsigned)(is_letter ? c - 'a' + 10 : c - '0');
    }
    length -= DIGITS + 1;
    memcpy(local, at + DIGITS + 1, length);
    local[0] = '<';
    return trp_pid_parse(local, length, pid) == 0 && trp_pid_is_local(*pid) &&
           !trp_pid_is_none(*pid);
}

int trp_pid_parse_global(trp_runtime *runtime, const char *text, size_t length, trp_pid *out) {
    trpi_node *node = runtime->node;
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
        !get_tail(name + name_length, length - 1 - name_length, &incarnation, &pid)) {
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
