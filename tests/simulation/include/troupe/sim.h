/**
 * @file sim.h
 * The simulation host: whole systems of nodes in one thread, on a virtual clock, where one number
 * decides everything.
 *
 * A simulation runs real runtimes and real sessions. Only the world around them is made up: time,
 * the order in which schedulers run and for how long, entropy, and the network. The network keeps
 * bytes in order and whole, as TCP does, but delays them, stalls, goes half-open and cuts; nodes
 * crash without a goodbye and start again. All of it is drawn from the seed, so a failure is
 * repeated by giving the same seed again:
 *
 *     trp_sim *sim = trp_sim_create(seed);
 *     trp_sim_node_config server_config = {.size = sizeof server_config, .name = "server",
 *                                          .boot = start_server};
 *     trp_sim_node *server;
 *     trp_sim_node_create(sim, &server_config, &server);
 *     ... the same for a client ...
 *     trp_sim_connect(sim, client, server, NULL, NULL);
 *     trp_sim_faults faults = trp_sim_faults_draw(sim);
 *     trp_sim_set_faults(sim, &faults);
 *     trp_sim_run_for(sim, 60 * TRP_NS_PER_S);   // safety: nothing wrong may happen meanwhile
 *     trp_sim_heal(sim);
 *     trp_sim_run_for(sim, 30 * TRP_NS_PER_S);   // liveness: now everything must come right
 *     ... look at what your actors have seen ...
 *     assert(trp_sim_destroy(sim) == 0);         // bytes that any runtime leaked
 *
 * Work of trp_offload is done in one moment, up to 20 ms after it was given away; what a node that
 * goes down has given away is left undone.
 *
 * One simulation belongs to one thread; several may run side by side. Functions marked "not from
 * actors" must not be called inside a step. All pointers to nodes and links stay valid until
 * trp_sim_destroy.
 */
#ifndef TROUPE_SIM_H
#define TROUPE_SIM_H

#include "troupe/node.h"
#include "troupe/runtime.h"

TRP_BEGIN_DECLS

/** A simulation. Opaque. */
typedef struct trp_sim trp_sim;

/** A node of a simulation: a place where a runtime lives, crashes and starts again. Opaque. */
typedef struct trp_sim_node trp_sim_node;

/** A connection that two nodes wish to have: dialled again whenever it is lost. Opaque. */
typedef struct trp_sim_link trp_sim_link;

/** Makes a simulation. Returns owned, or NULL when out of memory. Every seed is good. */
TRP_API trp_sim *trp_sim_create(uint64_t seed);

/**
 * Ends all nodes without a goodbye and frees the simulation. Returns how many bytes all runtimes
 * that ever lived in it had not given back: 0, or something leaks. Accepts NULL.
 */
TRP_API uint64_t trp_sim_destroy(trp_sim *sim);

/** The seed it was made with. */
TRP_API uint64_t trp_sim_seed(const trp_sim *sim);

/** Nanoseconds of the virtual clock, which begins at one second. */
TRP_API uint64_t trp_sim_now(const trp_sim *sim);

/** The next number drawn from the seed. For tests that want to act by chance; actors may use it. */
TRP_API uint64_t trp_sim_random(trp_sim *sim);

/** The next number drawn from the seed, in 0 ... limit - 1. */
TRP_API uint64_t trp_sim_random_below(trp_sim *sim, uint64_t limit);

/**
 * A hash over every trace record of every runtime, every byte that crossed the network and every
 * fault, with their times. Two runs of the same test with the same seed have the same hash; if not,
 * something depends on what it should not.
 */
TRP_API uint64_t trp_sim_trace_hash(const trp_sim *sim);

/**
 * Called for each log line of a node and for each fault (then `node` is NULL or the node it
 * befell). Borrows all.
 */
typedef void trp_sim_log_fn(void *arg, uint64_t now_ns, const trp_sim_node *node, int level,
                            const char *who, const char *text);

/** Sets the hook for log lines; NULL, the default, drops them. */
TRP_API void trp_sim_on_log(trp_sim *sim, trp_sim_log_fn *hook, void *arg);

/* ---- nodes ---- */

