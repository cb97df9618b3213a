/* api_saliency.c: POST /v1/saliency: which pixels decide the score of a class, or of a word of the caption?
 *
 * The answer is JSON, numbers included, or with `Accept: image/png` a heat map, alone or over the photo. The map is
 * made by the workers, in turn with captions (queue.h). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/api.h"
#include "server/api/caption_json.h"
#include "server/http/accept.h"
#include "server/http/input.h"
#include "server/jobs/visual_request.h"

enum { OVERLAY_SIDE = 1024 }; /* larger photos are shrunk under their heat map */

typedef struct saliency {
    visual_request request;
    int wants_png;
    caption_saliency_map map;
    caption_picture photo; /* under the map; empty: none */
} saliency;

/* ---- the way in ----------------------------------------------------------------------------------------------------
 */

static int read_request(caption_call *c, problem *p)
{
    saliency *s = calloc(1, sizeof *s);
    if (!s)
        return problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
    c->own = s;
    s->wants_png = accept_prefers(http_header(c->request, "Accept"), "image/png");
    if (visual_request_read(&s->request, CAPTION_SALIENCY, c->request, registry_encoder(c->request->server->registry),
                            p))
        return 1;
    memcpy(c->input.model, s->request.model, sizeof s->request.model);
    unsigned char *bytes = s->request.image;
    s->request.image = NULL;
    return caption_input_add(&c->input, bytes, s->request.image_size, p);
}

static void release(void *own)
{
    saliency *s = own;
    visual_request_free(&s->request);
    caption_picture_free(&s->photo);
    free(s);
}

/* ---- on a worker
 * ----------------------------------------------------------------------------------------------------- */

static int map_image(caption_call *c, const caption_image *image, caption_session *session, caption_error *reason)
{
    saliency *s = c->own;
    const visual_request *r = &s->request;
    const caption_target target = {.class_index = r->class_index,
                                   .model = visual_request_is_of_word(r) ? c->model : NULL,
                                   .word = *r->word ? r->word : NULL,
                                   .index = r->word_index,
                                   .caption = *r->caption ? r->caption : NULL};
    return caption_saliency(session, image, &target, (caption_saliency_method)r->method, &r->options, &s->map, reason);
}

static int work(caption_call *c, int i, caption_session *session, caption_error *reason)
{
    saliency *s = c->own;
    caption_image *image = malloc(sizeof *image);
    if (!image)
        return caption_fail(reason, CAPTION_ENOMEM, "out of memory for a photo");
    caption_picture *photo = s->wants_png && s->request.view == VISUAL_OVERLAY ? &s->photo : NULL;
    int status = caption_call_decode(c, i, image, photo, OVERLAY_SIDE, reason);
    if (!status)
        status = map_image(c, image, session, reason);
    free(image);
    return status;
}

/* ---- the answer
 * ------------------------------------------------------------------------------------------------------ */

/* The i-th word of a caption, as a string of its own; 0 when out of memory. */
static int add_word(cJSON *target, const char *caption, int i)
{
    char word[CAPTION_TEXT_BYTES];
    for (; i > 0 && *caption; i--)
        caption += strcspn(caption, " ") + (strchr(caption, ' ') != NULL);
    snprintf(word, sizeof word, "%.*s", (int)strcspn(caption, " "), caption);
    return cJSON_AddStringToObject(target, "word", word) != NULL;
}

static int add_target(cJSON *answer, const saliency *s, const caption_encoder *encoder)
{
    const caption_saliency_map *map = &s->map;
    cJSON *target = cJSON_AddObjectToObject(answer, "target");
    if (visual_request_is_of_word(&s->request))
        return add_word(target, map->caption, map->word) && cJSON_AddNumberToObject(target, "index", map->word) &&
               cJSON_AddStringToObject(target, "caption", map->caption) &&
               json_add_rounded(target, "logprob", map->score, 4);
    const char *label = caption_encoder_label(encoder, map->class_index);
    return cJSON_AddNumberToObject(target, "class", map->class_index) &&
           cJSON_AddStringToObject(target, "label", label ? label : "") &&
           json_add_rounded(target, "score", map->score, 4);
}

/* A row as text: a node for each of up to 50,000 numbers would cost megabytes. */
static cJSON *row_json(const float *row, int n)
{
    enum { NUMBER_BYTES = 7 }; /* "0.1234," */
    char text[CAPTION_IMAGE_SIDE * NUMBER_BYTES + 3];
    size_t length = 0;
    for (int i = 0; i < n; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%c%.4f", i ? ',' : '[',
                                   fmin(fmax((double)row[i], 0), 1));
    strcpy(text + length, "]");
    return cJSON_CreateRaw(text);
}

static int add_grid(cJSON *answer, const saliency *s)
{
    int size = s->request.size;
    float *grid = malloc((size_t)size * (size_t)size * sizeof *grid);
    cJSON *rows = grid ? cJSON_AddArrayToObject(answer, "saliency") : NULL;
    int good = rows != NULL;
    if (good)
        caption_heat_shrink(s->map.heat, CAPTION_IMAGE_SIDE, grid, size);
    for (int i = 0; good && i < size; i++)
        good = cJSON_AddItemToArray(rows, row_json(grid + (size_t)i * (size_t)size, size));
    free(grid);
    return good;
}

static void answer_json(caption_call *c)
{
    static const char *const methods[] = {"gradient", "smoothgrad", "gradcam"};
    const saliency *s = c->own;
    cJSON *answer = cJSON_CreateObject();
    int good = cJSON_AddStringToObject(answer, "method", methods[s->request.method]) &&
               add_target(answer, s, registry_encoder(c->request->server->registry)) &&
               cJSON_AddNumberToObject(answer, "size", s->request.size) && add_grid(answer, s) &&
               cJSON_AddNumberToObject(answer, "maximum", s->map.maximum) && caption_json_add_facts(answer, c);
    http_answer_json(c->request, 200, json_finish(answer, good));
}

static void answer_png(caption_call *c)
{
    saliency *s = c->own;
    caption_error err;
    caption_picture picture = {0};
    unsigned char *png;
    size_t size;
    int status = caption_saliency_picture(&picture, &s->map, s->photo.rgb ? &s->photo : NULL, CAPTION_IMAGE_SIDE,
                                          CAPTION_IMAGE_SIDE, &err);
    if (!status)
        status = caption_picture_png(&picture, &png, &size, &err);
    caption_picture_free(&picture);
    if (status)
        http_answer_json(c->request, 200, NULL); /* out of memory */
    else
        http_answer_bytes(c->request, "image/png", png, size);
}

static void answer(caption_call *c)
{
    const saliency *s = c->own;
    if (s->wants_png)
        answer_png(c);
    else
        answer_json(c);
}

static int is_heavy(const caption_call *c)
{
    (void)c;
    return 1;
}

void api_saliency(http_request *r)
{
    static const caption_form form = {
        .read = read_request, .work = work, .answer = answer, .is_heavy = is_heavy, .release = release};
    caption_call_start(r, &form);
}
