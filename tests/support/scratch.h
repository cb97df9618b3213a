/* scratch.h: files that a test may damage, in a directory of its own that is removed with all it holds. */
#ifndef TESTS_SUPPORT_SCRATCH_H
#define TESTS_SUPPORT_SCRATCH_H

#include <stddef.h>

/* For cmocka: group setup and teardown. */
int scratch_make(void **state);
int scratch_remove(void **state);

/* The path of `name` inside the directory. One static buffer: valid until the next call. */
const char *scratch_path(const char *name);

/* Writes a file and returns its path (scratch_path). Fails the test if it cannot. */
const char *scratch_write(const char *name, const void *bytes, size_t size);

/* The whole file, malloc'd, NUL-terminated behind its *size bytes. Fails the test if it cannot. */
unsigned char *scratch_read(const char *path, size_t *size);

/* How many entries the directory holds. */
int scratch_count(void);

/* Reproducible noise for mutations: xorshift64. */
unsigned scratch_random(unsigned long long *seed);

#endif
