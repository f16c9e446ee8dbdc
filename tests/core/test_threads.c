/*
 * The core on real threads, one per scheduler: order, conservation of messages, requests, monitors
 * and the doors for foreign threads. What these tests assert is little; ThreadSanitizer and the
 * leak check see the rest.
 */
#include "cmocka_all.h"
#include "probe.h"
#include "thread_runner.h"

#include <pthread.h>
#include <stdlib.h>

enum { WAIT_S = 100 };

static fake_host *create_with_batch(unsigned schedulers, uint32_t batch) {
    fake_host *fake = malloc(sizeof *fake);
    assert_non_null(fake);
    fake_init(fake);
    trp_runtime_config config = {.size = sizeof config, .schedulers = schedulers, .batch = batch};
    assert_int_equal(fake_start(fake, &config), 0);
    return fake;
}

/*
 * Mesh: every actor sends a number of chains; each message is passed on to a neighbour until its
 * hops are used up. Conserved: everything sent is received, each pair in order.
 */
enum { NODES = 32, CHAINS = 40, HOPS = 50 };

typedef struct mesh_message {
    uint32_t from;
    uint32_t hops;
    uint64_t number;
} mesh_message;

typedef struct mesh_node {
    uint64_t seed;
    uint64_t sent[NODES];
    uint64_t seen[NODES];
    uint64_t out_of_order;
    uint64_t failed;
} mesh_node;

typedef struct mesh {
    trp_pid pids[NODES];
    mesh_node nodes[NODES];
    _Atomic uint64_t ended_chains;
} mesh;

typedef struct mesh_state {
    mesh *mesh;
    uint32_t index;
} mesh_state;

static void pass_on(trp_ctx *ctx, const mesh_state *self, uint32_t hops) {
    mesh_node *node = &self->mesh->nodes[self->index];
    uint32_t to = (uint32_t)fake_random_below(&node->seed, NODES);
    mesh_message body = {self->index, hops, ++node->sent[to]};
    trp_message *message = trp_message_new_bytes(ctx, &body, sizeof body);
    node->failed += trp_send(ctx, self->mesh->pids[to], message) != 0;
}

static int mesh_init(trp_ctx *ctx, void *block, const void *arg) {
    (void)ctx;
    memcpy(block, arg, sizeof(mesh_state));
    return 0;
}

static void mesh_handle(trp_ctx *ctx, void *block, trp_message *message) {
    const mesh_state *self = block;
    mesh_node *node = &self->mesh->nodes[self->index];
    if (trp_message_length(message) == 0) { /* the start signal */
        for (int i = 0; i < CHAINS; i++) {
            pass_on(ctx, self, HOPS);
        }
        return;
    }
    const mesh_message *body = trp_message_body(message);
    node->out_of_order += body->number != ++node->seen[body->from];
    if (body->hops > 0) {
        pass_on(ctx, self, body->hops - 1);
    } else if (atomic_fetch_add(&self->mesh->ended_chains, 1) + 1 == NODES * CHAINS) {
        trp_runtime_stop(trp_ctx_runtime(ctx), TRP_NEVER);
    }
}

static const trp_behaviour mesh_behaviour = {
    TRP_BEHAVIOUR("test.mesh"),
    .state_size = sizeof(mesh_state),
    .init = mesh_init,
    .handle = mesh_handle,
};

static void check_mesh(const mesh *all) {
    uint64_t received = 0;
    for (int to = 0; to < NODES; to++) {
        assert_int_equal(all->nodes[to].out_of_order, 0);
        assert_int_equal(all->nodes[to].failed, 0);
        for (int from = 0; from < NODES; from++) {
            assert_int_equal(all->nodes[from].sent[to], all->nodes[to].seen[from]);
            received += all->nodes[to].seen[from];
        }
    }
    assert_int_equal(received, (uint64_t)NODES * CHAINS * (HOPS + 1));
}

