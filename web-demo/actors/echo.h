/**
 * @file echo.h
 * The echo service: a relay that answers each text in upper case, with one short-lived worker per
 * request. One C source for the page, its Web Workers and the server.
 *
 * Requests that the actor called ECHO_RELAY_NAME answers:
 *
 *     echo_request -> echo_reply     the text in upper case, and the worker that answered
 *     relay_query  -> relay_stats    what the relay has done so far
 */
#ifndef TROUPE_DEMO_ECHO_H
#define TROUPE_DEMO_ECHO_H

#include "troupe/actor.h"
#include "troupe/runtime.h"
#include "troupe/type.h"

TRP_BEGIN_DECLS

/** The name that a relay gives itself, and that of its behaviour. */
#define ECHO_RELAY_NAME "relay"

#define ECHO_REQUEST_FIELDS(F) F(string, text, 1)

#define ECHO_REPLY_FIELDS(F)                                                                       \
    F(string, text, 1)                                                                             \
    F(pid, worker, 2)

#define RELAY_STATS_FIELDS(F)                                                                      \
    F(u64, messages, 1)                                                                            \
    F(u64, spawned, 2)                                                                             \
    F(u64, exited, 3)

TRP_TYPE_DECLARE(echo_request, ECHO_REQUEST_FIELDS)
TRP_TYPE_DECLARE(echo_reply, ECHO_REPLY_FIELDS)
TRP_TYPE_DECLARE_EMPTY(relay_query)
TRP_TYPE_DECLARE(relay_stats, RELAY_STATS_FIELDS)

/** A relay. Takes no argument; init fails with TRP_EEXIST if the runtime has one already. */
extern const trp_behaviour echo_relay;

/** Makes the relay and its messages known to `runtime`. Errors: those of trp_register_behaviour. */
int echo_register(trp_runtime *runtime);

TRP_END_DECLS

#endif
