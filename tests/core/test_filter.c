/*
 * Receive filters, mailbox limits and policies, events first: what an actor gets next, and what
 * happens to the rest.
 */
#include "cmocka_all.h"
#include "probe.h"
#include "troupe/ending.h"
#include "troupe/filter.h"
#include "troupe/link.h"

/* ---- filters ---- */

typedef struct wish {
    uint64_t tags[4];
    size_t tags_len;
    trp_ref ref;
    int result;
} wish;

static void set_filter(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    wish *what = arg;
    trp_filter filter = {sizeof filter, what->tags, what->tags_len, what->ref};
    what->result = trp_filter_set(ctx, &filter);
}

static void clear_filter(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    (void)arg;
    trp_filter_clear(ctx);
}

/* A probe's orders are untagged, so a filtering probe hears no order. It changes its filter when it gets one of these. */
static void clear_on_tag_one(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)self;
    if (trp_message_tag(message) == 1) {
        trp_filter_clear(ctx);
    }
}

static void filter_by(fake_host *fake, probe *who, uint64_t tag, uint64_t other) {
    wish what = {{tag, other}, other == 0 ? 1 : 2, 0, 1};
    probe_do(fake, who, set_filter, &what);
    assert_int_equal(what.result, 0);
}

static void send_tags(fake_host *fake, const probe *to, const uint64_t *tags, size_t count) {
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(probe_send(fake_root(fake), to->pid, tags[i]), 0);
    }
    fake_run(fake);
}

static void assert_tags(const probe *who, const uint64_t *tags, uint32_t count) {
    assert_int_equal(who->events_len, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(who->events[i].tag, tags[i]);
    }
}

static void test_only_asked_tags_come_through(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    filter_by(fake, &a, 3, 5);
    send_tags(fake, &a, (uint64_t[]){1, 3, 2, 5, 3, 0, 4}, 7);
    assert_tags(&a, (uint64_t[]){3, 5, 3}, 3);
}

static void test_what_waited_comes_in_order_when_the_filter_goes(void **state) {
    fake_host *fake = *state;
    probe a = {.on_message = clear_on_tag_one};
    probe_spawn(fake, &a);
    filter_by(fake, &a, 1, 0);
    send_tags(fake, &a, (uint64_t[]){9, 0, 7, 8, 0, 7}, 6);
    assert_tags(&a, NULL, 0);
    send_tags(fake, &a, (uint64_t[]){1, 6}, 2);
    assert_tags(&a, (uint64_t[]){1, 9, 0, 7, 8, 0, 7, 6}, 8);
}

/* Each message with tag n asks for n - 1 next. */
static void count_down(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)self;
    uint64_t next = trp_message_tag(message) - 1;
    if (next == 0) {
        trp_filter_clear(ctx);
        return;
    }
    trp_filter filter = {sizeof filter, &next, 1, 0};
    assert_int_equal(trp_filter_set(ctx, &filter), 0);
}

static void test_filter_changed_in_a_handler_finds_what_waits(void **state) {
    fake_host *fake = *state;
    probe a = {.on_message = count_down};
    probe_spawn(fake, &a);
    filter_by(fake, &a, 5, 0);
    send_tags(fake, &a, (uint64_t[]){1, 2, 3, 4, 5}, 5);
    assert_tags(&a, (uint64_t[]){5, 4, 3, 2, 1}, 5);
}

/* Takes what had waited and sends it back to itself with another tag, once. */
static void take_and_resend(trp_ctx *ctx, probe *self, trp_message *message) {
    if (trp_message_tag(message) == 1) {
        trp_filter_clear(ctx);
    } else if (trp_message_tag(message) == 2) {
        trp_message *mine = trp_message_take(ctx, message);
        assert_non_null(mine);
        trp_message_set_tag(mine, 3);
        assert_int_equal(trp_send(ctx, self->pid, mine), 0);
    }
}

static void test_message_that_waited_can_be_taken(void **state) {
    fake_host *fake = *state;
    probe a = {.on_message = take_and_resend};
    probe_spawn(fake, &a);
    filter_by(fake, &a, 1, 0);
    send_tags(fake, &a, (uint64_t[]){2, 2, 1}, 3);
    assert_tags(&a, (uint64_t[]){1, 2, 2, 3, 3}, 5);
}

static void test_untagged_never_matches_a_tag_list(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    filter_by(fake, &a, 0, 1);
    send_tags(fake, &a, (uint64_t[]){0, 1, 0}, 3);
    assert_tags(&a, (uint64_t[]){1}, 1);
}

