/*
 * Output ports: who gets what, in which order, and that each message that does not come is counted.
 */
#include "cmocka_all.h"
#include "probe.h"

#include <stdlib.h>

enum { SEEN_MAX = 512 };

/* A subscriber, and what it has seen. */
typedef struct reader {
    probe probe; /* first */
    trp_ref ref; /* of the subscription that it made last */
    uint32_t seen_len;
    uint64_t seen[SEEN_MAX];
    uint32_t closed;
    trp_output_port_closed last_closed;
} reader;

/* An actor with a port. */
typedef struct publisher {
    probe probe; /* first */
    trp_ref port;
    int result;
} publisher;

static void note(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)ctx;
    reader *me = (reader *)(void *)self;
    const trp_output_port_closed *closed = trp_message_as(message, &trp_output_port_closed_type);
    if (closed != NULL) {
        me->closed++;
        me->last_closed = *closed;
        assert_int_equal(trp_message_ref(message), closed->ref);
    } else if (trp_message_ref(message) != 0) {
        assert_in_range(me->seen_len, 0, SEEN_MAX - 1);
        me->seen[me->seen_len++] = probe_value_of(message);
    }
}

static void call_open(trp_ctx *ctx, probe *self, void *arg) {
    (void)arg;
    publisher *me = (publisher *)(void *)self;
    me->result = trp_output_port_open(ctx, &me->port);
}

static void spawn_publisher(fake_host *fake, publisher *who) {
    memset(who, 0, sizeof *who);
    probe_spawn(fake, &who->probe);
    probe_do(fake, &who->probe, call_open, NULL);
    assert_int_equal(who->result, 0);
    assert_int_not_equal(who->port, 0);
}

static void spawn_reader(fake_host *fake, reader *who) {
    memset(who, 0, sizeof *who);
    who->probe.on_message = note;
    probe_spawn(fake, &who->probe);
}

/* A call of the module. */
typedef struct deed {
    trp_ref ref;
    const trp_subscription *options;
    uint64_t from; /* values to publish: from, from + 1, ... */
    uint32_t count;
    int result;
    uint64_t lost;
    trp_output_port_stats stats;
} deed;

static void call_subscribe(trp_ctx *ctx, probe *self, void *arg) {
    deed *what = arg;
    what->result =
        trp_output_port_subscribe(ctx, what->ref, what->options, &((reader *)(void *)self)->ref);
}

static void call_unsubscribe(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *what = arg;
    what->result = trp_output_port_unsubscribe(ctx, what->ref);
}

static void call_lost(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *what = arg;
    what->result = trp_output_port_lost(ctx, what->ref, &what->lost);
}

static void call_close(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *what = arg;
    what->result = trp_output_port_close(ctx, what->ref);
}

/* Publishes all in one callback, so that nobody handles anything in between. */
static void call_publish(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *what = arg;
    what->result = 0;
    for (uint32_t i = 0; i < what->count; i++) {
        trp_message *message = probe_value(ctx, what->from + i);
        int error = trp_output_port_publish(ctx, what->ref, message);
        what->result = what->result == 0 ? error : what->result;
        trp_message_drop(ctx, message);
    }
}

static void call_stats(trp_ctx *ctx, probe *self, void *arg) {
    (void)self;
    deed *what = arg;
    what->result = trp_output_port_read_stats(ctx, what->ref, &what->stats);
}

static int subscribe(fake_host *fake, reader *who, trp_ref port, const trp_subscription *options) {
    deed what = {.ref = port, .options = options, .result = 1};
    probe_do(fake, &who->probe, call_subscribe, &what);
    return what.result;
}

static int unsubscribe(fake_host *fake, reader *who, trp_ref ref) {
    deed what = {.ref = ref, .result = 1};
    probe_do(fake, &who->probe, call_unsubscribe, &what);
    return what.result;
}

static int publish(fake_host *fake, publisher *who, uint64_t from, uint32_t count) {
    deed what = {.ref = who->port, .from = from, .count = count, .result = 1};
    probe_do(fake, &who->probe, call_publish, &what);
    return what.result;
}

