/**
 * @file exit.h
 * Exit reasons: why an actor ended, as data that travels.
 */
#ifndef TROUPE_EXIT_H
#define TROUPE_EXIT_H

#include "troupe/base.h"
#include "troupe/type.h"

TRP_BEGIN_DECLS

/** X(NAME, value, text): what kind of end it was. Erlang's reasons, as a closed set. */
#define TRP_EXIT_KIND_LIST(X)                                                                      \
    X(NORMAL, 0, "normal")             /* the actor stopped itself, all is well */                 \
    X(SHUTDOWN, 1, "shutdown")         /* it was asked to stop */                                  \
    X(KILLED, 2, "killed")             /* it was killed; terminate did not run */                  \
    X(NOPROC, 3, "noproc")             /* there was no such actor to begin with */                 \
    X(NOCONNECTION, 4, "noconnection") /* the link to its node broke; it may still be alive */     \
    X(ERROR, 5, "error")               /* it failed; code and text say how */

/** The kinds as constants: TRP_EXIT_NORMAL, TRP_EXIT_SHUTDOWN, ... */
typedef enum trp_exit_kind {
#define TRP_EXIT_KIND_ENUM_(name, value, text) TRP_EXIT_##name = (value),
    TRP_EXIT_KIND_LIST(TRP_EXIT_KIND_ENUM_)
#undef TRP_EXIT_KIND_ENUM_
} trp_exit_kind;

/** Longest text of a reason, with the final zero. Longer texts are cut. */
#define TRP_EXIT_TEXT_MAX 48

/** Why an actor ended. A plain value: copy it, compare it, send it. */
typedef struct trp_exit {
    int32_t kind;                 /**< a trp_exit_kind */
    int32_t code;                 /**< a TRP_E* or a number of the application; 0 if none */
    char text[TRP_EXIT_TEXT_MAX]; /**< short text, zero-terminated UTF-8; may be empty */
} trp_exit;

/** Type of a trp_exit as a field (`record(trp_exit)`) or a message of its own. */
TRP_API extern const trp_type trp_exit_type;

/**
 * Makes a reason. Borrows `text`, which may be NULL and is cut at a character boundary. Any thread.
 */
TRP_API trp_exit trp_exit_make(trp_exit_kind kind, int32_t code, const char *text);

/** Returns the name of an exit kind, for example "normal". Borrowed, static. Any thread. */
TRP_API const char *trp_exit_kind_name(int32_t kind);

/** True if links pass this reason on: everything but a normal exit. Any thread. */
TRP_API bool trp_exit_is_abnormal(const trp_exit *reason);

TRP_END_DECLS

#endif
