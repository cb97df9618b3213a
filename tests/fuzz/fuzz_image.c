/* Any bytes as a photo. The limit is small so that claimed sizes stay cheap and the fuzzer fast. */
#include <stddef.h>
#include <stdint.h>

#include "model/caption.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static caption_image image;
    const caption_image_limits limits = {.max_pixels = 1 << 16};
    caption_error err;
    caption_image_decode(&image, data, size, &limits, &err);
    return 0;
}
