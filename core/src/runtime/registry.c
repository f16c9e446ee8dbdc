/* Behaviours and message types by name, for whatever comes from JavaScript or from other nodes. */
#include "actor/context.h"
#include "base/map.h"
#include "message/type.h"
#include "troupe/error.h"

#include <string.h>

int trp_register_type(trp_runtime *runtime, const trp_type *type) {
    int error = type == NULL ? TRP_EINVAL : trpi_type_check(type, NULL);
    if (error != 0) {
        return error;
    }
    uint64_t hash = trp_type_hash(type);
    const trp_type *known = trpi_map_get(&runtime->types, hash);
    if (known != NULL) {
        return known == type ? 0 : TRP_EEXIST;
    }
    return trpi_map_set(&runtime->types, hash, (void *)(uintptr_t)type);
}

static int register_types(trp_runtime *runtime, const trp_behaviour *behaviour) {
    int error = behaviour->arg_type == NULL ? 0 : trp_register_type(runtime, behaviour->arg_type);
    for (size_t i = 0; error == 0 && behaviour->types != NULL && behaviour->types[i] != NULL; i++) {
        error = trp_register_type(runtime, behaviour->types[i]);
    }
    return error;
}

int trp_register_behaviour(trp_runtime *runtime, const trp_behaviour *behaviour) {
    if (behaviour == NULL || behaviour->name == NULL || behaviour->handle == NULL) {
        return TRP_EINVAL;
    }
    uint64_t hash = trpi_hash(behaviour->name, strlen(behaviour->name));
    const trp_behaviour *known = trpi_map_get(&runtime->behaviours, hash);
    if (known != NULL && known != behaviour) {
        return TRP_EEXIST;
    }
    int error = register_types(runtime, behaviour);
    if (error != 0) {
        return error;
    }
    return trpi_map_set(&runtime->behaviours, hash, (void *)(uintptr_t)behaviour);
}

int trp_each_type(trp_runtime *runtime, int (*each)(void *arg, const trp_type *type), void *arg) {
    int result = 0;
    for (uint32_t i = 0; result == 0 && i < runtime->types.capacity; i++) {
        const trp_type *type = runtime->types.cells[i].value;
        result = type == NULL ? 0 : each(arg, type);
    }
    return result;
}

int trp_each_behaviour(trp_runtime *runtime, int (*each)(void *arg, const trp_behaviour *behaviour),
                       void *arg) {
    int result = 0;
    for (uint32_t i = 0; result == 0 && i < runtime->behaviours.capacity; i++) {
        const trp_behaviour *behaviour = runtime->behaviours.cells[i].value;
        result = behaviour == NULL ? 0 : each(arg, behaviour);
    }
    return result;
}

const trp_behaviour *trp_find_behaviour(trp_runtime *runtime, const char *name) {
    const trp_behaviour *found = trpi_map_get(&runtime->behaviours, trpi_hash(name, strlen(name)));
    return found != NULL && strcmp(found->name, name) == 0 ? found : NULL;
}

const trp_type *trp_find_type_hash(trp_runtime *runtime, uint64_t hash) {
    return trpi_map_get(&runtime->types, hash);
}

const trp_type *trp_find_type(trp_runtime *runtime, const char *name) {
    const trp_type *found = trp_find_type_hash(runtime, trpi_hash(name, strlen(name)));
    return found != NULL && strcmp(found->name, name) == 0 ? found : NULL;
}
