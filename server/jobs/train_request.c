/* train_request.c: see train_request.h. */
#include "server/jobs/train_request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/engine/models.h"
#include "server/http/input.h"
#include "server/http/json.h"

enum { MAX_OPTIONS = 64, DEFAULT_MINIMUM_COUNT = 2 }; /* few captions: a word seen twice is worth learning */

static const double default_dev_fraction = 0.1, max_dev_fraction = 0.9;

/* ---- the options: those named here, then the trainer's numbers -----------------------------------------------------
 */

static void list_options(train_request *r, option table[MAX_OPTIONS])
{
    const option named[] = {
        {"model", OPTION_BUFFER, r->model, 0, sizeof r->model, NULL, NULL},
        {"base", OPTION_BUFFER, r->base, 0, sizeof r->base, NULL, NULL},
        {"kind", OPTION_BUFFER, r->kind, 0, sizeof r->kind, NULL, NULL},
        {"objective", OPTION_BUFFER, r->objective, 0, sizeof r->objective, NULL, NULL},
        {"seed", OPTION_SEED, &r->options.seed, 0, json_most_integer, NULL, NULL},
        {"from_scratch", OPTION_FLAG, &r->from_scratch, 0, 1, NULL, NULL},
        {"text", OPTION_BUFFER, r->text, 0, sizeof r->text, NULL, NULL},
        {"dev_fraction", OPTION_REAL, &r->dev_fraction, 0, max_dev_fraction, NULL, NULL},
    };
    memcpy(table, named, sizeof named);
    options_of(caption_train_option_at, &r->options, table + sizeof named / sizeof *named);
}

/* ---- reading -------------------------------------------------------------------------------------------------------
 */

/* All members but `dataset`. */
static int read_members(input_options *o, const cJSON *object, problem *p)
{
    const cJSON *member;
    cJSON_ArrayForEach(member, object)
    {
        if (json_check_once(object, member, p) ||
            (strcmp(member->string, "dataset") != 0 && input_option_member(o, member, p)))
            return 1;
    }
    return 0;
}

/* The name of a stored one, or {"images", "captions", "dev"}. */
static int read_dataset(train_request *r, const cJSON *member, problem *p)
{
    const option stored[] = {{"dataset", OPTION_BUFFER, r->dataset, 0, sizeof r->dataset, NULL, NULL}, {0}};
    const option files[] = {{"images", OPTION_BUFFER, r->files.images, 0, sizeof r->files.images, NULL, NULL},
                            {"captions", OPTION_BUFFER, r->files.captions, 0, sizeof r->files.captions, NULL, NULL},
                            {"dev", OPTION_BUFFER, r->files.dev, 0, sizeof r->files.dev, NULL, NULL},
                            {0}};
    if (!member)
        return problem_set(p, PROBLEM_BAD_OPTION, "dataset: is needed");
    if (!cJSON_IsObject(member))
        return input_option_member(&(input_options){stored, 0}, member, p);
    if (read_members(&(input_options){files, 0}, member, p))
        return 1;
    return *r->files.images && *r->files.captions
               ? 0
               : problem_set(p, PROBLEM_BAD_OPTION, "dataset: needs images and captions");
}

/* Kind, objective and from_scratch alone: they decide the defaults of the rest. */
static int read_defaults(train_request *r, const cJSON *object, problem *p)
{
    static const char *const first[] = {"kind", "objective", "from_scratch"};
    option table[MAX_OPTIONS];
    caption_error err;
    *r = (train_request){.dev_fraction = default_dev_fraction, .kind = "lstm", .objective = "words"};
    list_options(r, table);
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
        const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, first[i]);
        if (member && input_option_member(&(input_options){table, 0}, member, p))
            return 1;
    }
    r->options = caption_train_defaults(r->kind);
    if (caption_train_objective(&r->options, r->objective, &err))
        return problem_set(p, PROBLEM_BAD_OPTION, "%s", err.message);
    if (!r->from_scratch && r->options.samples == 0)
        caption_train_gently(&r->options);
    r->options.minimum_count = DEFAULT_MINIMUM_COUNT;
    return 0;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

/* A size that was asked for, though a base decides it; NULL: none. */
static const char *find_size(const input_options *given)
{
    static const char *const decided[] = {"attention", "hidden", "words"};
    for (size_t i = 0; i < sizeof decided / sizeof *decided; i++)
        if (input_option_is_given(given, decided[i]))
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

static int check_whole(const train_request *r, const input_options *given, problem *p)
{
    caption_error err;
    if (!*r->model)
        return problem_set(p, PROBLEM_BAD_OPTION, "model: is needed: the name of the new model");
    if (*r->files.dev && input_option_is_given(given, "dev_fraction"))
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
    option table[MAX_OPTIONS];
    input_options o = {table, 0};
    list_options(r, table);
    if (read_defaults(r, object, p) || read_members(&o, object, p) ||
        read_dataset(r, cJSON_GetObjectItemCaseSensitive(object, "dataset"), p))
        return 1;
    r->kind_given = input_option_is_given(&o, "kind");
    r->size_given = find_size(&o);
    return check_whole(r, &o, p);
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

/* What the base, the kind or the files leave no choice of. */
static int is_left_out(const train_request *r, const option *o)
{
    if (strcmp(o->name, "attention") == 0)
        return *r->base || !has_attention(r);
    if (strcmp(o->name, "dev_fraction") == 0)
        return *r->files.dev;
    if (o->value == &r->from_scratch)
        return !r->from_scratch;
    return *r->base && (o->value == r->kind || strcmp(o->name, "hidden") == 0 || strcmp(o->name, "words") == 0);
}

char *train_request_json(const train_request *r)
{
    train_request copy = *r; /* a table names variables to be set */
    option table[MAX_OPTIONS];
    cJSON *object = cJSON_CreateObject();
    int good = add_dataset(object, r);
    list_options(&copy, table);
    for (const option *o = table; good && o->name; o++)
        good = is_left_out(&copy, o) || input_option_add(object, o);
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
