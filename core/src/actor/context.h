/*
 * The context of one scheduler as actors see it (trp_ctx), and the runtime they all share. The
 * services and the node floor above keep what is theirs behind pointers here; they register what
 * must happen when an actor ends.
 */
#ifndef TRPI_CONTEXT_H
#define TRPI_CONTEXT_H

#include "base/map.h"
#include "base/table.h"
#include "message/message.h"
#include "sched/scheduler.h"
#include "troupe/exit.h"
#include "troupe/request.h"
#include "troupe/runtime.h"
#include "troupe/timer.h"

typedef struct trpi_actor trpi_actor;

/* The callback that runs now, saved and restored around a nested one (init of a spawned actor). */
typedef struct trpi_frame {
    trpi_actor *actor;    /* NULL: the root ctx */
    trp_message *message; /* what the handler has borrowed; NULL: nothing, or taken */
    trp_message *loose; /* what is being handled, if it comes from the stash and not the mailbox */
    void *first;        /* what was first in the mailbox when the handler was called */
    bool is_ending;     /* stop_self, fail or kill of itself was called */
    bool is_yielding;   /* a routine lets others run: its batch ends with this message */
    trp_exit ending;    /* why; without meaning unless is_ending */
} trpi_frame;

/*
 * Copies a frame. The reason is larger than all else and seldom there, so it goes along only then.
 */
static inline void trpi_frame_copy(trpi_frame *to, const trpi_frame *from) {
    to->actor = from->actor;
    to->message = from->message;
    to->loose = from->loose;
    to->first = from->first;
    to->is_ending = from->is_ending;
    to->is_yielding = from->is_yielding;
    if (from->is_ending) {
        to->ending = from->ending;
    }
}

/* Begins the frame of a callback of `actor` that has borrowed nothing. */
static inline void trpi_frame_begin(trpi_frame *frame, trpi_actor *actor) {
    frame->actor = actor;
    frame->message = NULL;
    frame->loose = NULL;
    frame->first = NULL;
    frame->is_ending = false;
    frame->is_yielding = false;
}

/* A message that is made for the occasion and lives until the handler returns. */
typedef struct trpi_scratch {
    trp_message message;
    union {
        trp_timeout timeout;
        trp_request_error error;
    } body;
} trpi_scratch;

/* What is told of an actor while somebody watches all of them (service/watch.c). */
typedef enum trpi_life {
    TRPI_BORN,    /* before its generation moves on, and init */
    TRPI_STARTED, /* init has succeeded; nothing else has run */
    TRPI_ENDED    /* after its generation has moved on; perhaps init has failed */
} trpi_life;

typedef void trpi_observe_fn(trp_ctx *ctx, trpi_actor *actor, trpi_life life,
                             const trp_exit *reason);

struct trp_ctx {
    trpi_scheduler sched; /* first: a trp_ctx is a scheduler is a pool */
    trp_runtime *runtime;
    trpi_frame frame;
    uint32_t select_turn; /* where the next fair select begins */
    uint32_t spawn_depth;
    trpi_observe_fn
        *observe;         /* NULL: nobody watches. Set by the scheduler itself, between actors */
    uint32_t sample_left; /* sends until the next one counted in a mailbox with the default limit */
    bool is_traced;       /* the host wants to hear of every message */
    bool is_stepping;
    bool is_aborted; /* trp_abort has left the step; the next one cleans up */
    bool has_acked_stop;
    trpi_table_cache actors;
    trpi_table_cache entries;
    /* Counters, written by the owner only. */
    trpi_atomic_u64 spawned;
    trpi_atomic_u64 exited;
    trpi_atomic_u64 delivered;
    trpi_atomic_u64 dead_letters;
    trpi_atomic_u64 late_replies;
    trpi_atomic_u64 failures;
    trpi_atomic_u64 timers_armed;
    trpi_atomic_u64 timers_ended;
    trpi_cargo *unloading; /* cargo to be released, by the call of resource.c that is at it */
    bool is_unloading;
    trpi_scratch scratch;
};

/* Called when an actor ends, before anybody is told: releases what a service keeps for it. */
typedef void trpi_release_fn(trp_ctx *ctx, trpi_actor *actor);

/*
 * Sends `message`, of any kind, to an actor of another node. Takes it on every path. Returns as
 * trp_send.
 */
typedef int trpi_route_fn(trp_ctx *ctx, trp_pid to, trp_message *message);

struct trp_runtime {
    trp_host host;
    trp_runtime_config config;
    trpi_group group;
    trpi_depot depot;
    trpi_table actors;
    trpi_table entries;
    trp_ctx *contexts[TRP_SCHEDULERS_MAX];
    trp_dead_letter_fn *dead_letter;
    void *dead_letter_arg;
    trpi_release_fn *release; /* set by the registry of names, as the next */
    /* Reserve a name for the running actor, which is in init, and show its names when that is over. */
    int (*claim_name)(trp_ctx *ctx, const char *name);
    void (*publish_names)(trp_ctx *ctx, trpi_actor *actor);
    void *names;            /* the registry of names */
    trpi_atomic_ptr groups; /* made by group.c on first use */
    trpi_atomic_ptr ports;  /* made by output_port.c on first use */
    trpi_atomic_ptr census; /* made by watch.c on first use */
    trpi_route_fn *route;   /* set by the node floor; NULL: no other nodes */
    void *node;             /* the node floor's */
    void (*node_destroy)(trp_runtime *runtime);
    bool (*node_is_alive)(trp_ctx *ctx, trp_pid pid);
    trpi_map types;       /* by hash of the name */
    trpi_map behaviours;  /* by hash of the name */
    trpi_atomic_u32 jobs; /* work given to the host that has not come back */
    trpi_atomic_u32 stop_asked;
    trpi_atomic_u32 stopping;
    trpi_atomic_u32 done;
    trpi_atomic_u32 stop_acks;
    uint64_t grace_ns;
    uint64_t kill_at_ns; /* scheduler 0 only, as what follows */
    uint32_t sweep_at;
    bool is_sweeping;
    bool is_short_of_memory; /* the walk could not go on; it is tried again after a while */
    bool is_killing;
};

/* Adds to a counter that only this scheduler writes. */
static inline void trpi_count(trpi_atomic_u64 *counter, uint64_t n) {
    trpi_store(counter, trpi_load(counter, TRPI_RELAXED) + n, TRPI_RELAXED);
}

/* True if another thread may do something to the same word at the same moment. */
static inline bool trpi_is_shared(const trp_ctx *ctx) {
    return TRPI_HAS_THREADS != 0 && ctx->sched.is_shared;
}

/* Ends the program: a promise inside the core is broken. */
_Noreturn void trpi_fatal(trp_runtime *runtime, const char *text);

#endif
