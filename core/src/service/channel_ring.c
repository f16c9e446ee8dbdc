/* The bounded ring of a channel; the design is told in channel.h. */
#include "service/channel.h"

#include "troupe/error.h"

enum { SPINS_MAX = 128 };

static trpi_channel_slot *slot_at(trp_channel *channel, uint64_t position) {
    return &channel->slots[position & channel->mask];
}

/* How many slots from `tail` on are free and within the capacity, at most `count`. */
static size_t free_from(trp_channel *channel, uint64_t tail, size_t count) {
    /*
     * Acquire pairs with the exchange of head in trpi_ring_pop; the slots' sequences say what is
     * really free.
     */
    uint64_t used = tail - trpi_load(&channel->head, TRPI_SEQ_CST);
    size_t room = used >= channel->capacity ? 0 : (size_t)(channel->capacity - used);
    size_t most = room < count ? room : count;
    size_t free = 0;
    while (free < most &&
           trpi_load(&slot_at(channel, tail + free)->sequence, TRPI_ACQUIRE) == tail + free) {
        free++;
    }
    return free;
}

size_t trpi_ring_push(trp_channel *channel, trp_message *const *messages, size_t count,
                      int *error) {
    uint64_t tail = trpi_load(&channel->tail, TRPI_RELAXED);
    for (;;) {
        if ((tail & TRPI_CHANNEL_CLOSED) != 0) {
            *error = TRP_ECLOSED;
            return 0;
        }
        size_t free = free_from(channel, tail, count);
        if (free == 0) {
            uint64_t now = trpi_load(&channel->tail, TRPI_SEQ_CST);
            if (now == tail) {
                *error = TRP_EFULL;
                return 0;
            }
            tail = now;
            continue;
        }
        uint64_t position = tail;
        if (trpi_cas_u64(&channel->tail, &tail, tail + free, TRPI_SEQ_CST)) {
            for (size_t i = 0; i < free; i++) {
                trpi_channel_slot *slot = slot_at(channel, position + i);
                slot->message = messages[i];
                /* Release pairs with the acquire in full_from: the receiver sees the message. */
                trpi_store(&slot->sequence, position + i + 1, TRPI_RELEASE);
            }
            *error = free < count ? TRP_EFULL : 0;
            return free;
        }
    }
}

/* How many slots from `head` on hold a message, at most `count`. */
static size_t full_from(trp_channel *channel, uint64_t head, size_t count) {
    size_t full = 0;
    while (full < count && full <= channel->mask &&
           trpi_load(&slot_at(channel, head + full)->sequence, TRPI_ACQUIRE) == head + full + 1) {
        full++;
    }
    return full;
}

size_t trpi_ring_pop(trp_channel *channel, trp_message **messages, size_t count, int *error) {
    uint64_t head = trpi_load(&channel->head, TRPI_RELAXED);
    int spins = 0;
    for (;;) {
        size_t full = full_from(channel, head, count);
        if (full == 0) {
            uint64_t tail = trpi_load(&channel->tail, TRPI_SEQ_CST);
            uint64_t now = trpi_load(&channel->head, TRPI_SEQ_CST);
            if (now != head) {
                head = now;
                continue;
            }
            if ((tail & ~TRPI_CHANNEL_CLOSED) != head) {
                /*
                 * A sender has claimed the slot and is about to fill it; unless its thread sleeps.
                 */
                if (++spins < SPINS_MAX) {
                    continue;
                }
                *error = TRP_EEMPTY;
                return 0;
            }
            *error = (tail & TRPI_CHANNEL_CLOSED) != 0 ? TRP_ECLOSED : TRP_EEMPTY;
            return 0;
        }
        uint64_t position = head;
        if (trpi_cas_u64(&channel->head, &head, head + full, TRPI_SEQ_CST)) {
            for (size_t i = 0; i < full; i++) {
                trpi_channel_slot *slot = slot_at(channel, position + i);
                messages[i] = slot->message;
                /*
                 * Release pairs with the acquire in free_from: the next sender overwrites after
                 * this read.
                 */
                trpi_store(&slot->sequence, position + i + channel->mask + 1, TRPI_RELEASE);
            }
            *error = 0;
            return full;
        }
    }
}
