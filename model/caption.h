/* caption.h: the main header of libcaption: images in, captions out.
 *
 *     caption_error err;
 *     caption_encoder *encoder;
 *     caption_model *model;
 *     caption_session *session;
 *     caption_image image;
 *     caption_result result;
 *
 *     caption_init();
 *     if (caption_encoder_open(&encoder, "weights/efficientnet-b0.safetensors", &err) ||
 *         caption_model_open(&model, "weights/lstm.safetensors", &err) ||
 *         caption_session_new(&session, encoder, 1, &err) ||
 *         caption_image_decode(&image, bytes, size, NULL, &err) ||
 *         caption_encode(session, 1, &image, &err) ||
 *         caption_generate(session, model, NULL, &result, &err))
 *         fprintf(stderr, "%s\n", err.message);
 *     else
 *         puts(result.text);
 *
 * Weights (encoder, model) are immutable: any number of threads may share them, and the last release frees them.
 * A session is one thread's scratch memory, sized when it is made; sessions are independent of each other.
 * Functions returning int follow error.h. Pointers are never NULL unless a comment says so. */
#ifndef CAPTION_CAPTION_H
#define CAPTION_CAPTION_H

#include <stddef.h>
#include <stdint.h>

#include "model/error.h"
#include "model/option.h"

#pragma GCC visibility push(default) /* all else in the library is hidden */

