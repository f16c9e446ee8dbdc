/*
 * The rate limiter: in no window of time are more permits given than burst and rate allow, whoever asks
 * whenever; nobody is forgotten, and the line is kept.
 * usage: test_limiter [first seed]
 */
#include "asker.h"
#include "cmocka_all.h"
#include "limiter.h"

#include <stdio.h>
#include <stdlib.h>

enum { SEEDS = 40, REQUESTS = 150 };

/* Timers are kept in ticks of about a millisecond, so a permit may come so much later. */
#define LATE_NS (2 * TRP_NS_PER_MS)

static uint64_t first_seed = 1;
static asker client;

static trp_pid spawn_limiter(fake_host *fake, uint32_t per_second, uint32_t burst) {
    trp_pid pid;
    const rate allowed = {.per_second = per_second, .burst = burst};
    assert_int_equal(trp_spawn(fake_root(fake), &limiter, &allowed, &pid), 0);
    return pid;
}

static uint32_t ask(fake_host *fake, trp_pid to, uint64_t timeout_ns) {
    return asker_ask(fake, &client, to, &permit_type, NULL, timeout_ns);
}

static void assert_rate(const rate *allowed, uint64_t seed) {
    for (uint32_t from = 0; from < client.requests_len; from++) {
        for (uint32_t to = from; to < client.requests_len; to++) {
            uint64_t span_ns = client.requests[to].at_ns - client.requests[from].at_ns;
            uint64_t most = allowed->burst + span_ns * allowed->per_second / TRP_NS_PER_S;
            if (to - from + 1 > most) {
                fail_msg("seed %u: %u permits in %u ns", (unsigned)seed, to - from + 1,
                         (unsigned)span_ns);
            }
        }
    }
}

static void run_seed(uint64_t seed) {
    fake_host *fake = fake_create(1);
    uint64_t random = seed;
    const rate allowed = {.per_second = 1 + (uint32_t)fake_random_below(&random, 2000),
                          .burst = 1 + (uint32_t)fake_random_below(&random, 20)};
    trp_pid pid = spawn_limiter(fake, allowed.per_second, allowed.burst);
    asker_spawn(fake, &client);
    for (int i = 0; i < REQUESTS; i++) {
        (void)ask(fake, pid, TRP_NEVER);
        if (fake_random_below(&random, 3) == 0) {
            fake_advance(fake, fake_random_below(&random, 4 * TRP_NS_PER_S / allowed.per_second));
        }
    }
    fake_advance(fake, (REQUESTS + 1) * (TRP_NS_PER_S / allowed.per_second + LATE_NS));
    for (uint32_t i = 0; i < REQUESTS; i++) {
        assert_int_equal(client.requests[i].ends, 1);
        assert_int_equal(client.requests[i].error, 0);
        assert_int_equal(client.requests[i].order, i); /* first come, first served */
    }
    assert_rate(&allowed, seed);
    fake_destroy(fake);
}

static void test_rate_is_kept_in_every_window(void **state) {
    (void)state;
    for (uint64_t seed = first_seed; seed < first_seed + SEEDS; seed++) {
        run_seed(seed);
    }
}

/* A limiter that were too strict would pass, too. */
static void test_burst_comes_at_once_and_then_one_each_period(void **state) {
    fake_host *fake = *state;
    trp_pid pid = spawn_limiter(fake, 10, 3);
    asker_spawn(fake, &client);
    for (int i = 0; i < 5; i++) {
        (void)ask(fake, pid, TRP_NEVER);
    }
    assert_int_equal(client.ended, 3);
    fake_advance(fake, 99 * TRP_NS_PER_MS);
    assert_int_equal(client.ended, 3);
    fake_advance(fake, TRP_NS_PER_MS + LATE_NS);
    assert_int_equal(client.ended, 4);
    fake_advance(fake, 100 * TRP_NS_PER_MS + LATE_NS);
    assert_int_equal(client.ended, 5);
    fake_advance(fake, 10 * TRP_NS_PER_S); /* the bucket is full again, and no fuller */
    for (int i = 0; i < 5; i++) {
        (void)ask(fake, pid, TRP_NEVER);
    }
    assert_int_equal(client.ended, 8);
}

static void test_caller_who_has_given_up_costs_nothing(void **state) {
    fake_host *fake = *state;
    trp_pid pid = spawn_limiter(fake, 10, 1);
    asker_spawn(fake, &client);
    (void)ask(fake, pid, TRP_NEVER);
    uint32_t impatient = ask(fake, pid, 50 * TRP_NS_PER_MS);
    uint32_t patient = ask(fake, pid, TRP_NEVER);
    fake_advance(fake, 100 * TRP_NS_PER_MS + LATE_NS);
    assert_int_equal(client.requests[impatient].error, TRP_ETIMEOUT);
    assert_int_equal(client.requests[patient].ends, 1); /* by the first token that came */
}

static void test_line_that_is_too_long_is_refused(void **state) {
    fake_host *fake = *state;
    trp_pid pid = spawn_limiter(fake, 1, 1);
    asker_spawn(fake, &client);
    for (int i = 0; i < 1 + 1024; i++) {
        (void)ask(fake, pid, TRP_NEVER);
    }
    assert_int_equal(client.ended, 1);
    uint32_t last = ask(fake, pid, TRP_NEVER);
    assert_int_equal(client.requests[last].error, TRP_EFULL);
    assert_string_equal(client.requests[last].text, "too many wait for a permit");
    assert_int_equal(trp_kill(fake_root(fake), pid), 0);
    fake_run(fake);
    assert_int_equal(client.ended, 1 + 1024 + 1); /* who waits hears of the end */
}

static void test_senseless_rates_are_refused(void **state) {
    fake_host *fake = *state;
    const rate none = {.per_second = 0, .burst = 1};
    const rate no_bucket = {.per_second = 1, .burst = 0};
    assert_int_equal(trp_spawn(fake_root(fake), &limiter, &none, NULL), TRP_EINVAL);
    assert_int_equal(trp_spawn(fake_root(fake), &limiter, &no_bucket, NULL), TRP_EINVAL);
}

int main(int count, char **words) {
    first_seed = count > 1 ? strtoull(words[1], NULL, 10) : first_seed;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rate_is_kept_in_every_window),
        FAKE_TEST(test_burst_comes_at_once_and_then_one_each_period),
        FAKE_TEST(test_caller_who_has_given_up_costs_nothing),
        FAKE_TEST(test_line_that_is_too_long_is_refused),
        FAKE_TEST(test_senseless_rates_are_refused),
    };
    return cmocka_run_group_tests_name("limiter", tests, NULL, NULL);
}
