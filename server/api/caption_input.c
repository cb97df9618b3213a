/* caption_input.c: the images and options of one request. */
#include "server/api/caption_input.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "model/dataset.h"
#include "server/http/input.h"

/* ---- images ---------------------------------------------------------------------------------------------------- */

int caption_input_new(caption_input *input, int max_images, problem *p)
{
    *input = (caption_input){.max_images = max_images, .options = caption_defaults()};
    input->images = calloc((size_t)max_images, sizeof *input->images);
    return input->images ? 0 : problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
}

void caption_input_free(caption_input *input)
{
    for (int i = 0; i < input->n; i++)
        free(input->images[i].bytes);
    free(input->images);
    for (int i = 0; i < input->n_texts; i++)
        free(input->texts[i]);
    free(input->texts);
    *input = (caption_input){0};
}

int caption_input_add(caption_input *input, unsigned char *bytes, size_t size, problem *p)
{
    if (input->n == input->max_images) {
        free(bytes);
        return problem_set(p, PROBLEM_TOO_MANY_IMAGES, "more than %d image%s", input->max_images,
                           input->max_images == 1 ? "" : "s");
    }
    input->images[input->n++] = (input_image){bytes, size};
    return 0;
}

/* ---- captions -------------------------------------------------------------------------------------------------- */

int caption_input_take_texts(caption_input *input, int most, problem *p)
{
    input->texts = calloc((size_t)most, sizeof *input->texts);
    input->max_texts = most;
    return input->texts ? 0 : problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
}

int caption_input_is_text(const caption_input *input, const char *name)
{
    return input->max_texts > 0 && strcmp(name, "caption") == 0;
}

int caption_input_text(caption_input *input, const char *text, size_t length, problem *p)
{
    caption_error err;
    if (input->n_texts == input->max_texts)
        return problem_set(p, PROBLEM_BAD_OPTION, "caption: more than %d", input->max_texts);
    if (caption_dataset_check(text, length, &err) != CAPTION_OK)
        return problem_set(p, PROBLEM_BAD_CAPTION, "caption %d %s", input->n_texts + 1, err.message);
    char *copy = strndup(text, length);
    if (!copy)
        return problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
    input->texts[input->n_texts++] = copy;
    return 0;
}

/* ---- options --------------------------------------------------------------------------------------------------- */

/* Names, ranges and kinds of those that decide the words are the library's table; these are ours. Bits of `given`: ours
 * first. */
enum { OPTION_MODEL, OPTION_LOGPROBS, OPTION_ATTENTION, OWN_OPTIONS };

static const struct {
    const char *name;
    caption_input_type type;
} own[OWN_OPTIONS] = {
    [OPTION_MODEL] = {"model", INPUT_TEXT},
    [OPTION_LOGPROBS] = {"logprobs", INPUT_FLAG},
    [OPTION_ATTENTION] = {"attention", INPUT_FLAG_OR_TEXT},
};

/* "max-words" of the library is max_words here. */
static int is_called(const caption_option *o, const char *name)
{
    size_t i = 0;
    for (; o->name[i]; i++)
        if (name[i] != (o->name[i] == '-' ? '_' : o->name[i]))
            return 0;
    return !name[i];
}

/* The place of an option: ours, then the library's; -1 if there is none. */
static int find_option(const char *name)
{
    const caption_option *o;
    for (int i = 0; i < OWN_OPTIONS; i++)
        if (strcmp(own[i].name, name) == 0)
            return i;
    for (size_t i = 0; (o = caption_option_at(i)) != NULL; i++)
        if (is_called(o, name))
            return OWN_OPTIONS + (int)i;
    return -1;
}

caption_input_type caption_input_type_of(const char *name)
{
    int i = find_option(name);
    if (i < OWN_OPTIONS)
        return i < 0 ? INPUT_TEXT : own[i].type;
    const caption_option *o = caption_option_at((size_t)(i - OWN_OPTIONS));
    return o->type == CAPTION_OPTION_CHOICE ? INPUT_TEXT : o->type == CAPTION_OPTION_FLAG ? INPUT_FLAG : INPUT_NUMBER;
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

static int set_flag(const char *name, const char *value, int *flag, problem *p)
{
    int yes = strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
    if (!yes && strcmp(value, "false") != 0 && strcmp(value, "0") != 0)
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: \"%.40s\" is neither true nor false", name, value);
    *flag = yes;
    return 0;
}

