/* Stacks for the routines of simulated nodes: the native host's fibers. */
#include "fiber.h"
#include "sim_internal.h"

#include "troupe/error.h"

static void *on_fiber_create(void *self, size_t stack_size, void (*entry)(void *arg), void *arg) {
    trp_sim_node *node = self;
    if (node->fibers == NULL) {
        node->fibers = trpi_fiber_pool_create(TRPI_GUARD_MARKED);
    }
    return node->fibers == NULL ? NULL : trpi_fiber_create(node->fibers, stack_size, entry, arg);
}

static int on_fiber_switch(void *self, void *fiber) {
    (void)self;
    return trpi_fiber_switch(fiber) ? TRP_OK : TRP_EFAILED;
}

static void on_fiber_yield(void *self) {
    (void)self;
    trpi_fiber_yield();
}

static void on_fiber_destroy(void *self, void *fiber) {
    (void)self;
    trpi_fiber_destroy(fiber);
}

void trpi_sim_fibers_fill(trp_host *host) {
    host->fiber_create = on_fiber_create;
    host->fiber_switch = on_fiber_switch;
    host->fiber_yield = on_fiber_yield;
    host->fiber_destroy = on_fiber_destroy;
}

void trpi_sim_fibers_free(trp_sim_node *node) {
    trpi_fiber_pool_destroy(node->fibers);
    node->fibers = NULL;
}
