/* What the page's wasm knows besides the runtime: the echo service. */
#include "echo.h"

#include "troupe/web.h"

int trp_web_setup(trp_runtime *runtime) {
    return echo_register(runtime);
}
