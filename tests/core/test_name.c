/*
 * Names: unique, free again before anybody hears of the end, and bad ones refused.
 */
#include "cmocka_all.h"
#include "probe.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct naming {
    const char *name;
    int result;
} naming;

static void take_name(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    naming *what = arg;
    what->result = trp_register(ctx, what->name);
}

static void drop_name(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    naming *what = arg;
    what->result = trp_unregister(ctx, what->name);
}

static int name_it(fake_host *fake, probe *self, const char *name) {
    naming what = {name, 1};
    probe_do(fake, self, take_name, &what);
    return what.result;
}

static int unname_it(fake_host *fake, probe *self, const char *name) {
    naming what = {name, 1};
    probe_do(fake, self, drop_name, &what);
    return what.result;
}

static bool has_name(fake_host *fake, const probe *self, const char *name) {
    trp_pid pid = {8, 8, 8, 8};
    int result = trp_whereis(fake_root(fake), name, &pid);
    assert_true(result == 0 || pid.node == 8); /* written only on success */
    return result == 0 && trp_pid_equal(pid, self->pid);
}

static void test_name_is_found_until_taken_away(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    assert_false(has_name(fake, &a, "relay"));
    assert_int_equal(name_it(fake, &a, "relay"), 0);
    assert_true(has_name(fake, &a, "relay"));
    assert_false(has_name(fake, &a, "rela"));
    assert_false(has_name(fake, &a, "relays"));
    assert_int_equal(unname_it(fake, &a, "relay"), 0);
    assert_false(has_name(fake, &a, "relay"));
    assert_int_equal(unname_it(fake, &a, "relay"), TRP_ENOENT);
}

static void test_name_is_unique(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {0};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    assert_int_equal(name_it(fake, &a, "relay"), 0);
    assert_int_equal(name_it(fake, &b, "relay"), TRP_EEXIST);
    assert_int_equal(name_it(fake, &a, "relay"), TRP_EEXIST);
    assert_int_equal(unname_it(fake, &b, "relay"), TRP_ENOENT); /* not b's to give away */
    assert_true(has_name(fake, &a, "relay"));
    assert_int_equal(unname_it(fake, &a, "relay"), 0);
    assert_int_equal(name_it(fake, &b, "relay"), 0);
    assert_true(has_name(fake, &b, "relay"));
}

static void test_actor_may_have_many_names_and_loses_all(void **state) {
    fake_host *fake = *state;
    enum { MANY = 300 };
    char name[32];
    for (int round = 0; round < 2; round++) {
        probe a = {0};
        probe_spawn(fake, &a);
        for (int i = 0; i < MANY; i++) {
            snprintf(name, sizeof name, "name-%d", i);
            assert_int_equal(name_it(fake, &a, name), 0);
        }
        snprintf(name, sizeof name, "name-%d", MANY / 2);
        assert_int_equal(unname_it(fake, &a, name), 0);
        for (int i = 0; i < MANY; i++) {
            snprintf(name, sizeof name, "name-%d", i);
            assert_int_equal(has_name(fake, &a, name), i != MANY / 2);
        }
        assert_int_equal(trp_kill(fake_root(fake), a.pid), 0);
        fake_run(fake);
        for (int i = 0; i < MANY; i++) {
            snprintf(name, sizeof name, "name-%d", i);
            assert_false(has_name(fake, &a, name));
        }
    }
}

static void test_bad_names_are_refused(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    char name[TRP_NAME_MAX + 2];
    probe_spawn(fake, &a);
    memset(name, 'n', sizeof name);
    name[TRP_NAME_MAX + 1] = '\0';
    assert_int_equal(name_it(fake, &a, ""), TRP_EINVAL);
    assert_int_equal(name_it(fake, &a, name), TRP_EINVAL);
    name[TRP_NAME_MAX] = '\0';
    assert_int_equal(name_it(fake, &a, name), 0);
    assert_true(has_name(fake, &a, name));
    assert_false(has_name(fake, &a, ""));
    assert_int_equal(trp_register(fake_root(fake), "root"), TRP_ESTATE);
}

