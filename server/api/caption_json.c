/* caption_json.c: see caption_json.h. */
#include "server/api/caption_json.h"

#include "server/clock.h"

cJSON *caption_json(const caption_result *result)
{
    cJSON *item = cJSON_CreateObject();
    if (cJSON_AddStringToObject(item, "text", result->text) && json_add_rounded(item, "logprob", result->logprob, 4) &&
        cJSON_AddNumberToObject(item, "words", result->words) &&
        cJSON_AddBoolToObject(item, "finished", result->finished))
        return item;
    cJSON_Delete(item);
    return NULL;
}

static int add_timing(cJSON *answer, const caption_call *c)
{
    const ticket *t = &c->ticket;
    cJSON *timing = cJSON_AddObjectToObject(answer, "timing");
    return json_add_rounded(timing, "queue_ms", t->queue_ms, 2) &&
           json_add_rounded(timing, "decode_ms", t->decode_ms, 2) &&
           json_add_rounded(timing, "encode_ms", t->encode_ms, 2) &&
           json_add_rounded(timing, "caption_ms", t->caption_ms, 2) &&
           json_add_rounded(timing, "total_ms", clock_ms() - c->request->started, 2);
}

int caption_json_add_facts(cJSON *answer, const caption_call *c)
{
    return cJSON_AddStringToObject(answer, "model", c->model_name) && add_timing(answer, c) &&
           cJSON_AddStringToObject(answer, "request_id", c->request->id);
}
