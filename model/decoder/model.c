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

/* The additional sizes of attention captioners. */
static int read_attention(caption_model *model, const char *path, caption_error *err)
{
    int attention = 0;
    int status = metadata_size(model->file, path, "attention", MODEL_MAX_HIDDEN, &attention, err);
    model_shape_look(&model->shape, attention);
    return status;
}

/* The words of the concepts, separated by '\n', each one of the vocabulary. */
static int read_concept_words(caption_model *model, const char *path, const char *joined, caption_error *err)
{
    int n = 0;
    for (const char *word = joined; *word; n++) {
        const size_t length = strcspn(word, "\n");
        const int id = vocabulary_id(model->words, word, length);
        if (id == VOCABULARY_UNK || n == MODEL_MAX_CONCEPTS)
            return caption_fail(err, CAPTION_EFORMAT, "%s: metadata concepts: \"%.*s\" is %s", path,
                                (int)(length < 40 ? length : 40), word,
                                n == MODEL_MAX_CONCEPTS ? "one too many" : "not in the vocabulary");
        model->concepts.words[n] = id;
        word += length + (word[length] == '\n');
    }
    model->shape.concepts = model->concepts.n = n;
    model->shape.evidence = safetensors_has(model->file, "evidence_scale"); /* not in files of the first version */
    return CAPTION_OK;
}

/* A captioner with concepts has their words and, with attention over them, the number attended to. */
static int read_concepts(caption_model *model, const char *path, caption_error *err)
{
    const char *joined = safetensors_metadata(model->file, "concepts");
    if (!joined)
        return CAPTION_OK;
    model->concepts.words = calloc(MODEL_MAX_CONCEPTS, sizeof *model->concepts.words);
    model->concept_of = calloc((size_t)model->shape.vocabulary, sizeof *model->concept_of);
    if (!model->concepts.words || !model->concept_of)
        return caption_fail(err, CAPTION_ENOMEM, "%s: out of memory", path);
    int status = read_concept_words(model, path, joined, err);
    if (status == CAPTION_OK && model->concepts.n == 0)
        status = caption_fail(err, CAPTION_EFORMAT, "%s: metadata concepts is empty", path);
    for (int v = 0; v < model->shape.vocabulary; v++)
        model->concept_of[v] = -1;
    for (int c = 0; c < model->concepts.n; c++)
        model->concept_of[model->concepts.words[c]] = c;
    if (status == CAPTION_OK && decoder_looks(model->shape.kind) && safetensors_metadata(model->file, "tags"))
        status = metadata_size(model->file, path, "tags", model->concepts.n, &model->shape.tags, err);
    return status;
}

static int read_confidence(caption_model *model, const char *path, caption_error *err)
{
    const char *text = safetensors_metadata(model->file, "confidence");
    if (text && !confidence_parse(&model->confidence, text))
        return caption_fail(err, CAPTION_EFORMAT, "%s: metadata confidence is \"%.40s\", expected %d numbers", path,
                            text, CONFIDENCE_WEIGHTS);
    return CAPTION_OK;
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
    if (status == CAPTION_OK)
        status = read_vocabulary(model, path, err);
    if (status == CAPTION_OK)
        status = read_confidence(model, path, err);
    return status == CAPTION_OK ? read_concepts(model, path, err) : status;
}

