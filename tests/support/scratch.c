/* scratch.c: see scratch.h. */
#include "tests/support/scratch.h"

#include <dirent.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[64];

int scratch_make(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/captiond-test-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

/* Calls `visit` for every entry but . and .. */
static void each_entry(void (*visit)(const char *name, int *count), int *count)
{
    DIR *listing = opendir(directory);
    assert_non_null(listing);
    for (struct dirent *entry; (entry = readdir(listing));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            visit(entry->d_name, count);
    closedir(listing);
}

static int remove_entry(const char *path, const struct stat *facts, int type, struct FTW *place)
{
    (void)facts, (void)type, (void)place;
    return remove(path);
}

static void count_entry(const char *name, int *count)
{
    (void)name;
    ++*count;
}

int scratch_remove(void **state)
{
    enum { DESCRIPTORS = 16 };
    (void)state;
    return nftw(directory, remove_entry, DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}

int scratch_count(void)
{
    int count = 0;
    each_entry(count_entry, &count);
    return count;
}

const char *scratch_path(const char *name)
{
    static char path[sizeof directory + 256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

const char *scratch_write(const char *name, const void *bytes, size_t size)
{
    const char *path = scratch_path(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return path;
}

unsigned char *scratch_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    bytes[*size] = '\0';
    fclose(file);
    return bytes;
}

unsigned scratch_random(unsigned long long *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (unsigned)(*seed >> 32);
}
