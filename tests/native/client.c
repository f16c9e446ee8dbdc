/*
 * A plain TCP client. See client.h.
 */
#include "client.h"
#include "cmocka_all.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_MS 10000

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int client_connect(uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr = {htonl(INADDR_LOOPBACK)},
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

bool client_send(int fd, const void *bytes, size_t length) {
    const char *at = bytes;
    while (length > 0) {
        ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        at += sent;
        length -= (size_t)sent;
    }
    return true;
}

bool client_send_text(int fd, const char *text) {
    return client_send(fd, text, strlen(text));
}

/* Reads once. -1: nothing came in time; 0: closed. */
static ssize_t read_some(int fd, char *bytes, size_t size, int64_t until_ms) {
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    int64_t left = until_ms - now_ms();
    if (poll(&waiting, 1, left > 0 ? (int)left : 0) <= 0) {
        return -1;
    }
    ssize_t got = recv(fd, bytes, size, 0);
    return got < 0 ? 0 : got; /* a reset is a close, too */
}

size_t client_read(int fd, char *bytes, size_t size, int deadline_ms, bool *closed) {
    int64_t until_ms = now_ms() + deadline_ms;
    size_t length = 0;
    ssize_t got = 1;
    while (length + 1 < size && got > 0) {
        got = read_some(fd, bytes + length, size - 1 - length, until_ms);
        length += got > 0 ? (size_t)got : 0;
    }
    bytes[length] = '\0';
    if (closed != NULL) {
        *closed = got == 0;
    }
    return length;
}

/* Bytes of the response in `bytes`, SIZE_MAX while its headers are not complete. */
static size_t response_length(const char *bytes) {
    const char *end = strstr(bytes, "\r\n\r\n");
    if (end == NULL) {
        return SIZE_MAX;
    }
    size_t length = (size_t)(end - bytes) + 4;
    const char *announced = strcasestr(bytes, "\r\ncontent-length:");
    if (announced != NULL && announced < end) {
        length += strtoul(announced + strlen("\r\ncontent-length:"), NULL, 10);
    }
    return length;
}

int client_read_response(int fd, char *bytes, size_t size) {
    int64_t until_ms = now_ms() + DEADLINE_MS;
    size_t length = 0;
    bytes[0] = '\0';
    while (length + 1 < size && length < response_length(bytes)) {
        ssize_t got = read_some(fd, bytes + length, size - 1 - length, until_ms);
        if (got <= 0) {
            break;
        }
        length += (size_t)got;
        bytes[length] = '\0';
    }
    return strncmp(bytes, "HTTP/1.", 7) == 0 ? atoi(bytes + 9) : 0;
}

int client_request(uint16_t port, const char *request, char *response, size_t size) {
    int fd = client_connect(port);
    client_send_text(fd, request);
    int status = client_read_response(fd, response, size);
    close(fd);
    return status;
}
