/* model.h: a captioner in a file and in memory.
 *
 * The file is safetensors: the tensors of decoder_layout (F16 or F32) and metadata strings
 *     format      captiond-captioner-1
 *     kind        rnn, lstm or attention
 *     features, words, hidden      the sizes D, W, H
 *     attention   the length of a query, A, if it has the kind attention
 *     vocabulary  all words, specials included, joined by newlines (vocabulary.h); their number is V
 *     encoder     SHA-256 of the encoder file whose features it was trained on
 * and whatever else the trainer has to say. In memory it is immutable but for the reference count. */
#ifndef CAPTION_MODEL_H
#define CAPTION_MODEL_H

#include <stdatomic.h>

#include "model/arena.h"
#include "model/caption.h"
#include "model/decoder/concepts.h"
#include "model/decoder/confidence.h"
#include "model/decoder/decoder.h"
#include "model/decoder/vocabulary.h"
#include "model/storage/safetensors.h"

enum {
    MODEL_MAX_WORDS = 4096,      /* W */
    MODEL_MAX_HIDDEN = 4096,     /* H */
    MODEL_MAX_CONCEPTS = 4096,   /* C */
    MODEL_MAX_VOCABULARY = 65536 /* V */
};

/* Gives a shape whose kind looks the sizes of the encoder's local map, with queries of `attention` numbers; the others
 * have none. */
void model_shape_look(decoder_shape *shape, int attention);

struct caption_model {
    atomic_int references;
    safetensors *file; /* for its metadata and checksum */
    decoder_shape shape;
    vocabulary *words;
    arena memory;
    float *parameters;     /* in memory, laid out by decoder_layout */
    concept_head concepts; /* its numbers in memory */
    int *concept_of;       /* [V] the concept that a word is, or -1; NULL without concepts */
    confidence confidence;
};

/* Writes a model file. concepts: NULL if the shape has none; parameters: as decoder_layout says; encoder: the checksum;
 * type: F16 or F32; metadata: further {key, value} pairs ending in {NULL, NULL}. */
int model_write(const char *path, const decoder_shape *shape, const vocabulary *words, const concept_head *concepts,
                const char *encoder, const float *parameters, enum safetensors_type type,
                const char *const (*metadata)[2], caption_error *err);

#endif