static void run_mesh(unsigned schedulers, uint32_t batch, uint32_t budget) {
    static mesh all;
    memset(&all, 0, sizeof all);
    fake_host *fake = create_with_batch(schedulers, batch);
    for (uint32_t i = 0; i < NODES; i++) {
        mesh_state state = {&all, i};
        all.nodes[i].seed = i + 1;
        trp_ctx *root = trp_runtime_enter(fake->runtime, i % schedulers);
        assert_int_equal(trp_spawn(root, &mesh_behaviour, &state, &all.pids[i]), 0);
    }
    for (uint32_t i = 0; i < NODES; i++) {
        trp_ctx *root = fake_root(fake);
        assert_int_equal(trp_send(root, all.pids[i], trp_message_new_bytes(root, NULL, 0)), 0);
    }
    thread_runner *runner = thread_runner_start(fake, budget);
    thread_runner_join(runner, WAIT_S);
    check_mesh(&all);
    fake_destroy(fake);
}

static void test_mesh_conserves_messages_and_order(void **state) {
    (void)state;
    for (unsigned schedulers = 1; schedulers <= 4; schedulers++) {
        run_mesh(schedulers, 0, 0);
        run_mesh(schedulers, 1, 0);
        run_mesh(schedulers, 7, 50);
    }
}

/*
 * Clients ask servers; servers answer, keep, fail or leave by chance; monitors watch all of it and
 * spawn successors. Each client counts the ends of its requests and stops when all have ended, each
 * once.
 */
enum { CLIENTS = 8, SERVERS = 8, REQUESTS = 400, IN_FLIGHT = 8 };

typedef struct bazaar {
    _Atomic uint64_t
        servers[SERVERS]; /* index and generation of the pid, to be readable from all threads */
    _Atomic uint32_t clients_left;
    _Atomic uint64_t replies;
    _Atomic uint64_t errors;
    _Atomic uint64_t wrong;
    _Atomic uint64_t downs;
} bazaar;

typedef struct client {
    bazaar *bazaar;
    uint64_t seed;
    uint32_t asked;
    uint32_t ended;
    trp_ref open[IN_FLIGHT];
} client;

typedef struct server {
    bazaar *bazaar;
    uint64_t seed;
    trp_message *held;
} server;

static trp_pid server_pid(bazaar *all, size_t index) {
    uint64_t packed = atomic_load(&all->servers[index]);
    return (trp_pid){0, 0, (uint32_t)(packed >> 32), (uint32_t)packed};
}

static void server_handle(trp_ctx *ctx, void *block, trp_message *message) {
    server *self = block;
    if (!trp_message_is_request(message)) {
        return;
    }
    switch (fake_random_below(&self->seed, 40)) {
    case 0:
        trp_stop_self(ctx);
        break;
    case 1:
        probe_call_fail(ctx, NULL, NULL);
        break;
    case 2: {
        trp_exit reason = trp_exit_make(TRP_EXIT_ERROR, 1, "abort");
        trp_abort(ctx, &reason);
    }
    case 3:
    case 4:
        trp_message_drop(ctx, self->held);
        self->held = trp_message_take(ctx, message);
        break;
    case 5:
        trp_send(ctx, server_pid(self->bazaar, fake_random_below(&self->seed, SERVERS)),
                 trp_message_take(ctx, message));
        break;
    default:
        trp_reply(ctx, message, probe_value(ctx, probe_value_of(message)));
        break;
    }
}

static int server_init(trp_ctx *ctx, void *block, const void *arg) {
    memcpy(block, arg, sizeof(server));
    ((server *)block)->seed += trp_self(ctx).index;
    return 0;
}

static const trp_behaviour server_behaviour = {
    TRP_BEHAVIOUR("test.server"),
    .state_size = sizeof(server),
    .init = server_init,
    .handle = server_handle,
};

static void ask_one(trp_ctx *ctx, client *self) {
    for (size_t i = 0; i < IN_FLIGHT && self->asked < REQUESTS; i++) {
        if (self->open[i] == 0) {
            trp_pid to = server_pid(self->bazaar, fake_random_below(&self->seed, SERVERS));
            uint64_t timeout = fake_random_below(&self->seed, 200) * TRP_NS_PER_MS;
            int error =
                trp_request(ctx, to, probe_value(ctx, self->asked), timeout, &self->open[i]);
            atomic_fetch_add(&self->bazaar->wrong, error != 0);
            self->asked++;
        }
    }
}