/** What a node is made with. Zero is the default for each but the name. */
typedef struct trp_sim_node_config {
    size_t size;         /**< sizeof(trp_sim_node_config) */
    const char *name;    /**< required, as in trp_node_config (copied) */
    unsigned schedulers; /**< default 1 */
    uint32_t actors_max; /**< as in trp_runtime_config */
    const void
        *cookie; /**< shared secret (copied); default one that all nodes of all simulations share */
    size_t cookie_length;
    uint64_t heartbeat_ns; /**< as in trp_node_config, but default 1 s */
    uint64_t patience_ns;  /**< as in trp_node_config, but default 2 s */
    uint64_t handshake_ns; /**< as in trp_node_config, but default 2 s */

    /**
     * Optional. Runs each time the node starts, the first time included, with the root ctx of
     * scheduler 0: registers, spawns. A result other than 0 fails the start.
     */
    int (*boot)(trp_sim_node *node, trp_ctx *root, void *arg);
    void *arg; /**< for boot */
} trp_sim_node_config;

/**
 * Adds a node and starts it. Errors: TRP_EINVAL, TRP_ENOMEM, what trp_runtime_create,
 * trp_node_start or boot returned. Not from actors.
 */
TRP_API int trp_sim_node_create(trp_sim *sim, const trp_sim_node_config *config,
                                trp_sim_node **out);

/**
 * Ends the node as kill -9 would: no terminate, no goodbye. Its peers hear of it soon or, by
 * chance, never. From an actor it takes effect after the step. No effect if it is down.
 */
TRP_API void trp_sim_node_crash(trp_sim_node *node);

/**
 * Asks the node to stop with grace (trp_runtime_stop); it is down when it has. No effect if it is
 * down.
 */
TRP_API void trp_sim_node_stop(trp_sim_node *node, uint64_t grace_ns);

/**
 * Starts a node that is down, with a new incarnation. TRP_ESTATE if it is up; else as
 * trp_sim_node_create. Not from actors.
 */
TRP_API int trp_sim_node_start(trp_sim_node *node);

/** Lets nothing of the node run for `ns`, as a stopped process or a closed laptop would. */
TRP_API void trp_sim_node_pause(trp_sim_node *node, uint64_t ns);

/** True if it has a runtime. */
TRP_API bool trp_sim_node_is_up(const trp_sim_node *node);

/** How often it has started. */
TRP_API uint32_t trp_sim_node_starts(const trp_sim_node *node);

/** Its runtime, or NULL while it is down. Borrowed, until it goes down. */
TRP_API trp_runtime *trp_sim_node_runtime(const trp_sim_node *node);

/**
 * The root ctx of `scheduler`, or NULL while the node is down. What is done with it is handled by
 * later steps. Not from actors.
 */
TRP_API trp_ctx *trp_sim_node_enter(trp_sim_node *node, unsigned scheduler);

/** Its name. */
TRP_API const char *trp_sim_node_name(const trp_sim_node *node);

/* ---- links ---- */

/** How two nodes are connected. Zero is the default for each. */
typedef struct trp_sim_link_options {
    size_t size;   /**< sizeof(trp_sim_link_options) */
    trp_auth auth; /**< default TRP_AUTH_COOKIE */
    uint32_t
        dialler_rights; /**< what the dialler may do at the acceptor; default TRP_RIGHTS_PEER */
    uint32_t acceptor_rights; /**< and the other way round; default TRP_RIGHTS_PEER */
    const void *token;        /**< with TRP_AUTH_TOKEN (copied, at most 512 bytes) */
    size_t token_length;
    uint64_t delay_min_ns; /**< shortest way of a byte, default 50 us */
    uint64_t delay_max_ns; /**< longest, default 5 ms */
    uint64_t redial_ns;    /**< pause between attempts to connect, default 100 ms */
    size_t
        capacity; /**< bytes on their way in one direction before the sender is told to wait; default 256 KiB */
    /**
     * Acceptor with TRP_AUTH_TOKEN, as in trp_session_options; default: the token must equal
     * `token`, rights as above.
     */
    int (*check_token)(void *arg, const void *token, size_t length, uint32_t *rights);
    /**
     * Optional. Told of every change of state at either end; `end` is the node whose session it is.
     */
    void (*on_state)(void *arg, trp_sim_node *end, trp_session *session, trp_session_state state,
                     int error, const char *why);
    void *arg; /**< for the callbacks */
} trp_sim_link_options;

