/*
 * Coroutines: who gets which message, what blocks whom, and how they end.
 *
 *     TRP_SEED=42 test_coroutine    the random scripts of this seed only
 *
 * All share one `cast` with the test. Like other bodies they write down what they see and assert
 * nothing.
 */
#include "cmocka_all.h"
#include "routine_fixture.h"
#include "troupe/channel.h"
#include "troupe/coroutine.h"
#include "troupe/request.h"

#include <stdlib.h>

enum { MS = 1000 * 1000, PLAYERS = 8 };

/* One coroutine of a test: receives `count` messages with `tag` (0: any), and notes tag * 100 + value. */
typedef struct player {
    script *stage;
    uint64_t tag;
    int count;
    int result;
    trp_pid other;
    trp_channel *channel;
    trp_coroutine id;
} player;

/* ---- who gets which message ---- */

static int receive_some(trp_ctx *ctx, void *arg) {
    player *self = arg;
    trp_filter filter = {sizeof filter, &self->tag, 1, 0};
    for (int i = 0; i < self->count; i++) {
        trp_message *message;
        int error = trp_receive(ctx, self->tag == 0 ? NULL : &filter, TRP_NEVER, &message);
        if (error != 0) {
            return error;
        }
        script_note(self->stage, self->result * 100 + (int64_t)probe_value_of(message));
    }
    return self->result;
}

/* Starts the players in `arg` up to the one without stage, and joins all. */
static int run_players(trp_ctx *ctx, script *self) {
    player *players = self->arg;
    int started = 0;
    for (; players[started].stage != NULL; started++) {
        player *one = &players[started];
        int error = trp_coroutine_start(ctx, receive_some, one, 0, &one->id);
        if (error != 0) {
            return error;
        }
    }
    for (int i = 0; i < started; i++) {
        int result = 0;
        int error = trp_coroutine_join(ctx, players[i].id, TRP_NEVER, &result);
        script_note(self, error != 0 ? error : 1000 + result);
    }
    return 0;
}

static void test_message_goes_to_the_one_that_has_waited_longest(void **state) {
    fake_host *fake = *state;
    script a = {.body = run_players};
    player players[] = {{&a, 0, 2, 1, {0}, NULL, 0}, {&a, 0, 2, 2, {0}, NULL, 0}, {0}};
    a.arg = players;
    script_start(fake, &a);
    SCRIPT_SEND(fake, a.pid, 7, 8);
    SCRIPT_ASSERT(&a, 107, 208);
    SCRIPT_SEND(fake, a.pid, 9);
    SCRIPT_ASSERT(&a, 107, 208, 109, 1001);
    SCRIPT_SEND(fake, a.pid, 4);
    SCRIPT_ASSERT(&a, 107, 208, 109, 1001, 204, 1002);
    (void)script_ended(&a, TRP_EXIT_NORMAL, 0);
}

static void test_message_that_nobody_asks_for_waits(void **state) {
    fake_host *fake = *state;
    script a = {.body = run_players};
    player players[] = {{&a, 5, 1, 1, {0}, NULL, 0}, {&a, 3, 2, 2, {0}, NULL, 0}, {0}};
    a.arg = players;
    script_start(fake, &a);
    SCRIPT_SEND(fake, a.pid, 4, 3, 4);
    SCRIPT_ASSERT(&a, 203);
    SCRIPT_SEND(fake, a.pid, 5, 5);
    SCRIPT_ASSERT(&a, 203, 105, 1001);
    SCRIPT_SEND(fake, a.pid, 3);
    SCRIPT_ASSERT(&a, 203, 105, 1001, 203, 1002);
    (void)script_ended(&a, TRP_EXIT_NORMAL, 0);
    assert_int_equal(fake_stats(fake).dead_letters, 3);
}

/* ---- a blocking call blocks its caller only ---- */

static void answer_double(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)self;
    if (probe_value_of(message) < 10) {
        trp_reply(ctx, message, probe_value(ctx, probe_value_of(message) * 2));
    } else {
        self->kept = trp_message_take(ctx, message);
    }
}

