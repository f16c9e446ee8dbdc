/*
 * The parts of the HTTP server and of the transports that work alone: tokens, origins, addresses,
 * output queues.
 */
#include "address.h"
#include "crypto.h"
#include "http/origin.h"
#include "http/token.h"
#include "output.h"
#include "troupe/error.h"
#include "cmocka_all.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- tokens ---- */

#define ORIGIN "http://127.0.0.1:8080"

static void test_token_is_good_for_its_origin_until_it_expires(void **state) {
    trpi_token_key key;
    char token[TRPI_TOKEN_LENGTH + 1];
    (void)state;
    assert_int_equal(trpi_token_key_init(&key), TRP_OK);
    assert_int_equal(trpi_token_make(&key, ORIGIN, 100, token), TRP_OK);
    assert_int_equal(strlen(token), TRPI_TOKEN_LENGTH);
    assert_true(trpi_token_is_good(&key, ORIGIN, 0, token, TRPI_TOKEN_LENGTH));
    assert_true(trpi_token_is_good(&key, ORIGIN, 99, token, TRPI_TOKEN_LENGTH));
    assert_false(trpi_token_is_good(&key, ORIGIN, 100, token, TRPI_TOKEN_LENGTH));
    assert_false(trpi_token_is_good(&key, "http://127.0.0.1:8081", 0, token, TRPI_TOKEN_LENGTH));
    trpi_token_key_deinit(&key);
}

static void test_token_with_any_changed_digit_is_bad(void **state) {
    trpi_token_key key;
    trpi_token_key other;
    char token[TRPI_TOKEN_LENGTH + 1];
    (void)state;
    assert_int_equal(trpi_token_key_init(&key), TRP_OK);
    assert_int_equal(trpi_token_key_init(&other), TRP_OK);
    assert_int_equal(trpi_token_make(&key, ORIGIN, 100, token), TRP_OK);
    for (size_t i = 0; i < TRPI_TOKEN_LENGTH; i++) {
        char kept = token[i];
        token[i] = kept == '0' ? '1' : '0';
        assert_false(trpi_token_is_good(&key, ORIGIN, 0, token, TRPI_TOKEN_LENGTH));
        token[i] = 'g';
        assert_false(trpi_token_is_good(&key, ORIGIN, 0, token, TRPI_TOKEN_LENGTH));
        assert_false(trpi_token_is_good(&key, ORIGIN, 0, token, i));
        token[i] = kept;
    }
    assert_false(trpi_token_is_good(&other, ORIGIN, 0, token, TRPI_TOKEN_LENGTH));
    assert_true(trpi_token_is_good(&key, ORIGIN, 0, token, TRPI_TOKEN_LENGTH));
}

/* RFC 4231, test case 2. */
static void test_hmac_is_that_of_the_rfc(void **state) {
    static const uint8_t expected[32] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e,
                                         0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
                                         0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83,
                                         0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
    uint8_t mac[32];
    (void)state;
    assert_int_equal(trpi_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, mac), TRP_OK);
    assert_memory_equal(mac, expected, sizeof mac);
    assert_int_equal(trpi_hmac_sha256(NULL, 0, "", 0, mac), TRP_OK);
}

/* ---- origins ---- */

static trpi_origins make_origins(const char *host, uint16_t port, const char *const *extra) {
    trpi_origins origins = {.extra = NULL};
    const char *bad = NULL;
    assert_int_equal(trpi_origins_init(&origins, extra, &bad), TRP_OK);
    trpi_origins_bind(&origins, host, port);
    return origins;
}

typedef struct host_row {
    const char *host;
    const char *origin; /* NULL: not ours */
} host_row;

static void assert_hosts(trpi_origins *origins, const host_row *rows, size_t rows_len) {
    char own[TRPI_ORIGIN_MAX];
    for (size_t i = 0; i < rows_len; i++) {
        bool is_ours = trpi_origin_of_host(origins, rows[i].host, own);
        if (is_ours != (rows[i].origin != NULL)) {
            print_message("Host: %s\n", rows[i].host);
        }
        assert_int_equal(is_ours, rows[i].origin != NULL);
        if (is_ours) {
            assert_string_equal(own, rows[i].origin);
        }
    }
    trpi_origins_deinit(origins);
}

#define ASSERT_HOSTS(origins, rows) assert_hosts(&(origins), (rows), sizeof(rows) / sizeof(rows)[0])

static void test_loopback_server_answers_for_its_own_names_only(void **state) {
    static const char *const extra[] = {"https://example.org", "http://lab:9000", NULL};
    static const host_row rows[] = {
        {"127.0.0.1:8080", "http://127.0.0.1:8080"},
        {"localhost:8080", "http://localhost:8080"},
        {"LOCALHOST:8080", "http://localhost:8080"},
        {"example.org", "https://example.org"},
        {"Example.ORG", "https://example.org"},
        {"lab:9000", "http://lab:9000"},
        {"127.0.0.1", NULL},
        {"127.0.0.1:80", NULL},
        {"127.0.0.1:8080:8080", NULL},
        {"127.0.0.1:8080.evil.example", NULL},
        {"127.0.0.1.evil.example:8080", NULL},
        {"127.0.0.2:8080", NULL},
        {"evil.example:8080", NULL},
        {"example.org:8080", NULL},
        {"lab", NULL},
        {"", NULL},
        {":8080", NULL},
        {"[::1]:8080", NULL},
        {"[", NULL},
        {"localhost:", NULL},
        {"localhost:808080", NULL},
        {"localhost:-8080", NULL},
    };
    (void)state;
    trpi_origins origins = make_origins("127.0.0.1", 8080, extra);
    ASSERT_HOSTS(origins, rows);
}