static int read_head(caption_model *model, caption_error *err)
{
    size_t dims[] = {(size_t)model->shape.features, (size_t)model->concepts.n};
    if (!model->concepts.n)
        return CAPTION_OK;
    model->concepts.weights = calloc((dims[0] + 1) * dims[1], sizeof *model->concepts.weights);
    if (!model->concepts.weights)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the concepts of a captioner");
    int status = safetensors_read(model->file, "concept_w", 2, dims, model->concepts.weights, err);
    return status == CAPTION_OK ? safetensors_read(model->file, "concept_b", 1, dims + 1,
                                                   concept_bias(&model->concepts, model->shape.features), err)
                                : status;
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
    return status == CAPTION_OK ? read_head(model, err) : status;
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
    free(model->concepts.words);
    free(model->concepts.weights);
    free(model->concept_of);
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

int caption_model_concepts(const caption_model *model)
{
    return model->concepts.n;
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

enum { OWN_PAIRS = 10, SIZE_TEXT = 12, HEAD_TENSORS = 2 };

static void size_text(char text[SIZE_TEXT], int size)
{
    snprintf(text, SIZE_TEXT, "%d", size);
}

/* The words of the concepts, separated by '\n'; malloc'd. */
static char *join_concepts(const concept_head *concepts, const vocabulary *words)
{
    char *joined = calloc((size_t)concepts->n * (VOCABULARY_WORD_BYTES + 1) + 1, 1), *out = joined;
    for (int c = 0; joined && c < concepts->n; c++) {
        if (c)
            *out++ = '\n';
        out = stpcpy(out, vocabulary_word(words, concepts->words[c]));
    }
    return joined;
}

/* What goes into a file besides its tensors. */
struct facts {
    const char *vocabulary, *concepts, *encoder;
    const char *const (*more)[2];
};

/* The file's own pairs, then the caller's. */
static int write_file(const char *path, const decoder_shape *shape, const struct facts *facts,
                      const safetensors_tensor *tensors, int n, caption_error *err)
{
    char features[SIZE_TEXT], words[SIZE_TEXT], hidden[SIZE_TEXT], attention[SIZE_TEXT], tags[SIZE_TEXT];
    size_t extra = 0, used = 0;
    while (facts->more[extra][0])
        extra++;
    const char *(*pairs)[2] = calloc(OWN_PAIRS + extra + 1, sizeof *pairs);
    if (!pairs)
        return caption_fail(err, CAPTION_ENOMEM, "%s: out of memory", path);
    size_text(features, shape->features);
    size_text(words, shape->words);
    size_text(hidden, shape->hidden);
    size_text(attention, shape->attention);
    size_text(tags, shape->tags);
    const char *const own[OWN_PAIRS][2] = {
        {"format", format_name},
        {"kind", decoder_kind_name(shape->kind)},
        {"features", features},
        {"words", words},
        {"hidden", hidden},
        {"vocabulary", facts->vocabulary},
        {"encoder", facts->encoder},
        {"attention", decoder_looks(shape->kind) ? attention : NULL},
        {"concepts", facts->concepts},
        {"tags", shape->tags ? tags : NULL},
    };
    for (size_t i = 0; i < OWN_PAIRS; i++)
        if (own[i][1])
            memcpy(pairs[used++], own[i], sizeof *own);
    memcpy(pairs + used, facts->more, extra * sizeof *pairs);
    int status = safetensors_write(path, (const char *const(*)[2])pairs, (size_t)n, tensors, err);
    free(pairs);
    return status;
}

static int list_tensors(const decoder_shape *shape, const concept_head *concepts, const float *parameters,
                        enum safetensors_type type, safetensors_tensor tensors[DECODER_MAX_TENSORS + HEAD_TENSORS])
{
    decoder_tensor layout[DECODER_MAX_TENSORS];
    size_t total;
    int n = decoder_layout(shape, layout, &total);
    for (int i = 0; i < n; i++) {
        const decoder_tensor *t = &layout[i];
        tensors[i] = (safetensors_tensor){.name = t->name, .type = type, .data = parameters + t->offset};
        if (t->rows)
            tensors[i].dims[tensors[i].ndims++] = (size_t)t->rows;
        tensors[i].dims[tensors[i].ndims++] = (size_t)t->cols;
    }
    if (!concepts)
        return n;
    const size_t classes = (size_t)concepts->n, inputs = (size_t)shape->features;
    tensors[n++] = (safetensors_tensor){
        .name = "concept_w", .type = type, .data = concepts->weights, .ndims = 2, .dims = {inputs, classes}};
    tensors[n++] = (safetensors_tensor){.name = "concept_b",
                                        .type = type,
                                        .data = concept_bias(concepts, shape->features),
                                        .ndims = 1,
                                        .dims = {classes}};
    return n;
}

int model_write(const char *path, const decoder_shape *shape, const vocabulary *words, const concept_head *concepts,
                const char *encoder, const float *parameters, enum safetensors_type type,
                const char *const (*metadata)[2], caption_error *err)
{
    safetensors_tensor tensors[DECODER_MAX_TENSORS + HEAD_TENSORS];
    const concept_head *head = shape->concepts ? concepts : NULL;
    int n = list_tensors(shape, head, parameters, type, tensors);
    char *joined = vocabulary_join(words), *of_concepts = head ? join_concepts(head, words) : NULL;
    int status = CAPTION_OK;
    if (!joined || (head && !of_concepts))
        status = caption_fail(err, CAPTION_ENOMEM, "%s: out of memory", path);
    if (status == CAPTION_OK)
        status = write_file(path, shape, &(struct facts){joined, of_concepts, encoder, metadata}, tensors, n, err);
    free(joined);
    free(of_concepts);
    return status;
}
