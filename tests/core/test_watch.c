/*
 * Watching all actors: what a watcher has heard is always exactly who lives.
 */
#include "cmocka_all.h"
#include "probe.h"

#include <stdlib.h>

enum { LIVES_MAX = 256, EVENTS_MAX = 1024 };

/* A watcher: who lives, as far as it has heard, and every event. */
typedef struct watcher {
    probe probe; /* first */
    trp_ref ref; /* of the watch it listens to */
    int result;
    uint32_t lives_len;
    trp_pid lives[LIVES_MAX];
    uint32_t events_len;
    trp_actor_event events[EVENTS_MAX];
    bool is_blind;
    bool finds_name; /* what trp_whereis says of "known" at the last end */
} watcher;

static uint32_t find(const watcher *me, trp_pid pid) {
    uint32_t at = 0;
    while (at < me->lives_len && !trp_pid_equal(me->lives[at], pid)) {
        at++;
    }
    return at;
}

static void note(trp_ctx *ctx, probe *self, trp_message *message) {
    watcher *me = (watcher *)(void *)self;
    const trp_actor_event *event = trp_message_as(message, &trp_actor_event_type);
    if (event == NULL || event->ref != me->ref) {
        return;
    }
    assert_int_equal(trp_message_ref(message), event->ref);
    assert_false(me->is_blind);
    assert_in_range(me->events_len, 0, EVENTS_MAX - 1);
    me->events[me->events_len++] = *event;
    uint32_t at = find(me, event->pid);
    if (event->kind == TRP_ACTOR_STARTED) {
        assert_int_equal(at, me->lives_len); /* none twice */
        assert_in_range(me->lives_len, 0, LIVES_MAX - 1);
        me->lives[me->lives_len++] = event->pid;
    } else if (event->kind == TRP_ACTOR_ENDED) {
        assert_true(at < me->lives_len); /* none that did not start */
        me->lives[at] = me->lives[--me->lives_len];
        trp_pid pid;
        me->finds_name = trp_whereis(ctx, "known", &pid) == 0;
    } else {
        me->is_blind = true;
    }
}

static void call_watch(trp_ctx *ctx, probe *self, void *arg) {
    (void)arg;
    watcher *me = (watcher *)(void *)self;
    me->lives_len = 0;
    me->events_len = 0;
    me->is_blind = false;
    me->result = trp_actor_watch(ctx, &me->ref);
}

static void call_unwatch(trp_ctx *ctx, probe *self, void *arg) {
    (void)arg;
    watcher *me = (watcher *)(void *)self;
    me->result = trp_actor_unwatch(ctx, me->ref);
}

static void call_unwatch_and_watch(trp_ctx *ctx, probe *self, void *arg) {
    call_unwatch(ctx, self, arg);
    assert_int_equal(((watcher *)(void *)self)->result, 0);
    call_watch(ctx, self, arg);
}

static void spawn_watcher(fake_host *fake, watcher *who) {
    memset(who, 0, sizeof *who);
    who->probe.on_message = note;
    probe_spawn(fake, &who->probe);
}

static void do_watch(fake_host *fake, watcher *who) {
    probe_do(fake, &who->probe, call_watch, NULL);
    assert_int_equal(who->result, 0);
}

/* What the watcher has heard against what the table says. */
static void assert_exact(fake_host *fake, const watcher *who) {
    static trp_pid pids[LIVES_MAX];
    size_t count = 0;
    trp_actor_list(fake_root(fake), pids, LIVES_MAX, &count);
    assert_int_equal(who->lives_len, count);
    for (size_t i = 0; i < count; i++) {
        assert_true(find(who, pids[i]) < who->lives_len);
    }
}

static void test_watch_tells_who_lives_and_what_changes(void **state) {
    fake_host *fake = *state;
    watcher w;
    probe a = {0};
    probe b = {0};
    spawn_watcher(fake, &w);
    probe_spawn(fake, &a);
    do_watch(fake, &w);
    assert_int_equal(w.events_len, 2); /* itself, and a */
    assert_exact(fake, &w);
    probe_spawn(fake, &b);
    fake_run(fake);
    assert_int_equal(w.events_len, 3);
    assert_true(trp_pid_equal(w.events[2].pid, b.pid));
    probe_do(fake, &a, probe_call_fail, NULL);
    assert_int_equal(w.events_len, 4);
    assert_int_equal(w.events[3].kind, TRP_ACTOR_ENDED);
    assert_int_equal(w.events[3].reason.code, 7);
    assert_exact(fake, &w);
    assert_int_equal(trp_kill(fake_root(fake), w.probe.pid), 0);
    fake_run(fake);
}

