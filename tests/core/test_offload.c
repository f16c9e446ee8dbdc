/*
 * Work off the scheduler: it comes back once, and whatever ends in between, its argument goes to
 * the actor or to `discard`, and never to both.
 */
#include "cmocka_all.h"
#include "probe.h"

#include <stdlib.h>

/* A piece of work, and what became of it. */
typedef struct job {
    int result; /* what it is to return */
    fake_host *fake;
    trp_pid victim; /* is killed, with all that follows, while the work runs */
    unsigned runs;
    unsigned discards;
    unsigned messages;
    int32_t told; /* the result in the message */
    trp_ref ref;
    int answer; /* of the call */
} job;

static int do_job(void *arg) {
    job *mine = arg;
    mine->runs++;
    if (!trp_pid_is_none(mine->victim)) {
        (void)trp_kill(fake_root(mine->fake), mine->victim);
        fake_run(mine->fake);
    }
    return mine->result;
}

static void discard_job(void *arg) {
    ((job *)arg)->discards++;
}

static void note_offloaded(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)ctx;
    (void)self;
    const trp_offloaded *offloaded = trp_message_as(message, &trp_offloaded_type);
    if (offloaded != NULL) {
        job *mine = (job *)(uintptr_t)offloaded->arg;
        assert_int_equal(offloaded->ref, mine->ref);
        assert_int_equal(trp_message_ref(message), mine->ref);
        mine->messages++;
        mine->told = offloaded->result;
    }
}

static void give_away(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    job *mine = arg;
    trp_work work = {sizeof work, do_job, mine, discard_job};
    mine->answer = trp_offload(ctx, &work, &mine->ref);
}

static void take_back(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    job *mine = arg;
    mine->answer = trp_offload_cancel(ctx, mine->ref);
}

static void spawn_worker(fake_host *fake, probe *who) {
    memset(who, 0, sizeof *who);
    who->on_message = note_offloaded;
    probe_spawn(fake, who);
}

static void assert_fate(const job *mine, unsigned runs, unsigned messages, unsigned discards) {
    assert_int_equal(mine->runs, runs);
    assert_int_equal(mine->messages, messages);
    assert_int_equal(mine->discards, discards);
}

static void test_work_comes_back_as_a_message(void **state) {
    fake_host *fake = *state;
    probe a;
    job one = {.result = 42};
    spawn_worker(fake, &a);
    probe_do(fake, &a, give_away, &one);
    assert_int_equal(one.answer, 0);
    assert_fate(&one, 1, 1, 0);
    assert_int_equal(one.told, 42);
    assert_int_equal(fake_stats(fake).late_replies, 0);
}

static void test_actors_go_on_while_work_runs(void **state) {
    fake_host *fake = *state;
    probe a;
    job one = {.result = 1};
    job two = {.result = 2};
    fake->holds_jobs = true;
    spawn_worker(fake, &a);
    probe_do(fake, &a, give_away, &one);
    probe_do(fake, &a, give_away, &two);
    assert_fate(&one, 0, 0, 0);
    assert_true(fake_run_job(fake, false));
    assert_fate(&one, 1, 0, 0);
    fake_run_if_woken(fake); /* coming back is a wake */
    assert_fate(&one, 1, 1, 0);
    assert_fate(&two, 0, 0, 0);
    assert_true(fake_run_job(fake, false));
    assert_false(fake_run_job(fake, false));
    fake_run_if_woken(fake);
    assert_int_equal(two.told, 2);
}

static void test_without_a_host_that_can_it_runs_on_the_scheduler(void **state) {
    (void)state;
    fake_host *fake = malloc(sizeof *fake);
    assert_non_null(fake);
    fake_init(fake);
    fake->table.offload = NULL;
    assert_int_equal(fake_start(fake, NULL), 0);
    probe a;
    job one = {.result = 42};
    job two = {.result = 43};
    spawn_worker(fake, &a);
    probe_do(fake, &a, give_away, &one);
    assert_fate(&one, 1, 1, 0);
    assert_int_equal(one.told, 42);
    assert_int_equal(probe_ask(fake_root(fake), a.pid, give_away, &two), 0);
    assert_int_equal(probe_ask(fake_root(fake), a.pid, probe_call_stop, NULL), 0);
    fake_run(fake);
    assert_fate(&two, 0, 0, 1); /* not begun when its actor ended */
    assert_true(fake_shut_down(fake));
    fake_destroy(fake);
}

static void test_work_is_not_begun_for_an_actor_that_has_ended(void **state) {
    fake_host *fake = *state;
    probe a;
    job one = {.result = 1};
    fake->holds_jobs = true;
    spawn_worker(fake, &a);
    probe_do(fake, &a, give_away, &one);
    probe_do(fake, &a, probe_call_stop, NULL);
    assert_fate(&one, 0, 0, 0);
    assert_true(fake_run_job(fake, false));
    fake_run_if_woken(fake);
    assert_fate(&one, 0, 0, 1);
}

