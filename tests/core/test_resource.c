/*
 * What messages carry: it moves with them, is taken out once, and whatever becomes of the message
 * it is released exactly once if nobody took it.
 */
#include "cmocka_all.h"
#include "probe.h"
#include "troupe/resource.h"

#include <stdlib.h>

/* A thing that counts how often it was released. */
typedef struct thing {
    uint32_t released;
    uint32_t taken;
} thing;

static void release_thing(trp_ctx *ctx, void *resource) {
    (void)ctx;
    ((thing *)resource)->released++;
}

static const trp_resource_kind thing_kind = {"thing", release_thing};
static const trp_resource_kind other_kind = {"other thing", release_thing};

static trp_message *with_thing(trp_ctx *ctx, thing *what) {
    trp_message *message = probe_value(ctx, 77);
    assert_non_null(message);
    assert_int_equal(trp_message_attach(ctx, &message, &thing_kind, what), 0);
    return message;
}

static void send_thing(fake_host *fake, trp_pid to, thing *what, int expected) {
    assert_int_equal(trp_send(fake_root(fake), to, with_thing(fake_root(fake), what)), expected);
    fake_run(fake);
}

/* For on_message: takes the first thing out, writing it to arg. */
static void take_out(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)ctx;
    assert_int_equal(trp_message_resources_len(message), 1);
    assert_null(trp_message_detach(message, 0, &other_kind));
    assert_null(trp_message_detach(message, 1, &thing_kind));
    assert_non_null(trp_message_resource(message, 0, &thing_kind));
    *(thing **)self->arg = trp_message_detach(message, 0, &thing_kind);
    assert_null(trp_message_detach(message, 0, &thing_kind));
    assert_null(trp_message_resource(message, 0, &thing_kind));
    assert_int_equal(trp_message_resources_len(message), 1);
}

static void test_resource_moves_to_the_receiver(void **state) {
    fake_host *fake = *state;
    thing what = {0};
    thing *got = NULL;
    probe b = {.on_message = take_out, .arg = &got};
    probe_spawn(fake, &b);
    send_thing(fake, b.pid, &what, 0);
    assert_ptr_equal(got, &what);
    assert_int_equal(b.events[0].value, 77);
    assert_int_equal(what.released, 0);
}

static void test_untaken_resource_is_released_after_the_handler(void **state) {
    fake_host *fake = *state;
    thing what = {0};
    probe b = {0};
    probe_spawn(fake, &b);
    send_thing(fake, b.pid, &what, 0);
    assert_int_equal(b.events_len, 1);
    assert_int_equal(what.released, 1);
}

static void test_dropped_message_releases(void **state) {
    fake_host *fake = *state;
    thing what = {0};
    trp_message_drop(fake_root(fake), with_thing(fake_root(fake), &what));
    assert_int_equal(what.released, 1);
}

static void test_dead_letter_releases(void **state) {
    fake_host *fake = *state;
    thing what = {0};
    send_thing(fake, TRP_PID_NONE, &what, TRP_ENOPROC);
    assert_int_equal(what.released, 1);
    assert_int_equal(fake_stats(fake).dead_letters, 1);
}

static trp_pid spawn_bounded(fake_host *fake, probe *who, trp_mailbox_policy policy) {
    trp_spawn_options options = {
        .size = sizeof options, .mailbox_messages = 2, .mailbox_policy = policy};
    assert_int_equal(
        trp_spawn_opt(fake_root(fake), &probe_behaviour, &who, &options, &who->pid, NULL), 0);
    return who->pid;
}

