/*
 * From messages to frames. An encoder writes the body of one data frame into a message of untyped
 * bytes, which grows as needed. The first failure is remembered and reported at the end.
 *
 * Pids handed over to a peer that may only use such pids are collected and ride behind the body;
 * the frame's `ref` says how many. The session takes them off when it queues the frame.
 */
#ifndef TRPI_ENCODE_H
#define TRPI_ENCODE_H

#include "node/pids.h"
#include "node/places.h"

typedef struct trpi_encoder {
    trp_ctx *ctx;
    const trpi_way *way;
    trp_message *frame; /* owned; NULL after a failure */
    uint32_t length;
    trp_pid *handed;
    uint32_t handed_len;
    uint32_t handed_capacity;
    int error;
} trpi_encoder;

/* Starts a frame for `way` (borrowed) with room for a body of `hint` bytes besides the envelope. */
void trpi_encoder_init(trpi_encoder *encoder, trp_ctx *ctx, const trpi_way *way, size_t hint);

void trpi_encode_number(trpi_encoder *encoder, uint64_t number, unsigned bytes);
void trpi_encode_bytes(trpi_encoder *encoder, const void *bytes, size_t length);
void trpi_encode_pid(trpi_encoder *encoder, trp_pid pid);

/* An exit reason: kind (1), code (4), text length (1), text. */
void trpi_encode_exit(trpi_encoder *encoder, const trp_exit *reason);

/* Tag (8), hash of the type or 0 (8), then the body: CBOR of the typed, bytes as they are. */
void trpi_encode_payload(trpi_encoder *encoder, const trp_message *message);

/*
 * Ends the frame. Writes it, owned, to `frame`, or returns the first error: TRP_ENOMEM,
 * TRP_ETOOBIG, TRP_EDECODE, TRP_ETYPE.
 */
int trpi_encoder_finish(trpi_encoder *encoder, trp_message **frame);

/* The runtime's `route`: sends a message of any kind to another node. */
int trpi_node_route(trp_ctx *ctx, trp_pid to, trp_message *message);

#endif
