/*
 * trp_native_run: a whole program around one actor.
 */
#include "troupe/native.h"
#include "troupe/routine.h"
#include "troupe/timer.h"
#include "cmocka_all.h"

static const trp_native_config quiet = {
    .size = sizeof quiet,
    .schedulers = 2,
    .log_format = TRP_LOG_FORMAT_NONE,
};

static int run_body(int (*body)(trp_ctx *ctx, void *arg), int arg) {
    const trp_routine first = {TRP_ROUTINE("first", body, sizeof(int))};
    return trp_native_run(&quiet, &first.behaviour, &arg);
}

static int return_it(trp_ctx *ctx, void *arg) {
    int error = trp_sleep(ctx, TRP_NS_PER_MS);
    return error ? error : *(int *)arg;
}

static int shut_down(trp_ctx *ctx, void *arg) {
    (void)arg;
    trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 7, "enough");
    trp_abort(ctx, &reason);
}

static int be_killed(trp_ctx *ctx, void *arg) {
    (void)arg;
    (void)trp_kill(ctx, trp_self(ctx));
    return trp_sleep(ctx, TRP_NEVER);
}

static void test_result_is_that_of_the_first_actor(void **state) {
    (void)state;
    assert_int_equal(run_body(return_it, 0), 0);
    assert_int_equal(run_body(return_it, TRP_EPERM), TRP_EPERM);
    assert_int_equal(run_body(shut_down, 0), 0);
    assert_int_equal(run_body(be_killed, 0), TRP_EFAILED);
}

static int refuse(trp_ctx *ctx, void *state, const void *arg) {
    (void)ctx, (void)state, (void)arg;
    return TRP_EAUTH;
}

static void ignore(trp_ctx *ctx, void *state, trp_message *message) {
    (void)ctx, (void)state, (void)message;
}

static void test_init_that_fails_is_the_result(void **state) {
    (void)state;
    const trp_behaviour refusing = {TRP_BEHAVIOUR("refusing"), .init = refuse, .handle = ignore};
    assert_int_equal(trp_native_run(&quiet, &refusing, NULL), TRP_EAUTH);
}

static int leave_others(trp_ctx *ctx, void *arg) {
    (void)arg;
    static const trp_behaviour idle = {TRP_BEHAVIOUR("idle"), .handle = ignore};
    return trp_spawn(ctx, &idle, NULL, NULL);
}

static void test_the_others_end_with_it(void **state) {
    (void)state;
    assert_int_equal(run_body(leave_others, 0), 0);
}

static void test_a_callers_loop_is_refused(void **state) {
    (void)state;
    trp_native_config config = quiet;
    config.loop = (struct uv_loop_s *)(void *)&config; /* never looked at */
    const trp_behaviour idle = {TRP_BEHAVIOUR("idle"), .handle = ignore};
    assert_int_equal(trp_native_run(&config, &idle, NULL), TRP_EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result_is_that_of_the_first_actor),
        cmocka_unit_test(test_init_that_fails_is_the_result),
        cmocka_unit_test(test_the_others_end_with_it),
        cmocka_unit_test(test_a_callers_loop_is_refused),
    };
    return cmocka_run_group_tests_name("native run", tests, NULL, NULL);
}
