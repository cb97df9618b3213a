/* train.h: teach a captioner: a dataset goes in, a weight file comes out.
 *
 *     caption_train_options o = caption_train_defaults("lstm");
 *     o.train = train; o.dev = dev; o.out = "lstm.safetensors";
 *     o.progress = print_progress;
 *     if (caption_train(&o, encoder, &err) != CAPTION_OK) ...
 *
 * The features of every image (and of its mirror image) are computed once and kept in a cache file. Then epochs of
 * mini-batches: Adam, global-norm clipping, dropout, label smoothing, cosine learning-rate schedule with warm-up, an
 * exponential moving average of the weights which is what is scored on dev and saved, early stopping on dev CIDEr.
 * The same options and data give the same bytes on the same machine; a run that was killed and resumed gives the bytes
 * of an uninterrupted one. Learns on the calling thread only; `threads` more encode pictures before that. */
#ifndef CAPTION_TRAIN_H
#define CAPTION_TRAIN_H

#include <stddef.h>
#include <stdint.h>

#include "model/caption.h"
#include "model/dataset.h"
#include "model/score.h"

#pragma GCC visibility push(default) /* all else in the library is hidden */

#ifdef __cplusplus
extern "C" {
#endif

typedef enum caption_train_stage {
    CAPTION_TRAIN_FEATURES, /* encoding pictures that are not in the cache: done and total count pictures */
    CAPTION_TRAIN_LEARNING, /* done and total count batches, over all epochs */
} caption_train_stage;

/* What `stop` wants. */
enum { CAPTION_TRAIN_GO_ON, CAPTION_TRAIN_STOP, CAPTION_TRAIN_ABANDON };

/* The processes that learn together in one run: caption_ranks_join below. */
typedef struct caption_ranks caption_ranks;

/* What a run looks like right now; strings and pointers live only during the callback. */
typedef struct caption_train_progress {
    caption_train_stage stage;
    long done, total;
    double seconds_left; /* of this stage, estimated; 0 when unknown */

    /* The rest belongs to CAPTION_TRAIN_LEARNING. */
    int epoch, epochs; /* 1-based; 0: the base, before anything was learnt */
    double loss;       /* mean training loss per word since the last report */
    double reward;     /* with samples: mean CIDEr of the captions tried out since then, their ends counted as words */
    double learning_rate;
    double captions_per_second;  /* since the last report, without the time to score dev captions */
    const caption_scores *dev;   /* non-NULL once an epoch's dev captions are scored */
    const char *const *captions; /* with dev: what was written for each dev image, in the order of the dataset */
    int best;                    /* with dev: this epoch is the best so far and was written to `out` */
    double low, high;            /* with dev: 95 % interval of its CIDEr, over images drawn again (score.h) */
    int best_epoch;              /* whose weights `out` holds; -1: none yet */
    double best_cider, best_low, best_high; /* its dev score, if there is dev */
    double base_cider;                      /* CIDEr of epoch 0; -1: there is none */
    int last;                               /* the run is over; the checkpoint goes when the callback has returned */
    const char *why;                        /* with last: why it is over, "all 10 epochs are done" */
} caption_train_progress;

typedef struct caption_train_options {
    const char *kind; /* "rnn", "lstm" or "attention" */
    const caption_dataset *train;
    const caption_dataset *dev; /* may be NULL: then the last epoch is saved */
    const char *out;            /* weight file to write; holds the best epoch so far while the run goes on */
    const char *text;           /* file of captions without images, one a line, to learn from besides; NULL: none */
    const char *base;           /* captioner to go on from (caption_train_base); NULL: random weights */
    const char *cache;          /* directory of the feature cache; NULL: that of `out` */
    const char *checkpoint;     /* file; NULL: `out` + ".checkpoint"; removed when the run completes */
    int resume;                 /* go on from the checkpoint if there is one; it must be of the same options and data */

    /* What decides the result; caption_train_option_at describes each. */
    int hidden, words;            /* H, W */
    int attention;                /* A, for the attention kind */
    int concepts, tags;           /* C; K, for the attention kind: concepts (decoder.h), as many as the data has */
    int folds;                    /* to cross-fit the concepts of the training images; 0: as the head says them */
    double text_share;            /* share of an epoch's captions that come from `text` */
    int most_words;               /* largest vocabulary, specials included: the most frequent words; 0: no limit */
    int minimum_count;            /* smallest word count that enters the vocabulary */
    int minimum_captions;         /* fewest captions of images that a run without a base accepts */
    double new_words;             /* with a base: what the rate of words that it lacks is multiplied by */
    int epochs, patience;         /* patience: epochs without a better dev CIDEr before stopping; 0 = never */
    int batch;                    /* captions a batch */
    double learning_rate, warmup; /* peak rate; warmup in epochs */
    double dropout, feature_dropout, label_smoothing, weight_decay, clip, average;
    int flip;       /* also learn from mirror images */
    int crops;      /* and from that many crops of each image, up to 5 */
    double example; /* objective "cider": weight of a caption of the dataset learnt beside an image's samples */
    int samples;    /* objective "cider": captions tried out an image, to learn from their rewards; 0: "words" */
    int max_words;  /* training captions are cut there; dev captions generated up to it */
    int mixed;      /* bfloat16 factors in large products, where the CPU has AVX512-BF16: faster, less precise */
    uint64_t seed;

    /* What does not. */
    caption_decoder decoder;   /* of the dataset's images */
    caption_ranks *ranks;      /* that learn this together, or NULL: this process alone */
    int threads;               /* that encode pictures, the calling one included */
    size_t memory;             /* bytes that the network's training may take; 0: no limit */
    double report_seconds;     /* between calls of progress; 0: after every batch */
    double checkpoint_minutes; /* between checkpoints within an epoch; one follows every epoch anyway */

    /* Called every report_seconds and after each epoch; non-zero stops the run after writing a checkpoint
     * (CAPTION_ECANCELLED). May be NULL. */
    int (*progress)(void *context, const caption_train_progress *progress);

    /* Asked between any two batches, also while dev captions are written, and within a batch before each large product:
     * to be cheap. CAPTION_TRAIN_STOP stops as above, with what was learnt up to the last whole batch;
     * CAPTION_TRAIN_ABANDON at once, without a checkpoint. May be NULL. */
    int (*stop)(void *context);
    void *context;
} caption_train_options;

/* The i-th number among them (option.h), NULL past the last. Covers all that decides the result but the seed, which is
 * any integer. */
const caption_option *caption_train_option_at(size_t i);

/* The defaults that trained the shipped weights of that kind. */
caption_train_options caption_train_defaults(const char *kind);

/* Sets what the run is to be good at, with the numbers that this learns best with: "words", to predict those of the
 * captions (the default), or "cider", to write captions of a high CIDEr, which only a captioner that can write already
 * learns (caption_train_base). CAPTION_EINVAL for another name. */
int caption_train_objective(caption_train_options *options, const char *objective, caption_error *err);

/* Sets the numbers that a run of the objective "words" that goes on from a captioner learns best with: so few and small
 * steps that what it knows is kept. */
void caption_train_gently(caption_train_options *options);

/* Makes `options` those of a run that goes on from the captioner in file `base`: its kind and sizes. Such a run keeps
 * the base's words under their ids, adds those of its own captions, and starts out writing as the base does. The string
 * is kept. */
int caption_train_base(caption_train_options *options, const char *base, caption_error *err);

/* Refuses options out of range by name (CAPTION_EINVAL). */
int caption_train_check(const caption_train_options *options, caption_error *err);

/* Checks the options, then trains. The dataset, encoder and options are only read. */
int caption_train(const caption_train_options *options, caption_encoder *encoder, caption_error *err);

/* ---- several processes -------------------------------------------------------------------------------------------
 *
 * Built with MPI=1, the processes that mpirun started can learn together, on one machine or on several:
 *
 *     if (caption_ranks_join(&o.ranks, &err) == CAPTION_OK) status = caption_train(&o, encoder, &err);
 *     caption_ranks_leave(o.ranks);
 *
 * All call caption_train with the same options and data. Each learns from its share of every batch, gradients are
 * summed, so the weights are those of one process but for rounding; the same number of processes gives the same bytes.
 * The first process alone calls `progress`, scores dev captions and touches `out` and the checkpoint; all ask `stop`,
 * and write features into `cache`, which they may share. What stops one stops all, with its status and message. */

/* Joins the other processes, waiting for them; once in the life of a process, whose calling thread then trains. *out is
 * NULL in a build without MPI: the process is alone, and one of several that mpirun started is refused
 * (CAPTION_EUNSUPPORTED). */
int caption_ranks_join(caption_ranks **out, caption_error *err);
int caption_ranks_is_first(const caption_ranks *ranks); /* NULL is */
void caption_ranks_leave(caption_ranks *ranks);         /* NULL is allowed */

/* ---- features ahead of time -------------------------------------------------------------------------------------
 *
 * Fills a feature cache picture by picture as they arrive, so that a run with that `cache` starts to learn at once. It
 * belongs to one thread; runs may use the cache meanwhile. */
typedef struct caption_features caption_features;

/* Keeps a reference to the encoder. */
int caption_features_open(caption_features **out, const char *cache, caption_encoder *encoder,
                          const caption_decoder *decoder, caption_error *err);
void caption_features_close(caption_features *features); /* NULL is allowed */

/* 1 if the cache held, when it was opened, the picture whose file has this SHA-256 (64 hex digits), and its mirror
 * image. */
int caption_features_known(const caption_features *features, const char *sha256);

/* Computes and keeps the features of an image file and of its mirror image, unless they were known. */
int caption_features_add(caption_features *features, const void *bytes, size_t size, caption_error *err);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop
#endif
