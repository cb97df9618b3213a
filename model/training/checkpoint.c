/* checkpoint.c: writes and reads a training run as a safetensors file: parameters, optimizer, counters
 * (checkpoint.h). */
#include "model/training/checkpoint.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/storage/safetensors.h"

static const char FORMAT[] = "captiond training checkpoint 2";

enum { VECTORS = 4, COUNTS = 4, SCORES = 4, NUMBER = 48 };

/* The counters and scores of a run by name; written in hexadecimal, scores lose no bit. */
struct numbers {
    struct count {
        const char *name;
        long *value;
    } counts[COUNTS];
    struct score {
        const char *name;
        double *value;
    } scores[SCORES];
};

static struct numbers list_numbers(const checkpoint *state, const optimizer *o)
{
    checkpoint *s = (checkpoint *)state;
    return (struct numbers){{{"epoch", &s->epoch},
                             {"batch", &s->batch},
                             {"best_epoch", &s->best_epoch},
                             {"steps", &((optimizer *)o)->steps}},
                            {{"best_score", &s->best_score},
                             {"best_low", &s->best_low},
                             {"best_high", &s->best_high},
                             {"base_score", &s->base_score}}};
}

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
    const struct numbers all = list_numbers(state, o);
    const char *metadata[COUNTS + SCORES + 3][2] = {{"format", FORMAT}, {"run", run}};
    char text[COUNTS + SCORES][NUMBER];
    for (int i = 0; i < COUNTS + SCORES; i++) {
        metadata[i + 2][0] = i < COUNTS ? all.counts[i].name : all.scores[i - COUNTS].name;
        metadata[i + 2][1] = text[i];
        if (i < COUNTS)
            snprintf(text[i], NUMBER, "%ld", *all.counts[i].value);
        else
            snprintf(text[i], NUMBER, "%a", *all.scores[i - COUNTS].value);
    }
    struct vector vectors[VECTORS];
    safetensors_tensor tensors[VECTORS];
    size_t n = 0;
    list_vectors(o, parameters, vectors);
    for (size_t i = 0; i < VECTORS; i++)
        if (vectors[i].data)
            tensors[n++] = (safetensors_tensor){vectors[i].name, SAFETENSORS_F32, 1, {o->n}, vectors[i].data};
    return safetensors_write(path, (const char *const(*)[2])metadata, n, tensors, err);
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
    const struct numbers all = list_numbers(state, o);
    int status = CAPTION_OK;
    for (int i = 0; i < COUNTS && status == CAPTION_OK; i++)
        status = read_count(file, path, all.counts[i].name, all.counts[i].value, err);
    for (int i = 0; i < SCORES && status == CAPTION_OK; i++)
        status = read_score(file, path, all.scores[i].name, all.scores[i].value, err);
    return status;
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
