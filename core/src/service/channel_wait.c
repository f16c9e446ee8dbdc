/*
 * Waiting for channels: routines block, behaviours are told, and select waits for several; the
 * design is told in channel.h.
 */
#include "actor/routine.h"
#include "actor/stash.h"
#include "service/channel.h"
#include "troupe/error.h"
#include "troupe/routine.h"
#include "troupe/timer.h"

#include <string.h>

#define READY_FIELDS(F) F(u64, channel, 1)
TRP_TYPE_DEFINE(trp_channel_ready, "troupe.ChannelReady", READY_FIELDS)

/* ---- lists of waiters ---- */

static void link_node(trpi_channel_node *node) {
    trp_channel *channel = node->channel;
    trpi_lock(&channel->lock);
    node->next = NULL;
    node->pprev = channel->waiters_last[node->end];
    *node->pprev = node;
    channel->waiters_last[node->end] = &node->next;
    trpi_add_u32(&channel->waiting[node->end], 1, TRPI_SEQ_CST);
    trpi_unlock(&channel->lock);
}

void trpi_channel_unlink(trpi_channel_node *node) {
    trp_channel *channel = node->channel;
    *node->pprev = node->next;
    if (node->next == NULL) {
        channel->waiters_last[node->end] = node->pprev;
    } else {
        node->next->pprev = node->pprev;
    }
    node->pprev = NULL;
    trpi_add_u32(&channel->waiting[node->end], UINT32_MAX, TRPI_SEQ_CST);
}

trpi_channel_node *trpi_channel_claim(trp_channel *channel, trp_channel_end end) {
    trpi_channel_node *node = channel->waiters[end];
    while (node != NULL) {
        trpi_channel_node *next = node->next;
        bool is_mine = trpi_exchange_u32(&node->wait->is_claimed, 1, TRPI_ACQ_REL) == 0;
        trpi_channel_unlink(node);
        if (is_mine) {
            return node;
        }
        node = next;
    }
    return NULL;
}

void trpi_channel_rouse(trp_ctx *ctx, trp_message *wake) {
    (void)trpi_send_reply(ctx, wake);
}

void trpi_channel_wake(trp_ctx *ctx, trp_channel *channel, trp_channel_end end, size_t count) {
    while (count > 0 && trpi_load(&channel->waiting[end], TRPI_SEQ_CST) != 0) {
        trpi_lock(&channel->lock);
        trpi_channel_node *node = trpi_channel_claim(channel, end);
        /* Once the lock is released, the wait may be gone: only its wake is ours. */
        trp_message *wake = node == NULL ? NULL : node->wait->wake;
        trpi_unlock(&channel->lock);
        if (wake == NULL) {
            return;
        }
        trpi_channel_rouse(ctx, wake);
        count--;
    }
}

/* ---- a wait ---- */

static size_t wait_size(size_t nodes_len) {
    return sizeof(trpi_channel_wait) + nodes_len * sizeof(trpi_channel_node);
}

/* Leaves all lists. True if somebody has claimed the wait: its wake is on its way or has come. */
static bool leave_lists(trpi_channel_wait *wait) {
    bool was_claimed = trpi_exchange_u32(&wait->is_claimed, 1, TRPI_ACQ_REL) != 0;
    for (size_t i = 0; i < wait->nodes_len; i++) {
        trpi_channel_node *node = &wait->nodes[i];
        if (node->channel != NULL) {
            trpi_lock(&node->channel->lock);
            if (node->pprev != NULL) {
                trpi_channel_unlink(node);
            }
            trpi_unlock(&node->channel->lock);
        }
    }
    return was_claimed;
}

static void free_wait(trp_ctx *ctx, trpi_channel_wait *wait) {
    for (size_t i = 0; i < wait->nodes_len; i++) {
        trp_channel_drop(ctx, wait->nodes[i].channel);
    }
    trpi_pool_free(&ctx->sched.pool, wait, wait_size(wait->nodes_len));
}

/*
 * A wake was meant for this wait, which will not use it: it is passed on, so that no other waiter
 * sleeps through it.
 */
