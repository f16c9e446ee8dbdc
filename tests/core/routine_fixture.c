/* Routines of tests. */
#include "routine_fixture.h"

#include "cmocka_all.h"

static int run_script(trp_ctx *ctx, void *arg) {
    script *self;
    memcpy(&self, arg, sizeof self);
    self->has_begun = true;
    int result = self->body(ctx, self);
    self->has_returned = true;
    return result;
}

const trp_routine script_routine = {TRP_ROUTINE("test.script", run_script, sizeof(script *))};

int script_spawn(fake_host *fake, script *self) {
    return trp_spawn(fake_root(fake), &script_routine.behaviour, &self, &self->pid);
}

static void spawn_monitored(trp_ctx *ctx, probe *self, void *arg) {
    script *spawned = arg;
    trp_spawn_options options = {.size = sizeof options, .monitor = true};
    trp_ref ref;
    (void)self;
    assert_int_equal(
        trp_spawn_opt(ctx, &script_routine.behaviour, &spawned, &options, &spawned->pid, &ref), 0);
    assert_false(spawned->has_begun); /* not before the spawner's callback has ended */
}

void script_start(fake_host *fake, script *self) {
    probe_spawn(fake, &self->watcher);
    probe_do(fake, &self->watcher, spawn_monitored, self);
    assert_true(self->has_begun);
}

void script_note(script *self, int64_t value) {
    if (self->values_len < SCRIPT_VALUES) {
        self->values[self->values_len] = value;
    }
    self->values_len++;
}

void script_assert(const script *self, uint32_t count, const int64_t *values) {
    for (uint32_t i = 0; i < count && i < self->values_len; i++) {
        assert_int_equal(self->values[i], values[i]);
    }
    assert_int_equal(self->values_len, count);
}

const trp_exit *script_ended(const script *self, trp_exit_kind kind, int code) {
    assert_int_equal(self->watcher.events_len, 1);
    const trp_exit *reason = &self->watcher.events[0].body.down.reason;
    assert_int_equal(reason->kind, kind);
    assert_int_equal(reason->code, code);
    return reason;
}

void script_lives(const script *self) {
    assert_true(self->has_begun);
    assert_false(self->has_returned);
    assert_int_equal(self->watcher.events_len, 0);
}

int script_receive(trp_ctx *ctx, script *self, uint64_t tag, uint64_t timeout_ns) {
    trp_filter filter = {sizeof filter, &tag, 1, 0};
    trp_message *message = NULL;
    int error = trp_receive(ctx, tag == 0 ? NULL : &filter, timeout_ns, &message);
    script_note(self, error != 0 ? error : (int64_t)probe_value_of(message));
    return error;
}

void script_send(fake_host *fake, trp_pid to, uint32_t count, const uint64_t *values) {
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(probe_send(fake_root(fake), to, values[i]), 0);
    }
    fake_run(fake);
}
