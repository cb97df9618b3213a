/* job_train.c: a training job, from the request that was stored to a model that is served.
 *
 *     exported               marks that the next ones are whole
 *     train.tsv dev.tsv      the captions as they were when the job began
 *     text.txt               captions without images, likewise
 *     images/                links to the pictures of a stored dataset
 *     model.safetensors      the best epoch so far; with .checkpoint what a killed run goes on from
 *     finished.safetensors   the same when the training is over; published, it has a second name among the models
 *
 * Whatever step a job dies in, the next attempt finds the files of the steps before and does the rest; training is
 * reproducible, so the outcome is the same. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/background.h"
#include "server/base/durable.h"
#include "server/base/file.h"
#include "server/engine/model_json.h"
#include "server/jobs/job_report.h"
#include "server/jobs/job_run.h"
#include "server/jobs/train_request.h"
#include "server/store/caption_file.h"

/* ---- a dataset in files ------------------------------------------------------------------------------------------
 *
 * What store_export makes of a stored one: train.tsv and dev.tsv in the job's directory, so that later changes of the
 * files do not change a run that is under way. Captions are written as the dataset reads them, tokenised, which changes
 * nothing in what is learnt from them. */

static int close_file(FILE *out, const char *path, int failed, caption_error *err)
{
    failed |= fflush(out) || fsync(fileno(out));
    int error = errno;
    failed |= fclose(out);
    return failed ? caption_fail(err, CAPTION_EIO, "%.400s: %s", path, strerror(error)) : CAPTION_OK;
}

static int write_captions(const caption_dataset *dataset, const char *directory, const char *name, caption_error *err)
{
    char path[PATH_MAX];
    int failed = 0;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *out = fopen(path, "we");
    if (!out)
        return caption_fail(err, CAPTION_EIO, "%.400s: %s", path, strerror(errno));
    for (size_t i = 0; i < caption_dataset_size(dataset); i++) {
        const caption_dataset_image *image = caption_dataset_at(dataset, i);
        for (size_t k = 0; k < image->n_captions; k++)
            failed |= fprintf(out, "%s\t%s\n", image->file, image->captions[k]) < 0;
    }
    return close_file(out, path, failed, err);
}

/* Without files->dev, the file's own part for dev, or dev_fraction of the images, at least one and not all, are for
 * dev; the same seed and names choose the same. dev.tsv is there only if there is a dev part. All is flushed to the
 * disk. */
static int export_parts(const train_files *files, const char *directory, double dev_fraction, uint64_t seed,
                        caption_error *err)
{
    caption_dataset *train = NULL, *dev = NULL;
    int status = caption_file_open_both(&train, &dev, files->images, files->captions, files->images,
                                        *files->dev ? files->dev : NULL, dev_fraction, seed, err);
    if (!status)
        status = write_captions(train, directory, "train.tsv", err);
    if (!status && dev)
        status = write_captions(dev, directory, "dev.tsv", err);
    caption_dataset_free(dev);
    caption_dataset_free(train);
    return status;
}

/* ---- the job ------------------------------------------------------------------------------------------------------
 */

const char job_train_name[] = "train";

/* A job on its way. */
typedef struct training {
    job_run *run;
    const job_context *with;
    train_request request;
    char base[PATH_MAX], out[PATH_MAX], finished[PATH_MAX], text[PATH_MAX];
    caption_dataset *train, *dev; /* dev NULL: none */
    train_report *report;
} training;

static int limit(const config *c)
{
    return c->training_jobs;
}

const job_lane job_train_lane = {job_train_name, limit};

/* The path of one of the job's files; job_files.c left room for short names. */
static void path_of(const job_run *run, const char *name, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/%s", job_run_directory(run), name);
}

static int exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static int fail_by(const problem *p, caption_error *err)
{
    return caption_fail(err, CAPTION_EINVAL, "%s", p->detail);
}

/* ---- the data ---------------------------------------------------------------------------------------------------- */

static int should_stop(void *context)
{
    const training *t = context;
    switch (job_run_stopping(t->run)) {
    case JOB_RUN_GO_ON:
        return CAPTION_TRAIN_GO_ON;
    case JOB_RUN_STOP:
        return CAPTION_TRAIN_STOP;
    default:
        return CAPTION_TRAIN_ABANDON;
    }
}

