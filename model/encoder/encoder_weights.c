/* encoder_weights.c: opens, checks, packs, shares and frees the encoder's weights.
 *
 * Each tensor is read into a passing buffer, with name, shape and finiteness checked by the reader, and packed for the
 * kernels of this CPU into one aligned allocation, one layer behind the other in the order of execution: the kernels
 * fetch what comes next. The plain weights are a second allocation, unpacked from the first when a gradient wants them.
 */
#include "model/encoder/encoder_weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/arena.h"
#include "model/kernels/cpu.h"
#include "model/storage/safetensors.h"

typedef struct loading {
    const safetensors *file;
    caption_encoder *encoder;
    arena buffer; /* one layer's weight and bias, plain */
    size_t bytes;
    caption_error *err;
} loading;

/* A filter that reads one channel at a time; every other is a product of [kernel * kernel * in, out]. */
static bool is_depthwise(const encoder_layer *l)
{
    return l->kernel > 1 && l->in == 1;
}

static int inputs_of(const encoder_layer *l)
{
    return l->kernel * l->kernel * l->in;
}

static size_t packed_size(const simd_set *kernels, const encoder_layer *l)
{
    return is_depthwise(l) ? kernels->packed_depthwise_size(l->kernel, l->out)
                           : kernels->packed_size(inputs_of(l), l->out);
}

static size_t plain_bytes(const encoder_layer *l)
{
    return arena_slice(encoder_layer_size(l), sizeof(float)) + arena_slice((size_t)l->out, sizeof(float));
}

/* ---- packed ------------------------------------------------------------------------------------------------------ */

static int add_packed(void *context, const char *name, encoder_layer *layer)
{
    (void)name;
    loading *l = context;
    l->bytes += arena_slice(packed_size(l->encoder->kernels, layer), sizeof(float));
    return CAPTION_OK;
}

static int read_tensor(loading *l, const char *layer, const char *part, int ndims, const size_t *dims, float *values)
{
    char name[ENCODER_NAME_BYTES + 8];
    snprintf(name, sizeof name, "%s.%s", layer, part);
    return safetensors_read(l->file, name, ndims, dims, values, l->err);
}

static void pack(caption_encoder *e, encoder_layer *layer, const float *weight, const float *bias)
{
    float *packed = arena_take(&e->packed, packed_size(e->kernels, layer), sizeof *packed);
    if (is_depthwise(layer))
        e->kernels->packed_pack_depthwise(layer->kernel, layer->out, weight, bias, packed);
    else
        e->kernels->packed_pack(inputs_of(layer), layer->out, weight, bias, packed);
    layer->packed = packed;
}

static int read_layer(void *context, const char *name, encoder_layer *layer)
{
    loading *l = context;
    const size_t kernel = (size_t)layer->kernel, in = (size_t)layer->in, out = (size_t)layer->out;
    int status = arena_reserve(&l->buffer, plain_bytes(layer), l->err);
    if (status != CAPTION_OK)
        return status;
    float *weight = arena_take(&l->buffer, encoder_layer_size(layer), sizeof *weight);
    float *bias = arena_take(&l->buffer, out, sizeof *bias);
    status = read_tensor(l, name, "weight", 4, (size_t[]){kernel, kernel, in, out}, weight);
    if (status == CAPTION_OK)
        status = read_tensor(l, name, "bias", 1, &out, bias);
    if (status == CAPTION_OK)
        pack(l->encoder, layer, weight, bias);
    return status;
}

static int read_network(caption_encoder *encoder, const safetensors *file, caption_error *err)
{
    loading l = {.file = file, .encoder = encoder, .err = err};
    encoder_network_init(&encoder->network);
    encoder_network_each(&encoder->network, add_packed, &l);
    int status = arena_reserve(&encoder->packed, l.bytes, err);
    if (status == CAPTION_OK)
        status = encoder_network_each(&encoder->network, read_layer, &l);
    arena_free(&l.buffer);
    return status;
}

/* ---- plain ------------------------------------------------------------------------------------------------------- */

static int add_plain(void *context, const char *name, encoder_layer *layer)
{
    (void)name;
    *(size_t *)context += plain_bytes(layer);
    return CAPTION_OK;
}

static int unpack_layer(void *context, const char *name, encoder_layer *layer)
{
    caption_encoder *e = context;
    float *weight = arena_take(&e->plain, encoder_layer_size(layer), sizeof *weight);
    float *bias = arena_take(&e->plain, (size_t)layer->out, sizeof *bias);
    (void)name;
    if (is_depthwise(layer))
        e->kernels->packed_unpack_depthwise(layer->kernel, layer->out, layer->packed, weight, bias);
    else
        e->kernels->packed_unpack_weight(inputs_of(layer), layer->out, layer->packed, weight, bias);
    layer->weight = weight;
    layer->bias = bias;
    return CAPTION_OK;
}

int encoder_plain_weights(caption_encoder *encoder, caption_error *err)
{
    size_t bytes = 0;
    int status = CAPTION_OK;
    pthread_mutex_lock(&encoder->making);
    if (!encoder->plain.base) {
        encoder_network_each(&encoder->network, add_plain, &bytes);
        status = arena_reserve(&encoder->plain, bytes, err);
        if (status == CAPTION_OK)
            encoder_network_each(&encoder->network, unpack_layer, encoder);
    }
    pthread_mutex_unlock(&encoder->making);
    return status;
}

/* ---- what the file says of them ---------------------------------------------------------------------------------- */

