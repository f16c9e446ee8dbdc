/**
 * @file native.h
 * The native host: runs a runtime on libuv, with threads of its own or inside a loop that you own.
 *
 * With threads of its own, each scheduler has one thread and one uv_loop. Attached to your loop
 * there is one scheduler, and your uv_run drives it. Either way the runtime steps for about a
 * millisecond, then the loop polls, so actors and I/O share the thread fairly.
 *
 * Life of a host: create, (listen, register, ...), start, stop, join, destroy. Services that are
 * opened on a host (native_tcp.h, native_http.h, native_terminal.h) end with it.
 */
#ifndef TROUPE_NATIVE_H
#define TROUPE_NATIVE_H

#include "troupe/node.h"
#include "troupe/runtime.h"

TRP_BEGIN_DECLS

struct uv_loop_s;

/** A native host. Opaque. */
typedef struct trp_native trp_native;

/** How log lines are written. */
typedef enum trp_log_format {
    TRP_LOG_FORMAT_TEXT = 0, /**< for people; with colours on a terminal */
    TRP_LOG_FORMAT_JSON = 1, /**< one object a line: time, level, pid, text */
    TRP_LOG_FORMAT_NONE = 2  /**< nothing */
} trp_log_format;

/** What a host is made with. Zero is the default for each. */
typedef struct trp_native_config {
    size_t size;            /**< sizeof(trp_native_config) */
    unsigned schedulers;    /**< threads to run actors on; 0 = one per processor; 1 with `loop` */
    struct uv_loop_s *loop; /**< attach to this loop instead (borrowed); the caller runs it */
    const trp_runtime_config *runtime; /**< borrowed; its `schedulers` is replaced by the above */
    trp_log_format log_format;
    int log_fd;        /**< file descriptor of the log; 0 means 2, standard error */
    bool log_debug;    /**< also write lines of level DEBUG */
    bool count_memory; /**< count live bytes (always on in debug builds) */
    uint64_t step_ns;  /**< time budget of a step; default 1 ms */
    /**
     * longest look for work before an idle scheduler blocks; default 50 us with several
     * schedulers; TRP_NEVER: none
     */
    uint64_t spin_ns;
    /** Optional, in place of the built-in log. As trp_host.log, `arg` first. */
    void (*log)(void *arg, int level, const char *who, const char *text, size_t length);
    /** Optional. As trp_host.trace, `arg` first. */
    void (*trace)(void *arg, const trp_trace *record);
    /** Optional. The runtime has stopped and every service has closed; on scheduler 0's thread. */
    void (*on_stopped)(void *arg);
    void *arg; /**< for the three above */
} trp_native_config;

/**
 * Creates a host and its runtime. `config` may be NULL. With `config->loop`, call on that loop's
 * thread. Returns owned in `out`. Errors: TRP_EINVAL, TRP_ENOMEM, TRP_EIO (libuv refused a loop or
 * a handle).
 */
TRP_API int trp_native_create(const trp_native_config *config, trp_native **out);

/** The host's runtime. Borrowed; destroyed by trp_native_destroy. Any thread. */
TRP_API trp_runtime *trp_native_runtime(trp_native *native);

/** Number of schedulers. Any thread. */
TRP_API unsigned trp_native_schedulers(const trp_native *native);

/**
 * Starts the threads, or begins to work inside the attached loop (call on its thread). Once.
 * Errors: TRP_ESTATE (started before), TRP_EIO (no thread; the host can only be destroyed then).
 */
TRP_API int trp_native_start(trp_native *native);

/**
 * Asks all actors to stop and kills what is left after `grace_ns`; then sessions are closed in good
 * order and the loops end. Listening sockets close at once. The first call counts. Any thread, also
 * in an actor; returns at once.
 */
TRP_API void trp_native_stop(trp_native *native, uint64_t grace_ns);