static int call_other(trp_ctx *ctx, void *arg) {
    player *self = arg;
    trp_message *reply;
    int error = trp_call(ctx, self->other, probe_value(ctx, (uint64_t)self->count),
                         self->tag == 0 ? TRP_NEVER : self->tag, &reply);
    script_note(self->stage, error != 0 ? error : (int64_t)probe_value_of(reply));
    return 0;
}

static int sleep_some(trp_ctx *ctx, void *arg) {
    player *self = arg;
    int error = trp_sleep(ctx, (uint64_t)self->count * MS);
    script_note(self->stage, error != 0 ? error : 1000 + self->count);
    return 0;
}

static int yield_some(trp_ctx *ctx, void *arg) {
    player *self = arg;
    for (int i = 0; i < self->count; i++) {
        script_note(self->stage, self->result);
        (void)trp_yield(ctx);
    }
    return 0;
}

static int block_in_all_ways(trp_ctx *ctx, script *self) {
    player quick = {.stage = self, .other = self->other, .count = 4};
    player stuck = {.stage = self, .other = self->other, .count = 10, .tag = 30 * MS};
    player napper = {.stage = self, .count = 20};
    player early = {.stage = self, .count = 10};
    (void)trp_coroutine_start(ctx, call_other, &stuck, 0, NULL);
    (void)trp_coroutine_start(ctx, call_other, &quick, 0, NULL);
    (void)trp_coroutine_start(ctx, sleep_some, &napper, 0, NULL);
    (void)trp_coroutine_start(ctx, sleep_some, &early, 0, NULL);
    for (int i = 0; i < 2; i++) {
        /* Any message: but not the replies and timeouts of the others. */
        (void)script_receive(ctx, self, 0, TRP_NEVER);
    }
    return 0;
}

static void test_answer_goes_to_the_one_that_asked(void **state) {
    fake_host *fake = *state;
    probe server = {.on_message = answer_double};
    probe_spawn(fake, &server);
    script a = {.body = block_in_all_ways, .other = server.pid};
    script_start(fake, &a);
    SCRIPT_ASSERT(&a, 8);
    fake_advance(fake, 12 * MS);
    SCRIPT_ASSERT(&a, 8, 1010);
    SCRIPT_SEND(fake, a.pid, 77);
    fake_advance(fake, 10 * MS);
    SCRIPT_ASSERT(&a, 8, 1010, 77, 1020);
    fake_advance(fake, 10 * MS);
    SCRIPT_ASSERT(&a, 8, 1010, 77, 1020, TRP_ETIMEOUT);
    SCRIPT_SEND(fake, a.pid, 78);
    (void)script_ended(&a, TRP_EXIT_NORMAL, 0);
}

static int yield_in_turns(trp_ctx *ctx, script *self) {
    player one = {.stage = self, .count = 2, .result = 1};
    player two = {.stage = self, .count = 2, .result = 2};
    (void)trp_coroutine_start(ctx, yield_some, &one, 0, &one.id);
    (void)trp_coroutine_start(ctx, yield_some, &two, 0, &two.id);
    script_note(self, 0); /* they begin when it blocks */
    (void)trp_coroutine_join(ctx, one.id, TRP_NEVER, NULL);
    (void)trp_coroutine_join(ctx, two.id, TRP_NEVER, NULL);
    return 0;
}

static void test_coroutines_begin_when_the_caller_blocks_and_take_turns(void **state) {
    fake_host *fake = *state;
    script a = {.body = yield_in_turns};
    script_start(fake, &a);
    SCRIPT_ASSERT(&a, 0, 1, 2, 1, 2);
    (void)script_ended(&a, TRP_EXIT_NORMAL, 0);
}

static int produce(trp_ctx *ctx, void *arg) {
    player *self = arg;
    int error = 0;
    for (int i = 1; error == 0 && i <= self->count; i++) {
        error = trp_channel_send(ctx, self->channel, probe_value(ctx, (uint64_t)i), TRP_NEVER);
    }
    (void)trp_channel_close(ctx, self->channel);
    return error;
}

