/*
 * A whole program around one actor: a keeper spawns it, monitors it, and stops the runtime at its end.
 */
#include "troupe/monitor.h"
#include "troupe/native.h"

/* What is to be run, and how it ended. Belongs to trp_native_run; the keeper has a pointer. */
typedef struct program {
    const trp_behaviour *first;
    const void *arg;
    int result;
} program;

static int result_of(const trp_exit *reason) {
    if (reason->kind == TRP_EXIT_NORMAL || reason->kind == TRP_EXIT_SHUTDOWN) {
        return 0;
    }
    return reason->code != 0 ? reason->code : TRP_EFAILED;
}

static int keeper_init(trp_ctx *ctx, void *state, const void *arg) {
    program *of = *(program *const *)arg;
    *(program **)state = of;
    const trp_spawn_options options = {.size = sizeof options, .monitor = true};
    trp_ref ref;
    return trp_spawn_opt(ctx, of->first, of->arg, &options, NULL, &ref);
}

static void keeper_handle(trp_ctx *ctx, void *state, trp_message *message) {
    program *of = *(program **)state;
    const trp_down *down = trp_message_as(message, &trp_down_type);
    if (down != NULL) {
        of->result = result_of(&down->reason);
        trp_runtime_stop(trp_ctx_runtime(ctx), TRP_NATIVE_RUN_GRACE_NS);
    }
}

static const trp_behaviour keeper = {
    TRP_BEHAVIOUR("troupe.keeper"),
    .state_size = sizeof(program *),
    .init = keeper_init,
    .handle = keeper_handle,
};

static int spawn_keeper(trp_ctx *ctx, void *arg) {
    return trp_spawn(ctx, &keeper, &arg, NULL);
}

int trp_native_run(const trp_native_config *config, const trp_behaviour *first, const void *arg) {
    if (config != NULL && config->loop != NULL) {
        return TRP_EINVAL;
    }
    program of = {first, arg, 0};
    trp_native *native = NULL;
    int error = trp_native_create(config, &native);
    error = error ? error : trp_native_stop_on_signals(native, TRP_NATIVE_RUN_GRACE_NS);
    error = error ? error : trp_native_call_wait(native, 0, spawn_keeper, &of);
    error = error ? error : trp_native_start(native);
    error = error ? error : trp_native_join(native);
    trp_native_destroy(native);
    return error ? error : of.result;
}
