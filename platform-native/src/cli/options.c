/*
 * Options of the command. See options.h.
 */
#include "options.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HELP_COLUMN 26

static void print_option(const cli_option *option) {
    char left[64];
    snprintf(left, sizeof left, "  %s%s%s", option->name, option->argument != NULL ? " " : "",
             option->argument != NULL ? option->argument : "");
    printf("%-*s", HELP_COLUMN, left);
    for (const char *at = option->help; *at != '\0'; at++) {
        putchar(*at);
        if (*at == '\n') {
            printf("%*s", HELP_COLUMN, "");
        }
    }
    putchar('\n');
}

static int print_help(const cli_command *command) {
    printf("Usage: %s [options]\n\n%s\n\nOptions\n", command->name, command->summary);
    for (size_t i = 0; i < command->options_len; i++) {
        if (command->options[i].help != NULL) {
            print_option(&command->options[i]);
        }
    }
    printf("%-*sthis text\n", HELP_COLUMN, "  --help");
    if (command->notes != NULL) {
        printf("\n%s\n", command->notes);
    }
    return CLI_OK;
}

static int usage_error(const cli_command *command, const char *what, const char *word) {
    fprintf(stderr, "%s: %s %s; see `%s --help`\n", command->name, what, word, command->name);
    return CLI_USAGE;
}

/* `word` is `name` or `name=value`. */
static bool matches(const char *word, const char *name) {
    size_t length = strlen(name);
    return strncmp(word, name, length) == 0 && (word[length] == '\0' || word[length] == '=');
}

static const cli_option *find_option(const cli_command *command, const char *word) {
    for (size_t i = 0; i < command->options_len; i++) {
        if (matches(word, command->options[i].name)) {
            return &command->options[i];
        }
    }
    return NULL;
}

static int store(const cli_command *command, const cli_option *option, const char *value) {
    if (option->list != NULL) {
        if (option->list->len == CLI_LIST_MAX) {
            return usage_error(command, "too many times", option->name);
        }
        option->list->items[option->list->len++] = value;
    } else {
        *option->text = value;
    }
    return -1;
}

int cli_read_options(const cli_command *command, int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return print_help(command);
        }
        if (matches(argv[i], "--cookie")) {
            return cli_fail(command,
                            "a cookie on the command line can be read by everybody on this "
                            "machine; use --cookie-file or the environment variable "
                            "TROUPE_COOKIE"),
                   CLI_USAGE;
        }
        const cli_option *option = find_option(command, argv[i]);
        if (option == NULL) {
            return usage_error(command, argv[i][0] == '-' ? "unknown option" : "unexpected word",
                               argv[i]);
        }
        const char *value = strchr(argv[i], '=');
        if (option->argument == NULL) {
            if (value != NULL) {
                return usage_error(command, "no value belongs to", option->name);
            }
            *option->flag = true;
            continue;
        }
        if (value == NULL && i + 1 == argc) {
            return usage_error(command, "a value is missing for", option->name);
        }
        int result = store(command, option, value != NULL ? value + 1 : argv[++i]);
        if (result >= 0) {
            return result;
        }
    }
    return -1;
}

static void print_error(const cli_command *command, const char *format, va_list arguments) {
    fprintf(stderr, "%s: ", command->name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

int cli_fail(const cli_command *command, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print_error(command, format, arguments);
    va_end(arguments);
    return CLI_FAILED;
}

int cli_usage(const cli_command *command, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print_error(command, format, arguments);
    va_end(arguments);
    return CLI_USAGE;
}

bool cli_read_number(const char *text, unsigned max, unsigned *out) {
    unsigned value = 0;
    size_t length = strlen(text);
    if (length == 0 || length > 6 || strspn(text, "0123456789") != length) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    *out = value;
    return value >= 1 && value <= max;
}
