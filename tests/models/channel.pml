/*
 * Waiting for channels (core/src/service/channel_wait.c): RECEIVERS receivers select over two channels,
 * two senders send one message each into either. Order of accesses as in C: a sender moves the tail, then looks at the
 * count of waiters; a receiver enters the lists, raises the counts, then looks at the tails.
 *
 * Claims: nobody sleeps while a message that it waits for lies in a channel (no invalid end state);
 * a wake is given to exactly one wait and each wait gets at most one; no message is taken twice.
 */
#ifndef RECEIVERS
#define RECEIVERS 2
#endif
#define CHANNELS 2

byte filled[CHANNELS];   /* messages in the channel */
byte waiting[CHANNELS];  /* the count that senders look at */
bool in_list[4];         /* receiver * CHANNELS + channel */
bool claimed[RECEIVERS];
byte wakes[RECEIVERS];
byte received = 0;

/* Under the lock: the first waiter that can be claimed is taken out and woken. */
inline wake_one(channel) {
    if
    :: waiting[channel] == 0 -> skip
    :: else ->
        atomic {
            r = 0;
            do
            :: r == RECEIVERS -> break
            :: r < RECEIVERS && in_list[r * CHANNELS + channel] ->
                in_list[r * CHANNELS + channel] = false;
                waiting[channel]--;
                if
                :: !claimed[r] ->
                    claimed[r] = true;
                    wakes[r]++;
                    assert(wakes[r] <= 1);
                    break
                :: else -> r++
                fi
            :: else -> r++
            od
        }
    fi
}

proctype sender(byte channel) {
    byte r;
    filled[channel]++;
    wake_one(channel)
}

proctype receiver(byte me) {
    byte c, r;
    bool was_claimed;
    bool again;
end_waiting: /* more receivers than messages: some may wait for ever, rightly; see `quiet` */
    do
    :: true ->
        /* try */
        if
        :: atomic { filled[0] > 0 -> filled[0]--; received++ } -> goto finished
        :: atomic { filled[1] > 0 -> filled[1]--; received++ } -> goto finished
        :: else -> skip
        fi;
        /* enter the lists */
        atomic { claimed[me] = false; wakes[me] = 0 }
        for (c : 0 .. CHANNELS - 1) {
            atomic { in_list[me * CHANNELS + c] = true; waiting[c]++ }
        }
        /* look again */
        again = false;
        if
        :: filled[0] > 0 || filled[1] > 0 ->
            atomic {
                if
                :: !claimed[me] -> claimed[me] = true; again = true
                :: else -> skip
                fi
            }
        :: else -> skip
        fi;
        if
        :: again -> skip
        :: else ->
end_asleep:
            (wakes[me] == 1)
        fi;
        /* leave the lists */
        for (c : 0 .. CHANNELS - 1) {
            atomic {
                if
                :: in_list[me * CHANNELS + c] ->
                    in_list[me * CHANNELS + c] = false;
                    waiting[c]--
                :: else -> skip
                fi
            }
        }
    od;
finished:
    skip
}

/* When nothing moves any more, no message lies in a channel while a receiver sleeps. */
active proctype quiet() {
end_check:
    timeout;
    assert(filled[0] + filled[1] == 0 || received == RECEIVERS)
}

init {
    atomic {
        byte i;
        for (i : 0 .. RECEIVERS - 1) { run receiver(i) }
        run sender(0);
        run sender(1)
    }
}
