/*
 * Links: who is told of an end, in which order, and that an unlinked end is never heard of.
 */
#include "cmocka_all.h"
#include "probe.h"
#include "troupe/link.h"

typedef struct tie {
    trp_pid pid;
    uint64_t tag;
    int result;
} tie;

static void link_to(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    tie *what = arg;
    what->result = trp_link(ctx, what->pid, what->tag);
}

static void unlink_from(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    tie *what = arg;
    what->result = trp_unlink(ctx, what->pid);
}

static void trap(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    (void)arg;
    trp_trap_exit(ctx, true);
}

static void do_link(fake_host *fake, probe *a, trp_pid to, uint64_t tag) {
    tie what = {to, tag, 1};
    probe_do(fake, a, link_to, &what);
    assert_int_equal(what.result, 0);
}

static int do_unlink(fake_host *fake, probe *a, trp_pid from) {
    tie what = {from, 0, 1};
    probe_do(fake, a, unlink_from, &what);
    return what.result;
}

/* The last exit message that a probe got; events keep only the fixed types, so it is noted here. */
static trp_exited last_exited;

static void note_exited(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)ctx;
    (void)self;
    if (trp_message_is(message, &trp_exited_type)) {
        last_exited = *(const trp_exited *)trp_message_body(message);
    }
}

typedef struct pair {
    probe a;
    probe b;
} pair;

static void spawn_pair(fake_host *fake, pair *p, bool a_traps) {
    memset(p, 0, sizeof *p);
    memset(&last_exited, 0, sizeof last_exited);
    p->a.on_message = note_exited;
    probe_spawn(fake, &p->a);
    probe_spawn(fake, &p->b);
    if (a_traps) {
        probe_do(fake, &p->a, trap, NULL);
    }
}

static bool lives(fake_host *fake, const probe *who) {
    return trp_is_alive(fake_root(fake), who->pid);
}

static void test_abnormal_end_takes_the_linked_along(void **state) {
    fake_host *fake = *state;
    pair p;
    spawn_pair(fake, &p, false);
    do_link(fake, &p.a, p.b.pid, 0);
    probe_do(fake, &p.b, probe_call_fail, NULL);
    assert_false(lives(fake, &p.a));
    assert_int_equal(p.a.terminates, 1);
    assert_int_equal(p.a.reason.kind, TRP_EXIT_ERROR);
    assert_int_equal(p.a.reason.code, 7);
}

static void test_link_works_both_ways(void **state) {
    fake_host *fake = *state;
    pair p;
    spawn_pair(fake, &p, false);
    do_link(fake, &p.a, p.b.pid, 0);
    probe_do(fake, &p.a, probe_call_fail, NULL);
    assert_false(lives(fake, &p.b));
}

static void test_normal_end_does_not_propagate(void **state) {
    fake_host *fake = *state;
    pair p;
    spawn_pair(fake, &p, false);
    do_link(fake, &p.a, p.b.pid, 0);
    probe_do(fake, &p.b, probe_call_stop, NULL);
    assert_true(lives(fake, &p.a));
    assert_int_equal(p.a.events_len, 0);
}

static void test_trapped_exit_is_a_message_with_tag_and_reason(void **state) {
    fake_host *fake = *state;
    pair p;
    spawn_pair(fake, &p, true);
    do_link(fake, &p.a, p.b.pid, 42);
    probe_do(fake, &p.b, probe_call_fail, NULL);
    assert_true(lives(fake, &p.a));
    assert_int_equal(p.a.events_len, 1);
    assert_true(trp_pid_equal(last_exited.pid, p.b.pid));
    assert_int_equal(last_exited.tag, 42);
    assert_int_equal(last_exited.reason.code, 7);
}

static void test_trapping_actor_hears_of_normal_ends_too(void **state) {
    fake_host *fake = *state;
    pair p;
    spawn_pair(fake, &p, true);
    do_link(fake, &p.a, p.b.pid, 0);
    probe_do(fake, &p.b, probe_call_stop, NULL);
    assert_int_equal(p.a.events_len, 1);
    assert_int_equal(last_exited.reason.kind, TRP_EXIT_NORMAL);
}

