/* job_dream.c: the photo with more of what a layer sees in it. */
#include "server/jobs/picture_job.h"

static int tell(const picture_job *j, cJSON *result, const caption_picture *dream)
{
    return cJSON_AddNumberToObject(result, "layer", j->request.options.layer) &&
           cJSON_AddNumberToObject(result, "width", dream->width) &&
           cJSON_AddNumberToObject(result, "height", dream->height);
}

int job_dream(picture_job *j, cJSON *result, caption_error *err)
{
    caption_picture photo = {0}, dream = {0};
    int status = picture_job_decode(j, NULL, &photo, j->request.options.max_side, err);
    if (!status)
        status = caption_dream(j->encoder, &photo, &j->request.options, &dream, err);
    if (!status)
        status = picture_job_save(j, "result", &dream, err);
    if (!status)
        status = picture_job_check(tell(j, result, &dream), err);
    caption_picture_free(&photo);
    caption_picture_free(&dream);
    return status;
}
