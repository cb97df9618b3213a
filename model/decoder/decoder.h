/* decoder.h: features become words: projection -> h0, cell, vocabulary scores; forward, loss and gradients.
 *
 * Letters used throughout model/:  N captions in a batch, T time steps, D features (1280), P map positions (49), M map
 * channels (320), C concepts, K of them attended to, W word-vector size, H hidden size, G gates (1 rnn, 4 lstm), A
 * attention width, V vocabulary size.
 * Sequences are time-major (T, N, .), so that one time step is contiguous.
 *
 *     h0     = features W_proj + p W_concept + b_proj    (N,D)(D,H), (N,C)(C,H)        c0 = 0 (lstm)
 *     x_t    = W_embed[word_t]                    (N,W)
 *     h_t    = cell(x_t, h_t-1)                   layers/rnn.h, layers/lstm.h
 *     z_t    = h_t; the attention kind, an LSTM, adds what it attends to (map_reader.h): first among the K most
 *              probable concepts of the image, each the vector p_k W_embed[word of k], then among the map's positions
 *     scores = z_t W_vocab + b_vocab              (N,H)(H,V)  the words of concepts add gated evidence (evidence.h)
 *     loss   = -sum log softmax(scores)[target] / N, targets equal to NULL are masked      (CS231n assignment 3)
 *
 * p are the probabilities of C concepts, words that may apply to the image (concepts.h); a decoder may have none.
 *
 * All parameters of a decoder lie in one array of reals; decoder_layout names its tensors. So the optimiser, clipping,
 * averaging and checkpoints see one vector. Weights are read-only and may be shared; scratch belongs to a thread. */
#ifndef CAPTION_DECODER_H
#define CAPTION_DECODER_H

#include <stddef.h>
#include <stdint.h>

#include "model/arena.h"
#include "model/real.h"

typedef enum decoder_kind { DECODER_RNN, DECODER_LSTM, DECODER_ATTENTION, DECODER_KINDS } decoder_kind;

const char *decoder_kind_name(decoder_kind kind);             /* "rnn", "lstm", "attention" */
int decoder_kind_parse(const char *name, decoder_kind *kind); /* 0 if unknown */
int decoder_gates(decoder_kind kind);                         /* G */
int decoder_looks(decoder_kind kind);                         /* 1 if it reads the map as well */

typedef struct decoder_shape {
    decoder_kind kind;
    int features;   /* D */
    int positions;  /* P, map positions an attention kind reads; 0 for kinds that read only the mean, as M and A */
    int words;      /* W */
    int hidden;     /* H */
    int vocabulary; /* V */
    int channels;   /* M */
    int attention;  /* A */
    int concepts;   /* C, 0: none */
    int tags;       /* K, concepts that the attention kind attends to; 0 for the others */
    int evidence;   /* 1: the concepts add to the scores of their words (evidence.h) */
} decoder_shape;

typedef struct decoder_tensor {
    const char *name; /* as in the weight file: w_proj b_proj w_embed w_x w_h b w_vocab b_vocab, ... */
    int rows, cols;   /* a bias has rows == 0 and is one-dimensional in the file */
    size_t offset;    /* of its first element in the parameter array */
    int which;        /* of enum decoder_tensor_index */
} decoder_tensor;

/* The tensors in the order of the layout. A shape has the first eight; those up to the last of its first reader stand
 * at their own index. */
enum decoder_tensor_index {
    DECODER_W_PROJ,
    DECODER_B_PROJ,
    DECODER_W_EMBED,
    DECODER_W_X,
    DECODER_W_H,
    DECODER_B,
    DECODER_W_VOCAB,
    DECODER_B_VOCAB,
    DECODER_W_MAP, /* from here on: attention captioners */
    DECODER_B_MAP,
    DECODER_W_KEY,
    DECODER_W_VALUE,
    DECODER_W_QUERY,
    DECODER_B_QUERY,
    DECODER_READER_TENSORS = DECODER_B_QUERY - DECODER_W_MAP + 1,
    DECODER_W_CONCEPT = DECODER_W_MAP + 2 * DECODER_READER_TENSORS, /* behind those of the reader of concepts */
    DECODER_EVIDENCE_SCALE,                                         /* the four of evidence.h */
    DECODER_EVIDENCE_OFFSET,
    DECODER_W_GATE,
    DECODER_B_GATE,
    DECODER_MAX_TENSORS
};

