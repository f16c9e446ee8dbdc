/**
 * @file codec.h
 * Typed messages to CBOR (RFC 8949) and back, driven by the field tables of type.h.
 *
 * A record becomes a map with the fields' integer keys, ascending; fields that are zero or empty
 * are left out. Decoding skips unknown keys, leaves missing ones zero, takes keys in any order but
 * each only once, and accepts exactly one item.
 *
 *     kind                 written as                         also read
 *     boolean              false, true
 *     i32 u32 i64 u64 ref  integer, shortest form             integers in longer forms, if in range
 *     f64                  64-bit float                       16- and 32-bit floats, integers
 *     pid                  see trp_codec_pids; none is null
 *     string, text(N)      text string, valid UTF-8
 *     bytes                byte string
 *     value                the item; an empty one undefined
 *     list                 array                              arrays of indefinite length
 *     record               map                                maps of indefinite length
 *
 * Strings of indefinite length are accepted inside of values and of unknown fields only. Nothing
 * here recurses; depth, size and work are bounded, and a message takes at most as many bytes as the
 * type has in its largest element for each byte of input. Types must be sound, as registration
 * (runtime.h) checks. Pids go through the caller's table, because on the wire they carry node
 * names.
 */
#ifndef TROUPE_CODEC_H
#define TROUPE_CODEC_H

#include "troupe/cbor.h"
#include "troupe/message.h"
#include "troupe/type.h"

TRP_BEGIN_DECLS

/** Deepest nesting of arrays, maps and tags that decoding accepts. */
#define TRP_CODEC_DEPTH_MAX TRP_CBOR_DEPTH_MAX

/**
 * Where encoded bytes go: called with each piece in order, 0 to go on, a TRP_E* to stop (which the
 * encoder returns).
 */
typedef int trp_codec_sink(void *arg, const void *bytes, size_t length);

/**
 * How pids cross: `encode` writes one CBOR item of at most `*length` bytes for `pid` and sets
 * `*length`; `decode` reads one well-formed item. Both return 0 or a TRP_E*. They never see
 * TRP_PID_NONE, which is null.
 */
typedef struct trp_codec_pids {
    void *arg;
    int (*encode)(void *arg, trp_pid pid, uint8_t *bytes, size_t *length);
    int (*decode)(void *arg, const uint8_t *bytes, size_t length, trp_pid *pid);
} trp_codec_pids;

/** Room that `encode` of trp_codec_pids always gets. */
#define TRP_CODEC_PID_MAX 320

/**
 * Encodes a body of `type` (`length` bytes with its tail, borrowed) as one CBOR item into `sink`.
 * `pids` may be NULL: pids are then arrays [node, epoch, index, generation]. TRP_EDECODE if a slice
 * points outside of the block, a string is not UTF-8, a text has no end or a value is not one
 * well-formed item; otherwise the first error of sink or pids. Any thread.
 */
TRP_API int trp_codec_encode(const trp_type *type, const void *body, size_t length,
                             const trp_codec_pids *pids, trp_codec_sink *sink, void *arg);

/**
 * Decodes exactly one CBOR item of `length` bytes into a new message of `type`, owned, in `out`.
 * TRP_EDECODE (malformed, too deep, a field of another kind, a number out of range, invalid UTF-8
 * in a string, bytes left over), TRP_ETOOBIG, TRP_ENOMEM, or an error of `pids`.
 */
TRP_API int trp_codec_decode(trp_ctx *ctx, const trp_type *type, const void *bytes, size_t length,
                             const trp_codec_pids *pids, trp_message **out);

/**
 * Checks that `bytes` is exactly one well-formed CBOR item within the depth limit. 0 or
 * TRP_EDECODE. Any thread.
 */
TRP_API int trp_codec_check(const void *bytes, size_t length);

/**
 * Writes the field table of `type` as one CBOR item into `sink`, for JavaScript and for generators
 * of other languages:
 *
 *     type  = [name, [*field]]
 *     field = [name, key, kind, element, capacity, type / null]
 *
 * with kind and element (0 if no list) of trp_field_kind, the capacity of a text (else 0), and the
 * type of a record or of a list's records. TRP_EINVAL if the type is not sound, or the first error
 * of `sink`. Any thread.
 */
TRP_API int trp_type_describe(const trp_type *type, trp_codec_sink *sink, void *arg);

TRP_END_DECLS

#endif
