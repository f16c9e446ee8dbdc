/**
 * @file native_terminal.h
 * The terminal as a port actor: it reads lines when asked and prints what it is sent. Works with
 * terminals, pipes and files alike.
 */
#ifndef TROUPE_NATIVE_TERMINAL_H
#define TROUPE_NATIVE_TERMINAL_H

#include "troupe/native.h"
#include "troupe/type.h"

TRP_BEGIN_DECLS

/** Longest line in bytes; a longer one comes in pieces. */
#define TRP_TERMINAL_LINE_MAX 65536

/**
 * To the terminal, as a request: read a line. The reply is a trp_terminal_line. `prompt` is printed
 * first if somebody is there to see it (input and output are a terminal). One read at a time; a
 * second one gets TRP_ESTATE.
 */
#define TRP_TERMINAL_READ_FIELDS(F) F(string, prompt, 1)

/**
 * From the terminal: a line without its end. `is_end`: there is no more input, now or ever; `text`
 * is empty then.
 */
#define TRP_TERMINAL_LINE_FIELDS(F)                                                                \
    F(string, text, 1)                                                                             \
    F(boolean, is_end, 2)

/** To the terminal: print `text` as it is. If that cannot be done the terminal fails (TRP_EIO). */
#define TRP_TERMINAL_WRITE_FIELDS(F) F(string, text, 1)

TRP_TYPE_DECLARE(trp_terminal_read, TRP_TERMINAL_READ_FIELDS)
TRP_TYPE_DECLARE(trp_terminal_line, TRP_TERMINAL_LINE_FIELDS)
TRP_TYPE_DECLARE(trp_terminal_write, TRP_TERMINAL_WRITE_FIELDS)

/** Which files the terminal uses. Zero is the default for each. */
typedef struct trp_terminal_options {
    size_t size; /**< sizeof(trp_terminal_options) */
    int in_fd;   /**< default 0, standard input; duplicated; a pipe is non-blocking meanwhile */
    int out_fd;  /**< 0 means 1, standard output; borrowed; writing waits for slow readers */
} trp_terminal_options;

/**
 * Spawns a terminal on the ctx's scheduler, pinned there. `options` may be NULL. Errors: as
 * trp_spawn, TRP_EIO (the descriptor cannot be read).
 */
TRP_API int trp_terminal_spawn(trp_ctx *ctx, trp_native *native,
                               const trp_terminal_options *options, trp_pid *pid);

TRP_END_DECLS

#endif
