/* Routines for routine.test.mjs. They understand plain CBOR numbers below 24, which are one byte. */
#include "troupe/request.h"
#include "troupe/routine.h"
#include "troupe/web.h"

#include <string.h>

static int reply_number(trp_ctx *ctx, trp_message *request, uint8_t number) {
    return trp_reply(ctx, request, trp_message_new_bytes(ctx, &number, 1));
}

static uint8_t number_of(trp_message *message) {
    uint8_t number = 0;
    if (trp_message_length(message) == 1) {
        memcpy(&number, trp_message_body(message), 1);
    }
    return number;
}

/* Answers each number with its double. */
static void double_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    (void)reply_number(ctx, message, (uint8_t)(number_of(message) * 2));
}

static const trp_behaviour doubler = {TRP_BEHAVIOUR("doubler"), .handle = double_handle};

/* Waits as many milliseconds as it is told, asks the doubler, and answers what that says. */
static int nap(trp_ctx *ctx, void *arg) {
    (void)arg;
    trp_pid helper;
    int error = trp_spawn(ctx, &doubler, NULL, &helper);
    trp_message *request;
    while (error == 0 && (error = trp_receive(ctx, NULL, TRP_NEVER, &request)) == 0) {
        trp_message *kept = trp_message_take(ctx, request);
        uint8_t number = number_of(kept);
        trp_message *reply = NULL;
        error = trp_sleep(ctx, number * TRP_NS_PER_MS);
        if (error == 0) {
            error =
                trp_call(ctx, helper, trp_message_new_bytes(ctx, &number, 1), TRP_NEVER, &reply);
        }
        if (error == 0) {
            error = reply_number(ctx, kept, number_of(reply));
        }
        trp_message_drop(ctx, kept);
    }
    return error;
}

static const trp_routine napper = {TRP_ROUTINE("napper", nap, 0)};

/* Waits below a call through a pointer: its caller is one of the module's ROUTINE_FRAMES. */
static uint8_t sleep_and_add(trp_ctx *ctx, uint8_t sum, uint8_t number) {
    (void)trp_sleep(ctx, TRP_NS_PER_MS);
    return (uint8_t)(sum + number);
}

uint8_t test_fold(trp_ctx *ctx, uint8_t (*step)(trp_ctx *, uint8_t, uint8_t), uint8_t last);

__attribute__((noinline)) uint8_t
test_fold(trp_ctx *ctx, uint8_t (*step)(trp_ctx *, uint8_t, uint8_t), uint8_t last) {
    uint8_t sum = 0;
    for (uint8_t i = 1; i <= last; i++) {
        sum = step(ctx, sum, i);
    }
    return sum;
}

static uint8_t (*volatile chosen_step)(trp_ctx *, uint8_t, uint8_t) = sleep_and_add;

static int fold(trp_ctx *ctx, void *arg) {
    (void)arg;
    trp_message *request;
    int error;
    while ((error = trp_receive(ctx, NULL, TRP_NEVER, &request)) == 0) {
        trp_message *kept = trp_message_take(ctx, request);
        (void)reply_number(ctx, kept, test_fold(ctx, chosen_step, number_of(kept)));
        trp_message_drop(ctx, kept);
    }
    return error;
}

static const trp_routine folder = {TRP_ROUTINE("folder", fold, 0)};

/* Uses a little more stack than it has, then waits. */
static int dig(int depth, const char *above);
static int (*volatile dig_again)(int depth, const char *above) = dig;

static int dig(int depth, const char *above) {
    char room[512];
    memset(room, depth, sizeof room);
    return depth == 0 ? above[5] : dig_again(depth - 1, room) + room[64];
}

static int overflow(trp_ctx *ctx, void *arg) {
    (void)arg;
    trp_message *message;
    int error = trp_receive(ctx, NULL, TRP_NEVER, &message);
    return error != 0 ? error : trp_sleep(ctx, (uint64_t)dig_again(18, "the top"));
}

static const trp_routine overflowing = {TRP_ROUTINE("overflowing", overflow, 0)};

int trp_web_setup(trp_runtime *runtime) {
    const trp_behaviour *const all[] = {&doubler, &napper.behaviour, &folder.behaviour,
                                        &overflowing.behaviour};
    int error = TRP_OK;
    for (size_t i = 0; error == TRP_OK && i < sizeof all / sizeof all[0]; i++) {
        error = trp_register_behaviour(runtime, all[i]);
    }
    return error;
}