static void call_name(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    (void)arg;
    assert_int_equal(trp_register(ctx, "known"), 0);
}

static void test_names_are_free_when_the_end_is_heard(void **state) {
    fake_host *fake = *state;
    watcher w;
    probe a = {0};
    spawn_watcher(fake, &w);
    probe_spawn(fake, &a);
    do_watch(fake, &w);
    probe_do(fake, &a, call_name, NULL);
    w.finds_name = true;
    probe_do(fake, &a, probe_call_stop, NULL);
    assert_false(w.finds_name);
}

static void stop_in_init(trp_ctx *ctx, probe *self) {
    (void)self;
    trp_stop_self(ctx);
}

static void spawn_child_in_init(trp_ctx *ctx, probe *self) {
    probe *child = self->arg;
    (void)trp_spawn(ctx, &probe_behaviour, &child, NULL);
}

static void test_failed_init_is_not_heard_of(void **state) {
    fake_host *fake = *state;
    watcher w;
    probe child = {0};
    probe bad = {.init_result = TRP_EIO, .on_init = spawn_child_in_init, .arg = &child};
    probe brief = {.on_init = stop_in_init};
    probe *pbad = &bad;
    spawn_watcher(fake, &w);
    do_watch(fake, &w);
    assert_int_equal(trp_spawn(fake_root(fake), &probe_behaviour, &pbad, NULL), TRP_EIO);
    fake_run(fake);
    assert_int_equal(w.events_len, 2); /* the child of the failed one lives */
    assert_true(trp_pid_equal(w.events[1].pid, child.pid));
    probe_spawn(fake, &brief); /* ends in its init, which succeeds */
    fake_run(fake);
    assert_int_equal(w.events_len, 4);
    assert_int_equal(w.events[2].kind, TRP_ACTOR_STARTED);
    assert_int_equal(w.events[3].kind, TRP_ACTOR_ENDED);
    assert_exact(fake, &w);
}

static void test_unwatch_ends_all_events(void **state) {
    fake_host *fake = *state;
    watcher w;
    watcher second;
    probe a = {0};
    spawn_watcher(fake, &w);
    spawn_watcher(fake, &second);
    do_watch(fake, &w);
    do_watch(fake, &second); /* what is known comes at once */
    assert_exact(fake, &second);
    trp_ref ref = w.ref;
    probe_do(fake, &w.probe, call_unwatch, NULL);
    assert_int_equal(w.result, 0);
    uint32_t before = w.events_len;
    probe_spawn(fake, &a);
    fake_run(fake);
    assert_int_equal(w.events_len, before);
    assert_exact(fake, &second);
    w.ref = ref;
    probe_do(fake, &w.probe, call_unwatch, NULL);
    assert_int_equal(w.result, TRP_ENOENT);
    probe_do(fake, &second.probe, call_unwatch_and_watch, NULL);
    assert_exact(fake, &second);
    probe_do(fake, &second.probe, call_unwatch, NULL);
    fake_run(fake);
    do_watch(fake, &w);
    assert_exact(fake, &w);
}

static void test_watch_is_refused_outside_of_actors(void **state) {
    fake_host *fake = *state;
    trp_ref ref;
    assert_int_equal(trp_actor_watch(fake_root(fake), &ref), TRP_ESTATE);
    assert_int_equal(trp_actor_unwatch(fake_root(fake), 1), TRP_ENOENT);
}

/* A scheduler that has not joined yet may spawn and end meanwhile. */
static void test_nothing_is_missed_while_schedulers_join(void **state) {
    (void)state;
    fake_host *fake = fake_create(3);
    watcher w;
    probe actors[12];
    memset(actors, 0, sizeof actors);
    spawn_watcher(fake, &w);
    assert_int_equal(probe_ask(fake_root(fake), w.probe.pid, call_watch, NULL), 0);
    for (unsigned i = 0; i < 12; i++) {
        probe *one = &actors[i];
        trp_ctx *ctx = trp_runtime_enter(fake->runtime, i % 3);
        assert_int_equal(trp_spawn(ctx, &probe_behaviour, &one, NULL), 0);
        fake_step(fake, (i / 3) % 3, NULL);
        if (i % 4 == 1) {
            assert_int_equal(trp_kill(ctx, actors[i / 2].pid), 0);
        }
    }
    fake_run(fake);
    assert_int_equal(w.result, 0);
    assert_exact(fake, &w);
    fake_destroy(fake);
}

