/*
 * The pipeline: every number comes out once, in order, whatever the channels hold; and what is on the
 * way takes no more memory when there is more to do.
 */
#include "asker.h"
#include "cmocka_all.h"
#include "pipeline.h"

static asker client;

/* The reply's numbers are looked at when they come. */
static uint32_t numbers_seen;
static bool is_in_order;

static void look(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)ctx, (void)self;
    const numbers *reply = numbers_of(message);
    if (reply == NULL) {
        return;
    }
    int64_t i = 0;
    is_in_order = true;
    TRP_LIST_FOR_EACH (int64_t, value, &reply->values) {
        i++;
        is_in_order = is_in_order && *value == i * i;
    }
    numbers_seen = reply->values.length;
}

static void run_pipeline(fake_host *fake, uint32_t count, uint32_t capacity) {
    trp_pid pid;
    const squares wish = {.count = count, .capacity = capacity};
    numbers_seen = UINT32_MAX;
    is_in_order = false;
    client.probe.on_message = look;
    assert_int_equal(trp_spawn(fake_root(fake), &pipeline.behaviour, NULL, &pid), 0);
    (void)asker_ask(fake, &client, pid, &squares_type, &wish, TRP_NEVER);
    assert_int_equal(numbers_seen, count);
    assert_true(is_in_order);
    assert_int_equal(fake_stats(fake).actors, 1); /* the client */
    assert_int_equal(fake_stats(fake).failures, 0);
}

static void test_each_number_comes_once_and_in_order(void **state) {
    fake_host *fake = *state;
    const uint32_t capacities[] = {0, 1, 2, 7, 64, TRP_CHANNEL_UNBOUNDED};
    asker_spawn(fake, &client);
    for (size_t i = 0; i < sizeof capacities / sizeof capacities[0]; i++) {
        run_pipeline(fake, 0, capacities[i]);
        run_pipeline(fake, 1, capacities[i]);
        run_pipeline(fake, 1000, capacities[i]);
    }
}

/* Bytes that it takes at most, besides the results themselves. */
static uint64_t peak(uint32_t count, uint32_t capacity) {
    fake_host *fake = fake_create(1);
    asker_spawn(fake, &client);
    run_pipeline(fake, count, capacity);
    uint64_t bytes = fake->memory.peak_bytes - 2 * count * sizeof(int64_t);
    fake_destroy(fake);
    return bytes;
}

static void test_memory_depends_on_the_capacity_alone(void **state) {
    (void)state;
    uint64_t little = peak(100, 4);
    uint64_t much = peak(20000, 4);
    uint64_t unbounded = peak(20000, TRP_CHANNEL_UNBOUNDED);
    assert_in_range(much, 0, little + 100000);
    assert_in_range(unbounded, little + 500000, UINT32_MAX); /* the measure can tell */
}

static void test_senseless_wish_is_answered_with_an_error(void **state) {
    fake_host *fake = *state;
    trp_pid pid;
    const squares wish = {.count = UINT32_MAX, .capacity = 1};
    asker_spawn(fake, &client);
    assert_int_equal(trp_spawn(fake_root(fake), &pipeline.behaviour, NULL, &pid), 0);
    uint32_t request = asker_ask(fake, &client, pid, &squares_type, &wish, TRP_NEVER);
    assert_int_equal(client.requests[request].ends, 1);
    assert_int_not_equal(client.requests[request].error, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_each_number_comes_once_and_in_order),
        cmocka_unit_test(test_memory_depends_on_the_capacity_alone),
        FAKE_TEST(test_senseless_wish_is_answered_with_an_error),
    };
    return cmocka_run_group_tests_name("pipeline", tests, NULL, NULL);
}
