/*
 * The host's cryptography. See crypto.h.
 */
#include "crypto.h"

#include "troupe/error.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <uv.h>

int trpi_entropy(void *bytes, size_t length) {
    /* Without a loop and a callback uv_random is synchronous. */
    return uv_random(NULL, NULL, bytes, length, 0, NULL) == 0 ? TRP_OK : TRP_EIO;
}

int trpi_hmac_sha256(const void *key, size_t key_length, const void *data, size_t data_length,
                     uint8_t mac[32]) {
    unsigned length = 0;
    if (key_length > INT_MAX) {
        return TRP_EINVAL;
    }
    /* HMAC takes a NULL key for "the last one", so an empty key needs an address. */
    const void *start = key == NULL ? "" : key;
    if (HMAC(EVP_sha256(), start, (int)key_length, data, data_length, mac, &length) == NULL) {
        return TRP_EIO;
    }
    return length == 32 ? TRP_OK : TRP_EIO;
}

int trpi_secret_differs(const void *a, const void *b, size_t length) {
    return CRYPTO_memcmp(a, b, length);
}

void trpi_secret_wipe(void *bytes, size_t length) {
    OPENSSL_cleanse(bytes, length);
}