static void test_full_mailboxes_release(void **state) {
    fake_host *fake = *state;
    trp_mailbox_policy policies[] = {TRP_MAILBOX_REJECT, TRP_MAILBOX_DROP_NEWEST,
                                     TRP_MAILBOX_DROP_OLDEST};
    for (int p = 0; p < 3; p++) {
        thing things[5] = {{0}};
        thing *got = NULL;
        probe b = {.on_message = take_out, .arg = &got};
        trp_pid to = spawn_bounded(fake, &b, policies[p]);
        for (int i = 0; i < 5; i++) {
            (void)trp_send(fake_root(fake), to, with_thing(fake_root(fake), &things[i]));
        }
        fake_run(fake);
        uint32_t released = 0;
        for (int i = 0; i < 5; i++) {
            assert_true(things[i].released <= 1);
            released += things[i].released;
        }
        assert_int_equal(b.events_len, 2);
        assert_int_equal(released, 3);
        assert_int_equal(trp_kill(fake_root(fake), to), 0);
        fake_run(fake);
    }
}

static void keep(trp_ctx *ctx, probe *self, trp_message *message) {
    if (trp_message_resources_len(message) > 0) {
        self->kept = trp_message_take(ctx, message);
    }
}

static void test_actor_that_ends_releases_what_it_kept_and_what_waits(void **state) {
    fake_host *fake = *state;
    thing kept = {0};
    thing waits = {0};
    probe b = {.on_message = keep};
    probe_spawn(fake, &b);
    send_thing(fake, b.pid, &kept, 0);
    assert_int_equal(kept.released, 0);
    assert_int_equal(trp_kill(fake_root(fake), b.pid), 0);
    assert_int_equal(trp_send(fake_root(fake), b.pid, with_thing(fake_root(fake), &waits)), 0);
    fake_run(fake);
    assert_int_equal(kept.released, 1);
    assert_int_equal(waits.released, 1);
}

static void only_tag_one(trp_ctx *ctx, probe *self) {
    (void)self;
    uint64_t tag = 1;
    trp_filter filter = {sizeof filter, &tag, 1, 0};
    assert_int_equal(trp_filter_set(ctx, &filter), 0);
}

static void test_what_a_filter_holds_back_is_released_with_the_actor(void **state) {
    fake_host *fake = *state;
    thing what = {0};
    probe b = {.on_init = only_tag_one};
    probe_spawn(fake, &b);
    send_thing(fake, b.pid, &what, 0); /* its tag is 77 */
    assert_int_equal(b.events_len, 0);
    assert_int_equal(what.released, 0);
    assert_int_equal(trp_kill(fake_root(fake), b.pid), 0);
    fake_run(fake);
    assert_int_equal(what.released, 1);
}

static void send_later(trp_ctx *ctx, probe *self, void *arg) {
    assert_int_equal(trp_send_after(ctx, TRP_NS_PER_S, self->pid, with_thing(ctx, arg), NULL), 0);
}

static void test_unsent_message_of_an_ended_actor_is_released(void **state) {
    fake_host *fake = *state;
    thing what = {0};
    probe a = {0};
    probe_spawn(fake, &a);
    probe_do(fake, &a, send_later, &what);
    probe_do(fake, &a, probe_call_stop, NULL);
    assert_int_equal(what.released, 1);
}

/* ---- requests ---- */

typedef struct call {
    trp_pid to;
    thing *what;
    trp_ref ref;
} call;

static void request(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    call *one = arg;
    assert_int_equal(trp_request(ctx, one->to, with_thing(ctx, one->what), TRP_NS_PER_S, &one->ref),
                     0);
}

static void refuse(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)self;
    assert_int_equal(trp_reply_error(ctx, message, -7, "a long text that needs all its room"), 0);
}

static void fail_now(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)message;
    probe_call_fail(ctx, self, NULL);
}

static void forget(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)ctx;
    (void)self;
    (void)message;
}

/* The block of a request becomes its own error: what it carried must be gone by then. */
static void test_request_that_fails_releases(void **state) {
    fake_host *fake = *state;
    void (*ways[])(trp_ctx *, probe *, trp_message *) = {forget, refuse, fail_now};
    int codes[] = {TRP_ECANCELED, -7, TRP_EFAILED};
    probe a = {0};
    probe_spawn(fake, &a);
    for (uint32_t i = 0; i < 3; i++) {
        thing what = {0};
        probe b = {.on_message = ways[i]};
        probe_spawn(fake, &b);
        call one = {.to = b.pid, .what = &what};
        probe_do(fake, &a, request, &one);
        assert_int_equal(what.released, 1);
        assert_int_equal(a.events_len, i + 1);
        assert_int_equal(a.events[i].body.error.code, codes[i]);
        (void)trp_kill(fake_root(fake), b.pid);
        fake_run(fake);
    }
    thing what = {0};
    call one = {.to = TRP_PID_NONE, .what = &what};
    probe_do(fake, &a, request, &one);
    assert_int_equal(what.released, 1);
    assert_int_equal(a.events[3].body.error.code, TRP_ENOPROC);
}