static int pass_through_channel(trp_ctx *ctx, script *self) {
    player producer = {.stage = self, .count = 5};
    uint32_t capacity = *(uint32_t *)self->arg;
    int error = trp_channel_create(ctx, capacity, &producer.channel);
    error = error != 0 ? error : trp_coroutine_start(ctx, produce, &producer, 0, &producer.id);
    trp_message *message;
    while (error == 0 && trp_channel_receive(ctx, producer.channel, TRP_NEVER, &message) == 0) {
        script_note(self, (int64_t)probe_value_of(message));
        trp_message_drop(ctx, message);
    }
    int result = 1;
    error = error != 0 ? error : trp_coroutine_join(ctx, producer.id, TRP_NEVER, &result);
    script_note(self, result);
    trp_channel_release(ctx, producer.channel, TRP_CHANNEL_SEND);
    trp_channel_release(ctx, producer.channel, TRP_CHANNEL_RECEIVE);
    return error;
}

static void test_channel_blocks_the_calling_coroutine_only(void **state) {
    fake_host *fake = *state;
    for (uint32_t capacity = 0; capacity <= 2; capacity++) {
        script a = {.body = pass_through_channel, .arg = &capacity};
        script_start(fake, &a);
        SCRIPT_ASSERT(&a, 1, 2, 3, 4, 5, 0);
        (void)script_ended(&a, TRP_EXIT_NORMAL, 0);
    }
}

static int select_with_inbox(trp_ctx *ctx, void *arg) {
    player *self = arg;
    trp_case one = {self->channel, TRP_CHANNEL_RECEIVE, NULL};
    trp_select_options options = {sizeof options, TRP_NEVER, false, true, NULL};
    for (int i = 0; i < 2; i++) {
        size_t chosen = 99;
        trp_message *message;
        int error = trp_select(ctx, &one, 1, &options, &chosen, &message);
        if (error == 0 && chosen == 0) {
            message = one.message;
        }
        script_note(self->stage, error != 0 ? error : (int64_t)probe_value_of(message));
        if (error == 0 && chosen == 0) {
            trp_message_drop(ctx, message);
        }
    }
    return 0;
}

static int select_beside_a_receive(trp_ctx *ctx, script *self) {
    player selector = {.stage = self};
    player other = {.stage = self, .count = 1, .result = 1};
    (void)trp_channel_create(ctx, 1, &selector.channel);
    (void)trp_coroutine_start(ctx, receive_some, &other, 0, NULL);
    (void)trp_coroutine_start(ctx, select_with_inbox, &selector, 0, &selector.id);
    (void)trp_sleep(ctx, MS);
    (void)trp_channel_send(ctx, selector.channel, probe_value(ctx, 50), TRP_NEVER);
    (void)trp_coroutine_join(ctx, selector.id, TRP_NEVER, NULL);
    trp_channel_release(ctx, selector.channel, TRP_CHANNEL_SEND);
    trp_channel_release(ctx, selector.channel, TRP_CHANNEL_RECEIVE);
    return 0;
}

static void test_select_is_woken_though_another_waits_for_any_message(void **state) {
    fake_host *fake = *state;
    script a = {.body = select_beside_a_receive};
    script_start(fake, &a);
    fake_advance(fake, 2 * MS);
    SCRIPT_ASSERT(&a, 50); /* the wake is not the receiver's, which has waited longer */
    SCRIPT_SEND(fake, a.pid, 6, 7);
    SCRIPT_ASSERT(&a, 50, 106, 7);
    (void)script_ended(&a, TRP_EXIT_NORMAL, 0);
}

static int fill_a_mailbox(trp_ctx *ctx, void *arg) {
    player *self = arg;
    for (int i = 0; i < self->count; i++) {
        script_note(self->stage, trp_send(ctx, self->other, probe_value(ctx, (uint64_t)i)));
    }
    return 0;
}

