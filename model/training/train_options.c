/* train_options.c: one table of the numbers that decide a training run. Defaults, ranges, descriptions, the command
 * line and requests all come from it. */
#include "model/training/train_options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/decoder/model.h"
#include "model/features/feature_picture.h"

#define AT(member) offsetof(caption_train_options, member)

static const caption_option table[] = {
    {"hidden", "hidden units (H)", CAPTION_OPTION_INTEGER, AT(hidden), 1, MODEL_MAX_HIDDEN, NULL},
    {"words", "length of a word vector (W)", CAPTION_OPTION_INTEGER, AT(words), 1, MODEL_MAX_WORDS, NULL},
    {"attention", "length of a query and a key (A), for the attention kind", CAPTION_OPTION_INTEGER, AT(attention), 1,
     MODEL_MAX_HIDDEN, NULL},
    {"concepts", "words whose presence in an image is predicted first (C); 0: none", CAPTION_OPTION_INTEGER,
     AT(concepts), 0, MODEL_MAX_CONCEPTS, NULL},
    {"tags", "how many of them are attended to (K), for the attention kind; 0: none", CAPTION_OPTION_INTEGER, AT(tags),
     0, 64, NULL},
    {"folds", "parts of the images for cross-fitting the concepts; 0: no cross-fitting", CAPTION_OPTION_INTEGER,
     AT(folds), 0, 20, NULL},
    {"text-share", "share of an epoch's captions that come from the text without images", CAPTION_OPTION_REAL,
     AT(text_share), 0, 0.95, NULL},
    {"most-words", "largest vocabulary, the most frequent words, those of a base first; 0: no limit",
     CAPTION_OPTION_INTEGER, AT(most_words), 0, MODEL_MAX_VOCABULARY, NULL},
    {"minimum-count", "rarer words are unknown", CAPTION_OPTION_INTEGER, AT(minimum_count), 1, 1000000, NULL},
    {"minimum-captions", "fewest captions that are learnt from scratch: fewer teach no language",
     CAPTION_OPTION_INTEGER, AT(minimum_captions), 1, 1000000000, NULL},
    {"epochs", "passes over the captions", CAPTION_OPTION_INTEGER, AT(epochs), 0, 100000, NULL},
    {"patience", "epochs without a better dev CIDEr before stopping; 0: never stop early", CAPTION_OPTION_INTEGER,
     AT(patience), 0, 100000, NULL},
    {"batch", "captions a step", CAPTION_OPTION_INTEGER, AT(batch), 1, 8192, NULL},
    {"learning-rate", "peak rate of Adam", CAPTION_OPTION_REAL, AT(learning_rate), 1e-8, 1, NULL},
    {"new-words", "what the rate of words that the base lacks is multiplied by", CAPTION_OPTION_REAL, AT(new_words), 0,
     1000, NULL},
    {"warmup", "epochs until that peak; a cosine to 0 follows", CAPTION_OPTION_REAL, AT(warmup), 0, 1000, NULL},
    {"dropout", "share of word-vector and state elements dropped (none with samples)", CAPTION_OPTION_REAL, AT(dropout),
     0, 0.95, NULL},
    {"feature-dropout", "share of image features dropped", CAPTION_OPTION_REAL, AT(feature_dropout), 0, 0.95, NULL},
    {"label-smoothing", "probability spread over all words (none with samples)", CAPTION_OPTION_REAL,
     AT(label_smoothing), 0, 0.9, NULL},
    {"weight-decay", "decoupled decay of the weights", CAPTION_OPTION_REAL, AT(weight_decay), 0, 10, NULL},
    {"clip", "largest gradient norm; 0: no limit", CAPTION_OPTION_REAL, AT(clip), 0, 1e6, NULL},
    {"average", "decay of the moving average of the weights, which is what is saved; 0: the weights themselves",
     CAPTION_OPTION_REAL, AT(average), 0, 0.999999, NULL},
    {"flip", "also learn from mirror images", CAPTION_OPTION_FLAG, AT(flip), 0, 1, NULL},
    {"crops", "also learn from that many crops of each image", CAPTION_OPTION_INTEGER, AT(crops), 0, FEATURE_CROPS,
     NULL},
    {"samples", "objective cider: captions tried out an image; 0: objective words", CAPTION_OPTION_INTEGER, AT(samples),
     0, 64, NULL},
    {"example", "objective cider: weight of a caption of the dataset learnt beside an image's samples",
     CAPTION_OPTION_REAL, AT(example), 0, 100, NULL},
    {"max-words", "longer captions are cut", CAPTION_OPTION_INTEGER, AT(max_words), 1, CAPTION_MAX_WORDS, NULL},
    {"mixed", "mixed precision: bfloat16 factors in large products, if the CPU has AVX512-BF16", CAPTION_OPTION_FLAG,
     AT(mixed), 0, 1, NULL},
};

