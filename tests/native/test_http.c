/*
 * The HTTP server: what it serves, with which headers, and all it must not serve.
 */
#include "troupe/native_http.h"
#include "client.h"
#include "cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define GRACE_NS (2 * TRP_NS_PER_S)

static struct {
    trp_native *native;
    trp_http_server *server;
    uint16_t port;
    char base[64]; /* holds `site`, the root, and a secret beside it */
    char root[80];
} fixture;

static char response[256 * 1024];

/* ---- the site ---- */

static void write_file(const char *name, const char *text, size_t length) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", fixture.base, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void make_link(const char *target, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", fixture.base, name);
    assert_int_equal(symlink(target, path), 0);
}

static void make_folder(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", fixture.base, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

enum { BIG_FILE = 200 * 1024 };

static void make_site(void) {
    char target[128];
    char *big = malloc(BIG_FILE);
    assert_non_null(big);
    memset(big, 'b', BIG_FILE);
    strcpy(fixture.base, "/tmp/troupe-test-XXXXXX");
    assert_non_null(mkdtemp(fixture.base));
    snprintf(fixture.root, sizeof fixture.root, "%s/site", fixture.base);
    make_folder("site");
    make_folder("site/sub");
    write_file("secret.txt", "TOP SECRET", 10);
    write_file("site/index.html", "<p>start</p>", 12);
    write_file("site/sub/index.html", "<p>sub</p>", 10);
    write_file("site/app.mjs", "export {}", 9);
    write_file("site/app.js", "1", 1);
    write_file("site/core.wasm", "\0asm", 4);
    write_file("site/style.css", "p{}", 3);
    write_file("site/data.json", "{}", 2);
    write_file("site/icon.svg", "<svg/>", 6);
    write_file("site/unknown.xyz", "?", 1);
    write_file("site/empty.txt", "", 0);
    write_file("site/.hidden", "hidden", 6);
    write_file("site/big.txt", big, BIG_FILE);
    snprintf(target, sizeof target, "%s/secret.txt", fixture.base);
    make_link(target, "site/link.txt");
    make_link("..", "site/up");
    make_link("index.html", "site/inner.html");
    snprintf(target, sizeof target, "%s/site/fifo", fixture.base);
    assert_int_equal(mkfifo(target, 0644), 0);
    free(big);
}

static int setup(void **state) {
    (void)state;
    make_site();
    const trp_native_config config = {
        .size = sizeof config,
        .schedulers = 2,
        .log_format = TRP_LOG_FORMAT_NONE,
    };
    const char *const origins[] = {"https://example.org", NULL};
    const trp_http_options options = {
        .size = sizeof options,
        .address = "127.0.0.1:0",
        .root = fixture.root,
        .origins = origins,
        .node = "te\"st",
        .half_open_max = 4,
    };
    assert_int_equal(trp_native_create(&config, &fixture.native), TRP_OK);
    const trp_node_config node = {.size = sizeof node, .name = "te\"st"};
    assert_int_equal(trp_node_start(trp_native_runtime(fixture.native), &node), TRP_OK);
    assert_int_equal(trp_http_listen(fixture.native, &options, &fixture.server), TRP_OK);
    assert_int_equal(trp_native_start(fixture.native), TRP_OK);
    fixture.port = trp_http_server_port(fixture.server);
    assert_int_not_equal(fixture.port, 0);
    return 0;
}

static int teardown(void **state) {
    char command[128];
    (void)state;
    trp_native_stop(fixture.native, GRACE_NS);
    assert_int_equal(trp_native_join(fixture.native), TRP_OK);
    trp_native_destroy(fixture.native);
    snprintf(command, sizeof command, "rm -rf %s", fixture.base);
    return system(command);
}

/* ---- requests ---- */

/* A request with the right Host; `more` are further header lines. */
static int request_with(const char *method, const char *path, const char *more) {
    char request[4096];
    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s\r\n", method,
             path, fixture.port, more);
    return client_request(fixture.port, request, response, sizeof response);
}

static int get(const char *path) {
    return request_with("GET", path, "");
}

static const char *body(void) {
    const char *end = strstr(response, "\r\n\r\n");
    return end == NULL ? "" : end + 4;
}

/* True if the response has a header line that begins with `line`. */
static bool has_header(const char *line) {
    char searched[256];
    snprintf(searched, sizeof searched, "\r\n%s", line);
    return strcasestr(response, searched) != NULL;
}

