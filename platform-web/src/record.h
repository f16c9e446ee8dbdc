/*
 * Records: what crosses between JavaScript and the runtime. Both directions use the same 32-byte
 * header, followed by two runs of bytes, `a` and `b`, and padding to 8 bytes, so that JavaScript
 * can read a batch through one typed array. js/record.mjs has the same numbers;
 * tests/web/record.test.mjs compares the two files.
 */
#ifndef TRPI_WEB_RECORD_H
#define TRPI_WEB_RECORD_H

#include <stddef.h>
#include <stdint.h>

typedef struct trpi_web_record {
    uint32_t code;
    uint32_t id;
    uint32_t value;
    uint32_t extra;
    uint32_t a_length;
    uint32_t b_length;
    double number;
} trpi_web_record;

/*
 * X(NAME, value): operations, JavaScript to runtime. A batch is a row of SEGMENTs, each of which
 * holds the operations of one port. `ref` is the text of a pid, of `<node!name>`, or a plain local
 * name. `type` is a number from a TYPE event, 0 for a bare CBOR value.
 */
#define TRPI_WEB_OP_LIST(X)                                                                        \
    X(SEGMENT, 0)       /* id = port, a = its operations */                                        \
    X(SPAWN, 1)         /* id, value = type of b, a = behaviour '\0' name, b = argument */         \
    X(SPAWN_PORT, 2)    /* id = port, a = name or empty */                                         \
    X(SEND, 3)          /* value = type, number = tag, a = ref, b = body */                        \
    X(CALL, 4)          /* id, value = type, number = timeout in ms, a = ref, b = body */          \
    X(CANCEL, 5)        /* id of a call */                                                         \
    X(REPLY, 6)         /* id = handle of a request, value = type, b = body */                     \
    X(REPLY_ERROR, 7)   /* id = handle, value = code, a = text */                                  \
    X(WHEREIS, 8)       /* id, a = name */                                                         \
    X(MONITOR, 9)       /* id, a = ref */                                                          \
    X(DEMONITOR, 10)    /* id of a monitor */                                                      \
    X(STOP, 11)         /* id, a = ref, value = exit kind, number = code, b = text */              \
    X(KILL, 12)         /* id, a = ref */                                                          \
    X(DONE, 13)         /* value = 0: go on, 1: end; extra = kind, number = code, a = text */      \
    X(SESSION_OPEN, 14) /* id, value = rights, extra = trp_auth | 256 if dialler, a = token */     \
    X(RECEIVE, 15)      /* id of a session, a = bytes */                                           \
    X(LOST, 16)         /* id, value = error */                                                    \
    X(WRITABLE, 17)     /* id, value = 0 or 1 */                                                   \
    X(CLOSE, 18)        /* id */                                                                   \
    X(PROBE, 19)        /* id */                                                                   \
    X(EXPOSE, 20)       /* a = name */                                                             \
    X(SHUTDOWN, 21)     /* number = grace in ms */                                                 \
    X(STATS, 22)        /* id */

/*
 * A bit of an operation's code: the addressee is that of the operation before in the segment, and
 * `a` is empty.
 */
#define TRPI_WEB_OP_SAME 256u

/* X(NAME, value): events, runtime to JavaScript. `code` is a TRP_E*. */
#define TRPI_WEB_EVENT_LIST(X)                                                                     \
    X(TYPE, 1)        /* id = number, a = description in CBOR, b = name */                         \
    X(BEHAVIOUR, 2)   /* value = type of the argument, a = name */                                 \
    X(RESULT, 3)      /* id, value = code, a = ref or data */                                      \
    X(REPLY, 4)       /* id of a call, value = type, a = body */                                   \
    X(FAILURE, 5)     /* id of a call, value = code, extra = kind, number = exit code, a = text */ \
    X(ACTIVATE, 6)    /* id = port, value = number of MESSAGE, DOWN and ASKED in `a` */            \
    X(MESSAGE, 7)     /* value = type, extra = handle, number = tag, a = body, b = from */         \
    X(DOWN, 8)        /* id of a monitor, value = kind, number = code, a = text */                 \
    X(EXIT, 9)        /* id = port, value = kind, number = code, a = text */                       \
    X(ASKED, 10)      /* asked to stop; value = kind, number = code, a = text */                   \
    X(SEND_BYTES, 11) /* id of a session, a = bytes */                                             \
    X(STATE, 12)      /* id of a session, value = state, extra = error, a = node, b = why */       \
    X(CLOSED, 13)     /* id of a session, value = error, a = why */                                \
    X(LOST_MEMORY, 14) /* events are missing: the module ran out of memory */

#define TRPI_WEB_OP_ENUM_(name, value) TRPI_WEB_OP_##name = (value),
enum { TRPI_WEB_OP_LIST(TRPI_WEB_OP_ENUM_) TRPI_WEB_OPS_LEN };
#undef TRPI_WEB_OP_ENUM_

#define TRPI_WEB_EVENT_ENUM_(name, value) TRPI_WEB_EVENT_##name = (value),
enum { TRPI_WEB_EVENT_LIST(TRPI_WEB_EVENT_ENUM_) };
#undef TRPI_WEB_EVENT_ENUM_

/* A growing run of bytes. Appends that find no memory set `failed` and are left out whole. */
typedef struct trpi_web_bytes {
    uint8_t *data;
    size_t length;
    size_t capacity;
    int failed;
} trpi_web_bytes;

void trpi_web_bytes_deinit(trpi_web_bytes *bytes);

/* Makes room for `length` more bytes. False when out of memory. */
int trpi_web_bytes_reserve(trpi_web_bytes *bytes, size_t length);

/* Appends raw bytes. */
void trpi_web_bytes_append(trpi_web_bytes *bytes, const void *data, size_t length);

/* Appends one whole record; takes the lengths of a and b from the arguments. */
void trpi_web_bytes_put(trpi_web_bytes *bytes, trpi_web_record record, const void *a,
                        size_t a_length, const void *b, size_t b_length);

/*
 * A record whose `a` is written piecemeal: begin, append to the bytes, finish with `b`. `begin`
 * returns the record's place, which finish (or cancel, which takes the record back) needs. A failed
 * append takes the record back at finish, which then returns 0.
 */
size_t trpi_web_bytes_begin(trpi_web_bytes *bytes);
int trpi_web_bytes_finish(trpi_web_bytes *bytes, size_t place, trpi_web_record record,
                          const void *b, size_t b_length);
void trpi_web_bytes_cancel(trpi_web_bytes *bytes, size_t place);

/* One record of a batch as it is read. */
typedef struct trpi_web_view {
    trpi_web_record record;
    const uint8_t *a;
    const uint8_t *b;
} trpi_web_view;

/* Reads the record at `*place` and moves on. 0 at the end, or when the rest is no whole record. */
int trpi_web_record_next(const uint8_t *data, size_t length, size_t *place, trpi_web_view *view);

#endif
