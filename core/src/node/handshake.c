/* The handshake; its design is told in handshake.h. */
#include "node/handshake.h"

#include "troupe/error.h"

static const uint8_t MAGIC[6] = {'T', 'R', 'O', 'U', 'P', 'E'};
static const char LABELS[2][TRPI_LABEL] = {"troupe acceptor", "troupe dialler"};
static const trpi_fault NO_FAULT = {0, NULL};

static trpi_fault fault(int error, const char *why) {
    return (trpi_fault){error, why};
}

bool trpi_node_name_is_valid(const char *name, size_t length) {
    if (length == 0 || length > TRP_NODE_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (name[i] <= ' ' || name[i] > '~') {
            return false;
        }
    }
    return true;
}

void trpi_preamble_write(uint8_t *at) {
    at = trpi_put_bytes(at, MAGIC, sizeof MAGIC);
    at[0] = TRPI_VERSION_MIN;
    at[1] = TRPI_VERSION_MAX;
}

/* Where the preamble and HELLO of one side stand in the transcript. */
static uint8_t *part_of(trpi_handshake *handshake, bool is_dialler) {
    return handshake->transcript + (is_dialler ? TRPI_AT_DIALLER : TRPI_AT_ACCEPTOR);
}

/* Makes our preamble and HELLO, in the transcript and in `out`. */
static trpi_fault say_hello(trpi_handshake *handshake, trp_auth auth) {
    const trpi_identity *self = handshake->self;
    uint8_t *start = part_of(handshake, handshake->terms.is_dialler);
    uint8_t nonce[TRPI_NONCE];
    int error = handshake->host->entropy(handshake->host->self, nonce, sizeof nonce);
    if (error != 0) {
        return fault(error, "the host has no entropy for a nonce");
    }
    trpi_preamble_write(start);
    uint8_t *at = trpi_put_head(start + TRPI_PREAMBLE, TRPI_HELLO_BODY, TRPI_FRAME_HELLO, 0);
    at = trpi_put(at, handshake->terms.is_dialler ? 1 : 2, 1);
    at = trpi_put(at, auth, 1);
    at = trpi_put(at, 0, 2);
    at = trpi_put(at, self->message_max, 4);
    at = trpi_put(at, self->incarnation, 8);
    at = trpi_put_bytes(at, nonce, sizeof nonce);
    (void)trpi_put_bytes(at, self->name, sizeof self->name);
    handshake->out_length = TRPI_PREAMBLE + TRPI_HELLO;
    memcpy(handshake->out, start, handshake->out_length);
    handshake->has_spoken = true;
    return NO_FAULT;
}

/*
 * The mac by which one role proves that it knows the cookie; the transcript must be complete up to
 * there.
 */
static trpi_fault make_mac(trpi_handshake *handshake, bool of_dialler, uint8_t mac[TRPI_MAC]) {
    const trpi_identity *self = handshake->self;
    size_t length = of_dialler ? TRPI_AT_DIALLER_MAC : TRPI_TRANSCRIPT;
    memcpy(handshake->transcript, LABELS[of_dialler], TRPI_LABEL);
    int error =
        handshake->host->hmac_sha256(handshake->host->self, self->cookie, self->cookie_length,
                                     handshake->transcript, length, mac);
    return error == 0 ? NO_FAULT : fault(error, "the host cannot compute a mac");
}

