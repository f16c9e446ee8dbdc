/*
 * Random scripts over everything that actors do to each other, against the rules of
 * docs/semantics.md (script.h tells how). A script that fails is shrunk to a short one and printed.
 *
 *     TRP_SEED=42 test_scripts        only this seed
 *     TRP_SEEDS=10000 test_scripts    so many seeds
 */
#include "script.h"

#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) || defined(__EMSCRIPTEN__)
enum { SEEDS_DEFAULT = 500 };
#else
enum { SEEDS_DEFAULT = 2000 };
#endif

typedef const char *script_check(const script *self, script_totals *totals);

static uint64_t number_of(const char *variable, uint64_t otherwise) {
    const char *text = getenv(variable);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static bool still_fails(const script *self, void *arg) {
    script_check *check = *(script_check **)arg;
    script_totals ignored = {0};
    return check(self, &ignored) != NULL;
}

/* Prints the shortest script that still fails, and how. */
static void report(script *failed, script_check *check) {
    uint32_t before = failed->ops_len;
    script_totals ignored = {0};
    script_shrink(failed, still_fails, &check);
    printf("the shortest that fails:\n");
    const char *wrong = check(failed, &ignored);
    printf("shrunk from %u to %u operations: %s\n", (unsigned)before, (unsigned)failed->ops_len,
           wrong == NULL ? "which do not fail again" : wrong);
    script_print(failed);
}

static void print_totals(const script_totals *totals) {
    for (unsigned i = 0; i < SCRIPT_KINDS; i++) {
        printf("%s%s %llu", i == 0 ? "  done: " : ", ", script_kind_text(i),
               (unsigned long long)totals->done[i]);
    }
    for (unsigned i = 0; i < SCRIPT_EVENT_KINDS; i++) {
        printf("%s%s %llu", i == 0 ? "\n  seen: " : ", ", script_event_text(i),
               (unsigned long long)totals->seen[i]);
    }
    printf("\n");
}

/* Everything was done and seen, or the scripts are not about what they claim. */
static void check_totals(const script_totals *totals) {
    for (unsigned i = 0; i < SCRIPT_KINDS; i++) {
        bool is_never_done = i == SCRIPT_ADVANCE || (i == SCRIPT_SELECT && !script_has_routines());
        assert_true(totals->done[i] > 0 || is_never_done);
    }
    for (unsigned i = 0; i < SCRIPT_EVENT_KINDS; i++) {
        assert_true(totals->seen[i] > 0);
    }
}

static void run_seeds(script_check *check, const char *what) {
    uint64_t only = number_of("TRP_SEED", 0);
    uint64_t seeds = only != 0 ? 1 : number_of("TRP_SEEDS", SEEDS_DEFAULT);
    uint64_t first = only != 0 ? only : 1;
    script_totals totals = {0};
    clock_t began = clock();
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        script one;
        script_draw(&one, seed, 1 + (unsigned)(seed % 3));
        if (check(&one, &totals) != NULL) {
            report(&one, check);
            fail_msg("%s: repeat with TRP_SEED=%llu", what, (unsigned long long)seed);
        }
    }
    printf("%s: %llu seeds, %llu operations done, %.1f s\n", what, (unsigned long long)seeds,
           (unsigned long long)totals.seen[EVENT_RESULT],
           (double)(clock() - began) / CLOCKS_PER_SEC);
    if (only == 0 && seeds >= SEEDS_DEFAULT) {
        print_totals(&totals);
        check_totals(&totals);
    }
}

static void test_scripts_follow_the_model_step_by_step(void **state) {
    (void)state;
    run_seeds(script_run_steps, "step by step");
}

static void test_scripts_keep_the_rules_as_storms(void **state) {
    (void)state;
    run_seeds(script_run_storm, "storms");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts_follow_the_model_step_by_step),
        cmocka_unit_test(test_scripts_keep_the_rules_as_storms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
