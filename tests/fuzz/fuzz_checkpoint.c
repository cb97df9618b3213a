/* Any bytes as a training checkpoint: as they are; and as bytes that replace some of a good one's, position and value
 * by turns. What is read has as many finite numbers as the optimizer, and the counters make sense. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/training/checkpoint.h"
#include "tests/fuzz/memory_file.h"

enum { N = 7, PATCH = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_checkpoint(const void *bytes, size_t size)
{
    const optimizer_options options = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .average = 0.5};
    float parameters[N] = {0};
    optimizer o;
    checkpoint state;
    caption_error err;
    if (optimizer_init(&o, &options, N, parameters, &err) != CAPTION_OK)
        abort();
    memory_file file = memory_file_of(bytes, size);
    if (checkpoint_read(file.path, "a run", &state, &o, parameters, &err) == CAPTION_OK)
        for (int i = 0; i < N; i++)
            if (!__builtin_isfinite(parameters[i]) || state.epoch < 0 || state.batch < 0)
                abort();
    memory_file_close(&file);
    optimizer_free(&o);
}

/* The bytes of a good one, written once. */
static const unsigned char *good(size_t *size)
{
    static unsigned char bytes[1 << 16];
    static size_t length;
    if (length == 0) {
        char path[] = "/tmp/fuzz-checkpoint-XXXXXX";
        const optimizer_options options = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .average = 0.5};
        float parameters[N] = {1, 2, 3, 4, 5, 6, 7};
        optimizer o;
        caption_error err;
        close(mkstemp(path));
        if (optimizer_init(&o, &options, N, parameters, &err) ||
            checkpoint_write(path, "a run", &(checkpoint){1, 2, 1, 0.5}, &o, parameters, &err))
            abort();
        FILE *file = fopen(path, "rb");
        length = file ? fread(bytes, 1, sizeof bytes, file) : 0;
        if (file)
            fclose(file);
        unlink(path);
        optimizer_free(&o);
    }
    *size = length;
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t whole;
    const unsigned char *bytes = good(&whole);
    unsigned char *patched = malloc(whole);
    if (!patched)
        return 0;
    read_checkpoint(data, size);
    memcpy(patched, bytes, whole);
    memcpy(memmem(patched, whole, "checksums", 9), "checkless", 9); /* else they find every change first */
    for (size_t i = 0; i + PATCH <= size; i += PATCH)
        patched[((size_t)data[i] << 8 | data[i + 1]) % whole] = data[i + 2];
    read_checkpoint(patched, whole);
    free(patched);
    return 0;
}
