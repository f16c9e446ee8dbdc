#include "limiter.h"
#include "philosophers.h"
#include "pipeline.h"
#include "pool.h"
#include "troupe/web.h"

int trp_web_setup(trp_runtime *runtime) {
    int error = trp_register_behaviour(runtime, &dining_table.behaviour);
    error = error ? error : trp_register_behaviour(runtime, &limiter);
    error = error ? error : trp_register_behaviour(runtime, &pipeline.behaviour);
    return error ? error : trp_register_behaviour(runtime, &pool);
}