static void test_open_server_answers_for_numbers(void **state) {
    static const host_row rows[] = {
        {"192.168.1.5", "http://192.168.1.5"},
        {"192.168.1.5:80", "http://192.168.1.5"},
        {"[fe80::1]", "http://[fe80::1]"},
        {"localhost", "http://localhost"},
        {"evil.example", NULL},
        {"999.1.1.1", NULL},
    };
    (void)state;
    trpi_origins origins = make_origins("0.0.0.0", 80, NULL);
    ASSERT_HOSTS(origins, rows);
}

static void test_ipv6_loopback_has_brackets(void **state) {
    static const host_row rows[] = {
        {"[::1]:8080", "http://[::1]:8080"},
        {"localhost:8080", "http://localhost:8080"},
        {"::1:8080", NULL},
        {"127.0.0.1:8080", NULL},
    };
    (void)state;
    trpi_origins origins = make_origins("::1", 8080, NULL);
    ASSERT_HOSTS(origins, rows);
}

static void test_configured_origins_are_checked(void **state) {
    static const char *const bad_ones[] = {"example.org", "https://",    "https://a/b", "ftp://a",
                                           "https://a?b", "https://u@a", "https://a b", ""};
    (void)state;
    for (size_t i = 0; i < sizeof bad_ones / sizeof bad_ones[0]; i++) {
        const char *const extra[] = {"https://good.example", bad_ones[i], NULL};
        const char *bad = NULL;
        trpi_origins origins = {.extra = NULL};
        assert_int_equal(trpi_origins_init(&origins, extra, &bad), TRP_EINVAL);
        assert_ptr_equal(bad, bad_ones[i]);
        trpi_origins_deinit(&origins);
    }
}

/* ---- addresses ---- */

static void test_addresses_are_parsed(void **state) {
    trpi_address address;
    (void)state;
    assert_int_equal(trpi_address_parse("tcp://localhost:80", "tcp://", &address), TRP_OK);
    assert_string_equal(address.host, "localhost");
    assert_string_equal(address.port, "80");
    assert_int_equal(trpi_address_parse("[::1]:0", "tcp://", &address), TRP_OK);
    assert_string_equal(address.host, "::1");
    assert_int_equal(trpi_address_parse("http://localhost:80", "tcp://", &address), TRP_EINVAL);
    assert_int_equal(trpi_address_parse(NULL, "tcp://", &address), TRP_EINVAL);
    assert_string_equal(address.host, "::1"); /* written on success only */
}

static void test_addresses_are_formatted(void **state) {
    char text[TRPI_ADDRESS_TEXT];
    struct sockaddr_storage resolved;
    const trpi_address v6 = {"::1", "65535"};
    const trpi_address v4 = {"127.0.0.1", "1"};
    (void)state;
    assert_int_equal(trpi_address_resolve(&v6, &resolved), TRP_OK);
    trpi_address_format((struct sockaddr *)&resolved, text);
    assert_string_equal(text, "[::1]:65535");
    assert_int_equal(trpi_address_resolve(&v4, &resolved), TRP_OK);
    trpi_address_format((struct sockaddr *)&resolved, text);
    assert_string_equal(text, "127.0.0.1:1");
    resolved.ss_family = AF_UNIX;
    trpi_address_format((struct sockaddr *)&resolved, text);
    assert_string_equal(text, "?");
}

/* ---- output ---- */

static void test_output_keeps_order_in_pieces_of_any_size(void **state) {
    trpi_output output = {NULL, NULL, 0};
    unsigned char piece[5000];
    unsigned next_in = 0;
    unsigned next_out = 0;
    (void)state;
    srand(7);
    for (int round = 0; round < 2000; round++) {
        size_t length = (size_t)(rand() % (int)sizeof piece);
        for (size_t i = 0; i < length; i++) {
            piece[i] = (unsigned char)next_in++;
        }
        assert_true(trpi_output_append(&output, piece, length));
        size_t taken = output.length == 0 ? 0 : (size_t)rand() % (output.length + 1);
        while (taken > 0) {
            trpi_chunk *head = output.head;
            size_t there = head->end - head->start < taken ? head->end - head->start : taken;
            for (size_t i = 0; i < there; i++) {
                assert_int_equal(head->bytes[head->start + i], (unsigned char)next_out++);
            }
            trpi_output_consume(&output, there);
            taken -= there;
        }
        assert_int_equal(output.length, next_in - next_out);
    }
    trpi_output_clear(&output);
    assert_null(output.head);
    assert_null(output.tail);
    assert_int_equal(output.length, 0);
}

static void test_output_leaves_room_in_front_of_each_chunk(void **state) {
    trpi_output output = {NULL, NULL, 0};
    static char big[100000];
    (void)state;
    assert_true(trpi_output_append(&output, "x", 1));
    assert_true(trpi_output_append(&output, big, sizeof big));
    for (trpi_chunk *chunk = output.head; chunk != NULL; chunk = chunk->next) {
        assert_true(chunk->start >= TRPI_OUTPUT_HEADROOM);
    }
    trpi_output_clear(&output);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token_is_good_for_its_origin_until_it_expires),
        cmocka_unit_test(test_token_with_any_changed_digit_is_bad),
        cmocka_unit_test(test_hmac_is_that_of_the_rfc),
        cmocka_unit_test(test_loopback_server_answers_for_its_own_names_only),
        cmocka_unit_test(test_open_server_answers_for_numbers),
        cmocka_unit_test(test_ipv6_loopback_has_brackets),
        cmocka_unit_test(test_configured_origins_are_checked),
        cmocka_unit_test(test_addresses_are_parsed),
        cmocka_unit_test(test_addresses_are_formatted),
        cmocka_unit_test(test_output_keeps_order_in_pieces_of_any_size),
        cmocka_unit_test(test_output_leaves_room_in_front_of_each_chunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
