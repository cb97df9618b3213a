/* api_items.c: /v1/datasets/{name}/items and below. As in api_datasets.c, the store is asked on disk threads; there an
 * uploaded picture is decoded, too, so that nothing is stored that training would fail on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/api.h"
#include "server/api/data.h"
#include "server/api/item_input.h"
#include "server/decode/cage.h"
#include "server/http/disk.h"
#include "server/http/input.h"
#include "server/http/json.h"
#include "server/store/features.h"
#include "server/store/store.h"

/* ---- adding ---------------------------------------------------------------------------------------------------- */

/* With the limits that training has. */
static int decode(const server *s, const item_input *input, problem *p)
{
    caption_error err;
    caption_image *pixels = malloc(sizeof *pixels);
    if (!pixels)
        return problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
    const cage_work work = {.file = input->image, .size = input->size, .image = pixels};
    int status = cage_decode(s->upload_cage, &work, &err);
    free(pixels);
    return status ? input_refuse_image(status, "", err.message, p) : 0;
}

static void answer_added(http_request *r, const store_added *added)
{
    cJSON *answer = cJSON_CreateObject();
    int good = cJSON_AddNumberToObject(answer, "id", (double)added->id) &&
               cJSON_AddStringToObject(answer, "sha256", added->sha256) &&
               cJSON_AddNumberToObject(answer, "captions", added->captions) &&
               cJSON_AddNumberToObject(answer, "captions_added", added->added);
    if (added->created)
        snprintf(r->location, sizeof r->location, "/v1/datasets/%s/items/%lld", r->parameter[0], added->id);
    http_answer_json(r, added->created ? 201 : 200, json_finish(answer, good));
}

static void work_add(http_request *r, void *context)
{
    const item_input *input = context;
    const store_upload upload = {
        .bytes = input->image,
        .size = input->size,
        .type = caption_image_type(input->image, input->size),
        .width = input->width,
        .height = input->height,
        .captions = (const char *const *)input->captions,
        .n_captions = input->n,
    };
    problem p = {.kind = PROBLEM_NONE};
    store_added added;
    if (decode(r->server, input, &p) || store_item_add(r->server->store, r->parameter[0], &upload, &added, &p)) {
        http_answer_problem(r, &p);
        return;
    }
    features_wake(r->server->features);
    answer_added(r, &added);
}

