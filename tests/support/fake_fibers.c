/*
 * Fibers for the fake host: those of the platform that the test runs on. Natively every fake host has them. A wasm
 * program has them if it is built for that (troupe_test_fibers in CMakeLists.txt).
 */
#include "fake_host.h"
#include "fiber.h"

static void *on_create(void *self, size_t stack_size, void (*entry)(void *arg), void *arg) {
    fake_host *fake = self;
    if (!fake_may_allocate(&fake->memory)) {
        return NULL;
    }
    void *fiber = trpi_fiber_create(fake->fibers, stack_size, entry, arg);
    if (fiber != NULL) {
        atomic_fetch_add(&fake->fibers_live, 1);
    }
    return fiber;
}

static int on_switch(void *self, void *fiber) {
    (void)self;
    return trpi_fiber_switch(fiber) ? TRP_OK : TRP_EFAILED;
}

static void on_yield(void *self) {
    (void)self;
    trpi_fiber_yield();
}

static void on_destroy(void *self, void *fiber) {
    fake_host *fake = self;
    atomic_fetch_sub(&fake->fibers_live, 1);
    trpi_fiber_destroy(fiber);
}

void fake_fibers_start(fake_host *fake) {
    fake->fibers = trpi_fiber_pool_create(TRPI_GUARD_MARKED);
    if (fake->fibers == NULL) {
        return; /* routines are not supported then, and their tests fail */
    }
    fake->table.fiber_create = on_create;
    fake->table.fiber_switch = on_switch;
    fake->table.fiber_yield = on_yield;
    fake->table.fiber_destroy = on_destroy;
}

void fake_fibers_stop(fake_host *fake) {
    trpi_fiber_pool_destroy(fake->fibers);
    fake->fibers = NULL;
}
