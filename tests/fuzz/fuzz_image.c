/* Any bytes as an image of whatever format they say. */
#include "tests/fuzz/caged.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    caged_decode(data, size);
    return 0;
}
