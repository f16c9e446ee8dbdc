/*
 * The TCP transport: sessions between two runtimes of this process and with a process that is
 * killed, and peers that mean no good. Started with the words `peer PORT`, this program is that
 * other process.
 */
#include "client.h"
#include "peer.h"
#include "cmocka_all.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *program; /* argv[0] */
static char bytes[4096];

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * TRP_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Two nodes, `server` listening and `client` dialling it. */
typedef struct pair {
    peer server;
    peer client;
    uint16_t port;
    trp_tcp_dialler *dialler;
} pair;

static void make_pair(pair *both, const char *client_cookie, unsigned schedulers) {
    peer_create(&both->server, "server", PEER_COOKIE, schedulers, NULL);
    peer_create(&both->client, "client", client_cookie, schedulers, NULL);
    peer_spawn_upper(&both->server);
    both->port = peer_listen(&both->server, 0, NULL);
    assert_int_not_equal(both->port, 0);
    both->dialler = peer_dial(&both->client, both->port, NULL);
    peer_start(&both->server);
    peer_start(&both->client);
}

static void destroy_pair(pair *both) {
    peer_stop_and_destroy(&both->client);
    peer_stop_and_destroy(&both->server);
}

/* ---- sessions in good order ---- */

static void test_request_crosses_between_two_runtimes(void **state) {
    pair both;
    (void)state;
    make_pair(&both, PEER_COOKIE, 2);
    assert_string_equal(peer_wait(&both.client, TRP_SESSION_UP).node, "server");
    assert_string_equal(peer_wait(&both.server, TRP_SESSION_UP).node, "client");
    peer_answer answer = peer_ask(&both.client, "server", "upper", "hello");
    assert_int_equal(answer.error, TRP_OK);
    assert_string_equal(answer.text, "HELLO");
    answer = peer_ask(&both.client, "server", "nobody", "hello");
    assert_int_equal(answer.error, TRP_ENOPROC);
    destroy_pair(&both);
}

static void test_both_sides_can_ask(void **state) {
    pair both;
    (void)state;
    make_pair(&both, PEER_COOKIE, 1);
    peer_spawn_upper(&both.client);
    peer_wait(&both.client, TRP_SESSION_UP);
    peer_wait(&both.server, TRP_SESSION_UP);
    for (int i = 0; i < 20; i++) {
        assert_string_equal(peer_ask(&both.server, "client", "upper", "to client").text,
                            "TO CLIENT");
        assert_string_equal(peer_ask(&both.client, "server", "upper", "to server").text,
                            "TO SERVER");
    }
    destroy_pair(&both);
}

static void test_stopping_a_node_ends_the_session_in_good_order(void **state) {
    pair both;
    (void)state;
    make_pair(&both, PEER_COOKIE, 2);
    peer_wait(&both.client, TRP_SESSION_UP);
    uint64_t began = now_ns();
    peer_stop_and_destroy(&both.server);
    peer_event down = peer_wait(&both.client, TRP_SESSION_DOWN);
    assert_true(now_ns() - began < 5 * TRP_NS_PER_S);
    assert_true(down.retry_ns != TRP_NEVER);
    peer_stop_and_destroy(&both.client);
}

static void test_closed_dialler_does_not_return(void **state) {
    pair both;
    (void)state;
    make_pair(&both, PEER_COOKIE, 2);
    peer_wait(&both.client, TRP_SESSION_UP);
    peer_wait(&both.server, TRP_SESSION_UP);
    assert_int_equal(trp_tcp_dialler_close(both.client.native, both.dialler), TRP_OK);
    peer_wait(&both.server, TRP_SESSION_DOWN);
    assert_int_equal(peer_ask(&both.client, "server", "upper", "x").error, TRP_ENOCONNECTION);
    destroy_pair(&both);
}

static void test_destroy_with_a_live_session_is_clean(void **state) {
    pair both;
    (void)state;
    make_pair(&both, PEER_COOKIE, 2);
    peer_wait(&both.client, TRP_SESSION_UP);
    trp_native_destroy(both.client.native);
    trp_native_destroy(both.server.native);
}

static void test_hosts_that_never_start_close_what_they_opened(void **state) {
    peer unstarted;
    (void)state;
    peer_create(&unstarted, "unstarted", PEER_COOKIE, 2, NULL);
    peer_dial(&unstarted, peer_listen(&unstarted, 0, NULL), NULL);
    trp_native_destroy(unstarted.native);
}

