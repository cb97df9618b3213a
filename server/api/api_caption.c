/* api_caption.c: POST /v1/caption. */
#include "server/api/api.h"
#include "server/api/caption_json.h"
#include "server/captions/caption_call.h"

static int read(caption_call *c, problem *p)
{
    return caption_input_query(&c->input, c->request, p) || caption_input_body(&c->input, c->request, p);
}

static void answer(caption_call *c)
{
    cJSON *object = cJSON_CreateObject();
    cJSON *captions = cJSON_AddArrayToObject(object, "captions");
    int good = captions != NULL;
    for (int i = 0; good && i < c->ticket.n; i++)
        good = cJSON_AddItemToArray(captions, caption_json(&c->ticket.images[i].result));
    good = good && caption_json_add_facts(object, c);
    http_answer_json(c->request, 200, json_finish(object, good));
}

void api_caption(http_request *r)
{
    static const caption_form form = {.read = read, .answer = answer};
    caption_call_start(r, &form);
}
