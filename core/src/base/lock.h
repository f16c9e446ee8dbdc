/*
 * A spin lock for sections of a few instructions that are rarely contended: the depot, the tables'
 * growth, the registry. Never held across a callback of a user; an allocation of the host happens
 * under one only when a table grows, once in 512 slots.
 */
#ifndef TRPI_LOCK_H
#define TRPI_LOCK_H

#include "base/atomic.h"

static inline void trpi_lock(trpi_atomic_u32 *lock) {
    /*
     * Acquire pairs with the release in trpi_unlock. The inner load keeps the line shared while
     * waiting.
     */
    while (trpi_exchange_u32(lock, 1, TRPI_ACQUIRE) != 0) {
        while (trpi_load(lock, TRPI_RELAXED) != 0) {
        }
    }
}

static inline void trpi_unlock(trpi_atomic_u32 *lock) {
    trpi_store(lock, 0, TRPI_RELEASE);
}

#endif