static void test_stop_acts_whatever_waits(void **state) {
    fake_host *fake = *state;
    probe_letters letters;
    probe_watch_letters(fake, &letters);
    probe a = {0};
    probe_spawn(fake, &a);
    filter_by(fake, &a, 1, 0);
    send_tags(fake, &a, (uint64_t[]){2, 3}, 2);
    trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, NULL);
    assert_int_equal(trp_stop(fake_root(fake), a.pid, &reason), 0);
    fake_run(fake);
    assert_int_equal(a.terminates, 1);
    assert_int_equal(letters.count, 2);
}

static void test_bad_filters_are_refused(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    wish nothing = {{0}, 0, 0, 1};
    probe_do(fake, &a, set_filter, &nothing);
    assert_int_equal(nothing.result, TRP_EINVAL);
    wish too_many = {{0}, TRP_FILTER_TAGS_MAX + 1, 0, 1};
    probe_do(fake, &a, set_filter, &too_many);
    assert_int_equal(too_many.result, TRP_EINVAL);
    trp_filter filter = {sizeof filter, NULL, 0, 1};
    assert_int_equal(trp_filter_set(fake_root(fake), &filter), TRP_ESTATE);
    probe_do(fake, &a, clear_filter, NULL); /* no filter: nothing happens */
}

typedef struct monitoring {
    trp_pid pid;
    trp_ref ref;
} monitoring;

static void monitor_and_wait(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    monitoring *what = arg;
    assert_int_equal(trp_monitor(ctx, what->pid, &what->ref), 0);
    trp_filter filter = {sizeof filter, NULL, 0, what->ref};
    assert_int_equal(trp_filter_set(ctx, &filter), 0);
}

static void test_ref_lets_a_down_through(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {0};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    monitoring what = {b.pid, 0};
    probe_do(fake, &a, monitor_and_wait, &what);
    send_tags(fake, &a, (uint64_t[]){1, 2}, 2);
    probe_do(fake, &b, probe_call_stop, NULL);
    assert_int_equal(a.events_len, 1);
    assert_true(a.events[0].body.down.ref == what.ref);
}

/* At random: whatever the filters, each message comes once, and those of one tag in their order. */
static void random_filter(trp_ctx *ctx, probe *self, trp_message *message) {
    uint64_t *random = self->arg;
    (void)message;
    if (fake_random_below(random, 3) == 0) {
        trp_filter_clear(ctx);
        return;
    }
    uint64_t tags[2] = {fake_random_below(random, 5) + 1, fake_random_below(random, 5) + 1};
    trp_filter filter = {sizeof filter, tags, 2, 0};
    assert_int_equal(trp_filter_set(ctx, &filter), 0);
}

typedef struct tally {
    uint64_t random;
    uint64_t next[6];
    uint64_t count;
} tally;

static void check_and_filter(trp_ctx *ctx, probe *self, trp_message *message) {
    tally *seen = self->arg;
    uint64_t tag = trp_message_tag(message);
    assert_int_equal(probe_value_of(message), seen->next[tag]++);
    seen->count++;
    self->arg = &seen->random;
    random_filter(ctx, self, message);
    self->arg = seen;
}

static void test_random_filters_lose_and_reorder_nothing(void **state) {
    fake_host *fake = *state;
    enum { MESSAGES = 500 };
    for (uint64_t seed = 1; seed <= 20; seed++) {
        tally seen = {.random = seed};
        uint64_t sent[6] = {0};
        probe a = {.on_message = check_and_filter, .arg = &seen};
        probe_spawn(fake, &a);
        uint64_t random = seed * 77;
        for (int i = 0; i < MESSAGES; i++) {
            uint64_t tag = fake_random_below(&random, 5) + 1;
            trp_message *message = probe_value(fake_root(fake), sent[tag]++);
            trp_message_set_tag(message, tag);
            assert_int_equal(trp_send(fake_root(fake), a.pid, message), 0);
            if (fake_random_below(&random, 10) == 0) {
                fake_run(fake);
            }
        }
        fake_run(fake);
        /* Whatever still waits comes when its tag is asked for: feed each tag until all have come. */
        for (int round = 0; round < 200 && seen.count < MESSAGES; round++) {
            uint64_t tag = (uint64_t)round % 5 + 1;
            trp_message *message = probe_value(fake_root(fake), sent[tag]++);
            trp_message_set_tag(message, tag);
            assert_int_equal(trp_send(fake_root(fake), a.pid, message), 0);
            fake_run(fake);
        }
        assert_true(seen.count >= MESSAGES);
    }
}

/* ---- limits and policies ---- */

typedef struct limited {
    probe *who;
    trp_mailbox_policy policy;
    uint32_t limit;
} limited;

static void spawn_limited(fake_host *fake, probe *who, trp_mailbox_policy policy, uint32_t limit) {
    trp_spawn_options options = {
        .size = sizeof options, .mailbox_messages = limit, .mailbox_policy = policy};
    assert_int_equal(
        trp_spawn_opt(fake_root(fake), &probe_behaviour, &who, &options, &who->pid, NULL), 0);
}

