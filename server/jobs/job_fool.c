/* job_fool.c: the same photo, taken for something else. */
#include <stdlib.h>

#include "server/jobs/picture_job.h"

/* {"class", "label", "before", "after"}: a class's scores. */
static int add_scores(const picture_job *j, cJSON *result, const char *name, int class_index, double before,
                      double after)
{
    cJSON *object = cJSON_AddObjectToObject(result, name);
    return object && picture_job_add_class(j, object, class_index) && json_add_rounded(object, "before", before, 4) &&
           json_add_rounded(object, "after", after, 4);
}

static int tell(const picture_job *j, cJSON *result, const caption_fooled *f)
{
    return cJSON_AddBoolToObject(result, "reached", f->reached) && cJSON_AddNumberToObject(result, "steps", f->steps) &&
           add_scores(j, result, "from", f->from, f->from_before, f->from_after) &&
           add_scores(j, result, "to", f->to, f->to_before, f->to_after) &&
           cJSON_AddNumberToObject(result, "largest_change", f->largest_change) &&
           json_add_rounded(result, "mean_change", f->mean_change, 4);
}

int job_fool(picture_job *j, cJSON *result, caption_error *err)
{
    caption_image *image;
    caption_fooled fooled = {0};
    int status = picture_job_image(j, &image, err);
    if (!status)
        status = caption_fool(j->encoder, image, j->request.class_index, &j->request.options, &fooled, err);
    if (!status)
        status = picture_job_save(j, "result", &fooled.picture, err);
    if (!status)
        status = picture_job_save(j, "difference", &fooled.difference, err);
    if (!status)
        status = picture_job_check(tell(j, result, &fooled), err);
    caption_fooled_free(&fooled);
    free(image);
    return status;
}
