/* Routines for routine.test.mjs. They understand plain CBOR numbers below 24, which are one byte. */
#include "troupe/coroutine.h"
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

/* Deep enough that what a wait must keep does not fit the room for it. */
static int sleep_below(trp_ctx *ctx, int depth);
static int (*volatile sleep_deeper)(trp_ctx *ctx, int depth) = sleep_below;

static int sleep_below(trp_ctx *ctx, int depth) {
    return depth == 0 ? trp_sleep(ctx, TRP_NS_PER_MS) : sleep_deeper(ctx, depth - 1) + 1;
}

/* Answers how deep it has slept. */
static int sleep_deep(trp_ctx *ctx, void *arg) {
    (void)arg;
    trp_message *request;
    int error;
    while ((error = trp_receive(ctx, NULL, TRP_NEVER, &request)) == 0) {
        trp_message *kept = trp_message_take(ctx, request);
        int depth = sleep_below(ctx, number_of(kept) * number_of(kept));
        (void)reply_number(ctx, kept, (uint8_t)(depth % 24));
        trp_message_drop(ctx, kept);
    }
    return error;
}

static const trp_routine diver = {TRP_ROUTINE("diver", sleep_deep, 0)};

/* Naps for as many milliseconds as the message says and adds that to what all have. */
static int nap_and_add(trp_ctx *ctx, void *arg) {
    uint8_t *sum = arg;
    trp_message *request;
    int error = trp_receive(ctx, NULL, TRP_NEVER, &request);
    if (error != 0) {
        return error;
    }
    trp_message *kept = trp_message_take(ctx, request);
    uint8_t number = number_of(kept);
    error = trp_sleep(ctx, number * TRP_NS_PER_MS);
    *sum = (uint8_t)(*sum + number);
    (void)reply_number(ctx, kept, *sum);
    trp_message_drop(ctx, kept);
    return error != 0 ? error : number;
}

static int run_crew(trp_ctx *ctx, void *arg) {
    (void)arg;
    uint8_t sum = 0;
    int total = 0;
    trp_coroutine crew[3];
    for (int i = 0; i < 3; i++) {
        int error = trp_coroutine_start(ctx, nap_and_add, &sum, 0, &crew[i]);
        if (error != 0) {
            return error;
        }
    }
    for (int i = 0; i < 3; i++) {
        int result = 0;
        (void)trp_coroutine_join(ctx, crew[i], TRP_NEVER, &result);
        total += result;
    }
    return total;
}

static const trp_routine crew = {TRP_ROUTINE("crew", run_crew, 0)};

int trp_web_setup(trp_runtime *runtime) {
    const trp_behaviour *const all[] = {&doubler,          &napper.behaviour,
                                        &folder.behaviour, &overflowing.behaviour,
                                        &diver.behaviour,  &crew.behaviour};
    int error = TRP_OK;
    for (size_t i = 0; error == TRP_OK && i < sizeof all / sizeof all[0]; i++) {
        error = trp_register_behaviour(runtime, all[i]);
    }
    return error;
}