static int suspended_crew(trp_ctx *ctx, script *self) {
    player filler = {.stage = self, .other = self->other, .count = 6};
    player idle = {.stage = self, .count = 1, .result = 3};
    (void)trp_coroutine_start(ctx, fill_a_mailbox, &filler, 0, &filler.id);
    (void)trp_coroutine_start(ctx, yield_some, &idle, 0, &idle.id);
    (void)trp_coroutine_join(ctx, filler.id, TRP_NEVER, NULL);
    (void)trp_coroutine_join(ctx, idle.id, TRP_NEVER, NULL);
    script_note(self, 9);
    return 0;
}

static void test_suspended_send_suspends_the_actor_and_goes_on(void **state) {
    fake_host *fake = *state;
    probe slow = {0};
    probe *self = &slow;
    trp_spawn_options options = {
        .size = sizeof options, .mailbox_messages = 2, .mailbox_policy = TRP_MAILBOX_SUSPEND};
    assert_int_equal(
        trp_spawn_opt(fake_root(fake), &probe_behaviour, &self, &options, &slow.pid, NULL), 0);
    script a = {.body = suspended_crew, .other = slow.pid};
    script_start(fake, &a);
    SCRIPT_ASSERT(&a, 0, 0, 0, 0, 0, 0, 3, 9);
    assert_int_equal(slow.events_len, 6);
    (void)script_ended(&a, TRP_EXIT_NORMAL, 0);
}

/* ---- joins ---- */

static int join_oddly(trp_ctx *ctx, script *self) {
    player napper = {.stage = self, .count = 20};
    player forgotten = {.stage = self, .count = 1};
    trp_coroutine id = 0;
    script_note(self, trp_coroutine_join(ctx, 1, 0, NULL)); /* there never was any */
    (void)trp_coroutine_start(ctx, sleep_some, &forgotten, 0, NULL);
    (void)trp_coroutine_start(ctx, sleep_some, &napper, 0, &id);
    script_note(self, trp_coroutine_join(ctx, id, 0, NULL));
    script_note(self, trp_coroutine_join(ctx, id, 10 * MS, NULL));
    script_note(self, trp_coroutine_join(ctx, id - 1, TRP_NEVER, NULL)); /* nobody may */
    (void)trp_sleep(ctx, 30 * MS);
    int result = 5;
    script_note(self, trp_coroutine_join(ctx, id, 0, &result));
    script_note(self, result);
    script_note(self, trp_coroutine_join(ctx, id, 0, NULL)); /* it was */
    return 0;
}

static void test_result_is_joined_once(void **state) {
    fake_host *fake = *state;
    script a = {.body = join_oddly};
    script_start(fake, &a);
    for (int i = 0; i < 8; i++) {
        fake_advance(fake, 10 * MS);
    }
    SCRIPT_ASSERT(&a, TRP_ENOENT, TRP_ETIMEOUT, 1001, TRP_ETIMEOUT, TRP_ENOENT, 1020, 0, 0,
                  TRP_ENOENT);
    (void)script_ended(&a, TRP_EXIT_NORMAL, 0);
}

static int join_itself(trp_ctx *ctx, void *arg) {
    player *self = arg;
    script_note(self->stage, trp_coroutine_join(ctx, self->id, TRP_NEVER, NULL));
    return 0;
}

static int join_another(trp_ctx *ctx, void *arg) {
    player *self = arg;
    script_note(self->stage, trp_coroutine_join(ctx, (trp_coroutine)self->tag, TRP_NEVER, NULL));
    return 0;
}

static int join_wrongly(trp_ctx *ctx, script *self) {
    player one = {.stage = self}, napper = {.stage = self, .count = 5};
    (void)trp_coroutine_start(ctx, join_itself, &one, 0, &one.id);
    (void)trp_coroutine_start(ctx, sleep_some, &napper, 0, &napper.id);
    player first = {.stage = self, .tag = napper.id}, second = first;
    (void)trp_coroutine_start(ctx, join_another, &first, 0, &first.id);
    (void)trp_coroutine_start(ctx, join_another, &second, 0, &second.id);
    (void)trp_coroutine_join(ctx, first.id, TRP_NEVER, NULL);
    return 0;
}

