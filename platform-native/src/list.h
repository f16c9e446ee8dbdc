/*
 * A circular doubly linked list whose links lie inside its elements. An empty head and an element
 * that is in no list both point to themselves, so removing twice is harmless.
 */
#ifndef TRPI_LIST_H
#define TRPI_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct trpi_link {
    struct trpi_link *next;
    struct trpi_link *prev;
} trpi_link;

/* The struct that `link` is the member `member` of. */
#define TRPI_CONTAINER(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void trpi_link_init(trpi_link *link) {
    link->next = link;
    link->prev = link;
}

static inline bool trpi_list_is_empty(const trpi_link *head) {
    return head->next == head;
}

static inline void trpi_list_push(trpi_link *head, trpi_link *link) {
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

static inline void trpi_list_remove(trpi_link *link) {
    link->prev->next = link->next;
    link->next->prev = link->prev;
    trpi_link_init(link);
}

/* Moves everything from `from` into the empty list `to`, in order. */
static inline void trpi_list_take(trpi_link *from, trpi_link *to) {
    if (trpi_list_is_empty(from)) {
        trpi_link_init(to);
        return;
    }
    *to = *from;
    to->next->prev = to;
    to->prev->next = to;
    trpi_link_init(from);
}

#endif
