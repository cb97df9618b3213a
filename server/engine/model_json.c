/* model_json.c: see model_json.h. */
#include "server/engine/model_json.h"

#include <stdlib.h>
#include <sys/stat.h>

/* Metadata is text that may be anything: only a number is told. */
static int add_score(cJSON *scores, const char *name, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    return end == text || *end || json_add_rounded(scores, name, value, 4);
}

int model_json_scores(cJSON *object, const caption_model *model)
{
    static const char *const keys[][2] = {{"dev_bleu_4", "bleu_4"},         {"dev_rouge_l", "rouge_l"},
                                          {"dev_cider", "cider"},           {"dev_cider_low", "cider_low"},
                                          {"dev_cider_high", "cider_high"}, {"base_dev_cider", "base_cider"}};
    cJSON *scores = cJSON_AddObjectToObject(object, "scores");
    int good = scores != NULL;
    for (size_t i = 0; good && i < sizeof keys / sizeof *keys; i++) {
        const char *value = caption_model_metadata(model, keys[i][0]);
        good = !value || add_score(scores, keys[i][1], value);
    }
    return good;
}

/* A string of the file's metadata, if it has it. */
static int add_metadata(cJSON *item, const char *name, const caption_model *model, const char *key)
{
    const char *text = caption_model_metadata(model, key);
    return !text || cJSON_AddStringToObject(item, name, text);
}

static int add_openai(cJSON *item, const registry_facts *facts)
{
    struct stat file;
    long long created = stat(facts->path, &file) == 0 ? (long long)file.st_mtime : 0;
    return cJSON_AddStringToObject(item, "id", facts->name) && cJSON_AddStringToObject(item, "object", "model") &&
           cJSON_AddNumberToObject(item, "created", (double)created) &&
           cJSON_AddStringToObject(item, "owned_by", "captiond");
}

cJSON *model_json_openai(const registry_facts *facts)
{
    cJSON *item = cJSON_CreateObject();
    return json_checked(item, add_openai(item, facts));
}

cJSON *model_json_broken(const registry_broken *facts)
{
    cJSON *item = cJSON_CreateObject();
    return json_checked(item, cJSON_AddStringToObject(item, "name", facts->name) &&
                                  cJSON_AddBoolToObject(item, "default", facts->is_default) &&
                                  cJSON_AddBoolToObject(item, "trained", facts->trained) &&
                                  cJSON_AddStringToObject(item, "reason", facts->reason));
}

cJSON *model_json(const registry_facts *facts, const caption_model *model)
{
    cJSON *item = cJSON_CreateObject();
    return json_checked(item,
                        add_openai(item, facts) && cJSON_AddStringToObject(item, "name", facts->name) &&
                            cJSON_AddBoolToObject(item, "default", facts->is_default) &&
                            cJSON_AddBoolToObject(item, "trained", facts->trained) &&
                            cJSON_AddStringToObject(item, "kind", caption_model_kind(model)) &&
                            cJSON_AddNumberToObject(item, "vocabulary_size", caption_model_vocabulary_size(model)) &&
                            cJSON_AddNumberToObject(item, "hidden_size", caption_model_hidden_size(model)) &&
                            cJSON_AddNumberToObject(item, "word_size", caption_model_word_size(model)) &&
                            cJSON_AddStringToObject(item, "sha256", caption_model_sha256(model)) &&
                            cJSON_AddBoolToObject(item, "verified", caption_model_verified(model)) &&
                            add_metadata(item, "encoder_sha256", model, "encoder") &&
                            add_metadata(item, "training", model, "training") && model_json_scores(item, model));
}