static void client_handle(trp_ctx *ctx, void *block, trp_message *message) {
    client *self = block;
    trp_ref ref = trp_message_ref(message);
    if (ref != 0) {
        bool known = false;
        for (size_t i = 0; i < IN_FLIGHT; i++) {
            if (self->open[i] == ref) {
                self->open[i] = 0;
                known = true;
            }
        }
        atomic_fetch_add(&self->bazaar->wrong, !known);
        bool failed = trp_message_is(message, &trp_request_error_type);
        atomic_fetch_add(failed ? &self->bazaar->errors : &self->bazaar->replies, 1);
        self->ended++;
    }
    ask_one(ctx, self);
    if (self->ended == REQUESTS) {
        trp_stop_self(ctx);
        if (atomic_fetch_sub(&self->bazaar->clients_left, 1) == 1) {
            trp_runtime_stop(trp_ctx_runtime(ctx), TRP_NS_PER_S);
        }
    }
}

static int client_init(trp_ctx *ctx, void *block, const void *arg) {
    memcpy(block, arg, sizeof(client));
    return trp_send(ctx, trp_self(ctx), probe_value(ctx, 0));
}

static const trp_behaviour client_behaviour = {
    TRP_BEHAVIOUR("test.client"),
    .state_size = sizeof(client),
    .init = client_init,
    .handle = client_handle,
};

/* The keeper monitors the servers and starts one anew for each that ends. */
typedef struct keeper {
    bazaar *bazaar;
    trp_ref monitors[SERVERS];
} keeper;

static int start_server(trp_ctx *ctx, keeper *self, size_t index) {
    server state = {.bazaar = self->bazaar, .seed = index * 977};
    trp_spawn_options options = {.size = sizeof options, .monitor = true};
    trp_pid pid;
    int error =
        trp_spawn_opt(ctx, &server_behaviour, &state, &options, &pid, &self->monitors[index]);
    if (error == 0) {
        atomic_store(&self->bazaar->servers[index], (uint64_t)pid.index << 32 | pid.generation);
    }
    return error;
}

static int keeper_init(trp_ctx *ctx, void *block, const void *arg) {
    keeper *self = block;
    memcpy(&self->bazaar, arg, sizeof self->bazaar);
    int error = 0;
    for (size_t i = 0; i < SERVERS && error == 0; i++) {
        error = start_server(ctx, self, i);
    }
    return error;
}

static void keeper_handle(trp_ctx *ctx, void *block, trp_message *message) {
    keeper *self = block;
    if (!trp_message_is(message, &trp_down_type)) {
        return;
    }
    const trp_down *down = trp_message_body(message);
    bool known = false;
    for (size_t i = 0; i < SERVERS; i++) {
        if (self->monitors[i] == down->ref) {
            known = true;
            self->monitors[i] = 0;
            (void)start_server(ctx, self, i); /* refused while the runtime stops */
        }
    }
    atomic_fetch_add(&self->bazaar->wrong, !known);
    atomic_fetch_add(&self->bazaar->downs, 1);
}

static const trp_behaviour keeper_behaviour = {
    TRP_BEHAVIOUR("test.keeper"),
    .state_size = sizeof(keeper),
    .init = keeper_init,
    .handle = keeper_handle,
};

static void run_bazaar(unsigned schedulers) {
    static bazaar all;
    memset(&all, 0, sizeof all);
    atomic_store(&all.clients_left, CLIENTS);
    fake_host *fake = create_with_batch(schedulers, 3);
    bazaar *handle = &all;
    assert_int_equal(trp_spawn(fake_root(fake), &keeper_behaviour, &handle, NULL), 0);
    for (unsigned i = 0; i < CLIENTS; i++) {
        client state = {.bazaar = &all, .seed = i};
        trp_ctx *root = trp_runtime_enter(fake->runtime, i % schedulers);
        assert_int_equal(trp_spawn(root, &client_behaviour, &state, NULL), 0);
    }
    thread_runner_join(thread_runner_start(fake, 20), WAIT_S);
    assert_int_equal(atomic_load(&all.wrong), 0);
    assert_int_equal(atomic_load(&all.replies) + atomic_load(&all.errors), CLIENTS * REQUESTS);
    assert_true(atomic_load(&all.replies) > CLIENTS); /* how many is a matter of the machine */
    assert_true(atomic_load(&all.downs) >= SERVERS);
    assert_int_equal(fake_stats(fake).actors, 0);
    assert_int_equal(fake_stats(fake).timers, 0);
    fake_destroy(fake);
}