/* Lets the other scheduler join while the actor is in init. */
static void step_the_other(trp_ctx *ctx, probe *self) {
    (void)ctx;
    (void)fake_step(self->arg, 1, NULL);
}

static void test_actor_in_init_is_not_among_the_living(void **state) {
    (void)state;
    fake_host *fake = fake_create(2);
    for (int fails = 0; fails < 2; fails++) {
        watcher w;
        probe young = {.on_init = step_the_other, .arg = fake, .init_result = fails ? TRP_EIO : 0};
        probe *pyoung = &young;
        spawn_watcher(fake, &w);
        fake_run(fake);
        assert_int_equal(probe_ask(fake_root(fake), w.probe.pid, call_watch, NULL), 0);
        do {
            fake_step(fake, 0, NULL);
        } while (fake_has_reason(fake, 0));
        assert_int_not_equal(w.ref, 0);
        assert_int_equal(w.events_len, 0); /* the other has not joined */
        int error = trp_spawn(fake_root(fake), &probe_behaviour, &pyoung, NULL);
        assert_int_equal(error, young.init_result);
        fake_run(fake);
        assert_int_equal(w.events_len, fails ? 1 : 2);
        assert_exact(fake, &w);
        assert_int_equal(trp_kill(fake_root(fake), w.probe.pid), 0);
        assert_int_equal(fails ? 0 : trp_kill(fake_root(fake), young.pid), 0);
        fake_run(fake);
    }
    fake_destroy(fake);
}

/* ---- the model ---- */

enum { ACTORS = 12, WATCHERS = 3, STEPS = 200 };

typedef struct world {
    fake_host *fake;
    unsigned schedulers;
    probe actors[ACTORS];
    probe children[ACTORS];
    watcher watchers[WATCHERS];
    bool watches[WATCHERS];
} world;

static bool lives(world *w, const probe *who) {
    return !trp_pid_is_none(who->pid) && trp_is_alive(fake_root(w->fake), who->pid);
}

static trp_ctx *enter_any(world *w, uint64_t *seed) {
    return trp_runtime_enter(w->fake->runtime, (unsigned)fake_random_below(seed, w->schedulers));
}

static void random_spawn(world *w, int number, uint64_t *seed) {
    probe *one = &w->actors[number];
    if (lives(w, one) || lives(w, &w->children[number])) {
        return;
    }
    memset(one, 0, sizeof *one);
    memset(&w->children[number], 0, sizeof w->children[number]);
    one->init_result = fake_random_below(seed, 4) == 0 ? TRP_EIO : 0;
    uint64_t how = fake_random_below(seed, 4);
    one->on_init = how == 0 ? stop_in_init : how == 1 ? spawn_child_in_init : NULL;
    one->arg = &w->children[number];
    (void)trp_spawn(enter_any(w, seed), &probe_behaviour, &one, NULL);
}

static void random_watch(world *w, int number) {
    watcher *one = &w->watchers[number];
    if (!lives(w, &one->probe)) {
        spawn_watcher(w->fake, one);
        w->watches[number] = false;
    }
    probe_call *call = w->watches[number] ? call_unwatch : call_watch;
    if (probe_ask(fake_root(w->fake), one->probe.pid, call, NULL) == 0) {
        w->watches[number] = !w->watches[number];
    }
}

static void random_step(world *w, uint64_t *seed) {
    int number = (int)fake_random_below(seed, ACTORS);
    uint64_t what = fake_random_below(seed, 16);
    if (what < 6) {
        random_spawn(w, number, seed);
    } else if (what < 10) {
        probe *one = what < 8 ? &w->actors[number] : &w->children[number];
        (void)trp_kill(enter_any(w, seed), one->pid);
    } else if (what < 12) {
        random_watch(w, number % WATCHERS);
    } else if (what == 12) {
        (void)trp_kill(enter_any(w, seed), w->watchers[number % WATCHERS].probe.pid);
    } else {
        fake_step(w->fake, (unsigned)fake_random_below(seed, w->schedulers),
                  &(trp_budget){.messages = 1});
    }
}