static void test_one_joins_and_not_itself(void **state) {
    fake_host *fake = *state;
    script a = {.body = join_wrongly};
    script_start(fake, &a);
    SCRIPT_ASSERT(&a, TRP_ESELF, TRP_ESTATE);
    fake_advance(fake, 6 * MS);
    SCRIPT_ASSERT(&a, TRP_ESELF, TRP_ESTATE, 1005, 0);
    (void)script_ended(&a, TRP_EXIT_NORMAL, 0);
}

static void start_from_a_behaviour(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    assert_int_equal(trp_coroutine_start(ctx, receive_some, arg, 0, NULL), TRP_ESTATE);
    assert_int_equal(trp_coroutine_join(ctx, 1, 0, NULL), TRP_ESTATE);
}

static void test_behaviour_has_no_coroutines(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    probe_do(fake, &a, start_from_a_behaviour, NULL);
}

/* ---- ends ---- */

static int leave_some_behind(trp_ctx *ctx, script *self) {
    player stuck = {.stage = self, .tag = 5, .count = 1};
    player asking = {.stage = self, .other = self->other, .count = 10};
    (void)trp_coroutine_start(ctx, receive_some, &stuck, 0, NULL);
    (void)trp_coroutine_start(ctx, call_other, &asking, 0, &asking.id);
    (void)trp_yield(ctx);
    (void)trp_coroutine_start(ctx, receive_some, &stuck, 0, NULL); /* never begins */
    return 7;
}

static void test_end_of_the_body_destroys_those_that_wait(void **state) {
    fake_host *fake = *state;
    probe server = {.on_message = answer_double};
    probe_spawn(fake, &server);
    script a = {.body = leave_some_behind, .other = server.pid};
    script_start(fake, &a);
    assert_int_equal(a.values_len, 0);
    (void)script_ended(&a, TRP_EXIT_ERROR, 7);
    assert_int_equal(atomic_load(&fake->fibers_live), 0);
    assert_int_equal(fake_stats(fake).timers, 0);
}

static int fall_down(trp_ctx *ctx, void *arg) {
    player *self = arg;
    trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, 11, "a coroutine's end");
    if (self->count == 1) {
        trp_abort(ctx, &reason);
    } else if (self->count == 2) {
        trp_fail(ctx, &reason);
        (void)trp_sleep(ctx, MS);
    }
    script_note(self->stage, 1);
    return 12;
}

static int watch_it_fall(trp_ctx *ctx, script *self) {
    player waiting = {.stage = self, .tag = 5, .count = 1};
    player falling = {.stage = self, .count = *(int *)self->arg};
    (void)trp_coroutine_start(ctx, receive_some, &waiting, 0, NULL);
    player standing = {.stage = self, .count = 3};
    (void)trp_coroutine_start(ctx, fall_down, &falling, 0, NULL);
    (void)trp_coroutine_start(ctx, fall_down, &standing, 0, NULL);
    return trp_sleep(ctx, TRP_NS_PER_S);
}

static void test_abort_or_failure_in_a_coroutine_ends_the_actor(void **state) {
    fake_host *fake = *state;
    for (int way = 1; way <= 2; way++) {
        script a = {.body = watch_it_fall, .arg = &way};
        script_start(fake, &a);
        assert_string_equal(script_ended(&a, TRP_EXIT_ERROR, 11)->text, "a coroutine's end");
        assert_int_equal(a.values_len, 0); /* the next one did not run any more */
        assert_int_equal(atomic_load(&fake->fibers_live), 0);
    }
    int way = 3;
    script a = {.body = watch_it_fall, .arg = &way};
    script_start(fake, &a);
    SCRIPT_ASSERT(&a, 1, 1);
    script_lives(&a); /* a result is no failure */
    assert_int_equal(atomic_load(&fake->fibers_live), 2);
}

