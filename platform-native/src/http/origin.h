/*
 * Which host names are this server's, and which origins may open sessions.
 */
#ifndef TRPI_HTTP_ORIGIN_H
#define TRPI_HTTP_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest origin, with the final zero. */
#define TRPI_ORIGIN_MAX 280

typedef struct trpi_origins {
    char (*extra)[TRPI_ORIGIN_MAX]; /* owned; configured origins */
    size_t extra_len;
    char host[256]; /* numeric address that is listened on, without brackets */
    uint16_t port;
    bool is_loopback;
    bool is_any; /* listens on all addresses */
} trpi_origins;

/*
 * Copies configured origins (NULL-terminated, may be NULL). TRP_EINVAL names the bad one in `bad`,
 * TRP_ENOMEM.
 */
int trpi_origins_init(trpi_origins *origins, const char *const *extra, const char **bad);
void trpi_origins_deinit(trpi_origins *origins);

/* Sets the address that is listened on. */
void trpi_origins_bind(trpi_origins *origins, const char *host, uint16_t port);

/*
 * The origin under which a request with this Host header reached us, in `out`. False if Host is not
 * ours.
 */
bool trpi_origin_of_host(const trpi_origins *origins, const char *host, char out[TRPI_ORIGIN_MAX]);

/* True if pages of `origin` may open sessions here; `own` is what trpi_origin_of_host gave. */
bool trpi_origin_is_allowed(const trpi_origins *origins, const char *own, const char *origin);

#endif
