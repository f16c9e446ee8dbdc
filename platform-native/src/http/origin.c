/*
 * Host and Origin. A browser sends Origin truthfully, so comparing it with our own origin keeps
 * foreign pages out, provided that we know our own origin. Taking it from the Host header alone
 * would let anybody in who makes a host name of his point to our address (DNS rebinding): then Host
 * and Origin agree. A numeric Host cannot be made to point elsewhere, and `localhost` resolves to
 * the loopback in browsers, so these and the configured names are all that count.
 */
#include "http/origin.h"

#include "troupe/error.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What is behind `://`, NULL if `origin` is not of the form http(s)://host[:port]. */
static const char *authority_of(const char *origin) {
    const char *start = NULL;
    if (strncmp(origin, "http://", 7) == 0) {
        start = origin + 7;
    } else if (strncmp(origin, "https://", 8) == 0) {
        start = origin + 8;
    }
    if (start == NULL || *start == '\0' || strlen(origin) >= TRPI_ORIGIN_MAX ||
        strpbrk(start, "/?#@ ") != NULL) {
        return NULL;
    }
    return start;
}

int trpi_origins_init(trpi_origins *origins, const char *const *extra, const char **bad) {
    size_t len = 0;
    while (extra != NULL && extra[len] != NULL) {
        if (authority_of(extra[len]) == NULL) {
            *bad = extra[len];
            return TRP_EINVAL;
        }
        len++;
    }
    origins->extra = calloc(len + 1, sizeof *origins->extra);
    if (origins->extra == NULL) {
        return TRP_ENOMEM;
    }
    for (size_t i = 0; i < len; i++) {
        memcpy(origins->extra[i], extra[i], strlen(extra[i]) + 1);
    }
    origins->extra_len = len;
    return TRP_OK;
}

void trpi_origins_deinit(trpi_origins *origins) {
    free(origins->extra);
    origins->extra = NULL;
}

void trpi_origins_bind(trpi_origins *origins, const char *host, uint16_t port) {
    snprintf(origins->host, sizeof origins->host, "%s", host);
    origins->port = port;
    origins->is_loopback = strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
    origins->is_any = strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* Splits `name[:port]` or `[ipv6][:port]`; port 80 if there is none. */
static bool split_host(const char *text, char name[256], unsigned *port) {
    size_t length = strcspn(text, text[0] == '[' ? "]" : ":");
    const char *rest = text + length;
    bool has_bracket = text[0] == '[';
    if (has_bracket && *rest != ']') {
        return false;
    }
    const char *start = has_bracket ? text + 1 : text;
    length = (size_t)(rest - start);
    rest += has_bracket;
    if (length == 0 || length >= 256) {
        return false;
    }
    memcpy(name, start, length);
    name[length] = '\0';
    *port = 80;
    if (*rest == '\0') {
        return true;
    }
    size_t digits = strspn(rest + 1, "0123456789");
    if (*rest != ':' || digits == 0 || digits > 5 || rest[1 + digits] != '\0') {
        return false;
    }
    *port = (unsigned)strtoul(rest + 1, NULL, 10);
    return true;
}

static bool is_numeric(const char *name) {
    unsigned char bytes[16];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

bool trpi_origin_of_host(const trpi_origins *origins, const char *host, char out[TRPI_ORIGIN_MAX]) {
    for (size_t i = 0; i < origins->extra_len; i++) {
        if (strcasecmp(authority_of(origins->extra[i]), host) == 0) {
            memcpy(out, origins->extra[i], TRPI_ORIGIN_MAX);
            return true;
        }
    }
    char name[256];
    unsigned port;
    if (!split_host(host, name, &port) || port != origins->port) {
        return false;
    }
    bool is_ours =
        strcmp(name, origins->host) == 0 || (origins->is_any && is_numeric(name)) ||
        ((origins->is_loopback || origins->is_any) && strcasecmp(name, "localhost") == 0);
    if (!is_ours) {
        return false;
    }
    /* As a browser writes it: lower case, the default port left out. */
    const char *format = strchr(name, ':') != NULL ? "http://[%s]" : "http://%s";
    int length = snprintf(out, TRPI_ORIGIN_MAX, format, name);
    if (port != 80) {
        snprintf(out + length, TRPI_ORIGIN_MAX - (size_t)length, ":%u", port);
    }
    for (char *at = out; *at != '\0'; at++) {
        *at = (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at);
    }
    return true;
}

bool trpi_origin_is_allowed(const trpi_origins *origins, const char *own, const char *origin) {
    if (strcmp(own, origin) == 0) {
        return true;
    }
    for (size_t i = 0; i < origins->extra_len; i++) {
        if (strcmp(origins->extra[i], origin) == 0) {
            return true;
        }
    }
    return false;
}
