/*
 * The commands. Each gets what stands behind its name and returns the exit code.
 */
#ifndef TRPI_CLI_COMMANDS_H
#define TRPI_CLI_COMMANDS_H

int cli_node(int argc, char **argv);
int cli_echo(int argc, char **argv);

#endif
