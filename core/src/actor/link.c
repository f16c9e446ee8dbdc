/*
 * Links. Each side keeps one block in its list of bonds (actor.h), which points to the block of the
 * other side. Both are made by the one who links; the other's travels as the LINK message. When a
 * side ends, its block travels as the EXIT message and names the block it finds there.
 *
 * Why the pointer in an EXIT message is always good: a side gives its block up only when it ends
 * itself (then nothing looks for it any more), when the EXIT arrives (there is only one), or when
 * its UNLINK has been acknowledged; and the other side, once it has acknowledged, has no block left
 * to send an EXIT with. Until then an unlinked side keeps its block as `is_over`, so that an EXIT
 * which was on its way is ignored. If both unlink at once, each finds the other's UNLINK while its
 * own block is over: both give theirs up and nobody acknowledges. A side that ends when it has
 * unlinked sends no EXIT. This is the unlink protocol of Erlang's distribution, between all actors.
 *
 * Two actors may link each other at the same moment; then there are two pairs of blocks. They count
 * as one link: unlink ends both, and the first EXIT marks the second pair as over.
 */
#include "troupe/link.h"

#include "actor/actor.h"
#include "actor/entry.h"
#include "troupe/error.h"

#include <string.h>

#define EXITED_FIELDS(F)                                                                           \
    F(pid, pid, 1)                                                                                 \
    F(u64, tag, 2)                                                                                 \
    F(record(trp_exit), reason, 3)
TRP_TYPE_DEFINE(trp_exited, "troupe.Exited", EXITED_FIELDS)

/* The body of an EXIT message on its way, and when it has been looked at. */
typedef struct exit_signal {
    trp_exited exited;
    trp_message *other; /* the block of the side that it reaches */
    bool is_fateful;
} exit_signal;

/* The body of UNLINK and of the acknowledgement it is sent back as. */
typedef struct unlink_signal {
    trp_pid from;
    trp_message *mine;  /* the block of who unlinks */
    trp_message *other; /* the block of who is told */
} unlink_signal;

static trpi_bond *bond_of(trp_message *block) {
    return trpi_body(block);
}

static trp_message *new_block(trp_ctx *ctx, size_t size) {
    trp_message *block = trpi_message_alloc(&ctx->sched.pool, size);
    if (block != NULL) {
        memset(trpi_body(block), 0, size);
    }
    return block;
}

/* Makes the two blocks of a link between `near` and `far`. NULL when out of memory. */
static trp_message *new_pair(trp_ctx *ctx, trp_pid near, trp_pid far, uint64_t near_tag,
                             uint64_t far_tag, bool is_fateful) {
    trp_message *mine = new_block(ctx, sizeof(exit_signal));
    trp_message *other = mine == NULL ? NULL : new_block(ctx, sizeof(exit_signal));
    if (other == NULL) {
        if (mine != NULL) {
            trpi_message_free(&ctx->sched.pool, mine);
        }
        return NULL;
    }
    mine->kind = TRPI_LINK;
    other->kind = TRPI_LINK;
    *bond_of(mine) =
        (trpi_bond){.ref = near_tag, .peer = far, .other = other, .is_fateful = is_fateful};
    *bond_of(other) =
        (trpi_bond){.ref = far_tag, .peer = near, .other = mine, .is_fateful = is_fateful};
    return mine;
}

void trpi_bond_add(trpi_actor *actor, trp_message *block) {
    trpi_bond *bond = bond_of(block);
    bond->next = actor->bonds;
    bond->pprev = &actor->bonds;
    if (bond->next != NULL) {
        bond_of(bond->next)->pprev = &bond->next;
    }
    actor->bonds = block;
}

void trpi_bond_remove(trp_message *block) {
    trpi_bond *bond = bond_of(block);
    *bond->pprev = bond->next;
    if (bond->next != NULL) {
        bond_of(bond->next)->pprev = bond->pprev;
    }
}

/*
 * The actor's block for its link with `pid`, or NULL. Walks the bonds: few actors have many, and
 * those who do spawn theirs.
 */
static trp_message *find_link(trpi_actor *actor, trp_pid pid) {
    trp_message *block = actor->bonds;
    while (block != NULL) {
        trpi_bond *bond = bond_of(block);
        if (block->kind == TRPI_LINK && !bond->is_over && trp_pid_equal(bond->peer, pid)) {
            return block;
        }
        block = bond->next;
    }
    return NULL;
}

static int link_with(trp_ctx *ctx, trp_pid pid, uint64_t tag, bool is_fateful) {
    trpi_actor *actor = ctx->frame.actor;
    if (actor == NULL) {
        return TRP_ESTATE;
    }
    trp_pid self = trp_self(ctx);
    if (trp_pid_equal(pid, self)) {
        return TRP_ESELF;
    }
    trp_message *there = find_link(actor, pid);
    if (there != NULL) {
        return bond_of(there)->is_fateful == is_fateful ? 0 : TRP_EEXIST;
    }
    trp_message *mine = new_pair(ctx, self, pid, tag, tag, is_fateful);
    if (mine == NULL) {
        return TRP_ENOMEM;
    }
    trp_message *other = bond_of(mine)->other;
    trpi_bond_add(actor, mine);
    actor->flags |= TRPI_ACTOR_LINKED_LATE;
    /* A peer that is gone sends the block back as its EXIT; that is not an error of linking. */
    int error = trpi_deliver(ctx, pid, other);
    (void)error;
    return 0;
}