static void assert_nothing_leaked(void) {
    assert_null(strstr(response, "SECRET"));
    assert_null(strstr(response, "hidden"));
    assert_null(strstr(response, "root:"));
}

/* ---- serving ---- */

static void test_address_tells_the_real_port(void **state) {
    char expected[32];
    (void)state;
    snprintf(expected, sizeof expected, "127.0.0.1:%u", fixture.port);
    assert_string_equal(trp_http_server_address(fixture.server), expected);
}

static void test_root_serves_its_index(void **state) {
    (void)state;
    assert_int_equal(get("/"), 200);
    assert_string_equal(body(), "<p>start</p>");
    assert_int_equal(get("/?x=1#y"), 200);
    assert_string_equal(body(), "<p>start</p>");
    assert_int_equal(get("/sub/"), 200);
    assert_string_equal(body(), "<p>sub</p>");
}

static void test_media_types_are_right(void **state) {
    static const char *const rows[][2] = {
        {"/index.html", "content-type: text/html"},
        {"/app.mjs", "content-type: text/javascript"},
        {"/app.js", "content-type: text/javascript"},
        {"/core.wasm", "content-type: application/wasm\r\n"},
        {"/style.css", "content-type: text/css"},
        {"/data.json", "content-type: application/json"},
        {"/icon.svg", "content-type: image/svg+xml"},
        {"/empty.txt", "content-type: text/plain"},
        {"/unknown.xyz", "content-type: application/octet-stream"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(get(rows[i][0]), 200);
        assert_true(has_header(rows[i][1]));
        assert_true(has_header("x-content-type-options: nosniff\r\n"));
        assert_true(has_header("cross-origin-resource-policy: same-origin\r\n"));
        assert_true(has_header("content-security-policy: default-src 'self'; script-src 'self' "
                               "'wasm-unsafe-eval'"));
        assert_false(has_header("cross-origin-opener-policy"));
    }
}

static void test_big_file_comes_whole(void **state) {
    (void)state;
    assert_int_equal(get("/big.txt"), 200);
    assert_int_equal(strlen(body()), BIG_FILE);
    assert_int_equal(strspn(body(), "b"), BIG_FILE);
}

static void test_head_has_headers_only(void **state) {
    (void)state;
    assert_int_equal(request_with("HEAD", "/index.html", "Connection: close\r\n"), 200);
    assert_true(has_header("content-length: 12\r\n"));
    assert_string_equal(body(), "");
}

static void test_known_version_is_not_sent_again(void **state) {
    char line[128];
    (void)state;
    assert_int_equal(get("/app.mjs"), 200);
    assert_true(has_header("cache-control: no-cache\r\n"));
    const char *etag = strcasestr(response, "\r\netag: ");
    assert_non_null(etag);
    snprintf(line, sizeof line, "If-None-Match: %.*s\r\n", (int)strcspn(etag + 8, "\r"), etag + 8);
    assert_int_equal(request_with("GET", "/app.mjs", line), 304);
    assert_string_equal(body(), "");
    assert_int_equal(request_with("GET", "/app.mjs", "If-None-Match: \"other\"\r\n"), 200);
}

static void test_folder_without_slash_is_redirected(void **state) {
    (void)state;
    assert_int_equal(get("/sub"), 301);
    assert_true(has_header("location: /sub/\r\n"));
    assert_int_equal(get("//sub"), 301);
    assert_true(
        has_header("location: /sub/\r\n")); /* with two slashes it would be another host's */
}

static void test_connection_serves_several_requests(void **state) {
    char request[256];
    (void)state;
    int fd = client_connect(fixture.port);
    snprintf(request, sizeof request, "GET /app.js HTTP/1.1\r\nHost: localhost:%u\r\n\r\n",
             fixture.port);
    for (int i = 0; i < 5; i++) {
        assert_true(client_send_text(fd, request));
        assert_int_equal(client_read_response(fd, response, sizeof response), 200);
        assert_string_equal(body(), "1");
    }
    close(fd);
}

/* ---- attacks ---- */

static void test_paths_do_not_leave_the_root(void **state) {
    static const char *const paths[] = {
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/%2E%2E%2Fsecret.txt",
        "/sub/%2e%2e/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/%252e%252e/secret.txt",
        "/....//secret.txt",
        "/.././.././etc/passwd",
        "/index.html%00.txt",
        "/%00",
        "/up/secret.txt",
        "/link.txt",
        "/inner.html",
        "/.hidden",
        "/%2ehidden",
        "/fifo",
        "//etc/passwd",
        "/sub//index.html",
        "/%",
        "/%zz",
        "/%c0%ae%c0%ae/secret.txt",
    };
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        int status = get(paths[i]);
        /* Refused, or normalised to something that is served anyway; never the secret. */
        assert_true(status == 404 || status == 400 || status == 403 || status == 200 ||
                    status == 0);
        assert_nothing_leaked();
    }
}