/* ---- who may not come in ---- */

static void test_wrong_cookie_is_refused_for_good(void **state) {
    pair both;
    (void)state;
    make_pair(&both, "another cookie, also long enough", 1);
    peer_event down = peer_wait(&both.client, TRP_SESSION_DOWN);
    assert_int_equal(down.error, TRP_EAUTH);
    assert_true(down.retry_ns == TRP_NEVER);
    assert_int_equal(peer_wait(&both.server, TRP_SESSION_DOWN).error, TRP_EAUTH);
    assert_int_equal(peer_count(&both.client, TRP_SESSION_UP), 0);
    assert_int_equal(peer_count(&both.server, TRP_SESSION_UP), 0);
    destroy_pair(&both);
}

/* A node that lets nobody stay in its handshake for longer than 400 ms. */
static uint16_t make_impatient(peer *self, const trp_tcp_listen_options *options) {
    const trp_node_config config = {
        .size = sizeof config,
        .handshake_ns = 400 * TRP_NS_PER_MS,
    };
    peer_create(self, "impatient", PEER_COOKIE, 1, &config);
    uint16_t port = peer_listen(self, 0, options);
    peer_start(self);
    return port;
}

static void test_silent_peer_is_shown_the_door(void **state) {
    peer server;
    bool closed = false;
    (void)state;
    uint16_t port = make_impatient(&server, NULL);
    int fd = client_connect(port);
    uint64_t began = now_ns();
    client_read(fd, bytes, sizeof bytes, 10000, &closed);
    assert_true(closed);
    assert_true(now_ns() - began >= 300 * TRP_NS_PER_MS);
    close(fd);
    peer_wait(&server, TRP_SESSION_DOWN);
    peer_stop_and_destroy(&server);
}

static void test_trickling_peer_gains_no_time(void **state) {
    peer server;
    bool closed = false;
    (void)state;
    uint16_t port = make_impatient(&server, NULL);
    int fd = client_connect(port);
    uint64_t began = now_ns();
    /* A frame's length first, so that the bytes are the beginning of something that may be. */
    client_send(fd, "\0\0\0\x20", 4);
    while (!closed && now_ns() - began < 10 * TRP_NS_PER_S) {
        client_send(fd, "\0", 1);
        client_read(fd, bytes, sizeof bytes, 50, &closed);
    }
    assert_true(closed);
    close(fd);
    peer_stop_and_destroy(&server);
}

static void test_garbage_ends_the_connection(void **state) {
    peer server;
    (void)state;
    uint16_t port = make_impatient(&server, NULL);
    static const char *const garbage[] = {
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        bool closed = false;
        int fd = client_connect(port);
        client_send_text(fd, garbage[i]);
        client_read(fd, bytes, sizeof bytes, 10000, &closed);
        assert_true(closed);
        close(fd);
    }
    assert_int_equal(peer_count(&server, TRP_SESSION_UP), 0);
    peer_stop_and_destroy(&server);
}

static void test_unproved_connections_are_limited(void **state) {
    enum { TRIES = 6, LIMIT = 2 };
    peer server;
    int fds[TRIES];
    int refused = 0;
    (void)state;
    const trp_tcp_listen_options options = {.size = sizeof options, .half_open_max = LIMIT};
    peer_create(&server, "limited", PEER_COOKIE, 1, NULL);
    uint16_t port = peer_listen(&server, 0, &options);
    peer_start(&server);
    for (int i = 0; i < TRIES; i++) {
        fds[i] = client_connect(port);
    }
    for (int i = 0; i < TRIES; i++) {
        bool closed = false;
        client_read(fds[i], bytes, sizeof bytes, i < LIMIT ? 100 : 10000, &closed);
        refused += closed;
    }
    assert_int_equal(refused, TRIES - LIMIT);
    for (int i = 0; i < TRIES; i++) {
        close(fds[i]);
    }
    /* Those that left make room again. */
    for (int i = 0; i < LIMIT; i++) {
        peer_wait(&server, TRP_SESSION_DOWN);
    }
    peer client;
    peer_create(&client, "client", PEER_COOKIE, 1, NULL);
    peer_dial(&client, port, NULL);
    peer_start(&client);
    peer_wait(&client, TRP_SESSION_UP);
    peer_stop_and_destroy(&client);
    peer_stop_and_destroy(&server);
}

