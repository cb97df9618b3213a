/* api_score.c: POST /v1/score: how probable are these captions for that photo?
 *
 * The photo and its captions are read as those of POST /v1/caption; a worker encodes the photo and reads all captions
 * as one batch. */
#include <math.h>
#include <stdlib.h>

#include "server/api/api.h"
#include "server/api/caption_json.h"
#include "server/engine/results.h"

enum { MAX_CAPTIONS = 64 };

static int read(caption_call *c, problem *p)
{
    caption_input *input = &c->input;
    if (caption_input_take_texts(input, MAX_CAPTIONS, p) || caption_input_query(input, c->request, p) ||
        caption_input_body(input, c->request, p))
        return 1;
    if (input->n > 1)
        return problem_set(p, PROBLEM_TOO_MANY_IMAGES, "captions are scored for one image, not for %d", input->n);
    return input->n_texts ? 0 : problem_set(p, PROBLEM_MISSING_CAPTION, "no part or member called caption");
}

static int score(const caption_call *c, caption_session *session, ticket_image *image, caption_error *reason)
{
    int n = c->input.n_texts;
    caption_result *results = calloc((size_t)n, sizeof *results);
    int *of = calloc((size_t)n, sizeof *of); /* all 0, the one photo */
    int status = results && of ? CAPTION_OK : caption_fail(reason, CAPTION_ENOMEM, "out of memory for captions");
    if (!status)
        status = caption_likelihood(session, c->model, n, (const char *const *)c->input.texts, of, results, reason);
    if (!status)
        status = results_keep(image, results, n, 1, reason);
    free(results);
    free(of);
    return status;
}

static int work(caption_call *c, int i, caption_session *session, caption_error *reason)
{
    ticket_image *sent = &c->ticket.images[i];
    caption_image *image = malloc(sizeof *image);
    if (!image)
        return caption_fail(reason, CAPTION_ENOMEM, "out of memory for a photo");
    int status = caption_call_decode(c, i, image, NULL, 0, reason);
    if (!status)
        status = caption_encode(session, 1, image, reason);
    if (!status)
        status = score(c, session, sent, reason);
    free(image);
    return status;
}

static int add_unknown(cJSON *item, const caption_result *r)
{
    cJSON *unknown = cJSON_AddArrayToObject(item, "unknown");
    int good = unknown != NULL;
    for (int t = 0; good && t < r->words; t++)
        if (r->tokens[t].unknown)
            good = cJSON_AddItemToArray(unknown, cJSON_CreateString(r->tokens[t].word));
    return good;
}

static cJSON *score_json(const caption_result *r, caption_attention attention)
{
    cJSON *item = cJSON_CreateObject();
    double perplexity = exp(-(double)r->logprob / (r->words + 1));
    return json_checked(item, cJSON_AddStringToObject(item, "text", r->text) &&
                                  json_add_rounded(item, "logprob", r->logprob, 4) &&
                                  json_add_rounded(item, "confidence", r->confidence, 4) &&
                                  cJSON_AddNumberToObject(item, "words", r->words) &&
                                  json_add_rounded(item, "perplexity", perplexity, 4) && add_unknown(item, r) &&
                                  cJSON_AddItemToObject(item, "tokens", caption_json_tokens(r, attention, NULL)));
}

static void answer(caption_call *c)
{
    const ticket_image *image = &c->ticket.images[0];
    cJSON *object = cJSON_CreateObject();
    cJSON *scores = cJSON_AddArrayToObject(object, "scores");
    int good = scores != NULL;
    for (int i = 0; good && i <= image->n_others; i++)
        good = cJSON_AddItemToArray(scores, score_json(i ? &image->others[i - 1] : &image->result, c->input.attention));
    good = good && caption_json_add_facts(object, c);
    http_answer_json(c->request, 200, json_finish(object, good));
}

void api_score(http_request *r)
{
    static const caption_form form = {.read = read, .work = work, .answer = answer};
    caption_call_start(r, &form);
}