static int set_attention(caption_input *input, const char *value, problem *p)
{
    int yes = 0;
    if (strcmp(value, "overlay") == 0)
        input->attention = ATTENTION_OVERLAY;
    else if (strcmp(value, "true") != 0 && strcmp(value, "1") != 0 && strcmp(value, "false") != 0 &&
             strcmp(value, "0") != 0)
        return problem_set(p, PROBLEM_BAD_OPTION, "attention: \"%.40s\" is none of true, false, overlay", value);
    else if (!set_flag("attention", value, &yes, p))
        input->attention = yes ? ATTENTION_WEIGHTS : ATTENTION_NONE;
    return 0;
}

/* Numbers: digits alone for whole ones; nothing before or behind them. */
static int set_number(const caption_option *o, const char *name, const char *value, void *member, problem *p)
{
    char *end;
    int whole = o->type == CAPTION_OPTION_INTEGER;
    double number = strtod(value, &end);
    int good = end != value && !*end && !isspace((unsigned char)*value);
    if (whole)
        good = good && value[strspn(value, "0123456789")] == '\0' && strlen(value) <= 9;
    if (!good || !(number >= o->minimum && number <= o->maximum)) /* NaN is neither */
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: \"%.40s\" is not a %snumber from %.12g to %.12g", name, value,
                           whole ? "whole " : "", o->minimum, o->maximum);
    if (whole)
        *(int *)member = (int)number;
    else
        *(double *)member = number;
    return 0;
}

static int set_seed(const char *name, const char *value, uint64_t *seed, problem *p)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    if (!isdigit((unsigned char)*value) || *end || errno)
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: \"%.40s\" is not a whole number below 2^64", name, value);
    *seed = number;
    return 0;
}

static int set_choice(const caption_option *o, const char *name, const char *value, int *choice, problem *p)
{
    int i = caption_option_choice(o, value);
    if (i < 0)
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: \"%.40s\" is none of %s", name, value, o->choices);
    *choice = i;
    return 0;
}

static int set_decoding(caption_input *input, const caption_option *o, const char *name, const char *value, problem *p)
{
    void *member = (char *)&input->options + o->offset;
    switch (o->type) {
    case CAPTION_OPTION_CHOICE:
        return set_choice(o, name, value, member, p);
    case CAPTION_OPTION_FLAG:
        return set_flag(name, value, member, p);
    case CAPTION_OPTION_SEED:
        return set_seed(name, value, member, p);
    case CAPTION_OPTION_INTEGER:
    case CAPTION_OPTION_REAL:
        break;
    }
    return set_number(o, name, value, member, p);
}

static int set_option(caption_input *input, int i, const char *name, const char *value, problem *p)
{
    switch (i) {
    case OPTION_MODEL:
        return set_model(input, value, p);
    case OPTION_LOGPROBS:
        return set_flag(name, value, &input->logprobs, p);
    case OPTION_ATTENTION:
        return set_attention(input, value, p);
    default:
        return set_decoding(input, caption_option_at((size_t)(i - OWN_OPTIONS)), name, value, p);
    }
}

int caption_input_is_option(const caption_input *input, const char *name)
{
    int i = find_option(name);
    return i >= 0 && (!input->max_texts || i == OPTION_MODEL || i == OPTION_ATTENTION);
}

int caption_input_is_given(const caption_input *input, const char *name)
{
    int i = find_option(name);
    return i >= 0 && input->given >> i & 1U;
}

int caption_input_option(caption_input *input, const char *name, const char *value, problem *p)
{
    if (caption_input_is_text(input, name))
        return caption_input_text(input, value ? value : "", value ? strlen(value) : 0, p);
    int i = find_option(name);
    if (!caption_input_is_option(input, name))
        return input_refuse_name(name, 0, p);
    if (input->given & 1U << i)
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: given twice", name);
    input->given |= 1U << i;
    return set_option(input, i, name, value ? value : "", p);
}

int caption_input_texts_alone(const caption_input *input, int most, problem *p)
{
    if (input->logprobs || input->attention || input->options.concepts)
        return problem_set(p, PROBLEM_BAD_OPTION, "this answer has no place for %s",
                           input->logprobs    ? "logprobs"
                           : input->attention ? "attention"
                                              : "concepts");
    if (input->options.n > most)
        return problem_set(p, PROBLEM_BAD_OPTION, "n: this answer has place for %d", most);
    return 0;
}

int caption_input_finish(caption_input *input, problem *p)
{
    caption_error err;
    int seed = find_option("seed");
    if (caption_options_check(&input->options, &err) != CAPTION_OK)
        return problem_set(p, PROBLEM_BAD_OPTION, "%s", err.message);
    if (input->options.decode == CAPTION_SAMPLE && !(input->given & 1U << seed)) {
        uint64_t bits = 0;
        if (getrandom(&bits, sizeof bits, 0) != sizeof bits)
            return problem_set(p, PROBLEM_INTERNAL, "no random numbers");
        input->options.seed = bits >> 11; /* what a JSON number can hold exactly */
    }
    return 0;
}
