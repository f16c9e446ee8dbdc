/*
 * One thread per scheduler around a fake host. Threads never assert; they stop, and the main thread
 * looks.
 */
#include "thread_runner.h"

#include "cmocka_all.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct worker {
    thread_runner *runner;
    unsigned scheduler;
    pthread_t thread;
    bool woken;
    bool done;
} worker;

struct thread_runner {
    fake_host *fake;
    trp_budget budget;
    pthread_mutex_t mutex; /* guards woken, done and give_up */
    pthread_cond_t wake;
    pthread_cond_t finished;
    bool give_up;
    worker workers[TRP_SCHEDULERS_MAX];
};

static void on_wake(void *arg, unsigned scheduler) {
    thread_runner *runner = arg;
    pthread_mutex_lock(&runner->mutex);
    runner->workers[scheduler].woken = true;
    pthread_cond_broadcast(&runner->wake);
    pthread_mutex_unlock(&runner->mutex);
}

/* Sleeps until the worker is woken. False if the runner gives up. */
static bool sleep_until_woken(worker *self) {
    thread_runner *runner = self->runner;
    const fake_scheduler *mine = &runner->fake->scheduler[self->scheduler];
    pthread_mutex_lock(&runner->mutex);
    while (!self->woken && !runner->give_up && mine->deadline_ns > fake_now(runner->fake)) {
        pthread_cond_wait(&runner->wake, &runner->mutex);
    }
    self->woken = false;
    bool go_on = !runner->give_up;
    pthread_mutex_unlock(&runner->mutex);
    return go_on;
}

static bool has_given_up(thread_runner *runner) {
    pthread_mutex_lock(&runner->mutex);
    bool give_up = runner->give_up;
    pthread_mutex_unlock(&runner->mutex);
    return give_up;
}

static void *work(void *arg) {
    worker *self = arg;
    thread_runner *runner = self->runner;
    trp_step answer = TRP_STEP_MORE;
    while (answer != TRP_STEP_DONE && !has_given_up(runner)) {
        answer = fake_step(runner->fake, self->scheduler, &runner->budget);
        if (answer == TRP_STEP_IDLE && !sleep_until_woken(self)) {
            break;
        }
    }
    pthread_mutex_lock(&runner->mutex);
    self->done = answer == TRP_STEP_DONE;
    pthread_cond_broadcast(&runner->finished);
    pthread_mutex_unlock(&runner->mutex);
    return NULL;
}

thread_runner *thread_runner_start(fake_host *fake, uint32_t messages) {
    thread_runner *runner = calloc(1, sizeof *runner);
    assert_non_null(runner);
    runner->fake = fake;
    runner->budget.messages = messages;
    pthread_mutex_init(&runner->mutex, NULL);
    pthread_cond_init(&runner->wake, NULL);
    pthread_cond_init(&runner->finished, NULL);
    fake->on_wake_arg = runner;
    fake->on_wake = on_wake;
    for (unsigned i = 0; i < fake->schedulers; i++) {
        runner->workers[i] = (worker){.runner = runner, .scheduler = i};
    }
    for (unsigned i = 0; i < fake->schedulers; i++) {
        assert_int_equal(
            pthread_create(&runner->workers[i].thread, NULL, work, &runner->workers[i]), 0);
    }
    return runner;
}

static bool all_done(const thread_runner *runner) {
    for (unsigned i = 0; i < runner->fake->schedulers; i++) {
        if (!runner->workers[i].done) {
            return false;
        }
    }
    return true;
}

static uint64_t real_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * TRP_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Waits for a millisecond or until a thread has finished. Called with the mutex held. */
static void wait_a_little(thread_runner *runner) {
    uint64_t until_ns = real_ns() + TRP_NS_PER_MS;
    struct timespec until = {(time_t)(until_ns / TRP_NS_PER_S), (long)(until_ns % TRP_NS_PER_S)};
    pthread_cond_timedwait(&runner->finished, &runner->mutex, &until);
}

/*
 * Lets time pass until all are done or `seconds` are over, then tells those who are not to give up.
 */
static bool wait_for_all(thread_runner *runner, unsigned seconds) {
    uint64_t limit_ns = real_ns() + seconds * TRP_NS_PER_S;
    pthread_mutex_lock(&runner->mutex);
    while (!all_done(runner) && real_ns() < limit_ns) {
        wait_a_little(runner);
        fake_clock_jump(runner->fake, TRP_NS_PER_MS);
        pthread_cond_broadcast(&runner->wake); /* a deadline may have come */
    }
    bool done = all_done(runner);
    runner->give_up = true;
    pthread_cond_broadcast(&runner->wake);
    pthread_mutex_unlock(&runner->mutex);
    return done;
}

void thread_runner_join(thread_runner *runner, unsigned seconds) {
    fake_host *fake = runner->fake;
    bool done = wait_for_all(runner, seconds);
    for (unsigned i = 0; i < fake->schedulers; i++) {
        pthread_join(runner->workers[i].thread, NULL);
        if (!done) {
            print_error("scheduler %u: %s after %u steps\n", i,
                        runner->workers[i].done ? "done" : "not done", fake->scheduler[i].steps);
        }
    }
    fake->on_wake = NULL;
    pthread_mutex_destroy(&runner->mutex);
    pthread_cond_destroy(&runner->wake);
    pthread_cond_destroy(&runner->finished);
    free(runner);
    assert_true(done);
}
