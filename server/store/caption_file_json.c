/* caption_file_json.c: captions in JSON: COCO's, Karpathy's, lists (caption_file.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "server/store/caption_records.h"

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* ---- parts ------------------------------------------------------------------------------------------------------- */

/* *wanted: whether the record's image is of the part that is wanted. */
static int choose(caption_records *r, const cJSON *record, size_t number, int *wanted)
{
    static const struct {
        const char *name;
        caption_part part;
    } parts[] = {{"train", CAPTION_PART_TRAIN},    {"restval", CAPTION_PART_TRAIN}, {"val", CAPTION_PART_DEV},
                 {"validation", CAPTION_PART_DEV}, {"dev", CAPTION_PART_DEV},       {"test", CAPTION_PART_TEST}};
    const cJSON *split = member(record, "split");
    *wanted = 1;
    if (!split)
        return CAPTION_OK;
    r->divided = 1;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && cJSON_IsString(split); i++)
        if (strcmp(split->valuestring, parts[i].name) == 0) {
            *wanted = r->part == CAPTION_PART_ALL || r->part == parts[i].part;
            return CAPTION_OK;
        }
    return caption_records_fail(r, number, "split is none of train, restval, val, test");
}

/* ---- captions ---------------------------------------------------------------------------------------------------- */

/* An array of captions, each a string or an object that has one under `name`. */
static int add_each(caption_records *r, const char *file, const cJSON *captions, const char *name, size_t number)
{
    const cJSON *each;
    int status = CAPTION_OK;
    cJSON_ArrayForEach(each, captions)
    {
        const char *text = cJSON_GetStringValue(cJSON_IsObject(each) ? member(each, name) : each);
        if (!text)
            return caption_records_fail(r, number, "a caption is no string");
        if ((status = caption_records_add(r, file, strlen(file), text, number)))
            return status;
    }
    return status;
}

static int exists(const char *directory, const char *file)
{
    char *path;
    int there = asprintf(&path, "%s/%s", directory, file) >= 0;
    if (!there)
        return 0;
    there = access(path, F_OK) == 0;
    free(path);
    return there;
}

/* filename, or filepath/filename if that is where the image is. */
static int add_image(caption_records *r, const cJSON *image, size_t number)
{
    const char *name = cJSON_GetStringValue(member(image, "filename"));
    const char *path = cJSON_GetStringValue(member(image, "filepath"));
    const cJSON *sentences = member(image, "sentences");
    char *below = NULL;
    int wanted, status = choose(r, image, number, &wanted);
    if (status != CAPTION_OK || !wanted)
        return status;
    if (!name || !cJSON_IsArray(sentences))
        return caption_records_fail(r, number, "needs a filename and an array of sentences");
    if (path && *path && r->images && !exists(r->images, name) && asprintf(&below, "%s/%s", path, name) < 0)
        return caption_fail(r->err, CAPTION_ENOMEM, "%s: out of memory", r->path);
    status = add_each(r, below && exists(r->images, below) ? below : name, sentences, "raw", number);
    free(below);
    return status;
}

static int read_karpathy(caption_records *r, const cJSON *images)
{
    const cJSON *image;
    size_t number = 0;
    int status = CAPTION_OK;
    r->noun = "image";
    cJSON_ArrayForEach(image, images) if (status == CAPTION_OK) status = add_image(r, image, ++number);
    return status;
}

static int add_listed(caption_records *r, const cJSON *record, size_t number)
{
    static const char *const names[] = {"image", "file_name", "filename", "file"};
    const char *name = NULL;
    const cJSON *captions = member(record, "caption") ? member(record, "caption") : member(record, "captions");
    int wanted, status = choose(r, record, number, &wanted);
    for (size_t i = 0; i < sizeof names / sizeof *names && !name; i++)
        name = cJSON_GetStringValue(member(record, names[i]));
    if (status != CAPTION_OK || !wanted)
        return status;
    if (!name || (!cJSON_IsString(captions) && !cJSON_IsArray(captions)))
        return caption_records_fail(r, number, "needs an image and its caption or captions");
    if (cJSON_IsArray(captions))
        return add_each(r, name, captions, "raw", number);
    return caption_records_add(r, name, strlen(name), captions->valuestring, number);
}