static void reply_with_thing(trp_ctx *ctx, probe *self, trp_message *message) {
    if (trp_message_is_request(message)) {
        assert_int_equal(trp_reply(ctx, message, with_thing(ctx, self->arg)), 0);
    }
}

static void keep_first(trp_ctx *ctx, probe *self, trp_message *message) {
    if (trp_message_is_request(message) && self->kept == NULL) {
        self->kept = trp_message_take(ctx, message);
    }
}

static void reply_kept(trp_ctx *ctx, probe *self, void *arg) {
    assert_int_equal(trp_reply(ctx, self->kept, with_thing(ctx, arg)), 0);
    trp_message_drop(ctx, self->kept);
    self->kept = NULL;
}

static void test_reply_carries_too_and_a_late_one_releases(void **state) {
    fake_host *fake = *state;
    thing asked = {0};
    thing answered = {0};
    thing *got = NULL;
    probe a = {.on_message = take_out, .arg = &got};
    probe b = {.on_message = reply_with_thing, .arg = &answered};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    call one = {.to = b.pid, .what = &asked};
    probe_do(fake, &a, request, &one);
    assert_ptr_equal(got, &answered);
    assert_int_equal(asked.released, 1);
    assert_int_equal(answered.released, 0);
    probe late = {.on_message = keep_first};
    probe c = {0};
    probe_spawn(fake, &late);
    probe_spawn(fake, &c);
    one = (call){.to = late.pid, .what = &asked};
    probe_do(fake, &c, request, &one);
    fake_advance(fake, 2 * TRP_NS_PER_S);
    probe_do(fake, &late, reply_kept, &answered);
    assert_int_equal(answered.released, 1);
    assert_int_equal(asked.released, 2);
}

static void delegate(trp_ctx *ctx, probe *self, trp_message *message) {
    assert_int_equal(trp_request_delegate(ctx, message, ((probe *)self->arg)->pid), 0);
}

static void test_delegated_request_takes_along_what_it_carries(void **state) {
    fake_host *fake = *state;
    thing what = {0};
    thing *got = NULL;
    probe a = {0};
    probe worker = {.on_message = take_out, .arg = &got};
    probe relay = {.on_message = delegate, .arg = &worker};
    probe_spawn(fake, &a);
    probe_spawn(fake, &worker);
    probe_spawn(fake, &relay);
    call one = {.to = relay.pid, .what = &what};
    probe_do(fake, &a, request, &one);
    assert_ptr_equal(got, &what);
    assert_int_equal(what.released, 0);
}

/* ---- attaching ---- */

/* Payloads of every size: with room behind them in the block, and without. */
static void test_payload_stays_what_it_was(void **state) {
    fake_host *fake = *state;
    trp_ctx *ctx = fake_root(fake);
    uint8_t bytes[200];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    for (size_t length = 0; length <= sizeof bytes; length++) {
        thing things[9] = {{0}};
        trp_message *message = trp_message_new_bytes(ctx, bytes, length);
        trp_message_set_tag(message, 5);
        for (uint32_t i = 0; i < 9; i++) {
            assert_int_equal(trp_message_attach(ctx, &message, &thing_kind, &things[i]), 0);
            assert_int_equal(trp_message_resources_len(message), i + 1);
        }
        assert_int_equal(trp_message_length(message), length);
        assert_int_equal(trp_message_tag(message), 5);
        assert_memory_equal(trp_message_body(message), bytes, length);
        assert_ptr_equal(trp_message_detach(message, 4, &thing_kind), &things[4]);
        trp_message_drop(ctx, message);
        for (uint32_t i = 0; i < 9; i++) {
            assert_int_equal(things[i].released, i == 4 ? 0 : 1);
        }
    }
}

