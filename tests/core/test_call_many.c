/*
 * trp_call_many: a routine that asks many and waits for all.
 */
#include "cmocka_all.h"
#include "routine_fixture.h"

enum { TARGETS = 3 };

typedef struct scene {
    trp_pid targets[TARGETS];
    uint64_t timeout_ns;
} scene;

static int call_many(trp_ctx *ctx, script *self) {
    const scene *what = self->arg;
    trp_message *outcomes = NULL;
    int error = trp_call_many(ctx, what->targets, TARGETS, probe_value(ctx, 41), what->timeout_ns,
                              &outcomes);
    script_note(self, error);
    for (uint32_t i = 0; error == 0 && i < TARGETS; i++) {
        const trp_outcome *outcome = trp_outcome_at(outcomes, i);
        trp_message *reply = trp_outcome_reply(outcomes, i);
        script_note(self, reply == NULL ? outcome->code : (int64_t)probe_value_of(reply));
    }
    (void)script_receive(ctx, self, 0, TRP_NEVER); /* what came meanwhile has waited */
    return 0;
}

static void keep(trp_ctx *ctx, probe *self, trp_message *message) {
    self->kept = trp_message_take(ctx, message);
}

static void test_routine_gets_all_outcomes_and_nothing_else(void **state) {
    fake_host *fake = *state;
    probe answers = {.on_message = probe_reply_next};
    probe silent = {.on_message = keep};
    probe_spawn(fake, &answers);
    probe_spawn(fake, &silent);
    scene what = {{answers.pid, silent.pid, TRP_PID_NONE}, 50 * TRP_NS_PER_MS};
    script a = {.body = call_many, .arg = &what};
    script_start(fake, &a);
    script_lives(&a);
    SCRIPT_SEND(fake, a.pid, 7);
    assert_int_equal(a.values_len, 0); /* it waits for the end */
    fake_advance(fake, 60 * TRP_NS_PER_MS);
    SCRIPT_ASSERT(&a, 0, 42, TRP_ETIMEOUT, TRP_ENOPROC, 7);
    (void)script_ended(&a, TRP_EXIT_NORMAL, 0);
}

static void test_routine_that_is_killed_gives_all_up(void **state) {
    fake_host *fake = *state;
    probe silent = {.on_message = keep};
    probe_spawn(fake, &silent);
    scene what = {{silent.pid, TRP_PID_NONE, TRP_PID_NONE}, TRP_NEVER};
    script a = {.body = call_many, .arg = &what};
    script_start(fake, &a);
    script_lives(&a);
    assert_int_equal(trp_kill(fake_root(fake), a.pid), 0);
    fake_run(fake);
    assert_int_equal(fake_stats(fake).actors, 2); /* the callee and the watcher */
}

static void call_outside(trp_ctx *ctx, probe *self, void *arg) {
    trp_message *outcomes;
    trp_pid to = self->pid;
    *(int *)arg = trp_call_many(ctx, &to, 1, probe_value(ctx, 1), 1, &outcomes);
}

static void test_only_routines_wait_for_many(void **state) {
    fake_host *fake = *state;
    int result = 0;
    probe a = {0};
    probe_spawn(fake, &a);
    probe_do(fake, &a, call_outside, &result);
    assert_int_equal(result, TRP_ESTATE);
    assert_int_equal(a.events_len, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_routine_gets_all_outcomes_and_nothing_else),
        FAKE_TEST(test_routine_that_is_killed_gives_all_up),
        FAKE_TEST(test_only_routines_wait_for_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
