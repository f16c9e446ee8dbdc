/*
 * Options of the command, read by a table that is also the help.
 */
#ifndef TRPI_CLI_OPTIONS_H
#define TRPI_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* Exit codes of the command. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* How often an option that may be repeated can be given. */
#define CLI_LIST_MAX 32

typedef struct cli_list {
    const char *items[CLI_LIST_MAX + 1]; /* NULL-terminated */
    size_t len;
} cli_list;

/* One option. Exactly one target is set. */
typedef struct cli_option {
    const char *name;     /* with its dashes */
    const char *argument; /* name of its argument in the help; NULL if it takes none */
    const char *help;     /* lines after the first are indented; NULL hides an alias */
    bool *flag;
    const char **text;
    cli_list *list;
} cli_option;

/* A command: what stands in its help. */
typedef struct cli_command {
    const char *name;    /* "troupe node" */
    const char *summary; /* one or more lines */
    const char *notes;   /* behind the options; may be NULL */
    const cli_option *options;
    size_t options_len;
} cli_command;

/*
 * Reads `argv` (without the command's name). Returns -1 to go on, else the exit code: after --help,
 * or after an error that has been printed.
 */
int cli_read_options(const cli_command *command, int argc, char **argv);

/* Prints `troupe node: text` as one line on standard error and returns CLI_FAILED. */
int cli_fail(const cli_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same for a mistake on the command line: returns CLI_USAGE. */
int cli_usage(const cli_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Reads a decimal number of 1 … max. False if `text` is none. */
bool cli_read_number(const char *text, unsigned max, unsigned *out);

#endif