/* Fills `tensors` with those that the shape has and returns their number; *total becomes the parameter count. */
int decoder_layout(const decoder_shape *shape, decoder_tensor tensors[DECODER_MAX_TENSORS], size_t *total);

/* The decoder's inputs for I images. */
typedef struct X(decoder_images) {
    const real *features;     /* [I, D] */
    const real *map;          /* [I, P, M], NULL without attention */
    const real *concepts;     /* [I, C] probabilities p, NULL if C is 0 */
    const int *tags;          /* [I, K] the concepts attended to, NULL if K is 0 */
    const int *concept_words; /* [C] the word of each concept */
} X(decoder_images);

/* Gradients of those; each is NULL, or is overwritten. */
typedef struct X(decoder_image_gradients) {
    real *features, *map, *concepts;
} X(decoder_image_gradients);

/* A batch of the training loss. */
typedef struct X(decoder_batch) {
    int n, t;      /* N captions, T = longest caption + 1 predicted words */
    int per_image; /* captions of each image, which stand side by side; 0 means 1. I = N / per_image */
    X(decoder_images) images;
    const int *captions;  /* [T+1, N] ids: START, words, END, then NULL; inputs are rows 0..T-1, targets 1..T */
    const real *weights;  /* [N] factor of each caption's loss, NULL: all 1 */
    real dropout;         /* probability of dropping an element of x_t and z_t (inverted dropout); 0 = off */
    real label_smoothing; /* probability mass spread evenly over the vocabulary; 0 = plain cross-entropy */
    uint64_t seed;        /* of this batch's dropout masks: the same seed gives the same masks */
    int first;            /* these are captions first..first+n-1 of those that `seed` belongs to */
} X(decoder_batch);

/* Bytes of scratch that decoder_loss takes from its arena for batches up to n x t. */
size_t X(decoder_loss_scratch)(const decoder_shape *shape, int n, int t);

/* The mean loss per caption. gradients: NULL, or an array like parameters that is overwritten with d loss/d parameter;
 * dimages: NULL if no gradient of the images is wanted. `scratch` must have been reserved for this n x t; it is reset.
 */
real X(decoder_loss)(const decoder_shape *shape, const real *parameters, const X(decoder_batch) *batch, real *gradients,
                     const X(decoder_image_gradients) *dimages, arena *scratch);

/* What an attention kind attends to. */
enum { DECODER_TAGS, DECODER_MAP, DECODER_VIEWS };

/* What is known of the positions of I images (map_reader.h). */
typedef struct X(map_view) {
    int images;
    real *tile;   /* [I, P, A] */
    real *keys;   /* [I, P, A] */
    real *values; /* [I, P, H] */
} X(map_view);

/* Captions being written, a row each. What a kind with positions reads of each image is projected once, when it starts;
 * a row looks at the map of image[row]. */
typedef struct X(decoder_state) {
    int n;           /* rows now */
    real *h;         /* [n, H] */
    real *c;         /* [n, H], lstm only */
    int *image;      /* [n] */
    real *looks;     /* [n, P] attention weights over the map for the next word; each row sums to 1 */
    real *tag_looks; /* [n, K] attention weights over the concepts */
    X(map_view) view[DECODER_VIEWS];
    real *evidence;           /* [I, C] of the images, if the shape has it */
    const int *concept_words; /* [C] */
    real *other_h, *other_c;  /* of decoder_select */
    int *other_image;
} X(decoder_state);

/* Bytes of scratch for decoder_start / decoder_step of so many images and at most so many rows (state included). */
size_t X(decoder_step_scratch)(const decoder_shape *shape, int images, int rows);

/* Takes a state from scratch with a row for each image, set to (h0, c0); decoder_select may make them up to `rows`. */
X(decoder_state) X(decoder_start)(const decoder_shape *shape, const real *parameters, int images, int rows,
                                  const X(decoder_images) *of, arena *scratch);

/* Feeds one word to each row: state becomes the next, scores [n, V] the unnormalised log-probabilities of the word
 * after. Temporary memory comes from scratch and goes back to it. */
void X(decoder_step)(const decoder_shape *shape, const real *parameters, const int *words, X(decoder_state) *state,
                     real *scores, arena *scratch);

/* Row r becomes a copy of what row from[r] was, for r < n: closes the gaps of finished captions, or lets beams branch.
 */
void X(decoder_select)(const decoder_shape *shape, X(decoder_state) *state, int n, const int *from);

#endif