/* ---- a peer that never reads ---- */

static void flood_handle(trp_ctx *ctx, void *state, trp_message *message) {
    enum { MESSAGES = 200, SIZE = 32768 };
    trp_pid *to = state;
    (void)message;
    for (int i = 0; i < MESSAGES; i++) {
        trp_message *big = trp_message_new_bytes(ctx, NULL, SIZE);
        if (big != NULL) {
            memset(trp_message_body(big), 'x', SIZE);
        }
        trp_send(ctx, *to, big);
    }
}

static int flood_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)arg;
    int error = trp_remote_name(ctx, "client", "upper", state);
    return error == TRP_OK ? trp_send(ctx, trp_self(ctx), trp_message_new_bytes(ctx, NULL, 0))
                           : error;
}

static const trp_behaviour flood_behaviour = {
    TRP_BEHAVIOUR("flood"),
    .state_size = sizeof(trp_pid),
    .init = flood_init,
    .handle = flood_handle,
};

static int spawn_flood(trp_ctx *ctx, void *arg) {
    (void)arg;
    return trp_spawn(ctx, &flood_behaviour, NULL, NULL);
}

/* Holds a scheduler's thread until told to go on: to its peers, a node that has stopped reading. */
typedef struct hold {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool released;
} hold;

static void hold_thread(trp_ctx *ctx, void *arg) {
    hold *held = arg;
    (void)ctx;
    pthread_mutex_lock(&held->lock);
    while (!held->released) {
        pthread_cond_wait(&held->changed, &held->lock);
    }
    pthread_mutex_unlock(&held->lock);
}

static void test_peer_that_never_reads_is_lost(void **state) {
    peer server;
    peer client;
    hold held = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    (void)state;
    const trp_tcp_listen_options options = {
        .size = sizeof options,
        .write_deadline_ns = 400 * TRP_NS_PER_MS,
        .socket_bytes = 8192, /* less than a session's credit, so that the socket fills up first */
    };
    const trp_tcp_dial_options dial = {.size = sizeof dial, .socket_bytes = 8192};
    peer_create(&server, "server", PEER_COOKIE, 1, NULL);
    peer_create(&client, "client", PEER_COOKIE, 1, NULL);
    peer_spawn_upper(&client);
    peer_dial(&client, peer_listen(&server, 0, &options), &dial);
    peer_start(&server);
    peer_start(&client);
    peer_wait(&server, TRP_SESSION_UP);
    peer_wait(&client, TRP_SESSION_UP);
    peer_ask(&server, "client", "upper", "brings the client's credit");
    assert_int_equal(trp_native_call(client.native, 0, hold_thread, &held), TRP_OK);
    assert_int_equal(trp_native_call_wait(server.native, 0, spawn_flood, NULL), TRP_OK);
    peer_event down = peer_wait(&server, TRP_SESSION_DOWN);
    assert_int_equal(down.error, TRP_ETIMEOUT);
    pthread_mutex_lock(&held.lock);
    held.released = true;
    pthread_cond_signal(&held.changed);
    pthread_mutex_unlock(&held.lock);
    peer_wait(&client, TRP_SESSION_DOWN);
    peer_stop_and_destroy(&client);
    peer_stop_and_destroy(&server);
}

static void test_much_data_arrives_whole_under_backpressure(void **state) {
    peer server;
    peer client;
    (void)state;
    peer_create(&server, "server", PEER_COOKIE, 1, NULL);
    peer_create(&client, "client", PEER_COOKIE, 1, NULL);
    peer_spawn_upper(&client);
    peer_dial(&client, peer_listen(&server, 0, NULL), NULL);
    peer_start(&server);
    peer_start(&client);
    peer_wait(&server, TRP_SESSION_UP);
    assert_int_equal(trp_native_call_wait(server.native, 0, spawn_flood, NULL), TRP_OK);
    /* Behind six megabytes on the same way: the answer says that they have all gone through. */
    assert_string_equal(peer_ask(&server, "client", "upper", "through").text, "THROUGH");
    assert_int_equal(peer_count(&server, TRP_SESSION_DOWN), 0);
    peer_stop_and_destroy(&client);
    peer_stop_and_destroy(&server);
}

/* ---- another process ---- */