static void test_full_mailbox_rejects(void **state) {
    fake_host *fake = *state;
    probe_letters letters;
    probe_watch_letters(fake, &letters);
    probe a = {0};
    spawn_limited(fake, &a, TRP_MAILBOX_REJECT, 3);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(probe_send(fake_root(fake), a.pid, i), 0);
    }
    assert_int_equal(probe_send(fake_root(fake), a.pid, 4), TRP_EFULL);
    fake_run(fake);
    assert_tags(&a, (uint64_t[]){1, 2, 3}, 3);
    assert_int_equal(letters.count, 1);
    assert_int_equal(probe_send(fake_root(fake), a.pid, 5), 0);
    fake_run(fake);
    assert_int_equal(a.events_len, 4);
}

static void test_drop_newest_keeps_the_first(void **state) {
    fake_host *fake = *state;
    probe_letters letters;
    probe_watch_letters(fake, &letters);
    probe a = {0};
    spawn_limited(fake, &a, TRP_MAILBOX_DROP_NEWEST, 2);
    for (uint64_t i = 1; i <= 5; i++) {
        assert_int_equal(probe_send(fake_root(fake), a.pid, i), 0);
    }
    fake_run(fake);
    assert_tags(&a, (uint64_t[]){1, 2}, 2);
    assert_int_equal(letters.count, 3);
    assert_int_equal(letters.error, TRP_EFULL);
}

static void test_drop_oldest_keeps_the_last(void **state) {
    fake_host *fake = *state;
    probe_letters letters;
    probe_watch_letters(fake, &letters);
    probe a = {0};
    spawn_limited(fake, &a, TRP_MAILBOX_DROP_OLDEST, 2);
    for (uint64_t i = 1; i <= 5; i++) {
        assert_int_equal(probe_send(fake_root(fake), a.pid, i), 0);
    }
    fake_run(fake);
    assert_tags(&a, (uint64_t[]){4, 5}, 2);
    assert_int_equal(letters.count, 3);
}

/* Sends five messages in one go, then counts how often it is called while the other is full. */
static void flood(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    const trp_pid *to = arg;
    for (uint64_t i = 1; i <= 5; i++) {
        assert_int_equal(probe_send(ctx, *to, i), 0);
    }
}

static void test_suspended_sender_waits_for_room_and_loses_nothing(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe slow = {0};
    probe_spawn(fake, &a);
    spawn_limited(fake, &slow, TRP_MAILBOX_SUSPEND, 2);
    trp_ctx *ctx = fake_root(fake);
    assert_int_equal(probe_ask(ctx, a.pid, flood, &slow.pid), 0);
    assert_int_equal(probe_send(ctx, a.pid, 9), 0);
    fake_run(fake);
    assert_int_equal(slow.events_len, 5);
    assert_int_equal(a.events_len, 1); /* it went on when there was room */
}

static void test_sender_is_freed_when_the_full_one_ends(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe slow = {0};
    probe_spawn(fake, &a);
    spawn_limited(fake, &slow, TRP_MAILBOX_SUSPEND, 2);
    trp_ctx *ctx = fake_root(fake);
    assert_int_equal(probe_ask(ctx, a.pid, flood, &slow.pid), 0);
    trp_budget one = {1, 0};
    (void)fake_step(fake, 0, &one); /* the mailbox is over its limit now, and a is muted */
    assert_int_equal(probe_send(ctx, a.pid, 9), 0);
    assert_int_equal(trp_kill(ctx, slow.pid), 0);
    fake_run(fake);
    assert_false(trp_is_alive(ctx, slow.pid));
    assert_int_equal(a.events_len, 1);
}

/* ---- events first ---- */

static void link_to(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    trp_trap_exit(ctx, true);
    assert_int_equal(trp_link(ctx, *(const trp_pid *)arg, 0), 0);
}

static void send_three_and_fail(trp_ctx *ctx, probe *self, void *arg) {
    const trp_pid *to = arg;
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(probe_send(ctx, *to, i), 0);
    }
    probe_call_fail(ctx, self, NULL);
}

/* The exit signal is behind three messages when a looks into its mailbox. */
static void test_events_overtake_messages_if_asked(void **state) {
    fake_host *fake = *state;
    for (int is_first = 0; is_first < 2; is_first++) {
        probe a = {0};
        probe b = {0};
        probe *pa = &a;
        trp_spawn_options options = {.size = sizeof options, .events_first = is_first == 1};
        trp_ctx *ctx = fake_root(fake);
        assert_int_equal(trp_spawn_opt(ctx, &probe_behaviour, &pa, &options, &a.pid, NULL), 0);
        probe_spawn(fake, &b);
        probe_do(fake, &a, link_to, &b.pid);
        probe_do(fake, &b, send_three_and_fail, &a.pid);
        assert_int_equal(a.events_len, 4);
        assert_ptr_equal(a.events[is_first == 1 ? 0 : 3].type, &trp_exited_type);
    }
}

