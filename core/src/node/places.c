/* The node table; its design is told in places.h. */
#include "node/places.h"

#include "base/lock.h"
#include "node/session.h"
#include "troupe/error.h"

void *trpi_node_alloc(trpi_node *node, size_t size) {
    const trp_host *host = &node->runtime->host;
    void *block = host->realloc(host->self, NULL, 0, size);
    if (block != NULL) {
        memset(block, 0, size);
    }
    return block;
}

void trpi_node_free(trpi_node *node, void *block, size_t size) {
    const trp_host *host = &node->runtime->host;
    if (block != NULL) {
        (void)host->realloc(host->self, block, size, 0);
    }
}

/* ---- places ---- */

static bool place_is(const trpi_place *place, const char *name, size_t length,
                     uint64_t incarnation) {
    return place->is_used && place->incarnation == incarnation && place->name[length] == '\0' &&
           memcmp(place->name, name, length) == 0;
}

static trpi_place *find_place(trpi_node *node, const char *name, size_t length,
                              uint64_t incarnation, const trp_session *owner) {
    for (uint32_t i = 0; i < node->places_len; i++) {
        trpi_place *place = node->places[i];
        if (place->owner == owner && place_is(place, name, length, incarnation)) {
            return place;
        }
    }
    return NULL;
}

static bool is_idle(const trpi_place *place) {
    return place->route == NULL && place->owner == NULL;
}

static trpi_place *longest_idle(trpi_node *node) {
    trpi_place *oldest = NULL;
    for (uint32_t i = 0; i < node->places_len; i++) {
        trpi_place *place = node->places[i];
        if (is_idle(place) && (oldest == NULL || place->left_at < oldest->left_at)) {
            oldest = place;
        }
    }
    return oldest;
}

static trpi_place *add_place(trpi_node *node) {
    const trp_host *host = &node->runtime->host;
    size_t size = node->places_len * sizeof *node->places;
    trpi_place **places =
        host->realloc(host->self, node->places, size, size + sizeof *node->places);
    if (places == NULL) {
        return NULL;
    }
    node->places = places;
    trpi_place *place = trpi_node_alloc(node, sizeof *place);
    if (place == NULL) {
        node->places = host->realloc(host->self, places, size + sizeof *places, size);
        return NULL;
    }
    places[node->places_len++] = place;
    place->slot = node->places_len;
    node->idle_len++;
    return place;
}

static trpi_place *new_place(trpi_node *node, const char *name, size_t length, uint64_t incarnation,
                             trp_session *owner) {
    trpi_place *place = node->idle_len > TRPI_PLACES_IDLE ? longest_idle(node) : add_place(node);
    if (place == NULL) {
        return NULL;
    }
    memset(place->name, 0, sizeof place->name);
    memcpy(place->name, name, length);
    place->incarnation = incarnation;
    place->is_used = true;
    place->owner = owner;
    place->epoch = place->epoch + 1 == TRPI_ALIAS_EPOCH ? 1 : place->epoch + 1;
    place->route = NULL;
    node->idle_len -= owner != NULL;
    return place;
}

static void set_route(trpi_node *node, trpi_place *place, trp_session *session) {
    bool was_idle = is_idle(place);
    place->route = session;
    if (was_idle && session != NULL) {
        node->idle_len--;
    }
}

static void leave_place(trpi_node *node, trpi_place *place, trp_session *route) {
    place->route = route;
    if (route == NULL) {
        place->owner = NULL;
        place->left_at = ++node->clock;
        node->idle_len++;
    }
}

/* The place that a pid's slot and epoch name, or NULL. */
static trpi_place *place_of(trpi_node *node, trp_pid pid) {
    trpi_place *place = pid.node - 1 < node->places_len ? node->places[pid.node - 1] : NULL;
    return place != NULL && place->is_used && place->epoch == pid.epoch ? place : NULL;
}

/* The best place for a node's name: a peer before a guest, the newest of several guests. */
static trpi_place *place_called(trpi_node *node, const char *name) {
    size_t length = strlen(name);
    trpi_place *best = NULL;
    for (uint32_t i = 0; i < node->places_len; i++) {
        trpi_place *place = node->places[i];
        if (place->route == NULL || place->route->place != place ||
            !place_is(place, name, length, place->incarnation)) {
            continue;
        }
        if (place->owner == NULL) {
            return place;
        }
        if (best == NULL || place->route->serial > best->route->serial) {
            best = place;
        }
    }
    return best;
}