static _Noreturn void be_peer(const char *port) {
    peer self;
    peer_create(&self, "other", PEER_COOKIE, 1, NULL);
    peer_spawn_upper(&self);
    printf("%u\n", peer_listen(&self, (uint16_t)atoi(port), NULL));
    fflush(stdout);
    peer_start(&self);
    for (;;) {
        pause(); /* until killed */
    }
}

/* Starts the other process, which listens on `port`; returns the one it got. */
static pid_t start_peer(uint16_t *port) {
    int out[2];
    char text[16];
    assert_int_equal(pipe(out), 0);
    snprintf(text, sizeof text, "%u", *port);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(out[1], STDOUT_FILENO);
        execl(program, program, "peer", text, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    ssize_t length = read(out[0], text, sizeof text - 1);
    assert_true(length > 0);
    text[length] = '\0';
    close(out[0]);
    *port = (uint16_t)atoi(text);
    assert_int_not_equal(*port, 0);
    return child;
}

static void kill_peer(pid_t child) {
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void test_killed_process_gives_noconnection_and_is_found_again(void **state) {
    peer client;
    uint16_t port = 0;
    (void)state;
    pid_t child = start_peer(&port);
    peer_create(&client, "client", PEER_COOKIE, 2, NULL);
    peer_dial(&client, port, NULL);
    peer_start(&client);
    peer_wait(&client, TRP_SESSION_UP);
    assert_string_equal(peer_ask(&client, "other", "upper", "alive").text, "ALIVE");
    peer_question *pending = peer_ask_begin(&client, "other", "upper", "?");
    assert_string_equal(peer_ask(&client, "other", "upper", "behind it").text, "BEHIND IT");
    kill_peer(child);
    assert_int_equal(peer_ask_end(pending).error, TRP_ENOCONNECTION);
    assert_true(peer_wait(&client, TRP_SESSION_DOWN).retry_ns <= 250 * TRP_NS_PER_MS);
    assert_int_equal(peer_ask(&client, "other", "upper", "dead").error, TRP_ENOCONNECTION);
    child = start_peer(&port);
    peer_wait(&client, TRP_SESSION_UP);
    assert_string_equal(peer_ask(&client, "other", "upper", "again").text, "AGAIN");
    kill_peer(child);
    peer_stop_and_destroy(&client);
}

/* ---- dialling and listening ---- */

static void test_dialler_waits_longer_each_time_until_somebody_listens(void **state) {
    peer client;
    peer server;
    uint64_t last = 0;
    (void)state;
    peer_create(&server, "server", PEER_COOKIE, 1, NULL);
    uint16_t port = peer_listen(&server, 0, NULL);
    trp_native_destroy(server.native); /* a port where nobody listens */
    const trp_tcp_dial_options options = {
        .size = sizeof options,
        .backoff_min_ns = 20 * TRP_NS_PER_MS,
        .backoff_max_ns = 80 * TRP_NS_PER_MS,
    };
    peer_create(&client, "client", PEER_COOKIE, 1, NULL);
    peer_dial(&client, port, &options);
    peer_start(&client);
    for (int i = 0; i < 5; i++) {
        peer_event down = peer_wait(&client, TRP_SESSION_DOWN);
        assert_int_equal(down.error, TRP_ENOCONNECTION);
        assert_in_range(down.retry_ns, 10 * TRP_NS_PER_MS, 80 * TRP_NS_PER_MS);
        last = down.retry_ns;
    }
    assert_true(last >= 40 * TRP_NS_PER_MS);
    peer_create(&server, "server", PEER_COOKIE, 1, NULL);
    peer_listen(&server, port, NULL);
    peer_start(&server);
    peer_wait(&client, TRP_SESSION_UP);
    peer_stop_and_destroy(&client);
    peer_stop_and_destroy(&server);
}

static void test_dialling_once_is_not_repeated(void **state) {
    peer client;
    peer server;
    (void)state;
    peer_create(&server, "server", PEER_COOKIE, 1, NULL);
    uint16_t port = peer_listen(&server, 0, NULL);
    trp_native_destroy(server.native);
    const trp_tcp_dial_options options = {.size = sizeof options, .once = true};
    peer_create(&client, "client", PEER_COOKIE, 1, NULL);
    peer_dial(&client, port, &options);
    peer_start(&client);
    assert_true(peer_wait(&client, TRP_SESSION_DOWN).retry_ns == TRP_NEVER);
    peer_stop_and_destroy(&client);
}

static void test_listening_errors_are_told(void **state) {
    static const char *const bad[] = {
        "",      "localhost",   "127.0.0.1:", "127.0.0.1:65536",       "::1:80",
        "[::1]", "127.0.0.1:x", "/:1",        "no.such.host.invalid:0"};
    peer server;
    char address[32];
    char why[128] = "";
    trp_tcp_listener *listener = NULL;
    trp_tcp_dialler *dialler = NULL;
    (void)state;
    peer_create(&server, "server", PEER_COOKIE, 1, NULL);
    snprintf(address, sizeof address, "127.0.0.1:%u", peer_listen(&server, 0, NULL));
    trp_tcp_listen_options options = {
        .size = sizeof options,
        .address = address,
        .why = why,
        .why_size = sizeof why,
    };
    assert_int_equal(trp_tcp_listen(server.native, &options, &listener), TRP_EADDRINUSE);
    assert_non_null(strstr(why, "in use"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        options.address = bad[i];
        why[0] = '\0';
        assert_int_equal(trp_tcp_listen(server.native, &options, &listener), TRP_EINVAL);
        assert_string_not_equal(why, "");
    }
    const trp_tcp_dial_options dial = {.size = sizeof dial, .address = "nowhere"};
    assert_int_equal(trp_tcp_dial(server.native, &dial, &dialler), TRP_EINVAL);
    assert_null(listener);
    assert_null(dialler);
    trp_native_destroy(server.native);
}

static void test_closed_listener_frees_its_port_and_keeps_its_sessions(void **state) {
    peer server;
    peer client;
    trp_tcp_listener *listener = NULL;
    trp_tcp_listener *second = NULL;
    (void)state;
    peer_create(&server, "server", PEER_COOKIE, 2, NULL);
    peer_create(&client, "client", PEER_COOKIE, 1, NULL);
    peer_spawn_upper(&server);
    trp_tcp_listen_options options = {
        .size = sizeof options, .address = "127.0.0.1:0", .scheduler = 1};
    assert_int_equal(trp_tcp_listen(server.native, &options, &listener), TRP_OK);
    peer_dial(&client, trp_tcp_listener_port(listener), NULL);
    peer_start(&server);
    peer_start(&client);
    peer_wait(&client, TRP_SESSION_UP);
    char address[64];
    snprintf(address, sizeof address, "%s", trp_tcp_listener_address(listener));
    assert_int_equal(trp_tcp_listener_close(server.native, listener), TRP_OK);
    assert_string_equal(peer_ask(&client, "server", "upper", "still here").text, "STILL HERE");
    options.address = address;
    assert_int_equal(trp_tcp_listen(server.native, &options, &second), TRP_OK);
    peer_stop_and_destroy(&client);
    peer_stop_and_destroy(&server);
}

int main(int argc, char **argv) {
    program = argv[0];
    if (argc == 3 && strcmp(argv[1], "peer") == 0) {
        be_peer(argv[2]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_crosses_between_two_runtimes),
        cmocka_unit_test(test_both_sides_can_ask),
        cmocka_unit_test(test_stopping_a_node_ends_the_session_in_good_order),
        cmocka_unit_test(test_closed_dialler_does_not_return),
        cmocka_unit_test(test_destroy_with_a_live_session_is_clean),
        cmocka_unit_test(test_hosts_that_never_start_close_what_they_opened),
        cmocka_unit_test(test_wrong_cookie_is_refused_for_good),
        cmocka_unit_test(test_silent_peer_is_shown_the_door),
        cmocka_unit_test(test_trickling_peer_gains_no_time),
        cmocka_unit_test(test_garbage_ends_the_connection),
        cmocka_unit_test(test_unproved_connections_are_limited),
        cmocka_unit_test(test_peer_that_never_reads_is_lost),
        cmocka_unit_test(test_much_data_arrives_whole_under_backpressure),
        cmocka_unit_test(test_killed_process_gives_noconnection_and_is_found_again),
        cmocka_unit_test(test_dialler_waits_longer_each_time_until_somebody_listens),
        cmocka_unit_test(test_dialling_once_is_not_repeated),
        cmocka_unit_test(test_listening_errors_are_told),
        cmocka_unit_test(test_closed_listener_frees_its_port_and_keeps_its_sessions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
