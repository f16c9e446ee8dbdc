/*
 * The mailbox (core/src/mailbox/mailbox.h): PRODUCERS producers push two messages each; two
 * schedulers run whoever they find in the run queue. Every step that is one atomic operation or one
 * plain access in C is one step here.
 *
 * Claims: never do two schedulers run the owner at once; every message is handled exactly once, in the
 * order of its producer; nobody waits for ever with a message in the mailbox (no invalid end state).
 */
#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#define MESSAGES (2 * PRODUCERS)
#define NONE 255

byte tail = NONE;
byte first = NONE;
byte next[MESSAGES];
byte handled[MESSAGES];
bool consumed = false; /* the first message is done with; a producer was busy behind it */
byte running = 0;
byte done = 0;
chan run_queue = [MESSAGES + 1] of { bit };

proctype producer(byte id) {
    byte i, mine, previous;
    for (i : 0 .. 1) {
        mine = 2 * id + i;
        next[mine] = NONE;
        d_step { previous = tail; tail = mine }
        if
        :: previous == NONE ->
            first = mine;
            run_queue ! 1
        :: else ->
            next[previous] = mine
        fi
    }
}

proctype scheduler() {
    byte message, after;
    bool parked;
end_idle:
    do
    :: atomic {
        run_queue ? 1 ->
        assert(running == 0);
        running++
    };
        parked = false;
        do
        :: parked -> break
        :: else ->
            message = first;
            if
            :: consumed -> consumed = false
            :: else ->
                assert(handled[message] == 0);
                /* in the order of its producer */
                assert(message % 2 == 0 || handled[message - 1] == 1);
                handled[message] = 1;
                done++
            fi;
            after = next[message];
            if
            :: after != NONE -> first = after
            :: else ->
                if
                :: d_step { tail == message -> running--; tail = NONE } ->
                    parked = true
                :: else ->
                    after = next[message];
                    if
                    :: after != NONE -> first = after
                    :: else ->
                        consumed = true;
                        parked = true;
                        atomic { running--; run_queue ! 1 }
                    fi
                fi
            fi
        od
    od
}

init {
    byte i;
    atomic {
        for (i : 0 .. MESSAGES - 1) { next[i] = NONE }
        run scheduler();
        run scheduler();
        for (i : 0 .. PRODUCERS - 1) { run producer(i) }
    }
    (_nr_pr == 3); /* the producers have ended */
    (empty(run_queue) && running == 0);
    assert(done == MESSAGES);
    assert(tail == NONE)
}