static void take_relay(trp_ctx *ctx, probe *self, trp_message *message) {
    if (trp_message_is(message, &trp_down_type)) {
        *(int *)self->arg = trp_register(ctx, "relay");
    }
}

static void monitor(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    trp_ref ref;
    assert_int_equal(trp_monitor(ctx, ((probe *)arg)->pid, &ref), 0);
}

/* The rule of OTP that makes take-over work: who hears DOWN can have the name. */
static void name_is_free_for_who_hears_down(fake_host *fake, int how) {
    int result = 1;
    probe heir = {.on_message = take_relay, .arg = &result};
    probe a = {0};
    trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, "");
    probe_spawn(fake, &heir);
    probe_spawn(fake, &a);
    assert_int_equal(name_it(fake, &a, "relay"), 0);
    probe_do(fake, &heir, monitor, &a);
    if (how == 0) {
        probe_do(fake, &a, probe_call_fail, NULL);
    } else if (how == 1) {
        assert_int_equal(trp_kill(fake_root(fake), a.pid), 0);
    } else {
        assert_int_equal(trp_stop(fake_root(fake), a.pid, &reason), 0);
    }
    fake_run(fake);
    assert_int_equal(result, 0);
    assert_true(has_name(fake, &heir, "relay"));
}

static void test_name_is_free_when_down_is_heard_after_failure(void **state) {
    fake_host *fake = *state;
    name_is_free_for_who_hears_down(fake, 0);
}

static void test_name_is_free_when_down_is_heard_after_kill(void **state) {
    fake_host *fake = *state;
    name_is_free_for_who_hears_down(fake, 1);
}

static void test_name_is_free_when_down_is_heard_after_stop(void **state) {
    fake_host *fake = *state;
    name_is_free_for_who_hears_down(fake, 2);
}

static void look_for_myself(trp_ctx *ctx, probe *self, const trp_exit *reason) {
    (void)reason;
    trp_pid pid;
    *(bool *)self->arg = trp_whereis(ctx, "relay", &pid) == 0 && trp_pid_equal(pid, self->pid);
}

static void test_name_still_stands_in_terminate(void **state) {
    fake_host *fake = *state;
    bool found = false;
    probe a = {.on_terminate = look_for_myself, .arg = &found};
    probe_spawn(fake, &a);
    assert_int_equal(name_it(fake, &a, "relay"), 0);
    probe_do(fake, &a, probe_call_stop, NULL);
    assert_true(found);
    assert_false(has_name(fake, &a, "relay"));
}

/* ---- get-or-spawn ---- */

/* What a get-or-spawn answered; `wanted` is the probe that is to be spawned. */
typedef struct getting {
    const char *name;
    probe *wanted;
    trp_pid pid;
    bool is_new;
    int result;
} getting;

static int get_it(trp_ctx *ctx, getting *what) {
    trp_spawn_options options = {.size = sizeof options, .name = what->name};
    what->result =
        trp_get_or_spawn(ctx, &probe_behaviour, &what->wanted, &options, &what->pid, &what->is_new);
    return what->result;
}

static void test_get_or_spawn_spawns_once(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe b = {0};
    getting first = {.name = "relay", .wanted = &a};
    getting second = {.name = "relay", .wanted = &b};
    assert_int_equal(get_it(fake_root(fake), &first), 0);
    assert_true(first.is_new);
    assert_true(trp_pid_equal(first.pid, a.pid));
    assert_true(has_name(fake, &a, "relay"));
    assert_int_equal(get_it(fake_root(fake), &second), 0);
    assert_false(second.is_new);
    assert_true(trp_pid_equal(second.pid, a.pid));
    assert_int_equal(b.inits, 0);
    assert_int_equal(trp_kill(fake_root(fake), a.pid), 0);
    fake_run(fake);
    assert_int_equal(get_it(fake_root(fake), &second), 0);
    assert_true(second.is_new);
    assert_true(has_name(fake, &b, "relay"));
}

/* What an actor sees of its own name while it is in init. */
typedef struct sight {
    int whereis;
    int whereis_other; /* of a name that init has registered itself */
    int registered;
    int spawned;
    getting got;
} sight;

