/*
 * TRPI_RARE keeps a function out of line. On a path that runs for every message, what is rarely
 * needed costs even when it is not called: inlined, it takes registers and stack from the rest.
 * TRPI_USUALLY(x) is x, and tells the compiler to lay the code out for x being true.
 */
#ifndef TRPI_RARE_H
#define TRPI_RARE_H

#define TRPI_RARE __attribute__((noinline))
#define TRPI_USUALLY(x) __builtin_expect(!!(x), 1)

#endif
