/* registry.c: see registry.h. Few models, so lookups walk an array. */
#include "server/engine/registry.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/base/paths.h"

enum { LIST_BYTES = 8192 };

/* Tells a file from another one that took its place. */
typedef struct file_mark {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
} file_mark;

/* A file that could not be used. */
typedef struct broken {
    registry_broken facts; /* but for is_default */
    char *path;
} broken;

typedef struct entry {
    char name[WEIGHTS_NAME_BYTES];
    char *path;
    int trained;
    file_mark mark; /* of the file that was loaded */
    caption_model *model;
} entry;

struct registry {
    pthread_mutex_t lock;
    caption_encoder *encoder;
    entry models[REGISTRY_MODELS];
    int n, standard; /* number of models, index of the default one; -1: it is broken, and called */
    char wanted[WEIGHTS_NAME_BYTES];
    broken broken[REGISTRY_MODELS];
    int n_broken;
};

registry *registry_new(void)
{
    registry *r = calloc(1, sizeof *r);
    if (r)
        pthread_mutex_init(&r->lock, NULL);
    return r;
}

static void free_entry(entry *e)
{
    caption_model_release(e->model);
    free(e->path);
}

void registry_free(registry *r)
{
    if (!r)
        return;
    for (int i = 0; i < r->n; i++)
        free_entry(&r->models[i]);
    for (int i = 0; i < r->n_broken; i++)
        free(r->broken[i].path);
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

static int mark_file(const char *path, file_mark *mark, caption_error *err)
{
    struct stat info;
    *mark = (file_mark){.size = 0};
    if (stat(path, &info))
        return caption_fail(err, CAPTION_EIO, "%.400s: %s", path, strerror(errno));
    *mark = (file_mark){info.st_dev, info.st_ino, info.st_size, info.st_mtim};
    return CAPTION_OK;
}

static int same_mark(const file_mark *a, const file_mark *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Loads a file. The mark is taken first: a file that takes its place meanwhile will be noticed. */
static int load_entry(const registry *r, entry *e, const char *name, const char *path, int trained, caption_error *err)
{
    *e = (entry){.trained = trained, .path = strdup(path)};
    snprintf(e->name, sizeof e->name, "%s", name);
    int status = e->path ? mark_file(path, &e->mark, err) : caption_fail(err, CAPTION_ENOMEM, "out of memory");
    if (!status)
        status = caption_model_open(&e->model, path, err);
    if (status)
        free_entry(e);
    else
        warn_of_other_encoder(r, e);
    return status;
}

/* ---- broken models ------------------------------------------------------------------------------------------------
 */

static int find_broken(const registry *r, const char *name)
{
    for (int i = 0; i < r->n_broken; i++)
        if (strcmp(r->broken[i].facts.name, name) == 0)
            return i;
    return -1;
}

/* With the lock. */
static void drop_broken(registry *r, int i)
{
    if (i < 0)
        return;
    free(r->broken[i].path);
    memmove(&r->broken[i], &r->broken[i + 1], (size_t)(r->n_broken - i - 1) * sizeof *r->broken);
    r->n_broken--;
}

/* The file's directory, also one that is not absolute, is nobody's business but the operator's, who finds it in the
 * log. */
static const char *without_directory(const char *message, const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && strncmp(message, path, strlen(path)) == 0 ? message + (slash + 1 - path) : message;
}

void registry_put_broken(registry *r, const char *name, const char *path, int trained, const caption_error *reason)
{
    broken new = {.path = strdup(path)};
    log_line line;
    pthread_mutex_lock(&r->lock);
    int known = find_broken(r, name), fits = new.path && r->n_broken < REGISTRY_MODELS &&find(r, name) < 0;
    drop_broken(r, known);
    if (fits) {
        snprintf(new.facts.name, sizeof new.facts.name, "%s", name);
        snprintf(new.facts.reason, sizeof new.facts.reason, "%.319s", without_directory(reason->message, path));
        paths_hide(new.facts.reason);
        new.facts.trained = trained;
        r->broken[r->n_broken++] = new;
    } else {
        free(new.path);
    }
    pthread_mutex_unlock(&r->lock);
    log_begin(&line, LOG_LEVEL_ERROR, "model-broken");
    log_text(&line, "model", name);
    log_text(&line, "reason", reason->message);
    log_end(&line);
}

void registry_forget_broken(registry *r)
{
    pthread_mutex_lock(&r->lock);
    for (int i = r->n_broken - 1; i >= 0; i--)
        if (access(r->broken[i].path, F_OK) != 0 &&
            (r->standard >= 0 || strcmp(r->broken[i].facts.name, r->wanted) != 0))
            drop_broken(r, i);
    pthread_mutex_unlock(&r->lock);
}

int registry_broken_at(registry *r, int i, registry_broken *out)
{
    pthread_mutex_lock(&r->lock);
    int there = i < r->n_broken;
    if (there) {
        *out = r->broken[i].facts;
        out->is_default = r->standard < 0 && strcmp(out->name, r->wanted) == 0;
    }
    pthread_mutex_unlock(&r->lock);
    return there;
}

/* With the lock. */
static int refuse_broken(const registry *r, const char *name, problem *p)
{
    int i = find_broken(r, name);
    return i >= 0 && problem_set(p, PROBLEM_BROKEN_MODEL, "model %s is broken: %s", name, r->broken[i].facts.reason);
}

int registry_refuse(registry *r, const char *name, problem *p)
{
    pthread_mutex_lock(&r->lock);
    if (!refuse_broken(r, *name ? name : r->wanted, p))
        problem_set(p, PROBLEM_UNKNOWN_MODEL, "there is no model \"%.64s\"", name);
    pthread_mutex_unlock(&r->lock);
    return 1;
}

int registry_default_broken(registry *r, problem *p)
{
    pthread_mutex_lock(&r->lock);
    int refused = r->standard < 0 && refuse_broken(r, r->wanted, p);
    pthread_mutex_unlock(&r->lock);
    return refused;
}

int registry_activate_broken(registry *r, const char *name)
{
    pthread_mutex_lock(&r->lock);
    int known = find_broken(r, name) >= 0;
    if (known) {
        r->standard = -1;
        snprintf(r->wanted, sizeof r->wanted, "%s", name);
    }
    pthread_mutex_unlock(&r->lock);
    return known;
}

/* ---- loading ------------------------------------------------------------------------------------------------------
 */

/* What another file would not have; a lack of memory, or a name that no file has, concerns all. */
static int is_fault_of_file(int status)
{
    return status == CAPTION_EFORMAT || status == CAPTION_EUNSUPPORTED || status == CAPTION_ELIMIT;
}

static int is_trained(const weights_place *place, const char *path)
{
    size_t length = place->trained ? strlen(place->trained) : 0;
    return length > 0 && strncmp(path, place->trained, length) == 0 && path[length] == '/';
}

static int add(registry *r, const weights_place *place, const char *name, caption_error *err)
{
    char path[PATH_MAX], short_name[WEIGHTS_NAME_BYTES];
    caption_error reason;
    entry new;
    int status = weights_model_file(place, name, path, short_name, err);
    if (status)
        return status;
    if (find(r, short_name) >= 0 || find_broken(r, short_name) >= 0)
        return caption_fail(err, CAPTION_EINVAL, "--models: two models are called %s", short_name);
    if (r->n + r->n_broken == REGISTRY_MODELS)
        return caption_fail(err, CAPTION_ELIMIT, "--models: more than %d", REGISTRY_MODELS);
    int trained = is_trained(place, path);
    status = load_entry(r, &new, short_name, path, trained, &reason);
    if (is_fault_of_file(status)) {
        registry_put_broken(r, short_name, path, trained, &reason);
        return CAPTION_OK;
    }
    if (status)
        return caption_fail(err, (enum caption_status)status, "%s", reason.message);
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

/* The default that was named, whether it is among the others or not; short_name: what it goes by. */
static int add_default(registry *r, const weights_place *place, const char *model, char short_name[WEIGHTS_NAME_BYTES],
                       caption_error *err)
{
    char path[PATH_MAX];
    file_mark mark;
    if (find(r, model) >= 0 || find_broken(r, model) >= 0) {
        strcpy(short_name, model);
        return CAPTION_OK;
    }
    int status = weights_model_file(place, model, path, short_name, err);
    if (status)
        return status;
    if (mark_file(path, &mark, err))
        return caption_fail(err, CAPTION_EINVAL,
                            "--model %.64s: no model of that name is loaded, and there is no %.300s", model, path);
    int known = find(r, short_name);
    return known >= 0 && same_mark(&mark, &r->models[known].mark) ? CAPTION_OK : add(r, place, model, err);
}

static int choose_default(registry *r, const weights_place *place, const char *model, caption_error *err)
{
    char wanted[WEIGHTS_NAME_BYTES] = WEIGHTS_DEFAULT_MODEL;
    int status = model ? add_default(r, place, model, wanted, err) : CAPTION_OK;
    if (status)
        return status;
    int chosen = find(r, wanted);
    if (chosen < 0 && registry_activate_broken(r, wanted))
        return CAPTION_OK;
    if (chosen < 0 && !model && r->n == 0) /* then the first one is broken, too */
        return registry_activate_broken(r, r->broken[0].facts.name) ? CAPTION_OK : CAPTION_EINVAL;
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
    if (!status && r->n + r->n_broken == 0)
        return caption_fail(err, CAPTION_EINVAL, "--models: names no model");
    return status ? status : choose_default(r, place, model, err);
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

/* With the lock. */
static void tell_facts(const registry *r, int i, registry_facts *facts)
{
    const entry *e = &r->models[i];
    facts->is_default = i == r->standard;
    facts->trained = e->trained;
    strcpy(facts->name, e->name);
    snprintf(facts->path, sizeof facts->path, "%s", e->path);
}

caption_model *registry_take_at(registry *r, int i, registry_facts *facts)
{
    pthread_mutex_lock(&r->lock);
    caption_model *model = take_locked(r, i, facts->name);
    if (model)
        tell_facts(r, i, facts);
    pthread_mutex_unlock(&r->lock);
    return model;
}

int registry_find(registry *r, const char *name, registry_facts *facts)
{
    pthread_mutex_lock(&r->lock);
    int i = find(r, name);
    if (i >= 0)
        tell_facts(r, i, facts);
    pthread_mutex_unlock(&r->lock);
    return i >= 0;
}

int registry_full(registry *r)
{
    pthread_mutex_lock(&r->lock);
    int full = r->n == REGISTRY_MODELS;
    pthread_mutex_unlock(&r->lock);
    return full;
}

/* ---- changes --------------------------------------------------------------------------------------------------- */

/* Puts a loaded model in service; the old one of its name goes when its last request is answered. */
static int publish(registry *r, entry *new, caption_error *err)
{
    entry old = {.model = NULL};
    pthread_mutex_lock(&r->lock);
    int i = find(r, new->name), full = i < 0 && r->n == REGISTRY_MODELS;
    if (i >= 0)
        old = r->models[i];
    if (!full) {
        drop_broken(r, find_broken(r, new->name));
        r->models[i >= 0 ? i : r->n++] = *new;
        if (r->standard < 0 && strcmp(new->name, r->wanted) == 0)
            r->standard = r->n - 1;
    }
    pthread_mutex_unlock(&r->lock);
    free_entry(full ? new : &old);
    return full ? caption_fail(err, CAPTION_ELIMIT, "%d models are loaded, the limit", REGISTRY_MODELS) : CAPTION_OK;
}

int registry_put(registry *r, const char *name, const char *path, caption_error *err)
{
    entry new;
    int status = load_entry(r, &new, name, path, 1, err);
    return status ? status : publish(r, &new, err);
}

static int refresh_broken(registry *r, int k, caption_error *err)
{
    const broken *b = &r->broken[k];
    entry new;
    int status = load_entry(r, &new, b->facts.name, b->path, b->facts.trained, err);
    return status ? status : publish(r, &new, err);
}

int registry_refresh(registry *r, const char *name, caption_error *err)
{
    file_mark mark;
    entry new;
    int i = find(r, name), k = find_broken(r, name); /* only this thread changes them: without the lock nothing moves */
    if (i < 0 && k >= 0)
        return refresh_broken(r, k, err);
    if (i < 0)
        return caption_fail(err, CAPTION_EINVAL, "there is no model %s", name);
    const entry *e = &r->models[i];
    int status = mark_file(e->path, &mark, err);
    if (status || same_mark(&mark, &e->mark))
        return status;
    status = load_entry(r, &new, e->name, e->path, e->trained, err);
    return status ? status : publish(r, &new, err);
}

void registry_remove(registry *r, const char *name)
{
    entry gone = {.model = NULL};
    pthread_mutex_lock(&r->lock);
    int i = find(r, name);
    if (i >= 0 && i != r->standard) {
        gone = r->models[i];
        memmove(&r->models[i], &r->models[i + 1], (size_t)(r->n - i - 1) * sizeof *r->models);
        r->n--;
        r->standard -= r->standard > i;
    }
    if (i < 0)
        drop_broken(r, find_broken(r, name));
    pthread_mutex_unlock(&r->lock);
    free_entry(&gone);
}

int registry_activate(registry *r, const char *name)
{
    pthread_mutex_lock(&r->lock);
    int i = find(r, name);
    if (i >= 0)
        r->standard = i;
    pthread_mutex_unlock(&r->lock);
    return i >= 0;
}
