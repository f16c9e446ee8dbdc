/*
 * The module that the npm package carries: no actors in C, so JavaScript actors and sessions only.
 */
#include "troupe/web.h"

int trp_web_setup(trp_runtime *runtime) {
    (void)runtime;
    return TRP_OK;
}
