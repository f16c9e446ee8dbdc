/*
 * Tokens that pages show when they open a session.
 */
#ifndef TRPI_HTTP_TOKEN_H
#define TRPI_HTTP_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What tokens are signed with: random, never leaves the process. */
typedef struct trpi_token_key {
    uint8_t bytes[32];
} trpi_token_key;

/* Length of a token, a text of hexadecimal digits; plus a zero in `text`. */
#define TRPI_TOKEN_LENGTH 112

int trpi_token_key_init(trpi_token_key *key);
void trpi_token_key_deinit(trpi_token_key *key);

/* Makes a token for pages of `origin`, good until `expires_s` (any clock). 0 or TRP_EIO. */
int trpi_token_make(const trpi_token_key *key, const char *origin, uint64_t expires_s,
                    char text[TRPI_TOKEN_LENGTH + 1]);

/* True if `text` is a token of ours for `origin` that is good at `now_s`. */
bool trpi_token_is_good(const trpi_token_key *key, const char *origin, uint64_t now_s,
                        const char *text, size_t length);

#endif
