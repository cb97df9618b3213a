/* registry.h: the weights in service: one encoder and captioners by name.
 *
 * A request takes a reference to its model and gives it back when it is answered, so that a model may be replaced
 * while requests are in flight: they finish on the one they began with. Thread-safe: one mutex, held for a lookup. */
#ifndef SERVER_REGISTRY_H
#define SERVER_REGISTRY_H

#include "model/caption.h"
#include "server/weights.h"

typedef struct registry registry;

registry *registry_new(void);    /* NULL when out of memory */
void registry_free(registry *r); /* NULL is allowed */

/* Loads the encoder, the captioners that `models` names (config.h) and checks the default `model`. Until it is done,
 * lookups find what is loaded so far. */
int registry_load(registry *r, const weights_place *place, const char *models, const char *model, caption_error *err);

/* Borrowed; lives as long as the registry. */
caption_encoder *registry_encoder(registry *r);

/* A new reference to the model called `name` ("": the default), and its full name; NULL if there is none. */
caption_model *registry_take(registry *r, const char *name, char full_name[WEIGHTS_NAME_BYTES]);

/* The i-th model in order of loading, as registry_take; *is_default tells whether it is the default. */
caption_model *registry_take_at(registry *r, int i, char full_name[WEIGHTS_NAME_BYTES], int *is_default);

#endif