static void test_symbolic_links_are_not_followed(void **state) {
    (void)state;
    assert_int_equal(get("/link.txt"), 404);
    assert_int_equal(get("/up/secret.txt"), 404);
    assert_int_equal(get("/inner.html"), 404);
}

static void test_absolute_and_odd_targets_are_refused(void **state) {
    (void)state;
    assert_int_not_equal(get("http://127.0.0.1/index.html"), 200);
    assert_int_not_equal(get("*"), 200);
    assert_int_not_equal(request_with("CONNECT", "127.0.0.1:22", ""), 200);
    assert_int_equal(request_with("POST", "/index.html", "Content-Length: 0\r\n"), 405);
    assert_int_not_equal(request_with("DELETE", "/index.html", ""), 200);
    assert_int_equal(get("/"), 200);
}

static void test_missing_host_is_a_bad_request(void **state) {
    (void)state;
    assert_int_equal(
        client_request(fixture.port, "GET / HTTP/1.1\r\n\r\n", response, sizeof response), 400);
    assert_nothing_leaked();
}

static void test_foreign_host_is_misdirected(void **state) {
    (void)state;
    assert_int_equal(client_request(fixture.port,
                                    "GET / HTTP/1.1\r\nHost: evil.example:8080\r\n\r\n", response,
                                    sizeof response),
                     421);
    assert_int_equal(client_request(fixture.port, "GET / HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n",
                                    response, sizeof response),
                     421);
    assert_int_equal(client_request(fixture.port, "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
                                    response, sizeof response),
                     200);
}

static void test_a_megabyte_of_headers_is_refused(void **state) {
    static char line[1024];
    bool closed = false;
    (void)state;
    memset(line, 'x', sizeof line - 3);
    memcpy(line, "X-Big: ", 7);
    memcpy(line + sizeof line - 3, "\r\n", 3);
    int fd = client_connect(fixture.port);
    client_send_text(fd, "GET / HTTP/1.1\r\nHost: localhost\r\n");
    for (int i = 0; i < 1024; i++) {
        if (!client_send_text(fd, line)) {
            break;
        }
    }
    client_send_text(fd, "\r\n");
    client_read(fd, response, sizeof response, 10000, &closed);
    close(fd);
    assert_null(strstr(response, "200 OK"));
    assert_true(closed);
    assert_int_equal(get("/"), 200);
}

static void test_one_endless_header_is_refused(void **state) {
    static char junk[65536];
    bool closed = false;
    (void)state;
    memset(junk, 'a', sizeof junk);
    int fd = client_connect(fixture.port);
    client_send_text(fd, "GET /");
    for (int i = 0; i < 16 && client_send(fd, junk, sizeof junk); i++) {
    }
    client_read(fd, response, sizeof response, 10000, &closed);
    close(fd);
    assert_true(closed);
    assert_int_equal(get("/"), 200);
}

static void test_garbage_does_no_harm(void **state) {
    static const char *const garbage[] = {
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\nHost\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: Upgrade, "
        "HTTP2-Settings\r\n"
        "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: foo\r\nConnection: keep-alive\r\n\r\n"
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        int fd = client_connect(fixture.port);
        client_send_text(fd, garbage[i]);
        client_read(fd, response, sizeof response, 50, NULL);
        close(fd);
        assert_null(strstr(response, "101 "));
        assert_int_equal(get("/"), 200);
    }
}

/* ---- token ---- */

