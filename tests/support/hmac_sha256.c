/*
 * HMAC-SHA-256 after RFC 2104 and FIPS 180-4. Written for clarity; its only claim is to be right.
 */
#include "hmac_sha256.h"

#include <string.h>

enum { BLOCK = 64, DIGEST = 32 };

typedef struct sha256 {
    uint32_t state[8];
    uint64_t length; /* bytes so far */
    uint8_t pending[BLOCK];
} sha256;

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t value, unsigned bits) {
    return (value >> bits) | (value << (32 - bits));
}

static void schedule(const uint8_t *block, uint32_t words[64]) {
    for (int i = 0; i < 16; i++) {
        const uint8_t *b = block + 4 * i;
        words[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    }
    for (int i = 16; i < 64; i++) {
        uint32_t a = words[i - 15];
        uint32_t b = words[i - 2];
        uint32_t s0 = rotate(a, 7) ^ rotate(a, 18) ^ (a >> 3);
        uint32_t s1 = rotate(b, 17) ^ rotate(b, 19) ^ (b >> 10);
        words[i] = words[i - 16] + s0 + words[i - 7] + s1;
    }
}

static void compress(uint32_t state[8], const uint8_t *block) {
    uint32_t words[64];
    uint32_t v[8];
    schedule(block, words);
    memcpy(v, state, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
        uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
        uint32_t t1 = v[7] + s1 + choice + round_constants[i] + words[i];
        uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
        uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        memmove(v + 1, v, 7 * sizeof v[0]);
        v[4] += t1;
        v[0] = t1 + s0 + majority;
    }
    for (int i = 0; i < 8; i++) {
        state[i] += v[i];
    }
}

static void sha256_init(sha256 *hash) {
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memset(hash, 0, sizeof *hash);
    memcpy(hash->state, start, sizeof start);
}

static void sha256_update(sha256 *hash, const void *data, size_t length) {
    const uint8_t *bytes = data;
    for (size_t i = 0; i < length; i++) {
        hash->pending[hash->length++ % BLOCK] = bytes[i];
        if (hash->length % BLOCK == 0) {
            compress(hash->state, hash->pending);
        }
    }
}

static void sha256_finish(sha256 *hash, uint8_t digest[DIGEST]) {
    uint64_t bits = hash->length * 8;
    uint8_t tail[8];
    for (int i = 0; i < 8; i++) {
        tail[i] = (uint8_t)(bits >> (56 - 8 * i));
    }
    sha256_update(hash, "\x80", 1);
    while (hash->length % BLOCK != BLOCK - 8) {
        sha256_update(hash, "", 1);
    }
    sha256_update(hash, tail, sizeof tail);
    for (int i = 0; i < DIGEST; i++) {
        digest[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
    }
}

void trpi_sha256(const void *data, size_t length, uint8_t digest[32]) {
    sha256 hash;
    sha256_init(&hash);
    sha256_update(&hash, data, length);
    sha256_finish(&hash, digest);
}

static void keyed(const uint8_t key[BLOCK], uint8_t pad, const void *data, size_t length,
                  uint8_t digest[DIGEST]) {
    sha256 hash;
    uint8_t block[BLOCK];
    for (int i = 0; i < BLOCK; i++) {
        block[i] = key[i] ^ pad;
    }
    sha256_init(&hash);
    sha256_update(&hash, block, sizeof block);
    sha256_update(&hash, data, length);
    sha256_finish(&hash, digest);
}

int trpi_hmac_sha256(void *self, const void *key, size_t key_length, const void *data,
                     size_t data_length, uint8_t mac[32]) {
    (void)self;
    uint8_t block[BLOCK] = {0};
    uint8_t inner[DIGEST];
    if (key_length > BLOCK) {
        trpi_sha256(key, key_length, block);
    } else if (key_length > 0) {
        memcpy(block, key, key_length);
    }
    keyed(block, 0x36, data, data_length, inner);
    keyed(block, 0x5c, inner, sizeof inner, mac);
    return 0;
}