static void pass_on(trp_ctx *ctx, const trpi_channel_wait *wait) {
    for (size_t i = 0; i < wait->nodes_len; i++) {
        const trpi_channel_node *node = &wait->nodes[i];
        if (node->channel != NULL && node->channel->capacity != 0) {
            trpi_channel_wake(ctx, node->channel, (trp_channel_end)node->end, 1);
        }
    }
}

/* The entry of a wait is given up: its actor ends, or has got what it wanted elsewhere. */
static void end_wait(trp_ctx *ctx, trpi_wait *base) {
    trpi_channel_wait *wait = (trpi_channel_wait *)(void *)base;
    if (leave_lists(wait)) {
        pass_on(ctx, wait);
    } else {
        trpi_message_free(&ctx->sched.pool, wait->wake);
    }
    trp_message_drop(ctx, wait->got); /* handed to somebody who has ended since */
    free_wait(ctx, wait);
}

/* The wake of a behaviour's wait has come, which ends it. */
static bool told(trp_ctx *ctx, trpi_wait *base) {
    trpi_channel_wait *wait = (trpi_channel_wait *)(void *)base;
    (void)leave_lists(wait);
    free_wait(ctx, wait);
    return true;
}

/* The wake of a routine's wait has come: the routine ends the wait itself. */
static bool resumed(trp_ctx *ctx, trpi_wait *base) {
    (void)ctx;
    (void)base;
    return false;
}

/* A wait of the running actor for `nodes_len` channels, in no list yet. NULL when out of memory. */
static trpi_channel_wait *new_wait(trp_ctx *ctx, size_t nodes_len,
                                   bool (*woken)(trp_ctx *, trpi_wait *), trp_ref *ref) {
    trpi_pool *pool = &ctx->sched.pool;
    trpi_channel_wait *wait = trpi_pool_alloc(pool, wait_size(nodes_len));
    trp_message *wake = wait == NULL ? NULL : trp_message_new(ctx, &trp_channel_ready_type);
    trpi_entry *entry = wake == NULL ? NULL : trpi_entry_new(ctx, TRPI_ENTRY_WAIT);
    if (entry == NULL) {
        if (wake != NULL) {
            trpi_message_free(pool, wake);
        }
        if (wait != NULL) {
            trpi_pool_free(pool, wait, wait_size(nodes_len));
        }
        return NULL;
    }
    memset(wait, 0, wait_size(nodes_len));
    wait->base.end = end_wait;
    wait->base.woken = woken;
    wait->wake = wake;
    wait->done = SIZE_MAX;
    wait->nodes_len = nodes_len;
    *ref = trpi_load(&entry->ref, TRPI_RELAXED);
    wake->kind = TRPI_REPLY;
    wake->ref = *ref;
    entry->u.wait = &wait->base;
    return wait;
}

static void fill_node(trpi_channel_wait *wait, size_t index, trp_channel *channel,
                      trp_channel_end end, trp_message *message) {
    trpi_channel_node *node = &wait->nodes[index];
    node->wait = wait;
    node->channel = channel;
    node->end = (uint8_t)end;
    node->message = message;
    if (channel != NULL) {
        trp_channel_hold(channel);
    }
}

/* True if somebody else than `mine` waits at the other side of a rendezvous. */
static bool is_met(trp_channel *channel, trp_channel_end end, const trpi_channel_wait *mine) {
    trp_channel_end other = end == TRP_CHANNEL_SEND ? TRP_CHANNEL_RECEIVE : TRP_CHANNEL_SEND;
    if (trpi_load(&channel->waiting[other], TRPI_SEQ_CST) == 0) {
        return false;
    }
    trpi_lock(&channel->lock);
    const trpi_channel_node *node = channel->waiters[other];
    while (node != NULL && node->wait == mine) {
        node = node->next;
    }
    trpi_unlock(&channel->lock);
    return node != NULL;
}

/* True if a try of that side might do something: looked at after `mine` is in the list. */
static bool is_worth_a_try(trp_channel *channel, trp_channel_end end,
                           const trpi_channel_wait *mine) {
    if (trp_channel_is_closed(channel)) {
        return true;
    }
    if (channel->capacity == 0) {
        return is_met(channel, end, mine);
    }
    uint32_t length = trp_channel_length(channel);
    return end == TRP_CHANNEL_SEND ? length < channel->capacity : length > 0;
}