static void test_events_first_keeps_the_order_of_messages(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe *pa = &a;
    trp_spawn_options options = {.size = sizeof options, .events_first = true};
    assert_int_equal(trp_spawn_opt(fake_root(fake), &probe_behaviour, &pa, &options, &a.pid, NULL),
                     0);
    send_tags(fake, &a, (uint64_t[]){1, 2, 3, 4, 5, 6}, 6);
    assert_tags(&a, (uint64_t[]){1, 2, 3, 4, 5, 6}, 6);
}

/* ---- ending by stages ---- */

typedef struct end_order {
    trp_pid pid;
    trp_end_plan plan;
    trp_ref ref;
    int result;
} end_order;

static void end_other(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    end_order *what = arg;
    what->result = trp_end(ctx, what->pid, &what->plan, &what->ref);
}

static void test_drained_actor_handles_the_rest_and_takes_nothing_new(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    trp_ctx *ctx = fake_root(fake);
    assert_int_equal(probe_send(ctx, a.pid, 1), 0);
    assert_int_equal(probe_send(ctx, a.pid, 2), 0);
    assert_int_equal(trp_drain(ctx, a.pid), 0);
    assert_int_equal(probe_send(ctx, a.pid, 3), TRP_ECLOSED);
    fake_run(fake);
    assert_tags(&a, (uint64_t[]){1, 2}, 2);
    assert_int_equal(a.reason.kind, TRP_EXIT_SHUTDOWN);
    assert_string_equal(a.reason.text, "drained");
    assert_int_equal(trp_drain(ctx, a.pid), TRP_ENOPROC);
}

static void test_end_tells_when_it_is_over(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {0};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    end_order what = {b.pid, {.size = sizeof what.plan, .stop_ns = TRP_NS_PER_S}, 0, 1};
    probe_do(fake, &a, end_other, &what);
    assert_int_equal(what.result, 0);
    assert_int_equal(a.events_len, 1);
    assert_true(a.events[0].body.down.ref == what.ref);
    assert_int_equal(b.terminates, 1);
    fake_advance(fake, 10 * TRP_NS_PER_S);
    assert_int_equal(fake_stats(fake).actors, 1); /* the helper is gone too */
}

static void keep_on_stop(trp_ctx *ctx, void *state, trp_message *message) {
    (void)ctx;
    (void)state;
    (void)message;
}

static const trp_behaviour deaf = {TRP_BEHAVIOUR("deaf"), .flags = TRP_BEHAVIOUR_DEFERS_STOP,
                                   .handle = keep_on_stop};

static void test_end_escalates_to_kill(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    trp_pid pid;
    probe_spawn(fake, &a);
    assert_int_equal(trp_spawn(fake_root(fake), &deaf, NULL, &pid), 0);
    end_order what = {
        pid,
        {.size = sizeof what.plan, .drain_ns = TRP_NS_PER_S, .stop_ns = 2 * TRP_NS_PER_S},
        0,
        1};
    probe_do(fake, &a, end_other, &what);
    fake_advance(fake, 2900 * TRP_NS_PER_MS);
    assert_int_equal(a.events_len, 0);
    fake_advance(fake, 200 * TRP_NS_PER_MS);
    assert_int_equal(a.events_len, 1);
    assert_int_equal(a.events[0].body.down.reason.kind, TRP_EXIT_KILLED);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_only_asked_tags_come_through),
        CASE(test_what_waited_comes_in_order_when_the_filter_goes),
        CASE(test_filter_changed_in_a_handler_finds_what_waits),
        CASE(test_message_that_waited_can_be_taken),
        CASE(test_untagged_never_matches_a_tag_list),
        CASE(test_stop_acts_whatever_waits),
        CASE(test_bad_filters_are_refused),
        CASE(test_ref_lets_a_down_through),
        CASE(test_random_filters_lose_and_reorder_nothing),
        CASE(test_full_mailbox_rejects),
        CASE(test_drop_newest_keeps_the_first),
        CASE(test_drop_oldest_keeps_the_last),
        CASE(test_suspended_sender_waits_for_room_and_loses_nothing),
        CASE(test_sender_is_freed_when_the_full_one_ends),
        CASE(test_events_overtake_messages_if_asked),
        CASE(test_events_first_keeps_the_order_of_messages),
        CASE(test_drained_actor_handles_the_rest_and_takes_nothing_new),
        CASE(test_end_tells_when_it_is_over),
        CASE(test_end_escalates_to_kill),
    };
    return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
