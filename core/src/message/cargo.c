/* The end of what a message carries; the rest is in actor/resource.c, which few programs contain. */
#include "message/cargo.h"

_Static_assert(TRPI_POOL_STEP % (2 * TRPI_CARRIES) == 0,
               "the capacity of a block leaves the bit free");

void trpi_message_unload(trpi_pool *pool, trp_message *message) {
    trpi_cargo *cargo = trpi_cargo_of(message);
    message->capacity &= ~TRPI_CARRIES;
    if (cargo != NULL) {
        cargo->release(pool, cargo);
    }
}
