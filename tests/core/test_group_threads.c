/*
 * Groups on several schedulers: members join, leave and end while others watch and broadcast. Each
 * watcher sees the events of each member alternate, knows in the end exactly who is in, and every
 * copy of a broadcast that was counted reaches its member or is a dead letter.
 */
#include "cmocka_all.h"
#include "probe.h"
#include "thread_runner.h"
#include "troupe/group.h"
#include "troupe/timer.h"

#include <stdlib.h>

enum { MEMBERS = 12, LIVES = 6, ROUNDS = 60, WATCHERS = 3, GROUPS = 3, SLOTS = 256, WAIT_S = 60 };

static const uint64_t MS = TRP_NS_PER_MS;
static const char scope[] = "town";
static const char *const groups[GROUPS] = {"red", "green", "blue"};

enum { GO_TAG = 1, COPY_TAG = 2 };

typedef struct town {
    _Atomic uint32_t members_left; /* that have not come to rest */
    _Atomic uint32_t watchers_left;
    _Atomic uint32_t odd; /* what must not happen */
    _Atomic uint64_t events;
    _Atomic uint64_t copies; /* of broadcasts, as they were counted */
    _Atomic uint64_t copies_seen;
} town;

static void check(town *all, bool is_good) {
    if (!is_good) {
        atomic_fetch_add(&all->odd, 1);
    }
}

/* ---- members ---- */

typedef struct member {
    town *town;
    uint64_t seed;
    uint32_t round;
    uint32_t life; /* how many have lived before in its place */
    bool is_in[GROUPS];
} member;

static const trp_behaviour member_behaviour;

static int go_on(trp_ctx *ctx) {
    trp_message *message = trp_message_new_bytes(ctx, NULL, 0);
    trp_message_set_tag(message, GO_TAG);
    return trp_send(ctx, trp_self(ctx), message);
}

static int member_init(trp_ctx *ctx, void *state, const void *arg) {
    memcpy(state, arg, sizeof(member));
    return go_on(ctx);
}

static void join_or_leave(trp_ctx *ctx, member *self) {
    uint64_t at = fake_random_below(&self->seed, GROUPS);
    if (fake_random_below(&self->seed, 2) == 0) {
        check(self->town, trp_group_join(ctx, scope, groups[at]) == 0);
        self->is_in[at] = true;
    } else {
        int expected = self->is_in[at] ? 0 : TRP_ENOENT;
        check(self->town, trp_group_leave(ctx, scope, groups[at]) == expected);
        self->is_in[at] = false;
    }
}

static void broadcast(trp_ctx *ctx, member *self) {
    trp_message *message = probe_value(ctx, COPY_TAG);
    size_t count = 0;
    check(self->town, trp_group_broadcast(ctx, scope, groups[0], message, &count) == 0);
    trp_message_drop(ctx, message);
    atomic_fetch_add(&self->town->copies, count);
}

/* Ends in one way or another; another one takes the place, and the last one of a place stays. */
static void end_life(trp_ctx *ctx, const member *self) {
    if (self->life + 1 == LIVES) {
        atomic_fetch_sub(&self->town->members_left, 1);
        return;
    }
    member next = {self->town, self->seed, 0, self->life + 1, {false}};
    check(self->town, trp_spawn(ctx, &member_behaviour, &next, NULL) == 0);
    if (self->life % 3 == 0) {
        trp_stop_self(ctx);
    } else if (self->life % 3 == 1) {
        trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, 1, NULL);
        trp_fail(ctx, &reason);
    } else {
        (void)trp_kill(ctx, trp_self(ctx));
    }
}

static void member_handle(trp_ctx *ctx, void *state, trp_message *message) {
    member *self = state;
    if (trp_message_tag(message) == COPY_TAG) {
        atomic_fetch_add(&self->town->copies_seen, 1);
        return;
    }
    join_or_leave(ctx, self);
    if (self->round % 20 == 0) {
        broadcast(ctx, self);
    }
    if (++self->round == ROUNDS) {
        end_life(ctx, self);
    } else {
        check(self->town, go_on(ctx) == 0);
    }
}

static const trp_behaviour member_behaviour = {
    TRP_BEHAVIOUR("test.member"),
    .state_size = sizeof(member),
    .init = member_init,
    .handle = member_handle,
};

/* ---- watchers ---- */

typedef struct known {
    trp_pid pid;
    bool is_in[GROUPS];
} known;

typedef struct watcher {
    town *town;
    trp_ref ref;
    bool has_seen_rest; /* once more, so that all events before it have been handled */
    uint32_t known_len;
    known known[SLOTS];
} watcher;

static int watcher_init(trp_ctx *ctx, void *state, const void *arg) {
    watcher *self = state;
    memcpy(&self->town, arg, sizeof self->town);
    int error = trp_group_watch(ctx, scope, NULL, &self->ref);
    return error != 0 ? error : trp_timer(ctx, 2 * MS, 0, NULL);
}

