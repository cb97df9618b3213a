/* dataset.c: reads captions.tsv.
 *
 * The file is copied once; names and captions are cut and tokenised in place in that copy, so a dataset is one block of
 * text and three arrays. Lines of one image need not stand together: sorting by name and line number gathers them. */
#include "model/dataset.h"

#include <errno.h>
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

/* What is being read, for messages. */
struct reader {
    const char *tsv;
    caption_error *err;
};

static int fail_line(const struct reader *r, size_t number, const char *reason)
{
    return caption_fail(r->err, CAPTION_EFORMAT, "%s: line %zu: %s", r->tsv, number, reason);
}

/* ---- lines ------------------------------------------------------------------------------------------------------ */

static const char *name_fault(const char *name)
{
    if (!*name)
        return "the image name is empty";
    for (const char *c = name; *c; c++)
        if (*c == '/' || (unsigned char)*c < ' ' || *c == 0x7F)
            return "the image name contains '/' or a control character";
    return NULL;
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
    const char *fault = name_fault(start);
    if (fault)
        return fail_line(r, line->number, fault);
    if (vocabulary_tokenise(tab + 1) == 0)
        return fail_line(r, line->number, "the caption has no words");
    line->file = start;
    line->caption = tab + 1;
    return CAPTION_OK;
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
        status = caption_fail(r->err, CAPTION_EFORMAT, "%s: line %zu: image %s: %s", r->tsv, group->number, path,
                              strerror(errno));
    else if (!S_ISREG(facts.st_mode))
        status = caption_fail(r->err, CAPTION_EFORMAT, "%s: line %zu: image %s: is not a regular file", r->tsv,
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

int caption_dataset_open(caption_dataset **out, const char *images, const char *tsv, caption_error *err)
{
    struct reader r = {tsv, err};
    *out = NULL;
    file_bytes file;
    int status = file_bytes_read(&file, tsv, err);
    if (status != CAPTION_OK)
        return status;
    caption_dataset *dataset = calloc(1, sizeof *dataset);
    if (!dataset || (images && !(dataset->directory = strdup(images))))
        status = caption_fail(err, CAPTION_ENOMEM, "%s: out of memory", tsv);
    else
        status = fill(dataset, &r, &file);
    file_bytes_free(&file);
    if (status == CAPTION_OK)
        *out = dataset;
    else
        caption_dataset_free(dataset);
    return status;
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
