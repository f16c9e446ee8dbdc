/*
 * The tests' own tools: a check that cannot fail proves nothing, and an HMAC that is wrong in both
 * ends would agree with itself.
 */
#include "cmocka_all.h"
#include "fake_host.h"
#include "hmac_sha256.h"

#include <stdio.h>
#include <stdlib.h>

static void assert_hex(const uint8_t *bytes, size_t length, const char *expected) {
    char text[65] = "";
    for (size_t i = 0; i < length; i++) {
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
    assert_string_equal(text, expected);
}

/* FIPS 180-4 examples, and a million times "a" to cross many blocks. */
static void test_sha256_gives_the_published_digests(void **state) {
    (void)state;
    uint8_t digest[32];
    trpi_sha256("abc", 3, digest);
    assert_hex(digest, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    trpi_sha256("", 0, digest);
    assert_hex(digest, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    char *many = malloc(1000000);
    assert_non_null(many);
    memset(many, 'a', 1000000);
    trpi_sha256(many, 1000000, digest);
    free(many);
    assert_hex(digest, 32, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* RFC 4231, test cases 1, 2 and 6 (a key longer than a block). */
static void test_hmac_gives_the_published_codes(void **state) {
    (void)state;
    uint8_t mac[32];
    uint8_t key[131];
    memset(key, 0x0b, 20);
    trpi_hmac_sha256(NULL, key, 20, "Hi There", 8, mac);
    assert_hex(mac, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    trpi_hmac_sha256(NULL, "Jefe", 4, "what do ya want for nothing?", 28, mac);
    assert_hex(mac, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    static const char text[] = "Test Using Larger Than Block-Size Key - Hash Key First";
    trpi_hmac_sha256(NULL, key, sizeof key, text, sizeof text - 1, mac);
    assert_hex(mac, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void test_allocator_counts_and_fails_the_chosen_one(void **state) {
    (void)state;
    static fake_host fake;
    fake_init(&fake);
    const trp_host *host = &fake.table;
    fake.memory.fail_at = 2;
    void *first = host->realloc(host->self, NULL, 0, 100);
    assert_non_null(first);
    assert_null(host->realloc(host->self, first, 100, 200));
    first = host->realloc(host->self, first, 100, 50); /* shrinking is never refused */
    assert_non_null(first);
    assert_int_equal(atomic_load(&fake.memory.live_bytes), 50);
    assert_int_equal(atomic_load(&fake.memory.failures), 1);
    assert_null(host->realloc(host->self, first, 50, 0));
    assert_int_equal(atomic_load(&fake.memory.live_bytes), 0);
    assert_int_equal(atomic_load(&fake.memory.peak_bytes), 100);
}

static void leave_at_once(void *arg) {
    trpi_leave_now(arg);
}

static void return_at_once(void *arg) {
    (void)arg;
}

static void test_leaving_a_call_comes_back_every_time(void **state) {
    (void)state;
    trpi_leave_point point = {0};
    for (int i = 0; i < 1000; i++) {
        assert_false(trpi_leave_run(&point, leave_at_once, &point));
        assert_true(trpi_leave_run(&point, return_at_once, &point));
        assert_false(point.armed);
    }
}

static void test_log_lines_are_kept(void **state) {
    (void)state;
    static fake_host fake;
    fake_init(&fake);
    fake.table.log(&fake, TRP_LOG_WARN, "<1.1>", "hello worldish", 11);
    assert_true(fake_logged(&fake, "hello world"));
    assert_false(fake_logged(&fake, "worldish"));
    assert_int_equal(fake.logs_len, 1);
}

static void test_entropy_differs_and_repeats_with_the_host(void **state) {
    (void)state;
    static fake_host a;
    static fake_host b;
    uint8_t first[16];
    uint8_t second[16];
    uint8_t other[16];
    fake_init(&a);
    fake_init(&b);
    assert_int_equal(a.table.entropy(&a, first, sizeof first), 0);
    assert_int_equal(a.table.entropy(&a, second, sizeof second), 0);
    assert_int_equal(b.table.entropy(&b, other, sizeof other), 0);
    assert_memory_not_equal(first, second, sizeof first);
    assert_memory_equal(first, other, sizeof first);
    a.entropy_error = TRP_EIO;
    assert_int_equal(a.table.entropy(&a, first, sizeof first), TRP_EIO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256_gives_the_published_digests),
        cmocka_unit_test(test_hmac_gives_the_published_codes),
        cmocka_unit_test(test_allocator_counts_and_fails_the_chosen_one),
        cmocka_unit_test(test_leaving_a_call_comes_back_every_time),
        cmocka_unit_test(test_log_lines_are_kept),
        cmocka_unit_test(test_entropy_differs_and_repeats_with_the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
