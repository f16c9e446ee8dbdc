/*
 * Two nodes on real threads: actors of both schedulers of one call an actor of the other, while the
 * session breaks and is made again. Every request ends once.
 */
#include "cmocka_all.h"
#include "thread_runner.h"
#include "troupe/node.h"

#include <pthread.h>
#include <stdlib.h>

enum { CLIENTS = 8, REQUESTS = 500, BREAKS = 5, SECONDS = 60 };

/* One end of the connection; all but `other` belongs to the thread of its scheduler 0. */
typedef struct tap {
    fake_host *host;
    struct tap *other;
    trp_session *session;
    bool is_dialler;
} tap;

typedef struct world {
    fake_host client_host;
    fake_host server_host;
    tap client;
    tap server;
    trp_pid server_name;
    _Atomic uint32_t replies;
    _Atomic uint32_t errors;
    _Atomic uint32_t clients_left;
    _Atomic uint32_t served;
} world;

static world w;

/* ---- a transport between threads ---- */

typedef struct parcel {
    struct parcel *next;
    struct parcel **pprev;
    tap *to;
    size_t length;
    uint8_t bytes[];
} parcel;

/* Parcels on their way: a runtime that is destroyed does not run the calls that carry them. */
static pthread_mutex_t way = PTHREAD_MUTEX_INITIALIZER;
static parcel *on_the_way;

static void set_out(parcel *p) {
    pthread_mutex_lock(&way);
    p->next = on_the_way;
    p->pprev = &on_the_way;
    if (p->next != NULL) {
        p->next->pprev = &p->next;
    }
    on_the_way = p;
    pthread_mutex_unlock(&way);
}

static void free_parcel(parcel *p) {
    pthread_mutex_lock(&way);
    *p->pprev = p->next;
    if (p->next != NULL) {
        p->next->pprev = p->pprev;
    }
    pthread_mutex_unlock(&way);
    free(p);
}

static void take_parcel(trp_ctx *ctx, void *arg) {
    parcel *p = arg;
    (void)ctx;
    if (p->to->session != NULL && p->length > 0) {
        trp_session_receive(p->to->session, p->bytes, p->length);
    } else if (p->to->session != NULL) {
        trp_session_lost(p->to->session, TRP_EIO);
    }
    free_parcel(p);
}

/* Without bytes: the connection is gone. */
static int send_parcel(tap *from, const void *bytes, size_t length) {
    parcel *p = malloc(sizeof *p + length);
    if (p == NULL) {
        return TRP_ENOMEM;
    }
    p->to = from->other;
    p->length = length;
    if (length > 0) {
        memcpy(p->bytes, bytes, length);
    }
    set_out(p);
    int error = trp_post_call(p->to->host->runtime, 0, take_parcel, p);
    if (error != 0) {
        free_parcel(p);
    }
    return error;
}

static int tap_send(void *self, const void *bytes, size_t length) {
    return send_parcel(self, bytes, length);
}

static void tap_close(void *self, int error, const char *why) {
    tap *end = self;
    (void)error;
    (void)why;
    end->session = NULL;
}

static void open_tap(trp_ctx *ctx, void *arg) {
    tap *end = arg;
    trp_transport transport = {sizeof transport, end, tap_send, tap_close};
    trp_session_options options = {.size = sizeof options,
                                   .dialler = end->is_dialler,
                                   .auths = 1u << TRP_AUTH_INHERITED,
                                   .rights = TRP_RIGHTS_PEER};
    if (trp_session_open(ctx, &transport, &options, &end->session) != 0) {
        abort();
    }
}

/* ---- the actors ---- */

static void serve(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    atomic_fetch_add(&w.served, 1);
    uint64_t value;
    memcpy(&value, trp_message_body(message), sizeof value);
    value++;
    (void)trp_reply(ctx, message, trp_message_new_bytes(ctx, &value, sizeof value));
}

static const trp_behaviour server_behaviour = {TRP_BEHAVIOUR("test.server"), .handle = serve};

typedef struct client {
    uint64_t asked;
    trp_ref ref;
    uint64_t number;
} client;

static void ask(trp_ctx *ctx, client *self) {
    trp_message *message = trp_message_new_bytes(ctx, &self->asked, sizeof self->asked);
    if (trp_request(ctx, w.server_name, message, TRP_NEVER, &self->ref) != 0) {
        abort();
    }
}

static int start_client(trp_ctx *ctx, void *state, const void *arg) {
    client *self = state;
    self->number = *(const uint64_t *)arg;
    return trp_timer(ctx, 5 * TRP_NS_PER_MS, 0, NULL);
}

