/*
 * Watches of groups: who hears what, and that what a watcher has heard is always exactly who is in.
 */
#include "cmocka_all.h"
#include "group_fixture.h"

static void test_watch_begins_with_those_who_are_in(void **state) {
    fake_host *fake = *state;
    static group_watcher w;
    probe a = {0};
    probe b = {0};
    group_spawn_watcher(fake, &w);
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    assert_int_equal(group_join(fake, &a, "chat", "room"), 0);
    assert_int_equal(group_join(fake, &b, "chat", "room"), 0);
    assert_int_equal(group_join(fake, &b, "chat", "other"), 0);
    trp_ref ref = group_watch(fake, &w, "chat", "room");
    assert_int_equal(w.heard_len, 2);
    group_assert_heard(&w, 0, TRP_GROUP_JOIN, &a, "room");
    group_assert_heard(&w, 1, TRP_GROUP_JOIN, &b, "room");
    assert_string_equal(w.heard[0].scope, "chat");
    assert_int_equal(w.heard[0].ref, ref);
    assert_int_equal(group_leave(fake, &a, "chat", "room"), 0);
    group_assert_heard(&w, 2, TRP_GROUP_LEAVE, &a, "room");
    assert_int_equal(group_leave(fake, &b, "chat", "other"), 0);
    assert_int_equal(w.heard_len, 3);
}

static void test_watch_of_scope_and_of_everything(void **state) {
    fake_host *fake = *state;
    static group_watcher scope;
    static group_watcher all;
    probe a = {0};
    group_spawn_watcher(fake, &scope);
    group_spawn_watcher(fake, &all);
    probe_spawn(fake, &a);
    assert_int_equal(group_join(fake, &a, "chat", "room"), 0);
    assert_int_equal(group_join(fake, &a, "game", "room"), 0);
    (void)group_watch(fake, &scope, "chat", NULL);
    (void)group_watch(fake, &all, NULL, NULL);
    assert_int_equal(scope.heard_len, 1);
    assert_int_equal(all.heard_len, 2);
    assert_int_equal(group_join(fake, &a, "chat", "other"), 0);
    assert_int_equal(group_join(fake, &a, "game", "other"), 0);
    group_assert_heard(&scope, 1, TRP_GROUP_JOIN, &a, "other");
    assert_int_equal(scope.heard_len, 2);
    assert_int_equal(all.heard_len, 4);
    assert_string_equal(all.heard[3].scope, "game");
    probe_do(fake, &a, probe_call_stop, NULL);
    assert_int_equal(scope.heard_len, 4);
    assert_int_equal(all.heard_len, 8);
}

static void test_watches_stack_and_end_one_by_one(void **state) {
    fake_host *fake = *state;
    static group_watcher w;
    probe a = {0};
    group_spawn_watcher(fake, &w);
    probe_spawn(fake, &a);
    trp_ref first = group_watch(fake, &w, "chat", "room");
    trp_ref second = group_watch(fake, &w, "chat", "room");
    assert_int_not_equal(first, second);
    assert_int_equal(group_join(fake, &a, "chat", "room"), 0);
    assert_int_equal(w.heard_len, 2);
    assert_int_equal(group_unwatch(fake, &w, first), 0);
    assert_int_equal(group_unwatch(fake, &w, first), TRP_ENOENT);
    assert_int_equal(group_leave(fake, &a, "chat", "room"), 0);
    assert_int_equal(w.heard_len, 3);
    assert_int_equal(w.heard[2].ref, second);
    assert_int_equal(group_unwatch(fake, &w, second), 0);
    assert_int_equal(group_join(fake, &a, "chat", "room"), 0);
    assert_int_equal(w.heard_len, 3);
}

static void test_unwatch_voids_what_waits_in_the_mailbox(void **state) {
    fake_host *fake = *state;
    static group_watcher w;
    probe a = {0};
    group_spawn_watcher(fake, &w);
    probe_spawn(fake, &a);
    trp_ref ref = group_watch(fake, &w, "chat", "room");
    group_deed unwatch = {NULL, NULL, ref, 1};
    group_deed join = {"chat", "room", 0, 1};
    trp_ctx *root = fake_root(fake);
    assert_int_equal(probe_ask(root, a.pid, group_call_join, &join), 0);
    assert_int_equal(probe_ask(root, w.probe.pid, group_call_unwatch, &unwatch), 0);
    fake_run(fake);
    assert_int_equal(join.result, 0);
    assert_int_equal(unwatch.result, 0);
    uint32_t heard_then = w.heard_len;
    assert_in_range(heard_then, 0, 1);

    /* And one that lies behind the order to unwatch for certain. */
    ref = group_watch(fake, &w, "chat", "other");
    group_deed own = {"chat", "other", 0, 1};
    unwatch.ref = ref;
    assert_int_equal(probe_ask(root, w.probe.pid, group_call_join, &own), 0);
    assert_int_equal(probe_ask(root, w.probe.pid, group_call_unwatch, &unwatch), 0);
    fake_run(fake);
    assert_int_equal(own.result, 0);
    assert_int_equal(unwatch.result, 0);
    assert_int_equal(w.heard_len, heard_then);
    assert_int_equal(group_unwatch(fake, &w, ref), TRP_ENOENT);
}