#ifdef __cplusplus
extern "C" {
#endif

enum {
    CAPTION_IMAGE_SIDE = 224,   /* pixels; every photo is resized to a square of this side */
    CAPTION_FEATURES = 1280,    /* length of the feature vector */
    CAPTION_MAP_SIDE = 7,       /* the local map: what is where, */
    CAPTION_MAP_CHANNELS = 320, /* so many numbers for each of 7 x 7 places */
    CAPTION_MAP = CAPTION_MAP_SIDE * CAPTION_MAP_SIDE * CAPTION_MAP_CHANNELS,
    CAPTION_CLASSES = 1000,    /* ImageNet classes */
    CAPTION_MAX_WORDS = 64,    /* longest caption that can be asked for */
    CAPTION_TEXT_BYTES = 2048, /* room for such a caption */
    CAPTION_MAX_CONCEPTS = 32, /* concepts of an image that can be asked for */
    CAPTION_MAX_BEAM = 16,     /* captions of one image written at a time */
    CAPTION_POSITIONS = 49,    /* places of the photo that a captioner can attend to: 7x7 */
};

/* Call once before anything else, from one thread: sets the BLAS to one thread a call, picks the SIMD kernels and loads
 * what decoding images needs from disk. */
void caption_init(void);

/* Takes the memory that matrix products need in so many threads at a time, which they would otherwise take when they
 * first multiply, and wait for without end if there is none. CAPTION_ENOMEM says so now. May be called again. */
int caption_reserve(int threads, caption_error *err);

/* The SIMD kernels in use ("avx512", "avx2", "baseline") and the BLAS core name, for logs. Static strings. */
const char *caption_simd_name(void);
const char *caption_blas_name(void);

/* An OpenBLAS older than the CPU takes it for a Prescott of 2004, and is up to eight times slower than it could be.
 * Then this is what OPENBLAS_CORETYPE should be before the program starts; NULL if all is well. */
const char *caption_blas_advice(void);

/* ---- images ------------------------------------------------------------------------------------------------- */

typedef struct caption_image {
    unsigned char rgb[CAPTION_IMAGE_SIDE * CAPTION_IMAGE_SIDE * 3]; /* [224, 224, 3], row-major RGB, 0..255 */
    int width, height;                                              /* of the photo as sent, after orientation */
} caption_image;

/* The default limits. */
enum { CAPTION_IMAGE_PIXELS = 64000000, CAPTION_IMAGE_MEMORY = 512 << 20 };

typedef struct caption_image_limits {
    size_t max_pixels; /* width x height that a header may claim; 0: CAPTION_IMAGE_PIXELS */
    size_t max_memory; /* bytes that decoding may take, computed from the header; 0: CAPTION_IMAGE_MEMORY */
} caption_image_limits;

/* What the first bytes say: "image/jpeg", "image/png" ..., or NULL for what this build does not read. */
const char *caption_image_type(const void *bytes, size_t size);

/* Reads only the header: the size as stored. CAPTION_EUNSUPPORTED: not an image type we read (the message names it if
 * it is known); CAPTION_EFORMAT: damaged; CAPTION_ELIMIT: claims more than a limit. Costs microseconds, so it may run
 * before queueing. limits may be NULL. */
int caption_image_check(const void *bytes, size_t size, const caption_image_limits *limits, int *width, int *height,
                        caption_error *err);

/* An image file -> 224 x 224 RGB: the first frame, upright (EXIF), in sRGB (ICC profile), grey widened, alpha laid over
 * white, resized antialiased ignoring aspect. What browsers show is read; where data of the image are missing it is
 * CAPTION_EFORMAT, with how much was there. Other errors as caption_image_check. Uses the calling thread and memory
 * only: no file, no state. */
int caption_image_decode(caption_image *out, const void *bytes, size_t size, const caption_image_limits *limits,
                         caption_error *err);

/* Who decodes images where the library reads files itself (train.h): in another process, say. decode NULL:
 * caption_image_decode. May be called by several threads at once. */
typedef struct caption_decoder {
    int (*decode)(void *context, caption_image *out, const void *bytes, size_t size, caption_error *err);
    void *context;
} caption_decoder;

/* ---- weights ------------------------------------------------------------------------------------------------ */

typedef struct caption_encoder caption_encoder; /* EfficientNet-B0 */
typedef struct caption_model caption_model;     /* a captioner: decoder weights and vocabulary */

/* Loads and checks a weight file; *out starts with one reference. */
int caption_encoder_open(caption_encoder **out, const char *path, caption_error *err);
int caption_model_open(caption_model **out, const char *path, caption_error *err);

caption_encoder *caption_encoder_retain(caption_encoder *encoder); /* adds a reference, returns its argument */
caption_model *caption_model_retain(caption_model *model);
void caption_encoder_release(caption_encoder *encoder); /* NULL is allowed */
void caption_model_release(caption_model *model);       /* NULL is allowed */

/* Facts about loaded weights. Strings live as long as the object. */
const char *caption_encoder_sha256(const caption_encoder *encoder); /* by which captioners name it: 64 hex digits */
const char *caption_encoder_label(const caption_encoder *encoder, int class_index); /* "tabby, tabby cat"; or NULL */
const char *caption_model_sha256(const caption_model *model);

/* 1 if the file carries checksums, which were then compared; 0: it comes from another writer or an older captiond. */
int caption_model_verified(const caption_model *model);
const char *caption_model_kind(const caption_model *model); /* "rnn", "lstm", "attention" */
int caption_model_vocabulary_size(const caption_model *model);
int caption_model_hidden_size(const caption_model *model);
int caption_model_word_size(const caption_model *model);
int caption_model_positions(const caption_model *model); /* CAPTION_POSITIONS if it attends to places, else 0 */
int caption_model_concepts(const caption_model *model);  /* how many words it predicts of an image; 0: none */

/* The metadata string of `key` in the model's file (training facts, scores), or NULL. */
const char *caption_model_metadata(const caption_model *model, const char *key);

/* ---- sessions ----------------------------------------------------------------------------------------------- */

typedef struct caption_session caption_session;

/* Scratch for batches of up to max_batch images. The session keeps a reference to the encoder. encoder may be NULL:
 * then features come from caption_session_set_features only. */
int caption_session_new(caption_session **out, caption_encoder *encoder, int max_batch, caption_error *err);
void caption_session_free(caption_session *session); /* NULL is allowed */

/* Encodes n images (1 <= n <= max_batch); the features stay in the session for caption_generate. */
int caption_encode(caption_session *session, int n, const caption_image *images, caption_error *err);

/* The features of the i-th image of the last caption_encode: [1280], valid until the next one. */
const float *caption_session_features(const caption_session *session, int i);

/* Its local map: [7, 7, 320], likewise. */
const float *caption_session_map(const caption_session *session, int i);

/* Puts what was computed elsewhere (a cache) in place of caption_encode: features [n, 1280], maps [n, 7, 7, 320].
 * maps may be NULL: then captioners that look at them are refused. */
int caption_session_set_features(caption_session *session, int n, const float *features, const float *maps,
                                 caption_error *err);

/* Class scores before softmax of one image: logits [1000]. */
int caption_classify(caption_session *session, const caption_image *image, float *logits, caption_error *err);

/* How the words are chosen. A zeroed struct is the greedy default; caption_defaults() has every number spelt out. */
typedef enum caption_decode {
    CAPTION_GREEDY, /* the most probable next word, again and again */
    CAPTION_BEAM,   /* the best of several captions written at a time */
    CAPTION_SAMPLE, /* words drawn by their probability */
} caption_decode;

typedef struct caption_options {
    int max_words;         /* 1..CAPTION_MAX_WORDS; 0: 20 */
    int decode;            /* caption_decode */
    int beam;              /* CAPTION_BEAM: captions of an image held at a time, 1..CAPTION_MAX_BEAM; 0: 5 */
    double length_penalty; /* CAPTION_BEAM: exponent of the length by which captions are compared, 0..2 */
    double temperature;    /* CAPTION_SAMPLE: below 1 prefers probable words, above 1 improbable ones; 0: 1 */
    int top_k;             /* CAPTION_SAMPLE: draw among that many most probable words; 0: all */
    double top_p;          /* CAPTION_SAMPLE: draw among the fewest words that make up this probability; 0: 1, all */
    uint64_t seed;         /* CAPTION_SAMPLE: the same gives the same captions, whatever else is in the batch */
    int n;                 /* captions an image, 1..CAPTION_MAX_BEAM; 0: 1. Greedily 1; with a beam at most its width */
    double min_confidence; /* 0 to 1: a caption that is less sure gets an empty text; 0: none does */
    int concepts;          /* how many concepts of each image are wanted, 0..CAPTION_MAX_CONCEPTS */
    int plain;             /* 1: by probability alone, without the rules of fluency (below) */
} caption_options;

caption_options caption_defaults(void);

/* The i-th of them (option.h), NULL past the last. */
const caption_option *caption_option_at(size_t i);

/* Refuses options out of range, or that do not fit each other, by name (CAPTION_EINVAL). */
int caption_options_check(const caption_options *options, caption_error *err);

/* One word of a caption. */
typedef struct caption_token {
    const char *word;       /* "<END>" for the end */
    float logprob;          /* natural log of its probability after the words before it */
    int unknown;            /* caption_likelihood: 1 for a word that the model does not know */
    float concept;          /* probability that the image has this word's concept, -1 if it is none */
    const float *attention; /* [49] the weights of the 7x7 places looked at for this word, row by row from the top left,
                             * summing to 1; NULL unless caption_model_positions */
} caption_token;

/* A word that applies to an image, whether or not the caption has it. */
typedef struct caption_concept {
    const char *word; /* lives as long as the model */
    float probability;
} caption_concept;

typedef struct caption_result {
    char text[CAPTION_TEXT_BYTES]; /* words separated by spaces, NUL-terminated UTF-8 */
    float logprob;                 /* natural log of the caption's probability, end included if it was reached */
    int words;
    int finished;     /* 0 if max_words cut the sentence */
    float confidence; /* 0 to 1: how many of its content words are probably true (decoder/confidence.h) */
    caption_concept concepts[CAPTION_MAX_CONCEPTS]; /* of its image, the most probable first: */
    int n_concepts;                                 /* options->concepts, or as many as the model knows */
    int unsure;                  /* 1: confidence is below options->min_confidence, and so text is empty */
    const caption_token *tokens; /* [words + finished]; in the session's memory, until it next writes or scores */
} caption_result;

/* Writes captions for each image of the last caption_encode: results[i * n + k] is the k-th best of image i, where n is
 * options->n. options may be NULL (defaults). Where a tiny vocabulary has no n captions, the rest have no words and a
 * logprob of -INFINITY. The first call with a larger model, batch or beam grows the session's scratch; the word loop
 * allocates nothing.
 *
 * <NULL>, <START> and <UNK> are never chosen, but keep their share of the probability. Unless options->plain, captions
 * follow the rules of fluency (model/decoder/fluency.h): no word or phrase twice, no end on a word that ends no
 * sentence; one that max_words would cut is written anew by a beam that ends in time (a sample is cut back to where
 * it could best have ended). logprob is that of the text under the model, whatever rules chose it.
 *
 * Beams are compared by logprob / ((5 + words + 1) / 6)^length_penalty (Wu et al. 2016). */
int caption_generate(caption_session *session, const caption_model *model, const caption_options *options,
                     caption_result *results, caption_error *err);

/* How probable n given texts are: texts[i] for image of[i] of the last caption_encode. The text is tokenised as
 * captions are for training; results[i].text is what was scored, end included, finished is 1. Words that the model does
 * not know are scored as <UNK>, with the token's `unknown` set. CAPTION_EINVAL, naming the text: no words, more than
 * CAPTION_MAX_WORDS, or CAPTION_TEXT_BYTES long. All texts are scored in step, as one batch. */
int caption_likelihood(caption_session *session, const caption_model *model, int n, const char *const *texts,
                       const int *of, caption_result *results, caption_error *err);

/* ---- measuring ---------------------------------------------------------------------------------------------- */

/* Multiplications and additions that encoding one image takes. */
double caption_encoder_operations(void);

/* The yardstick for timings: how many of them a second one thread does in a large matrix product on this machine, the
 * best of all tries within about `seconds`. 0 if there is no memory. */
double caption_sgemm_speed(double seconds);

/* The same with factors in bfloat16, as training in mixed precision multiplies (train.h); 0 if this CPU cannot. */
double caption_mixed_speed(double seconds);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop
#endif