const caption_option *caption_train_option_at(size_t i)
{
    return i < sizeof table / sizeof *table ? &table[i] : NULL;
}

caption_train_options caption_train_defaults(const char *kind)
{
    return (caption_train_options){
        .kind = kind,
        .hidden = 512,
        .words = 300,
        .attention = 256,
        .concepts = 768,
        .tags = 16,
        .folds = 3,
        .text_share = 0.33,
        .minimum_count = 4,
        .minimum_captions = 3000,
        .new_words = 20,
        .epochs = 15,
        .patience = 3,
        .batch = 100,
        .learning_rate = strcmp(kind, "rnn") == 0 ? 7e-4 : 1e-3,
        .warmup = 0.5,
        .dropout = 0.5,
        .label_smoothing = 0.1,
        .clip = 5,
        .average = 0.999,
        .flip = 1,
        .max_words = 20,
        .seed = 1,
        .threads = 1,
        .report_seconds = 1,
        .checkpoint_minutes = 5,
    };
}

void caption_train_gently(caption_train_options *options)
{
    options->learning_rate = 5e-5;
    options->batch = 25;
    options->minimum_count = 2;
    options->epochs = 10;
}

int caption_train_objective(caption_train_options *options, const char *objective, caption_error *err)
{
    int cider = strcmp(objective, "cider") == 0;
    if (!cider && strcmp(objective, "words") != 0)
        return caption_fail(err, CAPTION_EINVAL, "objective: \"%.40s\" is neither words nor cider", objective);
    options->samples = 0;
    options->example = 0;
    if (cider) {
        options->samples = 5;
        options->batch = 200;
        options->example = 0.2;
        options->learning_rate = 5e-5;
        options->warmup = 0.2;
        options->clip = 1;
        options->average = 0.995;
        options->feature_dropout = 0;
    }
    return CAPTION_OK;
}

static double value_of(const caption_train_options *options, const caption_option *option)
{
    const char *member = (const char *)options + option->offset;
    return option->type == CAPTION_OPTION_REAL ? *(const double *)(const void *)member
                                               : *(const int *)(const void *)member;
}

int caption_train_check(const caption_train_options *options, caption_error *err)
{
    decoder_kind kind;
    if (!decoder_kind_parse(options->kind, &kind))
        return caption_fail(err, CAPTION_EINVAL, "kind: there is no captioner of kind \"%s\"", options->kind);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (caption_option_check(&table[i], options, err))
            return CAPTION_EINVAL;
    if (options->samples == 1 || options->samples + (options->example > 0) > options->batch)
        return caption_fail(err, CAPTION_EINVAL, "samples: %d is neither 0 nor between 2 and the batch of %d%s",
                            options->samples, options->batch, options->example > 0 ? ", less the example" : "");
    if (options->epochs == 0 && !options->base)
        return caption_fail(err, CAPTION_EINVAL, "epochs: 0 is only for a run that goes on from a captioner");
    if (options->folds == 1)
        return caption_fail(err, CAPTION_EINVAL, "folds: 1 leaves nothing to fit on; expected 0 or at least 2");
    if (options->threads < 1)
        return caption_fail(err, CAPTION_EINVAL, "threads: %d is less than 1", options->threads);
    return CAPTION_OK;
}

int train_options_stop(const caption_train_options *options)
{
    return options->stop ? options->stop(options->context) : CAPTION_TRAIN_GO_ON;
}

char *train_options_describe(const caption_train_options *options, const char *base)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return NULL;
    fprintf(stream, "kind=%s", options->kind);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        fprintf(stream, " %s=%.9g", table[i].name, value_of(options, &table[i]));
    fprintf(stream, " seed=%llu", (unsigned long long)options->seed);
    if (base)
        fprintf(stream, " base=%s", base);
    if (fclose(stream) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
