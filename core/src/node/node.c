/* Nodes as their users see them: identity, exposed names, names on other nodes, texts of pids. */
#include "troupe/node.h"

#include "base/lock.h"
#include "node/encode.h"
#include "node/session.h"
#include "troupe/error.h"
#include "troupe/name.h"

enum { COOKIE_MIN = 16, COOKIE_MAX = 4096, MESSAGE_DEFAULT = 1 << 20, SESSIONS_DEFAULT = 1024 };

/* ---- words ---- */

static size_t word_size(size_t length) {
    return sizeof(trpi_word) + length + 1;
}

/* Adds a word under `key`, as trpi_node_find_word has named it. NULL when out of memory. */
static trpi_word *add_word(trpi_node *node, trpi_map *map, uint64_t key, const char *bytes,
                           size_t length) {
    trpi_word *word = trpi_node_alloc(node, word_size(length));
    if (word == NULL) {
        return NULL;
    }
    word->length = (uint32_t)length;
    memcpy(word->bytes, bytes, length);
    if (trpi_map_set(map, key, word) != 0) {
        trpi_node_free(node, word, word_size(length));
        return NULL;
    }
    return word;
}

static void free_words(trpi_node *node, trpi_map *map) {
    for (uint32_t i = 0; i < map->capacity; i++) {
        trpi_word *word = map->cells[i].value;
        if (word != NULL) {
            trpi_node_free(node, word, word_size(word->length));
        }
    }
    trpi_map_deinit(map);
}

static bool name_is_valid(const char *name) {
    size_t length = name == NULL ? 0 : strlen(name);
    return length > 0 && length <= TRP_NAME_MAX;
}

int trp_node_expose(trp_runtime *runtime, const char *name) {
    trpi_node *node = runtime->node;
    if (!name_is_valid(name)) {
        return TRP_EINVAL;
    }
    if (node == NULL) {
        return TRP_ESTATE;
    }
    uint64_t key;
    size_t length = strlen(name);
    trpi_lock(&node->lock);
    bool is_there = trpi_node_find_word(&node->exposed, name, length, &key) != NULL ||
                    add_word(node, &node->exposed, key, name, length) != NULL;
    trpi_unlock(&node->lock);
    return is_there ? 0 : TRP_ENOMEM;
}

/* Gives a new alias its index. Under the lock. */
static int index_alias(trpi_node *node, trpi_word *word) {
    const trp_host *host = &node->runtime->host;
    size_t size = node->aliases_len * sizeof *node->alias_words;
    trpi_word **words = host->realloc(host->self, node->alias_words, size, size + sizeof *words);
    if (words == NULL) {
        return TRP_ENOMEM;
    }
    node->alias_words = words;
    word->index = node->aliases_len;
    words[node->aliases_len++] = word;
    return 0;
}

static int find_or_add_alias(trpi_node *node, const char *text, size_t length, uint32_t *index) {
    uint64_t key;
    trpi_word *word = trpi_node_find_word(&node->aliases, text, length, &key);
    if (word == NULL) {
        word = add_word(node, &node->aliases, key, text, length);
        if (word == NULL) {
            return TRP_ENOMEM;
        }
        if (index_alias(node, word) != 0) {
            (void)trpi_map_remove(&node->aliases, key);
            trpi_node_free(node, word, word_size(length));
            return TRP_ENOMEM;
        }
    }
    *index = word->index;
    return 0;
}

int trp_remote_name(trp_ctx *ctx, const char *node_name, const char *name, trp_pid *pid) {
    trpi_node *node = trpi_node_of(ctx);
    char text[TRP_NODE_NAME_MAX + 1 + TRP_NAME_MAX];
    if (node == NULL) {
        return TRP_ESTATE;
    }
    if (node_name == NULL || !trpi_node_name_is_valid(node_name, strlen(node_name)) ||
        !name_is_valid(name)) {
        return TRP_EINVAL;
    }
    size_t node_length = strlen(node_name) + 1;
    memcpy(text, node_name, node_length);
    memcpy(text + node_length, name, strlen(name));
    uint32_t index = 0;
    trpi_lock(&node->lock);
    int error = find_or_add_alias(node, text, node_length + strlen(name), &index);
    trpi_unlock(&node->lock);
    if (error == 0) {
        *pid = (trp_pid){TRPI_ALIAS_SLOT, TRPI_ALIAS_EPOCH, index, 1};
    }
    return error;
}

