/* The bounded ring of a channel; the design is told in channel.h. */
#include "service/channel.h"

#include "troupe/error.h"

enum { SPINS_MAX = 128 };

static trpi_channel_slot *slot_at(trp_channel *channel, uint64_t position) {
    return &channel->slots[position & channel->mask];
}

/*
 * Moves `tail` or `head` on if it is still `*from`, else writes what it is now. Where one thread
 * runs everything it always is.
 */
static inline bool move_on(trpi_atomic_u64 *end, uint64_t *from, uint64_t to, bool is_shared) {
    if (!is_shared) {
        trpi_store(end, to, TRPI_RELAXED);
        return true;
    }
    return trpi_cas_u64(end, from, to, TRPI_SEQ_CST);
}

/* How many slots from `tail` on are free and within the capacity, at most `count`. */
static size_t free_from(trp_channel *channel, uint64_t tail, size_t count) {
    /*
     * The slots' sequences say what is really free. Where all slots may be used they are enough,
     * and the receivers' line with `head` is left alone.
     */
    size_t most = count;
    if (channel->capacity <= channel->mask) {
        /* Pairs with the move of head in trpi_ring_pop. */
        uint64_t used = tail - trpi_load(&channel->head, TRPI_SEQ_CST);
        size_t room = used >= channel->capacity ? 0 : (size_t)(channel->capacity - used);
        most = room < count ? room : count;
    }
    size_t free = 0;
    while (free < most && free <= channel->mask &&
           trpi_load(&slot_at(channel, tail + free)->sequence, TRPI_ACQUIRE) == tail + free) {
        free++;
    }
    return free;
}

size_t trpi_ring_push(trp_channel *channel, trp_message *const *messages, size_t count,
                      bool is_shared, int *error) {
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
        if (move_on(&channel->tail, &tail, tail + free, is_shared)) {
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

size_t trpi_ring_pop(trp_channel *channel, trp_message **messages, size_t count, bool is_shared,
                     int *error) {
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
        if (move_on(&channel->head, &head, head + full, is_shared)) {
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
