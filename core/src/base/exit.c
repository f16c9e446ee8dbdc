/* Exit reasons as values. */
#include "troupe/exit.h"

#include <string.h>

#define EXIT_FIELDS(F)                                                                             \
    F(i32, kind, 1)                                                                                \
    F(i32, code, 2)                                                                                \
    F(text(TRP_EXIT_TEXT_MAX), text, 3)
TRP_TYPE_DEFINE(trp_exit, "troupe.Exit", EXIT_FIELDS)

/* The longest prefix of `text` that fits and does not cut a UTF-8 character in two. */
static size_t fitting_length(const char *text) {
    size_t length = strlen(text);
    if (length < TRP_EXIT_TEXT_MAX) {
        return length;
    }
    length = TRP_EXIT_TEXT_MAX - 1;
    while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80) {
        length--;
    }
    return length;
}

trp_exit trp_exit_make(trp_exit_kind kind, int32_t code, const char *text) {
    trp_exit reason;
    memset(&reason, 0, sizeof reason);
    reason.kind = (int32_t)kind;
    reason.code = code;
    if (text != NULL) {
        memcpy(reason.text, text, fitting_length(text));
    }
    return reason;
}

const char *trp_exit_kind_name(int32_t kind) {
    switch (kind) {
#define CASE(name, value, text)                                                                    \
    case TRP_EXIT_##name:                                                                          \
        return text;
        TRP_EXIT_KIND_LIST(CASE)
#undef CASE
    default:
        return "unknown";
    }
}

bool trp_exit_is_abnormal(const trp_exit *reason) {
    return reason->kind != TRP_EXIT_NORMAL;
}
