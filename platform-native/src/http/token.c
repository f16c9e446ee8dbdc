/*
 * Tokens. A token is expiry (8 bytes), nonce (16) and HMAC-SHA-256 over both and the origin (32),
 * in hexadecimal. Signed tokens need no table, so nobody can make the server forget the tokens of
 * others by asking for many. The price is that one may be used again until it expires; it only ever
 * gives a guest's rights, to a page of that origin, which could just as well fetch the next one.
 */
#include "http/token.h"

#include "crypto.h"
#include "troupe/error.h"

#include <string.h>

enum { EXPIRY = 8, NONCE = 16, MAC = 32, SIGNED = EXPIRY + NONCE, BYTES = SIGNED + MAC };

_Static_assert(TRPI_TOKEN_LENGTH == 2 * BYTES, "two digits a byte");

int trpi_token_key_init(trpi_token_key *key) {
    return trpi_entropy(key->bytes, sizeof key->bytes);
}

void trpi_token_key_deinit(trpi_token_key *key) {
    trpi_secret_wipe(key->bytes, sizeof key->bytes);
}

static int sign(const trpi_token_key *key, const char *origin, const uint8_t signed_bytes[SIGNED],
                uint8_t mac[MAC]) {
    uint8_t data[SIGNED + 512];
    size_t origin_length = strlen(origin);
    if (origin_length > sizeof data - SIGNED) {
        return TRP_EINVAL;
    }
    memcpy(data, signed_bytes, SIGNED);
    memcpy(data + SIGNED, origin, origin_length);
    return trpi_hmac_sha256(key->bytes, sizeof key->bytes, data, SIGNED + origin_length, mac);
}

int trpi_token_make(const trpi_token_key *key, const char *origin, uint64_t expires_s,
                    char text[TRPI_TOKEN_LENGTH + 1]) {
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[BYTES];
    for (int i = 0; i < EXPIRY; i++) {
        bytes[i] = (uint8_t)(expires_s >> (56 - 8 * i));
    }
    int error = trpi_entropy(bytes + EXPIRY, NONCE);
    if (error == TRP_OK) {
        error = sign(key, origin, bytes, bytes + SIGNED);
    }
    if (error != TRP_OK) {
        return error;
    }
    for (int i = 0; i < BYTES; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[TRPI_TOKEN_LENGTH] = '\0';
    return TRP_OK;
}

/* Value of a lower-case hexadecimal digit, -1 if it is none. */
static int digit_value(char digit) {
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static bool parse(const char *text, size_t length, uint8_t bytes[BYTES]) {
    if (length != TRPI_TOKEN_LENGTH) {
        return false;
    }
    for (size_t i = 0; i < BYTES; i++) {
        int high = digit_value(text[2 * i]);
        int low = digit_value(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool trpi_token_is_good(const trpi_token_key *key, const char *origin, uint64_t now_s,
                        const char *text, size_t length) {
    uint8_t bytes[BYTES];
    uint8_t mac[MAC];
    if (!parse(text, length, bytes) || sign(key, origin, bytes, mac) != TRP_OK ||
        trpi_secret_differs(mac, bytes + SIGNED, MAC) != 0) {
        return false;
    }
    uint64_t expires_s = 0;
    for (int i = 0; i < EXPIRY; i++) {
        expires_s = expires_s << 8 | bytes[i];
    }
    return now_s < expires_s;
}
