#include "asker.h"

#include "cmocka_all.h"

static asker_request *find(asker *self, trp_ref ref) {
    for (uint32_t i = 0; i < self->requests_len; i++) {
        if (self->requests[i].ref == ref) {
            return &self->requests[i];
        }
    }
    return NULL;
}

static void on_message(trp_ctx *ctx, probe *of, trp_message *message) {
    asker *self = (asker *)(void *)of;
    asker_request *request = find(self, trp_message_ref(message));
    if (request == NULL || trp_message_is_request(message)) {
        return;
    }
    const trp_request_error *error = trp_message_as(message, &trp_request_error_type);
    request->ends++;
    request->at_ns = trp_now_ns(ctx);
    request->order = self->ended++;
    if (error != NULL) {
        request->error = error->code;
        memcpy(request->text, error->reason.text, sizeof request->text);
    } else if (trp_message_length(message) >= sizeof request->value) {
        memcpy(&request->value, trp_message_body(message), sizeof request->value);
    }
}

void asker_spawn(fake_host *fake, asker *self) {
    memset(self, 0, sizeof *self);
    self->probe.on_message = on_message;
    probe_spawn(fake, &self->probe);
}

typedef struct wish {
    trp_pid to;
    const trp_type *type;
    const void *body;
    uint64_t timeout_ns;
} wish;

static void make_request(trp_ctx *ctx, probe *of, void *arg) {
    asker *self = (asker *)(void *)of;
    const wish *what = arg;
    assert_in_range(self->requests_len, 0, ASKER_MAX - 1);
    trp_message *message = what->body == NULL ? trp_message_new(ctx, what->type)
                                              : trp_message_new_with(ctx, what->type, what->body);
    trp_ref *ref = &self->requests[self->requests_len++].ref;
    assert_int_equal(trp_request(ctx, what->to, message, what->timeout_ns, ref), 0);
}

uint32_t asker_ask(fake_host *fake, asker *self, trp_pid to, const trp_type *type, const void *body,
                   uint64_t timeout_ns) {
    wish what = {to, type, body, timeout_ns};
    probe_do(fake, &self->probe, make_request, &what);
    return self->requests_len - 1;
}
