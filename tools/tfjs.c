/* tfjs.c: see tfjs.h. The format: model.json holds modelTopology.node (a TensorFlow GraphDef in JSON) and
 * weightsManifest: groups of {paths, weights: [{name, shape, dtype}]}, the weights packed one after the other in the
 * concatenation of the files at `paths`, little-endian. */
#include "tools/tfjs.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE_BYTES = 256 << 20, PATH_BYTES = 4096 };

typedef struct operation {
    const cJSON *json;
    const char *name, *op;
    int used;
} operation;

typedef struct constant {
    tfjs_tensor tensor;
    int used;
} constant;

struct tfjs_graph {
    char directory[PATH_BYTES];
    cJSON *json;
    unsigned char *data; /* every shard, one after the other */
    size_t data_size;
    operation *operations; /* all but the constants */
    constant *constants;
    size_t operation_count, constant_count;
};

/* ---- files -------------------------------------------------------------------------------------------------- */

static int read_stream(FILE *file, const char *path, unsigned char **data, size_t *size, caption_error *err)
{
    if (fseek(file, 0, SEEK_END) != 0)
        return caption_fail(err, CAPTION_EIO, "%s: %s", path, strerror(errno));
    long length = ftell(file);
    if (length < 0 || length > MAX_FILE_BYTES || *size > MAX_FILE_BYTES)
        return caption_fail(err, CAPTION_EFORMAT, "%s: larger than %d bytes", path, MAX_FILE_BYTES);
    rewind(file);
    unsigned char *grown = realloc(*data, *size + (size_t)length + 1);
    if (!grown)
        return caption_fail(err, CAPTION_ENOMEM, "%s: out of memory", path);
    *data = grown;
    if (fread(grown + *size, 1, (size_t)length, file) != (size_t)length)
        return caption_fail(err, CAPTION_EIO, "%s: cannot be read", path);
    *size += (size_t)length;
    grown[*size] = 0;
    return CAPTION_OK;
}

/* Appends the file's bytes to *data, and a NUL after them that *size does not count. */
static int append_file(const char *directory, const char *name, unsigned char **data, size_t *size, caption_error *err)
{
    char path[2 * PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return caption_fail(err, CAPTION_EIO, "%s: %s", path, strerror(errno));
    int status = read_stream(file, path, data, size, err);
    fclose(file);
    return status;
}

/* ---- weights ------------------------------------------------------------------------------------------------ */

static int bad_weight(const cJSON *weight, const char *reason, caption_error *err)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(weight, "name"));
    return caption_fail(err, CAPTION_EFORMAT, "model.json: weight %s: %s", name ? name : "without a name", reason);
}

static int parse_shape(const cJSON *weight, tfjs_tensor *tensor, caption_error *err)
{
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(weight, "shape"), *dim;
    if (!cJSON_IsArray(shape) || cJSON_GetArraySize(shape) > TFJS_MAX_DIMS)
        return bad_weight(weight, "its shape is not a list of at most 4 numbers", err);
    tensor->count = 1;
    cJSON_ArrayForEach(dim, shape)
    {
        if (!cJSON_IsNumber(dim) || dim->valueint < 1 || dim->valueint != dim->valuedouble ||
            __builtin_mul_overflow(tensor->count, (size_t)dim->valueint, &tensor->count))
            return bad_weight(weight, "a dimension is no positive number", err);
        tensor->dims[tensor->ndims++] = (size_t)dim->valueint;
    }
    return CAPTION_OK;
}

/* Takes the weight's bytes from `offset` on, and moves it behind them. */
static int parse_weight(tfjs_graph *g, const cJSON *weight, size_t *offset, caption_error *err)
{
    tfjs_tensor tensor = {.name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(weight, "name"))};
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(weight, "dtype"));
    if (!tensor.name || !type || cJSON_GetArraySize(weight) != 3) /* a fourth member would be a quantisation */
        return bad_weight(weight, "is not just a name, a shape and a dtype", err);
    tensor.is_float = strcmp(type, "float32") == 0;
    if (!tensor.is_float && strcmp(type, "int32") != 0)
        return bad_weight(weight, "is neither float32 nor int32", err);
    int status = parse_shape(weight, &tensor, err);
    if (status != CAPTION_OK)
        return status;
    if (tensor.count > (g->data_size - *offset) / 4)
        return bad_weight(weight, "reaches past the end of the shards", err);
    tensor.data = g->data + *offset;
    *offset += 4 * tensor.count;
    g->constants[g->constant_count++].tensor = tensor;
    return CAPTION_OK;
}

static int load_weights(tfjs_graph *g, caption_error *err)
{
    const cJSON *groups = cJSON_GetObjectItemCaseSensitive(g->json, "weightsManifest");
    const cJSON *group = cJSON_GetArrayItem(groups, 0), *item;
    const cJSON *paths = cJSON_GetObjectItemCaseSensitive(group, "paths");
    const cJSON *weights = cJSON_GetObjectItemCaseSensitive(group, "weights");
    if (cJSON_GetArraySize(groups) != 1 || !cJSON_IsArray(paths) || !cJSON_IsArray(weights))
        return caption_fail(err, CAPTION_EFORMAT, "model.json: weightsManifest is not one group of paths and weights");
    cJSON_ArrayForEach(item, paths)
    {
        const char *name = cJSON_GetStringValue(item);
        if (!name || strchr(name, '/'))
            return caption_fail(err, CAPTION_EFORMAT, "model.json: a shard's path is no plain file name");
        int status = append_file(g->directory, name, &g->data, &g->data_size, err);
        if (status != CAPTION_OK)
            return status;
    }
    g->constants = calloc((size_t)cJSON_GetArraySize(weights) + 1, sizeof *g->constants);
    if (!g->constants)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory");
    size_t offset = 0;
    cJSON_ArrayForEach(item, weights)
    {
        int status = parse_weight(g, item, &offset, err);
        if (status != CAPTION_OK)
            return status;
    }
    if (offset != g->data_size)
        return caption_fail(err, CAPTION_EFORMAT, "the shards hold %zu bytes more than the weights",
                            g->data_size - offset);
    return CAPTION_OK;
}

