/* Two engines with a wire between them; see engine_fixture.h. */
#include "engine_fixture.h"

#include "cmocka_all.h"

#include <stdlib.h>

const trpi_times engine_times = {
    .heartbeat_ns = 15 * TRP_NS_PER_S,
    .patience_ns = 45 * TRP_NS_PER_S,
    .handshake_ns = 10 * TRP_NS_PER_S,
};

static int wire_send(void *self, const void *bytes, size_t length) {
    wire *out = &((end *)self)->out;
    if (out->error != 0) {
        return out->error;
    }
    assert_true(length > 0 && length <= TRP_FRAME_MAX);
    if (out->length + length > out->capacity) {
        out->capacity = (out->length + length) * 2;
        out->bytes = realloc(out->bytes, out->capacity);
        assert_non_null(out->bytes);
    }
    memcpy(out->bytes + out->length, bytes, length);
    out->length += length;
    out->sends++;
    return 0;
}

static void wire_close(void *self, int error, const char *why) {
    (void)self;
    (void)error;
    (void)why;
    fail_msg("an engine does not close its transport");
}

void end_init(end *e, fake_host *host, const char *name, uint64_t incarnation, const char *cookie) {
    memset(e, 0, sizeof *e);
    e->host = host;
    trpi_depot_init(&e->depot);
    trpi_pool_init(&e->pool, &host->table, &e->depot);
    memcpy(e->identity.name, name, strlen(name));
    e->identity.incarnation = incarnation;
    e->identity.message_max = 1 << 20;
    if (cookie != NULL) {
        e->identity.cookie = (const uint8_t *)cookie;
        e->identity.cookie_length = (uint32_t)strlen(cookie);
    }
}

static int check_token(void *arg, const void *token, size_t length, uint32_t *rights) {
    end *e = arg;
    assert_true(length <= TRPI_TOKEN_MAX);
    memcpy(e->token, token, length);
    e->token[length] = '\0';
    if (e->token_rights != 0) {
        *rights = e->token_rights;
    }
    return e->check_result;
}

int end_open(end *e, bool is_dialler, trp_auth auth, uint32_t rights, const char *token) {
    trp_transport transport = {sizeof transport, e, wire_send, wire_close};
    trpi_terms terms = {
        .is_dialler = is_dialler,
        .auths = 1u << auth,
        .rights = rights,
        .token = token,
        .token_length = token == NULL ? 0 : strlen(token),
        .arg = e,
        .check_token = check_token,
    };
    return trpi_engine_init(&e->engine, &e->pool, &e->identity, &transport, &engine_times, &terms,
                            fake_now(e->host));
}

void end_deinit(end *e) {
    trpi_engine_deinit(&e->engine);
    trpi_pool_deinit(&e->pool);
    free(e->out.bytes);
}

static void note(end *e, const trpi_event *event) {
    e->is_up = e->is_up || event->kind == TRPI_EVENT_UP;
    e->is_down = e->is_down || event->kind == TRPI_EVENT_DOWN;
    if (e->seen_len < SEEN_MAX) {
        seen *s = &e->seen[e->seen_len];
        *s = (seen){event->kind, event->frame, event->stream, event->length, 0};
        for (size_t i = 0; i < event->length; i++) {
            s->sum = s->sum * 31 + event->bytes[i];
        }
    }
    e->seen_len++;
}

void end_run(end *e) {
    trpi_event event;
    do {
        event = trpi_engine_next(&e->engine);
        if (event.kind != TRPI_EVENT_NONE) {
            note(e, &event);
        } else {
            trpi_engine_flush(&e->engine);
            if (e->engine.phase == TRPI_PHASE_CLOSED && !e->is_down) {
                continue;
            }
            break;
        }
    } while (event.kind != TRPI_EVENT_DOWN);
    trpi_engine_flush(&e->engine);
}

void end_take(end *e, const void *bytes, size_t length) {
    trpi_engine_input(&e->engine, bytes, length, fake_now(e->host));
    end_run(e);
}

bool carry(end *from, end *to, size_t step) {
    wire bytes = from->out;
    memset(&from->out, 0, sizeof from->out);
    for (size_t at = 0; at < bytes.length; at += step) {
        size_t left = bytes.length - at;
        end_take(to, bytes.bytes + at, left < step ? left : step);
    }
    free(bytes.bytes);
    return bytes.length > 0;
}

void carry_all(end *a, end *b, size_t step) {
    end_run(a);
    end_run(b);
    for (int rounds = 0; rounds < 10000; rounds++) {
        bool moved = carry(a, b, step);
        moved = carry(b, a, step) || moved;
        if (!moved) {
            return;
        }
    }
    fail_msg("the two ends never stop talking");
}

int end_send(end *e, unsigned stream, unsigned kind, size_t length, uint8_t first) {
    trp_message *message = trpi_message_alloc(&e->pool, length);
    if (message == NULL) {
        return TRP_ENOMEM;
    }
    for (size_t i = 0; i < length; i++) {
        ((uint8_t *)trpi_body(message))[i] = (uint8_t)(first + i);
    }
    trpi_engine_queue(&e->engine, stream, kind, message);
    return 0;
}

uint32_t sum_of(size_t length, uint8_t first) {
    uint32_t sum = 0;
    for (size_t i = 0; i < length; i++) {
        sum = sum * 31 + (uint8_t)(first + i);
    }
    return sum;
}

const seen *last_seen(const end *e, trpi_event_kind kind) {
    for (uint32_t i = e->seen_len; i > 0; i--) {
        if (i <= SEEN_MAX && e->seen[i - 1].kind == kind) {
            return &e->seen[i - 1];
        }
    }
    return NULL;
}

uint32_t count_seen(const end *e, trpi_event_kind kind) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < e->seen_len && i < SEEN_MAX; i++) {
        count += e->seen[i].kind == kind;
    }
    return count;
}

void pair_init(end *a, end *b, fake_host *host) {
    end_init(a, host, "alpha", 0xa1a1, "a cookie of some length");
    end_init(b, host, "beta", 0xb2b2, "a cookie of some length");
}

void pair_open(end *a, end *b) {
    assert_int_equal(end_open(a, true, TRP_AUTH_COOKIE, TRP_RIGHTS_PEER, NULL), 0);
    assert_int_equal(end_open(b, false, TRP_AUTH_COOKIE, TRP_RIGHTS_PEER, NULL), 0);
}

void pair_connect(end *a, end *b) {
    pair_open(a, b);
    carry_all(a, b, SIZE_MAX / 2);
    assert_true(a->is_up && b->is_up);
}

void pair_deinit(end *a, end *b) {
    end_deinit(a);
    end_deinit(b);
}
