/**
 * @file web.h
 * What an application compiled into a page's wasm tells the web host.
 */
#ifndef TROUPE_WEB_H
#define TROUPE_WEB_H

#include "troupe/runtime.h"

TRP_BEGIN_DECLS

/**
 * Defined by the application, in one of the sources given to troupe_add_web_module: registers its
 * behaviours and message types. Called once per module instance, after the runtime was created and
 * before anything runs in it. Returns 0, or a TRP_E* that fails `createRuntime`. An application
 * that leaves it out has JavaScript actors only.
 *
 *     int trp_web_setup(trp_runtime *runtime) {
 *         return trp_register_behaviour(runtime, &relay_behaviour);
 *     }
 */
int trp_web_setup(trp_runtime *runtime);

TRP_END_DECLS

#endif
