/* caption_json.c: see caption_json.h. */
#include "server/api/caption_json.h"

#include <math.h>
#include <nettle/base64.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/engine/attention_picture.h"

/* 7 rows of 7 numbers, as text: a node for each of a thousand numbers would cost too much. */
static int add_weights(cJSON *token, const float *weights)
{
    enum { NUMBER_BYTES = 9 }; /* ",0.12345]" at most, and the brackets */
    char text[CAPTION_POSITIONS * NUMBER_BYTES + 2 * CAPTION_MAP_SIDE + 3];
    size_t used = 0;
    for (int i = 0; i < CAPTION_POSITIONS; i++)
        used += (size_t)sprintf(text + used, "%s%.5f%s",
                                i == 0                 ? "[["
                                : i % CAPTION_MAP_SIDE ? ","
                                                       : ",[",
                                (double)weights[i], i % CAPTION_MAP_SIDE == CAPTION_MAP_SIDE - 1 ? "]" : "");
    strcpy(text + used, "]");
    return cJSON_AddRawToObject(token, "attention", text) != NULL;
}

static int add_overlay(cJSON *token, const float *weights, const caption_overlay *overlay)
{
    static const char scheme[] = "data:image/png;base64,";
    caption_picture picture = {0};
    unsigned char *png = NULL;
    char *uri = NULL;
    size_t size = 0, start = sizeof scheme - 1;
    problem unwanted;
    if (http_unwanted(overlay->request, &unwanted))
        return 0;
    if (attention_picture(&picture, weights, overlay->photo, NULL) == CAPTION_OK &&
        caption_picture_png(&picture, &png, &size, NULL) == CAPTION_OK &&
        (uri = malloc(start + BASE64_ENCODE_RAW_LENGTH(size) + 1)) != NULL) {
        memcpy(uri, scheme, start);
        base64_encode_raw(uri + start, size, png);
        uri[start + BASE64_ENCODE_RAW_LENGTH(size)] = '\0';
    }
    int good = uri && cJSON_AddStringToObject(token, "overlay", uri) != NULL;
    caption_picture_free(&picture);
    free(png);
    free(uri);
    return good;
}

static cJSON *token_json(const caption_token *t, caption_attention attention, const caption_overlay *overlay)
{
    cJSON *token = cJSON_CreateObject();
    int good = cJSON_AddStringToObject(token, "word", t->word) && json_add_rounded(token, "logprob", t->logprob, 4);
    if (good && t->unknown)
        good = cJSON_AddTrueToObject(token, "unknown") != NULL;
    if (good && attention)
        good = add_weights(token, t->attention) && (!overlay || add_overlay(token, t->attention, overlay));
    return json_checked(token, good);
}

cJSON *caption_json_tokens(const caption_result *result, caption_attention attention, const caption_overlay *overlay)
{
    cJSON *tokens = cJSON_CreateArray();
    int good = tokens != NULL;
    for (int t = 0; good && t < result->words + result->finished; t++)
        good = cJSON_AddItemToArray(tokens, token_json(&result->tokens[t], attention, overlay));
    return json_checked(tokens, good);
}

/* [["pizza",0.93], ...] */
static cJSON *concepts_json(const caption_result *result)
{
    cJSON *concepts = cJSON_CreateArray();
    int good = concepts != NULL;
    for (int i = 0; good && i < result->n_concepts; i++) {
        cJSON *pair = cJSON_CreateArray();
        char number[16];
        snprintf(number, sizeof number, "%.4g", (double)roundf(result->concepts[i].probability * 1e4f) / 1e4);
        good = cJSON_AddItemToArray(concepts, pair) &&
               cJSON_AddItemToArray(pair, cJSON_CreateString(result->concepts[i].word)) &&
               cJSON_AddItemToArray(pair, cJSON_CreateRaw(number));
    }
    return json_checked(concepts, good);
}

cJSON *caption_json(const caption_result *result, caption_attention attention, const caption_overlay *overlay)
{
    cJSON *item = cJSON_CreateObject();
    int good = cJSON_AddStringToObject(item, "text", result->text) &&
               json_add_rounded(item, "logprob", result->logprob, 4) &&
               json_add_rounded(item, "confidence", result->confidence, 4) &&
               (!result->unsure || cJSON_AddTrueToObject(item, "unsure")) &&
               cJSON_AddNumberToObject(item, "words", result->words) &&
               cJSON_AddBoolToObject(item, "finished", result->finished);
    if (good && result->n_concepts)
        good = cJSON_AddItemToObject(item, "concepts", concepts_json(result));
    if (good && result->tokens)
        good = cJSON_AddItemToObject(item, "tokens", caption_json_tokens(result, attention, overlay));
    return json_checked(item, good);
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
