/* weights.h: where weight files are found; one rule for all commands.
 *
 * The weights directory is --weights (CAPTIOND_WEIGHTS) if given, else the first of these that holds
 * efficientnet-b0.safetensors:
 *
 *     ./weights                             run from a checkout
 *     BINARY/../weights                     the checkout's build/captiond, run from elsewhere
 *     BINARY/../share/captiond/weights      installed
 *
 * The encoder is --encoder (CAPTIOND_ENCODER) if given, else efficientnet-b0.safetensors of that directory. A model is
 * named: mine is mine.safetensors of that directory, else of the current one, else, for the daemon, of its trained
 * models; a name with a '/' or ending in .safetensors is a file of its own. */
#ifndef SERVER_WEIGHTS_H
#define SERVER_WEIGHTS_H

#include <limits.h>

#include "model/caption.h"
#include "server/base/names.h"
#include "server/base/options.h"

enum { WEIGHTS_NAME_BYTES = NAME_BYTES };

/* The captioner that is meant where none is named. */
#define WEIGHTS_DEFAULT_MODEL "attention"

/* The weights directory, without a slash at the end. CAPTION_EIO if there is none, naming the places. */
int weights_directory(const weights_place *place, char out[PATH_MAX], caption_error *err);

/* The file of model `name`, and the short name it goes by ("lstm"). */
int weights_model_file(const weights_place *place, const char *name, char out[PATH_MAX],
                       char short_name[WEIGHTS_NAME_BYTES], caption_error *err);

/* Finds and opens; the caller releases *out. */
int weights_open_encoder(const weights_place *place, caption_encoder **out, caption_error *err);
int weights_open_model(const weights_place *place, const char *name, caption_model **out, caption_error *err);

#endif
