#include "counter.h"

#include "troupe/web.h"

int trp_web_setup(trp_runtime *runtime) {
    return trp_register_behaviour(runtime, &counter);
}
