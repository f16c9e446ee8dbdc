/*
 * Channels: order, bounds, closing, ends, and that nobody who is told to try again is told in vain
 * or forgotten.
 */
#include "cmocka_all.h"
#include "probe.h"
#include "troupe/channel.h"

static trp_channel *create(fake_host *fake, uint32_t capacity) {
    trp_channel *channel = NULL;
    assert_int_equal(trp_channel_create(fake_root(fake), capacity, &channel), 0);
    return channel;
}

static void destroy(fake_host *fake, trp_channel *channel) {
    trp_channel_release(fake_root(fake), channel, TRP_CHANNEL_SEND);
    trp_channel_release(fake_root(fake), channel, TRP_CHANNEL_RECEIVE);
}

/* Puts a number in; the error, after which the message is freed. */
static int put(fake_host *fake, trp_channel *channel, uint64_t value) {
    trp_message *message = probe_value(fake_root(fake), value);
    assert_non_null(message);
    int error = trp_channel_try_send(fake_root(fake), channel, message);
    if (error != 0) {
        trp_message_drop(fake_root(fake), message);
    }
    return error;
}

/* Takes a number out; UINT64_MAX and the error if there is none. */
static uint64_t get(fake_host *fake, trp_channel *channel, int *error) {
    trp_message *message = NULL;
    *error = trp_channel_try_receive(fake_root(fake), channel, &message);
    if (*error != 0) {
        return UINT64_MAX;
    }
    uint64_t value = probe_value_of(message);
    trp_message_drop(fake_root(fake), message);
    return value;
}

static void assert_get(fake_host *fake, trp_channel *channel, uint64_t expected) {
    int error;
    assert_int_equal(get(fake, channel, &error), expected);
    assert_int_equal(error, 0);
}

static void test_any_capacity_is_kept_exactly(void **state) {
    fake_host *fake = *state;
    uint32_t capacities[] = {1, 2, 3, 5, 7, 8, 100, 1000};
    for (size_t c = 0; c < sizeof capacities / sizeof *capacities; c++) {
        trp_channel *channel = create(fake, capacities[c]);
        for (int lap = 0; lap < 3; lap++) {
            for (uint32_t i = 0; i < capacities[c]; i++) {
                assert_int_equal(put(fake, channel, i), 0);
            }
            assert_int_equal(put(fake, channel, 0), TRP_EFULL);
            assert_int_equal(trp_channel_length(channel), capacities[c]);
            for (uint32_t i = 0; i < capacities[c]; i++) {
                assert_get(fake, channel, i);
            }
            int error;
            (void)get(fake, channel, &error);
            assert_int_equal(error, TRP_EEMPTY);
        }
        destroy(fake, channel);
    }
}

static void test_unbounded_is_never_full(void **state) {
    fake_host *fake = *state;
    trp_channel *channel = create(fake, TRP_CHANNEL_UNBOUNDED);
    for (uint64_t i = 0; i < 10000; i++) {
        assert_int_equal(put(fake, channel, i), 0);
    }
    assert_int_equal(trp_channel_length(channel), 10000);
    for (uint64_t i = 0; i < 10000; i++) {
        assert_get(fake, channel, i);
    }
    destroy(fake, channel);
}

static void test_closed_channel_is_drained_before_it_says_so(void **state) {
    fake_host *fake = *state;
    uint32_t capacities[] = {4, TRP_CHANNEL_UNBOUNDED};
    for (int c = 0; c < 2; c++) {
        trp_channel *channel = create(fake, capacities[c]);
        assert_int_equal(put(fake, channel, 1), 0);
        assert_int_equal(put(fake, channel, 2), 0);
        assert_int_equal(trp_channel_close(fake_root(fake), channel), 0);
        assert_int_equal(trp_channel_close(fake_root(fake), channel), TRP_ECLOSED);
        assert_true(trp_channel_is_closed(channel));
        assert_int_equal(put(fake, channel, 3), TRP_ECLOSED);
        assert_get(fake, channel, 1);
        assert_get(fake, channel, 2);
        int error;
        (void)get(fake, channel, &error);
        assert_int_equal(error, TRP_ECLOSED);
        destroy(fake, channel);
    }
}

