/*
 * Groups: who is in, what is sent to them, and how membership ends.
 */
#include "cmocka_all.h"
#include "group_fixture.h"

/* ---- members ---- */

static void test_members_come_in_the_order_of_joining(void **state) {
    fake_host *fake = *state;
    probe actors[3];
    memset(actors, 0, sizeof actors);
    for (int i = 0; i < 3; i++) {
        probe_spawn(fake, &actors[i]);
        assert_int_equal(group_join(fake, &actors[i], "chat", "room"), 0);
    }
    trp_pid pids[3] = {TRP_PID_NONE, TRP_PID_NONE, TRP_PID_NONE};
    size_t count = 0;
    assert_int_equal(trp_group_members(fake_root(fake), "chat", "room", pids, 2, &count), 0);
    assert_int_equal(count, 3);
    assert_true(trp_pid_equal(pids[0], actors[0].pid));
    assert_true(trp_pid_equal(pids[1], actors[1].pid));
    assert_true(trp_pid_is_none(pids[2]));
    assert_int_equal(group_leave(fake, &actors[1], "chat", "room"), 0);
    assert_int_equal(trp_group_members(fake_root(fake), "chat", "room", pids, 3, &count), 0);
    assert_int_equal(count, 2);
    assert_true(trp_pid_equal(pids[1], actors[2].pid));
}

static void test_joining_twice_is_joining_once(void **state) {
    fake_host *fake = *state;
    static group_watcher w;
    probe a = {0};
    group_spawn_watcher(fake, &w);
    probe_spawn(fake, &a);
    (void)group_watch(fake, &w, "chat", "room");
    assert_int_equal(group_join(fake, &a, "chat", "room"), 0);
    assert_int_equal(group_join(fake, &a, "chat", "room"), 0);
    assert_int_equal(group_count(fake, "chat", "room"), 1);
    assert_int_equal(w.heard_len, 1);
    assert_int_equal(group_leave(fake, &a, "chat", "room"), 0);
    assert_int_equal(group_leave(fake, &a, "chat", "room"), TRP_ENOENT);
    assert_int_equal(group_count(fake, "chat", "room"), 0);
    assert_int_equal(w.heard_len, 2);
}

static void test_same_name_in_two_scopes_is_two_groups(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    assert_int_equal(group_join(fake, &a, "chat", "room"), 0);
    assert_int_equal(group_count(fake, "game", "room"), 0);
    assert_int_equal(group_count(fake, "room", "chat"), 0);
    assert_int_equal(group_leave(fake, &a, "game", "room"), TRP_ENOENT);
    assert_int_equal(group_count(fake, "chat", "room"), 1);
}

static void test_bad_calls_are_refused(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    char name[TRP_GROUP_NAME_MAX + 2];
    memset(name, 'g', sizeof name);
    name[TRP_GROUP_NAME_MAX + 1] = '\0';
    assert_int_equal(group_join(fake, &a, "", "room"), TRP_EINVAL);
    assert_int_equal(group_join(fake, &a, "chat", NULL), TRP_EINVAL);
    assert_int_equal(group_join(fake, &a, "chat", name), TRP_EINVAL);
    assert_int_equal(group_leave(fake, &a, NULL, "room"), TRP_EINVAL);
    assert_int_equal(group_leave(fake, &a, "chat", "room"), TRP_ENOENT);
    name[TRP_GROUP_NAME_MAX] = '\0';
    assert_int_equal(group_join(fake, &a, name, name), 0);
    trp_ctx *root = fake_root(fake);
    size_t count;
    trp_ref ref;
    assert_int_equal(trp_group_join(root, "chat", "room"), TRP_ESTATE);
    assert_int_equal(trp_group_leave(root, "chat", "room"), TRP_ENOENT);
    assert_int_equal(trp_group_watch(root, "chat", "room", &ref), TRP_ESTATE);
    assert_int_equal(trp_group_watch(root, NULL, "room", &ref), TRP_EINVAL);
    assert_int_equal(trp_group_watch(root, "", NULL, &ref), TRP_EINVAL);
    assert_int_equal(trp_group_unwatch(root, 1), TRP_ENOENT);
    assert_int_equal(trp_group_members(root, NULL, "room", NULL, 0, &count), TRP_EINVAL);
    assert_int_equal(trp_group_broadcast(root, "chat", "", NULL, NULL), TRP_EINVAL);
    assert_int_equal(trp_group_broadcast(root, "chat", "room", NULL, NULL), TRP_ENOMEM);
}

static void test_groups_nobody_uses_are_empty(void **state) {
    fake_host *fake = *state;
    trp_message *message = probe_value(fake_root(fake), 1);
    size_t count = 9;
    assert_int_equal(group_count(fake, "chat", "room"), 0);
    assert_int_equal(trp_group_broadcast(fake_root(fake), "chat", "room", message, &count), 0);
    assert_int_equal(count, 0);
    trp_message_drop(fake_root(fake), message);
}

