/* Probes that join groups, watchers that note what they hear, and the module's calls made by them. */
#ifndef TEST_GROUP_FIXTURE_H
#define TEST_GROUP_FIXTURE_H

#include "probe.h"

enum { GROUP_HEARD_MAX = 256 };

/* One event that a watcher has heard. */
typedef struct group_heard {
    trp_ref ref;
    trp_pid pid;
    uint32_t kind;
    char scope[TRP_GROUP_NAME_MAX + 1];
    char group[TRP_GROUP_NAME_MAX + 1];
} group_heard;

typedef struct group_watcher {
    probe probe; /* first */
    uint32_t heard_len;
    group_heard heard[GROUP_HEARD_MAX];
} group_watcher;

/* A watcher's on_message: notes the event. */
void group_note(trp_ctx *ctx, probe *self, trp_message *message);

/* One call of the module, to be made by a probe: group_call_* with this as argument. */
typedef struct group_deed {
    const char *scope;
    const char *group;
    trp_ref ref;
    int result;
} group_deed;

void group_call_join(trp_ctx *ctx, probe *self, void *arg);
void group_call_leave(trp_ctx *ctx, probe *self, void *arg);
void group_call_watch(trp_ctx *ctx, probe *self, void *arg);
void group_call_unwatch(trp_ctx *ctx, probe *self, void *arg);

/* The same at once: runs the host and returns the result. */
int group_join(fake_host *fake, probe *who, const char *scope, const char *group);
int group_leave(fake_host *fake, probe *who, const char *scope, const char *group);
trp_ref group_watch(fake_host *fake, group_watcher *who, const char *scope, const char *group);
int group_unwatch(fake_host *fake, group_watcher *who, trp_ref ref);

void group_spawn_watcher(fake_host *fake, group_watcher *who);

/* How many are in. */
size_t group_count(fake_host *fake, const char *scope, const char *group);

/* What a watcher heard as number `index` was this. */
void group_assert_heard(const group_watcher *who, uint32_t index, uint32_t kind, const probe *whom,
                        const char *group);

#endif