static void test_closed_wins_over_full(void **state) {
    fake_host *fake = *state;
    trp_channel *channel = create(fake, 1);
    assert_int_equal(put(fake, channel, 1), 0);
    assert_int_equal(trp_channel_close(fake_root(fake), channel), 0);
    assert_int_equal(put(fake, channel, 2), TRP_ECLOSED);
    destroy(fake, channel);
}

static void test_last_end_of_a_side_closes(void **state) {
    fake_host *fake = *state;
    trp_ctx *ctx = fake_root(fake);
    for (int end = 0; end < 2; end++) {
        trp_channel *channel = create(fake, 2);
        trp_channel_clone(channel, (trp_channel_end)end);
        trp_channel_release(ctx, channel, (trp_channel_end)end);
        assert_false(trp_channel_is_closed(channel));
        trp_channel_hold(channel);
        trp_channel_release(ctx, channel, (trp_channel_end)end);
        assert_true(trp_channel_is_closed(channel));
        assert_int_equal(trp_channel_upgrade(channel, (trp_channel_end)end), TRP_ECLOSED);
        trp_channel_drop(ctx, channel);
        trp_channel_release(ctx, channel, (trp_channel_end)(1 - end));
    }
}

static void test_weak_hold_can_become_an_end(void **state) {
    fake_host *fake = *state;
    trp_ctx *ctx = fake_root(fake);
    trp_channel *channel = create(fake, 2);
    trp_channel_hold(channel);
    assert_int_equal(trp_channel_upgrade(channel, TRP_CHANNEL_SEND), 0);
    trp_channel_release(ctx, channel, TRP_CHANNEL_SEND);
    assert_false(trp_channel_is_closed(channel));
    trp_channel_release(ctx, channel, TRP_CHANNEL_SEND);
    assert_true(trp_channel_is_closed(channel));
    trp_channel_release(ctx, channel, TRP_CHANNEL_RECEIVE);
    trp_channel_drop(ctx, channel);
}

static void test_force_send_gives_the_oldest_back(void **state) {
    fake_host *fake = *state;
    trp_ctx *ctx = fake_root(fake);
    trp_channel *channel = create(fake, 2);
    trp_message *oldest = NULL;
    for (uint64_t i = 0; i < 4; i++) {
        assert_int_equal(trp_channel_force_send(ctx, channel, probe_value(ctx, i), &oldest), 0);
        if (i < 2) {
            assert_null(oldest);
        } else {
            assert_int_equal(probe_value_of(oldest), i - 2);
            trp_message_drop(ctx, oldest);
        }
    }
    assert_get(fake, channel, 2);
    assert_get(fake, channel, 3);
    destroy(fake, channel);
}

static void test_batches_keep_order_and_bounds(void **state) {
    fake_host *fake = *state;
    trp_ctx *ctx = fake_root(fake);
    enum { COUNT = 10, CAPACITY = 6 };
    trp_channel *channel = create(fake, CAPACITY);
    trp_message *messages[COUNT];
    for (uint64_t i = 0; i < COUNT; i++) {
        messages[i] = probe_value(ctx, i);
    }
    size_t sent = 0;
    assert_int_equal(trp_channel_try_send_many(ctx, channel, messages, COUNT, &sent), TRP_EFULL);
    assert_int_equal(sent, CAPACITY);
    /* Nothing to send is nothing refused, full or not. */
    assert_int_equal(trp_channel_try_send_many(ctx, channel, messages, 0, &sent), 0);
    assert_int_equal(sent, 0);
    sent = CAPACITY;
    trp_message *taken[COUNT];
    size_t received = 0;
    assert_int_equal(trp_channel_try_receive_many(ctx, channel, taken, COUNT, &received), 0);
    assert_int_equal(received, CAPACITY);
    for (size_t i = 0; i < received; i++) {
        assert_int_equal(probe_value_of(taken[i]), i);
        trp_message_drop(ctx, taken[i]);
    }
    assert_int_equal(trp_channel_try_receive_many(ctx, channel, taken, COUNT, &received),
                     TRP_EEMPTY);
    for (size_t i = sent; i < COUNT; i++) {
        trp_message_drop(ctx, messages[i]);
    }
    destroy(fake, channel);
}

