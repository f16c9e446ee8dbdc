/*
 * What tests of the message floor share: a ctx that is nothing but a pool on a counting host,
 * message types with every kind of field, and a place for encoded bytes.
 */
#ifndef TEST_MESSAGE_FIXTURE_H
#define TEST_MESSAGE_FIXTURE_H

#include "base/pool.h"
#include "troupe/codec.h"
#include "troupe/message.h"

/*
 * The message floor knows of a ctx only that it begins with its scheduler's pool
 * (message/pool_of.h).
 */
typedef struct pool_ctx {
    trpi_pool pool;
    trpi_depot depot;
    trp_host host;
    size_t live_bytes;
    uint64_t allocations; /* ever asked for */
    uint64_t fail_at;     /* refuse this one, counted from 1; 0 = none */
    size_t largest;       /* bytes of the largest one asked for */
} pool_ctx;

void pool_ctx_init(pool_ctx *ctx);

/*
 * Returns the slabs to the host; the bytes still live afterwards, which should be 0, are returned.
 */
size_t pool_ctx_deinit(pool_ctx *ctx);

static inline trp_ctx *pool_ctx_of(pool_ctx *ctx) {
    return (trp_ctx *)(void *)ctx;
}

/* Frees a message of that ctx. trp_message_drop belongs to the actor floor. */
void pool_ctx_drop(pool_ctx *ctx, trp_message *message);

/* A sink that collects; refuses with TRP_ETOOBIG what does not fit. */
typedef struct byte_sink {
    uint8_t *bytes;
    size_t capacity;
    size_t length;
    unsigned calls;
    unsigned fail_at; /* refuse this call, counted from 1, with TRP_EFULL; 0 = none */
} byte_sink;

trp_codec_sink byte_sink_put;

#define SCALARS_FIELDS(F)                                                                          \
    F(boolean, flag, 1)                                                                            \
    F(i32, small, 2)                                                                               \
    F(u32, count, 3)                                                                               \
    F(i64, large, 4)                                                                               \
    F(u64, total, 5)                                                                               \
    F(f64, ratio, 6)                                                                               \
    F(pid, who, 7)                                                                                 \
    F(ref, request, 8)
TRP_TYPE_DECLARE(scalars, SCALARS_FIELDS)

#define GREETING_FIELDS(F)                                                                         \
    F(string, text, 1)                                                                             \
    F(pid, reply_to, 2)                                                                            \
    F(list(u32), numbers, 3)
TRP_TYPE_DECLARE(greeting, GREETING_FIELDS)

/* Keys with gaps and of every length on the wire. */
#define BLOBS_FIELDS(F)                                                                            \
    F(bytes, raw, 23)                                                                              \
    F(value, any, 24)                                                                              \
    F(text(8), note, 65535)                                                                        \
    F(boolean, last, 65536)
TRP_TYPE_DECLARE(blobs, BLOBS_FIELDS)

#define POINT_FIELDS(F)                                                                            \
    F(f64, x, 1)                                                                                   \
    F(f64, y, 2)                                                                                   \
    F(string, label, 3)
TRP_TYPE_DECLARE(point, POINT_FIELDS)

#define ROUTE_FIELDS(F)                                                                            \
    F(boolean, closed, 1)                                                                          \
    F(record(point), at, 2)                                                                        \
    F(list(record(point)), path, 3)                                                                \
    F(list(string), names, 4)                                                                      \
    F(list(value), extras, 5)                                                                      \
    F(list(pid), watchers, 6)                                                                      \
    F(list(boolean), flags, 7)                                                                     \
    F(list(f64), heights, 8)                                                                       \
    F(list(bytes), blobs, 9)                                                                       \
    F(list(i64), times, 10)
TRP_TYPE_DECLARE(route, ROUTE_FIELDS)

/* Lists in records in lists. */
#define ATLAS_FIELDS(F)                                                                            \
    F(list(record(route)), routes, 1)                                                              \
    F(record(route), best, 2)
TRP_TYPE_DECLARE(atlas, ATLAS_FIELDS)

TRP_TYPE_DECLARE_EMPTY(nudge)

#endif
