/* model.c: opening a captioner. The file is hostile until every size, word and tensor has been checked. */
#include "model/decoder/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char format_name[] = "captiond-captioner-1";

void model_shape_look(decoder_shape *shape, int attention)
{
    int looks = decoder_looks(shape->kind);
    shape->positions = looks ? CAPTION_MAP_SIDE * CAPTION_MAP_SIDE : 0;
    shape->channels = looks ? CAPTION_MAP_CHANNELS : 0;
    shape->attention = looks ? attention : 0;
}

/* ---- reading ------------------------------------------------------------------------------------------------------
 */

static int metadata_string(const safetensors *file, const char *path, const char *key, const char **value,
                           caption_error *err)
{
    *value = safetensors_metadata(file, key);
    return *value ? CAPTION_OK : caption_fail(err, CAPTION_EFORMAT, "%s: metadata %s is missing", path, key);
}

/* A decimal size of 1..max. */
static int metadata_size(const safetensors *file, const char *path, const char *key, int max, int *value,
                         caption_error *err)
{
    const char *text;
    int status = metadata_string(file, path, key, &text, err);
    if (status != CAPTION_OK)
        return status;
    size_t digits = strspn(text, "0123456789");
    long number = digits && digits <= 9 && !text[digits] ? strtol(text, NULL, 10) : 0;
    if (number < 1 || number > max)
        return caption_fail(err, CAPTION_EFORMAT, "%s: metadata %s is \"%.40s\", expected a number from 1 to %d", path,
                            key, text, max);
    *value = (int)number;
    return CAPTION_OK;
}

static int check_kind(caption_model *model, const char *path, caption_error *err)
{
    const char *format, *kind;
    int status = metadata_string(model->file, path, "format", &format, err);
    if (status == CAPTION_OK)
        status = metadata_string(model->file, path, "kind", &kind, err);
    if (status != CAPTION_OK)
        return status;
    if (strcmp(format, format_name))
        return caption_fail(err, CAPTION_EUNSUPPORTED, "%s: metadata format is \"%.40s\", expected \"%s\"", path,
                            format, format_name);
    if (!decoder_kind_parse(kind, &model->shape.kind))
        return caption_fail(err, CAPTION_EUNSUPPORTED, "%s: metadata kind is \"%.40s\", which this build does not know",
                            path, kind);
    return CAPTION_OK;
}

static int read_vocabulary(caption_model *model, const char *path, caption_error *err)
{
    const char *joined;
    caption_error reason;
    int status = metadata_string(model->file, path, "vocabulary", &joined, err);
    if (status != CAPTION_OK)
        return status;
    status = vocabulary_parse(&model->words, joined, &reason);
    if (status != CAPTION_OK)
        return caption_fail(err, status, "%s: metadata %.400s", path, reason.message);
    model->shape.vocabulary = vocabulary_size(model->words);
    if (model->shape.vocabulary > MODEL_MAX_VOCABULARY)
        return caption_fail(err, CAPTION_ELIMIT, "%s: metadata vocabulary has %d words, more than the limit of %d",
                            path, model->shape.vocabulary, MODEL_MAX_VOCABULARY);
    return CAPTION_OK;
}

/* What a kind that looks has besides. */
static int read_attention(caption_model *model, const char *path, caption_error *err)
{
    int attention = 0;
    int status = metadata_size(model->file, path, "attention", MODEL_MAX_HIDDEN, &attention, err);
    model_shape_look(&model->shape, attention);
    return status;
}

static int read_shape(caption_model *model, const char *path, caption_error *err)
{
    decoder_shape *shape = &model->shape;
    int status = check_kind(model, path, err);
    if (status == CAPTION_OK)
        status = metadata_size(model->file, path, "features", CAPTION_FEATURES, &shape->features, err);
    if (status == CAPTION_OK)
        status = metadata_size(model->file, path, "words", MODEL_MAX_WORDS, &shape->words, err);
    if (status == CAPTION_OK)
        status = metadata_size(model->file, path, "hidden", MODEL_MAX_HIDDEN, &shape->hidden, err);
    if (status == CAPTION_OK && shape->features != CAPTION_FEATURES)
        status = caption_fail(err, CAPTION_EUNSUPPORTED, "%s: metadata features is %d, but the encoder gives %d", path,
                              shape->features, CAPTION_FEATURES);
    if (status == CAPTION_OK && decoder_looks(shape->kind))
        status = read_attention(model, path, err);
    return status == CAPTION_OK ? read_vocabulary(model, path, err) : status;
}

static int read_parameters(caption_model *model, caption_error *err)
{
    decoder_tensor tensors[DECODER_MAX_TENSORS];
    size_t total;
    int n = decoder_layout(&model->shape, tensors, &total);
    int status = arena_reserve(&model->memory, arena_slice(total, sizeof(float)), err);
    if (status == CAPTION_OK)
        model->parameters = arena_take(&model->memory, total, sizeof(float));
    for (int i = 0; i < n && status == CAPTION_OK; i++) {
        const decoder_tensor *t = &tensors[i];
        size_t matrix[] = {(size_t)t->rows, (size_t)t->cols}, *dims = t->rows ? matrix : matrix + 1;
        status = safetensors_read(model->file, t->name, t->rows ? 2 : 1, dims, model->parameters + t->offset, err);
    }
    return status;
}

