/* command_eval.c: `captiond eval` captions every image of a dataset and scores the captions against its references;
 * eval_report.c says what else there is to say of them. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/caption.h"
#include "model/dataset.h"
#include "model/score.h"
#include "server/app/commands.h"
#include "server/app/eval_report.h"
#include "server/base/file.h"
#include "server/base/options.h"
#include "server/decode/cage.h"
#include "server/engine/weights.h"
#include "server/store/caption_file.h"

enum { BATCH = 16 };

typedef struct evaluation {
    caption_dataset *dataset;
    caption_encoder *encoder;
    caption_model *model;
    caption_session *session;
    cage_limits decoding;
    cage *cage;
    caption_options options;
    caption_image *images; /* [BATCH] */
    char **captions;       /* [images of the dataset], malloc'd */
    double *cider;         /* [images] */
    float *confidence;     /* [images] */
} evaluation;

static int read_image(const evaluation *e, size_t i, caption_image *out, caption_error *err)
{
    const char *directory = caption_dataset_directory(e->dataset), *file = caption_dataset_at(e->dataset, i)->file;
    caption_error reason;
    unsigned char *bytes = NULL;
    cage_work work = {.image = out};
    char *path;
    if (asprintf(&path, "%s/%s", directory, file) < 0)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory");
    int status = file_read(path, (size_t)e->decoding.file_mb << 20, &bytes, &work.size, &reason);
    work.file = bytes;
    if (status == CAPTION_OK)
        status = cage_decode(e->cage, &work, &reason);
    if (status != CAPTION_OK)
        caption_fail(err, status, "%.256s: %.200s", path, reason.message);
    free(bytes);
    free(path);
    return status;
}

/* Captions of images first .. first + n - 1. */
static int caption_batch(const evaluation *e, size_t first, int n, caption_error *err)
{
    static caption_result results[BATCH * CAPTION_MAX_BEAM];
    int status = CAPTION_OK;
    for (int i = 0; i < n && status == CAPTION_OK; i++)
        status = read_image(e, first + (size_t)i, &e->images[i], err);
    if (status == CAPTION_OK)
        status = caption_encode(e->session, n, e->images, err);
    if (status == CAPTION_OK)
        status = caption_generate(e->session, e->model, &e->options, results, err);
    for (int i = 0; i < n && status == CAPTION_OK; i++) {
        const caption_result *best = &results[i * e->options.n];
        e->confidence[first + (size_t)i] = best->confidence;
        if (!(e->captions[first + (size_t)i] = strdup(best->text)))
            status = caption_fail(err, CAPTION_ENOMEM, "out of memory");
    }
    return status;
}

static int caption_all(const evaluation *e, caption_error *err)
{
    size_t total = caption_dataset_size(e->dataset);
    int status = CAPTION_OK;
    for (size_t first = 0; first < total && status == CAPTION_OK; first += BATCH)
        status = caption_batch(e, first, total - first < BATCH ? (int)(total - first) : BATCH, err);
    return status;
}

static int open_evaluation(evaluation *e, const char *images, const char *captions, const weights_place *place,
                           const char *model, caption_error *err)
{
    int status;
    if ((status = caption_file_open(&e->dataset, images, captions, CAPTION_PART_TEST, NULL, err)) ||
        (status = weights_open_encoder(place, &e->encoder, err)) ||
        (status = weights_open_model(place, model, &e->model, err)) ||
        (status = caption_session_new(&e->session, e->encoder, BATCH, err)) ||
        (status = cage_open(&e->cage, &e->decoding, err)))
        return status;
    e->images = calloc(BATCH, sizeof *e->images);
    e->captions = calloc(caption_dataset_size(e->dataset), sizeof *e->captions);
    e->cider = calloc(caption_dataset_size(e->dataset), sizeof *e->cider);
    e->confidence = calloc(caption_dataset_size(e->dataset), sizeof *e->confidence);
    return e->images && e->captions && e->cider && e->confidence ? CAPTION_OK
                                                                 : caption_fail(err, CAPTION_ENOMEM, "out of memory");
}

