/*
 * The actor that runs cases, and the one that asks it for all of them.
 */
#include "contract.h"

#include "actor/actor.h"

#include <string.h>

TRP_TYPE_DEFINE(contract_run, "contract.Run", CONTRACT_RUN_FIELDS)
TRP_TYPE_DEFINE(contract_result, "contract.Result", CONTRACT_RESULT_FIELDS)

static const trp_type *const contract_types[] = {&contract_run_type, &contract_result_type, NULL};

static const uint64_t PATIENCE_NS = 20 * TRP_NS_PER_S;
static const uint64_t WATCHDOG_TAG = UINT64_C(0xfeedfeedfeed);

const trp_host *contract_host(trp_ctx *ctx) {
    return &trp_ctx_runtime(ctx)->host;
}

unsigned contract_schedulers(trp_ctx *ctx) {
    return trp_ctx_runtime(ctx)->group.count;
}

static void copy_text(char *to, size_t size, const char *from) {
    size_t length = strlen(from);
    length = length < size ? length : size - 1;
    memcpy(to, from, length);
    to[length] = '\0';
}

static void answer(trp_ctx *ctx, contract *self, bool passed, bool skipped, const char *why) {
    if (self->request == NULL) {
        return; /* answered: what comes late is nobody's business */
    }
    trp_message *reply = trp_message_new(ctx, &contract_result_type);
    if (reply != NULL) {
        contract_result *result = contract_result_of(reply);
        result->index = self->index;
        result->cases = contract_cases_len;
        result->passed = passed;
        result->skipped = skipped;
        if (self->index < contract_cases_len) {
            copy_text(result->name, sizeof result->name, contract_cases[self->index].name);
        }
        copy_text(result->why, sizeof result->why, why);
    }
    trp_message *request = self->request;
    self->request = NULL;
    (void)trp_timer_cancel(ctx, self->watchdog);
    (void)trp_reply(ctx, request, reply);
    trp_message_drop(ctx, request);
}

void contract_pass(trp_ctx *ctx, contract *self) {
    answer(ctx, self, true, false, "");
}

void contract_skip(trp_ctx *ctx, contract *self) {
    answer(ctx, self, true, true, "");
}

void contract_fail(trp_ctx *ctx, contract *self, const char *why) {
    answer(ctx, self, false, false, why);
}

static void begin(trp_ctx *ctx, contract *self, trp_message *message) {
    uint32_t index = contract_run_of(message)->index;
    memset(self, 0, sizeof *self);
    self->request = trp_message_take(ctx, message);
    self->index = index;
    (void)trp_timer(ctx, PATIENCE_NS, WATCHDOG_TAG, &self->watchdog);
    if (index < contract_cases_len) {
        contract_cases[index].step(ctx, self, NULL);
    } else {
        contract_fail(ctx, self, "there is no such case");
    }
}

static void contract_handle(trp_ctx *ctx, void *state, trp_message *message) {
    contract *self = state;
    if (trp_message_is(message, &contract_run_type)) {
        begin(ctx, self, message);
        return;
    }
    if (trp_message_is(message, &trp_timeout_type)) {
        const trp_timeout *timeout = trp_message_body(message);
        if (timeout->tag == WATCHDOG_TAG) {
            contract_fail(ctx, self, "nothing happened for 20 seconds");
            return;
        }
    }
    if (self->request != NULL) {
        contract_cases[self->index].step(ctx, self, message);
    }
}

const trp_behaviour contract_behaviour = {
    TRP_BEHAVIOUR("contract"),
    .state_size = sizeof(contract),
    .types = contract_types,
    .handle = contract_handle,
};

/* ---- all of them ---- */

typedef struct runner {
    contract_report *report;
    uint32_t next;
} runner;

/* Each case gets an actor of its own, so that what one leaves behind does not trouble the next. */
static void ask_next(trp_ctx *ctx, runner *self) {
    trp_pid pid;
    trp_ref ref;
    trp_message *run = trp_message_new(ctx, &contract_run_type);
    if (self->next == contract_cases_len) {
        trp_message_drop(ctx, run);
        self->report->is_done = true;
        if (self->report->on_done != NULL) {
            self->report->on_done(self->report->arg);
        }
        trp_stop_self(ctx);
    } else if (run != NULL && trp_spawn(ctx, &contract_behaviour, NULL, &pid) == 0) {
        contract_run_of(run)->index = self->next++;
        (void)trp_request(ctx, pid, run, 2 * PATIENCE_NS, &ref);
    }
}

static void add_line(contract_report *report, const char *name, const char *why) {
    size_t length = strlen(report->text);
    copy_text(report->text + length, sizeof report->text - length, name);
    length = strlen(report->text);
    copy_text(report->text + length, sizeof report->text - length, ": ");
    length = strlen(report->text);
    copy_text(report->text + length, sizeof report->text - length, why);
    length = strlen(report->text);
    copy_text(report->text + length, sizeof report->text - length, "\n");
}

static void runner_handle(trp_ctx *ctx, void *state, trp_message *message) {
    runner *self = state;
    contract_report *report = self->report;
    const contract_result *result = contract_result_of(message);
    if (result == NULL) {
        report->failed++;
        add_line(report, contract_cases[self->next - 1].name, "the actor ended or did not answer");
    } else if (!result->passed) {
        report->failed++;
        add_line(report, result->name, result->why);
    } else if (result->skipped) {
        report->skipped++;
    } else {
        report->passed++;
    }
    ask_next(ctx, self);
}

static int runner_init(trp_ctx *ctx, void *state, const void *arg) {
    runner *self = state;
    memcpy(&self->report, arg, sizeof self->report);
    ask_next(ctx, self);
    return 0;
}

static const trp_behaviour runner_behaviour = {
    TRP_BEHAVIOUR("contract-runner"),
    .state_size = sizeof(runner),
    .init = runner_init,
    .handle = runner_handle,
};

int contract_run_all(trp_ctx *ctx, contract_report *report) {
    return trp_spawn(ctx, &runner_behaviour, &report, NULL);
}
