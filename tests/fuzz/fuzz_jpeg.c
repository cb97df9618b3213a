/* Any bytes as a JPEG. */
#include "tests/fuzz/caged.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    caged_decode_as("\xff\xd8\xff", 3, 0, data, size);
    return 0;
}
