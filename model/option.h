/* option.h: options as data, for those who read them from people: command lines, requests, job files.
 *
 *     const caption_option *o;
 *     for (size_t i = 0; (o = caption_option_at(i)) != NULL; i++)
 *         printf("--%s: %s\n", o->name, o->help);
 *
 * caption_option_at lists those of caption_options, caption_train_option_at those of caption_train_options and
 * caption_visual_option_at those of caption_visual_options. */
#ifndef CAPTION_OPTION_H
#define CAPTION_OPTION_H

#include <stddef.h>

#include "model/error.h"

#pragma GCC visibility push(default) /* all else in the library is hidden */

#ifdef __cplusplus
extern "C" {
#endif

typedef enum caption_option_type {
    CAPTION_OPTION_INTEGER, /* int */
    CAPTION_OPTION_REAL,    /* double */
    CAPTION_OPTION_FLAG,    /* int, 0 or 1 */
    CAPTION_OPTION_CHOICE,  /* int: the place of a word in `choices`, from 0 */
    CAPTION_OPTION_SEED,    /* uint64_t; maximum 0: any */
} caption_option_type;

typedef struct caption_option {
    const char *name; /* "max-words" */
    const char *help;
    caption_option_type type;
    size_t offset; /* in the struct of options */
    double minimum, maximum;
    const char *choices; /* CHOICE: "greedy|beam|sample" */
} caption_option;

/* The number of a choice by its word, -1 if there is none. */
int caption_option_choice(const char *choices, const char *word);

/* What a value has to be, as text: "a whole number from 1 to 50". */
enum { CAPTION_OPTION_TEXT_BYTES = 128 };
const char *caption_option_range(const caption_option *o, char out[CAPTION_OPTION_TEXT_BYTES]);

/* Refuses a member of `options` that is out of range, by name (CAPTION_EINVAL). */
int caption_option_check(const caption_option *o, const void *options, caption_error *err);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop
#endif
