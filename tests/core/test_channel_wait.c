/*
 * Routines that wait for channels: sending, receiving and select, deadlines, closing, and who gives
 * what back when a wait ends in another way. Several threads: test_channel_threads.c.
 */
#include "cmocka_all.h"
#include "routine_fixture.h"
#include "troupe/channel.h"
#include "troupe/request.h"
#include "troupe/routine.h"

enum { MS = 1000 * 1000, SETS = 3 };

/* The channels of a test; `arg` of every script. */
typedef struct pipes {
    trp_channel *at[SETS];
    uint64_t timeout_ns;
} pipes;

static pipes create(fake_host *fake, uint32_t first, uint32_t second, uint32_t third) {
    uint32_t capacities[SETS] = {first, second, third};
    pipes made = {.timeout_ns = TRP_NEVER};
    for (int i = 0; i < SETS; i++) {
        assert_int_equal(trp_channel_create(fake_root(fake), capacities[i], &made.at[i]), 0);
    }
    return made;
}

static void destroy(fake_host *fake, const pipes *self) {
    for (int i = 0; i < SETS; i++) {
        trp_channel_release(fake_root(fake), self->at[i], TRP_CHANNEL_SEND);
        trp_channel_release(fake_root(fake), self->at[i], TRP_CHANNEL_RECEIVE);
    }
}

static void put(fake_host *fake, trp_channel *channel, uint64_t value) {
    trp_message *message = probe_value(fake_root(fake), value);
    assert_int_equal(trp_channel_try_send(fake_root(fake), channel, message), 0);
}

static uint64_t get(fake_host *fake, trp_channel *channel) {
    trp_message *message = NULL;
    assert_int_equal(trp_channel_try_receive(fake_root(fake), channel, &message), 0);
    uint64_t value = probe_value_of(message);
    trp_message_drop(fake_root(fake), message);
    return value;
}

/* ---- bodies: what they do is noted, an error as itself ---- */

static int take(trp_ctx *ctx, script *self, trp_channel *channel, uint64_t timeout_ns) {
    trp_message *message = NULL;
    int error = trp_channel_receive(ctx, channel, timeout_ns, &message);
    script_note(self, error != 0 ? error : (int64_t)probe_value_of(message));
    if (error == 0) {
        trp_message_drop(ctx, message);
    }
    return error;
}

static int give(trp_ctx *ctx, script *self, trp_channel *channel, uint64_t value,
                uint64_t timeout_ns) {
    trp_message *message = probe_value(ctx, value);
    int error = trp_channel_send(ctx, channel, message, timeout_ns);
    script_note(self, error);
    if (error != 0) {
        trp_message_drop(ctx, message);
    }
    return error;
}

static int take_one(trp_ctx *ctx, script *self) {
    const pipes *all = self->arg;
    (void)take(ctx, self, all->at[0], all->timeout_ns);
    return 0;
}

static int take_until_closed(trp_ctx *ctx, script *self) {
    const pipes *all = self->arg;
    while (take(ctx, self, all->at[0], TRP_NEVER) == 0) {
    }
    return 0;
}

static int give_three(trp_ctx *ctx, script *self) {
    const pipes *all = self->arg;
    for (uint64_t i = 1; i <= 3; i++) {
        (void)give(ctx, self, all->at[0], i, all->timeout_ns);
    }
    return 0;
}

static int give_one(trp_ctx *ctx, script *self) {
    const pipes *all = self->arg;
    (void)give(ctx, self, all->at[0], 7, all->timeout_ns);
    return 0;
}

/* ---- one channel ---- */

