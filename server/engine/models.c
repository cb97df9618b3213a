/* models.c: see models.h. */
#include "server/engine/models.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/durable.h"
#include "server/base/log.h"
#include "server/base/names.h"

enum { LONGEST_FILE = WEIGHTS_NAME_BYTES + 32, LOOK_MS = 250 };

static const char suffix[] = ".safetensors";

struct models {
    registry *registry;
    char *directory; /* DATA/models */
    pthread_t watcher;
    int watching; /* the thread was started */
    sem_t stop;
    pthread_mutex_t lock;             /* guards the rest */
    int opening;                      /* the directory is looked at for the first time */
    struct timespec seen;             /* the directory's time of change when it was read last */
    char active[WEIGHTS_NAME_BYTES];  /* the link's text when it was followed last */
    char refused[WEIGHTS_NAME_BYTES]; /* its text since then that could not be; "": none */
};

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* DATA/models/NAME.TAIL; models_open has checked that it fits. */
static void path_of(const models *m, const char *name, const char *tail, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/%s%s", m->directory, name, tail);
}

static int file_fault(problem *p, const char *path)
{
    return problem_set(p, durable_no_room(errno) ? PROBLEM_DISK_FULL : PROBLEM_INTERNAL, "%.300s: %s", path,
                       strerror(errno));
}

static void log_model(log_level level, const char *event, const char *name, const char *reason)
{
    log_line line;
    log_begin(&line, level, event);
    log_text(&line, "model", name);
    log_text(&line, "reason", reason);
    log_end(&line);
}

/* "birds.safetensors" -> "birds"; 0 if the file is no model's. */
static int name_of(const char *file, char name[WEIGHTS_NAME_BYTES])
{
    size_t length = strlen(file), tail = sizeof suffix - 1;
    if (length <= tail || length - tail >= WEIGHTS_NAME_BYTES || strcmp(file + length - tail, suffix) != 0)
        return 0;
    memcpy(name, file, length - tail);
    name[length - tail] = '\0';
    return name_fault(name) == NULL;
}

/* ---- following the directory ------------------------------------------------------------------------------------- */

/* Puts a file in service that is new or has changed. */
static void follow_file(models *m, const char *name)
{
    char path[PATH_MAX];
    caption_error err;
    registry_facts facts;
    int known = registry_find(m->registry, name, &facts), status;
    if (known && !facts.trained) {
        log_model(LOG_LEVEL_WARNING, "model-ignored", name, "a shipped model has this name");
        return;
    }
    path_of(m, name, suffix, path);
    status = known ? registry_refresh(m->registry, name, &err) : registry_put(m->registry, name, path, &err);
    if (!status)
        return;
    log_model(LOG_LEVEL_WARNING, "model-ignored", name, err.message);
    if (!known)
        registry_put_broken(m->registry, name, path, 1, &err);
}

static void follow_files(models *m)
{
    char name[WEIGHTS_NAME_BYTES];
    DIR *directory = opendir(m->directory);
    if (!directory)
        return;
    for (struct dirent *file; (file = readdir(directory));)
        if (name_of(file->d_name, name))
            follow_file(m, name);
    closedir(directory);
}

/* Takes models out of service whose files are gone; the default stays until there is another. */
static void drop_missing(models *m)
{
    registry_facts facts;
    caption_model *model;
    for (int i = 0; (model = registry_take_at(m->registry, i, &facts)); i++) {
        caption_model_release(model);
        if (!facts.trained || facts.is_default || access(facts.path, F_OK) == 0)
            continue;
        registry_remove(m->registry, facts.name);
        i--;
    }
    registry_forget_broken(m->registry);
}

/* A time of change that is this fresh may stand for a later change too: the clock of file systems is coarse. */
static int is_settled(const struct timespec *changed)
{
    enum { COARSE_S = 2 };
    return time(NULL) - changed->tv_sec >= COARSE_S;
}

/* Returns 1 if something may have changed; what is gone is then for drop_missing. */
static int follow_directory(models *m)
{
    struct stat info;
    if (stat(m->directory, &info) || (info.st_mtim.tv_sec == m->seen.tv_sec && info.st_mtim.tv_nsec == m->seen.tv_nsec))
        return 0;
    follow_files(m);
    if (is_settled(&info.st_mtim))
        m->seen = info.st_mtim;
    return 1;
}

/* The link's text; "" if there is none. */
static void read_link(const models *m, char name[WEIGHTS_NAME_BYTES])
{
    char path[PATH_MAX];
    path_of(m, "active", "", path);
    ssize_t length = readlink(path, name, WEIGHTS_NAME_BYTES - 1);
    name[length > 0 ? length : 0] = '\0';
}

