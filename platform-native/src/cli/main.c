/*
 * The `troupe` command: starts a node, or talks to one.
 */
#include "commands.h"
#include "options.h"

#include "troupe/runtime.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static int print_help(void) {
    puts("Usage: troupe COMMAND [options]\n"
         "\n"
         "Actors that run on servers and in web pages, as one system.\n"
         "\n"
         "Commands\n"
         "  node        runs a node: serves a site, accepts its pages and other nodes\n"
         "  echo        talks to an echo relay, here or on another node\n"
         "\n"
         "  --help      this text; `troupe COMMAND --help` tells more\n"
         "  --version   the version");
    return CLI_OK;
}

int main(int argc, char **argv) {
    const char *word = argc > 1 ? argv[1] : "";
    signal(SIGPIPE, SIG_IGN); /* a closed pipe or socket is an error of the write, not our end */
    if (strcmp(word, "node") == 0) {
        return cli_node(argc - 2, argv + 2);
    }
    if (strcmp(word, "echo") == 0) {
        return cli_echo(argc - 2, argv + 2);
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        return print_help();
    }
    if (strcmp(word, "--version") == 0) {
        printf("troupe %s\n", trp_version());
        return CLI_OK;
    }
    if (word[0] == '\0') {
        fputs("troupe: a command is missing; see `troupe --help`\n", stderr);
    } else {
        fprintf(stderr, "troupe: unknown %s %s; see `troupe --help`\n",
                word[0] == '-' ? "option" : "command", word);
    }
    return CLI_USAGE;
}
