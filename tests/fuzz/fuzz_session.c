/*
 * Arbitrary bytes into a session, in each of its situations: as acceptor and as dialler, a stranger,
 * a guest or a peer, in pieces of any size. The node behind it has actors that answer, so what gets
 * through the frames reaches names, pids, requests and monitors too.
 *
 * First byte of the input: situation (bits 0-1), whether we dial (bit 2), whether our own actors talk
 * to the peer as well (bit 3). Second byte: size of the pieces, 0 for all at once. The rest goes in.
 */
#include "fake_host.h"
#include "node/handshake.h"
#include "troupe/codec.h"
#include "troupe/troupe.h"

#include <stdlib.h>

#define CARD_FIELDS(F)                                                                             \
    F(pid, who, 1)                                                                                 \
    F(u64, number, 2)                                                                              \
    F(string, text, 3)
TRP_TYPE_DECLARE(card, CARD_FIELDS)
TRP_TYPE_DEFINE(card, "fuzz.Card", CARD_FIELDS)

enum { STRANGER, GUEST, PEER, COOKIE };
enum { SITUATION = 3, WE_DIAL = 4, WE_TALK = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct scene {
    trp_session *session;
    size_t sent;
    bool is_closed;
    uint8_t situation;
    bool we_dial;
} scene;

static int on_send(void *self, const void *bytes, size_t length) {
    scene *s = self;
    if (length == 0 || length > TRP_FRAME_MAX || s->is_closed) {
        abort();
    }
    /* Touch every byte: what is sent must be initialised and readable. */
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < length; i++) {
        sum = (uint8_t)(sum + ((const uint8_t *)bytes)[i]);
    }
    s->sent += length;
    return 0;
}

static void on_close(void *self, int error, const char *why) {
    scene *s = self;
    if (s->is_closed || why == NULL || why[0] == '\0' || error > 0) {
        abort();
    }
    s->is_closed = true;
}

static int check_token(void *arg, const void *token, size_t length, uint32_t *rights) {
    (void)arg;
    (void)rights;
    return length == 1 && *(const char *)token == 't' ? 0 : TRP_EAUTH;
}

/* ---- actors ---- */

static void answer(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    const card *c = card_of(message);
    trp_message *mine = trp_message_new(ctx, &card_type);
    if (mine == NULL) {
        return;
    }
    card_of(mine)->who = trp_self(ctx);
    if (trp_message_is_request(message)) {
        (void)trp_reply(ctx, message, mine);
    } else if (c != NULL) {
        (void)trp_send(ctx, c->who, mine);
    } else {
        trp_message_drop(ctx, mine);
    }
}

static const trp_behaviour answering = {TRP_BEHAVIOUR("fuzz.answering"), .handle = answer};

/* Calls, watches and tells somebody of the peer, and swallows what comes back. */
static int talk(trp_ctx *ctx, void *state, const void *arg) {
    trp_pid to;
    trp_ref ref;
    (void)state;
    (void)arg;
    if (trp_remote_name(ctx, "peer", "x", &to) != 0) {
        return TRP_ENOMEM;
    }
    (void)trp_request(ctx, to, trp_message_new_bytes(ctx, "ask", 3), TRP_NS_PER_S, &ref);
    (void)trp_monitor(ctx, to, &ref);
    trp_message *mine = trp_message_new(ctx, &card_type);
    if (mine != NULL) {
        card_of(mine)->who = trp_self(ctx);
    }
    (void)trp_send(ctx, to, mine);
    return 0;
}

static void swallow(trp_ctx *ctx, void *state, trp_message *message) {
    (void)ctx;
    (void)state;
    (void)message;
}

static const trp_behaviour talking = {TRP_BEHAVIOUR("fuzz.talking"), .init = talk,
                                      .handle = swallow};

/* ---- the peer ---- */

static trp_auth auth_of(const scene *s) {
    return s->situation == GUEST  ? TRP_AUTH_TOKEN
           : s->situation == PEER ? TRP_AUTH_INHERITED
                                  : TRP_AUTH_COOKIE;
}