/* ---- broadcast ---- */

static void test_broadcast_reaches_each_member_once(void **state) {
    fake_host *fake = *state;
    probe actors[5];
    memset(actors, 0, sizeof actors);
    for (int i = 0; i < 5; i++) {
        probe_spawn(fake, &actors[i]);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(group_join(fake, &actors[i], "chat", i < 3 ? "room" : "other"), 0);
        probe_clear(&actors[i]);
    }
    probe_clear(&actors[4]);
    trp_message *message = probe_value(fake_root(fake), 77);
    size_t count = 0;
    assert_int_equal(trp_group_broadcast(fake_root(fake), "chat", "room", message, &count), 0);
    assert_int_equal(count, 3);
    assert_int_equal(probe_value_of(message), 77); /* still ours */
    trp_message_drop(fake_root(fake), message);
    fake_run(fake);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(actors[i].events_len, i < 3 ? 1 : 0);
        assert_true(i >= 3 || actors[i].events[0].value == 77);
        assert_true(i >= 3 || actors[i].events[0].tag == 77);
    }
}

static void test_broadcast_counts_what_was_delivered(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {0};
    probe *arg = &b;
    trp_spawn_options small = {.size = sizeof small, .mailbox_messages = 1};
    probe_letters letters;
    probe_watch_letters(fake, &letters);
    probe_spawn(fake, &a);
    assert_int_equal(trp_spawn_opt(fake_root(fake), &probe_behaviour, &arg, &small, &b.pid, NULL),
                     0);
    assert_int_equal(group_join(fake, &a, "chat", "room"), 0);
    assert_int_equal(group_join(fake, &b, "chat", "room"), 0);
    assert_int_equal(probe_send(fake_root(fake), b.pid, 1), 0);
    trp_message *message = probe_value(fake_root(fake), 2);
    size_t count = 0;
    assert_int_equal(trp_group_broadcast(fake_root(fake), "chat", "room", message, &count), 0);
    trp_message_drop(fake_root(fake), message);
    assert_int_equal(count, 1);
    assert_int_equal(letters.count, 1);
    assert_int_equal(letters.error, TRP_EFULL);
    fake_run(fake);
}

/* ---- ends ---- */

static void look(trp_ctx *ctx, probe *self, trp_message *message) {
    if (trp_message_is(message, &trp_down_type)) {
        assert_int_equal(trp_group_members(ctx, "chat", "room", NULL, 0, (size_t *)self->arg), 0);
    }
    group_note(ctx, self, message);
}

static void call_monitor(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    assert_int_equal(trp_monitor(ctx, ((probe *)arg)->pid, NULL), 0);
}

static void member_is_out_before_its_down(fake_host *fake, int how) {
    static group_watcher w;
    size_t count = 99;
    probe a = {0};
    group_spawn_watcher(fake, &w);
    w.probe.on_message = look;
    w.probe.arg = &count;
    probe_spawn(fake, &a);
    assert_int_equal(group_join(fake, &a, "chat", "room"), 0);
    probe_do(fake, &w.probe, call_monitor, &a);
    (void)group_watch(fake, &w, "chat", "room");
    if (how == 0) {
        probe_do(fake, &a, probe_call_fail, NULL);
    } else {
        assert_int_equal(trp_kill(fake_root(fake), a.pid), 0);
    }
    fake_run(fake);
    assert_int_equal(count, 0);
    assert_int_equal(w.heard_len, 2);
    group_assert_heard(&w, 1, TRP_GROUP_LEAVE, &a, "room");
    /* the order to monitor, the order to watch, JOIN, LEAVE, then DOWN */
    const probe_event *last = &w.probe.events[w.probe.events_len - 1];
    assert_ptr_equal(last->type, &trp_down_type);
}

static void test_member_is_out_before_its_failure_is_told(void **state) {
    member_is_out_before_its_down(*state, 0);
}

static void test_member_is_out_before_its_kill_is_told(void **state) {
    member_is_out_before_its_down(*state, 1);
}

static void see_members(trp_ctx *ctx, probe *self, const trp_exit *reason) {
    (void)reason;
    assert_int_equal(trp_group_members(ctx, "chat", "room", NULL, 0, (size_t *)self->arg), 0);
}

static void test_membership_still_stands_in_terminate(void **state) {
    fake_host *fake = *state;
    size_t count = 99;
    probe a = {.on_terminate = see_members, .arg = &count};
    probe_spawn(fake, &a);
    assert_int_equal(group_join(fake, &a, "chat", "room"), 0);
    probe_do(fake, &a, probe_call_stop, NULL);
    assert_int_equal(count, 1);
    assert_int_equal(group_count(fake, "chat", "room"), 0);
}