static void look_around(trp_ctx *ctx, probe *self) {
    sight *seen = self->arg;
    probe other = {0};
    probe *wanted = &other;
    trp_pid pid;
    trp_spawn_options options = {.size = sizeof options, .name = "relay"};
    seen->whereis = trp_whereis(ctx, "relay", &pid);
    seen->registered = trp_register(ctx, "relay");
    seen->spawned = trp_spawn_opt(ctx, &probe_behaviour, &wanted, &options, NULL, NULL);
    seen->got = (getting){.name = "relay", .wanted = &other};
    (void)get_it(ctx, &seen->got);
    assert_int_equal(other.inits, 0);
    assert_int_equal(trp_register(ctx, "alias"), 0);
    seen->whereis_other = trp_whereis(ctx, "alias", &pid);
}

static void test_name_is_reserved_while_its_actor_is_in_init(void **state) {
    fake_host *fake = *state;
    sight seen = {0};
    probe a = {.on_init = look_around, .arg = &seen};
    getting first = {.name = "relay", .wanted = &a};
    assert_int_equal(get_it(fake_root(fake), &first), 0);
    assert_int_equal(seen.whereis, TRP_ENOENT);
    assert_int_equal(seen.registered, TRP_EEXIST);
    assert_int_equal(seen.spawned, TRP_EEXIST);
    assert_int_equal(seen.got.result, TRP_EEXIST);
    assert_int_equal(seen.whereis_other, 0);
    assert_true(has_name(fake, &a, "relay"));
    assert_true(has_name(fake, &a, "alias"));
}

static void test_failed_init_frees_the_reserved_name(void **state) {
    fake_host *fake = *state;
    sight seen = {0};
    probe a = {.on_init = look_around, .arg = &seen, .init_result = TRP_EIO};
    probe b = {0};
    getting first = {.name = "relay", .wanted = &a, .pid = {8, 8, 8, 8}};
    getting second = {.name = "relay", .wanted = &b};
    assert_int_equal(get_it(fake_root(fake), &first), TRP_EIO);
    assert_int_equal(seen.whereis, TRP_ENOENT);
    assert_int_equal(first.pid.node, 8); /* written only on success */
    assert_false(has_name(fake, &a, "alias"));
    assert_int_equal(get_it(fake_root(fake), &second), 0);
    assert_true(second.is_new);
}

static void test_get_or_spawn_needs_a_name_and_no_monitor(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    getting unnamed = {.name = NULL, .wanted = &a};
    getting empty = {.name = "", .wanted = &a};
    assert_int_equal(get_it(fake_root(fake), &unnamed), TRP_EINVAL);
    assert_int_equal(get_it(fake_root(fake), &empty), TRP_EINVAL);
    probe *wanted = &a;
    trp_pid pid;
    trp_spawn_options options = {.size = sizeof options, .name = "relay", .monitor = true};
    assert_int_equal(
        trp_get_or_spawn(fake_root(fake), &probe_behaviour, &wanted, &options, &pid, NULL),
        TRP_EINVAL);
    assert_int_equal(trp_get_or_spawn(fake_root(fake), &probe_behaviour, &wanted, NULL, &pid, NULL),
                     TRP_EINVAL);
    options.monitor = false;
    assert_int_equal(
        trp_get_or_spawn(fake_root(fake), &probe_behaviour, &wanted, &options, &pid, NULL), 0);
    assert_int_equal(a.inits, 1);
}

/* ---- the model ---- */

enum { ACTORS = 6, NAMES = 5, STEPS = 300 };

typedef struct world {
    fake_host *fake;
    probe actors[ACTORS];
    bool lives[ACTORS];
    int owner[NAMES]; /* an actor's number, or -1 */
} world;

static const char *const NAME[NAMES] = {"a", "b", "c", "relay", "a longer name"};

static void forget_owner(world *w, int who) {
    for (int i = 0; i < NAMES; i++) {
        w->owner[i] = w->owner[i] == who ? -1 : w->owner[i];
    }
    w->lives[who] = false;
}

