/*
 * Names and texts of the error codes, both made from the one list in error.h.
 */
#include "troupe/error.h"

const char *trp_error_name(int code)
{
    switch (code) {
    case TRP_OK:
        return "TRP_OK";
#define TRP_ERROR_NAME_(name, value, text)                                                         \
    case TRP_##name:                                                                               \
        return "TRP_" #name;
        TRP_ERROR_LIST(TRP_ERROR_NAME_)
#undef TRP_ERROR_NAME_
    default:
        return "TRP_EUNKNOWN";
    }
}

const char *trp_error_text(int code)
{
    switch (code) {
    case TRP_OK:
        return "success";
#define TRP_ERROR_TEXT_(name, value, text)                                                         \
    case TRP_##name:                                                                               \
        return text;
        TRP_ERROR_LIST(TRP_ERROR_TEXT_)
#undef TRP_ERROR_TEXT_
    default:
        return "unknown error";
    }
}