/* ---- behaviours ---- */

int trp_channel_notify(trp_ctx *ctx, trp_channel *channel, trp_channel_end end, trp_ref *ref) {
    if (ctx->frame.actor == NULL) {
        return TRP_ESTATE;
    }
    if (channel->capacity == 0) {
        return TRP_ENOTSUP; /* both sides of a rendezvous must be there at once, and a behaviour is not */
    }
    trp_ref made;
    trpi_channel_wait *wait = new_wait(ctx, 1, told, &made);
    if (wait == NULL) {
        return TRP_ENOMEM;
    }
    trp_channel_ready *ready = trpi_body(wait->wake);
    ready->channel = (uint64_t)(uintptr_t)channel;
    fill_node(wait, 0, channel, end, NULL);
    link_node(&wait->nodes[0]);
    if (is_worth_a_try(channel, end, wait) &&
        trpi_exchange_u32(&wait->is_claimed, 1, TRPI_ACQ_REL) == 0) {
        trpi_channel_rouse(ctx, wait->wake);
    }
    if (ref != NULL) {
        *ref = made;
    }
    return 0;
}

int trp_channel_forget(trp_ctx *ctx, trp_ref ref) {
    trpi_actor *actor = ctx->frame.actor;
    trpi_entry *entry = actor == NULL ? NULL : trpi_entry_of(ctx, actor, ref);
    if (entry == NULL || entry->kind != TRPI_ENTRY_WAIT) {
        return TRP_ENOENT;
    }
    trpi_entry_give_up(ctx, entry);
    return 0;
}

/* ---- routines ---- */

/* Tries one case. TRP_EFULL and TRP_EEMPTY mean that it is not possible now. */
static int try_case(trp_ctx *ctx, trp_case *one) {
    if (one->channel == NULL) {
        return TRP_EEMPTY;
    }
    return one->end == TRP_CHANNEL_SEND ? trp_channel_try_send(ctx, one->channel, one->message)
                                        : trp_channel_try_receive(ctx, one->channel, &one->message);
}

static bool is_possible(int error) {
    return error != TRP_EFULL && error != TRP_EEMPTY;
}

/*
 * Tries the cases, from a different one each time unless they are ordered. True if one was done,
 * with `*error`.
 */
static bool try_cases(trp_ctx *ctx, trp_case *cases, size_t cases_len, bool is_ordered,
                      size_t *chosen, int *error) {
    size_t begin = is_ordered || cases_len == 0 ? 0 : ctx->select_turn++ % cases_len;
    for (size_t i = 0; i < cases_len; i++) {
        size_t at = (begin + i) % cases_len;
        *error = try_case(ctx, &cases[at]);
        if (is_possible(*error)) {
            *chosen = at;
            return true;
        }
    }
    return false;
}

static void link_cases(trpi_channel_wait *wait, const trp_case *cases, size_t cases_len) {
    for (size_t i = 0; i < cases_len; i++) {
        fill_node(wait, i, cases[i].channel, cases[i].end, cases[i].message);
        if (cases[i].channel != NULL) {
            link_node(&wait->nodes[i]);
        }
    }
}

static bool is_any_worth_a_try(const trp_case *cases, size_t cases_len,
                               const trpi_channel_wait *mine) {
    for (size_t i = 0; i < cases_len; i++) {
        if (cases[i].channel != NULL && is_worth_a_try(cases[i].channel, cases[i].end, mine)) {
            return true;
        }
    }
    return false;
}

/* A select under way. */
typedef struct selection {
    trp_case *cases;
    size_t cases_len;
    const trp_select_options *options;
    trp_ref timer;
    uint64_t deadline_ns; /* of the timer: rounds that do not block end with it too */
    size_t *chosen;
    trp_message **inbox;
} selection;

/* What one round of waiting brought. */
typedef enum round { AGAIN, SERVED, INBOX, TIMED_OUT } round;

