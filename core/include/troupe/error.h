/**
 * @file error.h
 * The error codes. Functions that can fail return 0 or one of these, which are all negative.
 *
 * Three kinds of trouble are never mixed: what the environment refuses is a code from this list
 * (out of memory included), what an actor does wrong ends that actor with an exit reason (exit.h),
 * and a broken promise inside the runtime ends the program through the host's `fatal`.
 */
#ifndef TROUPE_ERROR_H
#define TROUPE_ERROR_H

#include "troupe/base.h"

TRP_BEGIN_DECLS

/** The one list: X(NAME, value, text). Names, texts and the table in the docs are made from it. */
#define TRP_ERROR_LIST(X)                                                                          \
    X(EINVAL, -1, "invalid argument")                                                              \
    X(ENOMEM, -2, "out of memory")                                                                 \
    X(ENOTSUP, -3, "not supported by this host")                                                   \
    X(ENOPROC, -4, "no such actor")                                                                \
    X(EFULL, -5, "mailbox or queue is full")                                                       \
    X(EEMPTY, -6, "nothing to take")                                                               \
    X(ECLOSED, -7, "closed")                                                                       \
    X(ETIMEOUT, -8, "timed out")                                                                   \
    X(ECANCELED, -9, "canceled")                                                                   \
    X(EEXIST, -10, "already exists")                                                               \
    X(ENOENT, -11, "not found")                                                                    \
    X(ELIMIT, -12, "a configured limit is reached")                                                \
    X(ENOCONNECTION, -13, "no connection to that node")                                            \
    X(EPERM, -14, "the session has no right to do that")                                           \
    X(EAUTH, -15, "authentication failed")                                                         \
    X(EPROTO, -16, "the peer broke the protocol")                                                  \
    X(EVERSION, -17, "no common protocol version")                                                 \
    X(EDECODE, -18, "malformed data")                                                              \
    X(ETYPE, -19, "message type does not fit")                                                     \
    X(ESELF, -20, "an actor cannot call itself")                                                   \
    X(ESTATE, -21, "not allowed in this state")                                                    \
    X(EFAILED, -22, "the actor failed")                                                            \
    X(EADDRINUSE, -23, "address is already in use")                                                \
    X(EIO, -24, "input or output failed")                                                          \
    X(ETOOBIG, -25, "message is larger than the limit")                                            \
    X(EDEADLOCK, -26, "every participant waits for another")

/** The codes as constants: TRP_OK, TRP_ENOMEM, ... */
typedef enum trp_error {
    TRP_OK = 0,
#define TRP_ERROR_ENUM_(name, value, text) TRP_##name = (value),
    TRP_ERROR_LIST(TRP_ERROR_ENUM_)
#undef TRP_ERROR_ENUM_
} trp_error;

/**
 * Returns the name of `code`, for example "TRP_ENOMEM", or "TRP_EUNKNOWN" for a number that is not
 * in the list. Borrowed, static. Any thread.
 */
TRP_API const char *trp_error_name(int code);

/** Returns a short English text for `code`. Borrowed, static. Any thread. */
TRP_API const char *trp_error_text(int code);

TRP_END_DECLS

#endif
