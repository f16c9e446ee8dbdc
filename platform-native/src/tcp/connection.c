/*
 * One TCP connection. What the session sends in a step is collected and written at the end of the
 * step with one system call; only what the socket does not take at once is left to libuv's write
 * queue.
 *
 * The end. The session's last frame often says why it ends, and the peer should see it. So a
 * connection in good order lingers: it writes the rest, shuts its side down and reads on until the
 * peer closes too or the time is up. Closing a socket that has unread bytes would instead reset the
 * connection and destroy what is on its way.
 */
#include "tcp/connection.h"

#include <stdlib.h>
#include <string.h>

#define LINGER_NS (2 * TRP_NS_PER_S)
#define KEEPALIVE_S 60
#define BUFS_MAX 16

static void flush(trpi_connection *connection);

/* ---- closing the handles ---- */

/* Frees the connection when its handles are closed and the session does not know it any more. */
static void free_if_gone(trpi_connection *connection) {
    if (connection->handles_open > 0 || connection->session != NULL) {
        return;
    }
    connection->config.on_gone(connection);
    trpi_service_remove(&connection->service);
    trpi_output_clear(&connection->pending);
    trpi_output_clear(&connection->writing);
    free(connection);
}

static void on_handle_closed(uv_handle_t *handle) {
    trpi_connection *connection = handle->data;
    connection->handles_open--;
    free_if_gone(connection);
}

static void close_handles(trpi_connection *connection) {
    if (connection->is_closing) {
        return;
    }
    connection->is_closing = true;
    trpi_list_remove(&connection->flush.link);
    uv_close((uv_handle_t *)&connection->stream, on_handle_closed);
    uv_close((uv_handle_t *)&connection->watchdog, on_handle_closed);
}

/* The socket is useless: the session hears of it, or the connection just ends. */
static void fail(trpi_connection *connection, int error) {
    if (connection->is_broken) {
        return;
    }
    connection->is_broken = true;
    uv_read_stop((uv_stream_t *)&connection->stream);
    if (connection->session != NULL) {
        trp_session_lost(connection->session, error);
    } else {
        close_handles(connection);
    }
}

/* ---- writing ---- */

static void on_watchdog(uv_timer_t *timer) {
    trpi_connection *connection = timer->data;
    uint64_t now = uv_hrtime();
    trpi_driver_enter(connection->driver);
    if (connection->is_lingering) {
        close_handles(connection);
        return;
    }
    size_t unwritten = uv_stream_get_write_queue_size((uv_stream_t *)&connection->stream);
    if (unwritten != connection->unwritten) {
        connection->unwritten = unwritten;
        connection->progress_ns = now;
    } else if (now - connection->progress_ns >= connection->config.write_deadline_ns) {
        uv_timer_stop(timer);
        fail(connection, TRP_ETIMEOUT);
    }
}

/* Looks four times per deadline, so that a stalled peer is noticed at most a quarter late. */
static void start_watchdog(trpi_connection *connection) {
    uint64_t interval_ms = connection->config.write_deadline_ns / 4 / TRP_NS_PER_MS + 1;
    connection->progress_ns = uv_hrtime();
    connection->unwritten = uv_stream_get_write_queue_size((uv_stream_t *)&connection->stream);
    uv_timer_start(&connection->watchdog, on_watchdog, interval_ms, interval_ms);
}

static unsigned gather(const trpi_output *output, uv_buf_t *bufs, unsigned bufs_max) {
    unsigned len = 0;
    for (trpi_chunk *chunk = output->head; chunk != NULL && len < bufs_max; chunk = chunk->next) {
        bufs[len].base = (char *)chunk->bytes + chunk->start;
        bufs[len].len = chunk->end - chunk->start;
        len++;
    }
    return len;
}

/* Tells the session to wait or to go on. May end the session. */
static void check_marks(trpi_connection *connection) {
    size_t queued = connection->pending.length + connection->writing.length;
    if (connection->session == NULL) {
        return;
    }
    if (!connection->is_clogged && queued > TRPI_OUTPUT_HIGH) {
        connection->is_clogged = true;
        trp_session_writable(connection->session, false);
    } else if (connection->is_clogged && queued < TRPI_OUTPUT_LOW) {
        connection->is_clogged = false;
        trp_session_writable(connection->session, true);
    }
}

