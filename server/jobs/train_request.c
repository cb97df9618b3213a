/* train_request.c: see train_request.h. */
#include "server/jobs/train_request.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/engine/models.h"
#include "server/http/json.h"

enum { OPTION_NAME_BYTES = 32 };

static const double usual_dev_fraction = 0.1, most_dev_fraction = 0.9;
enum { USUAL_MINIMUM_COUNT = 2 }; /* few captions: a word seen twice is worth learning */

/* ---- members: each reader takes one ------------------------------------------------------------------------------ */

static int read_text(const cJSON *member, char *out, size_t room, problem *p)
{
    const char *text = cJSON_GetStringValue(member);
    if (!text || !*text)
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: must be a string that is not empty", member->string);
    if (strlen(text) >= room)
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: longer than %zu characters", member->string, room - 1);
    strcpy(out, text);
    return 0;
}

static int read_number(const cJSON *member, double minimum, double maximum, int whole, double *out, problem *p)
{
    const double value = member->valuedouble;
    if (!cJSON_IsNumber(member))
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: must be a number", member->string);
    if (whole && value != floor(value))
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: %g is not a whole number", member->string, value);
    if (!(value >= minimum && value <= maximum))
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: %.9g is not between %.9g and %.9g", member->string, value,
                           minimum, maximum);
    *out = value;
    return 0;
}

/* The paths of a dataset in files. */
static int read_files(const cJSON *object, train_files *files, problem *p)
{
    const cJSON *member;
    cJSON_ArrayForEach(member, object)
    {
        char *out = strcmp(member->string, "images") == 0     ? files->images
                    : strcmp(member->string, "captions") == 0 ? files->captions
                    : strcmp(member->string, "dev") == 0      ? files->dev
                                                              : NULL;
        if (!out)
            return problem_set(p, PROBLEM_UNKNOWN_OPTION, "dataset: there is no option \"%.64s\"", member->string);
        if (json_check_once(object, member, p) || read_text(member, out, PATH_MAX, p))
            return 1;
    }
    if (!*files->images || !*files->captions)
        return problem_set(p, PROBLEM_BAD_OPTION, "dataset: needs images and captions");
    return 0;
}

static int read_dataset(train_request *r, const cJSON *member, problem *p)
{
    if (cJSON_IsObject(member))
        return read_files(member, &r->files, p);
    return read_text(member, r->dataset, sizeof r->dataset, p);
}

static int read_model(train_request *r, const cJSON *member, problem *p)
{
    return read_text(member, r->model, sizeof r->model, p);
}

static int read_base(train_request *r, const cJSON *member, problem *p)
{
    return read_text(member, r->base, sizeof r->base, p);
}

static int read_from_scratch(train_request *r, const cJSON *member, problem *p)
{
    r->from_scratch = cJSON_IsTrue(member);
    return cJSON_IsBool(member) ? 0 : problem_set(p, PROBLEM_BAD_OPTION, "from_scratch: must be true or false");
}

static int read_kind(train_request *r, const cJSON *member, problem *p)
{
    return read_text(member, r->kind, sizeof r->kind, p);
}

static int read_objective(train_request *r, const cJSON *member, problem *p)
{
    return read_text(member, r->objective, sizeof r->objective, p);
}

static int read_sentences(train_request *r, const cJSON *member, problem *p)
{
    return read_text(member, r->text, sizeof r->text, p);
}

static int read_dev_fraction(train_request *r, const cJSON *member, problem *p)
{
    return read_number(member, 0, most_dev_fraction, 0, &r->dev_fraction, p);
}

static int read_seed(train_request *r, const cJSON *member, problem *p)
{
    double seed = 0;
    int status = read_number(member, 0, json_most_integer, 1, &seed, p);
    r->options.seed = (uint64_t)seed;
    return status;
}

static const struct {
    const char *name;
    int (*read)(train_request *r, const cJSON *member, problem *p);
} members[] = {
    {"dataset", read_dataset},     {"model", read_model},
    {"base", read_base},           {"kind", read_kind},
    {"seed", read_seed},           {"dev_fraction", read_dev_fraction},
    {"objective", read_objective}, {"from_scratch", read_from_scratch},
    {"text", read_sentences},
};

/* ---- the trainer's numbers --------------------------------------------------------------------------------------- */

/* "learning-rate" -> "learning_rate" */
static void option_name(const caption_train_option *o, char out[OPTION_NAME_BYTES])
{
    snprintf(out, OPTION_NAME_BYTES, "%s", o->name);
    for (char *c = out; *c; c++)
        *c = *c == '-' ? '_' : *c;
}

