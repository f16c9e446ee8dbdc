/*
 * The handshake: who is there, and the proof of it. A pure state machine over two messages each way
 * (HELLO and PROOF, fixed and small), used by the engine, which does the framing.
 *
 *     dialler                                     acceptor
 *     preamble, HELLO(name, nonce, auth)   --->
 *                                          <---   preamble, HELLO(name, nonce)
 *     PROOF(rights, mac or token)          --->   checks it
 *     checks it                            <---   PROOF(rights, mac)
 *
 * With a cookie both macs are HMAC-SHA-256 over the whole transcript so far, each behind the label
 * of its maker's role: names, incarnations, roles, versions, nonces and rights are all under it, so
 * nothing of it can be changed, reflected or replayed. The dialler proves first, because whoever
 * proves first gives a stranger something to search the cookie with, and it is easier to dial than
 * to be dialled.
 */
#ifndef TRPI_HANDSHAKE_H
#define TRPI_HANDSHAKE_H

#include "node/frame.h"
#include "troupe/host.h"

enum {
    TRPI_NONCE = 32,
    TRPI_MAC = 32,
    TRPI_TOKEN_MAX = 512,
    TRPI_HELLO_BODY = 1 + 1 + 2 + 4 + 8 + TRPI_NONCE + TRP_NODE_NAME_MAX + 1,
    TRPI_HELLO = TRPI_FRAME_HEAD + TRPI_HELLO_BODY,
    TRPI_PROOF_BODY_MIN = 4 + TRPI_MAC,
    TRPI_PROOF_BODY_MAX = TRPI_PROOF_BODY_MIN + TRPI_TOKEN_MAX,
    /* The transcript, in order; each part is appended when it is made or received. */
    TRPI_LABEL = 16,
    TRPI_AT_DIALLER = TRPI_LABEL,
    TRPI_AT_ACCEPTOR = TRPI_AT_DIALLER + TRPI_PREAMBLE + TRPI_HELLO,
    TRPI_AT_DIALLER_RIGHTS = TRPI_AT_ACCEPTOR + TRPI_PREAMBLE + TRPI_HELLO,
    TRPI_AT_DIALLER_MAC = TRPI_AT_DIALLER_RIGHTS + 4,
    TRPI_AT_ACCEPTOR_RIGHTS = TRPI_AT_DIALLER_MAC + TRPI_MAC,
    TRPI_TRANSCRIPT = TRPI_AT_ACCEPTOR_RIGHTS + 4
};

/* What a node says of itself, the same in all its sessions. */
typedef struct trpi_identity {
    char name[TRP_NODE_NAME_MAX + 1]; /* padded with zeros */
    uint64_t incarnation;             /* random, of this runtime */
    uint32_t message_max;             /* largest message it accepts */
    uint32_t cookie_length;           /* 0: no cookie */
    const uint8_t *cookie;
} trpi_identity;

/* What is learned of the other side. */
typedef struct trpi_peer {
    char name[TRP_NODE_NAME_MAX + 1];
    uint64_t incarnation;
    uint32_t message_max;
    uint32_t granted; /* what we may do there */
    uint32_t rights;  /* what it may do here */
    trp_auth auth;
} trpi_peer;

/* How this side wants to authenticate; from trp_session_options. */
typedef struct trpi_terms {
    bool is_dialler;
    uint32_t auths;
    uint32_t rights;
    const void *token; /* borrowed, copied at the start */
    size_t token_length;
    void *arg;
    int (*check_token)(void *arg, const void *token, size_t length, uint32_t *rights);
} trpi_terms;

typedef struct trpi_handshake {
    const trp_host *host;
    const trpi_identity *self;
    trpi_terms terms;
    uint8_t transcript[TRPI_TRANSCRIPT];
    uint8_t token[TRPI_TOKEN_MAX];
    uint8_t out[TRPI_FRAME_HEAD + TRPI_PROOF_BODY_MAX]; /* what is to be sent next */
    uint32_t out_length;
    uint8_t hellos;  /* HELLOs that came */
    bool has_spoken; /* our preamble is out or on its way out */
} trpi_handshake;

/* Why a step failed: a TRP_E* and a text for the log and the peer. */
typedef struct trpi_fault {
    int error; /* 0: no fault */
    const char *why;
} trpi_fault;

/* True if `name` is 1 to TRP_NODE_NAME_MAX printable ASCII characters without blanks. */
bool trpi_node_name_is_valid(const char *name, size_t length);

/* Begins: copies the terms; a dialler's preamble and HELLO are put into `out`. */
trpi_fault trpi_handshake_start(trpi_handshake *handshake, const trp_host *host,
                                const trpi_identity *self, const trpi_terms *terms);

/*
 * The first bytes have come, up to TRPI_PREAMBLE; faults as early as they tell. A complete one is
 * recorded.
 */
trpi_fault trpi_handshake_preamble(trpi_handshake *handshake, const uint8_t *bytes, size_t length);

/* A HELLO has come. Fills `peer` as far as it is known, and `out` with our answer. */
trpi_fault trpi_handshake_hello(trpi_handshake *handshake, const uint8_t *body, size_t length,
                                trpi_peer *peer);

/*
 * A PROOF has come. Without fault the peer is authenticated; the acceptor's own proof is then in
 * `out`.
 */
trpi_fault trpi_handshake_proof(trpi_handshake *handshake, const uint8_t *body, size_t length,
                                trpi_peer *peer);

/* Writes our preamble to `at`. */
void trpi_preamble_write(uint8_t *at);

#endif
