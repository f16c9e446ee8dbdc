/*
 * The host contract: what every host owes to the core (host.h), as one actor that runs anywhere. A
 * driver of the host's own kind spawns "contract" and asks it, case by case, with contract_run; the
 * answer is a contract_result. Native and simulation use contract_run_all, the web host's driver is
 * in JavaScript. To check a host of your own, write such a driver; everything else is here.
 */
#ifndef TEST_CONTRACT_H
#define TEST_CONTRACT_H

#include "troupe/troupe.h"

#define CONTRACT_RUN_FIELDS(F) F(u32, index, 1)
TRP_TYPE_DECLARE(contract_run, CONTRACT_RUN_FIELDS)

#define CONTRACT_RESULT_FIELDS(F)                                                                  \
    F(u32, index, 1)                                                                               \
    F(u32, cases, 2) /* how many there are */                                                      \
    F(boolean, passed, 3)                                                                          \
    F(boolean, skipped, 4) /* the host does not offer this, which is allowed */                    \
    F(text(48), name, 5)                                                                           \
    F(text(128), why, 6)
TRP_TYPE_DECLARE(contract_result, CONTRACT_RESULT_FIELDS)

/* The actor; its argument is none. */
extern const trp_behaviour contract_behaviour;

/* ---- for the cases ---- */

typedef struct contract contract;

/*
 * One case. `step` is called with NULL to begin, then with each message that comes, until
 * contract_pass, contract_skip or contract_fail.
 */
typedef struct contract_case {
    const char *name;
    void (*step)(trp_ctx *ctx, contract *self, trp_message *message);
} contract_case;

extern const contract_case contract_cases[];
extern const uint32_t contract_cases_len;

struct contract {
    trp_message *request; /* of the case that runs; NULL between cases */
    uint32_t index;
    trp_ref watchdog;
    /* Free for use by the case, zero when it begins. */
    uint64_t count;
    uint64_t begin_ns;
    trp_ref ref;
    trp_pid pid;
};

void contract_pass(trp_ctx *ctx, contract *self);
void contract_skip(trp_ctx *ctx, contract *self);
void contract_fail(trp_ctx *ctx, contract *self, const char *why);

/* The host table that the ctx's runtime was made with. */
const trp_host *contract_host(trp_ctx *ctx);

/* Number of schedulers. */
unsigned contract_schedulers(trp_ctx *ctx);

/* ---- for drivers in C ---- */

typedef struct contract_report {
    uint32_t passed;
    uint32_t skipped;
    uint32_t failed;
    bool is_done;    /* read it when nothing runs any more */
    char text[1024]; /* a line for each failed case */
    /* Called when all have run, on a scheduler's thread. */
    void (*on_done)(void *arg);
    void *arg;
} contract_report;

/*
 * Spawns an actor that runs all cases one after the other and writes `report`, which must outlive
 * it. 0 or a TRP_E*.
 */
int contract_run_all(trp_ctx *ctx, contract_report *report);

#endif
