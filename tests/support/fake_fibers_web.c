/* Fibers for the fake host in wasm: the web host's. A program is built for them by troupe_test_fibers (CMakeLists.txt). */
#include "fake_host.h"
#include "fiber.h"

#include <stdlib.h>

static void *on_create(void *self, size_t stack_size, void (*entry)(void *arg), void *arg) {
    fake_host *fake = self;
    void *fiber =
        fake_may_allocate(&fake->memory) ? trpi_fiber_create(stack_size, entry, arg) : NULL;
    if (fiber != NULL) {
        atomic_fetch_add(&fake->fibers_live, 1);
    }
    return fiber;
}

static int on_switch(void *self, void *fiber) {
    (void)self;
    trpi_fiber_state state = trpi_fiber_switch(fiber);
    if (state == TRPI_FIBER_LOST) {
        abort();
    }
    return state == TRPI_FIBER_YIELDED ? TRP_OK : TRP_EFAILED;
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
    fake->table.fiber_create = on_create;
    fake->table.fiber_switch = on_switch;
    fake->table.fiber_yield = on_yield;
    fake->table.fiber_destroy = on_destroy;
}

void fake_fibers_stop(fake_host *fake) {
    (void)fake;
}