static void random_register(world *w, int who, int name) {
    int expected = w->owner[name] < 0 ? 0 : TRP_EEXIST;
    assert_int_equal(name_it(w->fake, &w->actors[who], NAME[name]), expected);
    w->owner[name] = expected == 0 ? who : w->owner[name];
}

static void random_unregister(world *w, int who, int name) {
    int expected = w->owner[name] == who ? 0 : TRP_ENOENT;
    assert_int_equal(unname_it(w->fake, &w->actors[who], NAME[name]), expected);
    w->owner[name] = expected == 0 ? -1 : w->owner[name];
}

/* Somebody who is dead is to come to life under a name, unless that is taken or init fails. */
static void random_get(world *w, int who, int name, bool fails) {
    probe *wanted = &w->actors[who];
    memset(wanted, 0, sizeof *wanted);
    wanted->init_result = fails ? TRP_EIO : 0;
    getting what = {.name = NAME[name], .wanted = wanted};
    int result = get_it(fake_root(w->fake), &what);
    bool is_taken = w->owner[name] >= 0;
    assert_int_equal(result, !is_taken && fails ? TRP_EIO : 0);
    assert_int_equal(wanted->inits, is_taken ? 0 : 1);
    if (is_taken) {
        assert_true(trp_pid_equal(what.pid, w->actors[w->owner[name]].pid));
    } else if (!fails) {
        assert_true(what.is_new);
        w->lives[who] = true;
        w->owner[name] = who;
    }
}

static void random_step(world *w, uint64_t *seed) {
    int who = (int)fake_random_below(seed, ACTORS);
    int name = (int)fake_random_below(seed, NAMES);
    uint64_t what = fake_random_below(seed, 8);
    if (!w->lives[who]) {
        random_get(w, who, name, what == 0);
    } else if (what < 4) {
        random_register(w, who, name);
    } else if (what < 6) {
        random_unregister(w, who, name);
    } else {
        assert_int_equal(trp_kill(fake_root(w->fake), w->actors[who].pid), 0);
        fake_run(w->fake);
        forget_owner(w, who);
    }
    for (int i = 0; i < NAMES; i++) {
        trp_pid pid;
        int error = trp_whereis(fake_root(w->fake), NAME[i], &pid);
        assert_int_equal(error, w->owner[i] < 0 ? TRP_ENOENT : 0);
        assert_true(error != 0 || trp_pid_equal(pid, w->actors[w->owner[i]].pid));
    }
}

static uint64_t first_seed = 1;
static uint64_t seeds = 40;

static void test_random_names_follow_the_model(void **state) {
    (void)state;
    for (uint64_t seed = first_seed; seed < first_seed + seeds; seed++) {
        static world w;
        memset(&w, 0, sizeof w);
        memset(w.owner, 0xff, sizeof w.owner);
        w.fake = fake_create(1);
        uint64_t random = seed;
        print_message("seed %llu\n", (unsigned long long)seed);
        for (int i = 0; i < STEPS; i++) {
            random_step(&w, &random);
        }
        fake_destroy(w.fake);
    }
}

int main(int argc, char **argv) {
    if (argc > 1) {
        first_seed = strtoull(argv[1], NULL, 10);
        seeds = 1;
    }
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_name_is_found_until_taken_away),
        FAKE_TEST(test_name_is_unique),
        FAKE_TEST(test_actor_may_have_many_names_and_loses_all),
        FAKE_TEST(test_bad_names_are_refused),
        FAKE_TEST(test_name_is_free_when_down_is_heard_after_failure),
        FAKE_TEST(test_name_is_free_when_down_is_heard_after_kill),
        FAKE_TEST(test_name_is_free_when_down_is_heard_after_stop),
        FAKE_TEST(test_name_still_stands_in_terminate),
        FAKE_TEST(test_get_or_spawn_spawns_once),
        FAKE_TEST(test_name_is_reserved_while_its_actor_is_in_init),
        FAKE_TEST(test_failed_init_frees_the_reserved_name),
        FAKE_TEST(test_get_or_spawn_needs_a_name_and_no_monitor),
        cmocka_unit_test(test_random_names_follow_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
