/*
 * The unlink protocol (core/src/actor/link.c) between two linked actors, each of which may at any moment
 * unlink or end. Messages are first in, first out in each direction.
 *
 * Claims: no signal ever names a block that has been freed; no block is freed twice; an actor that has
 * unlinked is never told of the other's end; when all is quiet, a living actor keeps a block only for a
 * link that both still have.
 */
mtype = { UNLINK, ACK, EXIT };

#define OTHER(x) (1 - (x))

chan box[2] = [4] of { mtype };
bool alive[2];     /* not yet ended */
bool has_block[2]; /* in the list of bonds */
bool is_over[2];   /* the block is without effect, kept until nothing refers to it */
bool unlinked[2];  /* has called unlink */
bool told[2];      /* has heard of the other's end */

inline drop_block(who) {
    assert(has_block[who]);
    has_block[who] = false;
    is_over[who] = false
}

inline receive(who) {
    if
    :: box[who] ? EXIT ->
        if
        :: alive[who] ->
            if
            :: is_over[who] -> skip
            :: else ->
                assert(!unlinked[who]);
                told[who] = true
            fi;
            drop_block(who)
        :: else -> skip /* discarded with its own block only */
        fi
    :: box[who] ? UNLINK ->
        if
        :: alive[who] && is_over[who] -> drop_block(who) /* crossed */
        :: alive[who] && !is_over[who] ->
            drop_block(who);
            box[OTHER(who)] ! ACK
        :: else -> skip
        fi
    :: box[who] ? ACK ->
        if
        :: alive[who] && has_block[who] ->
            /* never for a crossed unlink: those are not acknowledged */
            assert(is_over[who]);
            drop_block(who)
        :: alive[who] && !has_block[who] -> assert(false)
        :: else -> skip
        fi
    fi
}

proctype actor(byte who) {
end_quiet:
    do
    :: atomic { nempty(box[who]) -> receive(who) }
    :: atomic {
        alive[who] && has_block[who] && !is_over[who] ->
        is_over[who] = true;
        unlinked[who] = true;
        box[OTHER(who)] ! UNLINK
    }
    :: atomic {
        alive[who] ->
        alive[who] = false;
        if
        :: has_block[who] && !is_over[who] -> box[OTHER(who)] ! EXIT
        :: else -> skip
        fi;
        has_block[who] = false;
        is_over[who] = false
    }
    od
}

/* When nothing is on its way: who lives and has a block, has it for a link that counts on both sides. */
active proctype monitor() {
end_watch:
    atomic {
        (empty(box[0]) && empty(box[1]) && (alive[0] || alive[1]));
        assert(!(alive[0] && has_block[0]) || (alive[1] && has_block[1] && !is_over[0]));
        assert(!(alive[1] && has_block[1]) || (alive[0] && has_block[0] && !is_over[1]))
    }
}

init {
    atomic {
        alive[0] = true; alive[1] = true;
        has_block[0] = true; has_block[1] = true;
        run actor(0);
        run actor(1)
    }
}
