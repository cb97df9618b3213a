/* captioner.c: see captioner.h. */
#include "tests/support/captioner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/decoder/model.h"
#include "model/random.h"
#include "tests/support/scratch.h"

enum { WORD_SIZE = 16, HIDDEN = 24 };

caption_model *captioner_of(const decoder_shape *shape, const char *words, const float *parameters)
{
    const char *const none[][2] = {{NULL, NULL}};
    vocabulary *v;
    caption_model *model;
    assert_int_equal(vocabulary_parse(&v, words, NULL), CAPTION_OK);
    const char *path = scratch_path("captioner.safetensors");
    assert_int_equal(model_write(path, shape, v, NULL, "", parameters, SAFETENSORS_F16, none, NULL), CAPTION_OK);
    vocabulary_free(v);
    assert_int_equal(caption_model_open(&model, path, NULL), CAPTION_OK);
    return model;
}

static int count_words(const char *joined)
{
    int n = 1;
    for (; *joined; joined++)
        n += *joined == '\n';
    return n;
}

caption_model *captioner_random(const char *kind, const char *words, unsigned seed)
{
    char joined[4096];
    decoder_tensor at[DECODER_MAX_TENSORS];
    size_t total;
    decoder_shape shape = {.features = CAPTION_FEATURES, .words = WORD_SIZE, .hidden = HIDDEN};
    assert_true(decoder_kind_parse(kind, &shape.kind));
    assert_true((size_t)snprintf(joined, sizeof joined, "<NULL>\n<START>\n<END>\n<UNK>\n%s", words) < sizeof joined);
    shape.vocabulary = count_words(joined);
    model_shape_look(&shape, HIDDEN);
    decoder_layout(&shape, at, &total);
    float *p = malloc(total * sizeof *p);
    assert_non_null(p);
    random_stream random = random_seeded(seed);
    for (size_t i = 0; i < total; i++)
        p[i] = (float)(2 * random_uniform(&random) - 1) * (i < at[DECODER_B_PROJ].offset ? 0.1f : 1);
    p[at[DECODER_B_VOCAB].offset + VOCABULARY_END] = 1.5f;
    caption_model *model = captioner_of(&shape, joined, p);
    free(p);
    return model;
}

static float *uniform(int n, random_stream *random)
{
    float *numbers = malloc((size_t)n * sizeof *numbers);
    assert_non_null(numbers);
    for (int i = 0; i < n; i++)
        numbers[i] = (float)random_uniform(random);
    return numbers;
}

captioner_pictures captioner_pictures_make(int n, unsigned seed)
{
    random_stream random = random_seeded(seed);
    captioner_pictures p = {.n = n};
    p.features = uniform(n * CAPTION_FEATURES, &random);
    p.maps = uniform(n * CAPTION_MAP, &random);
    return p;
}

void captioner_pictures_free(captioner_pictures *p)
{
    free(p->features);
    free(p->maps);
}

void captioner_show(caption_session *session, const captioner_pictures *p, int first, int n)
{
    assert_int_equal(caption_session_set_features(session, n, p->features + (size_t)first * CAPTION_FEATURES,
                                                  p->maps + (size_t)first * CAPTION_MAP, NULL),
                     CAPTION_OK);
}

caption_session *captioner_session(const captioner_pictures *p)
{
    caption_session *session;
    assert_int_equal(caption_session_new(&session, NULL, p->n, NULL), CAPTION_OK);
    captioner_show(session, p, 0, p->n);
    return session;
}
