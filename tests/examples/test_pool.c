/*
 * The worker pool: each job ends once, with its result or with the reason why there is none, however
 * many workers crash or are killed, and also when the pool itself ends.
 * usage: test_pool [first seed]
 */
#include "asker.h"
#include "cmocka_all.h"
#include "pool.h"

#include <stdlib.h>

enum { SEEDS = 30, JOBS = 100 };

static uint64_t first_seed = 1;
static asker client;

static trp_pid start(fake_host *fake) {
    trp_pid pid;
    assert_int_equal(trp_spawn(fake_root(fake), &pool, NULL, &pid), 0);
    asker_spawn(fake, &client);
    return pid;
}

static void assert_outcome(const asker_request *request, const job *todo) {
    assert_int_equal(request->ends, 1);
    if (todo->divisor == 0) {
        assert_int_equal(request->error, TRP_EINVAL);
        assert_string_equal(request->text, "division by zero");
    } else {
        assert_int_equal(request->error, 0);
        assert_true(request->value == todo->dividend / todo->divisor);
    }
}

static void kill_worker(fake_host *fake, uint64_t which) {
    static const char *const names[] = {"worker 1", "worker 2", "worker 3"};
    trp_pid pid;
    if (trp_whereis(fake_root(fake), names[which], &pid) == 0) {
        assert_int_equal(trp_kill(fake_root(fake), pid), 0);
    }
}

static void run_seed(uint64_t seed) {
    static job jobs[JOBS];
    fake_host *fake = fake_create(1);
    uint64_t random = seed;
    trp_pid pid = start(fake);
    for (uint32_t i = 0; i < JOBS; i++) {
        jobs[i].dividend = (int64_t)fake_random_below(&random, 1000);
        jobs[i].divisor = (int64_t)fake_random_below(&random, 6);
        if (fake_random_below(&random, 10) == 0) {
            kill_worker(fake, fake_random_below(&random, 3));
        }
        (void)asker_ask(fake, &client, pid, &job_type, &jobs[i], TRP_NEVER);
    }
    fake_advance(fake, 10 * TRP_NS_PER_S);
    for (uint32_t i = 0; i < JOBS; i++) {
        assert_outcome(&client.requests[i], &jobs[i]);
    }
    assert_true(fake_stats(fake).failures > JOBS / 10); /* workers did crash */
    fake_destroy(fake);
}

static void test_each_job_is_done_or_says_why(void **state) {
    (void)state;
    for (uint64_t seed = first_seed; seed < first_seed + SEEDS; seed++) {
        run_seed(seed);
    }
}

static void call_ask_ten(trp_ctx *ctx, probe *of, void *arg) {
    asker *self = (asker *)(void *)of;
    for (int i = 0; i < 10; i++) {
        trp_message *message = trp_new(ctx, job, .dividend = 8, .divisor = i);
        trp_ref *ref = &self->requests[self->requests_len++].ref;
        assert_int_equal(trp_request(ctx, *(const trp_pid *)arg, message, TRP_NEVER, ref), 0);
    }
    assert_int_equal(trp_kill(ctx, *(const trp_pid *)arg), 0);
}

static void test_end_of_the_pool_is_told_to_all_who_wait(void **state) {
    fake_host *fake = *state;
    trp_pid pid = start(fake);
    probe_do(fake, &client.probe, call_ask_ten, &pid);
    fake_advance(fake, 10 * TRP_NS_PER_S);
    assert_int_equal(client.ended, 10);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(client.requests[i].ends, 1);
    }
    assert_int_equal(fake_stats(fake).actors, 1); /* clerks, workers and supervisor went with it */
}

static void test_what_is_no_job_is_not_worked_on(void **state) {
    fake_host *fake = *state;
    trp_pid pid = start(fake);
    uint32_t request = asker_ask(fake, &client, pid, &done_type, NULL, TRP_NEVER);
    assert_int_equal(client.requests[request].error, TRP_ECANCELED);
    assert_int_equal(fake_stats(fake).failures, 0);
}

int main(int count, char **words) {
    first_seed = count > 1 ? strtoull(words[1], NULL, 10) : first_seed;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_job_is_done_or_says_why),
        FAKE_TEST(test_end_of_the_pool_is_told_to_all_who_wait),
        FAKE_TEST(test_what_is_no_job_is_not_worked_on),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