/* What an honest peer says until it is authenticated. */
static size_t introduce(const scene *s, uint8_t *bytes) {
    uint8_t nonce[TRPI_NONCE] = {1};
    char name[TRP_NODE_NAME_MAX + 1] = "peer";
    uint8_t *at = bytes;
    trpi_preamble_write(at);
    at = trpi_put_head(at + TRPI_PREAMBLE, TRPI_HELLO_BODY, TRPI_FRAME_HELLO, 0);
    at = trpi_put(at, s->we_dial ? 2 : 1, 1);
    at = trpi_put(at, auth_of(s), 1);
    at = trpi_put(at, 0, 2);
    at = trpi_put(at, 4096, 4);
    at = trpi_put(at, 77, 8);
    at = trpi_put_bytes(at, nonce, sizeof nonce);
    at = trpi_put_bytes(at, name, sizeof name);
    bool has_token = s->situation == GUEST && !s->we_dial;
    at = trpi_put_head(at, TRPI_PROOF_BODY_MIN + has_token, TRPI_FRAME_PROOF, 0);
    at = trpi_put(at, TRP_RIGHTS_PEER, 4);
    at = trpi_put_bytes(at, nonce, sizeof nonce);
    if (has_token) {
        *at++ = 't';
    }
    at = trpi_put_head(at, 16, TRPI_FRAME_CREDIT, 0);
    at = trpi_put(trpi_put(at, 1000, 8), 100000, 8);
    return (size_t)(at - bytes);
}

static void receive(fake_host *host, scene *s, const uint8_t *bytes, size_t length, size_t step) {
    for (size_t at = 0; at < length && !s->is_closed; at += step) {
        size_t left = length - at;
        trp_session_receive(s->session, bytes + at, left < step ? left : step);
        (void)fake_run(host);
    }
}

static void open_session(fake_host *host, scene *s) {
    static const char cookie[] = "a cookie nobody can guess";
    trp_node_config config = {.size = sizeof config,
                              .name = "target",
                              .cookie = cookie,
                              .cookie_length = sizeof cookie,
                              .message_max = 64 * 1024};
    trp_transport transport = {sizeof transport, s, on_send, on_close};
    trp_session_options options = {
        .size = sizeof options,
        .dialler = s->we_dial,
        .auths = 1u << auth_of(s),
        .token = "t",
        .token_length = 1,
        .rights = s->situation == PEER ? TRP_RIGHTS_PEER : TRP_RIGHTS_GUEST,
        .arg = s,
        .check_token = check_token,
    };
    trp_spawn_options named = {.size = sizeof named, .name = "r"};
    trp_ctx *ctx = fake_root(host);
    if (trp_register_type(host->runtime, &card_type) != 0 ||
        trp_node_start(host->runtime, &config) != 0 || trp_node_expose(host->runtime, "r") != 0 ||
        trp_spawn_opt(ctx, &answering, NULL, &named, NULL, NULL) != 0 ||
        trp_session_open(ctx, &transport, &options, &s->session) != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) {
        return 0;
    }
    scene s = {.situation = data[0] & SITUATION, .we_dial = (data[0] & WE_DIAL) != 0};
    fake_host *host = fake_create(1);
    open_session(host, &s);
    (void)fake_run(host);
    if (s.situation == GUEST || s.situation == PEER) {
        uint8_t bytes[1024];
        receive(host, &s, bytes, introduce(&s, bytes), sizeof bytes);
        if (s.is_closed) {
            abort(); /* an honest peer gets in */
        }
    }
    if ((data[0] & WE_TALK) != 0) {
        (void)trp_spawn(fake_root(host), &talking, NULL, NULL);
        (void)fake_run(host);
    }
    receive(host, &s, data + 2, size - 2, data[1] == 0 ? size : data[1]);
    fake_advance(host, 2 * TRP_NS_PER_S);
    fake_destroy(host);
    if (!s.is_closed) {
        abort();
    }
    return 0;
}
