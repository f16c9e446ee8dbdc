/*
 * What a host owes, case by case. Times are lenient to one side only: nothing may come early, and
 * late is what a loaded machine does.
 */
#include "contract.h"

#include "sanitizers.h"

#include <string.h>

static const uint64_t MS = TRP_NS_PER_MS;

static uint64_t host_now(trp_ctx *ctx) {
    const trp_host *host = contract_host(ctx);
    return host->now_ns(host->self);
}

/* ---- the clock ---- */

static void clock_never_goes_back(trp_ctx *ctx, contract *self, trp_message *message) {
    (void)message;
    uint64_t last = host_now(ctx);
    for (int i = 0; i < 100000; i++) {
        uint64_t now = host_now(ctx);
        if (now < last) {
            contract_fail(ctx, self, "now_ns went back");
            return;
        }
        last = now;
    }
    contract_pass(ctx, self);
}

/* ---- deadlines ---- */

static void arm(trp_ctx *ctx, contract *self, uint64_t delay_ns, uint64_t tag) {
    if (trp_timer(ctx, delay_ns, tag, NULL) != 0) {
        contract_fail(ctx, self, "a timer could not be armed");
    }
}

/* Several times in a row, so that the host has been idle in between. */
static void deadline_is_kept(trp_ctx *ctx, contract *self, trp_message *message) {
    uint64_t now = host_now(ctx);
    if (message != NULL) {
        uint64_t passed = now - self->begin_ns;
        if (passed < 20 * MS) {
            contract_fail(ctx, self, "a timer of 20 ms came early");
            return;
        }
        if (passed > 2020 * MS) {
            contract_fail(ctx, self, "a timer of 20 ms came more than 2 s late");
            return;
        }
    }
    if (self->count++ == 10) {
        contract_pass(ctx, self);
        return;
    }
    self->begin_ns = now;
    arm(ctx, self, 20 * MS, 1);
}

/* The host must take the earlier deadline although it was told of a later one first. */
static void earlier_deadline_replaces_a_later_one(trp_ctx *ctx, contract *self,
                                                  trp_message *message) {
    if (message == NULL) {
        arm(ctx, self, 3000 * MS, 30);
        arm(ctx, self, 50 * MS, 3);
        arm(ctx, self, 10 * MS, 1);
        arm(ctx, self, 30 * MS, 2);
        self->begin_ns = host_now(ctx);
        return;
    }
    const trp_timeout *timeout = trp_message_body(message);
    if (timeout->tag != ++self->count) {
        contract_fail(ctx, self, "timers came in the wrong order");
    } else if (self->count == 3) {
        bool is_late = host_now(ctx) - self->begin_ns > 2500 * MS;
        if (is_late) {
            contract_fail(ctx, self, "the host waited for the latest deadline");
        } else {
            contract_pass(ctx, self);
        }
    }
}

/* ---- waking ---- */

static void step_is_called_again_while_there_is_more(trp_ctx *ctx, contract *self,
                                                     trp_message *message) {
    enum { MANY = 100000 };
    (void)message;
    if (self->count++ == MANY) {
        contract_pass(ctx, self);
    } else if (trp_send(ctx, trp_self(ctx), trp_message_new_bytes(ctx, NULL, 0)) != 0) {
        contract_fail(ctx, self, "a message to itself was refused");
    }
}

/* Work for ever must not keep timers from coming. */
static void timers_come_among_work(trp_ctx *ctx, contract *self, trp_message *message) {
    if (message == NULL) {
        arm(ctx, self, 30 * MS, 1);
        self->begin_ns = host_now(ctx);
    }
    if (message != NULL && trp_message_is(message, &trp_timeout_type)) {
        contract_pass(ctx, self);
    } else if (host_now(ctx) - self->begin_ns > 5000 * MS) {
        contract_fail(ctx, self, "a timer of 30 ms did not come in 5 s of work");
    } else {
        (void)trp_send(ctx, trp_self(ctx), trp_message_new_bytes(ctx, NULL, 0));
    }
}

typedef struct posted {
    trp_pid to;
    unsigned expected;
} posted;

static void post_back(trp_ctx *ctx, void *arg) {
    posted *what = arg;
    uint64_t tag = trp_ctx_scheduler(ctx) == what->expected ? 1 : 2;
    trp_pid to = what->to;
    const trp_host *host = contract_host(ctx);
    host->realloc(host->self, what, sizeof *what, 0);
    trp_message *message = trp_message_new_bytes(ctx, NULL, 0);
    if (message != NULL) {
        trp_message_set_tag(message, tag);
    }
    (void)trp_send(ctx, to, message);
}

