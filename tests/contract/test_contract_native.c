/*
 * The contract on the native host: with one scheduler and several, and attached to a caller's loop;
 * and what only threads can break.
 */
#include "contract.h"

#include "cmocka_all.h"
#include "troupe/native.h"

#include <pthread.h>
#include <uv.h>

static void stop(void *arg) {
    trp_native_stop(arg, 5 * TRP_NS_PER_S);
}

static int begin(trp_ctx *ctx, void *arg) {
    return contract_run_all(ctx, arg);
}

static void check_report(const contract_report *report) {
    if (report->failed > 0) {
        fail_msg("%u cases failed:\n%s", report->failed, report->text);
    }
    assert_true(report->is_done);
    assert_int_equal(report->passed + report->skipped, contract_cases_len);
    assert_true(report->passed >= 11);
}

static void run_with_threads(unsigned schedulers) {
    trp_native_config config = {
        .size = sizeof config,
        .schedulers = schedulers,
        .log_format = TRP_LOG_FORMAT_NONE,
        .count_memory = true,
    };
    trp_native *native = NULL;
    assert_int_equal(trp_native_create(&config, &native), 0);
    contract_report report = {.on_done = stop, .arg = native};
    assert_int_equal(trp_native_start(native), 0);
    assert_int_equal(trp_native_call_wait(native, 0, begin, &report), 0);
    assert_int_equal(trp_native_join(native),
                     0); /* that it ends is the contract of stop and DONE */
    check_report(&report);
    trp_native_destroy(native);
}

static void test_contract_holds_on_one_thread(void **state) {
    (void)state;
    run_with_threads(1);
}

static void test_contract_holds_on_several_threads(void **state) {
    (void)state;
    run_with_threads(3);
}

static void test_contract_holds_inside_a_callers_loop(void **state) {
    (void)state;
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    trp_native_config config = {
        .size = sizeof config,
        .loop = &loop,
        .log_format = TRP_LOG_FORMAT_NONE,
    };
    trp_native *native = NULL;
    assert_int_equal(trp_native_create(&config, &native), 0);
    contract_report report = {.on_done = stop, .arg = native};
    assert_int_equal(trp_native_call_wait(native, 0, begin, &report), 0);
    assert_int_equal(trp_native_start(native), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    check_report(&report);
    trp_native_destroy(native);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/*
 * Foreign threads wake a host that sleeps: one message at a time, each answered before the next is
 * sent.
 */

enum { THREADS = 3, PINGS = 300 };

typedef struct pinger {
    trp_native *native;
    trp_pid to;
    pthread_mutex_t mutex;
    pthread_cond_t answered;
    uint64_t answers;
    bool timed_out;
} pinger;

static void answer_ping(trp_ctx *ctx, void *state, trp_message *message) {
    pinger *from;
    (void)ctx;
    (void)state;
    memcpy(&from, trp_message_body(message), sizeof from);
    pthread_mutex_lock(&from->mutex);
    from->answers++;
    pthread_cond_signal(&from->answered);
    pthread_mutex_unlock(&from->mutex);
}

static const trp_behaviour answering = {TRP_BEHAVIOUR("contract-answering"), .handle = answer_ping};

static int spawn_answering(trp_ctx *ctx, void *arg) {
    return trp_spawn(ctx, &answering, NULL, arg);
}

static void *ping(void *arg) {
    pinger *self = arg;
    for (uint64_t i = 1; i <= PINGS && !self->timed_out; i++) {
        struct timespec limit;
        clock_gettime(CLOCK_REALTIME, &limit);
        limit.tv_sec += 20;
        (void)trp_post_bytes(trp_native_runtime(self->native), self->to, &self, sizeof self, 0);
        pthread_mutex_lock(&self->mutex);
        while (self->answers < i && !self->timed_out) {
            self->timed_out = pthread_cond_timedwait(&self->answered, &self->mutex, &limit) != 0;
        }
        pthread_mutex_unlock(&self->mutex);
    }
    return NULL;
}

static void test_foreign_threads_wake_a_sleeping_host(void **state) {
    (void)state;
    trp_native_config config = {.size = sizeof config, .schedulers = 2};
    trp_native *native = NULL;
    pinger pingers[THREADS];
    pthread_t threads[THREADS];
    assert_int_equal(trp_native_create(&config, &native), 0);
    assert_int_equal(trp_native_start(native), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        pingers[i] = (pinger){.native = native};
        pthread_mutex_init(&pingers[i].mutex, NULL);
        pthread_cond_init(&pingers[i].answered, NULL);
        assert_int_equal(trp_native_call_wait(native, i % 2, spawn_answering, &pingers[i].to), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ping, &pingers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_false(pingers[i].timed_out);
        assert_int_equal(pingers[i].answers, PINGS);
        pthread_mutex_destroy(&pingers[i].mutex);
        pthread_cond_destroy(&pingers[i].answered);
    }
    trp_native_stop(native, TRP_NS_PER_S);
    assert_int_equal(trp_native_join(native), 0);
    trp_native_destroy(native);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contract_holds_on_one_thread),
        cmocka_unit_test(test_contract_holds_on_several_threads),
        cmocka_unit_test(test_contract_holds_inside_a_callers_loop),
        cmocka_unit_test(test_foreign_threads_wake_a_sleeping_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
