/* job_pictures.c: the jobs that make pictures: fool, visualize, invert, dream.
 *
 * The image lies in the job's directory (job_files.h); pictures appear there while the work goes on. An attempt that
 * was killed is begun again: the same request makes the same picture. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/background.h"
#include "server/base/clock.h"
#include "server/decode/cage.h"
#include "server/http/json.h"
#include "server/jobs/job_report.h"
#include "server/jobs/job_run.h"
#include "server/jobs/visual_request.h"

enum { TELL_MS = 500 };

static int limit(const config *c)
{
    return c->picture_jobs;
}

const job_lane job_pictures_lane = {"pictures", limit};

enum { PREVIEWS = 4 }; /* kept: those that a client may be about to fetch */

typedef struct picture_job {
    job_run *run;
    const job_context *with;
    caption_encoder *encoder;
    visual_request request; /* its options report to this job */
    unsigned char *input;   /* the photo as sent; NULL: this kind has none */
    size_t input_size;

    picture_report report;
    char previews[PREVIEWS][PICTURE_NAME_BYTES]; /* a ring: the next one replaces previews[n % PREVIEWS] */
    int n;
    double told; /* clock_ms */
    int told_step;
    int fault; /* a preview could not be stored (caption_status) */
    caption_error reason;
    cJSON *pictures; /* of the result */
} picture_job;

