/* memory_file.h: the fuzzer's bytes under a path, without touching a disk. */
#ifndef TESTS_FUZZ_MEMORY_FILE_H
#define TESTS_FUZZ_MEMORY_FILE_H

#include <stddef.h>

typedef struct memory_file {
    int descriptor;
    char path[32];
} memory_file;

/* Aborts if the machine cannot: a fuzzer that silently tests nothing is worse. */
memory_file memory_file_of(const void *bytes, size_t size);
void memory_file_close(memory_file *file);

#endif
