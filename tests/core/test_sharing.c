/*
 * What schedulers share: an idle one takes over what would keep another busy for long, leaves alone
 * what would not, and does not let a task wait behind one that hangs.
 */
#include "cmocka_all.h"
#include "fake_host.h"

#include <string.h>

enum { ACTORS = 120, TURNS = 400, WATCH_MS = 8 };

/* Every actor keeps one message going to the next one, and takes `cost_ns` to handle it. */
typedef struct crowd {
    fake_host *fake;
    trp_pid pids[ACTORS];
    uint64_t cost_ns;
    uint32_t left;
    uint32_t handled_on[2];
} crowd;

typedef struct member {
    crowd *all;
    uint32_t index;
} member;

static int member_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)ctx;
    *(member *)state = *(const member *)arg;
    return 0;
}

static void member_handle(trp_ctx *ctx, void *state, trp_message *message) {
    member *self = state;
    crowd *all = self->all;
    (void)message;
    fake_clock_jump(all->fake, all->cost_ns);
    all->handled_on[trp_ctx_scheduler(ctx)]++;
    if (all->left > 0) {
        all->left--;
        trp_pid next = all->pids[(self->index * 7 + all->left) % ACTORS];
        assert_int_equal(trp_send(ctx, next, trp_message_new_bytes(ctx, NULL, 8)), 0);
    }
}

static const trp_behaviour member_behaviour = {
    TRP_BEHAVIOUR("test.member"),
    .state_size = sizeof(member),
    .init = member_init,
    .handle = member_handle,
};

/* Plays the crowd on two schedulers that take turns, each as often as it has a reason to step. */
static void play(crowd *all, uint64_t cost_ns, uint32_t messages_a_step) {
    memset(all, 0, sizeof *all);
    all->fake = fake_create(2);
    all->cost_ns = cost_ns;
    all->left = ACTORS * TURNS;
    trp_ctx *root = fake_root(all->fake);
    for (uint32_t i = 0; i < ACTORS; i++) {
        member self = {all, i};
        assert_int_equal(trp_spawn(root, &member_behaviour, &self, &all->pids[i]), 0);
    }
    for (uint32_t i = 0; i < ACTORS; i++) {
        assert_int_equal(trp_send(root, all->pids[i], trp_message_new_bytes(root, NULL, 8)), 0);
    }
    const trp_budget budget = {.messages = messages_a_step};
    bool again = true;
    while (again) {
        again = false;
        for (unsigned i = 0; i < 2; i++) {
            if (fake_has_reason(all->fake, i)) {
                fake_step(all->fake, i, &budget);
                again = true;
            }
        }
    }
    fake_destroy(all->fake);
    assert_int_equal(all->handled_on[0] + all->handled_on[1], ACTORS * TURNS + ACTORS);
}

static void test_many_short_turns_stay_on_one_scheduler(void **state) {
    (void)state;
    crowd all;
    play(&all, 50, 1000); /* a step is long enough for the cost to be measured */
    assert_int_equal(all.handled_on[1], 0);
}

static void test_much_waiting_work_is_shared(void **state) {
    (void)state;
    crowd all;
    play(&all, 20 * 1000, 50);
    assert_true(all.handled_on[0] > ACTORS * TURNS / 4);
    assert_true(all.handled_on[1] > ACTORS * TURNS / 4);
}

/* One actor hangs in its handler, and another has a message: the second must not wait for it. */
typedef struct hanging {
    fake_host *fake;
    trp_pid others[2];
    bool is_hanging;
    uint32_t handled_meanwhile;
    uint64_t waited_ns;
} hanging;

static int hanging_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)ctx;
    *(hanging **)state = *(hanging *const *)arg;
    return 0;
}

static void other_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)ctx;
    (void)message;
    hanging *all = *(hanging **)state;
    all->handled_meanwhile += all->is_hanging ? 1 : 0;
}

static void hang(trp_ctx *ctx, void *state, trp_message *message) {
    (void)message;
    hanging *all = *(hanging **)state;
    for (int i = 0; i < 2; i++) { /* the first is displaced by the second and waits in the queue */
        assert_int_equal(trp_send(ctx, all->others[i], trp_message_new_bytes(ctx, NULL, 8)), 0);
    }
    all->is_hanging = true;
    while (all->handled_meanwhile == 0 && all->waited_ns < 4 * WATCH_MS * TRP_NS_PER_MS) {
        if (fake_has_reason(all->fake, 1)) {
            fake_step(all->fake, 1, NULL);
        }
        fake_clock_jump(all->fake, TRP_NS_PER_MS / 4);
        all->waited_ns += TRP_NS_PER_MS / 4;
    }
    all->is_hanging = false;
}

