/* visualize.h: what the network sees: its gradients all the way down to the pixels.
 *
 *     caption_picture photo, dream;
 *     caption_visual_options o = caption_visual_defaults(CAPTION_DREAM);
 *     if (caption_picture_decode(&photo, bytes, size, NULL, o.max_side, &err) ||
 *         caption_dream(encoder, &photo, &o, &dream, &err) ||
 *         caption_picture_png(&dream, &png, &png_size, &err)) ...
 *
 * Five views, as in the visualisation exercises of Stanford's CS231n: saliency (which pixels decide?), fool (the same
 * picture as another class), visualize (what is a class, or a word, to the network?), invert (what does a layer still
 * know of the picture?) and dream (DeepDream: more of what a layer sees). Long ones report each step to a callback.
 *
 * Encoders and captioners are only read, so calls may run at once on as many threads as wanted; each works on the
 * calling thread and with memory of its own. Pictures and results that a function fills are the caller's to free, also
 * after a failure, when they are empty. Functions returning int follow error.h. Pointers are never NULL unless a
 * comment says so. */
#ifndef CAPTION_VISUALIZE_H
#define CAPTION_VISUALIZE_H

#include <stddef.h>
#include <stdint.h>

#include "model/caption.h"

#pragma GCC visibility push(default) /* all else in the library is hidden */

