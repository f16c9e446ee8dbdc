/* A chat room is a group: whoever joins hears what is said, and a doorkeeper sees who comes and goes. */
#include "troupe/native.h"
#include "troupe/troupe.h"

#include <stdio.h>

/* ---- a guest ---- */

static int guest_init(trp_ctx *ctx, void *state, const void *arg) {
    (void)state;
    (void)arg;
    return trp_group_join(ctx, "chat", "room");
}

static void guest_handle(trp_ctx *ctx, void *state, trp_message *message) {
    (void)state;
    (void)message;
    trp_stop_self(ctx); /* has heard enough */
}

static const trp_behaviour guest = {TRP_BEHAVIOUR("guest"), .init = guest_init,
                                    .handle = guest_handle};

/* ---- the doorkeeper ---- */

static int keep_door(trp_ctx *ctx, void *arg) {
    (void)arg;
    int inside = 0;
    trp_message *message;
    int error = trp_group_watch(ctx, "chat", "room", NULL);
    for (int i = 0; i < 3 && error == 0; i++) {
        error = trp_spawn(ctx, &guest, NULL, NULL);
    }
    for (int events = 0; events < 6 && error == 0; events++) {
        error = trp_receive(ctx, NULL, TRP_NS_PER_S, &message);
        if (error != 0) {
            return error;
        }
        const trp_group_event *event = trp_message_as(message, &trp_group_event_type);
        inside += event->kind == TRP_GROUP_JOIN ? 1 : -1;
        if (inside == 3) {
            trp_message *news = trp_message_new_bytes(ctx, "closing time", 13);
            error = trp_group_broadcast(ctx, "chat", "room", news, NULL);
            trp_message_drop(ctx, news); /* broadcast sends copies */
        }
    }
    printf("3 came, %d stayed\n", inside);
    return error;
}

static const trp_routine doorkeeper = {TRP_ROUTINE("doorkeeper", keep_door, 0)};

int main(void) {
    int error = trp_native_run(NULL, &doorkeeper.behaviour, NULL);
    return error ? fprintf(stderr, "room: %s\n", trp_error_text(error)), 1 : 0;
}