/* ---- operations --------------------------------------------------------------------------------------------- */

static int load_operations(tfjs_graph *g, caption_error *err)
{
    const cJSON *topology = cJSON_GetObjectItemCaseSensitive(g->json, "modelTopology");
    const cJSON *nodes = cJSON_GetObjectItemCaseSensitive(topology, "node"), *node;
    g->operations = calloc((size_t)cJSON_GetArraySize(nodes) + 1, sizeof *g->operations);
    if (!g->operations)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory");
    cJSON_ArrayForEach(node, nodes)
    {
        operation *next = &g->operations[g->operation_count];
        next->json = node;
        next->name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(node, "name"));
        next->op = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(node, "op"));
        if (!next->name || !next->op)
            return caption_fail(err, CAPTION_EFORMAT, "model.json: node %zu has no name or no op", g->operation_count);
        if (strcmp(next->op, "Const") != 0)
            g->operation_count++;
    }
    if (g->operation_count == 0)
        return caption_fail(err, CAPTION_EFORMAT, "model.json: no modelTopology.node");
    return CAPTION_OK;
}

static int load(tfjs_graph *g, caption_error *err)
{
    unsigned char *text = NULL;
    size_t size = 0;
    int status = append_file(g->directory, "model.json", &text, &size, err);
    if (status == CAPTION_OK) {
        g->json = cJSON_Parse((const char *)text);
        if (!g->json)
            status = caption_fail(err, CAPTION_EFORMAT, "%s/model.json: not JSON", g->directory);
    }
    free(text);
    if (status == CAPTION_OK)
        status = load_operations(g, err);
    return status == CAPTION_OK ? load_weights(g, err) : status;
}

int tfjs_open(tfjs_graph **out, const char *directory, caption_error *err)
{
    tfjs_graph *g = calloc(1, sizeof *g);
    *out = NULL;
    if (!g)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory");
    snprintf(g->directory, sizeof g->directory, "%s", directory);
    int status = load(g, err);
    if (status == CAPTION_OK)
        *out = g;
    else
        tfjs_close(g);
    return status;
}

void tfjs_close(tfjs_graph *g)
{
    if (!g)
        return;
    cJSON_Delete(g->json);
    free(g->data);
    free(g->operations);
    free(g->constants);
    free(g);
}

/* ---- the walk ----------------------------------------------------------------------------------------------- */

static int inputs_match(const cJSON *node, int n, const char *const *inputs, tfjs_step *step)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(node, "input");
    if (cJSON_GetArraySize(list) != n)
        return 0;
    for (int i = 0; i < n; i++) {
        step->input[i] = cJSON_GetStringValue(cJSON_GetArrayItem(list, i));
        if (!step->input[i] || (inputs[i] && strcmp(inputs[i], step->input[i]) != 0))
            return 0;
    }
    return 1;
}

static int check_attributes(const operation *node, const char *attributes, caption_error *err)
{
    cJSON *expected = cJSON_Parse(attributes);
    int same = expected && cJSON_Compare(cJSON_GetObjectItemCaseSensitive(node->json, "attr"), expected, 1);
    cJSON_Delete(expected);
    if (same)
        return CAPTION_OK;
    return caption_fail(err, CAPTION_EFORMAT, "operation %s (%s): its attributes are not the expected %s", node->name,
                        node->op, attributes);
}

int tfjs_follow(tfjs_graph *g, const char *op, const char *attributes, int n, const char *const *inputs,
                tfjs_step *step, caption_error *err)
{
    const char *from = n > 0 && inputs[0] ? inputs[0] : "the start";
    operation *found = NULL;
    for (size_t i = 0; i < g->operation_count; i++) {
        tfjs_step candidate = {.name = g->operations[i].name};
        if (strcmp(g->operations[i].op, op) != 0 || !inputs_match(g->operations[i].json, n, inputs, &candidate))
            continue;
        if (found || g->operations[i].used)
            return caption_fail(err, CAPTION_EFORMAT, "operation %s (%s): there is another after %s", candidate.name,
                                op, from);
        found = &g->operations[i];
        *step = candidate;
    }
    if (!found)
        return caption_fail(err, CAPTION_EFORMAT, "after %s there is no %s of the expected inputs", from, op);
    found->used = 1;
    return check_attributes(found, attributes, err);
}

int tfjs_constant(tfjs_graph *g, const char *name, tfjs_tensor *tensor, caption_error *err)
{
    for (size_t i = 0; i < g->constant_count; i++)
        if (strcmp(g->constants[i].tensor.name, name) == 0) {
            g->constants[i].used = 1;
            *tensor = g->constants[i].tensor;
            return CAPTION_OK;
        }
    return caption_fail(err, CAPTION_EFORMAT, "%s is not a constant", name);
}

int tfjs_all_used(const tfjs_graph *g, caption_error *err)
{
    for (size_t i = 0; i < g->operation_count; i++)
        if (!g->operations[i].used)
            return caption_fail(err, CAPTION_EFORMAT, "operation %s (%s) is not part of EfficientNet-B0",
                                g->operations[i].name, g->operations[i].op);
    for (size_t i = 0; i < g->constant_count; i++)
        if (!g->constants[i].used)
            return caption_fail(err, CAPTION_EFORMAT, "constant %s is not part of EfficientNet-B0",
                                g->constants[i].tensor.name);
    return CAPTION_OK;
}
