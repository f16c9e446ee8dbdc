/*
 * The web host: the core's host table, and the module's exports. JavaScript's side is
 * js/engine.mjs.
 *
 * One tick of JavaScript is: write a batch of operations into the memory that `batch` returns, call
 * `step`, read the events at `events`. Nothing else crosses while actors run, so neither side ever
 * calls into the other from inside a call, and a handler in JavaScript that throws has no C frames
 * above it. An actor that calls trp_abort leaves `step` by an exception of JavaScript; `recover`
 * then puts the stack pointer back and `step` may be called again.
 */
#include "host.h"
#include "troupe/web.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

trpi_web_host trpi_web;

TRPI_WEB_IMPORT("now") double trpi_web_now(void);
TRPI_WEB_IMPORT("entropy") int trpi_web_entropy(void *bytes, size_t length);
TRPI_WEB_IMPORT("log")
void trpi_web_log(int level, const char *who, size_t who_length, const char *text, size_t length);
TRPI_WEB_IMPORT("abandon") _Noreturn void trpi_web_abandon(void);

/* Part of the compiler's runtime: reads and sets the stack pointer. */
extern void *stackSave(void);
extern void stackRestore(void *stack);

/* An application without C actors has no setup. */
__attribute__((weak)) int trp_web_setup(trp_runtime *runtime) {
    (void)runtime;
    return TRP_OK;
}

/* Replaced in a module with routines. */
__attribute__((weak)) void trpi_web_fibers_fill(trp_host *host) {
    (void)host;
}

/*
 * --- the host table
 * ------------------------------------------------------------------------------------
 */

static void *host_realloc(void *self, void *block, size_t old_size, size_t new_size) {
    (void)self;
    (void)old_size;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    void *moved = realloc(block, new_size);
    return moved == NULL && new_size <= old_size ? block : moved;
}

static uint64_t host_now(void *self) {
    (void)self;
    return (uint64_t)(trpi_web_now() * 1e6);
}

/* A wake comes out of a call into the module; JavaScript steps after each of them anyway. */
static void host_wake(void *self, unsigned scheduler) {
    (void)self;
    (void)scheduler;
}

static int host_entropy(void *self, void *bytes, size_t length) {
    (void)self;
    return trpi_web_entropy(bytes, length);
}

static void host_log(void *self, int level, const char *who, const char *text, size_t length) {
    (void)self;
    trpi_web_log(level, who, strlen(who), text, length);
}

static void host_fatal(void *self, const char *text) {
    (void)self;
    trpi_web_fatal(text, strlen(text));
}

static void host_abandon(void *self, unsigned scheduler) {
    (void)self;
    (void)scheduler;
    trpi_web_abandon();
}

/*
 * --- exports
 * -------------------------------------------------------------------------------------------
 */

TRPI_WEB_EXPORT("batch") void *trpi_web_batch(size_t length);
TRPI_WEB_EXPORT("create")
int trpi_web_create(uint32_t actors_max, uint32_t mailbox_messages, double heartbeat_ms,
                    double patience_ms);
TRPI_WEB_EXPORT("step") int trpi_web_step(uint32_t messages, double deadline_ms);
TRPI_WEB_EXPORT("recover") void trpi_web_recover(void);
TRPI_WEB_EXPORT("deadline") double trpi_web_deadline(void);
TRPI_WEB_EXPORT("events") const void *trpi_web_events(void);
TRPI_WEB_EXPORT("events_length") size_t trpi_web_events_length(void);
TRPI_WEB_EXPORT("error_text") const char *trpi_web_error_text(int code);
TRPI_WEB_EXPORT("version") const char *trpi_web_version(void);
TRPI_WEB_EXPORT("destroy") void trpi_web_destroy(void);

static trp_ctx *root(void) {
    return trp_runtime_enter(trpi_web.runtime, 0);
}

/* Memory for the next batch of operations, `length` bytes; NULL when there is none. */
void *trpi_web_batch(size_t length) {
    trpi_web.in.length = 0;
    trpi_web.in.failed = 0;
    if (!trpi_web_bytes_reserve(&trpi_web.in, length)) {
        return NULL;
    }
    trpi_web.in.length = length;
    return trpi_web.in.data;
}

