/* The registry of names, as the runtime makes and ends it, and as spawning by name asks it. */
#ifndef TRPI_NAME_H
#define TRPI_NAME_H

#include "troupe/runtime.h"

/* TRP_ENOMEM. */
int trpi_names_create(trp_runtime *runtime);
void trpi_names_destroy(trp_runtime *runtime);

/* As trp_whereis, but a name that is reserved is TRP_EEXIST. */
int trpi_name_find(trp_ctx *ctx, const char *name, trp_pid *pid);

#endif