/* Makes our PROOF in `out`. */
static trpi_fault say_proof(trpi_handshake *handshake, trp_auth auth, uint32_t rights) {
    const trpi_terms *terms = &handshake->terms;
    size_t token = terms->is_dialler ? terms->token_length : 0;
    uint8_t mac[TRPI_MAC] = {0};
    (void)trpi_put(handshake->transcript +
                       (terms->is_dialler ? TRPI_AT_DIALLER_RIGHTS : TRPI_AT_ACCEPTOR_RIGHTS),
                   rights, 4);
    if (auth == TRP_AUTH_COOKIE) {
        trpi_fault bad = make_mac(handshake, terms->is_dialler, mac);
        if (bad.error != 0) {
            return bad;
        }
    }
    if (terms->is_dialler) {
        memcpy(handshake->transcript + TRPI_AT_DIALLER_MAC, mac, TRPI_MAC);
    }
    uint8_t *at = trpi_put_head(handshake->out, TRPI_PROOF_BODY_MIN + token, TRPI_FRAME_PROOF, 0);
    at = trpi_put(at, rights, 4);
    at = trpi_put_bytes(at, mac, TRPI_MAC);
    at = trpi_put_bytes(at, handshake->token, token);
    handshake->out_length = (uint32_t)(at - handshake->out);
    return NO_FAULT;
}

trpi_fault trpi_handshake_start(trpi_handshake *handshake, const trp_host *host,
                                const trpi_identity *self, const trpi_terms *terms) {
    memset(handshake, 0, sizeof *handshake);
    handshake->host = host;
    handshake->self = self;
    handshake->terms = *terms;
    if (!terms->is_dialler) {
        return NO_FAULT;
    }
    if (terms->token_length > 0) {
        memcpy(handshake->token, terms->token, terms->token_length);
    }
    trp_auth auth = TRP_AUTH_COOKIE;
    while (terms->auths != 1u << auth) {
        auth++;
    }
    return say_hello(handshake, auth);
}

trpi_fault trpi_handshake_preamble(trpi_handshake *handshake, const uint8_t *bytes, size_t length) {
    size_t magic = length < sizeof MAGIC ? length : sizeof MAGIC;
    if (memcmp(bytes, MAGIC, magic) != 0) {
        return fault(TRP_EPROTO, "this is not a Troupe connection");
    }
    if (length < TRPI_PREAMBLE) {
        return NO_FAULT;
    }
    if (bytes[6] > TRPI_VERSION_MAX || bytes[7] < TRPI_VERSION_MIN || bytes[6] > bytes[7]) {
        return fault(TRP_EVERSION, "no common protocol version");
    }
    memcpy(part_of(handshake, !handshake->terms.is_dialler), bytes, TRPI_PREAMBLE);
    return NO_FAULT;
}

/* Takes a HELLO apart. */
static trpi_fault read_hello(trpi_handshake *handshake, const uint8_t *body, trpi_peer *peer) {
    trpi_reader reader = {body, body + TRPI_HELLO_BODY, false};
    uint64_t role = trpi_get(&reader, 1);
    uint64_t auth = trpi_get(&reader, 1);
    (void)trpi_get(&reader, 2);
    uint32_t message_max = trpi_get_u32(&reader);
    uint64_t incarnation = trpi_get(&reader, 8);
    (void)trpi_get_bytes(&reader, TRPI_NONCE);
    const char *name = (const char *)trpi_get_bytes(&reader, TRP_NODE_NAME_MAX + 1);
    size_t length = 0;
    while (length <= TRP_NODE_NAME_MAX && name[length] != '\0') {
        length++;
    }
    if (role != (handshake->terms.is_dialler ? 2 : 1)) {
        return fault(TRP_EPROTO, "both sides claim the same role");
    }
    if (!trpi_node_name_is_valid(name, length) || incarnation == 0) {
        return fault(TRP_EPROTO, "malformed hello");
    }
    if (memcmp(name, handshake->self->name, length + 1) == 0) {
        return incarnation == handshake->self->incarnation
                   ? fault(TRP_ESELF, "a node cannot connect to itself")
                   : fault(TRP_EEXIST, "both nodes have the same name");
    }
    if (auth < TRP_AUTH_COOKIE || auth > TRP_AUTH_INHERITED ||
        (handshake->terms.auths & 1u << auth) == 0) {
        return fault(TRP_EAUTH, "this way to authenticate is not accepted here");
    }
    memset(peer->name, 0, sizeof peer->name);
    memcpy(peer->name, name, length);
    peer->incarnation = incarnation;
    peer->message_max = message_max;
    peer->auth = (trp_auth)auth;
    return NO_FAULT;
}