static trp_output_port_stats stats_of(fake_host *fake, publisher *who) {
    deed what = {.ref = who->port, .result = 1};
    probe_do(fake, &who->probe, call_stats, &what);
    assert_int_equal(what.result, 0);
    return what.stats;
}

static void assert_seen(const reader *who, uint64_t from, uint32_t count) {
    assert_int_equal(who->seen_len, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(who->seen[i], from + i);
    }
}

static void test_each_subscriber_gets_all_in_order(void **state) {
    fake_host *fake = *state;
    publisher p;
    reader readers[3];
    spawn_publisher(fake, &p);
    assert_int_equal(publish(fake, &p, 1, 5), 0); /* to nobody */
    for (int i = 0; i < 3; i++) {
        spawn_reader(fake, &readers[i]);
        assert_int_equal(subscribe(fake, &readers[i], p.port, NULL), 0);
    }
    assert_int_equal(publish(fake, &p, 100, 200), 0);
    for (int i = 0; i < 3; i++) {
        assert_seen(&readers[i], 100, 200);
    }
    trp_output_port_stats stats = stats_of(fake, &p);
    assert_int_equal(stats.published, 205);
    assert_int_equal(stats.accepted, 600);
    assert_int_equal(stats.subscribers, 3);
}

static void test_unsubscribed_hears_nothing_not_even_what_waits(void **state) {
    fake_host *fake = *state;
    publisher p;
    reader r;
    spawn_publisher(fake, &p);
    spawn_reader(fake, &r);
    assert_int_equal(subscribe(fake, &r, p.port, NULL), 0);
    trp_ref ref = r.ref;
    /* The reader's order to unsubscribe stands behind what is published. */
    deed out = {.ref = ref, .result = 1};
    deed two = {.ref = p.port, .from = 1, .count = 2};
    assert_int_equal(probe_ask(fake_root(fake), r.probe.pid, call_unsubscribe, &out), 0);
    assert_int_equal(probe_ask(fake_root(fake), p.probe.pid, call_publish, &two), 0);
    fake_step(fake, 0, &(trp_budget){.messages = 1});
    fake_run(fake);
    assert_int_equal(out.result, 0);
    uint32_t before = r.seen_len;
    assert_int_equal(publish(fake, &p, 10, 3), 0);
    assert_int_equal(r.seen_len, before);
    assert_int_equal(unsubscribe(fake, &r, ref), TRP_ENOENT);
    assert_int_equal(stats_of(fake, &p).subscribers, 0);
    assert_int_equal(subscribe(fake, &r, p.port, NULL), 0);
    assert_int_equal(publish(fake, &p, 20, 2), 0);
    assert_int_equal(r.seen_len, before + 2);
}

/* Publishes to a reader that has not looked yet, which then unsubscribes. */
static void publish_and_ask(trp_ctx *ctx, probe *self, void *arg) {
    reader *r = arg;
    deed *what = self->arg;
    call_publish(ctx, self, what);
    trp_ref *ref = &r->ref;
    static deed out;
    out = (deed){.ref = *ref, .result = 1};
    assert_int_equal(probe_ask(ctx, r->probe.pid, call_unsubscribe, &out), 0);
}

static void test_unread_messages_are_counted(void **state) {
    fake_host *fake = *state;
    publisher p;
    reader r;
    spawn_publisher(fake, &p);
    spawn_reader(fake, &r);
    assert_int_equal(subscribe(fake, &r, p.port, NULL), 0);
    deed what = {.ref = p.port, .from = 1, .count = 4};
    p.probe.arg = &what;
    probe_do(fake, &p.probe, publish_and_ask, &r);
    assert_seen(&r, 1, 4); /* the order came behind them */
    assert_int_equal(stats_of(fake, &p).unread, 0);
    assert_int_equal(subscribe(fake, &r, p.port, NULL), 0);
    /* A kill comes before them. */
    deed more = {.ref = p.port, .from = 1, .count = 4};
    assert_int_equal(probe_ask(fake_root(fake), p.probe.pid, call_publish, &more), 0);
    assert_int_equal(probe_ask(fake_root(fake), p.probe.pid, call_stats, &more), 0);
    assert_int_equal(trp_kill(fake_root(fake), r.probe.pid), 0);
    fake_run(fake);
    trp_output_port_stats stats = stats_of(fake, &p);
    assert_int_equal(stats.subscribers, 0); /* who ends is removed */
    assert_int_equal(stats.accepted, 4 + stats.unread);
}