static void join_in_init(trp_ctx *ctx, probe *self) {
    (void)self;
    assert_int_equal(trp_group_join(ctx, "chat", "room"), 0);
}

static void test_failed_init_leaves_no_member(void **state) {
    fake_host *fake = *state;
    static group_watcher w;
    group_spawn_watcher(fake, &w);
    (void)group_watch(fake, &w, "chat", "room");
    probe a = {.on_init = join_in_init, .init_result = TRP_EINVAL};
    probe *arg = &a;
    assert_int_equal(trp_spawn(fake_root(fake), &probe_behaviour, &arg, NULL), TRP_EINVAL);
    fake_run(fake);
    assert_int_equal(group_count(fake, "chat", "room"), 0);
    assert_int_equal(w.heard_len, 2); /* in and out again: it could have been asked for meanwhile */
}

/* Leaving needs no memory, by itself or by ending. */
static void test_leaving_is_heard_of_without_memory(void **state) {
    fake_host *fake = *state;
    static group_watcher w;
    probe a = {0};
    probe b = {0};
    group_deed leave = {"chat", "room", 0, 1};
    trp_ctx *root = fake_root(fake);
    group_spawn_watcher(fake, &w);
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    assert_int_equal(group_join(fake, &a, "chat", "room"), 0);
    (void)group_watch(fake, &w, "chat", "room");
    assert_int_equal(group_join(fake, &b, "chat", "room"), 0);
    assert_int_equal(probe_ask(root, a.pid, group_call_leave, &leave), 0);
    assert_int_equal(probe_ask(root, b.pid, probe_call_stop, NULL), 0);
    fake->memory.fail_all = true;
    fake_run(fake);
    fake->memory.fail_all = false;
    assert_int_equal(leave.result, 0);
    assert_int_equal(w.heard_len, 4);
}

static void every_allocation_scenario(fake_host *fake, void *arg) {
    (void)arg;
    static group_watcher w;
    static probe a;
    if (fake_start(fake, NULL) != 0) {
        return;
    }
    trp_ctx *ctx = fake_root(fake);
    probe *pw = &w.probe;
    probe *pa = &a;
    memset(&w, 0, sizeof w);
    memset(&a, 0, sizeof a);
    w.probe.on_message = group_note;
    if (trp_spawn(ctx, &probe_behaviour, &pw, &w.probe.pid) != 0 ||
        trp_spawn(ctx, &probe_behaviour, &pa, &a.pid) != 0) {
        return;
    }
    group_deed in_room = {"chat", "room", 0, 1};
    group_deed in_other = {"chat", "other", 0, 1};
    group_deed watch = {"chat", NULL, 0, 1};
    (void)probe_ask(ctx, a.pid, group_call_join, &in_room);
    fake_run(fake);
    (void)probe_ask(ctx, w.probe.pid, group_call_watch, &watch);
    fake_run(fake);
    (void)probe_ask(ctx, a.pid, group_call_join, &in_other);
    fake_run(fake);
    if (watch.result == 0) {
        assert_int_equal(w.heard_len, (in_room.result == 0) + (in_other.result == 0));
    } else {
        assert_int_equal(w.heard_len, 0);
    }
    trp_message *message = probe_value(ctx, 3);
    size_t count = 9;
    int error = trp_group_broadcast(ctx, "chat", "room", message, &count);
    assert_true(error == TRP_ENOMEM || count == (in_room.result == 0));
    trp_message_drop(ctx, message);
    (void)trp_kill(ctx, a.pid);
    fake_run(fake);
}

static void test_every_allocation_fails_once(void **state) {
    (void)state;
    assert_true(fake_every_allocation_fails(every_allocation_scenario, NULL) > 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_members_come_in_the_order_of_joining),
        FAKE_TEST(test_joining_twice_is_joining_once),
        FAKE_TEST(test_same_name_in_two_scopes_is_two_groups),
        FAKE_TEST(test_bad_calls_are_refused),
        FAKE_TEST(test_groups_nobody_uses_are_empty),
        FAKE_TEST(test_broadcast_reaches_each_member_once),
        FAKE_TEST(test_broadcast_counts_what_was_delivered),
        FAKE_TEST(test_member_is_out_before_its_failure_is_told),
        FAKE_TEST(test_member_is_out_before_its_kill_is_told),
        FAKE_TEST(test_membership_still_stands_in_terminate),
        FAKE_TEST(test_failed_init_leaves_no_member),
        FAKE_TEST(test_leaving_is_heard_of_without_memory),
        cmocka_unit_test(test_every_allocation_fails_once),
    };
    return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
