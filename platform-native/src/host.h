/*
 * What the services of the native host may ask of it.
 */
#ifndef TRPI_HOST_H
#define TRPI_HOST_H

#include "driver.h"

#include "troupe/native.h"

/* The driver of `scheduler`, NULL if there is no such scheduler. */
trpi_driver *trpi_native_driver(trp_native *native, unsigned scheduler);

/* True once trp_native_stop was called. Any thread. */
bool trpi_native_is_stopping(trp_native *native);

/*
 * Copies a caller's config struct, of his size, over zeros of ours. TRP_EINVAL if its size cannot
 * be right.
 */
int trpi_config_copy(void *own, size_t own_size, const void *given);

#endif