static void close_evaluation(evaluation *e)
{
    for (size_t i = 0; e->captions && i < caption_dataset_size(e->dataset); i++)
        free(e->captions[i]);
    free(e->captions);
    free(e->cider);
    free(e->confidence);
    free(e->images);
    cage_close(e->cage);
    caption_session_free(e->session);
    caption_model_release(e->model);
    caption_encoder_release(e->encoder);
    caption_dataset_free(e->dataset);
}

static void print_scores(const caption_scores *s, const eval_report *r)
{
    double images = (double)s->images;
    printf("{");
    for (int n = 0; n < 4; n++)
        printf("\"BLEU_%d\":%.6f,", n + 1, s->bleu[n]);
    printf("\"ROUGE_L\":%.6f,\"CIDEr\":%.6f,\"images\":%zu,", s->rouge_l, s->cider, s->images);
    printf("\"mean_words\":%.4f,\"vocabulary_used\":%zu,", r->words / images, r->vocabulary);
    if (r->has_training)
        printf("\"training_copies\":%.6f,", (double)r->copies / images);
    printf("\"faults\":{\"repeated_word\":%.6f,\"repeated_phrase\":%.6f,\"unfinished\":%.6f,\"unknown_word\":%.6f,"
           "\"any\":%.6f}}\n",
           (double)r->repeated_word / images, (double)r->repeated_phrase / images, (double)r->unfinished / images,
           (double)r->unknown_word / images, (double)r->faulty / images);
}

/* Scores the captions, writes the TSV and prints. */
static int report(const evaluation *e, const char *tsv, const char *training, caption_error *err)
{
    const char *const *captions = (const char *const *)e->captions;
    caption_scores scores;
    eval_report r;
    int status = caption_score_each(&scores, e->cider, e->dataset, captions, err);
    if (status == CAPTION_OK)
        status = eval_report_make(&r, captions, caption_dataset_size(e->dataset), training, err);
    if (status == CAPTION_OK && tsv)
        status = eval_report_tsv(tsv, e->dataset, captions, e->cider, e->confidence, err);
    if (status == CAPTION_OK)
        print_scores(&scores, &r);
    return status;
}

int command_eval(int argc, char **argv)
{
    weights_place place = {0};
    const char *model = WEIGHTS_DEFAULT_MODEL, *images = NULL, *captions = NULL, *tsv = NULL, *training = NULL;
    caption_error err;
    evaluation e = {.decoding = cage_defaults(), .options = caption_defaults()};
    int status;
    const option named[] = {
        {"images", OPTION_TEXT, &images, 0, 0, "DIR", "directory of the images (needed)"},
        {"captions", OPTION_TEXT, &captions, 0, 0, "FILE",
         "references: TSV, Flickr's, COCO's or, of its test part, Karpathy's (needed)"},
        {"model", OPTION_TEXT, &model, 0, 0, "MODEL",
         "captioner: NAME.safetensors in the weights directory or here, or a file"},
        {"tsv", OPTION_TEXT, &tsv, 0, 0, "FILE", "TSV file to write: image, caption, CIDEr, confidence, faults"},
        {"train-captions", OPTION_TEXT, &training, 0, 0, "FILE", "training captions, to count copies of them"},
        WEIGHTS_OPTIONS(&place),
        CAGE_OPTIONS(&e.decoding),
    };
    option table[sizeof named / sizeof *named + MAX_DECODE_OPTIONS];
    memcpy(table, named, sizeof named);
    options_of(caption_option_at, &e.options, table + sizeof named / sizeof *named);
    const options_usage usage = {
        "eval", "", "Captions the images of a dataset and prints BLEU, ROUGE-L and CIDEr as JSON.", table, 0, 0};
    if (!options_parse(&usage, &argc, &argv, &status))
        return status;
    if (caption_options_check(&e.options, &err))
        return options_refuse("eval", "--%s", err.message);
    if (!images || !captions)
        return options_refuse("eval", "--%s is needed", images ? "captions" : "images");

    status = open_evaluation(&e, images, captions, &place, model, &err);
    if (status == CAPTION_OK)
        status = caption_all(&e, &err);
    if (status == CAPTION_OK)
        status = report(&e, tsv, training, &err);
    if (status != CAPTION_OK)
        fprintf(stderr, "captiond eval: %s\n", err.message);
    close_evaluation(&e);
    return status != CAPTION_OK;
}
