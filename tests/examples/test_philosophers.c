/*
 * The dining philosophers: from many seeds, the dinner ends, everybody has eaten so often as was meant,
 * and neighbours never at the same time. What happens is read from their log.
 * usage: test_philosophers [first seed]
 */
#include "cmocka_all.h"
#include "philosophers.h"
#include "fake_host.h"

#include <stdio.h>
#include <stdlib.h>

enum { SEEDS = 200, GUESTS_MAX = 16 };

static uint64_t first_seed = 1;

/* What the log has told of the dinner that runs. */
static struct watch {
    uint32_t guests;
    bool is_eating[GUESTS_MAX];
    uint32_t meals[GUESTS_MAX];
    uint32_t most_at_once;
    bool neighbours_met;
} seen;

static uint32_t count_eating(void) {
    uint32_t eating = 0;
    for (uint32_t i = 0; i < seen.guests; i++) {
        eating += seen.is_eating[i] ? 1 : 0;
    }
    return eating;
}

static void note(void *self, int level, const char *who, const char *text, size_t length) {
    (void)self, (void)level, (void)who, (void)length;
    unsigned seat = 0;
    char doing[16] = "";
    if (sscanf(text, "seat %u %15[a-z ]", &seat, doing) != 2 || seat >= seen.guests) {
        return;
    }
    uint32_t left = (seat + 1) % seen.guests;
    uint32_t right = (seat + seen.guests - 1) % seen.guests;
    seen.is_eating[seat] = strcmp(doing, "eats") == 0;
    seen.meals[seat] += strcmp(doing, "is done") == 0 ? 1 : 0;
    seen.neighbours_met |= seen.is_eating[seat] && (seen.is_eating[left] || seen.is_eating[right]);
    seen.most_at_once = count_eating() > seen.most_at_once ? count_eating() : seen.most_at_once;
}

/* Serves a dinner to its end. The number of actors that have failed. */
static uint64_t serve(const dinner *given) {
    static fake_host fake;
    memset(&seen, 0, sizeof seen);
    seen.guests = given->guests;
    fake_init(&fake);
    fake.table.log = note;
    assert_int_equal(fake_start(&fake, NULL), 0);
    assert_int_equal(trp_spawn(fake_root(&fake), &dining_table.behaviour, given, NULL), 0);
    fake_advance(&fake, 60 * TRP_NS_PER_S);
    trp_stats stats = fake_stats(&fake);
    assert_int_equal(stats.actors, 0); /* it has come to its end, and the table is cleared */
    fake_stop(&fake);
    return stats.failures;
}

static void test_everybody_eats_and_neighbours_take_turns(void **state) {
    (void)state;
    uint32_t most_at_once = 0;
    for (uint64_t seed = first_seed; seed < first_seed + SEEDS; seed++) {
        const dinner given = {
            .guests = 2 + (uint32_t)(seed % 7), .meals = 1 + (uint32_t)(seed % 5), .seed = seed};
        (void)serve(&given);
        for (uint32_t i = 0; i < given.guests; i++) {
            if (seen.meals[i] != given.meals || seen.neighbours_met) {
                fail_msg("seed %u: seat %u has eaten %u times", (unsigned)seed, i, seen.meals[i]);
            }
        }
        most_at_once = seen.most_at_once > most_at_once ? seen.most_at_once : most_at_once;
    }
    assert_in_range(most_at_once, 3, GUESTS_MAX); /* they do not simply eat one after the other */
}

static void test_table_without_room_for_them_fails(void **state) {
    (void)state;
    const dinner alone = {.guests = 1, .meals = 1};
    const dinner crowd = {.guests = GUESTS_MAX + 1, .meals = 1};
    assert_int_equal(serve(&alone), 1);
    assert_int_equal(serve(&crowd), 1);
}

int main(int count, char **words) {
    first_seed = count > 1 ? strtoull(words[1], NULL, 10) : first_seed;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everybody_eats_and_neighbours_take_turns),
        cmocka_unit_test(test_table_without_room_for_them_fails),
    };
    return cmocka_run_group_tests_name("philosophers", tests, NULL, NULL);
}
