/*
 * The echo service. The relay keeps no request: it spawns a monitored worker, passes the caller's
 * request on to it and is free for the next one. The worker answers the caller directly. Whatever
 * goes wrong on the way ends the request with an error: the relay reports a worker that cannot be
 * spawned, the runtime one that fails.
 */
#include "echo.h"

#include "troupe/message.h"
#include "troupe/monitor.h"
#include "troupe/name.h"
#include "troupe/request.h"
#include "troupe/timer.h"

#include <string.h>

#define WORKER_DELAY_NS (100 * TRP_NS_PER_MS)
#define LOG_INTERVAL_NS (5 * TRP_NS_PER_S)

TRP_TYPE_DEFINE(echo_request, "demo.EchoRequest", ECHO_REQUEST_FIELDS)
TRP_TYPE_DEFINE(echo_reply, "demo.EchoReply", ECHO_REPLY_FIELDS)
TRP_TYPE_DEFINE_EMPTY(relay_query, "demo.RelayQuery")
TRP_TYPE_DEFINE(relay_stats, "demo.RelayStats", RELAY_STATS_FIELDS)

/* A worker waits, answers one request and ends. */

typedef struct worker {
    trp_message *request; /* owned; NULL until it has come */
} worker;

/* ASCII letters only: every other byte of UTF-8 text is 0x80 or above and stays as it is. */
static void upper_case(char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (text[i] >= 'a' && text[i] <= 'z') {
            text[i] = (char)(text[i] - 'a' + 'A');
        }
    }
}

static int worker_answer(trp_ctx *ctx, trp_message *request) {
    const trp_slice *asked = &echo_request_of(request)->text;
    char *text = trp_alloc(ctx, asked->length + 1u); /* freed with the worker */
    if (text == NULL) {
        return TRP_ENOMEM;
    }
    memcpy(text, trp_slice_data(asked), asked->length);
    upper_case(text, asked->length);

    trp_builder builder;
    trp_message *message;
    trp_builder_init(&builder, ctx, &echo_reply_type, asked->length + 1u);
    trp_builder_set_field(&builder, echo_reply, text, text, asked->length);
    trp_set(&builder, echo_reply, worker, trp_self(ctx));
    int error = trp_builder_finish(&builder, &message);
    return error != TRP_OK ? error : trp_reply(ctx, request, message);
}

/* The timer starts before the request has come, so that the worker ends in any case. */
static int worker_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)state;
    (void)arg;
    return trp_timer(ctx, WORKER_DELAY_NS, 0, NULL);
}

static void worker_handle(trp_ctx *ctx, void *state, trp_message *message) {
    worker *self = state;
    if (trp_message_is(message, &echo_request_type) && self->request == NULL) {
        self->request = trp_message_take(ctx, message);
    } else if (trp_message_is(message, &trp_timeout_type)) {
        int error = self->request == NULL ? TRP_OK : worker_answer(ctx, self->request);
        if (error != TRP_OK) {
            /* The runtime then ends the request that this worker still holds. */
            trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, error, trp_error_text(error));
            trp_fail(ctx, &reason);
            return;
        }
        trp_message_drop(ctx, self->request);
        trp_stop_self(ctx);
    }
}

static const trp_behaviour echo_worker = {
    TRP_BEHAVIOUR("echo_worker"),
    .state_size = sizeof(worker),
    .init = worker_init,
    .handle = worker_handle,
};

/* The relay's whole state is its counters. */
static void relay_delegate(trp_ctx *ctx, relay_stats *counts, trp_message *request) {
    const trp_spawn_options options = {.size = sizeof(options), .monitor = true};
    trp_pid pid;
    trp_ref monitor;
    counts->messages++;
    int error = trp_spawn_opt(ctx, &echo_worker, NULL, &options, &pid, &monitor);
    if (error != TRP_OK) {
        trp_reply_error(ctx, request, error, "the relay could not spawn a worker");
        return;
    }
    counts->spawned++;
    trp_send(ctx, pid, trp_message_take(ctx, request));
}

static void relay_report(trp_ctx *ctx, const relay_stats *counts, trp_message *request) {
    trp_message *reply = trp_message_new(ctx, &relay_stats_type);
    if (reply == NULL) {
        trp_reply_error(ctx, request, TRP_ENOMEM, NULL);
        return;
    }
    *relay_stats_of(reply) = *counts;
    trp_reply(ctx, request, reply);
}

/* Writes `number`, then `text`, and returns the end. A page's wasm carries no printf. */
static char *append(char *at, uint64_t number, const char *text) {
    char digits[20];
    size_t length = 0;
    do {
        digits[length++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (length > 0) {
        *at++ = digits[--length];
    }
    return strcpy(at, text) + strlen(text);
}

static void relay_log(trp_ctx *ctx, const relay_stats *counts) {
    char line[128];
    char *end = append(line, counts->messages, " messages, workers: ");
    end = append(end, counts->spawned, " spawned, ");
    append(end, counts->exited, " exited");
    trp_log(ctx, TRP_LOG_INFO, line);
}

static int relay_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)state;
    (void)arg;
    int error = trp_register(ctx, ECHO_RELAY_NAME);
    return error != TRP_OK ? error : trp_interval(ctx, LOG_INTERVAL_NS, 0, NULL);
}

static void relay_handle(trp_ctx *ctx, void *state, trp_message *message) {
    relay_stats *counts = state;
    if (trp_message_is(message, &trp_down_type)) {
        counts->exited++;
    } else if (trp_message_is(message, &trp_timeout_type)) {
        relay_log(ctx, counts);
    } else if (!trp_message_is_request(message)) {
        trp_log(ctx, TRP_LOG_WARN, "dropped a message that is not a request: nobody waits for it");
    } else if (trp_message_is(message, &echo_request_type)) {
        relay_delegate(ctx, counts, message);
    } else if (trp_message_is(message, &relay_query_type)) {
        relay_report(ctx, counts, message);
    } else {
        trp_reply_error(ctx, message, TRP_ETYPE, "ask with demo.EchoRequest or demo.RelayQuery");
    }
}

static const trp_type *const relay_types[] = {
    &echo_request_type, &echo_reply_type, &relay_query_type, &relay_stats_type, NULL,
};

/* No terminate: the name and the interval are released with the actor. */
const trp_behaviour echo_relay = {
    TRP_BEHAVIOUR(ECHO_RELAY_NAME),
    .state_size = sizeof(relay_stats),
    .init = relay_init,
    .handle = relay_handle,
    .types = relay_types,
};

int echo_register(trp_runtime *runtime) {
    return trp_register_behaviour(runtime, &echo_relay);
}