static int dig(int depth, const char *above);
static int (*volatile dig_again)(int depth, const char *above) = dig;

/* As deep as asked for. Each frame looks at the one above, so that no compiler does without them. */
static int dig(int depth, const char *above) {
    char room[512];
    memset(room, depth, sizeof room);
    return depth == 0 ? above[5] : dig_again(depth - 1, room) + room[64];
}

#if defined(__EMSCRIPTEN__)
enum { TOO_DEEP = 18 };
#else
enum { TOO_DEEP = 1000 * 1000 };
#endif

static int overflow(trp_ctx *ctx, void *arg) {
    player *self = arg;
    (void)trp_yield(ctx);
    self->result = dig_again(TOO_DEEP, "the top");
    return trp_sleep(ctx, MS);
}

static int watch_an_overflow(trp_ctx *ctx, script *self) {
    player deep = {.stage = self};
    (void)trp_coroutine_start(ctx, overflow, &deep, 0, &deep.id);
    (void)trp_coroutine_join(ctx, deep.id, TRP_NEVER, NULL);
    script_note(self, 1);
    return 0;
}

static void test_overflow_of_a_coroutine_ends_the_actor_alone(void **state) {
    fake_host *fake = *state;
    script a = {.body = watch_an_overflow};
    script_start(fake, &a);
    assert_string_equal(script_ended(&a, TRP_EXIT_ERROR, TRP_EFAILED)->text, "stack overflow");
    assert_int_equal(a.values_len, 0);
    assert_int_equal(atomic_load(&fake->fibers_live), 0);
}

static int request_of_many(trp_ctx *ctx, void *arg) {
    player *self = arg;
    trp_message *message;
    int error = trp_receive(ctx, NULL, TRP_NEVER, &message);
    if (error == 0 && self->count > 0) {
        error = trp_sleep(ctx, MS); /* the request is not its any more */
    }
    return error;
}

static int drop_a_request(trp_ctx *ctx, script *self) {
    player one = {.stage = self, .count = 1};
    (void)trp_coroutine_start(ctx, request_of_many, &one, 0, &one.id);
    (void)trp_coroutine_join(ctx, one.id, TRP_NEVER, NULL);
    script_note(self, 1);
    return trp_sleep(ctx, TRP_NS_PER_S);
}

static void ask(trp_ctx *ctx, probe *self, void *arg) {
    trp_ref ref;
    (void)self;
    assert_int_equal(trp_request(ctx, ((script *)arg)->pid, probe_value(ctx, 3), TRP_NEVER, &ref),
                     0);
}

static void test_request_is_lent_until_its_coroutine_blocks(void **state) {
    fake_host *fake = *state;
    script a = {.body = drop_a_request};
    probe client = {0};
    script_start(fake, &a);
    probe_spawn(fake, &client);
    probe_do(fake, &client, ask, &a);
    assert_int_equal(client.events_len, 1);
    assert_int_equal(client.events[0].body.error.code, TRP_ECANCELED);
    assert_int_equal(a.values_len, 0);
    fake_advance(fake, 2 * MS);
    SCRIPT_ASSERT(&a, 1);
}

static int start_an_abort(trp_ctx *ctx, script *self) {
    player falling = {.stage = self, .count = 1};
    trp_message *message;
    (void)trp_receive(ctx, NULL, TRP_NEVER, &message);
    (void)trp_coroutine_start(ctx, fall_down, &falling, 0, NULL);
    return trp_sleep(ctx, MS);
}

/* What it was lent is over before another one runs: that one's end is not the reason. */
static void test_next_coroutine_has_not_borrowed_the_message(void **state) {
    fake_host *fake = *state;
    script a = {.body = start_an_abort};
    probe client = {0};
    script_start(fake, &a);
    probe_spawn(fake, &client);
    probe_do(fake, &client, ask, &a);
    assert_int_equal(client.events_len, 1);
    assert_int_equal(client.events[0].body.error.code, TRP_ECANCELED);
    (void)script_ended(&a, TRP_EXIT_ERROR, 11);
}

