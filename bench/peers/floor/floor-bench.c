// What the machine alone costs, without any actor layer: the units in which a figure of a noisy
// day can be read.
//
// Usage: floor-bench UNIT N SCHEDULERS     (SCHEDULERS is printed, not used)
//
//   exchange   an atomic exchange on a line nobody else touches
//   shared     an atomic exchange on a line that a second thread exchanges all the time
//   handover   a line written by one thread and answered by another, round trip, spinning
//   pool       64 bytes taken from a thread's own free list and given back
//   malloc     the same through malloc and free
//   call       a call through a pointer that is not known beforehand
//   miss       a load that depends on the one before, all over 256 MiB
//   touch      the first write to a page of 4 KiB
//   wake       a futex handed over between two threads, round trip

#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, LINE = 64, POOL_BLOCKS = 64, CHAIN_BYTES = 256 << 20 };

static long n;
static _Alignas(LINE) atomic_uintptr_t shared_line;
static _Alignas(LINE) atomic_int turn;
static _Alignas(LINE) atomic_bool finished;

static double seconds(struct timeval t) {
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

static double wall_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double started_at, cpu_at_start;

// Called before a unit runs; a unit that has to prepare something calls it again.
static void start_clock(void) {
    cpu_at_start = cpu_seconds();
    started_at = wall_seconds();
}

static void exchange(void) {
    for (long k = 0; k < n; k++) {
        atomic_exchange_explicit(&shared_line, (uintptr_t)k, memory_order_acq_rel);
    }
}

static void *exchange_until_finished(void *unused) {
    (void)unused;
    while (!atomic_load_explicit(&finished, memory_order_relaxed)) {
        atomic_exchange_explicit(&shared_line, 1, memory_order_acq_rel);
    }
    return NULL;
}

static void shared(void) {
    pthread_t rival;
    pthread_create(&rival, NULL, exchange_until_finished, NULL);
    exchange();
    atomic_store(&finished, true);
    pthread_join(rival, NULL);
}

static void *hand_over(void *argument) {
    int me = *(int *)argument;
    for (long k = 0; k < n; k++) {
        while (atomic_load_explicit(&turn, memory_order_acquire) != me) {
        }
        atomic_store_explicit(&turn, 1 - me, memory_order_release);
    }
    return NULL;
}

static void futex(int operation, int value) {
    syscall(SYS_futex, &turn, operation, value, NULL, NULL, 0);
}

static void *wait_and_wake(void *argument) {
    int me = *(int *)argument;
    for (long k = 0; k < n; k++) {
        while (atomic_load(&turn) != me) {
            futex(FUTEX_WAIT_PRIVATE, 1 - me);
        }
        atomic_store(&turn, 1 - me);
        futex(FUTEX_WAKE_PRIVATE, 1);
    }
    return NULL;
}

static void two_threads(void *(*body)(void *)) {
    int first = 0, second = 1;
    pthread_t other;
    pthread_create(&other, NULL, body, &second);
    body(&first);
    pthread_join(other, NULL);
}

static void handover(void) {
    two_threads(hand_over);
}

static void wake(void) {
    two_threads(wait_and_wake);
}

struct block {
    struct block *next;
    char rest[LINE - sizeof(struct block *)];
};

static _Thread_local struct block *free_list;

// Not inlined, and the compiler may not guess what is on the list: as in a library.
static __attribute__((noinline)) struct block *pool_take(void) {
    struct block *block = free_list;
    free_list = block->next;
    return block;
}

static __attribute__((noinline)) void pool_give(struct block *block) {
    block->next = free_list;
    free_list = block;
}

static void pool(void) {
    struct block *blocks = calloc(POOL_BLOCKS, sizeof *blocks);
    for (int k = 0; k < POOL_BLOCKS; k++) {
        pool_give(&blocks[k]);
    }
    for (long k = 0; k < n; k++) {
        pool_give(pool_take());
    }
    free(blocks);
}

static void malloc_pair(void) {
    for (long k = 0; k < n; k++) {
        void *volatile block = malloc(LINE);
        free(block);
    }
}

static __attribute__((noinline)) long callee(long k) {
    __asm__ volatile("");
    return k + 1;
}

static void call(void) {
    long (*volatile target)(long) = callee;
    long sum = 0;
    for (long k = 0; k < n; k++) {
        sum = target(sum);
    }
    if (sum != n) {
        abort();
    }
}

// One random cycle through all lines, by Sattolo's shuffle.
static struct block *random_cycle(size_t count) {
    struct block *lines = malloc(count * sizeof *lines);
    uint32_t *order = malloc(count * sizeof *order);
    uint64_t seed = 1;
    if (lines == NULL || order == NULL) {
        fprintf(stderr, "floor-bench: not enough memory for the unit miss\n");
        exit(1);
    }
    for (size_t k = 0; k < count; k++) {
        order[k] = (uint32_t)k;
    }
    for (size_t k = count - 1; k > 0; k--) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t other = (size_t)(seed >> 33) % k;
        uint32_t swap = order[k];
        order[k] = order[other];
        order[other] = swap;
    }
    for (size_t k = 0; k < count; k++) {
        lines[order[k]].next = &lines[order[(k + 1) % count]];
    }
    free(order);
    return lines;
}

static void miss(void) {
    struct block *at = random_cycle(CHAIN_BYTES / LINE);
    start_clock();
    for (long k = 0; k < n; k++) {
        at = *(struct block *volatile *)&at->next;
    }
}

static void touch(void) {
    size_t bytes = (size_t)n * PAGE;
    char *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        perror("floor-bench: touch");
        exit(1);
    }
    // Huge pages would make another unit of it.
    madvise(pages, bytes, MADV_NOHUGEPAGE);
    for (size_t k = 0; k < bytes; k += PAGE) {
        ((volatile char *)pages)[k] = 1;
    }
}

static const struct {
    const char *name;
    void (*run)(void);
} units[] = {
    {"exchange", exchange}, {"shared", shared},      {"handover", handover},
    {"pool", pool},         {"malloc", malloc_pair}, {"call", call},
    {"miss", miss},         {"touch", touch},        {"wake", wake},
};

int main(int argc, char **argv) {
    if (argc != 4 || (n = atol(argv[2])) <= 0) {
        fprintf(stderr, "usage: floor-bench UNIT N SCHEDULERS\n");
        return 2;
    }
    for (size_t k = 0; k < sizeof units / sizeof *units; k++) {
        if (strcmp(units[k].name, argv[1]) == 0) {
            start_clock();
            units[k].run();
            double wall = wall_seconds() - started_at;
            double cpu = cpu_seconds() - cpu_at_start;
            printf("%s floor %s %ld %.2f %.2f extra=\n", argv[1], argv[3], n,
                   wall * 1e9 / (double)n, cpu * 1e9 / (double)n);
            return 0;
        }
    }
    fprintf(stderr, "floor-bench: no such unit: %s\n", argv[1]);
    return 3;
}
