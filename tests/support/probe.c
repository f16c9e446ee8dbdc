/*
 * The probe actor. Its state is one pointer, to the probe of the test.
 */
#include "probe.h"

#include "cmocka_all.h"

/* Tag of the messages that carry a call; no test uses so large a tag. */
#define DO_TAG UINT64_C(0xd0d0d0d0d0d0d0d0)

typedef struct ask {
    probe_call *call;
    void *arg;
} ask;

static int probe_init(trp_ctx *ctx, void *state, const void *arg) {
    probe *self;
    memcpy(&self, arg, sizeof self);
    memcpy(state, &self, sizeof self);
    self->pid = trp_self(ctx);
    self->inits++;
    if (self->on_init != NULL) {
        self->on_init(ctx, self);
    }
    return self->init_result;
}

static void write_down(trp_ctx *ctx, probe *self, trp_message *message) {
    if (self->events_len++ >= PROBE_EVENTS) {
        return;
    }
    probe_event *event = &self->events[self->events_len - 1];
    event->type = trp_message_type(message);
    event->tag = trp_message_tag(message);
    event->ref = trp_message_ref(message);
    event->from = trp_message_from(ctx, message);
    event->is_request = trp_message_is_request(message);
    event->at_ns = trp_now_ns(ctx);
    const void *body = trp_message_body(message);
    if (event->type == NULL) {
        event->value = probe_value_of(message);
    } else if (event->type == &trp_down_type) {
        memcpy(&event->body.down, body, sizeof event->body.down);
    } else if (event->type == &trp_timeout_type) {
        memcpy(&event->body.timeout, body, sizeof event->body.timeout);
    } else if (event->type == &trp_request_error_type) {
        memcpy(&event->body.error, body, sizeof event->body.error);
    }
}

static void probe_handle(trp_ctx *ctx, void *state, trp_message *message) {
    probe *self;
    memcpy(&self, state, sizeof self);
    if (trp_message_tag(message) == DO_TAG) {
        ask what;
        memcpy(&what, trp_message_body(message), sizeof what);
        what.call(ctx, self, what.arg);
        return;
    }
    write_down(ctx, self, message);
    if (self->on_message != NULL) {
        self->on_message(ctx, self, message);
    }
}

static void probe_terminate(trp_ctx *ctx, void *state, const trp_exit *reason) {
    probe *self;
    memcpy(&self, state, sizeof self);
    self->terminates++;
    self->reason = *reason;
    if (self->on_terminate != NULL) {
        self->on_terminate(ctx, self, reason);
    }
}

static void on_dead_letter(void *arg, trp_ctx *ctx, trp_pid to, const trp_message *message,
                           int error) {
    (void)ctx;
    probe_letters *letters = arg;
    letters->count++;
    letters->to = to;
    letters->error = error;
    letters->tag = trp_message_tag(message);
}

void probe_watch_letters(fake_host *fake, probe_letters *letters) {
    memset(letters, 0, sizeof *letters);
    trp_runtime_on_dead_letter(fake->runtime, on_dead_letter, letters);
}

const trp_behaviour probe_behaviour = {
    TRP_BEHAVIOUR("test.probe"), .state_size = sizeof(probe *), .init = probe_init,
    .handle = probe_handle,      .terminate = probe_terminate,
};

void probe_spawn(fake_host *fake, probe *self) {
    assert_int_equal(trp_spawn(fake_root(fake), &probe_behaviour, &self, &self->pid), 0);
}

int probe_ask(trp_ctx *ctx, trp_pid to, probe_call *call, void *arg) {
    ask what = {call, arg};
    trp_message *message = trp_message_new_bytes(ctx, &what, sizeof what);
    if (message != NULL) {
        trp_message_set_tag(message, DO_TAG);
    }
    return trp_send(ctx, to, message);
}

void probe_do(fake_host *fake, probe *self, probe_call *call, void *arg) {
    assert_int_equal(probe_ask(fake_root(fake), self->pid, call, arg), 0);
    fake_run(fake);
}

trp_message *probe_value(trp_ctx *ctx, uint64_t value) {
    trp_message *message = trp_message_new_bytes(ctx, &value, sizeof value);
    if (message != NULL) {
        trp_message_set_tag(message, value);
    }
    return message;
}

int probe_send(trp_ctx *ctx, trp_pid to, uint64_t value) {
    return trp_send(ctx, to, probe_value(ctx, value));
}

uint64_t probe_value_of(trp_message *message) {
    uint64_t value = 0;
    size_t length = trp_message_length(message);
    memcpy(&value, trp_message_body(message), length < sizeof value ? length : sizeof value);
    return value;
}

void probe_clear(probe *self) {
    self->events_len = 0;
    memset(self->events, 0, sizeof self->events);
}

void probe_reply_next(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)self;
    if (trp_message_is_request(message)) {
        trp_reply(ctx, message, probe_value(ctx, probe_value_of(message) + 1));
    }
}

void probe_call_stop(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    (void)arg;
    trp_stop_self(ctx);
}

void probe_call_fail(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    (void)arg;
    trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, 7, "on purpose");
    trp_fail(ctx, &reason);
}
