/*
 * Files below the root of a site. A path is walked from the root's descriptor, one name at a time,
 * each opened without following a symbolic link. So there is no moment between a check and a use,
 * and no text to be normalised: whatever the walk reaches lies below the root.
 */
#include "http/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_LENGTH_MAX 255

static const struct {
    const char *ending;
    const char *type;
} media_types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".wasm", "application/wasm"},
    {".json", "application/json"},
    {".map", "application/json"},
    {".webmanifest", "application/manifest+json"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".webp", "image/webp"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".txt", "text/plain; charset=utf-8"},
    {".md", "text/plain; charset=utf-8"},
    {".ts", "text/plain; charset=utf-8"},
};

static const char *media_type(const char *name) {
    const char *ending = strrchr(name, '.');
    for (size_t i = 0; ending != NULL && i < sizeof media_types / sizeof media_types[0]; i++) {
        if (strcasecmp(ending, media_types[i].ending) == 0) {
            return media_types[i].type;
        }
    }
    return "application/octet-stream";
}

/* Hidden names (`.git`, `.env`, and with them `.` and `..`) are not part of a site. */
static bool is_served_name(const char *name, size_t length) {
    return length > 0 && length <= NAME_LENGTH_MAX && name[0] != '.' && strpbrk(name, "\\") == NULL;
}

/* Takes over `fd`. */
static trpi_found describe(int fd, const char *name, trpi_file *out) {
    struct stat about;
    if (fstat(fd, &about) != 0 || !(S_ISREG(about.st_mode) || S_ISDIR(about.st_mode))) {
        close(fd);
        return TRPI_FOUND_NOTHING;
    }
    if (S_ISDIR(about.st_mode)) {
        close(fd);
        return TRPI_FOUND_FOLDER;
    }
    out->fd = fd;
    out->size = (uint64_t)about.st_size;
    out->type = media_type(name);
    snprintf(out->etag, sizeof out->etag, "\"%llx-%llx%08lx\"", (unsigned long long)about.st_size,
             (unsigned long long)about.st_mtim.tv_sec, (unsigned long)about.st_mtim.tv_nsec);
    return TRPI_FOUND_FILE;
}

/* Opens one name in `folder`, which is closed unless it is the root. -1 if there is none. */
static int step_into(int root_fd, int folder, const char *name, bool is_last) {
    /* O_NONBLOCK: opening a FIFO must not wait for its writer. */
    int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (is_last ? 0 : O_DIRECTORY);
    int fd;
    do {
        fd = openat(folder, name, flags);
    } while (fd < 0 && errno == EINTR);
    if (folder != root_fd) {
        close(folder);
    }
    return fd;
}

trpi_found trpi_file_open(int root_fd, const char *path, size_t length, trpi_file *out) {
    if (length == 0 || path[0] != '/' || memchr(path, '\0', length) != NULL) {
        return TRPI_FOUND_NOTHING;
    }
    int folder = root_fd;
    size_t at = 1;
    for (;;) {
        char name[NAME_LENGTH_MAX + 1];
        const char *slash = memchr(path + at, '/', length - at);
        size_t end = slash == NULL ? length : (size_t)(slash - path);
        bool is_last = slash == NULL;
        size_t name_length = end - at;
        if (name_length > NAME_LENGTH_MAX) {
            break;
        }
        memcpy(name, path + at, name_length);
        name[name_length] = '\0';
        if (is_last && name_length == 0) {
            memcpy(name, "index.html", sizeof "index.html");
            name_length = strlen(name);
        }
        if (!is_served_name(name, name_length)) {
            break;
        }
        folder = step_into(root_fd, folder, name, is_last);
        if (folder < 0) {
            return TRPI_FOUND_NOTHING;
        }
        if (is_last) {
            return describe(folder, name, out);
        }
        at = end + 1;
    }
    if (folder != root_fd) {
        close(folder);
    }
    return TRPI_FOUND_NOTHING;
}
