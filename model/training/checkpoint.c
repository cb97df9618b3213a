/* checkpoint.c: writes and reads a training run as a safetensors file: parameters, optimizer, counters
 * (checkpoint.h). */
#include "model/training/checkpoint.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/storage/safetensors.h"

static const char FORMAT[] = "captiond training checkpoint 1";

enum { VECTORS = 4, NUMBER = 48 };

/* The vectors of a run by name; data is NULL for an average that is not kept. */
struct vector {
    const char *name;
    float *data;
};

static void list_vectors(const optimizer *o, const float *parameters, struct vector vectors[VECTORS])
{
    vectors[0] = (struct vector){"parameters", (float *)parameters};
    vectors[1] = (struct vector){"first_moment", o->first};
    vectors[2] = (struct vector){"second_moment", o->second};
    vectors[3] = (struct vector){"average", o->average};
}

int checkpoint_write(const char *path, const char *run, const checkpoint *state, const optimizer *o,
                     const float *parameters, caption_error *err)
{
    char epoch[NUMBER], batch[NUMBER], steps[NUMBER], best_epoch[NUMBER], best_score[NUMBER];
    snprintf(epoch, sizeof epoch, "%ld", state->epoch);
    snprintf(batch, sizeof batch, "%ld", state->batch);
    snprintf(steps, sizeof steps, "%ld", o->steps);
    snprintf(best_epoch, sizeof best_epoch, "%ld", state->best_epoch);
    snprintf(best_score, sizeof best_score, "%a", state->best_score); /* hexadecimal: no bit is lost */
    const char *const metadata[][2] = {
        {"format", FORMAT},         {"run", run},     {"epoch", epoch},
        {"batch", batch},           {"steps", steps}, {"best_epoch", best_epoch},
        {"best_score", best_score}, {NULL, NULL},
    };
    struct vector vectors[VECTORS];
    safetensors_tensor tensors[VECTORS];
    size_t n = 0;
    list_vectors(o, parameters, vectors);
    for (size_t i = 0; i < VECTORS; i++)
        if (vectors[i].data)
            tensors[n++] = (safetensors_tensor){vectors[i].name, SAFETENSORS_F32, 1, {o->n}, vectors[i].data};
    return safetensors_write(path, metadata, n, tensors, err);
}

static int fail(const char *path, const char *what, caption_error *err)
{
    return caption_fail(err, CAPTION_EFORMAT, "%s: the checkpoint has no valid %s", path, what);
}

/* A count from the metadata. */
static int read_count(const safetensors *file, const char *path, const char *key, long *out, caption_error *err)
{
    const char *text = safetensors_metadata(file, key);
    char *end;
    errno = 0;
    *out = text ? strtol(text, &end, 10) : -1;
    return text && end != text && !*end && !errno && *out >= 0 ? CAPTION_OK : fail(path, key, err);
}

static int read_score(const safetensors *file, const char *path, const char *key, double *out, caption_error *err)
{
    const char *text = safetensors_metadata(file, key);
    char *end;
    *out = text ? strtod(text, &end) : 0;
    return text && end != text && !*end && isfinite(*out) ? CAPTION_OK : fail(path, key, err);
}

static int check_run(const safetensors *file, const char *path, const char *run, caption_error *err)
{
    const char *format = safetensors_metadata(file, "format"), *found = safetensors_metadata(file, "run");
    if (!format || strcmp(format, FORMAT) != 0)
        return caption_fail(err, CAPTION_EFORMAT, "%s: is not a training checkpoint", path);
    if (!found || strcmp(found, run) != 0)
        return caption_fail(err, CAPTION_EINVAL, "%s: belongs to a run with other options or data: %.300s", path,
                            found ? found : "unknown");
    return CAPTION_OK;
}

static int read_state(const safetensors *file, const char *path, checkpoint *state, optimizer *o, caption_error *err)
{
    int status;
    if ((status = read_count(file, path, "epoch", &state->epoch, err)) ||
        (status = read_count(file, path, "batch", &state->batch, err)) ||
        (status = read_count(file, path, "steps", &o->steps, err)) ||
        (status = read_count(file, path, "best_epoch", &state->best_epoch, err)))
        return status;
    return read_score(file, path, "best_score", &state->best_score, err);
}

int checkpoint_read(const char *path, const char *run, checkpoint *state, optimizer *o, float *parameters,
                    caption_error *err)
{
    safetensors *file;
    struct vector vectors[VECTORS];
    int status = safetensors_open(&file, path, err);
    if (status != CAPTION_OK)
        return status;
    status = check_run(file, path, run, err);
    if (status == CAPTION_OK)
        status = read_state(file, path, state, o, err);
    list_vectors(o, parameters, vectors);
    for (size_t i = 0; i < VECTORS && status == CAPTION_OK; i++)
        if (vectors[i].data)
            status = safetensors_read(file, vectors[i].name, 1, &o->n, vectors[i].data, err);
    safetensors_close(file);
    return status;
}

int checkpoint_follow(caption_ranks *ranks, checkpoint *state, optimizer *o, float *parameters, caption_error *err)
{
    struct vector vectors[VECTORS];
    int status;
    if ((status = ranks_follow(ranks, state, sizeof *state, err)) ||
        (status = ranks_follow(ranks, &o->steps, sizeof o->steps, err)))
        return status;
    list_vectors(o, parameters, vectors);
    for (size_t i = 0; i < VECTORS && status == CAPTION_OK; i++)
        if (vectors[i].data)
            status = ranks_follow(ranks, vectors[i].data, o->n * sizeof(float), err);
    return status;
}