static bool is_even(const trp_message *message, const void *arg) {
    uint64_t value;
    memcpy(&value, trp_message_body((trp_message *)(uintptr_t)message), sizeof value);
    return value % *(const uint64_t *)arg == 0;
}

static int multiply(trp_ctx *ctx, const trp_message *message, const void *arg,
                    trp_message **converted) {
    uint64_t value;
    memcpy(&value, trp_message_body((trp_message *)(uintptr_t)message), sizeof value);
    if (value == 13) {
        return TRP_EDECODE;
    }
    *converted = value == 6 ? NULL : probe_value(ctx, value * *(const uint64_t *)arg);
    return 0;
}

static void test_filter_and_convert_make_it_fit(void **state) {
    fake_host *fake = *state;
    publisher p;
    reader even;
    reader tenfold;
    spawn_publisher(fake, &p);
    spawn_reader(fake, &even);
    spawn_reader(fake, &tenfold);
    uint64_t two = 2;
    uint64_t ten = 10;
    trp_subscription some = {
        .size = sizeof some, .filter = is_even, .arg = &two, .arg_size = sizeof two};
    trp_subscription other = {
        .size = sizeof other, .convert = multiply, .arg = &ten, .arg_size = sizeof ten};
    assert_int_equal(subscribe(fake, &even, p.port, &some), 0);
    assert_int_equal(subscribe(fake, &tenfold, p.port, &other), 0);
    two = ten = 99; /* they have copies */
    assert_int_equal(publish(fake, &p, 4, 4), 0);
    assert_int_equal(even.seen_len, 2);
    assert_int_equal(even.seen[1], 6);
    assert_int_equal(tenfold.seen_len, 3); /* nothing for 6 */
    assert_int_equal(tenfold.seen[2], 70);
    assert_int_equal(publish(fake, &p, 13, 2), TRP_EDECODE);
    assert_int_equal(tenfold.seen[3], 140); /* the next one comes all the same */
    trp_output_port_stats stats = stats_of(fake, &p);
    assert_int_equal(stats.failed, 1);
    assert_int_equal(stats.filtered, 4);
    assert_int_equal(stats.accepted, 7);
}

static trp_subscription limited(trp_mailbox_policy policy) {
    return (trp_subscription){.size = sizeof(trp_subscription), .limit = 4, .policy = policy};
}

static void with_policy(fake_host *fake, trp_mailbox_policy policy, publisher *p, reader *r,
                        int result) {
    trp_subscription options = limited(policy);
    spawn_publisher(fake, p);
    spawn_reader(fake, r);
    assert_int_equal(subscribe(fake, r, p->port, &options), 0);
    assert_int_equal(publish(fake, p, 1, 10), result);
}

static uint64_t lost_by(fake_host *fake, reader *who) {
    deed what = {.ref = who->ref, .result = 1};
    probe_do(fake, &who->probe, call_lost, &what);
    assert_int_equal(what.result, 0);
    return what.lost;
}

static void test_full_subscription_rejects(void **state) {
    fake_host *fake = *state;
    publisher p;
    reader r;
    reader easy;
    with_policy(fake, TRP_MAILBOX_REJECT, &p, &r, TRP_EFULL);
    assert_seen(&r, 1, 4);
    assert_int_equal(lost_by(fake, &r), 6);
    assert_int_equal(stats_of(fake, &p).rejected, 6);
    spawn_reader(fake, &easy);
    assert_int_equal(subscribe(fake, &easy, p.port, NULL), 0);
    assert_int_equal(publish(fake, &p, 1, 10), TRP_EFULL);
    assert_seen(&easy, 1, 10); /* others get theirs */
    assert_int_equal(fake_stats(fake).dead_letters, 0);
}

static void test_full_subscription_drops_the_newest(void **state) {
    fake_host *fake = *state;
    publisher p;
    reader r;
    with_policy(fake, TRP_MAILBOX_DROP_NEWEST, &p, &r, 0);
    assert_seen(&r, 1, 4);
    assert_int_equal(lost_by(fake, &r), 6);
    assert_int_equal(stats_of(fake, &p).dropped_newest, 6);
    assert_int_equal(fake_stats(fake).dead_letters, 6);
}

