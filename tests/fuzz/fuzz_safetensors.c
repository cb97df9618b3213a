/* Any bytes as a weight file, first as they are, then as a header text whose length prefix and data are right, which a
 * mutator would seldom hit. What opens has its strings walked and its small tensors read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/storage/safetensors.h"
#include "tests/fuzz/memory_file.h"

enum { PREFIX = 8, DATA = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const safetensors *file)
{
    static const char *const names[] = {"a", "b", "c"};
    const size_t dims[] = {2, 3, 1, 1};
    const char *key, *value;
    for (size_t i = 0; safetensors_metadata_at(file, i, &key, &value); i++)
        if (safetensors_metadata(file, key) != value || strlen(value) > 1 << 20)
            abort();
    for (int i = 0; i < 3; i++)
        for (int ndims = 0; ndims <= 4; ndims++) {
            float single[6];
            double wide[6];
            caption_error err;
            safetensors_read(file, names[i], ndims, dims, single, &err);
            safetensors_read_f64(file, names[i], ndims, dims, wide, &err);
        }
}

static void open_and_read(const void *bytes, size_t size)
{
    memory_file memory = memory_file_of(bytes, size);
    safetensors *file;
    caption_error err;
    if (safetensors_open(&file, memory.path, &err) == CAPTION_OK)
        read_all(file);
    safetensors_close(file);
    memory_file_close(&memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_and_read(data, size);
    uint64_t length = size;
    unsigned char *framed = calloc(1, PREFIX + size + DATA);
    if (!framed)
        return 0;
    memcpy(framed, &length, PREFIX);
    memcpy(framed + PREFIX, data, size);
    for (size_t data_size = 0; data_size <= DATA; data_size += 8)
        open_and_read(framed, PREFIX + size + data_size);
    free(framed);
    return 0;
}
