/*
 * A pipeline of three routines with a channel between each two:
 *
 *     count_up -> [ 1 2 3 ... ] -> square -> [ 1 4 9 ... ] -> collect
 *
 * Who sends to a full channel waits, so the slowest stage sets the pace and memory stays bounded. A
 * stage that is done releases its ends; that closes the channel, which the next one then empties.
 */
#include "pipeline.h"

#include <string.h>

enum { COUNT_MAX = 100000 };
TRP_TYPE_DEFINE(squares, "example.Squares", SQUARES_FIELDS)
TRP_TYPE_DEFINE(numbers, "example.Numbers", NUMBERS_FIELDS)

static int put(trp_ctx *ctx, trp_channel *channel, int64_t value) {
    trp_message *message = trp_message_new_bytes(ctx, &value, sizeof value);
    int error = trp_channel_send(ctx, channel, message, TRP_NEVER);
    if (error != 0) {
        trp_message_drop(ctx, message); /* what was refused is still ours */
    }
    return error;
}

static int get(trp_ctx *ctx, trp_channel *channel, int64_t *value) {
    trp_message *message;
    int error = trp_channel_receive(ctx, channel, TRP_NEVER, &message);
    if (error == 0) {
        *value = *(const int64_t *)trp_message_body(message);
        trp_message_drop(ctx, message);
    }
    return error;
}

/* ---- the stages ---- */

typedef struct stage {
    trp_channel *in;
    trp_channel *out;
    uint32_t count;
} stage;

static int count_up(trp_ctx *ctx, void *arg) {
    stage *self = arg;
    int error = 0;
    for (int64_t i = 1; i <= self->count && error == 0; i++) {
        error = put(ctx, self->out, i);
    }
    trp_channel_release(ctx, self->out, TRP_CHANNEL_SEND);
    return error;
}

static int square(trp_ctx *ctx, void *arg) {
    stage *self = arg;
    int64_t value = 0;
    int error = 0;
    while (error == 0) {
        error = get(ctx, self->in, &value);
        error = error ? error : put(ctx, self->out, value * value);
    }
    trp_channel_release(ctx, self->in, TRP_CHANNEL_RECEIVE);
    trp_channel_release(ctx, self->out, TRP_CHANNEL_SEND);
    return error == TRP_ECLOSED ? 0 : error;
}

static const trp_routine counting = {TRP_ROUTINE("example.count", count_up, sizeof(stage))};
static const trp_routine squaring = {TRP_ROUTINE("example.square", square, sizeof(stage))};

/* ---- the last stage, which builds the others ---- */

static int build(trp_ctx *ctx, const squares *wish, trp_channel **out) {
    const trp_spawn_options linked = {.size = sizeof linked, .link = true};
    stage counter = {.count = wish->count}, squarer = {0};
    int error = trp_channel_create(ctx, wish->capacity, &counter.out);
    error = error ? error : trp_channel_create(ctx, wish->capacity, &squarer.out);
    squarer.in = counter.out;
    *out = squarer.out;
    error = error ? error : trp_spawn_opt(ctx, &counting.behaviour, &counter, &linked, NULL, NULL);
    return error ? error : trp_spawn_opt(ctx, &squaring.behaviour, &squarer, &linked, NULL, NULL);
}

static int reply_numbers(trp_ctx *ctx, trp_message *request, const int64_t *values, size_t count) {
    trp_message *reply = NULL;
    trp_builder builder;
    trp_builder_init(&builder, ctx, &numbers_type, count * sizeof *values);
    size_t at = trp_set_list(&builder, numbers, values, int64_t, count);
    if (trp_builder_at(&builder, at) != NULL) {
        memcpy(trp_builder_at(&builder, at), values, count * sizeof *values);
    }
    int error = trp_builder_finish(&builder, &reply);
    return error ? error : trp_reply(ctx, request, reply);
}

static int collect(trp_ctx *ctx, void *arg) {
    (void)arg;
    trp_message *request;
    trp_channel *in = NULL;
    int error = trp_receive(ctx, NULL, TRP_NEVER, &request);
    request = error ? NULL : trp_message_take(ctx, request); /* lent only until we wait again */
    const squares *wish = squares_of(request);
    if (wish == NULL || wish->count > COUNT_MAX) {
        return TRP_EINVAL; /* which is also what the caller hears */
    }
    int64_t *values = trp_alloc(ctx, (wish->count + 1) * sizeof *values);
    error = values == NULL ? TRP_ENOMEM : build(ctx, wish, &in);
    for (uint32_t i = 0; i < wish->count && error == 0; i++) {
        error = get(ctx, in, &values[i]);
    }
    trp_channel_release(ctx, in, TRP_CHANNEL_RECEIVE);
    return error ? error : reply_numbers(ctx, request, values, wish->count);
}

static const trp_type *const pipeline_types[] = {&squares_type, &numbers_type, NULL};

const trp_routine pipeline = {
    TRP_ROUTINE("example.pipeline", collect, 0),
    .behaviour.types = pipeline_types,
};