static void test_kill_comes_through_a_link_as_killed(void **state) {
    fake_host *fake = *state;
    pair p;
    spawn_pair(fake, &p, true);
    do_link(fake, &p.a, p.b.pid, 0);
    assert_int_equal(trp_kill(fake_root(fake), p.b.pid), 0);
    fake_run(fake);
    assert_int_equal(last_exited.reason.kind, TRP_EXIT_KILLED);
}

static void test_link_to_the_dead_gives_noproc(void **state) {
    fake_host *fake = *state;
    pair p;
    spawn_pair(fake, &p, true);
    probe_do(fake, &p.b, probe_call_stop, NULL);
    do_link(fake, &p.a, p.b.pid, 5);
    assert_int_equal(p.a.events_len, 1);
    assert_int_equal(last_exited.reason.kind, TRP_EXIT_NOPROC);
    assert_int_equal(last_exited.tag, 5);
}

static void test_second_link_changes_nothing(void **state) {
    fake_host *fake = *state;
    pair p;
    spawn_pair(fake, &p, true);
    do_link(fake, &p.a, p.b.pid, 1);
    do_link(fake, &p.a, p.b.pid, 2);
    do_link(fake, &p.b, p.a.pid, 3);
    probe_do(fake, &p.b, probe_call_fail, NULL);
    assert_int_equal(p.a.events_len, 1);
    assert_int_equal(last_exited.tag, 1);
}

static void test_links_made_from_both_sides_at_once_count_as_one(void **state) {
    fake_host *fake = *state;
    pair p;
    spawn_pair(fake, &p, true);
    tie from_a = {p.b.pid, 1, 1};
    tie from_b = {p.a.pid, 2, 1};
    trp_ctx *ctx = fake_root(fake);
    assert_int_equal(probe_ask(ctx, p.a.pid, link_to, &from_a), 0);
    assert_int_equal(probe_ask(ctx, p.b.pid, link_to, &from_b), 0);
    fake_run(fake);
    probe_do(fake, &p.b, probe_call_fail, NULL);
    assert_int_equal(p.a.events_len, 1);
    fake_run(fake);
    assert_int_equal(p.a.events_len, 1);
}

static void test_unlink_ends_the_link(void **state) {
    fake_host *fake = *state;
    pair p;
    spawn_pair(fake, &p, false);
    do_link(fake, &p.a, p.b.pid, 0);
    assert_int_equal(do_unlink(fake, &p.a, p.b.pid), 0);
    assert_int_equal(do_unlink(fake, &p.a, p.b.pid), TRP_ENOENT);
    probe_do(fake, &p.b, probe_call_fail, NULL);
    assert_true(lives(fake, &p.a));
}

static void test_unlink_by_the_other_side_ends_it_too(void **state) {
    fake_host *fake = *state;
    pair p;
    spawn_pair(fake, &p, false);
    do_link(fake, &p.a, p.b.pid, 0);
    assert_int_equal(do_unlink(fake, &p.b, p.a.pid), 0);
    assert_int_equal(do_unlink(fake, &p.a, p.b.pid), TRP_ENOENT);
    probe_do(fake, &p.a, probe_call_fail, NULL);
    assert_true(lives(fake, &p.b));
}

/* b has failed, its exit signal lies in a's mailbox behind the order to unlink. */
static void test_unlink_voids_an_exit_that_is_on_its_way(void **state) {
    fake_host *fake = *state;
    pair p;
    spawn_pair(fake, &p, true);
    do_link(fake, &p.a, p.b.pid, 0);
    tie what = {p.b.pid, 0, 1};
    trp_ctx *ctx = fake_root(fake);
    assert_int_equal(probe_ask(ctx, p.a.pid, unlink_from, &what), 0);
    assert_int_equal(probe_ask(ctx, p.b.pid, probe_call_fail, NULL), 0);
    fake_run(fake);
    assert_int_equal(what.result, 0);
    assert_true(lives(fake, &p.a));
    assert_int_equal(p.a.events_len, 0);
}

static void test_both_unlink_at_once(void **state) {
    fake_host *fake = *state;
    pair p;
    spawn_pair(fake, &p, false);
    for (int i = 0; i < 3; i++) {
        do_link(fake, &p.a, p.b.pid, 0);
        tie from_a = {p.b.pid, 0, 1};
        tie from_b = {p.a.pid, 0, 1};
        trp_ctx *ctx = fake_root(fake);
        assert_int_equal(probe_ask(ctx, p.a.pid, unlink_from, &from_a), 0);
        assert_int_equal(probe_ask(ctx, p.b.pid, unlink_from, &from_b), 0);
        fake_run(fake);
        assert_int_equal(from_a.result, 0);
        assert_int_equal(from_b.result, 0);
    }
    probe_do(fake, &p.b, probe_call_fail, NULL);
    assert_true(lives(fake, &p.a));
}