static void test_full_subscription_drops_the_oldest(void **state) {
    fake_host *fake = *state;
    publisher p;
    reader r;
    with_policy(fake, TRP_MAILBOX_DROP_OLDEST, &p, &r, 0);
    assert_seen(&r, 7, 4);
    assert_int_equal(lost_by(fake, &r), 6);
    trp_output_port_stats stats = stats_of(fake, &p);
    assert_int_equal(stats.dropped_oldest, 6);
    assert_int_equal(stats.accepted, 10);
    assert_int_equal(fake_stats(fake).dead_letters, 6);
}

/* Each step of the publisher publishes one more, as long as it is given steps. */
static void publish_one_more(trp_ctx *ctx, probe *self, void *arg) {
    deed *what = arg;
    what->count = 1;
    call_publish(ctx, self, what);
    what->from++;
}

static void test_publisher_is_suspended_until_there_is_room(void **state) {
    fake_host *fake = *state;
    publisher p;
    reader r;
    with_policy(fake, TRP_MAILBOX_SUSPEND, &p, &r, 0);
    assert_seen(&r, 1, 10); /* what it published in one callback came in */
    deed what = {.ref = p.port, .from = 11};
    for (int i = 0; i < 30; i++) {
        assert_int_equal(probe_ask(fake_root(fake), p.probe.pid, publish_one_more, &what), 0);
    }
    fake_run(fake);
    assert_seen(&r, 1, 40);
    assert_int_equal(lost_by(fake, &r), 0);
}

/* The reader's mailbox is not looked at while the publisher would go on and on. */
static void test_suspended_publisher_runs_no_callback(void **state) {
    fake_host *fake = *state;
    publisher p;
    reader r;
    trp_subscription options = limited(TRP_MAILBOX_SUSPEND);
    spawn_publisher(fake, &p);
    spawn_reader(fake, &r);
    assert_int_equal(subscribe(fake, &r, p.port, &options), 0);
    deed what = {.ref = p.port, .from = 1};
    for (int i = 0; i < 30; i++) {
        assert_int_equal(probe_ask(fake_root(fake), p.probe.pid, publish_one_more, &what), 0);
    }
    /* A batch of the publisher is far more than 30 messages; it ends with the fifth. */
    for (int i = 0; i < 6; i++) {
        fake_step(fake, 0, &(trp_budget){.messages = 1});
        assert_true(what.from - 1 - r.seen_len <= 5);
    }
    fake_run(fake);
    assert_seen(&r, 1, 30);
    /* Whoever it waits for may go. */
    for (int i = 0; i < 10; i++) {
        assert_int_equal(probe_ask(fake_root(fake), p.probe.pid, publish_one_more, &what), 0);
    }
    assert_int_equal(trp_kill(fake_root(fake), r.probe.pid), 0);
    fake_run(fake);
    assert_int_equal(what.from, 41);
}

static void test_closed_port_tells_its_subscribers(void **state) {
    fake_host *fake = *state;
    for (int how = 0; how < 3; how++) {
        publisher p;
        reader r;
        with_policy(fake, TRP_MAILBOX_REJECT, &p, &r, TRP_EFULL);
        reader second;
        spawn_reader(fake, &second);
        assert_int_equal(subscribe(fake, &second, p.port, NULL), 0);
        trp_ref port = p.port;
        deed last = {.ref = port, .from = 50, .count = 2};
        deed close = {.ref = port, .result = 1};
        assert_int_equal(probe_ask(fake_root(fake), p.probe.pid, call_publish, &last), 0);
        if (how == 0) {
            assert_int_equal(probe_ask(fake_root(fake), p.probe.pid, call_close, &close), 0);
        } else {
            probe_call *end = how == 1 ? probe_call_stop : probe_call_fail;
            assert_int_equal(probe_ask(fake_root(fake), p.probe.pid, end, NULL), 0);
        }
        fake_run(fake);
        assert_int_equal(r.closed, 1);
        assert_int_equal(r.last_closed.ref, r.ref);
        assert_int_equal(r.last_closed.port, port);
        assert_int_equal(r.last_closed.lost, 6);
        assert_int_equal(second.closed, 1);
        assert_seen(&second, 50, 2); /* before it */
        assert_int_equal(unsubscribe(fake, &r, r.ref), TRP_ENOENT);
        assert_int_equal(subscribe(fake, &r, port, NULL), TRP_ENOENT);
    }
}