static void try_link(models *m, const char *name)
{
    caption_error err;
    if (*name && registry_refresh(m->registry, name, &err)) {
        if (strcmp(name, m->refused) != 0)
            log_model(LOG_LEVEL_WARNING, "not-activated", name, err.message);
        if (m->opening) /* nobody has had captions of another default yet */
            registry_activate_broken(m->registry, name);
        strcpy(m->refused, name);
        return;
    }
    strcpy(m->active, name);
    *m->refused = '\0';
    if (*name && registry_activate(m->registry, name))
        log_model(LOG_LEVEL_INFO, "activated", name, NULL);
}

/* The default was told on the command line: the link as it stands counts as followed. */
static void pass_over_link(models *m, const char *told)
{
    char reason[WEIGHTS_NAME_BYTES + 64];
    read_link(m, m->active);
    if (!*m->active)
        return;
    snprintf(reason, sizeof reason, "--model %.*s comes first", WEIGHTS_NAME_BYTES, told);
    log_model(LOG_LEVEL_WARNING, "not-activated", m->active, reason);
}

/* What was refused is tried again when the directory has changed: the model may have come. Returns 1 if it tried. */
static int follow_link(models *m, int changed)
{
    char name[WEIGHTS_NAME_BYTES];
    read_link(m, name);
    if (strcmp(name, m->active) == 0) {
        *m->refused = '\0';
        return 0;
    }
    if (!changed && strcmp(name, m->refused) == 0)
        return 0;
    try_link(m, name);
    return 1;
}

/* The directory first: the link may name a model that has just come. What is gone last: it may have been the default
 * until now. */
static void follow(models *m)
{
    int changed = follow_directory(m);
    if (follow_link(m, changed) || changed)
        drop_missing(m);
}

void models_look(models *m)
{
    pthread_mutex_lock(&m->lock);
    follow(m);
    pthread_mutex_unlock(&m->lock);
}