static void test_requests_end_once_among_dying_servers(void **state) {
    (void)state;
    for (unsigned schedulers = 1; schedulers <= 4; schedulers++) {
        run_bazaar(schedulers);
    }
}

/* Foreign threads post calls and bytes while the schedulers run. */
enum { POSTERS = 3, POSTS = 2000 };

typedef struct post_office {
    fake_host *fake;
    trp_pid receiver;
    _Atomic uint64_t calls;
    _Atomic uint64_t failed;
    _Atomic uint64_t left; /* calls and letters to come */
    uint64_t seen[POSTERS];
    uint64_t out_of_order;
} post_office;

typedef struct poster {
    post_office *office;
    uint64_t index;
} poster;

static void one_has_come(trp_ctx *ctx, post_office *office) {
    if (atomic_fetch_sub(&office->left, 1) == 1) {
        trp_runtime_stop(trp_ctx_runtime(ctx), TRP_NS_PER_S);
    }
}

static void on_posted_call(trp_ctx *ctx, void *arg) {
    post_office *office = arg;
    atomic_fetch_add(&office->calls, 1);
    one_has_come(ctx, office);
}

static void *post_all(void *arg) {
    const poster *self = arg;
    post_office *office = self->office;
    trp_runtime *runtime = office->fake->runtime;
    for (uint64_t i = 1; i <= POSTS; i++) {
        uint64_t value = self->index << 32 | i;
        int error = trp_post_bytes(runtime, office->receiver, &value, sizeof value, i);
        atomic_fetch_add(&office->failed, error != 0);
        unsigned scheduler = (unsigned)(i % office->fake->schedulers);
        error = trp_post_call(runtime, scheduler, on_posted_call, office);
        atomic_fetch_add(&office->failed, error != 0);
    }
    return NULL;
}

static void on_letter(trp_ctx *ctx, probe *self, trp_message *message) {
    post_office *office = self->arg;
    uint64_t value = probe_value_of(message);
    office->out_of_order += (value & UINT32_MAX) != ++office->seen[value >> 32];
    one_has_come(ctx, office);
}

static void test_foreign_threads_post_in_order(void **state) {
    (void)state;
    for (unsigned schedulers = 1; schedulers <= 3; schedulers++) {
        static post_office office;
        pthread_t threads[POSTERS];
        poster posters[POSTERS];
        memset(&office, 0, sizeof office);
        atomic_store(&office.left, 2 * POSTERS * POSTS);
        office.fake = create_with_batch(schedulers, 0);
        probe receiver = {.on_message = on_letter, .arg = &office};
        probe_spawn(office.fake, &receiver);
        office.receiver = receiver.pid;
        thread_runner *runner = thread_runner_start(office.fake, 10);
        for (uint64_t i = 0; i < POSTERS; i++) {
            posters[i] = (poster){&office, i};
            assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
        }
        for (int i = 0; i < POSTERS; i++) {
            pthread_join(threads[i], NULL);
        }
        thread_runner_join(runner, WAIT_S);
        assert_int_equal(atomic_load(&office.failed), 0);
        assert_int_equal(atomic_load(&office.left), 0);
        assert_int_equal(office.out_of_order, 0);
        assert_int_equal(atomic_load(&office.calls), POSTERS * POSTS);
        fake_destroy(office.fake);
    }
}

/*
 * A trickle of single wakes: each ping-pong crosses from a sleeping scheduler to another, so a lost
 * wake-up stands still.
 */
enum { PINGS = 5000 };

static void bounce(trp_ctx *ctx, probe *self, trp_message *message) {
    uint64_t value = probe_value_of(message);
    if (value == 0) {
        trp_runtime_stop(trp_ctx_runtime(ctx), TRP_NS_PER_S);
    } else {
        probe_send(ctx, ((probe *)self->arg)->pid, value - 1);
    }
}

