/*
 * Sending: order, ownership, dead letters, full mailboxes, and what the runtime owes to everybody
 * else meanwhile.
 */
#include "cmocka_all.h"
#include "probe.h"

#include <stdlib.h>

static void test_messages_arrive_in_order_with_body_and_tag(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    for (uint64_t i = 1; i <= 20; i++) {
        assert_int_equal(probe_send(fake_root(fake), a.pid, i), 0);
    }
    assert_int_equal(a.events_len, 0); /* handled by later steps */
    fake_run(fake);
    assert_int_equal(a.events_len, 20);
    for (uint64_t i = 0; i < 20; i++) {
        assert_int_equal(a.events[i].value, i + 1);
        assert_int_equal(a.events[i].tag, i + 1);
        assert_false(a.events[i].is_request);
        assert_int_equal(a.events[i].ref, 0);
        assert_true(trp_pid_is_none(a.events[i].from));
    }
    assert_int_equal(fake_stats(fake).delivered, 20);
}

/*
 * The property of DESIGN section 5: between one pair everything is FIFO. Players throw numbered
 * messages at random players, from inside their handlers; steps come in random order with random
 * budgets.
 */
enum { PLAYERS = 12 };

typedef struct game {
    trp_pid pids[PLAYERS];
    uint64_t sent[PLAYERS + 1][PLAYERS]; /* the last row is the root ctx */
    uint64_t seen[PLAYERS + 1][PLAYERS];
    uint64_t seed;
    uint64_t throws_left;
    uint64_t errors;
} game;

typedef struct throw {
    uint32_t from;
    uint32_t to;
    uint64_t number;
}
throw;

typedef struct player {
    game *game;
} player;

static int player_init(trp_ctx *ctx, void *block, const void *arg) {
    (void)ctx;
    memcpy(block, arg, sizeof(player));
    return 0;
}

static void throw_some(trp_ctx *ctx, game *play, uint32_t from) {
    uint64_t count = fake_random_below(&play->seed, 4);
    while (count-- > 0 && play->throws_left > 0) {
        play->throws_left--;
        uint32_t to = (uint32_t)fake_random_below(&play->seed, PLAYERS);
        throw what = {from, to, ++play->sent[from][to]};
        size_t length = sizeof what + (size_t)fake_random_below(&play->seed, 3) * 1000;
        trp_message *message = trp_message_new_bytes(ctx, NULL, length);
        memcpy(trp_message_body(message), &what, sizeof what);
        play->errors += trp_send(ctx, play->pids[to], message) != 0;
    }
}

static void player_handle(trp_ctx *ctx, void *block, trp_message *message) {
    game *play = ((player *)block)->game;
    throw what;
    memcpy(&what, trp_message_body(message), sizeof what);
    play->errors += what.number != ++play->seen[what.from][what.to];
    play->errors += !trp_pid_equal(trp_self(ctx), play->pids[what.to]);
    throw_some(ctx, play, what.to);
}

static const trp_behaviour player_behaviour = {
    TRP_BEHAVIOUR("test.player"),
    .state_size = sizeof(player),
    .init = player_init,
    .handle = player_handle,
};

static void play_a_game(uint64_t seed, unsigned schedulers) {
    static fake_host fake;
    static game play;
    memset(&play, 0, sizeof play);
    fake_init(&fake);
    trp_runtime_config config = {.size = sizeof config, .schedulers = schedulers, .batch = 5};
    assert_int_equal(fake_start(&fake, &config), 0);
    play.seed = seed;
    play.throws_left = 2000;
    player one = {&play};
    for (uint32_t i = 0; i < PLAYERS; i++) {
        trp_ctx *root = trp_runtime_enter(fake.runtime, i % schedulers);
        assert_int_equal(trp_spawn(root, &player_behaviour, &one, &play.pids[i]), 0);
    }
    while (play.throws_left > 0) {
        throw_some(fake_root(&fake), &play, PLAYERS);
        trp_budget budget = {.messages = 1 + (uint32_t)fake_random_below(&play.seed, 20)};
        fake_step(&fake, (unsigned)fake_random_below(&play.seed, schedulers), &budget);
    }
    fake_run(&fake);
    assert_int_equal(play.errors, 0);
    assert_memory_equal(play.sent, play.seen, sizeof play.sent);
    fake_stop(&fake);
}

static void test_order_holds_between_every_pair(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        play_a_game(seed, 1 + (unsigned)(seed % 4));
    }
}

