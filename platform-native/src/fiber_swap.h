/*
 * The machine's part of a fiber: registers, put away and fetched.
 *
 * On x86-64 and aarch64 a context is a stack pointer: what the calling convention lets a callee rely on (registers, and
 * the control words of floating point arithmetic) is on the stack it points to. Elsewhere it is a ucontext_t, whose swap
 * costs two system calls.
 */
#ifndef TRPI_FIBER_SWAP_H
#define TRPI_FIBER_SWAP_H

#include <stddef.h>

#if (defined(__x86_64__) && !defined(__ILP32__) || defined(__aarch64__)) && !defined(_WIN32) &&    \
    !defined(TRPI_FIBER_UCONTEXT)
typedef struct trpi_context {
    void *stack_pointer;
} trpi_context;
#else
#include <ucontext.h>
typedef struct trpi_context {
    ucontext_t saved;
    void (*entry)(void *arg);
    void *arg;
} trpi_context;
#endif

/* Prepares a context that will call entry(arg), which must not return, on the memory from `low` to `high`. */
void trpi_context_make(trpi_context *context, char *low, char *high, void (*entry)(void *arg),
                       void *arg);

/* Puts the caller away into `from` and goes on with `to`. Returns when somebody goes on with `from`. */
void trpi_context_swap(trpi_context *from, const trpi_context *to);

/* Goes on with `to`; the caller is lost. Also from a signal handler. */
_Noreturn void trpi_context_jump(const trpi_context *to);

/* The stack pointer of a context that was put away; NULL where it is not known. */
const char *trpi_context_stack_pointer(const trpi_context *context);

#endif
