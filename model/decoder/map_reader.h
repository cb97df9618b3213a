/* map_reader.h: the part of an attention captioner that attends: to the positions of the map (what is where), and with
 * weights of its own to the concepts of an image, whose K vectors of W numbers are then its "map" (decoder_view_shape).
 *
 *     tile_p  = tanh(m_p W_map + b_map)                        (P,M)(M,A)   once an image
 *     keys    = tile W_key        values = tile W_value        (P,A)(A,A), (P,A)(A,H)
 *     query_r = h_r W_query + b_query                          (R,H)(H,A)   each word
 *     z_r     = h_r + attention(query_r, keys, values)         layers/attention.h
 *
 * The state h_r has already read the word before, so the weights say where the captioner looks for the word to come;
 * looking does not feed back into the cell (adaptive attention, Lu et al. 2017, without its sentinel: h_r itself is
 * what there is besides the map). So keys and values are projected once an image, and queries of all steps at once. */
#ifndef CAPTION_MAP_READER_H
#define CAPTION_MAP_READER_H

#include "model/decoder/decoder.h"

typedef struct X(map_reader_weights) {
    const real *w_map, *b_map, *w_key, *w_value, *w_query, *b_query;
} X(map_reader_weights);

typedef struct X(map_reader_gradients) {
    real *w_map, *b_map, *w_key, *w_value, *w_query, *b_query;
} X(map_reader_gradients);

/* The rows that look, those of one image side by side so that each image is one product: the first count[0] rows look
 * at image 0, and so on; row j here is row place[j] of h and z. */
typedef struct X(map_readers) {
    int rows;         /* R */
    const int *count; /* [I] */
    const int *place; /* [R] */
    real *state;      /* [R, H] h in this order */
    real *query;      /* [R, A] */
    real *looks;      /* [R, P] */
    real *seen;       /* [R, H] */
} X(map_readers);

/* The shape as the reader of that view sees it, with its P and M. */
decoder_shape decoder_view_shape(const decoder_shape *shape, int view);

/* The vectors of the concepts attended to, as a map [I, K, W] for their reader: p_k W_embed[word of k]. */
void X(concept_map)(const decoder_shape *s, const real *w_embed, int images, const X(decoder_images) *of, real *map);

/* Its gradient dmap, added to those of W_embed [V, W] (NULL: not wanted) and of the probabilities dconcepts [I, C] (the
 * same). */
void X(concept_map_backward)(const decoder_shape *s, const real *w_embed, int images, const X(decoder_images) *of,
                             const real *dmap, real *dw_embed, real *dconcepts);

void X(map_reader_project)(const decoder_shape *s, const X(map_reader_weights) *w, const real *map,
                           const X(map_view) *view);

/* Fills the readers from z [R, H], which holds h; z gets what was seen added. */
void X(map_reader_look)(const decoder_shape *s, const X(map_reader_weights) *w, const X(map_view) *view,
                        const X(map_readers) *r, real *z);

/* For single steps, with nothing to keep: row i of n looks at image[i]. */
void X(map_reader_step)(const decoder_shape *s, const X(map_reader_weights) *w, const X(map_view) *view, int n,
                        const int *image, real *query, real *looks, real *seen, real *z);

/* dz [R, H]: in, the gradient of z; out, that of h. dview and dquery, dlooks (as query, looks) are written, r->seen is
 * overwritten; dmap [I, P, M]: NULL, or overwritten. */
void X(map_reader_backward)(const decoder_shape *s, const X(map_reader_weights) *w, const real *map,
                            const X(map_view) *view, const X(map_readers) *r, const X(map_view) *dview, real *dquery,
                            real *dlooks, real *dz, real *dmap, const X(map_reader_gradients) *dw);

#endif