/* ---- texts ---- */

const char *trp_node_name(trp_runtime *runtime, trp_pid pid) {
    trpi_node *node = runtime->node;
    if (node == NULL) {
        return NULL;
    }
    if (trp_pid_is_local(pid)) {
        return node->self.name;
    }
    if (pid.epoch == TRPI_ALIAS_EPOCH) {
        const trpi_word *alias = trpi_node_alias(node, pid);
        return alias == NULL ? NULL : alias->bytes;
    }
    return trpi_node_place_name(node, pid);
}

/* ---- start and end ---- */

static void destroy(trp_runtime *runtime) {
    trpi_node *node = runtime->node;
    while (node->sessions != NULL) {
        trpi_session_destroy(node->sessions);
    }
    for (uint32_t i = 0; i < node->places_len; i++) {
        trpi_node_free(node, node->places[i], sizeof *node->places[i]);
    }
    trpi_node_free(node, node->places, node->places_len * sizeof *node->places);
    trpi_node_free(node, node->alias_words, node->aliases_len * sizeof *node->alias_words);
    free_words(node, &node->aliases);
    free_words(node, &node->exposed);
    size_t size = sizeof *node + node->self.cookie_length;
    memset(node + 1, 0, node->self.cookie_length);
    runtime->node = NULL;
    (void)runtime->host.realloc(runtime->host.self, node, size, 0);
}

static bool is_alive(trp_ctx *ctx, trp_pid pid) {
    trpi_way way;
    return trpi_node_way(trpi_node_of(ctx), pid, &way);
}

static int check_config(const trp_node_config *config) {
    bool has_cookie = config->cookie != NULL;
    bool is_good = config->name != NULL &&
                   trpi_node_name_is_valid(config->name, strlen(config->name)) &&
                   config->message_max <= TRP_MESSAGE_MAX &&
                   (!has_cookie ||
                    (config->cookie_length >= COOKIE_MIN && config->cookie_length <= COOKIE_MAX));
    return is_good ? 0 : TRP_EINVAL;
}

static uint64_t or_default(uint64_t value, uint64_t fallback) {
    return value != 0 ? value : fallback;
}

static int fill(trpi_node *node, const trp_node_config *config) {
    trpi_identity *self = &node->self;
    const trp_host *host = &node->runtime->host;
    memcpy(self->name, config->name, strlen(config->name));
    self->message_max = (uint32_t)or_default(config->message_max, MESSAGE_DEFAULT);
    self->cookie = (uint8_t *)(node + 1);
    if (config->cookie != NULL) {
        self->cookie_length = (uint32_t)config->cookie_length;
        memcpy(node + 1, config->cookie, config->cookie_length);
    }
    node->times.heartbeat_ns = or_default(config->heartbeat_ns, 15 * TRP_NS_PER_S);
    node->times.patience_ns = or_default(config->patience_ns, 45 * TRP_NS_PER_S);
    node->times.handshake_ns = or_default(config->handshake_ns, 10 * TRP_NS_PER_S);
    node->sessions_max = (uint32_t)or_default(config->sessions_max, SESSIONS_DEFAULT);
    trpi_map_init(&node->exposed, host);
    trpi_map_init(&node->aliases, host);
    int error = host->entropy(host->self, &self->incarnation, sizeof self->incarnation);
    self->incarnation |= self->incarnation == 0;
    return error;
}

int trp_node_start(trp_runtime *runtime, const trp_node_config *given) {
    trp_node_config config;
    memset(&config, 0, sizeof config);
    memcpy(&config, given, given->size < sizeof config ? given->size : sizeof config);
    int error = check_config(&config);
    if (error != 0) {
        return error;
    }
    if (runtime->node != NULL) {
        return TRP_ESTATE;
    }
    const trp_host *host = &runtime->host;
    size_t size = sizeof(trpi_node) + (config.cookie == NULL ? 0 : config.cookie_length);
    trpi_node *node = host->realloc(host->self, NULL, 0, size);
    if (node == NULL) {
        return TRP_ENOMEM;
    }
    memset(node, 0, size);
    node->runtime = runtime;
    error = fill(node, &config);
    if (error != 0) {
        (void)host->realloc(host->self, node, size, 0);
        return error;
    }
    runtime->node = node;
    runtime->node_destroy = destroy;
    runtime->node_is_alive = is_alive;
    runtime->route = trpi_node_route;
    return 0;
}
