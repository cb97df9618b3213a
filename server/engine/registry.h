/* registry.h: the weights in service: one encoder and captioners by name.
 *
 * A request takes a reference to its model and gives it back when it is answered, so that a model may be replaced
 * while requests are in flight: they finish on the one they began with. Thread-safe: one mutex, held for a lookup. */
#ifndef SERVER_REGISTRY_H
#define SERVER_REGISTRY_H

#include <limits.h>

#include "model/caption.h"
#include "server/engine/weights.h"
#include "server/http/problem.h"

enum { REGISTRY_MODELS = 64 };

typedef struct registry registry;

registry *registry_new(void);    /* NULL when out of memory */
void registry_free(registry *r); /* NULL is allowed */

/* Loads the encoder, the captioners that `models` names (config.h) and the default `model`, if it is none of them. A
 * captioner whose file is damaged or no captioner's does not keep the others from serving: it is kept as broken, with
 * the reason. Until it is done, lookups find what is loaded so far. */
int registry_load(registry *r, const weights_place *place, const char *models, const char *model, caption_error *err);

/* Borrowed; lives as long as the registry. */
caption_encoder *registry_encoder(registry *r);

/* A new reference to the model called `name` ("": the default), and its full name; NULL if there is none. */
caption_model *registry_take(registry *r, const char *name, char full_name[WEIGHTS_NAME_BYTES]);

typedef struct registry_facts {
    char name[WEIGHTS_NAME_BYTES];
    char path[PATH_MAX];
    int is_default;
    int trained; /* by a job, and so in the data directory; 0: shipped */
} registry_facts;

/* The i-th model, as registry_take. */
caption_model *registry_take_at(registry *r, int i, registry_facts *facts);

/* 1 if there is a model of that name. */
int registry_find(registry *r, const char *name, registry_facts *facts);

/* ---- broken models ---------------------------------------------------------------------------------------------- */

typedef struct registry_broken {
    char name[WEIGHTS_NAME_BYTES];
    int is_default; /* nothing else takes its place: who names no model is refused */
    int trained;
    char reason[320]; /* names the file without its directory */
} registry_broken;

/* The i-th broken model; 0 if there are no more. */
int registry_broken_at(registry *r, int i, registry_broken *out);

/* Says why registry_take found no model of this name ("": the default): it is broken, or there is none. Returns 1. */
int registry_refuse(registry *r, const char *name, problem *p);

/* 1 with *p set if the default model is broken. */
int registry_default_broken(registry *r, problem *p);

/* 1 if there is no room for another model. */
int registry_full(registry *r);

/* ---- changes: by one thread at a time (models.c) --------------------------------------------------------------- */

/* Loads the file of a trained model and puts it in service, in place of one of that name. */
int registry_put(registry *r, const char *name, const char *path, caption_error *err);

/* Remembers that a model's file cannot be used, unless the model is in service. */
void registry_put_broken(registry *r, const char *name, const char *path, int trained, const caption_error *reason);

/* Makes a broken model the default, so that nobody gets the captions of another one; 0 if it is not broken. */
int registry_activate_broken(registry *r, const char *name);

/* Forgets broken models whose files are gone, but for the default. */
void registry_forget_broken(registry *r);

/* Loads a model again if its file is not the one that was loaded, or if it was broken. Upon failure the old one stays
 * in service. */
int registry_refresh(registry *r, const char *name, caption_error *err);

/* Takes a model out of service; the default one stays. */
void registry_remove(registry *r, const char *name);

/* Makes a model the default; 0 if there is none of that name. */
int registry_activate(registry *r, const char *name);

#endif