/**
 * Waits until every scheduler thread has ended, which trp_native_stop brings about. Handles of your
 * own on a scheduler's loop keep that thread alive: close them. TRP_ESTATE if attached or not
 * started, TRP_EDEADLOCK on a scheduler's thread.
 */
TRP_API int trp_native_join(trp_native *native);

/**
 * Frees the host and its runtime; stops and joins first where that was left out. Attached: call on
 * the loop's thread, outside of actors, and run the loop until it has closed the host's handles. No
 * other thread may use the host any more. Accepts NULL.
 */
TRP_API void trp_native_destroy(trp_native *native);

/** Time that actors get to end when the first one of trp_native_run has ended. */
#define TRP_NATIVE_RUN_GRACE_NS (UINT64_C(5) * TRP_NS_PER_S)

/**
 * A whole program: makes a host (`config` may be NULL, and has no loop), spawns `first` with `arg`
 * on it and waits until that actor has ended, or SIGINT or SIGTERM has come; then everything else
 * is stopped within TRP_NATIVE_RUN_GRACE_NS and freed. Returns 0 if `first` ended with kind NORMAL
 * or SHUTDOWN, else its code, TRP_EFAILED if that is 0; or what prevented the start.
 */
TRP_API int trp_native_run(const trp_native_config *config, const trp_behaviour *first,
                           const void *arg);

/**
 * The loop of `scheduler`, NULL if there is no such scheduler. Borrowed; use it on that
 * scheduler's thread only.
 */
TRP_API struct uv_loop_s *trp_native_loop(trp_native *native, unsigned scheduler);

/**
 * Runs `call(ctx, arg)` on `scheduler`'s thread, later, as trp_post_call does. Any thread.
 * TRP_EINVAL, TRP_ENOMEM.
 */
TRP_API int trp_native_call(trp_native *native, unsigned scheduler,
                            void (*call)(trp_ctx *ctx, void *arg), void *arg);

/**
 * Runs `call(ctx, arg)` on `scheduler`'s thread, waits for it and returns its result. Runs it right
 * here if this is that thread, or if the host is attached or not started yet. TRP_EINVAL,
 * TRP_EDEADLOCK (called on another scheduler's thread), TRP_ECLOSED (the scheduler has ended).
 */
TRP_API int trp_native_call_wait(trp_native *native, unsigned scheduler,
                                 int (*call)(trp_ctx *ctx, void *arg), void *arg);

/**
 * Makes SIGINT and SIGTERM stop the host with `grace_ns`; a second one ends the program at once
 * with exit code 128 + signal. Call before trp_native_stop. TRP_EIO, TRP_ENOMEM, or as
 * trp_native_call_wait.
 */
TRP_API int trp_native_stop_on_signals(trp_native *native, uint64_t grace_ns);

/** Writes a line to the host's log. Borrows `text` (UTF-8, zero-terminated). Any thread. */
TRP_API void trp_native_log(trp_native *native, trp_log_level level, const char *text);

/** Bytes that the core holds from this host; 0 if they are not counted. A snapshot. Any thread. */
TRP_API uint64_t trp_native_live_bytes(const trp_native *native);

/** What happens to a session of a transport of this host. */
typedef struct trp_session_event {
    trp_ctx *ctx;         /**< root ctx of the session's scheduler, to send and spawn with */
    trp_session *session; /**< NULL if the connection failed before there was one */
    trp_session_state state;
    const char *node;    /**< the peer's name, "" before it is known */
    const char *address; /**< the peer's address */
    int error;           /**< with DOWN: 0 or a TRP_E* */
    const char *why;     /**< with DOWN: a text */
    uint64_t retry_ns; /**< with DOWN on a dialler: it tries again after so long; else TRP_NEVER */
} trp_session_event;

/** Gets the events of a listener or dialler, on its scheduler's thread. The event is borrowed. */
typedef void trp_session_event_fn(void *arg, const trp_session_event *event);

TRP_END_DECLS

#endif
