/*
 * The message as the runtime sees it: a header of 48 bytes (64-bit) with the payload right behind
 * it in the same block, so a message with up to 16 bytes of payload is one cache line. The header
 * is the mailbox node; no other memory is allocated to send it.
 */
#ifndef TRPI_MESSAGE_H
#define TRPI_MESSAGE_H

#include "base/atomic.h"
#include "base/pool.h"
#include "troupe/exit.h"
#include "troupe/message.h"

/* What a message is to the actor floor. Only PLAIN, REQUEST and REPLY are made by users. */
typedef enum trpi_kind {
    TRPI_PLAIN = 0,
    TRPI_REQUEST, /* ref names the caller's entry */
    TRPI_REPLY,   /* ref names the caller's entry */
    TRPI_REPLY_ERROR, /* as REPLY; the body is a trpi_failure, often the request's own block turned round */
    TRPI_TIMER,     /* a timer or deadline has come; ref names the owner's entry */
    TRPI_STOP,      /* body: trp_exit */
    TRPI_KILL,      /* no body */
    TRPI_MONITOR,   /* body: trp_down, with pid = the watcher; becomes the DOWN message */
    TRPI_DEMONITOR, /* ref names the watcher's entry */
    TRPI_DOWN,      /* body: trp_down; the block that travelled as MONITOR */
    TRPI_LINK,      /* body: trpi_bond; kept by who gets it */
    TRPI_UNLINK,    /* these three: link.c has the bodies */
    TRPI_UNLINK_ACK,
    TRPI_EXIT, /* a LINK block on its way with the reason */
    TRPI_ROOM, /* a muted sender asks for room; ref names its entry */
    TRPI_CALL, /* body: a function to run with the root ctx */
    TRPI_STUB  /* a mailbox's own filler, never handled */
} trpi_kind;

enum {
    TRPI_FLAG_TAKEN = 1,         /* the handler made it its own: do not free after it returns */
    TRPI_FLAG_SETTLED = 2,       /* a request that has been answered */
    TRPI_FLAG_COUNTED_ONE = 128, /* counts as one in the mailbox it is in */
    TRPI_FLAG_COUNTED = 4,       /* stands for several in the mailbox's sampled count */
    TRPI_FLAG_PROXY = 8,         /* hand it to `handle` as it is, whatever its kind: for sessions */
    TRPI_FLAG_RETURNED = 64,     /* was lent already and put back: to be lent again as it is */
    TRPI_FLAG_STATIC = 16,       /* belongs to the scheduler, lives until the handler returns */
    TRPI_FLAG_FAILED = 32        /* a request to be answered with the code in `tag` at its end */
};

/* A message with one of these counts in the mailbox it is in. */
enum { TRPI_FLAGS_COUNTED = TRPI_FLAG_COUNTED | TRPI_FLAG_COUNTED_ONE };

/*
 * The link that a mailbox chains; first member of every message, and the whole of a mailbox's stub.
 */
typedef struct trpi_link {
    trpi_atomic_ptr next;
} trpi_link;

struct trp_message {
    trpi_link link;
    const trp_type *type; /* NULL: untyped bytes */
    uint64_t tag;
    trp_ref ref;
    uint32_t generation; /* of the addressee: a newer one in its slot drops the message */
    uint32_t length;     /* bytes of payload */
    uint32_t capacity;   /* bytes of the block, this header included; and TRPI_CARRIES */
    uint8_t kind;        /* a trpi_kind */
    uint8_t flags;
    uint16_t reserved;
};

/* A bit of `capacity`: the message carries resources (cargo.h). */
#define TRPI_CARRIES 1u

typedef struct trpi_cargo trpi_cargo;

static inline bool trpi_message_carries(const trp_message *message) {
    return (message->capacity & TRPI_CARRIES) != 0;
}

/*
 * Why a request failed, in so few bytes that it fits the smallest block; text as far as there is
 * room.
 */
typedef struct trpi_failure {
    int32_t code;
    int32_t exit_kind;
    int32_t exit_code;
    char text[4];
} trpi_failure;

#define TRPI_MESSAGE_HEADER sizeof(struct trp_message)

static inline void *trpi_body(trp_message *message) {
    return message + 1;
}

/* True for a request that has still to be answered. */
static inline bool trpi_is_open_request(const trp_message *message) {
    return message->kind == TRPI_REQUEST &&
           (message->flags & (TRPI_FLAG_SETTLED | TRPI_FLAG_FAILED)) == 0;
}

/*
 * A block for `length` bytes of payload, header set, body not cleared. NULL when out of memory or
 * too large.
 */
trp_message *trpi_message_alloc(trpi_pool *pool, size_t length);

/* Frees the block and what it carries, and nothing else: no settling, no bookkeeping. */
void trpi_message_free(trpi_pool *pool, trp_message *message);

/* Releases what a message carries, if it carries something (cargo.c). */
void trpi_message_unload(trpi_pool *pool, trp_message *message);

#endif
