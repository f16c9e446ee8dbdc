/*
 * One TCP connection and the session on it. Made by a listener or a dialler, its owner.
 */
#ifndef TRPI_TCP_CONNECTION_H
#define TRPI_TCP_CONNECTION_H

#include "address.h"
#include "driver.h"
#include "output.h"

typedef struct trpi_connection trpi_connection;

/* What an owner decides about its connections. */
typedef struct trpi_connection_config {
    bool dialler;
    uint32_t rights;
    uint64_t write_deadline_ns;
    uint32_t socket_bytes; /* 0: the system's choice */
    /* The session changed its state. */
    void (*on_state)(trpi_connection *connection, trp_session_state state, const char *node,
                     int error, const char *why);
    /* The handles are closed and the connection is about to be freed. Last call. */
    void (*on_gone)(trpi_connection *connection);
} trpi_connection_config;

struct trpi_connection {
    trpi_service service;
    trpi_deferred flush;
    trpi_driver *driver;
    void *owner;
    trpi_connection_config config;
    trp_session *session; /* NULL before it is opened and after it has ended */
    uv_tcp_t stream;
    uv_timer_t watchdog; /* write deadline while `writing`, linger deadline while `is_lingering` */
    uv_write_t write;
    uv_shutdown_t shutdown;
    trpi_output pending; /* not given to libuv yet */
    trpi_output writing; /* what `write` refers to; empty if none is under way */
    size_t unwritten;    /* libuv's queue when the watchdog last looked */
    uint64_t progress_ns;
    unsigned handles_open;
    bool is_clogged;   /* the session was told to wait */
    bool is_broken;    /* the socket is of no more use */
    bool is_lingering; /* the session has ended, its last bytes go out */
    bool is_shut;      /* our side of the stream is shut down, or about to be */
    bool is_closing;
    bool is_half_open; /* for the owner: has not proved itself */
    char peer[TRPI_ADDRESS_TEXT];
};

/* Makes a connection with an unconnected stream. NULL when out of memory. */
trpi_connection *trpi_connection_new(trpi_driver *driver, void *owner,
                                     const trpi_connection_config *config);

/* The stream is connected: reads, and opens the session. On error the connection is closed. */
int trpi_connection_open(trpi_connection *connection);

/* Closes in good order or at once. Idempotent. */
void trpi_connection_close(trpi_connection *connection, trpi_closing how);

#endif
