/* api_caption.c: POST /v1/caption: JSON, or with `Accept: image/png` and attention a picture of where one photo was
 * looked at for each word. */
#include <stdlib.h>
#include <string.h>

#include "server/api/api.h"
#include "server/api/caption_json.h"
#include "server/engine/attention_picture.h"
#include "server/http/accept.h"

static int wants_png(const caption_call *c)
{
    return c->input.attention && c->input.n == 1 && accept_prefers(http_header(c->request, "Accept"), "image/png");
}

/* Where attention is to be laid over the photo, the photo is wanted. */
static int read(caption_call *c, problem *p)
{
    if (caption_input_query(&c->input, c->request, p) || caption_input_body(&c->input, c->request, p))
        return 1;
    c->picture_side = c->input.attention == ATTENTION_OVERLAY || wants_png(c) ? ATTENTION_SIDE : 0;
    return 0;
}

static void answer_png(caption_call *c)
{
    const ticket_image *image = &c->ticket.images[0];
    caption_picture strip = {0};
    unsigned char *png = NULL;
    size_t size;
    int good = attention_strip(&strip, &image->result, &image->picture, NULL) == CAPTION_OK &&
               caption_picture_png(&strip, &png, &size, NULL) == CAPTION_OK;
    caption_picture_free(&strip);
    if (good)
        http_answer_bytes(c->request, "image/png", png, size);
    else
        http_answer_json(c->request, 200, NULL); /* out of memory */
}

/* An image's best caption, the others of n in "alternatives". */
static cJSON *image_json(const caption_call *c, int i)
{
    const ticket_image *image = &c->ticket.images[i];
    caption_attention attention = c->input.attention;
    const caption_overlay overlay = {&image->picture, c->request};
    const caption_overlay *under = attention == ATTENTION_OVERLAY ? &overlay : NULL;
    cJSON *item = caption_json(&image->result, attention, under);
    cJSON *others = c->input.options.n > 1 ? cJSON_AddArrayToObject(item, "alternatives") : NULL;
    int good = item && (c->input.options.n == 1 || others);
    for (int k = 0; good && k < image->n_others; k++)
        good = cJSON_AddItemToArray(others, caption_json(&image->others[k], attention, under));
    return json_checked(item, good);
}

static void answer(caption_call *c)
{
    if (wants_png(c)) {
        answer_png(c);
        return;
    }
    cJSON *object = cJSON_CreateObject();
    cJSON *captions = cJSON_AddArrayToObject(object, "captions");
    int good = captions != NULL;
    for (int i = 0; good && i < c->ticket.n; i++)
        good = cJSON_AddItemToArray(captions, image_json(c, i));
    if (good && c->input.options.decode == CAPTION_SAMPLE)
        good = json_add_integer(object, "seed", c->input.options.seed);
    good = good && caption_json_add_facts(object, c);
    char *json = json_finish(object, good);
    problem p = {.kind = PROBLEM_NONE};
    if (!json && http_unwanted(c->request, &p))
        caption_call_refuse(c, &p);
    else
        http_answer_json(c->request, 200, json);
}

static int is_heavy(const caption_call *c)
{
    return c->input.attention != ATTENTION_NONE;
}

void api_caption(http_request *r)
{
    static const caption_form form = {.read = read, .answer = answer, .is_heavy = is_heavy};
    caption_call_start(r, &form);
}
