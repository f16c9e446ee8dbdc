/* The web host's fibers under host_single.c. The program is built with Asyncify (CMakeLists.txt). */

#include "fiber.h"
#include "host.h"

#include "troupe/routine.h"

#include <stddef.h>

static void *host_fiber_create(void *self, size_t stack_size, void (*entry)(void *arg), void *arg) {
    (void)self;
    return trpi_fiber_create(stack_size, entry, arg);
}

static int host_fiber_switch(void *self, void *fiber) {
    (void)self;
    return trpi_fiber_switch(fiber) == TRPI_FIBER_YIELDED ? TRP_OK : TRP_EFAILED;
}

static void host_fiber_yield(void *self) {
    (void)self;
    trpi_fiber_yield();
}

static void host_fiber_destroy(void *self, void *fiber) {
    (void)self;
    trpi_fiber_destroy(fiber);
}

void bench_host_fibers(trp_host *host) {
    host->fiber_create = host_fiber_create;
    host->fiber_switch = host_fiber_switch;
    host->fiber_yield = host_fiber_yield;
    host->fiber_destroy = host_fiber_destroy;
}

/* In place of the core's, which calls through the host table (platform-web/src/fibers.c). */
void trpi_routine_yield(trp_ctx *ctx);

void trpi_routine_yield(trp_ctx *ctx) {
    (void)ctx;
    trpi_fiber_yield();
}

static void yield_for_ever(void *arg) {
    (void)arg;
    for (;;) {
        trpi_fiber_yield();
    }
}

bool bench_host_switch(uint64_t n) {
    trpi_fiber *fiber = trpi_fiber_create(TRP_ROUTINE_STACK, yield_for_ever, NULL);
    if (fiber == NULL) {
        return false;
    }
    for (uint64_t k = 0; k < n; k++) {
        (void)trpi_fiber_switch(fiber);
    }
    trpi_fiber_destroy(fiber);
    return true;
}
