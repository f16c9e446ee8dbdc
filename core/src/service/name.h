/* The registry of names, as the runtime makes and ends it. */
#ifndef TRPI_NAME_H
#define TRPI_NAME_H

#include "troupe/runtime.h"

/* TRP_ENOMEM. */
int trpi_names_create(trp_runtime *runtime);
void trpi_names_destroy(trp_runtime *runtime);

#endif