/* Takes what a rendezvous has done for the wait meanwhile. False: nothing. */
static bool take_served(const selection *s, trpi_channel_wait *wait) {
    if (wait->done == SIZE_MAX) {
        return false;
    }
    *s->chosen = wait->done;
    if (wait->got != NULL) {
        s->cases[wait->done].message = wait->got;
        wait->got = NULL;
    }
    return true;
}

/* Blocks until the wake, the timer or a message comes. */
static int block(trp_ctx *ctx, const selection *s, trp_ref ref, trp_message **message) {
    trp_filter filter = {sizeof filter, NULL, 0, 0};
    const trp_select_options *options = s->options;
    if (options->has_inbox && options->filter == NULL) {
        return trpi_routine_wait(ctx, NULL, ref, s->timer, message);
    }
    if (options->has_inbox) {
        filter = *options->filter;
    }
    return trpi_routine_wait(ctx, &filter, ref, s->timer, message);
}

/* The select has been served and got a message besides: that must be the next one of the inbox. */
static void put_back(trp_ctx *ctx, trp_message *message) {
    trpi_stash *stash = trpi_stash_of(ctx, ctx->frame.actor);
    trp_message *taken = stash == NULL ? NULL : trpi_take(ctx, message, false);
    if (taken != NULL) {
        taken->flags = TRPI_FLAG_RETURNED;
        trpi_stash_put_back(ctx, stash, taken);
    }
}

static bool is_timeout(trp_message *message, trp_ref timer) {
    const trp_timeout *timeout = trp_message_as(message, &trp_timeout_type);
    return timeout != NULL && timer != 0 && timeout->ref == timer;
}

/* The wait is over for the routine; `message` is what it was resumed with. */
static round after_block(trp_ctx *ctx, const selection *s, trpi_entry *entry,
                         trpi_channel_wait *wait, trp_message *message) {
    bool is_wake = trp_message_ref(message) == trpi_load(&entry->ref, TRPI_RELAXED);
    bool was_claimed = leave_lists(wait);
    bool is_served = take_served(s, wait);
    trpi_entry_release(ctx, entry);
    if (!was_claimed) {
        trpi_message_free(&ctx->sched.pool, wait->wake);
    } else if (!is_wake && !is_served) {
        pass_on(ctx, wait);
    }
    free_wait(ctx, wait);
    if (is_served && !is_wake && !is_timeout(message, s->timer)) {
        put_back(ctx, message);
    }
    if (is_served) {
        return SERVED;
    }
    if (is_wake) {
        return AGAIN;
    }
    *s->inbox = message;
    return is_timeout(message, s->timer) ? TIMED_OUT : INBOX;
}

static int wait_round(trp_ctx *ctx, const selection *s, round *what) {
    trp_ref ref;
    trpi_channel_wait *wait = new_wait(ctx, s->cases_len, resumed, &ref);
    if (wait == NULL) {
        return TRP_ENOMEM;
    }
    trpi_entry *entry = trpi_entry_find(ctx->runtime, ref);
    link_cases(wait, s->cases, s->cases_len);
    if (is_any_worth_a_try(s->cases, s->cases_len, wait) &&
        trpi_exchange_u32(&wait->is_claimed, 1, TRPI_ACQ_REL) == 0) {
        /* Not waiting after all: nobody else can claim it now, and its wake was never sent. */
        (void)leave_lists(wait);
        trpi_entry_release(ctx, entry);
        trpi_message_free(&ctx->sched.pool, wait->wake);
        free_wait(ctx, wait);
        *what = AGAIN;
        return trp_yield(ctx);
    }
    trp_message *message;
    int error = block(ctx, s, ref, &message);
    if (error != 0) {
        trpi_entry_give_up(ctx, entry);
        return error;
    }
    *what = after_block(ctx, s, entry, wait, message);
    return 0;
}

/* What is sent must survive the waits: it is the routine's own and known to nobody else. */
static int own_messages(trp_ctx *ctx, trp_case *cases, size_t cases_len) {
    for (size_t i = 0; i < cases_len; i++) {
        if (cases[i].end != TRP_CHANNEL_SEND) {
            continue;
        }
        if (cases[i].message != NULL && cases[i].message == ctx->frame.message) {
            cases[i].message = trpi_take(ctx, cases[i].message, false);
        }
        if (cases[i].message == NULL) {
            return TRP_ENOMEM;
        }
        trpi_unhold(ctx, cases[i].message);
    }
    return 0;
}

