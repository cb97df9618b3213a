/* map_reader.h: the part of an attention captioner that looks at the map: what of a picture is where.
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

/* What is known of the maps of I images. */
typedef struct X(map_view) {
    real *tile;   /* [I, P, A] */
    real *keys;   /* [I, P, A] */
    real *values; /* [I, P, H] */
} X(map_view);

/* The rows that look: captions k = 0..N-1 with T rows each, row t N + k; caption k looks at image k / per_image. */
typedef struct X(map_readers) {
    int n, t, per_image;
    const real *h; /* [T, N, H] */
    real *query;   /* [T, N, A] */
    real *looks;   /* [T, N, P] */
} X(map_readers);

void X(map_reader_project)(const decoder_shape *s, const X(map_reader_weights) *w, int images, const real *map,
                           const X(map_view) *view);

/* r->h -> query, looks; z [T, N, H], which holds h, gets what was seen added. */
void X(map_reader_look)(const decoder_shape *s, const X(map_reader_weights) *w, const X(map_view) *view,
                        const X(map_readers) *r, real *z);

/* For single steps: row i of n looks at image[i]. */
void X(map_reader_step)(const decoder_shape *s, const X(map_reader_weights) *w, const X(map_view) *view, int n,
                        const int *image, const real *h, real *query, real *looks, real *z);

/* dz [T, N, H]: in, the gradient of z; out, that of h. dview and dquery, dlooks (as query, looks) are written; dmap
 * [I, P, M]: NULL, or overwritten. */
void X(map_reader_backward)(const decoder_shape *s, const X(map_reader_weights) *w, const real *map,
                            const X(map_view) *view, const X(map_readers) *r, const X(map_view) *dview, real *dquery,
                            real *dlooks, real *dz, real *dmap, const X(map_reader_gradients) *dw);

#endif
