/*
 * Swapping contexts, for each machine. The assembly is at top level, so that it is the same text for gcc and clang and
 * no compiler adds a prologue. On x86-64 a jump instead of `ret` leaves the processor's prediction of returns alone.
 * Shadow stacks (CET) are not supported; a program has to ask its C library for them.
 */
#include "fiber_swap.h"

#include "fiber_sanitize.h"

#include <stdint.h>
#include <string.h>

#if defined(__APPLE__)
#define SYMBOL(name) "_" #name
#define HIDDEN(name) ".private_extern _" #name "\n"
#define TYPE(name) ""
#define SIZE(name) ""
#else
#define SYMBOL(name) #name
#define HIDDEN(name) ".hidden " #name "\n"
#if defined(__aarch64__)
#define TYPE(name) ".type " #name ", %function\n"
#else
#define TYPE(name) ".type " #name ", @function\n"
#endif
#define SIZE(name) ".size " #name ", . - " #name "\n"
#endif
#define FUNCTION(name)                                                                             \
    ".globl " SYMBOL(name) "\n" HIDDEN(name) TYPE(name) ".p2align 4\n" SYMBOL(name) ":\n"

#if defined(TRPI_FIBER_UCONTEXT) || !(defined(__x86_64__) || defined(__aarch64__))
#define USE_UCONTEXT 1
#elif defined(__x86_64__)

/* As the stack pointer of a context finds them. */
typedef struct saved {
    uint32_t mxcsr;
    uint16_t x87_control;
    uint16_t reserved;
    uintptr_t r15, r14, r13, r12, rbx, rbp;
    uintptr_t address; /* where it goes on */
} saved;

void trpi_context_start(void);

/* clang-format off */
__asm__(
    ".text\n"
    FUNCTION(trpi_context_swap)
    ".cfi_startproc\n"
    "    pushq %rbp\n"
    "    pushq %rbx\n"
    "    pushq %r12\n"
    "    pushq %r13\n"
    "    pushq %r14\n"
    "    pushq %r15\n"
    "    subq $8, %rsp\n"
    "    stmxcsr (%rsp)\n"
    "    fnstcw 4(%rsp)\n"
    "    movq %rsp, (%rdi)\n"
    "    movq (%rsi), %rsp\n"
    "    ldmxcsr (%rsp)\n"
    "    fldcw 4(%rsp)\n"
    "    addq $8, %rsp\n"
    "    popq %r15\n"
    "    popq %r14\n"
    "    popq %r13\n"
    "    popq %r12\n"
    "    popq %rbx\n"
    "    popq %rbp\n"
    "    popq %rcx\n"
    "    jmpq *%rcx\n"
    ".cfi_endproc\n"
    SIZE(trpi_context_swap)
    /* Where a new context goes on; a debugger sees the end of the stack here. */
    FUNCTION(trpi_context_start)
    ".cfi_startproc\n"
    ".cfi_undefined rip\n"
    "    movq %r12, %rdi\n"
    "    callq *%r13\n"
    "    ud2\n"
    ".cfi_endproc\n"
    SIZE(trpi_context_start)
);
/* clang-format on */