static void check_world(world *w) {
    fake_run(w->fake);
    for (int i = 0; i < WATCHERS; i++) {
        watcher *one = &w->watchers[i];
        if (w->watches[i] && lives(w, &one->probe)) {
            assert_exact(w->fake, one);
            one->events_len = 0;
        }
    }
}

static uint64_t first_seed = 1;
static uint64_t seeds = 60;

static void test_random_lives_follow_the_model(void **state) {
    (void)state;
    for (uint64_t seed = first_seed; seed < first_seed + seeds; seed++) {
        static world w;
        memset(&w, 0, sizeof w);
        w.schedulers = 1 + (unsigned)(seed % 3);
        w.fake = fake_create(w.schedulers);
        uint64_t random = seed;
        print_message("seed %llu\n", (unsigned long long)seed);
        for (int i = 0; i < STEPS; i++) {
            random_step(&w, &random);
            if (fake_random_below(&random, 5) == 0) {
                check_world(&w);
            }
        }
        check_world(&w);
        fake_destroy(w.fake);
    }
}

static void play(fake_host *fake, void *arg) {
    watcher *w = arg;
    static probe actors[40];
    probe *pw = &w->probe;
    memset(w, 0, sizeof *w);
    memset(actors, 0, sizeof actors);
    w->probe.on_message = note;
    w->result = TRP_ENOMEM;
    if (fake_start(fake, NULL) != 0 ||
        trp_spawn(fake_root(fake), &probe_behaviour, &pw, NULL) != 0 ||
        probe_ask(fake_root(fake), w->probe.pid, call_watch, NULL) != 0) {
        return;
    }
    fake_run(fake);
    for (int i = 0; i < 40; i++) {
        probe *one = &actors[i];
        if (trp_spawn(fake_root(fake), &probe_behaviour, &one, NULL) == 0 && i % 3 == 0) {
            (void)trp_kill(fake_root(fake), one->pid);
        }
        fake_run(fake);
    }
    assert_true(w->result == 0 || w->result == TRP_ENOMEM);
    if (w->result == 0 && !w->is_blind) {
        assert_exact(fake, w);
    }
}

static void test_every_allocation_fails_once(void **state) {
    (void)state;
    static watcher w;
    assert_true(fake_every_allocation_fails(play, &w) > 3);
    assert_int_equal(w.result, 0);
    assert_false(w.is_blind);
}

/* No memory for events from some point on: the watcher hears that, and then nothing. */
static void test_watch_that_goes_blind_says_so(void **state) {
    fake_host *fake = *state;
    watcher w;
    static probe actors[LIVES_MAX];
    memset(actors, 0, sizeof actors);
    spawn_watcher(fake, &w);
    for (int i = 0; i < 200; i++) {
        probe_spawn(fake, &actors[i]);
    }
    do_watch(fake, &w);
    assert_exact(fake, &w);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(trp_kill(fake_root(fake), actors[i].pid), 0);
    }
    fake->memory.fail_all = true;
    fake_run(fake);
    fake->memory.fail_all = false;
    bool was_short = atomic_load(&fake->memory.failures) > 0;
    assert_int_equal(w.is_blind, was_short);
    if (was_short) {
        probe_do(fake, &w.probe, call_unwatch_and_watch, NULL);
        assert_exact(fake, &w);
    }
}

int main(int argc, char **argv) {
    if (argc > 1) {
        first_seed = strtoull(argv[1], NULL, 10);
        seeds = 1;
    }
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_watch_tells_who_lives_and_what_changes),
        FAKE_TEST(test_names_are_free_when_the_end_is_heard),
        FAKE_TEST(test_failed_init_is_not_heard_of),
        FAKE_TEST(test_unwatch_ends_all_events),
        FAKE_TEST(test_watch_is_refused_outside_of_actors),
        cmocka_unit_test(test_nothing_is_missed_while_schedulers_join),
        cmocka_unit_test(test_actor_in_init_is_not_among_the_living),
        cmocka_unit_test(test_random_lives_follow_the_model),
        cmocka_unit_test(test_every_allocation_fails_once),
        FAKE_TEST(test_watch_that_goes_blind_says_so),
    };
    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
