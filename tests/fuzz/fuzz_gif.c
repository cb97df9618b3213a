/* Any bytes as a GIF. */
#include "tests/fuzz/caged.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    caged_decode_as("GIF8", 4, 0, data, size);
    return 0;
}