static void test_receive_waits_for_a_message(void **state) {
    fake_host *fake = *state;
    pipes all = create(fake, 4, 0, 0);
    script a = {.body = take_until_closed, .arg = &all};
    script_start(fake, &a);
    script_lives(&a);
    put(fake, all.at[0], 5);
    put(fake, all.at[0], 6);
    fake_run(fake);
    SCRIPT_ASSERT(&a, 5, 6);
    put(fake, all.at[0], 7);
    fake_run(fake);
    SCRIPT_ASSERT(&a, 5, 6, 7);
    script_lives(&a);
    assert_int_equal(trp_channel_close(fake_root(fake), all.at[0]), 0);
    fake_run(fake);
    SCRIPT_ASSERT(&a, 5, 6, 7, TRP_ECLOSED);
    destroy(fake, &all);
}

static void test_send_waits_for_room(void **state) {
    fake_host *fake = *state;
    pipes all = create(fake, 1, 0, 0);
    script a = {.body = give_three, .arg = &all};
    script_start(fake, &a);
    SCRIPT_ASSERT(&a, 0);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(get(fake, all.at[0]), i);
        fake_run(fake);
    }
    SCRIPT_ASSERT(&a, 0, 0, 0);
    assert_true(a.has_returned);
    destroy(fake, &all);
}

static void test_rendezvous_is_over_when_both_are_there(void **state) {
    fake_host *fake = *state;
    for (int order = 0; order < 2; order++) {
        pipes all = create(fake, 0, 0, 0);
        script a = {.body = give_one, .arg = &all};
        script b = {.body = take_one, .arg = &all};
        script_start(fake, order == 0 ? &a : &b);
        script_lives(order == 0 ? &a : &b);
        assert_int_equal(trp_channel_length(all.at[0]), 0);
        script_start(fake, order == 0 ? &b : &a);
        SCRIPT_ASSERT(&a, 0);
        SCRIPT_ASSERT(&b, 7);
        destroy(fake, &all);
    }
}

static void test_receive_gives_up_at_its_deadline(void **state) {
    fake_host *fake = *state;
    for (uint32_t capacity = 0; capacity < 2; capacity++) {
        pipes all = create(fake, capacity, 0, 0);
        all.timeout_ns = 5 * MS;
        script a = {.body = take_one, .arg = &all};
        script_start(fake, &a);
        fake_advance(fake, 4 * MS);
        script_lives(&a);
        fake_advance(fake, 2 * MS);
        SCRIPT_ASSERT(&a, TRP_ETIMEOUT);
        if (capacity == 1) {
            put(fake, all.at[0], 1); /* nobody waits any more: it stays there */
            fake_run(fake);
            assert_int_equal(get(fake, all.at[0]), 1);
        }
        destroy(fake, &all);
    }
}

static void test_send_gives_up_at_its_deadline_and_keeps_the_message(void **state) {
    fake_host *fake = *state;
    pipes all = create(fake, 2, 0, 0);
    all.timeout_ns = 5 * MS;
    script a = {.body = give_three, .arg = &all};
    script_start(fake, &a);
    fake_advance(fake, 6 * MS);
    SCRIPT_ASSERT(&a, 0, 0, TRP_ETIMEOUT);
    assert_int_equal(get(fake, all.at[0]), 1);
    assert_int_equal(get(fake, all.at[0]), 2);
    assert_int_equal(trp_channel_length(all.at[0]), 0);
    destroy(fake, &all);
}

/* Whatever comes first when both come at once: the message is received or still there. */
static void test_message_and_deadline_at_once_lose_nothing(void **state) {
    fake_host *fake = *state;
    for (int order = 0; order < 2; order++) {
        pipes all = create(fake, 2, 0, 0);
        all.timeout_ns = 5 * MS;
        script a = {.body = take_one, .arg = &all};
        script_start(fake, &a);
        if (order == 0) {
            put(fake, all.at[0], 9);
            fake_clock_jump(fake, 10 * MS);
        } else {
            fake_clock_jump(fake, 10 * MS);
            put(fake, all.at[0], 9);
        }
        fake_run(fake);
        assert_true(a.has_returned);
        bool is_there = trp_channel_length(all.at[0]) == 1;
        assert_int_equal(a.values[0], is_there ? TRP_ETIMEOUT : 9);
        destroy(fake, &all);
    }
}

