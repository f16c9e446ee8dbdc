/*
 * Ctrl-C: the first SIGINT or SIGTERM stops the host, the second one ends the program.
 */
#include "host.h"
#include "log.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { SIGNALS_LEN = 2 };

typedef struct signal_watch {
    trpi_service service;
    trp_native *native;
    uint64_t grace_ns;
    uv_signal_t handles[SIGNALS_LEN];
    unsigned handles_open;
    bool is_closing;
    bool is_stopping;
} signal_watch;

static void on_signal(uv_signal_t *handle, int number) {
    signal_watch *watch = handle->data;
    trpi_driver_enter(watch->service.driver);
    if (watch->is_stopping) {
        _exit(128 + number);
    }
    watch->is_stopping = true;
    trpi_native_logf(watch->native, TRP_LOG_INFO, "stopping; once more ends at once");
    trp_native_stop(watch->native, watch->grace_ns);
}

static void on_closed(uv_handle_t *handle) {
    signal_watch *watch = handle->data;
    if (--watch->handles_open == 0) {
        trpi_service_remove(&watch->service);
        free(watch);
    }
}

static void close_service(trpi_service *service, trpi_closing how) {
    signal_watch *watch = TRPI_CONTAINER(service, signal_watch, service);
    if (how == TRPI_CLOSING_STOP || watch->is_closing) {
        return; /* a second signal must work until the very end */
    }
    watch->is_closing = true;
    for (unsigned i = 0; i < watch->handles_open; i++) {
        uv_close((uv_handle_t *)&watch->handles[i], on_closed);
    }
    if (watch->handles_open == 0) {
        trpi_service_remove(&watch->service);
        free(watch);
    }
}

/* Makes one handle and starts it. */
static int start_handle(signal_watch *watch, uv_loop_t *loop, int number) {
    uv_signal_t *handle = &watch->handles[watch->handles_open];
    int error = uv_signal_init(loop, handle);
    if (error != 0) {
        return error;
    }
    handle->data = watch;
    watch->handles_open++;
    return uv_signal_start(handle, on_signal, number);
}

typedef struct watch_call {
    trp_native *native;
    uint64_t grace_ns;
} watch_call;

static int watch_here(trp_ctx *ctx, void *arg) {
    static const int numbers[SIGNALS_LEN] = {SIGINT, SIGTERM};
    const watch_call *call = arg;
    (void)ctx;
    signal_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) {
        return TRP_ENOMEM;
    }
    watch->native = call->native;
    watch->grace_ns = call->grace_ns;
    watch->service.close = close_service;
    trpi_driver *driver = trpi_native_driver(call->native, 0);
    trpi_service_add(driver, &watch->service);
    int error = 0;
    for (int i = 0; i < SIGNALS_LEN && error == 0; i++) {
        error = start_handle(watch, driver->loop, numbers[i]);
    }
    if (error != 0) {
        close_service(&watch->service, TRPI_CLOSING_NOW);
    }
    return error == 0 ? TRP_OK : TRP_EIO;
}

int trp_native_stop_on_signals(trp_native *native, uint64_t grace_ns) {
    watch_call call = {native, grace_ns};
    return trp_native_call_wait(native, 0, watch_here, &call);
}