static void test_what_is_left_is_freed_with_the_channel(void **state) {
    fake_host *fake = *state;
    trp_channel *channel = create(fake, 8);
    assert_int_equal(put(fake, channel, 1), 0);
    trp_message *large = trp_message_new_bytes(fake_root(fake), NULL, 100000);
    assert_int_equal(trp_channel_try_send(fake_root(fake), channel, large), 0);
    destroy(fake, channel); /* the teardown counts the bytes */
}

static void test_bad_capacity_and_no_message_are_refused(void **state) {
    fake_host *fake = *state;
    trp_channel *channel = NULL;
    assert_int_equal(trp_channel_create(fake_root(fake), TRP_CHANNEL_CAPACITY_MAX + 1, &channel),
                     TRP_EINVAL);
    channel = create(fake, 1);
    assert_int_equal(trp_channel_try_send(fake_root(fake), channel, NULL), TRP_ENOMEM);
    destroy(fake, channel);
}

/* ---- being told ---- */

typedef struct asking {
    trp_channel *channel;
    trp_channel_end end;
    trp_ref ref;
    int result;
} asking;

static void notify(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    asking *what = arg;
    what->result = trp_channel_notify(ctx, what->channel, what->end, &what->ref);
}

static void forget(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    asking *what = arg;
    what->result = trp_channel_forget(ctx, what->ref);
}

static asking ask(fake_host *fake, probe *who, trp_channel *channel, trp_channel_end end) {
    asking what = {channel, end, 0, 1};
    probe_do(fake, who, notify, &what);
    assert_int_equal(what.result, 0);
    return what;
}

static void assert_told(const probe *who, uint32_t times, trp_ref last) {
    assert_int_equal(who->events_len, times);
    if (times > 0) {
        assert_ptr_equal(who->events[times - 1].type, &trp_channel_ready_type);
        assert_true(who->events[times - 1].ref == last);
    }
}

static void test_receiver_is_told_once_of_a_message(void **state) {
    fake_host *fake = *state;
    trp_channel *channel = create(fake, 4);
    probe a = {0};
    probe_spawn(fake, &a);
    asking what = ask(fake, &a, channel, TRP_CHANNEL_RECEIVE);
    assert_told(&a, 0, 0);
    assert_int_equal(put(fake, channel, 1), 0);
    assert_int_equal(put(fake, channel, 2), 0);
    fake_run(fake);
    assert_told(&a, 1, what.ref);
    destroy(fake, channel);
}

static void test_what_is_there_already_is_told_at_once(void **state) {
    fake_host *fake = *state;
    trp_channel *channel = create(fake, 4);
    probe a = {0};
    probe_spawn(fake, &a);
    assert_int_equal(put(fake, channel, 1), 0);
    asking what = ask(fake, &a, channel, TRP_CHANNEL_RECEIVE);
    assert_told(&a, 1, what.ref);
    what = ask(fake, &a, channel, TRP_CHANNEL_SEND);
    assert_told(&a, 2, what.ref);
    destroy(fake, channel);
}

static void test_sender_is_told_of_room(void **state) {
    fake_host *fake = *state;
    trp_channel *channel = create(fake, 1);
    probe a = {0};
    probe_spawn(fake, &a);
    assert_int_equal(put(fake, channel, 1), 0);
    asking what = ask(fake, &a, channel, TRP_CHANNEL_SEND);
    assert_told(&a, 0, 0);
    assert_get(fake, channel, 1);
    fake_run(fake);
    assert_told(&a, 1, what.ref);
    destroy(fake, channel);
}

