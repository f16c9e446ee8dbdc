/*
 * Names: unique, free again before anybody hears of the end, and bad ones refused.
 */
#include "cmocka_all.h"
#include "probe.h"

#include <stdio.h>

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

int main(void) {
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_name_is_found_until_taken_away),
        FAKE_TEST(test_name_is_unique),
        FAKE_TEST(test_actor_may_have_many_names_and_loses_all),
        FAKE_TEST(test_bad_names_are_refused),
        FAKE_TEST(test_name_is_free_when_down_is_heard_after_failure),
        FAKE_TEST(test_name_is_free_when_down_is_heard_after_kill),
        FAKE_TEST(test_name_is_free_when_down_is_heard_after_stop),
        FAKE_TEST(test_name_still_stands_in_terminate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
