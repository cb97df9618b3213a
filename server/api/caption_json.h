/* caption_json.h: captions as clients see them. */
#ifndef SERVER_CAPTION_JSON_H
#define SERVER_CAPTION_JSON_H

#include "model/visualize.h"
#include "server/api/caption_call.h"
#include "server/http/json.h"

/* {"text","logprob","words","finished"}; with "tokens" if the result has them. attention: each token's as well;
 * photo: not NULL: each also with the photo that it is laid over. NULL when out of memory. */
cJSON *caption_json(const caption_result *result, caption_attention attention, const caption_picture *photo);

/* [{"word","logprob"}, ...], as above; NULL when out of memory. */
cJSON *caption_json_tokens(const caption_result *result, caption_attention attention, const caption_picture *photo);

/* Adds "model", "timing" and "request_id", which close the answer of every route of our own that asks the workers.
 * Returns 0 when out of memory. */
int caption_json_add_facts(cJSON *answer, const caption_call *c);

#endif