static void on_written(uv_write_t *request, int status) {
    trpi_connection *connection = request->handle->data;
    if (connection->is_closing) {
        return;
    }
    trpi_driver_enter(connection->driver);
    trpi_output_clear(&connection->writing);
    if (!connection->is_lingering) {
        uv_timer_stop(&connection->watchdog);
    }
    if (status < 0) {
        fail(connection, trpi_error_from_uv(status));
        return;
    }
    flush(connection);
}

/* Leaves what is pending, up to BUFS_MAX chunks, to libuv. */
static int write_later(trpi_connection *connection) {
    uv_buf_t bufs[BUFS_MAX];
    connection->writing = (trpi_output){NULL, NULL, 0};
    for (unsigned i = 0; i < BUFS_MAX && connection->pending.head != NULL; i++) {
        trpi_chunk *chunk = connection->pending.head;
        connection->pending.head = chunk->next;
        connection->pending.length -= chunk->end - chunk->start;
        chunk->next = NULL;
        if (connection->writing.tail == NULL) {
            connection->writing.head = chunk;
        } else {
            connection->writing.tail->next = chunk;
        }
        connection->writing.tail = chunk;
        connection->writing.length += chunk->end - chunk->start;
    }
    if (connection->pending.head == NULL) {
        connection->pending.tail = NULL;
    }
    unsigned len = gather(&connection->writing, bufs, BUFS_MAX);
    int error =
        uv_write(&connection->write, (uv_stream_t *)&connection->stream, bufs, len, on_written);
    if (error == 0 && !connection->is_lingering) {
        start_watchdog(connection);
    }
    return error;
}

static void on_shut(uv_shutdown_t *request, int status) {
    trpi_connection *connection = request->handle->data;
    if (status < 0 && !connection->is_closing) {
        close_handles(connection);
    }
}

/* Everything is written: our side of the stream ends, if the session has ended. */
static void shut_down(trpi_connection *connection) {
    if (!connection->is_lingering || connection->is_shut) {
        return;
    }
    connection->is_shut = true;
    if (uv_shutdown(&connection->shutdown, (uv_stream_t *)&connection->stream, on_shut) != 0) {
        close_handles(connection);
    }
}

static void flush(trpi_connection *connection) {
    int error = 0;
    while (connection->pending.length > 0 && connection->writing.length == 0 && error == 0) {
        uv_buf_t bufs[BUFS_MAX];
        unsigned len = gather(&connection->pending, bufs, BUFS_MAX);
        int written = uv_try_write((uv_stream_t *)&connection->stream, bufs, len);
        if (written > 0) {
            trpi_output_consume(&connection->pending, (size_t)written);
        } else if (written == UV_EAGAIN) {
            error = write_later(connection);
        } else {
            error = written;
        }
    }
    if (error != 0) {
        fail(connection, trpi_error_from_uv(error));
        return;
    }
    if (connection->pending.length + connection->writing.length == 0) {
        shut_down(connection);
    }
    check_marks(connection);
}

static void run_flush(trpi_deferred *deferred) {
    trpi_connection *connection = TRPI_CONTAINER(deferred, trpi_connection, flush);
    if (!connection->is_closing && !connection->is_broken) {
        flush(connection);
    }
}

/* ---- the session's side ---- */

static int transport_send(void *self, const void *bytes, size_t length) {
    trpi_connection *connection = self;
    if (connection->is_broken || connection->is_closing) {
        return TRP_ECLOSED;
    }
    if (connection->pending.length + connection->writing.length + length > TRPI_OUTPUT_MAX) {
        return TRP_EFULL;
    }
    if (!trpi_output_append(&connection->pending, bytes, length)) {
        return TRP_ENOMEM;
    }
    trpi_driver_defer(connection->driver, &connection->flush);
    return TRP_OK;
}