/* ---- against a model ---- */

/*
 * Each coroutine asks for what its plan says, again and again. The model is two lists: who waits, the
 * longest first, and what waits, the oldest first.
 */
enum { TAGS = 5, PLAN = 12, MESSAGES = 60 };

typedef struct wanted {
    uint32_t tags; /* bit set; 0: any message */
    bool yields;   /* before it asks */
} wanted;

typedef struct sight {
    int who;
    uint64_t value;
} sight;

typedef struct play {
    wanted plans[PLAYERS][PLAN];
    int players;
    sight seen[MESSAGES];
    uint32_t seen_len;
    int results;
} play;

typedef struct role {
    play *all;
    int index;
    trp_coroutine id;
} role;

static int follow_plan(trp_ctx *ctx, void *arg) {
    role *self = arg;
    for (int step = 0; step < PLAN; step++) {
        const wanted *next = &self->all->plans[self->index][step];
        uint64_t tags[TAGS];
        trp_filter filter = {sizeof filter, tags, 0, 0};
        for (uint64_t tag = 1; tag <= TAGS; tag++) {
            if ((next->tags & 1u << tag) != 0) {
                tags[filter.tags_len++] = tag;
            }
        }
        if (next->yields) {
            (void)trp_yield(ctx);
        }
        trp_message *message;
        int error = trp_receive(ctx, next->tags == 0 ? NULL : &filter, TRP_NEVER, &message);
        if (error != 0) {
            return error;
        }
        self->all->seen[self->all->seen_len++] = (sight){self->index, probe_value_of(message)};
    }
    return self->index + 1;
}

static int run_play(trp_ctx *ctx, script *self) {
    play *all = self->arg;
    role roles[PLAYERS];
    for (int i = 0; i < all->players; i++) {
        roles[i] = (role){all, i, 0};
        (void)trp_coroutine_start(ctx, follow_plan, &roles[i], 0, &roles[i].id);
    }
    for (int i = 0; i < all->players; i++) {
        int result = 0;
        (void)trp_coroutine_join(ctx, roles[i].id, TRP_NEVER, &result);
        all->results += result;
    }
    return 0;
}

typedef struct model {
    const play *all;
    int waiting[PLAYERS];
    int waiting_len;
    int steps[PLAYERS];
    uint64_t kept[MESSAGES]; /* tag in the value's low byte */
    int kept_len;
    sight seen[MESSAGES];
    uint32_t seen_len;
} model;

static bool is_wanted(const model *m, int who, uint64_t value) {
    uint32_t tags = m->all->plans[who][m->steps[who]].tags;
    return tags == 0 || (tags & 1u << (value & 255)) != 0;
}

/* The longest waiting takes the oldest that somebody wants, until nobody wants anything. */
static void model_settle(model *m) {
    for (int k = 0; k < m->kept_len; k++) {
        int at = 0;
        while (at < m->waiting_len && !is_wanted(m, m->waiting[at], m->kept[k])) {
            at++;
        }
        if (at == m->waiting_len) {
            continue;
        }
        int who = m->waiting[at];
        m->seen[m->seen_len++] = (sight){who, m->kept[k]};
        memmove(&m->waiting[at], &m->waiting[at + 1],
                (size_t)(m->waiting_len - at - 1) * sizeof *m->waiting);
        memmove(&m->kept[k], &m->kept[k + 1], (size_t)(m->kept_len - k - 1) * sizeof *m->kept);
        m->waiting_len--;
        m->kept_len--;
        if (++m->steps[who] < PLAN) {
            m->waiting[m->waiting_len++] = who;
        }
        k = -1;
    }
}

