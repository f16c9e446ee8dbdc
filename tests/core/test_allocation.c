/*
 * Every allocation fails once, in a scenario that uses all there is: nothing crashes, nothing
 * leaks, every failure is reported as TRP_ENOMEM, and what was promised needs no memory.
 */
#include "cmocka_all.h"
#include "probe.h"

#include <stdlib.h>

static int worst(int so_far, int result) {
    assert_true(result == 0 || result == TRP_ENOMEM);
    return so_far != 0 ? so_far : result;
}

static void test_creation_reports_every_failure(void **state) {
    (void)state;
    for (unsigned schedulers = 1; schedulers <= 4; schedulers++) {
        uint64_t fail_at = 1;
        for (;; fail_at++) {
            static fake_host fake;
            fake_init(&fake);
            fake.memory.fail_at = fail_at;
            trp_runtime_config config = {.size = sizeof config, .schedulers = schedulers};
            int result = fake_start(&fake, &config);
            bool refused = atomic_load(&fake.memory.failures) > 0;
            assert_int_equal(result, refused ? TRP_ENOMEM : 0);
            fake_stop(&fake);
            if (!refused) {
                break;
            }
        }
        assert_true(fail_at > schedulers);
    }
}

/*
 * The first message has a deadline, the second is forwarded; replies come from whoever has them in
 * the end.
 */
static void serve(trp_ctx *ctx, probe *self, trp_message *message) {
    (void)self;
    if (!trp_message_is_request(message)) {
        return;
    }
    trp_message *reply = probe_value(ctx, 1);
    if (reply == NULL) {
        assert_int_equal(trp_reply_error(ctx, message, TRP_ENOMEM, NULL), 0);
    } else {
        assert_int_equal(trp_reply(ctx, message, reply), 0);
    }
}

typedef struct scene {
    fake_host *fake;
    probe client;
    probe server;
    probe helper;
    int result;
    uint32_t expected; /* messages that the client must get */
} scene;

static int do_nothing(void *arg) {
    (void)arg;
    return 0;
}

/* What services give the client, as far as it is accepted. */
static void use_services(trp_ctx *ctx, scene *all) {
    trp_work work = {sizeof work, do_nothing, NULL, NULL};
    int error = trp_offload(ctx, &work, NULL);
    all->result = worst(all->result, error);
    all->expected += error == 0;
    trp_ref port;
    error = trp_output_port_open(ctx, &port);
    if (error == 0) {
        error = trp_output_port_subscribe(ctx, port, NULL, NULL);
        trp_message *message = probe_value(ctx, 1);
        int published = trp_output_port_publish(ctx, port, message);
        all->expected += error == 0 && published == 0;
        all->result = worst(all->result, published);
        trp_message_drop(ctx, message);
    }
    all->result = worst(all->result, error);
    probe *helper = &all->helper;
    trp_pid pid;
    bool is_new;
    trp_spawn_options options = {.size = sizeof options, .name = "helper"};
    for (int i = 0; i < 2; i++) {
        error = trp_get_or_spawn(ctx, &probe_behaviour, &helper, &options, &pid, &is_new);
        all->result = worst(all->result, error);
        assert_int_equal(trp_whereis(ctx, "helper", &pid), error == 0 ? 0 : TRP_ENOENT);
    }
}

static void use_everything(trp_ctx *ctx, probe *self, void *arg) {
    scene *all = arg;
    trp_ref ref;
    int error = trp_register(ctx, "client");
    all->result = worst(all->result, error);
    error = trp_monitor(ctx, all->server.pid, &ref);
    all->result = worst(all->result, error);
    all->expected += error == 0;
    error = trp_monitor(ctx, TRP_PID_NONE, &ref);
    all->result = worst(all->result, error);
    all->expected += error == 0;
    for (int i = 0; i < 3; i++) {
        error = trp_request(ctx, all->server.pid, probe_value(ctx, 1), TRP_NS_PER_S, &ref);
        all->result = worst(all->result, error);
        all->expected += error == 0;
    }
    error = trp_request(ctx, TRP_PID_NONE, probe_value(ctx, 1), TRP_NEVER, &ref);
    all->result = worst(all->result, error);
    all->expected += error == 0;
    trp_pid targets[] = {all->server.pid, TRP_PID_NONE, all->server.pid};
    error = trp_request_many(ctx, targets, 3, probe_value(ctx, 1), TRP_NS_PER_S, &ref);
    all->result = worst(all->result, error);
    all->expected += error == 0;
    error =
        trp_request_forward(ctx, all->server.pid, probe_value(ctx, 1), TRP_NS_PER_S, self->pid, 0);
    all->result = worst(all->result, error);
    all->expected += error == 0;
    error = trp_timer(ctx, TRP_NS_PER_MS, 1, NULL);
    all->result = worst(all->result, error);
    all->expected += error == 0;
    error = trp_send_after(ctx, TRP_NS_PER_MS, self->pid, probe_value(ctx, 1), NULL);
    all->result = worst(all->result, error);
    all->expected += error == 0;
    error = probe_send(ctx, self->pid, 4);
    all->result = worst(all->result, error);
    all->expected += error == 0;
    use_services(ctx, all);
    for (size_t size = 10; size < 1000000; size *= 10) {
        all->result = worst(all->result, trp_alloc(ctx, size) == NULL ? TRP_ENOMEM : 0);
        trp_message *message = trp_message_new_bytes(ctx, NULL, size);
        if (message != NULL) {
            memset(trp_message_body(message), 0, size);
        }
        error = trp_send(ctx, self->pid, message);
        all->result = worst(all->result, error);
        all->expected += error == 0;
    }
}

