/* registry.c: see registry.h. Few models, so lookups walk an array. */
#include "server/registry.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/log.h"

enum { MAX_MODELS = 64, LIST_BYTES = 8192 };

typedef struct entry {
    char name[WEIGHTS_NAME_BYTES];
    caption_model *model;
} entry;

struct registry {
    pthread_mutex_t lock;
    caption_encoder *encoder;
    entry models[MAX_MODELS];
    int n, standard; /* number of models, index of the default one */
};

registry *registry_new(void)
{
    registry *r = calloc(1, sizeof *r);
    if (r)
        pthread_mutex_init(&r->lock, NULL);
    return r;
}

void registry_free(registry *r)
{
    if (!r)
        return;
    for (int i = 0; i < r->n; i++)
        caption_model_release(r->models[i].model);
    caption_encoder_release(r->encoder);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static int find(const registry *r, const char *name)
{
    for (int i = 0; i < r->n; i++)
        if (strcmp(r->models[i].name, name) == 0)
            return i;
    return -1;
}

/* Such captions are nonsense, or, if the two encoders differ only in precision, nearly as good as ever. */
static void warn_of_other_encoder(const registry *r, const entry *e)
{
    const char *trained_on = caption_model_metadata(e->model, "encoder");
    log_line line;
    if (!trained_on || strcmp(trained_on, caption_encoder_sha256(r->encoder)) == 0)
        return;
    log_begin(&line, LOG_LEVEL_WARNING, "encoder-differs");
    log_text(&line, "model", e->name);
    log_text(&line, "trained_on", trained_on);
    log_text(&line, "loaded", caption_encoder_sha256(r->encoder));
    log_end(&line);
}

static int add(registry *r, const weights_place *place, const char *name, caption_error *err)
{
    char path[PATH_MAX];
    entry new = {.model = NULL};
    int status = weights_model_file(place, name, path, new.name, err);
    if (!status && find(r, new.name) >= 0)
        return caption_fail(err, CAPTION_EINVAL, "--models: two models are called %s", new.name);
    if (!status && r->n == MAX_MODELS)
        return caption_fail(err, CAPTION_ELIMIT, "--models: more than %d", MAX_MODELS);
    if (!status)
        status = caption_model_open(&new.model, path, err);
    if (status)
        return status;
    warn_of_other_encoder(r, &new);
    pthread_mutex_lock(&r->lock);
    r->models[r->n++] = new;
    pthread_mutex_unlock(&r->lock);
    return CAPTION_OK;
}

static int add_list(registry *r, const weights_place *place, const char *models, caption_error *err)
{
    char list[LIST_BYTES], *rest = NULL;
    if (snprintf(list, sizeof list, "%s", models) >= (int)sizeof list)
        return caption_fail(err, CAPTION_EINVAL, "--models: longer than %d characters", LIST_BYTES - 1);
    for (char *name = strtok_r(list, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        int status = add(r, place, name, err);
        if (status)
            return status;
    }
    return CAPTION_OK;
}

/* A captioner: NAME.safetensors, but not the encoder. */
static int is_captioner(const struct dirent *file)
{
    const char *dot = strrchr(file->d_name, '.');
    return dot && dot > file->d_name && strcmp(dot, ".safetensors") == 0 &&
           strncmp(file->d_name, "efficientnet", strlen("efficientnet")) != 0;
}

/* In order of name, so that the same directory serves the same default. */
static int add_directory(registry *r, const weights_place *place, caption_error *err)
{
    char directory[PATH_MAX];
    struct dirent **files;
    int status = weights_directory(place, directory, err);
    if (status)
        return status;
    int n = scandir(directory, &files, is_captioner, alphasort);
    if (n < 0)
        return caption_fail(err, CAPTION_EIO, "%.400s: %s", directory, strerror(errno));
    for (int i = 0; i < n; i++) {
        char *dot = strrchr(files[i]->d_name, '.');
        *dot = '\0';
        if (!status)
            status = add(r, place, files[i]->d_name, err);
        free(files[i]);
    }
    free(files);
    if (!status && n == 0)
        return caption_fail(err, CAPTION_EIO, "%.400s: no captioner (NAME.safetensors) there", directory);
    return status;
}

static int choose_default(registry *r, const char *model, caption_error *err)
{
    int chosen = find(r, model ? model : "lstm");
    if (chosen < 0 && model)
        return caption_fail(err, CAPTION_EINVAL, "--model %.64s: no model of that name is loaded", model);
    pthread_mutex_lock(&r->lock);
    r->standard = chosen < 0 ? 0 : chosen;
    pthread_mutex_unlock(&r->lock);
    return CAPTION_OK;
}

int registry_load(registry *r, const weights_place *place, const char *models, const char *model, caption_error *err)
{
    caption_encoder *encoder;
    int status = weights_open_encoder(place, &encoder, err);
    if (status)
        return status;
    pthread_mutex_lock(&r->lock);
    r->encoder = encoder;
    pthread_mutex_unlock(&r->lock);
    status = models ? add_list(r, place, models, err) : add_directory(r, place, err);
    if (!status && r->n == 0)
        return caption_fail(err, CAPTION_EINVAL, "--models: names no model");
    return status ? status : choose_default(r, model, err);
}

caption_encoder *registry_encoder(registry *r)
{
    pthread_mutex_lock(&r->lock);
    caption_encoder *encoder = r->encoder;
    pthread_mutex_unlock(&r->lock);
    return encoder;
}

static caption_model *take_locked(registry *r, int i, char full_name[WEIGHTS_NAME_BYTES])
{
    if (i < 0 || i >= r->n)
        return NULL;
    strcpy(full_name, r->models[i].name);
    return caption_model_retain(r->models[i].model);
}

caption_model *registry_take(registry *r, const char *name, char full_name[WEIGHTS_NAME_BYTES])
{
    pthread_mutex_lock(&r->lock);
    caption_model *model = take_locked(r, *name ? find(r, name) : r->standard, full_name);
    pthread_mutex_unlock(&r->lock);
    return model;
}

caption_model *registry_take_at(registry *r, int i, char full_name[WEIGHTS_NAME_BYTES], int *is_default)
{
    pthread_mutex_lock(&r->lock);
    caption_model *model = take_locked(r, i, full_name);
    *is_default = i == r->standard;
    pthread_mutex_unlock(&r->lock);
    return model;
}