static void test_result_for_an_actor_that_ended_meanwhile_is_discarded(void **state) {
    fake_host *fake = *state;
    probe a;
    job one = {.fake = fake};
    fake->holds_jobs = true;
    spawn_worker(fake, &a);
    one.victim = a.pid;
    probe_do(fake, &a, give_away, &one);
    assert_true(fake_run_job(fake, false));
    fake_run_if_woken(fake);
    assert_false(trp_is_alive(fake_root(fake), a.pid));
    assert_fate(&one, 1, 0, 1);
}

static void test_result_that_waits_for_an_ending_actor_is_discarded(void **state) {
    fake_host *fake = *state;
    probe a;
    job one = {.fake = fake};
    fake->holds_jobs = true;
    spawn_worker(fake, &a);
    probe_do(fake, &a, give_away, &one);
    /* The stop stands before the result in the mailbox. */
    trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, NULL);
    assert_int_equal(trp_stop(fake_root(fake), a.pid, &reason), 0);
    assert_true(fake_run_job(fake, false));
    fake_run_if_woken(fake);
    assert_fate(&one, 1, 0, 1);
}

static void test_only_work_that_has_not_begun_is_canceled(void **state) {
    fake_host *fake = *state;
    probe a;
    probe b;
    job one = {0};
    job two = {.result = 2};
    fake->holds_jobs = true;
    spawn_worker(fake, &a);
    spawn_worker(fake, &b);
    probe_do(fake, &a, give_away, &one);
    probe_do(fake, &b, take_back, &one); /* not b's */
    assert_int_equal(one.answer, TRP_ENOENT);
    probe_do(fake, &a, take_back, &one);
    assert_int_equal(one.answer, 0);
    probe_do(fake, &a, take_back, &one);
    assert_int_equal(one.answer, TRP_ENOENT);
    assert_true(fake_run_job(fake, false));
    fake_run_if_woken(fake);
    assert_fate(&one, 0, 0, 1);

    probe_do(fake, &a, give_away, &two);
    assert_true(fake_run_job(fake, false));
    assert_int_equal(probe_ask(fake_root(fake), a.pid, take_back, &two), 0);
    fake_run_if_woken(fake);
    assert_int_equal(two.answer, TRP_ESTATE);
    assert_fate(&two, 1, 1, 0);
}

static void test_work_that_the_host_gives_back_is_reported_canceled(void **state) {
    fake_host *fake = *state;
    probe a;
    job one = {.result = 1};
    fake->holds_jobs = true;
    spawn_worker(fake, &a);
    probe_do(fake, &a, give_away, &one);
    assert_true(fake_run_job(fake, true));
    fake_run_if_woken(fake);
    assert_fate(&one, 0, 1, 0);
    assert_int_equal(one.told, TRP_ECANCELED);
}

static void test_bad_work_is_refused(void **state) {
    fake_host *fake = *state;
    job one = {0};
    trp_work work = {sizeof work, do_job, &one, discard_job};
    trp_work nothing = {sizeof nothing, NULL, &one, discard_job};
    trp_ctx *root = fake_root(fake);
    int result = 1;
    assert_int_equal(trp_offload(root, &work, NULL), TRP_ESTATE);
    assert_int_equal(trp_offload(root, &nothing, NULL), TRP_EINVAL);
    assert_int_equal(trp_offload_cancel(root, 1), TRP_ENOENT);
    assert_fate(&one, 0, 0, 0); /* still the caller's */
    assert_int_equal(trp_offload_wait(root, &work, TRP_NEVER, &result), TRP_ESTATE);
    assert_fate(&one, 0, 0, 1); /* taken on every path */
}

static void give_away_at_the_end(trp_ctx *ctx, probe *self, const trp_exit *reason) {
    (void)reason;
    give_away(ctx, self, self->arg);
}

static void test_stop_waits_for_running_work(void **state) {
    fake_host *fake = *state;
    probe a;
    job one = {0};
    job late = {0};
    fake->holds_jobs = true;
    spawn_worker(fake, &a);
    a.on_terminate = give_away_at_the_end;
    a.arg = &late;
    probe_do(fake, &a, give_away, &one);
    assert_false(fake_shut_down(fake));
    assert_int_equal(fake_stats(fake).actors, 0);
    assert_int_equal(late.answer, TRP_ESTATE); /* no work is begun while the runtime stops */
    fake_advance(fake, 10 * TRP_NS_PER_S);
    assert_false(fake_is_done(fake));
    assert_true(fake_run_job(fake, false));
    fake_advance(fake, TRP_NS_PER_S);
    assert_true(fake_is_done(fake));
    assert_fate(&one, 0, 0, 1);
    assert_fate(&late, 0, 0, 0);
}

