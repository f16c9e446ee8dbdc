/* Stopping a runtime, and what foreign threads may post to it. */
#ifndef TRPI_STOP_H
#define TRPI_STOP_H

#include "actor/context.h"

/* A step while the runtime stops: as trp_runtime_step. */
trp_step trpi_stop_step(trp_ctx *ctx, const trp_budget *budget, uint64_t *next_deadline_ns);

/* Frees calls that were posted and never run. */
void trpi_stop_discard_calls(trp_ctx *ctx);

#endif