static void test_relink_after_unlink_works(void **state) {
    fake_host *fake = *state;
    pair p;
    spawn_pair(fake, &p, true);
    do_link(fake, &p.a, p.b.pid, 1);
    assert_int_equal(do_unlink(fake, &p.a, p.b.pid), 0);
    do_link(fake, &p.a, p.b.pid, 2);
    probe_do(fake, &p.b, probe_call_fail, NULL);
    assert_int_equal(p.a.events_len, 1);
    assert_int_equal(last_exited.tag, 2);
}

static void send_then_fail(trp_ctx *ctx, probe *self, void *arg) {
    const trp_pid *to = arg;
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(probe_send(ctx, *to, i), 0);
    }
    probe_call_fail(ctx, self, NULL);
}

static void test_exit_does_not_overtake_messages(void **state) {
    fake_host *fake = *state;
    pair p;
    spawn_pair(fake, &p, true);
    do_link(fake, &p.a, p.b.pid, 0);
    probe_do(fake, &p.b, send_then_fail, &p.a.pid);
    assert_int_equal(p.a.events_len, 4);
    assert_ptr_equal(p.a.events[3].type, &trp_exited_type);
}

static void test_cascade_runs_through_a_chain(void **state) {
    fake_host *fake = *state;
    enum { LENGTH = 50 };
    static probe chain[LENGTH];
    memset(chain, 0, sizeof chain);
    for (int i = 0; i < LENGTH; i++) {
        probe_spawn(fake, &chain[i]);
        if (i > 0) {
            do_link(fake, &chain[i], chain[i - 1].pid, 0);
        }
    }
    probe_do(fake, &chain[LENGTH / 2], probe_call_fail, NULL);
    for (int i = 0; i < LENGTH; i++) {
        assert_false(lives(fake, &chain[i]));
        assert_int_equal(chain[i].reason.code, 7);
    }
}

static void link_self(trp_ctx *ctx, probe *self, void *arg) {
    (void)arg;
    assert_int_equal(trp_link(ctx, self->pid, 0), TRP_ESELF);
}

static void test_link_to_oneself_and_from_the_root_are_refused(void **state) {
    fake_host *fake = *state;
    pair p;
    spawn_pair(fake, &p, false);
    probe_do(fake, &p.a, link_self, NULL);
    assert_int_equal(trp_link(fake_root(fake), p.a.pid, 0), TRP_ESTATE);
    assert_int_equal(trp_unlink(fake_root(fake), p.a.pid), TRP_ENOENT);
}

/* ---- spawning linked ---- */

typedef struct birth {
    probe *child;
    int result;
} birth;

static void spawn_linked(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    birth *what = arg;
    trp_spawn_options options = {.size = sizeof options, .link = true, .link_tag = 9};
    what->result =
        trp_spawn_opt(ctx, &probe_behaviour, &what->child, &options, &what->child->pid, NULL);
}

static void test_spawn_linked_ties_from_the_first_moment(void **state) {
    fake_host *fake = *state;
    pair p;
    spawn_pair(fake, &p, true);
    probe child = {0};
    birth what = {&child, 1};
    probe_do(fake, &p.a, spawn_linked, &what);
    assert_int_equal(what.result, 0);
    probe_do(fake, &child, probe_call_fail, NULL);
    assert_int_equal(p.a.events_len, 1);
    assert_int_equal(last_exited.tag, 9);
}

static void test_failed_init_of_a_linked_child_is_not_heard_of(void **state) {
    fake_host *fake = *state;
    pair p;
    spawn_pair(fake, &p, true);
    probe child = {.init_result = TRP_EINVAL};
    birth what = {&child, 1};
    probe_do(fake, &p.a, spawn_linked, &what);
    assert_int_equal(what.result, TRP_EINVAL);
    assert_int_equal(p.a.events_len, 0);
    assert_true(lives(fake, &p.a));
}