static void test_close_ends_every_wait(void **state) {
    fake_host *fake = *state;
    for (uint32_t capacity = 0; capacity < 2; capacity++) {
        pipes all = create(fake, capacity, 0, 0);
        script receivers[3] = {{.body = take_one, .arg = &all},
                               {.body = take_one, .arg = &all},
                               {.body = take_one, .arg = &all}};
        for (int i = 0; i < 3; i++) {
            script_start(fake, &receivers[i]);
        }
        assert_int_equal(trp_channel_close(fake_root(fake), all.at[0]), 0);
        fake_run(fake);
        for (int i = 0; i < 3; i++) {
            SCRIPT_ASSERT(&receivers[i], TRP_ECLOSED);
        }
        destroy(fake, &all);
    }
}

static void test_close_gives_senders_their_messages_back(void **state) {
    fake_host *fake = *state;
    for (uint32_t capacity = 0; capacity < 2; capacity++) {
        pipes all = create(fake, capacity, 0, 0);
        if (capacity == 1) {
            put(fake, all.at[0], 1);
        }
        script a = {.body = give_one, .arg = &all};
        script b = {.body = give_one, .arg = &all};
        script_start(fake, &a);
        script_start(fake, &b);
        assert_int_equal(trp_channel_close(fake_root(fake), all.at[0]), 0);
        fake_run(fake);
        SCRIPT_ASSERT(&a, TRP_ECLOSED);
        SCRIPT_ASSERT(&b, TRP_ECLOSED);
        assert_int_equal(trp_channel_length(all.at[0]), capacity);
        destroy(fake, &all);
    }
}

static void test_last_sending_end_ends_the_waits(void **state) {
    fake_host *fake = *state;
    pipes all = create(fake, 1, 0, 0);
    script a = {.body = take_until_closed, .arg = &all};
    script_start(fake, &a);
    trp_channel_clone(all.at[0], TRP_CHANNEL_SEND);
    trp_channel_hold(all.at[0]); /* a weak hold keeps nobody waiting */
    trp_channel_release(fake_root(fake), all.at[0], TRP_CHANNEL_SEND);
    fake_run(fake);
    script_lives(&a);
    put(fake, all.at[0], 3);
    trp_channel_release(fake_root(fake), all.at[0], TRP_CHANNEL_SEND);
    fake_run(fake);
    SCRIPT_ASSERT(&a, 3, TRP_ECLOSED);
    trp_channel_release(fake_root(fake), all.at[0], TRP_CHANNEL_RECEIVE);
    trp_channel_drop(fake_root(fake), all.at[0]);
    for (int i = 1; i < SETS; i++) {
        trp_channel_release(fake_root(fake), all.at[i], TRP_CHANNEL_SEND);
        trp_channel_release(fake_root(fake), all.at[i], TRP_CHANNEL_RECEIVE);
    }
}

static void test_batch_wakes_as_many_as_it_brings(void **state) {
    fake_host *fake = *state;
    trp_ctx *root = fake_root(fake);
    pipes all = create(fake, 4, 0, 0);
    script receivers[3] = {{.body = take_one, .arg = &all},
                           {.body = take_one, .arg = &all},
                           {.body = take_one, .arg = &all}};
    for (int i = 0; i < 3; i++) {
        script_start(fake, &receivers[i]);
    }
    trp_message *batch[2] = {probe_value(root, 11), probe_value(root, 12)};
    size_t sent;
    assert_int_equal(trp_channel_try_send_many(root, all.at[0], batch, 2, &sent), 0);
    fake_run(fake);
    SCRIPT_ASSERT(&receivers[0], 11);
    SCRIPT_ASSERT(&receivers[1], 12);
    script_lives(&receivers[2]);
    trp_message *oldest;
    assert_int_equal(trp_channel_force_send(root, all.at[0], probe_value(root, 13), &oldest), 0);
    fake_run(fake);
    SCRIPT_ASSERT(&receivers[2], 13);
    destroy(fake, &all);
}

