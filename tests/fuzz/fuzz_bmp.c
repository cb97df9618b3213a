/* Any bytes as a BMP. */
#include "tests/fuzz/caged.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    caged_decode_as("BM", 2, 0, data, size);
    return 0;
}
