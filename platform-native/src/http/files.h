/*
 * Files below the root of a site.
 */
#ifndef TRPI_HTTP_FILES_H
#define TRPI_HTTP_FILES_H

#include <stddef.h>
#include <stdint.h>

/* An open file of the site. */
typedef struct trpi_file {
    int fd;
    uint64_t size;
    char etag[48];    /* with its quotes */
    const char *type; /* media type; static */
} trpi_file;

/* What trpi_file_open found. */
typedef enum trpi_found {
    TRPI_FOUND_FILE,
    TRPI_FOUND_FOLDER, /* the path names a folder and lacks its final slash */
    TRPI_FOUND_NOTHING
} trpi_found;

/*
 * Opens what the decoded URL path `path` names below the folder `root_fd`; a path that ends in a
 * slash means index.html in that folder. Never leaves the root: no `..`, no hidden names, no
 * symbolic links, regular files only.
 */
trpi_found trpi_file_open(int root_fd, const char *path, size_t length, trpi_file *out);

#endif