static void test_batch_makes_room_for_as_many_as_it_takes(void **state) {
    fake_host *fake = *state;
    pipes all = create(fake, 2, 0, 0);
    put(fake, all.at[0], 1);
    put(fake, all.at[0], 2);
    script senders[3] = {{.body = give_one, .arg = &all},
                         {.body = give_one, .arg = &all},
                         {.body = give_one, .arg = &all}};
    for (int i = 0; i < 3; i++) {
        script_start(fake, &senders[i]);
    }
    trp_message *taken[2];
    size_t count;
    assert_int_equal(trp_channel_try_receive_many(fake_root(fake), all.at[0], taken, 2, &count), 0);
    assert_int_equal(count, 2);
    fake_run(fake);
    assert_true(senders[0].has_returned && senders[1].has_returned);
    script_lives(&senders[2]);
    trp_message_drop(fake_root(fake), taken[0]);
    trp_message_drop(fake_root(fake), taken[1]);
    assert_int_equal(get(fake, all.at[0]), 7);
    fake_run(fake);
    assert_true(senders[2].has_returned);
    destroy(fake, &all);
}

/* ---- waits that end with their routine ---- */

static void test_killed_sender_takes_its_message_along(void **state) {
    fake_host *fake = *state;
    for (uint32_t capacity = 0; capacity < 2; capacity++) {
        pipes all = create(fake, capacity, 0, 0);
        if (capacity == 1) {
            put(fake, all.at[0], 1);
        }
        script a = {.body = give_one, .arg = &all};
        script_start(fake, &a);
        script_lives(&a);
        assert_int_equal(trp_kill(fake_root(fake), a.pid), 0);
        fake_run(fake);
        (void)script_ended(&a, TRP_EXIT_KILLED, 0);
        assert_int_equal(trp_channel_length(all.at[0]), capacity);
        destroy(fake, &all);
    }
}

static void test_wake_of_a_killed_receiver_goes_to_the_next(void **state) {
    fake_host *fake = *state;
    pipes all = create(fake, 2, 0, 0);
    script a = {.body = take_one, .arg = &all};
    script b = {.body = take_one, .arg = &all};
    script_start(fake, &a);
    script_start(fake, &b);
    put(fake, all.at[0], 4);
    assert_int_equal(trp_kill(fake_root(fake), a.pid), 0);
    fake_run(fake);
    (void)script_ended(&a, TRP_EXIT_KILLED, 0);
    SCRIPT_ASSERT(&b, 4);
    destroy(fake, &all);
}

static void test_receiver_that_gave_up_leaves_its_turn(void **state) {
    fake_host *fake = *state;
    pipes all = create(fake, 2, 0, 0);
    pipes patient = all;
    all.timeout_ns = 5 * MS;
    script a = {.body = take_one, .arg = &all};
    script b = {.body = take_one, .arg = &patient};
    script_start(fake, &a);
    script_start(fake, &b);
    fake_advance(fake, 6 * MS);
    put(fake, all.at[0], 4);
    fake_run(fake);
    SCRIPT_ASSERT(&a, TRP_ETIMEOUT);
    SCRIPT_ASSERT(&b, 4);
    destroy(fake, &all);
}

/* ---- select ---- */

/* Receives from whichever is first; notes which and what. */
static int select_receive(trp_ctx *ctx, script *self, bool is_ordered, uint64_t timeout_ns) {
    const pipes *all = self->arg;
    trp_case cases[SETS];
    for (int i = 0; i < SETS; i++) {
        cases[i] = (trp_case){all->at[i], TRP_CHANNEL_RECEIVE, NULL};
    }
    trp_select_options options = {sizeof options, timeout_ns, is_ordered, false, NULL};
    size_t chosen = SETS;
    int error = trp_select(ctx, cases, SETS, &options, &chosen, NULL);
    script_note(self, error != 0 ? error : (int64_t)chosen);
    if (error == 0) {
        script_note(self, (int64_t)probe_value_of(cases[chosen].message));
        trp_message_drop(ctx, cases[chosen].message);
    }
    return error;
}

