/* dataset.c: reads captions.tsv.
 *
 * The file is copied once; names and captions are cut and tokenised in place in that copy, so a dataset is one block of
 * text and three arrays. Lines of one image need not stand together: sorting by name and line number gathers them. */
#include "model/dataset.h"

#include <endian.h>
#include <errno.h>
#include <math.h>
#include <nettle/sha2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "model/caption.h"
#include "model/decoder/vocabulary.h"
#include "model/storage/file_bytes.h"
#include "model/storage/utf8.h"

struct line {
    const char *file;
    const char *caption;
    size_t number; /* 1-based */
};

struct caption_dataset {
    char *directory;
    char *text;                    /* the TSV, cut into strings */
    const char **captions;         /* [n_captions], those of one image side by side */
    caption_dataset_image *images; /* [n_images] */
    size_t n_images, n_captions;
};

/* What is being read, and what for messages a caption of it is called. */
struct reader {
    const char *tsv, *noun;
    int below; /* names may lead into directories */
    caption_error *err;
};

static int fail_line(const struct reader *r, size_t number, const char *reason)
{
    return caption_fail(r->err, CAPTION_EFORMAT, "%s: %s %zu: %s", r->tsv, r->noun, number, reason);
}

/* ---- lines ------------------------------------------------------------------------------------------------------ */

/* 1 if a path leads nowhere but below the directory it is in. */
static int stays_below(const char *path)
{
    for (;;) {
        size_t length = strcspn(path, "/");
        if (length == 0 || (length <= 2 && strncmp(path, "..", length) == 0))
            return 0;
        if (!path[length])
            return 1;
        path += length + 1;
    }
}

static const char *name_fault(const struct reader *r, const char *name)
{
    if (!*name)
        return "the image name is empty";
    for (const char *c = name; *c; c++)
        if ((*c == '/' && !r->below) || (unsigned char)*c < ' ' || *c == 0x7F)
            return "the image name contains '/' or a control character";
    return !r->below || stays_below(name) ? NULL : "the image name leads out of the directory of the images";
}

/* The caption is tokenised in place. */
static int take_line(const struct reader *r, const char *file, char *caption, struct line *line)
{
    const char *fault = name_fault(r, file);
    if (fault)
        return fail_line(r, line->number, fault);
    if (vocabulary_tokenise(caption) == 0)
        return fail_line(r, line->number, "the caption has no words");
    line->file = file;
    line->caption = caption;
    return CAPTION_OK;
}

/* Cuts one line of `length` bytes, which has a byte to spare after it, into name and caption. */
static int cut_line(const struct reader *r, char *start, size_t length, struct line *line)
{
    if (length && start[length - 1] == '\r')
        length--;
    start[length] = '\0';
    if (memchr(start, '\0', length))
        return fail_line(r, line->number, "contains a NUL byte");
    if (!utf8_valid(start, length))
        return fail_line(r, line->number, "is not valid UTF-8");
    char *tab = strchr(start, '\t');
    if (!tab)
        return fail_line(r, line->number, "has no tab between image name and caption");
    *tab = '\0';
    return take_line(r, start, tab + 1, line);
}

static size_t count_lines(const char *text, size_t size)
{
    size_t lines = size && text[size - 1] != '\n';
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    return lines;
}

/* Fills lines[n] from text[size], which is followed by one more byte. */
static int cut_lines(const struct reader *r, char *text, size_t size, struct line *lines, size_t n)
{
    char *end = text + size;
    for (size_t i = 0; i < n; i++) {
        char *newline = memchr(text, '\n', (size_t)(end - text));
        char *stop = newline ? newline : end;
        lines[i].number = i + 1;
        int status = cut_line(r, text, (size_t)(stop - text), &lines[i]);
        if (status != CAPTION_OK)
            return status;
        text = stop + 1;
    }
    return CAPTION_OK;
}

/* ---- images ----------------------------------------------------------------------------------------------------- */