static int start_node(const char *name, double heartbeat_ms, double patience_ms) {
    trp_node_config config = {.size = sizeof config,
                              .name = name,
                              .heartbeat_ns = (uint64_t)(heartbeat_ms * 1e6),
                              .patience_ns = (uint64_t)(patience_ms * 1e6)};
    int error = trp_node_start(trpi_web.runtime, &config);
    if (error == TRP_OK) {
        trpi_web_ref_init();
    }
    return error;
}

/*
 * Makes the runtime; the batch holds the node's name. Zero is the default of each number. Its first
 * events are the registered types and behaviours.
 */
int trpi_web_create(uint32_t actors_max, uint32_t mailbox_messages, double heartbeat_ms,
                    double patience_ms) {
    char name[TRP_NODE_NAME_MAX + 1];
    if (trpi_web.in.length > TRP_NODE_NAME_MAX || trpi_web.runtime != NULL) {
        return trpi_web.runtime != NULL ? TRP_ESTATE : TRP_EINVAL;
    }
    memcpy(name, trpi_web.in.data, trpi_web.in.length);
    name[trpi_web.in.length] = 0;
    trp_host host = {.size = sizeof host,
                     .realloc = host_realloc,
                     .now_ns = host_now,
                     .wake = host_wake,
                     .entropy = host_entropy,
                     .log = host_log,
                     .fatal = host_fatal,
                     .abandon = host_abandon};
    trpi_web_fibers_fill(&host);
    trp_runtime_config config = {.size = sizeof config,
                                 .schedulers = 1,
                                 .actors_max = actors_max,
                                 .mailbox_messages = mailbox_messages};
    int error = trp_runtime_create(&host, &config, &trpi_web.runtime);
    error = error != TRP_OK ? error : start_node(name, heartbeat_ms, patience_ms);
    error = error != TRP_OK ? error : trp_web_setup(trpi_web.runtime);
    error = error != TRP_OK ? error : trpi_web_types_announce();
    return error != TRP_OK ? error : trpi_web_main_create(root());
}

/*
 * Runs the batch and then ready actors, until about `messages` were handled or the clock has passed
 * `deadline_ms`. Returns a trp_step. The events are complete when it returns, and stay until the
 * next call of `step`.
 */
int trpi_web_step(uint32_t messages, double deadline_ms) {
    trp_budget budget = {.messages = messages, .deadline_ns = (uint64_t)(deadline_ms * 1e6)};
    trpi_web.stack = stackSave();
    trpi_web_batch_post(root());
    trp_step result = trp_runtime_step(trpi_web.runtime, 0, &budget, &trpi_web.next_deadline);
    trpi_web_ports_flush();
    if (trpi_web.out.failed) {
        trpi_web.out.length = 0;
        trpi_web_record record = {.code = TRPI_WEB_EVENT_LOST_MEMORY};
        trpi_web_bytes_put(&trpi_web.out, record, NULL, 0, NULL, 0);
    }
    return (int)result;
}

/*
 * After `step` was left by `abandon`: takes back the stack that the abandoned frames used. The
 * batch was posted.
 */
void trpi_web_recover(void) {
    stackRestore(trpi_web.stack);
}

/*
 * When `step` wants to be called again without a batch, in the clock's milliseconds; infinity for
 * never.
 */
double trpi_web_deadline(void) {
    return trpi_web.next_deadline == TRP_NEVER ? (double)INFINITY
                                               : (double)trpi_web.next_deadline / 1e6;
}

/* Where the events are. */
const void *trpi_web_events(void) {
    return trpi_web.out.data;
}

/* Bytes of events; asking takes them: the next events begin at the start again. */
size_t trpi_web_events_length(void) {
    size_t length = trpi_web.out.length;
    trpi_web.out.length = 0;
    return length;
}

/* Text of a TRP_E*, for messages; zero-terminated. */
const char *trpi_web_error_text(int code) {
    return trp_error_text(code);
}

/* "major.minor.patch", zero-terminated. */
const char *trpi_web_version(void) {
    return trp_version();
}

/* Ends the runtime. The instance is of no further use. */
void trpi_web_destroy(void) {
    trp_runtime_destroy(trpi_web.runtime);
    trpi_web.runtime = NULL;
}
