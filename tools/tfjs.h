/* tfjs.h: a TensorFlow.js graph model (model.json and its shards), read with suspicion.
 *
 * A converter must not guess. It walks the graph from the input, and names for every step the one operation it
 * expects, with all its attributes; whatever was not walked over in the end is refused by name. Nothing in the file
 * can therefore change the result without being noticed.
 *
 * Only what import_encoder.c needs: float32 and int32 weights, no quantisation. One owner, not thread-safe. */
#ifndef CAPTION_TFJS_H
#define CAPTION_TFJS_H

#include <stddef.h>

#include "model/error.h"

typedef struct tfjs_graph tfjs_graph;

enum { TFJS_MAX_DIMS = 4, TFJS_MAX_INPUTS = 4 };

typedef struct tfjs_tensor {
    const char *name;
    int is_float; /* else int32 */
    int ndims;
    size_t dims[TFJS_MAX_DIMS], count; /* count: elements */
    const void *data;                  /* float or int32_t, row-major */
} tfjs_tensor;

/* One operation, met on the walk. */
typedef struct tfjs_step {
    const char *name; /* also the name of its result */
    const char *input[TFJS_MAX_INPUTS];
} tfjs_step;

/* Reads DIRECTORY/model.json and the shards that it names. The caller closes *out. */
int tfjs_open(tfjs_graph **out, const char *directory, caption_error *err);
void tfjs_close(tfjs_graph *graph); /* NULL is allowed */

/* Finds the one operation `op` whose inputs are exactly inputs[n], a NULL standing for any. Its attributes must be
 * exactly `attributes` (JSON), and no walk may have come over it before. */
int tfjs_follow(tfjs_graph *graph, const char *op, const char *attributes, int n, const char *const *inputs,
                tfjs_step *step, caption_error *err);

/* The constant called `name`. */
int tfjs_constant(tfjs_graph *graph, const char *name, tfjs_tensor *tensor, caption_error *err);

/* CAPTION_EFORMAT, naming one, if operations or constants were never asked for. */
int tfjs_all_used(const tfjs_graph *graph, caption_error *err);

#endif
