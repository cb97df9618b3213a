/* caged.c: see caged.h. */
#include "tests/fuzz/caged.h"

#include <stdlib.h>
#include <string.h>

#include "server/decode/helper.h"

void caged_decode(const uint8_t *data, size_t size)
{
    static helper_memory memory;
    unsigned char *copy = malloc(size ? size : 1);
    if (!copy)
        return;
    memcpy(copy, data, size);
    memory.question = (helper_question){
        .wanted = HELPER_IMAGE | HELPER_PICTURE, .max_side = 64, .size = size, .limits = {.max_pixels = 1 << 16}};
    helper_serve(&memory, copy);
    free(copy);
}

void caged_decode_as(const char *magic, size_t magic_size, size_t at, const uint8_t *data, size_t size)
{
    unsigned char *file = size >= at + magic_size ? malloc(size) : NULL;
    if (!file)
        return;
    memcpy(file, data, size);
    memcpy(file + at, magic, magic_size);
    caged_decode(file, size);
    free(file);
}
