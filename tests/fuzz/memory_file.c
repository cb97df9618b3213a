/* memory_file.c: see memory_file.h. */
#include "tests/fuzz/memory_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

memory_file memory_file_of(const void *bytes, size_t size)
{
    memory_file file = {.descriptor = memfd_create("fuzz", 0)};
    if (file.descriptor < 0 || write(file.descriptor, bytes, size) != (ssize_t)size)
        abort();
    snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.descriptor);
    return file;
}

void memory_file_close(memory_file *file)
{
    close(file->descriptor);
}