static int read_list(caption_records *r, const cJSON *list)
{
    const cJSON *record;
    size_t number = 0;
    int status = CAPTION_OK;
    cJSON_ArrayForEach(record, list) if (status == CAPTION_OK) status = add_listed(r, record, ++number);
    return status;
}

/* ---- COCO -------------------------------------------------------------------------------------------------------- */

typedef struct named {
    double id;
    const char *file;
} named;

static int compare(const void *a, const void *b)
{
    const named *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* images [*n], sorted. */
static int index_images(caption_records *r, const cJSON *array, named **images, size_t *n)
{
    const cJSON *image;
    *n = 0;
    r->noun = "image";
    *images = calloc((size_t)cJSON_GetArraySize(array) + 1, sizeof **images);
    if (!*images)
        return caption_fail(r->err, CAPTION_ENOMEM, "%s: out of memory", r->path);
    cJSON_ArrayForEach(image, array)
    {
        const cJSON *id = member(image, "id");
        const char *file = cJSON_GetStringValue(member(image, "file_name"));
        if (!cJSON_IsNumber(id) || !file)
            return caption_records_fail(r, *n + 1, "needs a number id and a file_name");
        (*images)[(*n)++] = (named){id->valuedouble, file};
    }
    qsort(*images, *n, sizeof **images, compare);
    return CAPTION_OK;
}

static int add_annotation(caption_records *r, const cJSON *annotation, const named *images, size_t n, size_t number)
{
    const cJSON *id = member(annotation, "image_id");
    const char *caption = cJSON_GetStringValue(member(annotation, "caption"));
    const named wanted = {cJSON_IsNumber(id) ? id->valuedouble : 0, NULL};
    char reason[96];
    if (!cJSON_IsNumber(id) || !caption)
        return caption_records_fail(r, number, "needs a number image_id and a caption");
    const named *image = bsearch(&wanted, images, n, sizeof *images, compare);
    if (image)
        return caption_records_add(r, image->file, strlen(image->file), caption, number);
    snprintf(reason, sizeof reason, "image_id %.0f is the id of none of the images", wanted.id);
    return caption_records_fail(r, number, reason);
}

static int read_coco(caption_records *r, const cJSON *array, const cJSON *annotations)
{
    named *images;
    size_t n, number = 0;
    const cJSON *annotation;
    int status = index_images(r, array, &images, &n);
    if (status == CAPTION_OK)
        r->noun = "annotation";
    cJSON_ArrayForEach(annotation, annotations) if (status == CAPTION_OK) status =
        add_annotation(r, annotation, images, n, ++number);
    free(images);
    return status;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static int read_json(caption_records *r, const cJSON *json)
{
    const cJSON *images = member(json, "images"), *annotations = member(json, "annotations");
    if (cJSON_IsArray(json))
        return read_list(r, json);
    if (cJSON_IsArray(images) && cJSON_IsArray(annotations))
        return read_coco(r, images, annotations);
    if (cJSON_IsArray(images))
        return read_karpathy(r, images);
    return caption_fail(r->err, CAPTION_EFORMAT,
                        "%s: JSON of captions is COCO's (images, annotations), Karpathy's (images with sentences) or a "
                        "list of images with captions",
                        r->path);
}

/* The line that `at` is on. */
static size_t line_of(const char *text, const char *at)
{
    size_t line = 1;
    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

int caption_records_json(caption_records *r, const char *text, size_t size)
{
    const char *end = text;
    cJSON *json = cJSON_ParseWithLengthOpts(text, size + 1, &end, 1);
    if (!json)
        return caption_fail(r->err, CAPTION_EFORMAT, "%s: line %zu: is not valid JSON", r->path, line_of(text, end));
    int status = read_json(r, json);
    cJSON_Delete(json);
    return status;
}
