/* Several nodes in one test; see node_fixture.h. */
#include "node_fixture.h"

#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

static const char COOKIE[] = "the cookie of the tests";

static int end_send(void *self, const void *bytes, size_t length) {
    net_end *end = self;
    assert_true(length > 0 && length <= TRP_FRAME_MAX);
    if (end->length + length > end->capacity) {
        end->capacity = (end->length + length) * 2;
        end->bytes = realloc(end->bytes, end->capacity);
        assert_non_null(end->bytes);
    }
    memcpy(end->bytes + end->length, bytes, length);
    end->length += length;
    return 0;
}

static void end_close(void *self, int error, const char *why) {
    net_end *end = self;
    assert_false(end->is_closed);
    end->is_closed = true;
    end->session = NULL;
    end->error = error;
    snprintf(end->why, sizeof end->why, "%s", why);
}

static void end_state(void *arg, trp_session *session, trp_session_state state, const char *node,
                      int error, const char *why) {
    net_end *end = arg;
    assert_false(end->is_closed);
    assert_true(end->session == NULL || end->session == session);
    assert_true(state != TRP_SESSION_DOWN || why != NULL);
    (void)error;
    end->state = state;
    end->reports++;
    snprintf(end->peer, sizeof end->peer, "%s", node);
}

static net *net_of_end(net_end *end);

static int check_token(void *arg, const void *token, size_t length, uint32_t *rights) {
    net *n = net_of_end(arg);
    if (n->token == NULL || strlen(n->token) != length || memcmp(n->token, token, length) != 0) {
        return TRP_EAUTH;
    }
    if (n->guest_rights != 0) {
        *rights = n->guest_rights;
    }
    return 0;
}

/* The net that all ends of a test belong to; a test has one. */
static net *the_net;

static net *net_of_end(net_end *end) {
    (void)end;
    return the_net;
}

unsigned net_node_with(net *n, const char *name, const trp_node_config *config) {
    the_net = n;
    assert_true(n->hosts_len < NET_NODES);
    fake_host *host = malloc(sizeof *host);
    assert_non_null(host);
    fake_init(host);
    host->entropy = 1000 + 77 * n->hosts_len; /* every node draws other numbers */
    if (n->hosts_len > 0) {
        fake_share_clock(host, n->hosts[0]);
    }
    assert_int_equal(fake_start(host, NULL), 0);
    trp_node_config own = *config;
    own.size = sizeof own;
    own.name = name;
    assert_int_equal(trp_node_start(host->runtime, &own), 0);
    n->hosts[n->hosts_len] = host;
    return n->hosts_len++;
}

unsigned net_node(net *n, const char *name) {
    trp_node_config config = {.cookie = COOKIE, .cookie_length = sizeof COOKIE};
    return net_node_with(n, name, &config);
}

static int open_end(net *n, net_link *link, unsigned which, unsigned node, trp_auth auth) {
    net_end *end = &link->ends[which];
    end->node = node;
    end->link = link;
    trp_transport transport = {sizeof transport, end, end_send, end_close};
    bool is_dialler = which == 0;
    bool is_guest = auth == TRP_AUTH_TOKEN && !is_dialler && n->guest_rights == 0;
    trp_session_options options = {
        .size = sizeof options,
        .dialler = is_dialler,
        .auths = 1u << auth,
        .rights = is_guest ? TRP_RIGHTS_GUEST : TRP_RIGHTS_PEER,
        .token = n->token,
        .token_length = auth == TRP_AUTH_TOKEN && is_dialler ? strlen(n->token) : 0,
        .arg = end,
        .check_token = check_token,
        .on_state = end_state,
    };
    trp_session *session;
    int error = trp_session_open(fake_root(n->hosts[node]), &transport, &options, &session);
    if (error == 0) {
        end->session = session;
    } else {
        end->is_closed = true;
    }
    return error;
}

net_link *net_try_dial(net *n, unsigned dialler, unsigned acceptor, trp_auth auth) {
    assert_true(n->links_len < NET_LINKS);
    net_link *link = &n->links[n->links_len++];
    memset(link, 0, sizeof *link);
    bool is_open = open_end(n, link, 0, dialler, auth) == 0;
    return open_end(n, link, 1, acceptor, auth) == 0 && is_open ? link : NULL;
}

