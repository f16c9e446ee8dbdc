/* The handler. A fault is synchronous: it comes on the thread, and at the instruction, that caused it. */
#include "fiber_fault.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define SIGNAL_STACK ((size_t)64 * 1024)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned installs; /* under the lock */
static struct sigaction previous_segv;
static struct sigaction previous_bus;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* of each thread's signal stack */
static bool has_key;
static _Thread_local bool is_passing_on;

static void end_process(int number) {
    /* The instruction is tried again and ends the process, with a dump that shows the place. */
    struct sigaction standard;
    memset(&standard, 0, sizeof standard);
    standard.sa_handler = SIG_DFL;
    sigaction(number, &standard, NULL);
}

/*
 * Does what would have happened without us. A handler that was installed after ours and calls it may also be the one that
 * we call, if we were installed again after it: nobody knows the fault then.
 */
static void pass_on(int number, siginfo_t *info, void *context) {
    const struct sigaction *previous = number == SIGBUS ? &previous_bus : &previous_segv;
    bool is_plain = (previous->sa_flags & SA_SIGINFO) == 0;
    bool is_nobody =
        is_plain && (previous->sa_handler == SIG_DFL || previous->sa_handler == SIG_IGN);
    if (is_passing_on || is_nobody) {
        end_process(number);
        return;
    }
    is_passing_on = true;
    if (is_plain) {
        previous->sa_handler(number);
    } else {
        previous->sa_sigaction(number, info, context);
    }
    is_passing_on = false;
}

static void on_fault(int number, siginfo_t *info, void *context) {
    trpi_fault fault = trpi_fiber_on_fault(info->si_addr);
    if (fault == TRPI_FAULT_FOREIGN) {
        pass_on(number, info, context);
    } else if (fault == TRPI_FAULT_LEAVE) {
        /* What the return from the handler would have done. */
        pthread_sigmask(SIG_SETMASK, &((ucontext_t *)context)->uc_sigmask, NULL);
        trpi_fiber_leave();
    }
}

static void install_for(int number, struct sigaction *previous) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, previous);
}

static bool is_ours(int number) {
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
           now.sa_sigaction == on_fault;
}

void trpi_fault_install(void) {
    pthread_mutex_lock(&lock);
    installs++;
    /* Looked at each time: somebody may have put his own handler in our place. */
    if (!is_ours(SIGSEGV)) {
        install_for(SIGSEGV, &previous_segv);
    }
    if (!is_ours(SIGBUS)) {
        install_for(SIGBUS, &previous_bus);
    }
    pthread_mutex_unlock(&lock);
}

void trpi_fault_remove(void) {
    pthread_mutex_lock(&lock);
    installs--;
    /* Somebody who came later may call us: then the handler stays for good. */
    if (installs == 0 && is_ours(SIGSEGV)) {
        sigaction(SIGSEGV, &previous_segv, NULL);
    }
    if (installs == 0 && is_ours(SIGBUS)) {
        sigaction(SIGBUS, &previous_bus, NULL);
    }
    pthread_mutex_unlock(&lock);
}

static void free_signal_stack(void *memory) {
    stack_t none;
    memset(&none, 0, sizeof none);
    none.ss_flags = SS_DISABLE;
    sigaltstack(&none, NULL);
    munmap(memory, SIGNAL_STACK);
}

static void make_key(void) {
    has_key = pthread_key_create(&key, free_signal_stack) == 0;
}

bool trpi_fault_prepare_thread(void) {
    stack_t stack;
    if (sigaltstack(NULL, &stack) == 0 && (stack.ss_flags & SS_DISABLE) == 0) {
        return true; /* a sanitizer's, or the program's own */
    }
    pthread_once(&key_once, make_key);
    if (!has_key) {
        return false;
    }
    void *memory =
        mmap(NULL, SIGNAL_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return false;
    }
    memset(&stack, 0, sizeof stack);
    stack.ss_sp = memory;
    stack.ss_size = SIGNAL_STACK;
    if (pthread_setspecific(key, memory) != 0 || sigaltstack(&stack, NULL) != 0) {
        (void)pthread_setspecific(key, NULL);
        munmap(memory, SIGNAL_STACK);
        return false;
    }
    return true;
}
