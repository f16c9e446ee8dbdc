/*
 * Leaving a routine's fiber, alone in its file: a host whose tools follow calls, as wasm's Asyncify does, may link its own
 * function of this name in place of this one, to be called directly and not through the host table.
 */
#include "actor/routine.h"

void trpi_routine_yield(trp_ctx *ctx) {
    ctx->runtime->host.fiber_yield(ctx->runtime->host.self);
}
