/* C actors for the tests of the web host. */
#include "actors.h"
#include "troupe/web.h"

#include <string.h>

TRP_TYPE_DEFINE(point, "test.Point", POINT_FIELDS)
TRP_TYPE_DEFINE(everything, "test.Everything", EVERYTHING_FIELDS)
TRP_TYPE_DEFINE(counter_args, "test.CounterArgs", COUNTER_ARGS_FIELDS)
TRP_TYPE_DEFINE(count, "test.Count", COUNT_FIELDS)
TRP_TYPE_DEFINE(flood, "test.Flood", FLOOD_FIELDS)

/* Replies to each request with a copy of it. */
static void mirror_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    if (trp_message_is_request(message)) {
        trp_reply(ctx, message, trp_message_copy(ctx, message));
    }
}

static const trp_type *const mirror_types[] = {&everything_type, NULL};

static const trp_behaviour mirror = {
    TRP_BEHAVIOUR("mirror"),
    .types = mirror_types,
    .handle = mirror_handle,
};

/* Adds up what it is sent, and replies with the sum; a negative start is refused by init. */
static int counter_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)ctx;
    const counter_args *args = arg;
    *(int64_t *)state = args->start;
    return args->start < 0 ? TRP_EINVAL : TRP_OK;
}

static void counter_handle(trp_ctx *ctx, void *state, trp_message *message) {
    int64_t *sum = state;
    count *by = count_of(message);
    if (by == NULL) {
        return;
    }
    *sum += by->by;
    if (trp_message_is_request(message)) {
        trp_message *reply = trp_message_new(ctx, &count_type);
        if (reply != NULL) {
            count_of(reply)->by = *sum;
        }
        trp_reply(ctx, message, reply);
    }
}

static const trp_type *const counter_types[] = {&count_type, NULL};

static const trp_behaviour counter = {
    TRP_BEHAVIOUR("counter"), .state_size = sizeof(int64_t), .arg_type = &counter_args_type,
    .types = counter_types,   .init = counter_init,          .handle = counter_handle,
};

/* Fails on every message. */
static void failing_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    (void)message;
    trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, 7, "as told");
    trp_fail(ctx, &reason);
}

static const trp_behaviour failing = {TRP_BEHAVIOUR("failing"), .handle = failing_handle};

/* Aborts on every message, from a few frames down. */
static void __attribute__((noinline)) abort_deep(trp_ctx *ctx, volatile int *depth) {
    volatile char room[1024];
    memset((char *)room, *depth, sizeof room);
    int next = *depth - 1;
    if (next > 0) {
        abort_deep(ctx, &next);
    }
    trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, 8, "aborted");
    trp_abort(ctx, &reason);
}

static void aborting_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    (void)message;
    int depth = 16;
    abort_deep(ctx, &depth);
}

static const trp_behaviour aborting = {TRP_BEHAVIOUR("aborting"), .handle = aborting_handle};

/* Traps, as a broken actor does: the whole module is lost. */
static void trapping_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)ctx;
    (void)state;
    (void)message;
    __builtin_trap();
}

static const trp_behaviour trapping = {TRP_BEHAVIOUR("trapping"), .handle = trapping_handle};

/* Keeps requests and never answers. */
static void silent_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    trp_message_take(ctx, message);
}

static const trp_behaviour silent = {TRP_BEHAVIOUR("silent"), .handle = silent_handle};

/* Sends itself messages for ever, each with a little work: load on the scheduler. */
static void busy_handle(trp_ctx *ctx, void *state, trp_message *message) {
    volatile uint32_t *spin = state;
    for (uint32_t i = 0; i < 200; i++) {
        *spin += i;
    }
    trp_send(ctx, trp_self(ctx), trp_message_take(ctx, message));
}

static const trp_behaviour busy = {
    TRP_BEHAVIOUR("busy"),
    .state_size = sizeof(uint32_t),
    .handle = busy_handle,
};

/* Sends bare numbers to whoever it is told. */
static void flooder_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    flood *order = flood_of(message);
    if (order == NULL) {
        return;
    }
    for (uint32_t i = 0; i < order->count; i++) {
        uint8_t item[3] = {0x19, (uint8_t)(i >> 8), (uint8_t)i};
        trp_send(ctx, order->to, trp_message_new_bytes(ctx, item, sizeof item));
    }
}

static const trp_type *const flooder_types[] = {&flood_type, NULL};

static const trp_behaviour flooder = {
    TRP_BEHAVIOUR("flooder"),
    .types = flooder_types,
    .handle = flooder_handle,
};

int trp_web_setup(trp_runtime *runtime) {
    static const trp_behaviour *const all[] = {&mirror,   &counter, &failing, &aborting,
                                               &trapping, &silent,  &busy,    &flooder};
    int error = TRP_OK;
    for (size_t i = 0; error == TRP_OK && i < sizeof all / sizeof all[0]; i++) {
        error = trp_register_behaviour(runtime, all[i]);
    }
    return error;
}