static void test_only_the_owner_publishes_and_closes(void **state) {
    fake_host *fake = *state;
    publisher p;
    publisher other;
    reader r;
    spawn_publisher(fake, &p);
    spawn_publisher(fake, &other);
    spawn_reader(fake, &r);
    trp_ref mine = other.port;
    other.port = p.port;
    assert_int_equal(publish(fake, &other, 1, 1), TRP_ENOENT);
    deed what = {.ref = p.port, .result = 1};
    probe_do(fake, &other.probe, call_close, &what);
    assert_int_equal(what.result, TRP_ENOENT);
    probe_do(fake, &other.probe, call_stats, &what);
    assert_int_equal(what.result, TRP_ENOENT);
    assert_int_equal(unsubscribe(fake, &r, p.port), TRP_ENOENT);
    probe_do(fake, &r.probe, call_lost, &what);
    assert_int_equal(what.result, TRP_ENOENT);
    assert_int_equal(subscribe(fake, &r, mine + 1000, NULL), TRP_ENOENT);
    trp_subscription odd = {.size = sizeof odd, .policy = (trp_mailbox_policy)9};
    assert_int_equal(subscribe(fake, &r, p.port, &odd), TRP_EINVAL);
    trp_subscription hollow = {.size = sizeof hollow, .arg_size = 4};
    assert_int_equal(subscribe(fake, &r, p.port, &hollow), TRP_EINVAL);
    trp_ctx *root = fake_root(fake);
    trp_ref ref;
    assert_int_equal(trp_output_port_open(root, &ref), TRP_ESTATE);
    assert_int_equal(trp_output_port_subscribe(root, p.port, NULL, &ref), TRP_ESTATE);
    assert_int_equal(trp_output_port_publish(root, p.port, NULL), TRP_ENOENT);
    assert_int_equal(trp_output_port_unsubscribe(root, 1), TRP_ENOENT);
}

/* A subscriber that is the publisher itself, and goes in the middle of publishing. */
typedef struct meddler {
    trp_ctx *ctx;
    trp_ref port;
    trp_ref subscription;
    int published;
    int closed;
    int unsubscribed;
} meddler;

static bool meddle(const trp_message *message, const void *arg) {
    meddler *me = *(meddler *const *)arg;
    me->published = trp_output_port_publish(me->ctx, me->port, message);
    me->closed = trp_output_port_close(me->ctx, me->port);
    me->unsubscribed = trp_output_port_unsubscribe(me->ctx, me->subscription);
    return true;
}

static void call_meddle(trp_ctx *ctx, probe *self, void *arg) {
    meddler *me = arg;
    publisher *p = (publisher *)(void *)self;
    me->ctx = ctx;
    me->port = p->port;
    trp_subscription options = {
        .size = sizeof options, .filter = meddle, .arg = &me, .arg_size = sizeof me};
    assert_int_equal(trp_output_port_subscribe(ctx, p->port, &options, &me->subscription), 0);
    assert_int_equal(trp_output_port_subscribe(ctx, p->port, NULL, NULL), 0);
    trp_message *message = probe_value(ctx, 5);
    assert_int_equal(trp_output_port_publish(ctx, p->port, message), 0);
    trp_message_drop(ctx, message);
}

static void test_filter_may_not_meddle_but_may_go(void **state) {
    fake_host *fake = *state;
    publisher p;
    meddler me = {.published = 1, .closed = 1, .unsubscribed = 1};
    spawn_publisher(fake, &p);
    probe_do(fake, &p.probe, call_meddle, &me);
    assert_int_equal(me.published, TRP_ESTATE);
    assert_int_equal(me.closed, TRP_ESTATE);
    assert_int_equal(me.unsubscribed, 0);
    trp_output_port_stats stats = stats_of(fake, &p);
    assert_int_equal(stats.subscribers, 1);
    assert_int_equal(stats.accepted, 1);
    assert_int_equal(p.probe.events[0].value, 5);
    assert_int_equal(p.probe.events_len, 1);
}