/* ---- everything at random, against a simple model ---- */

enum { ACTORS = 6, STEPS = 400 };

typedef struct model {
    bool is_linked[ACTORS][ACTORS];
    bool is_alive[ACTORS];
} model;

/* Ends `who` in the model, and whoever goes with it. */
static void model_end(model *m, int who) {
    if (!m->is_alive[who]) {
        return;
    }
    m->is_alive[who] = false;
    for (int i = 0; i < ACTORS; i++) {
        if (m->is_linked[who][i]) {
            m->is_linked[who][i] = m->is_linked[i][who] = false;
            model_end(m, i);
        }
    }
}

static void random_run(fake_host *fake, uint64_t seed) {
    probe actors[ACTORS];
    model m;
    memset(actors, 0, sizeof actors);
    memset(&m, 0, sizeof m);
    for (int step = 0; step < STEPS; step++) {
        int a = (int)fake_random_below(&seed, ACTORS);
        int b = (int)fake_random_below(&seed, ACTORS);
        if (!m.is_alive[a]) {
            memset(&actors[a], 0, sizeof actors[a]);
            probe_spawn(fake, &actors[a]);
            m.is_alive[a] = true;
        } else if (a == b) {
            if (fake_random_below(&seed, 4) == 0) {
                probe_do(fake, &actors[a], probe_call_fail, NULL);
                model_end(&m, a);
            }
        } else if (fake_random_below(&seed, 3) > 0 && m.is_alive[b]) {
            do_link(fake, &actors[a], actors[b].pid, 0);
            m.is_linked[a][b] = m.is_linked[b][a] = true;
        } else if (m.is_alive[b]) {
            int expected = m.is_linked[a][b] ? 0 : TRP_ENOENT;
            assert_int_equal(do_unlink(fake, &actors[a], actors[b].pid), expected);
            m.is_linked[a][b] = m.is_linked[b][a] = false;
        }
        for (int i = 0; i < ACTORS; i++) {
            assert_int_equal(lives(fake, &actors[i]), m.is_alive[i]);
        }
    }
}

static void test_random_links_follow_the_model(void **state) {
    fake_host *fake = *state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        random_run(fake, seed);
    }
}

/* ---- links by which any end counts ---- */

static void link_fate_to(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    tie *what = arg;
    what->result = trp_link_fate(ctx, what->pid, what->tag);
}

static int do_link_fate(fake_host *fake, probe *a, trp_pid to, uint64_t tag) {
    tie what = {to, tag, 1};
    probe_do(fake, a, link_fate_to, &what);
    return what.result;
}

static void test_any_end_counts_for_a_fate_link(void **state) {
    fake_host *fake = *state;
    for (int turn = 0; turn < 2; turn++) {
        pair p;
        spawn_pair(fake, &p, false);
        assert_int_equal(do_link_fate(fake, &p.a, p.b.pid, 0), 0);
        probe_do(fake, turn == 0 ? &p.a : &p.b, probe_call_stop, NULL);
        assert_false(lives(fake, &p.a));
        assert_false(lives(fake, &p.b));
        assert_int_equal(p.a.reason.kind, TRP_EXIT_NORMAL);
        assert_int_equal(p.b.reason.kind, TRP_EXIT_NORMAL);
        assert_int_equal(p.a.terminates + p.b.terminates, 2);
    }
}

static void test_trapped_end_of_a_fate_link_is_a_message(void **state) {
    fake_host *fake = *state;
    pair p;
    spawn_pair(fake, &p, true);
    assert_int_equal(do_link_fate(fake, &p.a, p.b.pid, 9), 0);
    probe_do(fake, &p.b, probe_call_stop, NULL);
    assert_true(lives(fake, &p.a));
    assert_int_equal(last_exited.tag, 9);
    assert_int_equal(last_exited.reason.kind, TRP_EXIT_NORMAL);
}