static void test_destroy_discards_what_is_still_out(void **state) {
    (void)state;
    fake_host *fake = fake_create(2);
    probe a;
    job jobs[3] = {{0}};
    fake->holds_jobs = true;
    spawn_worker(fake, &a);
    for (int i = 0; i < 3; i++) {
        probe_do(fake, &a, give_away, &jobs[i]);
    }
    assert_true(fake_run_job(fake, false)); /* done, and not yet heard of */
    fake_destroy(fake);
    assert_fate(&jobs[0], 1, 0, 1);
    assert_fate(&jobs[1], 0, 0, 1);
    assert_fate(&jobs[2], 0, 0, 1);
}

/* ---- everything at random: each argument ends in exactly one place ---- */

enum { WORKERS = 4, JOBS = 60 };

static void random_life(fake_host *fake, uint64_t *seed) {
    probe workers[WORKERS];
    static job jobs[JOBS];
    memset(jobs, 0, sizeof jobs);
    fake->holds_jobs = true;
    for (int i = 0; i < WORKERS; i++) {
        spawn_worker(fake, &workers[i]);
    }
    for (int i = 0; i < JOBS; i++) {
        probe *who = &workers[fake_random_below(seed, WORKERS)];
        if (!trp_is_alive(fake_root(fake), who->pid)) {
            spawn_worker(fake, who);
        }
        jobs[i].fake = fake;
        jobs[i].victim = fake_random_below(seed, 8) == 0 ? who->pid : TRP_PID_NONE;
        (void)probe_ask(fake_root(fake), who->pid, give_away, &jobs[i]);
        if (fake_random_below(seed, 3) == 0) {
            fake_run_if_woken(fake);
        }
        if (fake_random_below(seed, 4) == 0) {
            (void)probe_ask(fake_root(fake), who->pid, take_back, &jobs[i]);
        }
        if (fake_random_below(seed, 2) == 0) {
            (void)fake_run_job(fake, fake_random_below(seed, 5) == 0);
        }
        if (fake_random_below(seed, 9) == 0) {
            (void)trp_kill(fake_root(fake), who->pid);
        }
    }
    fake_run(fake);
    while (fake_run_job(fake, false)) {
        fake_run_if_woken(fake);
    }
    for (int i = 0; i < JOBS; i++) {
        bool was_taken = jobs[i].ref != 0;
        assert_int_equal(jobs[i].messages + jobs[i].discards, was_taken ? 1 : 0);
        assert_in_range(jobs[i].runs, 0, 1);
    }
}

static uint64_t first_seed = 1;
static uint64_t seeds = 50;

static void test_random_work_ends_in_exactly_one_place(void **state) {
    (void)state;
    for (uint64_t seed = first_seed; seed < first_seed + seeds; seed++) {
        fake_host *fake = fake_create(1 + (unsigned)(seed % 2));
        uint64_t random = seed;
        print_message("seed %llu\n", (unsigned long long)seed);
        random_life(fake, &random);
        fake_destroy(fake);
    }
}

static void play(fake_host *fake, void *arg) {
    job *all = arg;
    static probe a;
    probe *pa = &a;
    memset(all, 0, 2 * sizeof *all);
    memset(&a, 0, sizeof a);
    a.on_message = note_offloaded;
    if (fake_start(fake, NULL) != 0 ||
        trp_spawn(fake_root(fake), &probe_behaviour, &pa, &a.pid) != 0) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        if (probe_ask(fake_root(fake), a.pid, give_away, &all[i]) == 0) {
            fake_run(fake);
            assert_true(all[i].answer == 0 || all[i].answer == TRP_ENOMEM);
            assert_fate(&all[i], all[i].answer == 0, all[i].answer == 0, 0);
        }
    }
}

static void test_every_allocation_fails_once(void **state) {
    (void)state;
    job all[2];
    assert_true(fake_every_allocation_fails(play, all) > 3);
    assert_int_equal(all[1].messages, 1);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        first_seed = strtoull(argv[1], NULL, 10);
        seeds = 1;
    }
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_work_comes_back_as_a_message),
        FAKE_TEST(test_actors_go_on_while_work_runs),
        cmocka_unit_test(test_without_a_host_that_can_it_runs_on_the_scheduler),
        FAKE_TEST(test_work_is_not_begun_for_an_actor_that_has_ended),
        FAKE_TEST(test_result_for_an_actor_that_ended_meanwhile_is_discarded),
        FAKE_TEST(test_result_that_waits_for_an_ending_actor_is_discarded),
        FAKE_TEST(test_only_work_that_has_not_begun_is_canceled),
        FAKE_TEST(test_work_that_the_host_gives_back_is_reported_canceled),
        FAKE_TEST(test_bad_work_is_refused),
        FAKE_TEST(test_stop_waits_for_running_work),
        cmocka_unit_test(test_destroy_discards_what_is_still_out),
        cmocka_unit_test(test_random_work_ends_in_exactly_one_place),
        cmocka_unit_test(test_every_allocation_fails_once),
    };
    return cmocka_run_group_tests_name("offload", tests, NULL, NULL);
}
