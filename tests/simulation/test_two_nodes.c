/*
 * The acceptance test of sessions: many seeds of two nodes whose connection is delayed, stalled,
 * half-open and cut, and which crash and start again. Each seed runs twice. After the troubled time
 * all is healed, and everything that is open must end (liveness).
 *
 *     TRP_SEED=42 test_two_nodes      only this seed, with a log of what happens in it
 *     TRP_SEEDS=10000 test_two_nodes  so many seeds
 */
#include "two_nodes.h"

#include "cmocka_all.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Everything here happens in one thread, so ThreadSanitizer, which is slow about setjmp, has little
 * to see.
 */
#if defined(__SANITIZE_THREAD__)
enum { SEEDS_DEFAULT = 5 };
#elif defined(__SANITIZE_ADDRESS__) || defined(__EMSCRIPTEN__)
enum { SEEDS_DEFAULT = 60 };
#elif !defined(__OPTIMIZE__)
enum { SEEDS_DEFAULT = 250 };
#else
enum { SEEDS_DEFAULT = 1000 };
#endif

static const uint64_t S = TRP_NS_PER_S;

static uint64_t number_of(const char *variable, uint64_t otherwise) {
    const char *text = getenv(variable);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void print_log(void *arg, uint64_t now_ns, const trp_sim_node *node, int level,
                      const char *who, const char *text) {
    (void)arg;
    (void)level;
    printf("%10" PRIu64 " us  %-6s %s %s\n", now_ns / 1000,
           node == NULL ? "" : trp_sim_node_name(node), who, text);
}

/* What all seeds together have seen: a test that saw no trouble has tested nothing. */
typedef struct totals {
    uint64_t requests;
    uint64_t outcomes[32];
    uint64_t notes;
    uint64_t monitors;
    uint64_t dials;
    uint64_t starts;
    uint64_t takeovers;
    uint64_t hash; /* of all traces: the same on every machine */
} totals;

static void add_up(totals *all, const tn_world *world) {
    all->requests += world->requests_len;
    all->notes += world->notes_arrived;
    all->monitors += world->monitors_len;
    all->takeovers += world->takeovers;
    all->dials += trp_sim_link_dials(world->link);
    for (int i = 0; i < 32; i++) {
        all->outcomes[i] += world->outcomes[i];
    }
    for (int i = 0; i < 2; i++) {
        all->starts += trp_sim_node_starts(world->nodes[i].node);
    }
}

/* Safety while things go wrong, then liveness. Returns the trace hash. */
static uint64_t run_world(tn_world *world) {
    trp_sim_faults faults = trp_sim_faults_draw(world->sim);
    trp_sim_run_for(world->sim, S / 5);
    trp_sim_set_faults(world->sim, &faults);
    trp_sim_run_for(world->sim, 6 * S);
    trp_sim_heal(world->sim);
    trp_sim_run_for(world->sim, 5 * S); /* half-open connections are found out */
    uint32_t replies = world->outcomes[0];
    trp_sim_run_for(world->sim, 2 * S);
    if (world->outcomes[0] < replies + 40) {
        tn_violation(world, "few requests succeed after all is healed",
                     world->outcomes[0] - replies);
    }
    world->is_quiet = true;
    trp_sim_run_for(world->sim, 2 * S);
    tn_check_end(world);
    return trp_sim_trace_hash(world->sim);
}

static uint64_t run_seed(uint64_t seed, tn_canary canary, bool is_loud, totals *all,
                         uint32_t *violations) {
    static tn_world world;
    tn_create(&world, seed, canary);
    if (is_loud) {
        trp_sim_on_log(world.sim, print_log, NULL);
    }
    uint64_t hash = run_world(&world);
    if (all != NULL) {
        add_up(all, &world);
    }
    uint64_t leaked = tn_destroy(&world);
    if (violations != NULL) {
        *violations = world.violations;
    } else if (world.violations > 0) {
        fail_msg("%s; %u violations. Repeat with TRP_SEED=%" PRIu64, world.violation,
                 world.violations, seed);
    }
    if (leaked != 0) {
        fail_msg("seed %" PRIu64 ": %" PRIu64 " bytes leaked", seed, leaked);
    }
    return hash;
}

static void print_totals(const totals *all, uint64_t seeds) {
    print_message("%" PRIu64 " seeds: %" PRIu64 " requests (%" PRIu64 " replies, %" PRIu64
                  " timeout, %" PRIu64 " noconnection, %" PRIu64 " noproc, %" PRIu64
                  " failed, %" PRIu64 " canceled), %" PRIu64 " notes, %" PRIu64
                  " monitors, %" PRIu64 " connections, %" PRIu64 " starts, %" PRIu64
                  " takeovers, trace hash %016" PRIx64 "\n",
                  seeds, all->requests, all->outcomes[0], all->outcomes[-TRP_ETIMEOUT],
                  all->outcomes[-TRP_ENOCONNECTION], all->outcomes[-TRP_ENOPROC],
                  all->outcomes[-TRP_EFAILED], all->outcomes[-TRP_ECANCELED], all->notes,
                  all->monitors, all->dials, all->starts, all->takeovers, all->hash);
}

static void test_seeds_hold_all_promises_and_repeat_exactly(void **state) {
    (void)state;
    totals all = {0};
    uint64_t seeds = number_of("TRP_SEEDS", SEEDS_DEFAULT);
    uint64_t only = number_of("TRP_SEED", 0);
    uint64_t first = only != 0 ? only : 1;
    uint64_t last = only != 0 ? only : seeds;
    for (uint64_t seed = first; seed <= last; seed++) {
        uint64_t hash = run_seed(seed, TN_CANARY_NONE, only != 0, &all, NULL);
        uint64_t again = run_seed(seed, TN_CANARY_NONE, false, NULL, NULL);
        all.hash = (all.hash ^ hash) * UINT64_C(0x100000001b3);
        if (hash != again) {
            fail_msg("seed %" PRIu64 ": two runs differ, %" PRIx64 " and %" PRIx64, seed, hash,
                     again);
        }
    }
    print_totals(&all, last - first + 1);
    if (only == 0) {
        assert_true(all.outcomes[0] > all.requests / 4);
        assert_true(all.requests > seeds * 500);
        assert_true(all.outcomes[-TRP_ETIMEOUT] > 0);
        assert_true(all.outcomes[-TRP_ENOCONNECTION] > 0);
        assert_true(all.outcomes[-TRP_EFAILED] > 0);
        assert_true(all.notes > seeds * 100);
        assert_true(all.monitors > seeds * 10);
        assert_true(all.dials > 2 * seeds);
        assert_true(all.starts > 2 * seeds);
        assert_true(all.takeovers > 0);
    }
}

static void canary_is_found(tn_canary canary) {
    uint32_t violations = 0;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        (void)run_seed(seed, canary, false, NULL, &violations);
        assert_true(violations > 0);
    }
}

static void test_oracle_finds_a_note_that_comes_twice(void **state) {
    (void)state;
    canary_is_found(TN_CANARY_NOTE_TWICE);
}

static void test_oracle_finds_a_lost_reply(void **state) {
    (void)state;
    canary_is_found(TN_CANARY_REPLY_LOST);
}

static void test_oracle_finds_a_missing_down(void **state) {
    (void)state;
    canary_is_found(TN_CANARY_DOWN_MISSED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeds_hold_all_promises_and_repeat_exactly),
        cmocka_unit_test(test_oracle_finds_a_note_that_comes_twice),
        cmocka_unit_test(test_oracle_finds_a_lost_reply),
        cmocka_unit_test(test_oracle_finds_a_missing_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
