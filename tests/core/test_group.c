/*
 * Groups: who is in, who hears of it, and that what a watcher has heard is always exactly who is in.
 */
#include "cmocka_all.h"
#include "probe.h"

#include <stdio.h>

enum { HEARD_MAX = 256 };

/* What a watcher has heard. */
typedef struct heard {
    trp_ref ref;
    trp_pid pid;
    uint32_t kind;
    char scope[TRP_GROUP_NAME_MAX + 1];
    char group[TRP_GROUP_NAME_MAX + 1];
} heard;

typedef struct watcher {
    probe probe; /* first */
    uint32_t heard_len;
    heard heard[HEARD_MAX];
} watcher;

static void note(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)ctx;
    watcher *me = (watcher *)(void *)self;
    if (!trp_message_is(message, &trp_group_event_type)) {
        return;
    }
    const trp_group_event *event = trp_message_body(message);
    assert_in_range(me->heard_len, 0, HEARD_MAX - 1);
    heard *one = &me->heard[me->heard_len++];
    one->ref = event->ref;
    one->pid = event->pid;
    one->kind = event->kind;
    snprintf(one->scope, sizeof one->scope, "%s", trp_slice_text(&event->scope));
    snprintf(one->group, sizeof one->group, "%s", trp_slice_text(&event->group));
    assert_int_equal(trp_message_ref(message), event->ref);
}

/* One call of the module, to be made by a probe. */
typedef struct deed {
    const char *scope;
    const char *group;
    trp_ref ref;
    int result;
} deed;

static void call_join(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *what = arg;
    what->result = trp_group_join(ctx, what->scope, what->group);
}

static void call_leave(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *what = arg;
    what->result = trp_group_leave(ctx, what->scope, what->group);
}

static void call_watch(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *what = arg;
    what->result = trp_group_watch(ctx, what->scope, what->group, &what->ref);
}

static void call_unwatch(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *what = arg;
    what->result = trp_group_unwatch(ctx, what->ref);
}

static int do_join(fake_host *fake, probe *who, const char *scope, const char *group) {
    deed what = {scope, group, 0, 1};
    probe_do(fake, who, call_join, &what);
    return what.result;
}

static int do_leave(fake_host *fake, probe *who, const char *scope, const char *group) {
    deed what = {scope, group, 0, 1};
    probe_do(fake, who, call_leave, &what);
    return what.result;
}

static trp_ref do_watch(fake_host *fake, watcher *who, const char *scope, const char *group) {
    deed what = {scope, group, 0, 1};
    probe_do(fake, &who->probe, call_watch, &what);
    assert_int_equal(what.result, 0);
    assert_int_not_equal(what.ref, 0);
    return what.ref;
}

static int do_unwatch(fake_host *fake, watcher *who, trp_ref ref) {
    deed what = {NULL, NULL, ref, 1};
    probe_do(fake, &who->probe, call_unwatch, &what);
    return what.result;
}

static void spawn_watcher(fake_host *fake, watcher *who) {
    memset(who, 0, sizeof *who);
    who->probe.on_message = note;
    probe_spawn(fake, &who->probe);
}

static size_t count_of(fake_host *fake, const char *scope, const char *group) {
    size_t count = 99;
    assert_int_equal(trp_group_members(fake_root(fake), scope, group, NULL, 0, &count), 0);
    return count;
}

static void assert_heard(const watcher *who, uint32_t index, uint32_t kind, const probe *whom,
                         const char *group) {
    assert_true(index < who->heard_len);
    const heard *one = &who->heard[index];
    assert_int_equal(one->kind, kind);
    assert_true(trp_pid_equal(one->pid, whom->pid));
    assert_string_equal(one->group, group);
}

/* ---- members ---- */

