/* job_invert.c: what a layer still knows of the photo. */
#include <stdlib.h>

#include "server/jobs/picture_job.h"

static int tell(const picture_job *j, cJSON *result, const caption_inverted *inverted)
{
    return cJSON_AddNumberToObject(result, "layer", j->request.options.layer) &&
           json_add_rounded(result, "first_loss", inverted->first_loss, 6) &&
           json_add_rounded(result, "last_loss", inverted->last_loss, 6);
}

int job_invert(picture_job *j, cJSON *result, caption_error *err)
{
    caption_image *image;
    caption_inverted inverted = {0};
    int status = picture_job_image(j, &image, err);
    if (!status)
        status = caption_invert(j->encoder, image, &j->request.options, &inverted, err);
    if (!status)
        status = picture_job_save(j, "result", &inverted.picture, err);
    if (!status)
        status = picture_job_check(tell(j, result, &inverted), err);
    caption_inverted_free(&inverted);
    free(image);
    return status;
}