static void test_token_is_handed_to_the_same_origin_only(void **state) {
    char line[128];
    (void)state;
    assert_int_equal(get(TRP_HTTP_TOKEN_PATH), 200);
    assert_true(has_header("cache-control: no-store\r\n"));
    assert_true(has_header("content-type: application/json"));
    assert_non_null(strstr(body(), "{\"token\":\""));
    assert_non_null(strstr(body(), "\"node\":\"te\\\"st\",\"expires_in\":60}"));
    snprintf(line, sizeof line, "Origin: http://127.0.0.1:%u\r\n", fixture.port);
    assert_int_equal(request_with("GET", TRP_HTTP_TOKEN_PATH, line), 200);
    assert_int_equal(request_with("GET", TRP_HTTP_TOKEN_PATH, "Origin: http://evil.example\r\n"),
                     403);
    assert_int_equal(request_with("GET", TRP_HTTP_TOKEN_PATH, "Origin: null\r\n"), 403);
    assert_int_equal(request_with("GET", TRP_HTTP_TOKEN_PATH, "Sec-Fetch-Site: cross-site\r\n"),
                     403);
    assert_int_equal(request_with("GET", TRP_HTTP_TOKEN_PATH, "Sec-Fetch-Site: same-origin\r\n"),
                     200);
    assert_int_equal(request_with("POST", TRP_HTTP_TOKEN_PATH, "Content-Length: 0\r\n"), 405);
}

static void test_tokens_differ(void **state) {
    char first[512];
    (void)state;
    assert_int_equal(get(TRP_HTTP_TOKEN_PATH), 200);
    snprintf(first, sizeof first, "%s", body());
    assert_int_equal(get(TRP_HTTP_TOKEN_PATH), 200);
    assert_string_not_equal(first, body());
}

/* ---- WebSocket handshakes ---- */

#define UPGRADE                                                                                    \
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"                   \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static int upgrade(const char *path, const char *origin, const char *more) {
    char headers[1024];
    snprintf(headers, sizeof headers, UPGRADE "%s%s%s%s", origin != NULL ? "Origin: " : "",
             origin != NULL ? origin : "", origin != NULL ? "\r\n" : "", more);
    return request_with("GET", path, headers);
}

#define OURS "Sec-WebSocket-Protocol: troupe.v1\r\n"

static void test_session_is_opened_from_our_origin(void **state) {
    char own[64];
    (void)state;
    snprintf(own, sizeof own, "http://127.0.0.1:%u", fixture.port);
    assert_int_equal(upgrade("/troupe", own, OURS), 101);
    assert_true(has_header("sec-websocket-protocol: troupe.v1\r\n"));
    assert_int_equal(upgrade("/troupe", "https://example.org", OURS), 101);
    assert_int_equal(upgrade("/troupe", own, "Sec-WebSocket-Protocol: a, troupe.v1\r\n"), 101);
    assert_int_equal(upgrade("/troupe", NULL, OURS), 101);
}

static void test_session_is_refused_to_other_origins(void **state) {
    char other_port[64];
    char suffix[64];
    char upper[64];
    (void)state;
    snprintf(other_port, sizeof other_port, "http://127.0.0.1:%u", fixture.port ^ 1u);
    snprintf(suffix, sizeof suffix, "http://127.0.0.1:%u.evil.example", fixture.port);
    snprintf(upper, sizeof upper, "HTTP://127.0.0.1:%u", fixture.port);
    assert_int_equal(upgrade("/troupe", "http://evil.example", OURS), 403);
    assert_int_equal(upgrade("/troupe", "null", OURS), 403);
    assert_int_equal(upgrade("/troupe", "http://127.0.0.1", OURS), 403);
    assert_int_equal(upgrade("/troupe", "http://example.org", OURS), 403); /* https is configured */
    assert_int_equal(upgrade("/troupe", other_port, OURS), 403);
    assert_int_equal(upgrade("/troupe", suffix, OURS), 403);
    assert_int_equal(upgrade("/troupe", upper, OURS), 403);
}

static void test_session_needs_path_and_protocol(void **state) {
    char own[64];
    (void)state;
    snprintf(own, sizeof own, "http://127.0.0.1:%u", fixture.port);
    assert_int_equal(upgrade("/", own, OURS), 404);
    assert_int_equal(upgrade("/troupe/x", own, OURS), 404);
    assert_int_equal(upgrade("/troupe", own, ""), 400);
    assert_int_equal(upgrade("/troupe", own, "Sec-WebSocket-Protocol: troupe.v2\r\n"), 400);
    assert_int_equal(upgrade("/troupe", own, "Sec-WebSocket-Protocol: http\r\n"), 400);
    assert_int_not_equal(request_with("POST", "/troupe", UPGRADE OURS), 101);
}