static void attach_to_kept(trp_ctx *ctx, probe *self, void *arg) {
    thing *things = arg;
    assert_int_equal(trp_message_attach(ctx, &self->kept, &thing_kind, &things[0]), 0);
    assert_int_equal(trp_message_attach(ctx, &self->kept, &other_kind, &things[1]), 0);
}

/* The actor's end frees what it keeps, wherever the block has moved. */
static void test_kept_message_can_be_given_more(void **state) {
    fake_host *fake = *state;
    thing things[2] = {{0}};
    probe a = {0};
    probe b = {.on_message = keep_first};
    thing first = {0};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    call one = {.to = b.pid, .what = &first};
    probe_do(fake, &a, request, &one);
    probe_do(fake, &b, attach_to_kept, things);
    probe_do(fake, &b, probe_call_stop, NULL);
    assert_int_equal(first.released, 1);
    assert_int_equal(things[0].released, 1);
    assert_int_equal(things[1].released, 1);
    assert_int_equal(a.events_len, 1);
}

static void attach_to_borrowed(trp_ctx *ctx, probe *self, trp_message *message) {
    thing *what = self->arg;
    assert_int_equal(trp_message_attach(ctx, &message, &thing_kind, what), TRP_ESTATE);
    trp_message *none = NULL;
    assert_int_equal(trp_message_attach(ctx, &none, &thing_kind, what), TRP_ENOMEM);
    trp_message *own = probe_value(ctx, 1);
    assert_int_equal(trp_message_attach(ctx, &own, NULL, what), TRP_EINVAL);
    assert_int_equal(trp_message_attach(ctx, &own, &thing_kind, NULL), TRP_EINVAL);
    trp_message_drop(ctx, own);
}

static void test_wrong_attachments_are_refused(void **state) {
    fake_host *fake = *state;
    thing what = {0};
    probe b = {.on_message = attach_to_borrowed, .arg = &what};
    probe_spawn(fake, &b);
    assert_int_equal(probe_send(fake_root(fake), b.pid, 1), 0);
    fake_run(fake);
    assert_int_equal(b.events_len, 1);
    assert_int_equal(what.released, 0);
}

static void test_copy_carries_nothing(void **state) {
    fake_host *fake = *state;
    trp_ctx *ctx = fake_root(fake);
    thing what = {0};
    trp_message *message = with_thing(ctx, &what);
    trp_message *copy = trp_message_copy(ctx, message);
    assert_int_equal(trp_message_resources_len(copy), 0);
    assert_null(trp_message_resource(copy, 0, &thing_kind));
    trp_message_drop(ctx, copy);
    assert_int_equal(what.released, 0);
    trp_message_drop(ctx, message);
    assert_int_equal(what.released, 1);
}

static void attach_without_memory(fake_host *fake, void *arg) {
    thing *things = arg;
    if (fake_start(fake, NULL) != 0) {
        return;
    }
    trp_ctx *ctx = fake_root(fake);
    memset(things, 0, 5 * sizeof *things);
    trp_message *message = probe_value(ctx, 3);
    for (int i = 0; message != NULL && i < 5; i++) {
        int error = trp_message_attach(ctx, &message, &thing_kind, &things[i]);
        assert_true(error == 0 || error == TRP_ENOMEM);
        things[i].released += error == 0 ? 0 : 1; /* it is still ours */
    }
    if (message != NULL) {
        assert_int_equal(probe_value_of(message), 3);
        trp_message_drop(ctx, message);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(things[i].released, 1);
        }
    }
}

static void test_failed_attachment_changes_nothing(void **state) {
    (void)state;
    thing things[5];
    assert_true(fake_every_allocation_fails(attach_without_memory, things) > 3);
}

/* ---- ends of channels ---- */

