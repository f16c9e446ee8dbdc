/*
 * A plain TCP client with deadlines, to talk to servers under test in ways no decent client would.
 */
#ifndef TEST_NATIVE_CLIENT_H
#define TEST_NATIVE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Connects to 127.0.0.1. Fails the test if it cannot. */
int client_connect(uint16_t port);

/* Sends all of it. False if the other side has closed. */
bool client_send(int fd, const void *bytes, size_t length);
bool client_send_text(int fd, const char *text);

/*
 * Reads up to `size` - 1 bytes, until the other side closes or `deadline_ms` pass, and ends them
 * with a zero. Returns their number; `closed` (may be NULL) tells whether the other side closed.
 */
size_t client_read(int fd, char *bytes, size_t size, int deadline_ms, bool *closed);

/*
 * Reads one HTTP response: headers and as much body as they announce. Returns its status, 0 if none
 * came.
 */
int client_read_response(int fd, char *bytes, size_t size);

/*
 * One request on a connection of its own. Returns the status, 0 if the connection was closed
 * without one.
 */
int client_request(uint16_t port, const char *request, char *response, size_t size);

#endif