static void play_against_model(fake_host *fake, uint64_t seed) {
    uint64_t random = seed;
    play all = {.players = 1 + (int)fake_random_below(&random, PLAYERS)};
    model m = {.all = &all};
    for (int i = 0; i < all.players; i++) {
        for (int step = 0; step < PLAN; step++) {
            bool is_any = fake_random_below(&random, 8) == 0;
            uint32_t tags = (uint32_t)(2 + fake_random_below(&random, (1u << (TAGS + 1)) - 2));
            all.plans[i][step] =
                (wanted){is_any ? 0 : tags & ~1u, step > 0 && fake_random_below(&random, 4) == 0};
        }
        m.waiting[m.waiting_len++] = i;
    }
    script a = {.body = run_play, .arg = &all};
    script_start(fake, &a);
    for (uint64_t i = 1; i <= MESSAGES && !a.has_returned; i++) {
        uint64_t tag = 1 + fake_random_below(&random, TAGS);
        uint64_t value = i << 8 | tag;
        trp_message *message = probe_value(fake_root(fake), value);
        trp_message_set_tag(message, tag);
        (void)trp_send(fake_root(fake), a.pid, message);
        fake_run(fake);
        m.kept[m.kept_len++] = value;
        model_settle(&m);
        assert_int_equal(all.seen_len, m.seen_len);
        for (uint32_t k = 0; k < m.seen_len; k++) {
            assert_int_equal(all.seen[k].value, m.seen[k].value);
            assert_int_equal(all.seen[k].who, m.seen[k].who);
        }
    }
    assert_true(all.seen_len > 0);
    if (a.has_returned) {
        assert_int_equal(all.results, all.players * (all.players + 1) / 2);
    }
    (void)trp_kill(fake_root(fake), a.pid);
    fake_run(fake);
    assert_int_equal(atomic_load(&fake->fibers_live), 0);
}

static void test_random_coroutines_agree_with_a_model(void **state) {
    const char *only = getenv("TRP_SEED");
    uint64_t first = only != NULL ? strtoull(only, NULL, 10) : 1;
    uint64_t last = only != NULL ? first : 200;
    for (uint64_t seed = first; seed <= last; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        play_against_model(*state, seed);
    }
}

/* ---- memory ---- */

static void run_without_memory(fake_host *fake, void *arg) {
    (void)arg;
    if (fake_start(fake, NULL) != 0) {
        return;
    }
    script a = {.body = run_players};
    player players[] = {{&a, 5, 1, 1, {0}, NULL, 0}, {&a, 0, 2, 2, {0}, NULL, 0}, {0}};
    a.arg = players;
    (void)script_spawn(fake, &a);
    for (uint64_t i = 1; i <= 6; i++) {
        (void)probe_send(fake_root(fake), a.pid, i);
        fake_run(fake);
    }
    fake_advance(fake, TRP_NS_PER_S);
}

static void test_every_allocation_fails_once_under_coroutines(void **state) {
    (void)state;
    assert_true(fake_every_allocation_fails(run_without_memory, NULL) > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_message_goes_to_the_one_that_has_waited_longest),
        FAKE_TEST(test_message_that_nobody_asks_for_waits),
        FAKE_TEST(test_answer_goes_to_the_one_that_asked),
        FAKE_TEST(test_coroutines_begin_when_the_caller_blocks_and_take_turns),
        FAKE_TEST(test_channel_blocks_the_calling_coroutine_only),
        FAKE_TEST(test_select_is_woken_though_another_waits_for_any_message),
        FAKE_TEST(test_suspended_send_suspends_the_actor_and_goes_on),
        FAKE_TEST(test_result_is_joined_once),
        FAKE_TEST(test_one_joins_and_not_itself),
        FAKE_TEST(test_behaviour_has_no_coroutines),
        FAKE_TEST(test_end_of_the_body_destroys_those_that_wait),
        FAKE_TEST(test_abort_or_failure_in_a_coroutine_ends_the_actor),
        FAKE_TEST(test_overflow_of_a_coroutine_ends_the_actor_alone),
        FAKE_TEST(test_request_is_lent_until_its_coroutine_blocks),
        FAKE_TEST(test_next_coroutine_has_not_borrowed_the_message),
        FAKE_TEST(test_random_coroutines_agree_with_a_model),
        cmocka_unit_test(test_every_allocation_fails_once_under_coroutines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