/* Tries again while others keep the store busy: that passes. */
static int export_stored(training *t, caption_error *err)
{
    problem p;
    store_export_sizes sizes;
    const train_request *r = &t->request;
    const store_export_order order = {
        r->dataset, job_run_directory(t->run), r->dev_fraction, r->options.seed, should_stop, t};
    while (store_export(t->with->store, &order, &sizes, &p)) {
        if (should_stop(t))
            return caption_fail(err, CAPTION_ECANCELLED, "stopped before it learnt");
        if (p.kind != PROBLEM_STORE_BUSY)
            return fail_by(&p, err);
    }
    return CAPTION_OK;
}

static int export_files(training *t, caption_error *err)
{
    problem p;
    train_files files;
    const train_request *r = &t->request;
    if (train_request_files(r, t->with->config, &files, &p))
        return fail_by(&p, err);
    return export_parts(&files, job_run_directory(t->run), r->dev_fraction, r->options.seed, err);
}

/* A copy of the text without images. */
static int export_text(training *t, caption_error *err)
{
    problem p;
    char from[PATH_MAX];
    unsigned char *bytes;
    size_t size;
    if (train_request_text(&t->request, t->with->config, from, &p))
        return fail_by(&p, err);
    int status = file_read(from, SIZE_MAX / 2, &bytes, &size, err);
    if (status)
        return status;
    if (durable_file(t->text, O_CREAT | O_TRUNC, 0600, bytes, size, 1))
        status = caption_fail(err, CAPTION_EIO, "%.400s: %s", t->text, strerror(errno));
    free(bytes);
    return status;
}

static int export(training *t, caption_error *err)
{
    int status = *t->request.dataset ? export_stored(t, err) : export_files(t, err);
    return status || !*t->request.text ? status : export_text(t, err);
}

/* An empty file, durable as what was written before it. */
static int write_mark(const training *t, const char *path, caption_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    if (fd < 0 || durable_directory(job_run_directory(t->run)))
        return caption_fail(err, CAPTION_EIO, "%.400s: %s", path, strerror(errno));
    return CAPTION_OK;
}

/* The dataset may go now. If that cannot be stored, it may when the job has ended. */
static void release_dataset(const training *t)
{
    problem p;
    char name[JOB_NAME_BYTES];
    snprintf(name, sizeof name, JOB_NAME_DATASET, t->request.dataset);
    if (*t->request.dataset)
        job_store_release(t->with->job_store, job_run_id(t->run), name, &p);
}

static int export_once(training *t, caption_error *err)
{
    char mark[PATH_MAX];
    path_of(t->run, "exported", mark);
    int status = exists(mark) ? CAPTION_OK : export(t, err);
    if (!status && !exists(mark))
        status = write_mark(t, mark, err);
    if (!status)
        release_dataset(t);
    return status;
}

static int open_data(training *t, caption_error *err)
{
    problem p;
    train_files files = {.dev = ""};
    char train[PATH_MAX], dev[PATH_MAX];
    path_of(t->run, "train.tsv", train);
    path_of(t->run, "dev.tsv", dev);
    path_of(t->run, "images", files.images);
    if (!*t->request.dataset && train_request_files(&t->request, t->with->config, &files, &p))
        return fail_by(&p, err);
    int status = caption_dataset_open_below(&t->train, files.images, train, err);
    if (!status && exists(dev))
        status = caption_dataset_open_below(&t->dev, files.images, dev, err);
    return status;
}

/* ---- learning ---------------------------------------------------------------------------------------------------- */

static int on_progress(void *context, const caption_train_progress *p)
{
    training *t = context;
    train_report_add(t->report, p);
    job_run_tell_progress(t->run, train_report_progress(t->report));
    job_run_tell_event(t->run, "progress", train_report_event(t->report));
    if (p->dev)
        job_run_tell_event(t->run, "scores", train_report_scores(t->report));
    if (p->last) /* while there is a checkpoint: later, a crash before it is stored would lose it for good */
        job_run_await_storing(t->run);
    return 0;
}