static void transport_close(void *self, int error, const char *why) {
    trpi_connection *connection = self;
    (void)error;
    (void)why;
    connection->session = NULL;
    if (connection->is_closing) {
        free_if_gone(connection);
        return;
    }
    if (connection->is_broken) {
        close_handles(connection);
        return;
    }
    connection->is_lingering = true;
    uv_timer_start(&connection->watchdog, on_watchdog, LINGER_NS / TRP_NS_PER_MS, 0);
    trpi_driver_defer(connection->driver, &connection->flush); /* ends in shut_down */
}

static void session_state(void *arg, trp_session *session, trp_session_state state,
                          const char *node, int error, const char *why) {
    trpi_connection *connection = arg;
    (void)session;
    connection->config.on_state(connection, state, node, error, why);
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    trpi_connection *connection = handle->data;
    (void)suggested;
    buf->base = trpi_driver_read_buffer(connection->driver);
    buf->len = buf->base == NULL ? 0 : TRPI_READ_BUFFER;
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buf) {
    trpi_connection *connection = stream->data;
    trpi_driver_enter(connection->driver);
    if (length < 0) {
        fail(connection, length == UV_ENOBUFS ? TRP_ENOMEM : trpi_error_from_uv((int)length));
    } else if (length > 0 && connection->session != NULL) {
        trp_session_receive(connection->session, buf->base, (size_t)length);
    }
}

/* ---- life ---- */

void trpi_connection_close(trpi_connection *connection, trpi_closing how) {
    if (how == TRPI_CLOSING_STOP || connection->is_closing) {
        return;
    }
    if (how == TRPI_CLOSING_FLUSH) {
        if (connection->session != NULL) {
            trp_session_close(connection->session);
        } else if (!connection->is_lingering) {
            close_handles(connection);
        }
        return;
    }
    if (connection->session != NULL && !connection->is_broken) {
        trp_session_lost(connection->session, TRP_ECLOSED);
    }
    connection->is_broken = true;
    close_handles(connection);
}

static void close_service(trpi_service *service, trpi_closing how) {
    trpi_connection_close(TRPI_CONTAINER(service, trpi_connection, service), how);
}

trpi_connection *trpi_connection_new(trpi_driver *driver, void *owner,
                                     const trpi_connection_config *config) {
    trpi_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        return NULL;
    }
    connection->driver = driver;
    connection->owner = owner;
    connection->config = *config;
    connection->flush.run = run_flush;
    connection->service.close = close_service;
    trpi_link_init(&connection->flush.link);
    uv_tcp_init(driver->loop, &connection->stream); /* without a socket these two cannot fail */
    uv_timer_init(driver->loop, &connection->watchdog);
    connection->stream.data = connection->watchdog.data = connection;
    connection->handles_open = 2;
    trpi_service_add(driver, &connection->service);
    return connection;
}

int trpi_connection_open(trpi_connection *connection) {
    struct sockaddr_storage peer;
    int length = sizeof peer;
    if (uv_tcp_getpeername(&connection->stream, (struct sockaddr *)&peer, &length) == 0) {
        trpi_address_format((struct sockaddr *)&peer, connection->peer);
    }
    if (connection->config.socket_bytes != 0) {
        int send_bytes = (int)connection->config.socket_bytes;
        int receive_bytes = send_bytes;
        uv_send_buffer_size((uv_handle_t *)&connection->stream, &send_bytes);
        uv_recv_buffer_size((uv_handle_t *)&connection->stream, &receive_bytes);
    }
    uv_tcp_nodelay(&connection->stream, 1); /* frames are batched here already */
    uv_tcp_keepalive(&connection->stream, 1, KEEPALIVE_S);
    int error = uv_read_start((uv_stream_t *)&connection->stream, on_alloc, on_read);
    if (error != 0) {
        close_handles(connection);
        return trpi_error_from_uv(error);
    }
    trp_transport transport = {
        .size = sizeof transport,
        .self = connection,
        .send = transport_send,
        .close = transport_close,
    };
    trp_session_options options = {
        .size = sizeof options,
        .dialler = connection->config.dialler,
        .auths = 1u << TRP_AUTH_COOKIE,
        .rights = connection->config.rights,
        .arg = connection,
        .on_state = session_state,
    };
    error = trp_session_open(trpi_driver_ctx(connection->driver), &transport, &options,
                             &connection->session);
    if (error != TRP_OK) {
        close_handles(connection);
    }
    return error;
}
