// The native host from C++: an actor on its threads answers once, and the host ends.
#include <troupe/native.h>
#include <troupe/troupe.h>

#include <atomic>
#include <cstdio>

static std::atomic<int> handled{0};

static void handle(trp_ctx *ctx, void *, trp_message *) {
    handled++;
    trp_stop_self(ctx);
}

static int begin(trp_ctx *ctx, void *) {
    static const trp_behaviour behaviour = [] {
        trp_behaviour made{};
        made.size = sizeof made;
        made.name = "once";
        made.handle = handle;
        return made;
    }();
    trp_pid pid;
    if (int error = trp_spawn(ctx, &behaviour, nullptr, &pid)) {
        return error;
    }
    return trp_send(ctx, pid, trp_message_new_bytes(ctx, "hi", 2));
}

int main() {
    trp_native_config config{};
    config.size = sizeof config;
    config.schedulers = 2;
    config.log_format = TRP_LOG_FORMAT_NONE;
    trp_native *native = nullptr;
    int error = trp_native_create(&config, &native);
    if (error == 0) {
        error = trp_native_start(native);
    }
    if (error == 0) {
        error = trp_native_call_wait(native, 0, begin, nullptr);
    }
    // A stop is handled after what was sent before it.
    trp_native_stop(native, TRP_NS_PER_S);
    trp_native_join(native);
    trp_native_destroy(native);
    std::printf("server: %d handled, %s\n", handled.load(), trp_error_text(error));
    return error == 0 && handled == 1 ? 0 : 1;
}