/* A thread of its own: loading a file takes as long as the disk takes, and nothing else is to wait for that. */
static void *watch(void *context)
{
    models *m = context;
    struct timespec next;
    do {
        models_look(m);
        next = clock_timespec(clock_ms() + LOOK_MS);
    } while (sem_clockwait(&m->stop, CLOCK_MONOTONIC, &next) && (errno == ETIMEDOUT || errno == EINTR));
    return NULL;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

int models_open(models **out, registry *r, const char *data, const char *told, caption_error *err)
{
    models *m = calloc(1, sizeof *m);
    *out = m;
    if (!m || asprintf(&m->directory, "%s/models", data) < 0) {
        free(m);
        *out = NULL;
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for models");
    }
    pthread_mutex_init(&m->lock, NULL);
    sem_init(&m->stop, 0, 0);
    m->registry = r;
    if (strlen(m->directory) + LONGEST_FILE >= PATH_MAX)
        return caption_fail(err, CAPTION_EIO, "--data: path too long");
    if (mkdir(m->directory, 0700) && errno != EEXIST)
        return caption_fail(err, CAPTION_EIO, "%.400s: %s", m->directory, strerror(errno));
    if (told)
        pass_over_link(m, told);
    m->opening = 1;
    models_look(m);
    m->opening = 0;
    int code = pthread_create(&m->watcher, NULL, watch, m);
    if (code)
        return caption_fail(err, CAPTION_ENOMEM, "cannot start a thread for models: %s", strerror(code));
    m->watching = 1;
    return CAPTION_OK;
}

void models_close(models *m)
{
    if (!m)
        return;
    sem_post(&m->stop);
    if (m->watching)
        pthread_join(m->watcher, NULL);
    sem_destroy(&m->stop);
    pthread_mutex_destroy(&m->lock);
    free(m->directory);
    free(m);
}

/* ---- changes ----------------------------------------------------------------------------------------------------- */

int models_check_name(models *m, const char *name, problem *p)
{
    char path[PATH_MAX];
    registry_facts facts;
    const char *fault = name_fault(name);
    if (fault)
        return problem_set(p, PROBLEM_BAD_NAME, "model: \"%.64s\" %s", name, fault);
    models_look(m);
    if (registry_find(m->registry, name, &facts))
        return problem_set(p, PROBLEM_NAME_TAKEN, "there is a model %s already", name);
    path_of(m, name, suffix, path);
    if (access(path, F_OK) == 0)
        return problem_set(p, PROBLEM_NAME_TAKEN, "there is a file of a model %s, though not in service", name);
    if (registry_full(m->registry))
        return problem_set(p, PROBLEM_LIMIT_REACHED, "%d models are loaded: delete one first", REGISTRY_MODELS);
    return 0;
}

static int is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Gives the file its second name, unless it has it already. What somebody else has put there stays. */
static int link_file(models *m, const char *file, const char *path, problem *p)
{
    int error = link(file, path) ? errno : 0;
    if (error && error != EEXIST)
        return file_fault(p, path);
    if (error && !is_same_file(file, path))
        return problem_set(p, PROBLEM_NAME_TAKEN, "there is a file %.300s already", path);
    return durable_directory(m->directory) ? file_fault(p, m->directory) : 0;
}

static int load_fault(int status, const caption_error *err, problem *p)
{
    return problem_set(p,
                       status == CAPTION_ENOMEM   ? PROBLEM_MEMORY_FULL
                       : status == CAPTION_ELIMIT ? PROBLEM_LIMIT_REACHED
                                                  : PROBLEM_DAMAGED_MODEL,
                       "%s", err->message);
}

/* What only cannot be loaded now stays, for it may be hours of work: it will be when the directory changes next, or at
 * the next start. */
static int publish_locked(models *m, const char *name, const char *file, problem *p)
{
    char path[PATH_MAX];
    caption_error err;
    registry_facts facts;
    path_of(m, name, suffix, path);
    if (registry_find(m->registry, name, &facts) && !facts.trained)
        return problem_set(p, PROBLEM_NAME_TAKEN, "there is a shipped model %s", name);
    if (link_file(m, file, path, p))
        return 1;
    int status = registry_put(m->registry, name, path, &err);
    if (status == CAPTION_EFORMAT)
        unlink(path);
    return status ? load_fault(status, &err, p) : 0;
}

int models_publish(models *m, const char *name, const char *file, problem *p)
{
    pthread_mutex_lock(&m->lock);
    int failed = publish_locked(m, name, file, p);
    pthread_mutex_unlock(&m->lock);
    return failed;
}

/* Puts a link in place of the old one. */
static int write_link(models *m, const char *name, problem *p)
{
    char path[PATH_MAX], new_path[PATH_MAX], own[LONGEST_FILE];
    snprintf(own, sizeof own, ".active-%ld", (long)getpid()); /* daemons must not take each other's */
    path_of(m, "active", "", path);
    path_of(m, own, "", new_path);
    unlink(new_path);
    if (symlink(name, new_path) || rename(new_path, path) || durable_directory(m->directory))
        return file_fault(p, path);
    strcpy(m->active, name);
    return 0;
}

static int refuse_unknown(const char *name, problem *p)
{
    return problem_set(p, PROBLEM_UNKNOWN_MODEL, "there is no model \"%.64s\"", name);
}

static int activate_locked(models *m, const char *name, problem *p)
{
    caption_error err;
    registry_facts facts;
    int status = registry_refresh(m->registry, name, &err);
    if (status == CAPTION_EINVAL)
        return refuse_unknown(name, p);
    if (status)
        return load_fault(status, &err, p);
    if (!registry_find(m->registry, name, &facts))
        return refuse_unknown(name, p);
    if (write_link(m, facts.name, p))
        return 1;
    registry_activate(m->registry, name);
    log_model(LOG_LEVEL_INFO, "activated", name, NULL);
    return 0;
}

int models_activate(models *m, const char *name, problem *p)
{
    pthread_mutex_lock(&m->lock);
    follow(m);
    int failed = activate_locked(m, name, p);
    drop_missing(m); /* the default until now may have been gone */
    pthread_mutex_unlock(&m->lock);
    return failed;
}

/* A model that is not in service may have a file all the same, one that cannot be used. */
static int remove_file(models *m, const char *name, problem *p)
{
    char path[PATH_MAX];
    registry_facts facts;
    path_of(m, name, suffix, path);
    int missing = unlink(path) ? errno : 0;
    if (missing == ENOENT && !registry_find(m->registry, name, &facts))
        return refuse_unknown(name, p);
    if (missing && missing != ENOENT)
        return file_fault(p, path);
    registry_remove(m->registry, name);
    return durable_directory(m->directory) ? file_fault(p, m->directory) : 0;
}

/* The link is asked too: this daemon may not have been able to follow it. */
static int delete_locked(models *m, const char *name, problem *p)
{
    char active[WEIGHTS_NAME_BYTES];
    registry_facts facts;
    int known = registry_find(m->registry, name, &facts);
    if (known && !facts.trained)
        return problem_set(p, PROBLEM_MODEL_IN_USE, "%s is shipped with the program", name);
    read_link(m, active);
    if ((known && facts.is_default) || strcmp(name, active) == 0)
        return problem_set(p, PROBLEM_MODEL_IN_USE, "%s is the active model: activate another first", name);
    return name_fault(name) ? refuse_unknown(name, p) : remove_file(m, name, p);
}

int models_delete(models *m, const char *name, problem *p)
{
    pthread_mutex_lock(&m->lock);
    follow(m);
    int failed = delete_locked(m, name, p);
    pthread_mutex_unlock(&m->lock);
    return failed;
}