static void test_link_of_one_kind_is_not_made_the_other(void **state) {
    fake_host *fake = *state;
    pair p;
    spawn_pair(fake, &p, false);
    do_link(fake, &p.a, p.b.pid, 0);
    assert_int_equal(do_link_fate(fake, &p.a, p.b.pid, 0), TRP_EEXIST);
    assert_int_equal(do_unlink(fake, &p.a, p.b.pid), 0);
    assert_int_equal(do_link_fate(fake, &p.a, p.b.pid, 0), 0);
    assert_int_equal(do_link_fate(fake, &p.a, p.b.pid, 0), 0);
    tie what = {p.b.pid, 0, 1};
    probe_do(fake, &p.a, link_to, &what);
    assert_int_equal(what.result, TRP_EEXIST);
    assert_int_equal(do_unlink(fake, &p.a, p.b.pid), 0);
    probe_do(fake, &p.b, probe_call_stop, NULL);
    assert_true(lives(fake, &p.a));
}

/* Both link at the same moment, each in its own way: then any end counts, whoever ends. */
static void test_fate_link_prevails_over_one_made_at_once(void **state) {
    fake_host *fake = *state;
    for (int turn = 0; turn < 4; turn++) {
        pair p;
        spawn_pair(fake, &p, false);
        tie to_b = {p.b.pid, 0, 1};
        tie to_a = {p.a.pid, 0, 1};
        bool a_is_fateful = turn % 2 == 0;
        probe_call *a_links = a_is_fateful ? link_fate_to : link_to;
        probe_call *b_links = a_is_fateful ? link_to : link_fate_to;
        assert_int_equal(probe_ask(fake_root(fake), p.a.pid, a_links, &to_b), 0);
        assert_int_equal(probe_ask(fake_root(fake), p.b.pid, b_links, &to_a), 0);
        fake_run(fake);
        assert_int_equal(to_a.result, 0);
        probe_do(fake, turn < 2 ? &p.a : &p.b, probe_call_stop, NULL);
        assert_false(lives(fake, &p.a));
        assert_false(lives(fake, &p.b));
    }
}

static void every_allocation_scenario(fake_host *fake, void *arg) {
    (void)arg;
    if (fake_start(fake, NULL) != 0) {
        return;
    }
    trp_ctx *ctx = fake_root(fake);
    static probe a;
    static probe b;
    probe *pa = &a;
    probe *pb = &b;
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    if (trp_spawn(ctx, &probe_behaviour, &pa, &a.pid) != 0 ||
        trp_spawn(ctx, &probe_behaviour, &pb, &b.pid) != 0) {
        return;
    }
    tie what = {b.pid, 0, 1};
    (void)probe_ask(ctx, a.pid, link_to, &what);
    fake_run(fake);
    (void)probe_ask(ctx, a.pid, unlink_from, &what);
    fake_run(fake);
    (void)probe_ask(ctx, a.pid, link_to, &what);
    (void)probe_ask(ctx, b.pid, probe_call_fail, NULL);
    fake_run(fake);
}

static void test_every_allocation_fails_once(void **state) {
    (void)state;
    assert_true(fake_every_allocation_fails(every_allocation_scenario, NULL) > 2);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_abnormal_end_takes_the_linked_along),
        CASE(test_link_works_both_ways),
        CASE(test_normal_end_does_not_propagate),
        CASE(test_trapped_exit_is_a_message_with_tag_and_reason),
        CASE(test_trapping_actor_hears_of_normal_ends_too),
        CASE(test_kill_comes_through_a_link_as_killed),
        CASE(test_link_to_the_dead_gives_noproc),
        CASE(test_second_link_changes_nothing),
        CASE(test_links_made_from_both_sides_at_once_count_as_one),
        CASE(test_unlink_ends_the_link),
        CASE(test_unlink_by_the_other_side_ends_it_too),
        CASE(test_unlink_voids_an_exit_that_is_on_its_way),
        CASE(test_both_unlink_at_once),
        CASE(test_relink_after_unlink_works),
        CASE(test_exit_does_not_overtake_messages),
        CASE(test_cascade_runs_through_a_chain),
        CASE(test_link_to_oneself_and_from_the_root_are_refused),
        CASE(test_spawn_linked_ties_from_the_first_moment),
        CASE(test_failed_init_of_a_linked_child_is_not_heard_of),
        CASE(test_random_links_follow_the_model),
        CASE(test_any_end_counts_for_a_fate_link),
        CASE(test_trapped_end_of_a_fate_link_is_a_message),
        CASE(test_link_of_one_kind_is_not_made_the_other),
        CASE(test_fate_link_prevails_over_one_made_at_once),
        cmocka_unit_test(test_every_allocation_fails_once),
    };
    return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