void api_item_add(http_request *r)
{
    problem p = {.kind = PROBLEM_NONE};
    item_input *input = data_not_ready(r, &p) ? NULL : item_input_read(r, &p);
    if (!input) {
        http_answer_problem(r, &p);
        return;
    }
    free(r->body); /* what is needed of it was copied; its bytes stay charged for that */
    r->body = NULL;
    disk_run(r, work_add, input, item_input_free);
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static int fill_item(cJSON *object, const store_item *item)
{
    return cJSON_AddNumberToObject(object, "id", (double)item->id) &&
           cJSON_AddStringToObject(object, "sha256", item->sha256) &&
           cJSON_AddStringToObject(object, "type", item->type) &&
           cJSON_AddNumberToObject(object, "bytes", (double)item->bytes) &&
           cJSON_AddNumberToObject(object, "width", item->width) &&
           cJSON_AddNumberToObject(object, "height", item->height) && json_add_time(object, "created", item->created) &&
           cJSON_AddBoolToObject(object, "features_ready", item->features_ready) &&
           cJSON_AddRawToObject(object, "captions", item->captions);
}

/* The answer to a list as it grows. */
typedef struct listing {
    cJSON *items;
    long long last; /* id */
    int good;
} listing;

static int append_item(void *context, const store_item *item)
{
    listing *l = context;
    cJSON *object = cJSON_CreateObject();
    l->last = item->id;
    l->good = l->good && cJSON_AddItemToArray(l->items, object) && fill_item(object, item);
    return !l->good;
}

static void work_list(http_request *r, void *context)
{
    const input_page *page = context;
    problem p = {.kind = PROBLEM_NONE};
    char next[HTTP_PREFIX_BYTES + 2 * HTTP_PARAMETER_BYTES];
    int more;
    cJSON *answer = cJSON_CreateObject();
    listing l = {.items = cJSON_AddArrayToObject(answer, "items")};
    l.good = l.items != NULL;
    if (store_item_list(r->server->store, r->parameter[0], strtoll(page->after, NULL, 10), page->limit, append_item, &l,
                        &more, &p)) {
        cJSON_Delete(answer);
        http_answer_problem(r, &p);
        return;
    }
    if (more) {
        snprintf(next, sizeof next, "%s/v1/datasets/%s/items?limit=%d&after=%lld", r->prefix, r->parameter[0],
                 page->limit, l.last);
        l.good = l.good && cJSON_AddStringToObject(answer, "next", next);
    }
    http_answer_json(r, 200, json_finish(answer, l.good));
}

/* Reads an id: digits alone. Returns 0 if it is none. */
static int read_id(const char *text, long long *id)
{
    enum { MAX_DIGITS = 18 };
    size_t digits = strspn(text, "0123456789");
    *id = strtoll(text, NULL, 10);
    return digits > 0 && digits <= MAX_DIGITS && !text[digits];
}

static int read_list_request(http_request *r, input_page *page, problem *p)
{
    long long after;
    if (data_not_ready(r, p) || input_read_page(r, page, p))
        return 1;
    if (*page->after && !read_id(page->after, &after))
        return problem_set(p, PROBLEM_BAD_OPTION, "after: \"%.40s\" is no item's id", page->after);
    return 0;
}

void api_items(http_request *r)
{
    problem p = {.kind = PROBLEM_NONE};
    input_page *page = calloc(1, sizeof *page);
    if (!page)
        problem_set(&p, PROBLEM_MEMORY_FULL, "out of memory");
    if (!p.kind && !read_list_request(r, page, &p)) {
        disk_run(r, work_list, page, free);
        return;
    }
    free(page);
    http_answer_problem(r, &p);
}

/* ---- one item -------------------------------------------------------------------------------------------------- */

static long long item_id(const http_request *r)
{
    return strtoll(r->parameter[1], NULL, 10);
}

static int answer_item(void *context, const store_item *item)
{
    cJSON *answer = cJSON_CreateObject();
    int good = fill_item(answer, item);
    http_answer_json(context, 200, json_finish(answer, good));
    return 0;
}

static void work_get(http_request *r, void *context)
{
    problem p = {.kind = PROBLEM_NONE};
    (void)context;
    if (store_item_get(r->server->store, r->parameter[0], item_id(r), answer_item, r, &p))
        http_answer_problem(r, &p);
}

static void work_image(http_request *r, void *context)
{
    problem p = {.kind = PROBLEM_NONE};
    char type[STORE_TYPE_BYTES];
    size_t size;
    int fd;
    (void)context;
    if (store_item_open(r->server->store, r->parameter[0], item_id(r), &fd, &size, type, &p))
        http_answer_problem(r, &p);
    else
        http_answer_file(r, fd, size, type);
}

static void work_delete(http_request *r, void *context)
{
    problem p = {.kind = PROBLEM_NONE};
    (void)context;
    if (store_item_delete(r->server->store, r->parameter[0], item_id(r), &p)) {
        http_answer_problem(r, &p);
        return;
    }
    cJSON *answer = cJSON_CreateObject();
    int good = cJSON_AddNumberToObject(answer, "deleted", (double)item_id(r)) != NULL;
    http_answer_json(r, 200, json_finish(answer, good));
}

static void run_on_item(http_request *r, void (*work)(http_request *request, void *context))
{
    problem p = {.kind = PROBLEM_NONE};
    long long id;
    if (!data_not_ready(r, &p) && !input_read_nothing(r, &p) && !read_id(r->parameter[1], &id))
        problem_set(&p, PROBLEM_UNKNOWN_ITEM, "\"%.40s\" is no item's id", r->parameter[1]);
    if (p.kind)
        http_answer_problem(r, &p);
    else
        disk_run(r, work, NULL, NULL);
}

void api_item_get(http_request *r)
{
    run_on_item(r, work_get);
}

void api_item_image(http_request *r)
{
    run_on_item(r, work_image);
}

void api_item_delete(http_request *r)
{
    run_on_item(r, work_delete);
}
