/* caption_json.h: captions as clients see them. */
#ifndef SERVER_CAPTION_JSON_H
#define SERVER_CAPTION_JSON_H

#include "model/visualize.h"
#include "server/api/caption_call.h"
#include "server/http/json.h"

/* What attention is laid over, and for whom: pictures take long, so each is made only if that one still waits. */
typedef struct caption_overlay {
    const caption_picture *photo;
    const http_request *request;
} caption_overlay;

/* {"text","logprob","words","finished"}; with "concepts" and "tokens" if the result has them. attention: each token's
 * as well; overlay: not NULL: each also as a picture. NULL when out of memory or not wanted any more. */
cJSON *caption_json(const caption_result *result, caption_attention attention, const caption_overlay *overlay);

/* [{"word","logprob"}, ...], as above; NULL when out of memory. */
cJSON *caption_json_tokens(const caption_result *result, caption_attention attention, const caption_overlay *overlay);

/* Adds "model", "timing" and "request_id", which close the answer of every route of our own that asks the workers.
 * Returns 0 when out of memory. */
int caption_json_add_facts(cJSON *answer, const caption_call *c);

#endif