static void test_ping_pong_between_schedulers_never_stands_still(void **state) {
    (void)state;
    for (unsigned schedulers = 2; schedulers <= 3; schedulers++) {
        fake_host *fake = create_with_batch(schedulers, 0);
        static probe a;
        static probe b;
        a = (probe){.on_message = bounce, .arg = &b};
        b = (probe){.on_message = bounce, .arg = &a};
        probe *ends[2] = {&a, &b};
        for (unsigned i = 0; i < 2; i++) {
            trp_spawn_options options = {.size = sizeof options, .pinned = true};
            trp_ctx *root = trp_runtime_enter(fake->runtime, i);
            assert_int_equal(trp_spawn_opt(root, &probe_behaviour, &ends[i], &options, NULL, NULL),
                             0);
        }
        probe_send(fake_root(fake), a.pid, PINGS);
        thread_runner_join(thread_runner_start(fake, 0), WAIT_S);
        assert_int_equal(a.events_len + b.events_len, PINGS + 1);
        fake_destroy(fake);
    }
}

/*
 * Spawning and ending everywhere at once: each actor spawns two, down to a depth, then ends; the
 * names registry is used by all.
 */
enum { DEPTH = 11 };

typedef struct tree {
    _Atomic uint32_t born;
    _Atomic uint32_t ended;
    _Atomic uint32_t names_won;
} tree;

typedef struct branch {
    tree *tree;
    uint32_t depth;
} branch;

static const trp_behaviour branch_behaviour;

static int branch_init(trp_ctx *ctx, void *block, const void *arg) {
    memcpy(block, arg, sizeof(branch));
    atomic_fetch_add(&((branch *)block)->tree->born, 1);
    return trp_send(ctx, trp_self(ctx), probe_value(ctx, 1));
}

static void branch_handle(trp_ctx *ctx, void *block, trp_message *message) {
    (void)message;
    branch *self = block;
    trp_pid pid;
    if (trp_register(ctx, "contended") == 0) {
        atomic_fetch_add(&self->tree->names_won, 1);
    }
    (void)trp_whereis(ctx, "contended", &pid);
    if (self->depth > 0) {
        branch next = {self->tree, self->depth - 1};
        (void)trp_spawn(ctx, &branch_behaviour, &next, NULL);
        (void)trp_spawn(ctx, &branch_behaviour, &next, NULL);
    }
    trp_stop_self(ctx);
}

static void branch_terminate(trp_ctx *ctx, void *block, const trp_exit *reason) {
    (void)reason;
    branch *self = block;
    if (atomic_fetch_add(&self->tree->ended, 1) + 1 == (1u << (DEPTH + 1)) - 1) {
        trp_runtime_stop(trp_ctx_runtime(ctx), TRP_NS_PER_S);
    }
}

static const trp_behaviour branch_behaviour = {
    TRP_BEHAVIOUR("test.branch"), .state_size = sizeof(branch),  .init = branch_init,
    .handle = branch_handle,      .terminate = branch_terminate,
};

static void test_trees_grow_and_fall_on_all_schedulers(void **state) {
    (void)state;
    for (unsigned schedulers = 1; schedulers <= 4; schedulers++) {
        static tree all;
        memset(&all, 0, sizeof all);
        fake_host *fake = create_with_batch(schedulers, 0);
        branch root = {&all, DEPTH};
        assert_int_equal(trp_spawn(fake_root(fake), &branch_behaviour, &root, NULL), 0);
        thread_runner_join(thread_runner_start(fake, 64), WAIT_S);
        assert_int_equal(atomic_load(&all.born), (1u << (DEPTH + 1)) - 1);
        assert_int_equal(atomic_load(&all.ended), (1u << (DEPTH + 1)) - 1);
        assert_true(atomic_load(&all.names_won) >= 1);
        assert_int_equal(fake_stats(fake).actors, 0);
        fake_destroy(fake);
    }
}

/*
 * Take-over of a name across threads: each round an owner on one scheduler registers the name and
 * fails, and the heir, on another, must get the name in the very handler that hears DOWN.
 */