bool trpi_node_way(trpi_node *node, trp_pid to, trpi_way *way) {
    const trpi_word *alias = to.epoch == TRPI_ALIAS_EPOCH ? trpi_node_alias(node, to) : NULL;
    if (to.epoch == TRPI_ALIAS_EPOCH && alias == NULL) {
        return false;
    }
    trpi_lock(&node->lock);
    trpi_place *place = alias != NULL ? place_called(node, alias->bytes) : place_of(node, to);
    trp_session *session = place == NULL ? NULL : place->route;
    if (session != NULL) {
        trpi_session_way(session, way);
    }
    trpi_unlock(&node->lock);
    return session != NULL;
}

int trpi_place_reserve(const trpi_way *way, uint32_t bytes, uint32_t max) {
    trpi_atomic_u64 *waiting = &way->place->waiting;
    uint64_t word = trpi_load(waiting, TRPI_RELAXED);
    do {
        if (word >> 32 != way->serial) {
            return TRP_ENOCONNECTION;
        }
        if ((uint32_t)word + (uint64_t)bytes > max) {
            return TRP_EFULL;
        }
        /* Relaxed: a number; the mailbox orders what it counts. */
    } while (!trpi_cas_u64(waiting, &word, word + bytes, TRPI_RELAXED));
    return 0;
}

void trpi_place_release(trpi_place *place, uint32_t serial, uint32_t bytes) {
    uint64_t word = trpi_load(&place->waiting, TRPI_RELAXED);
    while (word >> 32 == serial &&
           !trpi_cas_u64(&place->waiting, &word, word - bytes, TRPI_RELAXED)) {
    }
}

bool trpi_node_home(trpi_node *node, trp_pid pid, char *name, uint64_t *incarnation) {
    trpi_lock(&node->lock);
    trpi_place *place = place_of(node, pid);
    if (place != NULL) {
        memcpy(name, place->name, sizeof place->name);
        *incarnation = place->incarnation;
    }
    trpi_unlock(&node->lock);
    return place != NULL;
}

const char *trpi_node_place_name(trpi_node *node, trp_pid pid) {
    trpi_lock(&node->lock);
    trpi_place *place = place_of(node, pid);
    trpi_unlock(&node->lock);
    return place == NULL ? NULL : place->name;
}

bool trpi_node_find(trpi_node *node, const char *name, size_t length, uint64_t incarnation,
                    trp_pid *pid) {
    trpi_lock(&node->lock);
    trpi_place *found = find_place(node, name, length, incarnation, NULL);
    for (uint32_t i = 0; found == NULL && i < node->places_len; i++) {
        trpi_place *place = node->places[i];
        found = place_is(place, name, length, incarnation) ? place : NULL;
    }
    if (found != NULL) {
        pid->node = found->slot;
        pid->epoch = found->epoch;
    }
    trpi_unlock(&node->lock);
    return found != NULL;
}

static int meet(trpi_node *node, trp_session *session, const char *name, size_t length,
                uint64_t incarnation, trp_pid *home) {
    bool is_guest = trpi_session_is_guest(session);
    trp_session *owner = is_guest ? session : NULL;
    trpi_place *place = find_place(node, name, length, incarnation, owner);
    if (place == NULL) {
        if (is_guest && session->places_len >= TRPI_PLACES_OF_GUEST) {
            return TRP_ELIMIT;
        }
        place = new_place(node, name, length, incarnation, owner);
        if (place == NULL) {
            return TRP_ENOMEM;
        }
        session->places_len += is_guest;
    }
    if (place->route == NULL) {
        set_route(node, place, session);
    }
    *home = (trp_pid){place->slot, place->epoch, 0, 0};
    return 0;
}

int trpi_node_meet(trpi_node *node, trp_session *session, const char *name, size_t length,
                   uint64_t incarnation, trp_pid *home) {
    trpi_lock(&node->lock);
    int error = meet(node, session, name, length, incarnation, home);
    trpi_unlock(&node->lock);
    return error;
}

/* ---- sessions that come and go ---- */

/* The name of the node that dialled. */
static const char *dialler_of(const trpi_node *node, const trp_session *session) {
    return session->engine.is_dialler ? node->self.name : session->engine.peer.name;
}

/*
 * Two sessions join the same two runtimes. Both ends must come to the same verdict, and must not
 * close one that works in favour of one that is dead at the other end and only not known to be.
 * - Both were dialled by the same side: it had a reason to dial again. The acceptor closes the older
 *   one; the dialler only prefers the newer, because it may see the two in another order.
 * - Dialled from both sides: the one whose dialler's name is greater wins. If that is the newer one,
 *   its handshake has just proven that it works. If it is the older one, it must first answer.
 */
