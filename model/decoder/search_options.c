/* search_options.c: one table of the options of caption_generate. Ranges, descriptions, the command line and requests
 * all come from it. */
#include "model/decoder/search.h"

#define AT(member) offsetof(caption_options, member)

enum { DEFAULT_MAX_WORDS = 20, DEFAULT_BEAM = 5 };

static const caption_option table[] = {
    {"max-words", "maximum length of a caption in words", CAPTION_OPTION_INTEGER, AT(max_words), 1, CAPTION_MAX_WORDS,
     NULL},
    {"decode", "decoding method", CAPTION_OPTION_CHOICE, AT(decode), 0, 2, "greedy|beam|sample"},
    {"beam", "beam: beam width", CAPTION_OPTION_INTEGER, AT(beam), 1, CAPTION_MAX_BEAM, NULL},
    {"length-penalty", "beam: exponent of the length normalisation; larger favours longer captions",
     CAPTION_OPTION_REAL, AT(length_penalty), 0, 2, NULL},
    {"temperature", "sample: softmax temperature; below 1 favours probable words", CAPTION_OPTION_REAL, AT(temperature),
     0.05, 5, NULL},
    {"top-k", "sample: number of most probable words to sample from; 0: all", CAPTION_OPTION_INTEGER, AT(top_k), 0,
     1000, NULL},
    {"top-p", "sample: smallest set of words with this total probability to sample from", CAPTION_OPTION_REAL,
     AT(top_p), 1e-6, 1, NULL},
    {"seed", "sample: random seed", CAPTION_OPTION_SEED, AT(seed), 0, 0, NULL},
    {"n", "captions per image: the best of the beam, or independent samples", CAPTION_OPTION_INTEGER, AT(n), 1,
     CAPTION_MAX_BEAM, NULL},
    {"min-confidence", "captions of lower confidence get an empty text; 0: off", CAPTION_OPTION_REAL,
     AT(min_confidence), 0, 1, NULL},
    {"concepts", "number of most probable concepts of the image to report; 0: none", CAPTION_OPTION_INTEGER,
     AT(concepts), 0, CAPTION_MAX_CONCEPTS, NULL},
    {"plain", "turn off the rules against repetitions and cut-off captions", CAPTION_OPTION_FLAG, AT(plain), 0, 1,
     NULL},
};

const caption_option *caption_option_at(size_t i)
{
    return i < sizeof table / sizeof *table ? &table[i] : NULL;
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
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (caption_option_check(&table[i], &o, err))
            return CAPTION_EINVAL;
    if (o.decode == CAPTION_GREEDY && o.n > 1)
        return caption_fail(err, CAPTION_EINVAL,
                            "n: greedy decoding has only 1 caption, not %d; decode by beam or sample", o.n);
    if (o.decode == CAPTION_BEAM && o.n > o.beam)
        return caption_fail(err, CAPTION_EINVAL, "n: a beam of %d has no %d captions", o.beam, o.n);
    return CAPTION_OK;
}
