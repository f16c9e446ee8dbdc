/*
 * TRPI_RARE keeps a function out of line. On a path that runs for every message, what is rarely
 * needed costs even when it is not called: inlined, it takes registers and stack from the rest.
 * Where the compiler can make one function small it does, for a page loads what is rare, too.
 * TRPI_USUALLY(x) is x, and tells the compiler to lay the code out for x being true.
 */
#ifndef TRPI_RARE_H
#define TRPI_RARE_H

#if defined(__has_attribute)
#if __has_attribute(minsize)
#define TRPI_RARE __attribute__((noinline, minsize))
#endif
#endif
#if !defined(TRPI_RARE)
#define TRPI_RARE __attribute__((noinline))
#endif
#define TRPI_USUALLY(x) __builtin_expect(!!(x), 1)

#endif
