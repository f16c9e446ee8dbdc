/*
 * Room: how a full mailbox slows its senders down instead of turning messages away.
 *
 * A sender that overfills such a mailbox still gets its message in, but asks the receiver for room
 * and is muted: from the end of its callback on (a routine: at once) it is handed nothing until the
 * answer comes. The receiver answers when half of its limit is free, or when it ends. Signals are
 * never held up, so a muted actor can be stopped, killed and told of exits.
 */
#ifndef TRPI_ROOM_H
#define TRPI_ROOM_H

#include "actor/actor.h"

/*
 * The running actor has overfilled the mailbox of `to`: mutes it. Without memory it goes on
 * unmuted.
 */
void trpi_room_ask(trp_ctx *ctx, trp_pid to);

/*
 * The two halves of it, for other things that fill up: mutes the running actor because of `to` and
 * returns the question, which stays with the caller until it answers it; NULL if the actor is muted
 * already, is `to` itself or there is no memory. Who asks from a routine pauses it afterwards.
 */
trp_message *trpi_room_question(trp_ctx *ctx, trp_pid to);
void trpi_room_answer(trp_ctx *ctx, trp_message *question);

/* Receiver: keeps the question (taken) until there is room, or answers at once. */
void trpi_room_asked(trp_ctx *ctx, trpi_actor *actor, trp_message *question);

/* Receiver: answers all questions if half of the limit is free. */
void trpi_room_check(trp_ctx *ctx, trpi_actor *actor);

/* Receiver: answers all questions, because it ends. */
void trpi_room_end(trp_ctx *ctx, trpi_side *side);

/*
 * The reply with `ref` has come to the running actor. True if it unmutes it, and nobody else is to
 * see it.
 */
bool trpi_room_granted(trp_ctx *ctx, trpi_actor *actor, trp_ref ref);

#endif