static int select_once(trp_ctx *ctx, script *self) {
    const pipes *all = self->arg;
    (void)select_receive(ctx, self, false, all->timeout_ns);
    return 0;
}

static void test_select_takes_one_and_leaves_the_others(void **state) {
    fake_host *fake = *state;
    pipes all = create(fake, 1, 1, TRP_CHANNEL_UNBOUNDED);
    for (uint64_t i = 0; i < SETS; i++) {
        put(fake, all.at[i], 10 + i);
    }
    script a = {.body = select_once, .arg = &all};
    script_start(fake, &a);
    assert_int_equal(a.values_len, 2);
    assert_int_equal(a.values[1], 10 + a.values[0]);
    for (int i = 0; i < SETS; i++) {
        assert_int_equal(trp_channel_length(all.at[i]), i == a.values[0] ? 0 : 1);
    }
    destroy(fake, &all);
}

static void test_losers_of_a_select_are_withdrawn(void **state) {
    fake_host *fake = *state;
    pipes all = create(fake, 1, 0, TRP_CHANNEL_UNBOUNDED);
    script a = {.body = select_once, .arg = &all};
    script_start(fake, &a);
    script_lives(&a);
    put(fake, all.at[2], 5);
    fake_run(fake);
    SCRIPT_ASSERT(&a, 2, 5);
    put(fake, all.at[0], 6);
    trp_message *message = probe_value(fake_root(fake), 7);
    assert_int_equal(trp_channel_try_send(fake_root(fake), all.at[1], message), TRP_EFULL);
    trp_message_drop(fake_root(fake), message);
    assert_int_equal(get(fake, all.at[0]), 6);
    destroy(fake, &all);
}

/* Both have come before the select runs again: one is taken, the other stays. */
static void test_two_at_once_wake_a_select_for_one(void **state) {
    fake_host *fake = *state;
    pipes all = create(fake, 1, 1, 1);
    script a = {.body = select_once, .arg = &all};
    script b = {.body = select_once, .arg = &all};
    script_start(fake, &a);
    script_start(fake, &b);
    put(fake, all.at[0], 20);
    put(fake, all.at[1], 21);
    fake_run(fake);
    assert_int_equal(a.values_len, 2);
    assert_int_equal(b.values_len, 2);
    assert_int_equal(a.values[1] + b.values[1], 41);
    destroy(fake, &all);
}

static int select_many(trp_ctx *ctx, script *self) {
    const pipes *all = self->arg;
    for (int i = 0; i < 300; i++) {
        script counted = {.arg = self->arg};
        (void)select_receive(ctx, &counted, self->other.generation != 0, TRP_NEVER);
        self->values[counted.values[0]]++;
        trp_message *again = probe_value(ctx, 1);
        (void)trp_channel_try_send(ctx, all->at[counted.values[0]], again);
    }
    return 0;
}

static void count_choices(fake_host *fake, script *a, bool is_ordered, pipes *all) {
    *all = create(fake, 2, 2, 2);
    for (int i = 0; i < SETS; i++) {
        put(fake, all->at[i], 1);
    }
    *a = (script){.body = select_many, .arg = all};
    a->other.generation = is_ordered; /* a word that the body reads */
    script_start(fake, a);
    assert_true(a->has_returned);
    destroy(fake, all);
}

static void test_select_is_fair(void **state) {
    script a;
    pipes all;
    count_choices(*state, &a, false, &all);
    for (int i = 0; i < SETS; i++) {
        assert_in_range(a.values[i], 60, 140);
    }
}

static void test_ordered_select_takes_the_first(void **state) {
    script a;
    pipes all;
    count_choices(*state, &a, true, &all);
    assert_int_equal(a.values[0], 300);
}

