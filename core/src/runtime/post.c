/*
 * The door for foreign threads. What is posted waits in memory of its own until the scheduler runs
 * it, or the runtime ends.
 */
#include "actor/actor.h"
#include "runtime/stop.h"
#include "troupe/error.h"

#include <string.h>

typedef struct posted_call {
    trpi_call call;
    size_t size; /* of the whole block */
    void (*run)(trp_ctx *ctx, void *arg);
    void *arg;
} posted_call;

typedef struct posted_bytes {
    trpi_call call;
    size_t size;
    trp_pid to;
    uint64_t tag;
    size_t length;
    char bytes[];
} posted_bytes;

_Static_assert(offsetof(posted_call, size) == offsetof(posted_bytes, size), "one way to free");

static void free_posted(trpi_scheduler *sched, trpi_call *call) {
    const trp_host *host = &((trp_ctx *)(void *)sched)->runtime->host;
    posted_call *posted = (posted_call *)(void *)call;
    host->realloc(host->self, posted, posted->size, 0);
}

static void run_call(trpi_scheduler *sched, trpi_call *call) {
    trp_ctx *ctx = (trp_ctx *)(void *)sched;
    posted_call posted = *(posted_call *)(void *)call;
    free_posted(sched, call);
    posted.run(ctx, posted.arg);
}

int trp_post_call(trp_runtime *runtime, unsigned scheduler, void (*call)(trp_ctx *ctx, void *arg),
                  void *arg) {
    if (scheduler >= runtime->group.count || call == NULL) {
        return TRP_EINVAL;
    }
    posted_call *posted = runtime->host.realloc(runtime->host.self, NULL, 0, sizeof *posted);
    if (posted == NULL) {
        return TRP_ENOMEM;
    }
    *posted = (posted_call){{NULL, run_call, free_posted}, sizeof *posted, call, arg};
    trpi_sched_post(&runtime->group, scheduler, &posted->call);
    return 0;
}

static void run_bytes(trpi_scheduler *sched, trpi_call *call) {
    trp_ctx *ctx = (trp_ctx *)(void *)sched;
    posted_bytes *posted = (posted_bytes *)(void *)call;
    trp_message *message = trp_message_new_bytes(ctx, posted->bytes, posted->length);
    if (message != NULL) {
        message->tag = posted->tag;
        (void)trp_send(ctx, posted->to, message);
    } else {
        trp_log(ctx, TRP_LOG_ERROR, "out of memory: a posted message is lost");
        trpi_count(&ctx->dead_letters, 1);
    }
    free_posted(sched, call);
}

int trp_post_bytes(trp_runtime *runtime, trp_pid to, const void *data, size_t length,
                   uint64_t tag) {
    if (length > TRP_MESSAGE_MAX) {
        return TRP_ETOOBIG;
    }
    size_t size = sizeof(posted_bytes) + length;
    posted_bytes *posted = runtime->host.realloc(runtime->host.self, NULL, 0, size);
    if (posted == NULL) {
        return TRP_ENOMEM;
    }
    posted->call.run = run_bytes;
    posted->call.drop = free_posted;
    posted->size = size;
    posted->to = to;
    posted->tag = tag;
    posted->length = length;
    if (length > 0) {
        memcpy(posted->bytes, data, length);
    }
    trpi_sched_post(&runtime->group, to.index % runtime->group.count, &posted->call);
    return 0;
}

void trpi_stop_discard_calls(trp_ctx *ctx) {
    trpi_call *call = trpi_exchange_ptr(&ctx->sched.injected_calls, NULL, TRPI_ACQUIRE);
    while (call != NULL) {
        trpi_call *next = call->next;
        call->drop(&ctx->sched, call);
        call = next;
    }
}
