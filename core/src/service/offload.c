/*
 * Work off the scheduler. A job is one block: an entry of its actor refers to it, and so does
 * whoever runs it. It goes to the host, runs on a thread of the host's, and comes back to the
 * scheduler that gave it away as a posted call, which sends the actor the message that lay ready.
 *
 * Who frees it. The actor gives its side up when it handles the message, cancels or ends; the other
 * side ends with the posted call. `state` is exchanged by both, and who comes second frees. The
 * worker only ever changes QUEUED to RUNNING, so work whose actor has gone before is not begun.
 *
 * The runtime counts the jobs that are out and does not end before the last has come back. None is
 * begun while it stops, so the count can only fall then.
 */
#include "troupe/offload.h"

#include "actor/actor.h"
#include "actor/entry.h"
#include "actor/routine.h"
#include "troupe/error.h"
#include "troupe/routine.h"

#include <string.h>

#define OFFLOADED_FIELDS(F)                                                                        \
    F(ref, ref, 1)                                                                                 \
    F(i32, result, 2)                                                                              \
    F(u64, arg, 3)
TRP_TYPE_DEFINE(trp_offloaded, "troupe.Offloaded", OFFLOADED_FIELDS)

enum {
    QUEUED = 0,
    RUNNING,
    FINISHED, /* the message is on its way: the job is the actor's alone */
    GIVEN_UP  /* the actor wants it no more: it is the runner's alone */
};

typedef struct job {
    trpi_call call; /* first: how it comes back */
    trpi_wait wait; /* what the actor's entry refers to */
    trpi_atomic_u32 state;
    unsigned scheduler;
    int result;
    trp_runtime *runtime;
    trp_message *message; /* the trp_offloaded */
    trp_work work;
} job;

static job *job_of_wait(trpi_wait *wait) {
    return (job *)(void *)((char *)wait - offsetof(job, wait));
}

/* Nobody will take `arg` back. */
static void discard(trp_ctx *ctx, job *done) {
    if (done->work.discard != NULL) {
        done->work.discard(done->work.arg);
    }
    trpi_pool_free(&ctx->sched.pool, done, sizeof *done);
}

/* ---- the actor's side ---- */

/* The entry is given up: the actor cancels, waits no longer, or ends. */
static void end_wait(trp_ctx *ctx, trpi_wait *wait) {
    job *mine = job_of_wait(wait);
    /* acq_rel pairs with itself in come_back: the second sees what the first has written. */
    if (trpi_exchange_u32(&mine->state, GIVEN_UP, TRPI_ACQ_REL) == FINISHED) {
        discard(ctx, mine);
    }
}

/* The message is being handled: `arg` is the actor's. */
static bool told(trp_ctx *ctx, trpi_wait *wait) {
    trpi_pool_free(&ctx->sched.pool, job_of_wait(wait), sizeof(job));
    return true;
}

/* ---- the runner's side ---- */

/* On the scheduler: the job is back. */
static void come_back(trpi_scheduler *sched, trpi_call *call) {
    trp_ctx *ctx = (trp_ctx *)(void *)sched;
    job *back = (job *)(void *)call;
    trp_message *message = back->message;
    trp_offloaded *offloaded = trpi_body(message);
    offloaded->result = back->result;
    if (trpi_exchange_u32(&back->state, FINISHED, TRPI_ACQ_REL) == GIVEN_UP) {
        trpi_message_free(&ctx->sched.pool, message);
        discard(ctx, back);
    } else {
        (void)trpi_send_reply(ctx, message); /* from here on the actor may free the job */
    }
    trpi_add_u32(&ctx->runtime->jobs, UINT32_MAX, TRPI_RELEASE); /* pairs with is_over in stop.c */
}

static void do_work(job *doing, bool is_canceled) {
    uint32_t expected = QUEUED;
    doing->result = TRP_ECANCELED;
    if (!is_canceled && trpi_cas_u32(&doing->state, &expected, RUNNING, TRPI_ACQ_REL)) {
        doing->result = doing->work.run(doing->work.arg);
    }
}

/* On a thread of the host's. */
static void run(void *arg, bool is_canceled) {
    job *doing = arg;
    do_work(doing, is_canceled);
    trpi_sched_post(&doing->runtime->group, doing->scheduler, &doing->call);
}

/* The host cannot do it: the scheduler does, between actors. */
static void run_here(trpi_scheduler *sched, trpi_call *call) {
    do_work((job *)(void *)call, false);
    come_back(sched, call);
}

static int give_away(trp_ctx *ctx, job *made) {
    const trp_host *host = &ctx->runtime->host;
    if (host->offload != NULL) {
        made->call.run = come_back;
        return host->offload(host->self, ctx->sched.index, run, made);
    }
    made->call.run = run_here;
    trpi_sched_post(&ctx->runtime->group, ctx->sched.index, &made->call);
    return 0;
}