/**
 * `dialler` connects to `acceptor` now, and again whenever the connection is lost. `options` and
 * `out` may be NULL. TRP_EINVAL, TRP_ENOMEM.
 */
TRP_API int trp_sim_connect(trp_sim *sim, trp_sim_node *dialler, trp_sim_node *acceptor,
                            const trp_sim_link_options *options, trp_sim_link **out);

/** True if both ends' sessions of one connection are UP. */
TRP_API bool trp_sim_link_is_up(const trp_sim_link *link);

/** How many connections have been made. */
TRP_API uint32_t trp_sim_link_dials(const trp_sim_link *link);

/** Whether lost connections are dialled again (true at first). */
TRP_API void trp_sim_link_set_redial(trp_sim_link *link, bool redial);

/** Changes the delays. Bytes already on their way keep theirs. */
TRP_API void trp_sim_link_set_delay(trp_sim_link *link, uint64_t min_ns, uint64_t max_ns);

/**
 * Cuts the connection: both ends hear of it, and of the bytes on their way some may arrive. A new
 * one is dialled.
 */
TRP_API void trp_sim_link_cut(trp_sim_link *link);

/** Holds all bytes back for `ns`, in both directions; connecting too. Nothing is lost. */
TRP_API void trp_sim_link_stall(trp_sim_link *link, uint64_t ns);

/**
 * From now on nothing that one end (the dialler's if `from_dialler`) sends on this connection
 * arrives, and nobody is told, until an end gives the connection up. Call it for both directions
 * for a peer that has vanished.
 */
TRP_API void trp_sim_link_half_open(trp_sim_link *link, bool from_dialler);

/* ---- faults by chance ---- */

/**
 * How often things go wrong by themselves: for each link or node, in parts per million of every 10
 * ms.
 */
typedef struct trp_sim_faults {
    size_t size; /**< sizeof(trp_sim_faults) */
    uint32_t cut_ppm;
    uint32_t stall_ppm;
    uint32_t half_open_ppm;
    uint32_t crash_ppm;
    uint32_t pause_ppm;
    uint64_t stall_max_ns; /**< longest stall */
    uint64_t pause_max_ns; /**< longest pause */
    uint64_t down_max_ns;  /**< longest time until a crashed node starts again */
} trp_sim_faults;

/**
 * Draws faults from the seed: some kinds often, some rarely, some not at all, so that many seeds
 * cover many mixtures.
 */
TRP_API trp_sim_faults trp_sim_faults_draw(trp_sim *sim);

/** Sets what goes wrong from now on; NULL for nothing. Copied. */
TRP_API void trp_sim_set_faults(trp_sim *sim, const trp_sim_faults *faults);

/**
 * Ends all faults: nothing goes wrong any more, stalls and pauses end, nodes that are down start.
 * What half-open connections there are, remain.
 */
TRP_API void trp_sim_heal(trp_sim *sim);

/* ---- running ---- */

/** Runs until the clock shows `time_ns`. Not from actors. */
TRP_API void trp_sim_run_until(trp_sim *sim, uint64_t time_ns);

/** Runs for `ns`. Not from actors. */
TRP_API void trp_sim_run_for(trp_sim *sim, uint64_t ns);

/**
 * Runs until `is_true(arg)`, which is asked after every step, but for `ns` at most. True if it
 * became true. Not from actors.
 */
TRP_API bool trp_sim_run_while_false(trp_sim *sim, bool (*is_true)(void *arg), void *arg,
                                     uint64_t ns);

/** Runs `call(sim, arg)` at `time_ns` between steps. TRP_ENOMEM. */
TRP_API int trp_sim_at(trp_sim *sim, uint64_t time_ns, void (*call)(trp_sim *sim, void *arg),
                       void *arg);

TRP_END_DECLS

#endif
