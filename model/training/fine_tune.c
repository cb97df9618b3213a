/* fine_tune.c: a run's first parameters from a saved captioner: its words keep their ids, new ones are added
 * (fine_tune.h). */
#include "model/training/fine_tune.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CONTEXT = 2 }; /* words on either side */

/* ---- the base -----------------------------------------------------------------------------------------------------
 */

int caption_train_base(caption_train_options *options, const char *base, caption_error *err)
{
    caption_model *model;
    int status = caption_model_open(&model, base, err);
    if (status != CAPTION_OK)
        return status;
    options->base = base;
    options->kind = decoder_kind_name(model->shape.kind);
    options->hidden = model->shape.hidden;
    options->words = model->shape.words;
    if (decoder_looks(model->shape.kind))
        options->attention = model->shape.attention;
    options->concepts = model->shape.concepts;
    options->tags = model->shape.tags;
    options->folds = 0;
    caption_model_release(model);
    return CAPTION_OK;
}

static int check_base(const caption_model *base, const caption_train_options *o, caption_encoder *encoder,
                      caption_error *err)
{
    const char *kind = decoder_kind_name(base->shape.kind);
    const char *learnt_from = caption_model_metadata(base, "encoder");
    if (strcmp(kind, o->kind) != 0)
        return caption_fail(err, CAPTION_EINVAL, "kind: %s, but the base is a captioner of kind %s", o->kind, kind);
    if (base->shape.hidden != o->hidden)
        return caption_fail(err, CAPTION_EINVAL, "hidden: %d, but the base has %d", o->hidden, base->shape.hidden);
    if (base->shape.words != o->words)
        return caption_fail(err, CAPTION_EINVAL, "words: %d, but the base has %d", o->words, base->shape.words);
    if (decoder_looks(base->shape.kind) && base->shape.attention != o->attention)
        return caption_fail(err, CAPTION_EINVAL, "attention: %d, but the base has %d", o->attention,
                            base->shape.attention);
    if (base->shape.concepts != o->concepts)
        return caption_fail(err, CAPTION_EINVAL, "concepts: %d, but the base has %d", o->concepts,
                            base->shape.concepts);
    if (base->shape.tags != o->tags)
        return caption_fail(err, CAPTION_EINVAL, "tags: %d, but the base has %d", o->tags, base->shape.tags);
    if (!learnt_from || strcmp(learnt_from, caption_encoder_sha256(encoder)) != 0)
        return caption_fail(err, CAPTION_EINVAL, "base: %s learnt from the features of another encoder", o->base);
    return CAPTION_OK;
}

int fine_tune_open(caption_model **out, const caption_train_options *options, caption_encoder *encoder,
                   caption_error *err)
{
    *out = NULL;
    if (!options->base)
        return CAPTION_OK;
    int status = caption_model_open(out, options->base, err);
    return status == CAPTION_OK ? check_base(*out, options, encoder, err) : status;
}

/* ---- its parameters -----------------------------------------------------------------------------------------------
 */

/* A row of `old` values becomes one of `all`, whose last ones are copies of <UNK>'s. */
static void extend_row(const float *row, int old, int all, float *out)
{
    memcpy(out, row, (size_t)(old < all ? old : all) * sizeof *out);
    for (int v = old; v < all; v++)
        out[v] = row[VOCABULARY_UNK];
}

/* Adds the vectors of the known words around each new word of a caption to that of the new word. seen [new words]: how
 * many were added. */
static void add_contexts(const int *ids, int n, int old, size_t words, float *out, int *seen)
{
    for (int i = 0; i < n; i++)
        for (int k = i - CONTEXT; ids[i] >= old && k <= i + CONTEXT; k++) {
            if (k < 0 || k >= n || ids[k] >= old || ids[k] == VOCABULARY_UNK)
                continue;
            const float *known = out + (size_t)ids[k] * words;
            for (size_t j = 0; j < words; j++)
                out[(size_t)ids[i] * words + j] += known[j];
            seen[ids[i] - old]++;
        }
}

/* W_embed [V, W], a row a word: a new one has the mean of the words that it stands among, or if there are none, what
 * <UNK> has. */