static void test_select_gives_up_at_its_deadline(void **state) {
    fake_host *fake = *state;
    pipes all = create(fake, 1, 0, 1);
    all.timeout_ns = 3 * MS;
    script a = {.body = select_once, .arg = &all};
    script_start(fake, &a);
    fake_advance(fake, 4 * MS);
    SCRIPT_ASSERT(&a, TRP_ETIMEOUT);
    all.timeout_ns = 0;
    script b = {.body = select_once, .arg = &all};
    script_start(fake, &b);
    SCRIPT_ASSERT(&b, TRP_ETIMEOUT);
    destroy(fake, &all);
}

static void test_select_is_told_of_a_close(void **state) {
    fake_host *fake = *state;
    pipes all = create(fake, 1, 0, 1);
    script a = {.body = select_once, .arg = &all};
    script_start(fake, &a);
    assert_int_equal(trp_channel_close(fake_root(fake), all.at[1]), 0);
    fake_run(fake);
    SCRIPT_ASSERT(&a, TRP_ECLOSED);
    destroy(fake, &all);
}

/* Sends into the first or receives from the second, both rendezvous; the other way round if asked.
 */
static int meet(trp_ctx *ctx, script *self) {
    const pipes *all = self->arg;
    bool is_first = self->other.generation == 0;
    trp_message *message = probe_value(ctx, is_first ? 1 : 2);
    trp_case cases[] = {{all->at[is_first ? 0 : 1], TRP_CHANNEL_SEND, message},
                        {all->at[is_first ? 1 : 0], TRP_CHANNEL_RECEIVE, NULL}};
    trp_select_options options = {sizeof options, all->timeout_ns, false, false, NULL};
    size_t chosen = 0;
    int error = trp_select(ctx, cases, 2, &options, &chosen, NULL);
    script_note(self, error != 0 ? error : (int64_t)chosen);
    if (error != 0 || chosen == 1) {
        trp_message_drop(ctx, message); /* the case that lost has left it to us */
    }
    if (error == 0 && chosen == 1) {
        script_note(self, (int64_t)probe_value_of(cases[1].message));
        trp_message_drop(ctx, cases[1].message);
    }
    return 0;
}

static void test_two_selects_meet_once(void **state) {
    fake_host *fake = *state;
    pipes all = create(fake, 0, 0, 0);
    script a = {.body = meet, .arg = &all};
    script b = {.body = meet, .arg = &all};
    b.other.generation = 1;
    script_start(fake, &a);
    script_lives(&a);
    script_start(fake, &b);
    assert_int_equal(a.values_len + b.values_len, 3); /* one has sent, the other received */
    assert_int_equal(a.values[0] + b.values[0], 1);
    destroy(fake, &all);
}

static int meet_itself(trp_ctx *ctx, script *self) {
    const pipes *all = self->arg;
    trp_message *message = probe_value(ctx, 1);
    trp_case cases[] = {{all->at[0], TRP_CHANNEL_SEND, message},
                        {all->at[0], TRP_CHANNEL_RECEIVE, NULL},
                        {NULL, TRP_CHANNEL_RECEIVE, NULL}};
    trp_select_options options = {sizeof options, 5 * MS, false, false, NULL};
    size_t chosen = 0;
    script_note(self, trp_select(ctx, cases, 3, &options, &chosen, NULL));
    trp_message_drop(ctx, message);
    return 0;
}

static void test_select_does_not_meet_itself(void **state) {
    fake_host *fake = *state;
    pipes all = create(fake, 0, 0, 0);
    script a = {.body = meet_itself, .arg = &all};
    script_start(fake, &a);
    script_lives(&a);
    fake_advance(fake, 6 * MS);
    SCRIPT_ASSERT(&a, TRP_ETIMEOUT);
    destroy(fake, &all);
}