static const caption_train_option *find_option(const char *name)
{
    const caption_train_option *o;
    char called[OPTION_NAME_BYTES];
    for (size_t i = 0; (o = caption_train_option_at(i)); i++) {
        option_name(o, called);
        if (strcmp(called, name) == 0)
            return o;
    }
    return NULL;
}

static int read_option(caption_train_options *options, const caption_train_option *o, const cJSON *member, problem *p)
{
    void *place = (char *)options + o->offset;
    double value = 0;
    if (o->type == CAPTION_TRAIN_FLAG) {
        *(int *)place = cJSON_IsTrue(member);
        return cJSON_IsBool(member) ? 0
                                    : problem_set(p, PROBLEM_BAD_OPTION, "%s: must be true or false", member->string);
    }
    int whole = o->type == CAPTION_TRAIN_INTEGER;
    if (read_number(member, o->minimum, o->maximum, whole, &value, p))
        return 1;
    if (whole)
        *(int *)place = (int)value;
    else
        *(double *)place = value;
    return 0;
}

static int add_option(cJSON *object, const caption_train_options *options, const caption_train_option *o)
{
    const void *place = (const char *)options + o->offset;
    char name[OPTION_NAME_BYTES];
    option_name(o, name);
    if (o->type == CAPTION_TRAIN_FLAG)
        return cJSON_AddBoolToObject(object, name, *(const int *)place) != NULL;
    double value = o->type == CAPTION_TRAIN_INTEGER ? *(const int *)place : *(const double *)place;
    return cJSON_AddNumberToObject(object, name, value) != NULL;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static int read_member(train_request *r, const cJSON *member, problem *p)
{
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (strcmp(members[i].name, member->string) == 0)
            return members[i].read(r, member, p);
    const caption_train_option *o = find_option(member->string);
    if (!o)
        return problem_set(p, PROBLEM_UNKNOWN_OPTION, "there is no option \"%.64s\"", member->string);
    return read_option(&r->options, o, member, p);
}

/* A size that was asked for, though a base decides it; NULL: none. */
static const char *find_size(const cJSON *object)
{
    static const char *const decided[] = {"attention", "hidden", "words"};
    for (size_t i = 0; i < sizeof decided / sizeof *decided; i++)
        if (cJSON_GetObjectItemCaseSensitive(object, decided[i]))
            return decided[i];
    return NULL;
}

/* What the base decides cannot be asked for. */
static int check_base(const train_request *r, problem *p)
{
    const char *decided = r->kind_given ? "kind" : r->size_given;
    if (*r->base && r->from_scratch)
        return problem_set(p, PROBLEM_BAD_OPTION, "from_scratch: there is a base to go on from");
    if (*r->base && decided)
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: with a base, that of the base is meant", decided);
    return 0;
}

static int check_whole(const train_request *r, const cJSON *object, problem *p)
{
    caption_error err;
    if (!*r->dataset && !*r->files.images)
        return problem_set(p, PROBLEM_BAD_OPTION, "dataset: is needed");
    if (!*r->model)
        return problem_set(p, PROBLEM_BAD_OPTION, "model: is needed: the name of the new model");
    if (*r->files.dev && cJSON_GetObjectItemCaseSensitive(object, "dev_fraction"))
        return problem_set(p, PROBLEM_BAD_OPTION, "dev_fraction: the dataset has a dev file");
    if ((strcmp(r->objective, "cider") == 0) != (r->options.samples > 0))
        return problem_set(p, PROBLEM_BAD_OPTION, "samples: %d, but the objective is %s", r->options.samples,
                           r->objective);
    if (caption_train_check(&r->options, &err))
        return problem_set(p, PROBLEM_BAD_OPTION, "%s", err.message);
    return check_base(r, p);
}

static int read_request(train_request *r, const cJSON *object, problem *p)
{
    const cJSON *member;
    caption_error err;
    *r = (train_request){.dev_fraction = usual_dev_fraction, .kind = "lstm", .objective = "words"};
    const cJSON *kind = cJSON_GetObjectItemCaseSensitive(object, "kind");
    const cJSON *objective = cJSON_GetObjectItemCaseSensitive(object, "objective");
    if ((kind && read_kind(r, kind, p)) || (objective && read_objective(r, objective, p)))
        return 1; /* these first: they decide the defaults */
    r->options = caption_train_defaults(r->kind);
    if (caption_train_objective(&r->options, r->objective, &err))
        return problem_set(p, PROBLEM_BAD_OPTION, "%s", err.message);
    if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, "from_scratch")) && r->options.samples == 0)
        caption_train_gently(&r->options);
    r->options.minimum_count = USUAL_MINIMUM_COUNT;
    cJSON_ArrayForEach(member, object)
    {
        if (json_check_once(object, member, p) || read_member(r, member, p))
            return 1;
    }
    r->kind_given = kind != NULL;
    r->size_given = find_size(object);
    return check_whole(r, object, p);
}

