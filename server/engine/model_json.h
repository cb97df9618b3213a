/* model_json.h: a captioner as clients see it. */
#ifndef SERVER_MODEL_JSON_H
#define SERVER_MODEL_JSON_H

#include "server/engine/registry.h"
#include "server/http/json.h"

/* All of it; and only what OpenAI's clients look for: "id", "object", "created", "owned_by". NULL when out of memory.
 */
cJSON *model_json(const registry_facts *facts, const caption_model *model);
cJSON *model_json_openai(const registry_facts *facts);

/* A model that cannot be used, and why. */
cJSON *model_json_broken(const registry_broken *facts);

/* Adds "scores": those that training left in the file. Returns 0 when out of memory. */
int model_json_scores(cJSON *object, const caption_model *model);

#endif
