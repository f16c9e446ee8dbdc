/*
 * A trp_ctx begins with the pool of its scheduler (sched/scheduler.h keeps that promise with a
 * static assertion), so the message floor can allocate without knowing the scheduler above it.
 */
#ifndef TRPI_POOL_OF_H
#define TRPI_POOL_OF_H

#include "base/pool.h"
#include "troupe/message.h"

static inline trpi_pool *trpi_pool_of(trp_ctx *ctx) {
    return (trpi_pool *)(void *)ctx;
}

#endif