int train_request_parse(train_request *out, const char *json, size_t size, problem *p)
{
    cJSON *object = json_parse_object(json, size, p);
    int status = object ? read_request(out, object, p) : 1;
    cJSON_Delete(object);
    return status;
}

/* ---- the form that is kept --------------------------------------------------------------------------------------- */

static int add_dataset(cJSON *object, const train_request *r)
{
    if (*r->dataset)
        return cJSON_AddStringToObject(object, "dataset", r->dataset) != NULL;
    cJSON *files = cJSON_AddObjectToObject(object, "dataset");
    return cJSON_AddStringToObject(files, "images", r->files.images) &&
           cJSON_AddStringToObject(files, "captions", r->files.captions) &&
           (!*r->files.dev || cJSON_AddStringToObject(files, "dev", r->files.dev));
}

static int has_attention(const train_request *r)
{
    return strcmp(r->kind, "attention") == 0;
}

/* What the base or the kind leaves no choice of. */
static int is_left_out(const train_request *r, const caption_train_option *o)
{
    if (strcmp(o->name, "attention") == 0)
        return *r->base || !has_attention(r);
    return *r->base && (strcmp(o->name, "hidden") == 0 || strcmp(o->name, "words") == 0);
}

char *train_request_json(const train_request *r)
{
    cJSON *object = cJSON_CreateObject();
    const caption_train_option *o;
    int good = add_dataset(object, r) && cJSON_AddStringToObject(object, "model", r->model) &&
               (*r->base ? cJSON_AddStringToObject(object, "base", r->base)
                         : cJSON_AddStringToObject(object, "kind", r->kind)) &&
               (!r->from_scratch || cJSON_AddTrueToObject(object, "from_scratch")) &&
               (!*r->text || cJSON_AddStringToObject(object, "text", r->text)) &&
               cJSON_AddStringToObject(object, "objective", r->objective) &&
               json_add_integer(object, "seed", r->options.seed) &&
               (*r->files.dev || cJSON_AddNumberToObject(object, "dev_fraction", r->dev_fraction));
    for (size_t i = 0; good && (o = caption_train_option_at(i)); i++)
        good = is_left_out(r, o) || add_option(object, &r->options, o);
    return json_finish(object, good);
}

/* ---- what its names mean ----------------------------------------------------------------------------------------- */

static int find_root(const config *c, const char *what, char root[PATH_MAX], problem *p)
{
    if (!c->training_root)
        return problem_set(p, PROBLEM_FORBIDDEN, "%s: files may be read only below --training-root, which is not set",
                           what);
    return realpath(c->training_root, root) ? 0
                                            : problem_set(p, PROBLEM_INTERNAL, "--training-root: %s", strerror(errno));
}

/* root/name, if it is there and root or below it. what: the member of the request. */
static int resolve(const char *root, const char *what, const char *name, char out[PATH_MAX], problem *p)
{
    char path[PATH_MAX];
    size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (snprintf(path, sizeof path, "%s/%s", root, name) >= (int)sizeof path)
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: a path is too long", what);
    if (!realpath(path, out))
        return problem_echo(p, PROBLEM_UNKNOWN_DATASET, "%s: %.300s below the training root: %s", what, name,
                            strerror(errno));
    if (strncmp(out, root, length) != 0 || (out[length] != '/' && out[length] != '\0'))
        return problem_echo(p, PROBLEM_FORBIDDEN, "%s: %.300s lies outside the training root", what, name);
    return 0;
}

int train_request_files(const train_request *r, const config *c, train_files *out, problem *p)
{
    char root[PATH_MAX];
    *out = (train_files){.dev = ""};
    return find_root(c, "dataset", root, p) || resolve(root, "dataset", r->files.images, out->images, p) ||
           resolve(root, "dataset", r->files.captions, out->captions, p) ||
           (*r->files.dev && resolve(root, "dataset", r->files.dev, out->dev, p));
}

