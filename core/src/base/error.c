/* Names and texts of the error codes, made from the one list in error.h. */
#include "troupe/error.h"

const char *trp_error_name(int code) {
    switch (code) {
    case TRP_OK:
        return "TRP_OK";
#define CASE(name, value, text)                                                                    \
    case TRP_##name:                                                                               \
        return "TRP_" #name;
        TRP_ERROR_LIST(CASE)
#undef CASE
    default:
        return "TRP_EUNKNOWN";
    }
}

const char *trp_error_text(int code) {
    switch (code) {
    case TRP_OK:
        return "success";
#define CASE(name, value, text)                                                                    \
    case TRP_##name:                                                                               \
        return text;
        TRP_ERROR_LIST(CASE)
#undef CASE
    default:
        return "unknown error";
    }
}