/* Calls wander over all schedulers, each from a sleeping one to a sleeping one. */
static void posted_calls_wake_every_scheduler(trp_ctx *ctx, contract *self, trp_message *message) {
    unsigned schedulers = contract_schedulers(ctx);
    if (message != NULL && trp_message_tag(message) != 1) {
        contract_fail(ctx, self, "a call ran on another scheduler than it was posted to");
        return;
    }
    if (self->count == 50 * (uint64_t)schedulers) {
        contract_pass(ctx, self);
        return;
    }
    const trp_host *host = contract_host(ctx);
    posted *what = host->realloc(host->self, NULL, 0, sizeof *what);
    if (what == NULL) {
        contract_fail(ctx, self, "out of memory");
        return;
    }
    unsigned to = (unsigned)(self->count++ % schedulers);
    *what = (posted){trp_self(ctx), to};
    if (trp_post_call(trp_ctx_runtime(ctx), to, post_back, what) != 0) {
        contract_fail(ctx, self, "a call could not be posted");
    }
}

static void posted_bytes_arrive(trp_ctx *ctx, contract *self, trp_message *message) {
    if (message == NULL) {
        if (trp_post_bytes(trp_ctx_runtime(ctx), trp_self(ctx), "bytes", 5, 9) != 0) {
            contract_fail(ctx, self, "bytes could not be posted");
        }
    } else if (trp_message_tag(message) == 9 && trp_message_length(message) == 5 &&
               memcmp(trp_message_body(message), "bytes", 5) == 0) {
        contract_pass(ctx, self);
    } else {
        contract_fail(ctx, self, "other bytes arrived than were posted");
    }
}

/* ---- entropy ---- */

static unsigned ones_in(const uint8_t *bytes, size_t length) {
    unsigned ones = 0;
    for (size_t i = 0; i < length; i++) {
        ones += (unsigned)__builtin_popcount(bytes[i]);
    }
    return ones;
}

static void entropy_is_random_and_keeps_to_its_bounds(trp_ctx *ctx, contract *self,
                                                      trp_message *message) {
    enum { MUCH = 4096 };
    static uint8_t much[2 * MUCH];
    const trp_host *host = contract_host(ctx);
    uint8_t small[34];
    (void)message;
    memset(small, 0x77, sizeof small);
    int error = host->entropy(host->self, small + 1, 0);
    error = error != 0 ? error : host->entropy(host->self, small + 1, 32);
    error = error != 0 ? error : host->entropy(host->self, much, sizeof much);
    unsigned ones = ones_in(much, sizeof much);
    if (error != 0) {
        contract_fail(ctx, self, "entropy answered with an error");
    } else if (small[0] != 0x77 || small[33] != 0x77) {
        contract_fail(ctx, self, "entropy wrote outside of its buffer");
    } else if (memcmp(much, much + MUCH, MUCH) == 0 || memcmp(much, small + 1, 32) == 0) {
        contract_fail(ctx, self, "entropy repeats itself");
    } else if (ones < 31000 || ones > 34500) { /* of 65536 bits; nine standard deviations */
        contract_fail(ctx, self, "entropy has too many ones or zeros");
    } else {
        contract_pass(ctx, self);
    }
}

/* ---- memory ---- */

static bool is_filled(const uint8_t *bytes, size_t length, uint8_t with) {
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != with) {
            return false;
        }
    }
    return true;
}

/* Grows and shrinks one block; what both sizes share stays. */
static const char *try_block(const trp_host *host, size_t size, size_t other) {
    uint8_t *block = host->realloc(host->self, NULL, 0, size);
    if (block == NULL) {
        return "realloc gave no memory";
    }
    if ((uintptr_t)block % (2 * sizeof(void *)) != 0) {
        return "realloc gave memory that is not aligned for any type";
    }
    memset(block, 0x5a, size);
    uint8_t *moved = host->realloc(host->self, block, size, other);
    if (moved == NULL) {
        return other < size ? "shrinking failed" : "growing failed";
    }
    bool is_kept = is_filled(moved, size < other ? size : other, 0x5a);
    memset(moved, 0xa5, other);
    void *freed = host->realloc(host->self, moved, other, 0);
    if (freed != NULL) {
        return "freeing did not give NULL";
    }
    return is_kept ? NULL : "resizing lost the contents";
}

static void realloc_keeps_its_contract(trp_ctx *ctx, contract *self, trp_message *message) {
    static const size_t sizes[] = {1, 2, 7, 8, 16, 31, 100, 1000, 4096, 65616, 1000000};
    enum { SIZES = sizeof sizes / sizeof sizes[0] };
    (void)message;
    for (size_t i = 0; i < SIZES; i++) {
        for (size_t j = 0; j < SIZES; j++) {
            const char *why = try_block(contract_host(ctx), sizes[i], sizes[j]);
            if (why != NULL) {
                contract_fail(ctx, self, why);
                return;
            }
        }
    }
    contract_pass(ctx, self);
}

