/* The children of a supervisor. */
#include "service/children.h"

#include "actor/context.h"
#include "troupe/error.h"

#include <string.h>

/*
 * A host's realloc out of the heap of the running actor. Maps only ask for new blocks and free old
 * ones.
 */
static void *heap_realloc(void *self, void *block, size_t old_size, size_t new_size) {
    (void)old_size;
    if (new_size == 0) {
        trp_free(self, block);
        return NULL;
    }
    return trp_alloc(self, new_size);
}

void trpi_children_init(trpi_children *children, trp_ctx *ctx) {
    memset(children, 0, sizeof *children);
    children->memory.realloc = heap_realloc;
    children->memory.self = ctx;
    trpi_map_init(&children->by_tag, &children->memory);
}

void trpi_children_enter(trpi_children *children, trp_ctx *ctx) {
    children->memory.self = ctx;
}

static bool has_id(const trp_child_spec *spec) {
    return spec->id != NULL && spec->id[0] != '\0';
}

int trpi_children_check(const trpi_children *children, const trp_child_spec *spec,
                        trp_strategy strategy) {
    bool is_complete = spec->behaviour != NULL && spec->behaviour->handle != NULL &&
                       (spec->arg != NULL || spec->arg_size == 0) &&
                       (has_id(spec) || strategy == TRP_DYNAMIC) &&
                       !(spec->is_significant && spec->restart == TRP_PERMANENT);
    if (!is_complete || (has_id(spec) && strlen(spec->id) > TRP_CHILD_ID_MAX)) {
        return TRP_EINVAL;
    }
    return has_id(spec) && trpi_children_by_id(children, spec->id) != NULL ? TRP_EEXIST : 0;
}

static size_t text_size(const char *text) {
    return text == NULL ? 0 : strlen(text) + 1;
}

/* Copies `size` bytes to `*at` and moves it on. NULL stays NULL. */
static void *copy_to(char **at, const void *from, size_t size) {
    if (from == NULL || size == 0) {
        return NULL;
    }
    char *to = *at;
    memcpy(to, from, size);
    *at += size;
    return to;
}

trpi_child *trpi_children_add(trpi_children *children, trp_ctx *ctx, const trp_child_spec *spec) {
    size_t texts = text_size(spec->id) + text_size(spec->name);
    trpi_child *child = trp_alloc(ctx, sizeof *child + spec->arg_size + texts);
    if (child == NULL) {
        return NULL;
    }
    char *at = (char *)(child + 1); /* the argument first: it may need to be aligned */
    child->spec = *spec;
    child->spec.arg = copy_to(&at, spec->arg, spec->arg_size);
    child->spec.id = copy_to(&at, spec->id, text_size(spec->id));
    child->spec.name = copy_to(&at, spec->name, text_size(spec->name));
    child->previous = children->last;
    if (children->last == NULL) {
        children->first = child;
    } else {
        children->last->next = child;
    }
    children->last = child;
    children->count++;
    return child;
}

void trpi_children_remove(trpi_children *children, trp_ctx *ctx, trpi_child *child) {
    trpi_children_untag(children, child);
    if (child->previous == NULL) {
        children->first = child->next;
    } else {
        child->previous->next = child->next;
    }
    if (child->next == NULL) {
        children->last = child->previous;
    } else {
        child->next->previous = child->previous;
    }
    children->count--;
    trp_free(ctx, child);
}

int trpi_children_tag(trpi_children *children, trpi_child *child) {
    trpi_children_untag(children, child);
    int error = trpi_map_set(&children->by_tag, children->last_tag + 1, child);
    if (error == 0) {
        child->tag = ++children->last_tag;
    }
    return error;
}

void trpi_children_untag(trpi_children *children, trpi_child *child) {
    if (child->tag != 0) {
        (void)trpi_map_remove(&children->by_tag, child->tag);
        child->tag = 0;
    }
}

trpi_child *trpi_children_by_id(const trpi_children *children, const char *id) {
    trpi_child *child = children->first;
    while (child != NULL && (child->spec.id == NULL || strcmp(child->spec.id, id) != 0)) {
        child = child->next;
    }
    return child;
}

trpi_child *trpi_children_by_pid(const trpi_children *children, trp_pid pid) {
    trpi_child *child = trp_pid_is_none(pid) ? NULL : children->first;
    while (child != NULL && !trp_pid_equal(child->pid, pid)) {
        child = child->next;
    }
    return child;
}
