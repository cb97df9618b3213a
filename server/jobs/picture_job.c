/* picture_job.c: see picture_job.h. */
#include "server/jobs/picture_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/background.h"
#include "server/base/clock.h"
#include "server/decode/cage.h"

enum { TELL_MS = 500 };

static int limit(const config *c)
{
    return c->picture_jobs;
}

const job_lane picture_lane = {"pictures", limit};

static const struct {
    caption_visual visual;
    int (*make)(picture_job *j, cJSON *result, caption_error *err);
} makers[] = {
    {CAPTION_FOOL, job_fool},
    {CAPTION_VISUALIZE, job_visualize},
    {CAPTION_INVERT, job_invert},
    {CAPTION_DREAM, job_dream},
};

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

int picture_job_save(picture_job *j, const char *name, const caption_picture *picture, caption_error *err)
{
    char file[PICTURE_NAME_BYTES], url[PICTURE_URL_BYTES];
    snprintf(file, sizeof file, "%s.png", name);
    int status = store_picture(j, file, picture, err);
    picture_files_url(job_run_id(j->run), file, url);
    return status ? status : picture_job_check(cJSON_AddStringToObject(j->pictures, name, url) != NULL, err);
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

int picture_job_decode(const picture_job *j, caption_image *image, caption_picture *picture, int max_side,
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

int picture_job_image(const picture_job *j, caption_image **out, caption_error *err)
{
    *out = malloc(sizeof **out);
    if (!*out)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for a photo");
    int status = picture_job_decode(j, *out, NULL, 0, err);
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

int picture_job_check(int good, caption_error *err)
{
    return good ? CAPTION_OK : caption_fail(err, CAPTION_ENOMEM, "out of memory for a result");
}

int picture_job_add_class(const picture_job *j, cJSON *object, int class_index)
{
    const char *label = caption_encoder_label(j->encoder, class_index);
    return cJSON_AddNumberToObject(object, "class", class_index) &&
           cJSON_AddStringToObject(object, "label", label ? label : "");
}

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
    int status = picture_job_check(json != NULL, err);
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
    int status = picture_job_check(j->pictures != NULL, err);
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

/* The visual that a kind is called after. */
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

int picture_job_run(job_run *run, caption_error *err)
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
