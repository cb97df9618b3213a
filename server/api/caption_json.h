/* caption_json.h: captions as clients see them. */
#ifndef SERVER_CAPTION_JSON_H
#define SERVER_CAPTION_JSON_H

#include "server/captions/caption_call.h"
#include "server/http/json.h"

/* {"text","logprob","words","finished"}; NULL when out of memory. */
cJSON *caption_json(const caption_result *result);

/* Adds "model", "timing" and "request_id", which close the answer of every route of our own that asks the workers.
 * Returns 0 when out of memory. */
int caption_json_add_facts(cJSON *answer, const caption_call *c);

#endif
