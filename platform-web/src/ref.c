/*
 * Refs: pids as JavaScript holds them, a text that means the same actor on every node:
 * `<name#incarnation/index.generation>`. A ref may also be `<name!service>`, whoever has that name
 * on that node, or a plain name, whoever has it here.
 */
#include "host.h"

#include <string.h>

void trpi_web_ref_init(void) {
    char text[TRPI_WEB_REF_MAX];
    trp_pid anyone = {0, 0, 1, 1};
    trp_pid_format_global(trpi_web.runtime, anyone, text, sizeof text);
    const char *slash = strrchr(text, '/');
    trpi_web.home_length = slash == NULL ? 0 : (size_t)(slash + 1 - text);
    memcpy(trpi_web.home, text, trpi_web.home_length);
}

size_t trpi_web_ref_write(trp_pid pid, char *text) {
    return trp_pid_format_global(trpi_web.runtime, pid, text, TRPI_WEB_REF_MAX);
}

static bool is_here(const char *text, size_t length) {
    return length > trpi_web.home_length && trpi_web.home_length > 0 &&
           memcmp(text, trpi_web.home, trpi_web.home_length) == 0;
}

/* "index.generation>" behind the slash of a local ref is the local text form without its "<". */
static int read_local(const char *text, size_t length, trp_pid *pid) {
    char local[TRP_PID_TEXT_MAX];
    if (length + 1 > sizeof local) {
        return TRP_EDECODE;
    }
    local[0] = '<';
    memcpy(local + 1, text, length);
    return trp_pid_parse(local, length + 1, pid);
}

/* `<node!name>`, without the brackets. */
static int read_name_on_node(trp_ctx *ctx, const char *text, size_t length, const char *mark,
                             trp_pid *pid) {
    char node[TRP_NODE_NAME_MAX + 1];
    char name[TRP_NAME_MAX + 1];
    size_t node_length = (size_t)(mark - text);
    size_t name_length = length - node_length - 1;
    if (node_length >= sizeof node || name_length >= sizeof name) {
        return TRP_EDECODE;
    }
    memcpy(node, text, node_length);
    node[node_length] = 0;
    memcpy(name, mark + 1, name_length);
    name[name_length] = 0;
    return trp_remote_name(ctx, node, name, pid);
}

static int read_name(trp_ctx *ctx, const char *text, size_t length, trp_pid *pid) {
    char name[TRP_NAME_MAX + 1];
    if (length >= sizeof name) {
        return TRP_ENOENT;
    }
    memcpy(name, text, length);
    name[length] = 0;
    return trp_whereis(ctx, name, pid);
}

int trpi_web_ref_read(trp_ctx *ctx, const uint8_t *bytes, size_t length, trp_pid *pid) {
    const char *text = (const char *)bytes;
    if (length == 0 || text[0] != '<') {
        return read_name(ctx, text, length, pid);
    }
    if (is_here(text, length)) {
        return read_local(text + trpi_web.home_length, length - trpi_web.home_length, pid);
    }
    const char *mark = memchr(text, '!', length);
    if (mark != NULL && text[length - 1] == '>') {
        return read_name_on_node(ctx, text + 1, length - 2, mark, pid);
    }
    return trp_pid_parse_global(trpi_web.runtime, text, length, pid);
}