static const trp_behaviour other_behaviour = {
    TRP_BEHAVIOUR("test.other"),
    .state_size = sizeof(hanging *),
    .init = hanging_init,
    .handle = other_handle,
};
static const trp_behaviour hang_behaviour = {
    TRP_BEHAVIOUR("test.hang"),
    .state_size = sizeof(hanging *),
    .init = hanging_init,
    .handle = hang,
};

static void test_task_behind_one_that_hangs_is_taken_over(void **state) {
    (void)state;
    hanging all = {.fake = fake_create(2)};
    hanging *arg = &all;
    trp_ctx *root = fake_root(all.fake);
    trp_pid pid;
    fake_clock_jump(all.fake, TRP_NS_PER_S);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(trp_spawn(root, &other_behaviour, &arg, &all.others[i]), 0);
    }
    assert_int_equal(trp_spawn(root, &hang_behaviour, &arg, &pid), 0);
    assert_int_equal(trp_send(root, pid, trp_message_new_bytes(root, NULL, 8)), 0);
    fake_step(all.fake, 1, NULL); /* it finds nothing, and sleeps */
    fake_step(all.fake, 0, NULL);
    assert_int_equal(all.handled_meanwhile, 1);
    assert_in_range(all.waited_ns, 1, 2 * WATCH_MS * TRP_NS_PER_MS);
    fake_run(all.fake);
    fake_destroy(all.fake);
}

/* One actor always has another message of its own; a second one gets one in the midst of it. */
enum { FLOOD = 20000, TURN = 64 };

typedef struct flood {
    trp_pid other;
    uint32_t sent;
    uint32_t sent_when_told;
    uint32_t sent_when_heard;
} flood;

static int flood_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)ctx;
    *(flood **)state = *(flood *const *)arg;
    return 0;
}

static void flood_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)message;
    flood *all = *(flood **)state;
    if (all->sent++ == FLOOD / 2) {
        all->sent_when_told = all->sent;
        assert_int_equal(trp_send(ctx, all->other, trp_message_new_bytes(ctx, NULL, 8)), 0);
    }
    if (all->sent < FLOOD) {
        assert_int_equal(trp_send(ctx, trp_self(ctx), trp_message_new_bytes(ctx, NULL, 8)), 0);
    }
}

static void hear(trp_ctx *ctx, void *state, trp_message *message) {
    (void)ctx;
    (void)message;
    flood *all = *(flood **)state;
    all->sent_when_heard = all->sent;
}

static const trp_behaviour flood_behaviour = {
    TRP_BEHAVIOUR("test.flood"),
    .state_size = sizeof(flood *),
    .init = flood_init,
    .handle = flood_handle,
};
static const trp_behaviour hear_behaviour = {
    TRP_BEHAVIOUR("test.hear"),
    .state_size = sizeof(flood *),
    .init = flood_init,
    .handle = hear,
};

static void test_flooding_actor_gives_way_after_a_turn(void **state) {
    (void)state;
    flood all = {0};
    flood *arg = &all;
    fake_host *fake = fake_create(1);
    trp_ctx *root = fake_root(fake);
    trp_pid pid;
    assert_int_equal(trp_spawn(root, &hear_behaviour, &arg, &all.other), 0);
    assert_int_equal(trp_spawn(root, &flood_behaviour, &arg, &pid), 0);
    assert_int_equal(trp_send(root, pid, trp_message_new_bytes(root, NULL, 8)), 0);
    fake_run(fake);
    fake_destroy(fake);
    assert_int_equal(all.sent, FLOOD);
    assert_in_range(all.sent_when_heard, all.sent_when_told, all.sent_when_told + TURN);
}

/* Watching ends: an idle runtime has no deadline. */
static void test_nobody_watches_when_nothing_runs(void **state) {
    (void)state;
    hanging all = {.fake = fake_create(2)};
    hanging *arg = &all;
    trp_ctx *root = fake_root(all.fake);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(trp_spawn(root, &other_behaviour, &arg, &all.others[i]), 0);
        assert_int_equal(trp_send(root, all.others[i], trp_message_new_bytes(root, NULL, 8)), 0);
    }
    fake_run(all.fake);
    for (int i = 0; i < 2 * WATCH_MS; i++) {
        fake_advance(all.fake, TRP_NS_PER_MS);
    }
    assert_int_equal(fake_next_deadline(all.fake), TRP_NEVER);
    fake_destroy(all.fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_short_turns_stay_on_one_scheduler),
        cmocka_unit_test(test_much_waiting_work_is_shared),
        cmocka_unit_test(test_task_behind_one_that_hangs_is_taken_over),
        cmocka_unit_test(test_flooding_actor_gives_way_after_a_turn),
        cmocka_unit_test(test_nobody_watches_when_nothing_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
