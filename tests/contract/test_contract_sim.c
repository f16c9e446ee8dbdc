/*
 * The contract on the simulation host; and the proof, on hosts that are broken on purpose, that the
 * contract finds it.
 */
#include "contract.h"

#include "cmocka_all.h"
#include "fake_host.h"
#include "troupe/sim.h"

static void stop(void *arg) {
    trp_sim_node_stop(arg, TRP_NS_PER_S);
}

static bool is_down(void *arg) {
    return !trp_sim_node_is_up(arg);
}

static void run_simulated(unsigned schedulers) {
    trp_sim *sim = trp_sim_create(schedulers);
    trp_sim_node *node = NULL;
    trp_sim_node_config config = {
        .size = sizeof config,
        .name = "contract",
        .schedulers = schedulers,
    };
    assert_int_equal(trp_sim_node_create(sim, &config, &node), 0);
    contract_report report = {.on_done = stop, .arg = node};
    assert_int_equal(contract_run_all(trp_sim_node_enter(node, 0), &report), 0);
    assert_true(trp_sim_run_while_false(sim, is_down, node, 600 * TRP_NS_PER_S));
    if (report.failed > 0) {
        fail_msg("%u cases failed:\n%s", report.failed, report.text);
    }
    assert_true(report.is_done);
    assert_int_equal(report.passed + report.skipped, contract_cases_len);
    assert_true(report.passed >= 11);
    assert_int_equal(trp_sim_destroy(sim), 0);
}

static void test_contract_holds_on_one_scheduler(void **state) {
    (void)state;
    run_simulated(1);
}

static void test_contract_holds_on_several_schedulers(void **state) {
    (void)state;
    run_simulated(3);
}

/* ---- broken hosts ---- */

/* Runs the contract on a fake host and says whether all passed. */
static bool holds(fake_host *fake) {
    contract_report report = {0};
    assert_int_equal(fake_start(fake, NULL), 0);
    assert_int_equal(contract_run_all(fake_root(fake), &report), 0);
    fake_advance(fake, 400 * TRP_NS_PER_S);
    assert_true(report.is_done);
    fake_stop(fake);
    return report.failed == 0;
}

/*
 * The fake host's time stands still while an actor works, so the case that waits for a timer among
 * work needs a clock that moves when it is read.
 */
static uint64_t moving_now(void *self) {
    fake_host *fake = self;
    fake_clock_jump(fake, 1000);
    return fake_now(fake);
}

static uint64_t wandering_now(void *self) {
    static uint64_t calls;
    return moving_now(self) - (++calls % 5000 == 0 ? 5000 : 0);
}

static int same_entropy(void *self, void *bytes, size_t length) {
    (void)self;
    memset(bytes, 0x35, length);
    return 0;
}

/* Writes one byte too many, where the case has left room to see it. */
static int generous_entropy(void *self, void *bytes, size_t length) {
    uint64_t seed = (uintptr_t)self;
    uint8_t *out = bytes;
    for (size_t i = 0; i < length + (length == 32); i++) {
        out[i] = (uint8_t)fake_random(&seed);
    }
    return 0;
}

static int wrong_hmac(void *self, const void *key, size_t key_length, const void *data,
                      size_t data_length, uint8_t mac[32]) {
    (void)self;
    (void)key;
    (void)key_length;
    (void)data;
    (void)data_length;
    memset(mac, 0, 32);
    return 0;
}

static void prepare(fake_host *fake) {
    fake_init(fake);
    fake->table.now_ns = moving_now;
}

static void test_contract_holds_on_the_fake_host(void **state) {
    (void)state;
    static fake_host fake;
    prepare(&fake);
    assert_true(holds(&fake));
}

static void test_contract_finds_what_is_broken(void **state) {
    (void)state;
    static fake_host fake;
    prepare(&fake);
    fake.table.now_ns = wandering_now;
    assert_false(holds(&fake));
    prepare(&fake);
    fake.table.entropy = same_entropy;
    assert_false(holds(&fake));
    prepare(&fake);
    fake.table.entropy = generous_entropy;
    assert_false(holds(&fake));
    prepare(&fake);
    fake.table.hmac_sha256 = wrong_hmac;
    assert_false(holds(&fake));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contract_holds_on_one_scheduler),
        cmocka_unit_test(test_contract_holds_on_several_schedulers),
        cmocka_unit_test(test_contract_holds_on_the_fake_host),
        cmocka_unit_test(test_contract_finds_what_is_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
