/*
 * HMAC-SHA-256 (RFC 2104 over FIPS 180-4), small and portable, for tests and simulations. Real
 * hosts use their platform's.
 */
#ifndef TEST_HMAC_SHA256_H
#define TEST_HMAC_SHA256_H

#include <stddef.h>
#include <stdint.h>

/* Writes the SHA-256 digest of `data`. */
void trpi_sha256(const void *data, size_t length, uint8_t digest[32]);

/* Has the signature of trp_host.hmac_sha256; `self` is not used. Always 0. */
int trpi_hmac_sha256(void *self, const void *key, size_t key_length, const void *data,
                     size_t data_length, uint8_t mac[32]);

#endif
