/*
 * Sessions over WebSocket, as a client sees them that keeps to RFC 6455, or does not. Real pages
 * are tested in a browser, end to end; here are the ways out that no browser takes.
 */
#include "client.h"
#include "peer.h"
#include "troupe/native_http.h"
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { TEXT = 1, BINARY = 2, CONTINUATION = 0, CLOSE = 8, PING = 9, PONG = 10, FINAL = 0x80 };

static peer server;
static uint16_t port;
static unsigned char bytes[256 * 1024];

static void keep_event(void *arg, const trp_session_event *event) {
    (void)arg;
    pthread_mutex_lock(&server.lock);
    if (server.events_len < PEER_EVENTS) {
        peer_event *kept = &server.events[server.events_len++];
        kept->state = event->state;
        kept->error = event->error;
    }
    pthread_cond_broadcast(&server.changed);
    pthread_mutex_unlock(&server.lock);
}

static int setup(void **state) {
    (void)state;
    const trp_node_config node = {.size = sizeof node, .handshake_ns = 600 * TRP_NS_PER_MS};
    const trp_http_options options = {
        .size = sizeof options,
        .address = "127.0.0.1:0",
        .message_max = 100000,
        .on_event = keep_event,
    };
    trp_http_server *http = NULL;
    peer_create(&server, "server", PEER_COOKIE, 1, &node);
    assert_int_equal(trp_http_listen(server.native, &options, &http), TRP_OK);
    port = trp_http_server_port(http);
    peer_start(&server);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    peer_stop_and_destroy(&server);
    return 0;
}

/* ---- a client ---- */