net_link *net_dial(net *n, unsigned dialler, unsigned acceptor, trp_auth auth) {
    net_link *link = net_try_dial(n, dialler, acceptor, auth);
    assert_non_null(link);
    return link;
}

static bool carry(net *n, net_link *link, net_end *from, net_end *to) {
    size_t length = from->length;
    uint8_t *bytes = from->bytes;
    from->bytes = NULL;
    from->length = 0;
    from->capacity = 0;
    size_t step = n->step == 0 ? length : n->step;
    for (size_t at = 0; at < length && !link->is_cut && to->session != NULL; at += step) {
        size_t left = length - at;
        trp_session_receive(to->session, bytes + at, left < step ? left : step);
        if (n->step != 0) {
            (void)fake_run(n->hosts[to->node]);
        }
    }
    free(bytes);
    /* A closed connection is noticed at the other end. */
    if (from->is_closed && !to->is_closed && !link->is_cut && length == 0) {
        trp_session_lost(to->session, 0);
        return true;
    }
    return length > 0;
}

void net_run(net *n) {
    for (int rounds = 0; rounds < 100000; rounds++) {
        for (unsigned i = 0; i < n->hosts_len; i++) {
            if (n->hosts[i] != NULL) {
                (void)fake_run(n->hosts[i]);
            }
        }
        bool moved = false;
        for (unsigned i = 0; i < n->links_len; i++) {
            net_link *link = &n->links[i];
            moved = carry(n, link, &link->ends[0], &link->ends[1]) || moved;
            moved = carry(n, link, &link->ends[1], &link->ends[0]) || moved;
        }
        if (!moved) {
            return;
        }
    }
    fail_msg("the nodes never stop talking");
}

void net_advance(net *n, uint64_t ns) {
    net_run(n);
    uint64_t now = fake_now(n->hosts[0]);
    uint64_t until = now + ns;
    while (now < until) {
        uint64_t next = until;
        for (unsigned i = 0; i < n->hosts_len; i++) {
            uint64_t deadline = n->hosts[i] == NULL ? TRP_NEVER : fake_next_deadline(n->hosts[i]);
            next = deadline < next ? deadline : next;
        }
        next = next <= now ? now + 1 : next;
        fake_clock_jump(n->hosts[0], next - now);
        now = next;
        net_run(n);
    }
}

bool net_is_up(const net_link *link) {
    return link->ends[0].state == TRP_SESSION_UP && link->ends[1].state == TRP_SESSION_UP;
}

net_link *net_join(net *n, unsigned dialler, unsigned acceptor, trp_auth auth) {
    net_link *link = net_dial(n, dialler, acceptor, auth);
    net_run(n);
    if (!net_is_up(link)) {
        fail_msg("no session: %s / %s", link->ends[0].why, link->ends[1].why);
    }
    return link;
}

void net_break(net *n, net_link *link) {
    link->is_cut = true;
    for (unsigned i = 0; i < 2; i++) {
        if (link->ends[i].session != NULL) {
            trp_session_lost(link->ends[i].session, TRP_EIO);
        }
    }
    net_run(n);
}

void net_crash(net *n, unsigned node) {
    for (unsigned i = 0; i < n->links_len; i++) {
        net_link *link = &n->links[i];
        link->is_cut = link->is_cut || link->ends[0].node == node || link->ends[1].node == node;
    }
    /* The first node keeps the clock of all. */
    assert_true(node != 0);
    fake_destroy(n->hosts[node]);
    n->hosts[node] = NULL;
}

void net_destroy(net *n) {
    for (unsigned i = n->hosts_len; i > 0; i--) {
        if (n->hosts[i - 1] != NULL) {
            fake_destroy(n->hosts[i - 1]);
        }
    }
    for (unsigned i = 0; i < n->links_len; i++) {
        for (unsigned k = 0; k < 2; k++) {
            net_end *end = &n->links[i].ends[k];
            assert_true(end->is_closed); /* every transport is closed, once */
            free(end->bytes);
        }
    }
    memset(n, 0, sizeof *n);
}

const char *net_name_of(net *n, unsigned node) {
    return trp_node_name(n->hosts[node]->runtime, (trp_pid){0, 0, 0, 1});
}

trp_pid net_name(net *n, unsigned at, unsigned home, const char *name) {
    trp_pid pid;
    assert_int_equal(trp_remote_name(fake_root(n->hosts[at]), net_name_of(n, home), name, &pid), 0);
    return pid;
}