int caption_model_open(caption_model **out, const char *path, caption_error *err)
{
    *out = NULL;
    caption_model *model = calloc(1, sizeof *model);
    if (!model)
        return caption_fail(err, CAPTION_ENOMEM, "%s: out of memory", path);
    atomic_init(&model->references, 1);
    int status = safetensors_open(&model->file, path, err);
    if (status == CAPTION_OK)
        status = read_shape(model, path, err);
    if (status == CAPTION_OK)
        status = read_parameters(model, err);
    if (status == CAPTION_OK) {
        safetensors_drop_data(model->file);
        *out = model;
    } else {
        caption_model_release(model);
    }
    return status;
}

caption_model *caption_model_retain(caption_model *model)
{
    atomic_fetch_add_explicit(&model->references, 1, memory_order_relaxed);
    return model;
}

/* Release and acquire: the thread that frees must see all that the others did with the weights before. */
void caption_model_release(caption_model *model)
{
    if (!model || atomic_fetch_sub_explicit(&model->references, 1, memory_order_acq_rel) > 1)
        return;
    arena_free(&model->memory);
    vocabulary_free(model->words);
    safetensors_close(model->file);
    free(model);
}

/* ---- facts ------------------------------------------------------------------------------------------------------- */

const char *caption_model_sha256(const caption_model *model)
{
    return safetensors_sha256(model->file);
}

int caption_model_verified(const caption_model *model)
{
    return safetensors_verified(model->file);
}

const char *caption_model_kind(const caption_model *model)
{
    return decoder_kind_name(model->shape.kind);
}

int caption_model_vocabulary_size(const caption_model *model)
{
    return model->shape.vocabulary;
}

int caption_model_hidden_size(const caption_model *model)
{
    return model->shape.hidden;
}

int caption_model_word_size(const caption_model *model)
{
    return model->shape.words;
}

int caption_model_positions(const caption_model *model)
{
    return model->shape.positions;
}

const char *caption_model_metadata(const caption_model *model, const char *key)
{
    return safetensors_metadata(model->file, key);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

enum { OWN_PAIRS = 8, SIZE_TEXT = 12 };

static void size_text(char text[SIZE_TEXT], int size)
{
    snprintf(text, SIZE_TEXT, "%d", size);
}

/* The file's own pairs, then the caller's. */
static int write_file(const char *path, const decoder_shape *shape, const char *joined, const char *encoder,
                      const safetensors_tensor *tensors, int n, const char *const (*metadata)[2], caption_error *err)
{
    char features[SIZE_TEXT], words[SIZE_TEXT], hidden[SIZE_TEXT], attention[SIZE_TEXT];
    size_t own_pairs = decoder_looks(shape->kind) ? OWN_PAIRS : OWN_PAIRS - 1;
    size_t extra = 0;
    while (metadata[extra][0])
        extra++;
    const char *(*pairs)[2] = calloc(OWN_PAIRS + extra + 1, sizeof *pairs);
    if (!pairs)
        return caption_fail(err, CAPTION_ENOMEM, "%s: out of memory", path);
    size_text(features, shape->features);
    size_text(words, shape->words);
    size_text(hidden, shape->hidden);
    size_text(attention, shape->attention);
    const char *const own[OWN_PAIRS][2] = {
        {"format", format_name}, {"kind", decoder_kind_name(shape->kind)},
        {"features", features},  {"words", words},
        {"hidden", hidden},      {"vocabulary", joined},
        {"encoder", encoder},    {"attention", attention}, /* the last only where there is one */
    };
    memcpy(pairs, own, own_pairs * sizeof *own);
    memcpy(pairs + own_pairs, metadata, extra * sizeof *pairs);
    int status = safetensors_write(path, (const char *const(*)[2])pairs, (size_t)n, tensors, err);
    free(pairs);
    return status;
}

int model_write(const char *path, const decoder_shape *shape, const vocabulary *words, const char *encoder,
                const float *parameters, enum safetensors_type type, const char *const (*metadata)[2],
                caption_error *err)
{
    decoder_tensor layout[DECODER_MAX_TENSORS];
    safetensors_tensor tensors[DECODER_MAX_TENSORS];
    size_t total;
    int n = decoder_layout(shape, layout, &total);
    for (int i = 0; i < n; i++) {
        const decoder_tensor *t = &layout[i];
        tensors[i] = (safetensors_tensor){.name = t->name, .type = type, .data = parameters + t->offset};
        if (t->rows)
            tensors[i].dims[tensors[i].ndims++] = (size_t)t->rows;
        tensors[i].dims[tensors[i].ndims++] = (size_t)t->cols;
    }
    char *joined = vocabulary_join(words);
    if (!joined)
        return caption_fail(err, CAPTION_ENOMEM, "%s: out of memory", path);
    int status = write_file(path, shape, joined, encoder, tensors, n, metadata, err);
    free(joined);
    return status;
}