static void test_close_tells_everybody(void **state) {
    fake_host *fake = *state;
    trp_channel *channel = create(fake, 1);
    probe senders[2] = {{0}, {0}};
    probe receivers[2] = {{0}, {0}};
    trp_channel *full = create(fake, 1);
    assert_int_equal(put(fake, full, 1), 0);
    for (int i = 0; i < 2; i++) {
        probe_spawn(fake, &senders[i]);
        probe_spawn(fake, &receivers[i]);
        (void)ask(fake, &senders[i], full, TRP_CHANNEL_SEND);
        (void)ask(fake, &receivers[i], channel, TRP_CHANNEL_RECEIVE);
    }
    assert_int_equal(trp_channel_close(fake_root(fake), channel), 0);
    assert_int_equal(trp_channel_close(fake_root(fake), full), 0);
    fake_run(fake);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(senders[i].events_len, 1);
        assert_int_equal(receivers[i].events_len, 1);
    }
    destroy(fake, channel);
    destroy(fake, full);
}

static void test_each_message_tells_one_more_receiver_in_turn(void **state) {
    fake_host *fake = *state;
    trp_channel *channel = create(fake, 4);
    probe a = {0};
    probe b = {0};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    (void)ask(fake, &a, channel, TRP_CHANNEL_RECEIVE);
    (void)ask(fake, &b, channel, TRP_CHANNEL_RECEIVE);
    assert_int_equal(put(fake, channel, 1), 0);
    fake_run(fake);
    assert_int_equal(a.events_len, 1);
    assert_int_equal(b.events_len, 0);
    assert_int_equal(put(fake, channel, 2), 0);
    fake_run(fake);
    assert_int_equal(b.events_len, 1);
    destroy(fake, channel);
}

static void test_forgotten_wait_is_not_told(void **state) {
    fake_host *fake = *state;
    trp_channel *channel = create(fake, 4);
    probe a = {0};
    probe b = {0};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    asking what = ask(fake, &a, channel, TRP_CHANNEL_RECEIVE);
    (void)ask(fake, &b, channel, TRP_CHANNEL_RECEIVE);
    probe_do(fake, &a, forget, &what);
    assert_int_equal(what.result, 0);
    probe_do(fake, &a, forget, &what);
    assert_int_equal(what.result, TRP_ENOENT);
    assert_int_equal(put(fake, channel, 1), 0);
    fake_run(fake);
    assert_int_equal(a.events_len, 0);
    assert_int_equal(b.events_len, 1);
    destroy(fake, channel);
}

/* The message was announced to a, which ends before it hears of it: b must be told instead. */
static void test_wake_of_one_who_has_ended_is_passed_on(void **state) {
    fake_host *fake = *state;
    trp_channel *channel = create(fake, 4);
    probe a = {0};
    probe b = {0};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    (void)ask(fake, &a, channel, TRP_CHANNEL_RECEIVE);
    (void)ask(fake, &b, channel, TRP_CHANNEL_RECEIVE);
    assert_int_equal(probe_ask(fake_root(fake), a.pid, probe_call_stop, NULL), 0);
    assert_int_equal(put(fake, channel, 1), 0);
    fake_run(fake);
    assert_int_equal(a.events_len, 0);
    assert_int_equal(b.events_len, 1);
    destroy(fake, channel);
}

static void test_waits_die_with_their_actor(void **state) {
    fake_host *fake = *state;
    trp_channel *channel = create(fake, 4);
    probe a = {0};
    probe_spawn(fake, &a);
    (void)ask(fake, &a, channel, TRP_CHANNEL_RECEIVE);
    probe_do(fake, &a, probe_call_stop, NULL);
    assert_int_equal(put(fake, channel, 1), 0);
    destroy(fake, channel);
}

static void test_notify_needs_an_actor_and_a_buffer(void **state) {
    fake_host *fake = *state;
    trp_channel *channel = create(fake, 1);
    trp_channel *meeting = create(fake, 0);
    probe a = {0};
    probe_spawn(fake, &a);
    assert_int_equal(trp_channel_notify(fake_root(fake), channel, TRP_CHANNEL_RECEIVE, NULL),
                     TRP_ESTATE);
    asking what = {meeting, TRP_CHANNEL_RECEIVE, 0, 1};
    probe_do(fake, &a, notify, &what);
    assert_int_equal(what.result, TRP_ENOTSUP);
    destroy(fake, channel);
    destroy(fake, meeting);
}