static const trp_resource_kind *const sending = &trp_channel_end_kinds[TRP_CHANNEL_SEND];
static const trp_resource_kind *const receiving = &trp_channel_end_kinds[TRP_CHANNEL_RECEIVE];

static void use_end(trp_ctx *ctx, probe *self, trp_message *message) {
    trp_channel *channel = trp_message_detach(message, 0, sending);
    (void)self;
    assert_non_null(channel);
    assert_int_equal(trp_channel_try_send(ctx, channel, probe_value(ctx, 9)), 0);
    trp_channel_release(ctx, channel, TRP_CHANNEL_SEND);
}

static void test_end_of_a_channel_travels(void **state) {
    fake_host *fake = *state;
    trp_ctx *ctx = fake_root(fake);
    probe b = {.on_message = use_end};
    trp_channel *channel;
    trp_message *message = probe_value(ctx, 1);
    probe_spawn(fake, &b);
    assert_int_equal(trp_channel_create(ctx, 4, &channel), 0);
    assert_int_equal(trp_message_attach(ctx, &message, sending, channel), 0);
    assert_int_equal(trp_send(ctx, b.pid, message), 0);
    fake_run(fake);
    assert_true(trp_channel_is_closed(channel));
    assert_int_equal(trp_channel_try_receive(ctx, channel, &message), 0);
    assert_int_equal(probe_value_of(message), 9);
    trp_message_drop(ctx, message);
    trp_channel_release(ctx, channel, TRP_CHANNEL_RECEIVE);
}

static void test_dropping_the_message_closes_the_end_it_carries(void **state) {
    fake_host *fake = *state;
    trp_ctx *ctx = fake_root(fake);
    for (int end = 0; end < 2; end++) {
        trp_channel *channel;
        trp_message *message = probe_value(ctx, 1);
        assert_int_equal(trp_channel_create(ctx, 0, &channel), 0);
        assert_int_equal(trp_message_attach(ctx, &message, end == 0 ? sending : receiving, channel),
                         0);
        assert_false(trp_channel_is_closed(channel));
        trp_message_drop(ctx, message);
        assert_true(trp_channel_is_closed(channel));
        trp_channel_release(ctx, channel, end == 0 ? TRP_CHANNEL_RECEIVE : TRP_CHANNEL_SEND);
    }
}

/* A channel in a message in a channel in a message ...: released without a deep stack. */
static void test_long_chain_is_released_without_recursion(void **state) {
    enum { LENGTH = 50000 };
    fake_host *fake = *state;
    trp_ctx *ctx = fake_root(fake);
    thing last = {0};
    trp_message *message = with_thing(ctx, &last);
    for (int i = 0; i < LENGTH; i++) {
        trp_channel *channel;
        assert_int_equal(trp_channel_create(ctx, 1, &channel), 0);
        assert_int_equal(trp_channel_try_send(ctx, channel, message), 0);
        trp_channel_release(ctx, channel, TRP_CHANNEL_SEND);
        message = probe_value(ctx, 1);
        assert_int_equal(trp_message_attach(ctx, &message, receiving, channel), 0);
    }
    assert_int_equal(last.released, 0);
    trp_message_drop(ctx, message);
    assert_int_equal(last.released, 1);
}

/* ---- many, by chance ---- */

enum { ACTORS = 6, THINGS = 400 };

typedef struct crowd {
    uint64_t seed;
    thing things[THINGS];
    probe actors[ACTORS];
} crowd;

static trp_pid anybody(crowd *all) {
    return all->actors[fake_random_below(&all->seed, ACTORS)].pid;
}

static void take_all(trp_message *message) {
    for (uint32_t i = 0; i < trp_message_resources_len(message); i++) {
        thing *got = trp_message_detach(message, i, &thing_kind);
        if (got != NULL) {
            got->taken++;
        }
    }
}

