/*
 * A rate limiter: a bucket that holds up to `burst` tokens and gets `per_second` new ones. Each permit
 * costs one. Who comes to an empty bucket waits in line; there is one timer, for the next token.
 */
#include "limiter.h"

enum { QUEUE_MAX = 1024 };

TRP_TYPE_DEFINE(rate, "example.Rate", RATE_FIELDS)
TRP_TYPE_DEFINE_EMPTY(permit, "example.Permit")
TRP_TYPE_DEFINE_EMPTY(permitted, "example.Permitted")

typedef struct bucket {
    uint64_t period_ns; /* between two tokens */
    uint64_t filled_ns; /* what came until then is in the bucket */
    uint32_t burst;
    uint32_t tokens;
    bool is_timer_armed;
    uint32_t first; /* of those who wait, in a ring */
    uint32_t waiting;
    trp_message *queue[QUEUE_MAX];
} bucket;

static int limiter_init(trp_ctx *ctx, void *state, const void *arg) {
    bucket *self = state;
    const rate *given = arg;
    if (given->per_second == 0 || given->burst == 0) {
        return TRP_EINVAL;
    }
    self->period_ns = (TRP_NS_PER_S + given->per_second - 1) / given->per_second;
    self->filled_ns = trp_now_ns(ctx);
    self->burst = given->burst;
    self->tokens = given->burst;
    return 0;
}

/* A full bucket earns nothing, not even a part of the next token. */
static void fill(trp_ctx *ctx, bucket *self) {
    uint64_t earned = (trp_now_ns(ctx) - self->filled_ns) / self->period_ns;
    if (earned >= self->burst - self->tokens) {
        self->tokens = self->burst;
        self->filled_ns = trp_now_ns(ctx);
    } else {
        self->tokens += (uint32_t)earned;
        self->filled_ns += earned * self->period_ns;
    }
}

static void join_queue(trp_ctx *ctx, bucket *self, trp_message *request) {
    trp_message *kept = self->waiting < QUEUE_MAX ? trp_message_take(ctx, request) : NULL;
    if (kept == NULL) {
        trp_reply_error(ctx, request, TRP_EFULL, "too many wait for a permit");
        return;
    }
    self->queue[(self->first + self->waiting) % QUEUE_MAX] = kept;
    self->waiting++;
}

static trp_message *leave_queue(bucket *self) {
    trp_message *request = self->queue[self->first];
    self->first = (self->first + 1) % QUEUE_MAX;
    self->waiting--;
    return request;
}

/* Gives out what there is; a caller who has given up meanwhile costs nothing. */
static void serve(trp_ctx *ctx, bucket *self) {
    while (self->waiting > 0 && self->tokens > 0) {
        trp_message *request = leave_queue(self);
        if (trp_request_time_left(ctx, request) > 0) {
            trp_reply(ctx, request, trp_message_new(ctx, &permitted_type));
            self->tokens--;
        }
        trp_message_drop(ctx, request);
    }
}

static void arm_timer(trp_ctx *ctx, bucket *self) {
    if (self->waiting > 0 && !self->is_timer_armed) {
        uint64_t next_ns = self->filled_ns + self->period_ns - trp_now_ns(ctx);
        trp_fail_code(ctx, trp_timer(ctx, next_ns, 0, NULL), "no memory for the timer");
        self->is_timer_armed = true;
    }
}

static void limiter_handle(trp_ctx *ctx, void *state, trp_message *message) {
    bucket *self = state;
    if (trp_message_is(message, &permit_type)) {
        join_queue(ctx, self, message);
    } else if (trp_message_is(message, &trp_timeout_type)) {
        self->is_timer_armed = false;
    }
    fill(ctx, self);
    serve(ctx, self);
    arm_timer(ctx, self);
}

static const trp_type *const limiter_types[] = {&permit_type, &permitted_type, NULL};

const trp_behaviour limiter = {
    TRP_BEHAVIOUR("example.limiter"), .state_size = sizeof(bucket), .arg_type = &rate_type,
    .types = limiter_types,           .init = limiter_init,         .handle = limiter_handle,
};
