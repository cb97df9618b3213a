/* Any bytes as a WebP. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/caged.h"

enum { HEAD = 12 }; /* RIFF, the size of what follows, WEBP */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char *file = size >= HEAD ? malloc(size) : NULL;
    if (!file)
        return 0;
    memcpy(file, data, size);
    memcpy(file, "RIFF", 4);
    caged_decode_as("WEBP", 4, 8, file, size);
    free(file);
    return 0;
}