static void refused_memory_leaves_the_block(trp_ctx *ctx, contract *self, trp_message *message) {
    const trp_host *host = contract_host(ctx);
    (void)message;
    if (SANITIZER_ENDS_ON_HUGE_SIZES) {
        contract_skip(ctx, self);
        return;
    }
    uint8_t *block = host->realloc(host->self, NULL, 0, 100);
    if (block == NULL) {
        contract_fail(ctx, self, "realloc gave no memory");
        return;
    }
    memset(block, 0x33, 100);
    volatile size_t huge = SIZE_MAX / 2 - 4096; /* hidden from compilers that know it is too much */
    void *more = host->realloc(host->self, block, 100, huge);
    bool is_intact = more == NULL && is_filled(block, 100, 0x33);
    if (more == NULL) {
        host->realloc(host->self, block, 100, 0);
    }
    if (is_intact) {
        contract_pass(ctx, self);
    } else {
        contract_fail(ctx, self, "a refused resize must give NULL and leave the block");
    }
}

/* ---- leaving ---- */

static void abort_at_once(trp_ctx *ctx, void *state, trp_message *message) {
    trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, 4711, "left");
    (void)state;
    (void)message;
    trp_abort(ctx, &reason);
}

static const trp_behaviour aborting = {TRP_BEHAVIOUR("contract-aborting"), .handle = abort_at_once};

/* Again and again: what leaks or breaks the second time is found too. */
static void abandon_leaves_the_step_and_comes_back(trp_ctx *ctx, contract *self,
                                                   trp_message *message) {
    enum { TIMES = 300 };
    if (contract_host(ctx)->abandon == NULL) {
        contract_skip(ctx, self);
        return;
    }
    if (message != NULL) {
        const trp_down *down = trp_message_body(message);
        if (!trp_message_is(message, &trp_down_type) || down->ref != self->ref ||
            down->reason.code != 4711) {
            contract_fail(ctx, self, "the aborted actor's end was not told as it should");
            return;
        }
        if (++self->count == TIMES) {
            contract_pass(ctx, self);
            return;
        }
    }
    trp_spawn_options options = {.size = sizeof options, .monitor = true};
    if (trp_spawn_opt(ctx, &aborting, NULL, &options, &self->pid, &self->ref) != 0 ||
        trp_send(ctx, self->pid, trp_message_new_bytes(ctx, NULL, 0)) != 0) {
        contract_fail(ctx, self, "an actor could not be spawned");
    }
}

/* ---- the rest ---- */

static void log_takes_any_text(trp_ctx *ctx, contract *self, trp_message *message) {
    static char long_line[20000];
    (void)message;
    memset(long_line, 'x', sizeof long_line - 1);
    trp_log(ctx, TRP_LOG_DEBUG, "");
    trp_log(ctx, TRP_LOG_DEBUG, long_line);
    trp_log(ctx, TRP_LOG_DEBUG, "not UTF-8: \xff\xfe\x80, control: \x01\x1b[0m, and a\nnew line");
    contract_pass(ctx, self);
}

/* RFC 4231, test case 2. */
static void hmac_is_right_where_there_is_one(trp_ctx *ctx, contract *self, trp_message *message) {
    static const uint8_t expected[32] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e,
                                         0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
                                         0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83,
                                         0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
    const trp_host *host = contract_host(ctx);
    uint8_t mac[32] = {0};
    (void)message;
    if (host->hmac_sha256 == NULL) {
        contract_skip(ctx, self);
    } else if (host->hmac_sha256(host->self, "Jefe", 4, "what do ya want for nothing?", 28, mac) !=
                   0 ||
               memcmp(mac, expected, sizeof mac) != 0) {
        contract_fail(ctx, self, "hmac_sha256 does not give the code of RFC 4231");
    } else {
        contract_pass(ctx, self);
    }
}

const contract_case contract_cases[] = {
    {"clock_never_goes_back", clock_never_goes_back},
    {"deadline_is_kept", deadline_is_kept},
    {"earlier_deadline_replaces_a_later_one", earlier_deadline_replaces_a_later_one},
    {"step_is_called_again_while_there_is_more", step_is_called_again_while_there_is_more},
    {"timers_come_among_work", timers_come_among_work},
    {"posted_calls_wake_every_scheduler", posted_calls_wake_every_scheduler},
    {"posted_bytes_arrive", posted_bytes_arrive},
    {"entropy_is_random_and_keeps_to_its_bounds", entropy_is_random_and_keeps_to_its_bounds},
    {"realloc_keeps_its_contract", realloc_keeps_its_contract},
    {"refused_memory_leaves_the_block", refused_memory_leaves_the_block},
    {"abandon_leaves_the_step_and_comes_back", abandon_leaves_the_step_and_comes_back},
    {"log_takes_any_text", log_takes_any_text},
    {"hmac_is_right_where_there_is_one", hmac_is_right_where_there_is_one},
};

const uint32_t contract_cases_len = sizeof contract_cases / sizeof contract_cases[0];
