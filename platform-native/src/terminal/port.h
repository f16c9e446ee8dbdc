/*
 * The reading half of a terminal: a file descriptor on a loop that gives one line when it is asked
 * for one.
 */
#ifndef TRPI_TERMINAL_PORT_H
#define TRPI_TERMINAL_PORT_H

#include "driver.h"

typedef struct trpi_port trpi_port;

/*
 * A line of `length` bytes for `owner`, or NULL for the end of input. Called once per
 * trpi_port_want, outside of a step.
 */
typedef void trpi_port_line(trpi_driver *driver, trp_pid owner, const char *line, size_t length);

/* Opens `fd`. TRP_EIO if it cannot be read, TRP_ENOMEM. */
int trpi_port_open(trpi_driver *driver, int fd, trpi_port_line *on_line, trp_pid owner,
                   trpi_port **out);

/* Asks for the next line, which comes in a later turn of the loop. */
void trpi_port_want(trpi_port *port);

/* Closes the port; on_line is not called any more. */
void trpi_port_close(trpi_port *port);

#endif