static void send_to_self(trp_ctx *ctx, probe *self, trp_message *message) {
    if (probe_value_of(message) == 1) {
        probe_send(ctx, self->pid, 3);
        assert_int_equal(self->events_len, 1); /* not handled inside the send */
    }
}

static void test_message_to_self_comes_after_those_that_wait(void **state) {
    fake_host *fake = *state;
    probe a = {.on_message = send_to_self};
    probe_spawn(fake, &a);
    probe_send(fake_root(fake), a.pid, 1);
    probe_send(fake_root(fake), a.pid, 2);
    fake_run(fake);
    assert_int_equal(a.events_len, 3);
    assert_int_equal(a.events[1].value, 2);
    assert_int_equal(a.events[2].value, 3);
}

/* Ownership. */

static void keep(trp_ctx *ctx, probe *self, trp_message *message) {
    if (self->kept == NULL) {
        self->kept = trp_message_take(ctx, message);
    }
}

static void send_kept(trp_ctx *ctx, probe *self, void *to) {
    *(int *)self->arg = trp_send(ctx, ((probe *)to)->pid, self->kept);
    self->kept = NULL;
}

static void test_taken_message_can_be_forwarded_later(void **state) {
    fake_host *fake = *state;
    int result = -1;
    probe a = {.on_message = keep, .arg = &result};
    probe b = {0};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    probe_send(fake_root(fake), a.pid, 77);
    fake_run(fake);
    assert_non_null(a.kept);
    assert_int_equal(probe_value_of(a.kept), 77);
    probe_do(fake, &a, send_kept, &b);
    assert_int_equal(result, 0);
    assert_int_equal(b.events_len, 1);
    assert_int_equal(b.events[0].value, 77);
    assert_int_equal(b.events[0].tag, 77);
}

static void forward_at_once(trp_ctx *ctx, probe *self, trp_message *message) {
    trp_send(ctx, ((probe *)self->arg)->pid, trp_message_take(ctx, message));
}

static void test_borrowed_message_can_be_forwarded_in_the_handler(void **state) {
    fake_host *fake = *state;
    probe b = {0};
    probe a = {.on_message = forward_at_once, .arg = &b};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    for (uint64_t i = 1; i <= 5; i++) {
        probe_send(fake_root(fake), a.pid, i);
    }
    fake_run(fake);
    assert_int_equal(b.events_len, 5);
    assert_int_equal(b.events[4].value, 5);
}

static void drop_kept(trp_ctx *ctx, probe *self, void *arg) {
    (void)arg;
    trp_message_drop(ctx, self->kept);
    trp_message_drop(ctx, NULL);
    self->kept = NULL;
}

static void test_taken_message_can_be_dropped(void **state) {
    fake_host *fake = *state;
    probe a = {.on_message = keep};
    probe_spawn(fake, &a);
    probe_letters letters;
    probe_watch_letters(fake, &letters);
    probe_send(fake_root(fake), a.pid, 77);
    fake_run(fake);
    probe_do(fake, &a, drop_kept, NULL);
    assert_null(a.kept);
    assert_int_equal(letters.count, 0); /* dropped by its owner, not undeliverable */
}

static void test_message_still_kept_at_destroy_is_freed(void **state) {
    fake_host *fake = *state;
    probe a = {.on_message = keep};
    probe_spawn(fake, &a);
    trp_message *large = trp_message_new_bytes(fake_root(fake), NULL, 100000);
    assert_int_equal(trp_send(fake_root(fake), a.pid, large), 0);
    fake_run(fake);
    assert_non_null(a.kept);
}

static void test_copy_has_type_tag_and_payload(void **state) {
    fake_host *fake = *state;
    trp_ctx *root = fake_root(fake);
    trp_message *original = trp_message_new_bytes(root, "twelve bytes", 12);
    trp_message_set_tag(original, 5);
    trp_message *copy = trp_message_copy(root, original);
    assert_non_null(copy);
    assert_int_equal(trp_message_tag(copy), 5);
    assert_null(trp_message_type(copy));
    assert_int_equal(trp_message_length(copy), 12);
    assert_memory_equal(trp_message_body(copy), "twelve bytes", 12);
    trp_message_drop(root, original);
    trp_message_drop(root, copy);
}

