/* train_export.c: see train_export.h. Captions are written as the dataset reads them, tokenised, which changes nothing
 * in what is learnt from them. */
#include "server/jobs/train_export.h"

#include <endian.h>
#include <errno.h>
#include <math.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An image and the place it takes in a random order: those that come first are for dev. */
typedef struct ranked {
    uint8_t rank[SHA256_DIGEST_SIZE];
    size_t image;
} ranked;

static int compare(const void *a, const void *b)
{
    return memcmp(((const ranked *)a)->rank, ((const ranked *)b)->rank, SHA256_DIGEST_SIZE);
}

static void rank_image(ranked *r, const caption_dataset *dataset, size_t image, uint64_t seed)
{
    struct sha256_ctx sha;
    const char *file = caption_dataset_at(dataset, image)->file;
    uint64_t bytes = htole64(seed);
    sha256_init(&sha);
    sha256_update(&sha, sizeof bytes, (const uint8_t *)&bytes);
    sha256_update(&sha, strlen(file), (const uint8_t *)file);
    sha256_digest(&sha, sizeof r->rank, r->rank);
    r->image = image;
}

/* Marks the images for dev in is_dev [n]. */
static int choose_dev(const caption_dataset *dataset, double fraction, uint64_t seed, char *is_dev, caption_error *err)
{
    size_t n = caption_dataset_size(dataset), dev = (size_t)llround(fraction * (double)n);
    if (fraction <= 0)
        return CAPTION_OK;
    if (n < 2)
        return caption_fail(err, CAPTION_EINVAL, "two images are the least that can be divided");
    dev = dev < 1 ? 1 : dev > n - 1 ? n - 1 : dev;
    ranked *order = calloc(n, sizeof *order);
    if (!order)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory to divide a dataset");
    for (size_t i = 0; i < n; i++)
        rank_image(&order[i], dataset, i, seed);
    qsort(order, n, sizeof *order, compare);
    for (size_t i = 0; i < dev; i++)
        is_dev[order[i].image] = 1;
    free(order);
    return CAPTION_OK;
}

static int close_file(FILE *out, const char *path, int failed, caption_error *err)
{
    failed |= fflush(out) || fsync(fileno(out));
    int error = errno;
    failed |= fclose(out);
    return failed ? caption_fail(err, CAPTION_EIO, "%.400s: %s", path, strerror(error)) : CAPTION_OK;
}

/* Writes the captions of those images whose mark is `mark`. */
static int write_part(const caption_dataset *dataset, const char *is_dev, int mark, const char *directory,
                      const char *name, caption_error *err)
{
    char path[PATH_MAX];
    int failed = 0;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *out = fopen(path, "we");
    if (!out)
        return caption_fail(err, CAPTION_EIO, "%.400s: %s", path, strerror(errno));
    for (size_t i = 0; i < caption_dataset_size(dataset); i++) {
        const caption_dataset_image *image = caption_dataset_at(dataset, i);
        for (size_t k = 0; k < image->n_captions && is_dev[i] == mark; k++)
            failed |= fprintf(out, "%s\t%s\n", image->file, image->captions[k]) < 0;
    }
    return close_file(out, path, failed, err);
}

/* Writes `tsv` as NAME, or with dev_fraction above 0 divided as train.tsv and dev.tsv. */
static int write_parts(const char *images, const char *tsv, const char *directory, const char *name,
                       double dev_fraction, uint64_t seed, caption_error *err)
{
    caption_dataset *dataset;
    int status = caption_dataset_open(&dataset, images, tsv, err);
    if (status)
        return status;
    char *is_dev = calloc(caption_dataset_size(dataset) + 1, 1);
    if (!is_dev)
        status = caption_fail(err, CAPTION_ENOMEM, "out of memory to divide a dataset");
    if (!status)
        status = choose_dev(dataset, dev_fraction, seed, is_dev, err);
    if (!status)
        status = write_part(dataset, is_dev, 0, directory, name, err);
    if (!status && dev_fraction > 0)
        status = write_part(dataset, is_dev, 1, directory, "dev.tsv", err);
    free(is_dev);
    caption_dataset_free(dataset);
    return status;
}

int train_export(const train_files *files, const char *directory, double dev_fraction, uint64_t seed,
                 caption_error *err)
{
    if (!*files->dev)
        return write_parts(files->images, files->captions, directory, "train.tsv", dev_fraction, seed, err);
    int status = write_parts(files->images, files->captions, directory, "train.tsv", 0, seed, err);
    return status ? status : write_parts(files->images, files->dev, directory, "dev.tsv", 0, seed, err);
}