static void test_a_watch_is_its_owners_only(void **state) {
    fake_host *fake = *state;
    static group_watcher w;
    static group_watcher other;
    group_spawn_watcher(fake, &w);
    group_spawn_watcher(fake, &other);
    trp_ref ref = group_watch(fake, &w, NULL, NULL);
    assert_int_equal(group_unwatch(fake, &other, ref), TRP_ENOENT);
    assert_int_equal(group_unwatch(fake, &w, ref), 0);
}

static void test_watchers_see_themselves_join(void **state) {
    fake_host *fake = *state;
    static group_watcher w;
    group_spawn_watcher(fake, &w);
    (void)group_watch(fake, &w, "chat", NULL);
    assert_int_equal(group_join(fake, &w.probe, "chat", "room"), 0);
    group_assert_heard(&w, 0, TRP_GROUP_JOIN, &w.probe, "room");
    probe_do(fake, &w.probe, probe_call_stop, NULL);
    assert_int_equal(group_count(fake, "chat", "room"), 0);
}

static void test_event_comes_to_a_full_mailbox(void **state) {
    fake_host *fake = *state;
    static group_watcher w;
    memset(&w, 0, sizeof w);
    w.probe.on_message = group_note;
    probe *arg = &w.probe;
    probe a = {0};
    trp_spawn_options small = {.size = sizeof small, .mailbox_messages = 1};
    trp_ctx *root = fake_root(fake);
    assert_int_equal(trp_spawn_opt(root, &probe_behaviour, &arg, &small, &w.probe.pid, NULL), 0);
    probe_spawn(fake, &a);
    (void)group_watch(fake, &w, "chat", NULL);
    group_deed join = {"chat", "room", 0, 1};
    assert_int_equal(probe_send(root, w.probe.pid, 1), 0);
    assert_int_equal(probe_send(root, w.probe.pid, 2), TRP_EFULL);
    assert_int_equal(probe_ask(root, a.pid, group_call_join, &join), 0);
    fake_run(fake);
    assert_int_equal(w.heard_len, 1);
}

static void test_watcher_that_ends_costs_nothing_more(void **state) {
    fake_host *fake = *state;
    static group_watcher w;
    probe a = {0};
    probe_spawn(fake, &a);
    assert_int_equal(group_join(fake, &a, "chat", "room"), 0);
    for (int i = 0; i < 3; i++) {
        group_spawn_watcher(fake, &w);
        (void)group_watch(fake, &w, "chat", "room");
        probe_do(fake, &w.probe, i == 0 ? probe_call_fail : probe_call_stop, NULL);
    }
    assert_int_equal(group_leave(fake, &a, "chat", "room"), 0);
    assert_int_equal(w.heard_len, 1);
}

/* ---- everything at random, against a simple model ---- */

enum { ACTORS = 5, WATCHERS = 3, GROUPS = 4, STEPS = 250 };

static const char *const scope_names[GROUPS] = {"chat", "chat", "game", "game"};
static const char *const group_names[GROUPS] = {"a", "b", "a", "c"};

typedef struct model {
    probe actors[ACTORS];
    bool is_alive[ACTORS];
    bool is_in[ACTORS][GROUPS];
    group_watcher watchers[WATCHERS];
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
static bool believes(const group_watcher *who, const probe *actor, int group) {
    bool is_in = false;
    for (uint32_t i = 0; i < who->heard_len; i++) {
        const group_heard *one = &who->heard[i];
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
        assert_int_equal(group_join(fake, &m->actors[a], scope_names[g], group_names[g]), 0);
        m->is_in[a][g] = true;
    } else {
        assert_int_equal(group_leave(fake, &m->actors[a], scope_names[g], group_names[g]),
                         m->is_in[a][g] ? 0 : TRP_ENOENT);
        m->is_in[a][g] = false;
    }
}

static void step_watcher(fake_host *fake, model *m, int w, uint64_t *seed) {
    group_watcher *who = &m->watchers[w];
    if (m->watched[w] != 0) {
        assert_int_equal(group_unwatch(fake, who, m->refs[w]), 0);
        m->watched[w] = 0;
    } else {
        int what = 1 + (int)fake_random_below(seed, 3);
        m->refs[w] = group_watch(fake, who, watched_scopes[what], watched_groups[what]);
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
            group_spawn_watcher(fake, &m.watchers[w]);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_watch_begins_with_those_who_are_in),
        FAKE_TEST(test_watch_of_scope_and_of_everything),
        FAKE_TEST(test_watches_stack_and_end_one_by_one),
        FAKE_TEST(test_unwatch_voids_what_waits_in_the_mailbox),
        FAKE_TEST(test_a_watch_is_its_owners_only),
        FAKE_TEST(test_watchers_see_themselves_join),
        FAKE_TEST(test_event_comes_to_a_full_mailbox),
        FAKE_TEST(test_watcher_that_ends_costs_nothing_more),
        FAKE_TEST(test_random_groups_follow_the_model),
    };
    return cmocka_run_group_tests_name("group_watch", tests, NULL, NULL);
}
