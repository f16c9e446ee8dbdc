/**
 * @file pid.h
 * Identities: pids name actors, refs name requests, monitors and timers. Both are plain values.
 */
#ifndef TROUPE_PID_H
#define TROUPE_PID_H

#include "troupe/base.h"

TRP_BEGIN_DECLS

/**
 * Names one actor for ever: the same four numbers never name another actor of the same runtime.
 *
 * `node` and `epoch` are this runtime's own numbering of the nodes it has met; both are 0 for an
 * actor of this runtime. A pid is therefore only meaningful inside the runtime that made it. On the
 * wire and in JavaScript it carries the node's name and incarnation instead (node.h).
 */
typedef struct trp_pid {
    uint32_t node;       /**< slot of the node in this runtime's table, 0 = this runtime */
    uint32_t epoch;      /**< which incarnation of that node, 0 = this runtime */
    uint32_t index;      /**< slot of the actor in its runtime's table */
    uint32_t generation; /**< which actor in that slot; never 0 for an actor */
} trp_pid;

/** Names a request, a monitor, a link or a timer of this runtime. 0 names nothing. Never reused. */
typedef uint64_t trp_ref;

/** The pid that names nobody. */
#define TRP_PID_NONE ((trp_pid){0, 0, 0, 0})

/** True if `pid` names nobody. */
static inline bool trp_pid_is_none(trp_pid pid) {
    return pid.generation == 0;
}

/** True if `pid` names an actor of the runtime that holds it. */
static inline bool trp_pid_is_local(trp_pid pid) {
    return pid.node == 0;
}

/** True if both name the same actor. */
static inline bool trp_pid_equal(trp_pid a, trp_pid b) {
    return a.index == b.index && a.generation == b.generation && a.node == b.node &&
           a.epoch == b.epoch;
}

/** Bytes that trp_pid_format needs at most, with the final zero. */
#define TRP_PID_TEXT_MAX 48

/**
 * Writes the text form of `pid`, `<index.generation>` for a local actor and
 * `<node.epoch/index.generation>` for a remote one, `<none>` for nobody. Truncates like snprintf
 * and always ends with a zero if `size` > 0. Returns the length that the full text has. Any thread.
 */
TRP_API size_t trp_pid_format(trp_pid pid, char *text, size_t size);

/**
 * Reads the text form back. `text` need not end with a zero. Writes `out` only on success.
 * Returns TRP_EDECODE if `text` is not exactly one pid. Any thread.
 */
TRP_API int trp_pid_parse(const char *text, size_t length, trp_pid *out);

TRP_END_DECLS

#endif
