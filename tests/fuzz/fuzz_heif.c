/* Any bytes as HEIC or AVIF: a file type box comes first. */
#include "tests/fuzz/caged.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] & 1)
        caged_decode_as("ftypavif", 8, 4, data, size);
    else
        caged_decode_as("ftypheic", 8, 4, data, size);
    return 0;
}