static void test_sizes_from_nothing_to_the_limit(void **state) {
    fake_host *fake = *state;
    trp_ctx *root = fake_root(fake);
    static const size_t sizes[] = {0, 1, 7, 8, 15, 16, 17, 975, 976, 977, 1024, 65536, 1000000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        trp_message *message = trp_message_new_bytes(root, NULL, sizes[i]);
        assert_non_null(message);
        assert_int_equal(trp_message_length(message), sizes[i]);
        assert_int_equal((uintptr_t)trp_message_body(message) % 8, 0);
        memset(trp_message_body(message), 0x5a, sizes[i]);
        trp_message_drop(root, message);
    }
    assert_null(trp_message_new_bytes(root, NULL, TRP_MESSAGE_MAX + 1));
    assert_null(trp_message_new_bytes(root, NULL, SIZE_MAX));
    assert_null(trp_message_new_bytes(root, NULL, SIZE_MAX - 8));
}

/* Nobody there. */

static void test_dead_letter_is_reported_and_counted(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_letters letters;
    probe_watch_letters(fake, &letters);
    probe_spawn(fake, &a);
    probe_do(fake, &a, probe_call_stop, NULL);
    assert_int_equal(probe_send(fake_root(fake), a.pid, 42), TRP_ENOPROC);
    assert_int_equal(letters.count, 1);
    assert_true(trp_pid_equal(letters.to, a.pid));
    assert_int_equal(letters.error, TRP_ENOPROC);
    assert_int_equal(letters.tag, 42);
    assert_int_equal(fake_stats(fake).dead_letters, 1);
}

static void test_removed_hook_hears_nothing_but_letters_count(void **state) {
    fake_host *fake = *state;
    probe_letters letters;
    probe_watch_letters(fake, &letters);
    trp_runtime_on_dead_letter(fake->runtime, NULL, NULL);
    probe_send(fake_root(fake), TRP_PID_NONE, 1);
    assert_int_equal(letters.count, 0);
    assert_int_equal(fake_stats(fake).dead_letters, 1);
}

static void test_messages_that_wait_for_an_ending_actor_are_dead_letters(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_letters letters;
    probe_watch_letters(fake, &letters);
    probe_spawn(fake, &a);
    probe_ask(fake_root(fake), a.pid, probe_call_stop, NULL);
    for (uint64_t i = 1; i <= 5; i++) {
        assert_int_equal(probe_send(fake_root(fake), a.pid, i), 0);
    }
    fake_run(fake);
    assert_int_equal(a.events_len, 0);
    assert_int_equal(letters.count, 5);
    assert_int_equal(letters.tag, 5);
    assert_int_equal(fake_stats(fake).dead_letters, 5);
}

static void test_forged_pids_are_nobody(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    trp_pid forged[] = {
        TRP_PID_NONE,           {0, 0, a.pid.index, a.pid.generation + 1},
        {0, 0, a.pid.index, 0}, {0, 0, a.pid.index + 1, a.pid.generation},
        {0, 0, UINT32_MAX, 1},  {0, 0, UINT32_MAX, UINT32_MAX},
        {0, 0, 1u << 22, 1},
    };
    for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++) {
        assert_false(trp_is_alive(fake_root(fake), forged[i]));
        assert_int_equal(probe_send(fake_root(fake), forged[i], 1), TRP_ENOPROC);
    }
    fake_run(fake);
    assert_int_equal(a.events_len, 0);
}

static void test_pid_of_an_unknown_node_has_no_connection(void **state) {
    fake_host *fake = *state;
    trp_pid far = {3, 1, 1, 1};
    assert_false(trp_is_alive(fake_root(fake), far));
    assert_int_equal(probe_send(fake_root(fake), far, 1), TRP_ENOCONNECTION);
    assert_int_equal(fake_stats(fake).dead_letters, 1);
}

static void test_sending_null_is_out_of_memory(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    assert_int_equal(trp_send(fake_root(fake), a.pid, NULL), TRP_ENOMEM);
    assert_int_equal(fake_stats(fake).dead_letters, 0);
}

static void test_try_send_leaves_the_message_on_error(void **state) {
    fake_host *fake = *state;
    trp_ctx *root = fake_root(fake);
    probe a = {0};
    probe_letters letters;
    probe_watch_letters(fake, &letters);
    trp_message *message = probe_value(root, 3);
    assert_int_equal(trp_try_send(root, TRP_PID_NONE, message), TRP_ENOPROC);
    assert_int_equal(letters.count, 0);
    assert_int_equal(fake_stats(fake).dead_letters, 0);
    assert_int_equal(probe_value_of(message), 3);
    probe_spawn(fake, &a);
    assert_int_equal(trp_try_send(root, a.pid, message), 0);
    fake_run(fake);
    assert_int_equal(a.events_len, 1);
}

/* Full mailboxes. */