static void test_members_come_in_the_order_of_joining(void **state) {
    fake_host *fake = *state;
    probe actors[3];
    memset(actors, 0, sizeof actors);
    for (int i = 0; i < 3; i++) {
        probe_spawn(fake, &actors[i]);
        assert_int_equal(do_join(fake, &actors[i], "chat", "room"), 0);
    }
    trp_pid pids[3] = {TRP_PID_NONE, TRP_PID_NONE, TRP_PID_NONE};
    size_t count = 0;
    assert_int_equal(trp_group_members(fake_root(fake), "chat", "room", pids, 2, &count), 0);
    assert_int_equal(count, 3);
    assert_true(trp_pid_equal(pids[0], actors[0].pid));
    assert_true(trp_pid_equal(pids[1], actors[1].pid));
    assert_true(trp_pid_is_none(pids[2]));
    assert_int_equal(do_leave(fake, &actors[1], "chat", "room"), 0);
    assert_int_equal(trp_group_members(fake_root(fake), "chat", "room", pids, 3, &count), 0);
    assert_int_equal(count, 2);
    assert_true(trp_pid_equal(pids[1], actors[2].pid));
}

static void test_joining_twice_is_joining_once(void **state) {
    fake_host *fake = *state;
    static watcher w;
    probe a = {0};
    spawn_watcher(fake, &w);
    probe_spawn(fake, &a);
    (void)do_watch(fake, &w, "chat", "room");
    assert_int_equal(do_join(fake, &a, "chat", "room"), 0);
    assert_int_equal(do_join(fake, &a, "chat", "room"), 0);
    assert_int_equal(count_of(fake, "chat", "room"), 1);
    assert_int_equal(w.heard_len, 1);
    assert_int_equal(do_leave(fake, &a, "chat", "room"), 0);
    assert_int_equal(do_leave(fake, &a, "chat", "room"), TRP_ENOENT);
    assert_int_equal(count_of(fake, "chat", "room"), 0);
    assert_int_equal(w.heard_len, 2);
}

static void test_same_name_in_two_scopes_is_two_groups(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    assert_int_equal(do_join(fake, &a, "chat", "room"), 0);
    assert_int_equal(count_of(fake, "game", "room"), 0);
    assert_int_equal(count_of(fake, "room", "chat"), 0);
    assert_int_equal(do_leave(fake, &a, "game", "room"), TRP_ENOENT);
    assert_int_equal(count_of(fake, "chat", "room"), 1);
}

