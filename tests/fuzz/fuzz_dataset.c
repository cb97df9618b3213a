/* Any bytes as captions.tsv, for the pictures of tests/fixtures/images. What opens is walked whole. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/dataset.h"
#include "tests/fuzz/memory_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const caption_dataset *dataset)
{
    size_t captions = 0;
    for (size_t i = 0; i < caption_dataset_size(dataset); i++) {
        const caption_dataset_image *image = caption_dataset_at(dataset, i);
        if (!image->file[0] || strchr(image->file, '/') || image->n_captions == 0)
            abort();
        for (size_t j = 0; j < image->n_captions; j++, captions++)
            if (!image->captions[j][0])
                abort();
    }
    if (captions != caption_dataset_captions(dataset))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memory_file memory = memory_file_of(data, size);
    caption_dataset *dataset;
    caption_error err;
    if (caption_dataset_open(&dataset, "tests/fixtures/images", memory.path, &err) == CAPTION_OK) {
        walk(dataset);
        caption_dataset_free(dataset);
    }
    memory_file_close(&memory);
    return 0;
}
