/*
 * Stacks for fibers, kept in slabs that are given back only with their shelf.
 *
 *     base             reserve          low                                   high
 *      | guard, 16 KiB  | reserve, 16 KiB | the stack, as asked for             |
 *
 * Guarded: neither guard nor reserve can be touched. The first time the stack grows below `low`, the reserve is opened.
 * Not guarded: all of it is plain memory that nobody should have touched, so the ends of reserve and guard read zero.
 *
 * Nothing here locks.
 */
#ifndef TRPI_FIBER_STACK_H
#define TRPI_FIBER_STACK_H

#include "fiber.h"

enum { TRPI_STACK_GUARD = 16 * 1024, TRPI_STACK_RESERVE = 16 * 1024 };

typedef struct trpi_stack {
    char *low;
    char *high;
    trpi_guard guard;
    bool is_reserve_open;
} trpi_stack;

/* Stacks of one size. */
typedef struct trpi_shelf trpi_shelf;

/* Makes an empty shelf of stacks of at least `size` bytes; NULL when out of memory or `size` is beyond reason. */
trpi_shelf *trpi_shelf_create(size_t size);
void trpi_shelf_destroy(trpi_shelf *shelf);

/* Bytes of each stack, which is `size` rounded up. */
size_t trpi_shelf_size(const trpi_shelf *shelf);
size_t trpi_shelf_round(size_t size);

/* Takes a stack without contents, guarded by `best` or what comes after it. False when out of memory. */
bool trpi_shelf_take(trpi_shelf *shelf, trpi_guard best, trpi_stack *stack);

/* Takes back a stack. Its memory goes to the system. */
void trpi_shelf_give(trpi_shelf *shelf, trpi_stack *stack);

/* True if `address` is in the guard or the reserve. From a signal handler too, as the next. */
bool trpi_stack_is_guard(const trpi_stack *stack, const char *address);

/* Lets a guarded stack grow into its reserve; false if it cannot any more. */
bool trpi_stack_open_reserve(trpi_stack *stack, const char *address);

/* What a stack without guard looks like. */
typedef enum trpi_stack_state {
    TRPI_STACK_GOOD,
    TRPI_STACK_OVERFLOWN, /* into its reserve, or not far beyond */
    TRPI_STACK_LOST       /* into what is below it */
} trpi_stack_state;
trpi_stack_state trpi_stack_check(const trpi_stack *stack);

#endif