static int complete_options(training *t, caption_error *err)
{
    problem p;
    const config *c = t->with->config;
    caption_train_options *o = &t->request.options;
    if (*t->request.base) {
        if (train_request_base(&t->request, t->with, t->base, &p))
            return fail_by(&p, err);
        int status = caption_train_base(o, t->base, err);
        if (status)
            return status;
    } else if (!t->request.from_scratch)
        o->minimum_captions = 1; /* a job of an earlier version, which asked for no number */
    o->train = t->train;
    o->dev = t->dev;
    o->out = t->out;
    o->text = *t->request.text ? t->text : NULL;
    o->cache = store_feature_directory(t->with->store);
    o->resume = 1;
    o->threads = c->training_threads;
    o->memory = (size_t)c->training_memory_mb << 20;
    o->progress = on_progress;
    o->stop = should_stop;
    o->context = t;
    return CAPTION_OK;
}

static int learn(training *t, caption_error *err)
{
    int status = export_once(t, err);
    if (!status)
        status = open_data(t, err);
    if (!status)
        status = complete_options(t, err);
    if (status)
        return status;
    t->report = train_report_new(t->dev, t->request.options.samples > 0, job_run_progress(t->run));
    if (!t->report)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for a training job");
    background_enter(background_parse(t->with->config->background));
    t->request.options.decoder = cage_decoder(t->with->cage);
    status = caption_train(&t->request.options, registry_encoder(t->with->registry), err);
    if (!status && rename(t->out, t->finished))
        status = caption_fail(err, CAPTION_EIO, "%.400s: %s", t->finished, strerror(errno));
    return status;
}

/* ---- the outcome ------------------------------------------------------------------------------------------------- */

static char *result_json(const training *t, const caption_model *model)
{
    cJSON *result = cJSON_CreateObject();
    return json_finish(result,
                       cJSON_AddStringToObject(result, "model", t->request.model) &&
                           cJSON_AddStringToObject(result, "sha256", caption_model_sha256(model)) &&
                           cJSON_AddNumberToObject(result, "vocabulary_size", caption_model_vocabulary_size(model)) &&
                           model_json_scores(result, model));
}

/* Opens the model as the registry will, so that a damaged one fails the job and not its publication. */
static int tell_result(training *t, caption_error *err)
{
    caption_model *model;
    int status = caption_model_open(&model, t->finished, err);
    if (status)
        return status;
    job_run_tell_result(t->run, result_json(t, model));
    caption_model_release(model);
    return CAPTION_OK;
}

/* Learns, unless that was done; not for a name that somebody has taken since the job was queued. */
static int learn_once(training *t, caption_error *err)
{
    problem p;
    if (exists(t->finished))
        return CAPTION_OK;
    if (models_check_name(t->with->models, t->request.model, &p) && p.kind == PROBLEM_NAME_TAKEN)
        return fail_by(&p, err);
    return learn(t, err);
}

static int train(training *t, caption_error *err)
{
    int status = learn_once(t, err);
    return status ? status : tell_result(t, err);
}

int job_train_run(job_run *run, caption_error *err)
{
    problem p;
    training *t = calloc(1, sizeof *t);
    if (!t)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for a training job");
    const char *request = job_run_request(run);
    t->run = run;
    t->with = job_run_context(run);
    path_of(run, "model.safetensors", t->out);
    path_of(run, "finished.safetensors", t->finished);
    path_of(run, "text.txt", t->text);
    int status = train_request_parse(&t->request, request, strlen(request), &p) ? fail_by(&p, err) : train(t, err);
    train_report_free(t->report);
    caption_dataset_free(t->train);
    caption_dataset_free(t->dev);
    free(t);
    return status;
}

/* The result names the model. */
int job_train_publish(job_run *run, problem *p)
{
    char finished[PATH_MAX];
    cJSON *result = cJSON_Parse(job_run_result(run));
    const char *model = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(result, "model"));
    path_of(run, "finished.safetensors", finished);
    int failed = model ? models_publish(job_run_context(run)->models, model, finished, p)
                       : problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
    cJSON_Delete(result);
    return failed;
}