static void test_killed_select_leaves_every_list(void **state) {
    fake_host *fake = *state;
    pipes all = create(fake, 0, 0, 0);
    script a = {.body = meet, .arg = &all};
    script b = {.body = meet, .arg = &all};
    b.other.generation = 1;
    script_start(fake, &a);
    assert_int_equal(trp_kill(fake_root(fake), a.pid), 0);
    fake_run(fake);
    all.timeout_ns = 5 * MS;
    script_start(fake, &b);
    script_lives(&b); /* nobody is there to meet */
    fake_advance(fake, 6 * MS);
    SCRIPT_ASSERT(&b, TRP_ETIMEOUT);
    destroy(fake, &all);
}

/* ---- select with the inbox ---- */

static void note_select(trp_ctx *ctx, script *self, trp_case *cases, size_t cases_len,
                        const trp_select_options *options) {
    size_t chosen = 0;
    trp_message *inbox = NULL;
    int error = trp_select(ctx, cases, cases_len, options, &chosen, &inbox);
    script_note(self, error != 0 ? error : chosen == TRP_SELECT_INBOX ? -1000 : (int64_t)chosen);
    if (error == 0) {
        trp_message *message = chosen == TRP_SELECT_INBOX ? inbox : cases[chosen].message;
        script_note(self, (int64_t)probe_value_of(message));
        trp_message_drop(ctx, message);
    }
}

static int select_inbox(trp_ctx *ctx, script *self) {
    const pipes *all = self->arg;
    static const uint64_t tags[] = {5};
    trp_filter filter = {sizeof filter, tags, 1, 0};
    for (int i = 0; i < 2; i++) {
        trp_case one = {all->at[0], TRP_CHANNEL_RECEIVE, NULL};
        trp_select_options options = {sizeof options, TRP_NEVER, false, true, &filter};
        note_select(ctx, self, &one, 1, &options);
    }
    (void)script_receive(ctx, self, 0, 0); /* what the filter held back is still there */
    return 0;
}

static void test_select_takes_what_its_filter_lets_through(void **state) {
    fake_host *fake = *state;
    pipes all = create(fake, 1, 0, 0);
    script a = {.body = select_inbox, .arg = &all};
    script_start(fake, &a);
    SCRIPT_SEND(fake, a.pid, 4);
    script_lives(&a);
    SCRIPT_SEND(fake, a.pid, 5);
    SCRIPT_ASSERT(&a, -1000, 5);
    put(fake, all.at[0], 6);
    fake_run(fake);
    SCRIPT_ASSERT(&a, -1000, 5, 0, 6, 4);
    destroy(fake, &all);
}

/* The reply to a request is asked for by its ref, besides the channel and the deadline. */
static int select_reply(trp_ctx *ctx, script *self) {
    const pipes *all = self->arg;
    trp_filter filter = {.size = sizeof filter};
    script_note(self, trp_request(ctx, self->other, probe_value(ctx, 30), TRP_NEVER, &filter.ref));
    trp_case one = {all->at[0], TRP_CHANNEL_RECEIVE, NULL};
    trp_select_options options = {sizeof options, all->timeout_ns, false, true, &filter};
    note_select(ctx, self, &one, 1, &options);
    return 0;
}

static void test_select_takes_the_reply_that_its_filter_names(void **state) {
    fake_host *fake = *state;
    for (int has_deadline = 0; has_deadline < 2; has_deadline++) {
        pipes all = create(fake, 1, 0, 0);
        all.timeout_ns = has_deadline != 0 ? 5 * MS : TRP_NEVER;
        probe callee = {.on_message = probe_reply_next};
        probe_spawn(fake, &callee);
        script a = {.body = select_reply, .arg = &all, .other = callee.pid};
        script_start(fake, &a);
        fake_advance(fake, 10 * MS);
        SCRIPT_ASSERT(&a, 0, -1000, 31);
        destroy(fake, &all);
    }
}