/* ---- the model ---- */

enum { READERS = 5, PORTS = 2, LIMIT = 3, STEPS = 250 };

typedef struct model_reader {
    reader actor;
    bool lives;
    trp_ref subscription[PORTS]; /* 0: none */
    uint64_t lost[PORTS];
    uint32_t expected_len;
    uint64_t expected[SEEN_MAX];
    uint32_t closed;
} model_reader;

typedef struct world {
    fake_host *fake;
    publisher ports[PORTS];
    bool lives[PORTS];
    model_reader readers[READERS];
    uint64_t next;
} world;

/* Reader i has the policy i % 3, so what it must see of a burst is plain. */
static void expect_burst(model_reader *r, int number, int port, uint64_t from, uint32_t count) {
    trp_mailbox_policy policy = (trp_mailbox_policy)(number % 3);
    uint32_t kept = count < LIMIT ? count : LIMIT;
    uint64_t first = policy == TRP_MAILBOX_DROP_OLDEST ? from + count - kept : from;
    for (uint32_t i = 0; i < kept; i++) {
        r->expected[r->expected_len++] = first + i;
    }
    r->lost[port] += count - kept;
}

static void random_burst(world *w, int port, uint32_t count) {
    int expected = 0;
    for (int i = 0; i < READERS; i++) {
        model_reader *r = &w->readers[i];
        if (r->lives && r->subscription[port] != 0) {
            expect_burst(r, i, port, w->next, count);
            expected = i % 3 == TRP_MAILBOX_REJECT && count > LIMIT ? TRP_EFULL : expected;
        }
    }
    assert_int_equal(publish(w->fake, &w->ports[port], w->next, count), expected);
    w->next += count;
}

static void random_subscription(world *w, int number, int port) {
    model_reader *r = &w->readers[number];
    if (!r->lives) {
        memset(r, 0, sizeof *r);
        spawn_reader(w->fake, &r->actor);
        r->lives = true;
    } else if (r->subscription[port] == 0) {
        trp_subscription options = limited((trp_mailbox_policy)(number % 3));
        options.limit = LIMIT;
        assert_int_equal(subscribe(w->fake, &r->actor, w->ports[port].port, &options), 0);
        r->subscription[port] = r->actor.ref;
        r->lost[port] = 0;
    } else {
        r->actor.ref = r->subscription[port];
        assert_int_equal(lost_by(w->fake, &r->actor), r->lost[port]);
        assert_int_equal(unsubscribe(w->fake, &r->actor, r->subscription[port]), 0);
        r->subscription[port] = 0;
    }
}

static void random_end(world *w, int number, int port, bool of_port) {
    if (of_port) {
        assert_int_equal(trp_kill(fake_root(w->fake), w->ports[port].probe.pid), 0);
        fake_run(w->fake);
        for (int i = 0; i < READERS; i++) {
            w->readers[i].closed += w->readers[i].subscription[port] != 0;
            w->readers[i].subscription[port] = 0;
        }
        spawn_publisher(w->fake, &w->ports[port]);
    } else if (w->readers[number].lives) {
        assert_int_equal(trp_kill(fake_root(w->fake), w->readers[number].actor.probe.pid), 0);
        fake_run(w->fake);
        memset(&w->readers[number], 0, sizeof w->readers[number]);
    }
}

static void check_world(world *w) {
    for (int i = 0; i < READERS; i++) {
        model_reader *r = &w->readers[i];
        assert_int_equal(r->actor.seen_len, r->expected_len);
        assert_memory_equal(r->actor.seen, r->expected, r->expected_len * sizeof r->expected[0]);
        assert_int_equal(r->actor.closed, r->closed);
        if (r->expected_len > SEEN_MAX - 100) {
            r->actor.seen_len = r->expected_len = 0;
        }
    }
    for (int i = 0; i < PORTS; i++) {
        uint32_t subscribers = 0;
        for (int j = 0; j < READERS; j++) {
            subscribers += w->readers[j].subscription[i] != 0;
        }
        assert_int_equal(stats_of(w->fake, &w->ports[i]).subscribers, subscribers);
    }
}

