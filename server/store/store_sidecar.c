/* store_sidecar.c: what the index says of an image, kept beside its file, so that neither photos nor captions are lost
 * with the index:
 *
 *     {"type":"image/png","width":640,"height":480,
 *      "items":[{"dataset":"pets","id":7,"created":1718000000,"captions":["rex asleep on the sofa"]}]}
 *
 * Only store_repair.c reads it, as hostile as any file. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/dataset.h"
#include "server/base/file.h"
#include "server/store/store_open.h"

enum { MAX_SIDECAR_BYTES = 64 << 20 };

void store_sidecar_name(const char *sha256, char out[STORE_SIDECAR_BYTES])
{
    snprintf(out, STORE_SIDECAR_BYTES, "%.64s.json", sha256);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* A row of the image's hash and the sidecar's text; deleted datasets (store_datasets.c) are left out. */
static const char query[] =
    "SELECT sha256, json_object('type', type, 'width', width, 'height', height, 'items',"
    "    (SELECT json_group_array(json_object('dataset', datasets.name, 'id', items.id, 'created', items.created,"
    "        'captions', json((SELECT json_group_array(text)"
    "                          FROM (SELECT text FROM captions WHERE item = items.id ORDER BY id)))))"
    "     FROM items JOIN datasets ON datasets.id = items.dataset"
    "     WHERE items.image = images.id AND datasets.name >= '0')) "
    "FROM images WHERE id = ?1";

static int replace(store *s, const char *path, const char *sha256, problem *p)
{
    char name[STORE_SIDECAR_BYTES];
    store_sidecar_name(sha256, name);
    return renameat(AT_FDCWD, path, s->images_fd, name) == 0 ? 0 : store_file_fault(p, path, errno);
}

int store_sidecar_write(store *s, long long image, store_flush flush, problem *p)
{
    char *path = NULL;
    sqlite3_stmt *q = database_prepare(s->db, query);
    sqlite3_bind_int64(q, 1, image);
    int state = database_step(s->db, q, p), failed = state == DATABASE_FAULT;
    if (state == DATABASE_ROW) {
        const char *sha256 = (const char *)sqlite3_column_text(q, 0), *text = (const char *)sqlite3_column_text(q, 1);
        failed = !sha256 || !text
                     ? problem_set(p, PROBLEM_MEMORY_FULL, "out of memory")
                     : store_file_write(s, text, strlen(text), flush, &path, p) || replace(s, path, sha256, p);
    }
    sqlite3_reset(q);
    if (failed && path)
        unlink(path);
    free(path);
    return failed;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static long long number_of(const cJSON *object, const char *name, double most)
{
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(object, name);
    double value = cJSON_IsNumber(number) ? number->valuedouble : 0;
    return value >= 0 && value <= most ? (long long)value : 0;
}

/* The text of a member, if it is one of 1 to `most` bytes. */
static const char *text_of(const cJSON *object, const char *name, size_t most)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    size_t length = text ? strlen(text) : 0;
    return length > 0 && length <= most ? text : NULL;
}

/* Those that are one line of UTF-8: [returned]. */
static int read_captions(const cJSON *list, const char **captions)
{
    const cJSON *each;
    int n = 0;
    cJSON_ArrayForEach(each, list)
    {
        const char *text = cJSON_GetStringValue(each);
        if (text && caption_dataset_check(text, strlen(text), NULL) == CAPTION_OK)
            captions[n++] = text;
    }
    return n;
}

/* An item without dataset or captions is none. */
static int read_item(const cJSON *root, const cJSON *item, int (*each)(void *context, const store_sidecar_item *item),
                     void *context, caption_error *err)
{
    const double most_size = 1e9, most_id = 9e15;
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(item, "captions");
    const char **captions = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof *captions);
    store_sidecar_item found = {
        .type = text_of(root, "type", STORE_TYPE_BYTES - 1),
        .width = (int)number_of(root, "width", most_size),
        .height = (int)number_of(root, "height", most_size),
        .dataset = text_of(item, "dataset", STORE_NAME_BYTES - 1),
        .id = number_of(item, "id", most_id),
        .created = number_of(item, "created", most_id),
        .captions = captions,
    };
    int status = captions ? CAPTION_OK : caption_fail(err, CAPTION_ENOMEM, "out of memory for captions");
    if (!status)
        found.n_captions = cJSON_IsArray(list) ? read_captions(list, captions) : 0;
    if (!status && found.type && found.dataset && !name_fault(found.dataset) && found.n_captions > 0)
        status = each(context, &found);
    free(captions);
    return status;
}

int store_sidecar_read(const char *path, int (*each)(void *context, const store_sidecar_item *item), void *context,
                       caption_error *err)
{
    unsigned char *bytes;
    size_t size;
    caption_error reason;
    int status = file_read(path, MAX_SIDECAR_BYTES, &bytes, &size, &reason);
    if (status)
        return caption_fail(err, (enum caption_status)status, "%.300s: %s", path, reason.message);
    cJSON *root = cJSON_ParseWithLength((const char *)bytes, size);
    const cJSON *item, *items = cJSON_GetObjectItemCaseSensitive(root, "items");
    free(bytes);
    if (!cJSON_IsObject(root) || !cJSON_IsArray(items))
        status = caption_fail(err, CAPTION_EFORMAT, "%.400s: says nothing of an image", path);
    for (item = items ? items->child : NULL; item && !status; item = item->next)
        status = read_item(root, item, each, context, err);
    cJSON_Delete(root);
    return status;
}
