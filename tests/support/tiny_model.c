/* tiny_model.c: see tiny_model.h. */
#include "tests/support/tiny_model.h"

#include <stdlib.h>

#include "model/decoder/model.h"
#include "model/random.h"

static const char words[] =
    "<NULL>\n<START>\n<END>\n<UNK>\na\ntwo\nred\nsmall\nold\ndog\ncat\nbird\nhouse\nruns\nsits\n"
    "sleeps\nin\non\nthe\nwater\ngrass\nsnow\nwith\nball";

enum { WORD_SIZE = 12, HIDDEN = 16 };

static int write_random(const char *path, const decoder_shape *shape, const vocabulary *v, unsigned seed,
                        caption_error *err)
{
    decoder_tensor tensors[DECODER_MAX_TENSORS];
    size_t total;
    decoder_layout(shape, tensors, &total);
    float *parameters = malloc(total * sizeof *parameters);
    if (!parameters)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory");
    random_stream random = random_seeded(seed);
    for (size_t i = 0; i < total; i++)
        parameters[i] = (float)(2 * random_uniform(&random) - 1);
    int status = model_write(path, shape, v, NULL, "of no encoder in particular", parameters, SAFETENSORS_F32,
                             (const char *const[][2]){{"dev_cider", "0.125"}, {NULL, NULL}}, err);
    free(parameters);
    return status;
}

int tiny_model_write(const char *path, const char *kind, unsigned seed, caption_error *err)
{
    vocabulary *v;
    decoder_shape shape = {.features = CAPTION_FEATURES, .words = WORD_SIZE, .hidden = HIDDEN};
    if (!decoder_kind_parse(kind, &shape.kind))
        return caption_fail(err, CAPTION_EINVAL, "no kind %s", kind);
    int status = vocabulary_parse(&v, words, err);
    if (status)
        return status;
    shape.vocabulary = vocabulary_size(v);
    model_shape_look(&shape, HIDDEN);
    status = write_random(path, &shape, v, seed, err);
    vocabulary_free(v);
    return status;
}
