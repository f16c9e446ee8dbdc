/*
 * Addresses as texts: `host:port`, `[ipv6]:port`, `scheme://host:port`.
 */
#ifndef TRPI_ADDRESS_H
#define TRPI_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

typedef struct trpi_address {
    char host[256]; /* name or number, without brackets */
    char port[6];   /* decimal */
} trpi_address;

/* Room for `[ipv6]:port`. */
#define TRPI_ADDRESS_TEXT 64

/* Reads `text`, of which `scheme` ("tcp://") may be the beginning. TRP_EINVAL. */
int trpi_address_parse(const char *text, const char *scheme, trpi_address *out);

/*
 * The first socket address of `address` to listen on. Waits for the resolver. TRP_EINVAL if there
 * is none.
 */
int trpi_address_resolve(const trpi_address *address, struct sockaddr_storage *out);

/* Writes `number:port` of a socket address, "?" if it has none. */
void trpi_address_format(const struct sockaddr *socket_address, char text[TRPI_ADDRESS_TEXT]);

/* Port of a socket address. */
uint16_t trpi_address_port(const struct sockaddr *socket_address);

/* The TRP_E* that stands for an error of libuv. */
int trpi_error_from_uv(int error);

/* Writes `text` to a caller's optional buffer. */
void trpi_explain(char *why, size_t why_size, const char *text);

#endif
