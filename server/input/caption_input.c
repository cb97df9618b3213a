/* caption_input.c: the images and options of one request. */
#include "server/input/caption_input.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- images ---------------------------------------------------------------------------------------------------- */

int caption_input_new(caption_input *input, int max_images, problem *p)
{
    *input = (caption_input){.max_images = max_images};
    input->images = calloc((size_t)max_images, sizeof *input->images);
    return input->images ? 0 : problem_set(p, PROBLEM_INTERNAL, "out of memory");
}

void caption_input_free(caption_input *input)
{
    for (int i = 0; i < input->n; i++)
        free(input->images[i].bytes);
    free(input->images);
    *input = (caption_input){0};
}

int caption_input_add(caption_input *input, unsigned char *bytes, size_t size, problem *p)
{
    if (input->n == input->max_images) {
        free(bytes);
        return problem_set(p, PROBLEM_TOO_MANY_IMAGES, "more than %d images", input->max_images);
    }
    input->images[input->n++] = (input_image){bytes, size};
    return 0;
}

/* ---- options --------------------------------------------------------------------------------------------------- */

static int set_max_words(caption_input *input, const char *value, problem *p)
{
    size_t digits = strspn(value, "0123456789");
    long words = digits > 0 && digits <= 4 && !value[digits] ? strtol(value, NULL, 10) : 0;
    if (words < 1 || words > CAPTION_MAX_WORDS)
        return problem_set(p, PROBLEM_BAD_OPTION, "max_words: \"%.40s\" is not a whole number from 1 to %d", value,
                           CAPTION_MAX_WORDS);
    input->max_words = (int)words;
    return 0;
}

static int set_model(caption_input *input, const char *value, problem *p)
{
    size_t length = strlen(value);
    if (length == 0)
        return problem_set(p, PROBLEM_BAD_OPTION, "model: the name is empty");
    if (length >= sizeof input->model)
        return problem_set(p, PROBLEM_UNKNOWN_MODEL, "there is no model \"%.64s...\"", value);
    memcpy(input->model, value, length + 1);
    return 0;
}

static const struct {
    const char *name;
    int number;
    int (*set)(caption_input *input, const char *value, problem *p);
} options[] = {
    {"max_words", 1, set_max_words},
    {"model", 0, set_model},
};

static int find_option(const char *name)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (strcmp(options[i].name, name) == 0)
            return (int)i;
    return -1;
}

int caption_input_is_number(const char *name)
{
    int i = find_option(name);
    return i >= 0 && options[i].number;
}

int caption_input_option(caption_input *input, const char *name, const char *value, problem *p)
{
    int i = find_option(name);
    if (i < 0)
        return problem_set(p, PROBLEM_UNKNOWN_OPTION, "there is no option \"%.64s\"", name);
    if (input->given & 1U << i)
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: given twice", options[i].name);
    input->given |= 1U << i;
    return options[i].set(input, value ? value : "", p);
}