static int open_websocket(void) {
    char request[512];
    char response[2048];
    snprintf(request, sizeof request,
             "GET /troupe HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nOrigin: http://127.0.0.1:%u\r\n"
             "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
             "Sec-WebSocket-Protocol: troupe.v1\r\n\r\n",
             port, port);
    int fd = client_connect(port);
    client_send_text(fd, request);
    /* Exactly the headers: frames may follow at once. */
    size_t length = 0;
    while (length + 1 < sizeof response &&
           client_read(fd, response + length, 2, 10000, NULL) == 1) {
        length++;
        if (length >= 4 && memcmp(response + length - 4, "\r\n\r\n", 4) == 0) {
            break;
        }
    }
    response[length] = '\0';
    assert_non_null(strstr(response, " 101 "));
    assert_non_null(strstr(response, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")); /* RFC 6455, 1.3 */
    return fd;
}

/* Sends the head of a masked frame, under a mask of zeros. */
static bool send_head(int fd, unsigned first, size_t length) {
    unsigned char head[14] = {(unsigned char)first, 0};
    size_t at = 2;
    if (length < 126) {
        head[1] = (unsigned char)(0x80 | length);
    } else {
        head[1] = 0x80 | 127;
        for (int i = 0; i < 8; i++) {
            head[at++] = (unsigned char)((uint64_t)length >> (56 - 8 * i));
        }
    }
    return client_send(fd, head, at + 4);
}

static void send_frame(int fd, unsigned first, const void *payload, size_t length) {
    send_head(fd, first, length);
    client_send(fd, payload, length);
}

/* Status of the close frame among `length` bytes of frames, 0 if there is none yet. */
static unsigned find_close(size_t length) {
    size_t at = 0;
    while (at + 4 <= length) {
        size_t payload = bytes[at + 1] & 127u;
        size_t head = payload == 126 ? 4 : 2;
        assert_int_not_equal(payload, 127);
        if (payload == 126) {
            payload = (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        }
        if ((bytes[at] & 15) == CLOSE) {
            return payload < 2 ? 0 : (unsigned)bytes[at + head] << 8 | bytes[at + head + 1];
        }
        at += head + payload;
    }
    return 0;
}

/* Reads until the server closes, and returns its close frame as one should. 0 if there was none. */
static unsigned read_close(int fd) {
    bool closed = false;
    unsigned status = 0;
    size_t length = 0;
    for (int i = 0; i < 500 && !closed; i++) {
        length += client_read(fd, (char *)bytes + length, sizeof bytes - length, 20, &closed);
        if (status == 0 && find_close(length) != 0) {
            status = find_close(length);
            send_frame(fd, FINAL | CLOSE, "\x03\xE8", 2);
        }
    }
    assert_true(closed);
    close(fd);
    return status;
}

/* ---- tests ---- */

static void test_text_messages_are_refused(void **state) {
    (void)state;
    int fd = open_websocket();
    send_frame(fd, FINAL | TEXT, "hello", 5);
    assert_int_equal(read_close(fd), 1003);
    assert_int_equal(peer_wait(&server, TRP_SESSION_DOWN).error, TRP_EPROTO);
}

static void test_too_large_messages_are_refused(void **state) {
    (void)state;
    static const char junk[4096];
    int fd = open_websocket();
    send_head(fd, FINAL | BINARY, 200000);
    for (int i = 0; i < 50 && client_send(fd, junk, sizeof junk); i++) {
    }
    read_close(fd); /* 1009, 1002, or a reset that swallowed it */
    peer_wait(&server, TRP_SESSION_DOWN);
}

static void test_a_message_of_endless_fragments_is_refused(void **state) {
    (void)state;
    static const char junk[4096] = {0};
    int fd = open_websocket();
    send_frame(fd, BINARY, junk, sizeof junk);
    bool sent = true;
    for (int i = 0; i < 10000 && sent; i++) {
        sent = send_head(fd, CONTINUATION, sizeof junk) && client_send(fd, junk, sizeof junk);
    }
    assert_int_not_equal(peer_wait(&server, TRP_SESSION_DOWN).error, TRP_OK);
    read_close(fd); /* what is sent after the limit is thrown away until the connection is cut */
}

static void test_garbage_frames_end_the_session(void **state) {
    (void)state;
    int fd = open_websocket();
    send_frame(fd, FINAL | BINARY, "GET / HTTP/1.1 and no frame at all", 34);
    unsigned status = read_close(fd);
    assert_true(status == 1002 || status == 1008);
    assert_int_equal(peer_wait(&server, TRP_SESSION_DOWN).error, TRP_EPROTO);
}

static void test_unmasked_frames_do_no_harm(void **state) {
    (void)state;
    int fd = open_websocket();
    client_send(fd, "\x82\x05hello\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 19);
    read_close(fd);
    peer_wait(&server, TRP_SESSION_DOWN);
}

static void test_silent_session_is_shown_the_door(void **state) {
    (void)state;
    int fd = open_websocket();
    unsigned status = read_close(fd);
    assert_int_not_equal(status, 0);
    peer_wait(&server, TRP_SESSION_DOWN);
}

static void test_trickling_session_gains_no_time(void **state) {
    struct timespec began;
    struct timespec now;
    bool closed = false;
    (void)state;
    int fd = open_websocket();
    clock_gettime(CLOCK_MONOTONIC, &began);
    now = began;
    while (!closed && now.tv_sec - began.tv_sec < 10) {
        send_frame(fd, FINAL | PING, "", 0);
        send_frame(fd, FINAL | BINARY, "\0", 1);
        client_read(fd, (char *)bytes, sizeof bytes, 50, &closed);
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
    assert_true(closed);
    close(fd);
    peer_wait(&server, TRP_SESSION_DOWN);
}

static void test_vanished_client_is_noticed(void **state) {
    (void)state;
    close(open_websocket());
    peer_wait(&server, TRP_SESSION_DOWN);
    int fd = open_websocket();
    send_head(fd, FINAL | BINARY, 1000); /* and never sends them */
    close(fd);
    peer_wait(&server, TRP_SESSION_DOWN);
    fd = open_websocket();
    send_frame(fd, FINAL | CLOSE, "\x03\xE8", 2);
    read_close(fd);
    peer_wait(&server, TRP_SESSION_DOWN);
}

static void test_stopping_says_goodbye(void **state) {
    (void)state;
    int fd = open_websocket();
    peer_stop_and_destroy(&server);
    unsigned status = read_close(fd);
    setup(state); /* for the teardown */
    assert_int_not_equal(status, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_messages_are_refused),
        cmocka_unit_test(test_too_large_messages_are_refused),
        cmocka_unit_test(test_a_message_of_endless_fragments_is_refused),
        cmocka_unit_test(test_garbage_frames_end_the_session),
        cmocka_unit_test(test_unmasked_frames_do_no_harm),
        cmocka_unit_test(test_silent_session_is_shown_the_door),
        cmocka_unit_test(test_trickling_session_gains_no_time),
        cmocka_unit_test(test_vanished_client_is_noticed),
        cmocka_unit_test(test_stopping_says_goodbye),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