int train_request_text(const train_request *r, const config *c, char out[PATH_MAX], problem *p)
{
    char root[PATH_MAX];
    return find_root(c, "text", root, p) || resolve(root, "text", r->text, out, p);
}

static int refuse_few(const train_request *r, long long captions, problem *p)
{
    return problem_set(p, PROBLEM_DATASET_TOO_SMALL,
                       "%s has %lld captions, too few to learn from scratch, which takes %d (minimum_captions): "
                       "leave from_scratch out to go on from a captioner that knows the language already, or add more",
                       r->dataset, captions, r->options.minimum_captions);
}

static int check_dataset(const train_request *r, const job_context *with, problem *p)
{
    train_files files;
    store_dataset dataset;
    char text[PATH_MAX];
    if (*r->text && train_request_text(r, with->config, text, p))
        return 1;
    if (!*r->dataset)
        return train_request_files(r, with->config, &files, p);
    if (store_dataset_get(with->store, r->dataset, &dataset, p))
        return 1;
    int least = r->dev_fraction > 0 ? 2 : 1;
    if (dataset.items < least)
        return problem_set(p, PROBLEM_DATASET_TOO_SMALL, "%s has %lld items, and %d are needed", r->dataset,
                           dataset.items, least);
    return r->from_scratch && dataset.captions < r->options.minimum_captions ? refuse_few(r, dataset.captions, p) : 0;
}

int train_request_base(const train_request *r, const job_context *with, char path[PATH_MAX], problem *p)
{
    registry_facts facts;
    if (!registry_find(with->registry, r->base, &facts))
        return problem_set(p, PROBLEM_UNKNOWN_MODEL, "base: there is no model \"%s\"", r->base);
    strcpy(path, facts.path);
    return 0;
}

/* ---- a new request ----------------------------------------------------------------------------------------------- */

/* Of the default captioner and that which is called like the kind asked for, the first that is of this kind. */
void train_request_settle(train_request *r, const job_context *with)
{
    if (*r->base || r->from_scratch)
        return;
    caption_model *model = registry_take(with->registry, "", r->base);
    if (r->kind_given && (!model || strcmp(caption_model_kind(model), r->kind) != 0)) {
        caption_model_release(model);
        model = registry_take(with->registry, r->kind, r->base);
    }
    if (!model)
        *r->base = '\0';
    caption_model_release(model);
}

static int check_effect(const train_request *r, problem *p)
{
    const int cider = strcmp(r->objective, "cider") == 0;
    if (cider && r->from_scratch)
        return problem_set(p, PROBLEM_BAD_OPTION, "objective: cider needs a base, which can write captions already");
    if (!r->from_scratch && r->size_given)
        return problem_set(p, PROBLEM_BAD_OPTION,
                           "%s: that of the captioner it goes on from is meant; \"from_scratch\": true takes another",
                           r->size_given);
    if (r->size_given && strcmp(r->size_given, "attention") == 0 && !has_attention(r))
        return problem_set(p, PROBLEM_BAD_OPTION, "attention: only captioners of kind attention have it");
    return 0;
}

/* Can a run go on from the base on the features of this server's encoder? */
static int check_start(const train_request *r, const job_context *with, problem *p)
{
    char path[PATH_MAX], name[WEIGHTS_NAME_BYTES];
    if (r->from_scratch)
        return 0;
    if (!*r->base && !r->kind_given)
        return registry_refuse(with->registry, "", p);
    if (!*r->base)
        return problem_set(
            p, PROBLEM_BAD_OPTION,
            "kind: there is no captioner \"%s\" to go on from; \"from_scratch\": true begins without one", r->kind);
    if (train_request_base(r, with, path, p))
        return 1;
    caption_model *model = registry_take(with->registry, r->base, name);
    const char *learnt_from = model ? caption_model_metadata(model, "encoder") : NULL;
    const int fits = learnt_from && strcmp(learnt_from, caption_encoder_sha256(registry_encoder(with->registry))) == 0;
    caption_model_release(model);
    return fits ? 0
                : problem_set(p, PROBLEM_BAD_OPTION,
                              "base: %s learnt from the features of another encoder; name another base, or "
                              "\"from_scratch\": true begins without one",
                              r->base);
}

int train_request_check(const train_request *r, const job_context *with, problem *p)
{
    return check_effect(r, p) || models_check_name(with->models, r->model, p) || check_dataset(r, with, p) ||
           check_start(r, with, p);
}
