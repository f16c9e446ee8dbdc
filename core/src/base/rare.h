/*
 * TRPI_RARE keeps a function out of line. On a path that runs for every message, what is rarely
 * needed costs even when it is not called: inlined, it takes registers and stack from the rest.
 */
#ifndef TRPI_RARE_H
#define TRPI_RARE_H

#define TRPI_RARE __attribute__((noinline))

#endif
