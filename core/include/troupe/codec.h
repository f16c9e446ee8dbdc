/**
 * @file codec.h
 * Typed messages to CBOR (RFC 8949) and back, driven by the field tables of type.h.
 *
 * A message becomes a map with the fields' integer keys; fields that are zero or empty are left out; unknown keys are skipped, missing ones
 * are zero. Decoding is bounded in depth, size and work, never recursive, and accepts exactly one item. Pids go through the
 * caller's table, because on the wire they carry node names.
 */
#ifndef TROUPE_CODEC_H
#define TROUPE_CODEC_H

#include "troupe/message.h"
#include "troupe/type.h"

TRP_BEGIN_DECLS

/** Deepest nesting of arrays, maps and tags that decoding accepts. */
#define TRP_CODEC_DEPTH_MAX 32

/** Where encoded bytes go: called with each piece in order, 0 to go on, a TRP_E* to stop (which the encoder returns). */
typedef int trp_codec_sink(void *arg, const void *bytes, size_t length);

/** How pids cross: writes up to `*length` bytes of one CBOR item for `pid`, or reads one. Both return 0 or a TRP_E*. */
typedef struct trp_codec_pids {
    void *arg;
    int (*encode)(void *arg, trp_pid pid, uint8_t *bytes, size_t *length);
    int (*decode)(void *arg, const uint8_t *bytes, size_t length, trp_pid *pid);
} trp_codec_pids;

/** Room that `encode` of trp_codec_pids always gets. */
#define TRP_CODEC_PID_MAX 320

/**
 * Encodes a body of `type` (`length` bytes with its tail) as one CBOR item into `sink`. `pids` may be NULL: pids are then
 * arrays [node, epoch, index, generation]. TRP_EDECODE if a slice points outside of the block; otherwise the first error of sink or pids.
 */
TRP_API int trp_codec_encode(const trp_type *type, const void *body, size_t length,
                             const trp_codec_pids *pids, trp_codec_sink *sink, void *arg);

/**
 * Decodes exactly one CBOR item of `length` bytes into a new message of `type`, owned, in `out`. TRP_EDECODE (malformed, too deep, a field of another
 * kind, a number out of range, invalid UTF-8 in a string, bytes left over), TRP_ETOOBIG, TRP_ENOMEM, or an error of `pids`.
 */
TRP_API int trp_codec_decode(trp_ctx *ctx, const trp_type *type, const void *bytes, size_t length,
                             const trp_codec_pids *pids, trp_message **out);

/** Checks that `bytes` is exactly one well-formed CBOR item within the depth limit. 0 or TRP_EDECODE. Any thread. */
TRP_API int trp_codec_check(const void *bytes, size_t length);

TRP_END_DECLS

#endif
