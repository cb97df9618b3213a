/* search_options.c: one table of the options of caption_generate. Ranges, descriptions, the command line and requests
 * all come from it. */
#include <string.h>

#include "model/decoder/search.h"

#define AT(member) offsetof(caption_options, member)

enum { DEFAULT_MAX_WORDS = 20, DEFAULT_BEAM = 5 };

static const caption_option table[] = {
    {"max-words", "longest caption", NULL, CAPTION_OPTION_INTEGER, AT(max_words), 1, CAPTION_MAX_WORDS},
    {"decode", "how words are chosen", "greedy|beam|sample", CAPTION_OPTION_CHOICE, AT(decode), 0, 2},
    {"beam", "beam: captions held at a time", NULL, CAPTION_OPTION_INTEGER, AT(beam), 1, CAPTION_MAX_BEAM},
    {"length-penalty", "beam: how much longer captions are favoured; 0: not", NULL, CAPTION_OPTION_REAL,
     AT(length_penalty), 0, 2},
    {"temperature", "sample: below 1 keeps to probable words, above 1 strays", NULL, CAPTION_OPTION_REAL,
     AT(temperature), 0.05, 5},
    {"top-k", "sample: among that many most probable words; 0: all", NULL, CAPTION_OPTION_INTEGER, AT(top_k), 0, 1000},
    {"top-p", "sample: among the fewest words with this probability", NULL, CAPTION_OPTION_REAL, AT(top_p), 1e-6, 1},
    {"seed", "sample: the same gives the same captions", NULL, CAPTION_OPTION_SEED, AT(seed), 0, 0},
    {"n", "beam: best captions; sample: independent ones", NULL, CAPTION_OPTION_INTEGER, AT(n), 1, CAPTION_MAX_BEAM},
    {"min-confidence", "a caption less sure than this gets an empty text; 0: none does", NULL, CAPTION_OPTION_REAL,
     AT(min_confidence), 0, 1},
    {"concepts", "also tell that many words that most probably apply to the image; 0: none", NULL,
     CAPTION_OPTION_INTEGER, AT(concepts), 0, CAPTION_MAX_CONCEPTS},
    {"plain", "by probability alone, even if words are repeated or the end is cut", NULL, CAPTION_OPTION_FLAG,
     AT(plain), 0, 1},
};

const caption_option *caption_option_at(size_t i)
{
    return i < sizeof table / sizeof *table ? &table[i] : NULL;
}

int caption_option_choice(const caption_option *option, const char *word)
{
    size_t length = strlen(word);
    int i = 0;
    for (const char *choice = option->choices; choice; choice = strchr(choice, '|'), i++) {
        choice += *choice == '|';
        if (strcspn(choice, "|") == length && strncmp(choice, word, length) == 0)
            return i;
    }
    return -1;
}

caption_options caption_defaults(void)
{
    return (caption_options){
        .max_words = DEFAULT_MAX_WORDS,
        .decode = CAPTION_GREEDY,
        .beam = DEFAULT_BEAM,
        .length_penalty = 1.5, /* better on dev than the usual 0.7, for every captioner that ships */
        .temperature = 1,
        .top_p = 1,
        .n = 1,
    };
}

static double value_of(const caption_options *options, const caption_option *option)
{
    const char *member = (const char *)options + option->offset;
    return option->type == CAPTION_OPTION_REAL ? *(const double *)(const void *)member
                                               : *(const int *)(const void *)member;
}

caption_options search_defaults(const caption_options *options)
{
    caption_options o = options ? *options : caption_defaults();
    o.max_words = o.max_words ? o.max_words : DEFAULT_MAX_WORDS;
    o.beam = o.beam ? o.beam : DEFAULT_BEAM;
    o.temperature = o.temperature != 0 ? o.temperature : 1;
    o.top_p = o.top_p != 0 ? o.top_p : 1;
    o.n = o.n ? o.n : 1;
    return o;
}

int caption_options_check(const caption_options *options, caption_error *err)
{
    caption_options o = search_defaults(options);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const caption_option *option = &table[i];
        double value = option->type == CAPTION_OPTION_SEED ? option->minimum : value_of(&o, option);
        if (!(value >= option->minimum && value <= option->maximum)) /* NaN is neither */
            return caption_fail(err, CAPTION_EINVAL, "%s: %g is not between %g and %g", option->name, value,
                                option->minimum, option->maximum);
    }
    if (o.decode == CAPTION_GREEDY && o.n > 1)
        return caption_fail(err, CAPTION_EINVAL,
                            "n: greedy decoding has only 1 caption, not %d; decode by beam or sample", o.n);
    if (o.decode == CAPTION_BEAM && o.n > o.beam)
        return caption_fail(err, CAPTION_EINVAL, "n: a beam of %d has no %d captions", o.beam, o.n);
    return CAPTION_OK;
}
