/*
 * Addresses as texts. See address.h.
 */
#include "address.h"

#include "troupe/error.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

static bool parse_port(const char *text, char port[6]) {
    unsigned value = 0;
    size_t length = strlen(text);
    if (length == 0 || length > 5) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    memcpy(port, text, length + 1);
    return value <= 65535;
}

int trpi_address_parse(const char *text, const char *scheme, trpi_address *out) {
    if (text == NULL) {
        return TRP_EINVAL;
    }
    if (strncmp(text, scheme, strlen(scheme)) == 0) {
        text += strlen(scheme);
    }
    const char *colon = strrchr(text, ':');
    const char *host = text;
    if (colon == NULL) {
        return TRP_EINVAL;
    }
    size_t length = (size_t)(colon - text);
    if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
        host++;
        length -= 2;
    } else if (memchr(host, ':', length) != NULL) {
        return TRP_EINVAL; /* IPv6 without brackets */
    }
    trpi_address address;
    if (length == 0 || length >= sizeof address.host || memchr(host, '/', length) != NULL ||
        !parse_port(colon + 1, address.port)) {
        return TRP_EINVAL;
    }
    memcpy(address.host, host, length);
    address.host[length] = '\0';
    *out = address;
    return TRP_OK;
}

int trpi_address_resolve(const trpi_address *address, struct sockaddr_storage *out) {
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
    };
    struct addrinfo *found = NULL;
    if (getaddrinfo(address->host, address->port, &hints, &found) != 0) {
        return TRP_EINVAL;
    }
    memset(out, 0, sizeof *out);
    memcpy(out, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return TRP_OK;
}

uint16_t trpi_address_port(const struct sockaddr *socket_address) {
    if (socket_address->sa_family == AF_INET) {
        return ntohs(((const struct sockaddr_in *)(const void *)socket_address)->sin_port);
    }
    if (socket_address->sa_family == AF_INET6) {
        return ntohs(((const struct sockaddr_in6 *)(const void *)socket_address)->sin6_port);
    }
    return 0;
}

void trpi_address_format(const struct sockaddr *socket_address, char text[TRPI_ADDRESS_TEXT]) {
    char host[INET6_ADDRSTRLEN];
    unsigned port = trpi_address_port(socket_address);
    if (socket_address->sa_family == AF_INET &&
        uv_ip4_name((const struct sockaddr_in *)(const void *)socket_address, host, sizeof host) ==
            0) {
        snprintf(text, TRPI_ADDRESS_TEXT, "%s:%u", host, port);
    } else if (socket_address->sa_family == AF_INET6 &&
               uv_ip6_name((const struct sockaddr_in6 *)(const void *)socket_address, host,
                           sizeof host) == 0) {
        snprintf(text, TRPI_ADDRESS_TEXT, "[%s]:%u", host, port);
    } else {
        snprintf(text, TRPI_ADDRESS_TEXT, "?");
    }
}

int trpi_error_from_uv(int error) {
    switch (error) {
    case 0:
        return TRP_OK;
    case UV_EADDRINUSE:
        return TRP_EADDRINUSE;
    case UV_ENOMEM:
        return TRP_ENOMEM;
    case UV_ETIMEDOUT:
        return TRP_ETIMEOUT;
    case UV_EADDRNOTAVAIL:
    case UV_EINVAL:
        return TRP_EINVAL;
    case UV_EOF:
        return TRP_ECLOSED;
    default:
        return TRP_EIO;
    }
}

void trpi_explain(char *why, size_t why_size, const char *text) {
    if (why != NULL && why_size > 0) {
        snprintf(why, why_size, "%s", text);
    }
}