/* ---- giving work away ---- */

/* A job with its message and its entry. NULL when out of memory. */
static job *make_job(trp_ctx *ctx, const trp_work *work, trpi_entry **entry) {
    trpi_pool *pool = &ctx->sched.pool;
    job *made = trpi_pool_alloc(pool, sizeof *made);
    trp_message *message = made == NULL ? NULL : trp_message_new(ctx, &trp_offloaded_type);
    *entry = message == NULL ? NULL : trpi_entry_new(ctx, TRPI_ENTRY_WAIT);
    if (*entry == NULL) {
        if (message != NULL) {
            trpi_message_free(pool, message);
        }
        if (made != NULL) {
            trpi_pool_free(pool, made, sizeof *made);
        }
        return NULL;
    }
    memset(made, 0, sizeof *made);
    made->call.drop = come_back;
    made->wait.end = end_wait;
    made->wait.woken = told;
    made->scheduler = ctx->sched.index;
    made->runtime = ctx->runtime;
    made->message = message;
    memcpy(&made->work, work, work->size < sizeof *work ? work->size : sizeof *work);
    message->kind = TRPI_REPLY;
    message->ref = trpi_load(&(*entry)->ref, TRPI_RELAXED);
    trp_offloaded *offloaded = trpi_body(message);
    offloaded->ref = message->ref;
    offloaded->arg = (uint64_t)(uintptr_t)work->arg;
    (*entry)->u.wait = &made->wait;
    return made;
}

int trp_offload(trp_ctx *ctx, const trp_work *work, trp_ref *ref) {
    if (work->run == NULL) {
        return TRP_EINVAL;
    }
    /* Acquire as in spawn: none is given away after this scheduler has acknowledged the stop. */
    if (ctx->frame.actor == NULL || trpi_load(&ctx->runtime->stopping, TRPI_ACQUIRE) != 0) {
        return TRP_ESTATE;
    }
    trpi_entry *entry;
    job *made = make_job(ctx, work, &entry);
    if (made == NULL) {
        return TRP_ENOMEM;
    }
    trp_message *message = made->message;
    trp_ref made_ref = message->ref;
    trpi_add_u32(&ctx->runtime->jobs, 1, TRPI_RELAXED);
    int error = give_away(ctx, made);
    if (error != 0) {
        trpi_add_u32(&ctx->runtime->jobs, UINT32_MAX, TRPI_RELAXED);
        trpi_entry_release(ctx, entry);
        trpi_message_free(&ctx->sched.pool, message);
        trpi_pool_free(&ctx->sched.pool, made, sizeof *made);
        return error;
    }
    if (ref != NULL) {
        *ref = made_ref;
    }
    return 0;
}

static trpi_entry *entry_of(trp_ctx *ctx, trp_ref ref) {
    trpi_actor *actor = ctx->frame.actor;
    trpi_entry *entry = actor == NULL ? NULL : trpi_entry_of(ctx, actor, ref);
    bool is_job = entry != NULL && entry->kind == TRPI_ENTRY_WAIT && entry->u.wait->end == end_wait;
    return is_job ? entry : NULL;
}

int trp_offload_cancel(trp_ctx *ctx, trp_ref ref) {
    trpi_entry *entry = entry_of(ctx, ref);
    if (entry == NULL) {
        return TRP_ENOENT;
    }
    uint32_t expected = QUEUED;
    if (!trpi_cas_u32(&job_of_wait(entry->u.wait)->state, &expected, GIVEN_UP, TRPI_ACQ_REL)) {
        return TRP_ESTATE;
    }
    trpi_entry_release(ctx, entry); /* the job itself is the runner's now */
    return 0;
}

int trp_offload_wait(trp_ctx *ctx, const trp_work *work, uint64_t timeout_ns, int *result) {
    trp_filter filter = {sizeof filter, NULL, 0, 0};
    int error = trpi_routine_is_running(ctx) ? trp_offload(ctx, work, &filter.ref) : TRP_ESTATE;
    if (error != 0) {
        if (work->discard != NULL) {
            work->discard(work->arg);
        }
        return error;
    }
    trp_message *message;
    error = trp_receive(ctx, &filter, timeout_ns, &message);
    if (error != 0) {
        trpi_entry *entry = entry_of(ctx, filter.ref);
        if (entry != NULL) {
            trpi_entry_give_up(ctx, entry);
        }
        return error;
    }
    const trp_offloaded *offloaded = trp_message_as(message, &trp_offloaded_type);
    *result = offloaded->result;
    return 0;
}
