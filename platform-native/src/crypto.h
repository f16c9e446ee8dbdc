/*
 * The host's cryptography: entropy from the operating system, HMAC from OpenSSL.
 */
#ifndef TRPI_CRYPTO_H
#define TRPI_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

/* Fills `bytes` with unpredictable bytes. 0 or TRP_EIO. Any thread. */
int trpi_entropy(void *bytes, size_t length);

/* HMAC-SHA-256 (RFC 2104). 0 or TRP_EIO. Any thread. */
int trpi_hmac_sha256(const void *key, size_t key_length, const void *data, size_t data_length,
                     uint8_t mac[32]);

/* Compares in a time that does not depend on the contents. */
int trpi_secret_differs(const void *a, const void *b, size_t length);

/* Overwrites a secret in a way the compiler does not remove. */
void trpi_secret_wipe(void *bytes, size_t length);

#endif
