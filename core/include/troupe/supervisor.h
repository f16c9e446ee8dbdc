/**
 * @file supervisor.h
 * Supervisors: actors that start others, watch them, and start them again. Rules of OTP's
 * supervisor.
 *
 * Children are started in order and stopped in reverse. A child that ends is started again as its
 * restart kind says; what happens to its siblings is the strategy's business. More than `intensity`
 * restarts within `period_ns` are too many: then all children are stopped and the supervisor itself
 * ends with TRP_EXIT_SHUTDOWN, for its own supervisor to see. A supervisor is an ordinary actor: it
 * can be named, linked, monitored, and a child of another; trp_stop ends it in good order.
 */
#ifndef TROUPE_SUPERVISOR_H
#define TROUPE_SUPERVISOR_H

#include "troupe/actor.h"
#include "troupe/type.h"

TRP_BEGIN_DECLS

/** What happens to the others when a child has to be started again. */
typedef enum trp_strategy {
    TRP_ONE_FOR_ONE = 0,  /**< nothing */
    TRP_ONE_FOR_ALL = 1,  /**< all are stopped and all are started again */
    TRP_REST_FOR_ONE = 2, /**< those started after it are stopped and started again */
    TRP_DYNAMIC = 3       /**< nothing; children are started at run time, and stopped all at once */
} trp_strategy;

/** When a child that has ended is started again. */
typedef enum trp_restart {
    TRP_PERMANENT = 0, /**< always */
    TRP_TRANSIENT = 1, /**< unless it ended with kind NORMAL or SHUTDOWN */
    TRP_TEMPORARY = 2  /**< never, not even for a sibling's sake; it is forgotten */
} trp_restart;

/** When a supervisor ends by itself because significant children have ended by themselves. */
typedef enum trp_auto_shutdown {
    TRP_AUTO_SHUTDOWN_NEVER = 0,
    TRP_AUTO_SHUTDOWN_ANY = 1, /**< the first significant one has */
    TRP_AUTO_SHUTDOWN_ALL = 2  /**< the last significant one has */
} trp_auto_shutdown;

/** Longest id of a child in bytes. */
#define TRP_CHILD_ID_MAX 47

/** Time that a child gets to stop if its spec says 0. */
#define TRP_CHILD_SHUTDOWN_NS (UINT64_C(5) * TRP_NS_PER_S)

/** How to start a child. Copied by the supervisor, with `arg_size` bytes of the argument. */
typedef struct trp_child_spec {
    size_t size;    /**< sizeof(trp_child_spec) */
    const char *id; /**< unique in the supervisor; NULL or "" with TRP_DYNAMIC: none */
    const trp_behaviour *behaviour; /**< what to spawn */
    const void *arg;                /**< for init at each start */
    size_t arg_size;
    const char *name;     /**< name to register, or NULL */
    trp_restart restart;  /**< when to start it again */
    bool is_significant;  /**< counts for auto-shutdown; not for permanent children */
    bool is_brutal;       /**< is stopped by trp_kill */
    uint64_t shutdown_ns; /**< time to stop before it is killed; 0: default, TRP_NEVER: unlimited */
} trp_child_spec;

/** What a supervisor is spawned with. */
typedef struct trp_supervisor_config {
    size_t size;                    /**< sizeof(trp_supervisor_config) */
    const trp_child_spec *children; /**< to start at once, in order; borrowed */
    size_t children_len;
    trp_strategy strategy;
    trp_auto_shutdown auto_shutdown;
    uint32_t intensity; /**< restarts that are not too many; default 1, UINT32_MAX: none at all */
    uint64_t period_ns; /**< within this time; default 5 s */
    uint64_t
        backoff_min_ns; /**< delay of a first restart; doubles with each further one. 0: no delay */
    uint64_t
        backoff_max_ns; /**< longest delay; a child that lived so long starts with the first again */
} trp_supervisor_config;

/**
 * Spawns a supervisor and its children, in the flow of the caller. If a child's init fails, those
 * before it are stopped and the spawn fails with that error. `options` as trp_spawn_opt, may be
 * NULL. TRP_EINVAL: a spec is incomplete, an id is missing or double, a permanent child is
 * significant.
 */
TRP_API int trp_supervisor_spawn(trp_ctx *ctx, const trp_supervisor_config *config,
                                 const trp_spawn_options *options, trp_pid *pid);

/** Reply to trp_supervisor_start and trp_supervisor_restart. */
typedef struct trp_child_started {
    trp_pid pid;
} trp_child_started;

/** Type of trp_child_started messages. */
TRP_API extern const trp_type trp_child_started_type;

/** One child in a trp_child_list. */
typedef struct trp_child_info {
    char id[TRP_CHILD_ID_MAX + 1]; /**< "" for a child without */
    trp_pid pid;                   /**< TRP_PID_NONE while it does not run */
    uint32_t restarts;             /**< how often it was started again */
    uint32_t restart;              /**< its trp_restart */
} trp_child_info;

/** Type of trp_child_info records. */
TRP_API extern const trp_type trp_child_info_type;

/** Reply to trp_supervisor_list: the children in the order of their start. */
typedef struct trp_child_list {
    trp_slice children; /**< of trp_child_info */
} trp_child_list;

/** Type of trp_child_list messages. */
TRP_API extern const trp_type trp_child_list_type;

/**
 * Requests to a local supervisor (request.h): the reply or the error comes to the calling actor
 * with `ref`. Errors of the calls themselves are those of trp_request. Adds and starts a child;
 * reply trp_child_started; errors TRP_EEXIST (id), TRP_EINVAL (spec), or that of its init.
 */
TRP_API int trp_supervisor_start(trp_ctx *ctx, trp_pid supervisor, const trp_child_spec *spec,
                                 uint64_t timeout_ns, trp_ref *ref);

/**
 * Stops the child with `id`, or if `id` is NULL the one that is `pid`. A temporary or dynamic child
 * is forgotten, others stay and can be started again. Reply: an empty message. TRP_ENOENT.
 */
TRP_API int trp_supervisor_stop(trp_ctx *ctx, trp_pid supervisor, const char *id, trp_pid pid,
                                uint64_t timeout_ns, trp_ref *ref);

/**
 * Starts a stopped child again. Reply trp_child_started; TRP_ENOENT, TRP_EEXIST (it runs), or the
 * error of its init.
 */
TRP_API int trp_supervisor_restart(trp_ctx *ctx, trp_pid supervisor, const char *id,
                                   uint64_t timeout_ns, trp_ref *ref);

/** Forgets a stopped child. Reply: an empty message. TRP_ENOENT, TRP_EEXIST (it runs). */
TRP_API int trp_supervisor_forget(trp_ctx *ctx, trp_pid supervisor, const char *id,
                                  uint64_t timeout_ns, trp_ref *ref);

/** Lists the children. Reply trp_child_list. */
TRP_API int trp_supervisor_list(trp_ctx *ctx, trp_pid supervisor, uint64_t timeout_ns,
                                trp_ref *ref);

TRP_END_DECLS

#endif
