/*
 * The contract as a module of the web host; contract.test.mjs drives it.
 */
#include "contract.h"

#include "troupe/web.h"

int trp_web_setup(trp_runtime *runtime) {
    return trp_register_behaviour(runtime, &contract_behaviour);
}
