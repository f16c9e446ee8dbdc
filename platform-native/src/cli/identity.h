/*
 * Who the command's node is: its name and its cookie.
 */
#ifndef TRPI_CLI_IDENTITY_H
#define TRPI_CLI_IDENTITY_H

#include "options.h"

#include "troupe/native.h"

/* Longest cookie accepted. */
#define CLI_COOKIE_MAX 512

typedef struct cli_identity {
    char name[TRP_NODE_NAME_MAX + 1];
    unsigned char cookie[CLI_COOKIE_MAX];
    size_t cookie_length; /* 0: none was given */
} cli_identity;

/*
 * Chooses the name (`name`, or one made of `role`, the machine and chance) and reads the cookie
 * from `cookie_file` or, if that is NULL, from TROUPE_COOKIE. With `create` a missing file is made,
 * with a new cookie. CLI_OK, or the exit code after a printed error.
 */
int cli_identity_init(cli_identity *identity, const cli_command *command, const char *role,
                      const char *name, const char *cookie_file, bool create);

/*
 * Starts the runtime's node under this identity, without a cookie under a random one that nobody
 * knows. Wipes the cookie.
 */
int cli_identity_start(cli_identity *identity, const cli_command *command, trp_runtime *runtime);

#endif