#ifdef __cplusplus
extern "C" {
#endif

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

typedef struct caption_picture {
    int width, height;
    unsigned char *rgb; /* [height, width, 3], 0..255, malloc'd */
} caption_picture;

void caption_picture_free(caption_picture *picture); /* frees rgb and empties it; an empty one is allowed */

/* As caption_image_decode, but of the photo's own shape: upright, alpha over white, shrunk (antialiased) so that no
 * side is longer than max_side. 0: not shrunk. */
int caption_picture_decode(caption_picture *out, const void *bytes, size_t size, const caption_image_limits *limits,
                           int max_side, caption_error *err);

/* Both from one decode. image or picture may be NULL: not wanted. */
int caption_image_and_picture_decode(caption_image *image, caption_picture *picture, int max_side, const void *bytes,
                                     size_t size, const caption_image_limits *limits, caption_error *err);

/* The 224 x 224 version that the encoder classifies and captions. CAPTION_ENOMEM. */
int caption_picture_square(caption_image *out, const caption_picture *picture, caption_error *err);

/* A PNG file in memory: *png is malloc'd, *size its bytes. */
int caption_picture_png(const caption_picture *picture, unsigned char **png, size_t *size, caption_error *err);

/* A grid of numbers heat [height, width], 0 cold to 1 hot (others are clamped), as colours (magma: even steps to the
 * eye), enlarged smoothly to the size of `under` and laid over it in grey, or alone to out_width x out_height if
 * `under` is NULL. */
int caption_heat_picture(caption_picture *out, const float *heat, int height, int width, const caption_picture *under,
                         int out_width, int out_height, caption_error *err);

/* The mean of heat [side, side] in each cell of out [out_side, out_side], out_side <= side. */
void caption_heat_shrink(const float *heat, int side, float *out, int out_side);

/* ---- targets and layers ------------------------------------------------------------------------------------------ */

enum { CAPTION_TOP_CLASS = -1 };

/* What a gradient is taken of: the score of a class before softmax, or the log-probability of a word of a caption. */
typedef struct caption_target {
    int class_index;            /* of ImageNet, or CAPTION_TOP_CLASS: the picture's own (saliency only) */
    const caption_model *model; /* not NULL: a word of this captioner instead: */
    const char *word;           /* its text; NULL: saliency takes the word at `index` of the caption */
    int index;                  /* from 0 */
    const char *caption;        /* saliency: the caption, tokenised as by caption_likelihood; NULL: the model's own */
    const char *before;         /* visualize: the words before it; NULL: "a" */
} caption_target;

/* The class that `text` names: its index, its whole label or one of the names in it ("tabby"), in any case. -1: none.
 */
int caption_encoder_class(const caption_encoder *encoder, const char *text);

enum { CAPTION_LAYERS = 18 }; /* 0 the stem, 1..16 the blocks, 17 the head: the map whose mean are the features */

/* The layer that `text` names: a number, "stem", "head", or "shallow", "middle", "deep" (2, 5, 11). -1: none. */
int caption_layer_index(const char *text);

/* ---- options ----------------------------------------------------------------------------------------------------- */

typedef enum caption_visual {
    CAPTION_SALIENCY,
    CAPTION_FOOL,
    CAPTION_VISUALIZE,
    CAPTION_INVERT,
    CAPTION_DREAM,
} caption_visual;

const char *caption_visual_name(caption_visual visual); /* "saliency", "fool", ... */

/* Before the first step and after each; strings and pointers live only during the callback. */
typedef struct caption_visual_progress {
    const char *stage; /* "ascending", "inverting", "octave 2 of 4" */
    int step, steps;   /* done; of all stages together, at most */
    const char *name;  /* what `value` is: "score" (wanted high), "loss" (wanted low), "activation" (wanted high) */
    double value;
    const caption_picture *preview; /* the picture so far; NULL unless step is a multiple of preview_every */
} caption_visual_progress;

/* One view's options; caption_visual_option_at says which of the numbers a view reads. */
typedef struct caption_visual_options {
    int layer;        /* invert, dream */
    int steps;        /* at most (fool), an octave (dream) */
    double rate;      /* length of a step; each view's own unit */
    double l2;        /* weight of |image|^2 */
    double variation; /* weight of the total variation */
    int jitter;       /* pixels that the picture is shifted by at random in each step, at most */
    double blur;      /* sigma in pixels */
    int blur_every;   /* steps between blurs; 0: never */
    int octaves;      /* sizes, each `scale` times the one before */
    double scale;
    int tile;          /* side of the squares that a larger picture is cut into */
    int max_side;      /* longest side of a dream; a larger picture is refused (CAPTION_ELIMIT) */
    int samples;       /* smoothgrad */
    double noise;      /* smoothgrad: standard deviation, as a share of the picture's range */
    double margin;     /* fool: lead over every other class's score before it stops */
    int magnify;       /* fool: factor of the difference picture */
    int preview_every; /* steps between previews; 0: never */
    uint64_t seed;     /* of everything random: the same seed gives the same picture */

    /* Called at every step; non-zero stops (CAPTION_ECANCELLED). May be NULL. */
    int (*progress)(void *context, const caption_visual_progress *progress);
    void *context;
} caption_visual_options;

/* The i-th number that this view reads (option.h), NULL past the last. `layer` (caption_layer_index) and `seed` (any
 * integer) are not among them. */
const caption_option *caption_visual_option_at(caption_visual visual, size_t i);

caption_visual_options caption_visual_defaults(caption_visual visual);

/* The shortest side of a picture to dream of. */
enum { CAPTION_DREAM_SIDE = 32 };

/* CAPTION_EINVAL: no such class, or not one word that the model knows, behind words that it knows. The views do so
 * themselves. */
int caption_target_check(const caption_target *wanted, caption_error *err);

/* Refuses options out of range by name (CAPTION_EINVAL). The views do so themselves. */
int caption_visual_check(caption_visual visual, const caption_visual_options *options, caption_error *err);

/* ---- the views --------------------------------------------------------------------------------------------------- */

typedef enum caption_saliency_method {
    CAPTION_GRADIENT,   /* |d score / d image|, maximum over the colours (Simonyan et al. 2013) */
    CAPTION_SMOOTHGRAD, /* its mean over noisy copies (Smilkov et al. 2017) */
    CAPTION_GRADCAM,    /* where the last map speaks for it (Selvaraju et al. 2017): 7 x 7, enlarged */
} caption_saliency_method;

/* The method called "gradient", "smoothgrad" or "gradcam"; 0 if there is none. */
int caption_saliency_method_parse(const char *name, caption_saliency_method *method);

typedef struct caption_saliency_map {
    float heat[CAPTION_IMAGE_SIDE * CAPTION_IMAGE_SIDE]; /* [224, 224], 0..1: divided by `maximum` */
    double maximum;                                      /* of the raw values; the pixels' unit is a level of 0..255 */
    double score;                                        /* class score, or log-probability of the word */
    int class_index;                                     /* the class it is of, or -1 */
    int word;                                            /* position of the word in `caption`, or -1 */
    char caption[CAPTION_TEXT_BYTES];                    /* that was given, or that the model writes, or "" */
} caption_saliency_map;

/* CAPTION_EINVAL: no such class, no such word in the caption, no caption, or a session without encoder. Overwrites the
 * session's features. The first call grows the session's memory by about 60 MB. */
int caption_saliency(caption_session *session, const caption_image *image, const caption_target *target,
                     caption_saliency_method method, const caption_visual_options *options, caption_saliency_map *out,
                     caption_error *err);

/* The map as people like to see it: a little smoothed, the brightest hundredth alike; otherwise as
 * caption_heat_picture. */
int caption_saliency_picture(caption_picture *out, const caption_saliency_map *map, const caption_picture *under,
                             int out_width, int out_height, caption_error *err);

typedef struct caption_fooled {
    caption_picture picture, difference; /* 224 x 224; the difference is magnified around grey */
    int steps, reached;                  /* reached: the picture as saved is of the target class, with the margin */
    int from, to;                        /* class before, and wanted */
    float from_before, from_after;       /* scores of these classes, before and after */
    float to_before, to_after;
    int largest_change; /* of any value, in levels of 0..255 */
    double mean_change;
} caption_fooled;

void caption_fooled_free(caption_fooled *fooled);

/* Changes the picture a little until it is of class `to`. Not reaching it within the steps is no error. */
int caption_fool(caption_encoder *encoder, const caption_image *image, int to, const caption_visual_options *options,
                 caption_fooled *out, caption_error *err);

/* Climbs the score of a class or word from noise. *score: that of the picture as returned (224 x 224). */
int caption_visualize(caption_encoder *encoder, const caption_target *target, const caption_visual_options *options,
                      caption_picture *out, double *score, caption_error *err);

typedef struct caption_inverted {
    caption_picture picture; /* 224 x 224: what the layer knows of the photo */
    double first_loss,
        last_loss; /* |phi(x) - phi(photo)|^2 / |phi(photo)|^2 of the noise it began with, and of the end */
} caption_inverted;

void caption_inverted_free(caption_inverted *inverted);

int caption_invert(caption_encoder *encoder, const caption_image *image, const caption_visual_options *options,
                   caption_inverted *out, caption_error *err);

/* The photo with more of what the layer sees in it, of the photo's size. */
int caption_dream(caption_encoder *encoder, const caption_picture *photo, const caption_visual_options *options,
                  caption_picture *out, caption_error *err);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop
#endif