static void random_life(world *w, uint64_t *seed) {
    w->next = 1;
    for (int i = 0; i < PORTS; i++) {
        spawn_publisher(w->fake, &w->ports[i]);
    }
    for (int i = 0; i < STEPS; i++) {
        int number = (int)fake_random_below(seed, READERS);
        int port = (int)fake_random_below(seed, PORTS);
        uint64_t what = fake_random_below(seed, 20);
        if (what < 9) {
            random_subscription(w, number, port);
        } else if (what < 18) {
            random_burst(w, port, 1 + (uint32_t)fake_random_below(seed, 6));
        } else {
            random_end(w, number, port, what == 18);
        }
        check_world(w);
    }
}

static uint64_t first_seed = 1;
static uint64_t seeds = 30;

static void test_random_ports_follow_the_model(void **state) {
    (void)state;
    for (uint64_t seed = first_seed; seed < first_seed + seeds; seed++) {
        static world w;
        memset(&w, 0, sizeof w);
        w.fake = fake_create(1 + (unsigned)(seed % 2));
        uint64_t random = seed;
        print_message("seed %llu\n", (unsigned long long)seed);
        random_life(&w, &random);
        fake_destroy(w.fake);
    }
}

static void play(fake_host *fake, void *arg) {
    static publisher p;
    static reader r;
    probe *pp = &p.probe;
    probe *pr = &r.probe;
    (void)arg;
    memset(&p, 0, sizeof p);
    memset(&r, 0, sizeof r);
    r.probe.on_message = note;
    if (fake_start(fake, NULL) != 0 ||
        trp_spawn(fake_root(fake), &probe_behaviour, &pp, &p.probe.pid) != 0 ||
        trp_spawn(fake_root(fake), &probe_behaviour, &pr, &r.probe.pid) != 0 ||
        probe_ask(fake_root(fake), p.probe.pid, call_open, NULL) != 0) {
        return;
    }
    fake_run(fake);
    assert_true(p.result == 0 || p.result == TRP_ENOMEM);
    deed in = {.ref = p.port, .result = TRP_ENOMEM};
    deed out = {.ref = p.port, .from = 1, .count = 3, .result = TRP_ENOMEM};
    if (p.result != 0 || probe_ask(fake_root(fake), r.probe.pid, call_subscribe, &in) != 0) {
        return;
    }
    fake_run(fake);
    assert_true(in.result == 0 || in.result == TRP_ENOMEM);
    bool asked = probe_ask(fake_root(fake), p.probe.pid, call_publish, &out) == 0;
    fake_run(fake);
    bool is_told = trp_kill(fake_root(fake), p.probe.pid) == 0;
    fake_run(fake);
    assert_int_equal(r.closed, in.result == 0 && is_told ? 1 : 0);
    if (asked && in.result == 0 && out.result == 0) {
        assert_seen(&r, 1, 3);
    }
}

static void test_every_allocation_fails_once(void **state) {
    (void)state;
    assert_true(fake_every_allocation_fails(play, NULL) > 3);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        first_seed = strtoull(argv[1], NULL, 10);
        seeds = 1;
    }
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_each_subscriber_gets_all_in_order),
        FAKE_TEST(test_unsubscribed_hears_nothing_not_even_what_waits),
        FAKE_TEST(test_unread_messages_are_counted),
        FAKE_TEST(test_filter_and_convert_make_it_fit),
        FAKE_TEST(test_full_subscription_rejects),
        FAKE_TEST(test_full_subscription_drops_the_newest),
        FAKE_TEST(test_full_subscription_drops_the_oldest),
        FAKE_TEST(test_publisher_is_suspended_until_there_is_room),
        FAKE_TEST(test_suspended_publisher_runs_no_callback),
        FAKE_TEST(test_closed_port_tells_its_subscribers),
        FAKE_TEST(test_only_the_owner_publishes_and_closes),
        FAKE_TEST(test_filter_may_not_meddle_but_may_go),
        cmocka_unit_test(test_random_ports_follow_the_model),
        cmocka_unit_test(test_every_allocation_fails_once),
    };
    return cmocka_run_group_tests_name("output port", tests, NULL, NULL);
}
