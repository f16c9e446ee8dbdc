/*
 * The reading half of a terminal. Terminals, pipes and sockets are libuv streams, read only while a
 * line is wanted, so that a pipe with much in it stays in the pipe. A regular file (or /dev/null)
 * cannot be polled but never blocks for long, and is read directly.
 */
#include "terminal/port.h"

#include "troupe/native_terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct trpi_port {
    trpi_service service;
    trpi_deferred look; /* gives the wanted line outside of the actor that asked */
    trpi_driver *driver;
    trpi_port_line *on_line;
    trp_pid owner;
    int fd;    /* a duplicate of the caller's */
    int flags; /* of the descriptor before libuv changed them */
    bool is_stream;
    bool keeps_fd; /* closing the handle does not close `fd` */
    bool is_wanted;
    bool is_reading;
    bool has_ended;
    bool is_closing;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tty_t tty;
        uv_pipe_t pipe;
        uv_tcp_t tcp;
        uv_idle_t none; /* does nothing, so that files close the way streams do */
    } as;
    size_t start; /* first byte not given yet */
    size_t end;
    char bytes[TRP_TERMINAL_LINE_MAX];
};

static void read_more(trpi_port *port);

/* ---- lines ---- */

/* Gives the wanted line if it is there. */
static void look_for_line(trpi_port *port) {
    if (!port->is_wanted || port->is_closing) {
        return;
    }
    char *line = port->bytes + port->start;
    size_t length = port->end - port->start;
    char *newline = memchr(line, '\n', length);
    size_t used = length;
    if (newline != NULL) {
        length = (size_t)(newline - line);
        used = length + 1;
    } else if (!port->has_ended && length < sizeof port->bytes) {
        read_more(port);
        return;
    }
    port->is_wanted = false;
    bool is_end = newline == NULL && length == 0;
    port->start += used;
    if (newline != NULL && length > 0 && line[length - 1] == '\r') {
        length--;
    }
    port->on_line(port->driver, port->owner, is_end ? NULL : line, length);
}

static void run_look(trpi_deferred *deferred) {
    look_for_line(TRPI_CONTAINER(deferred, trpi_port, look));
}

/* Makes room behind `end`. */
static void compact(trpi_port *port) {
    memmove(port->bytes, port->bytes + port->start, port->end - port->start);
    port->end -= port->start;
    port->start = 0;
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    trpi_port *port = handle->data;
    (void)suggested;
    compact(port);
    buf->base = port->bytes + port->end;
    buf->len = sizeof port->bytes - port->end;
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buf) {
    trpi_port *port = stream->data;
    (void)buf;
    trpi_driver_enter(port->driver);
    if (length == 0) {
        return;
    }
    uv_read_stop(stream);
    port->is_reading = false;
    if (length < 0) {
        port->has_ended =
            true; /* an error ends the input as its end does: there is no more to come */
    } else {
        port->end += (size_t)length;
    }
    look_for_line(port);
}

static void read_file(trpi_port *port) {
    ssize_t length;
    compact(port);
    do {
        length = read(port->fd, port->bytes + port->end, sizeof port->bytes - port->end);
    } while (length < 0 && errno == EINTR);
    if (length <= 0) {
        port->has_ended = true;
    } else {
        port->end += (size_t)length;
    }
    trpi_driver_defer(port->driver, &port->look);
}

static void read_more(trpi_port *port) {
    if (!port->is_stream) {
        read_file(port);
        return;
    }
    if (!port->is_reading) {
        port->is_reading = uv_read_start(&port->as.stream, on_alloc, on_read) == 0;
    }
    if (!port->is_reading) {
        port->has_ended = true;
        trpi_driver_defer(port->driver, &port->look);
    }
}

void trpi_port_want(trpi_port *port) {
    port->is_wanted = true;
    trpi_driver_defer(port->driver, &port->look);
}

/* ---- life ---- */

static void release(trpi_port *port) {
    if (port->is_stream && port->flags >= 0) {
        fcntl(port->fd, F_SETFL,
              port->flags); /* whoever shares the pipe with us finds it as it was */
    }
    trpi_service_remove(&port->service);
    free(port);
}

static void on_closed(uv_handle_t *handle) {
    release(handle->data);
}

void trpi_port_close(trpi_port *port) {
    if (port->is_closing) {
        return;
    }
    port->is_closing = true;
    trpi_list_remove(&port->look.link);
    if (port->is_stream && !port->keeps_fd) {
        fcntl(port->fd, F_SETFL, port->flags); /* whoever shares the pipe finds it as it was */
    }
    uv_close(&port->as.handle, on_closed);
}

static void close_service(trpi_service *service, trpi_closing how) {
    if (how != TRPI_CLOSING_STOP) {
        trpi_port_close(TRPI_CONTAINER(service, trpi_port, service));
    }
}

/*
 * Makes the handle that fits the descriptor, and opens it. `is_made` tells whether the handle has
 * to be closed. 0 or an error of libuv.
 */
static int open_handle(trpi_port *port, bool *is_made) {
    uv_loop_t *loop = port->driver->loop;
    int error;
    *is_made = true;
    port->is_stream = true;
    switch (uv_guess_handle(port->fd)) {
    case UV_TTY:
        error = uv_tty_init(loop, &port->as.tty, port->fd, 0);
        *is_made = error == 0;
        return error;
    case UV_NAMED_PIPE:
        uv_pipe_init(loop, &port->as.pipe, 0); /* these inits cannot fail */
        return uv_pipe_open(&port->as.pipe, port->fd);
    case UV_TCP:
        uv_tcp_init(loop, &port->as.tcp);
        return uv_tcp_open(&port->as.tcp, port->fd);
    default:
        port->is_stream = false;
        return uv_idle_init(loop, &port->as.none);
    }
}

int trpi_port_open(trpi_driver *driver, int fd, trpi_port_line *on_line, trp_pid owner,
                   trpi_port **out) {
    bool is_made;
    uv_os_fd_t used = -1;
    int flags = fcntl(fd, F_GETFL);
    int own_fd = flags < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (own_fd < 0) {
        return TRP_EIO;
    }
    trpi_port *port = calloc(1, sizeof *port);
    if (port == NULL) {
        close(own_fd);
        return TRP_ENOMEM;
    }
    port->driver = driver;
    port->fd = own_fd;
    port->flags = flags;
    port->on_line = on_line;
    port->owner = owner;
    port->look.run = run_look;
    trpi_link_init(&port->look.link);
    int error = open_handle(port, &is_made);
    if (!is_made) {
        close(own_fd);
        free(port);
        return TRP_EIO;
    }
    port->as.handle.data = port;
    /* A terminal is opened anew by libuv, which then does not use our descriptor. */
    port->keeps_fd = uv_fileno(&port->as.handle, &used) != 0 || used != own_fd;
    port->service.close = close_service;
    trpi_service_add(driver, &port->service);
    if (error != 0) {
        trpi_port_close(port);
        return TRP_EIO;
    }
    *out = port;
    return TRP_OK;
}