static void elect(trpi_node *node, trp_session *older, trp_session *newer,
                  trpi_entrance *entrance) {
    bool is_same_side = older->engine.is_dialler == newer->engine.is_dialler;
    bool newer_wins = is_same_side || memcmp(dialler_of(node, newer), dialler_of(node, older),
                                             TRP_NODE_NAME_MAX + 1) > 0;
    if (!newer_wins) {
        entrance->incumbent = older->pid;
        return;
    }
    set_route(node, newer->place, newer);
    if (!is_same_side || !newer->engine.is_dialler) {
        entrance->loser = older->pid;
    }
}

/* A peer whose name is known under another incarnation has been started again. */
static void replace_stale(trpi_node *node, trp_session *session, trpi_entrance *entrance) {
    for (trp_session *other = node->sessions; other != NULL; other = other->next) {
        if (other != session && other->place != NULL && other->place->owner == NULL &&
            other->place != session->place &&
            memcmp(other->place->name, session->place->name, TRP_NODE_NAME_MAX + 1) == 0) {
            entrance->loser = other->pid;
            entrance->is_stale = true;
        }
    }
}

static void enter(trpi_node *node, trp_session *session, trpi_entrance *entrance) {
    const trpi_peer *peer = &session->engine.peer;
    size_t length = strlen(peer->name);
    trp_session *owner = trpi_session_is_guest(session) ? session : NULL;
    trpi_place *place =
        owner != NULL ? NULL : find_place(node, peer->name, length, peer->incarnation, NULL);
    if (place == NULL) {
        place = new_place(node, peer->name, length, peer->incarnation, owner);
    }
    if (place == NULL) {
        entrance->error = TRP_ENOMEM;
        return;
    }
    session->place = place;
    session->serial = ++node->serial;
    trp_session *older = place->route;
    if (older == NULL || older->place != place) {
        set_route(node, place, session);
    } else {
        elect(node, older, session, entrance);
    }
    if (place->route == session) {
        trpi_store(&place->waiting, (uint64_t)session->serial << 32, TRPI_RELAXED);
    }
    if (owner == NULL) {
        replace_stale(node, session, entrance);
    }
}

trpi_entrance trpi_node_enter(trpi_node *node, trp_session *session) {
    trpi_entrance entrance = {0, TRP_PID_NONE, false, TRP_PID_NONE};
    trpi_lock(&node->lock);
    enter(node, session, &entrance);
    trpi_unlock(&node->lock);
    return entrance;
}

/* Another session that is up to the same node. */
static trp_session *substitute(trpi_node *node, const trp_session *session) {
    for (trp_session *other = node->sessions; other != NULL; other = other->next) {
        if (other != session && other->place == session->place && other->place != NULL) {
            return other;
        }
    }
    return NULL;
}

void trpi_node_leave(trpi_node *node, trp_session *session) {
    trpi_lock(&node->lock);
    for (uint32_t i = 0; i < node->places_len; i++) {
        trpi_place *place = node->places[i];
        if (place->route == session) {
            trp_session *other = place == session->place ? substitute(node, session) : NULL;
            leave_place(node, place, other);
            if (other != NULL) {
                trpi_store(&place->waiting, (uint64_t)other->serial << 32, TRPI_RELAXED);
            }
        }
    }
    *session->pprev = session->next;
    if (session->next != NULL) {
        session->next->pprev = session->pprev;
    }
    node->sessions_len--;
    trpi_unlock(&node->lock);
}

/* ---- words ---- */

trpi_word *trpi_node_find_word(const trpi_map *map, const char *bytes, size_t length,
                               uint64_t *key) {
    *key = trpi_hash(bytes, length);
    trpi_word *word = trpi_map_get(map, *key);
    while (word != NULL && (word->length != length || memcmp(word->bytes, bytes, length) != 0)) {
        word = trpi_map_get(map, ++*key);
    }
    return word;
}

bool trpi_node_is_exposed(trpi_node *node, const char *name, size_t length) {
    uint64_t key;
    trpi_lock(&node->lock);
    bool is_exposed = trpi_node_find_word(&node->exposed, name, length, &key) != NULL;
    trpi_unlock(&node->lock);
    return is_exposed;
}

const trpi_word *trpi_node_alias(trpi_node *node, trp_pid pid) {
    trpi_lock(&node->lock);
    const trpi_word *word = pid.index < node->aliases_len ? node->alias_words[pid.index] : NULL;
    trpi_unlock(&node->lock);
    return word;
}
