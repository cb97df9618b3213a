/* ollama.h: names of models as Ollama's clients have them. */
#ifndef SERVER_OLLAMA_H
#define SERVER_OLLAMA_H

#include "server/engine/weights.h"

#define OLLAMA_TAG ":latest"

/* The name without that tag, cut to what a name can be. */
void ollama_model_name(const char *given, char out[WEIGHTS_NAME_BYTES]);

#endif