static int run_select(trp_ctx *ctx, const selection *s) {
    int error = 0;
    const trp_select_options *options = s->options;
    for (;;) {
        if (try_cases(ctx, s->cases, s->cases_len, options->is_ordered, s->chosen, &error)) {
            return error;
        }
        if (options->timeout_ns == 0 && !options->has_inbox) {
            return TRP_ETIMEOUT;
        }
        round what = AGAIN;
        error = wait_round(ctx, s, &what);
        if (error != 0 || what == SERVED) {
            return error;
        }
        if (what == TIMED_OUT || (what == AGAIN && trp_now_ns(ctx) >= s->deadline_ns)) {
            return TRP_ETIMEOUT;
        }
        if (what == INBOX) {
            *s->chosen = TRP_SELECT_INBOX;
            return 0;
        }
    }
}

int trp_select(trp_ctx *ctx, trp_case *cases, size_t cases_len, const trp_select_options *options,
               size_t *chosen, trp_message **inbox) {
    bool is_too_much = cases_len > TRP_CASES_MAX ||
                       (options->filter != NULL && options->filter->tags_len > TRP_FILTER_TAGS_MAX);
    if (is_too_much || (options->has_inbox && inbox == NULL)) {
        return TRP_EINVAL;
    }
    if (!trpi_routine_is_running(ctx)) {
        return TRP_ESTATE;
    }
    trp_message *ignored;
    uint64_t now = trp_now_ns(ctx);
    uint64_t deadline =
        options->timeout_ns > TRP_NEVER - now ? TRP_NEVER : now + options->timeout_ns;
    selection s = {
        cases, cases_len, options, 0, deadline, chosen, inbox == NULL ? &ignored : inbox};
    int error = own_messages(ctx, cases, cases_len);
    bool has_timer =
        options->timeout_ns != TRP_NEVER && (options->timeout_ns != 0 || options->has_inbox);
    if (error == 0 && has_timer) {
        error = trpi_routine_arm(ctx, options->timeout_ns, &s.timer);
    }
    if (error == 0) {
        error = run_select(ctx, &s);
    }
    if (s.timer != 0) {
        (void)trp_timer_cancel(ctx, s.timer);
    }
    return error;
}

/* One case whose first try was in vain, or that may not even be tried. */
static int wait_for(trp_ctx *ctx, trp_case *one, uint64_t timeout_ns) {
    trp_select_options options = {sizeof options, timeout_ns, true, false, NULL};
    size_t chosen;
    return trp_select(ctx, one, 1, &options, &chosen, NULL);
}

/*
 * Sending and receiving are a select with one case. Nearly always its first try does it, so that
 * comes before anything that only a wait needs.
 */
int trp_channel_send(trp_ctx *ctx, trp_channel *channel, trp_message *message,
                     uint64_t timeout_ns) {
    trp_case one = {channel, TRP_CHANNEL_SEND, message};
    if (!trpi_routine_is_running(ctx)) {
        return TRP_ESTATE;
    }
    int error = own_messages(ctx, &one, 1);
    if (error == 0) {
        error = channel == NULL ? TRP_EFULL : trpi_channel_push(ctx, channel, one.message);
    }
    return is_possible(error) ? error : wait_for(ctx, &one, timeout_ns);
}

int trp_channel_receive(trp_ctx *ctx, trp_channel *channel, uint64_t timeout_ns,
                        trp_message **message) {
    trp_case one = {channel, TRP_CHANNEL_RECEIVE, NULL};
    if (!trpi_routine_is_running(ctx)) {
        return TRP_ESTATE;
    }
    int error = channel == NULL ? TRP_EEMPTY : trp_channel_try_receive(ctx, channel, &one.message);
    error = is_possible(error) ? error : wait_for(ctx, &one, timeout_ns);
    if (error == 0) {
        *message = one.message;
    }
    return error;
}