static probe *spawn_limited(fake_host *fake, probe *self, uint32_t limit) {
    trp_spawn_options options = {.size = sizeof options, .mailbox_messages = limit};
    assert_int_equal(trp_spawn_opt(fake_root(fake), &probe_behaviour, &self, &options, NULL, NULL),
                     0);
    return self;
}

/*
 * The limit may be counted in samples, so what is asked is: at least the limit, and never twice as
 * much.
 */
static void test_full_mailbox_refuses_and_recovers(void **state) {
    fake_host *fake = *state;
    enum { LIMIT = 1000 };
    probe a = {0};
    probe_letters letters;
    probe_watch_letters(fake, &letters);
    spawn_limited(fake, &a, LIMIT);
    for (int round = 0; round < 3; round++) {
        uint32_t taken = 0;
        while (taken < 3 * LIMIT && probe_send(fake_root(fake), a.pid, 1) == 0) {
            taken++;
        }
        assert_in_range(taken, LIMIT, 2 * LIMIT);
        assert_int_equal(letters.count, (uint32_t)round + 1);
        assert_int_equal(letters.error, TRP_EFULL);
        fake_run(fake);
        probe_clear(&a);
    }
}

static void test_try_send_to_a_full_mailbox_keeps_the_message(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    spawn_limited(fake, &a, 100);
    trp_message *message = probe_value(fake_root(fake), 1);
    while (trp_try_send(fake_root(fake), a.pid, message) == 0) {
        message = probe_value(fake_root(fake), 1);
    }
    assert_int_equal(trp_try_send(fake_root(fake), a.pid, message), TRP_EFULL);
    assert_int_equal(fake_stats(fake).dead_letters, 0);
    fake_run(fake);
    assert_int_equal(trp_try_send(fake_root(fake), a.pid, message), 0);
    fake_run(fake);
}

/* Tries to pass on what it has borrowed to a mailbox that is full. */
static void try_to_pass_on(trp_ctx *ctx, probe *self, trp_message *message) {
    const trp_pid *to = self->arg;
    assert_int_equal(trp_try_send(ctx, *to, message), TRP_EFULL);
    assert_int_equal(probe_value_of(message), 7);
}

static void test_refused_borrowed_message_stays_borrowed(void **state) {
    fake_host *fake = *state;
    probe full = {0};
    probe *to_full = &full;
    trp_spawn_options options = {.size = sizeof options, .mailbox_messages = 1, .pinned = true};
    trp_ctx *ctx = fake_root(fake);
    assert_int_equal(trp_spawn_opt(ctx, &probe_behaviour, &to_full, &options, &full.pid, NULL), 0);
    probe a = {.on_message = try_to_pass_on, .arg = &full.pid};
    probe_spawn(fake, &a);
    assert_int_equal(probe_send(ctx, a.pid, 7), 0);
    assert_int_equal(probe_send(ctx, full.pid, 1), 0);
    trp_budget one = {1, 0};
    (void)fake_step(fake, 0, &one); /* only a runs: it was sent to first */
    assert_int_equal(a.events_len, 1);
    fake_run(fake);
    assert_int_equal(full.events_len, 1);
}

static void test_limit_of_the_runtime_is_the_default(void **state) {
    (void)state;
    static fake_host fake;
    fake_init(&fake);
    trp_runtime_config config = {.size = sizeof config, .mailbox_messages = 200};
    assert_int_equal(fake_start(&fake, &config), 0);
    probe a = {0};
    probe_spawn(&fake, &a);
    uint32_t taken = 0;
    while (taken < 1000 && probe_send(fake_root(&fake), a.pid, 1) == 0) {
        taken++;
    }
    assert_in_range(taken, 200, 400);
    fake_stop(&fake);
}

/* Signals are exempt: a full mailbox can be stopped. */
static void test_full_mailbox_can_still_be_stopped(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    spawn_limited(fake, &a, 100);
    while (probe_send(fake_root(fake), a.pid, 1) == 0) {
    }
    trp_exit reason = trp_exit_make(TRP_EXIT_SHUTDOWN, 0, "");
    assert_int_equal(trp_stop(fake_root(fake), a.pid, &reason), 0);
    fake_run(fake);
    assert_int_equal(a.terminates, 1);
}

/* Fairness: an actor that always has work lets the others work. */

static void send_to_self_for_ever(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)message;
    probe_send(ctx, self->pid, 1);
}