static void test_bad_calls_are_refused(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    char name[TRP_GROUP_NAME_MAX + 2];
    memset(name, 'g', sizeof name);
    name[TRP_GROUP_NAME_MAX + 1] = '\0';
    assert_int_equal(do_join(fake, &a, "", "room"), TRP_EINVAL);
    assert_int_equal(do_join(fake, &a, "chat", NULL), TRP_EINVAL);
    assert_int_equal(do_join(fake, &a, "chat", name), TRP_EINVAL);
    assert_int_equal(do_leave(fake, &a, NULL, "room"), TRP_EINVAL);
    assert_int_equal(do_leave(fake, &a, "chat", "room"), TRP_ENOENT);
    name[TRP_GROUP_NAME_MAX] = '\0';
    assert_int_equal(do_join(fake, &a, name, name), 0);
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
    assert_int_equal(count_of(fake, "chat", "room"), 0);
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
        assert_int_equal(do_join(fake, &actors[i], "chat", i < 3 ? "room" : "other"), 0);
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
    assert_int_equal(do_join(fake, &a, "chat", "room"), 0);
    assert_int_equal(do_join(fake, &b, "chat", "room"), 0);
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

/* ---- watching ---- */

static void test_watch_begins_with_those_who_are_in(void **state) {
    fake_host *fake = *state;
    static watcher w;
    probe a = {0};
    probe b = {0};
    spawn_watcher(fake, &w);
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    assert_int_equal(do_join(fake, &a, "chat", "room"), 0);
    assert_int_equal(do_join(fake, &b, "chat", "room"), 0);
    assert_int_equal(do_join(fake, &b, "chat", "other"), 0);
    trp_ref ref = do_watch(fake, &w, "chat", "room");
    assert_int_equal(w.heard_len, 2);
    assert_heard(&w, 0, TRP_GROUP_JOIN, &a, "room");
    assert_heard(&w, 1, TRP_GROUP_JOIN, &b, "room");
    assert_string_equal(w.heard[0].scope, "chat");
    assert_int_equal(w.heard[0].ref, ref);
    assert_int_equal(do_leave(fake, &a, "chat", "room"), 0);
    assert_heard(&w, 2, TRP_GROUP_LEAVE, &a, "room");
    assert_int_equal(do_leave(fake, &b, "chat", "other"), 0);
    assert_int_equal(w.heard_len, 3);
}

static void test_watch_of_scope_and_of_everything(void **state) {
    fake_host *fake = *state;
    static watcher scope;
    static watcher all;
    probe a = {0};
    spawn_watcher(fake, &scope);
    spawn_watcher(fake, &all);
    probe_spawn(fake, &a);
    assert_int_equal(do_join(fake, &a, "chat", "room"), 0);
    assert_int_equal(do_join(fake, &a, "game", "room"), 0);
    (void)do_watch(fake, &scope, "chat", NULL);
    (void)do_watch(fake, &all, NULL, NULL);
    assert_int_equal(scope.heard_len, 1);
    assert_int_equal(all.heard_len, 2);
    assert_int_equal(do_join(fake, &a, "chat", "other"), 0);
    assert_int_equal(do_join(fake, &a, "game", "other"), 0);
    assert_heard(&scope, 1, TRP_GROUP_JOIN, &a, "other");
    assert_int_equal(scope.heard_len, 2);
    assert_int_equal(all.heard_len, 4);
    assert_string_equal(all.heard[3].scope, "game");
    probe_do(fake, &a, probe_call_stop, NULL);
    assert_int_equal(scope.heard_len, 4);
    assert_int_equal(all.heard_len, 8);
}

static void test_watches_stack_and_end_one_by_one(void **state) {
    fake_host *fake = *state;
    static watcher w;
    probe a = {0};
    spawn_watcher(fake, &w);
    probe_spawn(fake, &a);
    trp_ref first = do_watch(fake, &w, "chat", "room");
    trp_ref second = do_watch(fake, &w, "chat", "room");
    assert_int_not_equal(first, second);
    assert_int_equal(do_join(fake, &a, "chat", "room"), 0);
    assert_int_equal(w.heard_len, 2);
    assert_int_equal(do_unwatch(fake, &w, first), 0);
    assert_int_equal(do_unwatch(fake, &w, first), TRP_ENOENT);
    assert_int_equal(do_leave(fake, &a, "chat", "room"), 0);
    assert_int_equal(w.heard_len, 3);
    assert_int_equal(w.heard[2].ref, second);
    assert_int_equal(do_unwatch(fake, &w, second), 0);
    assert_int_equal(do_join(fake, &a, "chat", "room"), 0);
    assert_int_equal(w.heard_len, 3);
}

static void test_unwatch_voids_what_waits_in_the_mailbox(void **state) {
    fake_host *fake = *state;
    static watcher w;
    probe a = {0};
    spawn_watcher(fake, &w);
    probe_spawn(fake, &a);
    trp_ref ref = do_watch(fake, &w, "chat", "room");
    deed unwatch = {NULL, NULL, ref, 1};
    deed join = {"chat", "room", 0, 1};
    trp_ctx *root = fake_root(fake);
    assert_int_equal(probe_ask(root, a.pid, call_join, &join), 0);
    assert_int_equal(probe_ask(root, w.probe.pid, call_unwatch, &unwatch), 0);
    fake_run(fake);
    assert_int_equal(join.result, 0);
    assert_int_equal(unwatch.result, 0);
    uint32_t heard_then = w.heard_len;
    assert_in_range(heard_then, 0, 1);

    /* And one that lies behind the order to unwatch for certain. */
    ref = do_watch(fake, &w, "chat", "other");
    deed own = {"chat", "other", 0, 1};
    unwatch.ref = ref;
    assert_int_equal(probe_ask(root, w.probe.pid, call_join, &own), 0);
    assert_int_equal(probe_ask(root, w.probe.pid, call_unwatch, &unwatch), 0);
    fake_run(fake);
    assert_int_equal(own.result, 0);
    assert_int_equal(unwatch.result, 0);
    assert_int_equal(w.heard_len, heard_then);
    assert_int_equal(do_unwatch(fake, &w, ref), TRP_ENOENT);
}

static void test_a_watch_is_its_owners_only(void **state) {
    fake_host *fake = *state;
    static watcher w;
    static watcher other;
    spawn_watcher(fake, &w);
    spawn_watcher(fake, &other);
    trp_ref ref = do_watch(fake, &w, NULL, NULL);
    assert_int_equal(do_unwatch(fake, &other, ref), TRP_ENOENT);
    assert_int_equal(do_unwatch(fake, &w, ref), 0);
}

static void test_watchers_see_themselves_join(void **state) {
    fake_host *fake = *state;
    static watcher w;
    spawn_watcher(fake, &w);
    (void)do_watch(fake, &w, "chat", NULL);
    assert_int_equal(do_join(fake, &w.probe, "chat", "room"), 0);
    assert_heard(&w, 0, TRP_GROUP_JOIN, &w.probe, "room");
    probe_do(fake, &w.probe, probe_call_stop, NULL);
    assert_int_equal(count_of(fake, "chat", "room"), 0);
}

static void test_event_comes_to_a_full_mailbox(void **state) {
    fake_host *fake = *state;
    static watcher w;
    memset(&w, 0, sizeof w);
    w.probe.on_message = note;
    probe *arg = &w.probe;
    probe a = {0};
    trp_spawn_options small = {.size = sizeof small, .mailbox_messages = 1};
    trp_ctx *root = fake_root(fake);
    assert_int_equal(trp_spawn_opt(root, &probe_behaviour, &arg, &small, &w.probe.pid, NULL), 0);
    probe_spawn(fake, &a);
    (void)do_watch(fake, &w, "chat", NULL);
    deed join = {"chat", "room", 0, 1};
    assert_int_equal(probe_send(root, w.probe.pid, 1), 0);
    assert_int_equal(probe_send(root, w.probe.pid, 2), TRP_EFULL);
    assert_int_equal(probe_ask(root, a.pid, call_join, &join), 0);
    fake_run(fake);
    assert_int_equal(w.heard_len, 1);
}

/* ---- ends ---- */

static void look(trp_ctx *ctx, probe *self, trp_message *message) {
    if (trp_message_is(message, &trp_down_type)) {
        assert_int_equal(trp_group_members(ctx, "chat", "room", NULL, 0, (size_t *)self->arg), 0);
    }
    note(ctx, self, message);
}

static void call_monitor(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    assert_int_equal(trp_monitor(ctx, ((probe *)arg)->pid, NULL), 0);
}

static void member_is_out_before_its_down(fake_host *fake, int how) {
    static watcher w;
    size_t count = 99;
    probe a = {0};
    spawn_watcher(fake, &w);
    w.probe.on_message = look;
    w.probe.arg = &count;
    probe_spawn(fake, &a);
    assert_int_equal(do_join(fake, &a, "chat", "room"), 0);
    probe_do(fake, &w.probe, call_monitor, &a);
    (void)do_watch(fake, &w, "chat", "room");
    if (how == 0) {
        probe_do(fake, &a, probe_call_fail, NULL);
    } else {
        assert_int_equal(trp_kill(fake_root(fake), a.pid), 0);
    }
    fake_run(fake);
    assert_int_equal(count, 0);
    assert_int_equal(w.heard_len, 2);
    assert_heard(&w, 1, TRP_GROUP_LEAVE, &a, "room");
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
    assert_int_equal(do_join(fake, &a, "chat", "room"), 0);
    probe_do(fake, &a, probe_call_stop, NULL);
    assert_int_equal(count, 1);
    assert_int_equal(count_of(fake, "chat", "room"), 0);
}

static void join_in_init(trp_ctx *ctx, probe *self) {
    (void)self;
    assert_int_equal(trp_group_join(ctx, "chat", "room"), 0);
}

static void test_failed_init_leaves_no_member(void **state) {
    fake_host *fake = *state;
    static watcher w;
    spawn_watcher(fake, &w);
    (void)do_watch(fake, &w, "chat", "room");
    probe a = {.on_init = join_in_init, .init_result = TRP_EINVAL};
    probe *arg = &a;
    assert_int_equal(trp_spawn(fake_root(fake), &probe_behaviour, &arg, NULL), TRP_EINVAL);
    fake_run(fake);
    assert_int_equal(count_of(fake, "chat", "room"), 0);
    assert_int_equal(w.heard_len, 2); /* in and out again: it could have been asked for meanwhile */
}

static void test_watcher_that_ends_costs_nothing_more(void **state) {
    fake_host *fake = *state;
    static watcher w;
    probe a = {0};
    probe_spawn(fake, &a);
    assert_int_equal(do_join(fake, &a, "chat", "room"), 0);
    for (int i = 0; i < 3; i++) {
        spawn_watcher(fake, &w);
        (void)do_watch(fake, &w, "chat", "room");
        probe_do(fake, &w.probe, i == 0 ? probe_call_fail : probe_call_stop, NULL);
    }
    assert_int_equal(do_leave(fake, &a, "chat", "room"), 0);
    assert_int_equal(w.heard_len, 1);
}

/* Leaving needs no memory, by itself or by ending. */
static void test_leaving_is_heard_of_without_memory(void **state) {
    fake_host *fake = *state;
    static watcher w;
    probe a = {0};
    probe b = {0};
    deed leave = {"chat", "room", 0, 1};
    trp_ctx *root = fake_root(fake);
    spawn_watcher(fake, &w);
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    assert_int_equal(do_join(fake, &a, "chat", "room"), 0);
    (void)do_watch(fake, &w, "chat", "room");
    assert_int_equal(do_join(fake, &b, "chat", "room"), 0);
    assert_int_equal(probe_ask(root, a.pid, call_leave, &leave), 0);
    assert_int_equal(probe_ask(root, b.pid, probe_call_stop, NULL), 0);
    fake->memory.fail_all = true;
    fake_run(fake);
    fake->memory.fail_all = false;
    assert_int_equal(leave.result, 0);
    assert_int_equal(w.heard_len, 4);
}

/* ---- everything at random, against a simple model ---- */

enum { ACTORS = 5, WATCHERS = 3, GROUPS = 4, STEPS = 250 };

static const char *const scope_names[GROUPS] = {"chat", "chat", "game", "game"};
static const char *const group_names[GROUPS] = {"a", "b", "a", "c"};

typedef struct model {
    probe actors[ACTORS];
    bool is_alive[ACTORS];
    bool is_in[ACTORS][GROUPS];
    watcher watchers[WATCHERS];
    trp_ref refs[WATCHERS];
    int watched[WATCHERS]; /* 0: nothing, 1: everything, 2: chat, 3: game's a */
} model;

static const char *const watched_scopes[] = {NULL, NULL, "chat", "game"};
static const char *const watched_groups[] = {NULL, NULL, NULL, "a"};

static bool watches(const model *m, int who, int group) {
    const char *scope = watched_scopes[m->watched[who]];
    const char *name = watched_groups[m->watched[who]];
    return m->watched[who] != 0 && (scope == NULL || strcmp(scope, scope_names[group]) == 0) &&
           (name == NULL || strcmp(name, group_names[group]) == 0);
}

/* Replays what a watcher has heard of one pair. True if it is in; asserts that events alternate. */
static bool believes(const watcher *who, const probe *actor, int group) {
    bool is_in = false;
    for (uint32_t i = 0; i < who->heard_len; i++) {
        const heard *one = &who->heard[i];
        if (trp_pid_equal(one->pid, actor->pid) && strcmp(one->group, group_names[group]) == 0 &&
            strcmp(one->scope, scope_names[group]) == 0) {
            assert_int_equal(one->kind, is_in ? TRP_GROUP_LEAVE : TRP_GROUP_JOIN);
            is_in = !is_in;
        }
    }
    return is_in;
}

static void check_model(const model *m) {
    for (int w = 0; w < WATCHERS; w++) {
        for (int a = 0; a < ACTORS; a++) {
            for (int g = 0; g < GROUPS; g++) {
                bool expected = m->is_in[a][g] && watches(m, w, g);
                assert_int_equal(believes(&m->watchers[w], &m->actors[a], g), expected);
            }
        }
    }
}

static void step_actor(fake_host *fake, model *m, int a, uint64_t *seed) {
    int g = (int)fake_random_below(seed, GROUPS);
    if (!m->is_alive[a]) {
        memset(&m->actors[a], 0, sizeof m->actors[a]);
        probe_spawn(fake, &m->actors[a]);
        m->is_alive[a] = true;
    } else if (fake_random_below(seed, 8) == 0) {
        probe_do(fake, &m->actors[a], probe_call_fail, NULL);
        m->is_alive[a] = false;
        memset(m->is_in[a], 0, sizeof m->is_in[a]);
    } else if (fake_random_below(seed, 2) == 0) {
        assert_int_equal(do_join(fake, &m->actors[a], scope_names[g], group_names[g]), 0);
        m->is_in[a][g] = true;
    } else {
        assert_int_equal(do_leave(fake, &m->actors[a], scope_names[g], group_names[g]),
                         m->is_in[a][g] ? 0 : TRP_ENOENT);
        m->is_in[a][g] = false;
    }
}

static void step_watcher(fake_host *fake, model *m, int w, uint64_t *seed) {
    watcher *who = &m->watchers[w];
    if (m->watched[w] != 0) {
        assert_int_equal(do_unwatch(fake, who, m->refs[w]), 0);
        m->watched[w] = 0;
    } else {
        int what = 1 + (int)fake_random_below(seed, 3);
        m->refs[w] = do_watch(fake, who, watched_scopes[what], watched_groups[what]);
        m->watched[w] = what;
    }
    if (m->watched[w] == 0) {
        who->heard_len = 0;
    }
}

static void test_random_groups_follow_the_model(void **state) {
    fake_host *fake = *state;
    static model m;
    for (uint64_t run = 1; run <= 20; run++) {
        uint64_t seed = run;
        memset(&m, 0, sizeof m);
        for (int w = 0; w < WATCHERS; w++) {
            spawn_watcher(fake, &m.watchers[w]);
        }
        for (int step = 0; step < STEPS; step++) {
            if (fake_random_below(&seed, 5) == 0) {
                step_watcher(fake, &m, (int)fake_random_below(&seed, WATCHERS), &seed);
            } else {
                step_actor(fake, &m, (int)fake_random_below(&seed, ACTORS), &seed);
            }
            check_model(&m);
        }
        for (int a = 0; a < ACTORS; a++) {
            if (m.is_alive[a]) {
                probe_do(fake, &m.actors[a], probe_call_stop, NULL);
            }
        }
        for (int w = 0; w < WATCHERS; w++) {
            probe_do(fake, &m.watchers[w].probe, probe_call_stop, NULL);
        }
    }
}

static void every_allocation_scenario(fake_host *fake, void *arg) {
    (void)arg;
    static watcher w;
    static probe a;
    if (fake_start(fake, NULL) != 0) {
        return;
    }
    trp_ctx *ctx = fake_root(fake);
    probe *pw = &w.probe;
    probe *pa = &a;
    memset(&w, 0, sizeof w);
    memset(&a, 0, sizeof a);
    w.probe.on_message = note;
    if (trp_spawn(ctx, &probe_behaviour, &pw, &w.probe.pid) != 0 ||
        trp_spawn(ctx, &probe_behaviour, &pa, &a.pid) != 0) {
        return;
    }
    deed in_room = {"chat", "room", 0, 1};
    deed in_other = {"chat", "other", 0, 1};
    deed watch = {"chat", NULL, 0, 1};
    (void)probe_ask(ctx, a.pid, call_join, &in_room);
    fake_run(fake);
    (void)probe_ask(ctx, w.probe.pid, call_watch, &watch);
    fake_run(fake);
    (void)probe_ask(ctx, a.pid, call_join, &in_other);
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
        FAKE_TEST(test_watch_begins_with_those_who_are_in),
        FAKE_TEST(test_watch_of_scope_and_of_everything),
        FAKE_TEST(test_watches_stack_and_end_one_by_one),
        FAKE_TEST(test_unwatch_voids_what_waits_in_the_mailbox),
        FAKE_TEST(test_a_watch_is_its_owners_only),
        FAKE_TEST(test_watchers_see_themselves_join),
        FAKE_TEST(test_event_comes_to_a_full_mailbox),
        FAKE_TEST(test_member_is_out_before_its_failure_is_told),
        FAKE_TEST(test_member_is_out_before_its_kill_is_told),
        FAKE_TEST(test_membership_still_stands_in_terminate),
        FAKE_TEST(test_failed_init_leaves_no_member),
        FAKE_TEST(test_watcher_that_ends_costs_nothing_more),
        FAKE_TEST(test_leaving_is_heard_of_without_memory),
        FAKE_TEST(test_random_groups_follow_the_model),
        cmocka_unit_test(test_every_allocation_fails_once),
    };
    return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
