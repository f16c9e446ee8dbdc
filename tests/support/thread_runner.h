/*
 * Runs a fake host's runtime on real threads, one per scheduler, as the native host does: step,
 * then sleep until a wake or a deadline. Native builds only.
 */
#ifndef TEST_THREAD_RUNNER_H
#define TEST_THREAD_RUNNER_H

#include "fake_host.h"

typedef struct thread_runner thread_runner;

/* Starts the threads. `messages` is the budget of each step, 0 for none. Asserts that it works. */
thread_runner *thread_runner_start(fake_host *fake, uint32_t messages);

/*
 * Moves the fake clock by a millisecond for about each real one until every scheduler has answered
 * DONE, then joins and frees. Fails the test, with the steps of each scheduler, if that takes
 * longer than `seconds` of real time.
 */
void thread_runner_join(thread_runner *runner, unsigned seconds);

#endif
