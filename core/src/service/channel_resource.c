/* Ends of channels as what messages carry. */
#include "troupe/channel.h"

static void release_sender(trp_ctx *ctx, void *channel) {
    trp_channel_release(ctx, channel, TRP_CHANNEL_SEND);
}

static void release_receiver(trp_ctx *ctx, void *channel) {
    trp_channel_release(ctx, channel, TRP_CHANNEL_RECEIVE);
}

const trp_resource_kind trp_channel_end_kinds[2] = {
    {"sending end of a channel", release_sender},
    {"receiving end of a channel", release_receiver},
};