static int compare_files(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int order = strcmp(x->file, y->file);
    return order ? order : (x->number > y->number) - (x->number < y->number);
}

/* An image and the number of its first line. */
struct group {
    caption_dataset_image image;
    size_t number;
};

static int compare_groups(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

/* Gathers the sorted lines of each image; returns the number of images. */
static size_t group_lines(const struct line *lines, size_t n, const char **captions, struct group *groups)
{
    size_t images = 0;
    for (size_t i = 0; i < n; i++) {
        captions[i] = lines[i].caption;
        if (i == 0 || strcmp(lines[i].file, lines[i - 1].file) != 0)
            groups[images++] = (struct group){{lines[i].file, captions + i, 0}, lines[i].number};
        groups[images - 1].image.n_captions++;
    }
    qsort(groups, images, sizeof *groups, compare_groups);
    return images;
}

static int check_image(const struct reader *r, const char *directory, const struct group *group)
{
    char *path;
    if (asprintf(&path, "%s/%s", directory, group->image.file) < 0)
        return caption_fail(r->err, CAPTION_ENOMEM, "%s: out of memory", r->tsv);
    struct stat facts;
    int status = CAPTION_OK;
    if (stat(path, &facts) != 0)
        status = caption_fail(r->err, CAPTION_EFORMAT, "%s: %s %zu: image %s: %s", r->tsv, r->noun, group->number, path,
                              strerror(errno));
    else if (!S_ISREG(facts.st_mode))
        status = caption_fail(r->err, CAPTION_EFORMAT, "%s: %s %zu: image %s: is not a regular file", r->tsv, r->noun,
                              group->number, path);
    free(path);
    return status;
}

static int gather_images(const struct reader *r, caption_dataset *dataset, struct line *lines, size_t n)
{
    struct group *groups = calloc(n, sizeof *groups);
    dataset->captions = calloc(n, sizeof *dataset->captions);
    dataset->images = calloc(n, sizeof *dataset->images);
    int status = CAPTION_OK;
    if (!groups || !dataset->captions || !dataset->images)
        status = caption_fail(r->err, CAPTION_ENOMEM, "%s: out of memory for %zu captions", r->tsv, n);
    if (status == CAPTION_OK) {
        qsort(lines, n, sizeof *lines, compare_files);
        dataset->n_captions = n;
        dataset->n_images = group_lines(lines, n, dataset->captions, groups);
    }
    for (size_t i = 0; i < dataset->n_images && status == CAPTION_OK; i++) {
        if (dataset->directory)
            status = check_image(r, dataset->directory, &groups[i]);
        dataset->images[i] = groups[i].image;
    }
    free(groups);
    return status;
}

/* ---- the dataset ------------------------------------------------------------------------------------------------ */

static int fill(caption_dataset *dataset, const struct reader *r, const file_bytes *file)
{
    size_t n = count_lines((const char *)file->bytes, file->size);
    if (n == 0)
        return caption_fail(r->err, CAPTION_EFORMAT, "%s: holds no captions", r->tsv);
    struct line *lines = calloc(n, sizeof *lines);
    dataset->text = malloc(file->size + 1);
    int status;
    if (!lines || !dataset->text) {
        status = caption_fail(r->err, CAPTION_ENOMEM, "%s: out of memory for %zu lines", r->tsv, n);
    } else {
        memcpy(dataset->text, file->bytes, file->size);
        status = cut_lines(r, dataset->text, file->size, lines, n);
    }
    if (status == CAPTION_OK)
        status = gather_images(r, dataset, lines, n);
    free(lines);
    return status;
}

static caption_dataset *new_dataset(const struct reader *r, const char *images)
{
    caption_dataset *dataset = calloc(1, sizeof *dataset);
    if (dataset && (!images || (dataset->directory = strdup(images))))
        return dataset;
    caption_fail(r->err, CAPTION_ENOMEM, "%s: out of memory", r->tsv);
    free(dataset);
    return NULL;
}

static int finish(caption_dataset **out, caption_dataset *dataset, int status)
{
    *out = status == CAPTION_OK ? dataset : NULL;
    if (status != CAPTION_OK)
        caption_dataset_free(dataset);
    return status;
}

static int open_tsv(caption_dataset **out, const char *images, const char *tsv, int below, caption_error *err)
{
    const struct reader r = {tsv, "line", below, err};
    *out = NULL;
    file_bytes file;
    int status = file_bytes_read(&file, tsv, err);
    if (status != CAPTION_OK)
        return status;
    caption_dataset *dataset = new_dataset(&r, images);
    status = dataset ? fill(dataset, &r, &file) : CAPTION_ENOMEM;
    file_bytes_free(&file);
    return finish(out, dataset, status);
}

int caption_dataset_open(caption_dataset **out, const char *images, const char *tsv, caption_error *err)
{
    return open_tsv(out, images, tsv, 0, err);
}

int caption_dataset_open_below(caption_dataset **out, const char *images, const char *tsv, caption_error *err)
{
    return open_tsv(out, images, tsv, 1, err);
}

/* Copies the records into text [n of them, with their zeros]. */
static int take_records(const struct reader *r, const caption_dataset_record *records, size_t n, char *text,
                        struct line *lines)
{
    int status = CAPTION_OK;
    for (size_t i = 0; i < n && status == CAPTION_OK; i++) {
        char *file = text, *caption = stpcpy(text, records[i].file) + 1;
        text = stpcpy(caption, records[i].caption) + 1;
        lines[i].number = records[i].number;
        if (!utf8_valid(file, strlen(file)) || !utf8_valid(caption, strlen(caption)))
            status = fail_line(r, records[i].number, "is not valid UTF-8");
        else
            status = take_line(r, file, caption, &lines[i]);
    }
    return status;
}

int caption_dataset_build(caption_dataset **out, const char *images, const char *name, const char *noun,
                          const caption_dataset_record *records, size_t n, caption_error *err)
{
    const struct reader r = {name, noun, 1, err};
    size_t size = 0;
    *out = NULL;
    if (n == 0)
        return caption_fail(err, CAPTION_EFORMAT, "%s: holds no captions", name);
    for (size_t i = 0; i < n; i++)
        size += strlen(records[i].file) + strlen(records[i].caption) + 2;
    caption_dataset *dataset = new_dataset(&r, images);
    if (!dataset)
        return CAPTION_ENOMEM;
    struct line *lines = calloc(n, sizeof *lines);
    dataset->text = malloc(size);
    int status = CAPTION_OK;
    if (!lines || !dataset->text)
        status = caption_fail(err, CAPTION_ENOMEM, "%s: out of memory for %zu captions", name, n);
    else
        status = take_records(&r, records, n, dataset->text, lines);
    if (status == CAPTION_OK)
        status = gather_images(&r, dataset, lines, n);
    free(lines);
    return finish(out, dataset, status);
}

void caption_dataset_free(caption_dataset *dataset)
{
    if (!dataset)
        return;
    free(dataset->directory);
    free(dataset->text);
    free(dataset->captions);
    free(dataset->images);
    free(dataset);
}

/* ---- a part of it for dev --------------------------------------------------------------------------------------- */

/* An image and the place it takes in a random order: those that come first are for dev. */
struct ranked {
    uint8_t rank[SHA256_DIGEST_SIZE];
    size_t image;
};

static int compare_ranks(const void *a, const void *b)
{
    return memcmp(((const struct ranked *)a)->rank, ((const struct ranked *)b)->rank, SHA256_DIGEST_SIZE);
}

/* order [n_images] is sorted by what seed and name make of an image, whatever the others are. */
static void rank_images(const caption_dataset *dataset, uint64_t seed, struct ranked *order)
{
    const uint64_t bytes = htole64(seed);
    for (size_t i = 0; i < dataset->n_images; i++) {
        const char *file = dataset->images[i].file;
        struct sha256_ctx sha;
        sha256_init(&sha);
        sha256_update(&sha, sizeof bytes, (const uint8_t *)&bytes);
        sha256_update(&sha, strlen(file), (const uint8_t *)file);
        sha256_digest(&sha, sizeof order[i].rank, order[i].rank);
        order[i].image = i;
    }
    qsort(order, dataset->n_images, sizeof *order, compare_ranks);
}

/* Moves the marked images. */
static void move_images(caption_dataset *from, const char *is_dev, caption_dataset *to)
{
    size_t kept = 0;
    for (size_t i = 0; i < from->n_images; i++) {
        const caption_dataset_image image = from->images[i];
        if (is_dev[i]) {
            to->images[to->n_images++] = image;
            to->n_captions += image.n_captions;
            from->n_captions -= image.n_captions;
        } else {
            from->images[kept++] = image;
        }
    }
    from->n_images = kept;
}

int caption_dataset_divide(caption_dataset *dataset, double fraction, uint64_t seed, caption_dataset **dev,
                           caption_error *err)
{
    const size_t n = dataset->n_images;
    *dev = NULL;
    if (n < 2)
        return caption_fail(err, CAPTION_EINVAL, "two images are the least that can be divided");
    size_t wanted = (size_t)llround(fraction * (double)n);
    wanted = wanted < 1 ? 1 : wanted > n - 1 ? n - 1 : wanted;
    struct ranked *order = calloc(n, sizeof *order);
    char *is_dev = calloc(n, 1);
    caption_dataset *part = calloc(1, sizeof *part);
    int status = CAPTION_OK;
    if (!order || !is_dev || !part || !(part->images = calloc(wanted, sizeof *part->images)) ||
        (dataset->directory && !(part->directory = strdup(dataset->directory))))
        status = caption_fail(err, CAPTION_ENOMEM, "out of memory to divide a dataset");
    if (status == CAPTION_OK) {
        rank_images(dataset, seed, order);
        for (size_t i = 0; i < wanted; i++)
            is_dev[order[i].image] = 1;
        move_images(dataset, is_dev, part);
        *dev = part;
    } else {
        caption_dataset_free(part);
    }
    free(order);
    free(is_dev);
    return status;
}

/* ---- what it holds ---------------------------------------------------------------------------------------------- */

size_t caption_dataset_size(const caption_dataset *dataset)
{
    return dataset->n_images;
}

size_t caption_dataset_captions(const caption_dataset *dataset)
{
    return dataset->n_captions;
}

const caption_dataset_image *caption_dataset_at(const caption_dataset *dataset, size_t i)
{
    return &dataset->images[i];
}

const char *caption_dataset_directory(const caption_dataset *dataset)
{
    return dataset->directory;
}

int caption_dataset_check(const char *caption, size_t length, caption_error *err)
{
    char text[CAPTION_TEXT_BYTES];
    if (length >= sizeof text)
        return caption_fail(err, CAPTION_EFORMAT, "has %zu bytes, more than %zu", length, sizeof text - 1);
    if (!utf8_valid(caption, length))
        return caption_fail(err, CAPTION_EFORMAT, "is not valid UTF-8");
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)caption[i] < ' ' || caption[i] == 0x7F)
            return caption_fail(err, CAPTION_EFORMAT, "contains a line break or another control character");
    memcpy(text, caption, length);
    text[length] = '\0';
    int words = vocabulary_tokenise(text);
    if (words < 1)
        return caption_fail(err, CAPTION_EFORMAT, "has no words");
    if (words > CAPTION_MAX_WORDS)
        return caption_fail(err, CAPTION_EFORMAT, "has %d words, more than %d", words, CAPTION_MAX_WORDS);
    return CAPTION_OK;
}
