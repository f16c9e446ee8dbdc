/* What watchers hear: JOIN events that go out, LEAVE events that lie ready. */
#include "service/group.h"

#include "troupe/error.h"

#include <string.h>

#define EVENT_FIELDS(F)                                                                            \
    F(ref, ref, 1)                                                                                 \
    F(pid, pid, 2)                                                                                 \
    F(u32, kind, 3)                                                                                \
    F(string, scope, 4)                                                                            \
    F(string, group, 5)
TRP_TYPE_DEFINE(trp_group_event, "troupe.GroupEvent", EVENT_FIELDS)

/* The body of a LEAVE event that lies ready. */
typedef struct ready {
    trp_message *next_of_member;
    trp_message **pprev_of_member;
    trp_message *next_of_watch;
    trp_message **pprev_of_watch;
} ready;

_Static_assert(sizeof(ready) <= sizeof(trp_group_event), "the links fit into the event's struct");

void trpi_group_put(trpi_group_outbox *box, trp_message *message) {
    trpi_store(&message->link.next, NULL, TRPI_RELAXED);
    if (box->first == NULL) {
        box->first = message;
    } else {
        trpi_store(&box->last->link.next, &message->link, TRPI_RELAXED);
    }
    box->last = message;
}

trp_message *trpi_group_pick(trpi_group_outbox *box) {
    trp_message *message = box->first;
    if (message != NULL) {
        box->first = trpi_load(&message->link.next, TRPI_RELAXED);
    }
    return message;
}

void trpi_group_send_all(trp_ctx *ctx, trpi_group_outbox *box) {
    trp_message *event = trpi_group_pick(box);
    while (event != NULL) {
        (void)trpi_send_reply(ctx, event);
        event = trpi_group_pick(box);
    }
}

void trpi_group_free_all(trp_ctx *ctx, trpi_group_outbox *box) {
    trp_message *message = trpi_group_pick(box);
    while (message != NULL) {
        trpi_message_free(&ctx->sched.pool, message);
        message = trpi_group_pick(box);
    }
}

/* Makes a copy of a group's event say what has happened. Its texts are in its tail already. */
static void fill_event(trp_message *message, const trpi_group_member *who, trp_ref ref,
                       uint32_t kind) {
    trp_group_event *event = trpi_body(message);
    memcpy(event, trpi_body(who->group->event), sizeof *event);
    event->ref = ref;
    event->pid = who->pid;
    event->kind = kind;
    message->kind = TRPI_REPLY;
    message->ref = ref;
}

static void hang(trp_message *leave, trpi_group_member *who, trpi_group_watch *by) {
    ready *links = trpi_body(leave);
    links->next_of_member = who->leaves;
    links->pprev_of_member = &who->leaves;
    if (who->leaves != NULL) {
        ((ready *)trpi_body(who->leaves))->pprev_of_member = &links->next_of_member;
    }
    who->leaves = leave;
    links->next_of_watch = by->leaves;
    links->pprev_of_watch = &by->leaves;
    if (by->leaves != NULL) {
        ((ready *)trpi_body(by->leaves))->pprev_of_watch = &links->next_of_watch;
    }
    by->leaves = leave;
    leave->ref = by->ref;
}

static void unhang(trp_message *leave) {
    ready *links = trpi_body(leave);
    *links->pprev_of_member = links->next_of_member;
    if (links->next_of_member != NULL) {
        ((ready *)trpi_body(links->next_of_member))->pprev_of_member = links->pprev_of_member;
    }
    *links->pprev_of_watch = links->next_of_watch;
    if (links->next_of_watch != NULL) {
        ((ready *)trpi_body(links->next_of_watch))->pprev_of_watch = links->pprev_of_watch;
    }
}

int trpi_group_see(trp_ctx *ctx, trpi_group_watch *by, trpi_group_member *who,
                   trpi_group_outbox *box) {
    trp_message *join = trp_message_copy(ctx, who->group->event);
    trp_message *leave = join == NULL ? NULL : trp_message_copy(ctx, who->group->event);
    if (leave == NULL) {
        trp_message_drop(ctx, join);
        return TRP_ENOMEM;
    }
    fill_event(join, who, by->ref, TRP_GROUP_JOIN);
    trpi_group_put(box, join);
    hang(leave, who, by);
    return 0;
}

void trpi_group_end_leaves(trp_ctx *ctx, trpi_group_member *who, trpi_group_outbox *box) {
    while (who->leaves != NULL) {
        trp_message *leave = who->leaves;
        unhang(leave);
        if (box == NULL) {
            trpi_message_free(&ctx->sched.pool, leave);
        } else {
            fill_event(leave, who, leave->ref, TRP_GROUP_LEAVE);
            trpi_group_put(box, leave);
        }
    }
}

void trpi_group_free_leaves(trp_ctx *ctx, trpi_group_watch *by) {
    while (by->leaves != NULL) {
        trp_message *leave = by->leaves;
        unhang(leave);
        trpi_message_free(&ctx->sched.pool, leave);
    }
}