trpi_fault trpi_handshake_hello(trpi_handshake *handshake, const uint8_t *body, size_t length,
                                trpi_peer *peer) {
    if (length != TRPI_HELLO_BODY || handshake->hellos != 0) {
        return fault(TRP_EPROTO, "malformed hello");
    }
    handshake->hellos = 1;
    uint8_t *part = part_of(handshake, !handshake->terms.is_dialler) + TRPI_PREAMBLE;
    (void)trpi_put_bytes(trpi_put_head(part, length, TRPI_FRAME_HELLO, 0), body, length);
    trpi_fault bad = read_hello(handshake, body, peer);
    if (bad.error != 0) {
        return bad;
    }
    return handshake->terms.is_dialler ? say_proof(handshake, peer->auth, handshake->terms.rights)
                                       : say_hello(handshake, peer->auth);
}

/* Compares in a time that does not depend on where the two differ. */
static bool macs_are_equal(const uint8_t *a, const uint8_t *b) {
    unsigned difference = 0;
    for (size_t i = 0; i < TRPI_MAC; i++) {
        difference |= (unsigned)(a[i] ^ b[i]);
    }
    return difference == 0;
}

/* Checks what the peer proves with, and says in `rights` what it may do here. */
static trpi_fault check_proof(trpi_handshake *handshake, const uint8_t *body, size_t length,
                              trp_auth auth, uint32_t *rights) {
    const trpi_terms *terms = &handshake->terms;
    const uint8_t *token = body + TRPI_PROOF_BODY_MIN;
    size_t token_length = length - TRPI_PROOF_BODY_MIN;
    *rights = terms->rights;
    if (token_length > 0 && (terms->is_dialler || auth != TRP_AUTH_TOKEN)) {
        return fault(TRP_EPROTO, "malformed proof");
    }
    if (auth == TRP_AUTH_COOKIE) {
        uint8_t mac[TRPI_MAC];
        trpi_fault bad = make_mac(handshake, !terms->is_dialler, mac);
        if (bad.error == 0 && !macs_are_equal(mac, body + 4)) {
            bad = fault(TRP_EAUTH, "the cookies of the two nodes differ");
        }
        return bad;
    }
    if (auth == TRP_AUTH_TOKEN && !terms->is_dialler) {
        if (terms->check_token(terms->arg, token, token_length, rights) != 0) {
            return fault(TRP_EAUTH, "the token is not accepted");
        }
        *rights &= terms->rights;
    }
    return NO_FAULT;
}

trpi_fault trpi_handshake_proof(trpi_handshake *handshake, const uint8_t *body, size_t length,
                                trpi_peer *peer) {
    bool is_dialler = handshake->terms.is_dialler;
    if (handshake->hellos == 0 || length < TRPI_PROOF_BODY_MIN || length > TRPI_PROOF_BODY_MAX) {
        return fault(TRP_EPROTO, "malformed proof");
    }
    memcpy(handshake->transcript + (is_dialler ? TRPI_AT_ACCEPTOR_RIGHTS : TRPI_AT_DIALLER_RIGHTS),
           body, 4);
    if (!is_dialler) {
        memcpy(handshake->transcript + TRPI_AT_DIALLER_MAC, body + 4, TRPI_MAC);
    }
    trpi_fault bad = check_proof(handshake, body, length, peer->auth, &peer->rights);
    if (bad.error != 0) {
        return bad;
    }
    trpi_reader reader = {body, body + 4, false};
    peer->granted = trpi_get_u32(&reader);
    return is_dialler ? NO_FAULT : say_proof(handshake, peer->auth, peer->rights);
}