static void test_busy_actor_does_not_starve_another(void **state) {
    fake_host *fake = *state;
    probe busy = {.on_message = send_to_self_for_ever};
    probe shy = {0};
    probe_spawn(fake, &busy);
    probe_spawn(fake, &shy);
    probe_send(fake_root(fake), busy.pid, 1);
    probe_send(fake_root(fake), busy.pid, 1);
    probe_send(fake_root(fake), shy.pid, 1);
    trp_budget budget = {.messages = 1000};
    assert_int_equal(fake_step(fake, 0, &budget), TRP_STEP_MORE);
    assert_int_equal(shy.events_len, 1);
    assert_in_range(busy.events_len, 500, 2000);
}

static void test_step_keeps_its_budget_of_messages(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    probe_spawn(fake, &a);
    for (int i = 0; i < 5000; i++) {
        probe_send(fake_root(fake), a.pid, 1);
    }
    trp_budget budget = {.messages = 10};
    assert_int_equal(fake_step(fake, 0, &budget), TRP_STEP_MORE);
    assert_in_range(a.events_len, 1, 150); /* about so many: at most a batch more */
    fake_run(fake);
    assert_int_equal(a.events_len, 5000);
}

/* Each message takes a millisecond; a deadline of 5 ms must not let thousands through. */
static void take_a_millisecond(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)ctx;
    (void)message;
    fake_clock_jump(self->arg, TRP_NS_PER_MS);
}

static void test_step_keeps_its_deadline(void **state) {
    fake_host *fake = *state;
    probe a = {.on_message = take_a_millisecond, .arg = fake};
    probe b = {.on_message = take_a_millisecond, .arg = fake};
    probe_spawn(fake, &a);
    probe_spawn(fake, &b);
    for (int i = 0; i < 2000; i++) {
        probe_send(fake_root(fake), a.pid, 1);
        probe_send(fake_root(fake), b.pid, 1);
    }
    trp_budget budget = {.deadline_ns = fake_now(fake) + 5 * TRP_NS_PER_MS};
    assert_int_equal(fake_step(fake, 0, &budget), TRP_STEP_MORE);
    assert_in_range(a.events_len + b.events_len, 5, 300);
}

static void log_something(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    (void)arg;
    trp_log(ctx, TRP_LOG_WARN, "a line of mine");
}

static void test_log_line_names_the_actor(void **state) {
    fake_host *fake = *state;
    probe a = {0};
    char text[TRP_PID_TEXT_MAX];
    probe_spawn(fake, &a);
    probe_do(fake, &a, log_something, NULL);
    trp_pid_format(a.pid, text, sizeof text);
    assert_true(fake_logged(fake, "a line of mine"));
    assert_int_equal(fake->logs[0].level, TRP_LOG_WARN);
    assert_string_equal(fake->logs[0].who, text);
    log_something(fake_root(fake), NULL, NULL);
    assert_string_equal(fake->logs[1].who, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_messages_arrive_in_order_with_body_and_tag),
        cmocka_unit_test(test_order_holds_between_every_pair),
        FAKE_TEST(test_message_to_self_comes_after_those_that_wait),
        FAKE_TEST(test_taken_message_can_be_forwarded_later),
        FAKE_TEST(test_borrowed_message_can_be_forwarded_in_the_handler),
        FAKE_TEST(test_taken_message_can_be_dropped),
        FAKE_TEST(test_message_still_kept_at_destroy_is_freed),
        FAKE_TEST(test_copy_has_type_tag_and_payload),
        FAKE_TEST(test_sizes_from_nothing_to_the_limit),
        FAKE_TEST(test_dead_letter_is_reported_and_counted),
        FAKE_TEST(test_removed_hook_hears_nothing_but_letters_count),
        FAKE_TEST(test_messages_that_wait_for_an_ending_actor_are_dead_letters),
        FAKE_TEST(test_forged_pids_are_nobody),
        FAKE_TEST(test_pid_of_an_unknown_node_has_no_connection),
        FAKE_TEST(test_sending_null_is_out_of_memory),
        FAKE_TEST(test_try_send_leaves_the_message_on_error),
        FAKE_TEST(test_refused_borrowed_message_stays_borrowed),
        FAKE_TEST(test_full_mailbox_refuses_and_recovers),
        FAKE_TEST(test_try_send_to_a_full_mailbox_keeps_the_message),
        cmocka_unit_test(test_limit_of_the_runtime_is_the_default),
        FAKE_TEST(test_full_mailbox_can_still_be_stopped),
        FAKE_TEST(test_busy_actor_does_not_starve_another),
        FAKE_TEST(test_step_keeps_its_budget_of_messages),
        FAKE_TEST(test_step_keeps_its_deadline),
        FAKE_TEST(test_log_line_names_the_actor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
