/* Requests on behalf of others. */
#ifndef TRPI_REQUEST_H
#define TRPI_REQUEST_H

#include "troupe/request.h"

/*
 * Sends `message`, which it takes, as a request of the running actor (a session, a collector) that
 * the callee sees as one of `from`. What comes of it comes to the running actor. TRP_ENOMEM.
 */
int trpi_request_for(trp_ctx *ctx, trp_pid to, trp_pid from, trp_message *message,
                     uint64_t timeout_ns, trp_ref *ref);

#endif
