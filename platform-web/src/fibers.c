/*
 * Fibers in the web host's table. This file and fiber.c are a library of their own: a module without routines is linked
 * without them, and needs no Asyncify.
 */
#include "fiber.h"
#include "host.h"

static void *host_fiber_create(void *self, size_t stack_size, void (*entry)(void *arg), void *arg) {
    (void)self;
    return trpi_fiber_create(stack_size, entry, arg);
}

static int host_fiber_switch(void *self, void *fiber) {
    (void)self;
    trpi_fiber_state state = trpi_fiber_switch(fiber);
    if (state == TRPI_FIBER_LOST) {
        static const char text[] = "a routine has overflowed its stack into other memory";
        trpi_web_fatal(text, sizeof text - 1);
    }
    return state == TRPI_FIBER_YIELDED ? TRP_OK : TRP_EFAILED;
}

static void host_fiber_yield(void *self) {
    (void)self;
    trpi_fiber_yield();
}

static void host_fiber_destroy(void *self, void *fiber) {
    (void)self;
    trpi_fiber_destroy(fiber);
}

void trpi_web_fibers_fill(trp_host *host) {
    host->fiber_create = host_fiber_create;
    host->fiber_switch = host_fiber_switch;
    host->fiber_yield = host_fiber_yield;
    host->fiber_destroy = host_fiber_destroy;
}

/* In place of the core's function, which calls through the host table, where Asyncify does not follow. */
void trpi_routine_yield(trp_ctx *ctx);

void trpi_routine_yield(trp_ctx *ctx) {
    (void)ctx;
    trpi_fiber_yield();
}
