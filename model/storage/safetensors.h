/* safetensors.h: the weight file format, read as hostile and written atomically.
 *
 *     u64 little-endian N | N bytes of JSON header | data
 *     header: {"__metadata__": {"key": "value", ...}, "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0,
 * 24]}, ...} (https://huggingface.co/docs/safetensors, format of 2023)
 *
 *     safetensors *file;
 *     if (safetensors_open(&file, "lstm.safetensors", &err) != CAPTION_OK) ...
 *     if (safetensors_read(file, "w_proj", 2, (size_t[]){1280, 512}, w_proj, &err) != CAPTION_OK) ...
 *     safetensors_close(file);
 *
 * Opening checks everything before anything is used: header length against file size, JSON shape, known dtype,
 * overflow-checked products, offsets inside the file, adjacent and without overlap; and the checksums that our writer
 * puts into the metadata (safetensors_checksums.h), so that a byte that has changed on the disk is not taken for a
 * weight. Files of other writers have none and open all the same. Reading checks name, shape and that every number is
 * finite. Errors name the file, the tensor and the reason.
 * Thread-safety: an open file is read-only and may be shared. */
#ifndef CAPTION_SAFETENSORS_H
#define CAPTION_SAFETENSORS_H

#include <stddef.h>

#include "model/error.h"

typedef struct safetensors safetensors;

enum safetensors_type { SAFETENSORS_F16, SAFETENSORS_F32, SAFETENSORS_F64 };

enum { SAFETENSORS_MAX_DIMS = 4, SAFETENSORS_MAX_TENSORS = 4096 };

/* Reads `path` into memory and checks its structure and checksums. The caller closes *out. */
int safetensors_open(safetensors **out, const char *path, caption_error *err);
void safetensors_close(safetensors *file); /* NULL is allowed */

/* The metadata string of `key`, or NULL. Lives as long as the file. */
const char *safetensors_metadata(const safetensors *file, const char *key);

/* The i-th metadata pair in file order, checksums left out; returns 0 past the last. */
int safetensors_metadata_at(const safetensors *file, size_t i, const char **key, const char **value);

/* The SHA-256 of the whole file as 64 lower-case hex digits. Lives as long as the file. */
const char *safetensors_sha256(const safetensors *file);

/* 1 if the file has checksums, which are then known to be right. */
int safetensors_verified(const safetensors *file);

/* Frees the data: from now on the metadata alone can be asked for. */
void safetensors_drop_data(safetensors *file);

/* 1 if there is a tensor of that name. */
int safetensors_has(const safetensors *file, const char *name);

/* Copies tensor `name` into `out` as float32 (F16 is widened), if it has exactly the shape dims[ndims]. */
int safetensors_read(const safetensors *file, const char *name, int ndims, const size_t *dims, float *out,
                     caption_error *err);

/* The same for float64 tensors (a training checkpoint's running sums); no other type is converted. */
int safetensors_read_f64(const safetensors *file, const char *name, int ndims, const size_t *dims, double *out,
                         caption_error *err);

typedef struct safetensors_tensor {
    const char *name;
    enum safetensors_type type; /* the type in the file: F16 narrows float data, round to nearest even */
    int ndims;
    size_t dims[SAFETENSORS_MAX_DIMS];
    const void *data; /* float for F16 and F32, double for F64; row-major */
} safetensors_tensor;

/* Writes a file: to a temporary name beside it, fsync, rename, fsync of the directory. The same arguments give the
 * same bytes. metadata is {key, value} pairs ending in NULL, to which "checksums" is added. Strings are UTF-8. */
int safetensors_write(const char *path, const char *const (*metadata)[2], size_t tensors,
                      const safetensors_tensor *tensor, caption_error *err);

#endif
