/* bench_caption.c: how fast captions are written, on one thread: the decoder alone, from features that were computed
 * before, greedily and by a beam. */
#include <stdio.h>
#include <stdlib.h>

#include "model/caption.h"
#include "server/app/bench.h"
#include "server/base/clock.h"
#include "server/base/options.h"
#include "server/engine/weights.h"

enum { MAX_BATCH = 64, PICTURES = 16 };

typedef struct bench {
    caption_session *session;
    const caption_model *model;
    int batch, captions;
    double seconds, elapsed, best_ms; /* best_ms: a batch */
    long words;
} bench;

/* Features of made-up pictures, in place of those of the encoder: most are 0, as behind the last activation. Other
 * pictures have captions of other lengths, so there are several. */
static int show(const bench *b, unsigned seed, caption_error *err)
{
    static float features[MAX_BATCH * CAPTION_FEATURES], maps[MAX_BATCH * CAPTION_MAP];
    for (size_t i = 0; i < (size_t)b->batch * CAPTION_FEATURES; i++)
        features[i] = rand_r(&seed) % 3 ? 0 : (float)(rand_r(&seed) % 1000) / 500;
    for (size_t i = 0; i < (size_t)b->batch * CAPTION_MAP; i++)
        maps[i] = (float)(rand_r(&seed) % 2000) / 500 - 2;
    return caption_session_set_features(b->session, b->batch, features, maps, err);
}

static int write_captions(bench *b, const caption_options *options, caption_error *err)
{
    static caption_result results[MAX_BATCH];
    const double begin = clock_ms();
    int status = caption_generate(b->session, b->model, options, results, err);
    const double took = clock_ms() - begin;
    b->elapsed += took;
    b->best_ms = b->captions == 0 || took < b->best_ms ? took : b->best_ms;
    b->captions += b->batch;
    for (int i = 0; i < b->batch && status == CAPTION_OK; i++)
        b->words += results[i].words;
    return status;
}

static int measure(bench *b, const caption_options *options, const char *decode, const char *model, caption_error *err)
{
    int status = show(b, 1, err);
    if (status == CAPTION_OK)
        status = write_captions(b, options, err); /* warms the caches */
    b->captions = 0;
    b->words = 0;
    b->elapsed = b->best_ms = 0;
    for (unsigned i = 0; status == CAPTION_OK && b->elapsed < 1000 * b->seconds; i++) {
        status = show(b, 1 + i % PICTURES, err);
        if (status == CAPTION_OK)
            status = write_captions(b, options, err);
    }
    if (status == CAPTION_OK)
        printf("captiond,%s,%s,%d,%d,%d,%.3f,%.3f,%.1f,%s,%s\n", model, decode,
               options->decode == CAPTION_BEAM ? options->beam : 1, b->batch, b->captions, b->elapsed / b->captions,
               b->best_ms / b->batch, (double)b->words / b->captions, caption_simd_name(), caption_blas_name());
    return status;
}

static int measure_both(bench *b, int beam, const char *model, caption_error *err)
{
    caption_options options = caption_defaults();
    puts("implementation,model,decode,beam,batch,captions,ms_per_caption,best_ms_per_caption,words_per_caption,simd,"
         "blas");
    int status = measure(b, &options, "greedy", model, err);
    options.decode = CAPTION_BEAM;
    options.beam = beam;
    return status == CAPTION_OK ? measure(b, &options, "beam", model, err) : status;
}

int bench_caption(int argc, char **argv)
{
    weights_place place = {0};
    bench b = {.batch = 1, .seconds = 5};
    caption_model *model = NULL;
    const char *name = WEIGHTS_DEFAULT_MODEL;
    int beam = 5;
    const option table[] = {
        {"model", OPTION_TEXT, &name, 0, 0, "MODEL",
         "captioner: NAME.safetensors in the weights directory or here, or a file"},
        {"beam", OPTION_INTEGER, &beam, 1, CAPTION_MAX_BEAM, "N", "captions that the beam holds"},
        {"batch", OPTION_INTEGER, &b.batch, 1, MAX_BATCH, "N", "images a call"},
        {"seconds", OPTION_REAL, &b.seconds, 0.01, 3600, "S", "how long to measure, each way of decoding"},
        WEIGHTS_OPTIONS(&place),
        {0},
    };
    const options_usage usage = {"bench caption", "", "Measures how fast captions are written: the decoder alone.",
                                 table,           0,  0};
    int status;
    if (!options_parse(&usage, &argc, &argv, &status))
        return status;

    caption_error err;
    status = weights_open_model(&place, name, &model, &err);
    b.model = model;
    if (status == CAPTION_OK)
        status = caption_session_new(&b.session, NULL, b.batch, &err);
    if (status == CAPTION_OK)
        status = measure_both(&b, beam, name, &err);
    if (status != CAPTION_OK)
        fprintf(stderr, "captiond bench caption: %s\n", err.message);
    caption_session_free(b.session);
    caption_model_release(model);
    return status != CAPTION_OK;
}