/* The metadata `key` must be three numbers, one a colour. */
static int read_colours(const safetensors *file, const char *path, const char *key, float out[ENCODER_CHANNELS],
                        caption_error *err)
{
    const char *text = safetensors_metadata(file, key);
    char rest;
    if (!text || sscanf(text, "%f %f %f%c", &out[0], &out[1], &out[2], &rest) != ENCODER_CHANNELS)
        return caption_fail(err, CAPTION_EFORMAT, "%s: metadata %s is not three numbers", path, key);
    return CAPTION_OK;
}

static int read_normalisation(caption_encoder *encoder, const safetensors *file, const char *path, caption_error *err)
{
    float mean[ENCODER_CHANNELS], std[ENCODER_CHANNELS];
    int status = read_colours(file, path, "mean", mean, err);
    if (status == CAPTION_OK)
        status = read_colours(file, path, "std", std, err);
    for (int c = 0; c < ENCODER_CHANNELS && status == CAPTION_OK; c++) {
        if (!(std[c] > 0) || !(std[c] < 1e6f) || !(mean[c] > -1e6f && mean[c] < 1e6f))
            return caption_fail(err, CAPTION_EFORMAT, "%s: metadata mean or std is out of range", path);
        for (int level = 0; level < ENCODER_LEVELS; level++)
            encoder->normalised[c][level] = ((float)level - mean[c]) / std[c];
    }
    return status;
}

/* The metadata "labels": the class names, a newline between two. */
static int read_labels(caption_encoder *encoder, const safetensors *file, const char *path, caption_error *err)
{
    const char *text = safetensors_metadata(file, "labels");
    encoder->label_text = strdup(text ? text : "");
    if (!encoder->label_text)
        return caption_fail(err, CAPTION_ENOMEM, "no memory for the encoder's labels");
    char *rest = encoder->label_text;
    for (int i = 0; i < CAPTION_CLASSES; i++) {
        encoder->label[i] = strsep(&rest, "\n");
        if (!encoder->label[i] || !*encoder->label[i])
            return caption_fail(err, CAPTION_EFORMAT, "%s: metadata labels has no name for class %d", path, i);
    }
    if (rest)
        return caption_fail(err, CAPTION_EFORMAT, "%s: metadata labels has more than %d names", path, CAPTION_CLASSES);
    return CAPTION_OK;
}

/* What captioners and caches call this encoder: what its file says, if its checksums bear it out; else the file's own
 * SHA-256. */
static void read_identity(caption_encoder *encoder, const safetensors *file)
{
    static const char digits[] = "0123456789abcdef";
    const size_t length = sizeof encoder->sha256 - 1;
    const char *said = safetensors_verified(file) ? safetensors_metadata(file, "identity") : NULL;
    const int good = said && strlen(said) == length && strspn(said, digits) == length;
    memcpy(encoder->sha256, good ? said : safetensors_sha256(file), length + 1);
}

static int read_file(caption_encoder *encoder, const safetensors *file, const char *path, caption_error *err)
{
    const char *format = safetensors_metadata(file, "format"), *kind = safetensors_metadata(file, "kind");
    if (!format || strcmp(format, "captiond-encoder-1") != 0 || !kind || strcmp(kind, "efficientnet-b0") != 0)
        return caption_fail(err, CAPTION_EUNSUPPORTED, "%s: not an encoder this build knows (format %s, kind %s)", path,
                            format ? format : "missing", kind ? kind : "missing");
    read_identity(encoder, file);
    int status = read_normalisation(encoder, file, path, err);
    if (status == CAPTION_OK)
        status = read_labels(encoder, file, path, err);
    return status == CAPTION_OK ? read_network(encoder, file, err) : status;
}

int caption_encoder_open(caption_encoder **out, const char *path, caption_error *err)
{
    *out = NULL;
    safetensors *file;
    int status = safetensors_open(&file, path, err);
    if (status != CAPTION_OK)
        return status;
    caption_encoder *encoder = calloc(1, sizeof *encoder);
    if (encoder) {
        atomic_init(&encoder->references, 1);
        pthread_mutex_init(&encoder->making, NULL);
        encoder->kernels = cpu_kernels();
        status = read_file(encoder, file, path, err);
    } else {
        status = caption_fail(err, CAPTION_ENOMEM, "%s: out of memory", path);
    }
    safetensors_close(file);
    if (status == CAPTION_OK)
        *out = encoder;
    else
        caption_encoder_release(encoder);
    return status;
}

caption_encoder *caption_encoder_retain(caption_encoder *encoder)
{
    atomic_fetch_add_explicit(&encoder->references, 1, memory_order_relaxed);
    return encoder;
}

/* Release and acquire: the thread that frees must see all that the others did with the weights before. */
void caption_encoder_release(caption_encoder *encoder)
{
    if (!encoder || atomic_fetch_sub_explicit(&encoder->references, 1, memory_order_acq_rel) > 1)
        return;
    arena_free(&encoder->packed);
    arena_free(&encoder->plain);
    pthread_mutex_destroy(&encoder->making);
    free(encoder->label_text);
    free(encoder);
}

const char *caption_encoder_sha256(const caption_encoder *encoder)
{
    return encoder->sha256;
}

const char *caption_encoder_label(const caption_encoder *encoder, int class_index)
{
    return class_index >= 0 && class_index < CAPTION_CLASSES ? encoder->label[class_index] : NULL;
}