static void reconnect(trp_ctx *ctx) {
    (void)ctx;
    if (trp_post_call(w.server.host->runtime, 0, open_tap, &w.server) != 0 ||
        trp_post_call(w.client.host->runtime, 0, open_tap, &w.client) != 0) {
        abort();
    }
}

/* Runs on the client's scheduler 0. */
static void break_session(trp_ctx *ctx, void *arg) {
    (void)ctx;
    (void)arg;
    if (w.client.session != NULL) {
        trp_session_lost(w.client.session, TRP_EIO);
        (void)send_parcel(&w.client, NULL, 0);
    }
}

static void on_answer(trp_ctx *ctx, client *self, trp_message *message) {
    if (trp_message_ref(message) != self->ref) {
        abort();
    }
    bool is_error = trp_message_is(message, &trp_request_error_type);
    atomic_fetch_add(is_error ? &w.errors : &w.replies, 1);
    self->asked++;
    if (self->number == 0 && self->asked % (REQUESTS / BREAKS) == REQUESTS / BREAKS / 2 &&
        trp_post_call(w.client.host->runtime, 0, break_session, NULL) != 0) {
        abort();
    }
    if (self->asked < REQUESTS) {
        /* After an error the session needs a moment. */
        if (!is_error || trp_timer(ctx, TRP_NS_PER_MS, 0, NULL) != 0) {
            ask(ctx, self);
        }
        return;
    }
    trp_stop_self(ctx);
    if (atomic_fetch_sub(&w.clients_left, 1) == 1) {
        trp_runtime_stop(w.client.host->runtime, TRP_NS_PER_S);
    }
}

static void run_client(trp_ctx *ctx, void *state, trp_message *message) {
    client *self = state;
    if (trp_message_is(message, &trp_timeout_type)) {
        if (self->number == 0 && !trp_is_alive(ctx, w.server_name)) {
            reconnect(ctx);
        }
        ask(ctx, self);
    } else {
        on_answer(ctx, self, message);
    }
}

static const trp_behaviour client_behaviour = {TRP_BEHAVIOUR("test.client"),
                                               .state_size = sizeof(client), .init = start_client,
                                               .handle = run_client};

static void start_node(fake_host *host, unsigned schedulers, const char *name, tap *end) {
    trp_runtime_config config = {.size = sizeof config, .schedulers = schedulers};
    trp_node_config node = {.size = sizeof node, .name = name};
    fake_init(host);
    atomic_store(&host->entropy, (uint64_t)(name[0]));
    assert_int_equal(fake_start(host, &config), 0);
    assert_int_equal(trp_node_start(host->runtime, &node), 0);
    end->host = host;
}

static void test_requests_from_two_threads_end_once(void **state) {
    (void)state;
    start_node(&w.client_host, 2, "client", &w.client);
    start_node(&w.server_host, 1, "server", &w.server);
    w.client.other = &w.server;
    w.server.other = &w.client;
    w.client.is_dialler = true;
    atomic_store(&w.clients_left, CLIENTS);
    trp_spawn_options options = {.size = sizeof options, .name = "echo"};
    assert_int_equal(
        trp_spawn_opt(fake_root(&w.server_host), &server_behaviour, NULL, &options, NULL, NULL), 0);
    assert_int_equal(trp_remote_name(fake_root(&w.client_host), "server", "echo", &w.server_name),
                     0);
    for (uint64_t i = 0; i < CLIENTS; i++) {
        trp_ctx *ctx = trp_runtime_enter(w.client_host.runtime, (unsigned)i % 2);
        assert_int_equal(trp_spawn(ctx, &client_behaviour, &i, NULL), 0);
    }
    thread_runner *server = thread_runner_start(&w.server_host, 0);
    thread_runner *clients = thread_runner_start(&w.client_host, 0);
    thread_runner_join(clients, SECONDS);
    trp_runtime_stop(w.server_host.runtime, TRP_NS_PER_S);
    thread_runner_join(server, SECONDS);
    uint32_t replies = atomic_load(&w.replies);
    uint32_t errors = atomic_load(&w.errors);
    assert_int_equal(replies + errors, CLIENTS * REQUESTS);
    assert_true(replies > 0 && errors > 0);
    assert_true(atomic_load(&w.served) >= replies);
    fake_stop(&w.client_host);
    fake_stop(&w.server_host);
    while (on_the_way != NULL) {
        free_parcel(on_the_way);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_from_two_threads_end_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
