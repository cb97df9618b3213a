/* api_compat_max.c: POST /model/predict and GET /model/metadata, as IBM's MAX Image Caption Generator has them: a form
 * with one part `image` in, predictions out. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/api/api.h"
#include "server/api/caption_call.h"
#include "server/http/json.h"

static int read(caption_call *c, problem *p)
{
    c->input.max_images = 1;
    return caption_input_query(&c->input, c->request, p) || caption_input_body(&c->input, c->request, p) ||
           caption_input_texts_alone(&c->input, CAPTION_MAX_BEAM, p);
}

/* The index is a string there. */
static int add_prediction(cJSON *predictions, int index, const caption_result *result)
{
    char text[12];
    cJSON *item = cJSON_CreateObject();
    snprintf(text, sizeof text, "%d", index);
    if (cJSON_AddStringToObject(item, "index", text) && cJSON_AddStringToObject(item, "caption", result->text) &&
        cJSON_AddNumberToObject(item, "probability", exp((double)result->logprob)) &&
        cJSON_AddItemToArray(predictions, item))
        return 1;
    cJSON_Delete(item);
    return 0;
}

static void answer(caption_call *c)
{
    const ticket_image *image = &c->ticket.images[0];
    cJSON *object = cJSON_CreateObject();
    int good = cJSON_AddStringToObject(object, "status", "ok") != NULL;
    cJSON *predictions = cJSON_AddArrayToObject(object, "predictions");
    good = good && predictions && add_prediction(predictions, 0, &image->result);
    for (int i = 0; good && i < image->n_others; i++)
        good = add_prediction(predictions, i + 1, &image->others[i]);
    http_answer_json(c->request, 200, json_finish(object, good));
}

void api_max_predict(http_request *r)
{
    static const caption_form form = {.read = read, .answer = answer};
    caption_call_start(r, &form);
}

/* Of the default model. The licence is that of the daemon; its weights have one of their own (MODEL_CARD.md). */
void api_max_metadata(http_request *r)
{
    problem p = {.kind = PROBLEM_NONE};
    char name[WEIGHTS_NAME_BYTES];
    caption_model *model = http_not_ready(r, &p) ? NULL : registry_take(r->server->registry, "", name);
    if (!model && !p.kind)
        registry_refuse(r->server->registry, "", &p);
    if (p.kind) {
        http_answer_problem(r, &p);
        return;
    }
    cJSON *object = cJSON_CreateObject();
    int good = model && cJSON_AddStringToObject(object, "id", name) && cJSON_AddStringToObject(object, "name", name) &&
               cJSON_AddStringToObject(object, "description", "captiond: writes a caption for a photo") &&
               cJSON_AddStringToObject(object, "type", "Image-To-Text Translation") &&
               cJSON_AddStringToObject(object, "source", caption_model_sha256(model)) &&
               cJSON_AddStringToObject(object, "license", "Apache-2.0");
    caption_model_release(model);
    http_answer_json(r, 200, json_finish(object, good));
}
