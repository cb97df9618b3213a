/* Any bytes as a TIFF, of either order of bytes. */
#include "tests/fuzz/caged.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == 'M')
        caged_decode_as("MM\0*", 4, 0, data, size);
    else
        caged_decode_as("II*\0", 4, 0, data, size);
    return 0;
}