static void save_entry(saved *registers, void (*entry)(void *arg), void *arg) {
    registers->r12 = (uintptr_t)arg;
    registers->r13 = (uintptr_t)entry;
    registers->address = (uintptr_t)trpi_context_start;
    __asm__ volatile("stmxcsr %0" : "=m"(registers->mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(registers->x87_control));
}

#elif defined(__aarch64__)

typedef struct saved {
    double d8_to_d15[8];
    uintptr_t x19, x20, x21, x22, x23, x24, x25, x26, x27, x28;
    uintptr_t x29;
    uintptr_t address; /* x30 */
    uint64_t fpcr;
    uint64_t reserved;
} saved;

void trpi_context_start(void);

/* clang-format off */
__asm__(
    ".text\n"
    FUNCTION(trpi_context_swap)
    ".cfi_startproc\n"
    "    sub sp, sp, #176\n"
    "    mrs x9, fpcr\n"
    "    stp d8, d9, [sp, #0]\n"
    "    stp d10, d11, [sp, #16]\n"
    "    stp d12, d13, [sp, #32]\n"
    "    stp d14, d15, [sp, #48]\n"
    "    stp x19, x20, [sp, #64]\n"
    "    stp x21, x22, [sp, #80]\n"
    "    stp x23, x24, [sp, #96]\n"
    "    stp x25, x26, [sp, #112]\n"
    "    stp x27, x28, [sp, #128]\n"
    "    stp x29, x30, [sp, #144]\n"
    "    str x9, [sp, #160]\n"
    "    mov x10, sp\n"
    "    str x10, [x0]\n"
    "    ldr x10, [x1]\n"
    "    mov sp, x10\n"
    "    ldr x11, [sp, #160]\n"
    "    cmp x9, x11\n"
    "    b.eq 1f\n"
    "    msr fpcr, x11\n" /* slow, and hardly ever different */
    "1:\n"
    "    ldp d8, d9, [sp, #0]\n"
    "    ldp d10, d11, [sp, #16]\n"
    "    ldp d12, d13, [sp, #32]\n"
    "    ldp d14, d15, [sp, #48]\n"
    "    ldp x19, x20, [sp, #64]\n"
    "    ldp x21, x22, [sp, #80]\n"
    "    ldp x23, x24, [sp, #96]\n"
    "    ldp x25, x26, [sp, #112]\n"
    "    ldp x27, x28, [sp, #128]\n"
    "    ldp x29, x30, [sp, #144]\n"
    "    add sp, sp, #176\n"
    "    ret\n"
    ".cfi_endproc\n"
    SIZE(trpi_context_swap)
    FUNCTION(trpi_context_start)
    ".cfi_startproc\n"
    ".cfi_undefined x30\n"
    "    mov x0, x19\n"
    "    blr x20\n"
    "    brk #1\n"
    ".cfi_endproc\n"
    SIZE(trpi_context_start)
);
/* clang-format on */

static void save_entry(saved *registers, void (*entry)(void *arg), void *arg) {
    registers->x19 = (uintptr_t)arg;
    registers->x20 = (uintptr_t)entry;
    registers->address = (uintptr_t)trpi_context_start;
    __asm__ volatile("mrs %0, fpcr" : "=r"(registers->fpcr));
}

#endif

#if !defined(USE_UCONTEXT)

void trpi_context_make(trpi_context *context, char *low, char *high, void (*entry)(void *arg),
                       void *arg) {
    (void)low;
    saved *registers = (saved *)(void *)(((uintptr_t)high & ~(uintptr_t)15) - sizeof *registers);
    memset(registers, 0, sizeof *registers);
    save_entry(registers, entry, arg);
    context->stack_pointer = registers;
}

/* Not sanitized: marks of a frame that is never left would stay on the stack. */
TRPI_NO_SANITIZE void trpi_context_jump(const trpi_context *to) {
    trpi_context lost;
    trpi_context_swap(&lost, to);
    __builtin_unreachable();
}

const char *trpi_context_stack_pointer(const trpi_context *context) {
    return context->stack_pointer;
}

#else

/* makecontext passes integers only: a pointer comes in two halves. */
static void start(unsigned high, unsigned low) {
    trpi_context *context = (trpi_context *)((uintptr_t)(((uint64_t)high << 32) | (uint64_t)low));
    context->entry(context->arg);
}

void trpi_context_make(trpi_context *context, char *low, char *high, void (*entry)(void *arg),
                       void *arg) {
    uint64_t self = (uint64_t)(uintptr_t)context;
    getcontext(&context->saved);
    context->saved.uc_stack.ss_sp = low;
    context->saved.uc_stack.ss_size = (size_t)(high - low);
    context->saved.uc_link = NULL;
    context->entry = entry;
    context->arg = arg;
    makecontext(&context->saved, (void (*)(void))start, 2, (unsigned)(self >> 32), (unsigned)self);
}

void trpi_context_swap(trpi_context *from, const trpi_context *to) {
    swapcontext(&from->saved, &to->saved);
}

void trpi_context_jump(const trpi_context *to) {
    setcontext(&to->saved);
    __builtin_unreachable();
}

const char *trpi_context_stack_pointer(const trpi_context *context) {
    (void)context;
    return NULL;
}

#endif
