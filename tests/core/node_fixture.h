/*
 * Several nodes in one test: each a fake host with a runtime, all in one time, with links between
 * them whose bytes the test carries.
 */
#ifndef TEST_NODE_FIXTURE_H
#define TEST_NODE_FIXTURE_H

#include "probe.h"
#include "troupe/node.h"

enum { NET_NODES = 6, NET_LINKS = 8 };

/* One end of a link. */
typedef struct net_end {
    unsigned node;
    trp_session *session; /* NULL once it is closed */
    uint8_t *bytes;       /* sent, not yet carried */
    size_t length;
    size_t capacity;
    trp_session_state state; /* as last reported; 0: not yet */
    uint32_t reports;
    int error; /* of close */
    char why[128];
    char peer[TRP_NODE_NAME_MAX + 1];
    bool is_closed;
    struct net_link *link;
} net_end;

typedef struct net_link {
    net_end ends[2]; /* the dialler first */
    bool is_cut;     /* nothing is carried, nobody is told */
} net_link;

typedef struct net {
    fake_host *hosts[NET_NODES];
    unsigned hosts_len;
    net_link links[NET_LINKS];
    unsigned links_len;
    size_t step;           /* bytes carried at once, 0: all */
    uint32_t guest_rights; /* what tokens get, 0: TRP_RIGHTS_GUEST */
    const char *token;     /* the only good token */
} net;

/* Adds a node called `name`. Its defaults: a cookie, the standard times. Returns its number. */
unsigned net_node(net *n, const char *name);

/* The same with a config of the test's own (name and size are filled in); NULL cookie for none. */
unsigned net_node_with(net *n, const char *name, const trp_node_config *config);

/* Opens a link; the bytes flow with net_run. */
net_link *net_dial(net *n, unsigned dialler, unsigned acceptor, trp_auth auth);

/* The same where memory may be short: NULL if one of the two ends could not be opened. */
net_link *net_try_dial(net *n, unsigned dialler, unsigned acceptor, trp_auth auth);

/* Carries bytes and runs all nodes until nothing moves. */
void net_run(net *n);

/* net_run, then time passes for all nodes, carrying at every deadline. */
void net_advance(net *n, uint64_t ns);

/* Dials and runs until both ends are up. */
net_link *net_join(net *n, unsigned dialler, unsigned acceptor, trp_auth auth);

/* The transport tells both ends that the connection is gone. */
void net_break(net *n, net_link *link);

/* Destroys a node, as a crash: its links stay open at the other end, with nobody there. */
void net_crash(net *n, unsigned node);

/* Ends everything and checks that nothing is left. */
void net_destroy(net *n);

/* The pid under which `whom`, on node `home`, is known to node `at`, through its registered name. */
trp_pid net_name(net *n, unsigned at, unsigned home, const char *name);

bool net_is_up(const net_link *link);

/* The name of a node. */
const char *net_name_of(net *n, unsigned node);

#endif
