#include "group_fixture.h"

#include "cmocka_all.h"

#include <stdio.h>

void group_note(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)ctx;
    group_watcher *me = (group_watcher *)(void *)self;
    if (!trp_message_is(message, &trp_group_event_type)) {
        return;
    }
    const trp_group_event *event = trp_message_body(message);
    assert_in_range(me->heard_len, 0, GROUP_HEARD_MAX - 1);
    group_heard *one = &me->heard[me->heard_len++];
    one->ref = event->ref;
    one->pid = event->pid;
    one->kind = event->kind;
    snprintf(one->scope, sizeof one->scope, "%s", trp_slice_text(&event->scope));
    snprintf(one->group, sizeof one->group, "%s", trp_slice_text(&event->group));
    assert_int_equal(trp_message_ref(message), event->ref);
}

void group_call_join(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    group_deed *what = arg;
    what->result = trp_group_join(ctx, what->scope, what->group);
}

void group_call_leave(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    group_deed *what = arg;
    what->result = trp_group_leave(ctx, what->scope, what->group);
}

void group_call_watch(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    group_deed *what = arg;
    what->result = trp_group_watch(ctx, what->scope, what->group, &what->ref);
}

void group_call_unwatch(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    group_deed *what = arg;
    what->result = trp_group_unwatch(ctx, what->ref);
}

int group_join(fake_host *fake, probe *who, const char *scope, const char *group) {
    group_deed what = {scope, group, 0, 1};
    probe_do(fake, who, group_call_join, &what);
    return what.result;
}

int group_leave(fake_host *fake, probe *who, const char *scope, const char *group) {
    group_deed what = {scope, group, 0, 1};
    probe_do(fake, who, group_call_leave, &what);
    return what.result;
}

trp_ref group_watch(fake_host *fake, group_watcher *who, const char *scope, const char *group) {
    group_deed what = {scope, group, 0, 1};
    probe_do(fake, &who->probe, group_call_watch, &what);
    assert_int_equal(what.result, 0);
    assert_int_not_equal(what.ref, 0);
    return what.ref;
}

int group_unwatch(fake_host *fake, group_watcher *who, trp_ref ref) {
    group_deed what = {NULL, NULL, ref, 1};
    probe_do(fake, &who->probe, group_call_unwatch, &what);
    return what.result;
}

void group_spawn_watcher(fake_host *fake, group_watcher *who) {
    memset(who, 0, sizeof *who);
    who->probe.on_message = group_note;
    probe_spawn(fake, &who->probe);
}

size_t group_count(fake_host *fake, const char *scope, const char *group) {
    size_t count = 99;
    assert_int_equal(trp_group_members(fake_root(fake), scope, group, NULL, 0, &count), 0);
    return count;
}

void group_assert_heard(const group_watcher *who, uint32_t index, uint32_t kind, const probe *whom,
                        const char *group) {
    assert_true(index < who->heard_len);
    const group_heard *one = &who->heard[index];
    assert_int_equal(one->kind, kind);
    assert_true(trp_pid_equal(one->pid, whom->pid));
    assert_string_equal(one->group, group);
}