static void do_anything(trp_ctx *ctx, probe *self, trp_message *message) {
    crowd *all = self->arg;
    trp_ref ref;
    switch (fake_random_below(&all->seed, 8)) {
    case 0:
        take_all(message);
        break;
    case 1:
        (void)trp_send(ctx, anybody(all), trp_message_take(ctx, message));
        break;
    case 2:
        trp_message_drop(ctx, self->kept);
        self->kept = trp_message_take(ctx, message);
        break;
    case 3:
        if (trp_message_is_request(message)) {
            trp_message *kept = self->kept;
            self->kept = NULL;
            (void)trp_reply(ctx, message, kept != NULL ? kept : probe_value(ctx, 1));
        }
        break;
    case 4:
        if (!trp_message_is_request(message)) {
            (void)trp_request(ctx, anybody(all), trp_message_take(ctx, message), TRP_NS_PER_MS,
                              &ref);
        }
        break;
    case 5:
        if (fake_random_below(&all->seed, 10) == 0) {
            probe_call_fail(ctx, self, NULL);
        }
        break;
    default:
        break;
    }
}

static void play(fake_host *fake, crowd *all) {
    trp_ctx *ctx = fake_root(fake);
    for (int i = 0; i < ACTORS; i++) {
        all->actors[i] = (probe){.on_message = do_anything, .arg = all};
        (void)spawn_bounded(fake, &all->actors[i],
                            (trp_mailbox_policy)fake_random_below(&all->seed, 3));
    }
    uint32_t used = 0;
    while (used < THINGS) {
        trp_message *message = probe_value(ctx, used);
        uint64_t more = 1 + fake_random_below(&all->seed, 4);
        while (more-- > 0 && used < THINGS) {
            thing *one = &all->things[used++];
            assert_int_equal(trp_message_attach(ctx, &message, &thing_kind, one), 0);
        }
        probe *who = &all->actors[fake_random_below(&all->seed, ACTORS)];
        (void)trp_send(ctx, who->pid, message);
        if (fake_random_below(&all->seed, 3) == 0) {
            fake_run(fake);
        }
        if (fake_random_below(&all->seed, 5) == 0) {
            fake_advance(fake, TRP_NS_PER_MS);
        }
    }
}

static void test_random_paths_release_each_thing_once(void **state) {
    (void)state;
    static crowd all;
    uint32_t taken = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        fake_host *fake = fake_create(2);
        memset(&all, 0, sizeof all);
        all.seed = seed;
        play(fake, &all);
        fake_destroy(fake); /* with whatever still waits or is kept */
        for (int i = 0; i < THINGS; i++) {
            if (all.things[i].released + all.things[i].taken != 1) {
                fail_msg("seed %llu: thing %d was released %u and taken %u times",
                         (unsigned long long)seed, i, all.things[i].released, all.things[i].taken);
            }
            taken += all.things[i].taken;
        }
    }
    assert_true(taken > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_resource_moves_to_the_receiver),
        FAKE_TEST(test_untaken_resource_is_released_after_the_handler),
        FAKE_TEST(test_dropped_message_releases),
        FAKE_TEST(test_dead_letter_releases),
        FAKE_TEST(test_full_mailboxes_release),
        FAKE_TEST(test_actor_that_ends_releases_what_it_kept_and_what_waits),
        FAKE_TEST(test_what_a_filter_holds_back_is_released_with_the_actor),
        FAKE_TEST(test_unsent_message_of_an_ended_actor_is_released),
        FAKE_TEST(test_request_that_fails_releases),
        FAKE_TEST(test_reply_carries_too_and_a_late_one_releases),
        FAKE_TEST(test_delegated_request_takes_along_what_it_carries),
        FAKE_TEST(test_payload_stays_what_it_was),
        FAKE_TEST(test_kept_message_can_be_given_more),
        FAKE_TEST(test_wrong_attachments_are_refused),
        FAKE_TEST(test_copy_carries_nothing),
        cmocka_unit_test(test_failed_attachment_changes_nothing),
        FAKE_TEST(test_end_of_a_channel_travels),
        FAKE_TEST(test_dropping_the_message_closes_the_end_it_carries),
        FAKE_TEST(test_long_chain_is_released_without_recursion),
        cmocka_unit_test(test_random_paths_release_each_thing_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