/* CAPTION_ENOMEM unless `good`: for results that are put together. */
static int check_memory(int good, caption_error *err)
{
    return good ? CAPTION_OK : caption_fail(err, CAPTION_ENOMEM, "out of memory for a result");
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

static int store_picture(const picture_job *j, const char *file, const caption_picture *picture, caption_error *err)
{
    unsigned char *png;
    size_t size;
    int status = caption_picture_png(picture, &png, &size, err);
    if (status)
        return status;
    status = picture_files_put(job_run_directory(j->run), file, png, size, err);
    free(png);
    return status;
}

static int save_picture(picture_job *j, const char *name, const caption_picture *picture, caption_error *err)
{
    char file[PICTURE_NAME_BYTES], url[PICTURE_URL_BYTES];
    snprintf(file, sizeof file, "%s.png", name);
    int status = store_picture(j, file, picture, err);
    picture_files_url(job_run_id(j->run), file, url);
    return status ? status : check_memory(cJSON_AddStringToObject(j->pictures, name, url) != NULL, err);
}

static int save_preview(picture_job *j, int step, const caption_picture *picture)
{
    char *place = j->previews[j->n % PREVIEWS], old[PICTURE_NAME_BYTES];
    strcpy(old, place);
    snprintf(place, PICTURE_NAME_BYTES, "preview-%d.png", step);
    int status = store_picture(j, place, picture, &j->reason);
    if (status)
        return status;
    if (*old && strcmp(old, place) != 0)
        picture_files_drop(job_run_directory(j->run), old);
    j->n++;
    picture_files_url(job_run_id(j->run), place, j->report.preview);
    return CAPTION_OK;
}

static int decode_image(const picture_job *j, caption_image *image, caption_picture *picture, int max_side,
                        caption_error *err)
{
    const cage_work work = {
        .file = j->input,
        .size = j->input_size,
        .limits = {.max_pixels = (size_t)j->with->config->max_pixels},
        .image = image,
        .picture = picture,
        .max_side = max_side,
    };
    return cage_decode(j->with->cage, &work, err);
}

static int take_image(const picture_job *j, caption_image **out, caption_error *err)
{
    *out = malloc(sizeof **out);
    if (!*out)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for a photo");
    int status = decode_image(j, *out, NULL, 0, err);
    if (status) {
        free(*out);
        *out = NULL;
    }
    return status;
}

/* ---- telling ----------------------------------------------------------------------------------------------------- */

static void tell(picture_job *j)
{
    j->told = clock_ms();
    j->told_step = j->report.step;
    job_run_tell_progress(j->run, picture_report_json(&j->report, 1));
    job_run_tell_event(j->run, "progress", picture_report_json(&j->report, 0));
}

static int on_progress(void *context, const caption_visual_progress *p)
{
    picture_job *j = context;
    picture_report_add(&j->report, p);
    if (p->preview && (j->fault = save_preview(j, p->step, p->preview)))
        return 1;
    if (p->preview || p->step == p->steps || clock_ms() - j->told >= TELL_MS)
        tell(j);
    return job_run_stopping(j->run);
}

static int add_class(const picture_job *j, cJSON *object, int class_index)
{
    const char *label = caption_encoder_label(j->encoder, class_index);
    return cJSON_AddNumberToObject(object, "class", class_index) &&
           cJSON_AddStringToObject(object, "label", label ? label : "");
}

/* ---- the kinds: each makes its pictures and adds their description to *result ---------------------------------- */

/* {"class", "label", "before", "after"}: a class's scores. */
static int add_scores(const picture_job *j, cJSON *result, const char *name, int class_index, double before,
                      double after)
{
    cJSON *object = cJSON_AddObjectToObject(result, name);
    return object && add_class(j, object, class_index) && json_add_rounded(object, "before", before, 4) &&
           json_add_rounded(object, "after", after, 4);
}

static int tell_fool(const picture_job *j, cJSON *result, const caption_fooled *f)
{
    return cJSON_AddBoolToObject(result, "reached", f->reached) && cJSON_AddNumberToObject(result, "steps", f->steps) &&
           add_scores(j, result, "from", f->from, f->from_before, f->from_after) &&
           add_scores(j, result, "to", f->to, f->to_before, f->to_after) &&
           cJSON_AddNumberToObject(result, "largest_change", f->largest_change) &&
           json_add_rounded(result, "mean_change", f->mean_change, 4);
}

static int fool(picture_job *j, cJSON *result, caption_error *err)
{
    caption_image *image;
    caption_fooled fooled = {0};
    int status = take_image(j, &image, err);
    if (!status)
        status = caption_fool(j->encoder, image, j->request.class_index, &j->request.options, &fooled, err);
    if (!status)
        status = save_picture(j, "result", &fooled.picture, err);
    if (!status)
        status = save_picture(j, "difference", &fooled.difference, err);
    if (!status)
        status = check_memory(tell_fool(j, result, &fooled), err);
    caption_fooled_free(&fooled);
    free(image);
    return status;
}

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

static int tell_visualize(const picture_job *j, cJSON *result, double score)
{
    const visual_request *r = &j->request;
    return (visual_request_is_of_word(r) ? cJSON_AddStringToObject(result, "word", r->word) != NULL
                                         : add_class(j, result, r->class_index)) &&
           json_add_rounded(result, "score", score, 4);
}

static int visualize(picture_job *j, cJSON *result, caption_error *err)
{
    caption_target target;
    caption_model *model;
    caption_picture picture = {0};
    double score;
    int status = take_target(j, &target, &model, err);
    if (!status)
        status = caption_visualize(j->encoder, &target, &j->request.options, &picture, &score, err);
    if (!status)
        status = save_picture(j, "result", &picture, err);
    if (!status)
        status = check_memory(tell_visualize(j, result, score), err);
    caption_picture_free(&picture);
    caption_model_release(model);
    return status;
}

static int tell_invert(const picture_job *j, cJSON *result, const caption_inverted *inverted)
{
    return cJSON_AddNumberToObject(result, "layer", j->request.options.layer) &&
           json_add_rounded(result, "first_loss", inverted->first_loss, 6) &&
           json_add_rounded(result, "last_loss", inverted->last_loss, 6);
}

static int invert(picture_job *j, cJSON *result, caption_error *err)
{
    caption_image *image;
    caption_inverted inverted = {0};
    int status = take_image(j, &image, err);
    if (!status)
        status = caption_invert(j->encoder, image, &j->request.options, &inverted, err);
    if (!status)
        status = save_picture(j, "result", &inverted.picture, err);
    if (!status)
        status = check_memory(tell_invert(j, result, &inverted), err);
    caption_inverted_free(&inverted);
    free(image);
    return status;
}

static int tell_dream(const picture_job *j, cJSON *result, const caption_picture *dream)
{
    return cJSON_AddNumberToObject(result, "layer", j->request.options.layer) &&
           cJSON_AddNumberToObject(result, "width", dream->width) &&
           cJSON_AddNumberToObject(result, "height", dream->height);
}

static int dream(picture_job *j, cJSON *result, caption_error *err)
{
    caption_picture photo = {0}, dream = {0};
    int status = decode_image(j, NULL, &photo, j->request.options.max_side, err);
    if (!status)
        status = caption_dream(j->encoder, &photo, &j->request.options, &dream, err);
    if (!status)
        status = save_picture(j, "result", &dream, err);
    if (!status)
        status = check_memory(tell_dream(j, result, &dream), err);
    caption_picture_free(&photo);
    caption_picture_free(&dream);
    return status;
}

static const struct {
    caption_visual visual;
    int (*make)(picture_job *j, cJSON *result, caption_error *err);
} makers[] = {
    {CAPTION_FOOL, fool},
    {CAPTION_VISUALIZE, visualize},
    {CAPTION_INVERT, invert},
    {CAPTION_DREAM, dream},
};

/* ---- the work ---------------------------------------------------------------------------------------------------- */

/* What an attempt before this one had ready when it died. */
static int tell_earlier(picture_job *j)
{
    unsigned char *json;
    size_t size;
    if (picture_files_get(job_run_directory(j->run), picture_result, &json, &size, NULL))
        return 0;
    job_run_tell_result(j->run, (char *)json);
    return 1;
}

/* The pictures are on the disk. The input goes last: it is what a next attempt would begin with. */
static int finish(picture_job *j, cJSON *result, caption_error *err)
{
    const char *directory = job_run_directory(j->run);
    char *json = cJSON_PrintUnformatted(result);
    int status = check_memory(json != NULL, err);
    if (!status)
        status = picture_files_put(directory, picture_result, json, strlen(json), err);
    if (status) {
        free(json);
        return status;
    }
    if (j->report.step != j->told_step)
        tell(j);
    job_run_tell_result(j->run, json);
    picture_files_drop(directory, picture_input);
    return CAPTION_OK;
}

static int make(picture_job *j, caption_error *err)
{
    size_t i = 0;
    while (makers[i].visual != j->request.visual)
        i++;
    cJSON *result = cJSON_CreateObject();
    j->pictures = cJSON_AddObjectToObject(result, "pictures");
    int status = check_memory(j->pictures != NULL, err);
    if (!status)
        status = makers[i].make(j, result, err);
    if (status == CAPTION_ECANCELLED && j->fault) {
        *err = j->reason;
        status = j->fault;
    }
    if (!status)
        status = finish(j, result, err);
    cJSON_Delete(result);
    return status;
}

/* The visualisation that a kind is named after. */
static caption_visual visual_of(const job_run *run)
{
    size_t i = 0;
    while (strcmp(caption_visual_name(makers[i].visual), job_run_kind(run)->name) != 0)
        i++;
    return makers[i].visual;
}

static int start(picture_job *j, caption_error *err)
{
    problem p;
    caption_visual visual = visual_of(j->run);
    if (visual_request_parse(&j->request, visual, job_run_request(j->run), j->encoder, j->with->config, &p))
        return caption_fail(err, CAPTION_EINVAL, "%s", p.detail);
    j->request.options.progress = on_progress;
    j->request.options.context = j;
    picture_files_drop_previews(job_run_directory(j->run));
    return visual == CAPTION_VISUALIZE
               ? CAPTION_OK
               : picture_files_get(job_run_directory(j->run), picture_input, &j->input, &j->input_size, err);
}

int job_pictures_run(job_run *run, caption_error *err)
{
    picture_job *j = calloc(1, sizeof *j);
    if (!j)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for a job");
    j->run = run;
    j->with = job_run_context(run);
    j->encoder = registry_encoder(j->with->registry);
    background_enter(background_parse(j->with->config->background));
    int status = CAPTION_OK;
    if (!tell_earlier(j)) {
        status = start(j, err);
        status = status ? status : make(j, err);
    }
    visual_request_free(&j->request);
    free(j->input);
    free(j);
    return status;
}