/* Leaves sessions in their handshake until the limit is reached. */
static void test_half_open_sessions_are_limited(void **state) {
    enum { TRIES = 8 };
    int fds[TRIES];
    int opened = 0;
    char request[512];
    (void)state;
    snprintf(request, sizeof request,
             "GET /troupe HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n" UPGRADE OURS "\r\n", fixture.port);
    for (int i = 0; i < TRIES; i++) {
        fds[i] = client_connect(fixture.port);
        client_send_text(fds[i], request);
        int status = client_read_response(fds[i], response, sizeof response);
        opened += status == 101;
        assert_true(status == 101 || status == 503);
    }
    assert_in_range(opened, 1, 4);
    for (int i = 0; i < TRIES; i++) {
        close(fds[i]);
    }
    assert_int_equal(get("/"), 200);
}

/* ---- listening ---- */

static void listen_error(const char *address, const char *root, const char *const *origins,
                         int expected, const char *expected_why) {
    char why[128] = "";
    trp_http_server *server = NULL;
    const trp_http_options options = {
        .size = sizeof options,
        .address = address,
        .root = root,
        .origins = origins,
        .why = why,
        .why_size = sizeof why,
    };
    assert_int_equal(trp_http_listen(fixture.native, &options, &server), expected);
    assert_null(server);
    assert_non_null(strstr(why, expected_why));
}

static void test_listening_errors_are_told(void **state) {
    char taken[32];
    char missing[128];
    const char *const bad_origins[] = {"example.org", NULL};
    (void)state;
    snprintf(taken, sizeof taken, "127.0.0.1:%u", fixture.port);
    snprintf(missing, sizeof missing, "%s/none", fixture.base);
    listen_error(taken, NULL, NULL, TRP_EADDRINUSE, "in use");
    listen_error("127.0.0.1", NULL, NULL, TRP_EINVAL, "host:port");
    listen_error("127.0.0.1:99999", NULL, NULL, TRP_EINVAL, "host:port");
    listen_error("no.such.host.invalid:0", NULL, NULL, TRP_EINVAL, "no such host");
    listen_error("127.0.0.1:0", missing, NULL, TRP_ENOENT, "No such file");
    listen_error("127.0.0.1:0", NULL, bad_origins, TRP_EINVAL, "origin");
}

static void test_second_server_isolates_and_serves_no_files(void **state) {
    trp_http_server *server = NULL;
    char request[128];
    const trp_http_options options = {
        .size = sizeof options,
        .address = "127.0.0.1:0",
        .scheduler = 1,
        .isolate = true,
    };
    (void)state;
    assert_int_equal(trp_http_listen(fixture.native, &options, &server), TRP_OK);
    uint16_t port = trp_http_server_port(server);
    snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: localhost:%u\r\n\r\n", port);
    assert_int_equal(client_request(port, request, response, sizeof response), 404);
    assert_true(has_header("cross-origin-opener-policy: same-origin\r\n"));
    assert_true(has_header("cross-origin-embedder-policy: require-corp\r\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_tells_the_real_port),
        cmocka_unit_test(test_root_serves_its_index),
        cmocka_unit_test(test_media_types_are_right),
        cmocka_unit_test(test_big_file_comes_whole),
        cmocka_unit_test(test_head_has_headers_only),
        cmocka_unit_test(test_known_version_is_not_sent_again),
        cmocka_unit_test(test_folder_without_slash_is_redirected),
        cmocka_unit_test(test_connection_serves_several_requests),
        cmocka_unit_test(test_paths_do_not_leave_the_root),
        cmocka_unit_test(test_symbolic_links_are_not_followed),
        cmocka_unit_test(test_absolute_and_odd_targets_are_refused),
        cmocka_unit_test(test_missing_host_is_a_bad_request),
        cmocka_unit_test(test_foreign_host_is_misdirected),
        cmocka_unit_test(test_a_megabyte_of_headers_is_refused),
        cmocka_unit_test(test_one_endless_header_is_refused),
        cmocka_unit_test(test_garbage_does_no_harm),
        cmocka_unit_test(test_token_is_handed_to_the_same_origin_only),
        cmocka_unit_test(test_tokens_differ),
        cmocka_unit_test(test_session_is_opened_from_our_origin),
        cmocka_unit_test(test_session_is_refused_to_other_origins),
        cmocka_unit_test(test_session_needs_path_and_protocol),
        cmocka_unit_test(test_half_open_sessions_are_limited),
        cmocka_unit_test(test_listening_errors_are_told),
        cmocka_unit_test(test_second_server_isolates_and_serves_no_files),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