int trp_link(trp_ctx *ctx, trp_pid pid, uint64_t tag) {
    return link_with(ctx, pid, tag, false);
}

int trp_link_fate(trp_ctx *ctx, trp_pid pid, uint64_t tag) {
    return link_with(ctx, pid, tag, true);
}

trpi_bond *trpi_link_spawned(trp_ctx *ctx, trpi_actor *child, uint64_t tag) {
    trpi_actor *parent = ctx->frame.actor;
    trp_message *mine = new_pair(ctx, trp_self(ctx), trpi_actor_pid(child), tag, 0, false);
    if (mine == NULL) {
        return NULL;
    }
    trpi_bond_add(parent, mine);
    trpi_bond_add(child, bond_of(mine)->other);
    return bond_of(mine);
}

/*
 * Tells the other side of a link that this one is given up; the block stays until that is
 * acknowledged.
 */
static int send_unlink(trp_ctx *ctx, trp_message *block) {
    trpi_bond *bond = bond_of(block);
    trp_message *unlink = new_block(ctx, sizeof(unlink_signal));
    if (unlink == NULL) {
        return TRP_ENOMEM;
    }
    bond->is_over = true;
    unlink->kind = TRPI_UNLINK;
    *(unlink_signal *)trpi_body(unlink) = (unlink_signal){trp_self(ctx), block, bond->other};
    (void)trpi_deliver(ctx, bond->peer, unlink);
    return 0;
}

int trp_unlink(trp_ctx *ctx, trp_pid pid) {
    trpi_actor *actor = ctx->frame.actor;
    trp_message *block = actor == NULL ? NULL : find_link(actor, pid);
    if (block == NULL) {
        return TRP_ENOENT;
    }
    int error = 0;
    while (block != NULL && error == 0) {
        error = send_unlink(ctx, block);
        block = find_link(actor, pid);
    }
    return error;
}

void trp_trap_exit(trp_ctx *ctx, bool is_trapping) {
    trpi_actor *actor = ctx->frame.actor;
    if (actor == NULL) {
        return;
    }
    if (is_trapping) {
        actor->flags |= TRPI_ACTOR_TRAPS;
    } else {
        actor->flags &= (uint8_t)~TRPI_ACTOR_TRAPS;
    }
}

void trpi_send_exit(trp_ctx *ctx, trp_message *block, trp_pid from, const trp_exit *reason) {
    trpi_bond bond = *bond_of(block);
    exit_signal *signal = trpi_body(block);
    signal->exited = (trp_exited){from, 0, *reason};
    signal->other = bond.other;
    block->kind = TRPI_EXIT;
    (void)trpi_deliver(ctx, bond.peer, block);
}

/*
 * A second link between the same two: it has said all it had to say. True if a normal end counted
 * for one that was not over.
 */
static bool end_doubles(trpi_actor *actor, trp_pid peer) {
    bool is_fateful = false;
    trp_message *block = (actor->flags & TRPI_ACTOR_LINKED_LATE) != 0 ? actor->bonds : NULL;
    while (block != NULL) {
        trpi_bond *bond = bond_of(block);
        if (block->kind == TRPI_LINK && trp_pid_equal(bond->peer, peer)) {
            is_fateful = is_fateful || (bond->is_fateful && !bond->is_over);
            bond->is_over = true;
        }
        block = bond->next;
    }
    return is_fateful;
}

bool trpi_on_exit(trp_ctx *ctx, trpi_actor *actor, trp_message *message) {
    exit_signal *signal = trpi_body(message);
    trpi_bond bond = *bond_of(signal->other);
    trpi_bond_remove(signal->other);
    trpi_message_free(&ctx->sched.pool, signal->other);
    if (bond.is_over) {
        return false;
    }
    signal->is_fateful = end_doubles(actor, bond.peer) || bond.is_fateful;
    signal->exited.tag = bond.ref;
    message->kind = TRPI_PLAIN;
    message->tag = bond.ref; /* what a receive filter goes by */
    message->type = &trp_exited_type;
    message->length = sizeof(trp_exited);
    return true;
}

bool trpi_exit_ends(const trp_message *message) {
    const exit_signal *signal = (const exit_signal *)(const void *)(message + 1);
    return signal->is_fateful || trp_exit_is_abnormal(&signal->exited.reason);
}

void trpi_on_link(trpi_actor *actor, trp_message *message) {
    actor->flags |= TRPI_ACTOR_LINKED_LATE;
    trpi_bond_add(actor, message);
}

bool trpi_on_unlink(trp_ctx *ctx, trp_message *message) {
    unlink_signal *signal = trpi_body(message);
    trp_pid to = signal->from;
    bool has_crossed = bond_of(signal->other)->is_over;
    trpi_bond_remove(signal->other);
    trpi_message_free(&ctx->sched.pool, signal->other);
    if (has_crossed) {
        return true; /* our own UNLINK is on its way there and will find the same: nobody waits for an answer */
    }
    trpi_mailbox_detach(&ctx->frame.actor->mailbox, &message->link, trpi_is_shared(ctx));
    message->kind = TRPI_UNLINK_ACK;
    (void)trpi_deliver(ctx, to, message);
    return false;
}

void trpi_on_unlink_ack(trp_ctx *ctx, trp_message *message) {
    unlink_signal *signal = trpi_body(message);
    trpi_bond_remove(signal->mine);
    trpi_message_free(&ctx->sched.pool, signal->mine);
}
