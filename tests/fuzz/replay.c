/*
 * Runs a fuzz target once over every file of a corpus, in builds that have no libFuzzer. What the fuzzer
 * once found stays a test under every sanitizer.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILE_MAX = 1 << 20 };

static uint8_t *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    uint8_t *data = malloc(FILE_MAX);
    if (!data) {
        fprintf(stderr, "%s: out of memory\n", path);
        exit(1);
    }
    *size = fread(data, 1, FILE_MAX, file);
    fclose(file);
    return data;
}

/* The target gets a block of exactly the input's size, so that reading past its end is seen. */
static void replay_file(const char *path) {
    size_t size = 0;
    uint8_t *data = read_file(path, &size);
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact) {
        fprintf(stderr, "%s: out of memory\n", path);
        exit(1);
    }
    memcpy(exact, data, size);
    free(data);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s corpus-directory\n", argv[0]);
        return 2;
    }
    DIR *directory = opendir(argv[1]);
    if (!directory) {
        perror(argv[1]);
        return 1;
    }
    unsigned count = 0;
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        replay_file(path);
        count++;
    }
    closedir(directory);
    printf("%u inputs replayed\n", count);
    if (count == 0) {
        fprintf(stderr, "%s: the corpus is empty, nothing was tested\n", argv[1]);
        return 1;
    }
    return 0;
}
