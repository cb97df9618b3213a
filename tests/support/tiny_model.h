/* tiny_model.h: a small captioner of random weights, so that tests of the daemon need no trained one. */
#ifndef TESTS_SUPPORT_TINY_MODEL_H
#define TESTS_SUPPORT_TINY_MODEL_H

#include "model/error.h"

/* Writes a captioner of `kind` ("rnn", "lstm") that says words like "red dog runs". The same seed gives the same file.
 */
int tiny_model_write(const char *path, const char *kind, unsigned seed, caption_error *err);

#endif
