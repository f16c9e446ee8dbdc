/*
 * Ports: actors of the core that stand for JavaScript. Each JavaScript actor is one port, and
 * `main` (key 0) is one for all JavaScript that is no actor, so that requests and monitors of the
 * page have a mailbox to come back to.
 *
 * A port runs the operations that JavaScript issued in its name, in order, inside its own handler:
 * order between two actors and the sender of a request are right without further ado. Messages for
 * a port are encoded when they are handled and wait in `waiting` until the step ends; then they go
 * to JavaScript as one activation. Until JavaScript answers it with DONE the port is active and
 * keeps what comes: that is how a handler that returns a promise suspends its actor.
 */
#ifndef TRPI_WEB_PORT_H
#define TRPI_WEB_PORT_H

#include "host.h"

/*
 * Most messages and bytes that wait for a JavaScript actor that is busy; what comes then is
 * refused.
 */
#define TRPI_WEB_WAITING_MESSAGES 65536u
#define TRPI_WEB_WAITING_BYTES ((size_t)16 << 20)

struct trpi_web_port {
    uint32_t key;
    bool active;         /* JavaScript has an activation, or runs init */
    bool queued;         /* in trpi_web.ready */
    trpi_web_port *next; /* in trpi_web.ready */
    trp_pid pid;
    trpi_web_bytes waiting; /* encoded messages of the next activation */
    uint32_t waiting_len;
    uint32_t refused;  /* messages that found no room since the last activation */
    trpi_web_map refs; /* ref of a request or monitor -> its id in JavaScript */
    trpi_web_map ids;  /* and back: ids begin at 1; a ref is never 0 */
    trp_message *
        *requests; /* requests JavaScript has not answered yet, by handle - 1; NULL is free */
    uint32_t requests_len;
    uint32_t requests_free; /* where to look for a free one first */
};

/*
 * Messages between the parts of the host. Their types are never registered, so nobody else can make
 * one.
 */
extern const trp_type trpi_web_ops_type;   /* body: a trp_slice over operations */
extern const trp_type trpi_web_asked_type; /* body: a trp_exit; JavaScript asked the port to stop */

/* ops.c: runs the operations of one segment in the port's own handler. */
void trpi_web_ops_run(trp_ctx *ctx, trpi_web_port *port, const uint8_t *ops, size_t length);

/*
 * Spawns the actor of a new port, registered as `name` unless that is NULL, watched by main, whose
 * ctx it needs.
 */
int trpi_web_port_spawn(trp_ctx *ctx, uint32_t key, const char *name, trp_pid *pid);

/* Remembers that `ref` is what JavaScript calls `id`. 0 or TRP_ENOMEM. */
int trpi_web_port_bind(trpi_web_port *port, trp_ref ref, uint32_t id);

/* Forgets `id` and returns its ref, or 0. */
trp_ref trpi_web_port_unbind(trpi_web_port *port, uint32_t id);

/* Takes the request with that handle out of the port. NULL if it was answered. */
trp_message *trpi_web_port_request(trpi_web_port *port, uint32_t handle);

/* JavaScript is through with the port's activation. */
void trpi_web_port_done(trpi_web_port *port);

#endif
