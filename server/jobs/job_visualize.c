/* job_visualize.c: what a class, or a word, is to the network. */
#include "server/jobs/picture_job.h"

static int take_target(const picture_job *j, caption_target *target, caption_model **model, caption_error *err)
{
    char name[WEIGHTS_NAME_BYTES];
    const visual_request *r = &j->request;
    *model = NULL;
    *target = visual_request_target(r, NULL);
    if (!visual_request_is_of_word(r))
        return CAPTION_OK;
    *model = registry_take(j->with->registry, r->model, name);
    if (!*model)
        return caption_fail(err, CAPTION_EINVAL, "there is no model \"%s\" any more", r->model);
    *target = visual_request_target(r, *model);
    return CAPTION_OK;
}

static int tell(const picture_job *j, cJSON *result, double score)
{
    const visual_request *r = &j->request;
    return (visual_request_is_of_word(r) ? cJSON_AddStringToObject(result, "word", r->word) != NULL
                                         : picture_job_add_class(j, result, r->class_index)) &&
           json_add_rounded(result, "score", score, 4);
}

int job_visualize(picture_job *j, cJSON *result, caption_error *err)
{
    caption_target target;
    caption_model *model;
    caption_picture picture = {0};
    double score;
    int status = take_target(j, &target, &model, err);
    if (!status)
        status = caption_visualize(j->encoder, &target, &j->request.options, &picture, &score, err);
    if (!status)
        status = picture_job_save(j, "result", &picture, err);
    if (!status)
        status = picture_job_check(tell(j, result, score), err);
    caption_picture_free(&picture);
    caption_model_release(model);
    return status;
}