static void play(fake_host *fake, void *arg) {
    scene *all = arg;
    memset(all, 0, sizeof *all);
    trp_runtime_config config = {.size = sizeof config, .schedulers = 2};
    all->result = fake_start(fake, &config);
    if (all->result != 0) {
        return;
    }
    all->server.on_message = serve;
    probe *server = &all->server;
    probe *client = &all->client;
    trp_ctx *root = fake_root(fake);
    int error = trp_spawn(root, &probe_behaviour, &server, NULL);
    error = error != 0 ? error : trp_spawn(root, &probe_behaviour, &client, NULL);
    error = error != 0 ? error : probe_ask(root, client->pid, use_everything, all);
    all->result = worst(all->result, error);
    if (error != 0) {
        return;
    }
    fake_advance(fake, 10 * TRP_NS_PER_MS);
    error = trp_post_bytes(fake->runtime, client->pid, "x", 1, 1);
    all->result = worst(all->result, error);
    all->expected += error == 0;
    error = trp_kill(root, server->pid);
    all->result = worst(all->result, error);
    if (error != 0) {
        return; /* with it alive its DOWN cannot come */
    }
    fake_advance(fake, 2 * TRP_NS_PER_S);
    /* All that was accepted has come; what was posted from outside may be lost, but not silently. */
    all->expected -= fake_logged(fake, "a posted message is lost");
    assert_int_equal(client->events_len, all->expected);
    fake->memory.fail_rest = false; /* asking everybody to stop takes messages */
    assert_true(fake_shut_down(fake));
}

static void test_every_allocation_fails_once_and_all_that_was_promised_comes(void **state) {
    (void)state;
    static scene all;
    uint64_t failed = fake_every_allocation_fails(play, &all);
    assert_int_equal(all.result, 0); /* the last run had all it wanted */
    assert_true(all.expected > 10);
    print_message("%llu allocations failed, each once\n", (unsigned long long)failed);
}

/* From some point on there is no memory at all. */
static void test_no_memory_from_any_point_on(void **state) {
    (void)state;
    static scene all;
    static fake_host fake;
    bool refused = true;
    for (uint64_t from = 1; refused; from++) {
        fake_init(&fake);
        fake.memory.fail_at = from;
        fake.memory.fail_rest = true;
        play(&fake, &all);
        refused = atomic_load(&fake.memory.failures) > 0;
        fake_stop(&fake);
    }
    assert_int_equal(all.result, 0);
}

/* A crowd, so that tables, maps and pools grow. */
static void grow(fake_host *fake) {
    enum { CROWD = 3000 };
    if (fake_start(fake, NULL) != 0) {
        return;
    }
    probe *crowd = calloc(CROWD, sizeof *crowd);
    assert_non_null(crowd);
    uint32_t born = 0;
    for (uint32_t i = 0; i < CROWD; i++) {
        probe *self = &crowd[i];
        char name[] = "actor-0000";
        for (uint32_t digits = i, at = 9; digits > 0; digits /= 10) {
            name[at--] = (char)('0' + digits % 10);
        }
        trp_spawn_options options = {.size = sizeof options, .name = name};
        int error = trp_spawn_opt(fake_root(fake), &probe_behaviour, &self, &options, NULL, NULL);
        assert_true(error == 0 || error == TRP_ENOMEM);
        born += error == 0;
        if (error == 0) {
            error = probe_send(fake_root(fake), self->pid, i);
            assert_true(error == 0 || error == TRP_ENOMEM);
        }
    }
    fake_run(fake);
    assert_int_equal(fake_stats(fake).actors, born);
    assert_true(born + 3 >= CROWD); /* one refusal costs one actor, or the few in it */
    assert_true(fake_shut_down(fake));
    free(crowd);
}

/* The early allocations one by one, the later ones, which are all alike, in ever longer strides. */
static void test_growing_tables_fail_once_each(void **state) {
    (void)state;
    static fake_host fake;
    bool refused = true;
    for (uint64_t at = 1; refused; at += 1 + at / 16) {
        fake_init(&fake);
        fake.memory.fail_at = at;
        grow(&fake);
        refused = atomic_load(&fake.memory.failures) > 0;
        fake_stop(&fake);
        assert_true(refused || at > 20);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_creation_reports_every_failure),
        cmocka_unit_test(test_every_allocation_fails_once_and_all_that_was_promised_comes),
        cmocka_unit_test(test_no_memory_from_any_point_on),
        cmocka_unit_test(test_growing_tables_fail_once_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
