/*
 * Asking for the sake of another. A small actor of its own asks, and sends what comes of it on. It
 * holds the message for the case that there is no reply from the beginning, so nothing that happens
 * later can keep the receiver waiting: not even out of memory.
 */
#include "actor/actor.h"
#include "actor/request.h"
#include "troupe/error.h"

#include <string.h>

/* What the courier is born with. */
typedef struct errand {
    trp_pid to;
    trp_pid from;
    trp_pid receiver;
    uint64_t tag;
    uint64_t timeout_ns;
    trp_message *message; /* NULL once the courier has it */
} errand;

typedef struct courier {
    trp_pid receiver;
    uint64_t tag;
    trp_message *refusal; /* a trp_outcome; NULL once something was delivered */
} courier;

static int courier_init(trp_ctx *ctx, void *state, const void *arg) {
    courier *self = state;
    errand *what = *(errand *const *)arg;
    trp_message *refusal = trp_message_new(ctx, &trp_outcome_type);
    if (refusal == NULL || !trpi_hold(ctx, refusal)) {
        trp_message_drop(ctx, refusal);
        return TRP_ENOMEM;
    }
    refusal->tag = what->tag;
    ((trp_outcome *)trpi_body(refusal))->target = what->to;
    *self = (courier){what->receiver, what->tag, refusal};
    trp_message *message = what->message;
    trp_ref ref;
    what->message = NULL;
    return trpi_request_for(ctx, what->to, what->from, message, what->timeout_ns, &ref);
}

static void refuse(trp_ctx *ctx, courier *self, int code, const trp_exit *reason) {
    trp_message *refusal = self->refusal;
    trp_outcome *outcome = trpi_body(refusal);
    outcome->code = code == 0 ? TRP_EFAILED : code;
    outcome->reason = *reason;
    self->refusal = NULL;
    if (trp_try_send(ctx, self->receiver, refusal) != 0) {
        /* Who was asked may be a name on another node, which means nothing on a third one. */
        outcome->target = TRP_PID_NONE;
        (void)trp_send(ctx, self->receiver, refusal);
    }
}

/* A reply that cannot get to where the receiver is (it is too long, or carries something) is none. */
static void deliver(trp_ctx *ctx, courier *self, trp_message *reply) {
    if (self->tag != 0) {
        reply->tag = self->tag;
    }
    int error = trp_send(ctx, self->receiver, reply);
    if (error == 0 || error == TRP_ENOPROC) {
        trp_message_drop(ctx, self->refusal);
        self->refusal = NULL;
    } else {
        trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, error, "the reply cannot be sent");
        refuse(ctx, self, error, &reason);
    }
}

static void courier_handle(trp_ctx *ctx, void *state, trp_message *message) {
    courier *self = state;
    if (message->kind == TRPI_REPLY_ERROR) {
        const trp_request_error *error = trpi_body(message);
        refuse(ctx, self, error->code, &error->reason);
        trp_stop_self(ctx);
    } else if (message->kind == TRPI_REPLY) {
        deliver(ctx, self, message);
        trp_stop_self(ctx);
    } /* nobody knows this actor, but a pid can be guessed */
}

/* The runtime stops: nobody will be asked any more. */
static void courier_terminate(trp_ctx *ctx, void *state, const trp_exit *reason) {
    courier *self = state;
    if (self->refusal != NULL) {
        refuse(ctx, self, TRP_ECANCELED, reason);
    }
}

static const trp_behaviour courier_behaviour = {
    TRP_BEHAVIOUR("troupe.courier"), .state_size = sizeof(courier),  .init = courier_init,
    .handle = courier_handle,        .terminate = courier_terminate,
};

int trp_request_forward(trp_ctx *ctx, trp_pid to, trp_message *message, uint64_t timeout_ns,
                        trp_pid receiver, uint64_t tag) {
    if (message != NULL && message == ctx->frame.message) {
        message = trpi_take(ctx, message, false);
    }
    if (message == NULL) {
        return TRP_ENOMEM;
    }
    if (trpi_is_open_request(message)) {
        trp_message_drop(ctx, message); /* which answers it */
        return TRP_ESTATE;
    }
    trpi_unhold(ctx, message);
    errand what = {to, trp_self(ctx), receiver, tag, timeout_ns, message};
    errand *arg = &what;
    int error = trp_spawn(ctx, &courier_behaviour, &arg, NULL);
    trp_message_drop(ctx, what.message);
    return error;
}
