/*
 * A node for tests. See peer.h.
 */
#include "peer.h"
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DEADLINE_S 20
#define REQUEST_NS (15 * TRP_NS_PER_S)
#define GRACE_NS (2 * TRP_NS_PER_S)

struct peer_question {
    peer *asker;
    trp_pid to;
    char node[64];
    char name[64];
    char text[PEER_ANSWER];
    peer_answer answer;
    bool done;
};

static struct timespec deadline(void) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += DEADLINE_S;
    return until;
}

/* ---- events ---- */

static void keep_event(void *arg, const trp_session_event *event) {
    peer *self = arg;
    pthread_mutex_lock(&self->lock);
    if (self->events_len < PEER_EVENTS) {
        peer_event *kept = &self->events[self->events_len++];
        kept->state = event->state;
        kept->error = event->error;
        kept->retry_ns = event->retry_ns;
        snprintf(kept->node, sizeof kept->node, "%s", event->node);
        snprintf(kept->why, sizeof kept->why, "%s", event->why != NULL ? event->why : "");
    }
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

peer_event peer_wait(peer *self, trp_session_state state) {
    struct timespec until = deadline();
    peer_event found = {.state = 0};
    int timed_out = 0;
    pthread_mutex_lock(&self->lock);
    while (found.state != state && timed_out == 0) {
        if (self->events_seen < self->events_len) {
            found = self->events[self->events_seen++];
        } else {
            timed_out = pthread_cond_timedwait(&self->changed, &self->lock, &until);
        }
    }
    pthread_mutex_unlock(&self->lock);
    assert_int_equal(timed_out, 0);
    return found;
}

unsigned peer_count(peer *self, trp_session_state state) {
    unsigned count = 0;
    pthread_mutex_lock(&self->lock);
    for (unsigned i = 0; i < self->events_len; i++) {
        count += self->events[i].state == state;
    }
    pthread_mutex_unlock(&self->lock);
    return count;
}

/* ---- life ---- */

void peer_create(peer *self, const char *name, const char *cookie, unsigned schedulers,
                 const trp_node_config *given) {
    memset(self, 0, sizeof *self);
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    const trp_native_config config = {
        .size = sizeof config,
        .schedulers = schedulers,
        .log_format = TRP_LOG_FORMAT_NONE,
    };
    trp_node_config node = {.size = sizeof node};
    if (given != NULL) {
        node = *given;
    }
    node.name = name;
    node.cookie = cookie;
    node.cookie_length = cookie != NULL ? strlen(cookie) : 0;
    assert_int_equal(trp_native_create(&config, &self->native), TRP_OK);
    assert_int_equal(trp_node_start(trp_native_runtime(self->native), &node), TRP_OK);
}

void peer_start(peer *self) {
    assert_int_equal(trp_native_start(self->native), TRP_OK);
}

void peer_stop_and_destroy(peer *self) {
    trp_native_stop(self->native, GRACE_NS);
    assert_int_equal(trp_native_join(self->native), TRP_OK);
    trp_native_destroy(self->native);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
}

uint16_t peer_listen(peer *self, uint16_t port, const trp_tcp_listen_options *given) {
    char address[32];
    trp_tcp_listener *listener = NULL;
    trp_tcp_listen_options options = {.size = sizeof options};
    if (given != NULL) {
        options = *given;
    }
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    options.address = address;
    options.on_event = keep_event;
    options.arg = self;
    assert_int_equal(trp_tcp_listen(self->native, &options, &listener), TRP_OK);
    return trp_tcp_listener_port(listener);
}

trp_tcp_dialler *peer_dial(peer *self, uint16_t port, const trp_tcp_dial_options *given) {
    char address[40];
    trp_tcp_dialler *dialler = NULL;
    trp_tcp_dial_options options = {.size = sizeof options};
    if (given != NULL) {
        options = *given;
    }
    snprintf(address, sizeof address, "tcp://127.0.0.1:%u", port);
    options.address = address;
    options.on_event = keep_event;
    options.arg = self;
    assert_int_equal(trp_tcp_dial(self->native, &options, &dialler), TRP_OK);
    return dialler;
}

/* ---- the actor that answers ---- */

static void upper_handle(trp_ctx *ctx, void *state, trp_message *message) {
    trp_message **kept = state;
    const char *text = trp_message_body(message);
    size_t length = trp_message_length(message);
    if (!trp_message_is_request(message)) {
        return;
    }
    if (length > 0 && text[0] == '?') {
        *kept = trp_message_take(ctx, message); /* whoever asked waits until we end */
        return;
    }
    trp_message *reply = trp_message_new_bytes(ctx, text, length);
    char *bytes = reply != NULL ? trp_message_body(reply) : NULL;
    for (size_t i = 0; bytes != NULL && i < length; i++) {
        bytes[i] = (char)(bytes[i] >= 'a' && bytes[i] <= 'z' ? bytes[i] - 'a' + 'A' : bytes[i]);
    }
    trp_reply(ctx, message, reply);
}

static const trp_behaviour upper_behaviour = {
    TRP_BEHAVIOUR("upper"),
    .state_size = sizeof(trp_message *),
    .handle = upper_handle,
};

static int spawn_upper(trp_ctx *ctx, void *arg) {
    const trp_spawn_options options = {.size = sizeof options, .name = "upper"};
    (void)arg;
    return trp_spawn_opt(ctx, &upper_behaviour, NULL, &options, NULL, NULL);
}

void peer_spawn_upper(peer *self) {
    unsigned last = trp_native_schedulers(self->native) - 1;
    assert_int_equal(trp_native_call_wait(self->native, last, spawn_upper, NULL), TRP_OK);
}

/* ---- the actor that asks ---- */

static void finish(peer_question *question, int error, const char *text, size_t length) {
    peer *self = question->asker;
    pthread_mutex_lock(&self->lock);
    question->answer.error = error;
    snprintf(question->answer.text, sizeof question->answer.text, "%.*s", (int)length, text);
    question->done = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static int asker_init(trp_ctx *ctx, void *state, const void *arg) {
    peer_question *question;
    trp_ref ref;
    memcpy(state, arg, sizeof question);
    memcpy(&question, arg, sizeof question);
    trp_message *message = trp_message_new_bytes(ctx, question->text, strlen(question->text));
    return trp_request(ctx, question->to, message, REQUEST_NS, &ref);
}

static void asker_handle(trp_ctx *ctx, void *state, trp_message *message) {
    peer_question *question;
    memcpy(&question, state, sizeof question);
    if (trp_message_is(message, &trp_request_error_type)) {
        const trp_request_error *error = trp_message_body(message);
        finish(question, error->code, error->reason.text, strlen(error->reason.text));
    } else {
        finish(question, TRP_OK, trp_message_body(message), trp_message_length(message));
    }
    trp_stop_self(ctx);
}

static const trp_behaviour asker_behaviour = {
    TRP_BEHAVIOUR("asker"),
    .state_size = sizeof(peer_question *),
    .init = asker_init,
    .handle = asker_handle,
};

static int spawn_asker(trp_ctx *ctx, void *arg) {
    peer_question *question = arg;
    int error = trp_remote_name(ctx, question->node, question->name, &question->to);
    return error == TRP_OK ? trp_spawn(ctx, &asker_behaviour, &question, NULL) : error;
}

peer_question *peer_ask_begin(peer *self, const char *node, const char *name, const char *text) {
    peer_question *question = calloc(1, sizeof *question);
    assert_non_null(question);
    question->asker = self;
    snprintf(question->node, sizeof question->node, "%s", node);
    snprintf(question->name, sizeof question->name, "%s", name);
    snprintf(question->text, sizeof question->text, "%s", text);
    assert_int_equal(trp_native_call_wait(self->native, 0, spawn_asker, question), TRP_OK);
    return question;
}

peer_answer peer_ask_end(peer_question *question) {
    struct timespec until = deadline();
    peer *self = question->asker;
    int timed_out = 0;
    pthread_mutex_lock(&self->lock);
    while (!question->done && timed_out == 0) {
        timed_out = pthread_cond_timedwait(&self->changed, &self->lock, &until);
    }
    peer_answer answer = question->answer;
    pthread_mutex_unlock(&self->lock);
    assert_int_equal(timed_out, 0);
    free(question);
    return answer;
}

peer_answer peer_ask(peer *self, const char *node, const char *name, const char *text) {
    return peer_ask_end(peer_ask_begin(self, node, name, text));
}
