/*
 * Name and cookie. See identity.h. A cookie is what peers share; who has it may do everything a
 * peer may. It comes from a file or from the environment, is never printed, and is wiped here as
 * soon as the runtime has it.
 */
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#define COOKIE_MIN 16
#define NEW_COOKIE_BYTES 32

static bool fill_random(void *bytes, size_t length) {
    return uv_random(NULL, NULL, bytes, length, 0, NULL) == 0;
}

static void wipe(void *bytes, size_t length) {
    volatile unsigned char *at = bytes;
    while (length-- > 0) {
        *at++ = 0;
    }
}

/* ---- name ---- */

/* As the protocol wants it: printable ASCII without blanks. */
static bool is_node_name(const char *name) {
    size_t length = strlen(name);
    for (size_t i = 0; i < length; i++) {
        if (name[i] <= ' ' || name[i] >= 0x7F) {
            return false;
        }
    }
    return length > 0 && length <= TRP_NODE_NAME_MAX;
}

/* `role-machine-chance`: unique enough for nodes that come and go. */
static void make_name(const char *role, char name[TRP_NODE_NAME_MAX + 1]) {
    char machine[64] = "";
    uint16_t chance = (uint16_t)getpid();
    fill_random(&chance, sizeof chance);
    gethostname(machine, sizeof machine - 1);
    machine[strcspn(machine, ".")] = '\0';
    if (!is_node_name(machine)) {
        memcpy(machine, "local", sizeof "local");
    }
    snprintf(name, TRP_NODE_NAME_MAX + 1, "%s-%.40s-%04x", role, machine, chance);
}

/* ---- cookie ---- */

/* Writes a new cookie, readable by its owner only. A file that is there already is left alone. */
static int create_cookie(const cli_command *command, const char *path) {
    unsigned char bytes[NEW_COOKIE_BYTES];
    char text[2 * NEW_COOKIE_BYTES + 1];
    if (access(path, F_OK) == 0) {
        return CLI_OK;
    }
    if (!fill_random(bytes, sizeof bytes)) {
        return cli_fail(command, "the system gives no random bytes for a cookie");
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
    text[sizeof text - 1] = '\n';
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0) {
        return cli_fail(command, "cannot create cookie file %s: %s", path, strerror(errno));
    }
    bool is_written = write(fd, text, sizeof text) == (ssize_t)sizeof text;
    is_written = close(fd) == 0 && is_written;
    wipe(text, sizeof text);
    wipe(bytes, sizeof bytes);
    return is_written ? CLI_OK : cli_fail(command, "cannot write cookie file %s", path);
}

/* Blanks and line ends around a cookie come from editors and do not belong to it. */
static int take_cookie(cli_identity *identity, const cli_command *command, const char *source,
                       const char *text, size_t length) {
    while (length > 0 && memchr(" \t\r\n", text[length - 1], 4) != NULL) {
        length--;
    }
    while (length > 0 && memchr(" \t\r\n", text[0], 4) != NULL) {
        text++;
        length--;
    }
    if (length < COOKIE_MIN) {
        return cli_fail(command, "the cookie in %s is too short: %zu bytes, at least %d are needed",
                        source, length, COOKIE_MIN);
    }
    if (length > CLI_COOKIE_MAX) {
        return cli_fail(command, "the cookie in %s is too long: at most %d bytes", source,
                        CLI_COOKIE_MAX);
    }
    memcpy(identity->cookie, text, length);
    identity->cookie_length = length;
    return CLI_OK;
}

static int read_cookie_file(cli_identity *identity, const cli_command *command, const char *path) {
    char text[CLI_COOKIE_MAX + 64];
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        const char *hint = errno == ENOENT ? "; --create-cookie makes one" : "";
        return cli_fail(command, "cannot read cookie file %s: %s%s", path, strerror(errno), hint);
    }
    ssize_t length = read(fd, text, sizeof text);
    int failure = errno;
    bool is_open_to_others = fstat(fd, &about) == 0 && (about.st_mode & (S_IRWXG | S_IRWXO)) != 0;
    close(fd);
    if (length < 0) {
        return cli_fail(command, "cannot read cookie file %s: %s", path, strerror(failure));
    }
    if (is_open_to_others) {
        fprintf(stderr, "%s: warning: others can read cookie file %s; `chmod 600 %s` ends that\n",
                command->name, path, path);
    }
    int result = take_cookie(identity, command, path, text, (size_t)length);
    wipe(text, sizeof text);
    return result;
}

int cli_identity_init(cli_identity *identity, const cli_command *command, const char *role,
                      const char *name, const char *cookie_file, bool create) {
    const char *environment = getenv("TROUPE_COOKIE");
    memset(identity, 0, sizeof *identity);
    if (name != NULL && !is_node_name(name)) {
        return cli_fail(command,
                        "--name: a node's name has 1 to %d printable ASCII characters and no "
                        "blanks",
                        TRP_NODE_NAME_MAX);
    }
    if (name != NULL) {
        snprintf(identity->name, sizeof identity->name, "%s", name);
    } else {
        make_name(role, identity->name);
    }
    if (create && cookie_file == NULL) {
        return cli_usage(command, "--create-cookie needs --cookie-file");
    }
    if (cookie_file != NULL) {
        int result = create ? create_cookie(command, cookie_file) : CLI_OK;
        return result != CLI_OK ? result : read_cookie_file(identity, command, cookie_file);
    }
    if (environment != NULL && environment[0] != '\0') {
        return take_cookie(identity, command, "TROUPE_COOKIE", environment, strlen(environment));
    }
    return CLI_OK;
}

int cli_identity_start(cli_identity *identity, const cli_command *command, trp_runtime *runtime) {
    unsigned char unknown[NEW_COOKIE_BYTES];
    trp_node_config config = {
        .size = sizeof config,
        .name = identity->name,
        .cookie = identity->cookie,
        .cookie_length = identity->cookie_length,
    };
    if (identity->cookie_length == 0) {
        if (!fill_random(unknown, sizeof unknown)) {
            return cli_fail(command, "the system gives no random bytes");
        }
        config.cookie = unknown;
        config.cookie_length = sizeof unknown;
    }
    int error = trp_node_start(runtime, &config);
    wipe(unknown, sizeof unknown);
    wipe(identity->cookie, sizeof identity->cookie);
    return error == TRP_OK ? CLI_OK
                           : cli_fail(command, "cannot start a node: %s", trp_error_text(error));
}
