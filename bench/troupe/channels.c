/*
 * Channels: n items go from producers to one consumer, all of them routines that block when the channel is full or empty. An item is a message,
 * made by the producer and freed by the consumer. The consumer ends when the last producer has released its end and the channel is empty.
 *
 * The parameter is how many items go at once: 0 or 1 for one by one, up to 32. A batch is tried; for what does not fit the routine waits with
 * one item and then tries the rest again.
 */

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

#include "troupe/channel.h"
#include "troupe/routine.h"

enum { BATCH_MAX = 32, CAPACITY = 1024 };

typedef struct channel_arg {
    bench_job *job;
    trp_channel *channel;
    uint64_t items;
    size_t batch;
} channel_arg;

static trp_message *new_item(trp_ctx *ctx, uint64_t number) {
    trp_message *item = trp_message_new(ctx, &bench_inc_type);
    bench_require(item != NULL, "out of memory");
    ((bench_inc *)trp_message_body(item))->value = (int64_t)number;
    return item;
}

static void send_one(trp_ctx *ctx, trp_channel *channel, trp_message *item) {
    int error = trp_channel_send(ctx, channel, item, TRP_NEVER);
    bench_require(error == 0, "an item was refused");
}

static void send_batch(trp_ctx *ctx, trp_channel *channel, trp_message *const *items,
                       size_t count) {
    size_t sent = 0;
    while (count > 0 && trp_channel_try_send_many(ctx, channel, items, count, &sent) == TRP_EFULL) {
        send_one(ctx, channel, items[sent]);
        items += sent + 1;
        count -= sent + 1;
    }
}

static int producer_body(trp_ctx *ctx, void *arg) {
    const channel_arg *producer = arg;
    uint64_t left = producer->items;
    while (left > 0) {
        if (producer->batch <= 1) {
            send_one(ctx, producer->channel, new_item(ctx, left--));
            continue;
        }
        trp_message *items[BATCH_MAX];
        size_t count = 0;
        while (count < producer->batch && left > 0) {
            items[count++] = new_item(ctx, left--);
        }
        send_batch(ctx, producer->channel, items, count);
    }
    trp_channel_release(ctx, producer->channel, TRP_CHANNEL_SEND);
    return 0;
}

/* Receives at least one item, unless the channel has ended; frees them and returns how many. */
static size_t consume(trp_ctx *ctx, const channel_arg *consumer) {
    trp_message *items[BATCH_MAX];
    size_t count = 0;
    int error = TRP_EEMPTY;
    if (consumer->batch > 1) {
        error =
            trp_channel_try_receive_many(ctx, consumer->channel, items, consumer->batch, &count);
    }
    if (error == TRP_EEMPTY) {
        error = trp_channel_receive(ctx, consumer->channel, TRP_NEVER, &items[0]);
        count = error == 0 ? 1 : 0;
    }
    bench_require(error == 0 || error == TRP_ECLOSED, "receive failed");
    for (size_t k = 0; k < count; k++) {
        trp_message_drop(ctx, items[k]);
    }
    return count;
}

static int consumer_body(trp_ctx *ctx, void *arg) {
    const channel_arg *consumer = arg;
    uint64_t received = 0;
    size_t count;
    while ((count = consume(ctx, consumer)) > 0) {
        received += count;
    }
    bench_require(received == consumer->items, "items were lost");
    trp_channel_release(ctx, consumer->channel, TRP_CHANNEL_RECEIVE);
    bench_finish(consumer->job);
    return 0;
}

static const trp_routine producer_routine = {
    TRP_ROUTINE("bench.channel-producer", producer_body, sizeof(channel_arg))};
static const trp_routine consumer_routine = {
    TRP_ROUTINE("bench.channel-consumer", consumer_body, sizeof(channel_arg))};

static void transfer(trp_ctx *ctx, bench_job *job, unsigned producers, uint32_t capacity) {
    uint64_t each = job->n / producers;
    channel_arg arg = {.job = job, .items = each * producers, .batch = (size_t)job->parameter};
    bench_require(job->parameter <= BATCH_MAX, "a batch has at most 32 items");
    bench_require(trp_channel_create(ctx, capacity, &arg.channel) == 0, "no channel");
    trp_pid pid;
    int error = trp_spawn(ctx, &consumer_routine.behaviour, &arg, &pid);
    if (error == TRP_ENOTSUP) {
        fprintf(stderr, "troupe-bench: this host has no fibers\n");
        exit(3);
    }
    bench_require(error == 0, "a routine could not be spawned");
    arg.items = each;
    for (unsigned k = 0; k < producers; k++) {
        trp_channel_clone(arg.channel, TRP_CHANNEL_SEND);
        bench_spawn(ctx, &producer_routine.behaviour, &arg);
    }
    trp_channel_release(ctx, arg.channel, TRP_CHANNEL_SEND);
}

void bench_mpsc(trp_ctx *ctx, bench_job *job) {
    transfer(ctx, job, 4, CAPACITY);
}

void bench_spsc(trp_ctx *ctx, bench_job *job) {
    transfer(ctx, job, 1, CAPACITY);
}

void bench_unbounded(trp_ctx *ctx, bench_job *job) {
    transfer(ctx, job, 1, TRP_CHANNEL_UNBOUNDED);
}
