/* The web host's fibers under host_single.c. The program is built with Asyncify (CMakeLists.txt). */

#include "fiber.h"
#include "host.h"

#include "troupe/routine.h"

#include <stdio.h>
#include <stdlib.h>

/* What fibers.c needs of the web host, and what it gives. */
void trpi_web_fibers_fill(trp_host *host);
_Noreturn void trpi_web_fatal(const char *text, size_t length);

_Noreturn void trpi_web_fatal(const char *text, size_t length) {
    fprintf(stderr, "troupe-bench: %.*s\n", (int)length, text);
    abort();
}

void bench_host_fibers(trp_host *host) {
    trpi_web_fibers_fill(host);
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