static int start_embedding(const float *w, int old, const decoder_shape *shape, const train_data *data, float *out,
                           caption_error *err)
{
    const size_t words = (size_t)shape->words;
    const caption_dataset *train = data->options->train;
    int ids[CAPTION_MAX_WORDS];
    memcpy(out, w, (size_t)(old < shape->vocabulary ? old : shape->vocabulary) * words * sizeof *out);
    if (shape->vocabulary <= old)
        return CAPTION_OK;
    int *seen = calloc((size_t)(shape->vocabulary - old), sizeof *seen);
    if (!seen)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for %d new words", shape->vocabulary - old);
    for (size_t i = 0; i < caption_dataset_size(train); i++) {
        const caption_dataset_image *image = caption_dataset_at(train, i);
        for (size_t k = 0; k < image->n_captions; k++)
            add_contexts(ids, vocabulary_encode(data->words, image->captions[k], ids, CAPTION_MAX_WORDS), old, words,
                         out, seen);
    }
    for (int v = old; v < shape->vocabulary; v++)
        for (size_t j = 0; j < words; j++)
            out[(size_t)v * words + j] = seen[v - old] ? out[(size_t)v * words + j] / (float)seen[v - old]
                                                       : w[(size_t)VOCABULARY_UNK * words + j];
    free(seen);
    return CAPTION_OK;
}

/* W_vocab [H, V] and b_vocab [V], a column a word. */
static void start_scores(const float *w, const float *b, int old, const decoder_shape *shape, float *w_out,
                         float *b_out)
{
    int all = shape->vocabulary;
    for (size_t h = 0; h < (size_t)shape->hidden; h++)
        extend_row(w + h * (size_t)old, old, all, w_out + h * (size_t)all);
    extend_row(b, old, all, b_out);
    if (all <= old)
        return;
    float share = logf((float)(all - old + 1));
    b_out[VOCABULARY_UNK] -= share;
    for (int v = old; v < all; v++)
        b_out[v] -= share;
}

int fine_tune_start(const caption_model *base, const decoder_shape *shape, const train_data *data, float *parameters,
                    caption_error *err)
{
    decoder_tensor from[DECODER_MAX_TENSORS], to[DECODER_MAX_TENSORS];
    size_t total;
    int n = decoder_layout(&base->shape, from, &total), old = base->shape.vocabulary;
    const float *in[DECODER_MAX_TENSORS];
    float *out[DECODER_MAX_TENSORS];
    decoder_layout(shape, to, &total);
    for (int i = 0; i < n; i++) {
        in[i] = base->parameters + from[i].offset;
        out[i] = parameters + to[i].offset;
    }
    for (int i = 0; i < n; i++)
        if (i != DECODER_W_EMBED && i != DECODER_W_VOCAB && i != DECODER_B_VOCAB)
            memcpy(out[i], in[i], (size_t)(from[i].rows ? from[i].rows : 1) * (size_t)from[i].cols * sizeof(float));
    start_scores(in[DECODER_W_VOCAB], in[DECODER_B_VOCAB], old, shape, out[DECODER_W_VOCAB], out[DECODER_B_VOCAB]);
    standardise_unfold(&data->standardiser, shape, parameters);
    return start_embedding(in[DECODER_W_EMBED], old, shape, data, out[DECODER_W_EMBED], err);
}

/* ---- how fast they learn ------------------------------------------------------------------------------------------
 */

void fine_tune_rates(const caption_model *base, const decoder_shape *shape, float new_words, float *rates)
{
    decoder_tensor at[DECODER_MAX_TENSORS];
    size_t total;
    const size_t old = (size_t)base->shape.vocabulary, all = (size_t)shape->vocabulary, words = (size_t)shape->words;
    decoder_layout(shape, at, &total);
    for (size_t i = 0; i < total; i++)
        rates[i] = 1;
    for (size_t v = old; v < all; v++) {
        for (size_t j = 0; j < words; j++)
            rates[at[DECODER_W_EMBED].offset + v * words + j] = new_words;
        for (size_t h = 0; h < (size_t)shape->hidden; h++)
            rates[at[DECODER_W_VOCAB].offset + h * all + v] = new_words;
    }
}
