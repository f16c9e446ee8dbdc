/*
 * The web host's own state. A wasm module instance holds exactly one runtime, so this is one static
 * object; two runtimes in a page are two instances. Everything here runs on the one thread of the
 * instance.
 */
#ifndef TRPI_WEB_HOST_H
#define TRPI_WEB_HOST_H

#include "map.h"
#include "record.h"
#include "troupe/troupe.h"

typedef struct trpi_web_port trpi_web_port;

typedef struct trpi_web_host {
    trp_runtime *runtime;
    trpi_web_bytes in;      /* the batch that JavaScript is writing */
    trpi_web_bytes out;     /* events since the last step began */
    uint64_t next_deadline; /* as the last step gave it */
    void *stack;            /* stack pointer at the entry of the running step */

    trpi_web_port *main;    /* the port of JavaScript that is no actor; its key is 0 */
    trpi_web_port *ready;   /* ports with messages to hand over, in no order */
    trpi_web_map ports;     /* key of a port -> trpi_web_port */
    trpi_web_map port_pids; /* index and generation of a port's actor -> trpi_web_port */
    trpi_web_map port_refs; /* main's monitor of a port -> trpi_web_port */
    trpi_web_map sessions;  /* id -> trp_session */

    trp_pid addressee;   /* of the operation before, for those that are marked SAME */
    int addressee_error; /* why it has none */

    trpi_web_map types; /* trp_type * -> its number, from 1 */
    const trp_type **type_list;
    uint32_t types_len;
    uint32_t types_capacity;

    char home[TRP_NODE_NAME_MAX + 24]; /* what every local ref begins with: "<name#incarnation/" */
    size_t home_length;
} trpi_web_host;

extern trpi_web_host trpi_web;

/* Imports (js/engine.mjs). */
#define TRPI_WEB_IMPORT(import) __attribute__((import_module("troupe"), import_name(import)))
TRPI_WEB_IMPORT("fatal") _Noreturn void trpi_web_fatal(const char *text, size_t length);

/* fibers.c: puts fibers into the table, in a module that is built for routines. */
void trpi_web_fibers_fill(trp_host *host);

/* Exports. */
#define TRPI_WEB_EXPORT(export) __attribute__((export_name(export), visibility("default")))

/*
 * types.c: the number under which JavaScript knows `type`, telling it about the type first if need
 * be. 0 when out of memory.
 */
uint32_t trpi_web_type_number(const trp_type *type);

/* The type with that number, or NULL. */
const trp_type *trpi_web_type_at(uint32_t number);

/* Tells JavaScript about everything that is registered. 0 or TRP_ENOMEM. */
int trpi_web_types_announce(void);

/* body.c: appends a message's body as one CBOR item; 0 or a TRP_E*. */
int trpi_web_body_write(trpi_web_bytes *bytes, const trp_message *message);

/* Makes a message of type number `type` from one CBOR item. 0 or a TRP_E*. */
int trpi_web_body_read(trp_ctx *ctx, uint32_t type, const uint8_t *bytes, size_t length,
                       trp_message **out);

/*
 * Decodes the argument of a behaviour. `*out` is NULL if the behaviour takes none; free it with
 * trp_message_drop.
 */
int trpi_web_argument_read(trp_ctx *ctx, const trp_behaviour *behaviour, const uint8_t *bytes,
                           size_t length, trp_message **out);

/* ref.c: fixes what local refs look like, once the node has its identity. */
void trpi_web_ref_init(void);

/*
 * Writes the ref of `pid`, valid on every node, to `text` of TRPI_WEB_REF_MAX bytes; returns its
 * length.
 */
#define TRPI_WEB_REF_MAX (TRP_NODE_NAME_MAX + 64)
size_t trpi_web_ref_write(trp_pid pid, char *text);

/*
 * Finds the actor that a ref, `<node!name>` or a plain name of this runtime means. TRP_EDECODE,
 * TRP_ENOENT or TRP_ENOCONNECTION.
 */
int trpi_web_ref_read(trp_ctx *ctx, const uint8_t *text, size_t length, trp_pid *pid);

/* session.c: the operations on sessions. */
int trpi_web_session_open(trp_ctx *ctx, const trpi_web_view *op);
void trpi_web_session_do(const trpi_web_view *op);

/* port.c: makes the port of JavaScript's own, outside of any actor. */
int trpi_web_main_create(trp_ctx *ctx);

/* Sends each segment of the batch in trpi_web.in to its port. */
void trpi_web_batch_post(trp_ctx *ctx);

/* Hands the messages that waited in ready ports to JavaScript. */
void trpi_web_ports_flush(void);

#endif