static void test_message_that_comes_with_a_service_is_not_lost(void **state) {
    fake_host *fake = *state;
    pipes all = create(fake, 0, 0, 0);
    script a = {.body = select_inbox, .arg = &all};
    script b = {.body = give_one, .arg = &all};
    script_start(fake, &a);
    assert_int_equal(probe_send(fake_root(fake), a.pid, 5), 0);
    assert_int_equal(script_spawn(fake, &b), 0);
    fake_run(fake);
    /* Whichever was first: the other one comes in the second round. */
    assert_int_equal(a.values_len, 5);
    assert_int_equal(a.values[1] + a.values[3], 12);
    assert_int_equal(a.values[4], TRP_ETIMEOUT);
    destroy(fake, &all);
}

static int select_too_much(trp_ctx *ctx, script *self) {
    trp_case cases[TRP_CASES_MAX + 1] = {{NULL, TRP_CHANNEL_RECEIVE, NULL}};
    trp_select_options options = {sizeof options, 0, false, false, NULL};
    size_t chosen;
    script_note(self, trp_select(ctx, cases, TRP_CASES_MAX + 1, &options, &chosen, NULL));
    options.has_inbox = true;
    script_note(self, trp_select(ctx, cases, 1, &options, &chosen, NULL));
    uint64_t tags[TRP_FILTER_TAGS_MAX + 1] = {0};
    trp_filter filter = {sizeof filter, tags, TRP_FILTER_TAGS_MAX + 1, 0};
    trp_message *inbox;
    options.filter = &filter;
    script_note(self, trp_select(ctx, cases, 1, &options, &chosen, &inbox));
    return 0;
}

static void test_bad_selects_are_refused(void **state) {
    fake_host *fake = *state;
    script a = {.body = select_too_much};
    script_start(fake, &a);
    SCRIPT_ASSERT(&a, TRP_EINVAL, TRP_EINVAL, TRP_EINVAL);
    trp_select_options options = {sizeof options, 0, false, false, NULL};
    size_t chosen;
    assert_int_equal(trp_select(fake_root(fake), NULL, 0, &options, &chosen, NULL), TRP_ESTATE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_receive_waits_for_a_message),
        FAKE_TEST(test_send_waits_for_room),
        FAKE_TEST(test_rendezvous_is_over_when_both_are_there),
        FAKE_TEST(test_receive_gives_up_at_its_deadline),
        FAKE_TEST(test_send_gives_up_at_its_deadline_and_keeps_the_message),
        FAKE_TEST(test_message_and_deadline_at_once_lose_nothing),
        FAKE_TEST(test_close_ends_every_wait),
        FAKE_TEST(test_close_gives_senders_their_messages_back),
        FAKE_TEST(test_last_sending_end_ends_the_waits),
        FAKE_TEST(test_batch_wakes_as_many_as_it_brings),
        FAKE_TEST(test_batch_makes_room_for_as_many_as_it_takes),
        FAKE_TEST(test_killed_sender_takes_its_message_along),
        FAKE_TEST(test_wake_of_a_killed_receiver_goes_to_the_next),
        FAKE_TEST(test_receiver_that_gave_up_leaves_its_turn),
        FAKE_TEST(test_select_takes_one_and_leaves_the_others),
        FAKE_TEST(test_losers_of_a_select_are_withdrawn),
        FAKE_TEST(test_two_at_once_wake_a_select_for_one),
        FAKE_TEST(test_select_is_fair),
        FAKE_TEST(test_ordered_select_takes_the_first),
        FAKE_TEST(test_select_gives_up_at_its_deadline),
        FAKE_TEST(test_select_is_told_of_a_close),
        FAKE_TEST(test_two_selects_meet_once),
        FAKE_TEST(test_select_does_not_meet_itself),
        FAKE_TEST(test_killed_select_leaves_every_list),
        FAKE_TEST(test_select_takes_what_its_filter_lets_through),
        FAKE_TEST(test_select_takes_the_reply_that_its_filter_names),
        FAKE_TEST(test_message_that_comes_with_a_service_is_not_lost),
        FAKE_TEST(test_bad_selects_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