static known *find(watcher *self, trp_pid pid) {
    for (uint32_t i = 0; i < self->known_len; i++) {
        if (trp_pid_equal(self->known[i].pid, pid)) {
            return &self->known[i];
        }
    }
    check(self->town, self->known_len < SLOTS);
    known *made = &self->known[self->known_len % SLOTS];
    self->known_len++;
    *made = (known){.pid = pid};
    return made;
}

static unsigned group_of(const trp_group_event *event) {
    unsigned group = 0;
    while (group < GROUPS - 1 && strcmp(trp_slice_text(&event->group), groups[group]) != 0) {
        group++;
    }
    return group;
}

static void on_event(watcher *self, const trp_group_event *event) {
    bool *is_in = &find(self, event->pid)->is_in[group_of(event)];
    check(self->town, event->ref == self->ref);
    check(self->town, *is_in != (event->kind == TRP_GROUP_JOIN));
    *is_in = event->kind == TRP_GROUP_JOIN;
    atomic_fetch_add(&self->town->events, 1);
}

/* All is at rest: what it knows is what the groups say. */
static void compare(trp_ctx *ctx, watcher *self) {
    for (unsigned group = 0; group < GROUPS; group++) {
        trp_pid pids[MEMBERS];
        size_t count;
        size_t known_count = 0;
        check(self->town, trp_group_members(ctx, scope, groups[group], pids, MEMBERS, &count) == 0);
        for (uint32_t i = 0; i < self->known_len; i++) {
            known_count += self->known[i].is_in[group];
        }
        check(self->town, known_count == count);
        for (size_t i = 0; i < count; i++) {
            check(self->town, find(self, pids[i])->is_in[group]);
        }
    }
}

/* Ends its watch and begins a new one, which says anew who is in. */
static void watch_again(trp_ctx *ctx, watcher *self) {
    check(self->town, trp_group_unwatch(ctx, self->ref) == 0);
    self->known_len = 0;
    check(self->town, trp_group_watch(ctx, scope, NULL, &self->ref) == 0);
}

static void watcher_handle(trp_ctx *ctx, void *state, trp_message *message) {
    watcher *self = state;
    const trp_group_event *event = trp_message_as(message, &trp_group_event_type);
    if (event != NULL) {
        on_event(self, event);
        return;
    }
    if (self->has_seen_rest) {
        compare(ctx, self);
        if (atomic_fetch_sub(&self->town->watchers_left, 1) == 1) {
            trp_runtime_stop(trp_ctx_runtime(ctx), 100 * MS);
        }
        return;
    }
    self->has_seen_rest = atomic_load(&self->town->members_left) == 0;
    if (!self->has_seen_rest) {
        watch_again(ctx, self);
    }
    check(self->town, trp_timer(ctx, 2 * MS, 0, NULL) == 0);
}

static const trp_behaviour watcher_behaviour = {
    TRP_BEHAVIOUR("test.watcher"),
    .state_size = sizeof(watcher),
    .init = watcher_init,
    .handle = watcher_handle,
};

/* ---- the churn ---- */

static void on_dead_letter(void *arg, trp_ctx *ctx, trp_pid to, const trp_message *message,
                           int error) {
    (void)ctx;
    (void)to;
    (void)error;
    town *all = arg;
    if (trp_message_tag(message) == COPY_TAG) {
        atomic_fetch_add(&all->copies_seen, 1);
    }
}

static void run_town(unsigned schedulers, uint64_t seed) {
    town all = {.members_left = MEMBERS, .watchers_left = WATCHERS};
    town *its = &all;
    fake_host *fake = fake_create(schedulers);
    trp_runtime_on_dead_letter(fake->runtime, on_dead_letter, its);
    for (unsigned i = 0; i < WATCHERS + MEMBERS; i++) {
        trp_ctx *root = trp_runtime_enter(fake->runtime, i % schedulers);
        member one = {its, seed * MEMBERS + i, 0, 0, {false}};
        const void *arg = i < WATCHERS ? (const void *)&its : (const void *)&one;
        assert_int_equal(
            trp_spawn(root, i < WATCHERS ? &watcher_behaviour : &member_behaviour, arg, NULL), 0);
    }
    thread_runner_join(thread_runner_start(fake, 3), WAIT_S);
    fake_destroy(fake);
    if (all.odd != 0 || all.copies_seen < all.copies) {
        fail_msg("%u odd, %llu copies counted and %llu seen, %u schedulers, seed %llu", all.odd,
                 (unsigned long long)all.copies, (unsigned long long)all.copies_seen, schedulers,
                 (unsigned long long)seed);
    }
    assert_true(all.events > ROUNDS && all.copies > LIVES);
}

static void test_watchers_know_who_is_in_while_all_come_and_go(void **state) {
    (void)state;
    for (unsigned schedulers = 1; schedulers <= 4; schedulers++) {
        for (uint64_t seed = 1; seed <= 15; seed++) {
            run_town(schedulers, seed);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watchers_know_who_is_in_while_all_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