static void test_rendezvous_alone_is_full_and_empty(void **state) {
    fake_host *fake = *state;
    trp_channel *channel = create(fake, 0);
    int error;
    assert_int_equal(put(fake, channel, 1), TRP_EFULL);
    (void)get(fake, channel, &error);
    assert_int_equal(error, TRP_EEMPTY);
    assert_int_equal(trp_channel_close(fake_root(fake), channel), 0);
    assert_int_equal(put(fake, channel, 1), TRP_ECLOSED);
    (void)get(fake, channel, &error);
    assert_int_equal(error, TRP_ECLOSED);
    destroy(fake, channel);
}

/* ---- at random, against a plain queue ---- */

static void test_random_operations_follow_the_model(void **state) {
    fake_host *fake = *state;
    enum { MODEL = 4096 };
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t random = seed;
        uint32_t capacity = (uint32_t)fake_random_below(&random, 9) + 1;
        trp_channel *channel = create(fake, capacity);
        uint64_t head = 0;
        uint64_t tail = 0;
        for (int step = 0; step < MODEL; step++) {
            int error;
            if (fake_random_below(&random, 2) == 0) {
                error = put(fake, channel, tail);
                assert_int_equal(error, tail - head < capacity ? 0 : TRP_EFULL);
                tail += error == 0 ? 1 : 0;
            } else {
                uint64_t value = get(fake, channel, &error);
                assert_int_equal(error, head < tail ? 0 : TRP_EEMPTY);
                assert_true(error != 0 || value == head++);
            }
            assert_int_equal(trp_channel_length(channel), tail - head);
        }
        destroy(fake, channel);
    }
}

static void scenario(fake_host *fake, void *arg) {
    (void)arg;
    if (fake_start(fake, NULL) != 0) {
        return;
    }
    trp_ctx *ctx = fake_root(fake);
    static probe a;
    probe *pa = &a;
    memset(&a, 0, sizeof a);
    trp_channel *channel;
    if (trp_channel_create(ctx, 4, &channel) != 0) {
        return;
    }
    if (trp_spawn(ctx, &probe_behaviour, &pa, &a.pid) == 0) {
        asking what = {channel, TRP_CHANNEL_RECEIVE, 0, 1};
        (void)probe_ask(ctx, a.pid, notify, &what);
        fake_run(fake);
        trp_message *message = probe_value(ctx, 1);
        if (trp_channel_try_send(ctx, channel, message) != 0) {
            trp_message_drop(ctx, message);
        }
        fake_run(fake);
    }
    destroy(fake, channel);
}

static void test_every_allocation_fails_once(void **state) {
    (void)state;
    assert_true(fake_every_allocation_fails(scenario, NULL) > 2);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_any_capacity_is_kept_exactly),
        CASE(test_unbounded_is_never_full),
        CASE(test_closed_channel_is_drained_before_it_says_so),
        CASE(test_closed_wins_over_full),
        CASE(test_last_end_of_a_side_closes),
        CASE(test_weak_hold_can_become_an_end),
        CASE(test_force_send_gives_the_oldest_back),
        CASE(test_batches_keep_order_and_bounds),
        CASE(test_what_is_left_is_freed_with_the_channel),
        CASE(test_bad_capacity_and_no_message_are_refused),
        CASE(test_receiver_is_told_once_of_a_message),
        CASE(test_what_is_there_already_is_told_at_once),
        CASE(test_sender_is_told_of_room),
        CASE(test_close_tells_everybody),
        CASE(test_each_message_tells_one_more_receiver_in_turn),
        CASE(test_forgotten_wait_is_not_told),
        CASE(test_wake_of_one_who_has_ended_is_passed_on),
        CASE(test_waits_die_with_their_actor),
        CASE(test_notify_needs_an_actor_and_a_buffer),
        CASE(test_rendezvous_alone_is_full_and_empty),
        CASE(test_random_operations_follow_the_model),
        cmocka_unit_test(test_every_allocation_fails_once),
    };
    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