enum { TAKEOVERS = 200, MORE_NAMES = 1000 };

typedef struct takeover {
    _Atomic uint32_t refused;
    uint32_t rounds;
    trp_pid factory;
    trp_pid heir;
} takeover;

static void own_and_fail(trp_ctx *ctx, void *block, trp_message *message) {
    (void)block;
    (void)message;
    probe_call_fail(ctx, NULL, NULL);
}

static int own_name(trp_ctx *ctx, void *block, const void *arg) {
    (void)block;
    (void)arg;
    int error = trp_register(ctx, "crown");
    char name[] = "jewel-0000";
    for (int i = 0; i < MORE_NAMES && error == 0;
         i++) { /* so that giving them back takes a while */
        for (int digits = i, at = 9; at > 5; digits /= 10, at--) {
            name[at] = (char)('0' + digits % 10);
        }
        error = trp_register(ctx, name);
    }
    return error;
}

static const trp_behaviour owner_behaviour = {
    TRP_BEHAVIOUR("test.owner"),
    .init = own_name,
    .handle = own_and_fail,
};

/* Makes an owner where it lives, and tells the heir whom to watch. */
static void make_owner(trp_ctx *ctx, probe *self, trp_message *message) {
    takeover *all = self->arg;
    trp_pid owner;
    trp_spawn_options options = {.size = sizeof options, .pinned = true}; /* or it would follow */
    (void)message;
    if (trp_spawn_opt(ctx, &owner_behaviour, NULL, &options, &owner, NULL) != 0) {
        atomic_fetch_add(&all->refused, 1);
        return;
    }
    (void)trp_send(ctx, all->heir, trp_message_new_bytes(ctx, &owner, sizeof owner));
}

static void inherit(trp_ctx *ctx, probe *self, trp_message *message) {
    takeover *all = self->arg;
    if (!trp_message_is(message, &trp_down_type)) {
        trp_pid owner;
        trp_ref ref;
        memcpy(&owner, trp_message_body(message), sizeof owner);
        (void)trp_monitor(ctx, owner, &ref);
        (void)probe_send(ctx, owner, 1);
        return;
    }
    if (trp_register(ctx, "crown") == 0) {
        (void)trp_unregister(ctx, "crown");
    } else {
        atomic_fetch_add(&all->refused, 1);
    }
    if (++all->rounds == TAKEOVERS) {
        trp_runtime_stop(trp_ctx_runtime(ctx), TRP_NS_PER_S);
    } else {
        (void)probe_send(ctx, all->factory, 1);
    }
}

static void test_name_is_free_for_who_hears_down_on_another_thread(void **state) {
    (void)state;
    static takeover all;
    memset(&all, 0, sizeof all);
    fake_host *fake = create_with_batch(2, 0);
    static probe factory;
    static probe heir;
    factory = (probe){.on_message = make_owner, .arg = &all};
    heir = (probe){.on_message = inherit, .arg = &all};
    probe *ends[2] = {&factory, &heir};
    for (unsigned i = 0; i < 2; i++) {
        trp_spawn_options options = {.size = sizeof options, .pinned = true};
        trp_ctx *root = trp_runtime_enter(fake->runtime, i);
        assert_int_equal(trp_spawn_opt(root, &probe_behaviour, &ends[i], &options, NULL, NULL), 0);
    }
    all.factory = factory.pid;
    all.heir = heir.pid;
    probe_send(fake_root(fake), factory.pid, 1);
    thread_runner_join(thread_runner_start(fake, 0), WAIT_S);
    assert_int_equal(atomic_load(&all.refused), 0);
    assert_int_equal(all.rounds, TAKEOVERS);
    fake_destroy(fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mesh_conserves_messages_and_order),
        cmocka_unit_test(test_requests_end_once_among_dying_servers),
        cmocka_unit_test(test_foreign_threads_post_in_order),
        cmocka_unit_test(test_ping_pong_between_schedulers_never_stands_still),
        cmocka_unit_test(test_trees_grow_and_fall_on_all_schedulers),
        cmocka_unit_test(test_name_is_free_for_who_hears_down_on_another_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
